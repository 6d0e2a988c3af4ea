"""What others wrote stays text on the page: in a real browser no attack runs, and nothing of it asks another server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from rag.config import Settings
from tests.browser import attacks
from tests.browser.attacks import Canary
from tests.browser.conftest import Visit, running
from tests.provider import Provider, Scripted, error
from tests.reports import report
from tests.summary import SUMMARY

HERE = Path(__file__).parent
ATTACKS = "datasets/xss_and_naughty_strings_dev"
QUESTION = "How long is the bridge at Ostvik?"
SLOTS = {
    "turns": "#fn-history .fn-slot",
    "evidence": "#fn-panel .fn-slot",
    "lists": "#fn-articles",
    "evaluations": "#fn-evaluations .fn-slot",
    "drafts": "#fn-live .html-container > div",
}


class Watch(Visit):
    """A page that is open while it is attacked."""

    def __init__(self, page: Page, url: str) -> None:
        page.add_init_script((HERE / "trap.js").read_text(encoding="utf-8"))
        super().__init__(page, url)
        self.scripts = page.evaluate("document.scripts.length")

    def put(self, slot: str, html: str) -> int:
        """Put HTML where the page puts it, and return how many elements it made, all of them known to be ours."""
        seen = self.page.evaluate("([slot, html]) => window.put(slot, html)", [SLOTS[slot], html])
        assert seen["found"] == [], (slot, seen["found"])
        return int(seen["count"])

    def check(self) -> None:
        """Check that what is on the page now is ours, and that nothing has run, been loaded or been asked for."""
        self.page.wait_for_timeout(200)  # for what loads later
        seen = self.page.evaluate("slots => window.strange(slots)", list(SLOTS.values()))
        assert seen["found"] == []
        self.check_quiet()

    def check_quiet(self) -> None:
        assert self.page.evaluate("[window.hacked, window.trapped]") == [0, []]
        assert self.page.evaluate("document.scripts.length") == self.scripts
        assert self.page.url.startswith(self.url)
        assert (self.dialogs, self.foreign) == ([], [])
        SUMMARY.add(dialogs=len(self.dialogs), requests_to_other_hosts=len(self.foreign))


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    with Canary().serving() as canary:
        yield canary


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[..., Watch]]:
    """Return a function that opens a page to attack; without its policy, which must not be needed, where told so."""
    contexts = []

    def open_(url: str, *, policy: bool = True) -> Watch:
        contexts.append(browser.new_context(bypass_csp=not policy, viewport={"width": 1440, "height": 900}))
        return Watch(contexts[-1].new_page(), url)

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts are not what is tried here, and take most of the time."""
    monkeypatch.setattr("rag.verify.judge", lambda *_: ("unsupported", ("Not judged.",), 0.0))


@pytest.fixture
def all_texts(evaluation_data: Callable[[str], Path], canary: Canary) -> list[str]:
    return [*attacks.ways_out(canary.host), *attacks.known(evaluation_data(ATTACKS) / "items.jsonl")]


def batched(texts: list[str], size: int) -> Iterator[list[str]]:
    return (texts[at : at + size] for at in range(0, len(texts), size))


# ---------------------------------------------------------------- every attack, in every place


@pytest.mark.usefixtures("unjudged")
def test_no_attack_runs_anywhere_with_the_policy_or_without(
    watch: Callable[..., Watch], quotes_url: str, canary: Canary, all_texts: list[str]
) -> None:
    pages = [watch(quotes_url), watch(quotes_url, policy=False)]
    for page in pages:  # what is out of sight is laid out late, as in a long conversation
        page.page.add_style_tag(content=".fn-turn, .fn-panel, .fn-entry, .fn-job { content-visibility: auto }")
    numbers, times = itertools.count(1), itertools.count()
    elements = 0

    def put(slot: str, html: str) -> None:
        nonlocal elements
        # With the policy what it stopped is counted; every fourth time also without it, where nothing is stopped.
        elements += sum(page.put(slot, html) for page in pages[: 1 + (next(times) % 4 == 0)])

    for part in batched(all_texts, 64):
        groups = [tuple(group) for group in batched(part, 8)]
        put("turns", "".join(attacks.turns(group, next(numbers)) for group in groups))
        put("evidence", "".join(map(attacks.evidence_of, groups)))
        put("lists", "".join(map(attacks.lists_of, groups)))
        for page in pages:
            page.check_quiet()
    for part in batched(all_texts, 20):
        put("evaluations", attacks.evaluation_of(part))
    for page in pages:
        page.check()
    assert canary.asked == []
    SUMMARY.add(hostile_texts=len(all_texts), elements_looked_at=elements, requests_to_the_canary=len(canary.asked))


def test_no_attack_runs_while_it_streams_in(
    watch: Callable[..., Watch], quotes_url: str, canary: Canary, all_texts: list[str]
) -> None:
    page = watch(quotes_url, policy=False)
    beginnings = attacks.beginnings(all_texts)
    shown = 0
    for count, html in attacks.drafts(beginnings):
        page.put("drafts", html)
        shown += page.page.locator("#fn-live .fn-turn > .fn-columns > .fn-column > .fn-draft").count()
        assert shown % attacks.DRAFTS == count % attacks.DRAFTS
    assert shown == len(beginnings)
    page.check()
    assert canary.asked == []
    SUMMARY.add(streamed_beginnings_of_hostile_texts=shown)


# ---------------------------------------------------------------- the whole way, from files and replies to the screen


@pytest.fixture
def hostile_url(
    tmp_path: Path, canary: Canary, provider: Provider, all_texts: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """The page of a library in which articles, names and reports are attacks, and the attacks it is made of."""
    texts = [*attacks.ways_out(canary.host), *all_texts[200::45]]
    articles, evaluations = tmp_path / "articles", tmp_path / "evaluations"
    articles.mkdir()
    evaluations.mkdir()
    with (articles / "records.jsonl").open("w", encoding="utf-8") as file:
        for n, text in enumerate(texts):
            body = f"The bridge at Ostvik is {400 + n} metres long, says {text}.\n\n{text}"
            record = {
                "id": str(n),
                "title": text or "x",
                "text": body,
                "author": text,
                "url": f"http://{canary.host}/{n}",
            }
            file.write(json.dumps(record) + "\n")
    for n, text in enumerate(texts[::8]):
        name = text.replace("/", "∕").replace("\0", "").strip()[:60]
        (articles / f"{n}{name}.md").write_text(
            f"# {text}\n\nThe bridge at Ostvik was opened. {text}\n", encoding="utf-8"
        )
    folder = evaluations / texts[15].replace("/", "∕")
    folder.mkdir()
    whole = {**report(20), "unit": "questions", "dataset": texts[16]}
    for result, text in zip(whole["results"], texts[15:], strict=False):
        result |= {"text": text, "answer": text, "failure": "document not found"}
    (folder / "report.json").write_text(json.dumps(whole), encoding="utf-8")
    settings = Settings.model_validate(
        {
            "library": tmp_path / "library",
            "articles": articles,
            "model": "scripted",
            "models": {"scripted": {"base_url": provider.base_url}},
            "limits": {"questions_per_minute": 0},
            "page": {"evaluations": evaluations},
        }
    )
    with running(settings) as url:
        yield url, texts


def test_hostile_articles_questions_and_replies_stay_text(
    watch: Callable[..., Watch], hostile_url: tuple[str, list[str]], provider: Provider, canary: Canary
) -> None:
    url, texts = hostile_url
    # One by one, characters of a reply come as tokens do: the drafts between are what a reader would have seen.
    reply = "\n\n".join(f"It is 412 metres long [{n % 8 + 1}]. {text}" for n, text in enumerate(texts))
    provider.requests.clear()
    provider.script[:] = [Scripted(list(reply)), error("<img src=x onerror=alert(1)>", 400)]
    visit = watch(url)
    page = visit.page
    expect(page.locator(".fn-entry").nth(len(texts) - 1)).to_be_attached()
    visit.check()
    visit.ask(f"{QUESTION} {' '.join(texts[:40])}"[:7900], wait=False)
    expect(page.locator(".fn-draft")).to_be_visible()
    visit.check()
    page.wait_for_selector("#fn-history .fn-turn", timeout=60_000)
    visit.check()
    assert texts[0] in page.locator(".fn-answer").inner_text()
    visit.ask(QUESTION)  # the model's server refuses, in words of its own
    expect(page.locator("#fn-history").get_by_role("alert")).to_be_visible()
    visit.check()
    _open_everything(visit)
    reason = page.locator(".fn-reply").first
    reason.get_by_role("button", name="Good answer").click()
    reason.locator(".fn-reason input").fill(texts[15])
    reason.get_by_role("button", name="Keep").click()
    page.get_by_role("tab", name="Conversations").click()
    page.locator('[data-do="rename"]').first.click()
    page.locator(".fn-renaming").fill(texts[15])
    page.keyboard.press("Enter")
    expect(page.locator(".fn-chat .fn-title").first).to_have_text(texts[15])
    visit.check()
    page.reload()
    page.locator("body[data-ready]").wait_for(state="attached")
    expect(page.locator("#fn-history .fn-turn")).to_have_count(2)
    assert texts[0] in page.locator("#fn-history .fn-answer").inner_text()
    visit.check()
    page.get_by_role("link", name="Evaluations").click()
    page.locator('[data-do="evaluations-open"]').first.click()
    expect(page.locator(".fn-report")).to_be_visible()
    visit.check()
    page.get_by_role("button", name="Open in the chat").or_(
        page.get_by_role("link", name="Open in the chat")
    ).first.click()
    visit.check()
    assert canary.asked == []
    SUMMARY.add(hostile_texts_through_the_whole_program=len(texts))


def _open_everything(visit: Watch) -> None:
    """Open what leads further: footnotes, their cards, passages, why not, the article, words selected, the editor."""
    page = visit.page
    chips = page.locator("#fn-history a.cite")
    for n in range(min(4, chips.count())):
        chips.nth(n).hover()
        expect(page.locator("#fn-card")).to_be_visible()
        chips.nth(n).click()
        expect(page.locator("#fn-side mark.current").first).to_be_attached()
        visit.check()
    page.locator("#fn-history a.fn-sources").first.click()
    page.locator("#fn-side .fn-why > summary").click()
    expect(page.locator('[data-evidence="why-of"]').first).to_be_visible()
    page.locator('[data-evidence="why-of"]').first.click()
    expect(page.locator(".fn-because").first).to_be_visible()
    visit.check()
    page.locator(".fn-sentence").first.scroll_into_view_if_needed()
    page.evaluate("document.getSelection().selectAllChildren(document.querySelector('.fn-sentence'))")
    page.locator("#fn-origin").click()
    expect(page.locator("#fn-side .fn-panel h2")).to_be_focused()
    page.locator('[data-do="edit"]').first.click()
    visit.check_quiet()
    page.keyboard.press("Escape")
    page.locator(".fn-entry .fn-title").nth(3).click()
    expect(page.locator("#fn-side .fn-body")).to_be_visible()
    visit.check()


# ---------------------------------------------------------------- where escaping would fail


def test_the_policy_stops_what_escaping_would_have_let_through(
    watch: Callable[..., Watch], quotes_url: str, canary: Canary
) -> None:
    visit = watch(quotes_url)
    before = visit.page.url
    canary.asked.clear()
    found: dict[str, Any] = visit.page.evaluate((HERE / "break_out.js").read_text(encoding="utf-8"), canary.host)
    assert found["through"] == []
    assert found["ran"] == ""
    assert found["base"].startswith(quotes_url)
    assert found["at"] == before
    assert canary.asked == []
    stopped = {violation.split()[0] for violation in found["stopped"]}
    SUMMARY.add(requests_stopped_by_the_policy=len(found["stopped"]))
    assert stopped >= set(
        "img-src media-src font-src style-src-elem frame-src object-src connect-src script-src-elem script-src-attr "
        "form-action base-uri".split()
    )


def test_every_response_carries_the_policy(watch: Callable[..., Watch], quotes_url: str) -> None:
    policies: dict[str, str] = {}
    visit = watch(quotes_url)
    visit.page.on(
        "response",
        lambda response: policies.update({response.url: response.headers.get("content-security-policy", "")}),
    )
    visit.page.reload()
    visit.page.locator("body[data-ready]").wait_for(state="attached")
    assert len(policies) > 10
    for address, policy in policies.items():
        assert "default-src 'self'" in policy, address
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0], address
