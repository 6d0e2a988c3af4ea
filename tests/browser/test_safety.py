"""What others wrote stays text on the page: in a real browser no attack runs, and nothing of it asks another server."""

from __future__ import annotations

import itertools
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

ATTACKS = "datasets/xss_and_naughty_strings_dev"
QUESTION = "How long is the bridge at Ostvik?"
SLOTS = {
    "turns": "#fn-history .fn-slot",
    "evidence": "#fn-panel .fn-slot",
    "lists": "#fn-articles",
    "evaluations": "#fn-evaluations .fn-slot",
    "drafts": "#fn-live",
}

# Before anything of the page: traps for what would run, and counts of what would be loaded or was stopped.
TRAP = """
window.hacked = 0;
window.trapped = [];
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) {
  window[name] = () => { window.hacked += 1; window.trapped.push(name); };
}
document.addEventListener('securitypolicyviolation', (event) => {
  window.trapped.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) {
    if (node.nodeName === 'SCRIPT') window.scripts = (window.scripts || 0) + 1;
  }
}).observe(document, { childList: true, subtree: true });
"""

# Whatever stands in a slot must be our own markup: these elements, no handler, no address but ours.
LOOK = r"""
window.strange = (slots) => {
  const names = new Set(('article section aside header nav div p span h1 h2 h3 h4 h5 h6 ul ol li dl dt dd a button form fieldset ' +
    'legend label input textarea select option details summary q blockquote mark strong em b code pre kbd small abbr sup br hr ' +
    'table caption thead tbody tr th td progress figure figcaption svg g path line rect circle text title polyline polygon').split(' '));
  const links = new RegExp('^(#[a-z0-9.-]+|/saved/[\\w-]+/[\\d.]+\\.(md|docx|json)|/\\?c=[\\w-]*|/\\?q=[\\w%.~!*\'()/-]*)$');
  const inert = new Set(['style', 'src', 'srcset', 'poster', 'action', 'formaction', 'background', 'data', 'srcdoc', 'ping',
    'xlink:href', 'http-equiv', 'autofocus', 'contenteditable', 'manifest', 'is']);
  const found = [];
  let count = 0;
  for (const slot of slots) for (const element of document.querySelectorAll(`${slot}, ${slot} *`)) {
    count += 1;
    if (!names.has(element.localName)) found.push(`<${element.localName}>`);
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || inert.has(name)) found.push(`<${element.localName} ${name}="${value.slice(0, 80)}">`);
      if (name === 'href' && !links.test(value)) found.push(`<${element.localName} href="${value.slice(0, 80)}">`);
    }
  }
  return { found: found.slice(0, 10), count };
};
window.put = (slot, html) => {
  const place = document.querySelector(slot);
  place.innerHTML = html;
  return window.strange([slot]);
};
"""


class Watch(Visit):
    """A page that is open while it is attacked."""

    def __init__(self, page: Page, url: str) -> None:
        page.add_init_script(TRAP + LOOK)
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
    numbers = itertools.count(1)
    elements = 0

    def put(slot: str, html: str) -> None:
        nonlocal elements
        elements += sum(page.put(slot, html) for page in pages)

    for part in batched(all_texts, 60):
        put("turns", "".join(attacks.turns(text, next(numbers)) for text in part))
        put("evidence", "".join(map(attacks.evidence_of, part)))
        put("lists", "".join(map(attacks.lists_of, part)))
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
