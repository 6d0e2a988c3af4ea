"""Kills at random times, of a process that never stops syncing a folder that never stops changing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults.world import Server, State, article, check_paid
from tests.summary import SUMMARY

SECONDS = float(os.environ.get("FAULT_SECONDS", "0")) or 20
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
FILES = 200


class Folder:
    """A folder that changes; no name and no text is ever used again. Remembers the contents of each file, in order."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path = path
        self.dice = dice
        self.history: dict[str, list[str]] = {}
        self._used = 0
        path.mkdir()
        for _ in range(FILES):
            self._write(self._name())

    def _name(self) -> str:
        self._used += 1
        return f"n{self._used}.txt"

    def _write(self, name: str) -> None:
        self._used += 1
        text = article(f"mill{self._used}", self._used, self.dice.randint(1, 2))
        self.history.setdefault(name, []).append(hashlib.sha256(text.encode()).hexdigest())
        part = self.path.parent / "part"  # as an editor does: a file is old or new
        part.write_text(text)
        part.rename(self.path / name)

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()}

    def change(self, *, rename: bool = False) -> None:
        names = sorted(self.names())
        name = self.dice.choice(names)
        act = self.dice.random()
        if act < 0.3 or len(names) < FILES // 2:
            self._write(self._name())
        elif act < 0.7:
            self._write(name)
        elif act < 0.85 or not rename:
            (self.path / name).unlink()
        else:
            new = self._name()
            self.history[new] = self.history[name][-1:]
            (self.path / name).rename(self.path / new)


def test_nothing_that_was_acknowledged_is_lost_to_kills_at_random_times(server: Server, place: Path) -> None:
    dice = random.Random(SEED)
    folder = Folder(place / "articles", dice)
    told, log = place / "told", place / "paid"
    options: dict[str, Any] = {
        "library": str(place / "library"),
        "articles": str(place / "articles"),
        "hnsw": {"batch_size": 20, "sync_threshold": 40},
    }
    server(steps=[["sync_and_tell", str(told)]], log=str(log), **options)
    deadline = time.monotonic() + SECONDS
    kills = checked = 0
    indexes: set[str] = set()
    while time.monotonic() < deadline:
        over = threading.Event()
        changing = threading.Thread(target=_change, args=(folder, over))
        changing.start()
        answer = server(
            steps=[["forever", str(told)]], kill_after=dice.choice((0.5, 2.5)) * dice.random(), log=str(log), **options
        )
        over.set()
        changing.join()
        assert answer["signal"] == 9, answer
        (found,) = server(steps=[["published"]], **options)["result"]
        checked += _check(folder, *_told(told), found)
        indexes |= {found["index"]} - {None}
        kills += 1
        for _ in range(dice.randrange(8)):
            # Not while the folder is being listed: a file that changes its place then can be missed at both.
            folder.change(rename=True)
    last = server(steps=[["sync"], ["look", []]], log=str(log), **options)["result"][1]
    clean = server(steps=[["sync"], ["look", []]], **options | {"library": str(place / "clean")})["result"][1]
    assert {k: v for k, v in last.items() if k != "index"} == {k: v for k, v in clean.items() if k != "index"}
    check_paid(log, kills)
    SUMMARY.add(random_kills=kills, acknowledged=checked, lost=0)
    SUMMARY.lines.append(f"random kills: seed {SEED}, the vector index was built {len(indexes)} times")


def _change(folder: Folder, over: threading.Event) -> None:
    while not over.wait(0.1):
        folder.change()


def _told(told: Path) -> tuple[dict[str, str], set[str]]:
    """Return the digest of each file's bytes that the last sync to end had indexed, and all it took out.

    A line that is not whole is one that the process was killed in: nothing was acknowledged by it.
    """
    lines = []
    for line in told.read_text().splitlines() if told.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    if not lines:
        return {}, set()
    return lines[-1][0], {name for _, names in lines for name in names} - set(lines[-1][1])


def _check(folder: Folder, acknowledged: dict[str, str], gone: set[str], found: State) -> int:
    """Hold what answers after a kill against the last acknowledgement; returns how many files were looked at."""
    active: dict[str, str] = found["active"]
    assert found["wrong"] == [], SEED
    there = folder.names()
    for name, content in acknowledged.items():
        if name not in active:
            assert name not in there, f"{name} is lost, seed {SEED}"
            continue
        versions = folder.history[name]
        assert active[name] in versions[versions.index(content) :], f"{name} went back, seed {SEED}"
    assert not active.keys() & gone, f"deleted files answer, seed {SEED}"
    for name, hits in found["answers"].items():
        assert name in hits, f"{name} does not answer, seed {SEED}"
    return len(acknowledged)
