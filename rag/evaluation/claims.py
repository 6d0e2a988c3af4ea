"""Owns sets of claims: sentences that people have held against a text, and what they found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.evaluation.datasets import Dataset, Document, Question, rows, strings, text_of
from rag.reply import reply_sentences
from rag.types import Verdict, digest

ITEMS = "items.jsonl"
# What the sets call it, and what our verdicts do; a label that is not here was no judgement ("N/A").
_GOLD: dict[str, Verdict] = {
    "supported": "supported",
    "consistent": "supported",
    "complete": "supported",
    "partially_supported": "partial",
    "partial": "partial",
    "not_supported": "unsupported",
    "inconsistent": "unsupported",
    "incomplete": "unsupported",
    "missing": "unsupported",
}
_MARK = re.compile(r"[ \t]*\[\d{1,3}\]")
_ADDRESS = re.compile(r"\s*(?:\[\d{1,3}\]\s*)?(https?://\S+)\s*")


@dataclass(frozen=True, slots=True)
class Claim:
    """Sentences to check, the documents to check them against (their ids), and what people found.

    `edits` are kinds of mistakes that were put into it on purpose.
    """

    id: str
    sentences: tuple[str, ...]
    documents: tuple[str, ...]
    gold: Verdict
    type: str
    edits: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """Claims with their documents; `left_out` counts items that nobody judged, or that have no evidence to read."""

    dataset: Dataset
    claims: tuple[Claim, ...]
    left_out: int

    @property
    def digest(self) -> str:
        """Digest over all documents and claims: equal data, equal digest."""
        return digest(self.dataset.digest, *map(repr, self.claims))[:16]


def has_claims(path: Path) -> bool:
    """Whether a folder holds a set of claims."""
    return (path / ITEMS).is_file()


def load_claims(folder: Path) -> ClaimSet:
    """Read a set of claims, `items.jsonl`, in one of three forms, told apart by their fields.

    {claim, label, evidence}, as WiCE: the evidence is the sentences of one text; {document, summary, label}, as
    SummEdits; {claim, support, evidence}, as ExpertQA: each evidence is a text. `id`, `split`, `domain`,
    `system` and `edit_types` may be given; a claim is of the type of its domain, system or split. Raises
    InputError with file and line where it is of no such form, or where no claim is left.
    """
    path = folder / ITEMS
    documents: dict[str, Document] = {}
    claims: dict[str, Claim] = {}
    left_out = 0
    for number, row in rows(path):
        text, evidence, label = _parts(path, number, row)
        gold = _GOLD.get(label.strip().lower().replace(" ", "_").replace("-", "_"))
        sentences = _sentences(text)
        found = [document for document in map(_document, evidence) if document.text.strip()]
        if gold is None or not found or not sentences:
            left_out += 1
            continue
        identifier = str(row.get("id") or number)
        if identifier in claims:
            raise InputError(f"{path}, line {number}: id {identifier!r} is given twice.")
        documents |= {document.id: document for document in found}
        kind = next((str(row[key]) for key in ("domain", "system", "split") if row.get(key)), "claim")
        names = tuple(dict.fromkeys(document.id for document in found))
        edits = tuple(strings(row.get("edit_types")))
        claims[identifier] = Claim(identifier, sentences, names, gold, kind, edits)
    if not claims:
        raise InputError(f"{path}: no claim with a label and evidence is left.")
    questions = tuple(_question(claim) for claim in claims.values())
    dataset = Dataset(folder.name, folder, questions, tuple(documents.values()))
    return ClaimSet(dataset, tuple(claims.values()), left_out)


def _question(claim: Claim) -> Question:
    return Question(claim.id, claim.text, claim.type, "", (), {}, (), None)


def _parts(path: Path, number: int, row: dict[str, Any]) -> tuple[str, list[str], str]:
    """Return the words to check, the texts to check them against, and the label of an item."""
    if "summary" in row and "document" in row:
        return text_of(path, number, row, "summary"), strings(row["document"]), str(row.get("label"))
    if "claim" in row and "evidence" in row and ("support" in row or "label" in row):
        evidence = strings(row["evidence"])
        whole = evidence if "support" in row else ["\n\n".join(evidence)]
        return text_of(path, number, row, "claim"), whole, str(row.get("support", row.get("label")))
    raise InputError(
        f"{path}, line {number}: an item needs claim, evidence and label or support; or document, summary and label."
    )


def _document(text: str) -> Document:
    """Return a text as a document of its own; an address in front of it is where it comes from."""
    address = _ADDRESS.match(text)
    body = text[address.end() :] if address else text
    return Document(digest(text)[:16], "", body, {"url": address[1]} if address else {})


def _sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a claim, without the marks of footnotes that are not ours."""
    bare = _MARK.sub("", text)
    return tuple(bare[start:end] for start, end in reply_sentences(bare))
