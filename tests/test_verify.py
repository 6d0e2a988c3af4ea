"""Verdicts and the text they are attached to."""

from __future__ import annotations

from rag.types import Citation, CitedDraft, CitedSentence, Source
from rag.verify import verify

SOURCE = Source("id", "a.md", "Title", None, None, None, None, "public", "sha256:00")
CITATION = Citation(1, 1, SOURCE, 0, 13, "One sentence.")


def test_the_words_of_the_citation_are_supported() -> None:
    text, (sentence,) = verify(CitedDraft((CitedSentence("One sentence.", (1,)),), (CITATION,)))
    assert text == "One sentence. [1]"
    assert (sentence.verdict, sentence.reasons) == ("supported", ())


def test_other_words_are_unsupported_and_say_why() -> None:
    _, (sentence,) = verify(CitedDraft((CitedSentence("Two sentences.", (1,)),), (CITATION,)))
    assert sentence.verdict == "unsupported"
    assert sentence.reasons == ("The words are not those of the cited passage.",)


def test_a_sentence_without_citation_is_unsupported() -> None:
    text, (sentence,) = verify(CitedDraft((CitedSentence("One sentence.", ()),), ()))
    assert (text, sentence.verdict) == ("One sentence.", "unsupported")
    assert sentence.reasons == ("The sentence has no citation.",)


def test_offsets_give_each_sentence_of_the_text() -> None:
    sentences = (CitedSentence("One sentence.", (1,)), CitedSentence("And\nmore.", ()), CitedSentence("End", (1,)))
    text, checked = verify(CitedDraft(sentences, (CITATION,)))
    assert [text[item.start : item.end] for item in checked] == [item.text for item in checked]
    assert "".join(text.split()) == "".join("".join(item.text.split()) for item in checked)
