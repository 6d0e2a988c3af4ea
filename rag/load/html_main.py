"""Owns telling an article from what a site puts around it: menus, teasers, share bars, comments, notices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from rag.load.document import RawBlock
from rag.load.html_text import HEADINGS, Piece, Section, Text
from rag.load.html_tree import Element
from rag.text import mostly_cjk
from rag.types import BlockKind

# Words in the classes and ids of elements that stand around articles. These and the numbers below were weighed on one
# half of two public sets of pages (trafilatura's evaluation, article-extraction-benchmark), and hold on the other.
_AROUND = frozenset(
    "ad ads advert advertisement author authors autor banner bio breadcrumb breadcrumbs byline carousel catlinks "
    "consent cookie cookies copyright disclaimer dropdown flyout footer gdpr login masthead menu meta metadata "
    "modal nav navbar navbox navigation newsletter noprint outbrain pager pagination popular popup postmetadata "
    "promo promotion recommendation recommendations recommended register related share sharedaddy shariff "
    "sharing sidebar signup similar social sponsor sponsored submenu subnav subscribe subscription taboola "
    "tagcloud tags toc trending widget widgets".split()
)
_COMMENTS = frozenset("comment comments commentlist disqus respond".split())
_TEASERS = frozenset("teaser teasers".split())
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SLUG = re.compile(r"[^\W_]+")
_ANCHOR = 200  # characters of an id at most that repeats a heading
_PAGE_BUILDER = "elementor"  # calls every paragraph a widget
# Elements and roles.
_FURNITURE = frozenset("alertdialog contentinfo dialog footer menubar nav navigation search".split())
_ASIDES = frozenset({"aside", "complementary"})

_PROSE = 50  # characters of a block that is a sentence rather than a label
_CJK_PROSE = 15
_LEAD = 80  # characters of a block between headline and text that is not a byline
_LEAD_WITHIN = 3000  # characters between the headline and the text it belongs to
_HEADLINE = 20  # mean characters of the blocks in a list of teasers; shorter ones may be a list of names
_ITEMS = frozenset("dd dt li td th tr".split())
_LISTS = _ITEMS | HEADINGS | frozenset("dl ol table tbody tfoot thead ul".split())
_NEVER_ALL = _LISTS | frozenset("address blockquote caption figcaption figure header hgroup p pre summary".split())
_STOP = re.compile(r"[.!?。！？…][\"'”’»)\]]*\Z")
_MOST = 0.75  # of the prose is in the element that holds the article
_AT_MOST = 0.3  # of the prose is in an element that stands around it
_COMMENTED = 600  # characters of prose that make an article of what is left without the comments
_ENOUGH = 250  # characters of prose that are surely the article; where less is left, the rules are doubted
_OUTWEIGHS = 8  # times as much prose as other text, where more of the page belongs to the article


def find_headline(text: Text, title: str | None) -> int | None:
    """Return the number of the piece that is the headline: the heading that is the title, or the first h1."""
    headings = [
        (i, " ".join(piece.text.split())) for i, piece in enumerate(text.pieces) if piece.owner.name in HEADINGS
    ]
    firsts = [(i, heading) for i, heading in headings if text.pieces[i].owner.name == "h1"]
    equal = [i for i, heading in headings if heading == title]
    part = [i for i, heading in firsts if title and heading in title]
    return next(iter([*equal, *part, *(i for i, _ in firsts)]), None)


def main_blocks(text: Text, headline: int | None) -> list[RawBlock]:
    """Return the blocks of an article's page; what stands around the article is boilerplate or left out.

    `headline` is the number of the piece that is the headline. Sentences are never left out, except those of
    menus and page footers: where a rule is wrong, the words are still in the article, though never quoted.
    """
    page = _Page(text, headline)
    page.judge(names=True, place=True)
    if page.evidence() < _ENOUGH:
        cautious, whole = _Page(text, headline), _Page(text, headline)
        cautious.judge(names=False, place=True)
        whole.judge(names=False, place=False)
        enough = min(_ENOUGH, whole.evidence() // 3)
        page = next(it for it in (page, cautious, whole) if it.evidence() >= enough)
    return page.blocks()


def _block(piece: Piece, before: Piece | None, kind: BlockKind) -> RawBlock:
    name = piece.owner.name
    if kind == "text" and name in HEADINGS:
        kind = "heading"
    tight = before is not None and (
        (name in ("li", "tr") and before.owner.name == name) or (name == "dd" and before.owner.name in ("dt", "dd"))
    )
    return RawBlock(kind, piece.text, tight)


class _Page:
    """The pieces of a page while it is found out what each of them is."""

    def __init__(self, text: Text, headline: int | None) -> None:
        self.pieces, self.sections, self.of_site = text.pieces, text.sections, text.of_site
        self.prose = [len(piece.text) if _is_prose(piece) else 0 for piece in self.pieces]
        self.around = [piece.faint for piece in self.pieces]
        self.dropped = [False] * len(self.pieces)
        self.headline = headline
        self._marked = [section for section in self.sections if section.element.name in ("main", "article")]
        self._prose_before = _sums(self.prose)
        self._length_before = _sums(len(piece.text) for piece in self.pieces)
        self._linked_before = _sums(piece.linked for piece in self.pieces)

    def judge(self, *, names: bool, place: bool) -> None:
        """Find out what stands around the article, also by what elements are called and by where they are."""
        # An element that was never closed can hold the whole page.
        minor = [section for section in self.sections if self._share(section) <= 0.5]
        self._mark((section for section in minor if not _FURNITURE.isdisjoint(_roles(section.element))), dropped=True)
        if self.of_site:
            self._judge_asides(section for section in minor if not _ASIDES.isdisjoint(_roles(section.element)))
            self._mark(section for section in self.sections if names and self._is_named(section))
            self._mark(section for section in self.sections if self._is_teasers(section))
            self._judge_links()
        if place and (self._marked or (self.of_site and self._linked_before[-1])):
            self._judge_by_place()

    def evidence(self) -> int:
        """Return how many characters of prose are taken for the article."""
        return sum(count for count, around in zip(self.prose, self.around, strict=True) if not around)

    def blocks(self) -> list[RawBlock]:
        blocks: list[RawBlock] = []
        before: Piece | None = None
        for piece, around, dropped in zip(self.pieces, self.around, self.dropped, strict=True):
            if not dropped:
                blocks.append(_block(piece, before, "boilerplate" if around else "text"))
                before = piece
        return blocks

    def _mark(self, sections: Iterable[Section], dropped: bool = False) -> None:
        for i, inside in enumerate(_covered(sections, len(self.pieces))):
            self.around[i] |= inside
            self.dropped[i] |= inside and dropped

    def _share(self, section: Section) -> float:
        """Return how much of the prose of the page is in a section, from 0 to 1."""
        return _within(self._prose_before, section) / (self._prose_before[-1] or 1)

    def _linked(self, section: Section) -> float:
        """Return how much of the text of a section is in links, from 0 to 1."""
        return _within(self._linked_before, section) / _within(self._length_before, section)

    def _judge_asides(self, asides: Iterable[Section]) -> None:
        for i, inside in enumerate(_covered(asides, len(self.pieces))):
            self.around[i] |= inside
            self.dropped[i] |= inside and not self.prose[i] and self.pieces[i].owner.name not in _ITEMS

    def _is_named(self, section: Section) -> bool:
        """Whether the names given to an element say that it stands around an article, and it may."""
        if section.element.name in ("html", "body") or not (words := self._words(section)):
            return False
        if self.headline is not None and section.first <= self.headline < section.end:
            return False
        share = self._share(section)
        if not words.isdisjoint(_COMMENTS) and (1 - share) * self._prose_before[-1] > _COMMENTED:
            return True
        if share > _AT_MOST:
            return False
        teasers = not words.isdisjoint(_TEASERS) and self._linked(section) > 0.05
        return teasers or not words.isdisjoint(_AROUND | _COMMENTS)

    def _words(self, section: Section) -> set[str]:
        names = section.element.attributes.get("class", "").split()
        if (anchor := section.element.attributes.get("id")) and not self._is_anchor(section, anchor):
            names.append(anchor)
        return {word.lower() for name in names if not name.startswith(_PAGE_BUILDER) for word in _WORD.findall(name)}

    def _is_anchor(self, section: Section, name: str) -> bool:
        """Whether an id only repeats the heading: that of the chapter "Related work" says nothing."""
        first = self.pieces[section.first]
        if first.owner.name not in HEADINGS or self._linked(section) > 0.3 or len(name) > _ANCHOR:
            return False
        return _SLUG.findall(name.lower()) == _SLUG.findall(first.text[: 2 * _ANCHOR].lower())

    def _is_teasers(self, section: Section) -> bool:
        """Whether a section is a list of links to other articles, rather than of names that have a link each."""
        many = section.end - section.first
        return (
            many > 1
            and self._linked(section) > 0.5
            and not _within(self._prose_before, section)
            and _within(self._length_before, section) >= _HEADLINE * many
        )

    def _judge_links(self) -> None:
        for i, piece in enumerate(self.pieces):
            self.around[i] |= piece.linked >= 0.8 * len(piece.text) and piece.owner.name not in _LISTS

    def _judge_by_place(self) -> None:
        article = self._article()
        if article is None:
            return
        first = article.first
        if self.headline is not None and self.headline < first:
            between = self._length_before[first] - self._length_before[self.headline]
            first = self.headline if between < _LEAD_WITHIN else first
        for i in range(first + 1, article.first):
            self.around[i] |= _is_byline(self.pieces[i])
        near = next((it for it in self._marked if _covers(it, article)), self.sections[-1])
        for i in (*range(first), *range(article.end, len(self.pieces))):
            label = not self.prose[i] and i != self.headline
            self.dropped[i] |= label and (self.around[i] or not near.first <= i < near.end)
            self.around[i] = True

    def _article(self) -> Section | None:
        """Return the smallest section with most of the prose, and what is around it as long as that is mostly prose.

        Without any prose, it is what the page itself calls the article; None where nothing tells it from the page.
        """
        prose = _sums(0 if around else count for count, around in zip(self.prose, self.around, strict=True))
        if not prose[-1]:
            half = self._length_before[-1] / 2
            return next((it for it in self._marked if _within(self._length_before, it) > half), None)
        labels = _sums(
            len(piece.text) if _is_label(piece) and not count and not around else 0
            for piece, count, around in zip(self.pieces, self.prose, self.around, strict=True)
        )
        found: Section | None = None
        for section in self.sections:
            if found is None:
                most = _within(prose, section) >= _MOST * prose[-1]
                found = section if most and section.element.name not in _NEVER_ALL else None
            elif _covers(section, found):
                more = _within(labels, section) - _within(labels, found)
                if more and _within(prose, section) - _within(prose, found) <= _OUTWEIGHS * more:
                    break
                found = section
        return found


def _covers(outer: Section, inner: Section) -> bool:
    return outer.first <= inner.first and inner.end <= outer.end


def _is_prose(piece: Piece) -> bool:
    long = len(piece.text) >= _PROSE or (len(piece.text) >= _CJK_PROSE and mostly_cjk(piece.text))
    return long and piece.owner.name not in HEADINGS and piece.linked < 0.4 * len(piece.text)


def _is_label(piece: Piece) -> bool:
    return piece.owner.name not in _LISTS or piece.linked > 0.4 * len(piece.text)


def _is_byline(piece: Piece) -> bool:
    if piece.linked > 0.4 * len(piece.text):
        return True
    return piece.owner.name not in _LISTS and len(piece.text) < _LEAD and not _STOP.search(piece.text)


def _roles(element: Element) -> tuple[str, str]:
    return element.name, element.attributes.get("role", "").strip().lower()


def _sums(counts: Iterable[int]) -> list[int]:
    """Return the sum of the counts before each piece, and of all."""
    return [0, *accumulate(counts)]


def _within(before: list[int], section: Section) -> int:
    return before[section.end] - before[section.first]


def _covered(sections: Iterable[Section], many: int) -> Iterator[bool]:
    """Yield for each piece whether a section covers it; in linear time, however deeply sections are nested."""
    changes = [0] * (many + 1)
    for section in sections:
        changes[section.first] += 1
        changes[section.end] -= 1
    return (count > 0 for count in accumulate(changes[:-1]))
