"""Owns the search over the library: by words, and what ranking reads of the passages found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from rag.ledger.database import Database
from rag.types import ALL_ARTICLES, Candidates, Scope

T = TypeVar("T")
_PARAMETERS = 500  # in one statement
_NEVER = "a day after all others"  # as a date: what has none is not known to be before any
TERMS = 1000  # in one lexical query, the first ones count: FTS5 takes more, but its time grows faster than they do


class Search(Database):
    """What ranking asks of a library."""

    def rows_in(self, scope: Scope, limit: int | None = None) -> list[int]:
        """Return the rows of the passages of a scope that may answer; where there are more than `limit`, some more."""
        until, date = ("AND a.published <= ?", (scope.as_of,)) if scope.as_of is not None else ("", ())
        query = f"SELECT p.row FROM passages p JOIN articles a ON a.key = p.article_key WHERE a.active = 1 {until}"
        most = -1 if limit is None else limit + 1
        if not scope.articles:
            return [row for (row,) in self._all(f"{query} LIMIT ?", (*date, most))]
        found: list[int] = []
        for part in parts(scope.articles):
            found += [row for (row,) in self._all(f"{query} AND a.article_id IN ({marks(part)})", (*date, *part))]
            if limit is not None and len(found) > limit:
                break
        return sorted(found)

    def active(self, rows: Sequence[int], scope: Scope = ALL_ARTICLES) -> set[int]:
        """Return those of the rows whose passages may answer, in a scope."""
        chosen = frozenset(scope.articles)
        return {
            row
            for part in parts(rows)
            for row, article, published in self._all(
                "SELECT p.row, a.article_id, a.published FROM passages p JOIN articles a ON a.key = p.article_key "
                f"WHERE a.active = 1 AND p.row IN ({marks(part)})",
                part,
            )
            if (not chosen or article in chosen) and (scope.as_of is None or (published or _NEVER) <= scope.as_of)
        }

    def candidates(self, rows: Sequence[int]) -> Candidates:
        """Return what ranking needs of those of the passages that are active: a fraction of what they are."""
        found: list[tuple[Any, ...]] = []
        for part in parts(rows):
            found += self._all(
                "SELECT p.row, a.article_id, a.source, p.start, length(v.passage), v.sentences FROM passages p "
                "JOIN articles a ON a.key = p.article_key JOIN vectors v ON v.key = p.vector_key "
                f"WHERE a.active = 1 AND p.row IN ({marks(part)})",
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
        return [row for (row,) in self._all(query, (match(terms), limit))] if terms else []

    def term_scores(self, terms: Sequence[str], rows: Sequence[int]) -> dict[int, float]:
        """Return the BM25 scores of these passages, above 0; those without any of the terms are left out."""
        found: dict[int, float] = {}
        for part in parts(rows) if terms else ():
            # The plus keeps FTS5 from running the whole query once for each row.
            found |= self._all(
                f"SELECT rowid, -rank FROM lexical WHERE lexical MATCH ? AND +rowid IN ({marks(part)})",
                (match(terms), *part),
            )
        return found

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """Return in how many active passages each term stands."""
        rows = {term: self._all("SELECT doc FROM lexical_terms WHERE term = ?", (term,)) for term in terms}
        return {term: found[0][0] if found else 0 for term, found in rows.items()}


def match(terms: Sequence[str]) -> str:
    """Write terms as an FTS5 query."""
    return " OR ".join(quoted(term) for term in terms[:TERMS])


def quoted(term: str) -> str:
    """Write a term so that it is text and never syntax."""
    return '"' + term.replace('"', '""') + '"'


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield values in parts that one statement can take."""
    for start in range(0, len(values), _PARAMETERS):
        yield values[start : start + _PARAMETERS]


def marks(values: Sequence[object]) -> str:
    """Return the place of each value in a statement."""
    return ",".join("?" * len(values))
