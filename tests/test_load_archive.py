"""Zip archives: what is inside, and that no archive costs more than its limits."""

from __future__ import annotations

import struct
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from zipfile import ZIP_BZIP2, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load import archive
from rag.load.archive import Archive, kind_of, member_name
from tests.archives import book, opendocument, raw_zip, word, zipped

CONTENT_TYPES = '<Types><Override PartName="/main.xml" ContentType="application/vnd.{}+xml"/></Types>'


def reason(data: bytes, name: str = "a.xml") -> str:
    """Return why a member cannot be read."""
    with pytest.raises(Unloadable) as caught:
        Archive(data).xml(name)
    assert caught.value.state == "failed"
    return caught.value.reason


# ---------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (word("<w:p/>"), "docx"),
        (book("<p>One.</p>"), "epub"),
        (opendocument("<text:p/>"), "odt"),
        (zipped({"word/document.xml": "<a/>"}), "docx"),
        (zipped({"META-INF/container.xml": "<a/>"}), "epub"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "OpenDocument spreadsheet"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.presentation"}), "OpenDocument presentation"),
        (zipped({"mimetype": "text/plain", "notes.txt": "One."}), "zip archive"),
        (zipped({"notes.docx": word("<w:p/>")}), "zip archive"),
        (zipped({"META-INF/MANIFEST.MF": "Main-Class: A"}), "Java archive"),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_an_archive_is_known_by_what_is_in_it(data: bytes, kind: str | None) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("openxmlformats-officedocument.wordprocessingml.document.main", "docx"),
        ("openxmlformats-officedocument.wordprocessingml.template.main", "docx"),
        ("ms-word.document.macroEnabled.main", "Word document with macros"),
        ("openxmlformats-officedocument.spreadsheetml.sheet.main", "Excel workbook"),
        ("ms-excel.sheet.macroEnabled.main", "Excel workbook"),
        ("openxmlformats-officedocument.presentationml.presentation.main", "PowerPoint presentation"),
    ],
)
def test_an_office_file_is_known_by_its_main_part(content_type: str, kind: str) -> None:
    members = {"[Content_Types].xml": CONTENT_TYPES.format(content_type), "word/document.xml": "<a/>"}
    assert kind_of(zipped(members)) == kind


# ---------------------------------------------------------------- limits


def test_a_member_is_read_whole() -> None:
    content = bytes(range(256)) * 10_000
    assert Archive(zipped({"a/b.bin": content, "c": b""})).read("a/b.bin") == content


def test_a_bomb_is_refused_while_it_is_unpacked() -> None:
    data = zipped({"a.xml": bytes(20_000_000)})
    assert len(data) < 30_000
    assert reason(data) == "over the limit of archives: a.xml unpacks to more than 500 times its size"


def test_all_that_is_read_counts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1_000_000)
    opened = Archive(zipped({name: bytes(300_000) for name in "abcd"}))
    for name in "abc":
        opened.read(name)
    with pytest.raises(Unloadable, match="more than 1 MB when unpacked"):
        opened.read("d")


def test_a_tree_of_too_many_tags_or_bytes_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped({"a.xml": "<a>" + "<b/>" * 100 + "</a>"})
    monkeypatch.setattr(archive, "MAX_TAGS", 101)
    assert reason(data) == "over the limit of archives: more than 101 tags in a.xml"
    monkeypatch.setattr(archive, "MAX_TAGS", 102)
    assert len(Archive(data).xml("a.xml")) == 100
    monkeypatch.setattr(archive, "MAX_MARKUP_BYTES", 400)
    assert reason(data).startswith("over the limit of archives: more than 0 MB in a.xml")


def test_an_archive_of_too_many_files_is_refused_before_they_are_listed() -> None:
    data = raw_zip([("a.xml", b"<a/>")], places=100_000)
    assert reason(data) == "over the limit of archives: more than 10,000 files in it"


def test_files_in_the_same_place_are_refused() -> None:
    """One file that is listed many times stands for more bytes than there are."""
    entries = [("a.xml", b"<a/>"), ("b.xml", b"<b/>")]
    data = bytearray(raw_zip(entries))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<L", data, second + 42, 0)  # the second entry points to the first
    assert reason(bytes(data)) == "damaged: files in it overlap"


def test_a_file_inside_another_is_refused() -> None:
    inner = raw_zip([("b.xml", b"<b/>")])[: -22 - 46 - len("b.xml")]
    data = bytearray(raw_zip([("a.xml", inner), ("b.xml", b"<b/>")]))
    first = data.index(b"PK\x01\x02")
    packed = struct.unpack_from("<L", data, first + 20)[0]
    struct.pack_into("<L", data, first + 20, packed + 40)  # the first file reaches into the second
    assert reason(bytes(data)) == "damaged: files in it overlap"


@pytest.mark.parametrize("size", [3, 10_000_000])
def test_a_file_that_lies_about_its_length_is_refused(size: int) -> None:
    assert reason(raw_zip([("a.xml", b"<a>The bridge</a>")], size=size)).startswith("damaged: a.xml")


def test_a_file_with_other_bytes_than_it_says_is_refused() -> None:
    data = bytearray(zipped({"a.xml": "<a>The bridge</a>"}))
    data[40] ^= 0xFF
    assert reason(bytes(data)) == "damaged: a.xml cannot be unpacked"


def test_an_encrypted_archive_is_refused_with_what_to_do() -> None:
    assert reason(raw_zip([("a.xml", b"<a/>")], flags=1)) == "encrypted: save a copy without a password"


def test_two_files_of_one_name_are_refused() -> None:
    data = raw_zip([("a.xml", b"<a/>"), ("a.xml", b"<b/>")])
    assert reason(data) == "damaged: two files in it have the same name"


def test_other_ways_of_packing_are_refused() -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_BZIP2) as packed:
        packed.writestr("a.xml", bytes(10_000_000))
    assert reason(buffer.getvalue()) == "damaged: packed in a way that documents are not"


@pytest.mark.parametrize("name", ["../a.xml", "a/../../a.xml", "/a.xml", "\\a.xml", "C:\\a.xml", "a\\..\\a.xml", ".."])
def test_a_name_that_points_outside_is_as_if_it_were_not_there(name: str) -> None:
    data = raw_zip([(name, b"<a/>"), ("b..xml", b"<b/>")])
    opened = Archive(data)
    assert name not in opened
    assert reason(data, name) == f"damaged: {name} is missing"
    assert opened.read("b..xml") == b"<b/>"


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_cut_archive_is_refused(keep: float) -> None:
    data = zipped({f"{i}.xml": "<a>The bridge</a>" for i in range(10)})
    assert reason(data[: int(keep * len(data))]) == "damaged: the end of the file is missing or broken"


@settings(deadline=None)
@given(st.data())
def test_any_change_to_an_archive_ends_in_its_bytes_or_a_reason(drawn: st.DataObject) -> None:
    data = bytearray(zipped({"mimetype": "application/epub+zip", "a.xml": "<a>The bridge</a>"}))
    for _ in range(drawn.draw(st.integers(1, 4))):
        data[drawn.draw(st.integers(4, len(data) - 1))] = drawn.draw(st.integers(0, 255))
    with suppress(Unloadable):
        kind_of(bytes(data))
        assert Archive(bytes(data)).read("a.xml") == b"<a>The bridge</a>"


# ---------------------------------------------------------------- XML

BOMB = (
    '<!DOCTYPE a [<!ENTITY b "lol">'
    + "".join(f'<!ENTITY b{i} "{f"&b{i - 1};" * 10 if i else "&b;"}">' for i in range(10))
    + "]><a>&b9;</a>"
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize("document", [BOMB, EXTERNAL, '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://x/"> %b;]><a/>'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_that_declares_entities_is_refused(document: str, encoding: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    data = zipped({"a.xml": (declaration + document).encode(encoding)})
    assert reason(data) == "forbidden: a.xml declares XML entities"


@pytest.mark.parametrize(
    "document", ["", "The bridge", "<a>", "<a>&b;</a>", '<?xml version="1.0" encoding="no-such"?><a/>', b"<a>\xff</a>"]
)
def test_xml_that_is_not_well_formed_is_refused(document: str | bytes) -> None:
    assert reason(zipped({"a.xml": document})) == "damaged: a.xml is not well-formed XML"


def test_a_document_type_without_entities_is_read() -> None:
    root = Archive(zipped({"a.xml": '<!DOCTYPE a PUBLIC "-//X//DTD X//EN" "http://x.example/x.dtd"><a>One</a>'})).xml(
        "a.xml"
    )
    assert root.text == "One"


@pytest.mark.parametrize(
    ("base", "reference", "name"),
    [
        ("", "word/document.xml", "word/document.xml"),
        ("", "/word/document.xml", "word/document.xml"),
        ("word/document.xml", "styles.xml", "word/styles.xml"),
        ("OEBPS/book.opf", "text/1%20a.xhtml#part", "OEBPS/text/1 a.xhtml"),
        ("OEBPS/book.opf", "../1.xhtml", "1.xhtml"),
        ("OEBPS/book.opf", "../../../../etc/passwd", "etc/passwd"),
    ],
)
def test_a_reference_is_resolved_inside_the_archive(base: str, reference: str, name: str) -> None:
    assert member_name(base, reference) == name


# ---------------------------------------------------------------- memory

HOSTILE = """
import resource, sys
sys.path.insert(0, {root!r})
from rag.errors import Unloadable
from rag.load.archive import kind_of
from rag.load.docx import parse_docx
from tests.archives import raw_zip, word, zipped
from tests.test_load_archive import BOMB
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
paragraph = "<w:p><w:r><w:t>{{}}</w:t></w:r></w:p>"
for data in (
    word("", **{{"word/document.xml": bytes(90_000_000)}}),
    word("", **{{"word/document.xml": BOMB}}),
    word("<w:p/>" * 1_000_001),
    word("".join(paragraph.format(i) for i in range(200_000))),
    raw_zip([(f"word/{{i}}.xml", b"<a/>") for i in range(10_001)]),
):
    try:
        kind_of(data), parse_docx(data)
        print("read")
    except Unloadable as error:
        print(error.reason)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_hostile_documents_cost_no_more_memory_than_their_limits() -> None:
    from tests.conftest import ROOT

    code = HOSTILE.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    *reasons, kilobytes = done.stdout.splitlines()
    assert len(reasons) == 5
    assert all(reason.startswith(("over the limit", "forbidden")) for reason in reasons)
    assert int(kilobytes) < 400_000
