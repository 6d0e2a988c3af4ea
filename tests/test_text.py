"""Cleaning, sentence spans, and the terms to search by."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.text import (
    about_terms,
    clean,
    index_terms,
    mostly_cjk,
    printable,
    question_parts,
    question_terms,
    sentence_spans,
)

# What a sentence splitter trips over, at random and far denser than in any article.
_TRICKY = st.text(alphabet=" \n\t\u3000\u200b.!?。！？…।\"”'’)]」[1Aab,;:中カが・AIMr", max_size=120)
_ANY_TEXT = st.text(max_size=120) | _TRICKY
# Letters, digits and marks of every script, joined by what stands between words.
_WORDS = st.text(alphabet=st.characters(categories=("L", "N", "M")) | st.sampled_from(" .,'’-_・゠\xad"), max_size=60)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


# ---------------------------------------------------------------- cleaning


@given(st.text(alphabet=st.characters(), max_size=80))
def test_cleaned_text_can_be_stored_and_has_one_kind_of_line_end(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert not set(cleaned) & set("\r\x00\x0b\x0c\x1b\x85\u2028\u2029\ufeff")
    assert clean(cleaned) == cleaned


@given(st.text(max_size=80))
def test_cleaning_takes_no_letter_or_digit(text: str) -> None:
    assert [char for char in clean(text) if char.isalnum()] == [char for char in text if char.isalnum()]


def test_cleaning_turns_every_line_end_into_one() -> None:
    assert clean("a\r\nb\rc\u2028d\x0ce") == "a\nb\nc\nd\ne"


def test_cleaning_keeps_tabs_joiners_and_direction_marks() -> None:
    text = "a\tb می‌خواهم 👩‍🚀 \u200eשלום"
    assert clean(text) == text


@given(st.text(alphabet=st.characters(), max_size=80))
def test_printable_text_cannot_steer_a_terminal_or_turn_its_direction(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert not set(shown) & set("\x00\x07\x08\x1b\x7f\x9b\r\u202e\u2066\u200f")
    assert printable(shown) == shown


def test_printable_text_loses_the_escape_of_a_colour_and_keeps_its_lines() -> None:
    assert printable("red \x1b[31m\nnext\tline") == "red [31m\nnext\tline"


# ---------------------------------------------------------------- sentences


@settings(deadline=None, max_examples=300)
@given(_ANY_TEXT, st.integers(0, 40), st.integers(0, 40))
@example("", 0, 0)
@example("…。”\n\x1f", 0, 0)
def test_sentence_spans_hold_every_visible_character_of_the_range_once(text: str, head: int, tail: int) -> None:
    start = min(head, len(text))
    end = max(start, len(text) - tail)
    at = start
    for span in sentence_spans(text, start, end):
        assert at <= span.start < span.end <= end
        assert not text[at : span.start].strip()
        assert text[span.start : span.end] == text[span.start : span.end].strip()
        at = span.end
    assert not text[at:end].strip()


@given(_TRICKY, _TRICKY, _TRICKY)
@example("Wait..", ". Then it broke.", ".")
def test_spans_of_a_range_do_not_depend_on_what_is_around_it(before: str, text: str, after: str) -> None:
    offset = len(before)
    inside = sentence_spans(before + text + after, offset, offset + len(text))
    assert [(start - offset, end - offset) for start, end in inside] == [tuple(span) for span in sentence_spans(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["The bridge opened in 1931.", "It is 412 metres long."],
        ["Is it safe?", "Yes!", "Nobody doubts it."],
        ['"It is safe."', '"Who says so?"', "They left."],
        ["He called it “an all-around strategy.”", "She disagreed."],
        ["It grew by 3.5 per cent in the third quarter.", "Sales fell."],
        ["It was cited.[12]", "It was cited again.[3][4]", "Nobody read it."],
        ["茶叶最早产于中国云南。", "唐代陆羽写了《茶经》一书。", "你读过吗？", "没有！"],
        ["他说：“桥是安全的。”", "他们走了。"],
        ["お茶の歴史は古い。", "京都の人々は毎日飲む。"],
        ["यह पुल लंबा है।", "यह सुरक्षित है।"],
        ["Wait...", "The cable broke."],
        ["Vitamin C is one.", "Plan B is another."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts
    assert sentences("\n".join(parts)) == parts


def test_chinese_sentences_need_no_space_between_them() -> None:
    assert sentences("茶叶产于云南。他说:“很好。”你读过吗?!没有！") == [
        "茶叶产于云南。",
        "他说:“很好。”",
        "你读过吗?!没有！",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Berg met Dr. Ida Holm, Prof. Lund and Gen. Voss on Fri. 3 Jan. 2025.",
        "Meta Platforms, Inc. is adjusting its strategy, e.g. by licensing, i.e. paying.",
        "The U.S. Senate and the U.K. Parliament, vs. J. R. R. Tolkien, cf. Fig. 3 and No. 5, agreed.",
        "It begins at 5 p.m. Eastern time.",
        "The price rose from 3.14 to 1,234.56 crowns at example.com last year.",
        'Yahoo! said it would, and "Who cares?" asked nobody.',
        "The bridge… was long.",
        "1. The first item of a list",
        "a line\nbroken by hand\nin the middle",
        "no stop at all",
    ],
)
def test_a_stop_within_a_sentence_does_not_end_it(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    "parts",
    [
        ["It was founded by Apple Inc.", "The company grew."],
        ["They live in the U.S.", "They moved there in 2021."],
        ["They met at 5 p.m.", "The talks failed."],
        ["Did he do it?", "No.", "He was away."],
        ["She grew apples, pears, etc.", "However, nobody came."],
    ],
)
def test_an_abbreviation_ends_a_sentence_where_the_next_word_begins_one(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


@pytest.mark.parametrize(
    "text",
    ["The bridge is long. " * 100_000, "Dr. " * 100_000, "." * 500_000 + "x", "word" * 500_000, "a.” " * 100_000],
    ids=["one paragraph", "abbreviations", "leader dots", "one word", "quotes"],
)
def test_a_very_long_paragraph_is_split_in_seconds(text: str) -> None:
    began = time.perf_counter()
    spans = sentence_spans(text)
    assert time.perf_counter() - began < 5
    assert spans[-1].end == len(text.rstrip())


# ---------------------------------------------------------------- search terms


@pytest.fixture(scope="module")
def lexical() -> Iterator[sqlite3.Connection]:
    """A table with the tokenizer of the ledger, and the terms that it makes of what it is given."""
    database = sqlite3.connect(":memory:")
    database.execute(
        """CREATE VIRTUAL TABLE lexical USING fts5 (body, tokenize = "unicode61 remove_diacritics 0 tokenchars '.'")"""
    )
    database.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab (lexical, row)")
    yield database
    database.close()


def store(lexical: sqlite3.Connection, terms: list[str]) -> None:
    lexical.execute("DELETE FROM lexical")
    lexical.execute("INSERT INTO lexical VALUES (?)", (" ".join(terms),))


@settings(deadline=None, max_examples=300)
@given(text=_WORDS | st.text(max_size=60))
@example(text="ジョン・スミス ・ ゠ が゙ ｶﾞ")
@example(text="the 1990's and 3M's O’Brien's 1,234.5 1.2.3 ²³ ½ Ⅷ")
@example(text="ᦰ ᧀ xᦰy ᳲ co\xadoperate")
def test_the_database_keeps_every_term_whole_and_finds_it_again(lexical: sqlite3.Connection, text: str) -> None:
    terms = index_terms(text)
    store(lexical, terms)
    assert {term for (term,) in lexical.execute("SELECT term FROM vocabulary")} == set(terms)
    for term in set(terms):
        found = lexical.execute("SELECT count(*) FROM lexical WHERE lexical MATCH ?", (f'"{term}"',))
        assert found.fetchone() == (1,)


@settings(deadline=None, max_examples=300)
@given(_WORDS | st.text(max_size=80))
@example("的是 谁是CEO谁 茶")
def test_every_term_of_a_question_is_among_the_terms_of_the_same_words(text: str) -> None:
    asked = question_terms(text)
    assert set(asked) <= set(index_terms(text))
    assert len(asked) == len(set(asked))
    assert bool(asked) == bool(index_terms(text))


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("partnership", "Partnerships"),
        ("Llama's", "LLAMA"),
        ("1990's", "1990"),
        ("1,234,567", "1234567"),
        ("café", "CAFE\u0301"),
        ("Grösse", "größe"),
        ("cooperate", "co\xadoperate"),
        ("ＡＩ", "AI"),
        ("ガス", "ｶﾞｽ"),
        ("O'Brien", "O’Brien"),
        ("3.5", "3.5"),
    ],
)
def test_spellings_of_one_word_share_a_term(asked: str, written: str) -> None:
    assert set(question_terms(asked)) & set(index_terms(written))


@pytest.mark.parametrize(("one", "other"), [("3.5", "35"), ("1.2.3", "1.2.4"), ("Wang", "Zhang"), ("GPT-4", "GPT-5")])
def test_different_numbers_and_names_do_not_share_all_terms(one: str, other: str) -> None:
    assert set(index_terms(one)) != set(index_terms(other))


def test_stop_words_are_asked_for_only_where_nothing_else_is() -> None:
    assert question_terms("What is the length of the bridge?") == ["length", "bridg"]
    assert question_terms("What is it?") == ["what", "is", "it"]


def test_chinese_is_indexed_by_characters_and_pairs_and_asked_by_pairs() -> None:
    assert index_terms("云南茶") == ["云", "南", "茶", "云南", "南茶"]
    assert question_terms("茶叶产于哪里") == ["茶叶", "叶产", "产于", "于哪"]
    assert question_terms("茶") == ["茶"]


def test_latin_words_inside_chinese_are_words_of_their_own() -> None:
    assert {"meta", "公司"} <= set(index_terms("Meta公司的AI"))
    assert "ai" in question_terms("Meta公司的AI")


def test_nothing_to_search_for_gives_no_terms() -> None:
    assert question_terms("?! … — “”") == []
    assert index_terms("\n\t ·") == []


def test_terms_are_the_same_in_every_thread() -> None:
    text = "Partnerships were announced, and companies are licensing technologies. " * 50
    with ThreadPoolExecutor(8) as pool:
        assert set(map(tuple, pool.map(index_terms, [text] * 32))) == {tuple(index_terms(text))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("茶的历史", True),
        ("Meta 公司的新模型", True),
        ("The word 茶 means tea", False),
        ("1234 !?", False),
        ("", False),
    ],
)
def test_mostly_cjk_counts_letters_only(text: str, expected: bool) -> None:
    assert mostly_cjk(text) is expected


@pytest.mark.parametrize(
    ("author", "url", "published", "found", "absent"),
    [
        (
            "Ana Lund",
            "https://www.theverge.com/2023/9/26/x",
            "2023-09-26",
            "ana lund theverg 2023 26 septemb",
            "com www x 09",
        ),
        (None, "http://news.example.co.uk:8080/", "2023-09-26T17:01:22", "news exampl co 26", "uk 8080"),
        (None, "ftp://[broken", "2023-13-40", "", "2023"),
        (None, None, None, "", ""),
    ],
)
def test_an_article_is_found_by_its_author_its_site_and_its_date(
    author: str | None, url: str | None, published: str | None, found: str, absent: str
) -> None:
    terms = about_terms(author, url, published)
    assert set(found.split()) <= set(terms)
    assert not set(absent.split()) & set(terms)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who founded Midjourney?", []),
        ("Did Lund grow in 2023, while the Ostvik mill shrank?", ["Did Lund grow in 2023", "the Ostvik mill shrank?"]),
        ("What links tea harvests and winter bees?", ["What links tea harvests", "winter bees?"]),
        ("tea and bees", []),
        ("", []),
    ],
)
def test_a_question_that_asks_for_several_things_has_parts(question: str, parts: list[str]) -> None:
    assert [question[start:end] for start, end in question_parts(question)] == parts


@given(st.text(max_size=200))
def test_parts_lie_in_the_question_in_order_and_apart(text: str) -> None:
    spans = question_parts(text)
    assert len(spans) != 1
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end < other.start for one, other in itertools.pairwise(spans))
