"""Owns looking the whole library over: whether what it holds still fits together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from rag.ledger.read import LedgerReader, spans


def wrong_texts(ledger: LedgerReader) -> Iterator[str]:
    """Yield the source of every article whose text, passages or sentences are not what they were when it came in."""
    for (key,) in ledger._all("SELECT key FROM articles WHERE active = 1 ORDER BY source"):
        ((source, content_hash, text),) = ledger._all(
            "SELECT source, content_hash, text FROM articles WHERE key = ?", (key,)
        )
        try:
            sound = _is_sound(ledger, key, content_hash, text)
        except (ValueError, TypeError):  # a damaged page can hold anything
            sound = False
        if not sound:
            yield source


def _is_sound(ledger: LedgerReader, key: int, content_hash: str, text: str) -> bool:
    passages = ledger._all('SELECT start, "end", text, sentences FROM passages WHERE article_key = ?', (key,))
    whole = "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest() == content_hash
    exact = all(text[start:end] == words for start, end, words, _ in passages)
    inside = all(start <= span.start < span.end <= end for start, end, _, column in passages for span in spans(column))
    return bool(passages) and whole and exact and inside


def count_faults(ledger: LedgerReader) -> dict[str, int]:
    """Return how often each thing is found that must never be, by what it is."""
    active = "SELECT p.row FROM passages p JOIN articles a ON a.key = p.article_key WHERE a.active = 1"
    queries = {
        "passages without vectors": f"SELECT count(*) FROM ({active} "
        "AND p.vector_key NOT IN (SELECT key FROM vectors))",
        "vectors of another dimension": "SELECT count(DISTINCT length(v.passage)) - 1 FROM vectors v "
        f"WHERE v.key IN (SELECT vector_key FROM passages WHERE row IN ({active})) HAVING count(*) > 0",
        "passages that no word finds": f"SELECT count(*) FROM ({active} AND p.row NOT IN (SELECT rowid FROM lexical))",
        "words of passages that are gone": f"SELECT count(*) FROM lexical WHERE rowid NOT IN ({active})",
        "articles without a file": "SELECT count(*) FROM articles WHERE active = 1 "
        "AND file NOT IN (SELECT source FROM files)",
        "files without their article": "SELECT count(*) FROM files WHERE state = 'indexed' "
        "AND source NOT IN (SELECT file FROM articles WHERE active = 1)",
    }
    found = {name: ledger._all(query) for name, query in queries.items()}
    return {name: rows[0][0] if rows else 0 for name, rows in found.items()}


def leftovers(ledger: LedgerReader) -> int:
    """Return how many versions and vectors wait to be collected by the next sync: no fault, only space."""
    versions = ledger._all("SELECT count(*) FROM articles WHERE active = 0")[0][0]
    vectors = ledger._all("SELECT count(*) FROM vectors WHERE key NOT IN (SELECT vector_key FROM passages)")[0][0]
    return int(versions + vectors)
