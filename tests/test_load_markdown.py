"""Markdown: front matter that is safe to read, and the text without its syntax."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load import load
from rag.load.document import to_article
from rag.load.markdown import has_front_matter, parse_markdown
from rag.text import clean
from tests.articles import article_or_none, blocks

_PIECES = st.sampled_from(
    [
        *(
            "# ",
            "## ",
            "- ",
            "  - ",
            "1. ",
            "> ",
            "```\n",
            "    ",
            "\n",
            "\n\n",
            "***\n",
            "|a|b|\n|-|-|\n|c|d|\n",
            "|",
            "\t",
        ),
        *(
            "<div>",
            "</div>",
            "<!--",
            "-->",
            "<script>",
            "<br>",
            "<?xml ?><p>",
            "&amp;",
            "&#8232;",
            "---\n",
            "title: x\n",
        ),
        *(
            "[a](b)",
            "![i](j)",
            "[r]: http://x\n",
            "**",
            "_",
            "`",
            "\\*",
            "The bridge is long. ",
            "茶。",
            "visibility: x\n",
        ),
    ]
)
_FILES = st.lists(_PIECES | st.text(max_size=8), max_size=20).map("".join)
_TOKENS = st.sampled_from(
    [
        *(
            "title",
            "date",
            "author",
            "visibility",
            "a",
            ":",
            ": ",
            "\n",
            "- ",
            "? ",
            "[",
            "]",
            "{",
            "}",
            "&a ",
            "*a",
            "<<: ",
        ),
        *("'", '"', "|", ">", "!!int ", "!!timestamp ", "!!python/name:os.system ", "2024-13-45", "0x", "\\ud800"),
    ]
)
_YAML = st.lists(_TOKENS | st.text(max_size=4), max_size=12).map("".join)


@settings(deadline=None, max_examples=200)
@given(_FILES | _YAML.map("---\na: 1\n{}\n---\ntext".format))
@example("<?xml ?><p>text")
@example('---\na: !!int ""\n---\ntext')
@example('---\na: !!timestamp "x"\n---\ntext')
def test_any_text_becomes_an_article_or_says_why_not(text: str) -> None:
    article = article_or_none(lambda: to_article(parse_markdown(clean(text)), "a.md"))
    assert article is None or article.text


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-zà-ü茶-荼]{1,8}", fullmatch=True), min_size=1, max_size=30))
def test_every_plain_word_is_in_the_article(words: list[str]) -> None:
    article = to_article(parse_markdown("The words:\n\n" + "\n\n".join(words)), "a.md")
    assert article.text.split()[2:] == words


# ---------------------------------------------------------------- front matter


def test_front_matter_says_what_the_article_is() -> None:
    document = parse_markdown(
        "---\nTitle: 'The bridge: a history'\nauthor: [Ida Berg, 李雷]\ndate: 2024-03-01\nlang: en-GB\n"
        "url: https://example.org/bridge\nvisibility: internal\ntags: {a: 1}\n...\n# Another title\n\nIt is long.\n"
    )
    assert document.title == "The bridge: a history"
    assert (document.author, document.published, document.language) == ("Ida Berg, 李雷", "2024-03-01", "en")
    assert (document.url, document.visibility) == ("https://example.org/bridge", "internal")
    assert blocks(document) == [("heading", "Another title"), ("text", "It is long.")]


@pytest.mark.parametrize("title", ["", "null", "''", "{a: b}", "true"])
def test_a_title_left_blank_leaves_it_to_the_first_heading(title: str) -> None:
    document = parse_markdown(f"---\ntitle: {title}\n---\n# The bridge\n\nIt is long.\n")
    assert document.title is None
    assert blocks(document)[0] == ("title", "The bridge")


def test_a_published_left_blank_leaves_it_to_the_date() -> None:
    assert parse_markdown("---\npublished:\ndate: 2024-03-01\n---\nText.").published == "2024-03-01"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-03-01", "2024-03-01"),
        ("2024-03-01T23:30:00-05:00", "2024-03-01"),
        ("March 1, 2024", "2024-03-01"),
        ("2024", None),
        ("2024-03", None),
        ("08/23", None),
        ("03/04/2025", None),
    ],
)
def test_dates_are_read_as_yaml_and_as_text_and_never_filled_in(value: str, expected: str | None) -> None:
    assert parse_markdown(f"---\ndate: {value}\n---\nText.").published == expected


@pytest.mark.parametrize("author", ["Ida Berg", "{name: Ida Berg}", "\n  - name: Ida Berg\n    url: x", "[Ida Berg]"])
def test_authors_are_read_in_every_shape(author: str) -> None:
    assert parse_markdown(f"---\nauthor: {author}\n---\nText.").author == "Ida Berg"


@pytest.mark.parametrize("key", ["visibility", "Visibility", '"visibility"', "'visibility'", "visibility "])
def test_an_internal_article_is_internal_however_its_key_is_written(key: str) -> None:
    document = parse_markdown(f"---\n{key}: internal\n---\nText.")
    assert document.visibility == "internal"
    assert blocks(document) == [("text", "Text.")]


@pytest.mark.parametrize("value", ["secret", "Internal!", "", "[internal]", "{a: internal}", "true"])
def test_a_visibility_that_we_do_not_know_keeps_the_article_out(value: str) -> None:
    with pytest.raises(Unloadable, match="visibility must be public or internal") as caught:
        parse_markdown(f"---\nvisibility: {value}\n---\nText.")
    assert caught.value.state == "failed"


@pytest.mark.parametrize(
    ("front_matter", "where"),
    [
        ("title: [unclosed", ""),
        ("title: a: b", ", line 2"),
        ("a: 1\n\tb: 2", ", line 3"),
        ("title: *nobody", ", line 2"),
        ("title: 2024-13-45", ""),
        ('x: !!int ""', ""),
    ],
)
def test_front_matter_that_is_no_yaml_keeps_the_article_out(front_matter: str, where: str) -> None:
    with pytest.raises(Unloadable, match=f"front matter is not valid YAML{where}") as caught:
        parse_markdown(f"---\n{front_matter}\n---\nText.")
    assert caught.value.state == "failed"


@pytest.mark.parametrize("tag", ["python/object/apply:os.mkdir [{}]", "python/object/new:os.mkdir [{}]"])
def test_front_matter_cannot_run_code(tmp_path: Path, tag: str) -> None:
    made = tmp_path / "made"
    with pytest.raises(Unloadable, match="not valid YAML"):
        parse_markdown(f"---\ntitle: !!{tag.format(made)}\n---\nText.")
    assert not made.exists()


def test_aliases_of_aliases_are_not_written_out() -> None:
    levels = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20))
    began = time.perf_counter()
    document = parse_markdown(f"---\na: &a [lol]\n{levels}title: *u\nauthor: [*u, Ida Berg]\n---\nText.")
    assert time.perf_counter() - began < 10
    assert (document.title, document.author) == (None, "Ida Berg")


def test_escapes_in_a_title_cannot_bring_in_what_cannot_be_stored() -> None:
    assert parse_markdown('---\ntitle: "a\\ud800\\0\\e[31mb"\n---\nText.').title == "a[31mb"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/relative", "5", ""])
def test_an_address_that_is_no_web_address_is_dropped(url: str) -> None:
    assert parse_markdown(f"---\nurl: {url}\n---\nText.").url is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\ntitle: x\n---\nText", True),
        ("---  \ntitle: x\n...", True),
        ("---\n# a comment\nmy key: x\n---\n", True),
        ("---\nJust a line between rules.\n---\n", False),
        ("Text\n---\ntitle: x\n---\n", False),
        ("---\ntitle: x\n", False),
        ("----\ntitle: x\n----\n", False),
        ("", False),
    ],
)
def test_front_matter_is_a_block_of_keys_at_the_very_top(text: str, expected: bool) -> None:
    assert has_front_matter(text) is expected


def test_a_line_between_two_rules_is_no_front_matter() -> None:
    assert ("heading", "Just a line between rules.") in blocks(
        parse_markdown("---\nJust a line between rules.\n---\n\nText.")
    )


# ---------------------------------------------------------------- blocks


def test_the_first_heading_of_the_first_level_is_the_title() -> None:
    text = "Above.\n\n# The *bridge*\n\n## Length ##\n\nIt is long.\n\n# Another\n\nOld too\n=======\n\nEnd.\n"
    assert blocks(parse_markdown(text)) == [
        ("text", "Above."),
        ("title", "The bridge"),
        ("heading", "Length"),
        ("text", "It is long."),
        ("heading", "Another"),
        ("heading", "Old too"),
        ("text", "End."),
    ]


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**Meta** has _a lead_ on ~~it~~.", "Meta has a lead on ~~it~~."),
        (
            "See [the report](https://example.org 'x') and <https://example.org/b>.",
            "See the report and https://example.org/b.",
        ),
        ("See [the report][1].\n\n[1]: https://example.org", "See the report."),
        ("![A bridge over ice](bridge.png) stands.", "A bridge over ice stands."),
        ("Call `os.system()` not ``a`b``.", "Call os.system() not a`b."),
        ("AT&amp;T &copy; 5 &lt; 6 &#8212; done.", "AT&T © 5 < 6 — done."),
        (r"5 \* 6 \_is\_ 30 and \[1\] stays.", "5 * 6 _is_ 30 and [1] stays."),
        ("two\nlines  \nand a third", "two\nlines\nand a third"),
        ("one<br>two<BR/>three <b>bold</b>", "one\ntwo\nthree bold"),
        ("> quoted\n> words", "quoted\nwords"),
        ("A cite[1] and [2025] and [10-K].", "A cite[1] and [2025] and [10-K]."),
        ("snake_case_name and 2 * 3 and $x$", "snake_case_name and 2 * 3 and $x$"),
    ],
)
def test_syntax_goes_and_words_stay(markdown: str, text: str) -> None:
    assert blocks(parse_markdown(markdown)) == [("text", text)]


def test_items_of_nested_lists_follow_closely_with_all_their_paragraphs() -> None:
    text = "Parts:\n\n- deck\n  - steel\n  - wood\n\n    from the north\n- cables\n\n1. first\n2. second\n"
    article = to_article(parse_markdown(text), "a.md")
    assert article.text.split() == [
        "Parts:",
        "deck",
        "steel",
        "wood",
        "from",
        "the",
        "north",
        "cables",
        "first",
        "second",
    ]
    assert "steel\nwood" in article.text
    assert "first\nsecond" in article.text
    assert "cables\n\nfirst" in article.text


def test_a_table_row_is_one_block_even_where_it_holds_numbers_only() -> None:
    text = "Lengths:\n\n| Year | Length |\n|---|--:|\n| 1931 | 412 |\n| 2022 | **418** m |\n| a \\| b | |\n\nEnd."
    article = to_article(parse_markdown(text), "a.md")
    assert blocks(parse_markdown(text)) == [
        ("text", "Lengths:"),
        ("text", "Year | Length"),
        ("text", "1931 | 412"),
        ("text", "2022 | 418 m"),
        ("text", "a | b |"),
        ("text", "End."),
    ]
    assert "Year | Length\n1931 | 412\n2022" in article.text


def test_code_is_kept_as_it_is() -> None:
    text = "Run:\n\n```python\nfor x in y:\n    print('<b>', x)  # not bold\n```\n\n    indented *code*\n"
    assert [text for _, text in blocks(parse_markdown(text))] == [
        "Run:",
        "for x in y:\n    print('<b>', x)  # not bold",
        "indented *code*",
    ]


def test_html_blocks_give_their_visible_text() -> None:
    text = (
        "<!-- a note\nto the editor -->\n\n<div align='center'>\n<p>The <b>bridge</b> &amp; the sea</p>\n</div>\n\n"
        "<script>\nalert('not text')\n</script>\n\n<p hidden>not shown</p>\n\n"
        "<details><summary>More</summary>\n\nIt is *long*.\n\n</details>\n"
    )
    assert blocks(parse_markdown(text)) == [("text", "The bridge & the sea"), ("text", "More"), ("text", "It is long.")]


@pytest.mark.parametrize(
    "text", ["> " * 5000, "[" * 20_000, "**a " * 5000, "`" * 20_000 + "a", "- " * 3000, "|a" * 20_000]
)
def test_syntax_without_end_is_read_in_seconds(text: str) -> None:
    began = time.perf_counter()
    assert parse_markdown(text + "x").blocks is not None
    assert time.perf_counter() - began < 5


def test_blank_lines_above_the_front_matter_do_not_make_an_internal_article_public() -> None:
    assert parse_markdown("\n\n---\nvisibility: internal\n---\n\nText.\n").visibility == "internal"


@pytest.mark.parametrize("source", ["a.md", "a.txt"])
def test_a_visibility_in_front_matter_that_is_not_closed_fails(source: str) -> None:
    with pytest.raises(Unloadable, match="not closed"):
        load(source, b"---\ntitle: A\nvisibility: internal\n\nText of the article.\n")
