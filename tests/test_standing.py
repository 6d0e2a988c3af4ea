"""What becomes of a quote when its article changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.load import load
from rag.standing import CitationNow, citation_now
from rag.types import Article, Citation, Source

TEXT = "The bridge at Ostvik was opened in 1931. It is 412 metres long.\n\nEngineers found rust in two cables.\n"
QUOTE = "It is 412 metres long."


@dataclass
class Shelf:
    """Articles as a library gives them."""

    articles: tuple[Article, ...]

    def article(self, identifier: str) -> Article | None:
        return next((article for article in self.articles if article.id == identifier), None)

    def sources(self) -> list[Source]:
        return [source(article) for article in self.articles]


def source(article: Article) -> Source:
    return Source(article.id, article.source, "", None, None, None, None, "public", article.content_hash)


def made(text: str, file: str = "bridge.txt") -> Article:
    (article,) = load(file, text.encode())
    return article


def cited(article: Article, quote: str = QUOTE) -> Citation:
    start = article.text.index(quote)
    return Citation(3, 1, source(article), start, start + len(quote), quote)


def now(*articles: Article, citation: Citation | None = None) -> CitationNow:
    return citation_now(citation or cited(made(TEXT)), Shelf(articles))


def test_a_quote_of_an_article_that_is_as_it_was_is_unchanged() -> None:
    citation = cited(made(TEXT))
    assert now(made(TEXT)) == CitationNow(3, "bridge.txt", "unchanged", citation.start, citation.end)


def test_a_quote_that_stands_elsewhere_in_its_article_has_moved() -> None:
    article = made(f"News of the north.\n\n{TEXT}")
    found = now(article)
    assert (found.state, found.source) == ("moved", "bridge.txt")
    assert found.start is not None
    assert article.text[found.start : found.end] == QUOTE


def test_of_several_places_the_one_nearest_to_the_old_is_told() -> None:
    article = made(f"{QUOTE}\n\n{TEXT}\n{QUOTE}\n")
    assert now(article).start == article.text.index(QUOTE, 30)


def test_other_line_ends_are_no_other_words() -> None:
    article = made(TEXT.replace("412 metres", "412\nmetres"))
    found = now(article)
    assert found.state == "moved"
    assert article.text[found.start : found.end].split() == QUOTE.split()


def test_a_renamed_file_is_found_by_its_content() -> None:
    found = now(made("Something else.\n", "a.txt"), made(TEXT, "north/ostvik.txt"))
    assert (found.state, found.source) == ("moved", "north/ostvik.txt")


def test_a_quote_that_changed_is_told_with_the_sentence_nearest_to_it() -> None:
    found = now(made(TEXT.replace("412", "418")))
    assert found == CitationNow(3, "bridge.txt", "changed", nearest="It is 418 metres long.")
    assert now(made("蜂蜜。\n")) == CitationNow(3, "bridge.txt", "changed")


def test_an_article_that_is_not_there_any_more_is_gone() -> None:
    assert now(made("Something else.\n", "a.txt")) == CitationNow(3, "bridge.txt", "gone")


@pytest.mark.parametrize("quote", ["It is 413 metres long.", " ", "("])
def test_a_quote_that_never_stood_there_is_changed_though_the_article_is_not(quote: str) -> None:
    assert now(made(TEXT), citation=replace(cited(made(TEXT)), quote=quote)).state == "changed"


def test_a_place_that_never_was_that_of_the_quote_is_not_unchanged() -> None:
    assert now(made(TEXT), citation=replace(cited(made(TEXT)), start=0, end=len(QUOTE))).state == "moved"


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_quote_moved_or_unchanged_stands_where_it_is_said_to(before: str, behind: str) -> None:
    article = replace(made(TEXT), text=f"{before}{TEXT}{behind}")
    found = now(article)
    assert found.state in ("unchanged", "moved")
    assert article.text[found.start : found.end].split() == QUOTE.split()
