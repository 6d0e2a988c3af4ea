"""Owns the settings: environment `FOOTNOTE_*` over `footnote.toml` over the defaults below.

Unknown names and values out of range are refused, so that a typing error cannot pass unnoticed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from rag.errors import UsageError

PREFIX = "FOOTNOTE_"
FILE_NAME = "footnote.toml"
DEFAULT_ARTICLES = Path("docs_store")


def _from_json(value: Any) -> Any:
    """Read a table that stands in an environment variable."""
    return json.loads(value) if isinstance(value, str) else value


def _from_commas(value: Any) -> Any:
    """Read a list that stands in an environment variable."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_from_commas)]
Options = Annotated[dict[str, Any], BeforeValidator(_from_json)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbedderSettings(_Section):
    """Which embedder: the built-in one, whose `model.onnx` and `tokenizer.json` may lie in a folder `path`.

    Or any embedding class of llama-index that is installed: `use` is its full name, `options` what it is made
    with. What it embeds goes wherever that class sends it; articles marked internal only if it is `in_house`.
    """

    path: Path | None = None
    use: str = ""
    options: Options = {}
    in_house: bool = False


class PassageSettings(_Section):
    """How articles are cut; the built-in embedder reads 256 tokens and ignores the rest."""

    max_tokens: int = Field(default=256, ge=64, le=256)


class RetrievalSettings(_Section):
    """How passages are found and ranked."""

    top_k: int = Field(default=8, ge=1, le=50)
    candidates: int = Field(default=50, ge=10, le=1000, description="taken from each retriever")
    lexical_weight: float = Field(default=0.4, ge=0, le=1, description="the rest is dense")


class RerankerSettings(_Section):
    """What puts the best `depth` passages in a better order: the full name of a node postprocessor of llama-index.

    `options` is what it is made with; articles marked internal are shown to it only if it is `in_house`.
    """

    use: str = ""
    options: Options = {}
    in_house: bool = False
    depth: int = Field(default=30, ge=2, le=200)


class QuoteSettings(_Section):
    """How the answerer without a model quotes."""

    max_sentences: int = Field(default=3, ge=1, le=10)


class AnswerSettings(_Section):
    """What a model may take for one answer; times in seconds."""

    max_tokens: int = Field(default=1024, ge=16, le=32768)
    timeout: float = Field(default=120, gt=0, le=3600, description="for one question, all its requests included")
    first_token_timeout: float = Field(default=30, gt=0, le=3600)
    stall_timeout: float = Field(default=20, gt=0, le=3600, description="between two pieces of a reply")


class LimitSettings(_Section):
    """What readers may take in all; 0 is no limit. Tokens are those of prompts and replies, the day is that of UTC."""

    questions_per_minute: int = Field(default=60, ge=0, description="of one browser, all its tabs")
    answers_at_once: int = Field(default=64, ge=1, le=1000, description="by models; others wait for a place")
    tokens_per_day: int = Field(default=0, ge=0, description="of models, for all readers; then quotes answer")


class PageSettings(_Section):
    """What readers of the page may do, and who may read it.

    `password` is needed where the page is served beyond this machine. `hosts` are names it is reached by there.
    `evaluations` is the folder whose evaluations the page shows.
    """

    uploads: bool = True
    add_urls: bool = True
    remove: bool = True
    upload_megabytes: int = Field(default=20, ge=1, le=200, description="of one file")
    keep_days: int = Field(default=30, ge=1, le=3650, description="a conversation, after its last question")
    password: SecretStr | None = Field(default=None, min_length=8)
    hosts: Names = ()
    evaluations: Path = Path("evaluations")


class ModelSettings(_Section):
    """A model `[models.NAME]`; only one named in `model` or `judge` is ever used.

    `provider` is one of those in `rag.models.PROVIDERS`. `model` None means NAME; `base_url` and `api_key_env` None
    mean the provider's own. `in_house` lets it see articles marked internal. `context_window` counts tokens.
    """

    provider: str = "openai-like"
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    in_house: bool = False
    context_window: int = Field(default=8192, ge=1024)


class Settings(_Section):
    """All settings. `articles` None means: the folder the library is bound to, else `docs_store/`.

    `model` names the models to answer with, separated by commas, in the order to try them: blocks of
    `models`, or `provider/model`. Empty means: quotes, and nothing leaves the machine. `judge` names, in the same way,
    the model that gives a second opinion on each sentence; empty means: none.
    """

    library: Path = Path(".footnote")
    articles: Path | None = None
    model: str = ""
    judge: str = ""
    models: dict[str, ModelSettings] = {}
    answer: AnswerSettings = AnswerSettings()
    limits: LimitSettings = LimitSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    passages: PassageSettings = PassageSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    reranker: RerankerSettings = RerankerSettings()
    quotes: QuoteSettings = QuoteSettings()
    page: PageSettings = PageSettings()


def variables() -> dict[str, tuple[str, ...]]:
    """Return each environment variable and the place of its setting: `FOOTNOTE_RETRIEVAL_TOP_K` …"""
    names: dict[str, tuple[str, ...]] = {}
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if name == "models":  # tables of the file, not variables
            continue
        if isinstance(section, type) and issubclass(section, _Section):
            names |= {f"{PREFIX}{name}_{key}".upper(): (name, key) for key in section.model_fields}
        else:
            names[f"{PREFIX}{name}".upper()] = (name,)
    return names


def load_settings(
    environ: Mapping[str, str], folder: Path = Path(), overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings: `overrides` (command line) over `environ` over `footnote.toml` in `folder`.

    Raises UsageError for a name we do not know, a value out of range, or a file that is not TOML.
    """
    values = _read_file(folder / FILE_NAME)
    known = variables()
    for name, value in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            raise UsageError(f"{name} is not a setting. Unset it, or use one of: {', '.join(known)}.")
        if not value.strip():  # set to nothing: not set
            continue
        *section, key = known[name]
        place = values.setdefault(section[0], {}) if section else values
        if isinstance(place, dict):  # else the file is wrong, and validation says so
            place[key] = value
    values.update({key: value for key, value in (overrides or {}).items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UsageError(
            f"Setting {where}: {problem['msg'].lower()}. Correct it in {FILE_NAME} or in the environment."
        ) from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}. Correct or remove it.") from None
