"""Settings: environment over file over default, and nothing unknown passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from rag.config import FILE_NAME, PREFIX, ModelSettings, Settings, load_settings, variables
from rag.errors import UsageError


def write(folder: Path, text: str) -> Path:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder


def test_without_file_and_environment_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings({"PATH": "/usr/bin"}, tmp_path) == Settings()


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    write(tmp_path, "[retrieval]\ntop_k = 3\ncandidates = 50\n[quotes]\nmax_sentences = 5\n")
    settings = load_settings({"FOOTNOTE_RETRIEVAL_TOP_K": "7"}, tmp_path)
    assert settings.retrieval.top_k == 7
    assert settings.retrieval.candidates == 50
    assert settings.retrieval.lexical_weight == Settings().retrieval.lexical_weight
    assert settings.quotes.max_sentences == 5


def test_the_command_line_wins_over_all_and_its_blanks_over_nothing(tmp_path: Path) -> None:
    write(tmp_path, 'library = "of file"\narticles = "of file"\n')
    environ = {"FOOTNOTE_LIBRARY": "of environment", "FOOTNOTE_ARTICLES": "of environment"}
    settings = load_settings(environ, tmp_path, {"library": Path("of command line"), "articles": None})
    assert settings.library == Path("of command line")
    assert settings.articles == Path("of environment")


def test_every_variable_reaches_its_setting(tmp_path: Path) -> None:
    values = {
        "FOOTNOTE_LIBRARY": "Bücher",
        "FOOTNOTE_ARTICLES": "文章",
        "FOOTNOTE_MODEL": "big, openai/small",
        "FOOTNOTE_JUDGE": "openai/small",
        "FOOTNOTE_ANSWER_MAX_TOKENS": "500",
        "FOOTNOTE_ANSWER_TIMEOUT": "60.5",
        "FOOTNOTE_ANSWER_FIRST_TOKEN_TIMEOUT": "10.0",
        "FOOTNOTE_ANSWER_STALL_TIMEOUT": "5.0",
        "FOOTNOTE_LIMITS_QUESTIONS_PER_MINUTE": "7",
        "FOOTNOTE_LIMITS_ANSWERS_AT_ONCE": "3",
        "FOOTNOTE_LIMITS_TOKENS_PER_DAY": "100000",
        "FOOTNOTE_EMBEDDER_PATH": "models/mini",
        "FOOTNOTE_PASSAGES_MAX_TOKENS": "128",
        "FOOTNOTE_RETRIEVAL_TOP_K": "5",
        "FOOTNOTE_RETRIEVAL_CANDIDATES": "10",
        "FOOTNOTE_RETRIEVAL_LEXICAL_WEIGHT": "0.25",
        "FOOTNOTE_QUOTES_MAX_SENTENCES": "1",
        "FOOTNOTE_PAGE_UPLOADS": "False",
        "FOOTNOTE_PAGE_ADD_URLS": "False",
        "FOOTNOTE_PAGE_REMOVE": "False",
        "FOOTNOTE_PAGE_UPLOAD_MEGABYTES": "3",
        "FOOTNOTE_PAGE_KEEP_DAYS": "7",
        "FOOTNOTE_PAGE_PASSWORD": "correct horse",
        "FOOTNOTE_PAGE_HOSTS": "footnote.example,notes.example",
        "FOOTNOTE_PAGE_EVALUATIONS": "measured",
        "FOOTNOTE_EMBEDDER_USE": "maker.Embedding",
        "FOOTNOTE_EMBEDDER_OPTIONS": '{"a": 1}',
        "FOOTNOTE_EMBEDDER_IN_HOUSE": "True",
        "FOOTNOTE_RERANKER_USE": "maker.Rerank",
        "FOOTNOTE_RERANKER_OPTIONS": "{}",
        "FOOTNOTE_RERANKER_IN_HOUSE": "True",
        "FOOTNOTE_RERANKER_DEPTH": "40",
    }
    assert values.keys() == variables().keys()
    settings = load_settings(values, tmp_path).model_dump()
    for name, (*section, key) in variables().items():
        found = settings[section[0]][key] if section else settings[key]
        if isinstance(found, SecretStr):
            assert values[name] not in repr(found)
            found = found.get_secret_value()
        if isinstance(found, tuple):
            found = ",".join(found)
        assert (json.dumps(found) if isinstance(found, dict) else str(found)) == values[name]


def test_models_are_described_in_the_file_and_chosen_in_either_place(tmp_path: Path) -> None:
    write(tmp_path, 'model = "big"\n[models.big]\nbase_url = "http://127.0.0.1:1/v1"\nin_house = true\n')
    settings = load_settings({}, tmp_path)
    assert settings.model == "big"
    assert settings.models["big"] == ModelSettings(base_url="http://127.0.0.1:1/v1", in_house=True)
    assert load_settings({"FOOTNOTE_MODEL": "other"}, tmp_path).model == "other"
    assert not any(name.startswith("FOOTNOTE_MODELS") for name in variables())


@pytest.mark.parametrize("value", ["", "  "])
def test_a_variable_set_to_nothing_is_not_set(tmp_path: Path, value: str) -> None:
    write(tmp_path, 'library = "of file"\n')
    settings = load_settings({"FOOTNOTE_LIBRARY": value, "FOOTNOTE_RETRIEVAL_TOP_K": value}, tmp_path)
    assert settings.library == Path("of file")
    assert settings.retrieval.top_k == Settings().retrieval.top_k


@pytest.mark.parametrize(
    "name", ["FOOTNOTE_TOP_K", "FOOTNOTE_RETRIEVAL", "FOOTNOTE_LIBRARY_", "FOOTNOTE_MODELS", "FOOTNOTE_"]
)
def test_an_unknown_variable_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} is not a setting.*FOOTNOTE_RETRIEVAL_TOP_K"):
        load_settings({name: "5"}, tmp_path)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("topk = 5\n", "topk"),
        ("[retrieval]\ntopk = 5\n", r"retrieval\.topk"),
        ("[retreival]\ntop_k = 5\n", "retreival"),
        ("retrieval = 5\n", "retrieval"),
        ("[library]\npath = 'x'\n", "library"),
        ("[models]\nbig = 'x'\n", r"models\.big"),
        ("[models.big]\nmodle = 'x'\n", r"models\.big\.modle"),
        ("[models.big]\ncontext_window = 100\n", r"models\.big\.context_window"),
        ("[models.big]\napi_key = 'secret'\n", r"models\.big\.api_key"),
    ],
)
def test_an_unknown_name_or_shape_in_the_file_is_refused_by_place(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(UsageError, match=f"^Setting {where}:"):
        load_settings({"FOOTNOTE_RETRIEVAL_CANDIDATES": "20"}, write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRIEVAL_TOP_K", "0"),
        ("RETRIEVAL_TOP_K", "51"),
        ("RETRIEVAL_TOP_K", "8.5"),
        ("RETRIEVAL_TOP_K", "eight"),
        ("RETRIEVAL_CANDIDATES", "9"),
        ("RETRIEVAL_LEXICAL_WEIGHT", "-0.1"),
        ("RETRIEVAL_LEXICAL_WEIGHT", "1.1"),
        ("RETRIEVAL_LEXICAL_WEIGHT", "nan"),
        ("PASSAGES_MAX_TOKENS", "63"),
        ("PASSAGES_MAX_TOKENS", "257"),
        ("QUOTES_MAX_SENTENCES", "11"),
        ("ANSWER_MAX_TOKENS", "15"),
        ("ANSWER_MAX_TOKENS", "32769"),
        ("ANSWER_TIMEOUT", "0"),
        ("ANSWER_TIMEOUT", "inf"),
        ("ANSWER_FIRST_TOKEN_TIMEOUT", "nan"),
        ("ANSWER_STALL_TIMEOUT", "-1"),
    ],
)
def test_a_value_out_of_range_is_refused_by_place(tmp_path: Path, name: str, value: str) -> None:
    place = ".".join(variables()[PREFIX + name])
    with pytest.raises(UsageError, match=rf"^Setting {place}: .*Correct it"):
        load_settings({PREFIX + name: value}, tmp_path)


@pytest.mark.parametrize("data", [b"library = \n", b"library = 'caf\xe9'\n", b"\xff\xfel\0", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_is_refused_with_its_path(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(UsageError, match=f"{FILE_NAME} cannot be read as TOML"):
        load_settings({}, tmp_path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings({}, tmp_path)


def test_settings_cannot_be_changed_and_share_nothing(tmp_path: Path) -> None:
    settings = load_settings({"FOOTNOTE_QUOTES_MAX_SENTENCES": "2"}, tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.quotes.max_sentences = 9
    assert load_settings({}, tmp_path).quotes.max_sentences == Settings().quotes.max_sentences
