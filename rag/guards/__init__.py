"""Owns what can be told to the letter between a sentence and what it cites: contradicted, missing, unknown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rag.facts import lacks_name, names
from rag.guards.denials import denied_otherwise, groundless
from rag.guards.exchanges import differing_words, opening_name, reordered, swapped
from rag.guards.figures import Figures
from rag.guards.mentions import countables
from rag.guards.naming import accounted_for
from rag.guards.statements import Statement
from rag.guards.wording import exchanged, exchanged_figures
from rag.quotations import check_quotations
from rag.text import index_terms


class Findings(NamedTuple):
    """What speaks against a sentence, each a sentence for the reader.

    `contradicted`: the cited text says the same thing otherwise. `missing`: a figure, date or quotation that
    stands nowhere in what is cited. `unknown`: names that stand nowhere in it.
    """

    contradicted: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def findings(claim: str, quotes: Sequence[str], passages: str, others: Sequence[str] = ()) -> Findings:
    """Compare a sentence with the sentences it cites.

    `quotes` are the cited spans, `passages` all cited passages with headings, titles and dates of publication, in
    which dates, years and names may stand too, since articles go on about "then" and "he". `others` are the
    texts of the passages found that are not cited. Where a sentence is told to be contradicted, the words around
    the place agree with a cited span: other words alone are never a contradiction.
    """
    statement, cited = Statement(claim), [Statement(quote) for quote in quotes]
    figures = Figures(statement, cited, countables("\n".join([passages, *quotes])))
    around = " ".join([passages, *quotes])
    terms = _terms(passages).union(*map(_terms, quotes))
    named = [*opening_name(statement), *(name for name in names(claim) if not accounted_for(name, claim, around))]
    lacking = [name for name in named if lacks_name(name, terms)]
    otherwise = [
        *(figures.contradicted or (() if figures.missing else exchanged_figures(statement, cited))),
        *swapped(statement, cited),
        *reordered(statement, cited),
        *exchanged(statement, cited),
        *denied_otherwise(statement, cited),
        *differing_words(statement, cited),
    ]
    missing = [*figures.missing, *(() if otherwise else groundless(statement, cited))]
    missing += check_quotations(claim, quotes, passages, others)
    unknown = [f"“{name}” is not in the cited passage." for name in lacking]
    return Findings(_once(otherwise), _once(missing), _once(unknown))


@lru_cache(maxsize=512)
def _terms(text: str) -> frozenset[str]:
    return frozenset(index_terms(text))


def _once(reasons: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reasons))
