"""What a reader does with conversations: come back to them, ask again, hand answers on, judge, choose, compare."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Download, expect

from rag.config import Settings
from tests.browser.conftest import Visit, running
from tests.browser.test_page import QUESTION, QUOTE
from tests.conftest import SAMPLES
from tests.provider import Provider, Scripted, words

Visits = Callable[..., Visit]
FOUNDED = "Who founded Midjourney?"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library behind `kept_url`."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def kept_url(kept: Path, provider: Provider) -> Iterator[str]:
    """The page of a library whose readers may choose between two models and quotes."""
    blocks = {name: {"base_url": provider.base_url} for name in ("north", "south")}
    settings = {"library": kept, "articles": SAMPLES, "model": "north,south", "models": blocks}
    with running(Settings.model_validate(settings)) as url:
        yield url


def questions(visit: Visit) -> list[str]:
    return visit.page.locator("#fn-history .fn-question").all_inner_texts()


def by_quotes(visit: Visit) -> None:
    visit.page.locator("#fn-model").select_option("quotes")


def saved(visit: Visit, words: str) -> Download:
    visit.page.locator(".fn-menu summary").first.click()
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name=words).first.click()
    return download.value


def test_a_conversation_is_there_after_a_reload_with_its_evidence_and_for_its_reader_only(
    visits: Visits, kept_url: str, clean: list[Visit]
) -> None:
    visit, other = visits(kept_url), visits(kept_url)
    clean += [visit, other]
    by_quotes(visit)
    visit.ask(QUESTION)
    visit.ask(FOUNDED)
    address = visit.page.url
    assert "?c=" in address
    visit.page.reload()
    visit.answered(2)
    assert questions(visit) == [QUESTION, FOUNDED]
    visit.page.locator("#turn-1 a.cite").first.click()
    expect(visit.page.locator("mark.current")).to_have_text(QUOTE)
    visit.page.goto(f"{address}#cite-2-1")
    visit.page.reload()
    expect(visit.page.locator("mark.current")).to_contain_text("Midjourney")
    other.page.goto(address)
    expect(other.page.get_by_role("alert")).to_contain_text("belongs to another browser")
    assert questions(other) == []


def test_conversations_are_listed_searched_renamed_and_deleted(
    visits: Visits, kept_url: str, clean: list[Visit]
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    page = visit.page
    by_quotes(visit)
    visit.ask(QUESTION)
    page.get_by_role("tab", name="Conversations").click()
    page.get_by_role("button", name="New", exact=True).click()
    expect(page.get_by_role("heading", name="What do your articles say?")).to_be_visible()
    visit.ask(FOUNDED)
    items = page.locator(".fn-chat")
    expect(items).to_have_count(2)
    page.get_by_role("button", name=f"Rename “{FOUNDED}”").click()
    page.locator(".fn-renaming").fill("Holz <b>")
    page.keyboard.press("Enter")
    expect(items.first).to_contain_text("Holz <b>")
    page.get_by_placeholder("Search conversations").fill("samsung")
    expect(items).to_have_count(1)
    items.first.get_by_role("link").click()
    visit.answered(1)
    expect(page.locator(".fn-question")).to_have_text(QUESTION)
    page.get_by_placeholder("Search conversations").fill("")
    expect(items).to_have_count(2)
    visit.shoot("conversations")
    page.get_by_role("button", name="Delete “Holz <b>”").click()
    expect(items).to_have_count(1)
    page.get_by_role("button", name="Delete all conversations").click()
    expect(items).to_have_count(0)
    expect(page.get_by_role("heading", name="What do your articles say?")).to_be_visible()
    assert [message.split("?")[0] for message in visit.dialogs] == [
        "Delete “Holz <b>”",
        "Delete all conversations of this browser",
    ]
    page.reload()
    page.get_by_role("tab", name="Conversations").click()
    expect(page.get_by_text("No conversation yet.")).to_be_visible()


def test_a_question_is_edited_and_asked_again_in_its_place(
    visits: Visits, kept_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    play(Scripted(words("One. [1]")), Scripted(words("Two. [1]")), Scripted(words("Three. [1]")))
    visit.ask(QUESTION)
    visit.ask(FOUNDED)
    visit.page.get_by_role("button", name="Ask again").first.click()
    visit.answered(1)
    expect(visit.page.locator(".fn-answer")).to_contain_text("Three.")
    assert questions(visit) == [QUESTION]
    by_quotes(visit)
    visit.page.get_by_role("button", name="Edit the question").click()
    visit.page.locator(".fn-edit textarea").fill(FOUNDED)
    visit.shoot("editing")
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator(".fn-answer")).to_contain_text("David Holz")
    assert questions(visit) == [FOUNDED]
    visit.page.reload()
    visit.answered(1)
    assert questions(visit) == [FOUNDED]


def test_answers_are_copied_and_saved_with_their_references(
    visits: Visits, kept_url: str, clean: list[Visit], tmp_path: Path
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    by_quotes(visit)
    visit.ask(QUESTION)
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.get_by_role("button", name="Copy with references").click()
    expect(visit.page.get_by_text("Copied, with its references.")).to_be_visible()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(QUOTE)
    assert "hospital-in-house-models.md" in copied
    visit.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without encryption
    visit.page.get_by_role("button", name="Copy a link to this question").click()
    expect(visit.page.get_by_text("Link copied.")).to_be_visible()
    markdown = saved(visit, "Markdown")
    assert markdown.suggested_filename.endswith(".md")
    assert f"“{QUOTE}”" in markdown.path().read_text(encoding="utf-8").replace("\\", "")
    word = zipfile.ZipFile(BytesIO(saved(visit, "Word").path().read_bytes()))
    assert QUOTE in word.read("word/footnotes.xml").decode()
    receipt = json.loads(saved(visit, "Receipt").path().read_text(encoding="utf-8"))
    assert receipt["question"] == QUESTION
    assert receipt["answer"]["citations"][0]["quote"] == QUOTE


def test_what_readers_think_becomes_a_case_for_evaluation(
    visits: Visits, kept_url: str, kept: Path, clean: list[Visit]
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    by_quotes(visit)
    visit.ask(QUESTION)
    good = visit.page.get_by_role("button", name="Good answer")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    visit.page.get_by_label("Why?").fill("to the point")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_text("Thank you: kept.")).to_be_visible()
    (case,) = [json.loads(line) for line in (kept / "feedback" / "questions.jsonl").read_text().splitlines()]
    assert (case["text"], case["type"], case["reason"]) == (QUESTION, "answerable", "to the point")
    visit.page.reload()
    expect(visit.page.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    visit.page.get_by_role("button", name="Good answer").click()
    expect(visit.page.get_by_text("Taken back.")).to_be_visible()
    assert (kept / "feedback" / "questions.jsonl").read_text() == ""


def test_a_question_goes_to_the_chosen_articles_and_dates_only_and_can_be_a_search(
    visits: Visits, kept_url: str, clean: list[Visit]
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    page = visit.page
    by_quotes(visit)
    page.get_by_role("checkbox", name="Ask “How to grade a team of models”").check()
    expect(page.locator(".fn-chosen")).to_have_text("1 article chosen")
    visit.ask(FOUNDED)
    expect(page.locator(".fn-none")).to_be_visible()
    expect(page.locator(".fn-scope")).to_have_text("Asked of: 1 chosen article")
    page.get_by_role("checkbox", name="Ask “How to grade a team of models”").uncheck()
    page.locator("#fn-as-of").fill("2025-08-30")
    visit.ask(FOUNDED)
    expect(page.locator("#turn-2 .fn-scope")).to_contain_text("published until 2025-08-30")
    expect(page.locator("#turn-2 .fn-none")).to_be_visible()
    page.locator("#fn-as-of").fill("")
    page.get_by_text("Search only").click()
    visit.ask(FOUNDED)
    expect(page.locator("#turn-3 .fn-nearest")).to_contain_text("passages found, best first")
    page.locator("#turn-3 .fn-nearest a").first.click()
    expect(page.locator("mark.current").filter(has_text="David Holz")).to_be_visible()


def test_models_are_compared_on_the_same_evidence(
    visits: Visits, kept_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    visit = visits(kept_url)
    clean.append(visit)
    page = visit.page
    play(Scripted(words(f"{QUOTE} [1]"), between=0.02))
    page.get_by_text("Compare", exact=True).click()
    page.get_by_role("checkbox", name="Quotes, no model").check()
    visit.ask(QUESTION)
    columns = page.locator("#turn-1 .fn-column")
    expect(columns).to_have_count(3)
    for column in range(3):
        expect(columns.nth(column).locator(".fn-answer")).to_contain_text(QUOTE)
    links = page.locator("#turn-1 .fn-answer a.cite").evaluate_all("chips => chips.map(c => c.getAttribute('href'))")
    assert {link.rpartition("-")[0] for link in links} == {"#cite-1", "#cite-1.2", "#cite-1.3"}
    page.locator('#turn-1 .fn-answer a.cite[href="#cite-1.2-1"]').first.click()
    expect(page.locator("mark.current")).to_have_text(QUOTE)
    visit.shoot("compared")
    page.reload()
    expect(page.locator("#turn-1 .fn-column")).to_have_count(3)


def test_a_question_of_an_address_is_put_into_the_box_and_asked_by_its_reader_only(
    visits: Visits, kept_url: str, clean: list[Visit]
) -> None:
    visit = visits(f"{kept_url}?q=Who+founded+Midjourney%3F")
    visit.url = kept_url
    visit.foreign.clear()
    clean.append(visit)
    expect(visit.page.locator("#fn-ask textarea")).to_have_value(FOUNDED)
    assert questions(visit) == []
