"""Owns the articles pane: what is shown of the library, found in it, and done to it at a reader's word."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, StringConstraints

from rag import Footnote
from rag.config import PageSettings
from rag.errors import InputError
from rag.ledger import FileRecord, Listed
from rag.sync import REMOVED
from rag.text import question_terms
from rag.types import Source
from ui.articles_view import Entry, Problem, list_html, tools_html
from ui.indexing import Indexing
from ui.requests import Request, read
from ui.work_view import Allowed, work_html

_SWITCHED_OFF = "This is switched off on this server. Ask whoever runs it."
_NEWS = timedelta(minutes=5)
_Text = Annotated[str, StringConstraints(max_length=2000)]
_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sort = Literal["date", "title", "added"]


class Looking(Request):
    """Show, search or change the articles; `version` is that of what is shown: unchanged parts are not sent again.

    `chosen` are the ids of the articles that questions go to.
    """

    do: Literal["show", "sync", "add", "remove", "putback"] = "show"
    search: Annotated[str, StringConstraints(max_length=200)] = ""
    sort: Sort = "date"
    chosen: list[_Id] = Field(default=[], max_length=5000)
    source: _Text = ""
    address: _Text = ""
    version: Annotated[str, StringConstraints(max_length=100)] = ""


class _Library(NamedTuple):
    """What is in the library at one moment."""

    state: object
    articles: list[Listed]
    files: dict[str, FileRecord]


class ArticlesPane:
    """The articles of one library, the same for all its readers."""

    def __init__(self, library: Footnote, indexing: Indexing, page: PageSettings) -> None:
        self._library = library
        self._indexing = indexing
        self._page = page
        self._seen: _Library | None = None

    def act(self, data: Any, _session: str) -> dict[str, Any]:
        """Do what a reader asks, and return what to show, as HTML: `tools`, `work` and `list`.

        Also `version`; `idle`, where no change is at work; `gone`, those of the chosen articles that are no more.
        Where nothing is new since the version named, there is no HTML. Raises InputError and what `Indexing` raises.
        """
        asked = read(Looking, data)
        self._change(asked)
        work = self._indexing.work()
        seen = self._look()
        version = f"{work.version}.{hash((seen.state, asked.search, asked.sort)):x}"
        answer: dict[str, Any] = {"version": version, "idle": work.idle}
        if version == asked.version:
            return answer
        ids = {item.source.article_id for item in seen.articles}
        allowed = self._allowed
        uploads = self._uploads
        problems = sorted((file for file in seen.files.values() if file.reason), key=lambda file: file.source)
        return answer | {
            "gone": [chosen for chosen in asked.chosen if chosen not in ids],
            "tools": tools_html(allowed, asked.sort, len(ids)),
            "work": work_html(
                work, allowed, {file.source for file in problems if file.reason == REMOVED}, _minutes_ago()
            ),
            "list": list_html(
                self._entries(seen, asked.search, asked.sort),
                len(ids),
                set(asked.chosen),
                [Problem(file, file.source.startswith(uploads)) for file in problems],
                asked.search,
                allowed,
            ),
        }

    def _change(self, asked: Looking) -> None:
        page, indexing = self._page, self._indexing
        if not {"add": page.add_urls, "remove": page.remove, "putback": page.remove}.get(asked.do, True):
            raise InputError(_SWITCHED_OFF)
        if asked.do == "sync":
            indexing.sync()
        elif asked.do == "add":
            indexing.add(asked.address)
        elif asked.do == "remove":
            indexing.remove(asked.source)
        elif asked.do == "putback":
            indexing.put_back(asked.source)

    @property
    def _allowed(self) -> Allowed:
        refusal, page = self._indexing.refusal, self._page
        may = refusal is None
        return Allowed(refusal, may and page.uploads, may and page.add_urls, may and page.remove, page.upload_megabytes)

    @property
    def _uploads(self) -> tuple[str, ...]:
        """What the sources of files begin with that removing deletes."""
        uploads = self._indexing.deleted_with()
        return (uploads,) if uploads else ()

    def _look(self) -> _Library:
        ledger = self._library.ledger
        state = ledger.state()
        if self._seen is None or self._seen.state != state:
            self._seen = _Library(state, ledger.listed(), ledger.files())
        return self._seen

    def _entries(self, seen: _Library, search: str, sort: Sort) -> list[Entry]:
        """Return what the search finds: all its words in what is known of an article, or in one passage of it."""
        words = _plain(search).split()
        with_words = self._library.ledger.articles_with(question_terms(search)) if words else set()
        several = _counts(seen.articles)
        uploads = self._uploads
        entries = []
        for item in seen.articles:
            about = item.source
            named = not words or _is_named(about, words)
            if not named and about.article_id not in with_words:
                continue
            record = seen.files.get(item.file)
            uploaded = item.file.startswith(uploads)
            reason = record.reason if record else None
            entries.append(Entry(item, several[item.file], not named, reason, uploaded))
        if sort == "title":
            entries.sort(key=lambda entry: _plain(entry.listed.source.title))
        elif sort == "added":
            entries.sort(key=lambda entry: -entry.listed.came)
        return entries


def _minutes_ago() -> str:
    return (datetime.now(UTC) - _NEWS).isoformat(timespec="seconds")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_named(about: Source, words: Sequence[str]) -> bool:
    known = _plain(" ".join(filter(None, (about.title, about.author, about.source, about.published, about.url))))
    return all(word in known for word in words)


def _counts(articles: Sequence[Listed]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in articles:
        counts[item.file] = counts.get(item.file, 0) + 1
    return counts
