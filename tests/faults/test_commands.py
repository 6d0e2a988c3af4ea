"""Commands killed at any point: the library they worked on answers as before or as after, and they can be run again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import QUESTIONS, State, World, article, check_between, check_final, check_paid, needs
from tests.summary import SUMMARY

ADDRESS = "http://mills.example/gustav"
PAGE = {"url": ADDRESS, "data": "".join(f"<p>{text}</p>" for text in article("gustav", 1).split("\n\n"))}


def killed(world: World, place: Path, *steps: Any, **options: Any) -> bool:
    """Whether the process was killed: some points are not passed."""
    answer = world.run(place, *steps, **options)
    SUMMARY.add(kill_points=bool(answer["signal"]))
    assert answer["signal"] in (0, signal.SIGKILL)
    return bool(answer["signal"])


def synced(world: World) -> tuple[Path, State]:
    """Return a place with a synced library, and its state."""
    place, _, _ = world.start("first")
    return place, world.clean(place, "library")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "point",
    [
        "rag.vectors.ChromaIndex.__init__",
        "rag.vectors.ChromaIndex.add",
        "rag.ledger.Ledger.put",
        "rag.index.VectorIndex._sweep",
        "rag.index.VectorIndex.tidy",
    ],
)
def test_a_rebuild_that_is_killed_leaves_the_old_index_or_the_new_one(world: World, point: str, when: str) -> None:
    place, state = synced(world)
    assert killed(world, place, "rebuild", die=[point, when])
    world.judge(place, state, state)


RE_EMBEDDING = [
    ("rag.ledger.Ledger.stage", "before", 1),
    ("rag.ledger.Ledger.stage", "after", 3),
    ("tests.faults.tiny.TinyEmbedding.embed_passages", "before", 2),
    ("tests.faults.tiny.TinyEmbedding.embed_passages", "after", 3),
    ("rag.ledger.Ledger.store_vectors", "after", 4),
    ("rag.vectors.ChromaIndex.__init__", "after", 1),
    ("rag.vectors.ChromaIndex.add", "after", 1),
    ("rag.ledger.Ledger.publish", "before", 1),
    ("rag.ledger.Ledger.publish", "after", 5),
    ("rag.ledger.Ledger.put", "before", 1),
    ("rag.ledger.Ledger.put", "after", 3),
    ("rag.ledger.Ledger.collect", "before", 1),
    ("rag.ledger.Ledger._drop_version", "after", 2),
    ("rag.index.VectorIndex.tidy", "before", 1),
]


@pytest.mark.parametrize("embedder", ["tiny-other", "tiny-wide"])
@pytest.mark.parametrize(("point", "when", "call"), RE_EMBEDDING)
def test_a_change_of_embedder_that_is_killed_is_not_done_or_done_and_goes_on_where_it_was(
    world: World, point: str, when: str, call: int, embedder: str
) -> None:
    place, state = synced(world)
    log = place / "paid"
    new = {"embedder": embedder, "re_embed": True, "log": log}
    assert killed(world, place, "sync", die=[point, when, call], **new)
    old = world.run(place, ["look", QUESTIONS])["result"][-1]
    if "error" in old:  # the switch was made
        assert "another embedder" in old["message"]
    else:
        assert old["passages"] == state["passages"]
        assert old["wrong"] == []
        refused = world.run(place, ["look", QUESTIONS], embedder=embedder)["result"][-1]
        assert (refused["code"], "footnote sync --re-embed" in refused["message"]) == (5, True)
    last = world.run(place, "sync", ["look", QUESTIONS], **new)["result"][-1]
    fresh, _, _ = world.start("first")
    check_final(last, world.run(fresh, "sync", ["look", QUESTIONS], embedder=embedder)["result"][-1])
    check_paid(log)


def test_a_sync_that_was_killed_is_not_paid_again_though_a_page_was_added_meanwhile(world: World) -> None:
    place, _, _ = world.start("first")
    log = place / "paid"
    assert killed(world, place, "sync", die=["rag.ledger.Ledger.publish", "before"], log=log)
    world.run(place, ["add", ADDRESS], page=PAGE, log=log)
    world.run(place, "sync", log=log)
    check_paid(log)


ADDING = [
    "rag.ledger.Ledger.put_web_page",
    "rag.ledger.Ledger.stage",
    "rag.ledger.Ledger.store_vectors",
    "rag.vectors.ChromaIndex.add",
    "rag.ledger.Ledger.publish",
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", ADDING)
def test_a_page_whose_adding_is_killed_is_not_there_or_is_indexed_by_the_next_sync(
    world: World, point: str, when: str
) -> None:
    place, before = synced(world)
    whole = place.with_name(place.name + "-whole")
    shutil.copytree(place, whole)
    world.run(whole, ["add", ADDRESS], page=PAGE)
    after = world.run(whole, ["look", QUESTIONS])["result"][0]
    assert ADDRESS in after["passages"]
    assert killed(world, place, ["add", ADDRESS], page=PAGE, die=[point, when], log=place / "paid")
    kept = (point, when) != (ADDING[0], "before")
    world.judge(place, before, after if kept else before, log=place / "paid")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "point",
    [
        "rag.ledger.Ledger.retire",
        "rag.ledger.Ledger._drop_version",
        "rag.index.VectorIndex.rebuild",
        "rag.ledger.Ledger.compact",
    ],
)
def test_a_removal_that_is_killed_can_be_run_again_and_leaves_no_trace(world: World, point: str, when: str) -> None:
    place, before = synced(world)
    whole = place.with_name(place.name + "-whole")
    shutil.copytree(place, whole)
    world.run(whole, ["remove", "bert.txt"])
    after = world.run(whole, ["look", QUESTIONS])["result"][0]
    assert killed(world, place, ["remove", "bert.txt"], die=[point, when])
    found = world.run(place, ["look", QUESTIONS])["result"][0]
    assert found["passages"] in (before["passages"], after["passages"])
    again = world.run(place, ["remove", "bert.txt"], "sync", ["look", QUESTIONS])["result"][-1]
    check_final(again, after)
    held = [
        path.name for path in (place / "library").rglob("*") if path.is_file() and b"bert mill" in path.read_bytes()
    ]
    assert held == []


def test_the_removal_of_a_page_that_is_killed_can_be_run_again(world: World) -> None:
    place, _ = synced(world)
    world.run(place, ["add", ADDRESS], page=PAGE)
    rows = len(world.run(place, ["index"])["result"][0])
    assert killed(world, place, ["remove", ADDRESS], die=["rag.index.VectorIndex.rebuild", "before"])
    world.run(place, ["remove", ADDRESS])
    assert len(world.run(place, ["index"])["result"][0]) < rows


@pytest.mark.parametrize(
    "point", ["rag.ledger.LedgerReader.backup", "rag.backup._to_disk", "pathlib.Path.rename", "pathlib.Path.unlink"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_backup_that_is_killed_is_not_there_or_whole_and_can_be_made_again(
    world: World, point: str, when: str
) -> None:
    place, state = synced(world)
    file = place / "saved"
    assert killed(world, place, ["backup", str(file)], die=[point, when])
    if not file.exists():
        world.run(place, ["backup", str(file)])
    assert sorted(path.name for path in place.iterdir()) == ["articles", "library", "saved"]
    shutil.rmtree(place / "library")
    world.run(place, ["restore", str(file)])
    check_final(world.run(place, "sync", ["look", QUESTIONS])["result"][-1], state)


RESTORING = [
    ("rag.backup._make_ready", "before", 1),
    ("rag.backup._make_ready", "after", 1),
    ("pathlib.Path.rename", "before", 1),
    ("pathlib.Path.rename", "after", 1),
    ("pathlib.Path.rename", "before", 2),
    ("pathlib.Path.rename", "after", 2),
    ("pathlib.Path.rename", "before", 3),
    ("pathlib.Path.rename", "after", 3),
    ("rag.backup._to_disk", "after", 2),
]


def with_hot_journal(world: World) -> tuple[Path, State, State]:
    """Return a place with a library that was killed in the middle of a commit, and is torn without its journal."""
    for call in range(5, 60):
        place, before, after = world.start("mixed")
        file = place / "library" / "ledger.sqlite3"
        trap = ["-e", "trace=pwrite64", "-e", f"inject=pwrite64:signal=SIGKILL:when={call}", "-P", str(file)]
        assert killed(world, place, "sync", strace=trap)
        if Path(f"{file}-journal").exists() and _torn(file):
            return place, before, after
    raise AssertionError("no commit was torn")


def _torn(file: Path) -> bool:
    alone = Path(shutil.copy(file, file.with_name("alone")))
    with contextlib.closing(sqlite3.connect(alone)) as database:
        torn = database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
    alone.unlink()
    return torn


@pytest.mark.parametrize(("point", "when", "call"), RESTORING)
@needs("strace")
def test_a_restore_that_is_killed_harms_neither_library_and_can_be_run_again(
    world: World, point: str, when: str, call: int
) -> None:
    place, before, after = with_hot_journal(world)
    saved, _ = synced(world)
    file = place / "saved"
    world.run(saved, ["backup", str(file)])
    restored = world.run(saved, ["look", QUESTIONS])["result"][0]
    assert killed(world, place, ["restore", str(file)], die=[point, when, call])
    copy = place.with_name(place.name + "-copy")
    shutil.copytree(place, copy)
    found = world.run(copy, ["look", QUESTIONS])["result"][-1]
    if "error" in found:  # between the two renames there is no library
        assert "is missing" in found["message"], found
        assert "footnote restore" in found["message"]
    else:
        assert found["wrong"] == []
        if found["passages"] != restored["passages"]:
            check_between(found, before, after)
    assert not world.run(place, ["restore", str(file)])["signal"]
    assert world.run(place, ["look", QUESTIONS])["result"][-1]["passages"] == restored["passages"]


def test_a_restore_that_was_killed_leaves_no_copy_behind_once_the_library_is_used(world: World) -> None:
    place, state = synced(world)
    world.run(place, ["backup", str(place / "saved")])
    assert killed(world, place, ["restore", str(place / "saved")], die=["pathlib.Path.rename", "before"])
    world.judge(place, state, state)


def test_a_restore_over_a_damaged_library_with_a_hot_journal_passes_every_check(world: World) -> None:
    saved, state = synced(world)
    world.run(saved, ["backup", str(saved / "saved")])
    place, _, _ = with_hot_journal(world)
    file = place / "library" / "ledger.sqlite3"
    file.write_bytes(bytes(4096) + file.read_bytes()[4096:])
    aside = world.run(place, ["restore", str(saved / "saved")])["result"][0]
    assert Path(aside).stat().st_size > 0
    assert Path(f"{aside}-journal").exists()
    found = world.run(place, ["look", QUESTIONS])["result"][-1]
    assert (found["passages"], found["wrong"]) == (state["passages"], [])


@needs("strace")
@pytest.mark.parametrize("command", ["status", "backup"])
def test_after_a_kill_in_a_commit_commands_that_only_read_work(world: World, command: str) -> None:
    place, _, _ = with_hot_journal(world)
    answer = world.run(place, [command, *([str(place / "saved")] if command == "backup" else [])])
    assert "error" not in answer["result"][-1], answer["result"][-1]["message"]
