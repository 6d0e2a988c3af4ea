"""Owns reading the library: the passages that may answer, their vectors, and the lexical search over them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rag.ledger.search import TERMS, Search, marks, parts, quoted
from rag.types import (
    Article,
    Block,
    Matrix,
    Passage,
    PassageVectors,
    Source,
    Span,
    StoredPassage,
)

_LOOKED_AT = 5000  # passages, for the articles that have some words: a list needs no more

_PASSAGE_COLUMNS = """
    p.row, p.start, p."end", p.text, p.context, p.sentences, p.pages, v.passage, v.sentences,
    a.article_id, a.source, a.title, a.published, a.author, a.language, a.url, a.visibility, a.content_hash
"""

_ARTICLE_COLUMNS = "file, text, blocks, title, published, author, language, url, visibility, part, pages, notes"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What the ledger knows of one file; `reason` is None where its state is `indexed`."""

    source: str
    state: str
    reason: str | None
    signature: str
    digest: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An article in a list: its file, what reading it left in doubt, and its place in the order of coming."""

    source: Source
    file: str
    notes: tuple[str, ...]
    came: int


@dataclass(frozen=True, slots=True)
class WebPage:
    """A web page as it was fetched; `charset` is what its server said, if anything."""

    address: str
    charset: str | None
    data: bytes


class LedgerReader(Search):
    """What anyone may ask of a library, its owner or a process beside it."""

    _counted: tuple[object, int] | None = None

    def get(self, key: str) -> str | None:
        """Return a fact about the library itself, such as the folder it is bound to."""
        rows = self._all("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def counts(self) -> dict[str, int]:
        """Return the number of active articles and passages, and of files in each state."""
        articles, passages = self._all(
            "SELECT count(DISTINCT a.key), count(p.row) FROM articles a LEFT JOIN passages p ON p.article_key = a.key "
            "WHERE a.active = 1"
        )[0]
        files = dict(self._all("SELECT state, count(*) FROM files GROUP BY state"))
        states = {state: files.get(state, 0) for state in ("indexed", "skipped", "failed")}
        return {"articles": articles, "passages": passages, **states}

    def passage_count(self) -> int:
        """Return the number of passages that may answer."""
        state = self.state()
        if self._counted is None or self._counted[0] != state:
            self._counted = state, self.counts()["passages"]
        return self._counted[1]

    def files(self) -> dict[str, FileRecord]:
        """Return what is known of each file, by source."""
        rows = self._all("SELECT source, state, reason, signature, digest FROM files")
        return {row[0]: FileRecord(*row) for row in rows}

    def passage_vectors(self, vector_keys: Sequence[str]) -> Matrix:
        """Return the passage vectors under these keys, in their order, shape (keys, dimension)."""
        if not vector_keys:
            return np.empty((0, 0), dtype=np.float32)
        found: dict[str, bytes] = {}
        for part in parts(sorted(set(vector_keys))):
            found |= dict(self._all(f"SELECT key, passage FROM vectors WHERE key IN ({marks(part)})", part))
        with self._errors():
            return np.stack([np.frombuffer(found[key], dtype="<f4") for key in vector_keys])

    def article(self, identifier: str) -> Article | None:
        """Return the active version of an article, whole; None where there is none."""
        rows = self._all(f"SELECT {_ARTICLE_COLUMNS} FROM articles WHERE article_id = ? AND active = 1", (identifier,))
        return self._article(rows[0]) if rows else None

    def articles_of(self, file: str) -> list[Article]:
        """Return the active articles of a file, in their order in it."""
        rows = self._all(f"SELECT {_ARTICLE_COLUMNS} FROM articles WHERE file = ? AND active = 1 ORDER BY key", (file,))
        return [self._article(row) for row in rows]

    def all_articles(self) -> Iterator[Article]:
        """Yield every active article, by file, one in memory at a time."""
        for file in self.active_files():
            yield from self.articles_of(file)

    def active_files(self) -> list[str]:
        """Return the files whose articles may answer, sorted."""
        return [file for (file,) in self._all("SELECT DISTINCT file FROM articles WHERE active = 1 ORDER BY file")]

    def _article(self, values: tuple[Any, ...]) -> Article:
        file, text, blocks, title, published, author, language, url, visibility, part, begins, notes = values
        with self._errors():
            return Article(
                file,
                text,
                tuple(Block(*block) for block in json.loads(blocks)),
                title,
                published,
                author,
                language,
                url,
                visibility,
                part,
                tuple(json.loads(begins)),
                tuple(json.loads(notes)),
            )

    def web_pages(self) -> dict[str, str]:
        """Return a digest of each web page that was added, by address."""
        return dict(self._all("SELECT address, digest FROM web_pages ORDER BY address"))

    def web_page(self, address: str) -> WebPage | None:
        """Return a web page as it was fetched; None where it was never added."""
        rows = self._all("SELECT address, charset, data FROM web_pages WHERE address = ?", (address,))
        return WebPage(*rows[0]) if rows else None

    def sources(self) -> list[Source]:
        """Return what a reader needs to know of each active article, newest first, undated ones last."""
        rows = self._all(
            "SELECT article_id, source, title, published, author, language, url, visibility, content_hash "
            "FROM articles WHERE active = 1 ORDER BY published IS NULL, published DESC, title, source"
        )
        return [Source(*row) for row in rows]

    def listed(self) -> list[Listed]:
        """Return each active article as `sources` does, with its file and the notes on reading it."""
        rows = self._all(
            "SELECT file, notes, key, article_id, source, title, published, author, language, url, visibility, "
            "content_hash FROM articles WHERE active = 1 ORDER BY published IS NULL, published DESC, title, source"
        )
        with self._errors():
            return [
                Listed(Source(*about), file, tuple(json.loads(notes)) if notes != "[]" else (), key)
                for file, notes, key, *about in rows
            ]

    def articles_with(self, terms: Sequence[str]) -> set[str]:
        """Return the ids of articles with all the terms in one passage; of very many passages, of the first ones."""
        query = (
            "SELECT DISTINCT a.article_id FROM (SELECT rowid FROM lexical WHERE lexical MATCH ? LIMIT ?) l "
            "JOIN passages p ON p.row = l.rowid JOIN articles a ON a.key = p.article_key WHERE a.active = 1"
        )
        together = " AND ".join(quoted(term) for term in terms[:TERMS])
        return {found for (found,) in self._all(query, (together, _LOOKED_AT))} if terms else set()

    def active_rows(self) -> tuple[list[int], list[str]]:
        """Return row and vector key of every passage that may answer."""
        rows = self._all(
            "SELECT p.row, p.vector_key FROM passages p JOIN articles a ON a.key = p.article_key "
            "WHERE a.active = 1 ORDER BY p.row"
        )
        return [row for row, _ in rows], [key for _, key in rows]

    def has_internal(self) -> bool:
        """Return whether any article that may answer is marked internal."""
        ((found,),) = self._all("SELECT EXISTS (SELECT 1 FROM articles WHERE active = 1 AND visibility = 'internal')")
        return bool(found)

    def ids_of(self, source: str) -> list[str]:
        """Return the ids of the active articles of this source, or in this file."""
        rows = self._all(
            "SELECT article_id FROM articles WHERE active = 1 AND (source = ? OR file = ?) ORDER BY key",
            (source, source),
        )
        return [identifier for (identifier,) in rows]

    def passages(self, rows: Sequence[int]) -> dict[int, StoredPassage]:
        """Return those of the passages that are active, by row."""
        found: dict[int, StoredPassage] = {}
        for part in parts(rows):
            for values in self._all(
                f"SELECT {_PASSAGE_COLUMNS} FROM passages p JOIN articles a ON a.key = p.article_key "
                f"JOIN vectors v ON v.key = p.vector_key WHERE a.active = 1 AND p.row IN ({marks(part)})",
                part,
            ):
                with self._errors():
                    found[values[0]] = _stored_passage(values)
        return found


def spans(text: str) -> tuple[Span, ...]:
    """Return the spans in a column that holds them as JSON."""
    return tuple(Span(*span) for span in json.loads(text))


def pages(text: str) -> tuple[tuple[int, int], ...]:
    """Return the pages of a passage in a column that holds them as JSON."""
    return tuple((start, number) for start, number in json.loads(text))


def _stored_passage(values: tuple[Any, ...]) -> StoredPassage:
    row, start, end, text, context, sentences, begins, passage_vector, sentence_vectors, *about = values
    source = Source(*about)
    whole = np.frombuffer(passage_vector, dtype="<f4")
    single = np.frombuffer(sentence_vectors, dtype="<f2").astype(np.float32).reshape(-1, len(whole))
    passage = Passage(
        source.article_id, source.content_hash, start, end, text, context, spans(sentences), pages(begins)
    )
    return StoredPassage(row, passage, source, PassageVectors(whole, single))
