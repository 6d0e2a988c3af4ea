"""What passages promise whatever the article: exact offsets, every sentence once, never more than fits the embedder."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rag.chunk import chunk
from rag.embed import MiniLMEmbedding
from rag.errors import Unloadable
from rag.load.document import PAGE, Document, RawBlock, to_article
from rag.load.markdown import parse_markdown
from rag.load.text import parse_text
from rag.text import clean
from rag.types import Article, Passage

# ---------------------------------------------------------------- random articles

_WORDS = st.sampled_from(
    "the bridge Ostvik 3.5 million U.S. Dr. don’t naïve (rust) “quoted” https://example.org/a/b?c=d 茶叶 云南 "
    "괄쫓나는 학교에 ประเทศไทย Страна नमस्ते 😀👩‍👩‍👧 ﷺ i̇ 12,345 -- _ # * e.g. a".split()
)
_LONG_WORD = st.builds(
    lambda part, times: part * times, st.sampled_from(["a", "xy-", "茶", "괄", "😀", "1."]), st.integers(50, 900)
)
_SENTENCE = st.builds(
    lambda words, stop: " ".join(words) + stop,
    st.lists(_WORDS | _LONG_WORD, min_size=1, max_size=40),
    st.sampled_from([". ", "! ", "? ", "。", "！」", "", "… ", ".\n"]),
)
_PARAGRAPH = st.lists(_SENTENCE, min_size=1, max_size=12).map("".join)
_HEADING = st.builds(
    lambda marks, words: "\n".join(f"{mark} {' '.join(words)}" for mark in marks),
    st.lists(st.sampled_from(["#", "##", "###"]), min_size=1, max_size=4),
    st.lists(_WORDS, min_size=1, max_size=30) | st.lists(st.just("a"), min_size=200, max_size=400),
)
_OTHER = st.sampled_from(
    [
        "Advertisement",
        "Related articles",
        "Disclaimer: this is not investment advice.",
        "免责声明：以上内容不构成投资建议。",
        "- one\n- two. three\n- four",
        "| a | b |\n| --- | --- |\n| c. d | 茶 |",
        "```\ncode. More code\n```",
        "42",
    ]
)
_WRITTEN = st.lists(_PARAGRAPH | _HEADING | _OTHER, min_size=1, max_size=12).map("\n\n".join)
_TITLE = st.none() | st.text(max_size=300) | st.lists(_WORDS, max_size=60).map(" ".join)


@st.composite
def articles(draw: st.DrawFn) -> Article:
    text = clean(draw(_WRITTEN | st.text(max_size=300)))
    parse: Callable[[str], Document] = draw(st.sampled_from([parse_text, parse_markdown]))
    try:
        article = to_article(parse(text), "folder/a.md")
    except Unloadable:
        assume(False)
    title = draw(_TITLE)
    if title is None:
        return article
    return Article(article.source, article.text, article.blocks, clean(title))


SIZES = st.integers(64, 256)
thorough = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def markdown(text: str, title: str = "A title") -> Article:
    return to_article(parse_markdown(f"---\ntitle: {title}\n---\n\n{text}"), "a.md")


def tokens(embedder: MiniLMEmbedding, passage: Passage) -> int:
    special = 2
    return embedder.count_tokens([passage.context + passage.text])[0] + special


# ---------------------------------------------------------------- what always holds


@thorough
@given(articles(), SIZES)
def test_offsets_name_the_text_exactly(embedder: MiniLMEmbedding, article: Article, size: int) -> None:
    for passage in chunk(article, embedder.count_tokens, size):
        assert article.text[passage.start : passage.end] == passage.text
        assert (passage.article_id, passage.content_hash) == (article.id, article.content_hash)
        for span in passage.sentences:
            assert passage.quote(span) == article.text[span.start : span.end] == passage.quote(span).strip() != ""


@thorough
@given(articles(), SIZES)
def test_passages_and_their_sentences_come_in_order_without_overlap(
    embedder: MiniLMEmbedding, article: Article, size: int
) -> None:
    at = 0
    for passage in chunk(article, embedder.count_tokens, size):
        assert at <= passage.start
        at = passage.start
        for span in passage.sentences:
            assert at <= span.start < span.end
            at = span.end
        assert at == passage.end


@thorough
@given(articles(), SIZES)
def test_every_visible_character_of_the_text_is_in_exactly_one_sentence_and_no_other_is(
    embedder: MiniLMEmbedding, article: Article, size: int
) -> None:
    seen = bytearray(len(article.text))
    for passage in chunk(article, embedder.count_tokens, size):
        for start, end in passage.sentences:
            seen[start:end] = bytes(min(count + 1, 9) for count in seen[start:end])
    for start, end, kind in article.blocks:
        expected = 1 if kind == "text" else 0
        wrong = [i for i in range(start, end) if seen[i] != expected and not article.text[i].isspace()]
        assert not wrong, (kind, wrong[:5])


@thorough
@given(articles(), SIZES)
def test_a_passage_with_its_context_fits_the_embedder(embedder: MiniLMEmbedding, article: Article, size: int) -> None:
    for passage in chunk(article, embedder.count_tokens, size):
        assert tokens(embedder, passage) <= size


@thorough
@given(articles(), SIZES)
def test_a_passage_holds_no_title_or_boilerplate_and_no_heading_without_its_text(
    embedder: MiniLMEmbedding, article: Article, size: int
) -> None:
    starts = [block.start for block in article.blocks]
    for passage in chunk(article, embedder.count_tokens, size):
        first = max(0, bisect_left(starts, passage.start + 1) - 1)
        inside = [block for block in article.blocks[first:] if block.start < passage.end and block.end > passage.start]
        assert {block.kind for block in inside} <= {"heading", "text"}
        assert inside[-1].kind == "text"
        if inside[0].kind == "heading":
            assert passage.start == inside[0].start


@thorough
@given(articles(), SIZES)
def test_ids_are_distinct_and_the_same_every_time(embedder: MiniLMEmbedding, article: Article, size: int) -> None:
    passages = chunk(article, embedder.count_tokens, size)
    assert passages == chunk(article, embedder.count_tokens, size)
    assert len({passage.id for passage in passages}) == len(passages)


# ---------------------------------------------------------------- what once went wrong, or easily does


@pytest.mark.parametrize("size", [64, 65, 67, 128, 256])
@pytest.mark.parametrize(
    "text",
    [
        "나는 학교에 갑니다 " * 18 + "끝.",  # a Korean syllable is up to three tokens
        "## " + "a " * 300 + "\n\nOne short sentence below a long heading.",
        "# " + "a " * 300 + "\n\n## " + "b " * 300 + "\n\n" + "Many sentences follow. " * 60,
        "茶叶最早产于中国云南" * 100,
        "x" * 5000,
        "x" * 5000 + " and more. " + "😀" * 3000,
        ". ".join("ab") * 400,
    ],
    ids=["korean", "long heading", "two long headings", "no stop", "one word", "two words", "tiny sentences"],
)
def test_hard_texts_fit_at_every_size_and_nothing_of_them_is_lost(
    embedder: MiniLMEmbedding, text: str, size: int
) -> None:
    article = markdown(text, "Title " * 40)
    passages = chunk(article, embedder.count_tokens, size)
    assert max(tokens(embedder, passage) for passage in passages) <= size
    quoted = "".join(passage.quote(span) for passage in passages for span in passage.sentences)
    evidence = "".join(article.text[start:end] for start, end, kind in article.blocks if kind == "text")
    assert "".join(quoted.split()) == "".join(evidence.split())


def test_a_long_sentence_is_cut_between_words(embedder: MiniLMEmbedding) -> None:
    words = [f"word{i}" for i in range(400)]
    passages = chunk(markdown(" ".join(words)), embedder.count_tokens, 128)
    pieces = [passage.quote(span) for passage in passages for span in passage.sentences]
    assert len(pieces) > 5
    assert " ".join(pieces).split() == words


def test_passages_under_a_heading_have_it_in_front_once(embedder: MiniLMEmbedding) -> None:
    article = markdown("Opening words. " * 30 + "\n\n## Repairs\n\n" + "Rust was found in a cable. " * 60, "The bridge")
    first, *_, last = chunk(article, embedder.count_tokens, 100)
    opening = next(
        passage for passage in chunk(article, embedder.count_tokens, 100) if passage.text.startswith("Repairs")
    )
    assert (first.context, last.context) == ("The bridge. ", "The bridge. Repairs. ")
    assert opening.context == "The bridge. "


def test_a_heading_before_boilerplate_is_named_by_the_context_of_the_text_behind(embedder: MiniLMEmbedding) -> None:
    text = "Before. It ends here.\n\n## Repairs\n\nAdvertisement\n\nRust was found in two cables."
    last = chunk(markdown(text, "The bridge"), embedder.count_tokens, 256)[-1]
    assert (last.context, last.text) == ("The bridge. Repairs. ", "Rust was found in two cables.")


def test_a_heading_that_ends_an_article_makes_no_passage(embedder: MiniLMEmbedding) -> None:
    (passage,) = chunk(markdown("It ends here.\n\n## Nothing below"), embedder.count_tokens, 256)
    assert passage.text == "It ends here."


def test_a_very_long_title_leaves_room_for_the_text(embedder: MiniLMEmbedding) -> None:
    article = markdown("The bridge is 412 metres long. It was opened in 1931.", "茶" * 300)
    (passage,) = chunk(article, embedder.count_tokens, 64)
    assert "412 metres" in passage.text
    assert "1931" in passage.text


@pytest.mark.parametrize(
    "unit", ["The bridge was opened in 1931 and it is long. ", "茶叶最早产于中国云南，", "word ", "x"], ids=str.strip
)
def test_a_line_of_a_megabyte_takes_time_in_proportion(embedder: MiniLMEmbedding, unit: str) -> None:
    def seconds(length: int) -> float:
        article = to_article(parse_text(unit * (length // len(unit.encode()))), "a.txt")
        began = time.process_time()
        assert chunk(article, embedder.count_tokens, 256)
        return time.process_time() - began

    small = seconds(100_000)
    assert seconds(1_000_000) < 40 * small + 1  # in proportion: 10 times; squared: 100 times


# ---------------------------------------------------------------- pages


@thorough
@given(articles(), SIZES, st.data())
def test_a_passage_knows_the_page_of_each_of_its_sentences(article: Article, size: int, data: st.DataObject) -> None:
    def count(texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 for text in texts]

    assert all(passage.pages == () for passage in chunk(article, count, size))
    begins = sorted(data.draw(st.lists(st.integers(0, len(article.text)), min_size=1, max_size=8)))
    article = replace(article, pages=tuple(begins))
    for passage in chunk(article, count, size):
        for span in passage.sentences:
            assert passage.page(span) == (bisect_right(article.pages, span.start) or None)
        assert all(article.pages[number - 1] == start for start, number in passage.pages)


def test_a_passage_over_a_page_break_names_the_page_that_each_sentence_begins_on(embedder: MiniLMEmbedding) -> None:
    raw = [
        RawBlock("text", f"{PAGE}The bridge is long. It is{PAGE} old. It rusts."),
        RawBlock("text", f"{PAGE}{PAGE}End it."),
    ]
    (passage,) = chunk(to_article(Document(raw), "a.pdf"), embedder.count_tokens, 256)
    assert [(passage.quote(span), passage.page(span)) for span in passage.sentences] == [
        ("The bridge is long.", 1),
        ("It is old.", 1),
        ("It rusts.", 2),
        ("End it.", 4),
    ]


def test_pages_do_not_change_how_an_article_is_cut(embedder: MiniLMEmbedding) -> None:
    text = "Rust was found in a cable. " * 60
    plain = to_article(Document([RawBlock("text", text)]), "a.pdf")
    paged = to_article(Document([RawBlock("text", text.replace("found", f"found{PAGE}"))]), "a.pdf")
    cut = [chunk(article, embedder.count_tokens, 64) for article in (plain, paged)]
    assert [passage.id for passage in cut[0]] == [passage.id for passage in cut[1]]
