"""Owns the files that answers are saved as: a document with true footnotes, or the receipt; and what is copied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from rag.export import Entry, clip_html, docx, markdown, plain
from rag.types import Answer
from ui.conversations import Conversations
from ui.sessions import Sessions
from ui.turns import Turn

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_PLACE = re.compile(r"(?:(?P<number>[1-9]\d{0,3})(?:\.(?P<k>[1-9]))?|all)")
_GONE = "This answer is not here any more. Load the page again."
_NAME = re.compile(r"[^a-z0-9]+")


def router(conversations: Conversations, sessions: Sessions, receipt: Callable[[Answer], dict[str, Any]]) -> APIRouter:
    """Return the routes `/saved/CONVERSATION/PLACE.KIND`; a place is `3`, `3.2`, or `all`: each reader's own only."""
    routes = APIRouter()

    @routes.get("/saved/{conversation}/{place}.{kind}")
    def saved(conversation: str, place: str, kind: str, request: Request) -> Response:
        session = sessions.session_of(request.cookies)
        match = _PLACE.fullmatch(place)
        if session is None or match is None:
            raise HTTPException(404, _GONE)
        turns = conversations.turns(session, conversation)
        if match["number"]:
            number = int(match["number"])
            turns = turns[number - 1 : number]
        entries = _entries(turns, int(match["k"] or 1))
        if not entries:
            raise HTTPException(404, _GONE)
        whole = match["number"] is None
        title = conversations.title(session, conversation) if whole else entries[0].question
        return _file(entries, kind, title if whole else None, _file_name(title), receipt)

    return routes


def _entries(turns: tuple[Turn, ...], k: int) -> list[Entry]:
    replies = [(turn, turn.replies[k - 1]) for turn in turns if k <= len(turn.replies)]
    return [Entry(turn.question, reply.answer, turn.at) for turn, reply in replies if reply.answer]


def _file(
    entries: list[Entry], kind: str, title: str | None, name: str, receipt: Callable[[Answer], dict[str, Any]]
) -> Response:
    if kind == "clip":
        return JSONResponse({"text": plain(entries[0].answer), "html": clip_html(entries[0].answer)})
    if kind == "md":
        return _download(markdown(entries, title).encode(), "text/markdown; charset=utf-8", f"{name}.md")
    if kind == "docx":
        return _download(docx(entries, title), _DOCX, f"{name}.docx")
    if kind == "json" and title is None:
        text = json.dumps(receipt(entries[0].answer), ensure_ascii=False, indent=1)
        return _download(text.encode("utf-8", "replace"), "application/json", f"{name}.receipt.json")
    raise HTTPException(404, _GONE)


def _download(content: bytes, kind: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=kind, headers=headers)


def _file_name(title: str) -> str:
    """Return a name that every file system takes, of the words of a title."""
    return _NAME.sub("-", title.lower())[:60].strip("-") or "answer"
