"""An answer read back from its receipt: it looks the same, and its receipt is the same again."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import quotes
from rag.cite import cite
from rag.errors import InputError
from rag.recall import answer_of
from rag.receipt import receipt, seal
from rag.types import Answer, Disagreement, Draft, Evidence, Judgement, Scope, Status, Verdict
from rag.verify import verify
from tests.evidence import draft, evidence, hit, same
from ui.evidence import sources_html
from ui.render import reply_html

EMBEDDER = SimpleNamespace(name="same", fingerprint="0123456789abcdef")
QUESTION = "How long is the bridge?"
SENTENCES = [
    "The bridge at Ostvik is 412 metres long.",
    "It was opened on 3 March 1931 [2].",
    "“We are proud,” said Ida Berg.",
    "茶叶最早产于中国云南。",
    "See [1, 2] and `code [1]`.",
]
FOUND = evidence(QUESTION, *(hit(text, f"{place}.md", score=1 / 3) for place, text in enumerate(SENTENCES)))
JUDGED: list[Verdict | None] = [None, "supported", "contradicted"]


def answered(drafted: Draft, found: Evidence, **details: Any) -> Answer:
    """Return the checked answer that a draft becomes."""
    cited = cite(drafted, found, same)
    text, sentences = verify(cited, found)
    status: Status = "grounded" if all(sentence.verdict == "supported" for sentence in sentences) else "partial"
    values: dict[str, Any] = {"dropped_marks": drafted.dropped_marks, "usage": drafted.usage, "draft": drafted}
    return Answer(
        found.question, status, text, sentences, cited.citations, found, drafted.model, **{**values, **details}
    )


def example(reply: str = "The bridge is 412 metres long [1]. It was opened in 1932 [2].") -> Answer:
    """Return a model's answer about the bridge."""
    return answered(draft(reply, FOUND), FOUND)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Draw an answer as it may come: quotes or a model's, with everything that may stand on one."""
    scope = draw(st.sampled_from([Scope(), Scope(("id-0.md", "id-1.md")), Scope((), "2026-01-02")]))
    hits = tuple(draw(st.lists(st.sampled_from(FOUND.hits), min_size=1, max_size=4, unique_by=lambda hit: hit.source)))
    found = replace(FOUND, hits=hits, missing=draw(st.sampled_from([(), ("its price",)])), scope=scope)
    drafted = quotes.quote(found, 3)
    if draw(st.booleans()):
        pieces = draw(st.lists(st.sampled_from([*SENTENCES, "It is **long**", "\n\n- ", "| a | b |", "[1]", "[7]"])))
        usage = draw(st.sampled_from([None, {"prompt_tokens": 31, "completion_tokens": 7, "cost": 0.25}]))
        prompt = (("system", "Answer."), ("user", QUESTION))
        drafted = draft(" ".join(pieces) or "Yes.", found, usage=usage, prompt=prompt, parameters={"stop": ["x", 0]})
    answer = answered(drafted, found)
    two = answer.citations[:2]
    return replace(
        answer,
        question=draw(st.text(st.characters(exclude_categories=["Cs"]))),
        warnings=tuple(draw(st.lists(st.sampled_from(["One model failed.", "The library is in use."]), max_size=2))),
        timings=draw(st.dictionaries(st.sampled_from(["total_ms", "retrieve_ms"]), st.floats(0, 1e6))),
        judgement=draw(st.none() | st.lists(st.sampled_from(JUDGED)).map(lambda given: Judgement("j", tuple(given)))),
        disagreements=(Disagreement(*two),) if len(two) == 2 else (),
    )


def settled(content: dict[str, Any], made: str) -> dict[str, Any]:
    """Return a receipt as if it had been made at a given time."""
    content = {**content, "made": made}
    return {**content, "sha256": seal(content)}


@given(answers())
@settings(max_examples=100)
def test_an_answer_read_back_looks_the_same_and_its_receipt_is_the_same(answer: Answer) -> None:
    kept = json.loads(json.dumps(receipt(answer, EMBEDDER)))
    again = answer_of(kept)
    assert again.to_dict() == answer.to_dict()
    assert replace(again, draft=None) == replace(answer, draft=None)  # vectors aside, which are not compared
    assert settled(receipt(again, EMBEDDER), kept["made"]) == kept
    assert reply_html(again, "1", "An error.") == reply_html(answer, "1", "An error.")
    assert sources_html(again, "1") == sources_html(answer, "1")


def test_a_search_without_an_answer_comes_back_too() -> None:
    answer = Answer("Bridges?", "not_found", "", (), (), replace(FOUND, hits=FOUND.hits[:2]), "search only")
    assert answer_of(receipt(answer, EMBEDDER)) == answer
    nothing = replace(answer, evidence=replace(FOUND, hits=()))
    assert answer_of(receipt(nothing, EMBEDDER)) == nothing


def test_a_receipt_without_a_scope_is_of_all_articles() -> None:
    content = receipt(example(), EMBEDDER)
    assert "scope" not in content["evidence"]
    assert answer_of(content).evidence.scope == Scope()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every value inside a JSON value, containers included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=4) | st.just({}) | st.just([1])
)


@given(st.lists(st.tuples(st.integers(0, 10**6), VALUES), min_size=1, max_size=3))
@settings(max_examples=150)
def test_a_receipt_that_was_changed_is_read_or_refused_but_never_crashes(changes: list[tuple[int, Any]]) -> None:
    content = receipt(example(), EMBEDDER)
    for number, value in changes:
        found = list(places(content))
        *way, last = found[number % len(found)]
        inside: Any = content
        for key in way:
            inside = inside[key]
        inside[last] = copy.copy(value)
    with contextlib.suppress(InputError):
        assert isinstance(answer_of(content), Answer)


@pytest.mark.parametrize("content", [{}, {"footnote_receipt": 1}, {"a": float("nan")}, {"answer": object()}])
def test_what_is_no_receipt_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="another form"):
        answer_of(content)
