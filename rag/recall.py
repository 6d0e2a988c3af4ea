"""Owns reading an answer back from its receipt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from rag.errors import InputError
from rag.receipt import Receipt
from rag.types import Answer, Draft, Evidence, Hit

_NO_VECTORS = np.zeros((0, 0), np.float32)


def answer_of(receipt: Mapping[str, Any]) -> Answer:
    """Return the answer that a receipt is of; its receipt is the same again, `made` and the seal apart.

    A receipt holds no vectors: `sentence_vectors` of the hits are empty, so the answer can be shown and saved, and
    not be cited anew. The seal is not looked at. Raises InputError for what is no receipt of this Footnote's form.
    """
    try:
        read = Receipt.model_validate_json(json.dumps(receipt))
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise InputError("The answer was kept in another form and cannot be shown. Ask again.") from error
    found, given = read.evidence, read.answer
    hits = tuple(Hit(hit.passage, hit.source, hit.score, hit.features, _NO_VECTORS) for hit in found.hits)
    return Answer(
        read.question,
        given.status,
        given.text,
        given.sentences,
        given.citations,
        Evidence(read.standalone_question, hits, found.sufficiency, found.term_weights, found.missing, found.scope),
        given.model,
        given.dropped_marks,
        receipt["answer"]["usage"],  # as it is there: counts of tokens are whole numbers, which reading makes fractions
        given.warnings,
        given.timings,
        _draft(read.draft, receipt),
        read.judge,
        given.disagreements,
    )


def _draft(draft: Draft | None, receipt: Mapping[str, Any]) -> Draft | None:
    return replace(draft, usage=receipt["draft"]["usage"]) if draft else None
