"""The answerer without a model: verbatim sentences, the best ones, in reading order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.quotes import quote
from rag.types import Draft
from tests.evidence import evidence, hit

_WORDS = st.text(alphabet="abcdefgh 。.!? \n", min_size=0, max_size=200)


def sentences(draft: Draft) -> list[str]:
    return [draft.text[span.start : span.end] for span in draft.sentences]


def test_the_sentence_with_the_words_of_the_question_is_quoted() -> None:
    found = evidence(
        "How long is the bridge?", hit("It was opened in 1931. The bridge is 412 metres long. Ferries run.")
    )
    draft = quote(found, max_sentences=1)
    assert sentences(draft) == ["The bridge is 412 metres long."]


def test_a_sentence_counts_for_the_name_in_the_sentence_before() -> None:
    text = "The Ostvik repair took a year. It cost 3.5 million. Ferries run on Sundays. A school is near."
    draft = quote(evidence("What was the Ostvik repair cost?", hit(text)), max_sentences=2)
    assert sentences(draft) == ["The Ostvik repair took a year.", "It cost 3.5 million."]


def test_quotes_stand_in_reading_order_with_the_best_article_first() -> None:
    weak = hit("The bridge is old. The bridge is grey.", "weak.md", score=0.8)
    strong = hit("A bridge is long. Bridge bridge length is 412 metres.", "strong.md", score=1.0, similarity=0.9)
    draft = quote(evidence("What is the length of the bridge?", weak, strong), max_sentences=3)
    assert draft.marks[0].n == 2
    for earlier, later in pairwise(draft.marks):
        assert earlier.span is not None
        assert later.span is not None
        assert earlier.n != later.n or earlier.span < later.span


def test_the_same_sentence_in_two_articles_is_quoted_once() -> None:
    text = "The bridge is 412 metres long."
    draft = quote(evidence("How long is the bridge?", hit(text, "a.md"), hit(text, "b.md")), max_sentences=3)
    assert len(draft.sentences) == 1


def test_sentences_far_behind_the_best_are_left_out() -> None:
    best = hit("The bridge at Ostvik is 412 metres long.", similarity=0.9)
    poor = hit("Cats sleep.", "b.md", score=0.1, similarity=0.05)
    draft = quote(evidence("How long is the bridge at Ostvik?", best, poor), max_sentences=3)
    assert [mark.n for mark in draft.marks] == [1]


def test_no_evidence_gives_no_sentence() -> None:
    draft = quote(evidence("How long is the bridge?"), max_sentences=3)
    assert (draft.text, draft.sentences, draft.marks) == ("", (), ())


@given(
    st.lists(_WORDS.filter(lambda text: text.strip() == text and text), min_size=1, max_size=4),
    _WORDS,
    st.integers(1, 5),
)
def test_every_quote_is_the_text_at_its_span(texts: list[str], question: str, most: int) -> None:
    hits = [hit(text, f"{i}.md") for i, text in enumerate(texts)]
    draft = quote(evidence(question, *hits), most)
    assert len(draft.sentences) <= most
    assert draft.text == draft.raw == "\n\n".join(sentences(draft))
    for place, text, mark in zip(draft.sentences, sentences(draft), draft.marks, strict=True):
        assert mark.span is not None
        assert mark.at == place.end
        assert hits[mark.n - 1].passage.quote(mark.span) == text
