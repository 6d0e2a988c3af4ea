"""Owns what the folder of evaluations holds: data sets, and reports, each checked before anything is done with it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from rag.errors import InputError
from rag.evaluation.claims import ITEMS
from rag.evaluation.datasets import QUESTIONS
from rag.evaluation.reading import headline, rows_of
from ui.report_file import read_report

FEEDBACK = "Feedback of readers"
"""What the data set is called that readers make by judging answers."""
_QUERIES = "queries.jsonl"
_REPORT = "report.json"
_MOST_ENTRIES = 2000  # of the folder, looked at
_MOST_REPORTS = 100  # shown, the newest
_MAIN = 3  # metrics in the list
_KINDS = {_QUERIES: "documents", ITEMS: "claims"}

Kind = Literal["documents", "claims", "questions"]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set: questions with their documents, claims with their evidence, or questions about the library."""

    name: str
    path: Path
    kind: Kind
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What the list says of a report; `main` are its main metrics as `rag.evaluation.reading.rows_of` gives them."""

    name: str
    dataset: str
    date: str
    model: str
    unit: str
    questions: int
    failed: int
    main: tuple[dict[str, Any], ...]


class EvaluationStore:
    """Reads a folder of evaluations, and that of the readers' feedback, if given; nothing else can be named."""

    def __init__(self, folder: Path, feedback: Path | None) -> None:
        self._folder = folder
        self._feedback = feedback
        self._one = threading.Lock()  # a large report takes memory: one at a time

    def datasets(self) -> list[DataSet]:
        """Return the data sets by name, the feedback of readers first."""
        feedback = [(FEEDBACK, self._feedback)] if self._feedback else []
        folders = [*feedback, *((path.name, path) for path in self._folders())]
        return [found for name, path in folders if (found := _dataset(name, path))]

    def dataset(self, name: str) -> DataSet:
        """Return the data set that is listed under a name. Raises InputError where none is."""
        found = next((item for item in self.datasets() if item.name == name), None)
        if found is None:
            raise InputError("This data set is not there any more. Load the list again.")
        return found

    def reports(self) -> tuple[list[Summary], list[str]]:
        """Return the reports, newest first, and the names of those that cannot be read."""
        found, broken = [], []
        for path in self._report_files()[:_MOST_REPORTS]:
            try:
                status = path.stat()
                with self._one:
                    found.append(_summary(path, status.st_mtime_ns, status.st_size))
            except (InputError, OSError):
                broken.append(path.parent.name)
        return sorted(found, key=lambda item: (item.date, item.name), reverse=True), broken

    def report(self, name: str) -> dict[str, Any]:
        """Return the report that is listed under a name. Raises InputError where there is none, or none of ours."""
        path = next((path for path in self._report_files() if path.parent.name == name), None)
        if path is None:
            raise InputError("This report is not there any more. Load the list again.")
        with self._one:
            return read_report(path)

    def _folders(self) -> list[Path]:
        try:
            entries = sorted(self._folder.iterdir())[:_MOST_ENTRIES]
            return [path for path in entries if _has_name(path) and path.is_dir()]
        except OSError:
            return []

    def _report_files(self) -> list[Path]:
        """Return the files of the reports, newest first."""
        timed = []
        for folder in self._folders():
            try:
                timed.append(((folder / _REPORT).stat().st_mtime_ns, folder / _REPORT))
            except OSError:  # no report, or gone meanwhile
                continue
        return [path for _, path in sorted(timed, reverse=True)]


def _has_name(path: Path) -> bool:
    """Whether a folder is to be listed: its name can be shown as it is, and sent back by who picks it."""
    return path.name.isprintable() and not path.name.startswith(".")


# ---------------------------------------------------------------- data sets


def _dataset(name: str, path: Path) -> DataSet | None:
    """Return what a folder holds, where it is a data set as `footnote eval` takes it."""
    try:
        for file, kind in _KINDS.items():
            if (path / file).is_file():
                return DataSet(name, path, "claims" if kind == "claims" else "documents", _lines(path / file))
        files = [path / QUESTIONS] if (path / QUESTIONS).is_file() else sorted(path.glob(f"*{QUESTIONS}"))
        return DataSet(name, path, "questions", _lines(files[0])) if len(files) == 1 else None
    except OSError:
        return None


def _lines(path: Path) -> int:
    status = path.stat()
    return _counted(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _counted(path: Path, _changed: int, _size: int) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


# ---------------------------------------------------------------- reports


@lru_cache(maxsize=4 * _MOST_REPORTS)
def _summary(path: Path, _changed: int, _size: int) -> Summary:
    report = read_report(path)
    config = report["config"]
    return Summary(
        path.parent.name,
        report["dataset"],
        _config_word(config.get("date")),
        _config_word(config.get("model")),
        report["unit"],
        report["questions"],
        sum(bool(result["failure"]) for result in report["results"]),
        tuple(_main(report)),
    )


def _config_word(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _main(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return three main metrics, of as many groups as there are."""
    rows = rows_of(report["metrics"], headline(report["metrics"]))
    first = list({row["group"]: row for row in reversed(rows)}.values())[::-1]
    return (first + [row for row in rows if row not in first])[:_MAIN]
