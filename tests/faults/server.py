"""A process that has imported everything and opened nothing: forked, it gives processes to kill at no cost of start.

Requests are lines of JSON on stdin, each answered by one on stdout. `python -m tests.faults.server`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from rag.load.metadata import detect_language
from tests.faults import jobs

_SECONDS = 60  # for one child
_LARGEST_FILE = 200_000_000


def _child(request: dict[str, Any], result: int, go: int | None) -> None:
    """Run a request in this forked process, and end it."""
    code = 0
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A damaged index can write until the disk is full, and this disk is not the test's alone.
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        if go is not None:
            os.read(go, 1)
        if limit := request.get("limits"):
            for name, value in limit.items():
                resource.setrlimit(getattr(resource, name), (value, value))
        if uid := request.get("uid"):
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        answer: Any = jobs.run(request)
    except BaseException:
        answer, code = {"traceback": traceback.format_exc()}, 70
    os.write(result, json.dumps(answer).encode())
    os._exit(code)


def _trace(pid: int, options: list[str]) -> subprocess.Popen[str]:
    """Let strace stand in the way of a process; returns when it does."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-o", "/dev/null", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    assert "attached" in line, line + tracer.stderr.read()
    return tracer


def serve_one(request: dict[str, Any]) -> dict[str, Any]:
    """Run one request in a child: its exit code or signal, its results, and the children it left behind."""
    if "run" in request:  # in the name space of this process: mounts
        done = subprocess.run(request["run"], capture_output=True, text=True)
        return {"code": done.returncode, "out": done.stdout + done.stderr}
    with tempfile.TemporaryFile() as result:
        go, start = os.pipe() if "strace" in request else (None, None)
        pid = os.fork()
        if not pid:
            if start is not None:
                os.close(start)
            _child(request, result.fileno(), go)
        tracer = _trace(pid, request["strace"]) if start is not None else None
        if go is not None and start is not None:
            os.write(start, b"!")
            os.close(go)
            os.close(start)
        if "kill_after" in request:
            time.sleep(request["kill_after"])
            os.kill(pid, signal.SIGKILL)
        status = _wait(pid)
        if tracer:
            tracer.communicate()
        result.seek(0)
        text = result.read()
        return {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "result": json.loads(text) if text else None,
        }


def _wait(pid: int) -> int:
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], _SECONDS)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return os.waitpid(pid, 0)[1]


def _warm() -> None:
    """Load all that the program loads when it is first needed, without starting a thread of it."""
    detect_language("The first text takes longer than all others.")
    known = set(sys.modules)
    read, write = os.pipe()
    if not os.fork():
        with tempfile.TemporaryDirectory() as folder:
            articles = Path(folder) / "articles"
            articles.mkdir()
            (articles / "a.txt").write_text("Some text of a mill.")
            options = {"library": Path(folder) / "library", "articles": articles}
            jobs.run({**options, "steps": [["sync"], ["look", ["A mill?"]]]})
        with os.fdopen(write, "w") as names:
            names.write("\n".join(sorted(set(sys.modules) - known)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as names:
        for name in names.read().split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    os.wait()


def main() -> None:
    _warm()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(serve_one(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
