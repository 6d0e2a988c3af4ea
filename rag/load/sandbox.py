"""Owns the child process that files are parsed in: what a hostile one breaks, hangs or fills is not this program."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import IO, Any

from rag.errors import StoreError, Unloadable
from rag.load import load
from rag.load.metadata import detect_language
from rag.types import Article, Block

_MEMORY = 1_500_000_000  # bytes of address space
_SECONDS = 30  # of processor time for one file
_WAIT_SECONDS = 60  # the same on a busy machine
_LONGEST_REPLY = 500_000_000
_OPEN_FILES = 64
_DYING_SECONDS = 5
_BROKEN = "breaks its parser"
# The child gets none of this process's environment but what Python itself needs: no keys.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH")


class Sandbox:
    """Parses files in a child process with limits on memory, processor time and time; starts it when it is needed.

    The child can write nothing to files and ends with this process. One file at a time.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._used = False  # by a file before this one

    def load(self, file: str, data: bytes, charset: str | None = None) -> tuple[Article, ...]:
        """Return the articles in a file's bytes, as `rag.load.load` does.

        Raises Unloadable with the reason, also where the file breaks a limit or its parser.
        """
        while True:
            again = self._used and self._child is not None
            try:
                reply = self._ask(file, data, charset)
            except _DeadError as dead:
                self.close()
                if again:  # it may have suffered from the files before
                    continue
                raise Unloadable("failed", dead.reason, passing=dead.passing) from None
            break
        if "articles" not in reply:
            raise Unloadable("skipped" if reply.get("state") == "skipped" else "failed", str(reply.get("reason")))
        try:
            return tuple(_article(values, file) for values in reply["articles"])
        except (TypeError, ValueError, KeyError, AttributeError):
            raise Unloadable("failed", _BROKEN) from None

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child, self._used = self._child, None, False
        if child is not None:
            _kill(child)
            child.communicate()

    def _ask(self, file: str, data: bytes, charset: str | None) -> dict[str, Any]:
        child = self._child = self._child or _start()
        assert child.stdin is not None  # noqa: S101 - both are pipes
        assert child.stdout is not None  # noqa: S101
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(child)

        # A killed child ends every read and write below.
        watch = threading.Timer(_WAIT_SECONDS, stop)
        watch.start()
        try:
            _write(child.stdin, json.dumps([file, charset]).encode(), data)
            reply: dict[str, Any] = json.loads(_read(child.stdout))
            if not isinstance(reply, dict) or not reply.keys() & {"articles", "state"}:
                raise ValueError("a reply of this shape is none of ours")
        except (OSError, EOFError, ValueError):
            with contextlib.suppress(subprocess.TimeoutExpired):  # unless it still runs, and writes what it should not
                child.wait(_DYING_SECONDS)
            ended_by = -(child.returncode or 0)
            if late.is_set() or ended_by == signal.SIGXCPU:
                raise _DeadError(f"takes longer than {_SECONDS} s to be read") from None
            if ended_by == signal.SIGKILL:  # not by us: by whoever looks after the memory of this machine
                raise _DeadError("the process that read it was killed; sync again", passing=True) from None
            raise _DeadError(_BROKEN) from None
        except BaseException:  # a reply that nobody waits for must not become that to the next request
            self.close()
            raise
        finally:
            watch.cancel()
        self._used = True
        if reply.get("state") == "out of memory":
            raise _DeadError(f"needs more than {_MEMORY // 1_000_000} MB of memory to be read")
        return reply


class _DeadError(Exception):
    """The child has ended without a reply, or cannot be trusted with another file."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing


def _start() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "rag.load.sandbox"],  # -P: import nothing from the current folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            start_new_session=True,  # Ctrl-C is for this process, which ends the child when it is done with it
        )
    except OSError as error:
        raise StoreError(
            f"The process that reads files cannot be started: {error.strerror}. "
            "Free memory or open files, then sync again."
        ) from None


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # it leads a group of its own, with whatever it started


def _write(stream: IO[bytes], *parts: bytes) -> None:
    for part in parts:
        stream.write(len(part).to_bytes(8, "big"))
        stream.write(part)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes:
    size = int.from_bytes(_exactly(stream, 8), "big")
    if size > _LONGEST_REPLY:
        raise ValueError("a reply of this size is none of ours")
    return _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _article(values: dict[str, Any], file: str) -> Article:
    del values["id"], values["content_hash"]  # they follow from the others
    values["blocks"] = tuple(Block(*block) for block in values["blocks"])
    # The name is ours: a parser that a file took over cannot speak for another file.
    return Article(**values | {"file": file, "pages": tuple(values["pages"]), "notes": tuple(values["notes"])})


# ---------------------------------------------------------------- the child


def _limit() -> None:
    # macOS refuses some of them; the limit on time, kept by the parent, holds everywhere.
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):
            continue


def _reply(file: str, data: bytes, charset: str | None) -> dict[str, Any]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + _SECONDS, hard))
    try:
        return {"articles": [asdict(article) for article in load(file, data, charset)]}
    except Unloadable as problem:
        return {"state": problem.state, "reason": problem.reason}
    except MemoryError:
        return {"state": "out of memory"}
    except RecursionError:
        return {"state": "failed", "reason": "nested too deeply to be read"}
    except Exception as error:
        # A parser that stumbles over one file must not keep the others out.
        return {"state": "failed", "reason": f"cannot be parsed: {error!r:.200}"}


def _serve() -> None:
    """Answer requests until the other end closes the pipe."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a library that prints does not reply
    detect_language("The detector unpacks its model into a file, which is not possible later.")
    _limit()
    while True:
        try:
            file, charset = json.loads(_read(requests))
            data = _read(requests)
        except EOFError:
            return
        try:
            reply = json.dumps(_reply(file, data, charset)).encode()
        except MemoryError:
            reply = b'{"state": "out of memory"}'
        _write(replies, reply)


if __name__ == "__main__":
    _serve()
