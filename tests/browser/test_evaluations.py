"""Evaluations and comparisons as a reader uses them: run one, open it, take a failure to the chat, compare replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from rag.config import Settings
from rag.evaluation.report import write_report
from tests.browser.conftest import Visit, running
from tests.conftest import SAMPLES
from tests.provider import Provider, Scripted, words
from tests.reports import report

Visits = Callable[..., Visit]
QUESTION = "Why did Samsung limit the use of AI chatbots by its staff?"
SAID = "Samsung Electronics restricted generative AI tools on company devices in {} 2023, after staff had pasted "
SAID += "sensitive source code into ChatGPT [1]."


@pytest.fixture(scope="module")
def measuring_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page with two reports and a data set, and two models to compare."""
    folder: Path = tmp_path_factory.mktemp("evaluations")
    for name, skill in (("before", 0.5), ("after", 0.9)):
        write_report(report(60, skill=skill), folder / name, ())
    (folder / "mine").mkdir()
    case = {"id": "q1", "text": "Who founded Midjourney?", "must_contain": [["Nobody"]]}
    (folder / "mine" / "questions.jsonl").write_text(json.dumps(case) + "\n", encoding="utf-8")
    providers = {
        name: Provider(Scripted(words(SAID.format(month)))) for name, month in (("may", "May"), ("june", "June"))
    }
    settings = {
        "library": tmp_path_factory.mktemp("library"),
        "articles": SAMPLES,
        "model": "may,june",
        "models": {name: {"base_url": provider.base_url} for name, provider in providers.items()},
        "page": {"evaluations": folder},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with running(Settings.model_validate(settings)) as url:
            yield url
    for provider in providers.values():
        provider.close()


def test_an_evaluation_is_run_opened_and_its_failure_goes_to_the_chat(visits: Visits, measuring_url: str) -> None:
    visit = visits(measuring_url)
    page = visit.page
    page.get_by_role("link", name="Evaluations").click()
    expect(page.get_by_role("heading", name="Evaluations")).to_be_focused()
    visit.shoot("evaluations")
    page.get_by_role("combobox", name="Data set").select_option("mine")
    page.get_by_text("Answers, too").click()
    page.get_by_role("combobox", name="Answered by").select_option("may")
    expect(page.get_by_text("This may cost money")).to_be_visible()
    page.get_by_role("combobox", name="Answered by").select_option("quotes")
    expect(page.get_by_text("This may cost money")).to_be_hidden()
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_text("✓ measured")).to_be_visible(timeout=60_000)
    expect(page.locator(".fn-report-card")).to_have_count(3)
    page.get_by_role("button", name="Open the report").click()
    failure = page.locator("details.failure").first
    expect(failure).to_contain_text("Who founded Midjourney?")
    failure.get_by_role("link", name="Open in the chat").click()
    box = page.get_by_role("textbox", name="Question")
    expect(box).to_be_focused()
    expect(box).to_have_value("Who founded Midjourney?")
    page.get_by_role("link", name="Evaluations").click()
    failure.get_by_role("button", name="Ask it now").click()
    visit.answered(1)
    expect(page.locator(".fn-question")).to_have_text("Who founded Midjourney?")
    assert visit.foreign == visit.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)], ids=["wide", "phone"])
def test_reports_are_opened_and_compared(visits: Visits, measuring_url: str, width: int, dark: bool) -> None:
    visit = visits(measuring_url, width, dark=dark)
    page = visit.page
    page.get_by_role("link", name="Evaluations").click()
    page.locator('[data-name="after"]').click()
    expect(page.get_by_role("heading", name="after", level=2)).to_be_focused()
    visit.shoot(f"report-{width}")
    page.get_by_role("link", name="Failures").click()
    expect(page.get_by_role("heading", name="Failures")).to_be_in_viewport()
    page.get_by_role("button", name="All evaluations").click()
    both = page.get_by_role("button", name="Compare the two chosen")
    expect(both).to_be_disabled()
    for name in ("before", "after"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    both.click()
    expect(page.get_by_role("heading", name="What changed")).to_be_focused()
    visit.shoot(f"reports-compared-{width}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    view = "document.getElementById('fn-evaluations')"
    assert page.evaluate(f"{view}.scrollWidth <= {view}.clientWidth")
    assert visit.foreign == visit.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)], ids=["wide", "phone"])
def test_compared_replies_say_where_they_contradict(visits: Visits, measuring_url: str, width: int, dark: bool) -> None:
    visit = visits(measuring_url, width, dark=dark)
    page = visit.page
    page.get_by_text("Compare", exact=True).click()
    visit.ask(QUESTION)
    expect(page.locator(".fn-said")).to_have_text(["≠ june says otherwise", "≠ may says otherwise"])
    expect(page.get_by_text("The same evidence for each reply")).to_be_visible()
    page.locator('.fn-whose a[href="#said-1.2-1"]').click()
    sentence = page.locator('[id="said-1.2-1"]')
    expect(sentence).to_be_focused()
    expect(sentence).to_be_in_viewport()
    visit.shoot(f"replies-compared-{width}")
    page.locator('.fn-compared-table a[href="#cite-1.2-1"]').click()
    expect(page.locator("#fn-side mark").first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visit.foreign == visit.complaints == []
