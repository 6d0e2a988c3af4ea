"""From raw blocks to an article: the canonical text, and what the file does not say itself."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import PAGE, Document, RawBlock, to_article
from rag.text import clean
from tests.articles import assert_canonical

_BLOCKS = st.lists(
    st.builds(
        RawBlock,
        st.sampled_from(["title", "heading", "text", "boilerplate"]),
        st.text(alphabet=st.characters(), max_size=30) | st.just("The bridge is long."),
        st.booleans(),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(_BLOCKS, st.none() | st.text(max_size=400))
def test_blocks_hold_every_visible_character_in_order_and_apart(blocks: list[RawBlock], title: str | None) -> None:
    document = Document([*blocks, RawBlock("text", "The last word is here.")], title=title and " ".join(title.split()))
    article = to_article(document, "a.txt")
    assert_canonical(article)
    assert len(article.title) <= 300
    visible = "".join(clean(block.text) for block in document.blocks).split()
    assert "".join(article.text.split()) == "".join(visible)


def test_blocks_are_parted_by_a_blank_line_and_tight_ones_by_a_line_end() -> None:
    document = Document(
        [
            RawBlock("title", "The bridge", tight=True),
            RawBlock("text", "  It is long. \n"),
            RawBlock("text", " \n "),
            RawBlock("text", "It is old.", tight=True),
        ]
    )
    assert to_article(document, "a.txt").text == "The bridge\n\nIt is long.\nIt is old."


def test_control_characters_of_character_references_do_not_reach_the_text() -> None:
    article = to_article(Document([RawBlock("text", "one\u2028two\x01\ud800 three\r\n")]), "a.txt")
    assert article.text == "one\ntwo three"


def test_the_same_blocks_give_the_same_hash_wherever_the_file_is() -> None:
    document = Document([RawBlock("text", "The bridge is long.")])
    one, other = to_article(document, "a.txt"), to_article(document, "b/a.txt")
    assert one.content_hash == other.content_hash
    assert one.id != other.id


@pytest.mark.parametrize(
    ("document", "title"),
    [
        (Document([RawBlock("title", "In the text"), RawBlock("text", "x")], title="In the\n head"), "In the head"),
        (Document([RawBlock("title", "In\nthe text"), RawBlock("text", "x")]), "In the text"),
        (Document([RawBlock("heading", "A heading"), RawBlock("text", "x")]), "茶 v1.2"),
        (Document([RawBlock("text", "x")], title="long " * 100), ("long " * 60).strip()),
    ],
)
def test_the_title_is_that_of_the_head_else_of_the_text_else_the_name_of_the_file(
    document: Document, title: str
) -> None:
    assert to_article(document, "folder/茶 v1.2.md").title.strip() == title


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [RawBlock("text", " \n")],
        [RawBlock("text", "* * *"), RawBlock("text", "…")],
        [RawBlock("boilerplate", "By Ida Berg")],
        [RawBlock("text", "© 2024 Example Media. All rights reserved.")],
    ],
)
def test_a_document_without_evidence_is_skipped_with_its_reason(blocks: list[RawBlock]) -> None:
    with pytest.raises(Unloadable, match="no text in it") as caught:
        to_article(Document(blocks), "a.txt")
    assert caught.value.state == "skipped"


def test_headings_with_nothing_under_them_are_the_evidence() -> None:
    article = to_article(Document([RawBlock("title", "Accounts of 2020"), RawBlock("heading", "Approved")]), "a.html")
    assert [kind for _, _, kind in article.blocks] == ["text", "text"]


def test_what_the_document_says_of_itself_is_kept() -> None:
    document = Document(
        [RawBlock("text", "Die Brücke ist vierhundert Meter lang.")],
        published="2024-03-01",
        author="Ida Berg",
        language="en",
        url="https://example.org/a",
        visibility="internal",
    )
    article = to_article(document, "a.txt")
    assert (article.published, article.author, article.language) == ("2024-03-01", "Ida Berg", "en")
    assert (article.url, article.visibility) == ("https://example.org/a", "internal")


def test_the_language_is_that_of_the_evidence_not_of_the_notices_around_it() -> None:
    document = Document(
        [
            RawBlock("text", "The bridge was opened in 1931 and is more than four hundred metres long."),
            RawBlock("text", "免责声明：本文仅供参考，不构成投资建议。" * 10),
        ]
    )
    assert to_article(document, "a.txt").language == "en"


# ---------------------------------------------------------------- pages

_PIECES = st.lists(st.sampled_from([PAGE, "a", "b c", " ", "\n", "茶", "\u2028", "\x01", "\r\n"]), max_size=12).map(
    "".join
)
_PAGED = st.lists(
    st.builds(RawBlock, st.sampled_from(["title", "heading", "text", "boilerplate"]), _PIECES, st.booleans()),
    max_size=8,
)


@settings(deadline=None)
@given(_PAGED)
def test_every_character_is_on_the_page_that_it_was_written_on(raw: list[RawBlock]) -> None:
    raw = [*raw, RawBlock("text", "end")]
    article = to_article(Document(raw), "a.pdf")
    assert_canonical(article)
    assert PAGE not in article.text
    written = "".join(block.text for block in raw)
    assert len(article.pages) == written.count(PAGE)
    assert list(article.pages) == sorted(article.pages)
    page, expected = 0, []
    for char in clean(written.replace(PAGE, "\ue000")):
        if char == "\ue000":
            page += 1
        elif not char.isspace():
            expected.append((char, page))
    assert [
        (char, bisect_right(article.pages, at)) for at, char in enumerate(article.text) if not char.isspace()
    ] == expected


@pytest.mark.parametrize(
    ("texts", "text", "pages"),
    [
        (["\fOne.", "\fTwo."], "One.\n\nTwo.", (0, 6)),
        (["\fOne\f runs on."], "One runs on.", (0, 3)),
        (["\f\fTwo.", "\f\f\fFive."], "Two.\n\nFive.", (0, 0, 6, 6, 6)),
        (["\fOne.", "\f \n", "\fThree."], "One.\n\nThree.", (0, 6, 6)),
        (["\fOne.\f", "Two."], "One.\n\nTwo.", (0, 4)),
        (["\fOne.", "\f", "\f"], "One.", (0, 4, 4)),
        (["\f  One.  \f  Two.  "], "One.    Two.", (0, 6)),
        (["One."], "One.", ()),
    ],
)
def test_pages_begin_in_front_of_their_first_character(texts: list[str], text: str, pages: tuple[int, ...]) -> None:
    article = to_article(Document([RawBlock("text", item) for item in texts]), "a.pdf")
    assert (article.text, article.pages) == (text, pages)


def test_a_part_is_named_in_source_and_id_and_gives_the_title_where_there_is_none() -> None:
    document = Document([RawBlock("text", "The bridge is long.")])
    whole, part, other = (to_article(document, "a.jsonl", name) for name in (None, "3", "4"))
    assert [article.source for article in (whole, part, other)] == ["a.jsonl", "a.jsonl#3", "a.jsonl#4"]
    assert len({article.id for article in (whole, part, other, to_article(document, "a.jsonl#3"))}) == 4
    assert [article.title for article in (whole, part)] == ["a", "3"]
