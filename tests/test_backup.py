"""A library in one file: all that answers is in it, nothing that is no backup takes a library's place."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote
from rag.backup import back_up, restore
from rag.config import Settings
from rag.embed import MiniLMEmbedding
from rag.errors import BusyError, InputError, StoreError
from rag.fetch import Page
from rag.index import POINTER
from rag.ledger import FILE_NAME, Ledger
from rag.ledger.check import leftovers
from rag.sync import REMOVED
from tests.conftest import held

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"
ADDRESS = "https://example.org/river"


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def at(tmp_path: Path, folder: Path) -> Callable[..., Settings]:
    """Return a function that gives the settings of a library under `tmp_path`."""

    def make(name: str = "library") -> Settings:
        return Settings.model_validate({"library": tmp_path / name, "articles": folder})

    return make


@pytest.fixture
def saved(open_at: Open, at: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup of a library with files, one of them removed, and a web page."""
    page = Page(ADDRESS, b"<p>The river Elva is 97 kilometres long. It freezes.</p>", None, "text/html")
    monkeypatch.setattr("rag.fetch.fetch_page", lambda _address: page)
    with open_at() as library:
        library.sync()
        library.owner.add(ADDRESS)
        library.owner.remove("bees.txt")
    counts = back_up(at(), tmp_path / "saved")
    assert counts == {"articles": 3, "passages": 3, "indexed": 3, "skipped": 1, "failed": 0}
    return tmp_path / "saved"


def everything(file: Path) -> dict[str, list[Any]]:
    """Return the rows of every table but those of the search over words, and no pointer to an index."""
    with closing(sqlite3.connect(file)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in names if "lexical" not in name}
    rows["meta"] = [row for row in rows["meta"] if row[0] != POINTER]
    return rows


# ---------------------------------------------------------------- there and back


def test_a_library_comes_back_whole_with_pages_marks_and_folder(
    open_at: Open, at: Callable[..., Settings], saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(tmp_path / "library" / FILE_NAME)
    shutil.rmtree(tmp_path / "library")
    assert restore(at(), saved) is None
    assert everything(tmp_path / "library" / FILE_NAME) == before
    assert [path.name for path in (tmp_path / "library").iterdir() if path.name != "lock"] == [FILE_NAME]
    monkeypatch.setattr(MiniLMEmbedding, "embed_passages", lambda *_: pytest.fail("paid an embedding"))
    with open_at(articles=None) as library:
        report = library.sync()
        assert (report.indexed, report.removed, report.unchanged) == ((), (), 3)
        assert report.skipped == (("bees.txt", REMOVED),)
        assert "412 metres" in library.ask(QUESTION).text
        assert "97 kilometres" in library.ask("How long is the river Elva?").text
        assert library.owner.index.count() == 3


def test_a_backup_is_one_file_that_nothing_else_belongs_to(saved: Path) -> None:
    assert [path.name for path in saved.parent.iterdir() if path.name.startswith("saved")] == ["saved"]
    with closing(sqlite3.connect(saved)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_library_in_use_is_saved_as_it_is_at_that_moment(
    open_at: Open, at: Callable[..., Settings], folder: Path, tmp_path: Path
) -> None:
    with open_at() as library:
        library.sync()
        assert back_up(at(), tmp_path / "one")["articles"] == 3
        (folder / "bees.txt").unlink()
        library.sync()
        assert back_up(at(), tmp_path / "two")["articles"] == 2
    with held(tmp_path / "library"):
        assert back_up(at(), tmp_path / "three")["articles"] == 2
    for name, count in (("one", 3), ("two", 2), ("three", 2)):
        assert len(everything(tmp_path / name)["articles"]) == count


def test_a_backup_made_during_a_sync_holds_only_whole_versions(
    open_at: Open, at: Callable[..., Settings], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").write_text("The bridge at Ostvik was measured again. It is 418 metres long.\n")
        add = type(library.owner.index).add

        def saving(*arguments: Any) -> None:
            back_up(at(), tmp_path / "during")
            add(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr("rag.index.VectorIndex.add", saving)
            library.sync()
    restore(at("other"), tmp_path / "during")
    with open_at("other") as library:
        assert "412 metres" in library.ask(QUESTION).text
        library.sync()
        assert "418 metres" in library.ask(QUESTION).text
        assert leftovers(library._ledger) == 0


# ---------------------------------------------------------------- what is there already


def test_a_backup_never_takes_the_place_of_a_file(at: Callable[..., Settings], saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="exists"):
        back_up(at(), saved)
    assert saved.read_bytes() == before
    with pytest.raises(InputError, match="exists"):
        back_up(at(), tmp_path)


def test_the_rest_of_a_backup_that_was_cut_off_is_in_nobodys_way(
    at: Callable[..., Settings], saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.part").write_bytes(b"half of a backup")
    back_up(at(), tmp_path / "new")
    assert everything(tmp_path / "new") == everything(saved)
    assert not (tmp_path / "new.part").exists()


def test_where_there_is_no_library_nothing_is_saved(at: Callable[..., Settings], tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no library"):
        back_up(at("none"), tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_place_that_cannot_be_written_is_named(at: Callable[..., Settings], saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none/saved cannot be written"):
        back_up(at(), tmp_path / "none" / "saved")


def test_a_place_that_cannot_be_written_puts_no_blame_on_the_library(
    at: Callable[..., Settings], saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        back_up(at(), tmp_path / "none" / "saved")
    assert FILE_NAME not in str(caught.value)
    assert "move it away" not in str(caught.value)


@pytest.mark.parametrize("there", ["sound", "damaged", "empty", "no folder"])
def test_a_library_that_is_there_is_set_aside_as_it_is(
    open_at: Open, at: Callable[..., Settings], saved: Path, tmp_path: Path, folder: Path, there: str
) -> None:
    library = tmp_path / "library"
    file = library / FILE_NAME
    (folder / "new.md").write_text("The lake is deep. It is cold.\n")
    if there == "sound":
        with open_at() as opened:
            opened.sync()
    elif there == "damaged":
        file.write_bytes(b"not a database" * 100)
    elif there == "empty":
        file.unlink()
    else:
        shutil.rmtree(library)
    before = file.read_bytes() if file.exists() else None
    aside = restore(at(), saved)
    if before is None:
        assert aside is None
    else:
        assert aside == library / f"{FILE_NAME}.before-restore-1"
        assert aside.read_bytes() == before
        assert restore(at(), saved) == library / f"{FILE_NAME}.before-restore-2"
        assert aside.read_bytes() == before
    with open_at() as opened:
        assert opened._ledger.get(POINTER) is None
        assert {source.source for source in opened.sources()} == {"bridge.md", "茶.md", ADDRESS}
        assert opened.sync().indexed == ("new.md",)
        assert opened.owner.index.rows() == set(opened._ledger.active_rows()[0])


def test_what_was_set_aside_can_be_restored_in_turn(
    open_at: Open, at: Callable[..., Settings], saved: Path, folder: Path
) -> None:
    (folder / "new.md").write_text("The lake is deep. It is cold.\n")
    with open_at() as library:
        library.sync()
    aside = restore(at(), saved)
    assert aside is not None
    restore(at(), aside)
    with open_at() as library:
        assert "new.md" in {source.source for source in library.sources()}


def test_a_library_in_use_is_not_restored(at: Callable[..., Settings], saved: Path, tmp_path: Path) -> None:
    before = (tmp_path / "library" / FILE_NAME).read_bytes()
    with held(tmp_path / "library") as process, pytest.raises(BusyError, match=str(process.pid)):
        restore(at(), saved)
    assert (tmp_path / "library" / FILE_NAME).read_bytes() == before


# ---------------------------------------------------------------- what is no backup


def _foreign(file: Path, version: int) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE bookmarks (address TEXT)")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()


MAKE: dict[str, Callable[[Path, Path], object]] = {
    "a text": lambda file, _: file.write_text("not a database " * 100),
    "an empty file": lambda file, _: file.write_bytes(b""),
    "the half of one": lambda file, saved: file.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2]),
    "a damaged one": lambda file, saved: file.write_bytes(saved.read_bytes()[:8192] + b"\xff" * 40_000),
    "another database": lambda file, _: _foreign(file, 0),
    "another database of version 1": lambda file, _: _foreign(file, 1),
    "another database of our version": lambda file, _: _foreign(file, 2),
    "one of a newer Footnote": lambda file, _: _foreign(file, 99),
    "a folder": lambda file, _: file.mkdir(),
    "nothing": lambda file, _: None,
}


@pytest.mark.parametrize("kind", MAKE)
def test_what_is_no_backup_is_refused_and_the_library_left_as_it_is(
    open_at: Open, at: Callable[..., Settings], saved: Path, tmp_path: Path, kind: str
) -> None:
    MAKE[kind](tmp_path / "given", saved)
    before = {path.name: path.stat().st_size for path in (tmp_path / "library").iterdir()}
    bytes_before = (tmp_path / "library" / FILE_NAME).read_bytes()
    with pytest.raises(InputError, match="given"):
        restore(at(), tmp_path / "given")
    assert {path.name: path.stat().st_size for path in (tmp_path / "library").iterdir()} == before
    assert (tmp_path / "library" / FILE_NAME).read_bytes() == bytes_before
    with open_at() as library:
        assert len(library.sources()) == 3


def test_a_backup_is_not_touched_by_being_restored(at: Callable[..., Settings], saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    restore(at("other"), saved)
    assert saved.read_bytes() == before
    assert not list((tmp_path / "other").glob("restoring*"))


def test_the_rest_of_a_restore_that_was_cut_off_is_in_nobodys_way(
    at: Callable[..., Settings], saved: Path, tmp_path: Path
) -> None:
    rest = tmp_path / "library" / "restoring"
    rest.mkdir()
    (rest / FILE_NAME).write_bytes(b"half")
    (rest / f"{FILE_NAME}-journal").write_bytes(b"half")
    restore(at(), saved)
    assert not rest.exists()
    with closing(Ledger(tmp_path / "library", check=True)) as ledger:
        assert ledger.counts()["articles"] == 3
