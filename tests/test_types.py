"""The values between the stages: ids from content, offsets that hold, and the shape of the JSON contract."""

from __future__ import annotations

import hashlib
import json
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.types import (
    Answer,
    AnswerSentence,
    Article,
    Block,
    Citation,
    Evidence,
    Features,
    Hit,
    Passage,
    Source,
    Span,
    Sufficiency,
    article_id,
    digest,
)

PARTS = st.lists(st.text(max_size=5), max_size=4)
TEXT = "The bridge is 412 metres long. 桥很长。"


def passage(text: str = TEXT, start: int = 100) -> Passage:
    return Passage("a" * 16, "sha256:b", start, start + len(text), text, "Bridges. ", (Span(start, start + len(text)),))


def hit(item: Passage, score: float = 0.123456) -> Hit:
    source = Source(
        item.article_id, "bridge.md", "Bridges", "2024-03-01", None, "en", None, "public", item.content_hash
    )
    return Hit(item, source, score, Features(1.0, 0.5, (0.5,), 1, None), np.ones((1, 2), np.float32))


def evidence(*hits: Hit, question: str = "How long?") -> Evidence:
    return Evidence(question, hits, Sufficiency(True, "", 1.0, 1.0, 0.5), {"long": 1.0})


# ---------------------------------------------------------------- digests and ids


@given(PARTS, PARTS)
def test_digests_are_equal_only_for_equal_sequences_of_parts(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


@given(st.text(min_size=2, max_size=8), st.data())
def test_moving_the_border_between_two_parts_changes_the_digest(text: str, data: st.DataObject) -> None:
    here, there = data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2, unique=True))
    assert digest(text[:here], text[here:]) != digest(text[:there], text[there:])


def test_an_article_keeps_its_id_when_its_text_changes_and_its_hash_says_so() -> None:
    old = Article("news/a.md", TEXT, (Block(0, len(TEXT), "text"),), "A")
    new = replace(old, text=TEXT + "!")
    assert old.id == new.id == article_id("news/a.md")
    assert article_id("news/b.md") != old.id
    assert old.content_hash == "sha256:" + hashlib.sha256(TEXT.encode()).hexdigest()
    assert new.content_hash != old.content_hash


@pytest.mark.parametrize(
    "change",
    [{"article_id": "c"}, {"content_hash": "sha256:c"}, {"start": 99}, {"end": 200}, {"context": "Rivers. "}],
    ids=lambda change: next(iter(change)),
)
def test_a_passage_id_depends_on_all_that_places_it(change: dict[str, object]) -> None:
    assert replace(passage(), **change).id != passage().id


def test_equal_passages_have_equal_ids() -> None:
    assert passage().id == passage().id
    assert len(passage().id) == 24


@pytest.mark.parametrize("value", [passage(), hit(passage()), evidence()], ids=lambda value: type(value).__name__)
def test_values_cannot_be_changed_in_place(value: object) -> None:
    name = next(iter(value.__slots__))  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)


# ---------------------------------------------------------------- quotes


@given(st.text(min_size=1), st.text(), st.text(), st.data())
def test_a_quote_is_the_text_of_the_article_at_the_span(
    text: str, before: str, after: str, data: st.DataObject
) -> None:
    whole = before + text + after
    item = passage(text, len(before))
    start = data.draw(st.integers(item.start, item.end))
    end = data.draw(st.integers(start, item.end))
    assert item.quote(Span(start, end)) == whole[start:end]


@pytest.mark.parametrize("span", [(99, 105), (100, 100 + len(TEXT) + 1), (-3, -1), (0, 5), (110, 105), (500, 501)])
def test_a_span_outside_the_passage_is_refused_not_wrapped(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="outside passage"):
        passage().quote(Span(*span))


# ---------------------------------------------------------------- evidence and answers


def test_equal_evidence_has_an_equal_hash_whatever_its_scores() -> None:
    one, two = hit(passage()), hit(passage(start=500))
    assert evidence(one, two).hash == evidence(replace(one, score=0.9), two).hash
    assert evidence(one, two).hash != evidence(two, one).hash
    assert evidence(one).hash != evidence(one, two).hash
    assert evidence(one).hash != evidence(one, question="How wide?").hash


def test_hits_are_equal_and_shown_without_their_vectors() -> None:
    one = hit(passage())
    other = replace(one, sentence_vectors=np.zeros((1, 2), np.float32))
    assert one == other
    assert "array" not in repr(one)


def answer() -> Answer:
    first, second = hit(passage("Nothing.", 0)), hit(passage())
    citation = Citation(1, 2, second.source, 100, 130, second.passage.quote(Span(100, 130)))
    sentence = AnswerSentence("It is 412 metres long [1].", 0, 26, "supported", (), (1,))
    return Answer(
        question="How long?",
        status="grounded",
        text="It is 412 metres long [1].",
        sentences=(sentence,),
        citations=(citation,),
        evidence=evidence(first, second),
        model="quotes",
        warnings=("beside its owner",),
        timings={"retrieve_ms": 21.04, "total_ms": 24.06},
    )


def test_an_answer_as_json_has_the_shape_of_the_contract() -> None:
    data = json.loads(json.dumps(answer().to_dict()))
    assert set(data) == set(
        "question standalone_question status text sentences citations evidence dropped_marks warnings model usage "
        "timings".split()
    )
    assert data["sentences"] == [
        {
            "text": "It is 412 metres long [1].",
            "start": 0,
            "end": 26,
            "verdict": "supported",
            "reasons": [],
            "citations": [1],
        }
    ]
    assert data["citations"] == [
        {
            "n": 1,
            "evidence_n": 2,
            "article_id": "a" * 16,
            "source": "bridge.md",
            "title": "Bridges",
            "published": "2024-03-01",
            "page": None,
            "start": 100,
            "end": 130,
            "quote": "The bridge is 412 metres long.",
            "content_hash": "sha256:b",
        }
    ]
    assert set(data["evidence"][0]) >= set("n article_id source title start end text score cited".split())
    assert (data["usage"], data["dropped_marks"], data["warnings"]) == (None, 0, ["beside its owner"])
    assert data["timings"] == {"retrieve_ms": 21.0, "total_ms": 24.1}


def test_evidence_is_numbered_from_one_and_says_which_of_it_is_cited() -> None:
    found = answer().to_dict()["evidence"]
    assert [(item["n"], item["cited"], item["score"]) for item in found] == [(1, False, 0.1235), (2, True, 0.1235)]
    assert (found[1]["start"], found[1]["end"], found[1]["text"]) == (100, 100 + len(TEXT), TEXT)
