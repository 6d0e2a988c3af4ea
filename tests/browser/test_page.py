"""The page as a reader uses it: ask, watch, open a footnote, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.provider import Provider, Scripted, error, words

QUESTION = "Why did Samsung limit the use of AI chatbots by its staff?"
QUOTE = (
    "Samsung Electronics restricted generative AI tools on company devices in May 2023, after staff had pasted "
    "sensitive source code into ChatGPT."
)
REPLY = (
    "**Samsung** restricted generative AI tools on company devices in May 2023 [1]. It fined 13 people [1]. "
    "Experts welcomed this. <img src=x onerror=window.hacked=1> ![x](http://127.0.0.1:9/leak.png) "
    "[link](http://127.0.0.1:9/) <script>window.hacked=2</script> An invented source [42]."
)

Visits = Callable[..., Visit]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_question_is_answered_and_its_footnote_opens_the_article(
    visits: Visits, quotes_url: str, clean: list[Visit], width: int, dark: bool
) -> None:
    visit = visits(quotes_url, width, dark=dark)
    clean.append(visit)
    page, name = visit.page, f"{'dark' if dark else 'light'}-{width}"
    expect(page.locator(".fn-model")).to_have_text("Quotes, no model")
    visit.shoot(f"{name}-start")
    visit.ask(QUESTION)
    chips = page.locator('a.cite[href^="#cite-"]')
    expect(chips.first).to_have_text("1")
    expect(page.locator(".fn-check")).to_contain_text("word for word in the articles")
    visit.shoot(f"{name}-answer")
    chips.first.click()
    expect(page.locator("mark.current")).to_have_text(QUOTE)
    expect(page.locator("mark.current")).to_be_in_viewport()
    side = page.locator("#fn-side")
    expect(side.get_by_role("heading", level=2)).to_be_focused()
    for about in (
        "At Aldermere, patient notes stay on the in-house model",
        "2025-06-17",
        "hospital-in-house-models.md",
    ):
        expect(side).to_contain_text(about)
    for end in ("Beneath St. Brannoc Infirmary", "its staff and its figures are fictional."):  # the whole article
        expect(side).to_contain_text(end)
    visit.shoot(f"{name}-article")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_the_keyboard_opens_a_footnote_and_comes_back(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url, 390, 844)
    clean.append(visit)
    visit.ask(QUESTION)
    chip = visit.page.locator("a.cite").first
    chip.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("mark.current")).to_have_text(QUOTE)
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#fn-side")).to_be_hidden()
    expect(chip).to_be_focused()


def test_an_example_question_is_asked_by_a_click(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    visit.page.get_by_role("button", name=QUESTION).click()
    visit.answered(1)
    expect(visit.page.locator("a.cite").first).to_be_visible()
    expect(visit.page.get_by_role("button", name=QUESTION)).to_be_hidden()


def test_every_footnote_of_two_turns_opens_its_own_words(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    visit.ask(QUESTION)
    visit.ask("Who founded Midjourney?")
    links = visit.page.locator("#fn-history a.cite").evaluate_all("chips => chips.map(c => c.getAttribute('href'))")
    assert {link.split("-")[1] for link in links} == {"1", "2"}
    for link in links:
        chip = visit.page.locator(f'#fn-history a[href="{link}"]').first
        sentence = chip.evaluate("chip => chip.parentElement.firstChild.textContent.trim()")
        chip.click()
        expect(visit.page.locator("mark.current")).to_have_text(sentence)


def test_a_footnote_clicked_again_comes_back_into_view(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url, height=400)
    clean.append(visit)
    visit.ask(QUESTION)
    mark = visit.page.locator("mark.current")
    for _ in range(2):
        visit.page.locator("a.cite").first.click()
        expect(mark).to_be_in_viewport()
        visit.page.locator("#fn-side").evaluate("side => { side.scrollTop = 0; }")
        expect(mark).not_to_be_in_viewport()


def test_a_new_answer_is_in_view_from_its_beginning(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url, height=420)
    clean.append(visit)
    for question in (QUESTION, "Who founded Midjourney?", "How long should I boil an egg for a soft yolk?"):
        visit.ask(question)
        newest = visit.page.locator("#fn-history .fn-question").last
        expect(newest).to_have_text(question)
        expect(newest).to_be_in_viewport(ratio=1)


def test_an_empty_question_is_not_asked(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    visit.ask("  ", wait=False)
    visit.page.wait_for_timeout(500)  # for what must not happen
    expect(visit.page.get_by_role("heading", name="What do your articles say?")).to_be_visible()
    visit.ask("?!", wait=False)
    expect(visit.page.get_by_role("alert")).to_contain_text("The question is empty")
    assert visit.page.locator(".fn-turn.fn-refused").count() == 1
    visit.ask(QUESTION)
    expect(visit.page.locator("a.cite").first).to_be_visible()


def test_what_the_articles_do_not_answer_cites_nothing(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    visit.ask("How long should I boil an egg for a soft yolk?")
    expect(visit.page.locator(".fn-none")).to_contain_text("The articles do not answer this question.")
    expect(visit.page.locator("a.cite")).to_have_count(0)
    visit.page.locator(".fn-nearest a").first.click()
    expect(visit.page.locator("mark.current").first).to_be_in_viewport()
    visit.shoot("not-found")


def test_a_follow_up_shows_as_what_it_was_understood(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    visit.ask("Which outside models does Meta use?")
    expect(visit.page.locator(".fn-standalone")).to_have_count(0)
    visit.ask("And Samsung?")
    expect(visit.page.locator(".fn-question").last).to_have_text("And Samsung?")
    expect(visit.page.locator(".fn-standalone")).to_have_text("Understood as Which outside models does Samsung use?")


def test_the_half_of_a_question_that_no_article_answers_is_named(
    visits: Visits, quotes_url: str, clean: list[Visit]
) -> None:
    visit = visits(quotes_url, 390, dark=True)
    clean.append(visit)
    visit.ask("Who started Midjourney, and which planet has the most moons?")
    expect(visit.page.locator(".fn-answer")).to_contain_text("David Holz")
    expect(visit.page.locator(".fn-missing")).to_have_text("Not in the articles: “which planet has the most moons”")
    visit.shoot("half-answered")


def test_the_list_of_articles_opens_each(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    titles = visit.page.locator('#fn-articles a[href^="#article-"]')
    expect(titles).to_have_count(8)
    titles.nth(2).click()
    expect(visit.page.locator("#fn-side .fn-body p").first).to_be_visible()


def test_a_reply_streams_in_unchecked_and_is_then_checked(
    visits: Visits, model_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    play(Scripted(words(REPLY), between=0.04))
    visit = visits(model_url)
    clean.append(visit)
    page = visit.page
    expect(page.locator("#fn-model option").first).to_have_text("scripted")
    visit.ask(QUESTION, wait=False)
    draft = page.locator(".fn-draft")
    expect(draft).to_contain_text("Samsung")
    early = draft.inner_text()
    assert "[1]" not in early
    assert page.locator("a.cite").count() == 0
    expect(page.get_by_text("Writing, not checked yet")).to_be_visible()
    visit.shoot("streaming")
    expect(draft).to_contain_text("fined 13 people")
    visit.answered(1)
    expect(page.locator(".fn-sentence.supported")).to_have_count(1)
    expect(page.locator(".fn-verdict.unsupported").first).to_have_text("? not supported")
    page.locator(".fn-check summary").click()
    expect(page.locator(".fn-check").get_by_text("The number 13 is not in the cited passage.")).to_be_visible()
    expect(page.get_by_text("invented marks removed: 1")).to_be_visible()
    visit.shoot("verdicts")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#fn-history img, #fn-history script").count() == 0
    page.locator("a.cite").first.click()
    expect(page.locator("mark.current").first).to_be_in_viewport()


def test_stopping_keeps_and_checks_what_came(
    visits: Visits, model_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    play(Scripted(words(f"{QUOTE} [1] " + "and so it went on from day to day " * 40), between=0.03))
    visit = visits(model_url)
    clean.append(visit)
    visit.ask(QUESTION, wait=False)
    expect(visit.page.locator(".fn-draft")).to_contain_text("and so it went")
    visit.page.get_by_role("button", name="Stop the answer").click()
    visit.answered(1)
    expect(visit.page.get_by_text("stopped by the reader")).to_be_visible()
    expect(visit.page.locator(".fn-sentence.supported")).to_have_count(1)
    play(Scripted(words(f"{QUOTE} [1]")))
    visit.ask(QUESTION)
    assert visit.page.locator(".fn-turn").count() == 2


def test_a_provider_that_fails_leaves_a_message_and_the_passages(
    visits: Visits, model_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    play(error("wrong key", 401))
    visit = visits(model_url)
    clean.append(visit)
    visit.ask(QUESTION)
    expect(visit.page.get_by_role("alert")).to_contain_text("refused the key (401)")
    expect(visit.page.locator(".fn-nearest li")).to_have_count(3)
    visit.shoot("provider-error")


def test_a_reply_that_is_cut_says_so(
    visits: Visits, model_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    play(Scripted(words(f"{QUOTE} [1] And then"), finish=None, done=False))
    visit = visits(model_url)
    clean.append(visit)
    visit.ask(QUESTION)
    expect(visit.page.get_by_text("The answer is not complete")).to_be_visible()
    visit.shoot("incomplete")


def test_two_readers_are_answered_at_the_same_time_and_apart(
    visits: Visits, model_url: str, clean: list[Visit], play: Callable[..., Provider]
) -> None:
    provider = play(Scripted(words("One after the other " * 12), between=0.03))
    first, second = visits(model_url), visits(model_url)
    clean += [first, second]
    first.ask("How did Samsung limit AI chatbots?", wait=False)
    second.ask(QUESTION, wait=False)
    expect(first.page.locator(".fn-draft")).to_be_visible()
    expect(second.page.locator(".fn-draft")).to_be_visible()
    assert first.page.locator("#fn-history .fn-turn").count() == 0  # both are being answered now
    first.answered(1)
    second.answered(1)
    assert len(provider.requests) == 2
    expect(first.page.locator(".fn-question")).to_have_text("How did Samsung limit AI chatbots?")
    expect(second.page.locator(".fn-question")).to_have_text(QUESTION)


def test_a_screen_reader_finds_names_for_everything(visits: Visits, quotes_url: str, clean: list[Visit]) -> None:
    visit = visits(quotes_url)
    clean.append(visit)
    page = visit.page
    visit.ask(QUESTION)
    expect(page.get_by_role("heading", level=1)).to_have_text("Footnote1")
    expect(page.get_by_role("textbox", name="Question")).to_be_visible()
    expect(page.get_by_role("region", name="Conversation")).to_be_visible()
    expect(page.get_by_role("complementary", name="Evidence")).to_be_visible()
    expect(page.get_by_role("link", name="Footnote 1").first).to_be_visible()
    expect(page.locator("#fn-chat [role=status]")).to_contain_text("word for word in the articles")
    nameless = page.locator("button:visible, a:visible").evaluate_all(
        "all => all.filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"
    )
    assert nameless == []


def test_a_reader_who_leaves_ends_the_request(visits: Visits, model_url: str, play: Callable[..., Provider]) -> None:
    provider = play(Scripted(words("on and on and so forth " * 200), between=0.03))
    visit = visits(model_url)
    visit.ask(QUESTION, wait=False)
    expect(visit.page.locator(".fn-draft")).to_be_visible()
    visit.page.close()
    assert provider.requests[0].given_up(within=5)
