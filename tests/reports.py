"""A report of an evaluation as a run would leave it: invented questions, seeded, some of their texts hostile."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>]]></failure>\x00\x1b[31m\ufffe\ud800 \u202etxt.exe'
_SUBJECTS = (
    "the harbour of Aldermere|Harbour board minutes|1904|The board opened the new harbour of Aldermere in 1904",
    "the night train to Kessel|Timetables of the north|21:40|The night train to Kessel leaves at 21:40 on weekdays",
    "Ilse Brandt's first novel|Lives of the novelists|The Salt Road|Her first novel, The Salt Road, sold 312 copies",
    "the reactor at Holm|Energy review, spring|840 megawatts|At full load the reactor at Holm delivers 840 megawatts",
    "the flood of Marrow Bay|A century of weather|nine days|The flood of Marrow Bay lasted nine days",
    "东港的灯塔|海岸年鉴|1931年|东港的灯塔建于1931年，高四十二米",
)
_FILLER = (
    " The committee met again in the spring and put the matter off, as it had done twice before; the costs, it was "
    "said, were not yet known, and nobody had asked the people who lived there."
)
_METRICS = ("ndcg@10", "mrr@10", "map@10", "recall@5", "recall@10", "recall@20", "hit@1", "hit@4", "hit@10")


def report(questions: int = 120, seed: int = 7, skill: float = 0.8, answering: bool = True) -> dict[str, Any]:
    """Return a report on questions of two types and two languages; with more `skill`, more is found."""
    results = [_result(number, random.Random(f"{seed} {number}"), skill, answering) for number in range(questions)]
    return {
        "dataset": "harbours & trains",
        "questions": questions,
        "limit": None,
        "sample": questions,
        "seed": 0,
        "metrics": _metrics(results),
        "by_type": {
            name: _metrics([r for r in results if r["type"] == name]) for name in ("answerable", "unanswerable")
        },
        "by_language": {name: _metrics([r for r in results if r["language"] == name]) for name in ("en", "zh")},
        "abstention_curve": _curve(results),
        "latency_ms": {
            stage: {"p50": p50, "p95": p95, "n": questions}
            for stage, p50, p95 in (
                ("retrieve", 7.1, 9.8),
                ("answer", 2.2, 3.9),
                ("verify", 1.4, 6.0),
                ("total", 10.9, 18.3),
            )
        },
        "tokens": {"prompt_tokens": 184_213, "completion_tokens": 9_871},
        "config": {
            "version": "0.1.0",
            "program": "3f2a90c1d5e6b788",
            "model": "quotes",
            "embedder": "all-MiniLM-L6-v2 int8",
            "judge": "built-in rules",
            "retrieval": {"top_k": 8, "candidates": 100, "lexical_weight": 0.4},
        },
        "thresholds": [],
        "results": results,
    }


def _result(number: int, chance: random.Random, skill: float, answering: bool) -> dict[str, Any]:
    subject, title, gold, sentence = chance.choice(_SUBJECTS).split("|")
    answerable = number % 3 != 0
    relevant = [f"{title.lower().replace(' ', '-')}-{number}"] + ([f"second-{number}"] if number % 5 == 0 else [])
    ranking = [f"other-{chance.randrange(400)}-{place}" for place in range(20)]
    places = [place for _ in relevant if (place := int(chance.paretovariate(0.5 + skill) - 0.5)) < 20]
    for name, place in zip(relevant, places, strict=False):
        ranking[place] = name
    sufficiency = min(max(chance.gauss(0.45 + 0.35 * skill if answerable else 0.4, 0.17), 0.0), 1.0)
    refused = sufficiency < 0.45
    hit = answerable and chance.random() < skill
    quote = f"{sentence}." if hit or not answerable else "The committee met again in the spring and put the matter off."
    return {
        "id": f"q{number:03d}",
        "text": f"What is recorded of {subject}? ({number})",
        "type": "answerable" if answerable else "unanswerable",
        "language": "zh" if "东" in subject else "en",
        "answerable": answerable,
        "relevant": relevant if answerable else [],
        "ranking": ranking,
        "scores": _scores(ranking, relevant, hit, refused, answering) if answerable else {},
        "status": ("not_found" if refused else "grounded") if answering else None,
        "sufficiency": sufficiency,
        "sufficient": not refused,
        "answer": ("The articles do not say." if refused else f"{quote} [1]") if answering else None,
        "gold": [[gold, gold.upper()]] if answerable else [],
        "citations": [_citation(relevant[0], quote)] if answering and not refused else [],
        "evidence": [{"document": relevant[0], "text": f"{sentence}."}] if answerable else [],
        "nearest": [{"document": name, "text": f"{sentence}.{_FILLER}"} for name in ranking[:3]],
        "latency_ms": {"retrieve": 6 + chance.random() * 4, "total": 9 + chance.random() * 9},
        "usage": None,
        "error": None,
        "failure": _failure(answerable, refused, hit, bool(places)) if answering else None,
    }


def _citation(document: str, quote: str) -> dict[str, Any]:
    return {"document": document, "source": f"{document}.md", "quote": quote, "start": 120, "end": 120 + len(quote)}


def _scores(
    ranking: Sequence[str], relevant: Sequence[str], hit: bool, refused: bool, answering: bool
) -> dict[str, float]:
    rank = next((place + 1 for place, name in enumerate(ranking) if name in relevant), None)
    value = 1 / math.log2(rank + 1) if rank and rank <= 10 else 0.0
    scores = dict.fromkeys(_METRICS, value)
    for name in ("recall@5", "recall@10", "recall@20", "hit@1", "hit@4", "hit@10"):
        scores[name] = float(rank is not None and rank <= int(name.split("@")[1]))
    if answering:
        scores["gold_in_answer"] = scores["gold_in_quote"] = float(hit and not refused)
        scores["answer_f1"] = 0.31 if hit and not refused else 0.04
    if answering and not refused:
        scores["citation_sentence_precision"] = scores["citation_recall"] = float(hit)
    return scores


def _failure(answerable: bool, refused: bool, hit: bool, found: bool) -> str | None:
    if not answerable:
        return None if refused else "answered an unanswerable question"
    if refused:
        return "refused, though the document was found" if found else "refused, and the document was not found"
    if not found:
        return "document not found"
    return None if hit else "document found, answer missed"


def _metrics(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(name for result in results for name in result["scores"])
    found = {name: _figure([r["scores"][name] for r in results if name in r["scores"]]) for name in names}
    wrong = [float(not r["sufficient"]) for r in results if r["answerable"]]
    right = [float(not r["sufficient"]) for r in results if not r["answerable"]]
    found |= {"false_abstention": _figure(wrong)} if wrong else {}
    return found | ({"abstention_recall": _figure(right)} if right else {})


def _figure(values: Sequence[float]) -> dict[str, Any]:
    mean = sum(values) / len(values)
    half = 1.96 * math.sqrt(max(mean * (1 - mean), 0.0) / len(values))
    return {"value": mean, "low": max(mean - half, 0.0), "high": min(mean + half, 1.0), "n": len(values)}


def _curve(results: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    of = {known: [r["sufficiency"] for r in results if r["answerable"] is known] for known in (True, False)}
    curve = []
    for step in range(21):
        wrong, right = (sum(value < step / 20 for value in of[known]) for known in (True, False))
        point = {
            "threshold": step / 20,
            "false_abstention": wrong / max(len(of[True]), 1),
            "recall": right / max(len(of[False]), 1),
        }
        curve.append({**point, "precision": right / (wrong + right) if wrong + right else 1.0})
    return curve
