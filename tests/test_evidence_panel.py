"""The evidence pane: what was found and why it stands there, and an article open at the cited words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import cite
from rag.pages import Box, Page
from rag.types import Answer, Article, Block, Evidence, Features, Source, Span
from rag.verify import verify
from tests.articles import load_one
from tests.evidence import draft, evidence, hit, same
from ui.evidence import NONE_HTML, about, gone_html, missing_html, nowhere_html, ordinal, sources_html
from ui.reading import LONGEST, Place, Reading, article_html, short_hash
from ui.turns import SEARCH

TAGS = {
    *"div h2 h3 p span ul li a q mark blockquote button details summary nav kbd abbr input label svg path".split(),
    *"figure figcaption img".split(),
}
ATTRIBUTES = {
    *"class href tabindex lang type id role hidden rel title placeholder maxlength autocomplete spellcheck for".split(),
    *"viewbox d src alt width height decoding style".split(),
    *"data-evidence data-kind data-text data-said data-key data-article data-start data-end data-view".split(),
    *"data-page aria-hidden aria-label aria-disabled aria-keyshortcuts aria-pressed".split(),
}
LINK = re.compile(r"#(cite|evidence|sources)-\d+(\.\d)?(-\d+)*|#article-[0-9a-f]{16}|#page-[0-9a-f]{16}-\d+|#")
EVIL = "<img src=x onerror=alert(1)>\"'&amp; ${x} {{x}} \u202e</mark></p>"

EVIL_NAME = EVIL.replace("\u202e", "")  # a name must not turn round what stands beside it

BRIDGE = hit("The bridge at Ostvik is 412 metres long. It was opened in 1931.", "bridge.md", title="The bridge")
BEES = hit("Honey bees form a cluster. They are 30 degrees warm.", "bees.md", title="The bees")
TEA = hit("Tea was first grown in Yunnan. " * 12, "tea.md", title="Tea")
FOUND = evidence("How long is the bridge?", BRIDGE, BEES, TEA)

ARTICLE = load_one(
    "bridge.md",
    b"---\ntitle: The bridge at Ostvik\npublished: 2024-03-01\nauthor: Ida Berg\nurl: https://h.org/bridge\n"
    b"language: en\n---\n\nThe bridge was opened in 1931. It is 412 metres long.\n\n"
    b"## Repairs\n\nEngineers found rust.\n\n- two cables\n- one tower\n",
)


def answered(reply: str, found: Evidence = FOUND) -> Answer:
    """Return the checked answer that a model's reply becomes."""
    cited = cite(draft(reply, found), found, same)
    text, sentences = verify(cited, found)
    return Answer(found.question, "partial", text, sentences, cited.citations, found, "model")


def source_of(article: Article, **changes: str) -> Source:
    names = ("source", "title", "published", "author", "language", "url", "visibility", "content_hash")
    return replace(Source(article.id, *(getattr(article, name) for name in names)), **changes)  # type: ignore[arg-type]


def parsed(html: str) -> Tag:
    """Return the HTML as a tree, once it is known to hold nothing but our own markup."""
    tree = BeautifulSoup(html, "html.parser", preserve_whitespace_tags={"mark", "p"})
    for tag in tree.find_all(True):
        assert tag.name in TAGS, tag
        assert tag.attrs.keys() <= ATTRIBUTES, tag
        assert LINK.fullmatch(str(tag.get("href", "#"))), tag
        assert str(tag.get("src", "/pages/")).startswith("/pages/"), tag
    return tree


def reading(
    article: Article,
    *marked: Span,
    source: Source | None = None,
    key: str | None = "3",
    others: tuple[tuple[Span, int], ...] = (),
    page: Page | None = None,
    note: str = "",
    words: str = "",
    before: str | None = None,
    after: str | None = None,
) -> Reading:
    """Return an article as footnote 1 of an answer opens it."""
    place = Place(source or source_of(article), "#cite-3-1", "Footnote 1 of 2", marked, words, before, after)
    return Reading(article, place, key, others, page, note)


def opened(article: Article, *marked: Span, source: Source | None = None) -> Tag:
    return parsed(article_html(reading(article, *marked, source=source)))


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def texts(tree: Tag, selector: str) -> list[str]:
    return [tag.get_text() for tag in tree.select(selector)]


def body_of(tree: Tag) -> list[str]:
    """Return the blocks of an article without the numbers of other citations, which are ours."""
    body = only(tree, ".fn-body")
    for link in body.select("a.fn-also"):
        link.extract()
    return [tag.get_text() for tag in body.children]


def span_of(article: Article, words: str) -> Span:
    start = article.text.index(words)
    return Span(start, start + len(words))


# ---------------------------------------------------------------- what was found


def test_cited_passages_come_first_in_the_order_of_their_footnotes() -> None:
    tree = parsed(sources_html(answered("Bees form a cluster [2]. The bridge is 412 metres long [1]."), "5"))
    first, rest = tree.select(".fn-cards")
    assert texts(first, ".fn-title") == ["The bees", "The bridge"]
    assert texts(rest, ".fn-title") == ["Tea"]
    assert texts(tree, "h3") == ["Cited", "Found, not cited"]
    assert texts(tree, ".fn-for") == ["for “How long is the bridge?”"]
    assert [link["href"] for link in tree.select("a")] == ["#cite-5-1", "#cite-5-2", "#evidence-5-3"]


def test_a_passage_that_is_cited_twice_is_listed_once_with_both_quotes() -> None:
    answer = answered("The bridge is 412 metres long [1]. Bees form a cluster [2]. It was opened in 1931 [1].")
    tree = parsed(sources_html(answer, "1"))
    assert texts(tree, ".fn-title") == ["The bridge", "The bees", "Tea"]
    assert [texts(card, ".fn-n") for card in tree.select(".fn-card:has(.fn-n)")] == [["1", "3"], ["2"]]
    assert texts(tree, ".fn-quote q") == [
        "The bridge at Ostvik is 412 metres long.",
        "It was opened in 1931.",
        "Honey bees form a cluster.",
    ]


@given(st.lists(st.sampled_from(["Bees [2].", "Bridge 412 [1].", "Opened in 1931 [1].", "Yunnan [3].", "So."])))
def test_each_passage_is_listed_once_and_each_footnote_leads_somewhere(reply: list[str]) -> None:
    answer = answered(" ".join(reply))
    tree = parsed(sources_html(answer, "1"))
    assert sorted(texts(tree, ".fn-title")) == ["Tea", "The bees", "The bridge"]
    assert sorted(int(n) for n in texts(tree, ".fn-n")) == [citation.n for citation in answer.citations]
    for link in tree.select(".fn-quote"):
        n = int(only(link, ".fn-n").get_text())
        assert link["href"] == f"#cite-1-{n}"
        assert only(link, "q").get_text() == answer.citations[n - 1].quote


def test_passages_that_nothing_cites_are_called_nearest() -> None:
    tree = parsed(sources_html(answered("It is so."), "2"))
    assert texts(tree, "h3") == ["Nearest passages, none cited"]
    assert [link["href"] for link in tree.select("a")] == ["#evidence-2-1", "#evidence-2-2", "#evidence-2-3"]
    excerpts = texts(tree, ".fn-excerpt")
    assert excerpts[:2] == [BRIDGE.passage.text, BEES.passage.text]
    assert excerpts[2].startswith("Tea was first grown in Yunnan. Tea was")
    assert excerpts[2].endswith(" …")
    assert len(excerpts[2]) < 230


def test_nothing_found_is_an_empty_panel() -> None:
    tree = parsed(sources_html(answered("So.", evidence("q")), "1"))
    assert texts(tree, "p")[:2] == ["for “q”", "No passage was found."]
    assert not tree.select("h3, a, .fn-cards")
    parsed(NONE_HTML)


def test_a_search_without_an_answer_lists_what_it_found() -> None:
    tree = parsed(sources_html(replace(answered("So."), model=SEARCH), "1"))
    assert texts(tree, "h3") == ["Found, best first"]


def test_each_passage_says_why_it_stands_there() -> None:
    only_words = replace(BRIDGE, score=0.914, features=Features(7.26, 0.4, (0.31, 0.62), None, 2))
    only_meaning = replace(BEES, score=0.5, features=Features(0.0, 0.4, (0.31, 0.3), 21, None))
    answer = answered("The bridge is 412 metres long [1].", evidence("q", only_words, only_meaning))
    folds = parsed(sources_html(answer, "2.3")).select(".fn-rank")
    assert [texts(fold, "summary") for fold in folds] == [
        ["Passage 1 of 2 · why it stands here"],
        ["Passage 2 of 2 · why it stands here"],
    ]
    assert texts(folds[0], "li") == [
        "2nd by words (BM25 7.3)",
        "Not found by meaning (likeness of its nearest sentence 0.62)",
        "Score 0.91, of 1 at most for this question",
    ]
    assert texts(folds[1], "li")[:2] == [
        "Not found by words",
        "21st by meaning (likeness of its nearest sentence 0.40)",
    ]
    assert not any(fold.has_attr("open") for fold in folds)


def test_places_are_counted_as_people_do() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 113)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "113th")
    ]


def test_a_card_says_when_by_whom_and_where() -> None:
    source = BRIDGE.source
    assert about(replace(source, author="Ida Berg")) == "2025-01-02 · Ida Berg · bridge.md"
    assert about(replace(source, published=None)) == "no date · bridge.md"
    assert about(replace(source, visibility="internal")) == "2025-01-02 · bridge.md · internal"
    tree = parsed(sources_html(answered("The bridge is 412 metres long [1]."), "1"))
    assert texts(tree, ".fn-meta")[0] == "2025-01-02 · bridge.md"


def test_what_was_found_is_text_whatever_it_holds() -> None:
    evil = replace(hit(f"It is {EVIL} so.", f"{EVIL}.md", title=EVIL), score=0.5)
    tree = parsed(sources_html(answered("It is so [1].", evidence("q", evil, replace(evil, score=0.4))), "1"))
    assert texts(tree, ".fn-title") == [EVIL_NAME, EVIL_NAME]
    assert only(tree, "q").get_text() == evil.passage.text
    assert f"{EVIL_NAME}.md" in texts(tree, ".fn-meta")[0]


# ---------------------------------------------------------------- an article


def test_an_article_is_shown_with_what_is_known_of_it() -> None:
    tree = opened(ARTICLE)
    assert only(tree, "h2").get_text() == "The bridge at Ostvik"
    text = f"text {short_hash(ARTICLE.content_hash)}"
    assert texts(tree, ".fn-meta") == ["2024-03-01 · Ida Berg · bridge.md", "https://h.org/bridge", text]
    assert only(tree, ".fn-label").get_text() == "Footnote 1 of 2"
    assert only(tree, "a.fn-back")["href"] == "#sources-3"
    assert only(tree, ".fn-body")["lang"] == "en"
    assert [tag.get_text() for tag in only(tree, ".fn-body").children] == [
        "The bridge was opened in 1931. It is 412 metres long.",
        "Repairs",
        "Engineers found rust.",
        "two cables",
        "one tower",
    ]
    assert not tree.select("mark, .fn-warning")


def test_an_article_of_unknown_date_author_and_address_says_so() -> None:
    article = load_one("notes/plain.txt", b"The bridge was opened in 1931. It is 412 metres long.\n")
    tree = opened(article)
    assert texts(tree, ".fn-meta")[0] == "no date · notes/plain.txt"
    assert len(tree.select(".fn-meta")) == 2


@pytest.mark.parametrize("front_matter", ["", "---\ntitle: The bridge at Ostvik\n---\n\n"])
def test_a_title_that_the_text_begins_with_is_shown_once(front_matter: str) -> None:
    article = load_one("bridge.md", f"{front_matter}# The bridge at Ostvik\n\nIt is 412 metres long.\n".encode())
    assert opened(article).get_text().count("The bridge at Ostvik") == 1


def test_the_cited_words_are_marked_and_nothing_else() -> None:
    tree = opened(ARTICLE, span_of(ARTICLE, "It is 412 metres long."))
    mark = only(tree, "mark")
    assert mark.get_text() == "It is 412 metres long."
    assert mark.parent is not None
    assert mark.parent.get_text() == "The bridge was opened in 1931. It is 412 metres long."
    assert body_of(tree) == body_of(opened(ARTICLE))


def test_words_of_several_blocks_are_marked_in_each() -> None:
    start, end = span_of(ARTICLE, "Engineers").start, span_of(ARTICLE, "one tower").end
    assert texts(opened(ARTICLE, Span(start, end)), "mark") == ["Engineers found rust.", "two cables", "one tower"]


def test_the_place_is_told_and_can_be_copied_with_what_leads_back_to_it() -> None:
    span = span_of(ARTICLE, "It is 412 metres long.")
    tree = opened(ARTICLE, span)
    hashed = short_hash(ARTICLE.content_hash)
    assert re.fullmatch("[0-9a-f]{8}", hashed)
    assert only(tree, ".fn-where").get_text() == f"characters {span.start}–{span.end} · text {hashed}"
    link, quote = tree.select('[data-evidence="copy"]')
    assert link["data-text"] == f"/?article={ARTICLE.id}&from={span.start}&to={span.end}&hash={hashed}"
    assert quote["data-text"] == (
        "“It is 412 metres long.” — The bridge at Ostvik, Ida Berg, 2024-03-01, bridge.md, https://h.org/bridge, "
        f"characters {span.start}–{span.end}, text {hashed}"
    )


def test_an_article_that_is_open_at_nothing_has_no_quote_to_copy() -> None:
    (link,) = opened(ARTICLE).select('[data-evidence="copy"]')
    assert link["data-text"] == f"/?article={ARTICLE.id}"


def test_neighbours_are_a_key_or_a_click_away_and_the_ends_say_so() -> None:
    first = parsed(article_html(reading(ARTICLE, after="#cite-3-2")))
    assert only(first, "a.fn-step")["href"] == "#cite-3-2"
    assert only(first, "a.fn-step")["aria-keyshortcuts"] == "]"
    assert only(first, 'span.fn-step[aria-disabled="true"]').get_text() == "‹ Previous ["
    assert not opened(ARTICLE).select(".fn-steps")


def test_an_article_that_has_changed_says_so_and_marks_nothing() -> None:
    changed = source_of(ARTICLE, content_hash="sha256:of another text")
    span, other = span_of(ARTICLE, "It is 412 metres long."), span_of(ARTICLE, "Engineers found rust.")
    html = article_html(reading(ARTICLE, span, source=changed, others=((other, 2),), words="It is 400 metres long."))
    tree = parsed(html)
    assert only(tree, ".fn-warning").get_text().startswith("This article has changed since the answer was given.")
    assert only(tree, "blockquote").get_text() == "It is 400 metres long."
    assert not tree.select("mark, .fn-also")
    assert "It is 412 metres long." in tree.get_text()
    assert not opened(ARTICLE, source=changed).select(".fn-warning")
    assert "since the link was made" in article_html(reading(ARTICLE, span, source=changed, key=None))


def test_the_other_citations_of_the_answer_are_marked_and_lead_on() -> None:
    span, other = span_of(ARTICLE, "It is 412 metres long."), span_of(ARTICLE, "Engineers found rust.")
    tree = parsed(article_html(reading(ARTICLE, span, others=((other, 2),))))
    assert texts(tree, "mark.current") == ["It is 412 metres long."]
    assert texts(tree, "mark.other") == ["Engineers found rust."]
    link = only(tree, "a.fn-also")
    assert (link["href"], link.get_text(), link["aria-label"]) == ("#cite-3-2", "2", "Footnote 2")
    assert link.previous_sibling == only(tree, "mark.other")


def test_of_two_citations_that_overlap_the_one_that_is_open_is_whole() -> None:
    whole = span_of(ARTICLE, "The bridge was opened in 1931. It is 412 metres long.")
    inside = span_of(ARTICLE, "1931. It is")
    tree = parsed(article_html(reading(ARTICLE, inside, others=((whole, 7),))))
    assert texts(tree, "mark.current") == ["1931. It is"]
    assert texts(tree, "mark.other") == ["The bridge was opened in ", " 412 metres long."]
    tree = parsed(article_html(reading(ARTICLE, whole, others=((inside, 7),))))
    assert "".join(texts(tree, "mark.current")) == ARTICLE.text[whole.start : whole.end]
    assert only(tree, "a.fn-also").get_text() == "7"


def test_an_article_with_pages_can_be_shown_as_either() -> None:
    paged = replace(ARTICLE, pages=(0, span_of(ARTICLE, "Engineers").start))
    span = span_of(ARTICLE, "Engineers found rust.")
    page = Page(2, 2, 600.0, 800.0, (Box(span, ((0.1, 0.2, 0.3, 0.02),)),))
    tree = parsed(article_html(reading(paged, span, page=page)))
    assert only(tree, ".fn-where").get_text().startswith("page 2 · characters")
    assert {str(button["data-view"]): button["aria-pressed"] for button in tree.select("[data-view]")} == {
        "page": "true",
        "text": "false",
    }
    assert only(tree, "mark.fn-box.current").get_text() == "Engineers found rust."
    as_text = parsed(article_html(reading(paged, span)))
    assert only(as_text, '[data-view="text"]')["aria-pressed"] == "true"
    assert only(as_text, "mark.current").get_text() == "Engineers found rust."
    assert not opened(ARTICLE).select("[data-view]")


@st.composite
def articles(draw: st.DrawFn) -> Article:
    """Return an article of random blocks, each with a visible character, hostile ones among them."""
    words = st.sampled_from(
        ["The bridge", "412 metres.", "茶", "<b>", "</p>", "&lt;", '"', "'", "\n", " ", "\u202e", "é"]
    )
    block = st.lists(words, min_size=1, max_size=8).map("".join).map(str.strip).filter(bool)
    kinds = st.sampled_from(["title", "heading", "text", "text", "boilerplate"])
    text, blocks = "", []
    for content, kind in draw(st.lists(st.tuples(block, kinds), min_size=1, max_size=6)):
        text += draw(st.sampled_from(["\n", "\n\n"])) if text else ""
        blocks.append(Block(len(text), len(text) + len(content), kind))
        text += content
    return Article(draw(words) + ".md", text, tuple(blocks), f"Title of it {draw(words)}", author=draw(words))


@given(articles(), st.data())
def test_a_quote_inside_a_block_is_one_mark_with_its_very_words(article: Article, data: st.DataObject) -> None:
    block = data.draw(st.sampled_from(article.blocks))
    start = data.draw(st.integers(block.start, block.end - 1))
    end = data.draw(st.integers(start + 1, block.end))
    tree = opened(article, Span(start, end))
    assert only(tree, "mark").get_text() == article.text[start:end]
    assert body_of(tree) == [article.text[b:e] for b, e, _ in article.blocks]


@given(articles(), st.data())
def test_marks_over_several_blocks_make_up_the_words(article: Article, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(article.text) - 1))
    end = data.draw(st.integers(start + 1, len(article.text)))
    marks = texts(opened(article, Span(start, end)), "mark")
    assert "".join("".join(marks).split()) == "".join(article.text[start:end].split())
    assert len(marks) == sum(block.start < end and block.end > start for block in article.blocks)


@given(articles(), st.data())
def test_whatever_is_cited_every_word_is_shown_once_and_exactly_what_is_cited_is_marked(
    article: Article, data: st.DataObject
) -> None:
    def spans(least: int, most: int) -> list[Span]:
        start = st.integers(0, len(article.text) - 1)
        pair = start.flatmap(lambda at: st.tuples(st.just(at), st.integers(at + 1, len(article.text))))
        return [Span(*found) for found in data.draw(st.lists(pair, min_size=least, max_size=most, unique=True))]

    current, also = spans(0, 3), spans(0, 4)
    others = tuple((span, n) for n, span in enumerate(also, start=2))
    tree = parsed(article_html(reading(article, *current, others=others)))
    in_blocks = {at for start, end, _ in article.blocks for at in range(start, end)}
    linked = [str(n) for span, n in others if in_blocks.intersection(range(*span))]
    assert sorted(texts(tree, "a.fn-also")) == sorted(linked)
    assert body_of(tree) == [article.text[start:end] for start, end, _ in article.blocks]
    shown: list[str] = []
    for block in only(tree, ".fn-body").children:
        assert isinstance(block, Tag)
        for piece in block.children:
            kind = str(piece["class"][0]) if isinstance(piece, Tag) else "-"
            shown += [kind] * len(piece.get_text())
    expected = [
        "current"
        if any(span.start <= at < span.end for span in current)
        else "other"
        if any(span.start <= at < span.end for span in also)
        else "-"
        for start, end, _ in article.blocks
        for at in range(start, end)
    ]
    assert shown == expected


def test_an_article_is_text_whatever_it_holds() -> None:
    text = f"{EVIL} It is so."
    article = Article("a.md", text, (Block(0, len(text), "text"),), EVIL, EVIL, EVIL, EVIL, EVIL)
    span = Span(3, len(EVIL))
    place = Place(source_of(article), EVIL, EVIL, (span,), EVIL, "#cite-1-1", "#cite-1-3")
    tree = parsed(article_html(Reading(article, place, "1", ((Span(0, 3), 2),), note=EVIL)))
    assert only(tree, "h2").get_text() == EVIL_NAME
    assert texts(tree, ".fn-meta")[:2] == [f"{EVIL_NAME} · {EVIL_NAME} · a.md", EVIL_NAME]
    assert only(tree, "mark.current").get_text() == EVIL[3:]
    assert only(tree, ".fn-body")["lang"] == EVIL
    assert only(tree, ".fn-warning").get_text() == EVIL
    assert str(only(tree, '[data-kind="quote"]')["data-text"]).startswith("“" + " ".join(EVIL[3:].split()))


@pytest.mark.parametrize("place", [0, 11_000, 21_999])
def test_of_a_long_article_the_part_with_the_mark_is_shown(place: int) -> None:
    lines = [f"The bridge number {i} is {i} metres long." for i in range(22_000)]
    article = load_one("long.txt", "\n\n".join(lines).encode())
    assert len(article.text) > 600_000
    html = article_html(reading(article, span_of(article, lines[place])))
    tree = parsed(html)
    assert only(tree, "mark").get_text() == lines[place]
    assert only(tree, ".fn-warning").get_text().startswith("The article is long: a part of it is shown, characters ")
    assert len(html) < 600_000


def test_of_a_long_line_whole_words_are_shown_around_the_mark() -> None:
    text = "word " * 200_000 + "The end."
    article = Article("a.txt", text, (Block(0, len(text), "text"),), "A line")
    span = Span(500_000, 500_004)
    tree = opened(article, span)
    (shown,) = body_of(tree)
    assert only(tree, "mark").get_text() == "word"
    assert LONGEST - 100 <= len(shown) <= LONGEST
    assert shown.startswith("word word")


def test_a_long_article_without_a_mark_begins_at_its_beginning() -> None:
    article = load_one("long.txt", "\n\n".join(f"The bridge number {i} is long." for i in range(22_000)).encode())
    tree = opened(article)
    assert "The bridge number 0 is long." in texts(tree, ".fn-body p")[0]
    assert "number 21999" not in tree.get_text()


def test_an_article_that_is_gone_leaves_its_words() -> None:
    tree = parsed(gone_html(replace(BRIDGE.source, title=EVIL), f"It is {EVIL} so.", "2"))
    assert only(tree, "h2").get_text() == EVIL_NAME
    assert only(tree, "blockquote").get_text() == f"It is {EVIL} so."
    assert "no longer in the library" in only(tree, ".fn-warning").get_text()
    assert only(tree, "a")["href"] == "#sources-2"
    assert "no longer in the library" in parsed(missing_html()).get_text()


def test_words_that_come_from_nowhere_are_said_to() -> None:
    tree = parsed(nowhere_html(EVIL, "2", 8))
    assert only(tree, "blockquote").get_text() == EVIL
    assert "not in any of the 8 passages" in only(tree, ".fn-warning").get_text()
    assert "not in the passage that" in nowhere_html("so", "2", 1)
    assert "not in anything that" in nowhere_html("so", "2", 0)
