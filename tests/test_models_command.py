"""The command `models`, and `ask --model`: what is listed, what is sent, and what a reader is told."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.cli import main
from tests import anthropic_provider
from tests.provider import Provider, Scripted, error, serving, words

KEY = "sk-test-5f2a9c71"
GOOD = Scripted(["yes"])

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command with these blocks of models, and gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THE_KEY", KEY)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FOOTNOTE_MODEL"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str, model: str = "", **blocks: dict[str, Any]) -> tuple[int, str, str]:
        lines = [f"model = {json.dumps(model)}", f"articles = {json.dumps(str(folder))}"]
        for name, block in blocks.items():
            lines += [f"[models.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in block.items())]
        (tmp_path / "footnote.toml").write_text("\n".join(lines))
        code = main(arguments)
        captured = capsys.readouterr()
        assert KEY not in captured.out + captured.err
        return code, captured.out, captured.err

    return call


def at(provider: Provider, **others: Any) -> dict[str, Any]:
    return {"base_url": provider.base_url, **others}


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def rows(out: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(out)["models"]}


def test_models_are_listed_in_their_order_and_each_is_sent_one_tiny_request(run: Run) -> None:
    with serving(GOOD) as one, serving(GOOD) as two, serving(GOOD) as spare:
        blocks = {
            "spare": at(spare, model="s-1"),
            "one": at(one, api_key_env="THE_KEY", in_house=True, context_window=4096),
            "two": at(two, model="t-1"),
        }
        code, out, err = run("models", "--json", model="two, one", **blocks)
        found = rows(out)
        assert (code, err) == (0, "")
        assert list(found) == ["two", "one", "spare"]
        for provider in (one, two, spare):
            (request,) = provider.requests
            assert request.body["max_tokens"] == 16
            assert len(request.prompt) < 40
    ms = found["one"].pop("ms")
    assert 0 < ms < 10_000
    assert found["one"] == {
        "name": "one",
        "provider": "openai-like",
        "model": "one",
        "host": "127.0.0.1",
        "in_house": True,
        "context_window": 4096,
        "interface": "openai-compatible",
        "key_variable": "THE_KEY",
        "key_set": True,
        "used": True,
        "ok": True,
        "message": "",
    }
    assert [row["used"] for row in found.values()] == [True, True, False]
    assert not Path(".footnote").exists()


def test_a_model_whose_variable_is_missing_is_sent_nothing_and_the_variable_is_named(run: Run) -> None:
    with serving(GOOD) as provider:
        code, out, _ = run("models", model="m", m=at(provider, api_key_env="NO_SUCH_KEY"))
        assert not provider.requests
    assert code == 4
    assert out.startswith("✗ m: The model m needs a key. Put it in NO_SUCH_KEY.\n")
    assert "key in NO_SUCH_KEY" in out


@pytest.mark.parametrize(
    ("script", "said", "ok"),
    [
        (error("no", 401), "refused the key (401). Check the key in THE_KEY.", False),
        (error("slow", 429), "is busy (429)", False),
        (error("down", 503), "failed (503)", False),
        (Scripted(body="<html>", headers={"content-type": "text/html"}), "not a chat completion", False),
        (error("'max_tokens' is not supported, use 'max_completion_tokens'", 400), "", True),
        (Scripted(finish="length"), "", True),
        (Scripted([" "]), "", True),
    ],
)
def test_a_check_is_never_repeated_and_says_what_to_do(run: Run, script: Scripted, said: str, ok: bool) -> None:
    with serving(script) as provider:
        code, out, _ = run("models", "--json", model="m", m=at(provider, api_key_env="THE_KEY"))
        assert len(provider.requests) == 1
    assert (code, rows(out)["m"]["ok"]) == (0 if ok else 4, ok)
    assert said in rows(out)["m"]["message"]


def test_a_server_that_never_answers_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.cli.models._SECONDS", 0.5)
    with serving(Scripted(delay=60)) as silent, serving(GOOD) as well:
        code, out, _ = run("models", "--json", model="well", well=at(well), silent=at(silent))
        assert silent.requests[0].given_up(within=5)
    assert code == 0  # it is not used
    assert "did not answer within" in rows(out)["silent"]["message"]


def test_a_server_that_is_not_there_is_said(run: Run) -> None:
    code, out, _ = run("models", model="m", m={"base_url": f"http://127.0.0.1:{closed_port()}/v1"})
    assert code == 4
    assert "cannot be reached. Check base_url, and that the server runs." in out


@pytest.mark.parametrize("count", [0, 2, 12])
def test_of_a_model_that_is_not_there_it_is_said_what_the_server_has(run: Run, count: int) -> None:
    names = json.dumps(
        {"object": "list", "data": [{"id": f"model-{i}\x1b[2J", "object": "model"} for i in range(count)]}
    )
    with serving(error("no such model", 404), Scripted(body=names)) as provider:
        code, out, _ = run("models", model="m", m=at(provider))
        assert [request.path for request in provider.requests] == ["/v1/chat/completions", "/v1/models"]
    assert code == 4
    assert "is not there (404)" in out
    assert "\x1b" not in out
    assert ("It has:" in out) == bool(count)
    assert out.count("model-") == min(count, 10)
    assert ("…" in out) == (count > 10)


def test_a_server_that_does_not_say_what_it_has_is_asked_once(run: Run) -> None:
    with serving(error("no", 404)) as provider:
        _, out, _ = run("models", "--json", model="m", m=at(provider))
        assert len(provider.requests) == 2
    assert rows(out)["m"]["message"].endswith("Check the model's name and base_url.")


def test_anthropic_is_asked_in_its_own_way(run: Run) -> None:
    with serving(anthropic_provider.reply(anthropic_provider.block("yes"))) as provider:
        block = at(provider, api_key_env="THE_KEY") | {"provider": "anthropic"}
        code, out, _ = run("models", "--json", model="claude", claude=block)
        assert provider.requests[0].path == "/v1/messages"
        assert provider.requests[0].body["max_tokens"] == 16
    assert (code, rows(out)["claude"]["interface"]) == (0, "anthropic with native citations")


def test_anthropic_says_what_it_has(run: Run) -> None:
    listed = {"data": [{"id": "claude-one", "type": "model", "display_name": "One"}], "has_more": False}
    with serving(anthropic_provider.error("not_found_error", 404), Scripted(body=json.dumps(listed))) as provider:
        block = at(provider, api_key_env="THE_KEY") | {"provider": "anthropic"}
        _, out, _ = run("models", "--json", model="claude", claude=block)
        assert provider.requests[1].path.split("?")[0] == "/v1/models"
        assert provider.requests[1].headers["x-api-key"] == KEY
    assert rows(out)["claude"]["message"].endswith("base_url. It has: claude-one.")


def test_without_a_model_it_is_said_how_to_set_one(run: Run) -> None:
    code, out, err = run("models")
    assert (code, err) == (0, "")
    assert "answers in quotes" in out
    assert "FOOTNOTE_MODEL=openai/gpt-4o-mini" in out
    assert run("models", "--json") == (0, '{\n  "models": []\n}\n', "")


def test_models_that_are_described_and_not_used_are_checked_and_do_not_count(run: Run) -> None:
    with serving(error("no", 401)) as provider:
        code, out, err = run("models", m=at(provider, api_key_env="THE_KEY"))
    assert (code, "✗ m (not used)" in out) == (0, True)
    assert "names none of them, so Footnote answers in quotes" in err


def test_a_name_that_is_unknown_is_a_row(run: Run) -> None:
    with serving(GOOD) as provider:
        code, out, _ = run("models", "--json", model="m,nobody", m=at(provider))
    assert (code, rows(out)["m"]["ok"]) == (4, True)
    assert "The model 'nobody' is not known. Describe it" in rows(out)["nobody"]["message"]


@pytest.mark.usefixtures("quick")
def test_ask_takes_a_model_for_one_question(run: Run) -> None:
    question = "How long is the bridge at Ostvik?"
    said = Scripted(words("The bridge at Ostvik is 412 metres long [1]."))
    with serving(said) as one, serving(said) as two:
        blocks = {"one": at(one), "two": at(two)}
        for options, model in (((), "one"), (("--model", "two"), "two"), (("--model", ""), "quotes")):
            code, out, _ = run("ask", question, "--json", *options, model="one", **blocks)
            assert (code, json.loads(out)["model"]) == (0, model)
        assert (len(one.requests), len(two.requests)) == (1, 1)
    code, _, err = run("ask", question, "--model", "nobody")
    assert (code, "'nobody' is not known" in err) == (2, True)
