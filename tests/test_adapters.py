"""Embedders and rerankers of other makers: any class of llama-index, named in the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag.app import Footnote, open_library
from rag.config import Settings, load_settings
from rag.errors import ProviderError, StoreError, UsageError
from tests.faults.tiny import TinyEmbedding

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"


class Letters(BaseEmbedding):
    """Vectors of another dimension and length than the built-in ones."""

    salt: str = "letters"
    broken: bool = False

    def _get_text_embedding(self, text: str) -> list[float]:
        if self.broken:
            raise ConnectionError("no route to the embedder")
        tiny = TinyEmbedding()
        tiny.salt = self.salt
        return [7.0 * float(value) for value in tiny.embed_question(text)]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class LastFirst(BaseNodePostprocessor):
    """Turns the order round, and drops all but so many."""

    keep: int = 100
    broken: bool = False

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None
        if self.broken:
            raise TimeoutError("too slow")
        SEEN.extend(node.node.metadata["visibility"] for node in nodes)
        return nodes[::-1][: self.keep]


SEEN: list[str] = []
LETTERS, LAST_FIRST = f"{__name__}.Letters", f"{__name__}.LastFirst"

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def with_settings(folder: Path, tmp_path: Path) -> Callable[..., Footnote]:
    """Return a function that opens the library of a test with settings of an embedder or a reranker."""

    def call(**sections: Any) -> Footnote:
        settings = {"library": tmp_path / "library", "articles": folder, **sections}
        return open_library(Settings.model_validate(settings))

    return call


def test_an_embedder_named_in_the_settings_embeds_and_answers(with_settings: Callable[..., Footnote]) -> None:
    with with_settings(embedder={"use": LETTERS}) as library:
        library.sync()
        hit = library.search(QUESTION).hits[0]
        assert hit.source.source == "bridge.md"
        assert np.linalg.norm(hit.sentence_vectors, axis=1) == pytest.approx(1.0, abs=1e-3)
        assert hit.sentence_vectors.shape == (len(hit.passage.sentences), TinyEmbedding.dimension)
        assert library.ask(QUESTION).citations


def test_a_library_of_one_embedder_refuses_another_and_other_options(with_settings: Callable[..., Footnote]) -> None:
    with with_settings(embedder={"use": LETTERS}) as library:
        library.sync()
    for other in ({}, {"use": LETTERS, "options": {"salt": "others"}}):
        with pytest.raises(StoreError, match="built with another embedder"):
            with_settings(embedder=other)
    with with_settings(embedder={"use": LETTERS}) as library:
        assert library.sync().unchanged == 3


def test_an_embedder_that_fails_is_a_provider_error_that_says_what_to_check(
    with_settings: Callable[..., Footnote],
) -> None:
    with (
        with_settings(embedder={"use": LETTERS, "options": {"broken": True}}) as library,
        pytest.raises(ProviderError, match=r"no route to the embedder.*\[embedder\]"),
    ):
        library.search(QUESTION)


def test_internal_articles_go_to_an_embedder_only_if_it_is_in_house(
    with_settings: Callable[..., Footnote], folder: Path
) -> None:
    (folder / "secret.md").write_text("---\nvisibility: internal\n---\n\nThe vault at Ostvik has two keys.\n")
    with with_settings(embedder={"use": LETTERS}) as library:
        ((source, reason),) = library.sync().failed
        assert (source, "internal" in reason) == ("secret.md", True)
    inside = {"use": LETTERS, "in_house": True}
    with with_settings(embedder=inside) as library:
        assert library.sync().indexed == ("secret.md",)


def test_a_reranker_orders_the_passages_and_scores_stay_sorted(with_settings: Callable[..., Footnote]) -> None:
    with with_settings() as library:
        library.sync()
        before = [hit.passage.id for hit in library.search(QUESTION).hits]
    with with_settings(reranker={"use": LAST_FIRST}) as library:
        hits = library.search(QUESTION).hits
        assert [hit.passage.id for hit in hits] == before[::-1]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    with with_settings(reranker={"use": LAST_FIRST, "options": {"keep": 1}}) as library:
        assert [hit.passage.id for hit in library.search(QUESTION).hits] == [before[-1], *before[:-1]]
        assert len(library.search(QUESTION, 1).hits) == 1  # of all that it could choose from


def test_a_reranker_that_is_not_in_house_sees_no_internal_article(
    with_settings: Callable[..., Footnote], folder: Path
) -> None:
    (folder / "secret.md").write_text("---\nvisibility: internal\n---\n\nThe bridge at Ostvik is 99 metres long.\n")
    for in_house in (False, True):
        SEEN.clear()
        with with_settings(reranker={"use": LAST_FIRST, "in_house": in_house}) as library:
            library.sync()
            found = {hit.source.source for hit in library.search(QUESTION).hits}
        assert "secret.md" in found
        assert ("internal" in SEEN) is in_house


def test_a_reranker_that_fails_is_a_provider_error(with_settings: Callable[..., Footnote]) -> None:
    with with_settings(reranker={"use": LAST_FIRST, "options": {"broken": True}}) as library:
        library.sync()
        with pytest.raises(ProviderError, match=r"too slow.*\[reranker\]"):
            library.search(QUESTION)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"embedder": {"use": "llama_index.embeddings.nowhere.Embedding"}}, "cannot be imported"),
        ({"embedder": {"use": "nonsense"}}, "cannot be imported"),
        ({"embedder": {"use": "pathlib.Path"}}, "is not a BaseEmbedding"),
        ({"embedder": {"use": LETTERS, "options": {"salt": {"a": 1}}}}, "cannot be set up"),
        ({"reranker": {"use": LETTERS}}, "is not a BaseNodePostprocessor"),
        ({"embedder": {"use": LETTERS, "options": {"api_key": "sk-1"}}}, "api_key may hold a secret"),
    ],
)
def test_a_class_that_is_not_there_is_a_usage_error(
    with_settings: Callable[..., Footnote], section: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        with_settings(**section)


def test_the_name_of_an_embedder_shows_its_model_and_no_other_option(with_settings: Callable[..., Footnote]) -> None:
    options = {"model_name": "small", "salt": "hidden"}
    with with_settings(embedder={"use": LETTERS, "options": options}) as library:
        assert library.describe()["embedder"] == f"{LETTERS}:small"


def test_options_are_json_in_the_environment() -> None:
    settings = load_settings({"FOOTNOTE_EMBEDDER_USE": LETTERS, "FOOTNOTE_EMBEDDER_OPTIONS": '{"salt": "x"}'})
    assert settings.embedder.options == {"salt": "x"}
    with pytest.raises(UsageError, match="options"):
        load_settings({"FOOTNOTE_EMBEDDER_OPTIONS": "{nonsense"})
