"""Owns reading a report of an evaluation, which anybody may have written: only what is of the right kind is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from rag.errors import InputError

_MOST_BYTES = 25_000_000
_SHOWN_SETTINGS = {
    "embedder": ("use",),
    "reranker": ("use", "depth"),
    "passages": ("max_tokens",),
    "retrieval": ("top_k", "candidates", "lexical_weight"),
    "quotes": ("max_sentences",),
    "answer": ("max_tokens", "timeout"),
}

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


def read_report(path: Path) -> dict[str, Any]:
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
