"""Other processes and threads: beside the owner, in its place, forked from it, asked to stop, or killed under it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rag.factory
import rag.load.sandbox
import rag.owner
from rag.app import Footnote
from rag.errors import StoreError
from rag.load.sandbox import Sandbox
from rag.lock import Lock, owner_pid
from tests.conftest import held
from tests.faults import jobs
from tests.faults.world import ENVIRONMENT, NAMES, QUESTIONS, ROOT, World, article
from tests.summary import SUMMARY

Open = Callable[[], Footnote]


@contextmanager
def command(place: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the real program."""
    with subprocess.Popen(
        [sys.executable, "-m", "rag.cli", "--library", place / "library", "--articles", place / "articles", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("FOOTNOTE_")}, **ENVIRONMENT},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------- the parser's process


@pytest.fixture
def real_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rag.owner, "Sandbox", Sandbox)


def settle(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, ns=(1_700_000_000_000_000_000,) * 2)


_Popen = subprocess.Popen


def dead_on_arrival(*arguments: Any, **options: Any) -> Any:
    child = _Popen(*arguments, **options)
    os.kill(child.pid, signal.SIGKILL)
    return child


def no_more_files(*_: Any, **_options: Any) -> Any:
    raise OSError(24, "Too many open files")


@pytest.mark.usefixtures("real_sandbox")
@pytest.mark.parametrize("fault", [dead_on_arrival, no_more_files])
def test_files_that_met_a_parser_killed_from_outside_are_read_by_the_next_sync(
    open_here: Open, place: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any]
) -> None:
    settle(place / "articles")
    with open_here() as library, monkeypatch.context() as patch:
        patch.setattr(rag.load.sandbox.subprocess, "Popen", fault)
        try:
            assert len(library.sync().failed) == len(NAMES)
        except StoreError:
            return
    with open_here() as library:
        assert len(library.sync().indexed) == len(NAMES)


@pytest.mark.usefixtures("real_sandbox")
def test_a_parser_killed_between_two_files_costs_nothing(open_here: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Sandbox.load

    def load_and_kill(self: Sandbox, *args: Any) -> Any:
        loaded = load(self, *args)
        assert self._child
        os.kill(self._child.pid, signal.SIGKILL)
        return loaded

    monkeypatch.setattr(Sandbox, "load", load_and_kill)
    with open_here() as library:
        assert len(library.sync().indexed) == len(NAMES)
        assert library._owner
        library._owner.close()
    assert children() == set()


def test_a_parser_interrupted_in_a_file_gives_no_file_the_text_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox()
    read = rag.load.sandbox._read
    try:
        monkeypatch.setattr(rag.load.sandbox, "_read", lambda _stream: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sandbox.load("one.txt", b"The text of one.")
        monkeypatch.setattr(rag.load.sandbox, "_read", read)
        (loaded,) = sandbox.load("two.txt", b"The text of two.")
        assert (loaded.file, loaded.text) == ("two.txt", "The text of two.")
    finally:
        sandbox.close()


@pytest.mark.usefixtures("real_sandbox")
def test_a_parser_without_memory_fails_its_file_and_no_other(
    open_here: Open, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import rag.load.sandbox as child; child._MEMORY = 400_000_000; child._serve()"
    start = subprocess.Popen
    monkeypatch.setattr(
        rag.load.sandbox.subprocess, "Popen", lambda _command, **options: start([sys.executable, "-c", code], **options)
    )
    (place / "articles" / "huge.txt").write_bytes(b"a b\n\n" * 2_000_000)
    with open_here() as library:
        report = library.sync()
        assert len(report.indexed) == len(NAMES)
        ((source, reason),) = report.failed
        assert source == "huge.txt"
        assert "of memory to be read" in reason


def test_a_parser_whose_owner_is_killed_ends(place: Path) -> None:
    code = (
        "import time; from rag.load.sandbox import Sandbox\n"
        "sandbox = Sandbox(); sandbox.load('a.txt', b'Some text.')\n"
        "print(sandbox._child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout
        child = int(owner.stdout.readline())
        owner.kill()
    assert ended(child)


def children() -> set[int]:
    """Return the processes that this one has started and that are not gone, the shared ones of the tests aside."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == os.getpid() and words[0] == "Z":
            found.add(int(path.parent.name))
    return found


def ended(pid: int, seconds: float = 20) -> bool:
    """Whether a process that is not ours ends within some seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- threads


def test_two_threads_that_sync_one_library_lose_no_file(
    open_here: Open, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rag.owner, "Sandbox", jobs.DirectLoad)
    for number in range(60):
        (place / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))
    meet = threading.Barrier(2)
    errors = []

    def run(library: Footnote) -> None:
        meet.wait()
        try:
            library.sync()
        except Exception as error:
            errors.append(error)

    with open_here() as library:
        threads = [threading.Thread(target=run, args=(library,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        counts = library._ledger.counts()
        assert counts["articles"] == counts["indexed"] == 60 + len(NAMES)


def test_an_index_that_could_not_be_switched_to_is_built_again_by_the_same_process(
    open_here: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_here() as library:
        library.sync()
        put = rag.ledger.Ledger.put
        monkeypatch.setattr(rag.ledger.Ledger, "put", lambda *_: (_ for _ in ()).throw(StoreError("no space")))
        with pytest.raises(StoreError):
            library.owner.rebuild()
        monkeypatch.setattr(rag.ledger.Ledger, "put", put)
        assert library.owner.rebuild() == library._ledger.passage_count()
        assert library.search(QUESTIONS[0]).hits[0].source.source == "anna.txt"


# ---------------------------------------------------------------- other processes


@pytest.mark.parametrize("arguments", [["sync"], ["rebuild"], ["remove", "anna.txt"], ["restore", "saved"]])
def test_beside_the_owner_nothing_is_changed_and_the_owner_named(
    open_here: Open, place: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rag.factory, "MiniLMEmbedding", rag.embed.MiniLMEmbedding)
    (place / "saved").write_bytes(b"")
    with open_here() as library:
        library.sync()
    before = (place / "library" / "ledger.sqlite3").read_bytes()
    arguments = [str(place / "saved") if word == "saved" else word for word in arguments]
    with held(place / "library") as holder, command(place, *arguments) as process:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 6, errors
        assert str(holder.pid) in errors
    assert (place / "library" / "ledger.sqlite3").read_bytes() == before


def test_a_lock_that_is_a_link_is_refused_and_what_it_names_is_not_touched(open_here: Open, place: Path) -> None:
    (place / "library").mkdir()
    (place / "precious").write_text("1")
    (place / "library" / "lock").symlink_to(place / "precious")
    with pytest.raises(StoreError, match="Check the library folder"):
        open_here()
    assert (place / "precious").read_text() == "1"


def test_a_fork_of_the_owner_is_refused_and_harms_nothing(open_here: Open) -> None:
    with open_here() as library:
        library.sync()
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            words = []
            for act in (library.sync, lambda: library.search(QUESTIONS[0])):
                try:
                    act()
                    words.append("done")
                except StoreError as error:
                    words.append("refused" if "forked" in str(error) else str(error))
            os.write(write, " ".join(words).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(read, 1000) == b"refused refused"
        assert library.search(QUESTIONS[0]).hits
        assert owner_pid(library.settings.library) == os.getpid()


def test_an_update_back_and_forth_shows_a_reader_in_another_process_one_whole_version_at_a_time(world: World) -> None:
    place, _, _ = world.start("first")
    world.run(place, "sync")
    options = {
        "library": str(place / "library"),
        "articles": str(place / "articles"),
        "steps": [["flip", [article("anna", version % 2 + 1, 3 + version % 2) for version in range(60)]]],
    }
    counts: dict[str, set[int]] = {}
    code = f"from tests.faults import jobs; jobs.run({options!r})"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        writer.stdout.readline()
        asked = 0
        while writer.poll() is None:
            for hits in world.run(place, *[["answers", QUESTIONS[0]]] * 20)["result"]:
                if isinstance(hits, dict):  # refused: not a wrong answer
                    continue
                (version,) = {content_hash for source, content_hash in hits if source == "anna.txt"}
                counts.setdefault(version, set()).add(sum(content_hash == version for _, content_hash in hits))
                asked += 1
        assert writer.returncode == 0
    SUMMARY.add(answers_beside_a_writer=asked)
    assert sorted(len(found) for found in counts.values()) == [1, 1], counts


# ---------------------------------------------------------------- signals


def test_a_library_whose_owner_is_told_to_stop_is_free_and_resumes(world: World, place: Path) -> None:
    _stop_a_long_sync(place, [signal.SIGTERM])


def test_a_second_signal_does_not_wait(place: Path) -> None:
    _stop_a_long_sync(place, [signal.SIGINT, signal.SIGINT])


def _stop_a_long_sync(place: Path, signals: list[signal.Signals]) -> None:
    (place / "articles").mkdir()
    for number in range(400):
        (place / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1))
    with command(place, "sync") as process:
        deadline = time.monotonic() + 60
        while not _kept(place) and time.monotonic() < deadline:
            time.sleep(0.05)
        kept = _kept(place)
        assert kept
        began = time.monotonic()
        for number in signals:
            process.send_signal(number)
            time.sleep(0.2)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130, errors
        assert time.monotonic() - began < 15  # promised are 10
        assert "what was finished is kept" in errors
    assert owner_pid(place / "library") is None
    Lock(place / "library").release()
    assert _kept(place) >= kept


def _kept(place: Path) -> int:
    """Return how many vectors a library has."""
    import contextlib
    import sqlite3

    file = place / "library" / "ledger.sqlite3"
    if not file.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM vectors").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
