"""Ranking: scores that stay in range and keep their order, and a library that is found by word and by meaning."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import TextNode

from rag.app import Footnote
from rag.config import RetrievalSettings
from rag.embed import MiniLMEmbedding
from rag.index import exact_index
from rag.ledger import LedgerReader
from rag.ranking import fuse, inverse_document_frequency
from rag.retrieve import HybridRetriever
from rag.spread import spread
from rag.sufficiency import judge
from rag.text import question_terms
from rag.types import Evidence

Open = Callable[..., Footnote]

SCORES = st.lists(st.tuples(st.floats(0, 100), st.floats(-1, 1)), min_size=1, max_size=20)
WEIGHTS = st.floats(0, 1)

# ---------------------------------------------------------------- fuse


def fused(scores: list[tuple[float, float]], weight: float) -> list[float]:
    return fuse(np.array([lexical for lexical, _ in scores]), np.array([[dense] for _, dense in scores]), weight)


@given(SCORES, WEIGHTS)
def test_fused_scores_lie_between_0_and_1_and_none_is_lost(scores: list[tuple[float, float]], weight: float) -> None:
    result = fused(scores, weight)
    assert len(result) == len(scores)
    assert all(0 <= score <= 1 + 1e-9 for score in result)


@given(SCORES, WEIGHTS, st.floats(0.01, 100), st.floats(0.01, 100))
def test_the_scale_of_either_score_does_not_matter(
    scores: list[tuple[float, float]], weight: float, words: float, meaning: float
) -> None:
    rounded = [(round(lexical, 3), round(dense, 3)) for lexical, dense in scores]
    scaled = [(lexical * words, dense * meaning) for lexical, dense in rounded]
    assert fused(scaled, weight) == pytest.approx(fused(rounded, weight), abs=1e-6)


@given(SCORES, WEIGHTS)
def test_a_candidate_better_in_both_scores_is_never_ranked_lower(
    scores: list[tuple[float, float]], weight: float
) -> None:
    result = fused(scores, weight)
    for (lexical, dense), score in zip(scores, result, strict=True):
        for (other_lexical, other_dense), other in zip(scores, result, strict=True):
            if lexical >= other_lexical and dense >= other_dense:
                assert score >= other


@given(SCORES)
def test_a_weight_of_0_or_1_leaves_one_score_alone(scores: list[tuple[float, float]]) -> None:
    by_words, by_meaning = fused(scores, 1.0), fused(scores, 0.0)
    for i, (lexical, dense) in enumerate(scores):
        for j, (other_lexical, other_dense) in enumerate(scores):
            assert lexical < other_lexical or by_words[i] >= by_words[j]
            assert dense < other_dense or by_meaning[i] >= by_meaning[j]


@pytest.mark.parametrize(
    ("lexical", "dense", "expected"),
    [
        ([], [], []),
        ([4.0, 2.0], [0.8, 0.8], [1.0, 0.8]),
        ([0.0, 0.0], [0.5, 0.25], [0.6, 0.3]),
        ([3.0], [-0.2], [0.4]),
        ([0.0], [0.0], [0.0]),
        ([0.0, 0.0], [0.82, 0.80], [0.6, 0.6 * 0.80 / 0.82]),
    ],
    ids=["nothing", "both", "no word matches", "opposite meaning", "nothing matches", "about equally near"],
)
def test_fusing_is_the_weighted_mean_of_each_over_its_best(
    lexical: list[float], dense: list[float], expected: list[float]
) -> None:
    assert fuse(np.array(lexical), np.array(dense).reshape(-1, 1), 0.4) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 10), *[st.floats(-1, 1)] * 3), min_size=1, max_size=20), WEIGHTS)
def test_with_parts_scores_stay_between_0_and_1_and_none_better_in_all_is_ranked_lower(
    rows: list[tuple[float, float, float, float]], weight: float
) -> None:
    table = np.array(rows)
    result = fuse(table[:, 0], table[:, 1:], weight)
    assert all(0 <= score <= 1 + 1e-9 for score in result)
    for one, score in zip(table, result, strict=True):
        assert all(score >= other for row, other in zip(table, result, strict=True) if (one >= row).all())


def test_what_answers_one_part_of_a_question_comes_before_what_is_a_little_nearer_to_all_of_it() -> None:
    near_to_all, near_to_one, near_to_the_other = (0.55, 0.4, 0.4), (0.5, 0.8, 0.1), (0.3, 0.1, 0.8)
    table = np.array([near_to_all, near_to_one, near_to_the_other])
    scores = fuse(np.zeros(3), table, 0.4)
    assert scores[1] > scores[0]
    whole = fuse(np.zeros(3), table[:, :1], 0.4)
    assert whole == sorted(whole, reverse=True)


# ---------------------------------------------------------------- spread


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 20))
def test_spreading_keeps_order_and_count_and_caps_an_article_while_others_have_passages(
    articles: list[str], count: int
) -> None:
    kept = spread(articles, count).taken
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, len(articles))
    taken = Counter(articles[position] for position in kept)
    most = max(1, count // 2)
    for article, number in taken.items():
        if number > most:
            others = [i for i, other in enumerate(articles) if other != article and i not in kept]
            assert all(taken[articles[i]] >= most for i in others)


SAID = st.lists(st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("pqrst"), max_size=3)), max_size=30)


@given(SAID, st.integers(1, 12), st.integers(0, 12))
def test_what_only_repeats_others_waits_until_nothing_else_is_left(
    passages: list[tuple[str, list[str]]], count: int, least: int
) -> None:
    articles = [article for article, _ in passages]
    kept = spread(articles, count, lambda position: passages[position][1], least).taken
    assert kept == sorted(set(kept))
    assert min(count, least, len(articles)) <= len(kept) <= count
    new = [
        position
        for position, (article, said) in enumerate(passages)
        if not said
        or any(not any(part in other for of, other in passages[:position] if of != article) for part in said)
    ]
    if len(new) >= count:  # what says something new fills all places
        assert len(kept) == count


def test_of_copies_the_best_is_kept_and_one_that_is_changed_counts_with_its_original() -> None:
    told = [["one", "two", "three"]] * 6 + [["one", "two", "not three"]] * 6 + [["four"], ["five"], ["six"]]
    articles = [f"copy {i}" for i in range(12)] + ["x", "y", "z"]
    assert spread(articles, 4, told.__getitem__).taken == [0, 6, 12, 13]
    assert spread(articles, 5, told.__getitem__).taken == [0, 6, 12, 13, 14]
    assert spread(articles, 7, told.__getitem__, least=7).taken == [0, 1, 2, 6, 12, 13, 14]
    assert spread(articles, 20, told.__getitem__, least=3).taken == [0, 6, 12, 13, 14]


def test_an_article_may_repeat_itself_within_its_share() -> None:
    assert spread(["a", "a", "b"], 3, [["one"], ["one"], ["two"]].__getitem__).taken == [0, 1, 2]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(1, 20))
def test_of_each_article_the_best_passages_are_kept(articles: list[str], count: int) -> None:
    kept = set(spread(articles, count).taken)
    assert 0 in kept
    for article in set(articles):
        chosen = [position in kept for position, other in enumerate(articles) if other == article]
        assert chosen == sorted(chosen, reverse=True)


@pytest.mark.parametrize(
    ("articles", "count", "expected"),
    [
        ("aaaab", 4, [0, 1, 2, 4]),
        ("aaaabbb", 4, [0, 1, 4, 5]),
        ("aaaa", 3, [0, 1, 2]),
        ("ab", 1, [0]),
        ("aabc", 3, [0, 2, 3]),
        ("", 5, []),
    ],
)
def test_no_article_takes_more_than_half_while_others_have_some(articles: str, count: int, expected: list[int]) -> None:
    assert spread(articles, count).taken == expected


# ---------------------------------------------------------------- rarity


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_rarity_is_above_0_and_falls_with_every_passage_that_has_the_term(count: int, more: int) -> None:
    total = count + more + 1
    assert inverse_document_frequency(count, total) > inverse_document_frequency(count + 1, total) > 0


def test_rarity_is_lucenes() -> None:
    assert inverse_document_frequency(1, 10) == pytest.approx(math.log(1 + 9.5 / 1.5))


# ---------------------------------------------------------------- a small library


@pytest.fixture
def library(open_at: Open, folder: Path) -> Iterator[Footnote]:
    (folder / "twice.md").write_text(
        "# Notices\n\nThe ferry is late.\n\nAdvertisement\n\nThe ferry is late.\n\nAdvertisement\n\n"
        "## June\n\n" + "Nothing else happened in the village that month. " * 60
    )
    with open_at() as library:
        library.sync()
        yield library


def test_candidates_are_looked_for_by_the_rarest_words_and_scored_by_all(
    library: Footnote, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "rust and the ferry in the village of Ostvik"
    whole = library.search(question)
    asked: list[list[str]] = []
    original = LedgerReader.search_terms

    def recording(self: LedgerReader, terms: Sequence[str], limit: int) -> list[int]:
        asked.append(list(terms))
        return original(self, terms, limit)

    monkeypatch.setattr(LedgerReader, "search_terms", recording)
    library.search(question)
    frequencies = library._ledger.document_frequencies(question_terms(question))
    assert [frequencies[term] for term in asked[0]] == sorted(frequencies.values())
    monkeypatch.setattr("rag.ranking._SCORED", 1)
    fewer = library.search(question)
    assert asked[1] == asked[0][:1]
    # All of this small library is near enough to be among the candidates by vector, whatever words find.
    assert [hit.passage.id for hit in fewer.hits] == [hit.passage.id for hit in whole.hits]
    assert [hit.features.lexical for hit in fewer.hits] == [hit.features.lexical for hit in whole.hits]


def test_an_article_is_found_by_who_wrote_it_and_when(library: Footnote) -> None:
    for question in ("What did Ida Berg write?", "Which report is of March 2024?"):
        found = {hit.source.source for hit in library.search(question).hits if hit.features.lexical > 0}
        assert "bridge.md" in found, question


def sources(evidence: Evidence) -> list[str]:
    return [hit.source.source for hit in evidence.hits]


def test_a_library_is_found_by_word_by_meaning_and_by_two_chinese_characters(library: Footnote) -> None:
    by_word = library.search("cables 412")
    assert sources(by_word)[0] == "bridge.md"
    assert by_word.hits[0].features.lexical_rank == 1
    by_meaning = library.search("How do insects survive frost?")
    assert sources(by_meaning)[0] == "bees.txt"
    assert by_meaning.hits[0].features.lexical_rank is None
    assert by_meaning.hits[0].features.dense_rank == 1
    by_pair = library.search("陆羽")
    assert sources(by_pair)[0] == "茶.md"
    assert by_pair.hits[0].features.lexical > 0
    assert by_pair.sufficiency.sufficient
    assert not library.search("火车").sufficiency.sufficient


def test_hits_are_ranked_and_carry_raw_scores_in_their_ranges(library: Footnote) -> None:
    evidence = library.search("How much did the repair of the bridge cost?")
    scores = [hit.score for hit in evidence.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for item in evidence.hits:
        features = item.features
        assert len(features.sentence_similarities) == len(item.passage.sentences)
        assert all(-1.01 <= value <= 1.01 for value in (*features.sentence_similarities, features.similarity))
        assert features.dense_rank is not None or features.lexical_rank is not None
    assert evidence.sufficiency.coverage > 0.5
    assert set(evidence.term_weights) == set(question_terms("How much did the repair of the bridge cost?"))


def test_a_hit_is_the_text_of_its_article_as_it_is_now(library: Footnote) -> None:
    for item in library.search("bridge bees ferry 茶叶").hits:
        article = library.article(item.source.article_id)
        assert article is not None
        assert article.text[item.passage.start : item.passage.end] == item.passage.text
        assert article.content_hash == item.source.content_hash


def test_the_number_of_hits_is_the_one_asked_for_or_all_there_are(library: Footnote) -> None:
    everything = library._ledger.passage_count()
    assert everything > 5
    counts = (1, 2, 5, everything + 1)
    assert [len(library.search("the bridge", count).hits) for count in counts] == [1, 2, 5, everything]


@pytest.mark.parametrize(
    "question",
    [
        'bridge" OR "bees',
        "bridge NEAR zeppelin",
        "bridge AND zeppelin",
        "zeppelin NOT bridge",
        "context:bridge",
        "-bridge",
        "^bridge*",
        "((bridge",
        "bridge'; DROP TABLE articles; --",
        "bridge \x00 zeppelin",
    ],
)
def test_search_syntax_in_a_question_is_only_words(library: Footnote, question: str) -> None:
    evidence = library.as_retriever().evidence(question)
    assert set(evidence.term_weights) == set(question_terms(question))
    found = {hit.source.source for hit in evidence.hits if hit.features.lexical > 0}
    assert "bridge.md" in found
    assert library._ledger.counts()["articles"] == 4


@pytest.mark.parametrize("question", ["", '"', "?!", "😀", "\u202e"])
def test_a_question_without_words_raises_nothing(library: Footnote, question: str) -> None:
    evidence = library.as_retriever().evidence(question)
    assert evidence.hits
    assert all(hit.features.lexical == 0 for hit in evidence.hits)
    assert evidence.sufficiency.coverage == 0


def test_a_question_as_long_as_an_article_still_finds_its_first_words(library: Footnote) -> None:
    question = "rust in the cables " + " ".join(f"word{i}" for i in range(5000)) + "茶叶云南唐代陆羽" * 100
    best = library.as_retriever().evidence(question).hits[0]
    assert best.source.source == "bridge.md"
    assert best.features.lexical_rank is not None


def test_it_is_a_llama_index_retriever_whose_nodes_have_exact_offsets(library: Footnote) -> None:
    retriever = library.as_retriever()
    assert isinstance(retriever, BaseRetriever)
    nodes = retriever.retrieve("What was found in the cables?")
    assert nodes[0].node.metadata["source"] == "bridge.md"
    for found in nodes:
        assert isinstance(found.node, TextNode)
        article = library.article(found.node.metadata["article_id"])
        assert article is not None
        assert article.text[found.node.start_char_idx : found.node.end_char_idx] == found.node.text
    hits = library.search("What was found in the cables?").hits
    assert [(found.node.id_, found.score) for found in nodes] == [(hit.passage.id, hit.score) for hit in hits]


def test_two_passages_of_equal_text_both_come_out_of_llama_index(library: Footnote) -> None:
    nodes = library.as_retriever().retrieve("Is the ferry late?")
    late = [found.node for found in nodes if found.node.get_content() == "The ferry is late."]
    assert len({(node.metadata["start"], node.metadata["end"]) for node in late}) == 2


def test_a_retired_article_never_comes_back_though_its_vectors_are_still_in_the_index(
    library: Footnote, folder: Path
) -> None:
    (folder / "bees.txt").unlink()
    library.sync()
    question = "Honey bees form a cluster around their queen when it is cold."
    assert "bees.txt" not in sources(library.search(question, 50))
    assert "bees.txt" not in {found.node.metadata["source"] for found in library.as_retriever().retrieve(question)}


def test_old_versions_of_one_article_do_not_crowd_out_the_others(open_at: Open, folder: Path) -> None:
    with open_at(retrieval={"candidates": 10}) as library:
        for version in range(40):
            (folder / "bees.txt").write_text(
                f"Bees sit close together in winter to keep warm, says report {version}.\n"
            )
            library.sync()
        (folder / "bees.txt").write_text("A report on honey was withdrawn.\n")
        library.sync()
        hits = library.search("How do insects stay warm in the cold season?").hits
        assert {hit.source.source for hit in hits} == {"bees.txt", "bridge.md", "茶.md"}
        assert all(hit.features.dense_rank is not None for hit in hits)


def test_exact_search_gives_the_evidence_that_the_index_gives(library: Footnote, embedder: MiniLMEmbedding) -> None:
    exact = HybridRetriever(library._ledger, exact_index(library._ledger), embedder, RetrievalSettings(), judge)
    for question in ("How long is the bridge?", "insects in frost", "陆羽", "zzz"):
        one, other = exact.evidence(question), library.search(question)
        assert one.hash == other.hash
        assert [hit.score for hit in one.hits] == pytest.approx([hit.score for hit in other.hits], abs=1e-6)


def test_an_empty_library_gives_no_hits_and_says_why(open_at: Open, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    with open_at() as library:
        library.sync()
        evidence = library.search("How long is the bridge?")
    assert evidence.hits == ()
    assert evidence.sufficiency.reason == "The library holds no passage."


def test_what_cannot_be_encoded_in_a_question_is_left_out(open_at: Callable[..., Footnote]) -> None:
    with open_at() as library:
        library.sync()
        nodes = library.as_retriever().retrieve("bridge \ud800 at Ostvik\x00")
    assert nodes[0].node.metadata["source"] == "bridge.md"
