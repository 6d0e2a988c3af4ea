"""Owns receipts: an answer and all that it was made from as one JSON document, written whole and read with mistrust."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from rag.errors import InputError
from rag.types import (
    ALL_ARTICLES,
    Answer,
    AnswerSentence,
    Citation,
    Disagreement,
    Draft,
    Features,
    Hit,
    Judgement,
    Passage,
    Scope,
    Source,
    Status,
    Sufficiency,
    scope_dict,
)

FORMAT = 1
_FORMAT_KEY = "footnote_receipt"
_MAX_BYTES = 10_000_000  # fifty passages, their prompt and the longest reply are under one million
_HALVES = re.compile(r"[\ud800-\udfff]")  # of characters: a model can send one, a file of text cannot hold it


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EmbedderName(_Part):
    """The embedder whose vectors ranked and verified."""

    name: str
    fingerprint: str


class GivenHit(_Part):
    """A hit without its vectors; `id` is that of its passage."""

    n: int
    id: str
    score: float
    passage: Passage
    source: Source
    features: Features


class GivenEvidence(_Part):
    """What was found for the question, as in `Evidence`; `hash` is that of it."""

    hash: str
    hits: tuple[GivenHit, ...]
    sufficiency: Sufficiency
    term_weights: dict[str, float]
    missing: tuple[str, ...] = ()
    scope: Scope = ALL_ARTICLES


class GivenAnswer(_Part):
    """The answer as it was shown, as in `Answer`."""

    status: Status
    text: str
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    model: str
    dropped_marks: int
    usage: dict[str, float | None] | None
    warnings: tuple[str, ...]
    timings: dict[str, float]
    disagreements: tuple[Disagreement, ...] = ()


class Receipt(_Part):
    """A receipt that was read: of the right shape and with its seal; whether it agrees with itself is another question.

    `version` is that of the Footnote that wrote it, `made` when (UTC).
    """

    footnote_receipt: int
    version: str
    made: str
    embedder: EmbedderName
    question: str
    standalone_question: str
    evidence: GivenEvidence
    draft: Draft | None
    answer: GivenAnswer
    judge: Judgement | None
    sha256: str


class NamedEmbedder(Protocol):
    """As much of an embedder as a receipt tells."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def fingerprint(self) -> str:
        """A digest that changes with its vectors."""


def receipt(answer: Answer, embedder: NamedEmbedder) -> dict[str, Any]:
    """Return the receipt of an answer: all that it was made from, as JSON values.

    No key, no path of this machine and nothing of its environment is in it; the passages are, internal ones too.
    `sha256` is a seal against accidental change, over the canonical JSON of everything else. It is no signature:
    whoever changes a receipt on purpose can seal it again.
    """
    evidence = answer.evidence
    content = {
        _FORMAT_KEY: FORMAT,
        "version": own_version(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "embedder": {"name": embedder.name, "fingerprint": embedder.fingerprint},
        "question": answer.question,
        "standalone_question": answer.standalone_question,
        "evidence": {
            "hash": evidence.hash,
            "hits": [_hit(n, hit) for n, hit in enumerate(evidence.hits, start=1)],
            "sufficiency": asdict(evidence.sufficiency),
            "term_weights": evidence.term_weights,
            "missing": evidence.missing,
            **scope_dict(evidence.scope),
        },
        "draft": asdict(answer.draft) if answer.draft else None,
        "answer": {
            "status": answer.status,
            "text": answer.text,
            "sentences": [asdict(sentence) for sentence in answer.sentences],
            "citations": [asdict(citation) for citation in answer.citations],
            "model": answer.model,
            "dropped_marks": answer.dropped_marks,
            "usage": answer.usage,
            "warnings": answer.warnings,
            "timings": answer.timings,
            "disagreements": [
                {"cited": asdict(found.cited), "other": asdict(found.other)} for found in answer.disagreements
            ],
        },
        "judge": answer.judgement._asdict() if answer.judgement else None,
    }
    plain: dict[str, Any] = _plain(content)
    return {**plain, "sha256": seal(plain)}


def own_version() -> str:
    """Return the version of this Footnote."""
    return version("footnote-chat")


def seal(content: Mapping[str, Any]) -> str:
    """Return the hex SHA-256 over a receipt without its `sha256`: as JSON in ASCII, keys sorted, no blanks."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _hit(n: int, hit: Hit) -> dict[str, Any]:
    passage = asdict(hit.passage)
    return {
        "n": n,
        "id": passage.pop("id"),
        "score": hit.score,
        "passage": passage,
        "source": asdict(hit.source),
        "features": asdict(hit.features),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON in UTF-8 can hold it."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        return _HALVES.sub("", value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return _plain(str(value))


# ---------------------------------------------------------------- files


def check_free(path: Path) -> None:
    """Raise InputError where no receipt can be written to a path: to be called before an answer is paid for."""
    if os.path.lexists(path):
        raise InputError(f"{path} exists. Name a file that does not: a receipt never replaces one.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent}. Create it, or name another file for the receipt.")


def write_receipt(path: Path, content: Mapping[str, Any]) -> None:
    """Write a receipt whole or not at all, readable by this user only; raises InputError where it cannot be."""
    check_free(path)
    data = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False).encode("utf-8") + b"\n"
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(prefix=".receipt-", dir=path.parent, delete=False) as file:
            part = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}. Name another file for the receipt.") from None
    finally:
        if part:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def read_receipt(path: Path) -> Receipt:
    """Return the receipt in a file; raises InputError where there is none, or one that is not as it was written."""
    data = _read(path)
    try:
        content = json.loads(
            data.decode("utf-8"), parse_float=_number, parse_constant=_number, object_pairs_hook=_object
        )
        if not isinstance(content, dict) or type(content.get(_FORMAT_KEY)) is not int:
            raise InputError(f"{path} is no receipt of Footnote. Name a file that `footnote ask --receipt` wrote.")
        if content[_FORMAT_KEY] > FORMAT:
            raise InputError(f"{path} was written by a newer Footnote. Upgrade Footnote to verify it.")
        if content[_FORMAT_KEY] != FORMAT or content.get("sha256") != seal(content):
            raise altered(path, "its seal is not that of its content")
        return Receipt.model_validate_json(data)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise altered(path, f"{where:.100}: {problem['msg']:.100}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no receipt of Footnote: {error!s:.100}. Name another file.") from None


def altered(path: Path, why: str) -> InputError:
    """Return the error of a receipt that is not as it was written."""
    return InputError(f"{path} was altered, do not rely on it: {why}. Bring back a copy, or ask again.")


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a pipe is to wait for its other end
            raise InputError(f"{path} is no file. Name a receipt.")
        if status.st_size > _MAX_BYTES:
            raise InputError(f"{path} is no receipt: it has over {_MAX_BYTES // 1_000_000} MB. Name another file.")
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be read: {reason}. Name a receipt.") from None


def _number(text: str) -> float:
    """Read a number written as we write it: else two texts could be one number, and NaN is none."""
    number = float(text)
    if not math.isfinite(number) or repr(number) != text:
        raise ValueError(f"{text:.30} is not a number as we write it")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return content
