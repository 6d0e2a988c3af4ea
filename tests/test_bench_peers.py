"""The comparison with peers: each of them works, and the figures say what they claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag.embed import MiniLMEmbedding
from rag.evaluation.datasets import Dataset, Document

pytest.importorskip("bm25s", reason="the peers are installed by `make bench` only, in bench/packages")

from tests.bench import peers
from tests.bench.retrieval import OURS, Scores, mean_and_interval, ours, quality_tables, short_passages

ENGLISH = (
    Document("bridge", "The bridge at Ostvik", "It was opened in 1931 and is 412 metres long.", {}),
    Document("bees", "", "Honey bees form a cluster around their queen when it is cold.", {}),
    Document("empty", "", "Nothing of interest is said here.", {}),
)
CHINESE = (
    Document("tea", "茶的历史", "茶叶最早产于中国云南。唐代陆羽写了《茶经》一书。", {}),
    Document("bridge", "", "这座大桥于一九三一年通车，全长四百一十二米。", {}),
)

Asked = Callable[[tuple[Document, ...], bool], dict[str, peers.Search]]


@pytest.fixture
def asked(embedder: MiniLMEmbedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def build(documents: tuple[Document, ...], chinese: bool) -> dict[str, peers.Search]:
        index = peers.LlamaIndex(documents, embedder, tmp_path / "index", chinese=chinese)
        splitter = peers.fitting_splitter(embedder)
        return {
            "dense": index.dense(5),
            "fusion": index.fusion(5),
            "bm25s": peers.bm25s_alone(documents, splitter, 5, chinese=chinese),
            "chroma": peers.chroma_alone(documents, embedder, tmp_path / "chroma", 5),
        }

    return build


def test_every_peer_finds_by_text_and_by_title(asked: Asked) -> None:
    for name, search in asked(ENGLISH, False).items():
        assert search("What do bees do when it is cold?")[0] == "bees", name
        assert search("Where is the Ostvik bridge?")[0] == "bridge", name


def test_peers_that_search_words_find_chinese_ones(asked: Asked) -> None:
    systems = asked(CHINESE, True)
    assert systems["bm25s"]("大桥全长多少米？")[0] == "bridge"
    assert systems["bm25s"]("陆羽写了什么？")[0] == "tea"
    assert {"tea", "bridge"} == set(systems["fusion"]("大桥"))


def test_fused_lists_count_a_document_found_by_both_once(asked: Asked) -> None:
    found = asked(ENGLISH, False)["fusion"]("When was the bridge opened?")
    assert sorted(found) == ["bees", "bridge", "empty"]


@pytest.mark.usefixtures("quick")
def test_our_library_is_filled_before_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with ours(Dataset("small", tmp_path, (), ENGLISH), None, 5) as search:
        assert search("What do bees do when it is cold?")[0] == "bees"


@pytest.mark.usefixtures("quick")
def test_a_library_that_lacks_documents_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("rag.app.Footnote.sync", lambda *_: "nothing done")
    with (
        pytest.raises(RuntimeError, match="lacks 3 documents"),
        ours(Dataset("small", tmp_path, (), ENGLISH), None, 5),
    ):
        pass


def test_a_text_is_embedded_once(embedder: MiniLMEmbedding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = peers._vectors(embedder, ["one", "two", "one"])
    monkeypatch.setattr(MiniLMEmbedding, "_get_text_embeddings", lambda *_: pytest.fail("embedded again"))
    again = peers._vectors(embedder, ["two", "one"])
    assert np.array_equal(first[[1, 2]], again)
    assert np.array_equal(first[0], embedder.embed_question("one"))


def test_sets_count_alike_however_many_questions_they_have() -> None:
    mean, low, high = mean_and_interval([np.zeros(100), np.ones(2)])
    assert (mean, low, high) == (0.5, 0.5, 0.5)


def test_the_interval_is_as_wide_as_the_standard_error_says() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 400)
    mean, low, high = mean_and_interval([values])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < mean < high


def test_a_peer_that_is_better_by_more_than_noise_stands_out() -> None:
    chance = np.random.default_rng(1)
    weak, strong = chance.uniform(0, 0.5, 50), chance.uniform(0.5, 1, 50)
    names = ("squad2_dev_half", "multihoprag_500", "hotpotqa_50", "anthropic_docs_rag", "cranfield")
    scores = {name: {OURS: Scores(weak, weak), "Peer": Scores(strong, strong)} for name in names}
    assert quality_tables(scores).count("**-0.") == len(names) + 1
    scores = {name: {OURS: Scores(weak, weak), "Peer": Scores(weak, weak)} for name in names}
    assert "**-" not in quality_tables(scores)


def test_short_passages_are_as_many_as_asked_for_and_all_different() -> None:
    texts = [" ".join(f"Word{number} and {topic} stand here." for number in range(60)) for topic in ("sea", "sky")]
    made = short_passages(texts, 20)
    assert len(set(made)) == 20
    assert all(20 <= len(passage.split()) <= 110 for passage in made)
    assert short_passages(texts, 4) == made[:4]
