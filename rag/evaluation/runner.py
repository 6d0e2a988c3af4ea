"""Owns a run: each question is asked, what came is kept at once, and in the end all is summed up."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rag.errors import ProviderError
from rag.evaluation.datasets import Question
from rag.evaluation.library import Subject
from rag.evaluation.metrics import (
    citation_scores,
    holds,
    ranking_scores,
    sentence_scores,
    to_find,
    token_f1,
)
from rag.types import Answer, AnswerSentence, Citation

_DEPTH = 100  # passages looked at to rank documents; the answer sees the library's own top_k
_RANKED = 20  # documents kept
_NEAREST = 3

Result = dict[str, Any]


def run(
    subject: Subject,
    questions: Sequence[Question],
    *,
    answering: bool,
    key: str,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Result]:
    """Ask every question and return what came of each, in order.

    `key` names the run: one that was cut off goes on where it stopped when it is started again. Without
    `answering` only passages are looked for. Raises ProviderError where the very first question already
    gets no answer from any model: nothing is set up right then.
    """
    with journal(subject.folder / f"run-{key}.jsonl") as (done, file):
        results: list[Result] = []
        subject.library.search(questions[0].text)  # the first search of a process waits for the index
        for number, question in enumerate(questions, start=1):
            result = done.get(question.id)
            if result is None:
                result = _ask(subject, question, answering)
                if result["error"] and not any(item["error"] is None for item in results):
                    raise ProviderError(result["error"])
                if result["error"] is None:  # else it is asked again
                    file.write(json.dumps(result, ensure_ascii=False) + "\n")
                    file.flush()
            results.append(result)
            progress(number, len(questions))
    return results


def program_digest() -> str:
    """Return a digest of this program's own source: results of two programs must not be mixed."""
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.parent.rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


@contextmanager
def journal(path: Path) -> Iterator[tuple[dict[str, Result], TextIO]]:
    """Give the results of a run that was cut off, and the file to add to; it goes when the run is whole."""
    done: dict[str, Result] = {}
    whole = 0
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):  # cut off while it was written
                break
            result = json.loads(line)
            done[result["id"]] = result
            whole += len(line)
    with path.open("a", encoding="utf-8") as file:
        file.truncate(whole)
        yield done, file
    path.unlink()


# ---------------------------------------------------------------- one question


def _ask(subject: Subject, question: Question, answering: bool) -> Result:
    answer, error = None, None
    if answering:
        try:
            answer = subject.library.ask(question.text)
        except ProviderError as problem:
            answer, error = problem.answer, str(problem)
    if answer:
        evidence = answer.evidence
        latency = {name.removesuffix("_ms"): value for name, value in answer.timings.items()}
    else:
        began = time.perf_counter()
        evidence = subject.library.search(question.text)
        latency = {"retrieve": (time.perf_counter() - began) * 1000}
    ranking = _ranking(subject, question.text)
    result: Result = {
        "id": question.id,
        "text": question.text,
        "type": question.type,
        "language": question.language,
        "answerable": question.answerable,
        "relevant": sorted(question.relevant),
        "ranking": ranking,
        "status": answer.status if answer else None,
        "sufficiency": evidence.sufficiency.score,
        "sufficient": evidence.sufficiency.sufficient,
        "answer": answer.text if answer else None,
        "gold": [list(group) for group in question.answers],
        "citations": [_quoted(subject, citation) for citation in answer.citations] if answer else [],
        "evidence": [{"document": document, "text": text} for document, text in question.evidence],
        "nearest": [
            {"document": subject.document(hit.source.source), "text": hit.passage.text}
            for hit in evidence.hits[:_NEAREST]
        ],
        "latency_ms": latency,
        "usage": answer.usage if answer else None,
        "error": error,
    }
    scores = ranking_scores(ranking, question.relevant) if question.relevant else {}
    if answer is not None and error is None:
        scores |= _answer_scores(subject, question, answer)
    result["scores"] = scores
    result["failure"] = _failure(result)
    return result


def _ranking(subject: Subject, text: str) -> list[str]:
    hits = subject.library.search(text, _DEPTH).hits
    return list(dict.fromkeys(subject.document(hit.source.source) for hit in hits))[:_RANKED]


def _quoted(subject: Subject, citation: Citation) -> dict[str, Any]:
    return {
        "document": subject.document(citation.source.source),
        "source": citation.source.source,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def _answer_scores(subject: Subject, question: Question, answer: Answer) -> dict[str, float]:
    scores: dict[str, float] = {}
    text = _without_marks(answer)
    quotes = [(subject.document(citation.source.source), citation.quote) for citation in answer.citations]
    together = "\n".join(quote for _, quote in quotes)
    groups = to_find(question.answers)
    if question.answerable and groups:
        scores["gold_in_answer"] = float(all(holds(text, group) for group in groups))
        scores["gold_in_quote"] = float(all(holds(together, group) for group in groups))
    if question.answerable and len(question.answers) == 1:
        scores["answer_f1"] = 0.0 if answer.status == "not_found" else token_f1(text, question.answers[0])
    if question.evidence and question.answerable:
        scores |= sentence_scores(quotes, question.evidence, cited=bool(quotes))
    if answer.sentences:
        by_number = {citation.n: citation for citation in answer.citations}

        def supported(sentence: int, numbers: tuple[int, ...]) -> bool:
            claim = answer.sentences[sentence]
            if set(numbers) == set(claim.citations):
                return claim.verdict == "supported"
            return subject.library.supports(_words(claim), [by_number[n] for n in numbers], answer.evidence)

        scores |= citation_scores([sentence.citations for sentence in answer.sentences], supported)
    if answer.judgement and (given := [verdict for verdict in answer.judgement.verdicts if verdict]):
        scores["judge_supported"] = given.count("supported") / len(given)
    return scores


def _without_marks(answer: Answer) -> str:
    """Return the words of an answer without the numbers of its footnotes."""
    return "\n".join(_words(sentence) for sentence in answer.sentences)


def _words(sentence: AnswerSentence) -> str:
    text, at = "", 0
    for chip in sentence.chips:
        text += sentence.text[at : chip.start - sentence.start]
        at = chip.end - sentence.start
    return (text + sentence.text[at:]).strip()


def _failure(result: Mapping[str, Any]) -> str | None:
    """Return what went wrong with a question, worst first; None where nothing is known to be wrong."""
    scores, status = result["scores"], result["status"]
    ranks = [rank for rank, document in enumerate(result["ranking"], start=1) if document in result["relevant"]]
    found = bool(ranks) and ranks[0] <= 10
    if result["error"]:
        return "error"
    if status is not None and result["answerable"] is False:
        return None if status == "not_found" else "answered an unanswerable question"
    if status == "not_found" and result["answerable"]:
        return f"refused, {'though' if found else 'and'} the document was {'found' if found else 'not found'}"
    if result["relevant"] and not found:
        return "document not found"
    if scores.get("gold_in_answer") == 0.0:
        return "document found, answer missed"
    return "answer not supported" if status in ("partial", "incomplete") else None


# ---------------------------------------------------------------- all questions


def refused(result: Mapping[str, Any]) -> bool:
    """Whether a question was refused; where nothing was asked to answer, whether it would have been."""
    return result["status"] == "not_found" if result["status"] is not None else not result["sufficient"]


def judged(results: Sequence[Result]) -> list[Result]:
    """Return the results that tell whether a refusal is right."""
    return [result for result in results if result["answerable"] is not None and not result["error"]]


def latencies(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Return median and 95th percentile, in milliseconds, of each stage."""
    stages: dict[str, list[float]] = {}
    for result in results:
        for stage, value in result["latency_ms"].items():
            stages.setdefault(stage, []).append(value)
    return {
        stage: {"p50": float(np.quantile(values, 0.5)), "p95": float(np.quantile(values, 0.95)), "n": len(values)}
        for stage, values in stages.items()
    }


def tokens(results: Sequence[Result]) -> dict[str, int] | None:
    """Return what the models took in all; None where none said."""
    total: dict[str, int] = {}
    for usage in (result["usage"] for result in results if result["usage"]):
        for name, count in usage.items():
            total[name] = total.get(name, 0) + count
    return total or None
