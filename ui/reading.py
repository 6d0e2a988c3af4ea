"""Owns how an article looks that is open at the words of a citation, with what else the answer cites in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rag.pages import Page, page_of
from rag.types import Article, Source, Span
from ui.evidence import BACK, about, copy_button
from ui.pages import page_html
from ui.render import escape, escape_name

LONGEST = 300_000
"""Characters of an article that are shown at once."""
_DIGITS = 8  # of a hash that tell a text from another
_TAGS = {"title": "h3", "heading": "h3", "text": "p", "boilerplate": "p"}
_CHANGED = "This article has changed since the answer was given. Ask again."
_CHANGED_LINK = "This article has changed since the link was made: the words that it led to may be others now."


class Place(NamedTuple):
    """Where a link leads: `spans` of an article as it was cited, and the `words` that stood there.

    `source` is as it was then, `label` what the place is to the answer; `before` and `after` lead to the neighbours.
    """

    source: Source
    link: str
    label: str
    spans: tuple[Span, ...] = ()
    words: str = ""
    before: str | None = None
    after: str | None = None


class Reading(NamedTuple):
    """An article as it is now, open at a place.

    `key` is the answer's, None where it is opened without one; `others` are the answer's other citations in this
    article, with their numbers. With a `page`, that page is shown; `note` says what else is to be known.
    """

    article: Article
    place: Place
    key: str | None = None
    others: tuple[tuple[Span, int], ...] = ()
    page: Page | None = None
    note: str = ""

    @property
    def changed(self) -> bool:
        """Whether the text is not the one that was cited; a hash may be given by its beginning."""
        return bool(self.place.spans) and not self.article.content_hash.startswith(self.place.source.content_hash)


def short_hash(content_hash: str) -> str:
    """Return the first hex digits of a content hash, which an address names it by."""
    return content_hash.removeprefix("sha256:")[:_DIGITS]


def article_html(reading: Reading) -> str:
    """Return an article with the words marked that it is opened at; where it has changed since, it says so instead."""
    article = reading.article
    spans = () if reading.changed else reading.place.spans
    others = () if reading.changed else reading.others
    notes = [reading.note] if reading.note else []
    quoted = ""
    if reading.changed:
        notes.append(_CHANGED if reading.key else _CHANGED_LINK)
        quoted = f"<blockquote>{escape(reading.place.words)}</blockquote>" if reading.place.words else ""
    if reading.page:
        body = page_html(article, reading.page, spans[0] if spans else None)
    else:
        shown = _shown(article.text, spans)
        if shown != Span(0, len(article.text)):
            notes.append(
                f"The article is long: a part of it is shown, characters {shown.start:,}–{shown.end:,} "
                f"of {len(article.text):,}."
            )
        body = _body(article, shown, spans, others, reading.key)
    told = "".join(f'<p class="fn-warning">{escape(note)}</p>' for note in notes)
    return f'<div class="fn-panel fn-article"{_data(reading)}>{_head(reading)}{told}{quoted}{body}</div>'


def _data(reading: Reading) -> str:
    """Return what the script must know of an article that is open."""
    values = {"article": reading.article.id, "key": reading.key or ""}
    if reading.place.spans and not reading.changed:
        values["start"] = str(reading.place.spans[0].start)
    return "".join(f' data-{name}="{escape(value)}"' for name, value in values.items() if value)


# ---------------------------------------------------------------- the head


def _head(reading: Reading) -> str:
    article, place = reading.article, reading.place
    back = f'<a class="fn-back" href="#sources-{reading.key}">Sources</a>' if reading.key else ""
    steps = ""
    if place.before or place.after:
        before, after = _step("prev", "Previous", "[", "‹", place.before), _step("next", "Next", "]", "›", place.after)
        steps = f'<nav class="fn-steps" aria-label="Citations">{before}{after}</nav>'
    url = ""
    if article.url and article.url != place.source.source:
        url = f'<span class="fn-meta">{escape_name(article.url)}</span>'
    return (
        f'<div class="fn-head"><div class="fn-bar">{BACK}{back}<p class="fn-label">{escape(place.label)}</p>{steps}'
        f'</div><h2 tabindex="-1">{escape_name(article.title)}</h2><span class="fn-meta">{about(place.source)}</span>'
        f'{url}<span class="fn-meta fn-where">{_where(reading)}</span>{_tools(reading)}'
        '<div class="fn-why-answer" role="status"></div></div>'
    )


def _step(relation: str, label: str, key: str, sign: str, href: str | None) -> str:
    inside = f'<span aria-hidden="true">{sign}</span> <span>{label}</span> <kbd>{key}</kbd>'
    if href is None:
        return f'<span class="fn-step" aria-disabled="true">{inside}</span>'
    return (
        f'<a class="fn-step" id="fn-step-{relation}" rel="{relation}" href="{href}" aria-keyshortcuts="{key}" '
        f'title="{label} citation (key {key})">{inside}</a>'
    )


def _where(reading: Reading) -> str:
    facts = []
    if reading.place.spans and not reading.changed:
        number = page_of(reading.article, reading.place.spans[0].start)
        facts += [f"page {number}"] if number else []
        facts.append(f"characters {_ranges(reading.place.spans)}")
    hashed = short_hash(reading.place.source.content_hash)
    return " · ".join(
        [*facts, f'<abbr title="The first digits of the SHA-256 of its text">text {escape(hashed)}</abbr>']
    )


def _ranges(spans: Sequence[Span]) -> str:
    return ", ".join(f"{span.start}–{span.end}" for span in spans)


def _tools(reading: Reading) -> str:
    article = reading.article
    address, quote = f"/?article={article.id}", ""
    if reading.place.spans and not reading.changed:
        first = reading.place.spans[0]
        address += f"&from={first.start}&to={first.end}&hash={short_hash(article.content_hash)}"
        quote = copy_button(
            "quote", "Copy quote with reference", _reference(reading), "Copied, with its reference.", "copy"
        )
    link = copy_button(
        "link", "Copy link", address, "Link copied. It opens for everybody who may read this page.", "link"
    )
    views = ""
    if article.pages:
        views = '<span class="fn-as" role="group" aria-label="Show as">' + "".join(
            f'<button type="button" data-evidence="view" data-view="{name}" aria-pressed="{_said(on)}">{label}</button>'
            for name, label, on in (("page", "Page", reading.page), ("text", "Text", not reading.page))
        )
        views += "</span>"
    hidden = "" if reading.key and not reading.place.link.startswith("#cite") else " hidden"
    why = f'<button type="button" class="fn-button" data-evidence="why"{hidden}>Why was this not cited?</button>'
    return f'<div class="fn-tools">{views}{link}{quote}{why}</div>'


def _said(on: object) -> str:
    return "true" if on else "false"


def _reference(reading: Reading) -> str:
    """Return the words with all that leads back to them, as text."""
    source, article = reading.place.source, reading.article
    words = " … ".join(" ".join(article.text[span.start : span.end].split()) for span in reading.place.spans)
    number = page_of(article, reading.place.spans[0].start)
    facts = [source.title, source.author, source.published or "no date", source.source]
    facts += [article.url if article.url != source.source else None, f"page {number}" if number else None]
    facts += [f"characters {_ranges(reading.place.spans)}", f"text {short_hash(source.content_hash)}"]
    return f"“{words}” — {', '.join(' '.join(fact.split()) for fact in facts if fact)}"


# ---------------------------------------------------------------- the text


def _shown(text: str, spans: Sequence[Span]) -> Span:
    """Return which part of a text is shown, around the first span; cut where a word ends, where one does."""
    if len(text) <= LONGEST:
        return Span(0, len(text))
    middle = spans[0].start if spans else 0
    start = min(max(0, middle - LONGEST // 2), len(text) - LONGEST)
    if start:
        start = max(text.rfind(" ", start - 100, start), text.rfind("\n", start - 100, start), start - 1) + 1
    return Span(start, min(len(text), start + LONGEST))


def _body(
    article: Article, shown: Span, spans: Sequence[Span], others: Sequence[tuple[Span, int]], key: str | None
) -> str:
    blocks = article.blocks
    if blocks and article.text[blocks[0].start : blocks[0].end] == article.title:
        blocks = blocks[1:]  # it stands above
    links = _links(others, [Span(start, end) for start, end, _ in blocks], key)
    body = "".join(
        f'<{_TAGS[kind]} class="fn-{kind}">{_marked(article.text, part, spans, others, links)}</{_TAGS[kind]}>'
        for start, end, kind in blocks
        if (part := Span(max(start, shown.start), min(end, shown.end))).start < part.end
    )
    return f'<div class="fn-body" lang="{escape(article.language or "")}">{body}</div>'


def _links(others: Sequence[tuple[Span, int]], blocks: Sequence[Span], key: str | None) -> dict[int, str]:
    """Return by the character that they follow the links of the other citations: each at the end of its last words."""
    links: dict[int, str] = {}
    for span, n in others:
        ends = [min(span.end, block.end) for block in blocks if block.start < span.end and block.end > span.start]
        if ends:
            link = f'<a class="fn-also" href="#cite-{key}-{n}" aria-label="Footnote {n}">{n}</a>'
            links[max(ends)] = links.get(max(ends), "") + link
    return links


def _marked(
    text: str, part: Span, spans: Sequence[Span], others: Sequence[tuple[Span, int]], links: dict[int, str]
) -> str:
    """Return a part of a text in which what is cited is marked, as what is open or as what else is cited."""
    also = [span for span, _ in others]
    borders = {min(max(place, part.start), part.end) for span in [*spans, *also] for place in span} | set(part)
    stretches: list[tuple[str, str]] = []  # each a kind and its HTML
    for start, end in pairwise(sorted(borders)):
        kind = "current" if _within(start, spans) else "other" if _within(start, also) else ""
        before = stretches.pop()[1] if stretches and stretches[-1][0] == kind else ""
        stretches.append((kind, before + escape(text[start:end])))
        if end in links:
            stretches.append(("link", links[end]))
    return "".join(
        f'<mark class="{kind}">{words}</mark>' if kind in ("current", "other") else words for kind, words in stretches
    )


def _within(place: int, spans: Sequence[Span]) -> bool:
    return any(span.start <= place < span.end for span in spans)
