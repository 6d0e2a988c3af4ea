"""Owns which models the settings name: their server, their key, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from rag.config import Settings
from rag.errors import UsageError
from rag.types import QUOTES


class Provider(NamedTuple):
    """An OpenAI-compatible service: where it is and the variable that holds its key, where it needs one."""

    base_url: str | None
    api_key_env: str | None


PROVIDERS = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "anthropic": Provider("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "gemini": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "llama": Provider("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "ollama": Provider("http://127.0.0.1:11434/v1", None),
    "openai-like": Provider(None, None),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to ask: its name for readers, its name at the server, where that is, and what it may see."""

    name: str
    model: str
    base_url: str
    key_variable: str | None
    key: str | None = field(repr=False)
    in_house: bool = False
    context_window: int = 8192
    provider: str = "openai-like"

    @property
    def host(self) -> str:
        """The host of its server."""
        return urlsplit(self.base_url).hostname or ""


def model_specs(settings: Settings, environ: Mapping[str, str]) -> tuple[ModelSpec, ...]:
    """Return the models that the settings name, in the order to try them; raises UsageError for an unknown one."""
    names = [name.strip() for name in settings.model.split(",")] if settings.model.strip() else []
    return tuple(model_spec(name, settings, environ) for name in names)


def model_spec(name: str, settings: Settings, environ: Mapping[str, str]) -> ModelSpec:
    """Return the model of one name; raises UsageError where it is unknown."""
    if name == QUOTES:
        raise UsageError(f"No model can be called {QUOTES!r}: that is what answers without one. Give it another name.")
    block = settings.models.get(name)
    provider, _, rest = name.partition("/")
    server = environ.get("OPENAI_BASE_URL", "").strip()
    if block is not None:
        known = PROVIDERS.get(block.provider)
        if known is None:
            raise UsageError(f"[models.{name}] names no known provider. Use one of: {', '.join(PROVIDERS)}.")
        base_url = block.base_url or (server if block.provider == "openai" else "") or known.base_url
        # The provider's own key goes to the provider's own address only.
        variable = block.api_key_env or (None if block.base_url else known.api_key_env)
        if not base_url:
            raise UsageError(f"[models.{name}] does not say where the model is. Set base_url in it.")
        provider, model, in_house, window = block.provider, block.model or name, block.in_house, block.context_window
    elif rest and PROVIDERS.get(provider, Provider(None, None)).base_url:
        known = PROVIDERS[provider]
        base_url = (server if provider == "openai" else "") or str(known.base_url)
        variable = known.api_key_env
        model, in_house, window = rest, False, 8192
    elif name and server:
        base_url, variable = server, "OPENAI_API_KEY" if environ.get("OPENAI_API_KEY") else None
        provider, model, in_house, window = "openai-like", name, False, 8192
    else:
        raise UsageError(
            f"The model {name!r} is not known. Describe it in [models.NAME] of footnote.toml, name it as "
            "provider/model, for example openai/gpt-4o-mini, or set OPENAI_BASE_URL to the server that has it."
        )
    if not _is_web_address(base_url):
        raise UsageError(f"The address of the model {name} is not a web address. It begins with http:// or https://.")
    key = environ.get(variable, "").strip() if variable else ""
    return ModelSpec(name, model, base_url, variable, key or None, in_house, window, provider)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
