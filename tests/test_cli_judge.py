"""A second opinion on the command line: one line, paid once, kept in the receipt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.provider import Scripted, serving, words

Run = Callable[..., tuple[int, str, str]]
QUESTION = "When was the bridge at Ostvik opened?"


def test_a_second_opinion_is_printed_in_one_line_paid_once_and_kept_in_the_receipt(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url)
        monkeypatch.setenv("FOOTNOTE_MODEL", "local")
        monkeypatch.setenv("FOOTNOTE_JUDGE", "strict")
        reply = Scripted(words("The bridge at Ostvik was opened in 1931 [1]. It has 97 towers [1]. Come soon."))
        model.play(reply, Scripted(words("1: supported\n2: contradicted")), reply)
        code, out, err = run("ask", QUESTION)
        assert (code, err) == (0, "")
        assert out.endswith("judge strict: 1 of 2 sentences supported; differs on sentence 2: contradicted\n")
        receipt = tmp_path / "receipt.json"
        out = run("ask", QUESTION, "--json", "--receipt", str(receipt))[1]
        assert json.loads(out)["judge"] == {"model": "strict", "verdicts": ["supported", "contradicted", None]}
        assert [request.body["model"] for request in model.requests] == ["local", "strict", "local"]
    assert run("verify", str(receipt))[0] == 0
