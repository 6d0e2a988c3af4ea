"""The articles pane: what it shows of the library, what it finds, and what a reader may do from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from rag.app import Footnote
from rag.config import PageSettings
from rag.errors import FootnoteError, InputError, ReadOnlyError
from rag.ledger import FileRecord, Listed
from rag.types import Progress, Source, SyncReport
from tests.conftest import held
from ui import articles_view
from ui.articles import ArticlesPane
from ui.articles_view import Entry, Problem, list_html, tools_html
from ui.indexing import MARKER, Indexing, Job, Work
from ui.work_view import Allowed, work_html

Open = Callable[..., Footnote]
pytestmark = pytest.mark.usefixtures("quick")
ALL = Allowed(None, uploads=True, urls=True, remove=True, megabytes=20)
EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e'
SOMETIME = "2026-01-01T00:00:00+00:00"


class Pane:
    """An articles pane as the page has it."""

    def __init__(self, library: Footnote, **page: Any) -> None:
        self.library = library
        self.indexing = Indexing(library)
        self._pane = ArticlesPane(library, self.indexing, PageSettings(**page))

    def act(self, **data: Any) -> dict[str, Any]:
        return self._pane.act(data, "session")

    def shown(self, **data: Any) -> BeautifulSoup:
        """Return the whole pane once nothing is at work any more."""
        self.act(**data)
        work = self.indexing.work()
        while not work.idle:
            work = self.indexing.wait(work.version, 30)
        looking = {name: value for name, value in data.items() if name in ("search", "sort", "chosen")}
        answer = self.act(**looking)
        return BeautifulSoup(answer["tools"] + answer["work"] + answer["list"], "html.parser")


@pytest.fixture
def pane(open_at: Open) -> Iterator[Pane]:
    with open_at() as library:
        library.sync()
        pane = Pane(library)
        yield pane
        pane.indexing.close()


def titles(shown: BeautifulSoup) -> list[str]:
    return [link.get_text() for link in shown.select(".fn-entry .fn-title")]


def only(shown: BeautifulSoup, selector: str) -> Tag:
    (found,) = shown.select(selector)
    return found


# ---------------------------------------------------------------- what is shown


def test_each_article_has_title_date_author_source_and_a_box_to_choose_it(pane: Pane) -> None:
    shown = pane.shown()
    assert titles(shown) == ["The bridge at Ostvik", "What bees do in winter", "茶的历史"]
    entry = shown.select(".fn-entry")[0]
    (bridge, *_) = pane.library.sources()
    assert "2024-03-01 · Ida Berg · bridge.md" in entry.get_text()
    box = entry.select_one('input[type="checkbox"][name="article"]')
    assert box is not None
    assert (box["value"], box["aria-label"]) == (bridge.article_id, "Ask “The bridge at Ostvik”")
    assert [link["href"] for link in entry.select("a")] == [f"#article-{bridge.article_id}"]
    assert only(shown, "#fn-count").get_text() == "3 articles"


def test_chosen_articles_are_ticked_and_those_that_are_gone_are_named(pane: Pane) -> None:
    bridge = pane.library.sources()[0].article_id
    answer = pane.act(chosen=[bridge, "0123456789abcdef"])
    assert answer["gone"] == ["0123456789abcdef"]
    shown = BeautifulSoup(answer["list"], "html.parser")
    assert [box["value"] for box in shown.select("input[checked]")] == [bridge]


def test_unchanged_parts_are_not_sent_again(pane: Pane) -> None:
    first = pane.act()
    assert pane.act(version=first["version"]) == {"version": first["version"], "idle": True}
    assert "list" in pane.act(version=first["version"], search="bees")
    (pane.library.articles / "new.txt").write_text("Something new.")
    pane.library.sync()
    assert "list" in pane.act(version=first["version"])


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["bridge.md", "bees.txt", "茶.md"]),
        ("OSTVIK", ["bridge.md"]),
        ("ida 2024", ["bridge.md"]),
        ("bees.txt", ["bees.txt"]),
        ("茶", ["茶.md"]),
        ("云南", ["茶.md"]),
        ("rusty cables", []),
        ("rust in cables", ["bridge.md"]),
        ("honey queen", ["bees.txt"]),
        ("zebra", []),
        ('" OR zebra -- *', []),
        ("%", []),
    ],
)
def test_a_search_looks_at_what_is_known_of_articles_and_at_their_words(
    pane: Pane, search: str, found: list[str]
) -> None:
    shown = pane.shown(search=search)
    assert [entry.get_text().split(" · ")[-1] for entry in shown.select(".fn-entry .fn-meta")] == found
    if not found:
        assert "No article has these words" in shown.get_text()


def test_what_is_found_by_its_text_only_says_so(pane: Pane) -> None:
    assert "words in its text" in pane.shown(search="honey queen").get_text()
    assert "words in its text" not in pane.shown(search="bees winter").get_text()


def test_articles_are_sorted_by_date_title_or_coming(pane: Pane) -> None:
    (pane.library.articles / "a.md").write_text("---\ntitle: A late one\npublished: 2020-01-01\n---\n\nIt came late.\n")
    pane.library.sync()
    assert titles(pane.shown(sort="date"))[:2] == ["The bridge at Ostvik", "A late one"]
    assert titles(pane.shown(sort="title"))[:2] == ["A late one", "The bridge at Ostvik"]
    assert titles(pane.shown(sort="added"))[0] == "A late one"


def test_files_that_are_not_indexed_are_listed_with_their_reason(pane: Pane) -> None:
    (pane.library.articles / "photo.txt").write_bytes(b"\x89PNG\r\n")
    (pane.library.articles / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    shown = pane.shown(do="sync")
    problems = only(shown, "#fn-problems")
    assert "Not indexed (2)" in problems.get_text()
    assert "photo.txt skipped: format not supported: PNG image" in problems.get_text()
    assert "broken.pdf failed: " in problems.get_text()
    assert "2 new" not in shown.get_text()


def test_an_internal_article_and_one_read_with_doubts_are_marked(pane: Pane) -> None:
    (pane.library.articles / "plan.md").write_text("---\ntitle: Plan\nvisibility: internal\n---\n\nThe plan is this.\n")
    (pane.library.articles / "cafe.txt").write_bytes("Le café est fermé à huit heures, l'été aussi.".encode("latin-1"))
    shown = pane.shown(do="sync")
    marks = {entry.select_one(".fn-title").get_text(): entry.get_text() for entry in shown.select(".fn-entry")}  # type: ignore[union-attr]
    assert "internal" in marks["Plan"]
    assert "read with doubts" in shown.get_text()
    assert "internal" not in marks["The bridge at Ostvik"]


def test_a_file_whose_new_version_failed_says_so_beside_the_good_one(pane: Pane) -> None:
    (pane.library.articles / "bees.txt").write_bytes(b"%PDF-1.4 nothing")
    shown = pane.shown(do="sync")
    entry = next(entry for entry in shown.select(".fn-entry") if "bees" in entry.get_text())
    assert "its new version: " in entry.get_text()


def test_a_file_with_several_articles_says_that_all_of_them_go(pane: Pane) -> None:
    lines = '{"id": "a#b", "text": "One thing."}\n{"id": "c", "text": "Another thing."}\n'
    (pane.library.articles / "notes.jsonl").write_text(lines)
    shown = pane.shown(do="sync")
    buttons = shown.select('[data-source="notes.jsonl"]')
    assert [button["aria-label"] for button in buttons] == ["Remove notes.jsonl with all its 2 articles"] * 2
    assert buttons[0]["data-confirm"] == "Remove notes.jsonl with all its 2 articles?"
    shown = pane.shown(do="remove", source="notes.jsonl")
    assert "notes.jsonl#" not in shown.get_text()


def test_an_empty_library_says_what_to_do(open_at: Open, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with open_at(articles=empty) as library:
        pane = Pane(library)
        shown = pane.shown()
        assert "No article yet" in shown.get_text()
        assert "Drop files on this pane, add a web page by its address, or put files into" in shown.get_text()
        assert only(shown, "#fn-add")["aria-expanded"] == "true"
        pane.indexing.close()


def test_very_many_articles_are_cut_with_a_word_about_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(articles_view, "MOST", 3)
    monkeypatch.setattr(articles_view, "_MOST_PROBLEMS", 2)
    problems = [Problem(FileRecord(f"{n}.bin", "skipped", "empty", "", ""), uploaded=False) for n in range(5)]
    html = list_html([entry(f"Title {n}") for n in range(10)], 10, (), problems, "", ALL)
    shown = BeautifulSoup(html, "html.parser")
    assert len(shown.select(".fn-entry")) == 3
    assert "… and 7 more: search for them." in shown.get_text()
    assert "Not indexed (5)" in shown.get_text()
    assert "… and 3 more" in shown.get_text()


# ---------------------------------------------------------------- what a reader may do


def test_an_article_is_removed_with_a_way_back(pane: Pane) -> None:
    shown = pane.shown(do="remove", source="bees.txt")
    assert "What bees do in winter" not in titles(shown)
    undo, listed = shown.select('[data-library="putback"]')
    assert undo["data-source"] == listed["data-source"] == "bees.txt"
    assert "Removed bees.txt. Put back" in shown.get_text()
    shown = pane.shown(do="putback", source="bees.txt")
    assert "What bees do in winter" in titles(shown)
    assert not shown.select('[data-library="putback"]')  # also where it says that it was removed once


def test_what_was_uploaded_is_deleted_after_a_question(pane: Pane) -> None:
    folder = pane.library.articles / "uploads"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / "river.md").write_text("# The river\n\nThe river is long.\n")
    button = only(pane.shown(do="sync"), '[data-source="uploads/river.md"]')
    assert button["data-confirm"] == "Delete uploads/river.md for good?"
    shown = pane.shown(do="remove", source="uploads/river.md")
    assert "Deleted uploads/river.md." in shown.get_text()
    assert not shown.select('[data-library="putback"]')


def test_an_upload_that_cannot_be_read_can_be_deleted(pane: Pane) -> None:
    folder = pane.library.articles / "uploads"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / "photo.txt").write_bytes(b"\x89PNG\r\n")
    shown = pane.shown(do="sync")
    for file in ("uploads/broken.pdf", "uploads/photo.txt"):
        assert only(shown, f'#fn-problems [data-source="{file}"]')["data-confirm"] == f"Delete {file} for good?"
        pane.shown(do="remove", source=file)
    shown = pane.shown()
    assert not shown.select("#fn-problems")
    assert [path.name for path in folder.iterdir()] == [MARKER]


def test_each_way_to_change_the_library_is_absent_where_it_is_switched_off(open_at: Open) -> None:
    parts = {"uploads": "#fn-files", "add_urls": "#fn-url", "remove": '[data-library="remove"]'}
    with open_at() as library:
        library.sync()
        for off in parts:
            pane = Pane(library, **{off: False})
            shown = pane.shown()
            assert {name: bool(shown.select(part)) for name, part in parts.items()} == {n: n != off for n in parts}
            assert shown.select("#fn-sync")
        pane = Pane(library, uploads=False, add_urls=False, remove=False)
        assert not pane.shown().select("#fn-add")
        for data in ({"do": "add", "address": "https://example.org"}, {"do": "remove", "source": "bees.txt"}):
            with pytest.raises(InputError, match="switched off"):
                pane.act(**data)
        assert pane.indexing.work().version == 0


def test_a_library_of_another_process_is_shown_with_the_reason_and_not_changed(open_at: Open, tmp_path: Path) -> None:
    with open_at() as library:
        library.sync()
    with held(tmp_path / "library"), open_at() as library:
        pane = Pane(library)
        shown = pane.shown()
        assert len(titles(shown)) == 3
        assert "Another program is using this library" in only(shown, ".fn-refusal").get_text()
        changing = [button["data-library"] for button in shown.select("[data-library]")]
        assert changing == ["all", "none"]
        assert not shown.select('input[type="file"], form')
        with pytest.raises(ReadOnlyError, match="Another program"):
            pane.act(do="sync")


@pytest.mark.parametrize(
    "data",
    [
        {"do": "drop tables"},
        {"do": "remove", "source": 5},
        {"do": "remove", "source": "x" * 2001},
        {"search": "x" * 201},
        {"search": None},
        {"sort": "price"},
        {"chosen": "abc"},
        {"chosen": ["a b"]},
        {"chosen": ["a"] * 5001},
        {"else": 1},
        [],
        None,
    ],
)
def test_what_the_page_would_never_send_is_refused(pane: Pane, data: Any) -> None:
    with pytest.raises(FootnoteError, match="unexpected"):
        pane._pane.act(data, "session")
    assert pane.indexing.work().version == 0


# ---------------------------------------------------------------- changes, and words of others


def entry(title: str, file: str = "a.md", **known: Any) -> Entry:
    about = Source(title.lower().replace(" ", ""), file, title, None, None, None, None, "public", "sha256:0")
    return Entry(Listed(about, file, (), 1), known.get("of", 1), by_text=False, reason=None, uploaded=False)


def work(*over: Job, current: Job | None = None, waiting: tuple[Job, ...] = ()) -> Work:
    return Work(1, over, current, waiting)


def told(work: Work, **options: Any) -> str:
    return BeautifulSoup(work_html(work, ALL, options.get("removed", ()), SOMETIME), "html.parser").get_text(
        " ", strip=True
    )


def test_progress_is_a_bar_with_words() -> None:
    job = Job(1, "sync", state="working", progress=Progress(3, 10, 1200))
    shown = BeautifulSoup(work_html(work(current=job, waiting=(Job(2, "sync"),)), ALL, (), SOMETIME), "html.parser")
    bar = only(shown, "progress")
    assert (bar["value"], bar["max"], bar["aria-label"]) == ("3", "10", "Reading the articles folder")
    assert "3 of 10 files, 1,200 new passages" in shown.get_text()
    assert "1 more change waits" in shown.get_text()


def test_reports_say_what_became_of_each_file() -> None:
    report = SyncReport(("a.md",), (("c.md", "same content as a.md"),), (("b.pdf", "encrypted"),), (), 7)
    job = Job(1, "upload", ("a.md", "b.pdf", "c.md"), "done", report=report, at=SOMETIME)
    said = told(work(job))
    assert "Indexed a.md." in said
    assert "b.pdf encrypted" in said
    assert "c.md same content as a.md" in said
    assert "1 indexed, 1 failed, 1 skipped, 7 unchanged" in told(
        work(Job(2, "sync", (), "done", report=report, at=SOMETIME))
    )
    failed = Job(3, "add", ("https://example.org",), "failed", error="It could not be reached.", at=SOMETIME)
    assert "Adding https://example.org did not work. It could not be reached." in told(work(failed))


def test_a_removed_web_page_can_be_added_again() -> None:
    html = work_html(work(Job(1, "remove", ("https://example.org/a",), "done", at=SOMETIME)), ALL, (), SOMETIME)
    button = only(BeautifulSoup(html, "html.parser"), "button")
    assert (button["data-library"], button["data-address"]) == ("add", "https://example.org/a")


def test_what_is_long_over_is_folded() -> None:
    before = [Job(n, "remove", (f"{n}.md",), "done", at="2025-01-01T00:00:00+00:00") for n in range(2)]
    shown = BeautifulSoup(work_html(work(*before), ALL, (), SOMETIME), "html.parser")
    assert "Earlier changes (2)" in only(shown, "details summary").get_text()
    assert not shown.select("details ~ .fn-job")


def test_words_of_others_are_text_everywhere() -> None:
    about = Source("id", EVIL, EVIL, EVIL, EVIL, None, EVIL, "public", "sha256:0")
    entries = [Entry(Listed(about, EVIL, (EVIL,), 1), 2, by_text=True, reason=EVIL, uploaded=True)]
    problems = [Problem(FileRecord(EVIL, "failed", EVIL, "", ""), uploaded=True)]
    report = SyncReport((), ((EVIL, EVIL),), (), (), 0)
    jobs = [
        Job(1, "upload", (EVIL,), "done", report=report, at=SOMETIME),
        Job(2, "remove", (f"https://{EVIL}",), "done", at=SOMETIME),
        Job(3, "add", (EVIL,), "failed", error=EVIL, at=SOMETIME),
        Job(4, "remove", (EVIL,), "done", at=SOMETIME),
    ]
    waiting = work(*jobs, current=Job(5, "add", (EVIL,), "working"))
    html = (
        tools_html(ALL._replace(refusal=EVIL), "date", 1)
        + list_html(entries, 1, (), problems, EVIL, ALL)
        + work_html(waiting, ALL, (EVIL,), SOMETIME)
    )
    shown = BeautifulSoup(html, "html.parser")
    assert not shown.select("img, script")
    assert not [name for tag in shown.find_all() for name in tag.attrs if name.startswith("on")]
    assert "\u202e" not in shown.get_text()
    assert {str(tag["href"])[0] for tag in shown.select("[href]")} == {"#"}
