"""Anthropic's own interface: what is sent, how its citations become footnotes, and how it fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote, open_library
from rag.budget import Budget
from rag.config import AnswerSettings, Settings
from rag.errors import ProviderError
from rag.models import ChatModel, Document, End, ModelSpec, Quoted
from rag.types import Answer
from tests.anthropic_provider import (
    PING,
    START,
    block,
    cites,
    cut,
    ending,
    error,
    error_event,
    event,
    reply,
    sent_parts,
)
from tests.provider import Provider, Scripted, serving

KEY = "sk-ant-test-5f2a9c71"
LIMITS = AnswerSettings(timeout=15, first_token_timeout=2, stall_timeout=2)
QUESTION = "How long is the bridge at Ostvik?"
BRIDGE = "The bridge at Ostvik was opened in 1931. It is 412 metres long. It carries 90 lorries an hour."
TEXT = f"[1] Bridges\n{BRIDGE}\nQuestion: {QUESTION}"
AT = TEXT.index(BRIDGE)
PROMPT = [("system", "Cite."), ("user", TEXT)]
DOCUMENT = Document(1, tuple(AT + at for at in (0, 41, 64, len(BRIDGE))))
SAID = block("The bridge is 412 metres long", cites(0, "It is 412 metres long. ", 1, 2))
WHOLE = reply(SAID, block(".", index=1))


def model_at(base_url: str, key: str | None = KEY, **others: Any) -> ChatModel:
    spec = ModelSpec("claude", "claude-scripted", base_url, "THE_KEY" if key else None, key, provider="anthropic")
    return ChatModel(spec, LIMITS.model_copy(update=others))


def ask(provider: Provider, budget: Budget | None = None, **others: Any) -> list[str | Quoted | End]:
    model = model_at(provider.base_url, **others)
    try:
        return list(model.stream(PROMPT, lambda: False, budget or Budget(), documents=[DOCUMENT]))
    finally:
        model.close()


def quoted(*citations: dict[str, Any]) -> tuple[list[int], int]:
    """Return which sentences a reply with these citations points to, and how many of them were dropped."""
    with serving(reply(block("So it is.", *citations))) as provider:
        *parts, end = ask(provider)
    assert isinstance(end, End)
    assert "".join(part for part in parts if isinstance(part, str)) == "So it is."
    found = [part for part in parts if isinstance(part, Quoted)]
    assert {part.n for part in found} <= {1}
    return [part.sentence for part in found], end.misquoted


# ---------------------------------------------------------------- what is sent


def test_passages_are_sent_as_what_can_be_cited_cut_into_sentences() -> None:
    with serving(WHOLE) as provider:
        ask(provider)
        (request,) = provider.requests
        before, document, after = sent_parts(provider)
    assert request.path == "/v1/messages"
    assert request.body["system"] == "Cite."
    assert (request.body["model"], request.body["stream"]) == ("claude-scripted", True)
    assert (request.body["max_tokens"], request.body["temperature"]) == (1024, 0.0)
    assert before == {"type": "text", "text": "[1] Bridges\n"}
    assert document["type"] == "search_result"
    assert document["citations"] == {"enabled": True}
    assert [part["text"] for part in document["content"]] == [
        "The bridge at Ostvik was opened in 1931. ",
        "It is 412 metres long. ",
        "It carries 90 lorries an hour.",
    ]
    assert after == {"type": "text", "text": f"\nQuestion: {QUESTION}"}


def test_the_key_and_nothing_of_the_users_account_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-ours")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-ours")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Account: account-of-ours")
    with serving(WHOLE) as provider:
        ask(provider)
        headers = provider.requests[0].headers
    assert headers["x-api-key"] == KEY
    assert headers.keys() & {"authorization", "x-account"} == set()
    assert not [name for name in headers if name.startswith("x-stainless")]
    assert "of-ours" not in str(headers)


def test_the_key_is_in_no_representation() -> None:
    model = model_at("http://127.0.0.1:1/v1")
    interface: Any = model._interface
    told = [repr(model), repr(vars(model)), repr(vars(interface)), repr(interface._llm), interface._llm.to_json()]
    assert KEY not in "\n".join(told)
    assert model.interface == "anthropic with native citations"
    assert model.cites


def test_a_redirect_is_not_followed() -> None:
    with serving(WHOLE) as other:
        away = Scripted(status=307, body="", headers={"location": f"{other.base_url}/messages"})
        with serving(away) as provider, pytest.raises(ProviderError, match=r"refused the request \(307\)"):
            ask(provider)
        assert not other.requests


# ---------------------------------------------------------------- citations


def test_a_citation_points_to_the_sentence_behind_the_text_it_belongs_to() -> None:
    for where in ("last", "first"):
        said = block("The bridge is 412 metres long", cites(0, "It is 412 metres long.", 1, 2), citing=where)
        with serving(reply(said, block(".", index=1))) as provider:
            parts = [part for part in ask(provider) if part]
        at = parts.index(Quoted(1, 1))
        assert "".join(map(str, parts[:at])) == "The bridge is 412 metres long"
        assert parts[at + 1 :] == [".", End(None, {"prompt_tokens": 50, "completion_tokens": 9})]


@pytest.mark.parametrize(
    ("citation", "sentences"),
    [
        (cites(0, "It is 412 metres long. It carries 90 lorries an hour.", 1, 3), [1, 2]),
        (cites(0, BRIDGE, 0, 3), [0, 1, 2]),
        (cites(0, "412 metres", 1, 2), [1]),
        (cites(0, "412   metres\n long", 1, 2), [1]),
        (cites(0, "It is 412 metres long.", 0, 1), [1]),  # the words count, not the place
        (cites(0, "It is 412 metres long.", 7, 9), [1]),
        (cites(0, "1931. It is", 5, 4), [0, 1]),
        ({"type": "char_location", "document_index": 0, "cited_text": "It is 412 metres long. ",
          "start_char_index": 41, "end_char_index": 64, "document_title": None}, [1]),
        ({"type": "char_location", "document_index": 0, "cited_text": "1931. It is",
          "start_char_index": 35, "end_char_index": 46, "document_title": None}, [0, 1]),
        ({"type": "content_block_location", "document_index": 0, "cited_text": "It is 412 metres long.",
          "start_block_index": 1, "end_block_index": 2, "document_title": None}, [1]),
    ],
)  # fmt: skip
def test_a_citation_becomes_the_sentences_it_touches(citation: dict[str, Any], sentences: list[int]) -> None:
    assert quoted(citation) == (sentences, 0)


@pytest.mark.parametrize(
    "citation",
    [
        cites(1, "It is 412 metres long.", 1, 2),
        cites(-1, "It is 412 metres long.", 1, 2),
        cites(0, "It is 9 metres long.", 1, 2),
        cites(0, "", 1, 2),
        cites(0, "  ", 1, 2),
        {"type": "page_location", "document_index": 0, "cited_text": "elsewhere", "start_page_number": 1},
        {"type": "something_new"},
    ],
)
def test_a_citation_of_what_was_not_given_is_dropped_and_counted(citation: dict[str, Any]) -> None:
    assert quoted(citation) == ([], 1)
    assert quoted(citation, cites(0, BRIDGE[:40], 0, 1)) == ([0], 1)


def test_a_citation_that_is_none_ends_the_reply_and_keeps_its_text() -> None:
    with serving(reply(block("So it is.", {"type": "search_result_location", "search_result_index": 0}))) as provider:
        *parts, end = ask(provider)
    assert "".join(map(str, parts)) == "So it is."
    assert isinstance(end, End)
    assert end.cut


# ---------------------------------------------------------------- through a library


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Provider], Footnote]]:
    """Return a function that opens a synced library with a model at the provider."""
    monkeypatch.setenv("THE_KEY", KEY)
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "bridge.md").write_text(f"---\ntitle: Bridges\n---\n\n{BRIDGE}\n")
    opened: list[Footnote] = []

    def open_(provider: Provider) -> Footnote:
        block = {"provider": "anthropic", "base_url": provider.base_url, "api_key_env": "THE_KEY"}
        values = {"library": tmp_path / "library", "articles": tmp_path / "articles", "model": "claude"}
        opened.append(open_library(Settings.model_validate({**values, "models": {"claude": block}})))
        opened[0].sync()
        return opened[0]

    yield open_
    for each in opened:
        each.close()


def test_native_citations_become_footnotes(library: Callable[[Provider], Footnote]) -> None:
    more = block(" It was opened in 1931 [1].", index=2)
    wrong = block(" It is red", cites(0, "It is painted red.", 0, 1), index=3)
    with serving(reply(SAID, block(".", index=1), more, wrong)) as provider:
        answer = library(provider).ask(QUESTION)
        parts = sent_parts(provider)
    first, second, third = answer.sentences
    assert answer.text == "The bridge is 412 metres long [1]. It was opened in 1931 [2]. It is red"
    (citation,) = (answer.citations[n - 1] for n in first.citations)
    assert citation.quote == "It is 412 metres long."
    assert answer.citations[second.citations[0] - 1].quote == "The bridge at Ostvik was opened in 1931."
    assert (third.citations, answer.dropped_marks) == ((), 1)
    assert [part["type"] for part in parts] == ["text", "search_result", "text"]
    assert re.search(r"<passage-\w{12}>\n\[1\] Bridges\n\Z", parts[0]["text"])
    assert answer.usage == {"prompt_tokens": 50, "completion_tokens": 9}
    assert answer.draft is not None
    assert answer.draft.parameters["interface"] == "anthropic with native citations"
    assert answer.draft.parameters["provider"] == "anthropic"
    assert "".join(part["text"] for _, part in zip(answer.draft.prompt, parts[:1], strict=False)) in "".join(
        text for _, text in answer.draft.prompt
    )


# ---------------------------------------------------------------- faults

HALF = block("The bridge is 412")[:-1]


@pytest.mark.parametrize(
    ("script", "requests", "said", "retryable"),
    [
        ([error("authentication_error", 401, f"no {KEY}")], 1, "refused the key (401). Check the key in THE_", False),
        ([error("permission_error", 403)], 1, "refused the key (403)", False),
        ([error("not_found_error", 404)], 1, "is not there (404)", False),
        ([error("rate_limit_error", 429)], 3, "is busy (429)", True),
        ([error("rate_limit_error", 429, retry_after="100")], 1, "asks to wait 100 s", True),
        ([error("overloaded_error", 529)], 3, "failed (529)", True),
        ([error("api_error", 500)], 3, "failed (500)", True),
        ([error("invalid_request_error", 400, "max_turns is odd")], 1, "It says: “max_turns is odd”", False),
        ([error("invalid_request_error", 400, "max_tokens: 9 > 8")], 1, "It says: “max_tokens: 9 > 8”", False),
        ([error("invalid_request_error", 400, "prompt is too long: 9 > 8")], 1, "cannot read so long a prompt", False),
        ([error("request_too_large", 413)], 1, "cannot read so long a prompt", False),
        ([Scripted(raw=[START, error_event("overloaded_error")])], 3, "failed (529)", True),
        ([Scripted(body="<html>", headers={"content-type": "text/html"})], 3, "not a chat completion", True),
        ([Scripted(raw=b"")], 3, "not a chat completion", True),
        ([Scripted(hang_up=True)], 3, "cannot be reached", True),
        ([Scripted(delay=60)], 1, "did not begin to answer in time", True),
        ([Scripted(raw=[START] + [PING] * 99, between=0.1)], 1, "did not begin to answer in time", True),
        ([reply()], 2, "gave an empty reply", True),
        ([reply([event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
                 event("content_block_delta", index=0, delta={"type": "text_delta", "text": 412})])],
         3, "not a chat completion", True),
    ],
)  # fmt: skip
def test_a_fault_before_the_first_word(
    script: list[Scripted], requests: int, said: str, retryable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.models.chat._BACKOFF", 0.02)
    with serving(*script) as provider:
        with pytest.raises(ProviderError) as raised:
            ask(provider)
        assert len(provider.requests) == requests
    assert said in str(raised.value)
    assert raised.value.retryable == retryable
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (cut(HALF), "the connection ended before the reply was complete"),
        (cut(HALF, reset=True), "the connection ended before the reply was complete"),
        (cut(HALF, [error_event("overloaded_error")]), "the connection ended before the reply was complete"),
        (cut(HALF, [b""], between=0), "the connection ended before the reply was complete"),
        (Scripted(raw=[b"".join([START, *HALF]), b""], between=60), "the model stopped sending"),
        (reply(block("The bridge is 412"), reason="max_tokens"), "the model reached its limit of tokens"),
        (reply(block("The bridge is 412"), reason="refusal"), "the provider's content filter ended the reply"),
    ],
)
def test_a_reply_that_is_cut_is_kept(script: Scripted, why: str) -> None:
    with serving(script) as provider:
        *parts, end = ask(provider)
        assert len(provider.requests) == 1
    assert "".join(part for part in parts if isinstance(part, str)) == "The bridge is 412"
    assert isinstance(end, End)
    assert end.cut == why


def test_a_fault_that_passes_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.models.chat._BACKOFF", 0.02)
    with serving(error("overloaded_error", 529), WHOLE) as provider:
        assert Quoted(1, 1) in ask(provider)
        assert len(provider.requests) == 2


def test_an_option_that_is_not_taken_is_left_out() -> None:
    refused = error("invalid_request_error", 400, "`temperature` is deprecated for this model.")
    with serving(refused, WHOLE) as provider:
        assert Quoted(1, 1) in ask(provider)
        assert ["temperature" in request.body for request in provider.requests] == [True, False]


def test_stopping_closes_the_connection() -> None:
    endless = cut(*(block(f"Sentence {i} is here. ", index=i) for i in range(400)), between=0.02)
    with serving(endless) as provider:
        model = model_at(provider.base_url)
        seen: list[Any] = []
        for part in model.stream(PROMPT, lambda: len(seen) > 5, Budget()):
            seen.append(part)
        assert provider.requests[0].given_up(within=2)
        assert seen[-1] == End("stopped by the reader")
        model.close()


def test_thoughts_are_not_shown_and_keep_it_alive() -> None:
    thought = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Bees?"})
    begin = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
    end = event("content_block_stop", index=0)
    slow = Scripted(raw=[START, begin, *[thought] * 8, b"".join([end, *SAID, *ending()])], between=0.1)
    with serving(slow) as provider:
        began = time.monotonic()
        *parts, _ = ask(provider, first_token_timeout=0.5)
        assert time.monotonic() - began > 0.6
    assert "".join(part for part in parts if isinstance(part, str)) == "The bridge is 412 metres long"


def test_without_the_extra_its_openai_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.models.chat.find_spec", lambda _: None)
    with serving(Scripted(["Yes."])) as provider:
        assert "Yes." in ask(provider)
        assert provider.requests[0].path == "/v1/chat/completions"
        assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_answer_of_the_library_is_an_answer(library: Callable[[Provider], Footnote]) -> None:
    with serving(error("overloaded_error", 529), WHOLE) as provider:
        *shown, answer = library(provider).stream(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.status in ("grounded", "partial")
    assert "".join(map(str, shown)) == "The bridge is 412 metres long."
