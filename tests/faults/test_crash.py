"""A process killed at any point of its work loses nothing that was acknowledged, and the next one finishes it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.world import CHANGES, THOROUGH, World, needs
from tests.summary import SUMMARY

POINTS = [  # in the order of a sync
    "rag.ledger.Ledger.put",
    "rag.ledger.Ledger.retire",
    "tests.faults.jobs.DirectLoad.load",
    "rag.ledger.Ledger.stage",
    "rag.ledger.Ledger._insert",
    "tests.faults.tiny.TinyEmbedding.embed_passages",
    "rag.ledger.Ledger.store_vectors",
    "rag.vectors.ChromaIndex.__init__",
    "rag.vectors.ChromaIndex.add",
    "rag.ledger.Ledger.publish",
    "rag.ledger.Ledger.record",
    "rag.ledger.Ledger._retire_active",
    "rag.ledger.Ledger._drop_version",
    "rag.ledger.Ledger.collect",
    "rag.index.VectorIndex._sweep",
]


@pytest.mark.parametrize("change", CHANGES if THOROUGH else ["first", "rename", "mixed"])
@pytest.mark.parametrize("point", POINTS)
def test_a_sync_killed_at_a_point_keeps_whole_versions_and_the_next_one_ends_as_a_clean_run(
    world: World, change: str, point: str
) -> None:
    for when in ("before", "after"):
        place, before, after = world.start(change)
        log = place / "paid"
        answer = world.run(place, "sync", die=[point, when], log=log)
        if not answer["signal"]:
            continue  # this change does not pass here
        assert answer["signal"] == signal.SIGKILL
        world.judge(place, before, after, log=log)
        SUMMARY.add(kill_points=1)


@pytest.mark.parametrize("change", ["first", "mixed"])
def test_a_sync_killed_before_any_statement_of_sql_loses_nothing(world: World, change: str) -> None:
    place, _, _ = world.start(change)
    count = world.run(place, "sync", sql=0)["result"][-1]
    for fatal in range(1, count + 1, 1 if THOROUGH else 6):
        place, before, after = world.start(change)
        log = place / "paid"
        answer = world.run(place, "sync", sql=fatal, log=log)
        assert answer["signal"] == signal.SIGKILL
        world.judge(place, before, after, log=log)
        SUMMARY.add(kill_points=1)


@needs("strace")
def test_a_sync_killed_in_the_middle_of_a_commit_is_rolled_back_or_done(world: World) -> None:
    """At a call of the system on the ledger and its journal, which leaves pages half written and journals hot."""
    call, hot = 1, 0
    while True:
        place, before, after = world.start("mixed")
        file = place / "library" / "ledger.sqlite3"
        calls = "pwrite64,fdatasync,fsync,unlink"
        log = place / "paid"
        killing = ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={call}"]
        paths = ["-P", str(file), "-P", f"{file}-journal"]
        answer = world.run(place, "sync", log=log, strace=[*killing, *paths])
        if not answer["signal"]:
            break
        hot += Path(f"{file}-journal").exists()
        world.judge(place, before, after, log=log)
        SUMMARY.add(kill_points=1)
        call += 1 if THOROUGH else 23
    assert call > 100
    assert hot > 2
