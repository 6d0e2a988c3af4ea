"""Articles as JSON: known by what they hold, all of them read or none, with the line that is wrong."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import Document, to_article
from rag.load.records import looks_like_records, parse_records
from tests.articles import article_or_none, blocks

BRIDGE = {"id": "a1", "title": "The bridge", "text": "It is long. It is old."}
BEES = {"id": "a2", "title": "The bees", "text": "They are busy. They are many."}
NO_ARTICLES = ("skipped", "JSON without articles: needs objects with a text")


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def one(**fields: Any) -> Document:
    [(_, document)] = parse_records(lines({**BRIDGE, **fields}))
    return document


def refused(text: str) -> tuple[str, str]:
    with pytest.raises(Unloadable) as caught:
        parse_records(text)
    return caught.value.state, caught.value.reason


# ---------------------------------------------------------------- what is a file of records


@pytest.mark.parametrize(
    "text",
    [
        lines(BRIDGE),
        lines(BRIDGE, BEES),
        "\n  " + lines(BRIDGE, BEES).replace("\n", "\r\n\r\n"),
        lines(BRIDGE) + "this is no JSON",
        json.dumps([BRIDGE, BEES]),
        json.dumps([BRIDGE, BEES], indent=2),
        json.dumps([BRIDGE, BEES], indent=2)[:-30],
        json.dumps(BRIDGE, indent="\t"),
        "[]",
        "{}",
        '{"a": 1}',
        "[1, 2]",
    ],
)
def test_json_is_known_by_its_first_line_or_as_a_whole(text: str) -> None:
    assert looks_like_records(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The bridge is long.",
        "[1] The bridge is long.",
        "[1]\nThe bridge is long.\n[2]\nIt is old.",
        "[The bridge](https://example.org) is long.",
        "{{ title }}\nThe bridge is long.",
        "{}\nThe bridge is long.",
        "{The bridge}",
        '{\n  "name": "Ida Berg",\n  "age": 30,\n  "address": {"city": "Ostvik"}\n',
        '"The bridge is long."',
        "42",
        "[" * 10_000,
        '{"a":' * 10_000,
    ],
)
def test_text_that_merely_begins_with_a_bracket_is_no_json(text: str) -> None:
    assert not looks_like_records(text)


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    "text",
    [
        lines(BRIDGE, BEES),
        "\n\n" + lines(BRIDGE) + "\n \n" + lines(BEES),
        lines(BRIDGE, BEES).replace("\n", "\r\n"),
        lines(BRIDGE, BEES).replace("\n", "\r"),
        json.dumps([BRIDGE, BEES]),
        json.dumps([BRIDGE, BEES], indent=2),
    ],
)
def test_every_form_gives_the_same_articles(text: str) -> None:
    found = parse_records(text)
    assert [(key, document.title, blocks(document)) for key, document in found] == [
        ("a1", "The bridge", [("text", "It is long. It is old.")]),
        ("a2", "The bees", [("text", "They are busy. They are many.")]),
    ]


def test_a_single_object_may_span_lines() -> None:
    assert [key for key, _ in parse_records(json.dumps(BRIDGE, indent=2))] == ["a1"]


def test_all_fields_are_read_and_others_are_not() -> None:
    document = one(
        published="1 March 2024",
        url="https://example.org/bridge",
        author="Ida Berg",
        language="en-GB",
        visibility="internal",
        metadata={"url": "https://example.com", "deep": [[[1]]]},
    )
    assert (document.published, document.url, document.author) == (
        "2024-03-01",
        "https://example.org/bridge",
        "Ida Berg",
    )
    assert (document.language, document.visibility, document.notes) == ("en", "internal", ())


@pytest.mark.parametrize(
    "author", [["Ida Berg", "Ola Dal"], [{"name": "Ida Berg"}, {"name": "Ola Dal"}], "Ida Berg, Ola Dal"]
)
def test_authors_may_be_a_list(author: Any) -> None:
    assert one(author=author).author == "Ida Berg, Ola Dal"


def test_null_is_the_same_as_nothing() -> None:
    nothing = dict.fromkeys(("id", "title", "published", "url", "author", "language", "visibility"))
    [(key, document)] = parse_records(lines({"text": "It is long.", **nothing}))
    assert (key, document) == ("1", Document([*document.blocks]))


def test_a_date_or_address_that_is_not_understood_is_noted() -> None:
    document = one(published="03/04/2025", url="javascript:alert(1)")
    assert (document.published, document.url) == (None, None)
    assert document.notes == ("published not understood: 03/04/2025", "url not understood: javascript:alert(1)")


def test_a_missing_id_is_the_number_of_the_line_or_item() -> None:
    text = {"text": "It is long."}
    assert [key for key, _ in parse_records("\n" + lines(text, BRIDGE, text))] == ["2", "a1", "4"]
    assert [key for key, _ in parse_records(json.dumps([text, BRIDGE, text], indent=1))] == ["1", "a1", "3"]


def test_an_id_may_be_a_number() -> None:
    records = [{**BRIDGE, "id": value} for value in (7, -1, 0, "07")]
    assert [key for key, _ in parse_records(lines(*records))] == ["7", "-1", "0", "07"]


def test_the_head_of_the_text_is_searched_only_where_no_title_is_given() -> None:
    text = "The bridge\n\nBy Ola Dal\n\n1 March 2024\n\nIt is long. It is old.\n"
    with_title = one(title="On bridges", text=text)
    assert (with_title.title, with_title.author, with_title.published) == ("On bridges", None, None)
    assert [kind for kind, _ in blocks(with_title)] == ["heading", "text", "text", "text"]
    assert blocks(one(text=text))[0] == ("title", "The bridge")
    [(_, without)] = parse_records(lines({"text": text}))
    assert (without.title, without.author, without.published) == (None, "Ola Dal", "2024-03-01")
    assert to_article(without, "a.jsonl", "1").title == "The bridge"


def test_a_line_separator_of_unicode_inside_a_text_ends_no_line() -> None:
    document = one(text="It is long.\u2028It is old.\u0085It is wide.")
    assert " ".join(text for _, text in blocks(document)) == "It is long. It is old. It is wide."


def test_an_empty_text_is_an_article_without_blocks() -> None:
    [(_, bridge), (_, empty)] = parse_records(lines(BRIDGE, {"id": 2, "text": " \n"}))
    assert blocks(bridge)
    assert not empty.blocks


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines(BRIDGE) + "{\n" + lines(BEES), "line 2 is not JSON"),
        (lines(BRIDGE) + "\n\nThe bridge is long.", "line 4 is not JSON"),
        (json.dumps([BRIDGE, BEES], indent=2)[:-30], "line 10 is not JSON"),
        (lines(BRIDGE) + '{"text": "a\tb"}', "line 2 is not JSON"),
        (lines(BRIDGE, {"title": "The bees"}), "line 2: text is missing"),
        (lines(BRIDGE, {"text": None}), "line 2: text is missing"),
        (lines(BRIDGE, {"text": 5}), "line 2: text must be a string"),
        (json.dumps([BRIDGE, {"text": ["a"]}]), "item 2: text must be a string"),
        (lines(BRIDGE, [BEES]), "line 2 is not an object"),
        (json.dumps([BRIDGE, "The bees"]), "item 2 is not an object"),
        (lines(BRIDGE, BEES, BRIDGE), 'line 3: id "a1" is given twice'),
        (lines({**BRIDGE, "id": 1}, {**BEES, "id": "1"}), 'line 2: id "1" is given twice'),
        (lines(BRIDGE, {**BEES, "id": 2.5}), "line 2: id must be text or a whole number"),
        (lines(BRIDGE, {**BEES, "id": True}), "line 2: id must be text or a whole number"),
        (lines(BRIDGE, {**BEES, "id": ["a"]}), "line 2: id must be text or a whole number"),
        (lines(BRIDGE, {**BEES, "id": " "}), "line 2: id must be one line of 1 to 200 characters"),
        (lines(BRIDGE, {**BEES, "id": "a\nb"}), "line 2: id must be one line of 1 to 200 characters"),
        (lines(BRIDGE, {**BEES, "id": "a" * 201}), "line 2: id must be one line of 1 to 200 characters"),
        (lines(BRIDGE, {**BEES, "visibility": "secret"}), "line 2: visibility must be public or internal"),
        (lines(BRIDGE, {**BEES, "visibility": ""}), "line 2: visibility must be public or internal"),
        (lines(BRIDGE, {**BEES, "visibility": ["internal"]}), "line 2: visibility must be public or internal"),
        (lines(BRIDGE, {**BEES, "title": 5}), "line 2: title must be a string"),
        (lines(BRIDGE, {**BEES, "published": 20240301}), "line 2: published must be a string"),
        (lines(BRIDGE, {**BEES, "url": {}}), "line 2: url must be a string"),
        (lines(BRIDGE, {**BEES, "language": ["en"]}), "line 2: language must be a string"),
        (lines(BRIDGE, {**BEES, "author": 5}), "line 2: author must be a string"),
        (lines(BRIDGE) + '{"text": "a", "score": NaN}', "line 2: NaN is not JSON"),
        (lines(BRIDGE) + '{"text": "a", "score": -Infinity}', "line 2: -Infinity is not JSON"),
        (lines(BRIDGE) + '{"text": "a", "title": "b", "title": "c"}', 'line 2: "title" is given twice'),
        (lines(BRIDGE) + '{"text": "a\\ud800b"}', "line 2: half of a surrogate pair is no character"),
        (
            lines(BRIDGE) + '{"text": "a", "author": [{"name": "\\udc00"}]}',
            "line 2: half of a surrogate pair is no character",
        ),
        (lines(BRIDGE) + '{"text": "a", "id": "\\ud800"}', "line 2: id must be one line of 1 to 200 characters"),
        (lines(BRIDGE) + '{"text": "a", "id": ' + "9" * 10_000 + "}", "line 2: id must be text or a whole number"),
        (lines(BRIDGE) + '{"text": "a", "x": ' + "[" * 10_000 + "]" * 10_000 + "}", "line 2: nested too deeply"),
        (json.dumps({**BRIDGE, "visibility": "secret"}), "the article: visibility must be public or internal"),
    ],
)
def test_one_wrong_article_refuses_the_file_and_is_named(text: str, reason: str) -> None:
    assert refused(text) == ("failed", reason)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "[1, 2]",
        '{"a": 1}',
        '{"text": 5}',
        '[{"text": null}, {"title": "a"}]',
        '{"a": 1}\n{"b": 2}\n',
        '[["text"]]',
    ],
)
def test_json_without_any_text_is_skipped(text: str) -> None:
    assert refused(text) == NO_ARTICLES


def test_what_other_keys_hold_does_not_matter() -> None:
    text = '{"text": "It is long.", "x": ' + "9" * 10_000 + ', "y": {"a": 1, "a": 2}, "": 0, "z": "\\ud800"}'
    assert [key for key, _ in parse_records(text)] == ["1"]


def test_time_grows_with_the_file() -> None:
    text = lines(*({**BRIDGE, "id": number} for number in range(20_000)))
    twice = '{"text": "a", ' + ", ".join(f'"k{i}": 1' for i in range(200_000)) + ', "k0": 2}'
    start = time.perf_counter()
    assert looks_like_records(text)
    assert len(parse_records(text)) == 20_000
    assert refused(twice) == ("failed", 'the article: "k0" is given twice')
    assert time.perf_counter() - start < 10


# ---------------------------------------------------------------- for any text

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(["id", "title", "text", "published", "url", "author", "language", "visibility", "x"])
_RECORDS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=6) | _VALUES, max_size=4)


@settings(deadline=None)
@given(_RECORDS, st.sampled_from(["lines", "list", "indented"]), st.integers(0, 200))
@example([{"text": "a"}, {"text": "b", "id": 1}], "lines", 0)
def test_any_json_gives_articles_or_a_reason(records: list[Any], form: str, cut: int) -> None:
    text = lines(*records) if form == "lines" else json.dumps(records, indent=2 if form == "indented" else None)
    looks_like_records(text[cut:])
    found: list[tuple[str, Document]] = []
    with contextlib.suppress(Unloadable):
        found = parse_records(text[cut:])
    assert len({key for key, _ in found}) == len(found)
    for key, document in found:
        assert key == key.strip()
        article_or_none(lambda key=key, document=document: to_article(document, "a.jsonl", key))


@given(st.text(max_size=60))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    if looks_like_records(text):
        with contextlib.suppress(Unloadable):
            assert parse_records(text)


@given(st.lists(st.text(st.characters(categories=["L", "P", "Zs"]), min_size=1), min_size=1, max_size=5))
def test_every_article_written_is_read_back(texts: list[str]) -> None:
    found = parse_records(lines(*({"id": f"n{number}", "text": text} for number, text in enumerate(texts))))
    assert [key for key, _ in found] == [f"n{number}" for number in range(len(texts))]


@pytest.mark.parametrize("name", ["cmrc2018_500", "hotpotqa_50", "repliqa_50", "xquad_dev"])
def test_real_corpora_are_read_whole(evaluation_data: Callable[[str], Path], name: str) -> None:
    text = (evaluation_data(f"datasets/{name}") / "corpus.jsonl").read_text(encoding="utf-8")
    assert looks_like_records(text)
    given_ids = [json.loads(line)["id"] for line in text.splitlines() if line]
    found = parse_records(text)
    assert [key for key, _ in found] == given_ids
    assert all(document.blocks for _, document in found)


def test_real_json_without_articles_is_skipped(evaluation_data: Callable[[str], Path]) -> None:
    folder = evaluation_data("datasets/messy_documents/files")
    for name in ("arbitrary-records.json", "single-line-object.json", "not-unstructured-payload.json"):
        text = (folder / name).read_text(encoding="utf-8")
        assert looks_like_records(text)
        assert refused(text) == NO_ARTICLES
    assert not looks_like_records((folder / "fake-incomplete-json.txt").read_text(encoding="utf-8"))
