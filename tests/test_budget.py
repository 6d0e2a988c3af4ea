"""What one question may spend in all, whatever its providers do: requests, time, and what is sent to whom."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rag.budget import REQUESTS, Budget
from rag.config import AnswerSettings
from rag.errors import ProviderError
from rag.generate import ModelAnswerer
from rag.models import ChatModel, ModelSpec
from rag.quotes import quote
from rag.types import Draft
from tests import anthropic_provider
from tests.evidence import evidence, hit
from tests.provider import Provider, Scripted, error, serving, words
from tests.summary import SUMMARY
from tests.test_generate import internal

LIMITS = AnswerSettings(timeout=20, first_token_timeout=2, stall_timeout=2)
SECRET = "Ninety lorries an hour cross it"
FOUND = (hit("It is 412 metres long. It was opened in 1931.", "a.md"), internal(hit(f"{SECRET}.", "b.md")))
QUESTION = "How long is it?"


def test_requests_and_seconds_count_down() -> None:
    budget = Budget()
    assert (budget.left, REQUESTS) == (3, 3)
    budget.take()
    assert budget.left == 2
    assert 0 < Budget(1, 5).seconds <= 5
    assert Budget(1, 0).seconds <= 0
    assert budget.deadline > time.monotonic()


REPLIES = {
    "answers": Scripted(words("It is 412 metres long [1].")),
    "refuses": Scripted(words("The articles do not answer this question.")),
    "is cut": Scripted(words("It is 412"), finish=None),
    "says nothing": Scripted(),
    "says a mark": Scripted(["[1]"]),
    "hangs up": Scripted(hang_up=True),
    "a web page": Scripted(body="<html>"),
    "500": error("down", 500),
    "503, wait": error("down", 503, retry_after="0"),
    "429": error("slow", 429),
    "429, wait long": error("slow", 429, retry_after="100"),
    "401": error("no", 401),
    "404": error("no", 404),
    "no temperature": error("temperature is not supported", 400, param="temperature"),
    "too long": error("too long", 400, "context_length_exceeded"),
    "redirect": Scripted(status=307, body="", headers={"location": "http://127.0.0.1:1/v1"}),
}
NATIVE = {
    "answers": anthropic_provider.reply(anthropic_provider.block("It is 412 metres long [1].")),
    "is cut": anthropic_provider.cut(anthropic_provider.block("It is 412")[:-1]),
    "overloaded": anthropic_provider.error("overloaded_error", 529),
    "401": anthropic_provider.error("authentication_error", 401),
    "too long": anthropic_provider.error("invalid_request_error", 400, "prompt is too long"),
    "hangs up": Scripted(hang_up=True),
}


@st.composite
def models(draw: st.DrawFn) -> tuple[bool, bool, list[str]]:
    """Draw whether a model is in-house, whether it is Anthropic's, and the script of its server."""
    native = draw(st.booleans()) and draw(st.booleans())
    names = st.sampled_from(sorted(NATIVE if native else REPLIES))
    return draw(st.booleans()), native, draw(st.lists(names, min_size=1, max_size=4))


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Provider]]:
    with serving(REPLIES["500"]) as one, serving(REPLIES["500"]) as two, serving(REPLIES["500"]) as three:
        yield [one, two, three]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(models(), min_size=1, max_size=3), st.booleans(), st.booleans(), st.booleans())
def test_no_question_sends_more_than_three_requests_nor_internal_text_outside(
    servers: list[Provider],
    monkeypatch: pytest.MonkeyPatch,
    chain: list[tuple[bool, bool, list[str]]],
    rewriting: bool,
    judging: bool,
    hidden: bool,
) -> None:
    monkeypatch.setattr("rag.models.chat._BACKOFF", 0)
    asked = []
    for n, (provider, (in_house, native, script)) in enumerate(zip(servers, chain, strict=False)):
        provider.play(*((NATIVE if native else REPLIES)[name] for name in script))
        kind = "anthropic" if native else "openai-like"
        spec = ModelSpec(f"m{n}", f"m{n}", provider.base_url, None, None, in_house, provider=kind)
        asked.append(ChatModel(spec, LIMITS))
    answerer = ModelAnswerer(asked, lambda found: quote(found, 3))
    budget = Budget(answerer.requests, 20)
    found = evidence(QUESTION, *FOUND[: 2 if hidden else 1])
    messages = [("user", f"{SECRET if hidden else QUESTION}?")]

    if rewriting:
        answerer.complete(messages, budget, 64, internal=hidden)
    before = sum(len(provider.requests) for provider in servers[: len(chain)])
    failed, shown, draft = False, [], None
    try:
        *shown, draft = answerer.stream(found, lambda: False, budget)
    except ProviderError as failure:
        failed = str(failure).endswith(".")
    answered = [len(provider.requests) for provider in servers[: len(chain)]]
    if judging:
        answerer.complete(messages, budget, 64, internal=hidden)
    answerer.close()

    sent = [len(provider.requests) for provider in servers[: len(chain)]]
    SUMMARY.add(questions_to_faulty_providers=1, requests_they_sent=sum(sent))
    event(f"{sum(sent)} requests, {'failed' if failed else 'answered'}")
    assert sum(sent) == answerer.requests - budget.left <= 3
    assert before <= 1
    assert sum(sent) - sum(answered) <= 1
    assert failed == (draft is None)
    if failed and not rewriting:
        assert all(answered)  # each had its turn
    if draft is not None:
        assert isinstance(draft, Draft)
        assert "".join(map(str, shown)) == draft.text
    for (in_house, _, _), provider in zip(chain, servers, strict=False):
        if not in_house:
            assert SECRET not in json.dumps([request.body for request in provider.requests])
