"""The answerer without a model: verbatim sentences, the best ones, in reading order."""

from __future__ import annotations

from itertools import pairwise

import pytest
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


def test_the_sentence_after_counts_less_than_the_one_before() -> None:
    before, named, after = "Few had hoped for it.", "Ostvik got its bridge.", "It cost 3.5 million."
    found = evidence("Has Ostvik regretted spending money?", hit(f"Ferries run. {before} {named} {after} Cats sleep."))
    assert sentences(quote(found, max_sentences=2)) == [named, after]
    assert sentences(quote(found, max_sentences=3)) == [before, named, after]


def test_of_equal_sentences_the_one_in_the_better_passage_counts_more() -> None:
    hits = [hit("The bridge is old.", "a.md", score=0.6), hit("The bridge is grey.", "b.md", score=0.8)]
    assert sentences(quote(evidence("How is the bridge?", *hits), max_sentences=1)) == ["The bridge is grey."]


def test_a_sentence_counts_for_the_heading_it_stands_under() -> None:
    other = hit("It has 12 rooms. It cost 2 million.", "school.md", context="The school at Lund. ")
    bridge = hit("It cost 3.5 million. It took a year.", "bridge.md", context="The bridge at Ostvik. ")
    draft = quote(evidence("What did the bridge at Ostvik cost?", other, bridge), max_sentences=1)
    assert sentences(draft) == ["It cost 3.5 million."]


def test_a_related_word_counts_like_the_word_itself() -> None:
    text = "The harbour of Ostvik was a surprise. The invasion of Ostvik was a surprise."
    draft = quote(evidence("Was Ostvik invaded?", hit(text)), max_sentences=1)
    assert sentences(draft) == ["The invasion of Ostvik was a surprise."]


def test_words_of_function_tell_sentences_of_the_same_content_apart() -> None:
    text = "Ostvik sold the ships of the Danes. Ostvik sold ships to the Danes."
    draft = quote(evidence("What was sold to the Danes by Ostvik?", hit(text)), max_sentences=1)
    assert sentences(draft) == ["Ostvik sold ships to the Danes."]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who opened the bridge?", "The bridge was opened by Ingrid Dahl."),
        ("The bridge was opened by whom?", "The bridge was opened by Ingrid Dahl."),
        ("When was the bridge opened?", "The bridge was opened in May 1931."),
        ("In what year was the bridge opened?", "The bridge was opened in May 1931."),
        ("How many guests saw the bridge opened?", "The bridge was opened before forty guests."),
        ("What percentage of the bridge was opened?", "The bridge was opened before forty guests."),
        ("What happened when the bridge was opened?", "The bridge was opened with a song."),
    ],
)
def test_a_sentence_that_shows_what_is_asked_for_is_preferred(question: str, answer: str) -> None:
    told = ["with a song", "by Ingrid Dahl", "in May 1931", "before forty guests"]
    hits = [hit(f"The bridge was opened {how}.", f"{i}.md") for i, how in enumerate(told)]
    assert sentences(quote(evidence(question, *hits), max_sentences=1)) == [answer]


def test_what_the_question_names_itself_is_no_answer_to_it() -> None:
    text = "The 412 metres of the bridge were painted. The metres of the bridge were painted by 30 people."
    draft = quote(evidence("How many painted the 412 metres of the bridge?", hit(text)), max_sentences=1)
    assert sentences(draft) == ["The metres of the bridge were painted by 30 people."]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("大桥是何时开放的？", "大桥在一九三一年开放。"),
        ("大桥开放有多少人？", "大桥开放有八百人。"),
    ],
)
def test_chinese_questions_too_say_what_they_ask_for(question: str, answer: str) -> None:
    hits = [
        hit(text, f"{i}.md")
        for i, text in enumerate(["大桥开放有歌。", "大桥在一九三一年开放。", "大桥开放有八百人。"])
    ]
    assert sentences(quote(evidence(question, *hits), max_sentences=1)) == [answer]


def test_similarity_counts_except_for_languages_that_the_embedder_does_not_tell_apart() -> None:
    def best(question: str, near: str, far: str) -> str:
        hits = [hit(far, "far.md", similarity=0.1), hit(near, "near.md", similarity=0.9)]
        return sentences(quote(evidence(question, *hits), max_sentences=1))[0]

    assert best("Is the bridge long?", "The bridge spans a mile.", "A bridge is old.") == "The bridge spans a mile."
    assert best("大桥长吗？", "学校很大。", "大桥很旧。") == "大桥很旧。"


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


def test_a_question_of_several_parts_keeps_sentences_further_behind() -> None:
    best = hit("The bridge at Ostvik is 412 metres long.", similarity=0.9)
    other = hit("The school of Lund has 80 pupils.", "b.md", score=0.7, similarity=0.4)
    one = "How long is the grey bridge at Ostvik?"
    several = "How long is the grey bridge at Ostvik, and how many pupils has Lund?"
    assert [mark.n for mark in quote(evidence(one, best, other), max_sentences=3).marks] == [1]
    assert [mark.n for mark in quote(evidence(several, best, other), max_sentences=3).marks] == [1, 2]


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
