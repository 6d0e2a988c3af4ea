"""From the bytes of a file to an article: encodings, and what a file is rather than what it is called."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load import MAX_BYTES
from tests.articles import article_or_none, evidence, kinds, load_one

CHINESE = "茶叶最早产于中国云南。唐代陆羽写了《茶经》一书，讲述茶的历史。"
TRADITIONAL = "茶葉最早產於中國雲南。唐代陸羽寫了《茶經》一書，講述茶的歷史。"
FRENCH = "Le pont a été ouvert à Noël 1931. « Où est l’élève ? » La réparation a coûté très cher, grâce à l’État."
SPANISH = "El puente se abrió en 1931. Los ingenieros encontraron óxido en dos cables; la reparación costó millones."
GERMAN = "Die Größe der Brücke überraschte die Gäste. Sie fuhren später über die Straße zurück."
POLISH = "Most otwarto w 1931 roku. Inżynierowie znaleźli wiosną rdzę na dwóch linach, a naprawa kosztowała miliony."
CZECH = "Most byl otevřen v roce 1931. Inženýři našli na jaře rez na dvou lanech a oprava stála miliony korun."
RUSSIAN = "Мост был открыт в 1931 году. Инженеры нашли ржавчину на двух тросах, и ремонт стоил миллионы крон."
JAPANESE = "お茶の歴史は古い。京都の人々は毎日お茶を飲む。"


def refused(data: bytes, source: str = "a.txt") -> tuple[str, str]:
    with pytest.raises(Unloadable) as caught:
        load_one(source, data)
    return caught.value.state, caught.value.reason


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((text, encoding) for text in (CHINESE, FRENCH) for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
        (CHINESE, "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (RUSSIAN, "cp1251"),
        (FRENCH, "cp1252"),
        (SPANISH, "latin-1"),
        (GERMAN, "latin-1"),
        (POLISH, "cp1250"),
        (CZECH, "cp1250"),
    ],
)
def test_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert load_one("a.txt", text.encode(encoding)).text == text


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_both_byte_orders_are_read(mark: bytes) -> None:
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    assert load_one("a.txt", mark + CHINESE.encode(encoding)).text == CHINESE


def test_utf_8_with_a_broken_byte_stays_utf_8() -> None:
    data = (FRENCH + " " + CHINESE).encode()
    assert load_one("a.txt", data[:-1]).text == f"{FRENCH} {CHINESE[:-1]}\ufffd"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (codecs.BOM_UTF8 + b"caf\xe9", "not valid UTF-8 text"),
        (codecs.BOM_UTF16_LE + b"a\0b", "not valid UTF-16 text"),
        (bytes(range(128, 256)) * 20, "unknown text encoding"),
    ],
)
def test_text_that_cannot_be_decoded_is_a_failure_with_its_reason(data: bytes, reason: str) -> None:
    state, found = refused(data)
    assert state == "failed"
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Microsoft Office"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"GIF89a", "GIF"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x7fELF\2\1\1", "program"),
        (b"SQLite format 3\0", "SQLite"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not text"),
        (b"plain at first\n" * 10 + b"\0\1\2", "not text"),
        (b"", "empty"),
        (b" \n\t\r\n", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (codecs.BOM_UTF16_LE, "empty"),
        (b"\x01\x02\x03", "empty"),
    ],
)
@pytest.mark.parametrize("source", ["a.txt", "a.md", "a.html"])
def test_a_file_without_text_is_skipped_whatever_its_name(source: str, data: bytes, reason: str) -> None:
    state, found = refused(data, source)
    assert state == "skipped"
    assert reason in found


def test_a_file_that_is_too_large_is_skipped() -> None:
    assert refused(b"a" * (MAX_BYTES + 1)) == ("skipped", "too large: over 50 MB")


# ---------------------------------------------------------------- formats

PAGE = "<!DOCTYPE html><html><body><h1>The bridge</h1><p>It is <b>long</b>.</p></body></html>"
MARKDOWN = "# The bridge\n\nIt is **long**.\n"
RESULT = [("title", "The bridge"), ("text", "It is long.")]


@pytest.mark.parametrize("source", ["a.html", "a.txt", "a.md", "page", "a.php"])
def test_a_page_is_read_as_html_whatever_its_name(source: str) -> None:
    assert kinds(load_one(source, PAGE.encode())) == RESULT


@pytest.mark.parametrize("source", ["a.html", "a.HTM", "sub.folder/a.xhtml"])
def test_a_fragment_is_read_as_html_by_its_name(source: str) -> None:
    assert kinds(load_one(source, b"<h1>The bridge</h1><p>It is <b>long</b>.</p>")) == RESULT


@pytest.mark.parametrize("source", ["a.md", "a.MD", "sub/a.markdown", "茶.md"])
def test_markdown_is_known_by_its_name(source: str) -> None:
    assert kinds(load_one(source, MARKDOWN.encode())) == RESULT


@pytest.mark.parametrize("source", ["a.txt", "notes"])
def test_front_matter_makes_any_file_markdown(source: str) -> None:
    article = load_one(source, ("---\r\nvisibility: internal\r\n---\r\n" + MARKDOWN).encode())
    assert article.visibility == "internal"
    assert kinds(article) == RESULT


def test_front_matter_is_found_behind_a_byte_order_mark() -> None:
    data = "---\ntitle: 茶\nvisibility: internal\n---\n茶叶。"
    for encoding in ("utf-8-sig", "utf-16"):
        article = load_one("a.txt", data.encode(encoding))
        assert (article.title, article.visibility) == ("茶", "internal")


@pytest.mark.parametrize("source", ["a.txt", "a", "README", "a.csv", "folder.md/a"])
def test_all_else_is_plain_text(source: str) -> None:
    article = load_one(source, b"# The bridge\n\nIt is **long**.\n")
    assert article.text == "# The bridge\n\nIt is **long**."


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
@pytest.mark.parametrize("source", ["a.txt", "a.md", "a.html"])
def test_line_ends_of_other_systems_change_nothing(source: str, ends: str) -> None:
    text = "The bridge\n\nIt is long.\n\nIt is old.\n"
    assert load_one(source, text.replace("\n", ends).encode()) == load_one(source, text.encode())


def test_the_source_names_the_article() -> None:
    article = load_one("news/2024/ostvik bridge.txt", b"It is long. It is old.")
    assert article.source == "news/2024/ostvik bridge.txt"
    assert article.title == "ostvik bridge"


_NAMES = st.sampled_from(["a.txt", "a.md", "a.html"])


@settings(deadline=None)
@given(_NAMES, st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example("a.txt", b"\xff\xfe\0\xd8a\0")
@example("a.md", b'---\ntitle: "\\ud800"\n---\nThe bridge.')
@example("a.html", b"<p>&#xD800;The bridge.")
def test_any_bytes_become_an_article_or_say_why_not(source: str, data: bytes) -> None:
    article = article_or_none(lambda: load_one(source, data))
    assert article is None or evidence(article)


def test_a_real_article_is_read_whole(evaluation_data: Callable[[str], Path]) -> None:
    path = evaluation_data("articles") / "meta-external-ai.txt"
    article = load_one(path.name, path.read_bytes())
    assert article.title.startswith("Meta’s Strategic Embrace of External AI Technologies")
    assert len(article.text.split()) == len(path.read_text(encoding="utf-8").split())
    assert not [text for kind, text in kinds(article) if kind == "boilerplate"]
