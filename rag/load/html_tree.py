"""Owns the markup of HTML: any text becomes a tree of elements, in time that grows with it and no faster.

Written for two reasons. Parsers that come with Python take a time that grows with the square of some malformed
markup, or refuse it; and what they make of it changes between releases, while offsets into an article must not.
"""

from __future__ import annotations

import html
import re
from collections import Counter

_VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr".split()
)
_RAW = frozenset("script style noscript iframe noembed noframes title textarea".split())
_SWALLOWS_THE_REST = frozenset({"script", "style"})  # where its end tag is missing, as in a browser
_HAS_REFERENCES = frozenset({"title", "textarea"})
_FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
_INLINE = _FORMATTING | frozenset(
    "abbr acronym bdo bdi cite del dfn ins kbd label mark q ruby samp span sub sup time var".split()
)
_CELLS = frozenset({"td", "th"})
_TABLE = frozenset({"table", "template"})
_SCOPE = _TABLE | _CELLS | {"caption", "button", "object"}
_NOT_IN_A_PARAGRAPH = frozenset(
    "address article aside blockquote center details dialog dir div dl dd dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main menu nav ol p pre section summary table ul".split()
)
# What a start tag ends, and the elements beyond which it ends nothing.
_ENDS = {
    "li": (frozenset({"li"}), _SCOPE | {"ul", "ol", "menu"}),
    **dict.fromkeys(("dt", "dd"), (frozenset({"dt", "dd"}), _SCOPE | {"dl"})),
    **dict.fromkeys(_CELLS, (_CELLS, _TABLE | {"tr"})),
    "tr": (frozenset({"tr"}), _TABLE),
    **dict.fromkeys(("thead", "tbody", "tfoot"), (frozenset({"thead", "tbody", "tfoot"}), _TABLE)),
    "option": (frozenset({"option"}), frozenset({"select", "datalist"})),
}
_PARAGRAPH = frozenset({"p"})
_NO_ATTRIBUTES: dict[str, str] = {}  # of most elements; never written to
_LOOK = 100  # open elements looked at for the one that a tag ends

_OPENS = re.compile(r"</?[a-zA-Z]")
_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/>]*+)((?:[^>"'=]++|=\s*+(?:"[^"]*"|'[^']*')?|["'])*+)>""")
_PLAIN_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)([^>]*+)>")
_ATTRIBUTE = re.compile(r"""([^\s=>"'/][^\s=>/]*+)(?:\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""")
_COMMENT_END = re.compile(r"--!?>")


class Element:
    """An element: its name and attributes in lower case, its parent, and its children in order, text as str."""

    __slots__ = ("attributes", "children", "name", "parent")

    def __init__(self, name: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.name = name
        self.attributes = attributes
        self.parent = parent
        self.children: list[Element | str] = []


def parse_markup(markup: str) -> Element:
    """Return the root of the tree, an element without a name; no markup is refused."""
    return _Reader(markup).read()


class _Reader:
    """Cuts markup into tags and text. What it looks for in vain up to the end, it never looks for again."""

    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._builder = _Builder()
        self._tag = _TAG
        self._endless: set[str] = set()  # raw elements of which no end tag is ahead

    def read(self) -> Element:
        markup, builder = self._markup, self._builder
        at, last = 0, markup.rfind(">")
        while (opens := markup.find("<", at)) >= 0 and opens < last:
            if opens > at:
                builder.text(html.unescape(markup[at:opens]))
            at = self._read_tag(opens)
        builder.text(html.unescape(markup[at:].partition("<!--")[0]))  # no tag ends any more
        return builder.root

    def _read_tag(self, at: int) -> int:
        """Read the tag, comment or stray character at a "<" and return where it ends."""
        markup = self._markup
        if _OPENS.match(markup, at):
            match = self._tag.match(markup, at)
            if match is None:  # a quotation mark is missing: what follows has no end behind it
                self._tag = _PLAIN_TAG
                match = self._tag.match(markup, at)
            if match is not None:
                return self._take_tag(match)
        if markup.startswith("<!--", at):
            end = _COMMENT_END.search(markup, at + 2)
            return end.end() if end else len(markup)
        if markup[at + 1 : at + 2] in ("!", "?", "/"):
            return markup.find(">", at) + 1
        self._builder.text("<")
        return at + 1

    def _take_tag(self, match: re.Match[str]) -> int:
        slash, name, given = match.groups()
        name = name.lower()
        if slash:
            self._builder.end(name)
            return match.end()
        empty = given.endswith("/") or name in _VOID
        self._builder.start(name, _attributes(given) if given else _NO_ATTRIBUTES, empty)
        return match.end() if empty or name not in _RAW else self._read_raw(match.end(), name)

    def _read_raw(self, at: int, name: str) -> int:
        """Read what is not markup, up to the end tag of its element, and return where that begins."""
        end = None
        if name not in self._endless:
            end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(self._markup, at)
        if end is None:
            self._endless.add(name)
            self._builder.end(name)
            return len(self._markup) if name in _SWALLOWS_THE_REST else at
        content = self._markup[at : end.start()]
        self._builder.text(html.unescape(content) if name in _HAS_REFERENCES else content)
        return end.start()


def _attributes(given: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(given):
        value = match[2] or match[3] or match[4] or ""
        found.setdefault(match[1].lower(), html.unescape(value) if "&" in value else value)
    return found


class _Builder:
    """Puts elements and text where the tags want them, and ends what they leave open."""

    def __init__(self) -> None:
        self.root = Element("", {}, None)
        self._open = [self.root]
        self._count: Counter[str] = Counter()

    def text(self, text: str) -> None:
        if text:
            self._open[-1].children.append(text)

    def start(self, name: str, attributes: dict[str, str], empty: bool) -> None:
        if name in _NOT_IN_A_PARAGRAPH:
            self._end_nearest(_PARAGRAPH, _SCOPE)
        if name in _ENDS:
            self._end_nearest(*_ENDS[name])
        elif name == "a":
            self.end("a")
        element = Element(name, attributes, self._open[-1])
        self._open[-1].children.append(element)
        if not empty:
            self._open.append(element)
            self._count[name] += 1

    def end(self, name: str) -> None:
        if name in ("html", "body"):
            return  # what follows is shown all the same
        borders = _TABLE if name in ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption") else _SCOPE
        self._end_nearest(frozenset({name}), borders - {name})

    def _end_nearest(self, names: frozenset[str], borders: frozenset[str]) -> None:
        if not any(self._count[name] for name in names):
            return
        inline = names <= _INLINE
        through_blocks = False
        for i in range(len(self._open) - 1, max(0, len(self._open) - 1 - _LOOK), -1):
            name = self._open[i].name
            if name in names:
                if not through_blocks:
                    self._close(i)
                elif names <= _FORMATTING:
                    self._count[name] -= 1
                    del self._open[i]
                return
            if name in borders:
                return
            through_blocks = through_blocks or (inline and name in _NOT_IN_A_PARAGRAPH)

    def _close(self, at: int) -> None:
        for element in self._open[at:]:
            self._count[element.name] -= 1
        del self._open[at:]
