"""Owns what readers think of answers, kept as a data set: each judged answer is a question that `footnote eval` asks.

An answer that was liked tells what to find: strings that its sentences share with the words they cite, and where. A
refusal that was liked tells that nothing is to be found. What was disliked is kept with its reason, to be looked at.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag.errors import StoreError
from rag.evaluation.datasets import QUESTIONS
from rag.facts import facts, names
from rag.text import clean
from rag.types import ALL_ARTICLES, Answer, digest, scope_dict
from ui.turns import SEARCH, Feedback

_MOST_LINES = 10_000  # the oldest go
_MOST_STRINGS = 3
_PHRASE = range(8, 2, -1)  # words
_REASON = 500  # characters
_POSSESSIVE = re.compile(r"['’]s?\Z")
_WHO = re.compile(r"\bwho(?:m|se)?\b", re.IGNORECASE)


class FeedbackFile:
    """The file `questions.jsonl` of a folder, which is made when it is needed; safe to share between threads.

    It has one line for a question and its answer, whoever judged it last, and no word about who that was. Lines that
    others put there stay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def judge(self, answer: Answer, feedback: Feedback | None) -> None:
        """Put what a reader thinks of an answer in the place of what was thought before; None takes it back.

        Raises StoreError where it cannot be written; what was there is left as it was.
        """
        case = _case(answer, feedback) if feedback else None
        try:
            with self._lock:
                self._put(_identifier(answer), case)
        except OSError as error:
            raise StoreError(
                f"Your judgement cannot be kept: {error.strerror}. Free some space or make the library writable, "
                "then try again."
            ) from None

    def _put(self, identifier: str, case: dict[str, Any] | None) -> None:
        file = self._folder / QUESTIONS
        lines = file.read_bytes().splitlines(keepends=False) if file.exists() else []
        place = next((place for place, line in enumerate(lines) if _id_of(line) == identifier), len(lines))
        lines[place : place + 1] = [json.dumps(case, ensure_ascii=False).encode("utf-8", "ignore")] if case else []
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f"{QUESTIONS}.part")
        part.unlink(missing_ok=True)  # of a process that was killed
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.writelines(line + b"\n" for line in lines[-_MOST_LINES:])
            written.flush()
            os.fsync(written.fileno())
        part.replace(file)


def _identifier(answer: Answer) -> str:
    return digest("feedback", clean(answer.standalone_question), clean(answer.text))[:16]


def _id_of(line: bytes) -> object:
    try:
        case = json.loads(line)
    except ValueError:
        return None
    return case.get("id") if isinstance(case, dict) else None


def _case(answer: Answer, feedback: Feedback) -> dict[str, Any]:
    """Return a question of a data set; only "answerable" and "abstain" say what is right, and are measured by it."""
    kind = _kind(answer, feedback)
    found = kind == "answerable"
    return {
        "id": _identifier(answer),
        "text": clean(answer.standalone_question),
        "type": kind,
        "must_contain": [[string] for string in _strings(answer)] if found else [],
        "articles": list(dict.fromkeys(citation.source.source for citation in answer.citations)) if found else [],
        "reason": clean(feedback.reason).strip()[:_REASON],
        "status": answer.status,
        "model": answer.model,
        "answer": clean(answer.text),
        **scope_dict(answer.evidence.scope),
    }


def _kind(answer: Answer, feedback: Feedback) -> str:
    if not feedback.good:
        return "disliked"
    if answer.evidence.scope != ALL_ARTICLES or answer.model == SEARCH:
        return "liked"  # which says nothing of what an answer from all articles must hold
    if answer.status == "not_found":
        return "abstain"
    return "answerable" if answer.citations else "liked"


# ---------------------------------------------------------------- what an answer must hold


def _strings(answer: Answer) -> list[str]:
    """Return what must be found again: a short string of each of the first sentences that are supported."""
    supported = [sentence for sentence in answer.sentences if sentence.verdict == "supported"][:_MOST_STRINGS]
    quotes = {citation.n: citation.quote for citation in answer.citations}
    pairs = [(sentence.text, "\n".join(quotes[n] for n in sentence.citations)) for sentence in supported]
    question = answer.standalone_question
    told = [next(_told(sentence, quote, question), None) for sentence, quote in pairs]
    strings = [string for string in told if string] or [
        phrase for sentence, quote in pairs[:1] for phrase in itertools.islice(_phrases(sentence, quote), 1)
    ]
    return list(dict.fromkeys(strings))


def _told(sentence: str, quote: str, question: str) -> Iterator[str]:
    """Yield the dates, numbers and names that a sentence shares with its quote and the question lacks."""
    stated = facts(quote)
    dated = [date.text for date in stated.dates]
    counted = [number.text for number in stated.numbers if any(map(str.isdigit, number.text))]
    called = [_POSSESSIVE.sub("", name) for name in names(quote)]
    for string in (*called, *dated, *counted) if _WHO.search(question) else (*dated, *counted, *called):
        if _stands(string, sentence) and not _stands(string, question):
            yield string


def _phrases(sentence: str, quote: str) -> Iterator[str]:
    """Yield the runs of words that a sentence shares with its quote, longest first."""
    words = quote.split()
    for length in _PHRASE:
        for start in range(len(words) - length + 1):
            phrase = " ".join(words[start : start + length])
            if _stands(phrase, sentence):
                yield phrase


def _stands(string: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(string)}(?!\w)", text, re.IGNORECASE) is not None
