"""Receipts: all that an answer was made from, and what is found out about one that was altered."""

from __future__ import annotations

import copy
import json
import math
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag import cite, quotes, verify
from rag.answer import Answerer, CitedQueryEngine
from rag.budget import Budget
from rag.errors import InputError
from rag.prompts import NOT_FOUND
from rag.receipt import FORMAT, Receipt, read_receipt, receipt, seal, write_receipt
from rag.recheck import differences, faults, without_chips
from rag.text import clean
from rag.types import (
    ALL_ARTICLES,
    Answer,
    AnswerSentence,
    Chip,
    Citation,
    Disagreement,
    Draft,
    Evidence,
    Judgement,
    Passage,
    PassageVectors,
    Scope,
    Vector,
    digest,
)
from tests.evidence import draft, evidence, hit, meaning
from tests.summary import SUMMARY

QUESTION = "How long is the bridge?"
SENTENCES = [
    "The bridge at Ostvik is 412 metres long.",
    "It was opened on 3 March 1931 [2].",
    "“We are proud,” said Ida Berg.",
    "茶叶最早产于中国云南。",
    "The repair cost 3.5 million crowns - 12 % more than planned!",
    "See [1, 2] and `code [1]`.",
]


class Hashing:
    """Embeds every text to a vector drawn by its digest."""

    name = "hashing"
    fingerprint = "0123456789abcdef"

    def embed_question(self, text: str) -> Vector:
        return meaning(*(int(digest(text)[i : i + 2], 16) - 127.5 for i in range(0, 8, 2)))

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        return [
            PassageVectors(
                self.embed_question(passage.text),
                np.stack([self.embed_question(passage.quote(span)) for span in passage.sentences]),
            )
            for passage in passages
        ]


EMBEDDER = Hashing()


def check(drafted: Draft, found: Evidence) -> tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]:
    cited = cite.cite(drafted, found, EMBEDDER.embed_question)
    return *verify.verify(cited, found), cited.citations


def found_in(*texts: str, sufficient: bool = True) -> Evidence:
    """Return evidence whose vectors are as the library keeps them."""
    hits = [hit(text, f"{place}.md", score=1 / (place + 1)) for place, text in enumerate(texts)]
    vectors = EMBEDDER.embed_passages([found.passage for found in hits])
    rounded = [found.sentences.astype("<f2").astype(np.float32) for found in vectors]
    given = [replace(found, sentence_vectors=rows) for found, rows in zip(hits, rounded, strict=True)]
    return evidence(QUESTION, *given, sufficient=sufficient)


def answered(found: Evidence, drafted: Draft) -> Answer:
    """Return the answer that the engine makes of a draft."""

    class Given:
        def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
            return found

    def answerer(_found: Evidence, _stopped: Callable[[], bool], _budget: Budget) -> Iterator[str | Draft]:
        yield drafted

    asked: Answerer = answerer
    return CitedQueryEngine(Given(), asked, drafted.model, check).answer(QUESTION)


def replied(reply: str, found: Evidence, **details: Any) -> Draft:
    """Return the draft of a reply that came in small pieces, each of them cleaned."""
    cleaned = "".join(clean(reply[at : at + 3].replace("\r", "")) for at in range(0, len(reply), 3))
    return replace(draft(cleaned, found), raw=reply, **details)


def example(reply: str = "- The bridge is 412 metres long [1][9].\n[2] It cost 9 crowns.") -> Answer:
    found = found_in(*SENTENCES[:2])
    drafted = replied(
        reply,
        found,
        usage={"total_tokens": 9, "cost": 0.1 + 0.2},
        prompt=(("system", "Answer."), ("user", QUESTION)),
        parameters={"temperature": 0.0, "max_tokens": 16},
        warnings=("slow",),
    )
    return answered(found, drafted)


def saved(content: dict[str, Any], path: Path, *, sealed: bool = True) -> Path:
    """Write a receipt as anybody could, sealed anew or not."""
    if sealed:
        content = {**content, "sha256": seal(content)}
    path.write_text(json.dumps(content), encoding="ascii")
    return path


def read_again(content: dict[str, Any], folder: Path) -> Receipt:
    path = folder / "again.json"
    path.unlink(missing_ok=True)
    write_receipt(path, content)
    return read_receipt(path)


# ---------------------------------------------------------------- what is in it


def test_a_receipt_tells_all_that_an_answer_was_made_from() -> None:
    answer = replace(example(), judgement=Judgement("strict", ("supported", None)), timings={"total_ms": 3.0})
    content = receipt(answer, EMBEDDER)
    assert (content["footnote_receipt"], content["version"]) == (FORMAT, "0.1.0")
    assert content["made"].endswith("+00:00")
    assert content["embedder"] == {"name": "hashing", "fingerprint": EMBEDDER.fingerprint}
    assert (content["question"], content["standalone_question"]) == (QUESTION, QUESTION)
    first = content["evidence"]["hits"][0]
    assert first["passage"]["text"] == SENTENCES[0]
    assert first["passage"]["sentences"] == [[100, 140]]
    assert (first["source"]["published"], first["source"]["visibility"]) == ("2025-01-02", "public")
    assert content["evidence"]["hash"] == answer.evidence.hash
    assert content["draft"]["raw"].startswith("- The bridge is 412 metres long [1][9].")
    assert content["draft"]["prompt"] == [["system", "Answer."], ["user", QUESTION]]
    assert content["draft"]["parameters"] == {"temperature": 0.0, "max_tokens": 16}
    assert content["answer"]["text"] == answer.text
    assert [item["verdict"] for item in content["answer"]["sentences"]] == [s.verdict for s in answer.sentences]
    assert content["answer"]["citations"][0]["quote"] == answer.citations[0].quote
    assert (content["answer"]["dropped_marks"], content["answer"]["warnings"]) == (1, ["slow"])
    assert content["answer"]["timings"] == {"total_ms": 3.0}
    assert content["judge"] == {"model": "strict", "verdicts": ["supported", None]}
    assert content["sha256"] == seal(content)


def test_a_receipt_that_is_read_gives_back_what_it_was_made_of(tmp_path: Path) -> None:
    answer = replace(example(), judgement=Judgement("strict", ("supported", None)))
    (one, two) = answer.citations[:2]
    answer = replace(answer, disagreements=(Disagreement(one, replace(two, n=0)),))
    again = read_again(receipt(answer, EMBEDDER), tmp_path)
    assert again.draft == answer.draft
    assert (again.answer.sentences, again.answer.citations) == (answer.sentences, answer.citations)
    assert (again.judge, again.answer.disagreements) == (answer.judgement, answer.disagreements)
    assert [given.passage for given in again.evidence.hits] == [given.passage for given in answer.evidence.hits]
    assert not faults(again)


def test_half_characters_and_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    answer = example("The bridge is long\ud83d [1].")
    answer = replace(answer, usage={"cost": math.nan, "tokens": 3}, warnings=("\ude00!",))
    again = read_again(receipt(answer, EMBEDDER), tmp_path)
    assert again.draft
    assert again.draft.raw == "The bridge is long [1]."
    assert (again.answer.usage, again.answer.warnings) == ({"cost": None, "tokens": 3}, ("!",))
    assert not faults(again)


# ---------------------------------------------------------------- any answer, any change


def pieces() -> st.SearchStrategy[str]:
    marks = st.lists(st.integers(0, 6), min_size=1, max_size=3).map(lambda found: f"[{', '.join(map(str, found))}]")
    return st.one_of(
        st.sampled_from(SENTENCES),
        marks,
        st.sampled_from([" ", "\n", "\n\n", "- ", "1. ", "# ", "```\n", "`", "| a | b |\n", "> ", "\r\n", "\x00", "."]),
        st.text(max_size=12),
    )


EVIDENCE = st.lists(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=3)


@given(EVIDENCE, st.lists(pieces(), max_size=12).map("".join), st.sampled_from(["reply", "cut", "quotes", "refusal"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_receipt_of_any_answer_verifies(tmp_path: Path, texts: list[str], reply: str, kind: str) -> None:
    found = found_in(*texts)
    if kind == "quotes":
        drafted = quotes.quote(found, 3)
    else:
        drafted = replied(f"{NOT_FOUND}{reply}" if kind == "refusal" else reply, found)
    answer = answered(found, replace(drafted, cut="the connection ended") if kind == "cut" else drafted)
    again = read_again(receipt(answer, EMBEDDER), tmp_path)
    assert faults(again) == []
    assert differences(again, check, EMBEDDER) == []
    SUMMARY.add(answers_with_a_receipt=1)


def test_any_character_of_a_receipt_that_is_changed_is_found(tmp_path: Path) -> None:
    content = receipt(example("The bridge is 412 metres long [1]."), EMBEDDER)
    path = tmp_path / "receipt.json"
    write_receipt(path, content)
    text = path.read_text(encoding="utf-8")
    changed = tmp_path / "changed.json"
    tried = 0
    for place, char in enumerate(text):
        other = {"9": "8", "z": "y", " ": "\t"}.get(char) or (chr(ord(char) + 1) if char.isalnum() else "x")
        mutant = text[:place] + other + text[place + 1 :]
        changed.write_text(mutant, encoding="utf-8")
        if char.isspace() and _same(mutant, content):  # white space between values
            continue
        tried += 1
        with pytest.raises(InputError):
            read_receipt(changed)
    SUMMARY.add(changed_characters_of_a_receipt=tried)
    assert tried > 2000


def _same(text: str, content: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(text) == content)
    except ValueError:
        return False


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every value inside a JSON value, containers included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from leaves(item, (*path, key))


def put(content: dict[str, Any], path: Sequence[str | int], value: Any) -> Any:
    """Put a value at a place of a JSON value and return what was there."""
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    was, place[path[-1]] = place[path[-1]], value
    return was


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([10**30, -(10**30), 2**63, 0.5, -0.0, 1e300]),
    st.text(max_size=8),
    st.sampled_from(["", "quotes", "supported", "grounded", "\x00", "\ud800", "9" * 50, "2026-01-01", "sha256:"]),
    st.lists(st.integers(-2, 200), max_size=3),
    st.just({}),
)
CONTENTS = [
    receipt(example(), EMBEDDER),
    receipt(example("A [1, 2] b\n\n- `c [1]` [2]"), EMBEDDER),
    receipt(answered(found_in(*SENTENCES[:3]), quotes.quote(found_in(*SENTENCES[:3]), 3)), EMBEDDER),
]


@given(st.sampled_from(CONTENTS), st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=4))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_hostile_receipt_under_a_new_seal_is_refused_or_checked_but_never_crashes(
    tmp_path: Path, content: dict[str, Any], changes: list[tuple[int, Any]]
) -> None:
    content = copy.deepcopy(content)
    for number, value in changes:
        places = list(leaves(content))
        put(content, places[number % len(places)], value)
    SUMMARY.add(hostile_receipts=1)
    try:
        again = read_receipt(saved(content, tmp_path / "hostile.json"))
    except InputError:
        return
    if not faults(again):
        differences(again, check, EMBEDDER)


TEXTS = [
    ("answer", "text"),
    ("answer", "sentences", 0, "text"),
    ("answer", "citations", 0, "quote"),
    ("answer", "citations", 0, "source", "title"),
    ("answer", "citations", 0, "source", "content_hash"),
    ("answer", "model"),
    ("draft", "text"),
    ("draft", "raw"),
    ("evidence", "hash"),
    ("evidence", "hits", 0, "id"),
    ("evidence", "hits", 0, "passage", "context"),
    ("evidence", "hits", 0, "passage", "content_hash"),
    ("evidence", "hits", 0, "source", "article_id"),
    ("standalone_question",),
    ("made",),
]
NUMBERS = [
    ("answer", "citations", 0, "n"),
    ("answer", "citations", 0, "start"),
    ("answer", "citations", 0, "evidence_n"),
    ("answer", "sentences", 0, "start"),
    ("answer", "sentences", 0, "end"),
    ("answer", "sentences", 0, "citations", 0),
    ("answer", "sentences", 0, "chips", 0, 0),
    ("answer", "sentences", 0, "chips", 0, 2),
    ("answer", "dropped_marks"),
    ("draft", "marks", 0, 0),
    ("draft", "marks", 0, 1),
    ("evidence", "hits", 0, "n"),
    ("evidence", "hits", 0, "passage", "start"),
    ("evidence", "hits", 0, "passage", "end"),
]


@pytest.mark.parametrize("path", [*TEXTS, *NUMBERS], ids=lambda path: ".".join(map(str, path)))
def test_a_receipt_that_contradicts_itself_is_found_under_a_new_seal(
    tmp_path: Path, path: tuple[str | int, ...]
) -> None:
    content = copy.deepcopy(CONTENTS[0])
    was = put(content, path, None)
    put(content, path, f"{was}x" if isinstance(was, str) else was + 1)
    assert faults(read_receipt(saved(content, tmp_path / "again.json")))


def test_a_verdict_that_was_improved_is_told_by_its_sentence(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENTS[0])
    put(content, ("answer", "sentences", 1, "verdict"), "supported")
    put(content, ("answer", "sentences", 1, "reasons"), [])
    (found,) = differences(read_receipt(saved(content, tmp_path / "a.json")), check, EMBEDDER)
    assert (found.sentence, found.was, found.now) == (2, "supported", CONTENTS[0]["answer"]["sentences"][1]["verdict"])
    assert found.reasons


def test_other_reasons_and_other_quotes_are_told_too(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENTS[0])
    put(content, ("answer", "sentences", 1, "reasons"), ["It is fine."])
    (found,) = differences(read_receipt(saved(content, tmp_path / "a.json")), check, EMBEDDER)
    assert found.now == f"{found.was} for other reasons"

    class Otherwise(Hashing):
        def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
            return [replace(found, sentences=-found.sentences) for found in super().embed_passages(passages)]

    found_two = found_in("The bridge is long. The bridge is old.")
    answer = answered(found_two, replied("The bridge is [1].", found_two))
    (other,) = differences(read_again(receipt(answer, EMBEDDER), tmp_path), check, Otherwise())
    assert "by other quotes" in other.now


@pytest.mark.parametrize(
    ("text", "chips", "bare"),
    [
        ("It is long. [1]", [(12, 15, 1)], "It is long."),
        ("It [1] [2] is", [(3, 6, 1), (7, 10, 2)], "It is"),
        ("[1] [2] It is", [(0, 3, 1), (4, 7, 2)], "It is"),
        ("- A.\n[1] B.", [(5, 8, 1)], "- A.\nB."),
        ("[1]", [(0, 3, 1)], ""),
    ],
)
def test_our_marks_leave_a_text_with_the_blank_that_came_with_them(
    text: str, chips: list[tuple[int, int, int]], bare: str
) -> None:
    assert without_chips(text, [Chip(*chip) for chip in chips]) == bare


# ---------------------------------------------------------------- files


def test_a_receipt_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "收据.json"
    write_receipt(path, CONTENTS[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert json.loads(path.read_text(encoding="utf-8")) == CONTENTS[0]


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_ever_replaced_by_a_receipt(tmp_path: Path, there: str) -> None:
    path = tmp_path / "there"
    if there == "file":
        path.touch()
    elif there == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(InputError, match="Name a file that does not"):
        write_receipt(path, CONTENTS[0])
    assert list(tmp_path.iterdir()) == [path]


def test_a_receipt_that_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no folder"):
        write_receipt(tmp_path / "away" / "r.json", CONTENTS[0])

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_receipt(tmp_path / "r.json", CONTENTS[0])
    assert not list(tmp_path.iterdir())


HOSTILE = {
    "empty": b"",
    "not UTF-8": b'{"footnote_receipt": 1, "question": "\xff"}',
    "not JSON": b"{",
    "a list": b"[1]",
    "a number": b"1",
    "another object": b'{"a": 1}',
    "true for a version": b'{"footnote_receipt": true}',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep in a receipt": b'{"footnote_receipt": 1, "a": ' + b"[" * 900 + b"]" * 900 + b"}",
    "NaN": b'{"footnote_receipt": 1, "a": NaN}',
    "Infinity": b'{"footnote_receipt": 1, "a": -Infinity}',
    "too large a number": b'{"footnote_receipt": 1, "a": 1e999}',
    "too long a number": b'{"footnote_receipt": 1, "a": ' + b"9" * 5000 + b"}",
    "a number written otherwise": b'{"footnote_receipt": 1, "a": 1.50}',
    "a key twice": b'{"footnote_receipt": 1, "a": 1, "a": 2}',
    "no seal": b'{"footnote_receipt": 1}',
    "an older format": b'{"footnote_receipt": 0}',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_receipt_is_refused_with_a_reason(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"r\.json .*(no receipt of Footnote|altered)"):
        read_receipt(path)


def test_a_half_character_in_a_sealed_receipt_is_refused(tmp_path: Path) -> None:
    content = copy.deepcopy(CONTENTS[0]) | {"question": "\ud800"}
    with pytest.raises(InputError, match="altered"):
        read_receipt(saved(content, tmp_path / "r.json"))


def test_a_receipt_of_a_newer_format_says_to_upgrade(tmp_path: Path) -> None:
    path = saved({"footnote_receipt": FORMAT + 1, "anything": []}, tmp_path / "r.json")
    with pytest.raises(InputError, match="newer Footnote"):
        read_receipt(path)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(InputError, match="over 10 MB"):
        read_receipt(path)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "NUL", "link to itself"])
def test_a_path_that_leads_to_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a\0b" if kind == "NUL" else "r.json")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to itself":
        path.symlink_to(path)
    with pytest.raises(InputError, match="Name a receipt"):
        read_receipt(path)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused_without_a_crash(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_receipt(path)
