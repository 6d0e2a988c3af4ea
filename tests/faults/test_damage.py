"""Files that were damaged behind the program's back: the ledger refuses or answers as before, the index is rebuilt."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.world import QUESTIONS, THOROUGH, State, World, article, check_final, error_of, needs
from tests.summary import SUMMARY

Damage = Callable[[Path], None]


def synced(world: World) -> tuple[Path, State]:
    place, _, state = world.start("first")
    world.run(place, "sync")
    return place, state


# ---------------------------------------------------------------- the ledger


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zero_first_page(file: Path) -> None:
    file.write_bytes(bytes(4096) + file.read_bytes()[4096:])


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def folder_in_its_place(file: Path) -> None:
    file.unlink()
    file.mkdir()


def other_text(file: Path) -> None:
    file.write_bytes(b"not a database. " * 1000)


def future(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "damage",
    [truncate, zero_first_page, remove, empty, folder_in_its_place, other_text, future],
    ids=lambda d: d.__name__,
)
@pytest.mark.parametrize("command", ["sync", ["answers", QUESTIONS[0]], "rebuild"], ids=["sync", "answers", "rebuild"])
def test_a_damaged_ledger_is_refused_with_what_to_do_left_as_it_is_and_restored(
    world: World, damage: Damage, command: str | list[str]
) -> None:
    place, state = synced(world)
    world.run(place, ["backup", str(place / "saved")])
    file = place / "library" / "ledger.sqlite3"
    damage(file)
    left = file.read_bytes() if file.is_file() else None
    answer = world.run(place, command)
    assert error_of(answer) == "StoreError 5"
    message = answer["result"][-1]["message"]
    assert "footnote restore" in message or "newer Footnote" in message
    assert (file.read_bytes() if file.is_file() else None) == left
    world.run(place, ["restore", str(place / "saved")])
    last = world.run(place, "sync", ["look", QUESTIONS])["result"][-1]
    assert (last["passages"], last["wrong"], last["answers"]) == (state["passages"], [], state["answers"])


def test_flipped_bits_are_refused_or_found_by_the_doctor_or_change_nothing(world: World) -> None:
    """SQLite keeps no checksums: what a flip does to a text is found by comparing it with its hash."""
    good, state = synced(world)
    whole = (good / "library" / "ledger.sqlite3").read_bytes()
    dice = random.Random(4)
    outcomes = {"refused": 0, "found": 0, "harmless": 0}
    for trial in range(200 if THOROUGH else 30):
        place = good.with_name(f"{good.name}-{trial}")
        shutil.copytree(good, place)
        data = bytearray(whole)
        at = dice.randrange(100) if trial < 8 else dice.randrange(len(data))
        data[at] ^= 1 << dice.randrange(8)
        (place / "library" / "ledger.sqlite3").write_bytes(data)
        answer = world.run(place, ["look", QUESTIONS])
        assert answer["signal"] == 0
        found = answer["result"][-1]
        if "error" in found:
            assert error_of(answer) in ("StoreError 5", "InputError 3"), at
            outcomes["refused"] += 1
        elif found["wrong"]:
            outcomes["found"] += 1
        else:
            # Of what a passage is, only its vector may differ: it has no hash that it could be compared with.
            assert _texts(found) == _texts(state), at
            outcomes["harmless"] += 1
        assert (place / "library" / "ledger.sqlite3").exists()
        shutil.rmtree(place)
    SUMMARY.lines.append(f"flipped bits in the ledger: {outcomes}")


def _texts(state: State) -> dict[str, list[list[str]]]:
    return {source: sorted(passage[:3] for passage in passages) for source, passages in state["passages"].items()}


# ---------------------------------------------------------------- the index


COUNT = 60
HNSW = {"batch_size": 10, "sync_threshold": 20}


@pytest.fixture(scope="module")
def indexed(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """A library whose index has all its files on the disk."""
    place = tmp_path_factory.mktemp("indexed") / "place"
    (place / "articles").mkdir(parents=True)
    for number in range(COUNT):
        (place / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))
    questions = [f"How many sacks did the name{number} mill grind?" for number in range(0, COUNT, 7)]
    state = world.run(place, "sync", ["look", questions], hnsw=HNSW)["result"][-1]
    assert state["wrong"] == []
    assert sorted(path.name for path in segment(place).iterdir()) == sorted(SEGMENT)
    return place, state


SEGMENT = ["data_level0.bin", "header.bin", "index_metadata.pickle", "length.bin", "link_lists.bin"]


def segment(place: Path) -> Path:
    (folder,) = (path for path in (place / "library" / "chroma").glob("*/*") if path.is_dir())
    return folder


def _on(name: str, change: Callable[[Path], None]) -> Damage:
    return lambda place: change(segment(place) / name)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _swell(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(300_000_000_000)


def _database(change: Callable[[Path], None]) -> Damage:
    return lambda place: change(next((place / "library" / "chroma").glob("*/chroma.sqlite3")))


def _noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def _swap(place: Path) -> None:
    one, other = segment(place) / "header.bin", segment(place) / "length.bin"
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def _other_library(place: Path) -> None:
    """Files of another index: whole, and wrong."""
    level = segment(place) / "data_level0.bin"
    data = level.read_bytes()
    half = len(data) // 2
    level.write_bytes(data[half:] + data[:half])


DAMAGES: dict[str, Damage] = {
    **{f"{name} cut": _on(name, _cut) for name in SEGMENT if name != "link_lists.bin"},
    **{f"{name} zeroed": _on(name, _zero) for name in SEGMENT if name != "link_lists.bin"},
    **{f"{name} noise": _on(name, _noise) for name in SEGMENT if name != "link_lists.bin"},
    **{f"{name} gone": _on(name, Path.unlink) for name in SEGMENT},
    "link_lists.bin swollen": _on("link_lists.bin", _swell),
    "all files of the graph gone": lambda place: shutil.rmtree(segment(place)),
    "files swapped": _swap,
    "vectors out of place": _other_library,
    "database cut": _database(_cut),
    "database zeroed": _database(_zero),
    "database noise": _database(_noise),
    "database gone": _database(Path.unlink),
    "folder gone": lambda place: shutil.rmtree(place / "library" / "chroma" / "1"),
    "all gone": lambda place: shutil.rmtree(place / "library" / "chroma"),
    "a file in its place": lambda place: (
        shutil.rmtree(place / "library" / "chroma"),
        (place / "library" / "chroma").write_text("?"),
    )[0],
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_index_costs_neither_an_answer_nor_the_process(
    world: World, indexed: tuple[Path, State], tmp_path: Path, name: str
) -> None:
    whole, state = indexed
    place = tmp_path / "place"
    shutil.copytree(whole, place)
    DAMAGES[name](place)
    answer = world.run(place, ["look", list(state["answers"])], log=place / "paid", hnsw=HNSW)
    assert answer["signal"] == 0
    found = answer["result"][-1]
    assert found.get("message") is None
    assert found["answers"] == state["answers"]
    assert found["wrong"] == []
    assert not (place / "paid").exists()
    check_final(world.run(place, "sync", ["look", list(state["answers"])], hnsw=HNSW)["result"][-1], state)
    SUMMARY.add(damaged_indexes=1)


@needs("strace")
def test_an_index_killed_while_it_writes_its_files_answers_as_before_or_is_built_again(
    world: World, tmp_path: Path
) -> None:
    """With thresholds so low that it writes them at almost every addition."""
    questions = [f"How many sacks did the name{number} mill grind?" for number in range(0, COUNT, 7)]
    base = tmp_path / "base"
    (base / "articles").mkdir(parents=True)
    for number in range(COUNT):
        (base / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))
    world.run(base, "sync", **SMALL)
    for number in range(COUNT, 2 * COUNT):
        (base / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))
    clean = tmp_path / "clean"
    shutil.copytree(base, clean)
    after = world.run(clean, "sync", ["look", questions], **SMALL)["result"][-1]
    rebuilt = kills = 0
    for call in range(1, 90, 1 if THOROUGH else 11):
        place = tmp_path / f"kill{call}"
        shutil.copytree(base, place)
        kills += bool(_sync_and_die_in_index(world, place, call)["signal"])
        found, _, last = world.run(place, ["look", questions], "sync", ["look", questions], **SMALL)["result"]
        assert found["wrong"] == []
        check_final(last, after)
        rebuilt += last["index"] != ["1"]
        shutil.rmtree(place)
    SUMMARY.add(kills_in_index_files=kills)
    SUMMARY.lines.append(f"{kills} kills while the index wrote its files; it was built anew {rebuilt} times")
    assert kills, f"no kill; the index was built anew {rebuilt} times; at last: {after}"


SMALL = {"hnsw": HNSW, "set": {"rag.sync._BATCH_PASSAGES": 6}}


def _sync_and_die_in_index(world: World, place: Path, call: int) -> State:
    calls = "write,pwrite64,rename,unlink,ftruncate"  # what the probe, which is traced too, does not do
    paths = [word for path in segment(place).iterdir() for word in ("-P", str(path))]
    trap = ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={call}", *paths]
    return world.run(place, "sync", strace=trap, **SMALL)


@needs("strace")
def test_the_probe_of_a_torn_index_does_not_fill_the_disk(world: World, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "articles").mkdir(parents=True)
    for number in range(2 * COUNT):
        (base / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))
        if number == COUNT - 1:
            world.run(base, "sync", **SMALL)
    safe = 60_000_000  # the test's own limit
    for call in range(9, 24, 5):
        place = tmp_path / f"kill{call}"
        shutil.copytree(base, place)
        if not _sync_and_die_in_index(world, place, call)["signal"]:
            continue
        subprocess.run(
            [sys.executable, "-P", "-m", "rag.vectors", segment(place).parent],
            capture_output=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (safe, safe)),
        )
        assert max(path.stat().st_size for path in segment(place).iterdir()) < safe // 2
