"""Owns running an evaluation for the page: one at a time, in a child process, watched and cancelled by who began it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from rag.config import Settings
from rag.errors import InputError
from rag.evaluation.measure import Wanted

_DYING_SECONDS = 10
_NAME_BYTES = 160  # of a data set's name, in that of its report
_LONGEST = 2000  # characters of an error that are shown
_BROKE = "It ended before it was done. The log of the server says more."

State = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Run:
    """An evaluation that was begun: of which data set, by whom, and how far it is.

    `stage` is what is counted now: "file", "question" or "claim"; empty until something is.
    """

    dataset: str
    session: str
    report: str
    state: State = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str = ""


class Runs:
    """Runs evaluations into a folder of reports, of which each gets a folder of its own; safe to share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last: Run | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def last(self) -> Run | None:
        """The evaluation that runs, or that ran last; None where none did."""
        return self._last

    def start(self, session: str, name: str, path: Path, settings: Settings, wanted: Wanted) -> Run:
        """Begin an evaluation of the data set at `path`, called `name`.

        Raises InputError where one is running, or where its report could not be written.
        """
        with self._lock:
            if self._last and self._last.state == "running":
                raise InputError("An evaluation is running already. Wait for its end, then begin yours.")
            out = self._new_folder(name)
            order = {
                "settings": settings.model_dump(mode="json", exclude={"page"}),
                "path": str(path),
                "name": name,
                "out": str(out),
                "wanted": asdict(wanted),
            }
            self._last = Run(name, session, out.name)
            self._child = _started(order)
            self._reader = threading.Thread(target=self._follow, args=(self._child, out), daemon=True)
            self._reader.start()
            return self._last

    def cancel(self, session: str) -> None:
        """End the evaluation that runs. Raises InputError for who did not begin it."""
        with self._lock:
            if self._last is None or self._last.state != "running":
                return
            if self._last.session != session:
                raise InputError("Another reader began this evaluation. Only they can cancel it.")
            self._last = replace(self._last, state="cancelled")
            if self._child:
                self._child.terminate()

    def close(self) -> None:
        """End what runs, and wait for it."""
        if self._last:
            self.cancel(self._last.session)
        if self._reader:
            self._reader.join(_DYING_SECONDS)

    def _new_folder(self, name: str) -> Path:
        kept = name.encode("utf-8", "ignore")[:_NAME_BYTES].decode("utf-8", "ignore")
        out = self._folder / f"{kept}-{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
        try:
            out.mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"The report could not be written: {error.strerror}. Whoever runs the server can make the folder of "
                "evaluations writable."
            ) from None
        return out

    def _follow(self, child: subprocess.Popen[bytes], out: Path) -> None:
        """Take in what the child tells until it has ended."""
        with child:  # closes its pipes
            told: dict[str, Any] = {}
            for line in _pipe(child.stdout):
                told = _read(line)
                if "stage" in told:
                    self._update(stage=str(told["stage"]), done=int(told["done"]), total=int(told["total"]))
            try:
                child.wait(_DYING_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        if told.get("done") is True:
            self._update(state="done")
            return
        self._update(state="failed", error=str(told.get("error") or _BROKE)[:_LONGEST])
        with contextlib.suppress(OSError):  # what was written is left
            out.rmdir()

    def _update(self, **changes: Any) -> None:
        with self._lock:
            if self._last and self._last.state == "running":
                self._last = replace(self._last, **changes)


def _started(order: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    """Start the child and give it its order; its input stays open, and it ends when that is closed."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "ui.evaluation_child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with contextlib.suppress(BrokenPipeError):  # it has ended: then it is told so at its end
        pipe = _pipe(child.stdin)
        pipe.write(json.dumps(order).encode() + b"\n")
        pipe.flush()
    return child


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the child was started without pipes")
    return pipe


def _read(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
