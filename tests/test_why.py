"""Why a passage is not in the evidence: what is told agrees with the ranking, whatever passage is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rag.app import Footnote
from rag.errors import InputError
from rag.types import Evidence, Hit, Scope, WhyNot

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"
COPY = "The bridge at Ostvik was opened in 1931. It is 412 metres long."


@pytest.fixture
def library(open_at: Open, folder: Path) -> Iterator[Footnote]:
    (folder / "copy.md").write_text(f"---\ntitle: Notes\n---\n\n{COPY}\n")
    sections = "\n\n".join(
        f"## Pier {n}\n\nPier {n} of the bridge at Ostvik is {n + 3} metres long. " + f"Stone {n} is grey. " * 70
        for n in range(12)
    )
    (folder / "piers.md").write_text(f"# Piers of the bridge\n\n{sections}\n")
    with open_at() as opened:
        opened.sync()
        yield opened


def id_of(library: Footnote, source: str) -> str:
    (identifier,) = library.scope([source]).articles
    return identifier


def passages(library: Footnote, source: str) -> list[Hit]:
    """Return all passages of an article."""
    found = library.search("the bridge and bees", 50, scope=library.scope([source]))
    return sorted(found.hits, key=lambda hit: hit.passage.start)


def told(library: Footnote, evidence: Evidence) -> Iterator[tuple[Hit, WhyNot]]:
    for source in library.sources():
        for hit in passages(library, source.source):
            yield hit, library.why_not(evidence, source.article_id, hit.passage.start)


def test_every_passage_has_one_place_and_it_is_that_of_the_ranking(library: Footnote) -> None:
    evidence = library.search(QUESTION, 4)
    everything = library.search(QUESTION, 50)
    assert len(everything.hits) > 15
    ranks: dict[int, str] = {}
    for hit, why in told(library, evidence):
        assert why.span == (hit.passage.start, hit.passage.end)
        assert (why.taken, why.candidates, why.changed) == (4, 50, False)
        assert why.rank is not None, "all of this small library are candidates"
        ranks[why.rank] = hit.passage.id
        numbers = {hit.passage.id: n for n, hit in enumerate(evidence.hits, start=1)}
        assert (why.outcome == "taken") == (hit.passage.id in numbers)
        if why.outcome == "taken":
            assert why.number == numbers[hit.passage.id]
            assert why.score == evidence.hits[why.number - 1].score
        (same,) = (other for other in everything.hits if other.passage.id == hit.passage.id)
        assert why.score == same.score
        assert (why.words_rank, why.meaning_rank) == (same.features.lexical_rank, same.features.dense_rank)
        assert why.last_score == evidence.hits[-1].score
    assert [ranks[rank] for rank in sorted(ranks)] == [hit.passage.id for hit in everything.hits]
    assert sorted(ranks) == list(range(1, len(ranks) + 1))


def test_a_copy_names_the_passage_that_says_the_same(library: Footnote) -> None:
    evidence = library.search(QUESTION, 4)
    found = {hit.source.source: n for n, hit in enumerate(evidence.hits, start=1)}
    (kept,) = found.keys() & {"bridge.md", "copy.md"}
    (left,) = {"bridge.md", "copy.md"} - {kept}
    why = library.why_not(evidence, id_of(library, left), passages(library, left)[0].passage.start)
    assert (why.outcome, why.number) == ("copy", found[kept])
    assert f"passage {found[kept]}" in why.reason


def test_an_article_with_its_share_of_places_has_no_more(library: Footnote) -> None:
    evidence = library.search("Which pier of the bridge at Ostvik is 9 metres long?", 4)
    whys = [why for _, why in told(library, evidence)]
    over = [why for why in whys if why.outcome == "enough of its article"]
    assert over
    assert {why.article_id for why in over} == {id_of(library, "piers.md")}
    assert all(why.score is not None and why.score >= (why.last_score or 0) for why in over)
    assert "half of the 4 places" in over[0].reason
    outranked = [why for why in whys if why.outcome == "outranked"]
    assert outranked
    assert all(f"It ranked {why.rank}; 4 are taken." == why.reason for why in outranked)


def test_of_an_article_its_best_passage_is_told_of(library: Footnote) -> None:
    evidence = library.search(QUESTION, 4)
    for source in library.sources():
        best = library.why_not(evidence, source.article_id)
        own = [why for hit, why in told(library, evidence) if hit.source.article_id == source.article_id]
        taken = [why for why in own if why.outcome == "taken"]
        assert best == min(taken or own, key=lambda why: why.rank or 0)


def test_where_there_is_no_passage_nothing_else_is_said(library: Footnote) -> None:
    evidence = library.search(QUESTION)
    piers = library.article(id_of(library, "piers.md"))
    assert piers is not None
    assert piers.text.startswith("Piers of the bridge")
    for offset in (0, len(piers.text) + 5):
        why = library.why_not(evidence, piers.id, offset)
        assert why == WhyNot(QUESTION, piers.id, "no passage", len(evidence.hits), 50)
        assert "never evidence" in why.reason


def test_what_was_not_searched_is_out_of_the_scope(library: Footnote) -> None:
    for scope in (library.scope(["bees.txt"]), Scope(as_of="2024-12-31")):
        evidence = library.search(QUESTION, scope=scope)
        why = library.why_not(evidence, id_of(library, "piers.md"))
        assert (why.outcome, why.words_rank, why.meaning_rank, why.rank, why.score) == ("out of scope", *[None] * 4)
        inside = library.why_not(evidence, evidence.hits[0].source.article_id)
        assert (inside.outcome, inside.number) == ("taken", 1)
        assert (inside.meaning_rank, inside.changed) == (1, False)


def test_what_neither_search_gave_is_no_candidate_and_its_places_are_told(
    library: Footnote, open_at: Open, tmp_path: Path
) -> None:
    library.close()
    with open_at(retrieval={"candidates": 10, "top_k": 4}) as few:
        question = "Is stone 7 of pier 7 grey?"
        evidence = few.search(question)
        ranks = {why.meaning_rank for _, why in told(few, evidence)}
        assert ranks == set(range(1, few.ledger.passage_count() + 1))
        out = [why for _, why in told(few, evidence) if why.outcome == "not a candidate"]
        assert out
        for why in out:
            assert why.rank is None
            assert why.score is not None
            assert (why.meaning_rank or 0) > 10
            assert why.words_rank is None or why.words_rank > 10
            assert "10 candidates" in why.reason


def test_for_a_question_of_parts_the_part_is_told_that_ranked_it_best(library: Footnote) -> None:
    question = "Which team won the ice hockey final in Toronto, and what do honey bees live on in winter?"
    evidence = library.search(question, 1)
    assert evidence.missing
    for hit in evidence.hits:
        why = library.why_not(evidence, hit.source.article_id, hit.passage.start)
        assert (why.outcome, why.changed) == ("taken", False)
    why = library.why_not(evidence, id_of(library, "piers.md"))
    assert (why.outcome, why.question) == ("outranked", "what do honey bees live on in winter?")


def test_a_library_that_changed_meanwhile_is_told_of_as_it_is_now(library: Footnote, folder: Path) -> None:
    evidence = library.search(QUESTION, 4)
    gone = id_of(library, "copy.md")
    (folder / "copy.md").unlink()
    (folder / "bridge.md").write_text("# Bridge\n\nThe bridge at Ostvik is 413 metres long, as was measured anew.\n")
    library.sync()
    why = library.why_not(evidence, id_of(library, "bridge.md"))
    assert (why.changed, why.outcome, why.number) == (True, "taken", 1)
    with pytest.raises(InputError, match="no longer in the library"):
        library.why_not(evidence, gone)


class Backwards:
    """A reranker that turns the order round."""

    depth = 6

    def order(self, question: str, hits: Sequence[Hit]) -> list[int]:
        return list(range(len(hits)))[::-1]


def test_what_a_reranker_put_behind_is_told_so(library: Footnote) -> None:
    library.as_retriever()._reranker = Backwards()
    evidence = library.search(QUESTION, 2)
    outcomes = {why.rank: why.outcome for _, why in told(library, evidence)}
    assert sorted(outcomes.values()).count("reranked") == 4
    assert outcomes[1] == "reranked"
    assert [why.number for _, why in told(library, evidence) if why.outcome == "taken"] in ([1, 2], [2, 1])
