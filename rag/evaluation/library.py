"""Owns the libraries that are asked while measuring: built from a data set's documents, kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from rag.config import DEFAULT_ARTICLES, Settings
from rag.errors import BusyError, StoreError
from rag.evaluation.datasets import Dataset, Document
from rag.types import Answer, Citation, Evidence, Progress, Source, SyncReport

_PART = 500  # documents a file: each file is a step that a sync can resume at
_PART_CHARACTERS = 3_000_000
_LAYOUT = 1  # raised when documents are written in another way


class Library(Protocol):
    """What measuring needs of an open library."""

    model: str

    @property
    def notice(self) -> str | None:
        """What a reader must know who may not sync it."""

    def sync(self, progress: Callable[[Progress], None] | None = None) -> SyncReport:
        """Bring it in line with its articles."""

    def ask(self, question: str, top_k: int | None = None) -> Answer:
        """Return the checked answer to a question."""

    def search(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages for a question."""

    def supports(self, sentence: str, citations: Sequence[Citation], evidence: Evidence) -> bool:
        """Return whether these citations alone support a sentence."""

    def check(self, sentence: str, articles: Sequence[str]) -> Answer:
        """Return a sentence as an answer that cites the nearest passages of these articles."""

    def sources(self) -> list[Source]:
        """Return what is known of each article."""

    def describe(self) -> dict[str, Any]:
        """Return what it is: its embedder, articles and passages."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


OpenLibrary = Callable[[Settings], Library]


@dataclass(frozen=True, slots=True)
class Subject:
    """An open library, and the id that the data set has for each of its sources."""

    library: Library
    documents: dict[str, str]
    folder: Path

    def document(self, source: str) -> str:
        """Return the data set's name of an article: its own source where the articles came from a folder."""
        return self.documents.get(source, source)


def cache_folder() -> Path:
    """Return where what measuring builds is kept: `$XDG_CACHE_HOME/footnote` or `~/.cache/footnote`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "footnote"


@contextmanager
def opened(
    dataset: Dataset,
    language: str | None,
    settings: Settings,
    open_library: OpenLibrary,
) -> Iterator[Subject]:
    """Open the library of a data set for as long as the block runs; to sync it builds it where the cache had none.

    With a language, documents that say they are in another are left out. Raises BusyError where another
    process is building it, StoreError where the cache cannot be written.
    """
    documents = None
    if dataset.documents is not None:
        documents = [
            document
            for document in dataset.documents
            if document.text.strip() and language in (None, document.about.get("language", language))
        ]
    articles = (settings.articles or _beside(dataset.path) or DEFAULT_ARTICLES).resolve()
    folder = cache_folder() / "eval" / _key(documents, articles, settings)
    sources: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if documents is not None:
            articles = folder / "articles"
            sources = _write(documents, articles)
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}. Set XDG_CACHE_HOME to another place."
        ) from None
    own = settings.model_copy(update={"library": folder / "library", "articles": articles})
    with open_library(own) as library:
        if library.notice:
            raise BusyError(f"{library.notice} Wait until it is done.", None)
        yield Subject(library, sources, folder)


def _beside(path: Path) -> Path | None:
    """Return the articles that lie with questions: in their folder, or beside it."""
    folder = path if path.is_dir() else path.parent
    places = (folder / "articles", folder.parent / "articles")
    return next((place for place in places if place.is_dir()), None)


def _key(documents: Sequence[Document] | None, articles: Path, settings: Settings) -> str:
    """Return the fingerprint that a library is kept under: of its articles, and of how they are cut and embedded."""
    about = settings.model_dump_json(include={"embedder", "passages"})
    whole = hashlib.sha256(f"{_LAYOUT} {about}".encode())
    for part in documents if documents is not None else [articles]:
        whole.update(repr(part).encode())
    return whole.hexdigest()[:16]


def _write(documents: Sequence[Document], folder: Path) -> dict[str, str]:
    """Write documents as files of articles, and return the document of each source."""
    folder.mkdir(exist_ok=True)
    sources: dict[str, str] = {}
    for number, part in enumerate(_parts(documents)):
        name = f"part-{number:05d}.jsonl"
        rows = [
            {"id": str(place), "title": document.title, "text": document.text, **document.about}
            for place, document in enumerate(part)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        path = folder / name
        if not path.is_file() or path.read_text(encoding="ascii") != text:
            path.write_text(text, encoding="ascii")
        sources |= {f"{name}#{row['id']}": document.id for row, document in zip(rows, part, strict=True)}
    return sources


def _parts(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Yield the documents in groups that fit a file which is parsed in one go."""
    part: list[Document] = []
    for document in documents:
        part.append(document)
        if len(part) == _PART or sum(len(item.text) for item in part) > _PART_CHARACTERS:
            yield part
            part = []
    if part:
        yield part
