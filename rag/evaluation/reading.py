"""Owns how a report is read: what its metrics and failures are called, in which order they come, what a number is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

METRICS = {
    "ndcg@10": ("Retrieval", "nDCG@10", "how near the order of the first 10 documents comes to the best possible one"),
    "mrr@10": (
        "Retrieval",
        "MRR@10",
        "1 divided by the rank of the first relevant document, 0 where it is not among 10",
    ),
    "map@10": ("Retrieval", "MAP@10", "precision at the rank of every relevant document among the first 10, averaged"),
    "recall@5": ("Retrieval", "Recall@5", "share of the relevant documents that are among the first 5"),
    "recall@10": ("Retrieval", "Recall@10", "share of the relevant documents that are among the first 10"),
    "recall@20": ("Retrieval", "Recall@20", "share of the relevant documents that are among the first 20"),
    "hit@1": ("Retrieval", "Hit@1", "share of questions whose first document is relevant"),
    "hit@4": ("Retrieval", "Hit@4", "share of questions with a relevant document among the first 4"),
    "hit@10": ("Retrieval", "Hit@10", "share of questions with a relevant document among the first 10"),
    "all-relevant@10": ("Retrieval", "All relevant@10", "share of questions with every relevant document among 10"),
    "gold_in_answer": ("Answers", "Gold in the answer", "the answer holds the words expected"),
    "gold_in_quote": ("Answers", "Gold in a quote", "the quoted spans hold the words expected"),
    "answer_f1": ("Answers", "Answer F1", "overlap of the answer's words with those of the nearest expected answer"),
    "citation_sentence_precision": (
        "Answers",
        "Quoted sentences, precision",
        "share of the quotes that stand in a sentence named as evidence",
    ),
    "citation_sentence_recall": (
        "Answers",
        "Quoted sentences, recall",
        "share of the sentences named as evidence that were quoted",
    ),
    "citation_precision": (
        "Answers",
        "Citation precision",
        "share of the citations that support their sentence, alone or as one of several (ALCE)",
    ),
    "citation_recall": ("Answers", "Citation recall", "share of the sentences that their citations support (ALCE)"),
    "judge_supported": (
        "Answers",
        "Supported, by the model judge",
        "share of the judged sentences that the model named in FOOTNOTE_JUDGE calls supported",
    ),
    "abstention_precision": ("Abstention", "Refusals, precision", "share of the refused questions that have no answer"),
    "abstention_recall": (
        "Abstention",
        "Refusals, recall",
        "share of the questions without an answer that were refused",
    ),
    "abstention_f1": ("Abstention", "Refusals, F1", "harmonic mean of both"),
    "abstention_auroc": (
        "Abstention",
        "Sufficiency, AUROC",
        "how often a question with an answer is given a higher sufficiency than one without",
    ),
    "false_abstention": (
        "Abstention",
        "Refused wrongly ↓",
        "share of the questions with an answer that were refused; lower is better",
    ),
    "balanced_accuracy": (
        "Claims",
        "Balanced accuracy",
        "mean of the two recalls: of supported claims, and of the others",
    ),
    "auroc": ("Claims", "Support, AUROC", "how often a supported claim is given a higher support than another one"),
    "precision_supported": (
        "Claims",
        "Supported, precision",
        "share of the claims called supported that people call so",
    ),
    "recall_supported": ("Claims", "Supported, recall", "share of the supported claims that are called so"),
    "precision_not_supported": (
        "Claims",
        "Not supported, precision",
        "share of the claims flagged, in part or wholly, that people do not call supported",
    ),
    "recall_not_supported": ("Claims", "Not supported, recall", "share of the claims not supported that are flagged"),
    "accuracy_of_three": ("Claims", "Accuracy, three kinds", "share of the claims with the kind that people gave them"),
    "precision_partial": ("Claims", "Partial, precision", "share of the claims called partial that people call so"),
    "recall_partial": ("Claims", "Partial, recall", "share of the partly supported claims that are called so"),
    "precision_unsupported": (
        "Claims",
        "Unsupported, precision",
        "share of the claims called unsupported or contradicted that people call not supported at all",
    ),
    "recall_unsupported": (
        "Claims",
        "Unsupported, recall",
        "share of the claims not supported at all that are called unsupported or contradicted",
    ),
    "judge_balanced_accuracy": ("Model judge", "Balanced accuracy", "of the model named in FOOTNOTE_JUDGE, as above"),
    "judge_precision_supported": ("Model judge", "Supported, precision", "as above"),
    "judge_recall_supported": ("Model judge", "Supported, recall", "as above"),
    "judge_precision_not_supported": ("Model judge", "Not supported, precision", "as above"),
    "judge_recall_not_supported": ("Model judge", "Not supported, recall", "as above"),
}
"""Group, name and meaning of each metric, in the order they are shown."""

CALLED_SUPPORTED = "called supported, people say it is not"
FLAGGED = "flagged, people say it is supported"
KINDS = (
    "error",
    CALLED_SUPPORTED,
    FLAGGED,
    "answered an unanswerable question",
    "answer not supported",
    "document found, answer missed",
    "refused, though the document was found",
    "document not found",
    "refused, and the document was not found",
)
"""What may be wrong with a result, the most instructive first."""

_HEADLINE = "ndcg@10 hit@1 gold_in_answer citation_sentence_precision abstention_recall false_abstention".split()
_SECOND = (
    "recall@10 mrr@10 answer_f1 citation_precision hit@10 abstention_auroc balanced_accuracy auroc precision_supported "
    "recall_supported precision_not_supported recall_not_supported".split()
)  # where those are missing
_FIGURES = 6


def headline(metrics: Mapping[str, Any]) -> list[str]:
    """Return the few metrics that say most, in the order of all."""
    there = [row["key"] for row in rows_of(metrics)]
    chosen = [key for key in (*_HEADLINE, *_SECOND) if key in there][:_FIGURES]
    return [key for key in there if key in chosen]


def rows_of(metrics: Mapping[str, Any], keys: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return the metrics that have a value, known ones first, in order."""
    rows = []
    for key in keys if keys is not None else (*METRICS, *(key for key in metrics if key not in METRICS)):
        entry = metrics.get(key) or {}
        value, low, high = (number(entry.get(name)) for name in ("value", "low", "high"))
        if value is not None:
            group, label, _ = METRICS.get(key, ("Other", key, ""))
            low, high = (None, None) if low is None or high is None else (low, high)
            span = {"low": low, "high": high, "n": entry.get("n", "")}
            rows.append({"key": key, "group": group, "label": label, "value": value, **span})
    return rows


def latency_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the stages {stage, p50, p95, n} that were timed, in milliseconds."""
    rows = []
    for stage, entry in (report.get("latency_ms") or {}).items():
        middle, high = (number((entry or {}).get(name)) for name in ("p50", "p95"))
        if middle is not None:
            rows.append(
                {"stage": stage, "p50": middle, "p95": middle if high is None else high, "n": entry.get("n", "")}
            )
    return rows


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without nesting: {"retrieval": {"top_k": 8}} as {"retrieval.top_k": 8}."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= (
            {f"{key}.{name}": item for name, item in flat(value).items()} if isinstance(value, dict) else {key: value}
        )
    return found


def number(value: object) -> float | None:
    """Return a finite number as it is, None for anything else."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def first_rank(result: Mapping[str, Any]) -> int | None:
    """Return the rank, from 1, of the first relevant document; None where none was found."""
    relevant = set(result.get("relevant") or ())
    return next((n for n, name in enumerate(result.get("ranking") or (), start=1) if name in relevant), None)


def by_kind(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the results that failed, by kind, the most instructive kind first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        if result.get("failure"):
            found.setdefault(str(result["failure"]), []).append(result)
    return {
        kind: found[kind]
        for kind in sorted(found, key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind))
    }
