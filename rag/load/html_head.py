"""Owns what a page says of itself: its title, date, author, language and address."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rag.load.html_tree import Element
from rag.load.metadata import language_code, one_line, parse_date, person_names, web_address

# In the order they are trusted.
_DATES = (
    "article:published_time datepublished date dc.date dc.date.issued dcterms.created dcterms.date pubdate publishdate "
    "publish-date og:published_time og:article:published_time sailthru.date parsely-pub-date citation_publication_date"
).split()
_AUTHORS = "author article:author dc.creator dcterms.creator sailthru.author parsely-author citation_author".split()
# What stands where an author should: a role, an account, an address.
_NOBODY = re.compile(
    r"\W*(?:\w*admin\w*|super ?user|user|webmaster|publisher|editor|staff|redaktion|agencies|unknown|n/a)\W*\Z"
    r"|https?:|.*(?:@|www\.|\.(?:com|org|net|de)\b|[→»])",
    re.IGNORECASE,
)
_BYLINE = re.compile(
    r"(?:(?:written |posted |story )?by|von|por|par|di|door|author:|autor(?:in)?:|作者[:：])\s*"
    r"(?P<names>(?-i:[^\W\d_a-zà-ÿ])[^\W\d_]*(?:[ .'’-]{1,2}[^\W\d_]+){0,4})\s*(?:[|•·,;:–/\n].*|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SAVED_FROM = re.compile(
    r"\s*(?:<!doctype[^>]*>\s*)?<!--\s*(?:saved from url=\(\d+\)|Page saved with SingleFile\s+url:\s*)(\S+)",
    re.IGNORECASE,
)
_DATE_IN_ADDRESS = re.compile(r"/((?:19|20)\d\d)/(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])(?:/|\Z)")
_DAY_MONTH_YEAR = re.compile(r"(?<![\d.])(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d\d)(?!\d)")  # dots: never month first
_PARTS_TITLES = re.compile(r"\s+[-–—|·•»›:]{1,2}\s+|\s*[|»›]\s*")
_PARTS_SITE = re.compile(r"\s*[|»›]\s*(?!.*[|»›])")  # the last of those that stand between a title and its site only
_SHORTEST_TITLE = 8  # characters of a heading that is taken for a part of the title
_FEW = 5  # elements marked as author or date; the first tells, and hostile pages have thousands inside each other
_NEAR = 100  # characters of a line near the headline that may hold a date or a name


class Head:
    """What the elements of a page say of it, found in one walk; `markup` is the page as it was read."""

    def __init__(self, root: Element, markup: str) -> None:
        self._properties: dict[str, str] = {}
        self._linked: dict[str, Any] = {}
        self._language: str | None = None
        self._canonical: str | None = None
        self._title: str | None = None
        self._times: list[str] = []
        self._marked: dict[str, list[str]] = {"author": [], "datepublished": []}
        for element in _walk(root):
            self._read(element)
        self.language = language_code(self._language) or language_code(self._properties.get("content-language"))
        given = web_address(self._canonical) or web_address(self._properties.get("og:url"))
        self.address = given or _saved_from(markup)
        self._site = one_line(self._properties.get("og:site_name"))

    def title(self, headings: Sequence[str]) -> str | None:
        """Return the title as the page shows it: the heading that is its title or a part of that.

        `headings` are those of the page, the highest first.
        """
        titles = (one_line(self._properties.get("og:title")), one_line(self._linked.get("headline")), self._title)
        named = [title for title in titles if title]
        shown = [heading for heading in headings if heading != self._site]
        for title in named:
            if title in shown:
                return title
        for title in named:
            parts = [it for it in shown if len(it) >= _SHORTEST_TITLE and _is_part(it, title)]
            if parts:
                return max(parts, key=len)
        return _without_site(named[0], self._site) if named else None

    def published(self, near: Iterable[str]) -> str | None:
        """Return the date of publication; `near` are the lines around the headline, where dates stand."""
        in_address = _DATE_IN_ADDRESS.search(self.address or "")
        given: list[Any] = [
            self._properties.get("article:published_time"),
            self._linked.get("datePublished"),
            *(self._properties.get(name) for name in _DATES),
            *self._marked["datepublished"],
            "-".join(in_address.groups()) if in_address else None,
            *(line for line in near if len(line) <= _NEAR),
            *self._times[:1],
        ]
        return next((date for value in given if (date := parse_date(value) or _dotted_date(value))), None)

    def author(self, near: Iterable[str]) -> str | None:
        """Return the names of the authors; `near` are the lines around the headline, where bylines stand."""
        bylines = (match["names"] for line in near if len(line) <= _NEAR and (match := _BYLINE.match(line)))
        given = [
            person_names(_persons(self._linked.get("author"))),
            *bylines,
            *self._marked["author"],
            *(self._properties.get(name) for name in _AUTHORS),
        ]
        names = (one_line(value) for value in given)
        return next((name for name in names if name and name != self._site and not _NOBODY.match(name)), None)

    def _read(self, element: Element) -> None:
        given = element.attributes
        match element.name:
            case "meta":
                name = given.get("property") or given.get("name") or given.get("itemprop") or given.get("http-equiv")
                if name and "content" in given:
                    self._properties.setdefault(name.lower(), given["content"])
            case "html":
                self._language = self._language or given.get("lang") or given.get("xml:lang")
            case "link":
                if "canonical" in given.get("rel", "").lower().split():
                    self._canonical = self._canonical or given.get("href")
            case "title" if element.parent is None or element.parent.name in (
                "",
                "html",
                "head",
                "body",
            ):  # not a drawing's
                self._title = self._title or one_line(_text(element))
            case "script":
                if not self._linked and given.get("type", "").lower() == "application/ld+json":
                    self._linked = _described_article("".join(it for it in element.children if isinstance(it, str)))
            case "time" if "datetime" in given:
                self._times.append(given["datetime"])
        marked = "author" if "author" in given.get("rel", "").lower().split() else given.get("itemprop", "").lower()
        if marked in self._marked and len(self._marked[marked]) < _FEW and element.name not in ("meta", "link"):
            named = next((it for it in _walk(element) if it.attributes.get("itemprop", "").lower() == "name"), element)
            self._marked[marked].append(given.get("datetime") or given.get("content") or _text(named))


def _walk(root: Element) -> Iterator[Element]:
    stack = [root]
    while stack:
        element = stack.pop()
        yield element
        stack.extend(child for child in reversed(element.children) if isinstance(child, Element))


def _text(element: Element) -> str:
    """Return the beginning of the text of an element."""
    parts: list[str] = []
    stack: list[Element | str] = [element]
    while stack and len(parts) < 20:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node[:400])
        else:
            stack.extend(reversed(node.children[:20]))
    return " ".join("".join(parts).split())


def _described_article(script: str) -> dict[str, Any]:
    """Return the first schema.org article described in a script."""
    try:
        data = json.loads(script, strict=False)
    except (ValueError, RecursionError):
        return {}
    items = data if isinstance(data, list) else data.get("@graph", [data]) if isinstance(data, dict) else []
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and ("headline" in item or "datePublished" in item):
            return item
    return {}


def _is_part(heading: str, title: str) -> bool:
    """Whether a title begins or ends with a heading, and something parts it from the rest."""
    if title.startswith(heading):
        return _PARTS_TITLES.match(title, len(heading)) is not None
    rest = title.removesuffix(heading)
    return rest != title and any(match.end() == len(rest) for match in _PARTS_TITLES.finditer(rest))


def _without_site(title: str, site: str | None) -> str:
    for match in _PARTS_TITLES.finditer(title):
        if title[match.end() :] == site:
            return title[: match.start()]
        if title[: match.start()] == site:
            return title[match.end() :]
    last = _PARTS_SITE.search(title, _SHORTEST_TITLE)
    return title[: last.start()] if last else title


def _dotted_date(value: Any) -> str | None:
    match = _DAY_MONTH_YEAR.search(value) if isinstance(value, str) and len(value) <= _NEAR else None
    return parse_date(f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}") if match else None


def _persons(people: Any) -> list[Any]:
    """Return the authors that are not said to be organisations: a site is not its author."""
    given = people if isinstance(people, list) else [people]
    return [it for it in given if not (isinstance(it, dict) and "Organization" in str(it.get("@type")))]


def _saved_from(markup: str) -> str | None:
    """Return the address that a browser notes at the beginning of a page that it saves."""
    match = _SAVED_FROM.match(markup)
    return web_address(match.group(1)) if match else None
