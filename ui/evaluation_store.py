"""Owns what the folder of evaluations holds: data sets, and reports, each checked before anything is done with it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from rag.errors import InputError
from rag.evaluation.claims import ITEMS
from rag.evaluation.datasets import QUESTIONS
from rag.evaluation.reading import headline, rows_of

FEEDBACK = "Feedback of readers"
"""What the data set is called that readers make by judging answers."""
_QUERIES = "queries.jsonl"
_REPORT = "report.json"
_MOST_BYTES = 25_000_000  # of a report
_MOST_ENTRIES = 2000  # of the folder, looked at
_MOST_REPORTS = 100  # shown, the newest
_MAIN = 3  # metrics in the list
_SHOWN_SETTINGS = {
    "embedder": ("use",),
    "reranker": ("use", "depth"),
    "passages": ("max_tokens",),
    "retrieval": ("top_k", "candidates", "lexical_weight"),
    "quotes": ("max_sentences",),
    "answer": ("max_tokens", "timeout"),
}
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
    """Reads a folder of evaluations, and the folder with the feedback of readers; nothing else can be named."""

    def __init__(self, folder: Path, feedback: Path) -> None:
        self._folder = folder
        self._feedback = feedback
        self._one = threading.Lock()  # a large report takes memory: one at a time

    def datasets(self) -> list[DataSet]:
        """Return the data sets by name, the feedback of readers first."""
        folders = [(FEEDBACK, self._feedback), *((path.name, path) for path in self._folders())]
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
            return _report(path)

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


_Word = Annotated[str, StringConstraints(max_length=500)]
_Text = Annotated[str, StringConstraints(max_length=50_000)]
_Count = Annotated[int, Field(ge=0, le=10**12)]
_Words = Annotated[list[_Word], Field(max_length=1000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Figure(_Part):
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: _Count = 0


class _Timed(_Part):
    p50: float | None = None
    p95: float | None = None
    n: _Count = 0


class _Threshold(_Part):
    metric: _Word
    least: float
    value: float | None = None
    passed: bool


class _Point(_Part):
    threshold: float | None = None
    false_abstention: float | None = None
    recall: float | None = None
    precision: float | None = None


class _Quoted(_Part):
    document: _Word
    quote: _Text


class _Found(_Part):
    document: _Word
    text: _Text


class _Result(_Part):
    id: _Word
    text: _Text
    type: _Word | None = None
    language: _Word | None = None
    answerable: bool | None
    relevant: _Words = []
    ranking: _Words = []
    status: _Word | None
    sufficiency: float | None
    sufficient: bool | None = None
    support: float | None = None
    answer: _Text | None = None
    gold: Annotated[list[Annotated[list[_Text], Field(max_length=1000)]], Field(max_length=100)] = []
    citations: Annotated[list[_Quoted], Field(max_length=500)] = []
    evidence: Annotated[list[_Found], Field(max_length=500)] = []
    nearest: Annotated[list[_Found], Field(max_length=500)] = []
    latency_ms: Annotated[dict[_Word, float], Field(max_length=50)] = {}
    error: _Text | None
    failure: _Word | None
    scores: Annotated[dict[_Word, float], Field(max_length=200)]


_Metrics = Annotated[dict[_Word, _Figure], Field(max_length=200)]
_Slices = Annotated[dict[_Word, _Metrics], Field(max_length=200)]


class _Report(_Part):
    """A report as `footnote eval` writes it; what else it holds is left out."""

    dataset: _Word
    questions: _Count
    unit: Literal["questions", "claims"] = "questions"
    limit: _Count | None = None
    sample: _Count | None = None
    seed: int | None = None
    metrics: _Metrics
    by_type: _Slices = {}
    by_language: _Slices = {}
    by_edit: _Slices = {}
    abstention_curve: Annotated[list[_Point], Field(max_length=1000)] = []
    latency_ms: Annotated[dict[_Word, _Timed], Field(max_length=50)] = {}
    tokens: Annotated[dict[_Word, int | float], Field(max_length=20)] | None = None
    config: Annotated[dict[_Word, JsonValue], Field(max_length=200)] = {}
    thresholds: Annotated[list[_Threshold], Field(max_length=200)] = []
    results: Annotated[list[_Result], Field(max_length=50_000)]


def _report(path: Path) -> dict[str, Any]:
    """Return a report whose values are of the kinds that we show. Raises InputError where they are not."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InputError("This report is too large for the page. Open its report.html instead.")
        found = _Report.model_validate_json(data)
    except (OSError, ValidationError, RecursionError):
        raise InputError("This report cannot be read: its report.json is not one that eval wrote.") from None
    whole = found.model_dump(exclude={"results"})
    whole["config"] = _for_readers(found.config)
    whole["results"] = [result.model_dump(exclude_unset=True) for result in found.results]
    return whole


def _for_readers(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what readers need not know: addresses of models, names of variables, folders."""
    settings = config.get("settings")
    if not isinstance(settings, dict):
        return config
    parts = {name: part for name, part in settings.items() if name in _SHOWN_SETTINGS and isinstance(part, dict)}
    shown = {name: {key: part[key] for key in _SHOWN_SETTINGS[name] if key in part} for name, part in parts.items()}
    return {**config, "settings": shown}


@lru_cache(maxsize=4 * _MOST_REPORTS)
def _summary(path: Path, _changed: int, _size: int) -> Summary:
    report = _report(path)
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
