"""Which models the settings name, what their failures mean, and a reply as it streams in."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from typing import Any

import httpx
import openai
import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.llms import ChatMessage, ChatResponse
from openai.types.chat import ChatCompletionChunk
from pydantic import Field

from rag.budget import Budget
from rag.config import AnswerSettings, Settings
from rag.errors import ProviderError, UsageError
from rag.models import PROVIDERS, ChatModel, End, ModelSpec, model_specs
from rag.models.failures import explain, retry_after, unsupported_option
from rag.models.openai_like import OpenAIInterface, piece_of
from rag.models.stream import Reply
from tests.provider import Scripted, error, serving, words

KEY = "sk-test-5f2a9c71"
SERVER = "http://127.0.0.1:8080/v1"
LIMITS = AnswerSettings(timeout=5, first_token_timeout=2, stall_timeout=2)


def specs(model: str, environ: dict[str, str] | None = None, **blocks: dict[str, Any]) -> tuple[ModelSpec, ...]:
    return model_specs(Settings.model_validate({"model": model, "models": blocks}), environ or {})


def only(model: str, environ: dict[str, str] | None = None, **blocks: dict[str, Any]) -> ModelSpec:
    (spec,) = specs(model, environ, **blocks)
    return spec


def never() -> bool:
    return False


# ---------------------------------------------------------------- which models


def test_a_name_means_its_block() -> None:
    block = {"base_url": SERVER, "model": "big-8b", "api_key_env": "BIG", "in_house": True, "context_window": 4096}
    assert only("big", {"BIG": KEY}, big=block) == ModelSpec("big", "big-8b", SERVER, "BIG", KEY, True, 4096)


def test_a_block_without_model_means_its_own_name() -> None:
    spec = only("llama3.2", **{"llama3.2": {"provider": "ollama"}})
    assert (spec.model, spec.base_url) == ("llama3.2", PROVIDERS["ollama"].base_url)
    assert (spec.key_variable, spec.key, spec.in_house) == (None, None, False)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "openai-like"])
def test_provider_and_model_need_no_block(provider: str) -> None:
    base_url, variable = PROVIDERS[provider]
    spec = only(f"{provider}/some-model", {variable: KEY} if variable else {})
    assert (spec.name, spec.model, spec.base_url) == (f"{provider}/some-model", "some-model", base_url)
    assert (spec.key_variable, spec.key) == (variable, KEY if variable else None)


def test_several_models_keep_their_order() -> None:
    blocks = {"b": {"base_url": SERVER}, "a": {"base_url": SERVER}}
    assert [spec.name for spec in specs("b, ollama/c ,a", **blocks)] == ["b", "ollama/c", "a"]


@pytest.mark.parametrize("name", ["some-model", "org/some-model", "org/team/some-model:q4"])
def test_any_name_is_one_of_the_server_in_openai_base_url(name: str) -> None:
    spec = only(name, {"OPENAI_BASE_URL": SERVER, "OPENAI_API_KEY": KEY})
    assert (spec.model, spec.base_url, spec.key) == (name, SERVER, KEY)
    assert only(name, {"OPENAI_BASE_URL": SERVER}).key is None


def test_a_block_wins_over_openai_base_url() -> None:
    spec = only("m", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, m={"base_url": SERVER})
    assert spec.base_url == SERVER


def test_openai_base_url_moves_openai_and_no_other_provider() -> None:
    environ = {"OPENAI_BASE_URL": SERVER, "ANTHROPIC_API_KEY": KEY}
    assert only("openai/gpt-4o-mini", environ).base_url == SERVER
    assert only("anthropic/claude-haiku-4-5", environ).base_url == PROVIDERS["anthropic"].base_url


@pytest.mark.parametrize("model", ["", "  "])
def test_a_key_alone_switches_nothing_on(model: str) -> None:
    environ = {known.api_key_env: KEY for known in PROVIDERS.values() if known.api_key_env}
    assert specs(model, {**environ, "OPENAI_BASE_URL": SERVER}) == ()


@pytest.mark.parametrize("name", ["big", "nobody/big", "openai/", "openai-like/big", "a,,b", "a,"])
def test_an_unknown_model_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(UsageError, match=r"not known. Describe it in \[models.NAME\].*openai/gpt-4o-mini.*BASE_URL"):
        specs(name, a={"base_url": SERVER}, b={"base_url": SERVER})


def test_a_model_cannot_pass_for_quotes() -> None:
    """Else the page would call what it writes word for word the articles'."""
    settings = Settings.model_validate({"model": "quotes", "models": {"quotes": {"base_url": "http://127.0.0.1:1/v1"}}})
    with pytest.raises(UsageError, match="another name"):
        model_specs(settings, {})


def test_an_unknown_provider_is_refused_with_those_we_know() -> None:
    with pytest.raises(UsageError, match=r"\[models.m\] names no known provider. Use one of: openai, anthropic"):
        specs("m", m={"provider": "opanai"})


def test_a_block_that_does_not_say_where_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\[models.m\] does not say where.*Set base_url"):
        specs("m", m={})


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8080/v1", "ftp://host/v1", "file:///etc/passwd", "http:///v1", "//host/v1", "http://[::1/v1"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"address of the model m is not a web address\. It begins with http"):
        specs("m", m={"base_url": address})


@pytest.mark.parametrize("provider", [name for name, known in PROVIDERS.items() if known.api_key_env])
def test_the_key_of_a_provider_goes_to_no_other_address(provider: str) -> None:
    variable = str(PROVIDERS[provider].api_key_env)
    spec = only("m", {variable: KEY}, m={"provider": provider, "base_url": SERVER})
    assert (spec.key, spec.key_variable) == (None, None)
    named = only("m", {variable: KEY}, m={"provider": provider, "base_url": SERVER, "api_key_env": variable})
    assert named.key == KEY


def test_no_request_carries_a_key_that_is_not_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    with serving(Scripted(["Yes."])) as provider:
        list(model_at(provider.base_url, key=None).stream([("user", "Is it?")], never, Budget()))
        assert KEY not in str(provider.requests[0].headers)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_ORG_ID", "org-of-ours"),
        ("OPENAI_PROJECT_ID", "project-of-ours"),
        ("OPENAI_CUSTOM_HEADERS", "X-Account: account-of-ours"),
        ("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer token-of-ours"),
    ],
)
def test_no_request_carries_what_the_environment_says_of_an_openai_account(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with serving(Scripted(["Yes."])) as provider:
        list(model_at(provider.base_url).stream([("user", "Is it?")], never, Budget()))
        assert provider.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert "of-ours" not in str(provider.requests[0].headers)


# ---------------------------------------------------------------- the key


def model_at(base_url: str, key: str | None = KEY, variable: str | None = "THE_KEY", **limits: Any) -> ChatModel:
    spec = ModelSpec("m", "m-1", base_url, variable if key else None, key)
    return ChatModel(spec, LIMITS.model_copy(update=limits))


class Events(BaseEventHandler):
    """Keeps all that llama-index says of its work."""

    seen: list[str] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **_: Any) -> None:
        self.seen.append(f"{event!r} {event} {event.model_dump()!r}")


def test_the_key_is_in_no_representation(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    dispatcher, events = get_dispatcher(), Events()
    dispatcher.add_event_handler(events)
    try:
        with serving(error("busy", 503), Scripted(words("It is so."))) as provider:
            model = model_at(provider.base_url)
            assert isinstance(list(model.stream([("user", "Is it?")], never, Budget()))[-1], End)
            assert provider.requests[-1].headers["authorization"] == f"Bearer {KEY}"
            told = [repr(model), str(model), repr(vars(model)), repr(model.spec), str(model.spec), f"{model.spec}"]
            interface = model._interface
            assert isinstance(interface, OpenAIInterface)
            told += [repr(interface), repr(vars(interface))]
            llm = interface._llm
            told += [repr(llm), str(llm), repr(llm.to_dict()), llm.to_json(), repr(llm.model_dump())]
    finally:
        dispatcher.event_handlers.remove(events)
    assert events.seen
    assert "Trying again" in caplog.text
    assert KEY not in "\n".join([*told, *events.seen, caplog.text])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 429, 500, 503])
def test_the_key_is_in_no_error_even_where_the_server_repeats_it(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="rag")
    refused = error(f"the key {KEY} is not good", status, code=KEY, retry_after="0")
    with serving(refused) as provider, pytest.raises(ProviderError) as raised:
        list(model_at(provider.base_url).stream([("user", "Is it?")], never, Budget()))
    assert KEY not in f"{raised.value!r} {raised.value} {raised.value.__cause__!r} {caplog.text}"


def test_a_model_whose_key_is_missing_sends_nothing_and_names_the_variable() -> None:
    with serving(Scripted(["Yes."])) as provider:
        model = ChatModel(ModelSpec("m", "m-1", provider.base_url, "THE_KEY", None), LIMITS)
        with pytest.raises(ProviderError, match=r"needs a key\. Put it in THE_KEY"):
            next(model.stream([("user", "Is it?")], never, Budget()))
        assert not provider.requests


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("5", 5.0),
        ("100", 100.0),
        ("0", 0.0),
        ("0.5", 0.5),
        ("-1", None),
        ("NaN", None),
        ("inf", None),
        ("-inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Fri, 99 Foo 2025 99:99:99 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after_is_read_or_ignored(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    far = retry_after("Fri, 31 Dec 9999 23:59:59 GMT")
    assert far is not None
    assert far > 1e9


def refusal(message: str, status: int = 400, param: str | None = None, code: str | None = None) -> Exception:
    response = httpx.Response(status, request=httpx.Request("POST", SERVER))
    return translated(
        openai.APIStatusError(
            message, response=response, body={"message": message, "param": param, "code": code, "type": "x"}
        )
    )


def translated(error: Exception) -> Exception:
    """Return what an error of the SDK is to us."""
    return OpenAIInterface(only("ollama/m"), LIMITS, 64).translated(error)


OPTIONS = {"max_tokens": 100, "temperature": 0.0, "stream_options": {}}


@pytest.mark.parametrize(
    ("raised", "option"),
    [
        (refusal("Unsupported value", param="temperature"), "temperature"),
        (refusal("'temperature' does not support 0.0 with this model."), "temperature"),
        (refusal("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."), "max_tokens"),
        (refusal("extra fields not permitted: stream_options", status=422), "stream_options"),
        (refusal("temperature", status=500), None),
        (refusal("temperature", status=401), None),
        (refusal("the messages are empty"), None),
        (translated(openai.APIConnectionError(message="temperature", request=httpx.Request("POST", SERVER))), None),
        (TypeError("temperature"), None),
    ],
)
def test_an_option_that_a_server_does_not_take_is_known_by_its_message(raised: Exception, option: str | None) -> None:
    assert unsupported_option(raised, OPTIONS) == option


def test_a_prompt_too_long_is_no_unsupported_option() -> None:
    said = "'max_tokens' is too large: 1024. This model's maximum context length is 2048 tokens, your request has 1500."
    assert unsupported_option(refusal(said, param="max_tokens"), OPTIONS) is None
    assert type(explain(refusal(said), only("ollama/m")).error).__name__ == "ContextTooLong"


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([error("Unsupported value", 400, param="temperature")], [{"max_tokens": 64}]),
        (
            [error("'max_tokens' is not supported. Use 'max_completion_tokens' instead.", 400)],
            [{"max_completion_tokens": 64, "temperature": 0.0}],
        ),
        (
            [error("no", 422, param="max_tokens"), error("no", 422, param="temperature")],
            [{"temperature": 0.0}, {}],
        ),
    ],
)
def test_an_unsupported_option_is_left_out_at_once_and_from_then_on(
    answers: list[Scripted], sent: list[dict[str, Any]]
) -> None:
    def options(body: dict[str, Any]) -> dict[str, Any]:
        return {name: body[name] for name in ("max_tokens", "max_completion_tokens", "temperature") if name in body}

    with serving(*answers, Scripted(["Yes."])) as provider:
        model = model_at(provider.base_url, max_tokens=64)
        began = time.monotonic()
        for _ in range(2):
            assert "Yes." in list(model.stream([("user", "Is it?")], never, Budget()))
        assert time.monotonic() - began < 10
        first, *others = [options(request.body) for request in provider.requests]
    assert first == {"max_tokens": 64, "temperature": 0.0}
    assert others == [*sent, sent[-1]]


def test_a_server_is_asked_for_no_more_than_a_quarter_of_the_window() -> None:
    spec = ModelSpec("m", "m", SERVER, None, None, context_window=1024)
    assert ChatModel(spec, AnswerSettings(max_tokens=1024)).max_tokens == 256
    assert ChatModel(spec, AnswerSettings(max_tokens=100)).max_tokens == 100


# ---------------------------------------------------------------- a reply


def chunk(text: Any = None, finish: str | None = None, usage: Any = None, choices: bool = True) -> ChatResponse:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    raw = ChatCompletionChunk.model_validate(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [choice] if choices else [],
            "usage": usage,
        }
    )
    return ChatResponse(message=ChatMessage(role="assistant", content=""), delta=text, raw=raw)


def read(*chunks: ChatResponse) -> tuple[Reply, list[str]]:
    shown: list[str] = []
    reply = Reply(lambda piece: shown.append(str(piece)))
    for each in chunks:
        reply.add(piece_of(each))
    return reply, shown


def test_text_is_passed_on_as_it_comes() -> None:
    reply, shown = read(chunk("It"), chunk(" is"), chunk(""), chunk(None), chunk(" so."), chunk(finish="stop"))
    assert "".join(shown) == "It is so."
    assert shown[0] == "It"
    assert (reply.finish, reply.cut, reply.has_text) == ("stop", None, True)


def test_nothing_is_passed_on_before_the_first_word() -> None:
    reply, shown = read(chunk(""), chunk(" "), chunk("\n\n"))
    assert (shown, reply.has_text, reply.pieces) == ([], False, 3)
    reply.add(piece_of(chunk("It")))
    assert shown == [" \n\nIt"]


@pytest.mark.parametrize(
    ("finish", "cut"),
    [
        ("stop", None),
        ("length", "the model reached its limit of tokens"),
        ("content_filter", "the provider's content filter ended the reply"),
    ],
)
def test_the_reason_of_the_end_says_whether_the_reply_is_whole(finish: str, cut: str | None) -> None:
    reply, _ = read(chunk("It is"), chunk(finish=finish))
    assert (reply.finish, reply.cut) == (finish, cut)


def test_usage_may_come_without_choices() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    reply, _ = read(chunk("It is so."), chunk(finish="stop"), chunk(usage=usage, choices=False))
    assert reply.usage == {"prompt_tokens": 7, "completion_tokens": 3}


@pytest.mark.parametrize("piece", ["long ", "1", "\n", "the same few words again. ", "茶", "a line of a list\n- "])
@pytest.mark.parametrize("before", ["", "The bridge at Ostvik was opened in 1931. "])
def test_repetition_without_end_is_noticed_soon(piece: str, before: str) -> None:
    reply, shown = read(chunk(before + "So: "))
    while reply.cut is None and len("".join(shown)) < 5000:
        reply.add(piece_of(chunk(piece)))
    assert reply.cut == "the model repeated itself without end"
    assert len("".join(shown)) < 1600


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"The bridge number {i} is {i * 7} metres long [{i % 9}]. " for i in range(300)),
        "".join(f"| {i} | model {i} | {i}.00 |\n" for i in range(300)) + "|---|---|---|\n",
        "yes, yes, yes, yes, yes: " + " ".join(f"word{i}" for i in range(500)),
    ],
)
def test_a_long_reply_that_goes_on_is_no_repetition(text: str) -> None:
    reply, shown = read(*(chunk(text[at : at + 7]) for at in range(0, len(text), 7)))
    assert reply.cut is None
    assert "".join(shown) == text


def test_looking_for_repetition_is_fast() -> None:
    reply, began = Reply(lambda _: None), time.monotonic()
    for at in range(0, 50_000, 250):
        reply.add(piece_of(chunk("ab" * 60 + f"{at:10}" + "aab" * 40)))
    assert time.monotonic() - began < 5


def test_a_reply_has_a_greatest_length() -> None:
    reply, shown = read(chunk("So"))
    for i in range(100_000):
        reply.add(piece_of(chunk(f" {i}")))
        if reply.cut:
            break
    assert reply.cut == "the reply was longer than any answer should be"
    assert 60_000 < len("".join(shown)) < 60_100


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": 5}, {"prompt_tokens": None, "completion_tokens": None}, {"prompt_tokens": "many"}]
)
def test_tokens_that_are_not_counted_take_nothing_from_a_reply(usage: dict[str, Any]) -> None:
    last = chunk(finish="stop")
    assert last.raw is not None
    last.raw.usage = openai.types.CompletionUsage.model_construct(**usage)
    reply, shown = read(chunk("It is so."), last)
    assert ("".join(shown), reply.finish, reply.cut) == ("It is so.", "stop", None)


# ---------------------------------------------------------------- one request


def test_pieces_come_one_by_one_and_last_how_it_ended() -> None:
    with serving(Scripted(words("It is so."), between=0.15)) as provider:
        times, parts = [], []
        for part in model_at(provider.base_url).stream([("system", "Be short."), ("user", "Is it?")], never, Budget()):
            times.append(time.monotonic())
            parts.append(part)
        assert provider.requests[0].path == "/v1/chat/completions"
        assert provider.requests[0].body["messages"] == [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Is it?"},
        ]
        assert provider.requests[0].body["model"] == "m-1"
    assert [part for part in parts[:-1] if part] == ["It", " is", " so."]
    assert parts[-1] == End(None, {"prompt_tokens": 50, "completion_tokens": 9}, 0, "scripted", "c1")
    assert times[-1] - times[0] > 0.2


def test_no_more_requests_are_sent_than_allowed() -> None:
    with serving(error("busy", 503, retry_after="0")) as provider:
        for allowed in (1, 2, 3):
            provider.play(*provider.script)
            with pytest.raises(ProviderError, match=r"failed \(503\)"):
                list(model_at(provider.base_url).stream([("user", "Is it?")], never, Budget(allowed)))
            assert len(provider.requests) == allowed


def test_requests_that_others_keep_are_not_sent() -> None:
    with serving(error("busy", 503, retry_after="0")) as provider:
        for left, keep, sent in ((3, 1, 2), (3, 2, 1), (2, 2, 1), (1, 5, 1)):
            provider.play(*provider.script)
            budget = Budget(left)
            with pytest.raises(ProviderError, match=r"failed \(503\)"):
                list(model_at(provider.base_url).stream([("user", "Is it?")], never, budget, keep=keep))
            assert (len(provider.requests), budget.left) == (sent, left - sent)


@pytest.mark.parametrize(("budget", "what"), [(Budget(0), "requests"), (Budget(3, 0), "time")])
def test_nothing_is_sent_where_nothing_is_left(budget: Budget, what: str) -> None:
    with serving(Scripted(["Yes."])) as provider:
        with pytest.raises(
            ProviderError, match=rf"was not asked: the question has no {what} left\. Ask again"
        ) as raised:
            list(model_at(provider.base_url).stream([("user", "Is it?")], never, budget))
        assert (provider.requests, raised.value.retryable) == ([], True)


def test_the_time_of_a_question_ends_a_request() -> None:
    with serving(Scripted(delay=60)) as provider:
        model = model_at(provider.base_url, timeout=60, first_token_timeout=60)
        with pytest.raises(ProviderError, match=r"did not begin to answer in time\. Try again, or raise timeout"):
            list(model.stream([("user", "Is it?")], never, Budget(3, 0.3)))
        assert provider.requests[0].given_up(within=5)
        assert len(provider.requests) == 1


def test_a_request_may_ask_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = error("'max_tokens' is not supported. Use 'max_completion_tokens' instead.", 400)
    with serving(refused, Scripted(["Yes."])) as provider:
        model = model_at(provider.base_url)
        for _ in range(2):
            list(model.stream([("user", "Is it?")], never, Budget(), max_tokens=32))
        list(model.stream([("user", "Is it?")], never, Budget()))
        limits = [
            {name: value for name, value in request.body.items() if "max" in name} for request in provider.requests
        ]
    assert limits == [
        {"max_tokens": 32},
        *[{"max_completion_tokens": 32}] * 2,
        {"max_completion_tokens": 1024},
    ]


def test_the_pauses_between_requests_grow() -> None:
    with serving(Scripted(hang_up=True)) as provider:
        with pytest.raises(ProviderError, match="cannot be reached"):
            list(model_at(provider.base_url).stream([("user", "Is it?")], never, Budget()))
        first, second, third = (request.began for request in provider.requests)
    assert 0.2 < second - first < 1
    assert 0.45 < third - second < 1.5
    assert third - second > second - first


def test_a_model_that_is_stopped_before_it_is_asked_says_nothing() -> None:
    with serving(Scripted(words("It is so."), delay=60)) as provider:
        began = time.monotonic()
        assert list(model_at(provider.base_url).stream([("user", "Is it?")], lambda: True, Budget())) == [
            End("stopped by the reader")
        ]
        assert time.monotonic() - began < 10


def test_several_questions_at_once_keep_their_replies_apart() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(model: ChatModel, i: int) -> str:
        return "".join(part for part in model.stream([("user", f"{i}?")], never, Budget()) if isinstance(part, str))

    scripts = [Scripted([f"<{i}", " ", f"{i}>"], between=0.05) for i in range(12)]
    with serving(*scripts) as provider, ThreadPoolExecutor(6) as pool:
        model = model_at(provider.base_url)
        replies = list(pool.map(lambda i: ask(model, i), range(12)))
    assert sorted(replies) == sorted(f"<{i} {i}>" for i in range(12))
