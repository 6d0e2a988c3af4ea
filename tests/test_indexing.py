"""The changes of the library that readers ask for: in order, one at a time, seen by all, and ended at any moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.app import Footnote
from rag.errors import BusyError, InputError, ReadOnlyError, StoreError
from rag.fetch import Page
from rag.owner import Owner
from rag.types import Progress, SyncReport
from tests.conftest import held
from ui import indexing as module
from ui.indexing import MARKER, Indexing, Job, Work

Open = Callable[..., Footnote]
pytestmark = pytest.mark.usefixtures("quick")
SECONDS = 30


@pytest.fixture
def library(open_at: Open) -> Iterator[Footnote]:
    with open_at() as library:
        yield library


@pytest.fixture
def indexing(library: Footnote) -> Iterator[Indexing]:
    indexing = Indexing(library)
    yield indexing
    indexing.close()


def settled(indexing: Indexing) -> Work:
    """Return all changes once none is at work or waits."""
    work = indexing.work()
    while not work.idle:
        work = indexing.wait(work.version, SECONDS)
    return work


def outcome(indexing: Indexing, asked: Job) -> Job:
    """Return a change that was asked for, once it is over."""
    return next(job for job in settled(indexing).over if job.number == asked.number)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold every sync up until the event is set."""
    opened = threading.Event()
    sync = Owner.sync

    def held_up(self: Owner, progress: Callable[[Progress], None] | None = None, *, prune: bool = False) -> SyncReport:
        opened.wait(SECONDS)
        return sync(self, progress, prune=prune)

    monkeypatch.setattr(Owner, "sync", held_up)
    yield opened
    opened.set()


def upload(library: Footnote, name: str, text: str) -> str:
    """Put a file where uploads go and return its source."""
    folder = library.articles / "uploads"
    folder.mkdir(exist_ok=True)
    (folder / MARKER).touch()
    (folder / name).write_text(text)
    return f"uploads/{name}"


def sources(library: Footnote) -> set[str]:
    return {source.source for source in library.sources()}


# ---------------------------------------------------------------- changes


def test_a_sync_reports_what_became_of_every_file(library: Footnote, indexing: Indexing) -> None:
    done = outcome(indexing, indexing.sync())
    assert done.state == "done"
    assert done.report is not None
    assert set(done.report.indexed) == {"bees.txt", "bridge.md", "茶.md"}
    assert done.at.endswith("+00:00")
    assert done.progress is None


def test_an_upload_is_indexed(library: Footnote, indexing: Indexing) -> None:
    source = upload(library, "river.md", "The river Elva is 97 kilometres long.")
    assert outcome(indexing, indexing.uploaded([source])).state == "done"
    assert source in sources(library)


def test_a_file_is_removed_and_put_back(library: Footnote, indexing: Indexing) -> None:
    outcome(indexing, indexing.sync())
    removed = outcome(indexing, indexing.remove("bees.txt"))
    assert (removed.state, removed.deleted) == ("done", False)
    assert "bees.txt" not in sources(library)
    assert (library.articles / "bees.txt").exists()
    assert outcome(indexing, indexing.put_back("bees.txt")).state == "done"
    assert "bees.txt" in sources(library)


def test_what_was_uploaded_is_deleted_when_it_is_removed(library: Footnote, indexing: Indexing) -> None:
    source = upload(library, "river.md", "The river Elva is 97 kilometres long.")
    outcome(indexing, indexing.uploaded([source]))
    removed = outcome(indexing, indexing.remove(source))
    assert (removed.state, removed.deleted) == ("done", True)
    assert not (library.articles / source).exists()
    assert source not in library.ledger.files()
    upload(library, "river.md", "The river Elva is 97 kilometres long.")
    outcome(indexing, indexing.uploaded([source]))
    assert source in sources(library)


def test_a_folder_called_uploads_that_is_not_ours_keeps_its_files(library: Footnote, indexing: Indexing) -> None:
    source = upload(library, "river.md", "The river Elva is 97 kilometres long.")
    (library.articles / "uploads" / MARKER).unlink()
    outcome(indexing, indexing.uploaded([source]))
    assert not outcome(indexing, indexing.remove(source)).deleted
    assert (library.articles / source).exists()


def test_a_file_that_an_upload_kept_out_comes_back_when_the_upload_is_deleted(
    library: Footnote, indexing: Indexing
) -> None:
    text = "The river Elva is 97 kilometres long."
    source = upload(library, "river.md", text)
    (library.articles / "z.md").write_text(text)
    outcome(indexing, indexing.uploaded([source]))
    assert "z.md" not in sources(library)
    indexing.remove(source)
    settled(indexing)
    assert "z.md" in sources(library)


def test_a_web_page_is_added_by_its_address(
    library: Footnote, indexing: Indexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page("https://example.org/river", b"<title>River</title><p>The river Elva is long.", "utf-8", "text/html")
    monkeypatch.setattr("rag.fetch.fetch_page", lambda address: page)
    job = indexing.add(" example.org/river ")
    assert job.sources == ("https://example.org/river",)
    assert outcome(indexing, job).state == "done"
    assert "https://example.org/river" in sources(library)


def test_changes_are_done_one_at_a_time_in_the_order_asked(
    library: Footnote, indexing: Indexing, gate: threading.Event
) -> None:
    first = indexing.sync()
    work = indexing.work()
    while work.current is None:
        work = indexing.wait(work.version, SECONDS)
    second = indexing.sync()
    assert indexing.sync() == second  # it waits already
    source = upload(library, "a.txt", "One thing.")
    third = indexing.uploaded([source])
    joined = indexing.uploaded([source, upload(library, "b.txt", "Another thing.")])
    assert (joined.number, joined.sources) == (third.number, ("uploads/a.txt", "uploads/b.txt"))
    assert [job.number for job in indexing.work().waiting] == [second.number, third.number]
    gate.set()
    assert [job.number for job in settled(indexing).over] == [first.number, second.number, third.number]


def test_a_change_that_fails_does_not_hold_up_the_next_one(
    library: Footnote, indexing: Indexing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(address: str) -> Page:
        raise InputError(f"{address} could not be reached.")

    monkeypatch.setattr("rag.fetch.fetch_page", unreachable)
    failing, following = indexing.add("https://example.org/x"), indexing.sync()
    over = {job.number: job for job in settled(indexing).over}
    assert over[failing.number].error == "https://example.org/x could not be reached."
    assert over[following.number].state == "done"


# ---------------------------------------------------------------- refusals and failures


def test_what_makes_no_sense_is_refused_at_once(library: Footnote, indexing: Indexing) -> None:
    outcome(indexing, indexing.sync())
    for wrong in ("", "  ", "two words", "https://" + "x" * 3000):
        with pytest.raises(InputError, match="address"):
            indexing.add(wrong)
    for source in ("nothing.md", "../../etc/passwd", "/etc/passwd"):
        with pytest.raises(InputError, match="not in the library"):
            indexing.remove(source)
    with pytest.raises(InputError, match="nothing to put back"):
        indexing.put_back("bees.txt")


def test_a_failure_says_what_to_do_and_no_path(
    library: Footnote, indexing: Indexing, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "away")
    failed = outcome(indexing, indexing.sync())
    assert failed.state == "failed"
    assert failed.error == ("The articles folder articles does not exist. Create it, or name another with --articles.")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "No space is left for {library}/ledger.sqlite3. Free some.",
            "No space is left for ledger.sqlite3. Free some.",
        ),
        ("{articles}/a b/c cannot be listed.", "a b/c cannot be listed."),
        ("/var/tmp/x cannot be read.", "x cannot be read."),
        ("https://example.org/-/a/b/c could not be reached.", "https://example.org/-/a/b/c could not be reached."),
    ],
)
def test_folders_are_left_out_of_messages(
    library: Footnote, indexing: Indexing, monkeypatch: pytest.MonkeyPatch, message: str, told: str
) -> None:
    text = message.format(library=library.ledger.path.parent, articles=library.articles)

    def fail(*_: object, **__: object) -> None:
        raise StoreError(text)

    monkeypatch.setattr(Owner, "take_back", fail)
    assert outcome(indexing, indexing.sync()).error == told


def test_what_nobody_foresaw_is_logged_and_told_plainly(
    indexing: Indexing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret detail")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(Owner, "take_back", break_down)
        failed = outcome(indexing, indexing.sync())
    assert failed.state == "failed"
    assert "secret detail" not in (failed.error or "")
    assert "secret detail" in caplog.text
    assert outcome(indexing, indexing.sync()).state == "done"


def test_beside_another_owner_every_change_is_refused_with_that_reason(open_at: Open, tmp_path: Path) -> None:
    open_at().close()
    with held(tmp_path / "library"), open_at() as library:
        indexing = Indexing(library)
        assert indexing.refusal is not None
        assert str(tmp_path) not in indexing.refusal
        for change in (
            indexing.sync,
            lambda: indexing.add("https://example.org"),
            lambda: indexing.uploaded(["a.txt"]),
        ):
            with pytest.raises(ReadOnlyError, match="Another program is using this library"):
                change()
        indexing.close()


def test_too_many_changes_are_refused(
    library: Footnote, indexing: Indexing, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    first = indexing.sync()
    while indexing.work().current is None:
        indexing.wait(first.number, 0.01)
    indexing.add("https://example.org/1")
    indexing.add("https://example.org/2")
    with pytest.raises(BusyError, match="waiting"):
        indexing.add("https://example.org/3")
    with indexing._changed:
        indexing._waiting.clear()
    gate.set()


# ---------------------------------------------------------------- looking on, and the end


def test_whoever_waits_for_a_change_is_told(library: Footnote, indexing: Indexing) -> None:
    before = indexing.work()
    assert indexing.wait(before.version, 0.01) == before
    seen: list[Work] = []

    def look_on() -> None:
        work = before
        while not work.over:
            work = indexing.wait(work.version, SECONDS)
            seen.append(work)

    readers = [threading.Thread(target=look_on) for _ in range(3)]
    for reader in readers:
        reader.start()
    indexing.sync()
    for reader in readers:
        reader.join(SECONDS)
    assert [work.over[0].kind for work in seen if work.over] == ["sync"] * 3
    versions = [work.version for work in seen]
    assert min(versions) > before.version


def test_progress_is_seen_while_a_sync_is_at_work(indexing: Indexing, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Progress] = []
    show = indexing._show

    def looking(progress: Progress) -> None:
        show(progress)
        current = indexing.work().current
        assert current is not None
        assert current.progress is not None
        seen.append(current.progress)

    monkeypatch.setattr(indexing, "_show", looking)
    outcome(indexing, indexing.sync())
    assert seen
    assert seen[-1].done == seen[-1].total == 3
    assert seen[-1].passages > 0


def test_closing_in_the_middle_of_a_sync_ends_it_and_the_next_one_goes_on(
    open_at: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, closing = threading.Event(), threading.Event()
    with open_at() as library:
        indexing = Indexing(library)
        show = indexing._show

        def slow(progress: Progress) -> None:
            reached.set()
            closing.wait(SECONDS)
            show(progress)

        monkeypatch.setattr(indexing, "_show", slow)
        indexing.sync()
        indexing.sync()
        assert reached.wait(SECONDS)
        ender = threading.Thread(target=indexing.close)
        ender.start()
        while not indexing._closing:
            pass
        closing.set()
        ender.join(SECONDS)
        work = indexing.work()
        assert work.idle
        assert [(job.state, job.error) for job in work.over] == [("failed", module._ENDED)]
        with pytest.raises(ReadOnlyError, match="being stopped"):
            indexing.sync()
    with open_at() as library:
        library.sync()
        assert sources(library) == {"bees.txt", "bridge.md", "茶.md"}


def test_closing_what_never_worked_is_nothing(library: Footnote) -> None:
    Indexing(library).close()
