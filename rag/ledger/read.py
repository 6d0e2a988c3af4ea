"""Owns reading the library: the passages that may answer, their vectors, and the lexical search over them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from rag.ledger.database import Database
from rag.types import Article, Block, Candidates, Matrix, Passage, PassageVectors, Source, Span, StoredPassage

T = TypeVar("T")
_PARAMETERS = 500  # in one statement
_TERMS = 1000  # in one lexical query, the first ones count: FTS5 takes more, but its time grows faster than they do

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
class WebPage:
    """A web page as it was fetched; `charset` is what its server said, if anything."""

    address: str
    charset: str | None
    data: bytes


class LedgerReader(Database):
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
        for part in _parts(sorted(set(vector_keys))):
            found |= dict(self._all(f"SELECT key, passage FROM vectors WHERE key IN ({_marks(part)})", part))
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

    def rows_of(self, articles: Sequence[str]) -> list[int]:
        """Return the rows of the passages of these articles, by id, that may answer."""
        found: list[int] = []
        for part in _parts(articles):
            found += [
                row
                for (row,) in self._all(
                    "SELECT p.row FROM passages p JOIN articles a ON a.key = p.article_key "
                    f"WHERE a.active = 1 AND a.article_id IN ({_marks(part)}) ORDER BY p.row",
                    part,
                )
            ]
        return found

    def passages(self, rows: Sequence[int]) -> dict[int, StoredPassage]:
        """Return those of the passages that are active, by row."""
        found: dict[int, StoredPassage] = {}
        for part in _parts(rows):
            for values in self._all(
                f"SELECT {_PASSAGE_COLUMNS} FROM passages p JOIN articles a ON a.key = p.article_key "
                f"JOIN vectors v ON v.key = p.vector_key WHERE a.active = 1 AND p.row IN ({_marks(part)})",
                part,
            ):
                with self._errors():
                    found[values[0]] = _stored_passage(values)
        return found

    def active(self, rows: Sequence[int]) -> set[int]:
        """Return those of the rows whose passages may answer."""
        found: set[int] = set()
        for part in _parts(rows):
            found.update(
                row
                for (row,) in self._all(
                    "SELECT p.row FROM passages p JOIN articles a ON a.key = p.article_key "
                    f"WHERE a.active = 1 AND p.row IN ({_marks(part)})",
                    part,
                )
            )
        return found

    def candidates(self, rows: Sequence[int]) -> Candidates:
        """Return what ranking needs of those of the passages that are active: a fraction of what they are."""
        found: list[tuple[Any, ...]] = []
        for part in _parts(rows):
            found += self._all(
                "SELECT p.row, a.article_id, a.source, p.start, length(v.passage), v.sentences FROM passages p "
                "JOIN articles a ON a.key = p.article_key JOIN vectors v ON v.key = p.vector_key "
                f"WHERE a.active = 1 AND p.row IN ({_marks(part)})",
                part,
            )
        with self._errors():
            dimension = found[0][4] // 4 if found else 1
            flat = np.frombuffer(b"".join(values[5] for values in found), dtype="<f2").astype(np.float32)
            counts = [len(values[5]) // (2 * dimension) for values in found]
            return Candidates(
                [values[0] for values in found],
                [values[1] for values in found],
                [(values[2], values[3]) for values in found],
                [0, *accumulate(counts)][:-1],
                flat.reshape(-1, dimension),
            )

    def search_terms(self, terms: Sequence[str], limit: int) -> list[int]:
        """Return the rows of the passages with any of the terms, best by BM25 first."""
        query = "SELECT rowid FROM lexical WHERE lexical MATCH ? ORDER BY rank, rowid LIMIT ?"
        return [row for (row,) in self._all(query, (_match(terms), limit))] if terms else []

    def term_scores(self, terms: Sequence[str], rows: Sequence[int]) -> dict[int, float]:
        """Return the BM25 scores of these passages, above 0; those without any of the terms are left out."""
        found: dict[int, float] = {}
        for part in _parts(rows) if terms else ():
            # The plus keeps FTS5 from running the whole query once for each row.
            found |= self._all(
                f"SELECT rowid, -rank FROM lexical WHERE lexical MATCH ? AND +rowid IN ({_marks(part)})",
                (_match(terms), *part),
            )
        return found

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """Return in how many active passages each term stands."""
        rows = {term: self._all("SELECT doc FROM lexical_terms WHERE term = ?", (term,)) for term in terms}
        return {term: found[0][0] if found else 0 for term, found in rows.items()}


def _match(terms: Sequence[str]) -> str:
    """Write terms as an FTS5 query: quoted, a term is text and never syntax."""
    return " OR ".join('"' + term.replace('"', '""') + '"' for term in terms[:_TERMS])


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _PARAMETERS):
        yield values[start : start + _PARAMETERS]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


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
