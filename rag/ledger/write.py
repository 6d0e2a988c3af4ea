"""Owns changing the library: versions are staged, published by one transaction, and collected when they are old."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.ledger.read import FileRecord, LedgerReader, spans
from rag.text import index_terms
from rag.types import Article, Passage, PassageVectors, article_id


@dataclass(frozen=True, slots=True)
class Staged:
    """A version that waits to be published: its key, and the row and vector key of each passage."""

    key: int
    source: str
    rows: tuple[int, ...]
    vector_keys: tuple[str, ...]


class Ledger(LedgerReader):
    """The library as its one owner changes it."""

    def put(self, key: str, value: str) -> None:
        """Set a fact about the library itself."""
        self._run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def record(self, file: FileRecord) -> None:
        """Note the state of a file."""
        self._run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET "
            "state = excluded.state, reason = excluded.reason, signature = excluded.signature, "
            "digest = excluded.digest",
            (file.source, file.state, file.reason, file.signature, file.digest),
        )

    def staged(self, source: str, digest: str) -> Staged | None:
        """Return the version of a file's article that an earlier run staged from the same bytes."""
        rows = self._all(
            "SELECT key FROM articles WHERE article_id = ? AND digest = ? AND active = 0", (article_id(source), digest)
        )
        return self._staged(rows[0][0], source) if rows else None

    def stage(self, article: Article, passages: Sequence[Passage], vector_keys: Sequence[str], digest: str) -> Staged:
        """Store a version of an article beside the active one; it answers nothing until it is published."""
        with self.transaction():
            left = self._all("SELECT key FROM articles WHERE article_id = ? AND active = 0", (article.id,))
            versions = "SELECT coalesce(max(version), 0) + 1 FROM articles WHERE article_id = ?"
            key = self._run(
                "INSERT INTO articles (article_id, version, digest, source, title, published, author, language, url, "
                f"visibility, content_hash, text, blocks) VALUES (?, ({versions}), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    article.id,
                    article.id,
                    digest,
                    article.source,
                    article.title,
                    article.published,
                    article.author,
                    article.language,
                    article.url,
                    article.visibility,
                    article.content_hash,
                    article.text,
                    json.dumps(article.blocks),
                ),
            )
            for passage, vector_key in zip(passages, vector_keys, strict=True):
                self._run(
                    'INSERT INTO passages (article_key, start, "end", text, context, sentences, vector_key) '
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        key,
                        passage.start,
                        passage.end,
                        passage.text,
                        passage.context,
                        json.dumps(passage.sentences),
                        vector_key,
                    ),
                )
            for (old,) in left:  # after the new one, which may use its vectors
                self._drop_version(old)
            return self._staged(key, article.source)

    def _staged(self, key: int, source: str) -> Staged:
        rows = self._all("SELECT row, vector_key FROM passages WHERE article_key = ? ORDER BY row", (key,))
        return Staged(key, source, tuple(row for row, _ in rows), tuple(vector_key for _, vector_key in rows))

    def unembedded(self, staged: Staged) -> dict[str, Passage]:
        """Return the passages of a staged version that have no vectors yet, by vector key."""
        rows = self._all(
            'SELECT p.vector_key, a.article_id, a.content_hash, p.start, p."end", p.text, p.context, p.sentences '
            "FROM passages p JOIN articles a ON a.key = p.article_key "
            "WHERE a.key = ? AND p.vector_key NOT IN (SELECT key FROM vectors)",
            (staged.key,),
        )
        return {
            key: Passage(identifier, content_hash, start, end, text, context, spans(sentences))
            for key, identifier, content_hash, start, end, text, context, sentences in rows
        }

    def store_vectors(self, vectors: Mapping[str, PassageVectors]) -> None:
        """Keep vectors under the digest of what was embedded; once they are here they are never paid again."""
        with self.transaction(), self._errors():
            self._db.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)",
                [
                    (key, item.passage.astype("<f4").tobytes(), item.sentences.astype("<f2").tobytes())
                    for key, item in vectors.items()
                ],
            )

    def publish(self, staged: Staged, file: FileRecord) -> None:
        """Make a staged version the one that answers, and note its file as indexed, in one transaction."""
        with self.transaction():
            self._retire_active(article_id(staged.source))
            self._run("UPDATE articles SET active = 1 WHERE key = ?", (staged.key,))
            for row, context, text in self._all(
                "SELECT row, context, text FROM passages WHERE article_key = ?", (staged.key,)
            ):
                terms = (" ".join(index_terms(context)), " ".join(index_terms(text)))
                self._run("INSERT INTO lexical (rowid, context, body) VALUES (?, ?, ?)", (row, *terms))
            self.record(file)

    def retire(self, source: str, file: FileRecord | None = None) -> None:
        """Take a file's article out, so that it never answers again; `file` is its new state, None: it is gone."""
        with self.transaction():
            self._retire_active(article_id(source))
            if file is None:
                self._run("DELETE FROM files WHERE source = ?", (source,))
            else:
                self.record(file)

    def _retire_active(self, identifier: str) -> None:
        for (key,) in self._all("SELECT key FROM articles WHERE article_id = ? AND active = 1", (identifier,)):
            self._run("DELETE FROM lexical WHERE rowid IN (SELECT row FROM passages WHERE article_key = ?)", (key,))
            self._run("UPDATE articles SET active = 0 WHERE key = ?", (key,))

    def collect(self) -> None:
        """Delete every version that is not active, and the vectors only they used: the last act of a sync."""
        for (key,) in self._all("SELECT key FROM articles WHERE active = 0"):
            with self.transaction():
                self._drop_version(key)

    def _drop_version(self, key: int) -> None:
        self._run(
            "DELETE FROM vectors WHERE key IN (SELECT vector_key FROM passages WHERE article_key = ?1) "
            "AND key NOT IN (SELECT vector_key FROM passages WHERE article_key != ?1)",
            (key,),
        )
        self._run("DELETE FROM articles WHERE key = ?", (key,))
