"""Owns processes that are measured: what one took, and the rows of the table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[str, str]
"""What was measured, with its goal if it has one, and what came out."""

# A small process of its own: a child's peak memory counts that of the process it was started from.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
child = subprocess.Popen(json.loads(sys.argv[1]), stdout=subprocess.PIPE, text=True)
output = child.stdout.read()
_, status, usage = os.wait4(child.pid, 0)
seconds = time.perf_counter() - began
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, cpu, usage.ru_maxrss, output]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took, those it started included, in seconds; `peak` is that of the largest of them, in MB."""

    seconds: float
    cpu: float
    peak: float
    output: str


def run(command: Sequence[str]) -> Run:
    """Run a command to its end; it must succeed."""
    launch = [sys.executable, "-c", _LAUNCHER, json.dumps(list(command))]
    done = subprocess.run(launch, stdout=subprocess.PIPE, text=True, check=True)
    code, seconds, cpu, peak, output = json.loads(done.stdout)
    assert code == 0, f"{command} ended with {code}"
    return Run(seconds, cpu, peak / (1024 if sys.platform == "linux" else 1024**2), output)


def task(name: str, *arguments: object) -> tuple[Run, dict[str, Any]]:
    """Run one of `tests.bench.tasks` as a new process; returns what it took and what it says of itself."""
    done = run(task_command(name, *arguments))
    return done, json.loads(done.output)


def task_command(name: str, *arguments: object) -> list[str]:
    """Return the command that runs one of `tests.bench.tasks`."""
    return [sys.executable, "-m", "tests.bench.tasks", name, *map(str, arguments)]


def resident() -> float:
    """Return the memory that this process holds now, in MB."""
    done = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def spread(milliseconds: Sequence[float]) -> str:
    """Return the median and the 95th of a hundred."""
    return f"p50 {statistics.median(milliseconds):.1f} ms, p95 {statistics.quantiles(milliseconds, n=20)[-1]:.1f} ms"
