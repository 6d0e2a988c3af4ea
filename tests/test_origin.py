"""Where words of an answer come from: of all that was found, the very words, or what says them, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.cite import cite
from rag.embed import MiniLMEmbedding
from rag.errors import InputError
from rag.origin import Origin, origin
from rag.types import Answer, Evidence, Passage, PassageVectors, Span, Vector
from rag.verify import verify
from tests.evidence import draft, evidence, hit, meaning, same

BRIDGE = hit("The bridge at Ostvik is 412 metres long. It was opened in 1931 by the king.", "bridge.md")
FERRY = hit("The ferry to the island takes 20 minutes. The king of Ostvik opened it in the spring.", "ferry.md")
TEA = hit("Tea was first grown in Yunnan. 茶叶最早产于中国云南。", "tea.md")
FOUND = evidence("How long is the bridge?", BRIDGE, FERRY, TEA)


class Same:
    """Embeds all texts to one vector, and counts the passages."""

    fingerprint, name, in_house = "same", "same", True

    def __init__(self) -> None:
        self.passages = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_question(self, text: str) -> Vector:
        return same(text)

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        raise AssertionError

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        self.passages += len(passages)
        return [PassageVectors(same(""), meaning(1, 0).reshape(1, -1).repeat(len(p.sentences), 0)) for p in passages]


def answered(reply: str, found: Evidence = FOUND) -> Answer:
    cited = cite(draft(reply, found), found, same)
    text, sentences = verify(cited, found)
    return Answer(found.question, "partial", text, sentences, cited.citations, found, "model")


def bare(answer: Answer) -> Answer:
    """Return an answer as it comes back from disk: without vectors."""
    hits = tuple(replace(item, sentence_vectors=item.sentence_vectors[:0]) for item in answer.evidence.hits)
    return replace(answer, evidence=replace(answer.evidence, hits=hits))


def words_of(found: Origin | None, answer: Answer) -> list[str]:
    assert found is not None
    return [answer.evidence.hits[found.n - 1].passage.quote(span) for span in found.spans]


@pytest.mark.parametrize(
    ("selected", "there"),
    [
        ("412 metres long", "412 metres long"),
        ("was  OPENED\nin 1931", "was opened in 1931"),
        ("takes 20 minutes. The king", "takes 20 minutes. The king"),
        ("ong. It was opened in 19", "long. It was opened in 1931"),
        ("Yunnan", "Yunnan"),
        ("产于中国", "产于中国"),
    ],
)
def test_words_that_stand_there_are_found_as_they_are(selected: str, there: str) -> None:
    answer, embedder = answered("The bridge is 412 metres long [1]."), Same()
    found = origin(selected, answer, embedder)
    assert words_of(found, answer) == [there]
    assert found is not None
    assert found.exact
    assert embedder.passages == 0


def test_the_cited_passage_comes_before_another_with_the_same_words() -> None:
    selected = "the king"
    assert [getattr(origin(selected, answered(reply), Same()), "n", 0) for reply in ("So [1].", "So [2].", "So.")] == [
        1,
        2,
        1,
    ]


def test_part_of_a_word_is_not_that_word() -> None:
    answer = answered("The bridge is 412 metres long [1].")
    found = origin("ridge", answer, Same())
    assert found is None or not found.exact


def test_words_in_another_order_come_from_the_sentences_that_say_them() -> None:
    answer = answered("So [1].")
    found = origin("20 minutes is what the ferry takes to reach the island", bare(answer), Same())
    assert words_of(found, answer) == ["The ferry to the island takes 20 minutes."]
    assert found is not None
    assert not found.exact


def test_a_number_that_is_not_there_is_said_to_be_missing() -> None:
    found = origin("The bridge at Ostvik is 500 metres long", answered("So."), Same())
    assert found is not None
    assert found.n == 1
    assert any("500" in doubt for doubt in found.doubts)
    assert not any("cited" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("selected", ["of the", "and it was", "   ", "…"])
def test_words_that_say_too_little_are_refused(selected: str) -> None:
    with pytest.raises(InputError, match="too little"):
        origin(selected, answered("So [1]."), Same())


def test_where_nothing_was_found_nothing_can_be() -> None:
    assert origin("412 metres", answered("So.", evidence("q")), Same()) is None


def test_with_real_vectors_what_is_far_from_all_comes_from_nowhere(embedder: MiniLMEmbedding) -> None:
    answer = bare(answered("So."))
    assert origin("Penguins swim to Antarctica in March", answer, embedder) is None
    found = origin("The crossing by ferry lasts twenty minutes", answer, embedder)
    assert words_of(found, answer)[0] == "The ferry to the island takes 20 minutes."


@given(st.text(min_size=1, max_size=60), st.sampled_from(["So.", "So [1]. Yes [3]."]))
def test_whatever_is_selected_what_is_found_lies_in_its_passage(selected: str, reply: str) -> None:
    answer = bare(answered(reply))
    try:
        found = origin(selected, answer, Same())
    except InputError:
        return
    if found:
        passage = answer.evidence.hits[found.n - 1].passage
        assert found.spans
        assert all(passage.start <= span.start < span.end <= passage.end for span in found.spans)
