"""HTML: how a page is recognised, and its visible text as blocks; the parts have tests of their own."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.html import looks_like_html, looks_like_xml, parse_html, visible_text
from rag.text import clean
from tests.articles import article_or_none, blocks

_TAGS = "p div h1 table tr td th ul li br pre b a span article main body html head title script style svg form"
_MARKUP = st.sampled_from(
    [
        *(f"<{name}>" for name in _TAGS.split()),
        *(f"</{name}>" for name in _TAGS.split()),
        *"<!-- --> <![CDATA[ ]]> <?xml?> < > & &# &amp; &nbsp; &#8232; &#xD800; &#1; <header> 茶。".split(),
        *("It is long. ", "\n", "<!doctype html>", "<a href='", "<meta name=date content='", "<p hidden>"),
        *("<script type='application/ld+json'>", '{"headline":', '"datePublished"', "[[["),
    ]
)
_PAGES = st.lists(_MARKUP | st.text(max_size=8), max_size=25).map("".join)


def page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>"


def texts(body: str) -> list[str]:
    return [text for _, text in blocks(parse_html(page(body)))]


@settings(deadline=None, max_examples=200)
@given(_PAGES)
@example("<?xml version='1.0'?><rss><p>text")
@example("<header><article><p>text</article></header>")
def test_any_text_becomes_an_article_or_says_why_not(markup: str) -> None:
    article = article_or_none(lambda: to_article(parse_html(clean(markup)), "a.html"))
    assert article is None or article.text == clean(article.text)


_WORD = st.from_regex(r"[a-z茶-荼]{1,8}", fullmatch=True)
_VISIBLE = st.sampled_from(
    ["<p>{}</p>", "<div>{}</div>", "{}<br>", "<ul><li>{}</ul>", "<tr><td>{}</tr>", "<h2>{}</h2> ", "<pre>{}</pre>"]
)


@settings(deadline=None)
@given(st.lists(st.tuples(_VISIBLE, _WORD), min_size=1, max_size=15))
def test_every_visible_word_of_the_page_is_in_the_article_in_order(parts: list[tuple[str, str]]) -> None:
    body = "<p>The words:</p>" + "\n".join(form.format(word) for form, word in parts)
    article = to_article(parse_html(page(body)), "a.html")
    assert article.text.split() == ["The", "words:", *(word for _, word in parts)]


# ---------------------------------------------------------------- what is text


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>var a = 'x <p>not text</p>';</script>",
        '<script type=\'application/ld+json\'>{"headline": "not text"}</script>',
        "<style>p { color: red }</style>",
        "<noscript>Enable JavaScript</noscript>",
        "<template><p>not text</p></template>",
        "<nav><ul><li><a href='/'>Home</a></li></ul></nav>",
        "<footer><p>Imprint</p></footer>",
        "<p hidden>not shown</p>",
        "<div hidden='until-found'><p>not shown</p></div>",
        "<div style='color: red; DISPLAY : none'><p>not shown</p></div>",
        "<span style='visibility:hidden'>not shown</span>",
        "<span aria-hidden='true'>★</span>",
        "<div role='navigation'>Menu</div>",
        "<form><label>Name</label><input value='x'><select><option>One</option></select><button>Go</button></form>",
        "<textarea>not text</textarea>",
        "<svg><title>Logo</title><text>not text</text></svg>",
        "<iframe src='x'>not text</iframe>",
        "<!-- a comment with <p>a paragraph</p> -->",
        "<![CDATA[ not text ]]>",
        "<dialog>Accept cookies?</dialog>",
        "<div role='dialog'>Accept cookies?</div>",
        "<p style='font-size: 0px'>not shown</p>",
        "<span style='font-size:0'>not shown</span>",
        "<p style='visibility: collapse'>not shown</p>",
        "<div style='position:absolute; left:-9999px'>not shown</div>",
        "<p class='note sr-only'>for screen readers</p>",
        "<frameset><frame src='a.html'><noframes>No frames</noframes></frameset>",
        "<meta http-equiv='refresh' content='0; url=https://example.org/'><base href='https://example.org/'>",
        "<img src='a.png' alt='a bridge'>",
    ],
)
def test_what_a_reader_does_not_see_is_not_text(hidden: str) -> None:
    assert texts(f"<p>The bridge is long.</p>{hidden}<p>It is old.</p>") == ["The bridge is long.", "It is old."]


def test_a_page_of_scripts_only_has_no_text() -> None:
    with pytest.raises(Unloadable, match="empty"):
        to_article(
            parse_html("<!doctype html><title>App</title><div id='root'></div><script>start()</script>"), "a.html"
        )


def test_a_page_that_hides_its_body_until_a_script_has_run_is_read() -> None:
    markup = "<html style='opacity:0'><body style='visibility:hidden'><p>It is long.</p></body></html>"
    assert blocks(parse_html(markup)) == [("text", "It is long.")]


def test_a_form_around_the_whole_page_hides_nothing() -> None:
    assert texts("<form id='aspnet'><h1>The bridge</h1><p>It is long.</p></form>") == ["The bridge", "It is long."]


def test_hidden_elements_within_hidden_elements_are_no_trouble() -> None:
    body = "<nav><div hidden><script>x</script><p style='display:none'>x</p></div></nav><p>It is long.</p>"
    assert texts(body) == ["It is long."]


# ---------------------------------------------------------------- where the main text is


def test_an_article_that_holds_most_of_the_text_is_the_main_text() -> None:
    body = (
        "<header><p>The Example Times</p></header><div>Weather: rain</div>"
        "<main><div>Most read</div><article><header><h1>The bridge</h1></header>"
        "<p>It was opened in 1931, and it is 412 metres long.</p></article></main>"
    )
    assert texts(body) == ["The bridge", "It was opened in 1931, and it is 412 metres long."]


def test_a_main_element_is_the_main_text_where_no_article_is() -> None:
    assert texts("<div>Weather: rain</div><main><p>The bridge was opened in 1931.</p></main>") == [
        "The bridge was opened in 1931."
    ]


def test_a_teaser_marked_as_an_article_does_not_hide_the_text_beside_it() -> None:
    body = "<main><p>The bridge was opened in 1931 and is 412 metres long.</p><article>Ferries</article></main>"
    assert texts(body)[0] == "The bridge was opened in 1931 and is 412 metres long."


def test_several_articles_of_one_page_are_all_read() -> None:
    days = [f"On day {day} the bridge was closed." for day in range(4)]
    body = "".join(f"<article><h2>News</h2><p>{day}</p></article>" for day in days)
    assert [text for text in texts(body) if text != "News"] == days


def test_an_article_inside_a_header_is_read() -> None:
    assert texts("<header><article><p>The bridge is long.</p></article></header>") == ["The bridge is long."]


def test_text_behind_the_end_of_the_body_is_read() -> None:
    assert texts("<p>The bridge is long.</p></body><p>It is old.</p>") == ["The bridge is long.", "It is old."]


def test_a_page_that_leaves_out_optional_tags_is_read() -> None:
    document = parse_html("<!doctype html><title>Bridges</title><h1>The bridge</h1><p>It is long.<p>It is old.")
    assert document.title == "Bridges"
    assert blocks(document) == [("title", "The bridge"), ("text", "It is long."), ("text", "It is old.")]


# ---------------------------------------------------------------- blocks


def test_headings_paragraphs_and_lists_are_blocks_in_order() -> None:
    body = (
        "<h1>The <em>bridge</em></h1><p>It is\n   long   and <b>old</b>.</p><h2>Parts</h2>"
        "<ul><li>deck<ul><li>steel</li><li>wood</li></ul></li><li>cables</li></ul>"
        "<dl><dt>Tower</dt><dd>It holds.</dd></dl>"
        "<blockquote><p>It stands.</p></blockquote><figure><img alt='x'><figcaption>At dusk</figcaption></figure>"
    )
    assert blocks(parse_html(page(body))) == [
        ("title", "The bridge"),
        ("text", "It is long and old."),
        ("heading", "Parts"),
        *(
            ("text", text)
            for text in ("deck", "steel", "wood", "cables", "Tower", "It holds.", "It stands.", "At dusk")
        ),
    ]
    assert "steel\nwood" in to_article(parse_html(page(body)), "a.html").text


def test_text_beside_and_between_blocks_is_kept_apart() -> None:
    assert texts("<div>Above <b>it</b> all<p>inside</p>below<div>deeper<div>deepest</div></div>end</div>") == [
        *("Above it all", "inside", "below"),
        *("deeper", "deepest", "end"),
    ]


def test_a_table_row_is_one_block_of_its_cells() -> None:
    body = (
        "<table><caption>Lengths</caption><thead><tr><th>Year</th><th>Length</th></tr></thead>"
        "<tbody><tr><td>1931</td><td>412</td></tr><tr><td>2022</td><td><b>418</b> m</td></tr>"
        "<tr><td></td><td>in all</td></tr></tbody></table>"
    )
    assert blocks(parse_html(page(body))) == [
        *(("text", "Lengths"), ("text", "Year | Length"), ("text", "1931 | 412"), ("text", "2022 | 418 m")),
        ("text", "in all"),
    ]
    assert "Year | Length\n1931 | 412\n2022" in to_article(parse_html(page(body)), "a.html").text


def test_a_table_without_closing_tags_has_the_same_rows() -> None:
    assert texts("<table><tr><th>Year<th>Length<tr><td>1931<td>412 m</table>") == ["Year | Length", "1931 | 412 m"]


def test_paragraphs_in_the_cells_of_a_layout_table_are_blocks() -> None:
    body = "<table><tr><td><p>The bridge is long.</p><p>It is old.</p></td></tr></table>"
    assert texts(body) == ["The bridge is long.", "It is old."]


def test_a_line_break_parts_words_and_preformatted_text_keeps_its_lines() -> None:
    assert texts("<p>Ostvik<br>Harbour 1</p>") == ["Ostvik\nHarbour 1"]
    assert texts("<p>Code:</p><pre>for x in y:\n    <b>print</b>(x)\n</pre>") == ["Code:", "for x in y:\n    print(x)"]


def test_character_references_become_characters_that_can_be_stored() -> None:
    assert texts("<p>AT&amp;T &lt;b&gt; caf&eacute; &#33590; a&#x2028;b c&#1;d</p>") == ["AT&T <b> café 茶 a b cd"]


def test_long_text_above_the_first_heading_keeps_it_a_heading() -> None:
    body = f"<p>{'The bridge is long. ' * 8}</p><h1>Repairs</h1><p>Rust was found.</p>"
    assert blocks(parse_html(page(body)))[1] == ("heading", "Repairs")


def test_a_piece_of_html_gives_its_visible_lines() -> None:
    assert visible_text("<div><p>One &amp; two</p><script>x</script><p>three</p></div>") == "One & two\nthree"
    assert visible_text("<!-- nothing -->") == ""


# ---------------------------------------------------------------- the head


def test_the_head_describes_the_document() -> None:
    head = (
        "<title>The bridge | Example Times</title><meta name='author' content='Ida Berg'>"
        "<meta property='article:published_time' content='2024-03-01T10:00:00Z'>"
        "<link rel='canonical' href='https://example.org/bridge'>"
    )
    document = parse_html(page("<h1>The bridge</h1><p>It is long.</p>", head))
    assert (document.title, document.author, document.published) == ("The bridge", "Ida Berg", "2024-03-01")
    assert (document.url, document.language) == ("https://example.org/bridge", "en")


def test_a_date_and_a_name_below_the_headline_are_those_of_the_article() -> None:
    document = parse_html(page("<h1>The bridge</h1><p>By Ida Berg</p><p>24.03.2024</p><p>It is long.</p>"))
    assert (document.author, document.published) == ("Ida Berg", "2024-03-24")


def test_a_title_is_taken_from_the_text_where_the_head_has_none() -> None:
    document = parse_html(page("<p>Example Times</p><h2>The bridge</h2><p>It is long.</p>", "<title> </title>"))
    assert document.title is None
    assert to_article(document, "a.html").title == "The bridge"


# ---------------------------------------------------------------- recognition


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>",
        "\n <HTML lang='en'>",
        "<html>",
        "<head><title>x</title>",
        "<body class='a'>",
        "<?xml version='1.0' encoding='utf-8'?>\n<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN'>",
        "<!-- saved from url=(0022)https://example.org/ -->\n<!-- again -->\n<html>",
    ],
)
def test_a_page_is_recognised_by_how_it_begins(text: str) -> None:
    assert looks_like_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "<p>A fragment</p>",
        "<header>x",
        "Text about <html> tags",
        "<!-- only a comment -->\n# Markdown",
        "<!-- <html>",
    ],
)
def test_other_text_is_not_taken_for_a_page(text: str) -> None:
    assert not looks_like_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "<?xml version='1.0'?><catalogue><item>1</item></catalogue>",
        "<?xml version='1.0'?>\n<!-- a feed -->\n<rss version='2.0'>",
        "<?xml version='1.0'?><?xml-stylesheet href='a.xsl'?><!DOCTYPE play SYSTEM 'play.dtd'><PLAY>",
        "<rss version='2.0'><channel>",
        "<feed xmlns='http://www.w3.org/2005/Atom'>",
        "<svg width='10' xmlns='http://www.w3.org/2000/svg'>",
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
    ],
)
def test_xml_that_is_no_page_is_recognised_by_how_it_begins(text: str) -> None:
    assert looks_like_xml(text)
    assert not looks_like_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<?xml version='1.0'?>",
        "<?xml version='1.0'?>\n<!DOCTYPE html>\n<html xmlns='http://www.w3.org/1999/xhtml'>",
        "<html xmlns='http://www.w3.org/1999/xhtml'>",
        "<p>A fragment</p>",
        "<xmlns> is an attribute, not an element.",
        "In XML, <feed xmlns='x'> is an element.",
    ],
)
def test_other_text_is_not_taken_for_xml(text: str) -> None:
    assert not looks_like_xml(text)


@pytest.mark.parametrize(
    "text", ["<!---->" * 10_000 + "x", "<!-- " * 10_000, " " * 200_000 + "x", "<?xml " * 10_000, "<a xmlns= " * 50_000]
)
def test_text_that_is_almost_a_page_is_judged_in_seconds(text: str) -> None:
    began = time.perf_counter()
    assert not looks_like_html(text)
    assert not looks_like_xml(text)
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "markup",
    [
        *("<b>x" * 50_000, "<div>x" * 50_000, "<td>x" * 50_000, "<table><tr><td>x" * 20_000),
        *("<" * 200_000, "&" * 200_000, "<!-- " * 100_000, "<! " * 100_000, "<![x " * 50_000, "</a " * 100_000),
        *(
            "<a " * 100_000,
            "<a x='" * 100_000,
            "<a " + "x='" * 100_000,
            "<a x=" + "'\"" * 100_000,
            "<a " + "=" * 100_000,
        ),
        *("<br>" * 100_000, "<p title='" + "x" * 1_000_000 + "'>", "<title>" * 50_000, "<script>" * 50_000),
        *(
            "<div class='ad' id='x'><h2>x</h2>" * 10_000,
            "<aside>x" * 20_000,
            "<nav>x" * 20_000,
            "<main>" * 20_000,
            "<div itemprop='author'>" * 20_000,
        ),
    ],
    ids=range(24),
)
def test_markup_without_end_is_read_in_seconds(markup: str) -> None:
    began = time.perf_counter()
    assert texts(f"<p>It is long.</p>{markup}")[0] == "It is long."
    assert time.perf_counter() - began < 10


def test_white_space_between_the_cells_of_a_row_is_no_cell() -> None:
    page = "<body><table>\n<tr>\n  <td>Oslo</td>\n  <td>12</td>\n</tr>\n</table></body>"
    assert [block.text for block in parse_html(page).blocks] == ["Oslo | 12"]
