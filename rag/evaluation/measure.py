"""Owns a measurement from data set to report, whatever the data set holds: documents, questions alone, or claims."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rag.config import Settings
from rag.errors import InputError, UsageError
from rag.evaluation.checking import check_claims, summarise_claims
from rag.evaluation.claims import has_claims, load_claims
from rag.evaluation.datasets import Dataset, choose, load_dataset
from rag.evaluation.library import Library, OpenLibrary, Subject, opened
from rag.evaluation.runner import program_digest, run
from rag.evaluation.summary import summarise
from rag.types import Progress

Report = dict[str, Any]
_NOT_REPORTED: Any = {
    "library": True,
    "articles": True,
    "model": True,
    "page": True,
    "embedder": {"options"},
    "reranker": {"options"},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure of a data set; without `answering`, only how well passages are found."""

    answering: bool = True
    types: tuple[str, ...] = ()
    language: str | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Shows:
    """What shows how far a measurement is, each for as long as its block runs: files read, and questions or claims."""

    files: Callable[[], AbstractContextManager[Callable[[Progress], None]]]
    count: Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


def measure(
    path: Path, settings: Settings, wanted: Wanted, open_library: OpenLibrary, shows: Shows, *, standing: bool = False
) -> Report:
    """Measure on a data set and return the report, its `results` included.

    Documents and claims come with a library of their own, made in the cache. So do questions alone, of the articles'
    folder; if `standing`, they are asked of the library of the settings, as it stands, even beside its owner. Raises
    InputError and UsageError where the data set cannot be measured so, ProviderError where no model answers at all.
    """
    if has_claims(path):
        return _checked(path, settings, wanted, open_library, shows)
    data = load_dataset(path)
    if not wanted.answering and not any(question.relevant for question in data.questions):
        raise InputError(
            f"No question of {path.name} names the documents that answer it, so that finding them cannot be measured. "
            "Measure answers, too."
        )
    questions = choose(
        data.questions,
        wanted.types,
        wanted.language,
        wanted.limit,
        wanted.sample,
        wanted.seed,
        judged=not wanted.answering,
    )
    of_its_own = not standing or data.documents is not None
    subject_of = (
        opened(data, wanted.language, settings, open_library) if of_its_own else _as_it_is(settings, open_library)
    )
    with subject_of as subject:
        if of_its_own:
            with shows.files() as show_files:
                subject.library.sync(show_files)
        config = _config(subject.library, settings, wanted, subject.library.model if wanted.answering else None)
        key = _run_key(data.digest, config, settings)
        with shows.count("question") as show:
            results = run(subject, questions, answering=wanted.answering, key=key, progress=show)
    return _report(data, len(questions), wanted, summarise(results, wanted.seed), config) | {"results": results}


def _checked(path: Path, settings: Settings, wanted: Wanted, open_library: OpenLibrary, shows: Shows) -> Report:
    """Check the claims of a data set against their evidence."""
    if not wanted.answering:
        raise UsageError(f"{path.name} is a set of claims, which are checked. Measure it without --retrieval-only.")
    data = load_claims(path)
    questions = choose(data.dataset.questions, wanted.types, wanted.language, wanted.limit, wanted.sample, wanted.seed)
    chosen = {question.id for question in questions}
    picked = [claim for claim in data.claims if claim.id in chosen]
    with opened(data.dataset, None, settings.model_copy(update={"model": ""}), open_library) as subject:
        with shows.files() as show_files:
            subject.library.sync(show_files)
        config = _config(subject.library, settings, wanted, None)
        with shows.count("claim") as show:
            results = check_claims(subject, picked, _run_key(data.digest, config, settings), show)
    made = _report(data.dataset, len(picked), wanted, summarise_claims(results, wanted.seed), config)
    return made | {"unit": "claims", "left_out": data.left_out, "results": results}


@contextmanager
def _as_it_is(settings: Settings, open_library: OpenLibrary) -> Iterator[Subject]:
    """Open the library of the settings; a run that is cut off begins anew, since it may have changed by then."""
    with TemporaryDirectory() as folder, open_library(settings) as library:
        yield Subject(library, {}, Path(folder))


def _config(library: Library, settings: Settings, wanted: Wanted, model: str | None) -> dict[str, Any]:
    return {
        "version": version("footnote-chat"),
        "program": program_digest(),
        "model": model,
        "judge": "rules",
        "language": wanted.language,
        "types": list(wanted.types),
        **library.describe(),
        "settings": settings.model_dump(mode="json", exclude=_NOT_REPORTED),
    }


def _run_key(data: str, config: dict[str, Any], settings: Settings) -> str:
    return hashlib.sha256(json.dumps([data, config, settings.model_dump(mode="json")]).encode()).hexdigest()[:16]


def _report(data: Dataset, count: int, wanted: Wanted, found: dict[str, Any], config: dict[str, Any]) -> Report:
    return {
        "dataset": data.name,
        "questions": count,
        "limit": wanted.limit,
        "sample": wanted.sample,
        "seed": wanted.seed,
        **found,
        "config": config | {"date": datetime.now(UTC).isoformat(timespec="seconds")},
    }
