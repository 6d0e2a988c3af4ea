"""Owns how a turn is written down: as JSON, with the receipts of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rag.errors import InputError
from rag.recall import answer_of
from rag.text import clean
from rag.types import Answer, Scope
from ui.turns import Asked, Feedback, Reply, Turn


def written(turn: Turn, receipt: Callable[[Answer], Mapping[str, Any]]) -> bytes:
    """Return a turn as JSON in UTF-8; `receipt` gives all that an answer was made from."""
    asked = turn.asked
    return _json(
        {
            "question": turn.question,
            "replies": [
                {
                    "receipt": receipt(reply.answer) if reply.answer else None,
                    "error": reply.error,
                    "feedback": reply.feedback._asdict() if reply.feedback else None,
                }
                for reply in turn.replies
            ],
            "asked": {"mode": asked.mode, "models": asked.models, "scope": asked.scope._asdict()},
            "at": turn.at,
        }
    )


def read_turn(content: bytes) -> Turn:
    """Return the turn that was written; what is damaged or in another form is replaced by an error that says so."""
    try:
        given = json.loads(content)
        asked, scope = given["asked"], given["asked"]["scope"]
        return Turn(
            given["question"],
            tuple(_reply(reply) for reply in given["replies"]),
            Asked(asked["mode"], tuple(asked["models"]), Scope(tuple(scope["articles"]), scope["as_of"])),
            given["at"],
        )
    except (ValueError, KeyError, TypeError):
        return Turn("", (Reply(None, "This question and its answer were damaged and cannot be shown. Ask again."),))


def marked(content: bytes, k: int, feedback: Feedback | None) -> bytes | None:
    """Return a written turn with what a reader thinks of reply `k`, from 1; None where it has no such reply."""
    try:
        given = json.loads(content)
        replies = given["replies"]
        if not 1 <= k <= len(replies):
            return None
        replies[k - 1]["feedback"] = feedback._asdict() if feedback else None
    except (ValueError, KeyError, TypeError):
        return None
    return _json(given)


def words(turn: Turn) -> str:
    """Return what a search looks through: the question and the answers, without regard to case."""
    texts = [turn.question, *(reply.answer.text for reply in turn.replies if reply.answer)]
    return clean("\n\n".join(texts)).casefold()


def _reply(given: Mapping[str, Any]) -> Reply:
    feedback = Feedback(**given["feedback"]) if given["feedback"] else None
    try:
        return Reply(answer_of(given["receipt"]) if given["receipt"] else None, given["error"], feedback)
    except InputError as error:
        return Reply(None, str(error), feedback)


def _json(value: Any) -> bytes:
    # A question may hold half a character, which UTF-8 does not.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
