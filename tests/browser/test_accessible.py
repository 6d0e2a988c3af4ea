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
from rag.types import Answer, Disagreement, SyncReport, Verdict
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
    kinds: tuple[Verdict, ...] = ("supported", "partial", "contradicted", "unsupported")
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
    page.get_by_role("tab", name="Conversations").click()
    page.get_by_role("button", name="New", exact=True).click()
    expect(page.locator("#fn-history .fn-turn")).to_have_count(0)
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
    axe.look(page, "articles: some chosen, adding, problems")
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


def test_axe_would_find_what_is_wrong(visits: Visits, url: str) -> None:
    visit = visits(url)
    visit.page.evaluate("document.querySelector('.fn-intro').append(new Image())")
    axe = Axe()
    axe.look(visit.page, "a picture without words")
    assert axe.found["a picture without words"]["critical"] == 1
    assert "image-alt" in axe.failed[0]


# ---------------------------------------------------------------- the keyboard


FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return { lost: true };
  const box = at.getBoundingClientRect();
  const drawn = (part, before) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(part, before);
    return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
  };
  const field = at.closest('#fn-asking');
  const ring = field && at.matches('textarea') && (getComputedStyle(field).boxShadow !== 'none' || drawn(field));
  const label = at.matches('[type="radio"]') && at.nextElementSibling && drawn(at.nextElementSibling);
  return {
    lost: false,
    shown: drawn(at) || Boolean(ring) || Boolean(label) || at.type === 'file' && drawn(at.closest('label')),
    inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    what: `${at.localName}#${at.id}.${at.className} ${at.ariaLabel || at.textContent}`.slice(0, 90),
  };
}"""


FROM_THE_TOP = """() => {
  const top = document.createElement('button');
  document.body.prepend(top);
  top.focus();
  top.remove();
}"""


class Keys:
    """A reader without a pointer: whatever they press, the focus is somewhere, and can be seen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.stops: list[str] = []
        self.wrong: list[str] = []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.look(key)

    def look(self, after: str) -> str:
        focus = self.page.evaluate(FOCUS)
        if focus["lost"]:
            self.wrong.append(f"lost after {after}, {self.stops[-1:]}")
            return ""
        if not focus["shown"]:
            self.wrong.append(f"not to be seen: {focus['what']}")
        if not focus["inside"]:
            self.wrong.append(f"outside of the window: {focus['what']}")
        self.stops.append(focus["what"])
        return str(focus["what"])

    def to(self, selector: str, key: str = "Tab") -> None:
        """Press Tab until something is reached."""
        for _ in range(120):
            self.page.keyboard.press(key)
            if self.page.evaluate("document.activeElement === document.body"):
                continue  # beyond the last is the browser, and then the first
            self.look(key)
            if self.page.evaluate("what => document.activeElement.matches(what)", selector):
                return
        raise AssertionError(f"{selector} cannot be reached: {self.stops[-120:]}")


def test_all_can_be_done_by_keyboard(visits: Visits, url: str, provider: Provider) -> None:
    play(provider, Scripted(words(f"{SAID} It fined 13 people [1].")))
    visit = visits(url)
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys = Keys(page)
    page.evaluate(FROM_THE_TOP)
    keys.press("Tab")
    expect(page.locator(".fn-skip")).to_be_focused()
    expect(page.locator(".fn-skip")).to_be_in_viewport()
    keys.press("Enter")
    expect(page.get_by_role("textbox", name="Question")).to_be_focused()
    page.keyboard.type(QUESTION)
    keys.press("Enter")
    visit.answered(1)
    keys.look("the answer")
    # A chip, its article, the next one, and back.
    keys.to("#fn-history a.cite", "Shift+Tab")
    keys.press("Enter")
    expect(page.locator("mark.current").first).to_be_visible()
    expect(page.locator("#fn-side h2")).to_be_focused()
    keys.press("]", "[")
    page.keyboard.press("]")
    keys.press("Escape")  # sooner than what was asked for comes
    page.wait_for_timeout(500)
    keys.look("leaving")
    expect(page.locator("#fn-history a.cite:focus")).to_have_count(1)
    # What can be done with the answer.
    keys.to('[data-do="copy"]')
    keys.press("Enter")
    expect(page.get_by_text("Copied, with its references.")).to_be_visible()
    keys.to(".fn-menu summary")
    keys.press("Enter")
    expect(page.get_by_role("link", name="Markdown")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("link", name="Markdown")).to_be_hidden()
    expect(page.locator(".fn-menu summary")).to_be_focused()
    keys.to('[data-good="0"]')
    keys.press("Enter")
    expect(page.locator(".fn-reason input")).to_be_focused()
    page.keyboard.type("It fined nobody.")
    keys.press("Enter")
    expect(page.get_by_text("Thank you: kept.")).to_be_visible()
    keys.look("the reason")
    # The question again, changed and as it was.
    keys.to('[data-do="edit"]', "Shift+Tab")
    keys.press("Enter", "Escape")
    expect(page.locator('[data-do="edit"]')).to_be_focused()
    keys.press("Enter")
    page.keyboard.type(" And when?")
    keys.press("Enter")
    expect(page.locator("#fn-history .fn-question")).to_have_text(f"{QUESTION} And when?")
    visit.answered(1)
    keys.look("the question that was changed")
    keys.to('[data-do="retry"]')
    page.keyboard.press("Enter")
    expect(page.locator("#fn-live .fn-turn")).to_have_count(0)
    visit.answered(1)
    keys.look("asking again")
    # The panes: an article chosen, the tabs, a conversation renamed and deleted.
    keys.to(".fn-chosen")
    keys.press("Enter")
    keys.to('.fn-entry input[type="checkbox"]')
    keys.press("Space")
    expect(page.locator(".fn-chosen")).to_have_text("1 article chosen")
    keys.to("#fn-tab-articles", "Shift+Tab")
    keys.press("ArrowRight")
    expect(page.locator("#fn-tab-chats")).to_be_focused()
    keys.to('[data-do="rename"]')
    keys.press("Enter")
    page.keyboard.type("About Samsung")
    keys.press("Enter")
    expect(page.locator(".fn-chat .fn-title")).to_have_text("About Samsung")
    keys.look("renaming")
    keys.to('.fn-chat [data-do="rename"]')
    keys.press("Enter", "Escape")
    page.wait_for_timeout(500)
    keys.look("not renaming")
    keys.to('.fn-chat [data-do="delete"]')
    page.keyboard.press("Enter")
    expect(page.locator(".fn-chat")).to_have_count(0)
    expect(page.locator("#fn-tab-chats")).to_be_focused()
    # The widths, and the other view.
    keys.to(".fn-divider")
    width = page.locator("#fn-left").bounding_box()
    keys.press("ArrowRight", "ArrowRight")
    assert page.locator("#fn-left").bounding_box() != width
    keys.to('.fn-views a[href="#evaluations"]', "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Evaluations")).to_be_focused()
    keys.look("the other view")
    keys.to('[data-do="evaluations-open"]')
    page.keyboard.press("Enter")
    expect(page.locator(".fn-report h2").first).to_be_focused()
    assert not keys.wrong, "; ".join(keys.wrong)


def test_the_focus_passes_everything_and_can_be_seen_everywhere(visits: Visits, url: str, provider: Provider) -> None:
    play(provider, Scripted(words(SAID)))
    visit = visits(url)
    page = visit.page
    visit.ask(QUESTION)
    page.locator("#fn-history a.cite").first.click()
    expect(page.locator("mark.current").first).to_be_visible()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        keys = Keys(page)
        page.evaluate(FROM_THE_TOP)
        for _ in range(150):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            keys.look("Tab")
        assert len(keys.stops) > 10
        assert not keys.wrong, "; ".join(keys.wrong)


# ---------------------------------------------------------------- what is heard, and other ways to look


HEARD = """() => {
  window.heard = [];
  for (const region of document.querySelectorAll('#fn-chat [role="status"]')) {
    new MutationObserver(() => window.heard.push(region.textContent)).observe(
      region, { childList: true, characterData: true, subtree: true });
  }
}"""


def test_an_answer_is_announced_once_and_not_while_it_is_written(visits: Visits, url: str, provider: Provider) -> None:
    play(provider, Scripted(words(f"{SAID} It fined 13 people [1]."), between=0.04))
    visit = visits(url)
    visit.page.evaluate(HEARD)
    live = visit.page.locator("#fn-chat [aria-live], #fn-chat [role='alert'], #fn-chat [role='log']")
    assert live.count() == 0, "what streams in is in no live region"
    visit.ask(QUESTION)
    visit.page.wait_for_timeout(300)
    heard = visit.page.evaluate("window.heard")
    assert heard[0] == "Searching the articles"
    assert len(heard) == 2
    for part in ("Samsung Electronics restricted", "not supported", "1 of 2 sentences not fully supported"):
        assert part in heard[1], part
    play(provider, error("wrong key", 401))
    visit.page.evaluate("window.heard.length = 0")
    visit.ask(QUESTION)
    visit.page.wait_for_timeout(300)
    assert "refused the key" in visit.page.evaluate("window.heard.at(-1)")


def test_motion_stops_for_who_does_not_want_it(visits: Visits, url: str, provider: Provider) -> None:
    play(provider, Scripted(words(SAID), between=0.2))
    visit = visits(url)
    page = visit.page
    moving = "document.getAnimations().filter((a) => a.playState === 'running').length"
    visit.ask(QUESTION, wait=False)
    expect(page.locator(".fn-pulse")).to_be_visible()
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0
    page.get_by_role("button", name="Stop the answer").click()
    visit.answered(1)


WIDER = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }"
BEYOND = """() => {
  const found = [];
  for (const pane of ['html', '#fn-left', '#fn-scroll', '#fn-side', '#fn-asking', '#fn-evaluations', '#fn-header']) {
    const part = document.querySelector(pane);
    if (part.scrollWidth > part.clientWidth + 1) found.push(`${pane}: ${part.scrollWidth} > ${part.clientWidth}`);
  }
  for (const part of document.querySelectorAll('button, input, select, a, summary, h2, h3, p')) {
    const { left, right, width } = part.getBoundingClientRect();
    const apart = part.closest('.fn-skip, .fn-sr, .scroll, pre, table, [hidden], .fn-modes, .fn-drop');
    if (width && !apart && (left < -1 || right > innerWidth + 1)) {
      found.push(`${part.outerHTML.slice(0, 90)}: ${left} to ${right}`);
    }
  }
  return found;
}"""


def test_nothing_is_lost_at_four_times_the_size_or_with_wider_text(
    visits: Visits, url: str, provider: Provider
) -> None:
    play(provider, Scripted(words(SAID)))
    visit = visits(url, 320, 640)  # what a window of 1280 has left at 400 %
    page = visit.page
    seen = {"start": page.evaluate(BEYOND)}
    place(page, "#fn-history .fn-slot", turn_html(Turn("And how long is it?", (Reply(of_all_kinds()),)), 1, "c"))
    page.locator(".fn-check summary").click()
    page.locator(".fn-menu summary").click()
    seen["verdicts"] = page.evaluate(BEYOND)
    page.get_by_role("radio", name="Compare").check(force=True)
    visit.page.evaluate("document.querySelector('#fn-history .fn-slot').replaceChildren()")
    visit.ask(QUESTION)
    seen["compared"] = page.evaluate(BEYOND)
    for pane in ("Articles", "Evidence"):
        page.locator(".fn-panes button", has_text=pane).click()
        seen[pane] = page.evaluate(BEYOND)
    page.locator(".fn-panes button", has_text="Chat").click()
    page.locator("#fn-history a.cite").first.click()
    expect(page.locator("mark.current").first).to_be_visible()
    seen["article"] = page.evaluate(BEYOND)
    page.add_style_tag(content=WIDER)
    seen["article, wider"] = page.evaluate(BEYOND)
    for pane in ("Articles", "Chat"):
        page.locator(".fn-panes button", has_text=pane).click()
        seen[f"{pane}, wider"] = page.evaluate(BEYOND)
    page.get_by_role("link", name="Evaluations").click()
    expect(page.locator(".fn-report-card").first).to_be_visible()
    seen["evaluations, wider"] = page.evaluate(BEYOND)
    beyond = [f"{state}: {part}" for state, found in seen.items() for part in found]
    assert not beyond, "\n".join(beyond)


def test_forced_colours_still_show_focus_and_verdicts(visits: Visits, url: str) -> None:
    visit = visits(url)
    page = visit.page
    page.emulate_media(forced_colors="active")
    place(page, "#fn-history .fn-slot", turn_html(Turn("And how long is it?", (Reply(of_all_kinds()),)), 1, "c"))
    said = page.locator(".fn-verdict").all_inner_texts()
    assert said == ["✓", "~ partly supported", "✗ contradicted", "? not supported"]
    lines = page.locator(".fn-sentence").evaluate_all("all => all.map((s) => getComputedStyle(s).textDecorationStyle)")
    assert lines == ["solid", "dotted", "wavy", "wavy"]
    keys = Keys(page)
    page.evaluate(FROM_THE_TOP)
    keys.to("#fn-ask textarea")
    visit.shoot("forced-colours")
    assert not keys.wrong, "; ".join(keys.wrong)
