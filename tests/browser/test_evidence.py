"""The evidence pane as a reader uses it: the card at a footnote, the article at its words, pages, sources, why not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from rag.config import Settings
from tests.browser.conftest import Visit, running
from tests.conftest import SAMPLES
from tests.test_load_pdf import lines, make_pdf

QUESTION = "Why did Samsung limit the use of AI chatbots by its staff?"
BRIDGE = "When was the bridge at Ostvik opened, how long is it and what did its repair cost?"
PDF = make_pdf(
    lines(
        "The bridge at Ostvik was opened in the summer of 1931, and",
        "it is 412 metres long from one bank of the river to the other.",
    ),
    lines("The repair of the Ostvik bridge cost 14 million crowns in all."),
)
SELECT = """([start, end]) => {
  const words = document.querySelector('#fn-history .fn-sentence').firstChild;
  document.getSelection().setBaseAndExtent(words, start, words, end);
}"""

Visits = Callable[..., Visit]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the sample articles and a PDF of two pages, without a model."""
    articles = tmp_path_factory.mktemp("articles")
    shutil.copytree(SAMPLES, articles, dirs_exist_ok=True)
    (articles / "bridge.pdf").write_bytes(PDF)
    with running(Settings.model_validate({"library": tmp_path_factory.mktemp("library"), "articles": articles})) as at:
        yield at


@pytest.fixture
def visit(visits: Visits, url: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page that asks no other host for anything, and complains of nothing."""
    width, height = getattr(request, "param", (1440, 900))
    opened: Visit = visits(url, width, height)
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield opened
    assert opened.foreign == []
    assert opened.complaints == []


def side(page: Page) -> Locator:
    return page.locator("#fn-side")


def chip(page: Page, n: int) -> Locator:
    return page.locator(f'#fn-history a.cite[href="#cite-1-{n}"]').first


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def inside(page: Page, part: Locator) -> bool:
    box, size = part.bounding_box(), page.viewport_size
    assert box
    assert size
    return box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= size["width"]


@pytest.mark.parametrize("visit", [(1440, 900), (390, 844)], indirect=True)
def test_a_card_at_a_footnote_shows_its_quote_and_at_a_verdict_its_reason(visit: Visit) -> None:
    page = visit.page
    visit.ask(QUESTION)
    card, place = page.get_by_role("tooltip"), chip(page, 1).bounding_box()
    chip(page, 1).hover()
    expect(card).to_contain_text("Samsung Electronics restricted generative AI tools")
    expect(card).to_contain_text("2025-06-17")
    expect(chip(page, 1)).to_have_attribute("aria-describedby", "fn-card")
    assert inside(page, card)
    assert chip(page, 1).bounding_box() == place, "nothing moves"
    card.hover()
    page.wait_for_timeout(400)  # for what must not happen: it stays while the pointer is on it
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(chip(page, 1)).not_to_have_attribute("aria-describedby", "fn-card")
    page.locator("#fn-history .fn-verdict").first.click()
    expect(card).to_contain_text("The words that it cites say it.")
    assert inside(page, card)
    page.mouse.click(5, 5)
    expect(card).to_be_hidden()
    chip(page, 1).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(card).to_contain_text("Samsung Electronics")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(chip(page, 1)).to_be_focused()


def test_citations_follow_one_another_by_key_and_by_button(visit: Visit) -> None:
    page = visit.page
    visit.ask(QUESTION)
    chip(page, 1).click()
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 1 of 2")
    expect(page.locator("mark.current")).to_contain_text("Samsung Electronics")
    expect(page.locator("mark.other")).to_contain_text("31 March 2023")
    page.keyboard.press("]")
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 2 of 2")
    expect(page.locator("mark.current")).to_be_in_viewport()
    expect(chip(page, 2)).to_have_class(re.compile("active"))
    expect(chip(page, 1)).not_to_have_class(re.compile("active"))
    expect(side(page).get_by_role("status").last).to_have_text(re.compile("^Footnote 2 of 2, At Aldermere"))
    page.locator("#fn-step-prev").click()
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 1 of 2")
    page.locator("a.fn-also").click()
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 2 of 2")
    page.keyboard.press("Escape")
    expect(chip(page, 2)).to_be_focused()
    box = page.locator("#fn-ask textarea")
    box.press("[")
    expect(box).to_have_value("[")
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 2 of 2")


def test_a_link_to_the_words_opens_them_for_another_reader(visit: Visit, visits: Visits, url: str) -> None:
    page = visit.page
    visit.ask(QUESTION)
    chip(page, 1).click()
    page.get_by_role("button", name="Copy quote").click()
    expect(page.get_by_text("Copied, with its reference.")).to_be_visible()
    assert "hospital-in-house-models.md, characters " in copied(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    link = copied(page)
    assert re.fullmatch(re.escape(url) + r"\?article=[0-9a-f]{16}&from=\d+&to=\d+&hash=[0-9a-f]{8}", link)
    other = visits(url)
    for address in (link, other.page.url):
        other.page.goto(address)
        other.page.locator("body[data-ready]").wait_for(state="attached")
        if address == link:
            expect(other.page.locator("mark.current")).to_contain_text("Samsung Electronics")
            expect(other.page.locator("mark.current")).to_be_in_viewport()
            assert other.page.url == link, "loading the page again opens it again"
    other.page.goto(f"{link[:-8]}00000000")
    expect(side(other.page)).to_contain_text("has changed since the link was made")
    expect(other.page.locator("mark")).to_have_count(0)
    other.page.goto(f"{url}?article=0123456789abcdef")
    expect(side(other.page)).to_contain_text("no longer in the library")
    other.page.goto(f"{url}?article=<img>&from=x")
    expect(other.page.get_by_role("alert")).to_contain_text("This link is not whole")
    assert (other.foreign, other.complaints) == ([], [])


def test_sources_follow_each_answer_and_an_old_turn_brings_its_own_back(visit: Visit) -> None:
    page = visit.page
    visit.ask(QUESTION)
    expect(side(page).get_by_role("heading", name="Sources")).to_be_visible()
    expect(side(page).locator(".fn-for")).to_contain_text("Samsung")
    expect(page.locator("#fn-ask textarea")).to_be_focused()
    visit.ask(BRIDGE)
    expect(side(page).locator(".fn-for")).to_contain_text("Ostvik")
    page.reload()
    page.locator("body[data-ready]").wait_for(state="attached")
    expect(side(page).locator(".fn-for")).to_contain_text("Ostvik")
    page.locator('#fn-history a[href="#sources-1"]').click()
    expect(side(page).locator(".fn-for")).to_contain_text("Samsung")
    expect(side(page).get_by_role("heading", name="Sources")).to_be_focused()
    side(page).locator(".fn-rank summary").first.click()
    expect(side(page).locator(".fn-rank li").first).to_contain_text("by words")
    headings = side(page).locator("h3").all_inner_texts()
    assert headings == ["Cited", "Found, not cited"]


def test_the_pane_tells_why_another_article_was_not_found(visit: Visit) -> None:
    page = visit.page
    visit.ask(BRIDGE)
    side(page).get_by_text("Why not another article?").click()
    side(page).get_by_placeholder("Search the other articles").fill("grade")
    others = side(page).locator(".fn-why-list button")
    expect(others).to_have_count(1)
    others.click()
    because = side(page).locator(".fn-because")
    expect(because).to_contain_text(re.compile(r"It ranked \d+\w\w, and only the best \d were taken"))
    because.get_by_role("link", name="Read this passage").click()
    expect(page.locator("mark.current").first).to_be_in_viewport()
    side(page).get_by_role("button", name="Why was this not cited?").click()
    expect(because).to_contain_text("were taken")
    visit.shoot("why-not")
    side(page).get_by_role("link", name="Sources").click()
    expect(side(page).locator(".fn-for")).to_contain_text("Ostvik")


def test_a_pdf_opens_at_its_page_and_as_text_where_the_picture_fails(visit: Visit) -> None:
    page = visit.page
    visit.ask(BRIDGE)
    chip(page, 1).click()
    expect(side(page).locator(".fn-place")).to_have_text("Page 1 of 2")
    expect(page.locator("mark.fn-box.current").first).to_be_in_viewport()
    page.wait_for_function("document.querySelector('.fn-picture').naturalWidth > 0")
    visit.shoot("page")
    side(page).get_by_role("link", name="Page 2").click()
    expect(side(page).locator(".fn-place")).to_have_text("Page 2 of 2")
    side(page).get_by_role("button", name="Text", exact=True).click()
    expect(page.locator(".fn-body mark.current")).to_contain_text("412 metres")
    page.route("**/pages/**", lambda route: route.fulfill(status=422, content_type="text/plain", body="Not drawn."))
    side(page).get_by_role("button", name="Page", exact=True).click()
    expect(side(page).locator(".fn-warning")).to_have_text("Not drawn. The text is shown instead.")
    expect(page.locator(".fn-body mark.current")).to_contain_text("412 metres")
    assert all("422" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


def test_selected_words_lead_to_where_they_come_from(visit: Visit) -> None:
    page = visit.page
    visit.ask(QUESTION)
    where = page.get_by_role("button", name="Where from?")
    expect(where).to_have_count(0)
    page.evaluate(SELECT, [0, 2])
    page.wait_for_timeout(400)  # for what must not happen: two characters are too few
    expect(where).to_have_count(0)
    page.evaluate(SELECT, [10, 38])
    expect(where).to_be_visible()
    assert inside(page, where)
    visit.shoot("where-from")
    where.click()
    expect(page.locator("mark.current")).to_have_text("Electronics restricted generative")
    expect(side(page).get_by_role("heading", level=2)).to_be_focused()
    page.evaluate("document.querySelector('#fn-history .fn-sentence').firstChild.data = 'Penguins swim to Antarctica.'")
    page.evaluate(SELECT, [0, 28])
    where.click()
    expect(side(page)).to_contain_text("not in any of the")
    expect(side(page).locator("blockquote")).to_have_text("Penguins swim to Antarctica.")


@pytest.mark.parametrize("visit", [(390, 844)], indirect=True)
def test_on_a_phone_the_pane_takes_the_screen_and_gives_it_back(visit: Visit) -> None:
    page = visit.page
    visit.ask(QUESTION)
    page.wait_for_timeout(500)  # for what must not happen: the sources are there, and the chat stays
    expect(side(page)).to_be_hidden()
    chip(page, 1).click()
    expect(page.locator("mark.current")).to_be_in_viewport()
    expect(page.locator("#fn-chat")).to_be_hidden()
    page.locator("#fn-step-next").click()
    expect(side(page).locator(".fn-label")).to_have_text("Footnote 2 of 2")
    page.get_by_role("button", name="Back to the chat").click()
    expect(side(page)).to_be_hidden()
    expect(chip(page, 2)).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
