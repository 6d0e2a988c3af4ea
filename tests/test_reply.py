"""Reading a reply: its marks whatever the pieces it comes in, and its sentences whatever its Markdown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.reply import MarkParser, mark_owner, reply_sentences
from rag.types import Mark, Span

ISSUED = range(1, 9)

# A mark as a reader of the grammar would write it down, for replies without code.
MARK = re.compile(r"(?<!\[)\[(\d{1,2}(?:[ \t]{0,3},[ \t]{0,3}\d{1,2}){0,49})\](?![\](])")


def parsed(*pieces: str) -> MarkParser:
    """Return a parser that has read a reply, after checking that it gave its text back piece by piece."""
    parser = MarkParser(ISSUED)
    shown = "".join([parser.feed(piece) for piece in pieces]) + parser.finish()
    assert shown == parser.text
    return parser


def read(reply: str) -> tuple[str, list[tuple[int, int]], int]:
    parser = parsed(reply)
    return parser.text, [(mark.at, mark.n) for mark in parser.marks], parser.dropped


# ---------------------------------------------------------------- marks


@pytest.mark.parametrize(
    "reply",
    [
        "In [2025] it grew.",
        "The [10-K] says so.",
        "Page [3 of 5].",
        "It is [[1]].",
        "It is [[1] or [2]].",
        "It is [ [1]].",
        "See [1](http://x).",
        "See ![1](http://x/a.png).",
        "See [the site](http://x/[1](y)).",
        "It is 【1】.",
        "It is [1.5] or [-1] or [+1].",
        "It is [1-3] or [1;2] or [1,] or [,1] or [1,,2] or [a, 1] or [].",
        "It is [^1] or [#1] or [n1] or [1a].",
        "It is [1",
        "It is [1, 2",
        "It is [",
        "It is 1] or (1) or {1} or <1>.",
        "It is [123] or [1234].",
        "It is [1\n].",
        "It is [1,\n2].",
        "It is [ 1] or [1 ].",
        "Take `a[1]` here.",
        "Take ``a[1] ` b[2]`` here.",
        "```python\na[1] = b[2]\n```\n",
        "```\na[1]\n\n  b [2]\n```",
        "```\na[1]",
        "  ```\na[1]\n  ```",
        "It is [" + ", ".join(["1"] * 51) + "].",
        "It is [" + " " * 5000 + "1].",
        "[" * 5000,
    ],
)
def test_what_is_no_mark_is_text(reply: str) -> None:
    assert read(reply) == (reply, [], 0)
    parsed_by_character = parsed(*reply)
    assert (parsed_by_character.text, parsed_by_character.marks) == (reply, [])


@pytest.mark.parametrize(
    ("reply", "text", "marks", "dropped"),
    [
        ("word [1].", "word.", [(4, 1)], 0),
        ("word. [1]", "word.", [(5, 1)], 0),
        ("word[1]", "word", [(4, 1)], 0),
        ("word [1] next", "word next", [(4, 1)], 0),
        ("word [1]\tnext", "word\tnext", [(4, 1)], 0),
        ("word [1]\nnext", "word\nnext", [(4, 1)], 0),
        ("word [1], next", "word, next", [(4, 1)], 0),
        ("(word [1])", "(word)", [(5, 1)], 0),
        ("x [1]y", "x y", [(1, 1)], 0),
        ("x[1]y", "xy", [(1, 1)], 0),
        ("x [1] [2] y", "x y", [(1, 1), (1, 2)], 0),
        ("x [1][2]y", "x y", [(1, 1), (1, 2)], 0),
        ("x [1][2].", "x.", [(1, 1), (1, 2)], 0),
        ("x [1, 3].", "x.", [(1, 1), (1, 3)], 0),
        ("x [1 ,3].", "x.", [(1, 1), (1, 3)], 0),
        ("x [3,1].", "x.", [(1, 3), (1, 1)], 0),
        ("x [1,2,99].", "x.", [(1, 1), (1, 2)], 1),
        ("x [0].", "x.", [], 1),
        ("x [99].", "x.", [], 1),
        ("x [9, 10].", "x.", [], 2),
        ("x [01].", "x.", [(1, 1)], 0),
        ("[1]", "", [(0, 1)], 0),
        ("x [1] (see y)", "x (see y)", [(1, 1)], 0),
        ("x [1]: y", "x: y", [(1, 1)], 0),
        ("x [1] [2](http://x)", "x [2](http://x)", [(1, 1)], 0),
        ("x [2025] [1]", "x [2025]", [(8, 1)], 0),
        ("桥长412米[1]。它", "桥长412米。它", [(6, 1)], 0),
        ("桥长412米 [1]。", "桥长412米。", [(6, 1)], 0),
        ("`a [1]", "`a", [(2, 1)], 0),
        ("`a [1]\n` b", "`a\n` b", [(2, 1)], 0),
        ("``a [1]` b", "``a ` b", [(3, 1)], 0),
        ("`a[1]` [2]", "`a[1]`", [(6, 2)], 0),
        ("```\na[1]\n```\nx [2]", "```\na[1]\n```\nx", [(14, 2)], 0),
        ("    ```\nx [1]", "    ```\nx", [(9, 1)], 0),
        ("- x [1]\n- y [2]", "- x\n- y", [(3, 1), (7, 2)], 0),
        ("| x [1] | y [2] |", "| x | y |", [(3, 1), (7, 2)], 0),
    ],
)
def test_a_mark_leaves_the_text_with_its_blanks(
    reply: str, text: str, marks: list[tuple[int, int]], dropped: int
) -> None:
    assert read(reply) == (text, marks, dropped)


def test_code_in_backticks_at_the_start_of_a_line_is_no_fence() -> None:
    assert read("```x``` is right [1].\n\nMore [2].") == ("```x``` is right.\n\nMore.", [(16, 1), (23, 2)], 0)


def test_code_between_tildes_is_code() -> None:
    assert read("~~~\na[1]\n~~~\n") == ("~~~\na[1]\n~~~\n", [], 0)


def test_emphasis_that_ends_with_a_mark_stays_emphasis() -> None:
    assert read("**Opened in 1931 [1]** and *old [2]*.")[0] == "**Opened in 1931** and *old*."


def test_text_is_given_back_as_soon_as_it_is_certain() -> None:
    parser = MarkParser(ISSUED)
    pieces = ["The bri", "dge [", "1", "]", " is", " long.", " [2"]
    assert [parser.feed(piece) for piece in pieces] == ["The bri", "dge", "", "", " is", " long.", ""]
    assert parser.finish() == " [2"


def test_no_numbers_issued_means_no_marks() -> None:
    parser = MarkParser([])
    parser.feed("x [1] y [2].")
    parser.finish()
    assert (parser.text, parser.marks, parser.dropped) == ("x y.", [], 2)


def pieces_of(head: str, piece: str, count: int) -> list[str]:
    return [head, *[piece] * count]


def at_once(head: str, piece: str, count: int) -> list[str]:
    return [head + piece * count]


@pytest.mark.parametrize("feeding", [pieces_of, at_once])
@pytest.mark.parametrize(
    ("head", "piece"),
    [
        *(("", piece) for piece in ["word [1]. ", "[1]", "[1](", "[", "[1,", "word ", "```\n", "`a[1]` \n", "`a` "]),
        ("`", "word "),
    ],
)
def test_time_grows_with_the_text_and_no_faster(
    feeding: Callable[[str, str, int], list[str]], head: str, piece: str
) -> None:
    def seconds(count: int) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            parsed(*feeding(head, piece, count))
            best = min(best, time.perf_counter() - began)
        return best

    assert seconds(4000) < 8 * seconds(1000) + 0.05


def test_5000_marks_are_read() -> None:
    parser = parsed("A word [1, 2]. " * 2500)
    assert len(parser.marks) == 5000


# ---------------------------------------------------------------- marks, whatever comes

BRACKETS = ["[1]", "[2, 3]", "[9]", "[12,1]", "[2025]", "[", "]", "[[", "]]", "[1", "1]", "[1](", ",", "3", "[1.5]"]
AROUND = [" ", "  ", "\t", "\n", "\n\n", ". ", "(", ")", "。", "word", "桥", "- ", "**", "😀", "\u00a0"]
CODE = ["`", "``", "```", "\n```", "```\n", "   ```", "\n    ```"]
PLAIN_REPLIES = st.lists(st.sampled_from(BRACKETS + AROUND), max_size=30).map("".join)
REPLIES = st.lists(st.sampled_from(BRACKETS + AROUND + CODE), max_size=30).map("".join)


@st.composite
def cut(draw: st.DrawFn) -> list[str]:
    """Return a reply in pieces, some of them empty."""
    reply = draw(REPLIES)
    places = sorted(draw(st.lists(st.integers(0, len(reply)), max_size=12)))
    return [reply[start:end] for start, end in pairwise([0, *places, len(reply)])]


@given(cut())
def test_any_cut_into_pieces_gives_the_same(pieces: list[str]) -> None:
    whole = parsed("".join(pieces))
    for parser in (parsed(*pieces), parsed(*"".join(pieces))):
        assert (parser.text, parser.marks, parser.dropped) == (whole.text, whole.marks, whole.dropped)


@given(st.text(alphabet="[1], 2`\n9(。a", max_size=60))
def test_any_text_gives_the_same_at_once_and_by_character(reply: str) -> None:
    one, other = parsed(reply), parsed(*reply)
    assert (one.text, one.marks, one.dropped) == (other.text, other.marks, other.dropped)


def unblanked(text: str) -> str:
    return re.sub(r"[ \t]", "", text)


@given(PLAIN_REPLIES)
def test_the_text_is_the_reply_without_its_marks(reply: str) -> None:
    text, marks, dropped = read(reply)
    assert unblanked(text) == unblanked(MARK.sub("", reply))
    numbers = [int(number) for mark in MARK.findall(reply) for number in mark.split(",")]
    assert [n for _, n in marks] == [n for n in numbers if n in ISSUED]
    assert len(marks) + dropped == len(numbers)


@given(PLAIN_REPLIES)
def test_each_mark_stands_where_it_stood(reply: str) -> None:
    text, marks, _ = read(reply)
    expected = [
        len(unblanked(MARK.sub("", reply[: mark.start()])))
        for mark in MARK.finditer(reply)
        for number in mark[1].split(",")
        if int(number) in ISSUED
    ]
    assert [len(unblanked(text[:at])) for at, _ in marks] == expected


@given(REPLIES)
def test_marks_lie_in_the_text_in_order_and_are_numbers_that_we_issued(reply: str) -> None:
    text, marks, dropped = read(reply)
    assert all(0 <= at <= len(text) and n in ISSUED for at, n in marks)
    assert [at for at, _ in marks] == sorted(at for at, _ in marks)
    assert dropped >= 0
    assert len(marks) + dropped <= len(re.findall(r"\d+", reply))


@given(REPLIES)
def test_words_are_neither_joined_nor_lost(reply: str) -> None:
    text, _, _ = read(reply)
    assert re.findall(r"word|桥|😀", text) == re.findall(r"word|桥|😀", reply)
    assert text.count("\n") == reply.count("\n")
    assert text.count("`") == reply.count("`")


@given(st.text(max_size=80).filter(lambda text: "[" not in text))
def test_a_text_without_brackets_is_left_alone(text: str) -> None:
    assert read(text) == (text, [], 0)


# ---------------------------------------------------------------- sentences


def sentences(text: str) -> list[str]:
    return [text[span.start : span.end] for span in reply_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is long. It is old.", ["It is long.", "It is old."]),
        ("It is long.\nIt is old.\n\nIt is grey.", ["It is long.", "It is old.", "It is grey."]),
        ("It is a long\nbridge. It is\nold.", ["It is a long\nbridge.", "It is\nold."]),
        ("桥长412米。它很旧。", ["桥长412米。", "它很旧。"]),
        ("- long\n- old", ["long", "old"]),
        ("* long. Very long.\n* old", ["long.", "Very long.", "old"]),
        ("- a long\n  bridge\n- old", ["a long\n  bridge", "old"]),
        ("1. long\n2) old\n10. grey", ["long", "old", "grey"]),
        ("Both:\n- long\n  - very\n- old", ["Both:", "long", "very", "old"]),
        ("# Ostvik\nIt is long.", ["Ostvik", "It is long."]),
        ("It is long.\n## Age\nIt is old.", ["It is long.", "Age", "It is old."]),
        ("> It is long.\n> It is old.", ["It is long.", "It is old."]),
        ("> - long", ["long"]),
        ("| Bridge | Length |\n|---|---|\n| Ostvik | 412 m |\n", ["| Ostvik | 412 m |"]),
        ("It has:\n| a | b |\n| c | d |\nNice.", ["It has:", "| a | b |", "| c | d |", "Nice."]),
        ("Run this. Now:\n```\na. b\nc = 1\n```\nDone.", ["Run this.", "Now:", "```\na. b\nc = 1\n```", "Done."]),
        ("```\na. b", ["```\na. b"]),
        ("It opened in\n1931. It is long.", ["It opened in\n1931.", "It is long."]),
        ("**Ostvik:** 412 m.", ["**Ostvik:** 412 m."]),
        ("---\n\n***\n\n:-)\n", []),
        ("", []),
        (" \n\t\n", []),
    ],
)
def test_a_reply_is_cut_into_its_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| a | b |\n|---|---|\n| c | d |\n|---|---|\n| e | f |", ["| c | d |", "| e | f |"]),
        ("| c | d |\n\n|---|---|\n", ["| c | d |"]),
        ("It is long.\n|---|---|\nIt is old.", ["It is long.", "It is old."]),
    ],
)
def test_only_the_head_of_a_table_is_left_out(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_code_in_backticks_that_opens_a_line_is_part_of_its_sentence() -> None:
    assert sentences("```x``` is right. More.\n\nAnd more.") == ["```x``` is right.", "More.", "And more."]


LINES = ["- ", "* ", "1. ", "12) ", "# ", "### ", "> ", "| ", " | ", "|---|---|", "```", "```\n", "\n", "\n\n", "  "]
MARKDOWN = st.lists(st.sampled_from([*LINES, "bridge", "It is.", " 412", "。", "桥", "No. 5 ", "**", "`"]), max_size=30)


@given(MARKDOWN.map("".join) | st.text(max_size=80))
def test_sentences_are_in_order_apart_inside_and_say_something(text: str) -> None:
    spans = reply_sentences(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(earlier.end <= later.start for earlier, later in pairwise(spans))
    for span in spans:
        assert any(char.isalnum() for char in text[span.start : span.end])
        words = text[span.start : span.end]
        assert words == (words.rstrip() if words.lstrip().startswith("```") else words.strip())


LIST_MARKER = re.compile(r"[ \t>]*\d{1,3}[.)](?=\s)")
TABLE_HEAD = re.compile(r"^[ \t]*\|.*\n(?=[ \t]*\|?[ \t|:-]+$)", re.MULTILINE)


@given(MARKDOWN.map("".join))
def test_every_word_lies_in_a_sentence_unless_it_heads_a_table(text: str) -> None:
    spans = reply_sentences(text)
    outside = "".join(text[before.end : after.start] for before, after in pairwise([Span(0, 0), *spans]))
    outside += text[spans[-1].end if spans else 0 :]
    if not TABLE_HEAD.search(text):
        assert not re.findall(r"[^\W\d_]+|412", outside)


@given(st.lists(st.sampled_from(["bridge", "It is long.", "412 m", "桥很长。", "old"]), min_size=1, max_size=6))
def test_each_item_of_a_list_is_its_own_sentence(items: list[str]) -> None:
    assert sentences("".join(f"{i}. {item}\n" for i, item in enumerate(items, start=1))) == items
    assert sentences("".join(f"- {item}\n" for item in items)) == items


# ---------------------------------------------------------------- whose mark it is


def owners(reply: str) -> list[str | None]:
    """Return the sentence that each mark of a reply belongs to."""
    parser = parsed(reply)
    spans = reply_sentences(parser.text)
    found = [mark_owner(mark.at, spans, parser.text) for mark in parser.marks]
    return [None if i is None else parser.text[spans[i].start : spans[i].end] for i in found]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("It is long [1]. It is old [2].", ["It is long.", "It is old."]),
        ("It is long. [1] It is old. [2]", ["It is long.", "It is old."]),
        ("It is long.[1] It is old.[2]", ["It is long.", "It is old."]),
        ("It is [1] long. It is old.", ["It is long."]),
        ("It is long\nand old. [1]\nIt is grey.", ["It is long\nand old."]),
        ("桥长412米。[1]它很旧[2]。", ["桥长412米。", "它很旧。"]),
        ("[1] It is long. It is old.", ["It is long."]),
        ("It is long.\n[2] It is old.", ["It is old."]),
        ("- long [1]\n- old [2]", ["long", "old"]),
        ("- [1] long\n- [2] old", ["long", "old"]),
        ("1. [1] long\n2. old [2]", ["long", "old"]),
        ("> [1] It is long.", ["It is long."]),
        ("# Ostvik [1]\nIt is long.", ["Ostvik"]),
        ("| Ostvik | 412 m [1] |\n| Berg | 30 m | [2]\n", ["| Ostvik | 412 m |", "| Berg | 30 m |"]),
        ("It is long.\n[1]\nIt is old.", ["It is long."]),
        ("It is long.\n\n[1]\n\nIt is old.", ["It is long."]),
        ("It is long.\n[1]", ["It is long."]),
        ("[1]\nIt is long.", ["It is long."]),
        ("[1]", [None]),
        ("--- [1]", [None]),
    ],
)
def test_a_mark_belongs_to_the_sentence_it_stands_in_behind_or_before(reply: str, expected: list[str | None]) -> None:
    assert owners(reply) == expected


@given(REPLIES)
def test_every_mark_has_an_owner_where_there_is_a_sentence_and_none_is_passed_over(reply: str) -> None:
    parser = parsed(reply)
    spans = reply_sentences(parser.text)
    found = [mark_owner(mark.at, spans, parser.text) for mark in parser.marks]
    assert all((owner is None) == (not spans) for owner in found)
    places = [owner for owner in found if owner is not None]
    assert places == sorted(places)
    for mark, owner in zip(parser.marks, places, strict=False):
        inside = [i for i, span in enumerate(spans) if span.start < mark.at <= span.end]
        assert inside in ([], [owner])


def test_a_mark_between_two_sentences_that_touch_belongs_to_the_first() -> None:
    assert mark_owner(Mark(3, 1).at, (Span(0, 3), Span(3, 6)), "一。二三。四") == 0
