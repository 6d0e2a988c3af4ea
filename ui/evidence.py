"""Owns the side panel's contents: the list of evidence, and an article open at the cited words."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Answer, Article, Hit, Source, Span
from ui.render import citations_of, escape, escape_name, shortened

_LONGEST = 300_000  # characters of an article shown at once
_TAGS = {"title": "h3", "heading": "h3", "text": "p", "boilerplate": "p"}

WELCOME = (
    '<div class="fn-hint"><h2 tabindex="-1">Sources</h2><p>Click a footnote in an answer to open the article it '
    "comes from, at the very words.</p></div>"
)


def sources_html(answer: Answer, key: str) -> str:
    """Return the evidence of an answer, cited passages first."""
    cited = citations_of(answer)
    cards = {n: _card(n, hit, cited.get(n, []), answer, key) for n, hit in enumerate(answer.evidence.hits, start=1)}
    order = sorted(cited, key=lambda n: cited[n][0])
    parts = ['<h2 tabindex="-1">Sources</h2>']
    if order:
        parts.append(f'<ul class="fn-cards">{"".join(cards[n] for n in order)}</ul>')
    rest = [n for n in cards if n not in cited]
    if rest:
        heading = "Also found, not cited" if order else "Nearest passages, none cited"
        parts.append(f'<h3>{heading}</h3><ul class="fn-cards rest">{"".join(cards[n] for n in rest)}</ul>')
    return f'<div class="fn-panel">{"".join(parts)}</div>'


def _card(n: int, hit: Hit, numbers: Sequence[int], answer: Answer, key: str) -> str:
    quotes = [citation for citation in answer.citations if citation.n in numbers]
    head = (
        f'<span class="fn-title">{escape_name(hit.source.title)}</span><span class="fn-meta">{about(hit.source)}</span>'
    )
    if not quotes:
        text = escape(shortened(hit.passage.text, 220))
        return (
            f'<li><a class="fn-card" href="#evidence-{key}-{n}">{head}<span class="fn-excerpt">{text}</span></a></li>'
        )
    lines = "".join(
        f'<li><a class="fn-quote" href="#cite-{key}-{item.n}"><span class="fn-n">{item.n}</span>'
        f"<q>{escape(item.quote)}</q>{_page(item.page)}</a></li>"
        for item in quotes
    )
    return f'<li><div class="fn-card">{head}<ul class="fn-quotes">{lines}</ul></div></li>'


def _page(number: int | None) -> str:
    return "" if number is None else f' <span class="fn-meta">page {number}</span>'


def about(source: Source) -> str:
    """Return date, author and place of an article, in one line."""
    facts = [source.published or "no date", source.author, source.source]
    if source.visibility == "internal":
        facts.append("internal")
    return " · ".join(escape_name(fact) for fact in facts if fact)


def article_html(article: Article, source: Source, marked: Span | None, label: str, back: str | None) -> str:
    """Return a whole article with `marked` highlighted; `back` is the link that leads to where the reader came from.

    Where the article has changed since the answer (another content hash), the panel says so and marks nothing.
    """
    note = ""
    if article.content_hash != source.content_hash and marked is not None:
        note = '<p class="fn-warning">This article has changed since the answer was given. Ask again.</p>'
        marked = None
    start = max(0, marked.start - _LONGEST // 2) if marked and len(article.text) > _LONGEST else 0
    shown = Span(start, start + _LONGEST)
    if len(article.text) > _LONGEST:
        note += '<p class="fn-warning">The article is long: a part of it is shown.</p>'
    blocks = article.blocks
    if blocks and article.text[blocks[0].start : blocks[0].end] == article.title:
        blocks = blocks[1:]  # it stands above
    body = "".join(
        f'<{_TAGS[kind]} class="fn-{kind}">{_marked(article.text, Span(begin, end), marked)}</{_TAGS[kind]}>'
        for begin, end, kind in blocks
        if begin < shown.end and end > shown.start
    )
    link = f'<a class="fn-back" href="{back}">← Sources</a>' if back else ""
    address = (
        f'<span class="fn-meta">{escape_name(article.url)}</span>'
        if article.url and article.url != source.source
        else ""
    )
    return (
        f'<div class="fn-panel fn-article"><div class="fn-head">{link}<p class="fn-label">{escape(label)}</p>'
        f'<h2 tabindex="-1">{escape_name(article.title)}</h2><span class="fn-meta">{about(source)}</span>'
        f'{address}</div>{note}<div class="fn-body" lang="{escape(article.language or "")}">{body}</div></div>'
    )


def gone_html(source: Source, quote: str) -> str:
    """Return what is left of a citation whose article is no longer in the library: its words."""
    return (
        f'<div class="fn-panel"><h2 tabindex="-1">{escape_name(source.title)}</h2>'
        '<p class="fn-warning">This article is no longer in the library. These were its words:</p>'
        f"<blockquote>{escape(quote)}</blockquote></div>"
    )


def _marked(text: str, block: Span, marked: Span | None) -> str:
    if marked is None or marked.end <= block.start or marked.start >= block.end:
        return escape(text[block.start : block.end])
    start, end = max(marked.start, block.start), min(marked.end, block.end)
    inside = f"<mark>{escape(text[start:end])}</mark>"
    return escape(text[block.start : start]) + inside + escape(text[end : block.end])
