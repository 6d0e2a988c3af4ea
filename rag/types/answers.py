"""Owns the values of one question behind its evidence: what was drafted from that, and the checked answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from rag.types.evidence import Evidence, evidence_dicts, scope_dict
from rag.types.library import Source, Span

Verdict = Literal["supported", "partial", "unsupported", "contradicted"]
Usage = dict[str, float]
Status = Literal["grounded", "partial", "not_found", "incomplete"]
QUOTES = "quotes"
"""What `model` says where none wrote the answer: its words are those of the articles. No model may be called so."""


class Exchange(NamedTuple):
    """A question of a conversation and what was answered; empty where nothing was yet."""

    question: str
    answer: str


class Mark(NamedTuple):
    """At character `at` of a draft's text: a pointer to evidence number `n`, or to one span of its article."""

    at: int
    n: int
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What an answerer proposes. Not checked: only verification turns it into an `Answer`.

    `text` is the reply without its marks, `raw` the reply as it came. `sentences` are spans of `text`,
    in order, apart. `dropped_marks` counts marks that pointed to nothing we gave. `cut` says why the
    reply is not whole, None where it is. `prompt` holds the roles and texts that were sent, `parameters`
    what the model was asked with. `usage` counts tokens, and holds `cost` where the provider reports it.
    """

    text: str
    sentences: tuple[Span, ...]
    marks: tuple[Mark, ...]
    model: str
    raw: str
    dropped_marks: int = 0
    cut: str | None = None
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
    prompt: tuple[tuple[str, str], ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """A footnote: number `n` in the answer points to `quote`, verbatim, at `start:end` of an article."""

    n: int
    evidence_n: int
    source: Source
    start: int
    end: int
    quote: str
    page: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the citation in the shape of the JSON contract."""
        return {
            "n": self.n,
            "evidence_n": self.evidence_n,
            "article_id": self.source.article_id,
            "source": self.source.source,
            "title": self.source.title,
            "published": self.source.published,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "content_hash": self.source.content_hash,
        }


class Disagreement(NamedTuple):
    """Two statements of different articles that do not agree; `other.n` is 0 where the answer does not cite it."""

    cited: Citation
    other: Citation


class CitedMark(NamedTuple):
    """At character `at` of a draft's text: the numbers of its citations."""

    at: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence of a draft, the marks that belong to it, in order, and what it was compared with; not verified yet.

    `similarity` is the cosine of its vector and the nearest cited span's; None where it was not needed.
    """

    span: Span
    marks: tuple[CitedMark, ...]
    similarity: float | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its citations, each once, in order of use."""
        return tuple(dict.fromkeys(n for mark in self.marks for n in mark.numbers))


@dataclass(frozen=True, slots=True)
class CitedDraft:
    """A draft whose pointers are resolved: `citations[i].n == i + 1`, in order of first use."""

    text: str
    sentences: tuple[CitedSentence, ...]
    citations: tuple[Citation, ...]


class Chip(NamedTuple):
    """Where the mark of citation `n` stands in the text of an answer."""

    start: int
    end: int
    n: int


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of the answer at `start:end` of its text, with its verdict and citation numbers.

    `chips` tells the marks we set from brackets that are words of the answer. `support` (0 to 1) is how
    sure the rules are that the citations say it: the higher, the surer.
    """

    text: str
    start: int
    end: int
    verdict: Verdict
    reasons: tuple[str, ...]
    citations: tuple[int, ...]
    chips: tuple[Chip, ...] = ()
    support: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence in the shape of the JSON contract."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "citations": list(self.citations),
        }


class Judgement(NamedTuple):
    """What a model says of each sentence of an answer, beside our own verdicts; None where it was not asked."""

    model: str
    verdicts: tuple[Verdict | None, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer: text with numbered marks, its sentences with verdicts, its citations.

    `question` is as it was asked; what was searched for is the evidence's. `draft` is what the answer was
    made from, None where nothing was drafted.
    """

    question: str
    status: Status
    text: str
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    evidence: Evidence
    model: str
    dropped_marks: int = 0
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    draft: Draft | None = field(default=None, repr=False)
    judgement: Judgement | None = None
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def standalone_question(self) -> str:
        """The question that was searched for: a follow-up with what it leaves unsaid."""
        return self.evidence.question

    def to_dict(self) -> dict[str, Any]:
        """Return the answer in the shape of the JSON contract."""
        cited = {citation.evidence_n for citation in self.citations}
        disagreements = [[item.cited.to_dict(), item.other.to_dict()] for item in self.disagreements]
        return {
            "question": self.question,
            "standalone_question": self.standalone_question,
            "status": self.status,
            "text": self.text,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "evidence": evidence_dicts(self.evidence, cited),
            "dropped_marks": self.dropped_marks,
            "warnings": list(self.warnings),
            "model": self.model,
            "usage": self.usage,
            "timings": {name: round(value, 1) for name, value in self.timings.items()},
            **({"missing": list(self.evidence.missing)} if self.evidence.missing else {}),
            **scope_dict(self.evidence.scope),
            **({"disagreements": disagreements} if disagreements else {}),
            **({"judge": self.judgement._asdict()} if self.judgement else {}),
        }
