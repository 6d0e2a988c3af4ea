"""Choosing models: each alone, quotes, several side by side, and no promise of the chain is lost by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote
from rag.errors import InputError, LimitError, ProviderError
from rag.models.breaker import FAILURES
from rag.types import Answer, ModelChoice, Scope
from tests.provider import Provider, Scripted, error, serving, words

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"
REPLY = Scripted(words("The bridge at Ostvik is 412 metres long [1]."))
OTHER = Scripted(words("It is 412 metres long [1]."))
ASKED = [{"role": "user", "content": "When was that bridge opened?"}, {"role": "assistant", "content": "In 1931."}]


@contextmanager
def opened(
    open_at: Open, *scripts: Sequence[Scripted], in_house: Sequence[int] = (), **sections: Any
) -> Iterator[tuple[Footnote, list[Provider]]]:
    """Open a library with models a, b …, each at a server of its own."""
    with ExitStack() as stack:
        providers = [stack.enter_context(serving(*script)) for script in scripts]
        names = "abcd"[: len(scripts)]
        models = {
            name: {"base_url": provider.base_url, "context_window": 4096, "in_house": place in in_house}
            for place, (name, provider) in enumerate(zip(names, providers, strict=True))
        }
        library = stack.enter_context(open_at(model=",".join(names), models=models, **sections))
        library.sync()
        yield library, providers


def counts(providers: Sequence[Provider]) -> list[int]:
    return [len(provider.requests) for provider in providers]


def ends(parts: Iterator[tuple[int, str | Answer | ProviderError]]) -> dict[int, Answer | ProviderError]:
    """Return what stands last for each, after making sure that it does, and that its text came before."""
    found: dict[int, Answer | ProviderError] = {}
    texts: dict[int, str] = {}
    for place, part in parts:
        assert place not in found
        if isinstance(part, str):
            texts[place] = texts.get(place, "") + part
        else:
            found[place] = part
    for place, end in found.items():
        if isinstance(end, Answer) and end.draft:
            assert texts[place] == end.draft.text
    return found


def answers(parts: Iterator[tuple[int, str | Answer | ProviderError]]) -> list[Answer]:
    found = ends(parts)
    return [end for _, end in sorted(found.items()) if isinstance(end, Answer)]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "compare"]


# ---------------------------------------------------------------- which there are


def test_only_models_that_are_named_may_be_chosen_and_a_missing_key_is_told_by_its_variable(
    open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "set")
    monkeypatch.delenv("HOUSE_KEY", raising=False)
    house = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "HOUSE_KEY", "in_house": True}
    models = {"house": house, "unused": {"base_url": "http://127.0.0.1:9/v1"}}
    with open_at(model="house, openai/gpt-x, house", models=models) as library:
        assert library.models == [
            ModelChoice("house", True, "HOUSE_KEY"),
            ModelChoice("openai/gpt-x", False),
            ModelChoice("quotes", True),
        ]
        with pytest.raises(InputError, match=r"'unused'.* house, openai/gpt-x, quotes"):
            library.stream(QUESTION, models=("unused",))
        with pytest.raises(InputError, match="'nobody'"):
            library.ask(QUESTION, model="nobody")
        with pytest.raises(InputError, match="Choose one"):
            library.stream(QUESTION, models=("house", "quotes"))


def test_without_a_model_quotes_may_be_chosen_and_nothing_else(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        assert library.models == [ModelChoice("quotes", True)]
        assert library.ask(QUESTION, model="quotes").text == library.ask(QUESTION).text
        with pytest.raises(InputError, match="Choose among quotes"):
            library.ask(QUESTION, model="openai/gpt-4o-mini")


# ---------------------------------------------------------------- one alone


def test_the_model_that_is_chosen_answers_alone(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER]) as (library, providers):
        chosen = library.ask(QUESTION, model="b")
        assert (chosen.model, counts(providers)) == ("b", [0, 1])
        assert library.ask(QUESTION, model="quotes").model == "quotes"
        assert counts(providers) == [0, 1]
        assert library.ask(QUESTION).model == "a"
        assert (library.model, counts(providers)) == ("a, b", [1, 1])


def test_where_the_chosen_model_fails_no_other_is_asked(open_at: Open) -> None:
    with opened(open_at, [error("no", 401)], [OTHER]) as (library, providers):
        with pytest.raises(ProviderError) as failure:
            library.ask(QUESTION, model="a")
        assert failure.value.answer is not None
        assert failure.value.answer.evidence.hits
        assert counts(providers) == [1, 0]
        assert library.ask(QUESTION).model == "b"


def test_a_chosen_model_outside_never_sees_internal_articles_and_they_are_quoted(open_at: Open, folder: Path) -> None:
    secret = "The bridge at Ostvik will be sold in May for 9 million crowns."
    (folder / "secret.md").write_text(f"---\nvisibility: internal\n---\n# Plan\n\n{secret}\n")
    with opened(open_at, [OTHER], [REPLY], in_house=[1]) as (library, providers):
        answer = library.ask("When will the bridge at Ostvik be sold?", model="a")
        assert counts(providers) == [1, 0]
        assert "9 million" not in providers[0].requests[0].prompt
        assert "9 million" in answer.text
        library.ask("How long is it?", history=[*ASKED[:1], {"role": "assistant", "content": secret}], model="a")
        assert not any("9 million" in request.prompt for request in providers[0].requests)
        assert not providers[1].requests


def test_a_chosen_model_rewrites_the_follow_up_and_none_of_the_others_hears_of_it(open_at: Open) -> None:
    with opened(open_at, [REPLY], [Scripted(words(QUESTION)), OTHER]) as (library, providers):
        history = [*ASKED[:1], {"role": "assistant", "content": "Ostvik's in 1931."}]
        answer = library.ask("How long is it?", history=history, model="b")
        assert (answer.standalone_question, counts(providers)) == (QUESTION, [0, 2])
        library.ask("How long is it?", history=history, model="quotes")
        assert counts(providers) == [0, 2]


def test_failures_of_a_model_count_however_it_was_chosen(open_at: Open) -> None:
    with opened(open_at, [Scripted(hang_up=True)], [OTHER]) as (library, providers):
        while len(providers[0].requests) < FAILURES:
            with pytest.raises(ProviderError):
                library.ask(QUESTION, model="a")
        assert library.troubled == ["a"]
        sent = len(providers[0].requests)
        assert library.ask(QUESTION).model == "b"
        found = ends(library.compare(QUESTION, ("a", "b")))
        assert "times in a row" in str(found[0])
        assert isinstance(found[1], Answer)
        assert len(providers[0].requests) == sent


def test_questions_to_a_chosen_model_are_counted_and_those_for_quotes_are_not(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER], limits={"questions_per_minute": 2}) as (library, _):
        assert list(library.stream(QUESTION, reader="anna", models=("b",)))
        for _ in range(3):
            assert list(library.stream(QUESTION, reader="anna", models=("quotes",)))
        with pytest.raises(LimitError, match="Ask again"):
            library.compare(QUESTION, ("a", "b"), reader="anna")
        assert ends(library.compare(QUESTION, ("a", "quotes"), reader="anna"))
        with pytest.raises(LimitError, match="Ask again"):
            library.stream(QUESTION, reader="anna")


def test_more_models_than_a_reader_may_ask_in_a_minute_are_refused_at_once(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER], limits={"questions_per_minute": 1}) as (library, providers):
        with pytest.raises(LimitError, match="Choose fewer"):
            library.compare(QUESTION, ("a", "b"), reader="anna")
        assert list(library.stream(QUESTION, reader="anna")), "what was refused does not count"
        assert counts(providers) == [1, 0]


# ---------------------------------------------------------------- side by side


def test_models_that_are_compared_answer_the_same_evidence_and_each_keeps_its_place(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER]) as (library, providers):
        found = answers(library.compare(QUESTION, ("b", "quotes", "a")))
        alone = library.ask(QUESTION, model="b")
    assert [answer.model for answer in found] == ["b", "quotes", "a"]
    assert {answer.evidence.hash for answer in found} == {alone.evidence.hash}
    assert all(answer.evidence is found[0].evidence for answer in found)
    assert [answer.status for answer in found] == ["grounded"] * 3
    assert (found[0].text, found[0].citations) == (alone.text, alone.citations)
    assert counts(providers) == [1, 2]


def test_compared_models_write_at_the_same_time(open_at: Open) -> None:
    slow = Scripted(words("The bridge at Ostvik is 412 metres long [1]."), between=0.1)
    with opened(open_at, [slow], [slow]) as (library, _):
        parts = list(library.compare(QUESTION, ("a", "b")))
    first_end = next(n for n, (_, part) in enumerate(parts) if isinstance(part, Answer))
    assert {place for place, _ in parts[:first_end]} == {0, 1}, "each had begun before one had ended"


def test_the_failure_of_one_model_does_not_end_the_others(open_at: Open) -> None:
    with opened(open_at, [error("no", 401)], [OTHER]) as (library, _):
        found = ends(library.compare(QUESTION, ("a", "b", "quotes")))
    failed, answered, quoted = (found[place] for place in range(3))
    assert isinstance(failed, ProviderError)
    assert failed.answer is not None
    assert isinstance(answered, Answer)
    assert isinstance(quoted, Answer)
    assert failed.answer.evidence.hash == answered.evidence.hash == quoted.evidence.hash
    assert (failed.answer.status, failed.answer.model, answered.status) == ("incomplete", "a", "grounded")


def test_a_follow_up_is_written_anew_once_for_all_and_every_model_has_that_request_less(open_at: Open) -> None:
    busy = Scripted(status=503, body="{}")
    with opened(open_at, [Scripted(words(QUESTION)), busy], [busy]) as (library, providers):
        history = [*ASKED[:1], {"role": "assistant", "content": "Ostvik's in 1931."}]
        found = ends(library.compare("How long is it?", ("a", "b"), history=history))
        failed = [end.answer for end in found.values() if isinstance(end, ProviderError) and end.answer]
        assert [answer.standalone_question for answer in failed] == [QUESTION] * 2
        assert counts(providers) == [3, 2]


def test_without_enough_evidence_each_says_the_same_and_nothing_is_sent(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER]) as (library, providers):
        found = answers(library.compare("Which team won the ice hockey final in Toronto?", ("a", "b", "quotes")))
        assert [answer.status for answer in found] == ["not_found"] * 3
        assert len({answer.text for answer in found}) == 1
        assert [answer.model for answer in found] == ["a", "b", "quotes"]
        assert counts(providers) == [0, 0]


def test_a_comparison_that_is_left_ends_all_requests_and_threads(open_at: Open) -> None:
    endless = Scripted(words("The bridge " * 200), between=0.2)
    with opened(open_at, [endless], [endless]) as (library, providers):
        parts = library.compare(QUESTION, ("a", "b"))
        seen: set[int] = set()
        while len(seen) < 2:
            seen.add(next(parts)[0])
        assert len(threads()) == 2
        parts.close()  # type: ignore[attr-defined]
        assert not threads()
        assert all(provider.requests[0].given_up(10) for provider in providers)


def test_a_comparison_that_is_stopped_keeps_what_came_of_each(open_at: Open) -> None:
    endless = Scripted(words("The bridge at Ostvik is 412 metres long [1]. " * 100), between=0.05)
    stop = threading.Event()
    with opened(open_at, [endless], [endless]) as (library, providers):
        found: list[Answer] = []
        seen: set[int] = set()
        for place, part in library.compare(QUESTION, ("a", "b"), stop.is_set):
            seen.add(place)
            if len(seen) == 2:
                stop.set()
            if isinstance(part, Answer):
                found.append(part)
        assert [answer.status for answer in found] == ["incomplete"] * 2
        assert not threads()
        assert all(provider.requests[0].given_up(10) for provider in providers)


def test_a_comparison_of_a_scope_keeps_to_it(open_at: Open) -> None:
    with opened(open_at, [REPLY], [OTHER]) as (library, _):
        scope = library.scope(["bridge.md"])
        found = answers(library.compare(QUESTION, ("a", "b"), scope=scope))
    assert all(answer.evidence.scope == scope for answer in found)
    assert {hit.source.source for hit in found[0].evidence.hits} == {"bridge.md"}


@pytest.mark.parametrize("models", [(), ("a",), ("a", "a"), ("a", "b", "quotes", "a"), ("a", "nobody")])
def test_what_cannot_be_compared_is_refused_before_anything_is_sent(open_at: Open, models: tuple[str, ...]) -> None:
    with opened(open_at, [REPLY], [OTHER], limits={"questions_per_minute": 4}) as (library, providers):
        with pytest.raises(InputError, match="a, b, quotes"):
            library.compare(QUESTION, models, reader="anna")
        with pytest.raises(InputError, match="no date"):
            library.compare(QUESTION, ("a", "b"), reader="anna", scope=Scope(as_of="soon"))
        for _ in range(2):
            assert ends(library.compare(QUESTION, ("a", "b"), reader="anna")), "what was refused does not count"
        assert counts(providers) == [2, 2]
