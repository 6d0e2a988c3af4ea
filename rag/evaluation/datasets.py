"""Owns reading data sets: folders of documents and questions as JSON lines, in the form of BEIR, or questions alone."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import InputError

QUESTIONS = "questions.jsonl"
_NO_ANSWER = re.compile(r"unanswerable|abstain|null|no.?answer|off.?topic|false.?premise", re.IGNORECASE)
_INSUFFICIENT = re.compile(r"\s*(insufficient information|unanswerable|not enough information)\W*", re.IGNORECASE)
_ABOUT = ("published", "url", "author", "language")


@dataclass(frozen=True, slots=True)
class Document:
    """A document to ask about; `about` holds those of its metadata that articles have too."""

    id: str
    title: str
    text: str
    about: dict[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what is known of its answer.

    `answers` are groups of strings: a right answer holds one of each group. `relevant` gives documents
    their grade, above 0. `evidence` are sentences that carry the answer, each with its document.
    `answerable` is None where the data do not say.
    """

    id: str
    text: str
    type: str
    language: str
    answers: tuple[tuple[str, ...], ...]
    relevant: dict[str, int]
    evidence: tuple[tuple[str, str], ...]
    answerable: bool | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions, with the documents to ask or None where the articles are in a folder of their own."""

    name: str
    path: Path
    questions: tuple[Question, ...]
    documents: tuple[Document, ...] | None

    @property
    def digest(self) -> str:
        """Digest over all documents and questions: equal data, equal digest."""
        parts = (repr(item) for item in (*(self.documents or ()), *self.questions))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def load_dataset(path: Path) -> Dataset:
    """Read a data set: a folder, or a file of questions.

    A folder has `corpus.jsonl` {id, title, text, metadata}, `queries.jsonl` {id, text, type, answer, aliases,
    lang}, `qrels.tsv` (query_id, doc_id, relevance) and perhaps `evidence.jsonl` {query_id, doc_id, text}; or
    `questions.jsonl` {id, text, type, must_contain, articles}, the articles being elsewhere.
    Raises InputError with file and line where it is not of that form.
    """
    if path.is_file():
        return _dataset(path.stem, path, _open_questions(path))
    if not path.is_dir():
        raise InputError(f"{path} does not exist. Name the folder of a data set, or a file of questions.")
    if (path / "queries.jsonl").is_file():
        return _dataset(path.name, path, _judged_questions(path), tuple(_documents(path / "corpus.jsonl")))
    files = [path / QUESTIONS] if (path / QUESTIONS).is_file() else sorted(path.glob(f"*{QUESTIONS}"))
    if len(files) != 1:
        raise InputError(
            f"{path} is not a data set: it has neither queries.jsonl with corpus.jsonl and qrels.tsv, nor one "
            f"{QUESTIONS}."
        )
    return _dataset(path.name, path, _open_questions(files[0]))


def _dataset(
    name: str, path: Path, questions: Iterator[Question], documents: tuple[Document, ...] | None = None
) -> Dataset:
    by_id: dict[str, Question] = {}
    for question in questions:
        if question.id in by_id:
            raise InputError(f"{path}: the question id {question.id!r} is given twice.")
        by_id[question.id] = question
    return Dataset(name, path, tuple(by_id.values()), documents)


def choose(
    questions: Sequence[Question],
    types: Iterable[str] = (),
    language: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
    *,
    judged: bool = False,
) -> tuple[Question, ...]:
    """Return those of the types and language, of them the first `limit` or a seeded sample, in their order.

    Where rankings are to be `judged`, questions without a relevant document are left out before that.
    Raises InputError where none is left.
    """
    wanted = set(types)
    chosen = [
        question
        for question in questions
        if (not wanted or question.type in wanted)
        and language in (None, question.language)
        and (question.relevant or not judged)
    ]
    if not chosen:
        there = sorted({question.type for question in questions}), sorted({item.language for item in questions})
        raise InputError(f"No question is left. Types: {', '.join(there[0])}. Languages: {', '.join(there[1])}.")
    if sample is not None and sample < len(chosen):
        places = sorted(random.Random(seed).sample(range(len(chosen)), sample))  # noqa: S311 - not for secrets
        chosen = [chosen[place] for place in places]
    return tuple(chosen[:limit])


# ---------------------------------------------------------------- folders with documents


def _documents(path: Path) -> Iterator[Document]:
    seen: set[str] = set()
    for number, row in rows(path):
        identifier = text_of(path, number, row, "id")
        if identifier in seen:
            raise InputError(f"{path}, line {number}: id {identifier!r} is given twice.")
        seen.add(identifier)
        metadata = row.get("metadata")
        known = {**row, **metadata} if isinstance(metadata, dict) else row
        about = {key: str(known[key]) for key in _ABOUT if known.get(key)}
        if known.get("lang"):
            about["language"] = str(known["lang"])
        yield Document(identifier, str(row.get("title") or ""), text_of(path, number, row, "text"), about)


def _judged_questions(folder: Path) -> Iterator[Question]:
    relevant = _judgements(folder / "qrels.tsv")
    evidence: dict[str, list[tuple[str, str]]] = {}
    file = folder / "evidence.jsonl"
    for number, row in rows(file) if file.is_file() else ():
        text = row.get("sentence") or row.get("text")
        if isinstance(text, str) and text.strip():
            evidence.setdefault(text_of(file, number, row, "query_id"), []).append((str(row.get("doc_id")), text))
    file = folder / "queries.jsonl"
    for number, row in rows(file):
        identifier = text_of(file, number, row, "id")
        kind = str(row.get("type") or "question")
        judged = relevant.get(identifier, {})
        documents = {name: grade for name, grade in judged.items() if grade > 0}
        alternatives = strings(row.get("answer")) + strings(row.get("aliases"))
        refused = _NO_ANSWER.search(kind) or any(_INSUFFICIENT.fullmatch(text) for text in alternatives)
        answerable = None
        if refused or (judged and not documents):
            answerable = False
        elif documents or alternatives:
            answerable = True
        yield Question(
            identifier,
            text_of(file, number, row, "text"),
            kind,
            str(row.get("lang") or row.get("language") or ""),
            (tuple(dict.fromkeys(alternatives)),) if alternatives and answerable else (),
            documents if answerable else {},
            tuple(dict.fromkeys(evidence.get(identifier, []))),
            answerable,
        )


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    if not path.is_file():
        raise InputError(f"{path} is missing: it says which documents answer which question.")
    found: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
            if number == 1 and row[-1:] and not row[-1].lstrip("-").isdigit():
                continue  # the names of the columns
            if len(row) != 3 or not row[2].lstrip("-").isdigit():
                raise InputError(f"{path}, line {number}: expected query_id, doc_id and relevance, parted by tabs.")
            found.setdefault(row[0], {})[row[1]] = int(row[2])
    return found


# ---------------------------------------------------------------- questions alone


def _open_questions(path: Path) -> Iterator[Question]:
    for number, row in rows(path):
        kind = str(row.get("type") or "question")
        groups = tuple(tuple(strings(group)) for group in row.get("must_contain") or ())
        articles = dict.fromkeys(strings(row.get("articles")), 1)
        yield Question(
            text_of(path, number, row, "id"),
            text_of(path, number, row, "text"),
            kind,
            str(row.get("lang") or row.get("language") or ""),
            tuple(group for group in groups if group),
            articles,
            (),
            False if _NO_ANSWER.search(kind) else True if groups or articles else None,
        )


# ---------------------------------------------------------------- JSON lines


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and object of each line. Raises InputError where one is none, or the file cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}, line {number}: expected a JSON object.")
                yield number, row
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {number}: not JSON: {error.msg}.") from None


def text_of(path: Path, number: int, row: dict[str, Any], key: str) -> str:
    """Return what an object has under a key. Raises InputError where that is no text, or empty without being `text`."""
    value = row.get(key)
    if isinstance(value, int):  # an id that is a number
        value = str(value)
    if not isinstance(value, str) or (not value.strip() and key != "text"):
        raise InputError(f"{path}, line {number}: {key!r} must be a text.")
    return value


def strings(value: Any) -> list[str]:
    """Return the texts of a list, or of a single value, that are not blank."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]
