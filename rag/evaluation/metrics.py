"""Owns the measures: of a ranking, of an answer, of knowing when not to answer, and how sure each figure is.

Rankings are judged by their first documents, relevant or not, as trec_eval does it; answers by SQuAD's rules
(Rajpurkar et al. 2016); abstaining as a classifier whose positive class is "not answerable".
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_RESAMPLES = 1000
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_POSSESSIVE = re.compile(r"['’]s\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation + "。，、；：？！（）《》〈〉「」『』“”‘’·…—")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SHORT = 12  # words; a longer gold answer is a text to compare with, not a string to find
_YES_NO = {"yes", "no", "true", "false"}

# ---------------------------------------------------------------- rankings


def ranking_scores(ranking: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    """Return the scores of documents, best first, none twice, against those that are relevant, at least one."""
    found = [document in relevant for document in ranking]
    count = len(relevant)
    gains = [1 / math.log2(rank + 1) for rank, hit in enumerate(found[:10], start=1) if hit]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, count) + 1))
    ranks = [rank for rank, hit in enumerate(found[:10], start=1) if hit]
    scores = {
        "ndcg@10": sum(gains) / ideal,
        "mrr@10": 1 / ranks[0] if ranks else 0.0,
        "map@10": sum(number / rank for number, rank in enumerate(ranks, start=1)) / count,
    }
    scores |= {f"recall@{k}": sum(found[:k]) / count for k in (5, 10, 20)}
    scores |= {f"hit@{k}": float(any(found[:k])) for k in (1, 4, 10)}
    scores["all-relevant@10"] = float(sum(found[:10]) == count)
    return scores


# ---------------------------------------------------------------- answers


def normalised(text: str) -> str:
    """Return a text without case, punctuation, English articles, possessives and differences of white space."""
    words = _ARTICLES.sub(" ", _POSSESSIVE.sub("", text.casefold()).translate(_PUNCTUATION)).split()
    return " ".join(words)


def holds(text: str, alternatives: Sequence[str]) -> bool:
    """Whether a text has one of the strings in it, as whole words."""
    within = normalised(text)
    return any(_within(within, normalised(alternative)) for alternative in alternatives)


def _within(text: str, part: str) -> bool:
    if _CJK.search(part):  # written without spaces
        return part.replace(" ", "") in text.replace(" ", "")
    return bool(part) and f" {part} " in f" {text} "


def to_find(groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return those groups of gold strings that can be looked for in a text: short, and not yes or no."""
    found = (tuple(text for text in group if _findable(normalised(text))) for group in groups)
    return tuple(group for group in found if group)


def _findable(gold: str) -> bool:
    return bool(gold) and gold not in _YES_NO and len(gold.split()) <= _SHORT


def token_f1(text: str, alternatives: Sequence[str]) -> float:
    """Return the best F1 of a text's words against those of a gold answer; CJK text counts by characters."""
    words = Counter(_tokens(text))
    best = 0.0
    for alternative in alternatives:
        gold = Counter(_tokens(alternative))
        same = (words & gold).total()
        if same:
            precision, recall = same / words.total(), same / gold.total()
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def _tokens(text: str) -> list[str]:
    return [token for word in normalised(text).split() for token in (word if _CJK.search(word) else (word,))]


def sentence_scores(
    quotes: Sequence[tuple[str, str]], evidence: Sequence[tuple[str, str]], cited: bool
) -> dict[str, float]:
    """Return how many quotes stand in sentences that carry the answer, and how many of these were quoted.

    Quotes and evidence are (document, text). With nothing `cited` there is no precision.
    """

    def agree(quote: tuple[str, str], sentence: tuple[str, str]) -> bool:
        one, other = normalised(quote[1]), normalised(sentence[1])
        return quote[0] == sentence[0] and bool(one) and bool(other) and (one in other or other in one)

    scores = {"citation_sentence_recall": float(np.mean([any(agree(q, e) for q in quotes) for e in evidence]))}
    if cited:
        precise = [any(agree(quote, sentence) for sentence in evidence) for quote in quotes]
        scores["citation_sentence_precision"] = float(np.mean(precise))
    return scores


def citation_scores(
    sentences: Sequence[Sequence[int]], supported: Callable[[int, tuple[int, ...]], bool]
) -> dict[str, float]:
    """Return ALCE's citation recall and precision (Gao et al. 2023) of one answer.

    `sentences` are the citations of each sentence; `supported(sentence, citations)` is the judge. A sentence
    counts where its citations together support it; a citation of such a sentence, where it supports it alone
    or the others do not without it.
    """
    whole = [bool(cited) and supported(number, tuple(cited)) for number, cited in enumerate(sentences)]
    precise = []
    for number, cited in enumerate(sentences):
        for one in cited:
            others = tuple(other for other in cited if other != one)
            precise.append(whole[number] and (supported(number, (one,)) or not (others and supported(number, others))))
    scores = {"citation_recall": float(np.mean(whole))} if sentences else {}
    return scores | ({"citation_precision": float(np.mean(precise))} if precise else {})


# ---------------------------------------------------------------- abstaining


def auroc(scores: Numbers, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive scores above a negative, ties counting half; NaN where one kind is missing."""
    count = int(positive.sum())
    if not 0 < count < len(scores):
        return math.nan
    _, place, size = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(size) - (size - 1) / 2)[place]
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def abstention_scores(refused: NDArray[np.bool_], unanswerable: NDArray[np.bool_]) -> dict[str, float]:
    """Return precision, recall and F1 of refusals, and the share of answerable questions that were refused."""
    right = int((refused & unanswerable).sum())
    precision = right / int(refused.sum()) if refused.any() else math.nan
    recall = right / int(unanswerable.sum()) if unanswerable.any() else math.nan
    both = 2 * right / max(1, int(refused.sum() + unanswerable.sum()))
    answerable = ~unanswerable
    wrongly = float(refused[answerable].mean()) if answerable.any() else math.nan
    return {
        "abstention_precision": precision,
        "abstention_recall": recall,
        "abstention_f1": both if unanswerable.any() else math.nan,
        "false_abstention": wrongly,
    }


def abstention_curve(sufficiency: Numbers, unanswerable: NDArray[np.bool_], points: int = 50) -> list[dict[str, float]]:
    """Return, for thresholds over the range of the scores, what refusing all below would give."""
    if not unanswerable.any() or unanswerable.all():
        return []
    thresholds = np.unique(np.quantile(sufficiency, np.linspace(0, 1, points)))
    curve = []
    for threshold in thresholds:
        scores = abstention_scores(sufficiency < threshold, unanswerable)
        curve.append(
            {
                "threshold": float(threshold),
                "false_abstention": scores["false_abstention"],
                "recall": scores["abstention_recall"],
                "precision": 1.0 if math.isnan(scores["abstention_precision"]) else scores["abstention_precision"],
            }
        )
    return curve


# ---------------------------------------------------------------- figures with their intervals


def figure(values: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Return the mean of the questions' scores with its 95 % interval, as `interval` has it."""
    return interval(np.asarray(values, dtype=np.float64), lambda picked: float(picked.mean()), seed)


def interval(rows: Numbers, statistic: Callable[[Numbers], float], seed: int = 0) -> dict[str, Any]:
    """Return a statistic of the questions (rows) with its 95 % percentile bootstrap interval and their number."""
    random = np.random.default_rng(seed)
    value = statistic(rows)
    drawn = [statistic(rows[random.integers(0, len(rows), len(rows))]) for _ in range(_RESAMPLES)]
    kept = [number for number in drawn if not math.isnan(number)] or [value]
    low, high = np.quantile(kept, (0.025, 0.975))
    return {"value": value, "low": float(low), "high": float(high), "n": len(rows)}
