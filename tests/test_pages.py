"""Pages of the library's PDFs: from a citation to the page it stands on, in the library, over HTTP, and as HTML."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from fastapi import FastAPI
from starlette.testclient import TestClient

import rag.pages
import ui.pages
from rag.app import Footnote
from rag.errors import InputError, StoreError, Unloadable
from rag.ledger import FileRecord, Ledger, WebPage
from rag.load import load
from rag.load import pdf_page as pdf_page_module
from rag.load.pdf_page import Rect, Sheet
from rag.load.sandbox import Sandbox
from rag.pages import Box, ChangedError, NoPageError, NoPictureError, Page, Pages, page_of
from rag.types import Article, Span
from tests.conftest import held
from tests.test_load_pdf import LETTER, lines, make_pdf
from ui.pages import page_html, page_text_html, pages_router

FILE = "sub/bridge.pdf"
PDF = make_pdf(
    [*LETTER, *lines("Engineers looked at the cables of the bridge in the autumn, and they found a demon-", y=100)],
    lines("stration of rust on two of them. No demonstration helps, they said.", "It was closed."),
    lines("A ferry goes to the island every hour."),
)
WORDS = "in the summer of 1931, and it is 412 metres long"
OVER_BREAK = "found a demonstration of rust"


class Direct(Sandbox):
    """Does here what the child process does, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[int] = []
        self.problem: Unloadable | None = None

    def render_page(self, data: bytes, number: int) -> tuple[Sheet, bytes]:
        self.drawn.append(number)
        if self.problem:
            raise self.problem
        return pdf_page_module.render_page(data, number)

    def locate(
        self, data: bytes, number: int, text: str, spans: Sequence[Sequence[int]]
    ) -> tuple[Sheet, list[list[Rect]]]:
        self.drawn.append(number)
        return pdf_page_module.locate(data, number, text, spans)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Direct:
    made = Direct()
    monkeypatch.setattr(rag.pages, "Sandbox", lambda: made)
    return made


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    path = tmp_path / "articles" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(PDF)
    return tmp_path / "articles"


@pytest.fixture
def article(ledger: Ledger) -> Article:
    return publish(ledger, FILE, PDF)


@pytest.fixture
def pages(ledger: Ledger, article: Article, articles: Path, direct: Direct) -> Iterator[Pages]:
    made = Pages(ledger, articles)
    yield made
    made.close()


def publish(ledger: Ledger, file: str, data: bytes, **changes: Any) -> Article:
    """Let a file's article answer, as a sync does."""
    article = replace(load(file, data)[0], **changes)
    digest = f"0123456789abcdef:{hashlib.sha256(data).hexdigest()}"
    staged = ledger.stage(file, digest, [(article, (), [])])
    ledger.publish(staged, FileRecord(file, "indexed", None, "", digest))
    ledger.collect()
    return article


def span_of(article: Article, words: str) -> Span:
    start = article.text.index(words)
    return Span(start, start + len(words))


# ---------------------------------------------------------------- the child


@pytest.fixture
def child(_sandbox: Sandbox) -> Sandbox:
    return _sandbox


def test_the_child_draws_and_finds_what_is_drawn_and_found_here(child: Sandbox) -> None:
    assert child.render_page(PDF, 2) == pdf_page_module.render_page(PDF, 2)
    text = "It was closed. It was open."
    here = pdf_page_module.locate(PDF, 2, text, [(0, 14), (15, 27)])
    assert child.locate(PDF, 2, text, [(0, 14), (15, 27)]) == here
    assert [len(rects) for rects in here[1]] == [1, 0]


def test_the_child_refuses_what_it_cannot_draw_and_goes_on(child: Sandbox) -> None:
    for data, number in ((PDF, 4), (b"%PDF-1.7 garbage", 1)):
        with pytest.raises(Unloadable):
            child.render_page(data, number)
        with pytest.raises(Unloadable):
            child.locate(data, number, "a", [(0, 1)])
    assert load(FILE, PDF) == child.load(FILE, PDF)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"articles": []},
        {"picture": "<script>", "sheet": [1, 1, 1]},
        {"picture": "PHNjcmlwdD4=", "sheet": [1, 1, 1]},
        {"picture": 7, "places": 7, "sheet": [1, 1, 1]},
        {"picture": "iVBORw0KGgo=", "places": [[]], "sheet": ["1", 1, 1]},
        {"picture": "iVBORw0KGgo=", "places": [[]], "sheet": [1, 1, float("nan")]},
        {"picture": "iVBORw0KGgo=", "places": [[]], "sheet": [0, 1, 1]},
        {"places": [[[0, 0, 1]]], "sheet": [1, 1, 1]},
        {"places": [[[0, 0, 1, 1.5]]], "sheet": [1, 1, 1]},
        {"places": [[["x", 0, 1, 1]]], "sheet": [1, 1, 1]},
        {"places": [[], []], "sheet": [1, 1, 1]},
    ],
)
def test_what_a_child_replies_that_was_taken_over_is_not_believed(
    reply: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Sandbox()
    monkeypatch.setattr(box, "_answered", lambda *_: reply)
    with pytest.raises(Unloadable, match="breaks its parser"):
        box.locate(b"", 1, "a", [(0, 1)])
    with pytest.raises(Unloadable, match="breaks its parser"):
        box.render_page(b"", 1)


# ---------------------------------------------------------------- the library


def test_a_page_is_drawn_from_the_file_of_its_article(pages: Pages, article: Article) -> None:
    assert pages.picture(article.id, article.content_hash, 2) == pdf_page_module.render_page(PDF, 2)[1]


def test_spans_are_found_on_their_page_and_nowhere_else(pages: Pages, article: Article) -> None:
    asked = [span_of(article, words) for words in (WORDS, OVER_BREAK, "A ferry goes")]
    found = [pages.page(article.id, article.content_hash, number, asked) for number in (1, 2, 3)]
    assert [[len(box.rects) for box in page.boxes] for page in found] == [[2, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert [box.span for box in found[0].boxes] == asked
    assert (found[0].number, found[0].pages, found[0].width, found[0].height) == (1, 3, 600, 800)
    assert [page_of(article, span.start) for span in asked] == [1, 1, 3]


def test_a_span_that_is_asked_for_twice_is_marked_once(pages: Pages, article: Article) -> None:
    span = span_of(article, WORDS)
    assert len(pages.page(article.id, article.content_hash, 1, [span, span]).boxes) == 1


def test_too_many_spans_are_refused(pages: Pages, article: Article) -> None:
    with pytest.raises(InputError):
        pages.page(article.id, article.content_hash, 1, [Span(i, i + 1) for i in range(101)])


@pytest.mark.parametrize("number", [0, -1, 4, 99999])
def test_a_page_that_is_not_there_is_none(pages: Pages, article: Article, number: int) -> None:
    with pytest.raises(NoPageError):
        pages.picture(article.id, article.content_hash, number)


def test_an_article_without_pages_has_no_page(pages: Pages, ledger: Ledger, articles: Path) -> None:
    (articles / "a.txt").write_text("The tower is old.")
    text = publish(ledger, "a.txt", b"The tower is old.")
    with pytest.raises(NoPageError):
        pages.picture(text.id, text.content_hash, 1)
    with pytest.raises(NoPageError):
        pages.picture("0" * 16, text.content_hash, 1)


def test_an_article_that_has_changed_says_so(pages: Pages, article: Article) -> None:
    with pytest.raises(ChangedError, match="Ask again"):
        pages.picture(article.id, "sha256:0", 1)


@pytest.mark.parametrize("change", ["other", "gone", "link", "folder", "huge"])
def test_a_file_that_is_not_what_was_read_is_not_shown(
    pages: Pages, article: Article, articles: Path, change: str, monkeypatch: pytest.MonkeyPatch, direct: Direct
) -> None:
    path = articles / FILE
    if change == "other":
        path.write_bytes(make_pdf(LETTER, LETTER, LETTER))
    elif change == "huge":
        monkeypatch.setattr("rag.load.MAX_BYTES", 100)
    else:
        path.rename(articles / "elsewhere.pdf")
        if change == "link":
            path.symlink_to(articles / "elsewhere.pdf")
        elif change == "folder":
            path.mkdir()
    with pytest.raises(ChangedError, match="Sync") as caught:
        pages.picture(article.id, article.content_hash, 1)
    assert str(articles) not in str(caught.value)
    assert direct.drawn == []
    assert pages._kept == {}


def test_the_last_good_version_of_a_file_that_failed_is_not_shown_as_the_new_one(
    pages: Pages, article: Article, ledger: Ledger, articles: Path
) -> None:
    broken = b"%PDF-1.7 garbage"
    (articles / FILE).write_bytes(broken)
    ledger.record(FileRecord(FILE, "failed", "damaged", "", f"0:{hashlib.sha256(broken).hexdigest()}"))
    with pytest.raises(ChangedError):
        pages.picture(article.id, article.content_hash, 1)


def test_an_article_that_was_removed_is_shown_no_more(pages: Pages, article: Article, ledger: Ledger) -> None:
    pages.picture(article.id, article.content_hash, 1)
    ledger.retire(FILE)
    with pytest.raises(NoPageError):
        pages.picture(article.id, article.content_hash, 1)


def test_a_pdf_from_the_web_is_drawn_from_what_was_fetched(pages: Pages, ledger: Ledger) -> None:
    address = "https://example.org/report.pdf"
    ledger.put_web_page(WebPage(address, None, PDF))
    article = publish(ledger, address, PDF)
    assert pages.picture(article.id, article.content_hash, 1).startswith(b"\x89PNG")
    ledger.put_web_page(WebPage(address, None, make_pdf(LETTER)))  # fetched again, and not yet indexed
    with pytest.raises(ChangedError):
        pages.picture(article.id, article.content_hash, 2)


def test_a_synced_library_shows_pages_also_beside_its_owner(
    quick: None, open_at: Callable[..., Footnote], folder: Path, tmp_path: Path, direct: Direct
) -> None:
    (folder / "report.pdf").write_bytes(PDF)
    with open_at() as library:
        library.sync()
    with held(tmp_path / "library"), open_at() as library:
        (source,) = (source for source in library.sources() if source.source == "report.pdf")
        pages = Pages(library._ledger, library.articles)
        assert pages.picture(source.article_id, source.content_hash, 3).startswith(b"\x89PNG")


# ---------------------------------------------------------------- what is kept


def test_a_picture_is_drawn_once_for_many_who_want_it_at_once(pages: Pages, article: Article, direct: Direct) -> None:
    found: list[bytes] = []

    def look() -> None:
        found.append(pages.picture(article.id, article.content_hash, 1))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert direct.drawn == [1]


def test_what_is_kept_has_a_bound_and_the_oldest_goes(
    pages: Pages, article: Article, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [len(pages.picture(article.id, article.content_hash, number)) for number in (1, 2, 3)]
    monkeypatch.setattr(rag.pages, "_CACHE_BYTES", sizes[0] + sizes[1] + sizes[2] + 10)
    pages.picture(article.id, article.content_hash, 1)
    pages.page(article.id, article.content_hash, 1)  # more than there is room for: page 2 was not looked at for longest
    direct.drawn.clear()
    for number in (3, 1, 2):
        pages.picture(article.id, article.content_hash, number)
    assert direct.drawn == [2]
    monkeypatch.setattr(rag.pages, "_CACHE_BYTES", 0)
    pages.page(article.id, article.content_hash, 2)
    assert pages._kept == {}


def test_a_page_that_cannot_be_drawn_costs_its_time_once(pages: Pages, article: Article, direct: Direct) -> None:
    direct.problem = Unloadable("failed", "takes longer than 30 s to be read: /a/path")
    for _ in range(2):
        with pytest.raises(NoPictureError) as caught:
            pages.picture(article.id, article.content_hash, 1)
        assert "path" not in str(caught.value)
    assert direct.drawn == [1]


def test_a_page_that_was_cut_off_from_outside_is_tried_again(pages: Pages, article: Article, direct: Direct) -> None:
    direct.problem = Unloadable("failed", "killed", passing=True)
    with pytest.raises(NoPictureError):
        pages.picture(article.id, article.content_hash, 1)
    direct.problem = None
    assert pages.picture(article.id, article.content_hash, 1)


# ---------------------------------------------------------------- over HTTP


@pytest.fixture
def client(pages: Pages) -> TestClient:
    app = FastAPI()
    app.include_router(pages_router(pages))
    return TestClient(app)


def test_a_picture_is_sent_to_be_kept_by_its_reader_alone(client: TestClient, article: Article) -> None:
    reply = client.get(ui.pages.picture_address(article, 2))
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["cache-control"].startswith("private, max-age=")
    assert reply.content == pdf_page_module.render_page(PDF, 2)[1]


def test_boxes_are_sent_as_shares_of_the_page(client: TestClient, article: Article) -> None:
    first, second = span_of(article, WORDS), span_of(article, OVER_BREAK)
    spans = f"{first.start}-{first.end},{second.start}-{second.end}"
    reply = client.get(f"/pages/{article.id}/1.json", params={"spans": spans, "hash": article.content_hash})
    assert reply.headers["cache-control"] == "no-store"
    found = reply.json()
    assert {key: found[key] for key in ("page", "pages", "width", "height")} == {
        "page": 1, "pages": 3, "width": 600, "height": 800,
    }  # fmt: skip
    assert [(box["start"], box["end"], len(box["rects"])) for box in found["boxes"]] == [(*first, 2), (*second, 1)]
    assert all(0 <= value <= 1 for box in found["boxes"] for rect in box["rects"] for value in rect)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/pages/{id}/0.png?hash={hash}", 404),
        ("/pages/{id}/4.png?hash={hash}", 404),
        ("/pages/{id}/-1.png?hash={hash}", 404),
        ("/pages/{id}/1e1.png?hash={hash}", 404),
        ("/pages/{id}/" + "9" * 5000 + ".png?hash={hash}", 404),
        ("/pages/{id}/%D9%A1.png?hash={hash}", 404),
        ("/pages/none/1.png?hash={hash}", 404),
        ("/pages/..%2F..%2Fetc/1.png?hash={hash}", 404),
        ("/pages/{id}/1.png", 409),
        ("/pages/{id}/1.png?hash=sha256:0", 409),
        ("/pages/{id}/1.json?hash=sha256:0", 409),
        ("/pages/{id}/9.json?hash={hash}", 404),
        ("/pages/{id}/1.json?hash={hash}&spans=a-b", 400),
        ("/pages/{id}/1.json?hash={hash}&spans=1-2,", 400),
        ("/pages/{id}/1.json?hash={hash}&spans=" + "1-2,3-4," * 60 + "5-6", 400),
        ("/pages/{id}/1.json?hash={hash}&spans=99999999-999999999", 200),
        ("/pages/{id}/1.json?hash={hash}&spans=9-3", 200),
    ],
)
def test_what_is_not_there_is_refused_in_plain_words(
    client: TestClient, article: Article, articles: Path, address: str, status: int
) -> None:
    reply = client.get(address.format(id=article.id, hash=article.content_hash))
    assert reply.status_code == status
    if status != 200 and reply.headers["content-type"].startswith("text/plain"):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.text.endswith(".")
    assert str(articles) not in reply.text


def test_a_page_that_cannot_be_drawn_and_a_library_that_cannot_be_read_say_so(
    client: TestClient, article: Article, pages: Pages, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct.problem = Unloadable("failed", "breaks its parser")
    reply = client.get(ui.pages.picture_address(article, 1))
    assert (reply.status_code, reply.text) == (
        422, "This page cannot be shown as a picture. Read its text instead.",
    )  # fmt: skip

    def broken(_: str) -> None:
        raise StoreError("/secret/library/footnote.db is damaged.")

    monkeypatch.setattr(pages._ledger, "article", broken)
    reply = client.get(ui.pages.picture_address(article, 1))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "30")
    assert "secret" not in reply.text


def test_no_more_work_at_once_and_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui.pages, "_AT_ONCE", 2)
    monkeypatch.setattr(ui.pages, "_MOST_WAITING", 5)
    working, most = [0], [0]
    lock, go_on = threading.Lock(), threading.Event()

    def work() -> Any:
        with lock:
            working[0] += 1
            most[0] = max(most[0], working[0])
        go_on.wait(30)
        with lock:
            working[0] -= 1
        return "done"

    async def all_of_them() -> list[Any]:
        queue = ui.pages._Queue()
        tasks = [asyncio.create_task(queue.answered(work)) for _ in range(8)]
        await asyncio.sleep(0)
        go_on.set()
        replies = await asyncio.gather(*tasks)
        assert await queue.answered(work) == "done"  # there is room again
        return replies

    replies = asyncio.run(all_of_them())
    assert replies[:5] == ["done"] * 5
    assert [reply.status_code for reply in replies[5:]] == [503] * 3
    assert most[0] <= 2


# ---------------------------------------------------------------- HTML


def shown(article: Article, page: Page, current: Span | None) -> BeautifulSoup:
    return BeautifulSoup(page_html(article, page, current), "html.parser")


def test_a_page_is_shown_with_its_marks_and_the_opened_one_above_others(pages: Pages, article: Article) -> None:
    other, current = span_of(article, "The bridge at Ostvik"), span_of(article, WORDS)
    page = pages.page(article.id, article.content_hash, 1, [other, current])
    html = shown(article, page, current)
    image = html.select_one("figure.fn-page .fn-sheet > img")
    assert image is not None
    assert image["alt"] == f"Page 1 of {article.title}"
    assert image["src"] == f"/pages/{article.id}/1.png?hash=sha256%3A{article.content_hash.removeprefix('sha256:')}"
    marks = html.select(".fn-sheet > mark.fn-box")
    assert ["current" in mark["class"] for mark in marks] == [False, True, True]
    assert [mark.get_text() for mark in marks] == ["The bridge at Ostvik", WORDS, ""]
    left, top, width, height = page.boxes[1].rects[0]
    assert marks[1]["style"] == f"left:{left:.3%};top:{top:.3%};width:{width:.3%};height:{height:.3%}"
    assert html.select_one("details[open]") is None
    text = html.select_one("details .fn-body")
    assert text is not None
    assert [mark.get_text() for mark in text.select("mark.current")] == [WORDS]
    assert "A ferry" not in text.get_text()


def test_a_page_links_to_its_neighbours(pages: Pages, article: Article) -> None:
    links = [
        [
            link["href"]
            for link in shown(article, pages.page(article.id, article.content_hash, number), None).select("a")
        ]
        for number in (1, 2, 3)
    ]
    first, second, third = (f"#page-{article.id}-{number}" for number in (1, 2, 3))
    assert links == [[second], [first, third], [second]]


def test_a_quote_over_a_page_break_leads_to_its_other_page(pages: Pages, article: Article) -> None:
    current = span_of(article, OVER_BREAK)
    notes = [
        shown(article, pages.page(article.id, article.content_hash, number, [current]), current).select(".fn-note a")
        for number in (1, 2, 3)
    ]
    assert [[link["href"] for link in links] for links in notes] == [
        [f"#page-{article.id}-2"], [f"#page-{article.id}-1"], [],
    ]  # fmt: skip


def test_words_that_were_not_found_are_shown_in_the_text(article: Article) -> None:
    current = span_of(article, WORDS)
    html = shown(article, Page(1, 3, 600, 800, (Box(current, ()),)), current)
    assert html.select_one(".fn-warning") is not None
    assert html.select_one("details[open] mark.current") is not None
    assert not html.select(".fn-sheet mark")


def test_every_word_of_an_article_is_escaped() -> None:
    evil = "</span><script>alert(1)</script><img src=x onerror=alert(1)>"
    article = replace(
        load(FILE, make_pdf(lines(f"The bridge {evil} is old.")))[0], title=f'"{evil}\u202e', language=f'"{evil}'
    )
    current = span_of(article, "bridge")
    wide = Span(0, len(article.text))
    html = page_html(
        article, Page(1, 1, 600, 800, (Box(wide, ((0, 0, 1, 1),)), Box(current, ((0, 0, 1, 1),)))), current
    )
    found = BeautifulSoup(html, "html.parser")
    assert not found.select("script")
    assert len(found.select("img")) == 1
    assert not [tag for tag in found.find_all() if any(name.startswith("on") for name in tag.attrs)]
    assert "\u202e" not in html
    assert evil in page_text_html(article, 1, [wide], current).replace("&lt;", "<").replace("&gt;", ">")


def test_overlapping_spans_leave_every_character_once(article: Article) -> None:
    spans = [Span(0, 20), Span(10, 30), Span(5, 400)]
    plain = BeautifulSoup(page_text_html(article, 1, []), "html.parser").get_text()
    assert BeautifulSoup(page_text_html(article, 1, spans, spans[1]), "html.parser").get_text() == plain
