"""Leaving a model alone that keeps failing: when, for how long, and what a reader is told meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.budget import Budget
from rag.config import AnswerSettings
from rag.errors import ProviderError
from rag.generate import ModelAnswerer
from rag.models import ChatModel, End, ModelSpec
from rag.models.breaker import FAILURES, REST, Breaker
from tests.evidence import evidence, hit
from tests.provider import Provider, Scripted, error, serving, words
from tests.test_generate import never_quote

LIMITS = AnswerSettings(timeout=20, first_token_timeout=5, stall_timeout=5)
GOOD = Scripted(words("It is so [1]."))
DOWN = error("down", 503)


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give every breaker a clock that stands still, and let nobody pause between requests."""
    clock = Clock()
    monkeypatch.setattr("rag.models.chat._BACKOFF", 0)
    monkeypatch.setattr("rag.models.chat.Breaker", lambda: Breaker(clock))
    return clock


def chain(*providers: Provider) -> ModelAnswerer:
    specs = [ModelSpec(f"m{n}", f"m{n}", each.base_url, None, None) for n, each in enumerate(providers, start=1)]
    return ModelAnswerer([ChatModel(spec, LIMITS) for spec in specs], never_quote)


def ask(answerer: ModelAnswerer) -> str:
    """Ask, and return which model answered, or the error."""
    try:
        *_, draft = answerer.stream(evidence("Is it so?", hit("It is so.")), lambda: False, Budget())
    except ProviderError as failure:
        return str(failure) if failure.retryable else f"for good: {failure}"
    return getattr(draft, "model", "")


def test_it_opens_after_failures_in_a_row_and_closes_after_its_rest() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        assert breaker.seconds == 0
        breaker.failed()
    assert breaker.seconds == REST
    clock.now += REST - 1
    assert breaker.seconds == 1
    clock.now += 1
    assert breaker.seconds == 0
    breaker.failed()
    assert breaker.seconds == REST  # one is enough while it has not answered
    breaker.succeeded()
    assert (breaker.seconds, breaker.failures) == (0, 0)


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()
    assert breaker.seconds == 0


def test_a_model_that_keeps_failing_is_left_alone_and_asked_again_later(clock: Clock) -> None:
    with serving(DOWN) as provider:
        answerer = chain(provider)
        assert "failed (503)" in ask(answerer)
        assert (len(provider.requests), answerer.troubled) == (3, [])
        assert "failed (503)" in ask(answerer)
        assert (len(provider.requests), answerer.troubled) == (5, ["m1"])
        clock.now += 7
        said = ask(answerer)
        assert said == "The model m1 at 127.0.0.1 failed 5 times in a row. It is asked again in 23 s."
        assert len(provider.requests) == 5
        clock.now += 23
        provider.play(GOOD)
        assert ask(answerer) == "m1"
        assert answerer.troubled == []
        answerer.close()


def test_the_chain_goes_on_without_a_request_to_it(clock: Clock) -> None:
    with serving(DOWN) as first, serving(GOOD) as second:
        answerer = chain(first, second)
        for asked in (2, 4, 5, 5, 5):  # of three requests each model keeps one
            assert ask(answerer) == "m2"
            assert len(first.requests) == asked
        assert (len(second.requests), answerer.troubled) == (5, ["m1"])
        answerer.close()


def test_another_completion_goes_to_the_next_model(clock: Clock) -> None:
    with serving(DOWN) as first, serving(GOOD) as second:
        answerer = chain(first, second)
        said = [answerer.complete([("user", "Is it?")], Budget(), 16, internal=False) for _ in range(7)]
        assert said == [None] * 5 + ["It is so [1]."] * 2
        assert (len(first.requests), len(second.requests)) == (5, 2)
        answerer.close()


@pytest.mark.parametrize(
    ("script", "counts"),
    [
        ([DOWN], True),
        ([Scripted(hang_up=True)], True),
        ([Scripted(delay=60)], True),
        ([Scripted(body="<html>")], True),
        ([Scripted()], True),
        ([error("no", 401)], False),
        ([error("odd", 400)], False),
        ([error("none", 404)], False),
        ([error("slow", 429)], False),
        ([DOWN, GOOD], False),
        ([Scripted(words("It is"), finish=None)], False),  # cut, but it answered
    ],
)
def test_what_counts_as_a_failure_of_the_server(clock: Clock, script: Sequence[Scripted], counts: bool) -> None:
    with serving(*script) as provider:
        limits = AnswerSettings(first_token_timeout=0.3) if script[0].delay else LIMITS
        model = ChatModel(ModelSpec("m", "m", provider.base_url, None, None), limits)
        for n in range(6):
            if n % len(script) == 0:
                provider.play(*script)
            if not model.resting:
                try:
                    *_, end = model.stream([("user", "Is it?")], lambda: False, Budget(1))
                    assert isinstance(end, End)
                except ProviderError:
                    pass
        assert model.resting == counts
        model.close()


def test_a_reader_who_stops_is_no_failure(clock: Clock) -> None:
    with serving(Scripted(delay=60)) as provider:
        model = ChatModel(ModelSpec("m", "m", provider.base_url, None, None), LIMITS)
        for _ in range(6):
            assert list(model.stream([("user", "Is it?")], lambda: True, Budget())) == [End("stopped by the reader")]
        assert not model.resting
        model.close()
