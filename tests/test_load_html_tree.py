"""Any markup becomes a tree, as a browser would read it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.load.html_tree import Element, parse_markup


def outline(element: Element) -> str:
    """Return a tree as text: p(It is b(long))."""
    inside = "".join(child if isinstance(child, str) else outline(child) for child in element.children)
    return f"{element.name}({inside})" if element.name else inside


def first(markup: str) -> Element:
    child = parse_markup(markup).children[0]
    assert isinstance(child, Element)
    return child


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>It is <b>long</b>.</p>", "p(It is b(long).)"),
        ("<P>a<BR>b<br/>c</P>", "p(abr()bbr()c)"),
        ("a < b <3 c << d <", "a < b <3 c << d <"),
        ("a<!-- <p>b</p> -->c<!-->d<!---->e<!--f--!>g", "acdeg"),
        ("a<!-- b", "a"),
        ("a<!-- b <p>c", "a"),
        ("a<!doctype html><?php 1 ?>b</>c</ 1>d", "abcd"),
        ("a<![CDATA[ b ]]>c", "ac"),
        ("a<![endif]>c", "ac"),
        ("<script>if (a < b) '</p>'</script>c", "script(if (a < b) '</p>')c"),
        ("<script>'</scripts>'</SCRIPT >c", "script('</scripts>')c"),
        ("a<script>b<p>c", "ascript()"),
        ("<title>a <b> &amp; c</title>d", "title(a <b> & c)d"),
        ("<title>a<p>b", "title()ap(b)"),
        ("<iframe><p>a</iframe>b", "iframe(<p>a)b"),
        ("<a name=x/>b<div/>c", "a()bdiv()c"),
        ("AT&amp;T &lt;b&gt; &#33590; &bogus; &", "AT&T <b> 茶 &bogus; &"),
        ("&#0;&#x110000;&#xD800;", "\ufffd\ufffd\ufffd"),
    ],
)
def test_markup_is_read_as_in_a_browser(markup: str, expected: str) -> None:
    assert outline(parse_markup(markup)) == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>a<p>b<div>c</div>d", "p(a)p(b)div(c)d"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>d", "ul(li(aul(li(b)))li(c))d"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "dl(dt(a)dd(b)dt(c))"),
        ("<table><tr><th>a<td>b<tr><td>c</table>d", "table(tr(th(a)td(b))tr(td(c)))d"),
        (
            "<table><thead><tr><td>a<tbody><tr><td>b<table><tr><td>c</table>d</table>",
            "table(thead(tr(td(a)))tbody(tr(td(btable(tr(td(c)))d))))",
        ),
        ("<table><tr><td>a</div></p>b</td></table>c", "table(tr(td(ab)))c"),
        ("<div><span>a</div>b</span>c", "div(span(a))bc"),
        ("<span><div>a</span>b</div>c</span>d", "span(div(ab)c)d"),
        ("<a href=x>a<a href=y>b</a>c", "a(a)a(b)c"),
        ("<div><a href=x><p>a</a>b</p>c</div>d", "div(a(p(ab))c)d"),
        ("<b><p>a</b>b</p>c", "b(p(ab))c"),
        ("<body>a</body>b</html>c", "body(abc)"),
        ("</p></b>a", "a"),
        ("<select><option>a<option>b</select>", "select(option(a)option(b))"),
    ],
)
def test_elements_end_where_a_browser_ends_them(markup: str, expected: str) -> None:
    assert outline(parse_markup(markup)) == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("<p ID='a' Class=\"b  c\" hidden data-x=1>", {"id": "a", "class": "b  c", "hidden": "", "data-x": "1"}),
        ("<p title='1 > 0' lang = en>", {"title": "1 > 0", "lang": "en"}),
        ("<p a=1 a=2>", {"a": "1"}),
        ("<p title='&quot;&eacute;&#39;'>", {"title": "\"é'"}),
        ("<p a='1'b='2'>", {"a": "1", "b": "2"}),
        ("<p =a b>", {"a": "", "b": ""}),
        ("<p\n\ta\n=\n'1'\n>", {"a": "1"}),
        ("<p a=b'c>", {"a": "b'c"}),
        ("<p/a/b=c>", {"a": "", "b": "c"}),
        ("<p>", {}),
    ],
)
def test_attributes_are_read_as_in_a_browser(tag: str, expected: dict[str, str]) -> None:
    assert first(tag).attributes == expected


def test_an_attribute_without_its_closing_quote_swallows_no_text() -> None:
    assert outline(parse_markup("<p title='a>b</p><p>c</p>")) == "p(b)p(c)"


def test_a_letter_that_begins_no_tag_changes_nothing() -> None:
    assert outline(parse_markup("a <é <p title='1 > 0'>b</p>")) == "a <é p(b)"


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["<p>", "<ul>", "<li>", "</li>", "</ul>", "<b>", "</b>", "<td>", "</table>", "<a href=x>"])
    )
)
def test_no_text_is_lost_or_moved(tags: list[str]) -> None:
    markup = "".join(f"{tag}{i} " for i, tag in enumerate(tags))
    parts: list[str] = []
    stack: list[Element | str] = [parse_markup(markup)]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node)
        else:
            stack.extend(reversed(node.children))
            assert all(isinstance(child, str) or child.parent is node for child in node.children)
    assert "".join(parts).split() == [str(i) for i in range(len(tags))]


@pytest.mark.parametrize("tag", ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<p><span>"])
def test_a_deep_tree_is_built_and_taken_down_again(tag: str) -> None:
    began = time.perf_counter()
    root = parse_markup(tag * 50_000 + "the end")
    depth, node = 0, root
    while isinstance(node.children[-1], Element):
        depth, node = depth + 1, node.children[-1]
    assert node.children == ["the end"]
    assert depth == 2 if tag == "<p><span>" else depth >= 50_000
    del root, node
    assert time.perf_counter() - began < 10
