"""Owns what is told of an article that an answer does not cite: where it ranked, and what kept it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from rag import Footnote
from rag.errors import InputError
from rag.types import Answer, Source, WhyNot
from ui.conversations import Conversations
from ui.evidence import about, ordinal
from ui.opening import kept_answer
from ui.reading import short_hash
from ui.render import citations_of, escape, escape_name, shortened
from ui.requests import Conversing, Key, read

_LISTED = 8
_GONE = "This article is no longer in the library. Ask again."


class AskedWhy(Conversing):
    """Ask after an article, at a character of it or as a whole; without one, for those that were not found."""

    key: Key
    search: Annotated[str, Field(max_length=200)] = ""
    article: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    offset: Annotated[int, Field(ge=0, le=2**31)] | None = None


class Why:
    """Tells why an article is not among what an answer cites."""

    def __init__(self, library: Footnote, conversations: Conversations) -> None:
        self._library = library
        self._conversations = conversations

    def act(self, data: Any, session: str) -> dict[str, Any]:
        """Return the list of the other articles, or the answer about one of them."""
        asked = read(AskedWhy, data)
        answer = kept_answer(self._conversations, session, asked.conversation, asked.key)
        sources = self._library.sources()
        if asked.article is None:
            found = {hit.source.article_id for hit in answer.evidence.hits}
            others = [source for source in sources if source.article_id not in found]
            return {"list": others_html(_named(others, asked.search), bool(others))}
        source = next((source for source in sources if source.article_id == asked.article), None)
        if source is None:
            raise InputError(_GONE)
        why = self._library.why_not(answer.evidence, asked.article, asked.offset)
        return {"answer": why_html(why, source, answer, linked=asked.offset is None)}


def _named(sources: Sequence[Source], search: str) -> list[Source]:
    """Return the articles whose title, author or place have all words of a search."""
    words = search.casefold().split()
    return [
        source
        for source in sources
        if all(word in f"{source.title} {source.author or ''} {source.source}".casefold() for word in words)
    ]


def others_html(sources: Sequence[Source], any_there: bool) -> str:
    """Return articles as buttons that ask after them; of many, the first."""
    if not sources:
        none = "No other article has these words." if any_there else "All articles of the library are among these."
        return f'<p class="fn-meta">{none}</p>'
    items = "".join(
        f'<li><button type="button" data-evidence="why-of" data-article="{escape(source.article_id)}"><span '
        f'class="fn-title">{escape_name(source.title)}</span><span class="fn-meta">{about(source)}</span></button></li>'
        for source in sources[:_LISTED]
    )
    more = len(sources) - _LISTED
    rest = f'<p class="fn-meta">… and {more:,} more: search for their titles.</p>' if more > 0 else ""
    return f"<ul>{items}</ul>{rest}"


def why_html(why: WhyNot, source: Source, answer: Answer, *, linked: bool = True) -> str:
    """Return what kept an article, or one passage of it, out of what an answer cites, in words that people use.

    Without `linked`, that passage is open already.
    """
    facts = "".join(f"<li>{fact}</li>" for fact in _facts(why))
    question = ""
    if why.question != answer.standalone_question:
        question = f"<p>Ranked for its part “{escape(shortened(why.question, 160))}”.</p>"
    changed = ""
    if why.changed:
        changed = "<p>The library has changed since this answer: this is how it would be now.</p>"
    link = ""
    if why.span and linked:
        place = f"{why.span.start}-{why.span.end}-{short_hash(source.content_hash)}"
        link = f'<p><a href="#article-{why.article_id}-{place}">Read this passage</a></p>'
    return (
        f'<div class="fn-because"><h3>{escape_name(source.title)}</h3><p><strong>{_sentence(why, answer)}</strong></p>'
        f"{question}<ul>{facts}</ul>{changed}{link}</div>"
    )


def _sentence(why: WhyNot, answer: Answer) -> str:
    if why.outcome == "taken":
        return _of_taken(why, answer)
    if why.outcome == "out of scope":
        return "It was not searched: the question was asked of other articles, or as of an earlier date."
    if why.outcome == "no passage":
        return "There is nothing here to cite: titles, headings and boilerplate are never evidence."
    if why.outcome == "not a candidate":
        return (
            f"It was not near enough to the question: neither among the {why.candidates} nearest passages by words nor "
            f"among the {why.candidates} nearest by meaning."
        )
    if why.outcome == "copy":
        of = f"passage {why.number}" if why.number else "a passage of another article that ranked before it"
        return f"It says the same as {of}, and the same is not shown twice."
    rank = ordinal(why.rank or 0)
    if why.outcome == "enough of its article":
        return (
            f"It ranked {rank}, but its article already had its share: one article, with its copies, gets at most half "
            f"of the {why.taken} places."
        )
    if why.outcome == "reranked":
        return f"It ranked {rank}, but the second look of the reranker put it behind the {why.taken} that were taken."
    return f"It ranked {rank}, and only the best {why.taken} were taken."


def _of_taken(why: WhyNot, answer: Answer) -> str:
    numbers = citations_of(answer).get(why.number or 0, [])
    place = f"It was found, as passage {why.number} of {why.taken}"
    if why.changed or not numbers:
        return f"{place}{'' if why.changed else ', but no sentence of the answer cites it'}."
    return f"{place}, and it is cited: footnote{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}."


def _facts(why: WhyNot) -> list[str]:
    """Return the ranks of a passage and the score it would have needed."""
    if why.span is None:
        return []
    facts = []
    if why.outcome != "out of scope":
        words = (
            f"{ordinal(why.words_rank)} by words" if why.words_rank else "None of the question’s telling words in it"
        )
        facts += [words, f"{ordinal(why.meaning_rank)} by meaning" if why.meaning_rank else "Not found by meaning"]
    if why.score is not None:
        score = f"Score {why.score:.2f}"
        if why.last_score is not None and why.outcome != "taken":
            needed = "at least {0:.2f} was needed" if why.score < why.last_score else "the last one taken has {0:.2f}"
            score += f"; {needed.format(why.last_score)}"
        facts.append(score)
    return facts
