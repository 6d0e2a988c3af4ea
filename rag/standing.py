"""Owns whether a quote still stands: what became of a citation since its article was read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Protocol

from rag.text import index_terms, sentence_spans
from rag.types import Article, Citation, Source, Span

State = Literal["unchanged", "moved", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class CitationNow:
    """What became of a citation: `unchanged`; `moved` to `start:end` of `source`, word for word; `changed`; `gone`.

    `nearest` is the sentence of the changed article that is most like the quote, if any is.
    """

    n: int
    source: str
    state: State
    start: int | None = None
    end: int | None = None
    nearest: str | None = None


class Articles(Protocol):
    """The articles as they are now."""

    def article(self, identifier: str) -> Article | None:
        """Return an article; None where there is none of this id."""

    def sources(self) -> list[Source]:
        """Return what is known of each article."""


def citation_now(citation: Citation, articles: Articles) -> CitationNow:
    """Return what became of a citation in the articles as they are now."""
    cited = citation.source
    article = articles.article(cited.article_id)
    if article is None:  # perhaps under another name
        same = (source for source in articles.sources() if source.content_hash == cited.content_hash)
        source = next(same, None)
        article = articles.article(source.article_id) if source else None
    if article is None:
        return CitationNow(citation.n, cited.source, "gone")
    place = (citation.start, citation.end)
    stands = article.text[slice(*place)] == citation.quote
    if stands and (article.id, article.content_hash) == (cited.article_id, cited.content_hash):
        return CitationNow(citation.n, cited.source, "unchanged", *place)
    if found := _places(citation.quote, article.text):
        start, end = min(found, key=lambda span: abs(span.start - citation.start))
        return CitationNow(citation.n, article.source, "moved", start, end)
    return CitationNow(citation.n, article.source, "changed", nearest=_nearest(citation.quote, article))


def _places(quote: str, text: str) -> list[Span]:
    """Return where the words of a quote stand in a text, whatever the white space between them."""
    words = quote.split()
    if not words:
        return []
    return [Span(*match.span()) for match in re.finditer(r"\s+".join(map(re.escape, words)), text)]


def _nearest(quote: str, article: Article) -> str | None:
    """Return the sentence that shares the most terms with a quote, for its length; None where none shares any."""
    wanted = set(index_terms(quote))
    best, nearest = 0.0, None
    for block in article.blocks:
        for start, end in sentence_spans(article.text, block.start, block.end) if block.kind != "boilerplate" else ():
            terms = set(index_terms(article.text[start:end]))
            share = 2 * len(wanted & terms) / max(1, len(wanted) + len(terms))
            if share > best:
                best, nearest = share, article.text[start:end]
    return nearest
