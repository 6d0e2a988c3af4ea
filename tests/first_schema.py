"""The tables of schema 1, as libraries had them before pages and web pages: what an upgrade starts from."""

FIRST_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE files (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'failed')),
    reason TEXT, signature TEXT NOT NULL, digest TEXT NOT NULL,
    CHECK ((state = 'indexed') = (reason IS NULL))
) STRICT;
CREATE TABLE articles (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL, version INTEGER NOT NULL,
    active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)),
    digest TEXT NOT NULL,
    source TEXT NOT NULL, title TEXT NOT NULL, published TEXT, author TEXT, language TEXT, url TEXT,
    visibility TEXT NOT NULL, content_hash TEXT NOT NULL, text TEXT NOT NULL, blocks TEXT NOT NULL,
    UNIQUE (article_id, version)
) STRICT;
CREATE UNIQUE INDEX one_active_version ON articles (article_id) WHERE active = 1;
CREATE INDEX not_active ON articles (key) WHERE active = 0;
CREATE TABLE passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    article_key INTEGER NOT NULL REFERENCES articles (key) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    text TEXT NOT NULL, context TEXT NOT NULL, sentences TEXT NOT NULL, vector_key TEXT NOT NULL
) STRICT;
CREATE INDEX passages_of_article ON passages (article_key);
CREATE INDEX passages_of_vector ON passages (vector_key);
CREATE TABLE vectors (key TEXT PRIMARY KEY, passage BLOB NOT NULL, sentences BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0 tokenchars '.'");
CREATE VIRTUAL TABLE lexical_terms USING fts5vocab (lexical, row);
PRAGMA user_version = 1;
"""
FIRST_COLUMNS = {
    "meta": "key, value",
    "files": "source, state, reason, signature, digest",
    "articles": "key, article_id, version, active, digest, source, title, published, author, language, url, "
    "visibility, content_hash, text, blocks",
    "passages": 'row, article_key, start, "end", text, context, sentences, vector_key',
    "vectors": "key, passage, sentences",
    "lexical": "rowid, context, body",
}
