"""The side panel: what was found, an article open at the cited words, and the list of articles."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import cite
from rag.types import Answer, Article, Block, Evidence, Source, Span
from rag.verify import verify
from tests.articles import load_one
from tests.evidence import draft, evidence, hit, same
from ui.evidence import WELCOME, about, article_html, gone_html, sources_html
from ui.library import articles_html

TAGS = {*"div h2 h3 p span ul li a q mark blockquote".split()}
ATTRIBUTES = {"class", "href", "tabindex", "lang"}
LINK = re.compile(r"#(cite|evidence|sources|article)-(?:\d+|id-bridge.md|[0-9a-f]{16})(-\d+)?|#articles")
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
        assert LINK.fullmatch(str(tag.get("href", "#articles"))), tag
    return tree


def opened(article: Article, marked: Span | None, source: Source | None = None, back: str | None = None) -> Tag:
    return parsed(article_html(article, source or source_of(article), marked, "Footnote 1", back))


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def texts(tree: Tag, selector: str) -> list[str]:
    return [tag.get_text() for tag in tree.select(selector)]


def span_of(article: Article, words: str) -> Span:
    start = article.text.index(words)
    return Span(start, start + len(words))


# ---------------------------------------------------------------- what was found


def test_cited_passages_come_first_in_the_order_of_their_footnotes() -> None:
    tree = parsed(sources_html(answered("Bees form a cluster [2]. The bridge is 412 metres long [1]."), 5))
    first, rest = tree.select(".fn-cards")
    assert texts(first, ".fn-title") == ["The bees", "The bridge"]
    assert texts(rest, ".fn-title") == ["Tea"]
    assert only(tree, "h3").get_text() == "Also found, not cited"
    assert [link["href"] for link in tree.select("a")] == ["#cite-5-1", "#cite-5-2", "#evidence-5-3"]


def test_a_passage_that_is_cited_twice_is_listed_once_with_both_quotes() -> None:
    answer = answered("The bridge is 412 metres long [1]. Bees form a cluster [2]. It was opened in 1931 [1].")
    tree = parsed(sources_html(answer, 1))
    assert texts(tree, ".fn-title") == ["The bridge", "The bees", "Tea"]
    assert [texts(card, ".fn-n") for card in tree.select("div.fn-card")] == [["1", "3"], ["2"]]
    assert texts(tree, ".fn-quote q") == [
        "The bridge at Ostvik is 412 metres long.",
        "It was opened in 1931.",
        "Honey bees form a cluster.",
    ]


@given(st.lists(st.sampled_from(["Bees [2].", "Bridge 412 [1].", "Opened in 1931 [1].", "Yunnan [3].", "So."])))
def test_each_passage_is_listed_once_and_each_footnote_leads_somewhere(reply: list[str]) -> None:
    answer = answered(" ".join(reply))
    tree = parsed(sources_html(answer, 1))
    assert sorted(texts(tree, ".fn-title")) == ["Tea", "The bees", "The bridge"]
    assert sorted(int(n) for n in texts(tree, ".fn-n")) == [citation.n for citation in answer.citations]
    for link in tree.select(".fn-quote"):
        n = int(only(link, ".fn-n").get_text())
        assert link["href"] == f"#cite-1-{n}"
        assert only(link, "q").get_text() == answer.citations[n - 1].quote


def test_passages_that_nothing_cites_are_called_nearest() -> None:
    tree = parsed(sources_html(answered("It is so."), 2))
    assert only(tree, "h3").get_text() == "Nearest passages, none cited"
    assert [link["href"] for link in tree.select("a")] == ["#evidence-2-1", "#evidence-2-2", "#evidence-2-3"]
    excerpts = texts(tree, ".fn-excerpt")
    assert excerpts[:2] == [BRIDGE.passage.text, BEES.passage.text]
    assert excerpts[2].startswith("Tea was first grown in Yunnan. Tea was")
    assert excerpts[2].endswith(" …")
    assert len(excerpts[2]) < 230


def test_nothing_found_is_an_empty_panel() -> None:
    tree = parsed(sources_html(answered("So.", evidence("q")), 1))
    assert tree.get_text() == "Sources"
    parsed(WELCOME)


def test_a_card_says_when_by_whom_and_where() -> None:
    source = BRIDGE.source
    assert about(replace(source, author="Ida Berg")) == "2025-01-02 · Ida Berg · bridge.md"
    assert about(replace(source, published=None)) == "no date · bridge.md"
    assert about(replace(source, visibility="internal")) == "2025-01-02 · bridge.md · internal"
    tree = parsed(sources_html(answered("The bridge is 412 metres long [1]."), 1))
    assert texts(tree, ".fn-meta")[0] == "2025-01-02 · bridge.md"


def test_what_was_found_is_text_whatever_it_holds() -> None:
    evil = replace(hit(f"It is {EVIL} so.", f"{EVIL}.md", title=EVIL), score=0.5)
    tree = parsed(sources_html(answered("It is so [1].", evidence("q", evil, replace(evil, score=0.4))), 1))
    assert texts(tree, ".fn-title") == [EVIL_NAME, EVIL_NAME]
    assert only(tree, "q").get_text() == evil.passage.text
    assert f"{EVIL_NAME}.md" in texts(tree, ".fn-meta")[0]


# ---------------------------------------------------------------- an article


def test_an_article_is_shown_with_what_is_known_of_it() -> None:
    tree = opened(ARTICLE, None, back="#sources-3")
    assert only(tree, "h2").get_text() == "The bridge at Ostvik"
    assert texts(tree, ".fn-meta") == ["2024-03-01 · Ida Berg · bridge.md", "https://h.org/bridge"]
    assert only(tree, ".fn-label").get_text() == "Footnote 1"
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
    tree = opened(article, None)
    assert texts(tree, ".fn-meta") == ["no date · notes/plain.txt"]
    assert not tree.select("a")


@pytest.mark.parametrize("front_matter", ["", "---\ntitle: The bridge at Ostvik\n---\n\n"])
def test_a_title_that_the_text_begins_with_is_shown_once(front_matter: str) -> None:
    article = load_one("bridge.md", f"{front_matter}# The bridge at Ostvik\n\nIt is 412 metres long.\n".encode())
    assert opened(article, None).get_text().count("The bridge at Ostvik") == 1


def test_the_cited_words_are_marked_and_nothing_else() -> None:
    tree = opened(ARTICLE, span_of(ARTICLE, "It is 412 metres long."))
    mark = only(tree, "mark")
    assert mark.get_text() == "It is 412 metres long."
    assert mark.parent is not None
    assert mark.parent.get_text() == "The bridge was opened in 1931. It is 412 metres long."
    unmarked = opened(ARTICLE, None)
    assert tree.get_text() == unmarked.get_text()


def test_words_of_several_blocks_are_marked_in_each() -> None:
    start, end = span_of(ARTICLE, "Engineers").start, span_of(ARTICLE, "one tower").end
    assert texts(opened(ARTICLE, Span(start, end)), "mark") == ["Engineers found rust.", "two cables", "one tower"]


def test_an_article_that_has_changed_says_so_and_marks_nothing() -> None:
    changed = source_of(ARTICLE, content_hash="sha256:of another text")
    tree = opened(ARTICLE, span_of(ARTICLE, "It is 412 metres long."), changed)
    assert only(tree, ".fn-warning").get_text().startswith("This article has changed since the answer was given.")
    assert not tree.select("mark")
    assert "It is 412 metres long." in tree.get_text()
    assert not opened(ARTICLE, None, changed).select(".fn-warning")


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
    assert [tag.get_text() for tag in only(tree, ".fn-body").children] == [
        article.text[b:e] for b, e, _ in article.blocks
    ]


@given(articles(), st.data())
def test_marks_over_several_blocks_make_up_the_words(article: Article, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(article.text) - 1))
    end = data.draw(st.integers(start + 1, len(article.text)))
    marks = texts(opened(article, Span(start, end)), "mark")
    assert "".join("".join(marks).split()) == "".join(article.text[start:end].split())
    assert len(marks) == sum(block.start < end and block.end > start for block in article.blocks)


def test_an_article_is_text_whatever_it_holds() -> None:
    text = f"{EVIL} It is so."
    article = Article("a.md", text, (Block(0, len(text), "text"),), EVIL, EVIL, EVIL, EVIL, EVIL)
    tree = opened(article, Span(3, len(EVIL)))
    assert only(tree, "h2").get_text() == EVIL_NAME
    assert texts(tree, ".fn-meta") == [f"{EVIL_NAME} · {EVIL_NAME} · a.md", EVIL_NAME]
    assert only(tree, "mark").get_text() == EVIL[3:]
    assert only(tree, ".fn-body")["lang"] == EVIL


@pytest.mark.parametrize("place", [0, 11_000, 21_999])
def test_of_a_long_article_the_part_with_the_mark_is_shown(place: int) -> None:
    lines = [f"The bridge number {i} is {i} metres long." for i in range(22_000)]
    article = load_one("long.txt", "\n\n".join(lines).encode())
    assert len(article.text) > 600_000
    html = article_html(article, source_of(article), span_of(article, lines[place]), "Footnote 1", None)
    tree = parsed(html)
    assert only(tree, "mark").get_text() == lines[place]
    assert only(tree, ".fn-warning").get_text() == "The article is long: a part of it is shown."
    assert len(html) < 600_000


def test_a_long_article_without_a_mark_begins_at_its_beginning() -> None:
    article = load_one("long.txt", "\n\n".join(f"The bridge number {i} is long." for i in range(22_000)).encode())
    tree = opened(article, None)
    assert "The bridge number 0 is long." in texts(tree, ".fn-body p")[0]
    assert "number 21999" not in tree.get_text()


def test_an_article_that_is_gone_leaves_its_words() -> None:
    tree = parsed(gone_html(replace(BRIDGE.source, title=EVIL), f"It is {EVIL} so."))
    assert only(tree, "h2").get_text() == EVIL_NAME
    assert only(tree, "blockquote").get_text() == f"It is {EVIL} so."
    assert "no longer in the library" in only(tree, ".fn-warning").get_text()


# ---------------------------------------------------------------- all articles


def sources(count: int) -> list[Source]:
    return [replace(BRIDGE.source, article_id=f"{i:016x}", title=f"Article {i}") for i in range(count)]


def test_articles_are_listed_in_the_order_given_and_each_can_be_opened() -> None:
    tree = parsed(articles_html(sources(3)))
    assert texts(tree, ".fn-title") == ["Article 0", "Article 1", "Article 2"]
    assert [link["href"] for link in tree.select("a")] == [f"#article-{i:016x}" for i in range(3)]
    assert texts(tree, ".fn-meta") == ["2025-01-02 · bridge.md"] * 3
    assert not tree.select("p")


@pytest.mark.parametrize(("count", "more"), [(500, []), (501, ["… and 1 more."]), (700, ["… and 200 more."])])
def test_of_many_articles_the_first_are_listed_and_the_rest_counted(count: int, more: list[str]) -> None:
    tree = parsed(articles_html(sources(count)))
    assert texts(tree, ".fn-title") == [f"Article {i}" for i in range(500)]
    assert texts(tree, "p") == more


def test_a_library_without_articles_says_what_to_do() -> None:
    tree = parsed(articles_html([]))
    assert only(tree, "p").get_text().startswith("No article yet: put files into the articles folder")
    assert not tree.select("a")


def test_a_list_of_articles_is_text_whatever_it_holds() -> None:
    tree = parsed(articles_html([replace(BRIDGE.source, title=EVIL, author=EVIL, source=EVIL, published=EVIL)]))
    assert only(tree, ".fn-title").get_text() == EVIL_NAME
    assert only(tree, ".fn-meta").get_text() == f"{EVIL_NAME} · {EVIL_NAME} · {EVIL_NAME}"
