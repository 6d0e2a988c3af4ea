"""Folders of articles to sync, the process that does it, and the judge of what a kill left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.summary import SUMMARY

ROOT = Path(__file__).resolve().parents[2]
BATCH = 32  # passages embedded before they are kept: what one kill may cost
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
State = dict[str, Any]


class Server:
    """The forking process: see `tests.faults.server`."""

    def __init__(self, *before: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.faults.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment | ENVIRONMENT,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise OSError(f"{before} is not possible here")

    def __call__(self, **request: Any) -> State:
        """Run a request in a new process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request, default=str) + "\n")
        self._process.stdin.flush()
        answer: State = json.loads(self._process.stdout.readline())
        if isinstance(answer.get("result"), dict) and not request.get("raw"):
            raise AssertionError(answer["result"]["traceback"])
        return answer

    def close(self) -> None:
        self._process.communicate()


def article(name: str, version: int, paragraphs: int = 3) -> str:
    """Return a text of some passages; each of its sentences names its version."""
    text = [f"The {name} mill in version {version}"]
    for part in range(paragraphs):
        text.append(
            f"The {name} mill of version {version} ground {part + 3} sacks of {name} flour in its year {part + 1}. "
            f"A keeper of version {version} wrote part {part} of the {name} book by the river, and counted every "
            f"sack twice. Nobody of version {version} read part {part} of what the {name} keeper had written down."
        )
    return "\n\n".join(text) + "\n"


ADVICE = ("`footnote", "Free", "Give", "Check", "Wait", "Stop", "Upgrade", "Name")  # a message tells what to do
NAMES = ("anna", "bert", "cora", "dora", "emil")
QUESTIONS = [f"How many sacks of {name} flour did the {name} mill grind?" for name in (*NAMES, "fritz", "gustav")]


def lay_out(folder: Path) -> None:
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.txt").write_text(article(name, 1))


def first(folder: Path) -> None:
    """All is new."""


def update(folder: Path) -> None:
    (folder / "anna.txt").write_text(article("anna", 2, 4))


def delete(folder: Path) -> None:
    (folder / "bert.txt").unlink()


def rename(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "cora.txt").rename(folder / "sub" / "corinna.txt")


def copy(folder: Path) -> None:
    """The copy sorts before what it was copied from."""
    shutil.copy(folder / "dora.txt", folder / "a copy of dora.txt")


def mixed(folder: Path) -> None:
    for change in (update, delete, rename, copy):
        change(folder)
    (folder / "fritz.txt").write_text(article("fritz", 1))
    (folder / "emil.txt").write_text("")


CHANGES: dict[str, Callable[[Path], None]] = {
    change.__name__: change for change in (first, update, delete, rename, copy, mixed)
}


class World:
    """Libraries before and after a change, made once; and copies of the one before it, to be killed."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self._made: dict[str, tuple[Path, State, State]] = {}
        self._count = 0

    def start(self, change: str) -> tuple[Path, State, State]:
        """Return a new place with a library as before a change and a folder as after it, and both clean states."""
        if change not in self._made:
            place = self.root / change
            place.mkdir()
            lay_out(place / "articles")
            before: State = {"passages": {}}
            if change != "first":
                before = self.clean(place, "library")
            CHANGES[change](place / "articles")
            self._made[change] = place, before, self.clean(place, "clean")
            shutil.rmtree(place / "clean")
        place, before, after = self._made[change]
        self._count += 1
        copy = self.root / f"{change}-{self._count}"
        shutil.copytree(place, copy)
        return copy, before, after

    def clean(self, place: Path, library: str) -> State:
        """Return the state of a library that was synced without any fault."""
        answer = self.run(place, "sync", ["look", QUESTIONS], library=place / library)
        state: State = answer["result"][1]
        assert not state["wrong"], state["wrong"]
        return state

    def run(self, place: Path, *steps: Sequence[Any], **options: Any) -> State:
        """Take steps in a new process."""
        options = {"library": place / "library", "articles": place / "articles", **options}
        return self.server(steps=[[step] if isinstance(step, str) else list(step) for step in steps], **options)

    def judge(self, place: Path, before: State, after: State, **options: Any) -> None:
        """Hold a library that was left by a kill against every promise, then sync it and do so again."""
        answer = self.run(place, ["look", QUESTIONS], "sync", ["look", QUESTIONS], **options)
        assert len(answer["result"]) == 3, answer["result"][-1]
        found, _, last = answer["result"]
        check_between(found, before, after)
        check_final(last, after)
        if "log" in options:
            check_paid(Path(options["log"]))
        shutil.rmtree(place)


def error_of(answer: State) -> str:
    """Return the class and exit code of the error that a process ended with, and check that it says what to do."""
    error = answer["result"][-1]
    assert isinstance(error, dict), error
    assert "error" in error, error
    assert any(word in error["message"] for word in ADVICE), error
    return f"{error['error']} {error['code']}"


def check_between(found: State, before: State, after: State) -> None:
    """Whole versions only, old or new; what was there before and is meant to stay is there."""
    old, new = before["passages"], after["passages"]
    assert found["wrong"] == []
    for source in old.keys() | new.keys() | found["passages"].keys():
        assert found["passages"].get(source) in (old.get(source), new.get(source)), source
    content = [{passage[0] for passage in passages} for passages in found["passages"].values()]
    assert all(len(hashes) == 1 for hashes in content)
    hashes = [item for group in content for item in group]
    assert len(hashes) == len(set(hashes)), "a text answers under two names"
    kept = {p[0][0] for p in old.values()} & {p[0][0] for p in new.values()}
    assert kept <= set(hashes), "an acknowledged text is gone"
    active = {source: passages[0][0] for source, passages in found["passages"].items()}
    for question, hits in found["answers"].items():
        assert all(active.get(source) == content_hash for source, content_hash in hits), question
    for source in active:
        name = Path(source).stem.removeprefix("a copy of ").replace("corinna", "cora")
        question = f"How many sacks of {name} flour did the {name} mill grind?"
        assert source in {hit[0] for hit in found["answers"][question]}, f"{source} does not answer"
    SUMMARY.add(checked=len(kept))


def check_final(last: State, after: State) -> None:
    """The state of one clean run; row numbers, and so the number of the index, may differ."""
    history = ("index",)
    assert {k: v for k, v in last.items() if k not in history} == {k: v for k, v in after.items() if k not in history}
    assert len(last["index"]) == 1, "an index that is not in use is left"


def check_paid(log: Path, kills: int = 1) -> None:
    """No passage is embedded again once it is kept, and a kill costs one batch at most."""
    kept: set[str] = set()
    lines = log.read_text().splitlines() if log.exists() else []
    for what, key in map(str.split, lines):
        assert (what, key in kept) != ("embedded", True), "an embedding was paid twice"
        if what == "kept":
            kept.add(key)
    total = Counter(line for line in lines if line.startswith("embedded"))
    assert sum(total.values()) - len(total) <= BATCH * kills


@contextmanager
def serving(*before: str) -> Iterator[Server]:
    server = Server(*before)
    try:
        yield server
    finally:
        server.close()


THOROUGH = float(os.environ.get("FAULT_SECONDS", "0")) > 0


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, or may not do its work."""
    missing = [program for program in programs if not _works(program)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}, and the right to use it")


@cache
def _works(program: str) -> bool:
    trial = {"strace": ["strace", "-o", "/dev/null", "true"], "unshare": [*OWN_MOUNTS, "true"], "root": ["false"]}
    if program == "root":
        return os.geteuid() == 0
    return shutil.which(program) is not None and not subprocess.run(trial[program], capture_output=True).returncode


OWN_MOUNTS = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
