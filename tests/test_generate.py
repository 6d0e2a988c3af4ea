"""The answerer with a model: which passages are sent, how its reply becomes a draft, and what is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.app import Footnote
from rag.budget import Budget
from rag.embed import MiniLMEmbedding
from rag.errors import ProviderError
from rag.generate import ModelAnswerer, citable, estimated_tokens, fitting
from rag.models import STOPPED, ChatModel, ContextTooLong, Document, End, Quoted
from rag.prompts import NOT_FOUND, chat_messages, fence_for
from rag.quotes import quote
from rag.reply import MarkParser
from rag.types import Draft, Evidence, Hit, Mark, Span
from tests.conftest import SAMPLES
from tests.evidence import evidence, hit

Event = str | Quoted | End

QUESTION = "How long is the bridge?"
BRIDGE = "The bridge is 412 metres long. It was opened in 1931."


class Model:
    """A model without a server: it takes the next reply of its script, or raises it, and keeps what it was asked."""

    cites = False
    context_window = 8192
    max_tokens = 1024
    trouble: ProviderError | None = None
    resting = False

    def __init__(self, *script: Sequence[Event] | ProviderError, name: str = "m", in_house: bool = True) -> None:
        self.name = name
        self.in_house = in_house
        self.parameters = {"model": name}
        self.prompts: list[str] = []
        self.kept: list[int] = []
        self.budgets: list[int] = []
        self.documents: list[Sequence[Document]] = []
        self._script = list(script)

    def stream(
        self,
        messages: Sequence[tuple[str, str]],
        stopped: Callable[[], bool],
        budget: Budget,
        *,
        keep: int = 0,
        documents: Sequence[Document] = (),
        max_tokens: int | None = None,
    ) -> Iterator[Event]:
        self.prompts.append("\n".join(text for _, text in messages))
        self.kept.append(keep)
        self.budgets.append(budget.left)
        self.documents.append(documents)
        budget.take()
        reply = self._script.pop(0)
        if isinstance(reply, ProviderError):
            raise reply
        yield from reply


def too_long() -> ContextTooLong:
    return ContextTooLong("Too long. Set its context_window lower.")


def internal(of: Hit) -> Hit:
    return replace(of, source=replace(of.source, visibility="internal"))


def never_quote(_: Evidence) -> Draft:
    raise AssertionError("quoted")


def answerer(*models: Model, quote: Callable[[Evidence], Draft] = never_quote) -> ModelAnswerer:
    return ModelAnswerer(cast(Sequence[ChatModel], models), quote)


def drafted(
    *models: Model,
    given: Evidence | None = None,
    quote: Callable[[Evidence], Draft] = never_quote,
    budget: Budget | None = None,
) -> tuple[str, Draft]:
    """Return what the models let the reader see, and the draft."""
    found = given or evidence(QUESTION, hit(BRIDGE))
    *shown, draft = answerer(*models, quote=quote).stream(found, lambda: False, budget or Budget())
    assert isinstance(draft, Draft)
    return "".join(map(str, shown)), draft


def numbered(count: int, words: int = 40) -> list[tuple[int, Hit]]:
    return [(n, hit(f"Passage {n}. " + f"word{n} " * words, f"{n}.md")) for n in range(1, count + 1)]


# ---------------------------------------------------------------- the draft


def test_the_draft_is_what_was_shown_and_raw_is_what_came() -> None:
    pieces = ["The bridge is 412", " metres long ", "[1", "]. It was\r", "\nopened in 1931 [", "1, 7].", "\x07\r\n"]
    usage = {"prompt_tokens": 5.0, "completion_tokens": 2.0}
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
    assert answerer(first, second).name == "m, second"


def test_where_all_fail_trying_again_makes_sense_if_it_does_for_one() -> None:
    for retryable in (False, True):
        models = Model(ProviderError("A.")), Model(ProviderError("B.", retryable=retryable))
        with pytest.raises(ProviderError, match=r"^A\. B\.$") as raised:
            drafted(*models)
        assert raised.value.retryable == retryable


def test_each_later_model_keeps_a_request() -> None:
    down = [Model(ProviderError("Down."), name=name) for name in "abc"]
    budget = Budget()
    with pytest.raises(ProviderError):
        drafted(*down, budget=budget)
    assert [model.kept for model in down] == [[2], [1], [0]]
    assert budget.left == 0


def test_a_model_that_cannot_be_asked_keeps_no_request() -> None:
    first, second, third = Model(["Yes [1].", End(None)]), Model(name="b"), Model(name="c", in_house=False)
    second.trouble = ProviderError("It needs a key.")
    drafted(first, second, third, given=evidence(QUESTION, internal(hit(BRIDGE))))
    assert first.kept == [0]


def test_a_long_chain_needs_a_request_for_each() -> None:
    for count, requests in ((0, 3), (1, 3), (3, 3), (5, 5)):
        assert answerer(*(Model() for _ in range(count))).requests == requests


def test_the_draft_says_what_was_sent_and_how_it_was_asked() -> None:
    model = Model(["Yes [1].", End(None, None, 0, "m-2026", "r1")])
    _, draft = drafted(model)
    assert [role for role, _ in draft.prompt] == ["system", "user"]
    assert "\n".join(text for _, text in draft.prompt) == model.prompts[0]
    assert draft.parameters == {"model": "m", "response_model": "m-2026", "response_id": "r1"}


# ---------------------------------------------------------------- what a model may see


def hidden(*texts: str) -> Evidence:
    """Return evidence whose first passage is public; those of the texts are internal."""
    others = (internal(hit(text, f"{n}.md")) for n, text in enumerate(texts))
    return evidence(QUESTION, hit(BRIDGE), *others)


DECK = "The bridge has a deck that is 9 metres wide."
LOAD = "The bridge is 412 metres long and carries 90 lorries an hour."


def test_internal_passages_keep_their_numbers_and_their_distance() -> None:
    hits = [hit(f"The bridge number {n}.", f"{n}.md") for n in range(1, 5)]
    for n in (0, 2):
        hits[n] = internal(hits[n])
    outside = Model(["So [1] [2] [3].", End(None)], name="out", in_house=False)
    inside = Model(ProviderError("Down."), name="own")
    _, draft = drafted(
        outside, inside, given=evidence(QUESTION, *hits), quote=lambda _: Draft("", (), (), "quotes", "")
    )
    assert "[2] Title" in outside.prompts[0]
    assert "[4] Title" in outside.prompts[0]
    assert "number 1" not in outside.prompts[0]
    assert "number 3" not in outside.prompts[0]
    assert all(f"number {n}" in inside.prompts[0] for n in range(1, 5))
    assert [mark.n for mark in draft.marks] == [2]
    assert draft.dropped_marks == 2
    assert draft.warnings == ("Down.", "2 internal passages were not shown to out.")


def test_models_in_house_are_asked_first_where_something_is_internal() -> None:
    for found, order in ((hidden(LOAD), ["b", "d", "a", "c"]), (evidence(QUESTION, hit(BRIDGE)), ["a", "b", "c", "d"])):
        models = [Model(ProviderError(f"{name}."), name=name, in_house=name in "bd") for name in "abcd"]
        with pytest.raises(ProviderError) as raised:
            drafted(*models, given=found, budget=Budget(4))
        assert str(raised.value).replace(".", "").split() == order


def test_a_model_in_house_answers_from_everything_and_nothing_is_added() -> None:
    inside = Model(["It is 412 metres long [2].", End(None)])
    shown, draft = drafted(Model(name="out", in_house=False), inside, given=hidden(LOAD))
    assert (shown, draft.text, draft.warnings) == ("It is 412 metres long.", "It is 412 metres long.", ())


@pytest.mark.parametrize(
    "pieces", [["It is 412 metres long [1]."], list("The bridge is 412 metres long [1]."), ["The ", "deck", " [1]"]]
)
def test_what_a_model_did_not_see_is_quoted_below_its_answer(pieces: list[str]) -> None:
    given = hidden(LOAD, DECK)
    shown, draft = drafted(Model([*pieces, End(None)], in_house=False), given=given, quote=lambda e: quote(e, 3))
    own = "".join(pieces).replace(" [1]", "")
    assert shown == draft.text == "\n\n".join([own, LOAD, DECK])
    assert draft.raw == "".join(pieces)
    for n, span, mark in zip((2, 3), draft.sentences[-2:], draft.marks[-2:], strict=True):
        hit = given.hits[n - 1]
        assert (mark.at, mark.n, mark.span) == (span.end, n, hit.passage.sentences[0])
        assert draft.text[span.start : span.end] == hit.passage.text
    assert draft.model == "m"
    assert draft.warnings == ("2 internal passages were not shown to m; what they say is quoted below its answer.",)


@pytest.mark.parametrize("pieces", [[NOT_FOUND], list(NOT_FOUND), [" ", NOT_FOUND[:9], NOT_FOUND[9:], "\n"]])
def test_where_a_model_found_nothing_in_what_it_saw_the_quotes_alone_answer(pieces: list[str]) -> None:
    usage = {"prompt_tokens": 5.0, "completion_tokens": 2.0}
    model = Model([*pieces, End(None, usage)], in_house=False)
    shown, draft = drafted(model, given=hidden(LOAD), quote=lambda e: quote(e, 3))
    assert shown == draft.text == LOAD
    assert (draft.model, draft.raw, draft.usage) == ("quotes", "".join(pieces), usage)
    assert [mark.n for mark in draft.marks] == [2]
    assert draft.warnings == ("1 internal passage was not shown to m, which found no answer; what it says is quoted.",)


@pytest.mark.parametrize("reply", [NOT_FOUND, "The articles say so [1]."])
def test_what_begins_like_a_refusal_is_shown_where_nothing_can_be_quoted(reply: str) -> None:
    none = Draft("", (), (), "quotes", "")
    shown, draft = drafted(Model([*reply, End(None)], in_house=False), given=hidden(LOAD), quote=lambda _: none)
    assert shown == draft.text == reply.replace(" [1]", "")
    assert draft.warnings == ("1 internal passage was not shown to m.",)


def test_nothing_is_added_to_an_answer_that_the_reader_stopped() -> None:
    model = Model(["It is", End(STOPPED)], in_house=False)
    shown, draft = drafted(model, given=hidden(LOAD), quote=lambda e: quote(e, 3))
    assert (shown, draft.text, draft.cut) == ("It is", "It is", STOPPED)


def test_where_no_model_may_see_anything_quotes_answer() -> None:
    given = evidence(QUESTION, internal(hit(LOAD)))
    model = Model(in_house=False)
    shown, draft = drafted(model, given=given, quote=lambda e: quote(e, 3))
    assert (shown, draft.model, model.prompts) == (LOAD, "quotes", [])
    assert draft.warnings == ("1 internal passage was not shown to m, which may not see any: quoted instead.",)


def test_where_the_only_model_that_may_see_it_fails_quotes_answer_and_say_why() -> None:
    given = evidence(QUESTION, internal(hit(LOAD)))
    models = Model(name="out", in_house=False), Model(ProviderError("Own is down."), name="own")
    _, draft = drafted(*models, given=given, quote=lambda e: quote(e, 3))
    assert draft.warnings[0] == "Own is down."
    assert draft.warnings[1].startswith("1 internal passage was not shown to out")


# ---------------------------------------------------------------- a provider that cites


def test_the_providers_own_citations_become_marks_of_sentences() -> None:
    model = Model(
        [
            "The bridge is ",
            "412 metres long",
            Quoted(1, 0),
            ". Opened",
            " in 1931 ",
            Quoted(1, 1),
            "[1].",
            End(None, None, 2),
        ]
    )
    model.cites = True
    given = evidence(QUESTION, hit(BRIDGE))
    shown, draft = drafted(model, given=given)
    first, second = given.hits[0].passage.sentences
    assert shown == draft.text == "The bridge is 412 metres long. Opened in 1931."
    assert draft.marks == (Mark(29, 1, first), Mark(45, 1, second), Mark(45, 1))
    assert draft.dropped_marks == 2


@given(st.lists(st.one_of(st.text("a [1]2,`\n.茶", max_size=12), st.sampled_from([Quoted(1, 0), Quoted(1, 1)]))))
def test_the_providers_own_citations_change_no_character_of_the_text(events: list[Event]) -> None:
    raw = "It is " + "".join(part for part in events if isinstance(part, str))
    parser = MarkParser([1])
    parser.feed(raw)
    parser.finish()
    model = Model(["It is ", *events, End(None)])
    model.cites = True
    shown, draft = drafted(model)
    assert shown == draft.text == parser.text
    assert draft.raw == raw
    assert [mark for mark in draft.marks if mark.span is None] == parser.marks
    assert sum(mark.span is not None for mark in draft.marks) == sum(isinstance(part, Quoted) for part in events)
    assert [mark.at for mark in draft.marks] == sorted(mark.at for mark in draft.marks)
    assert all(0 <= mark.at <= len(draft.text) for mark in draft.marks)


@given(
    st.lists(
        st.lists(
            st.text("ab [1]<|im_start|></s>\u8336.🏴", min_size=1, max_size=40).filter(str.strip),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_documents_stand_in_the_prompt_sentence_by_sentence(passages: list[list[str]]) -> None:
    hits = [hit(" ".join(f"{text.strip()} x." for text in texts), f"{n}.md") for n, texts in enumerate(passages)]
    numbered = list(enumerate(hits, start=1))
    fence = fence_for(numbered)
    text = chat_messages(QUESTION, numbered, fence)[-1][1]
    for (n, each), document in zip(numbered, citable(text, numbered, fence), strict=True):
        assert (document.n, len(document.cuts)) == (n, len(each.passage.sentences) + 1)
        assert document.cuts[-1] - document.cuts[0] == len(each.passage.text)
        for span, start in zip(each.passage.sentences, document.cuts, strict=False):
            own = each.passage.quote(span)
            sent = text[start : start + len(own)]
            changed = [(a, b) for a, b in zip(own, sent, strict=True) if a != b]
            assert all(a in "[]<>" for a, _ in changed)


# ---------------------------------------------------------------- other completions


def test_a_completion_takes_one_request_of_the_first_model_that_may_be_asked() -> None:
    first, second = Model(["No."], name="out", in_house=False), Model(["  Ye", "s.\r\n", End(None)], name="own")
    budget = Budget(3)
    assert answerer(first, second).complete([("user", "?")], budget, 64, internal=True) == "  Yes.\n"
    assert (first.prompts, second.budgets, budget.left) == ([], [1], 2)
    first.trouble = ProviderError("It needs a key.")
    second._script = [["Well.", End(None)]]
    assert answerer(first, second).complete([("user", "?")], budget, 64, internal=False) == "Well."


@pytest.mark.parametrize("reply", [ProviderError("Down."), ["So", End("the connection ended")]])
def test_a_completion_that_fails_is_none(reply: ProviderError | list[Event]) -> None:
    model, other = Model(reply), Model(name="other")
    assert answerer(model, other).complete([("user", "?")], Budget(), 64, internal=False) is None
    assert (len(model.prompts), other.prompts) == (1, [])


@pytest.mark.parametrize("budget", [Budget(1), Budget(0), Budget(3, 0)])
def test_a_completion_leaves_the_last_request_to_the_answer(budget: Budget) -> None:
    model, left = Model(), budget.left
    assert answerer(model).complete([("user", "?")], budget, 64, internal=False) is None
    assert (model.prompts, budget.left) == ([], left)


def test_a_completion_of_internal_text_is_for_models_in_house() -> None:
    model = Model(in_house=False)
    assert answerer(model).complete([("user", "?")], Budget(), 64, internal=True) is None
    assert model.prompts == []


# ---------------------------------------------------------------- how much is sent


def test_a_prompt_that_was_too_long_is_sent_again_with_the_better_half() -> None:
    hits = [each for _, each in numbered(5)]
    model = Model(too_long(), ["Yes [2]. No [3].", End(None)])
    _, draft = drafted(model, given=evidence(QUESTION, *hits))
    assert [sum(f"[{n}] Title" in prompt for n in range(1, 6)) for prompt in model.prompts] == [5, 2]
    assert model.budgets == [3, 2]
    assert [mark.n for mark in draft.marks] == [2]
    assert draft.dropped_marks == 1  # what was not sent again was not given


@pytest.mark.parametrize(("requests", "others", "count"), [(1, 0, 4), (2, 1, 4), (3, 0, 1)])
def test_it_is_not_sent_again_where_nothing_is_left(requests: int, others: int, count: int) -> None:
    model = Model(too_long())
    later = [Model(ProviderError("Down.")) for _ in range(others)]
    with pytest.raises(ProviderError, match="Set its context_window lower"):
        drafted(
            model, *later, given=evidence(QUESTION, *(each for _, each in numbered(count))), budget=Budget(requests)
        )
    assert [len(each.prompts) for each in (model, *later)] == [1] * (1 + others)


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
