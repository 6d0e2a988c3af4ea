"""The answerer with a model: which passages are sent, how its reply becomes a draft, and what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from rag.app import Footnote
from rag.budget import Budget
from rag.embed import MiniLMEmbedding
from rag.errors import ProviderError
from rag.generate import ModelAnswerer, estimated_tokens, fitting
from rag.models import ContextTooLong, End
from rag.prompts import chat_messages
from rag.types import Draft, Evidence, Hit, Span
from tests.conftest import SAMPLES
from tests.evidence import evidence, hit

QUESTION = "How long is the bridge?"
BRIDGE = "The bridge is 412 metres long. It was opened in 1931."


class Model:
    """A model without a server: it takes the next reply of its script, or raises it, and keeps what it was asked."""

    def __init__(self, *script: Sequence[str | End] | ProviderError, name: str = "m", in_house: bool = True) -> None:
        self.name = name
        self.in_house = in_house
        self.context_window = 8192
        self.max_tokens = 1024
        self.prompts: list[str] = []
        self.allowed: list[int] = []
        self._script = list(script)

    def stream(
        self, messages: Sequence[tuple[str, str]], stopped: Callable[[], bool], requests: int = 3
    ) -> Iterator[str | End]:
        self.prompts.append("\n".join(text for _, text in messages))
        self.allowed.append(requests)
        reply = self._script.pop(0)
        if isinstance(reply, ProviderError):
            raise reply
        yield from reply


def too_long(requests: int) -> ContextTooLong:
    error = ContextTooLong("Too long. Set its context_window lower.")
    error.requests = requests
    return error


def never_quote(_: Evidence) -> Draft:
    raise AssertionError("quoted")


def drafted(*models: Model, given: Evidence | None = None) -> tuple[str, Draft]:
    """Return what the models let the reader see, and the draft."""
    answerer = ModelAnswerer(models, never_quote)  # type: ignore[arg-type]
    *shown, draft = answerer.stream(given or evidence(QUESTION, hit(BRIDGE)), lambda: False, Budget())
    assert isinstance(draft, Draft)
    return "".join(map(str, shown)), draft


def numbered(count: int, words: int = 40) -> list[tuple[int, Hit]]:
    return [(n, hit(f"Passage {n}. " + f"word{n} " * words, f"{n}.md")) for n in range(1, count + 1)]


# ---------------------------------------------------------------- the draft


def test_the_draft_is_what_was_shown_and_raw_is_what_came() -> None:
    pieces = ["The bridge is 412", " metres long ", "[1", "]. It was\r", "\nopened in 1931 [", "1, 7].", "\x07\r\n"]
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    shown, draft = drafted(Model([*pieces, End(None, usage)]))
    assert shown == draft.text == "The bridge is 412 metres long. It was\nopened in 1931.\n"
    assert draft.raw == "".join(pieces)
    assert [draft.text[mark.at :][:1] for mark in draft.marks] == [".", "."]
    assert [mark.n for mark in draft.marks] == [1, 1]
    assert (draft.dropped_marks, draft.cut, draft.usage, draft.model) == (1, None, usage, "m")
    assert [draft.text[span.start : span.end] for span in draft.sentences] == [
        "The bridge is 412 metres long.",
        "It was\nopened in 1931.",
    ]


@pytest.mark.parametrize("pieces", [["It is\r", "\nso."], ["It is\r\n", "so."], ["It is", "\r\nso."]])
def test_line_ends_of_windows_are_one_line_end_wherever_they_are_cut(pieces: list[str]) -> None:
    shown, draft = drafted(Model([*pieces, End(None)]))
    assert shown == draft.text == "It is\nso."


def test_control_characters_are_not_shown() -> None:
    shown, draft = drafted(Model(["The \x1b[31mbridge\x00 is\x9b long\ud800 [1].", End(None)]))
    assert shown == draft.text == "The [31mbridge is long."


def test_what_came_before_a_cut_is_kept() -> None:
    _, draft = drafted(Model(["The bridge is 412 [", End("the connection ended")]))
    assert (draft.text, draft.cut) == ("The bridge is 412 [", "the connection ended")
    assert draft.sentences == (Span(0, 19),)


def test_a_cut_before_the_first_word_is_a_draft_without_text() -> None:
    shown, draft = drafted(Model([End("stopped by the reader")]))
    assert (shown, draft.text, draft.sentences, draft.cut) == ("", "", (), "stopped by the reader")


@pytest.mark.parametrize("reply", [["[1]"], ["…"], ["***\n"], ["```\n```"], [" "], []])
def test_a_reply_without_a_word_is_no_answer(reply: list[str]) -> None:
    with pytest.raises(ProviderError, match=r"The model m gave no answer\. Ask again\.") as raised:
        drafted(Model([*reply, End(None)]))
    assert raised.value.retryable


# ---------------------------------------------------------------- several models


def test_failures_of_earlier_models_become_warnings() -> None:
    first, second = Model(ProviderError("First is down.")), Model(["Yes [1].", End(None)], name="second")
    _, draft = drafted(first, second)
    assert (draft.model, draft.warnings) == ("second", ("First is down.",))
    assert ModelAnswerer([first, second], never_quote).name == "m, second"  # type: ignore[list-item]


def test_where_all_fail_trying_again_makes_sense_if_it_does_for_one() -> None:
    for retryable in (False, True):
        models = Model(ProviderError("A.")), Model(ProviderError("B.", retryable=retryable))
        with pytest.raises(ProviderError, match=r"^A\. B\.$") as raised:
            drafted(*models)
        assert raised.value.retryable == retryable


def test_internal_passages_keep_their_numbers_and_their_distance() -> None:
    hits = [hit(f"The bridge number {n}.", f"{n}.md") for n in range(1, 5)]
    for n in (0, 2):
        hits[n] = replace(hits[n], source=replace(hits[n].source, visibility="internal"))
    outside, inside = Model(ProviderError("Down."), in_house=False), Model(["So [1] [3].", End(None)], name="own")
    _, draft = drafted(outside, inside, given=evidence(QUESTION, *hits))
    assert "[2] Title" in outside.prompts[0]
    assert "[4] Title" in outside.prompts[0]
    assert "number 1" not in outside.prompts[0]
    assert "number 3" not in outside.prompts[0]
    assert all(f"number {n}" in inside.prompts[0] for n in range(1, 5))
    assert [mark.n for mark in draft.marks] == [1, 3]
    assert draft.warnings == ("Internal passages that m did not see: 2.", "Down.")


def test_where_no_model_may_see_anything_quotes_answer() -> None:
    secret = hit(BRIDGE)
    secret = replace(secret, source=replace(secret.source, visibility="internal"))
    model = Model(in_house=False)
    quoted = Draft("Quoted.", (Span(0, 7),), (), "quotes", "Quoted.")
    answerer = ModelAnswerer([model], lambda _: quoted)  # type: ignore[list-item]
    shown, draft = answerer.stream(evidence(QUESTION, secret), lambda: False, Budget())
    assert shown == "Quoted."
    assert isinstance(draft, Draft)
    assert (draft.model, model.prompts) == ("quotes", [])
    assert draft.warnings == (
        "Internal passages that m did not see: 1.",
        "No in-house model is set for them: answered in quotes.",
    )


# ---------------------------------------------------------------- how much is sent


def test_a_prompt_that_was_too_long_is_sent_again_with_the_better_half() -> None:
    hits = [each for _, each in numbered(5)]
    model = Model(too_long(1), ["Yes [2]. No [3].", End(None)])
    _, draft = drafted(model, given=evidence(QUESTION, *hits))
    assert [sum(f"[{n}] Title" in prompt for n in range(1, 6)) for prompt in model.prompts] == [5, 2]
    assert model.allowed == [3, 2]
    assert [mark.n for mark in draft.marks] == [2]
    assert draft.dropped_marks == 1  # what was not sent again was not given


@pytest.mark.parametrize(("requests", "count"), [(3, 4), (1, 1)])
def test_it_is_not_sent_again_where_nothing_is_left(requests: int, count: int) -> None:
    model = Model(too_long(requests))
    with pytest.raises(ProviderError, match="Set its context_window lower"):
        drafted(model, given=evidence(QUESTION, *(each for _, each in numbered(count))))
    assert len(model.prompts) == 1


def test_all_passages_are_sent_where_they_fit() -> None:
    passages = numbered(6)
    assert fitting(QUESTION, passages, 100_000) == passages


@pytest.mark.parametrize("tokens", [600, 800, 1000, 1500])
def test_the_lowest_ranked_passages_are_left_out_until_the_rest_fits(tokens: int) -> None:
    passages = numbered(12)

    def size(count: int) -> int:
        return sum(estimated_tokens(text) for _, text in chat_messages(QUESTION, passages[:count], "0" * 12))

    given = fitting(QUESTION, passages, tokens)
    assert given == passages[: len(given)]
    assert 1 < len(given) < 12
    assert size(len(given)) <= tokens < size(len(given) + 1)


def test_the_best_passage_is_sent_even_where_it_does_not_fit() -> None:
    passages = numbered(3, words=2000)
    assert fitting(QUESTION, passages, 10) == passages[:1]
    assert fitting(QUESTION, passages[:1], 10) == passages[:1]


def test_tokens_are_estimated_as_too_many_rather_than_too_few(
    open_at: Callable[..., Footnote], embedder: MiniLMEmbedding
) -> None:
    with open_at(articles=SAMPLES) as library:
        library.sync()
        hits = library.search("Which model did they choose?", top_k=50).hits
    assert {hit.source.language for hit in hits} == {"en", "zh"}
    texts = [hit.passage.text for hit in hits]
    counts = embedder.count_tokens(texts)
    for text, count in zip(texts, counts, strict=True):
        assert 0.9 * count <= estimated_tokens(text) <= 2 * count, text


@pytest.mark.parametrize("text", ["", "a", "茶", "🏴" * 100, "1931 " * 200, "x" * 5000])
def test_tokens_are_estimated_for_any_text(text: str) -> None:
    assert estimated_tokens(text) >= 1
