"""Owns the command `models`: which models the settings name, and whether each can be asked."""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rag.cli.show import as_json, as_wanted, note
from rag.config import Settings
from rag.errors import UsageError
from rag.text import printable

if TYPE_CHECKING:
    from rag.models import ModelSpec

_PROVIDER_ERROR = 4
_SECONDS = 10.0
_NONE = """\
No model is set: Footnote answers in quotes, and nothing leaves this machine. To have answers written, name a model,

  FOOTNOTE_MODEL=openai/gpt-4o-mini OPENAI_API_KEY=…     (also anthropic/…, gemini/…, llama/…, ollama/…)

or describe your own server in footnote.toml:

  model = "house"
  [models.house]
  model = "llama-4-maverick"
  base_url = "http://127.0.0.1:8000/v1"
  in_house = true"""
_UNUSED = "footnote: FOOTNOTE_MODEL names none of them, so Footnote answers in quotes."


def list_models(settings: Settings, options: argparse.Namespace) -> int:
    """List the models in the order they are asked, then the others; each is sent one tiny request."""
    chain, judges = _named(settings.model), _named(settings.judge)
    names = list(dict.fromkeys([*chain, *judges, *settings.models]))
    rows = []
    if names:
        with ThreadPoolExecutor(len(names)) as pool:
            rows = list(pool.map(lambda name: _row(name, name in {*chain, *judges}, settings), names))
    if as_wanted(options):
        print(as_json({"models": rows}))
    else:
        print("\n".join(map(_text, rows)) if rows else _NONE)
    if rows and not chain:
        note(_UNUSED)
    return 0 if all(row["ok"] for row in rows if row["used"]) else _PROVIDER_ERROR


def _named(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",")] if setting.strip(" ,") else []


def _row(name: str, used: bool, settings: Settings) -> dict[str, Any]:
    """Return what is known of a model, after asking it."""
    from rag.models import ChatModel, model_spec  # seconds of imports

    try:
        spec = model_spec(name, settings, os.environ)
    except UsageError as error:
        return _described(name, None, "", used) | {"ok": False, "message": str(error), "ms": None}
    times = dict.fromkeys(("timeout", "first_token_timeout", "stall_timeout"), _SECONDS)
    model = ChatModel(spec, settings.answer.model_copy(update=times))
    began = time.perf_counter()
    message = model.check(_SECONDS)
    elapsed = round((time.perf_counter() - began) * 1000, 1)
    model.close()
    return _described(name, spec, model.interface, used) | {
        "ok": message is None,
        "message": message or "",
        "ms": elapsed,
    }


def _described(name: str, spec: ModelSpec | None, interface: str, used: bool) -> dict[str, Any]:
    return {
        "name": name,
        "provider": spec and spec.provider,
        "model": spec and spec.model,
        "host": spec and spec.host,
        "in_house": bool(spec and spec.in_house),
        "context_window": spec and spec.context_window,
        "interface": interface or None,
        "key_variable": spec and spec.key_variable,
        "key_set": bool(spec and spec.key),
        "used": used,
    }


def _text(row: dict[str, Any]) -> str:
    state = f"answers, {row['ms']:.0f} ms" if row["ok"] else row["message"]
    lines = [f"{'✓' if row['ok'] else '✗'} {row['name']}{'' if row['used'] else ' (not used)'}: {state}"]
    if row["host"]:
        key = f"key in {row['key_variable']}" if row["key_variable"] else "no key"
        sees = "in-house, sees internal articles" if row["in_house"] else "sees no internal articles"
        window = f"{row['context_window']} tokens"
        lines.append(f"    {row['model']} at {row['host']}, {row['interface']}, {window}, {key}, {sees}")
    return "\n".join(map(printable, lines))
