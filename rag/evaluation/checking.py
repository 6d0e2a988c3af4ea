"""Owns a run over a set of claims: each is checked against its evidence, and the verdicts compared with people's."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rag.evaluation.claims import Claim
from rag.evaluation.library import Subject
from rag.evaluation.metrics import Numbers, auroc, interval
from rag.evaluation.reading import CALLED_SUPPORTED, FLAGGED
from rag.evaluation.runner import Result, journal, latencies
from rag.types import AnswerSentence, Verdict

_KINDS: tuple[Verdict, ...] = ("supported", "partial", "unsupported")
_NOT = "not_supported"
_OF_TWO = ("balanced_accuracy", "precision_supported", "recall_supported", f"precision_{_NOT}", f"recall_{_NOT}")


def check_claims(
    subject: Subject,
    claims: Sequence[Claim],
    key: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Result]:
    """Check every claim against its own documents and return what came of each, in order.

    `key` names the run: one that was cut off goes on where it stopped when it is started again.
    """
    articles: dict[str, list[str]] = {}
    for source in subject.library.sources():
        articles.setdefault(subject.document(source.source), []).append(source.article_id)
    with journal(subject.folder / f"run-{key}.jsonl") as (done, file):
        results: list[Result] = []
        for number, claim in enumerate(claims, start=1):
            result = done.get(claim.id)
            if result is None:
                result = _check(subject, claim, [item for name in claim.documents for item in articles.get(name, ())])
                file.write(json.dumps(result, ensure_ascii=False) + "\n")
                file.flush()
            results.append(result)
            progress(number, len(claims))
    return results


def _check(subject: Subject, claim: Claim, articles: Sequence[str]) -> Result:
    """Return what came of a claim: it is as sure as its least sure sentence, its verdict is the worst of theirs."""
    began = time.perf_counter()
    checked = [subject.library.check(sentence, articles) for sentence in claim.sentences]
    took = (time.perf_counter() - began) * 1000
    sentences = [answer.sentences[0] for answer in checked]
    given = [answer.judgement.verdicts[0] for answer in checked if answer.judgement]
    judged = [verdict for verdict in given if verdict]
    verdict = max((_kind(sentence.verdict) for sentence in sentences), key=_KINDS.index)
    return {
        "id": claim.id,
        "text": claim.text,
        "type": claim.type,
        "language": "",
        "edits": list(claim.edits),
        "label": claim.gold,
        "status": verdict,
        "judge": max(map(_kind, judged), key=_KINDS.index) if len(judged) == len(checked) else None,
        "support": min(sentence.support for sentence in sentences),
        "answerable": None,
        "sufficiency": None,
        "answer": "\n".join(map(_told, sentences)),
        "gold": [[claim.gold]],
        "citations": [
            {"document": subject.document(citation.source.source), "quote": citation.quote}
            for answer in checked
            for citation in answer.citations
        ],
        "latency_ms": {"check": took / len(sentences)},
        "usage": None,
        "error": None,
        "scores": {"right": float((verdict == "supported") == (claim.gold == "supported"))},
        "failure": _failure(verdict, claim.gold),
    }


def _kind(verdict: Verdict) -> Verdict:
    return "unsupported" if verdict == "contradicted" else verdict


def _told(sentence: AnswerSentence) -> str:
    return f"{sentence.verdict} ({sentence.support:.2f}): {' '.join(sentence.reasons) or 'nothing against it.'}"


def _failure(verdict: Verdict, gold: Verdict) -> str | None:
    if (verdict == "supported") == (gold == "supported"):
        return None
    return CALLED_SUPPORTED if verdict == "supported" else FLAGGED


# ---------------------------------------------------------------- all claims


def summarise_claims(results: Sequence[Result], seed: int = 0) -> dict[str, Any]:
    """Return the part of a report that is computed from the results, in the shape of the JSON contract.

    By kind of edit, the claims with such a mistake stand against all that have none.
    """
    types = sorted({result["type"] for result in results})
    edits = sorted({edit for result in results for edit in result["edits"]})
    right = [result for result in results if result["label"] == "supported"]
    return {
        "metrics": _metrics(results, seed),
        "by_type": {name: _metrics([item for item in results if item["type"] == name], seed) for name in types},
        "by_edit": {
            name: _metrics([*right, *(item for item in results if name in item["edits"] and item not in right)], seed)
            for name in edits
        },
        "latency_ms": latencies(results),
    }


def _metrics(results: Sequence[Result], seed: int) -> dict[str, dict[str, Any]]:
    """Return each measure with its interval: of two kinds, supported or not, and of three where the labels have three.

    Rows are claims: gold kind, kind found, support.
    """
    rows = np.array(
        [[_KINDS.index(item["label"]), _KINDS.index(item["status"]), item["support"]] for item in results],
        dtype=np.float64,
    )
    measures: dict[str, Callable[[Numbers], float]] = {
        "balanced_accuracy": lambda of: float(np.mean([_recall(of, _is), _recall(of, _is_not)])),
        "auroc": lambda of: auroc(of[:, 2], of[:, 0] == 0),
        "precision_supported": lambda of: _precision(of, _is),
        "recall_supported": lambda of: _recall(of, _is),
        f"precision_{_NOT}": lambda of: _precision(of, _is_not),
        f"recall_{_NOT}": lambda of: _recall(of, _is_not),
    }
    if len(np.unique(rows[:, 0])) == len(_KINDS):
        measures["accuracy_of_three"] = lambda of: float((of[:, 0] == of[:, 1]).mean())
        for place, kind in enumerate(_KINDS[1:], start=1):
            measures[f"precision_{kind}"] = partial(_precision, those=partial(np.equal, place))
            measures[f"recall_{kind}"] = partial(_recall, those=partial(np.equal, place))
    found = {name: interval(rows, measure, seed) for name, measure in measures.items()}
    if judged := [item for item in results if item.get("judge")]:
        theirs = np.array([[_KINDS.index(item["label"]), _KINDS.index(item["judge"])] for item in judged], np.float64)
        found |= {f"judge_{name}": interval(theirs, measures[name], seed) for name in _OF_TWO}
    return {name: value for name, value in found.items() if not math.isnan(value["value"])}


Those = Callable[[Numbers], Any]


def _is(kinds: Numbers) -> Any:
    return kinds == 0


def _is_not(kinds: Numbers) -> Any:
    return kinds > 0


def _precision(rows: Numbers, those: Those) -> float:
    return _share(those(rows[:, 0]), those(rows[:, 1]))


def _recall(rows: Numbers, those: Those) -> float:
    return _share(those(rows[:, 1]), those(rows[:, 0]))


def _share(part: Any, of: Any) -> float:
    return float((part & of).sum() / of.sum()) if of.any() else math.nan
