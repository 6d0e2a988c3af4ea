"""Owns the child process that files are read in: what a hostile one breaks, hangs or fills is not this program."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, Any

from rag.errors import StoreError, Unloadable
from rag.load import load
from rag.load.metadata import detect_language
from rag.load.pdf_page import MAX_PNG, Rect, Sheet, locate, render_page
from rag.types import Article, Block

_MEMORY = 1_500_000_000  # bytes of address space
_SECONDS = 30  # of processor time for one file
_WAIT_SECONDS = 60  # the same on a busy machine
_LONGEST_REPLY = 500_000_000
_OPEN_FILES = 64
_DYING_SECONDS = 5
_PNG = b"\x89PNG\r\n\x1a\n"
_REPLIES = frozenset({"articles", "picture", "places", "state"})
_BROKEN = "breaks its parser"
# The child gets none of this process's environment but what Python itself needs: no keys.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH")


class Sandbox:
    """Reads files in a child process with limits on memory, processor time and time; starts it when it is needed.

    The child can write nothing to files and ends with this process. One file at a time.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._used = False  # by a file before this one

    def load(self, file: str, data: bytes, charset: str | None = None) -> tuple[Article, ...]:
        """Return the articles in a file's bytes, as `rag.load.load` does.

        Raises Unloadable with the reason, also where the file breaks a limit or its parser.
        """
        reply = self._answered(["load", file, charset], data)
        try:
            return tuple(_article(values, file) for values in reply["articles"])
        except (TypeError, ValueError, KeyError, AttributeError):
            raise Unloadable("failed", _BROKEN) from None

    def render_page(self, data: bytes, number: int) -> tuple[Sheet, bytes]:
        """Return a page of a PDF as a PNG, as `rag.load.pdf_page.render_page` does. Raises Unloadable as `load`."""
        reply = self._answered(["picture", number], data)
        try:
            picture = base64.b64decode(reply["picture"], validate=True)
            if len(picture) > MAX_PNG or not picture.startswith(_PNG):
                raise ValueError("no picture of ours")
            return _sheet(reply), picture
        except (TypeError, ValueError, KeyError):
            raise Unloadable("failed", _BROKEN) from None

    def locate(
        self, data: bytes, number: int, text: str, spans: Sequence[Sequence[int]]
    ) -> tuple[Sheet, list[list[Rect]]]:
        """Return where words of a page stand on it, as `rag.load.pdf_page.locate` does. Raises Unloadable as `load`."""
        reply = self._answered(["places", number, text, spans], data)
        try:
            places = [[_rect(values) for values in rects] for rects in reply["places"]]
            if len(places) != len(spans):
                raise ValueError("other spans than were asked for")
            return _sheet(reply), places
        except (TypeError, ValueError, KeyError):
            raise Unloadable("failed", _BROKEN) from None

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child, self._used = self._child, None, False
        if child is not None:
            _kill(child)
            child.communicate()

    def _answered(self, request: Sequence[object], data: bytes) -> dict[str, Any]:
        """Return what the child replies; raises Unloadable where it has nothing but a reason."""
        while True:
            again = self._used and self._child is not None
            try:
                reply = self._ask(request, data)
            except _DeadError as dead:
                self.close()
                if again:  # it may have suffered from the files before
                    continue
                raise Unloadable("failed", dead.reason, passing=dead.passing) from None
            break
        if "state" in reply:
            raise Unloadable("skipped" if reply["state"] == "skipped" else "failed", str(reply.get("reason")))
        return reply

    def _ask(self, request: Sequence[object], data: bytes) -> dict[str, Any]:
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
            _write(child.stdin, json.dumps(request).encode(), data)
            reply: dict[str, Any] = json.loads(_read(child.stdout))
            if not isinstance(reply, dict) or not reply.keys() & _REPLIES:
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


def _sheet(reply: dict[str, Any]) -> Sheet:
    pages, width, height = reply["sheet"]
    if not (isinstance(pages, int) and pages > 0 and 0 < width < math.inf and 0 < height < math.inf):
        raise ValueError("no page has this size")
    return Sheet(pages, float(width), float(height))


def _rect(values: Sequence[float]) -> Rect:
    left, top, width, height = (float(value) for value in values)
    if not all(0 <= value <= 1 for value in (left, top, width, height)):
        raise ValueError("it is not on the page")
    return left, top, width, height


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


def _done(job: str, arguments: Sequence[Any], data: bytes) -> dict[str, Any]:
    if job == "picture":
        sheet, picture = render_page(data, *arguments)
        return {"sheet": sheet, "picture": base64.b64encode(picture).decode()}
    if job == "places":
        sheet, places = locate(data, *arguments)
        return {"sheet": sheet, "places": places}
    file, charset = arguments
    return {"articles": [asdict(article) for article in load(file, data, charset)]}


def _reply(job: str, arguments: Sequence[Any], data: bytes) -> dict[str, Any]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + _SECONDS, hard))
    try:
        return _done(job, arguments, data)
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
            job, *arguments = json.loads(_read(requests))
            data = _read(requests)
        except EOFError:
            return
        try:
            reply = json.dumps(_reply(job, arguments, data)).encode()
        except MemoryError:
            reply = b'{"state": "out of memory"}'
        _write(replies, reply)


if __name__ == "__main__":
    _serve()
