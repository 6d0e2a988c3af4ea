"""Citations: numbered in order of use, one verbatim span each, and never invented."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import cite, supporting_spans
from rag.types import CitedDraft, Draft, Hit, Mark, Span, Vector
from tests.evidence import draft, evidence, hit, meaning, same

FIRST = hit("One sentence. Another sentence.", "a.md", start=10)
SECOND = hit("A third sentence.", "b.md", start=0)
FOUND = evidence("question", FIRST, SECOND)


def pointing(*marks: tuple[int, Span | None]) -> Draft:
    """Return a draft with one sentence for each mark, which stands behind it."""
    text = " ".join("Claim." for _ in marks)
    spans = tuple(Span(7 * i, 7 * i + 6) for i in range(len(marks)))
    return Draft(text, spans, tuple(Mark(7 * i + 6, *mark) for i, mark in enumerate(marks)), "model", text)


def quotes(cited: CitedDraft) -> list[str]:
    return [citation.quote for citation in cited.citations]


# ---------------------------------------------------------------- numbers


def test_numbers_follow_the_order_of_use() -> None:
    cited = cite(pointing((2, Span(0, 17)), (1, Span(10, 23))), FOUND, same)
    assert [(item.n, item.evidence_n, item.quote) for item in cited.citations] == [
        (1, 2, "A third sentence."),
        (2, 1, "One sentence."),
    ]
    assert [sentence.numbers for sentence in cited.sentences] == [(1,), (2,)]


def test_a_span_used_twice_keeps_its_number() -> None:
    span = Span(24, 41)
    cited = cite(pointing((1, span), (1, span), (1, Span(10, 23))), FOUND, same)
    assert quotes(cited) == ["Another sentence.", "One sentence."]
    assert [sentence.numbers for sentence in cited.sentences] == [(1,), (1,), (2,)]


def test_a_span_in_two_passages_of_one_article_keeps_its_number() -> None:
    overlapping = evidence("question", FIRST, hit("Another sentence. And one more.", "a.md", start=24))
    cited = cite(pointing((1, Span(24, 41)), (2, Span(24, 41))), overlapping, same)
    assert [(item.n, item.evidence_n) for item in cited.citations] == [(1, 1)]


def test_equal_words_in_two_articles_are_two_citations() -> None:
    twice = evidence("question", hit("One sentence.", "a.md"), hit("One sentence.", "b.md"))
    assert quotes(cite(draft("One sentence [1, 2].", twice), twice, same)) == ["One sentence."] * 2


@pytest.mark.parametrize("n", [0, 3, -1])
def test_evidence_that_was_not_given_cannot_be_cited(n: int) -> None:
    with pytest.raises(ValueError, match="was not given"):
        cite(pointing((n, Span(0, 1))), FOUND, same)


def test_a_span_outside_its_passage_cannot_be_cited() -> None:
    with pytest.raises(ValueError, match="outside"):
        cite(pointing((1, Span(0, 5))), FOUND, same)


def test_a_draft_without_marks_has_no_citations_and_is_not_embedded() -> None:
    cited = cite(draft("One sentence. Another one.", FOUND), FOUND, lambda _: pytest.fail("embedded"))
    assert cited.citations == ()
    assert [sentence.marks for sentence in cited.sentences] == [(), ()]


def test_a_mark_with_its_span_needs_no_embedding() -> None:
    cited = cite(pointing((1, Span(10, 23))), FOUND, lambda _: pytest.fail("embedded"))
    assert cited.sentences[0].similarity is None


def test_a_sentence_is_embedded_once_whatever_its_marks() -> None:
    embedded: list[str] = []

    def embed(text: str) -> Vector:
        embedded.append(text)
        return same(text)

    cite(draft("One sentence [1] and a third [2][1].\n\nNothing. Another [1].", FOUND), FOUND, embed)
    assert embedded == ["One sentence and a third.", "Another."]


def test_a_mark_belongs_to_the_sentence_that_it_stands_behind() -> None:
    cited = cite(draft("One sentence. [1] A third sentence [2].\n- [1] Another sentence", FOUND), FOUND, same)
    assert [[citation.quote for citation in cited.citations if citation.n in s.numbers] for s in cited.sentences] == [
        ["One sentence."],
        ["A third sentence."],
        ["Another sentence."],
    ]


# ---------------------------------------------------------------- choosing spans


def chosen(claim: str, found: Hit, vector: Vector | None = None) -> list[str]:
    spans, _ = supporting_spans(claim, same(claim) if vector is None else vector, found)
    return [found.passage.quote(span) for span in spans]


def test_the_sentence_with_the_words_is_chosen_where_all_mean_the_same() -> None:
    found = hit("It was opened in 1931. The bridge is 412 metres long. Ferries run on Sundays.")
    assert chosen("The length of the bridge is 412 metres.", found) == ["The bridge is 412 metres long."]


def test_the_nearest_sentence_is_chosen_where_no_word_is_shared() -> None:
    text = "Ferries run on Sundays. Honey bees huddle in winter. A school is near."
    found = hit(text, vectors=[meaning(1, 0), meaning(0.1, 1), meaning(1, 0.5)])
    assert chosen("Insects keep warm together.", found, meaning(0, 1)) == ["Honey bees huddle in winter."]
    assert chosen("昆虫挤在一起。", found, meaning(0, 1)) == ["Honey bees huddle in winter."]


def test_words_and_meaning_count_alike() -> None:
    text = "The bridge is old. It spans the fjord."
    near = [meaning(1, 0), meaning(0, 1)]
    assert chosen("The bridge spans a fjord in Norway.", hit(text, vectors=near), meaning(0, 1))[-1].startswith("It")
    assert chosen("The old bridge.", hit(text, vectors=near), meaning(1, 0.5)) == ["The bridge is old."]


def test_the_sentence_with_the_number_is_chosen() -> None:
    found = hit("The bridge at Ostvik is a long bridge. It measures 412 metres. The bridge is grey.")
    assert "It measures 412 metres." in chosen("The bridge is 412 metres long.", found)


def test_a_second_sentence_is_added_for_words_still_missing() -> None:
    found = hit("The repair cost 3.5 million crowns. Cats sleep. Engineers found rust in two cables.")
    claim = "Engineers found rust in two cables, and the repair cost 3.5 million crowns."
    assert chosen(claim, found) == ["The repair cost 3.5 million crowns.", "Engineers found rust in two cables."]


def test_a_second_sentence_that_adds_little_is_not() -> None:
    found = hit("Engineers found rust in two cables of the bridge. The repair was long.")
    assert len(chosen("Engineers found rust in two cables of the bridge at Ostvik, a repair.", found)) == 1


def test_never_more_than_three_sentences_are_chosen() -> None:
    found = hit("Alpha runs. Bravo swims. Charlie jumps. Delta flies. Echo rests.")
    claim = "Alpha runs, Bravo swims, Charlie jumps, Delta flies and Echo rests."
    assert len(chosen(claim, found)) == 3


def test_the_similarity_is_that_of_the_nearest_chosen_sentence() -> None:
    found = hit("The bridge is long. Cats sleep.", vectors=[meaning(3, 4), meaning(1, 0)])
    _, near = supporting_spans("The bridge is long.", meaning(1, 0), found)
    assert near == pytest.approx(0.6)
    _, opposite = supporting_spans("The bridge is long.", meaning(-1, 0), found)
    assert opposite == 0.0


def test_a_sentence_takes_the_similarity_of_its_best_mark() -> None:
    found = evidence("q", hit("Cats sleep.", vectors=[meaning(0, 1)]), hit("Dogs bark.", "b.md"))
    (sentence,) = cite(draft("Dogs bark [1][2].", found), found, same).sentences
    assert sentence.similarity == pytest.approx(1.0)


WORDS = "bridge rust cable 412 3.5 Ostvik 茶叶 the of".split()
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join), min_size=1, max_size=6)
PLACES = st.floats(-1, 1).filter(lambda value: abs(value) > 0.01)


@given(TEXTS, st.lists(st.sampled_from([*WORDS, "?!"]), max_size=8), st.data())
def test_one_to_three_sentences_of_the_passage_are_chosen_in_reading_order(
    texts: list[str], words: list[str], data: st.DataObject
) -> None:
    text = "。".join(texts)
    count = len(hit(text).passage.sentences)
    found = hit(text, vectors=[meaning(data.draw(PLACES), data.draw(PLACES)) for _ in range(count)])
    spans, near = supporting_spans(" ".join(words), meaning(data.draw(PLACES), 1), found)
    assert 1 <= len(spans) <= 3
    assert set(spans) <= set(found.passage.sentences)
    assert spans == sorted(set(spans))
    assert 0 <= near <= 1 + 1e-6


@given(st.lists(st.sampled_from(["[1]", "[2]", "[1, 2]", "rust", "412", "bridge.", "\n\n", "\n- "]), max_size=20))
def test_every_citation_is_used_and_quotes_its_passage_word_for_word(parts: list[str]) -> None:
    found = evidence("q", hit("The bridge is 412 metres long. It has rust.", start=5), hit("Rust is red.", "b.md"))
    cited = cite(draft(" ".join(parts), found), found, same)
    used = [n for sentence in cited.sentences for n in sentence.numbers]
    assert list(dict.fromkeys(used)) == [item.n for item in cited.citations] == list(range(1, len(cited.citations) + 1))
    for item in cited.citations:
        passage = found.hits[item.evidence_n - 1].passage
        assert Span(item.start, item.end) in passage.sentences
        assert passage.quote(Span(item.start, item.end)) == item.quote


# ---------------------------------------------------------------- pages


def test_a_citation_names_the_page_that_its_words_begin_on() -> None:
    passage = replace(FIRST.passage, pages=((3, 2), (24, 3)))
    found = evidence("question", replace(FIRST, passage=passage), SECOND)
    cited = cite(pointing((1, Span(10, 23)), (1, Span(24, 41)), (2, Span(0, 17))), found, same)
    assert [item.page for item in cited.citations] == [2, 3, None]
    (item,) = cite(draft("Another sentence [1].", found), found, same).citations
    assert (item.quote, item.page) == ("Another sentence.", 3)


def test_the_words_before_the_first_page_are_on_none() -> None:
    passage = replace(FIRST.passage, pages=((20, 1),))
    found = evidence("question", replace(FIRST, passage=passage))
    cited = cite(pointing((1, Span(10, 23)), (1, Span(24, 41))), found, same)
    assert [item.page for item in cited.citations] == [None, 1]
