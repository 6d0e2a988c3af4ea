"""What a page says of itself: title, date, author, language and address."""

from __future__ import annotations

import json

import pytest

from rag.load.html_head import Head
from rag.load.html_tree import parse_markup

LINKED = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": "The bridge of the data",
    "datePublished": "2024-03-01T10:00:00+01:00",
    "author": [{"@type": "Person", "name": "Ida Berg"}, {"@type": "Person", "name": "李雷"}],
}


def linked(data: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


def head(markup: str) -> Head:
    return Head(parse_markup(markup), markup)


# ---------------------------------------------------------------- linked data


@pytest.mark.parametrize("data", [LINKED, [{"@type": "WebSite"}, LINKED], {"@graph": [{"@type": "WebPage"}, LINKED]}])
def test_metadata_is_read_from_linked_data(data: object) -> None:
    found = head("<title>Example Times</title>" + linked({"@type": "Organization"}) + linked(data))
    assert (found.title([]), found.author([]), found.published([])) == (
        "The bridge of the data",
        "Ida Berg, 李雷",
        "2024-03-01",
    )


@pytest.mark.parametrize(
    "data",
    [
        *("{", "[" * 100_000, "null", "5", '"x"', "[null, 5]", '{"@graph": 5}', '{"headline": [{}], "author": 7}'),
        '{"headline": "\\ud800", "author": {"name": {}}, "datePublished": ["2024"]}',
    ],
)
def test_linked_data_that_is_none_is_passed_over(data: str) -> None:
    found = head(f"<title>The bridge</title><script type='application/ld+json'>{data}</script>")
    assert (found.title([]), found.published([])) == ("The bridge", None)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<meta name='date' content='2024-03-01'>", "2024-03-01"),
        ("<meta name='DC.date' content='March 1, 2024'>", "2024-03-01"),
        ("<meta itemprop='datePublished' content='2024-03-01'>", "2024-03-01"),
        (
            "<meta property='article:published_time' content='soon'><meta name='date' content='2024-03-01'>",
            "2024-03-01",
        ),
        ("<time datetime='2024-03-01T10:00'>yesterday</time>", "2024-03-01"),
        ("<time datetime='2024-03'>March</time>", None),
        ("<meta name='date' content='03/04/2024'>", None),
        ("<meta name='date'>", None),
        ("<span itemprop='datePublished' datetime='2024-03-01'>today</span>", "2024-03-01"),
        ("<span itemprop='datePublished'>1.3.2024, 8 Uhr</span>", "2024-03-01"),
        ("<link rel='canonical' href='https://example.org/2024/03/01/bridge'>", "2024-03-01"),
        ("<link rel='canonical' href='https://example.org/2024/13/01/bridge'>", None),
        ("<link rel='canonical' href='https://example.org/2024/03/bridge'>", None),
        ("<meta property='article:modified_time' content='2024-03-01'>", None),
    ],
)
def test_the_date_is_the_first_full_one_of_its_publication(markup: str, expected: str | None) -> None:
    assert head(markup).published([]) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2024-03-01", "2024-03-01"),
        ("Stand: 01.03.2024, 12:30 Uhr", "2024-03-01"),
        ("1. 3. 2024", "2024-03-01"),
        ("31.02.2024", None),
        ("03/04/2024", None),
        ("It was opened on 01.03.2024, and " + "it is long " * 10, None),
        ("1.2.3.2024", None),
    ],
)
def test_a_date_may_stand_beside_the_headline(line: str, expected: str | None) -> None:
    assert head("").published(["By Ida Berg", line]) == expected


def test_the_head_is_trusted_more_than_the_lines_beside_the_headline() -> None:
    assert head("<meta name='date' content='2024-03-01'>").published(["2024-05-06"]) == "2024-03-01"


@pytest.mark.parametrize("href", ["/bridge", "javascript:alert(1)", ""])
def test_an_address_that_is_no_web_address_is_dropped(href: str) -> None:
    assert head(f"<link rel='canonical' href='{href}'>").address is None


def test_the_address_is_the_canonical_one_or_where_the_page_was_saved_from() -> None:
    canonical = "<link rel='Canonical' href='https://example.org/a'>"
    graph = "<meta property='og:url' content='https://example.org/b'>"
    saved = "<!DOCTYPE html>\n<!-- saved from url=(0021)https://example.org/c -->\n<html>"
    assert head(saved + canonical + graph).address == "https://example.org/a"
    assert head(saved + graph).address == "https://example.org/b"
    assert head(saved).address == "https://example.org/c"
    assert head("<!--\n Page saved with SingleFile \n url: https://example.org/d \n saved date: x -->").address == (
        "https://example.org/d"
    )
    assert head("<!-- saved from url=(0014)about:internet -->").address is None
    assert head("<p>text</p><!-- saved from url=(0021)https://example.org/c -->").address is None


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<html lang='en-GB'>", "en"),
        ("<html xml:lang='de'>", "de"),
        ("<html><meta http-equiv='Content-Language' content='fr'>", "fr"),
        ("<html lang=''>", None),
    ],
)
def test_the_language_is_what_the_page_says(markup: str, expected: str | None) -> None:
    assert head(markup).language == expected


# ---------------------------------------------------------------- the title


@pytest.mark.parametrize(
    ("markup", "headings", "expected"),
    [
        ("<title>The bridge | Example Times</title>", ["The bridge"], "The bridge"),
        ("<title>The bridge at Ostvik – Example Times</title>", ["The bridge at Ostvik"], "The bridge at Ostvik"),
        ("<title>News » The bridge at Ostvik</title>", ["The bridge at Ostvik"], "The bridge at Ostvik"),
        ("<title>The bridge at Ostvik is old</title>", ["The bridge at Ostvik"], "The bridge at Ostvik is old"),
        ("<title>The bridge at Ostvik | Example Times</title>", [], "The bridge at Ostvik"),
        ("<title>The bridge - a history</title>", ["Contents"], "The bridge - a history"),
        ("<meta property='og:title' content='The  bridge'><title>Old</title>", ["The bridge at Ostvik"], "The bridge"),
        (
            "<meta property='og:site_name' content='Example Times'><title>The bridge - Example Times</title>",
            ["Example Times"],
            "The bridge",
        ),
        (
            "<meta property='og:site_name' content='Example Times'><title>Example Times: all about bridges</title>",
            ["Example Times"],
            "Example Times: all about bridges",
        ),
        ("<title> </title>", ["The bridge"], None),
        ("<title>AT&amp;T &mdash; a <b>history</b></title>", [], "AT&T — a <b>history</b>"),
        ("<svg><title>Logo</title></svg>", ["The bridge"], None),
    ],
)
def test_the_title_is_the_heading_that_the_head_names_without_the_name_of_the_site(
    markup: str, headings: list[str], expected: str | None
) -> None:
    assert head(markup).title(headings) == expected


# ---------------------------------------------------------------- authors


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<meta name='Author' content='Ida Berg'>", "Ida Berg"),
        ("<a rel='author' href='/ida'>Ida <b>Berg</b></a>", "Ida Berg"),
        ("<p itemprop='author'>By <span itemprop='name'>Ida Berg</span>, today</p>", "Ida Berg"),
        ("<meta name='author' content='admin'><meta name='dc.creator' content='Ida Berg'>", "Ida Berg"),
        ("<meta property='og:site_name' content='Example Times'><meta name='author' content='Example Times'>", None),
        ("<meta property='article:author' content='https://example.org/ida'>", None),
        ("<meta name='author' content='ida@example.org'>", None),
        (linked({"headline": "x", "author": {"@type": "Organization", "name": "Example Times"}}), None),
        ("<a rel='author' href='/ida'>All articles →</a>", None),
    ],
)
def test_the_author_is_somebody_with_a_name(markup: str, expected: str | None) -> None:
    assert head(markup).author([]) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("By Ida Berg", "Ida Berg"),
        ("by Ida Berg and Lars Holm | 1 March", "Ida Berg and Lars Holm"),
        ("Von Jürgen O’Neill-Maß, dpa", "Jürgen O’Neill-Maß"),
        ("作者：王小明", "王小明"),
        ("By the sea it is cold", None),
        ("By 2030 all will be well", None),
        ("Bye bye", None),
        ("Written by nobody", None),
        (
            "By Ida Berg, who has crossed it many times and knows each of its towers, its cables and its keepers well.",
            None,
        ),
    ],
)
def test_a_byline_beside_the_headline_names_the_author(line: str, expected: str | None) -> None:
    assert head("").author(["The bridge", line]) == expected
