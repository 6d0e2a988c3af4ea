"""Owns the tables of the library, and how those of an older Footnote become them."""

from __future__ import annotations

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- The state of every file in the articles folder.
CREATE TABLE files (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'failed')),
    reason TEXT,
    signature TEXT NOT NULL,   -- of the file's status: equal means untouched
    digest TEXT NOT NULL,      -- of its bytes and of the way they were read and cut
    CHECK ((state = 'indexed') = (reason IS NULL))
) STRICT;

CREATE TABLE articles (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)),
    digest TEXT NOT NULL,   -- as in files
    source TEXT NOT NULL, title TEXT NOT NULL, published TEXT, author TEXT, language TEXT, url TEXT,
    visibility TEXT NOT NULL, content_hash TEXT NOT NULL, text TEXT NOT NULL, blocks TEXT NOT NULL,
    file TEXT NOT NULL DEFAULT '',       -- as source in files
    part TEXT,                           -- of a file that holds several articles
    pages TEXT NOT NULL DEFAULT '[]', notes TEXT NOT NULL DEFAULT '[]',
    UNIQUE (article_id, version)
) STRICT;
CREATE UNIQUE INDEX one_active_version ON articles (article_id) WHERE active = 1;
CREATE INDEX articles_of_file ON articles (file);
CREATE INDEX not_active ON articles (key) WHERE active = 0;

-- AUTOINCREMENT: row numbers name the passages in Chroma and must never be used twice.
CREATE TABLE passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    article_key INTEGER NOT NULL REFERENCES articles (key) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    text TEXT NOT NULL, context TEXT NOT NULL, sentences TEXT NOT NULL, vector_key TEXT NOT NULL,
    pages TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX passages_of_article ON passages (article_key);
CREATE INDEX passages_of_vector ON passages (vector_key);

-- With row numbers: rows of many kilobytes in the order of their keys make a tree that is slow to read and to grow.
CREATE TABLE vectors (key TEXT PRIMARY KEY, passage BLOB NOT NULL, sentences BLOB NOT NULL) STRICT;

-- Web pages that were added, as they came: they have no file in the folder to be read from again.
CREATE TABLE web_pages (
    address TEXT PRIMARY KEY, charset TEXT, digest TEXT NOT NULL, data BLOB NOT NULL
) STRICT;

-- Terms come cut and stemmed from rag.text; the tokenizer here only splits them at spaces.
CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0 tokenchars '.'");
CREATE VIRTUAL TABLE lexical_terms USING fts5vocab (lexical, row);
"""

# By the version they start from; each is run in one transaction with the ones behind it.
UPGRADES = {
    1: """
ALTER TABLE articles ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE articles ADD COLUMN part TEXT;
ALTER TABLE articles ADD COLUMN pages TEXT NOT NULL DEFAULT '[]';
ALTER TABLE articles ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
UPDATE articles SET file = source;
CREATE INDEX articles_of_file ON articles (file);
ALTER TABLE passages ADD COLUMN pages TEXT NOT NULL DEFAULT '[]';
CREATE TABLE web_pages (address TEXT PRIMARY KEY, charset TEXT, digest TEXT NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE new_vectors (key TEXT PRIMARY KEY, passage BLOB NOT NULL, sentences BLOB NOT NULL) STRICT;
INSERT INTO new_vectors SELECT key, passage, sentences FROM vectors;
DROP TABLE vectors;
ALTER TABLE new_vectors RENAME TO vectors;
""",
}


def script_from(version: int) -> str:
    """Return the statements that make the tables of this version out of an older one; 0 is an empty file."""
    statements = SCHEMA if version == 0 else "".join(UPGRADES[step] for step in range(version, SCHEMA_VERSION))
    return f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
