"""Whoever cannot see the page, or uses no pointer, can do all of it; axe-core finds nothing that shuts them out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rag.cite import cite
from rag.config import Settings
from rag.evaluation.report import write_report
from rag.types import Answer, Disagreement, SyncReport
from rag.verify import verify
from tests.browser.axe import Axe
from tests.browser.conftest import Visit, running
from tests.browser.test_evidence import PDF
from tests.conftest import SAMPLES
from tests.evidence import draft, evidence, hit, same
from tests.provider import Provider, Scripted, error, words
from tests.reports import report
from ui.articles_view import tools_html
from ui.indexing import Job, Work
from ui.turn_view import draft_html, refused_html, turn_html
from ui.turns import Reply, Turn
from ui.work_view import Allowed, work_html

QUESTION = "Why did Samsung limit the use of AI chatbots by its staff?"
BRIDGE = "When was the bridge at Ostvik opened, and how long is it?"
SAID = (
    "Samsung Electronics restricted generative AI tools on company devices in May 2023, after staff had pasted "
    "sensitive source code into ChatGPT. [1]"
)

Visits = Callable[..., Visit]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[str]:
    """The page of the sample articles and a PDF, with a model beside quotes, reports and a data set."""
    articles, folder = tmp_path_factory.mktemp("articles"), tmp_path_factory.mktemp("evaluations")
    shutil.copytree(SAMPLES, articles, dirs_exist_ok=True)
    (articles / "bridge.pdf").write_bytes(PDF)
    (articles / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    for name, skill in (("before", 0.5), ("after", 0.9)):
        write_report(report(40, skill=skill), folder / name, ())
    (folder / "mine").mkdir()
    case = {"id": "q1", "text": "Who founded Midjourney?", "must_contain": [["Nobody"]]}
    (folder / "mine" / "questions.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    settings = {
        "library": tmp_path_factory.mktemp("library"),
        "articles": articles,
        "model": "scripted",
        "models": {"scripted": {"base_url": provider.base_url}},
        "limits": {"questions_per_minute": 0},
        "page": {"evaluations": folder},
    }
    with running(Settings.model_validate(settings)) as at:
        yield at


def play(provider: Provider, *replies: Scripted) -> None:
    provider.requests.clear()
    provider.script[:] = replies


def place(page: Page, slot: str, html: str) -> None:
    """Put a state into the page that is hard to reach, as the page itself would."""
    page.evaluate("([slot, html]) => window.footnote.place(document.querySelector(slot), html)", [slot, html])


def of_all_kinds() -> Answer:
    """Return an answer with each of the verdicts, two articles that disagree, and a part that no article holds."""
    found = evidence(
        "How long is the bridge?",
        hit(
            "The bridge at Ostvik is 412 metres long. It was opened in 1931.",
            title="The bridge",
            published="2024-03-01",
        ),
        hit("The bridge at Ostvik is 418 metres long.", "b.md", title="A survey", published="2025-02-11"),
    )
    said = "The bridge is 412 metres long [1]. It was opened in 1931 [1]. It has 3 lanes [2]. It is **loved**."
    cited = cite(draft(said, found), found, same)
    text, sentences = verify(cited, found)
    kinds = ("supported", "partial", "contradicted", "unsupported")
    told = tuple(
        replace(sentence, verdict=kind, reasons=() if kind == "supported" else ("The cited passage does not say it.",))
        for sentence, kind in zip(sentences, kinds, strict=True)
    )
    first, second = cited.citations[0], cited.citations[-1]
    return Answer(
        "And how long is it?",
        "partial",
        text,
        told,
        cited.citations,
        replace(found, missing=("who built it",)),
        "scripted",
        dropped_marks=2,
        usage={"prompt_tokens": 50, "completion_tokens": 9},
        warnings=("The answer is not complete: the model's server broke off.",),
        timings={"total_ms": 912.0},
        disagreements=(Disagreement(first, second),),
    )


# ---------------------------------------------------------------- axe-core


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A tab without a page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def axe() -> Iterator[Axe]:
    axe = Axe()
    yield axe
    axe.tell()


def test_axe_finds_nothing_serious_in_the_conversation(visits: Visits, url: str, provider: Provider, axe: Axe) -> None:
    visit = visits(url)
    page = visit.page
    axe.look(page, "start", phone=True)
    play(provider, Scripted(words(f"{SAID} " * 20), between=0.1), error("wrong key", 401), Scripted(words(SAID)))
    visit.ask(QUESTION, wait=False)
    expect(page.locator(".fn-draft")).to_be_visible()
    axe.look(page, "streaming")
    page.get_by_role("button", name="Stop the answer").click()
    visit.answered(1)
    axe.look(page, "stopped, with its sources")
    visit.ask(QUESTION)
    axe.look(page, "provider error")
    place(page, "#fn-history .fn-slot", turn_html(Turn("And how long is it?", (Reply(of_all_kinds()),)), 1, "c"))
    axe.look(page, "four verdicts, disagreement, half answered, incomplete", phone=True)
    page.locator(".fn-check summary").click()
    page.locator(".fn-menu summary").click()
    axe.look(page, "reasons and menu open", phone=True)
    page.locator("a.cite").first.hover()
    expect(page.get_by_role("tooltip")).to_be_visible()
    axe.look(page, "card at a footnote")
    page.keyboard.press("Escape")
    place(page, "#fn-history .fn-slot", refused_html(QUESTION, 1, "Too many answers are being written at the moment."))
    axe.look(page, "busy")
    place(page, "#fn-history .fn-slot", draft_html(QUESTION, 1, [("", "")], "scripted"))
    axe.look(page, "searching")
    page.get_by_role("button", name="New", exact=True).or_(page.get_by_role("tab", name="Conversations")).first.click()
    page.get_by_role("button", name="New", exact=True).click()
    visit.ask("How long should I boil an egg for a soft yolk?")
    axe.look(page, "not found")
    page.locator('[data-do="edit"]').click()
    axe.look(page, "edit")
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Search only").check(force=True)
    visit.ask(QUESTION)
    axe.look(page, "search only")
    page.get_by_role("radio", name="Compare").check(force=True)
    axe.look(page, "models to compare", phone=True)
    visit.ask(QUESTION)
    axe.look(page, "comparison", phone=True)
    page.locator('[data-do="feedback"]').first.click()
    expect(page.locator(".fn-reason:visible input")).to_be_focused()
    axe.look(page, "reason of feedback, toast")
    visit.shoot("axe-comparison")
    assert axe.failed == []


def test_axe_finds_nothing_serious_in_the_panes(visits: Visits, url: str, provider: Provider, axe: Axe) -> None:
    visit = visits(url)
    page = visit.page
    play(provider, Scripted(words(SAID)))
    page.locator(".fn-entry input").first.check()
    page.locator("#fn-add").click()
    axe.look(page, "articles: some chosen, adding, problems", phone=False)
    page.locator("#fn-find-articles").fill("zzzz")
    expect(page.get_by_text("No article has these words.")).to_be_visible()
    axe.look(page, "articles: nothing found")
    page.locator("#fn-find-articles").fill("")
    expect(page.locator(".fn-entry")).to_have_count(9)
    page.locator("#fn-none").click()
    failed = Job(1, "add", ("http://h.org/",), "done", error="The page cannot be reached. Check the address.", at="9")
    report_ = SyncReport(("a.md",), (), (("b.pdf", "It has no text."),), (), 0)
    jobs = (
        failed,
        Job(2, "upload", ("a.md", "b.pdf"), "done", report=report_, at="9"),
        Job(3, "remove", ("c",), at="9"),
    )
    allowed = Allowed(None, True, True, True, 20)
    place(page, ".fn-library-work", work_html(Work(9, jobs, Job(4, "sync"), (Job(5, "sync"),)), allowed, {"c"}, "1"))
    axe.look(page, "articles: work, failed, done")
    refused = Allowed("Another process owns the library: it cannot be changed here.", False, False, False, 20)
    place(page, ".fn-library-tools", tools_html(refused, "date", 9))
    axe.look(page, "articles: read-only")
    page.get_by_role("tab", name="Conversations").click()
    axe.look(page, "conversations: none")
    visit.ask(QUESTION)
    visit.ask(BRIDGE)
    axe.look(page, "conversations: some, sources open")
    page.locator('[data-do="rename"]').first.click()
    axe.look(page, "conversations: renaming")
    page.keyboard.press("Escape")
    page.locator("#fn-history a.cite").first.click()
    expect(page.locator("mark.current").first).to_be_visible()
    axe.look(page, "article open at its words", phone=True)
    page.locator("#fn-side .fn-back").click()
    page.locator(".fn-rank summary").first.click()
    page.locator(".fn-why > summary").click()
    page.locator('[data-evidence="why-of"]').first.click()
    expect(page.locator(".fn-because")).to_be_visible()
    axe.look(page, "sources, ranks, why not", phone=True)
    page.get_by_role("tab", name="Articles").click()
    page.locator(".fn-entry .fn-title", has_text="bridge").click()
    page.get_by_role("button", name="Page", exact=True).click()
    expect(page.locator(".fn-picture")).to_be_visible()
    axe.look(page, "page of a PDF", phone=True)
    page.get_by_role("link", name="Evaluations").click()
    expect(page.locator(".fn-report-card").first).to_be_visible()
    axe.look(page, "evaluations: list", phone=True)
    page.locator('[data-name="after"]').click()
    expect(page.locator(".fn-report")).to_be_visible()
    page.locator("details.failure summary").first.click()
    axe.look(page, "evaluations: report", phone=True)
    page.get_by_role("button", name="All evaluations").click()
    for name in ("before", "after"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    axe.look(page, "evaluations: compared", phone=True)
    assert axe.failed == []


def test_axe_finds_nothing_serious_before_there_is_anything(browser_page: Page, tmp_path: Path, axe: Axe) -> None:
    (tmp_path / "articles").mkdir()
    settings = {
        "library": tmp_path / "library",
        "articles": tmp_path / "articles",
        "page": {"password": "correct horse", "evaluations": tmp_path / "none"},
    }
    with running(Settings.model_validate(settings)) as at:
        page = browser_page
        page.goto(at)
        axe.look(page, "login", phone=True)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        axe.look(page, "login: wrong password")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        page.locator("body[data-ready]").wait_for(state="attached")
        expect(page.get_by_text("No article yet")).to_be_visible()
        axe.look(page, "no article")
        page.get_by_role("link", name="Evaluations").click()
        expect(page.get_by_text("Nothing measured yet")).to_be_visible()
        axe.look(page, "evaluations: none")
        page.close()
    assert axe.failed == []
