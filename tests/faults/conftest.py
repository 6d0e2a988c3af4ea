"""The process that tests fork their victims from, and the summary of what they went through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rag.app
from rag.app import Footnote, open_library
from tests.faults import jobs, tiny
from tests.faults.world import SUMMARY, Server, World, lay_out, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def world(server: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), server)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that a library and its articles are put in."""
    return tmp_path


@pytest.fixture
def open_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Footnote]:
    """Return a function that opens a library in this process, with the tests' embedder."""
    lay_out(place / "articles")
    monkeypatch.setattr(rag.app, "MiniLMEmbedding", tiny.TinyEmbedding)

    def open_() -> Footnote:
        return open_library(jobs.settings({"library": place / "library", "articles": place / "articles"}))

    return open_


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what this process went through to the one that it works for, if it works for one."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["faults"] = (dict(SUMMARY.numbers), SUMMARY.lines)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process went through that worked for this one."""
    numbers, lines = getattr(node, "workeroutput", {}).get("faults", ({}, []))
    SUMMARY.numbers.update(numbers)
    SUMMARY.lines += lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SUMMARY.numbers or SUMMARY.lines:
        terminalreporter.section("faults")
        numbers = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in SUMMARY.numbers.items())
        for line in [numbers, *SUMMARY.lines]:
            terminalreporter.write_line(line)
