"""The commands that keep a library: what they print, their exit codes, watching a folder, and being told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from rag.cli import main
from rag.fetch import Page
from rag.ledger import FILE_NAME, Ledger
from rag.ledger.check import leftovers
from rag.sync import REMOVED
from tests.conftest import ROOT, held
from tests.faults.tiny import TinyEmbedding

Run = Callable[..., tuple[int, str, str]]
ADDRESS = "https://example.org/river"
GUARD_SECONDS = 60  # nothing below takes so long unless it hangs


@pytest.fixture
def run(run: Run, quick: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same without a wait, and with one page on the web."""
    page = Page(ADDRESS, b"<p>The river Elva is 97 kilometres long. It freezes.</p>", None, "text/html")
    monkeypatch.setattr("rag.fetch.fetch_page", lambda _address: page)
    return run


def synced(run: Run) -> None:
    assert run("sync")[0] == 0


# ---------------------------------------------------------------- sync


def test_a_folder_that_lost_most_of_its_files_is_refused_until_it_is_meant(run: Run, folder: Path) -> None:
    for i in range(20):
        (folder / f"more{i}.txt").write_text(f"The tower {i} is old. It leans.\n")
    synced(run)
    for path in folder.glob("more*"):
        path.unlink()
    for command in (["sync"], ["search", "tower"], ["ask", "How old is the tower?"]):
        code, out, err = run(*command)
        assert (code, out) == (3, "")
        assert "20 of 23 indexed files are gone" in err
        assert "footnote sync --prune" in err
    code, out, _ = run("--json", "sync", "--prune")
    assert (code, len(json.loads(out)["removed"])) == (0, 20)


def test_the_report_names_each_file_that_is_not_as_it_was_and_counts_all(run: Run, folder: Path) -> None:
    (folder / "empty.txt").write_text("")
    code, out, err = run("sync")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        *("indexed: bees.txt", "indexed: bridge.md", "indexed: 茶.md", "skipped: empty.txt: empty: no text in it"),
        "3 indexed, 0 unchanged, 0 removed, 1 skipped, 0 failed",
    ]
    (folder / "bees.txt").unlink()
    (folder / "broken.md").write_text("---\ntitle: [\n---\nText.\n")
    code, out, _ = run("sync")
    assert code == 3
    assert out.splitlines()[0] == "removed: bees.txt"
    assert out.splitlines()[-1] == "0 indexed, 2 unchanged, 1 removed, 1 skipped, 1 failed"


# ---------------------------------------------------------------- add and remove


def test_a_page_is_added_renewed_and_removed(run: Run) -> None:
    assert run("add", ADDRESS)[:2] == (
        0,
        f"indexed: {ADDRESS}\n1 indexed, 0 unchanged, 0 removed, 0 skipped, 0 failed\n",
    )
    code, out, _ = run("add", ADDRESS, "--json")
    assert (code, json.loads(out)["unchanged"]) == (0, 1)
    assert "97 kilometres" in run("ask", "How long is the river Elva?")[1]
    assert run("remove", ADDRESS) == (0, f"removed: {ADDRESS}\n", "")
    assert run("status", "--json")[1].count('"articles": 3') == 1


def test_a_file_is_removed_and_taken_back(run: Run) -> None:
    synced(run)
    code, out, err = run("--json", "remove", "bridge.md")
    assert (code, json.loads(out), err) == (0, {"removed": ["bridge.md"]}, "")
    assert f"skipped: bridge.md: {REMOVED}" in run("status", "--verbose")[1]
    assert run("ask", "How long is the bridge at Ostvik?")[0] == 1
    assert run("add", "bridge.md")[:2] == (
        0, "indexed: bridge.md\n1 indexed, 2 unchanged, 0 removed, 0 skipped, 0 failed\n",
    )  # fmt: skip
    assert run("ask", "How long is the bridge at Ostvik?")[0] == 0


def test_a_file_that_is_taken_back_answers_for_no_other(run: Run, folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    synced(run)
    run("remove", "bridge.md")
    code, out, _ = run("add", "bridge.md")
    assert "indexed: bridge.md" in out
    assert code == 0


def test_a_page_that_cannot_be_read_is_bad_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.fetch.fetch_page", lambda _: Page(ADDRESS, b"", None, "text/html"))
    code, out, err = run("add", ADDRESS)
    assert (code, out) == (3, "")
    assert err == f"footnote: {ADDRESS} was not added: empty: no text in it.\n"


@pytest.mark.parametrize("arguments", [["remove", "none.md"], ["remove", "bridge.md#1"], ["remove", "\x1b[31mred"]])
def test_what_is_not_there_cannot_be_removed(run: Run, arguments: list[str]) -> None:
    synced(run)
    code, out, err = run(*arguments)
    assert (code, out) == (3, "")
    assert "is not in the library" in err
    assert "\x1b" not in err


# ---------------------------------------------------------------- rebuild, doctor, backup, restore


def test_the_index_is_built_anew(run: Run) -> None:
    synced(run)
    assert run("rebuild") == (0, "the index is built anew: 3 vectors\n", "")
    assert json.loads(run("rebuild", "--json")[1]) == {"vectors": 3}


def test_a_library_is_saved_and_brought_back(run: Run, tmp_path: Path, folder: Path) -> None:
    synced(run)
    saved = str(tmp_path / "saved")
    assert run("backup", saved) == (0, f"3 articles, 3 passages saved to {saved}\n", "")
    code, out, err = run("backup", saved)
    assert (code, out) == (3, "")
    assert "exists" in err
    (folder / "bees.txt").unlink()
    synced(run)
    aside = tmp_path / "library" / f"{FILE_NAME}.before-restore-1"
    assert run("restore", saved) == (0, f"restored from {saved}; what was there is now {aside}\n", "")
    assert json.loads(run("status", "--json")[1])["articles"] == 3
    assert json.loads(run("restore", saved, "--json", library="new")[1]) == {"restored": saved, "set_aside": None}
    more = tmp_path / "more"
    counts = {"articles": 3, "passages": 3, "indexed": 3, "skipped": 0, "failed": 0}
    assert json.loads(run("--json", "backup", str(more))[1]) == {"file": str(more), **counts}
    assert run("restore", str(tmp_path / "none"))[0] == 3
    assert run("restore", str(folder / "bridge.md"))[0] == 3
    assert run("backup", str(tmp_path / "x"), library="none")[0] == 5


def test_the_doctor_passes_a_sound_library_and_fails_another(run: Run, tmp_path: Path) -> None:
    synced(run)
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    assert out.startswith("✓ ledger file: sound\n✓ texts and passages: 3 articles as they came\n")
    assert "3 articles, " in out
    assert "without date: 2: bees.txt, 茶.md" in out
    ledger = Ledger(tmp_path / "library")
    ledger._run("UPDATE articles SET text = text || '!' WHERE source = 'bridge.md'")
    ledger.close()
    code, out, _ = run("doctor")
    assert code == 5
    assert "✗ texts and passages: 1 of 3 articles differ: bridge.md; " in out
    code, out, _ = run("doctor", "--json")
    found = json.loads(out)
    assert (code, found.keys()) == (5, {"store", "quality"})
    assert all(set(check) == {"check", "passed", "found"} for check in found["store"])
    assert [check["check"] for check in found["store"] if not check["passed"]] == ["texts and passages"]
    assert {item["source"] for item in found["quality"]["articles"]} == {"bees.txt", "bridge.md", "茶.md"}


@pytest.mark.parametrize("command", [["rebuild"], ["add", ADDRESS], ["remove", "bridge.md"], ["sync", "--re-embed"]])
def test_beside_the_owner_what_would_write_is_refused(run: Run, tmp_path: Path, command: list[str]) -> None:
    synced(run)
    with held(tmp_path / "library") as process:
        code, out, err = run(*command)
        assert (code, out) == (6, "")
        assert f"process {process.pid}" in err


def test_beside_the_owner_a_library_is_saved_and_looked_over_and_not_restored(run: Run, tmp_path: Path) -> None:
    synced(run)
    with held(tmp_path / "library") as process:
        assert run("backup", str(tmp_path / "saved"))[0] == 0
        code, out, err = run("doctor")
        assert (code, str(process.pid) in err, "vector index" in out) == (0, True, False)
        assert run("restore", str(tmp_path / "saved"))[0] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "URL"),
        (["remove"], "source"),
        (["backup"], "FILE"),
        (["restore"], "FILE"),
        (["restore", "a", "b"], "unrecognized"),
        (["rebuild", "--prune"], "--prune"),
        (["sync", "--watch=1"], "--watch"),
    ],
)
def test_a_command_without_what_it_needs_is_a_usage_error(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_options_count_at_any_place(run: Run, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--library", str(tmp_path / "l"), "--articles", str(folder)]
    for arguments in (
        ["--json", *places, "sync", "--prune"],
        [*places, "sync", "--prune", "--json"],
        [*places[:2], "sync", "--json", *places[2:], "--verbose"],
    ):
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out).keys() >= {"indexed", "removed"}
    assert main(["remove", *places, "--json", "bridge.md"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": ["bridge.md"]}


# ---------------------------------------------------------------- being told to stop

START = """
import sys, time
import rag.factory, rag.cli.commands, rag.index
from rag.cli import main
from tests.faults.tiny import TinyEmbedding
from tests.conftest import NoProbe
rag.factory.MiniLMEmbedding = TinyEmbedding
rag.index.Probe = NoProbe
rag.cli.commands._AWAY_SECONDS = 0.1
rag.cli.commands._WATCH_MS = 1000
"""
SLOW = """
embed = TinyEmbedding.embed_passages
def slowly(self, passages):
    print("embedding", file=sys.stderr, flush=True)
    time.sleep(0.5)
    return embed(self, passages)
TinyEmbedding.embed_passages = slowly
import rag.sync
rag.sync._BATCH_FILES = 1
"""


class Command:
    """A command in a process of its own; what it writes is read line by line."""

    def __init__(self, arguments: list[str], patches: str = "") -> None:
        code = f"{START}{patches}sys.exit(main({arguments!r}))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
        self.out: Queue[str] = Queue()
        self.err: Queue[str] = Queue()
        self._readers = [
            Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: Queue[str]) -> None:
        for line in stream:
            lines.put(line)
        stream.close()

    def wait_for(self, text: str, lines: Queue[str] | None = None) -> str:
        """Return the next line with this text in it; those before it are passed over."""
        until = time.monotonic() + GUARD_SECONDS
        while True:
            line = (lines or self.err).get(timeout=max(0.01, until - time.monotonic()))
            if text in line:
                return line

    def stop(self, number: signal.Signals) -> int:
        os.killpg(self.process.pid, number)
        return self.process.wait(GUARD_SECONDS)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()


@pytest.fixture
def start(tmp_path: Path, folder: Path) -> Iterator[Callable[..., Command]]:
    """Return a function that starts a command on the library `watched`."""
    started: list[Command] = []

    def begin(*arguments: str, patches: str = "") -> Command:
        places = ["--library", str(tmp_path / "watched"), "--articles", str(folder)]
        started.append(Command([*arguments, *places], patches))
        return started[-1]

    yield begin
    for command in started:
        command.end()


def nothing(lines: Queue[str], seconds: float = 1.5) -> None:
    """Assert that no line comes for a while, in which the folder is looked at again."""
    with pytest.raises(Empty):
        lines.get(timeout=seconds)


def test_a_sync_told_to_stop_keeps_what_was_finished_and_the_next_one_goes_on(
    run: Run, start: Callable[..., Command], folder: Path, tmp_path: Path
) -> None:
    for i in range(20):
        (folder / f"more{i:02}.txt").write_text(f"The tower {i} is old. It leans.\n")
    command = start("sync", patches=SLOW)
    for _ in range(3):
        command.wait_for("embedding")
    assert command.stop(signal.SIGINT) == 130
    command.wait_for("interrupted; what was finished is kept")
    assert command.out.empty()
    ledger = Ledger(tmp_path / "watched")
    kept = ledger.counts()["indexed"]
    ledger.close()
    assert 2 <= kept < 23
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag.factory.MiniLMEmbedding", TinyEmbedding)
        code, out, _ = run("sync", "--json", library="watched")
    assert (code, json.loads(out)["unchanged"]) == (0, kept)
    ledger = Ledger(tmp_path / "watched")
    assert (ledger.counts()["indexed"], leftovers(ledger)) == (23, 0)
    ledger.close()


# ---------------------------------------------------------------- watching


def test_a_watched_folder_is_synced_at_each_change_and_reported_once(
    start: Callable[..., Command], folder: Path
) -> None:
    command = start("sync", "--watch", "--json")
    command.wait_for("watching")
    while command.out.get(timeout=GUARD_SECONDS) != "}\n":
        pass
    time.sleep(0.3)  # until the folder is watched; a change before is seen a minute later, here a second
    changes: list[tuple[Callable[[], object], dict[str, list[str]]]] = [
        (lambda: (folder / "new.txt").write_text("The tower is old."), {"indexed": ["new.txt"], "removed": []}),
        (lambda: (folder / "new.txt").rename(folder / "sub.txt"), {"indexed": ["sub.txt"], "removed": ["new.txt"]}),
        (lambda: (folder / "sub.txt").unlink(), {"indexed": [], "removed": ["sub.txt"]}),
    ]
    for change, expected in changes:
        change()
        report = json.loads(command.out.get(timeout=GUARD_SECONDS))
        assert {name: report[name] for name in expected} == expected
    nothing(command.out)
    assert command.stop(signal.SIGINT) == 130


def test_a_folder_that_loses_much_or_all_of_itself_for_a_while_is_watched_on(
    start: Callable[..., Command], folder: Path
) -> None:
    (folder / "many").mkdir()
    for i in range(20):
        (folder / "many" / f"{i:02}.txt").write_text(f"The tower {i} is old. It leans.\n")
    command = start("sync", "--watch")
    command.wait_for("watching")
    aside = folder.with_name("aside")
    (folder / "many").rename(aside)
    command.wait_for("20 of 23 indexed files are gone")
    nothing(command.err, 2.5)
    aside.rename(folder / "many")
    (folder / "after.txt").write_text("The gate is new. It shines.\n")
    command.wait_for("1 indexed, 23 unchanged, 0 removed", command.out)
    assert command.err.empty()

    away = folder.with_name("away")
    folder.rename(away)
    command.err.get(timeout=GUARD_SECONDS)
    (away / "while away.txt").write_text("The wall is thick. It stands.\n")
    away.rename(folder)
    command.wait_for("1 indexed, 24 unchanged, 0 removed", command.out)
    assert command.stop(signal.SIGTERM) in (130, -signal.SIGTERM)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens before each look at a folder that is watched in this process; then the program is told to stop."""
    steps: list[Callable[[], object]] = []

    def watch(*_: object, **__: object) -> Iterator[set[object]]:
        while steps:
            steps.pop(0)()
            yield set()
        raise KeyboardInterrupt

    monkeypatch.setattr("watchfiles.watch", watch)
    monkeypatch.setattr("rag.cli.commands._AWAY_SECONDS", 0)
    return steps


def test_a_file_that_failed_is_reported_once(run: Run, folder: Path, looks: list[Callable[[], object]]) -> None:
    looks += [lambda: (folder / "broken.md").write_text("---\ntitle: [\n---\nText.\n"), list, list]
    code, out, _ = run("sync", "--watch")
    assert code == 130
    assert out.count("failed: broken.md") == 1


def test_a_file_that_has_become_empty_is_reported(run: Run, folder: Path, looks: list[Callable[[], object]]) -> None:
    looks += [lambda: (folder / "bees.txt").write_text("")]
    assert "skipped: bees.txt" in run("sync", "--watch")[1]


def test_the_same_trouble_is_told_once_and_again_after_it_was_over(
    run: Run, folder: Path, looks: list[Callable[[], object]]
) -> None:
    away = folder.with_name("away")
    looks += [lambda: folder.rename(away), list, list, lambda: away.rename(folder), lambda: folder.rename(away), list]
    code, out, err = run("sync", "--watch")
    assert code == 130
    assert err.count("does not exist") == 2
    assert "3 indexed" in out


def test_a_folder_that_is_away_when_watching_begins_is_told_in_our_words(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.cli.commands._AWAY_SECONDS", 0)
    import watchfiles

    away, watch, calls = folder.with_name("away"), watchfiles.watch, []

    def begin(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        if len(calls) == 1:
            folder.rename(away)
        return watch(*args, **options)

    monkeypatch.setattr("watchfiles.watch", begin)
    _, _, err = run("sync", "--watch")
    assert f"The articles folder {folder} does not exist." in err


def test_an_interrupt_that_came_through_run_text_does_not_take_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import sys, rag.cli\n"
        "def interrupted():\n"
        "    try: exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt: return 130\n"
        "rag.cli.main = interrupted\n"
        "sys.exit(rag.cli.run())"
    )
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 130
