"""A library of the first schema is opened by this version: its text answers at once, its vectors are not paid again."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path
from typing import Any

from tests.conftest import held
from tests.faults.world import QUESTIONS, World, check_paid, needs
from tests.first_schema import FIRST_COLUMNS, FIRST_SCHEMA
from tests.summary import SUMMARY


def first_version(world: World) -> tuple[Path, Any]:
    """Return a place whose library is one of today's, put back into the first schema; and its clean state."""
    place, _, state = world.start("first")
    world.run(place, "sync")
    file = place / "library" / "ledger.sqlite3"
    old = file.with_name("old")
    with contextlib.closing(sqlite3.connect(old)) as database:
        database.executescript(FIRST_SCHEMA)
        database.execute("ATTACH ? AS today", (str(file),))
        for table, columns in FIRST_COLUMNS.items():
            database.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM today.{table}")
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
