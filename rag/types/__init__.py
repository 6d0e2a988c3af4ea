"""Owns the values that pass between the stages: one frozen type per stage, never changed in place.

Article ─chunk→ Passage          (library)
Hit ─collect→ Evidence ─answer→ Draft ─cite→ CitedDraft ─verify→ Answer
"""

from rag.types.answers import (
    Answer,
    AnswerSentence,
    Citation,
    CitedDraft,
    CitedSentence,
    Draft,
    DraftSentence,
    Evidence,
    EvidenceSpan,
    Features,
    Hit,
    Status,
    Sufficiency,
    Verdict,
    evidence_dicts,
)
from rag.types.library import (
    Article,
    Block,
    BlockKind,
    Embedder,
    Matrix,
    Passage,
    PassageVectors,
    Source,
    Span,
    StoredPassage,
    Vector,
    article_id,
    digest,
)

__all__ = [
    "Answer",
    "AnswerSentence",
    "Article",
    "Block",
    "BlockKind",
    "Citation",
    "CitedDraft",
    "CitedSentence",
    "Draft",
    "DraftSentence",
    "Embedder",
    "Evidence",
    "EvidenceSpan",
    "Features",
    "Hit",
    "Matrix",
    "Passage",
    "PassageVectors",
    "Source",
    "Span",
    "Status",
    "StoredPassage",
    "Sufficiency",
    "Vector",
    "Verdict",
    "article_id",
    "digest",
    "evidence_dicts",
]
