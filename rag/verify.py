"""Owns the verdicts: what counts as supported, and the reason where it is not."""

from __future__ import annotations

from rag.types import AnswerSentence, Citation, CitedDraft, CitedSentence, Verdict

_BETWEEN_SENTENCES = "\n\n"


def verify(draft: CitedDraft) -> tuple[str, tuple[AnswerSentence, ...]]:
    """Return the text of the answer, marks in place, and its sentences with their verdicts."""
    text = ""
    sentences: list[AnswerSentence] = []
    for sentence in draft.sentences:
        marks = "".join(f" [{n}]" for n in sentence.citations)
        start = len(text) + (len(_BETWEEN_SENTENCES) if text else 0)
        text += (_BETWEEN_SENTENCES if text else "") + sentence.text + marks
        verdict, reasons = _judge(sentence, draft.citations)
        sentences.append(AnswerSentence(text[start:], start, len(text), verdict, reasons, sentence.citations))
    return text, tuple(sentences)


def _judge(sentence: CitedSentence, citations: tuple[Citation, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """A sentence is supported where its words are the words of a cited span."""
    if not sentence.citations:
        return "unsupported", ("The sentence has no citation.",)
    if any(sentence.text == citations[n - 1].quote for n in sentence.citations):
        return "supported", ()
    return "unsupported", ("The words are not those of the cited passage.",)
