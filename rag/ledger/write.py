"""Owns changing the library: versions are staged, published by one transaction, and collected when they are old."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.ledger.read import FileRecord, LedgerReader, WebPage, spans
from rag.text import about_terms, index_terms
from rag.types import Article, Passage, PassageVectors


@dataclass(frozen=True, slots=True)
class Staged:
    """A version of a file that waits to be published: the keys of its articles, row and vector key of each passage."""

    keys: tuple[int, ...]
    file: str
    rows: tuple[int, ...]
    vector_keys: tuple[str, ...]


CutArticle = tuple[Article, Sequence[Passage], Sequence[str]]
"""An article, its passages, and the key of each passage's vectors."""


class Ledger(LedgerReader):
    """The library as its one owner changes it."""

    def put(self, key: str, value: str) -> None:
        """Set a fact about the library itself."""
        self._run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    def drop(self, key: str) -> None:
        """Forget a fact about the library itself."""
        self._run("DELETE FROM meta WHERE key = ?", (key,))

    def record(self, file: FileRecord) -> None:
        """Note the state of a file."""
        self._run(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?) ON CONFLICT (source) DO UPDATE SET "
            "state = excluded.state, reason = excluded.reason, signature = excluded.signature, "
            "digest = excluded.digest",
            (file.source, file.state, file.reason, file.signature, file.digest),
        )

    def staged(self, file: str, digest: str) -> Staged | None:
        """Return the version of a file that an earlier run staged from the same bytes."""
        found = self._all(
            "SELECT key FROM articles WHERE file = ? AND digest = ? AND active = 0 ORDER BY key", (file, digest)
        )
        return self._staged([key for (key,) in found], file) if found else None

    def stage(self, file: str, digest: str, articles: Sequence[CutArticle]) -> Staged:
        """Store a version of a file beside the active one; it answers nothing until it is published."""
        with self.transaction():
            left = self._all("SELECT key FROM articles WHERE file = ? AND active = 0", (file,))
            keys = [self._insert(article, passages, vectors, digest) for article, passages, vectors in articles]
            for (old,) in left:  # after the new one, which may use its vectors
                self._drop_version(old)
            return self._staged(keys, file)

    def _insert(self, article: Article, passages: Sequence[Passage], vector_keys: Sequence[str], digest: str) -> int:
        version = "SELECT coalesce(max(version), 0) + 1 FROM articles WHERE article_id = ?"
        key = self._run(
            "INSERT INTO articles (article_id, version, digest, source, title, published, author, language, url, "
            "visibility, content_hash, text, blocks, file, part, pages, notes) "
            f"VALUES (?, ({version}), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                article.file,
                article.part,
                json.dumps(article.pages),
                json.dumps(article.notes),
            ),
        )
        for passage, vector_key in zip(passages, vector_keys, strict=True):
            self._run(
                'INSERT INTO passages (article_key, start, "end", text, context, sentences, vector_key, pages) '
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    passage.start,
                    passage.end,
                    passage.text,
                    passage.context,
                    json.dumps(passage.sentences),
                    vector_key,
                    json.dumps(passage.pages),
                ),
            )
        return key

    def _staged(self, keys: Sequence[int], file: str) -> Staged:
        rows = [
            row
            for key in keys
            for row in self._all("SELECT row, vector_key FROM passages WHERE article_key = ? ORDER BY row", (key,))
        ]
        return Staged(tuple(keys), file, tuple(row for row, _ in rows), tuple(vector_key for _, vector_key in rows))

    def unembedded(self, staged: Staged) -> dict[str, Passage]:
        """Return the passages of a staged version that have no vectors yet, by vector key."""
        rows = [
            row
            for key in staged.keys
            for row in self._all(
                'SELECT p.vector_key, a.article_id, a.content_hash, p.start, p."end", p.text, p.context, p.sentences '
                "FROM passages p JOIN articles a ON a.key = p.article_key "
                "WHERE a.key = ? AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.key = p.vector_key)",
                (key,),
            )
        ]
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

    def publish(
        self, staged: Staged, file: FileRecord, replaced: Mapping[str, FileRecord | None] | None = None
    ) -> None:
        """Make a staged version the one that answers, and note its file as indexed, in one transaction.

        `replaced` files leave with it: the same content has been under their names; None: the file is gone.
        """
        with self.transaction():
            for source, record in (replaced or {}).items():
                self.retire(source, record)
            self._retire_active(staged.file)
            for key in staged.keys:
                self._run("UPDATE articles SET active = 1 WHERE key = ?", (key,))
                self._index_words(key)
            self.record(file)

    def _index_words(self, key: int) -> None:
        """Let the passages of an article be found by their words, and by what is known of the article."""
        (known,) = self._all("SELECT author, url, published FROM articles WHERE key = ?", (key,))
        about = about_terms(*known)
        for row, context, text in self._all("SELECT row, context, text FROM passages WHERE article_key = ?", (key,)):
            terms = (" ".join([*index_terms(context), *about]), " ".join(index_terms(text)))
            self._run("INSERT INTO lexical (rowid, context, body) VALUES (?, ?, ?)", (row, *terms))

    def retire(self, source: str, file: FileRecord | None = None) -> None:
        """Take the articles of a file out: they never answer again. `file` is its new state, None: it is gone."""
        with self.transaction():
            self._retire_active(source)
            if file is None:
                self._run("DELETE FROM files WHERE source = ?", (source,))
            else:
                self.record(file)

    def _retire_active(self, file: str) -> None:
        for (key,) in self._all("SELECT key FROM articles WHERE file = ? AND active = 1", (file,)):
            self._run("DELETE FROM lexical WHERE rowid IN (SELECT row FROM passages WHERE article_key = ?)", (key,))
            self._run("UPDATE articles SET active = 0 WHERE key = ?", (key,))

    def put_web_page(self, page: WebPage) -> None:
        """Keep a web page, in place of an earlier state of it."""
        content = hashlib.sha256(page.data).hexdigest()
        values = (page.address, page.charset, f"{content}:{page.charset}", page.data)
        self._run("INSERT OR REPLACE INTO web_pages VALUES (?, ?, ?, ?)", values)

    def drop_web_page(self, address: str) -> None:
        """Forget a web page."""
        self._run("DELETE FROM web_pages WHERE address = ?", (address,))

    def collect(self) -> None:
        """Delete every version that is not active, and the vectors only they used: the last act of a sync."""
        for (key,) in self._all("SELECT key FROM articles WHERE active = 0"):
            with self.transaction():
                self._drop_version(key)

    def compact(self) -> None:
        """Rewrite the file without the space, and the traces, of what was deleted."""
        self._run("INSERT INTO lexical (lexical) VALUES ('optimize')")
        self._run("VACUUM")

    def _drop_version(self, key: int) -> None:
        self._run(
            "DELETE FROM vectors WHERE key IN (SELECT p.vector_key FROM passages p WHERE p.article_key = ?1 "
            "AND NOT EXISTS (SELECT 1 FROM passages o WHERE o.vector_key = p.vector_key AND o.article_key != ?1))",
            (key,),
        )
        self._run("DELETE FROM articles WHERE key = ?", (key,))
