"""A library of the first schema is opened by this version: its text answers at once, its vectors are not paid again."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

from tests.conftest import held
from tests.faults.world import QUESTIONS, SUMMARY, World, check_paid, needs

FIRST_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE files (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'failed')),
    reason TEXT,
    signature TEXT NOT NULL,
    digest TEXT NOT NULL,
    CHECK ((state = 'indexed') = (reason IS NULL))
) STRICT;
CREATE TABLE articles (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL,
    version INTEGER NOT NULL,
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
CREATE TABLE vectors (
    key TEXT PRIMARY KEY, passage BLOB NOT NULL, sentences BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0 tokenchars '.'");
CREATE VIRTUAL TABLE lexical_terms USING fts5vocab (lexical, row);
"""
TABLES = {
    "meta": "key, value",
    "files": "source, state, reason, signature, digest",
    "articles": "key, article_id, version, active, digest, source, title, published, author, language, url, "
    "visibility, content_hash, text, blocks",
    "passages": 'row, article_key, start, "end", text, context, sentences, vector_key',
    "vectors": "key, passage, sentences",
}


def first_version(world: World) -> tuple[Path, Any]:
    """Return a place whose library is one of today's, put back into the first schema; and its clean state."""
    place, _, state = world.start("first")
    world.run(place, "sync")
    file = place / "library" / "ledger.sqlite3"
    old = file.with_name("old")
    with contextlib.closing(sqlite3.connect(old)) as database:
        database.executescript(FIRST_SCHEMA)
        database.execute("ATTACH ? AS today", (str(file),))
        for table, columns in TABLES.items():
            database.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM today.{table}")
        database.execute("INSERT INTO lexical (rowid, context, body) SELECT rowid, context, body FROM today.lexical")
        # Files were read by other rules then.
        database.execute("UPDATE files SET digest = 'of-the-first:' || source")
        database.execute("UPDATE articles SET digest = 'of-the-first:' || source")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    old.replace(file)
    return place, state


def test_a_library_of_the_first_schema_answers_is_read_again_and_pays_no_embedding(world: World) -> None:
    place, state = first_version(world)
    log = place / "paid"
    found, report, last = world.run(place, ["look", QUESTIONS], "sync", ["look", QUESTIONS], log=log)["result"]
    assert (found["passages"], found["wrong"]) == (state["passages"], [])
    assert len(report["indexed"]) == len(state["passages"])
    assert {k: v for k, v in last.items() if k != "index"} == {k: v for k, v in state.items() if k != "index"}
    assert not log.exists()


def test_beside_its_owner_a_library_of_the_first_schema_says_who_upgrades_it(world: World) -> None:
    place, _ = first_version(world)
    with held(place / "library"):
        (error,) = world.run(place, ["answers", QUESTIONS[0]])["result"]
    assert "`footnote sync` to upgrade" in error["message"]


@needs("strace")
def test_an_upgrade_that_is_killed_is_done_or_not_begun(world: World) -> None:
    calls = "pwrite64,fdatasync,fsync,unlink,openat"
    for call in range(1, 60, 3):
        place, state = first_version(world)
        file = place / "library" / "ledger.sqlite3"
        trap = ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={call}"]
        killed = world.run(place, "notice", strace=[*trap, "-P", str(file), "-P", f"{file}-journal"])["signal"]
        if not killed:
            break
        assert killed == signal.SIGKILL
        SUMMARY.add(kill_points=1)
        found, _, last = world.run(place, ["look", QUESTIONS], "sync", ["look", QUESTIONS])["result"]
        assert (found["passages"], found["wrong"]) == (state["passages"], [])
        assert last["passages"] == state["passages"]
        assert json.dumps(last["files"]) == json.dumps(state["files"])
    assert call > 10
    check_paid(place / "none")
