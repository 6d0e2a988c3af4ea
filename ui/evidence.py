"""Owns how the evidence of an answer looks: what was found, cited passages first, and why each stands there."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Answer, Features, Hit, Source
from ui.icons import icon
from ui.render import citations_of, escape, escape_name, shortened
from ui.turns import SEARCH

NONE_HTML = (
    '<div class="fn-hint"><h2 tabindex="-1">Evidence</h2><p>Open a footnote of an answer to read the article it comes '
    "from, at the very words. What was found and not cited stands below.</p></div>"
)
BACK = (
    '<button type="button" class="fn-back-chat fn-button" data-evidence="chat"><span aria-hidden="true">←</span> '
    "Back to the chat</button>"
)


def sources_html(answer: Answer, key: str) -> str:
    """Return the evidence of an answer, cited passages first, and a way to ask after what is not in it."""
    cited = citations_of(answer)
    cards = {n: _card(n, hit, cited.get(n, []), answer, key) for n, hit in enumerate(answer.evidence.hits, start=1)}
    order = sorted(cited, key=lambda n: cited[n][0])
    about_what = escape(shortened(answer.standalone_question, 160))
    parts = [
        f'<div class="fn-bar">{BACK}</div><h2 tabindex="-1">Sources</h2><p class="fn-for">for “{about_what}”</p>',
    ]
    if order:
        parts.append(f'<h3>Cited</h3><ul class="fn-cards">{"".join(cards[n] for n in order)}</ul>')
    rest = [n for n in cards if n not in cited]
    if rest:
        heading = "Found, not cited" if order else "Nearest passages, none cited"
        if answer.model == SEARCH:
            heading = "Found, best first"
        parts.append(f'<h3>{heading}</h3><ul class="fn-cards rest">{"".join(cards[n] for n in rest)}</ul>')
    if not cards:
        parts.append("<p>No passage was found.</p>")
    parts.append(_WHY_NOT)
    return f'<div class="fn-panel fn-sources-of" data-key="{key}">{"".join(parts)}</div>'


# Named `fn-find-article`, not an input of a form: what is typed is looked for as it is typed.
_WHY_NOT = (
    '<details class="fn-why"><summary>Why not another article?</summary>'
    "<p>Choose an article that is not among these, and read what kept it out.</p>"
    '<label class="fn-sr" for="fn-find-other">Search the articles that were not found</label>'
    '<input type="search" id="fn-find-other" placeholder="Search the other articles" maxlength="200" '
    'autocomplete="off" spellcheck="false"><div class="fn-why-list"></div>'
    '<div class="fn-why-answer" role="status"></div></details>'
)


def _card(n: int, hit: Hit, numbers: Sequence[int], answer: Answer, key: str) -> str:
    quotes = [citation for citation in answer.citations if citation.n in numbers]
    title = escape_name(hit.source.title)
    head = f'<span class="fn-title">{title}</span><span class="fn-meta">{about(hit.source)}</span>'
    why = _why_here(n, hit, len(answer.evidence.hits))
    if not quotes:
        text = escape(shortened(hit.passage.text, 220))
        return (
            f'<li class="fn-card"><a class="fn-found" href="#evidence-{key}-{n}">{head}'
            f'<span class="fn-excerpt">{text}</span></a>{why}</li>'
        )
    lines = "".join(
        f'<li><a class="fn-quote" href="#cite-{key}-{item.n}"><span class="fn-n">{item.n}</span>'
        f"<q>{escape(item.quote)}</q>{_page(item.page)}</a></li>"
        for item in quotes
    )
    return f'<li class="fn-card">{head}<ul class="fn-quotes">{lines}</ul>{why}</li>'


def _page(number: int | None) -> str:
    return "" if number is None else f' <span class="fn-meta">page {number}</span>'


def _why_here(n: int, hit: Hit, count: int) -> str:
    """Return which passage this is, and, folded up, why it stands there."""
    return (
        f'<details class="fn-rank"><summary>Passage {n} of {count} <span>· why it stands here</span>'
        f"</summary><ul>{_ranks(hit.features)}<li>Score {hit.score:.2f}, of 1 at most for this question</li></ul>"
        "</details>"
    )


def _ranks(features: Features) -> str:
    words = (
        f"{ordinal(features.lexical_rank)} by words (BM25 {features.lexical:.1f})"
        if features.lexical_rank
        else "Not found by words"
    )
    nearest = max((features.similarity, *features.sentence_similarities))
    meaning = f"{ordinal(features.dense_rank)} by meaning" if features.dense_rank else "Not found by meaning"
    return f"<li>{words}</li><li>{meaning} (likeness of its nearest sentence {nearest:.2f})</li>"


def ordinal(number: int) -> str:
    """Return `1st` for 1."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def about(source: Source) -> str:
    """Return date, author and place of an article, in one line."""
    facts = [source.published or "no date", source.author, source.source]
    if source.visibility == "internal":
        facts.append("internal")
    return " · ".join(escape_name(fact) for fact in facts if fact)


def nowhere_html(words: str, key: str, count: int) -> str:
    """Return that words of an answer come from nothing that was found for it."""
    found = f"any of the {count} passages" if count > 1 else "the passage" if count else "anything"
    return (
        f'<div class="fn-panel fn-nowhere" data-key="{key}"><div class="fn-bar">{BACK}'
        f'<a class="fn-back" href="#sources-{key}">Sources</a></div><h2 tabindex="-1">Where from?</h2>'
        f"<blockquote>{escape(words)}</blockquote>"
        f'<p class="fn-warning">These words are not in {found} that came up for this answer, and nothing there says '
        "the same. They may be the model’s own, or your selection joins what stands apart.</p></div>"
    )


def gone_html(source: Source, words: str, key: str) -> str:
    """Return what is left of a citation whose article is no longer in the library: its words."""
    return (
        f'<div class="fn-panel" data-key="{key}"><div class="fn-bar">{BACK}<a class="fn-back" href="#sources-{key}">'
        f'Sources</a></div><h2 tabindex="-1">{escape_name(source.title)}</h2>'
        '<p class="fn-warning">This article is no longer in the library. These were its words:</p>'
        f"<blockquote>{escape(words)}</blockquote></div>"
    )


def missing_html() -> str:
    """Return that an address leads to an article that is not there."""
    return (
        f'<div class="fn-panel"><div class="fn-bar">{BACK}</div><h2 tabindex="-1">Article not found</h2>'
        '<p class="fn-warning">The article that this link leads to is no longer in the library.</p></div>'
    )


def copy_button(kind: str, label: str, text: str, said: str, drawing: str) -> str:
    """Return a button that copies a text; of kind `link` an address of this page, which begins with a slash."""
    return (
        f'<button type="button" class="fn-button" data-evidence="copy" data-kind="{kind}" data-text="{escape(text)}" '
        f'data-said="{escape(said)}">{icon(drawing)}{label}</button>'
    )
