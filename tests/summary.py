"""What the tests tried and measured, for the last lines of their run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest


@dataclass
class Summary:
    """What was tried in this run: counts that add up, and lines."""

    numbers: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, **numbers: int) -> None:
        self.numbers.update(numbers)


SUMMARY = Summary()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what this process tried to the one that it works for, if it works for one."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["summary"] = (dict(SUMMARY.numbers), SUMMARY.lines)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take over what a process tried that worked for this one."""
    numbers, lines = getattr(node, "workeroutput", {}).get("summary", ({}, []))
    SUMMARY.numbers.update(numbers)
    SUMMARY.lines += lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print it."""
    if SUMMARY.numbers or SUMMARY.lines:
        terminalreporter.section("tried")
        numbers = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in SUMMARY.numbers.items())
        for line in [numbers, *SUMMARY.lines]:
            terminalreporter.write_line(line)
