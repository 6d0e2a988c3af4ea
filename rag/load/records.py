"""Owns articles as JSON: an object a line, a list of objects, or a single one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from rag.errors import Unloadable
from rag.load.document import Document, RawBlock
from rag.load.metadata import language_code, one_line, parse_date, person_names, web_address
from rag.load.text import parse_text
from rag.text import clean

_SPACE = re.compile(r"\s*")
_LIST = re.compile(r'\[\s*\{\s*"[^"\n]{1,50}"\s*:')
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_TEXTS = ("text", "title", "published", "url", "language")
_MAX_ID = 200
_TWICE = object()
"""The key under which an object keeps the name of a key that stands in it twice."""
_NO_ARTICLES = "JSON without articles: needs objects with a text"


def looks_like_records(text: str) -> bool:
    """Whether the text is JSON by its first line or as a whole, or opens as a list of objects and is broken later."""
    at = _start(text)
    if not text.startswith(("{", "["), at):
        return False
    if _LIST.match(text, at):
        return True
    line = re.compile(r"[^\r\n]*").match(text, at)
    return bool(line and _json_or_none(line.group(), dict)) or _json_or_none(text, (dict, list)) is not None


def parse_records(text: str) -> list[tuple[str, Document]]:
    """Return the id and document of every article in the file, in order: all of them or none.

    An article is an object with a `text`, and with any of `id`, `title`, `published`, `url`, `author`, `language`
    and `visibility`; other keys are ignored. An id that is missing is the number of the line or item.
    `text` is what was decoded, not cleaned: cleaning would break lines inside of strings. Raises Unloadable
    with the first line or item that is wrong, or where there is no article at all.
    """
    entries = list(_entries(text.replace("\r\n", "\n").replace("\r", "\n")))
    if not any(isinstance(value, dict) and isinstance(value.get("text"), str) for _, _, value in entries):
        raise Unloadable("skipped", _NO_ARTICLES)
    found: dict[str, Document] = {}
    for place, number, value in entries:
        key = _id(place, value, number)
        if key in found:
            _fail(f'{place}: id "{key}" is given twice')
        found[key] = _document(place, value)
    return list(found.items())


def _entries(text: str) -> Iterator[tuple[str, int, Any]]:
    """Yield where each value of the file stands, its number, and the value."""
    at = _start(text)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if not line.isspace() and line]
    one_a_line = text.startswith("{", at) and len(lines) > 1 and _json_or_none(lines[0][1], dict) is not None
    if one_a_line:
        for number, line in lines:
            yield f"line {number}", number, _load(line, number)
        return
    whole = _load(text)
    if isinstance(whole, list):
        for number, value in enumerate(whole, start=1):
            yield f"item {number}", number, value
    else:
        yield "the article", 1, whole


def _start(text: str) -> int:
    match = _SPACE.match(text)
    return match.end() if match else 0


# ---------------------------------------------------------------- JSON


class _NotJson(ValueError):
    """What Python's reader lets pass and JSON does not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found:
            found[_TWICE] = name
        found[name] = value
    return found


def _constant(name: str) -> NoReturn:
    raise _NotJson(f"{name} is not JSON")


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)  # Python refuses to read numbers of any length


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole_number)


def _load(text: str, line: int = 1) -> Any:
    """Read a JSON value that begins on a line of the file."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _fail(f"line {line + error.lineno - 1} is not JSON")
    except _NotJson as error:
        _fail(f"line {line}: {error}")
    except RecursionError:
        _fail(f"line {line}: nested too deeply")


def _json_or_none(text: str, kind: type | tuple[type, ...]) -> Any:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, kind) else None


def _fail(reason: str) -> NoReturn:
    raise Unloadable("failed", reason)


# ---------------------------------------------------------------- articles


def _id(place: str, value: Any, number: int) -> str:
    if not isinstance(value, dict):
        _fail(f"{place} is not an object")
    given = value.get("id")
    if given is None:
        return str(number)
    if isinstance(given, bool) or not isinstance(given, int | str):
        _fail(f"{place}: id must be text or a whole number")
    key = str(given).strip()
    if not key or len(key) > _MAX_ID or _HALF_PAIR.search(key) or one_line(key) != key:
        _fail(f"{place}: id must be one line of 1 to {_MAX_ID} characters")
    return key


def _document(place: str, record: dict[Any, Any]) -> Document:
    if _TWICE in record:
        _fail(f"{place}: {json.dumps(record[_TWICE][:50])} is given twice")
    if record.get("text") is None:
        _fail(f"{place}: text is missing")
    given: dict[str, str] = {}
    for name in _TEXTS:
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            _fail(f"{place}: {name} must be a string")
        given[name] = value or ""
    author = record.get("author")
    if not isinstance(author, str | list | dict | None):
        _fail(f"{place}: author must be a string")
    if _HALF_PAIR.search("".join(given.values()) + json.dumps(author, ensure_ascii=False)):
        _fail(f"{place}: half of a surrogate pair is no character")
    visibility = record.get("visibility")
    if visibility not in (None, "public", "internal"):
        _fail(f"{place}: visibility must be public or internal")
    title, published, url = one_line(given["title"]), parse_date(given["published"]), web_address(given["url"])
    unread = [name for name, value in (("published", published), ("url", url)) if given[name] and not value]
    document = _text(given["text"], title)
    return replace(
        document,
        title=title,
        published=published or document.published,
        author=person_names(author) or document.author,
        language=language_code(given["language"]),
        url=url,
        visibility="internal" if visibility == "internal" else "public",
        notes=tuple(f"{name} not understood: {one_line(given[name][:60])}" for name in unread),
    )


def _text(text: str, title: str | None) -> Document:
    """Cut the text into blocks; where the record has a title, its first lines are not searched for one."""
    document = parse_text(clean(text))
    if title is None:
        return document
    blocks = []
    for block in document.blocks:
        if block.kind == "title" and one_line(block.text) != title:
            block = RawBlock("heading", block.text, block.tight)
        elif block.kind == "boilerplate":
            block = RawBlock("text", block.text, block.tight)
        blocks.append(block)
    return Document(blocks)
