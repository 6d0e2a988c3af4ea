"""Zip archives built in code: of any members, and of the formats that are made of them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from io import BytesIO

_WORD = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)
_OPEN = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "style": "style",
        "svg": "svg-compatible",
        "meta": "meta",
        "manifest": "manifest",
    }.items()
)
_DUBLIN = 'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """Return a zip archive of these members."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def raw_zip(entries: Iterable[tuple[str, bytes]], *, flags: int = 0, size: int | None = None, places: int = 0) -> bytes:
    """Return a zip archive made by hand: deflated members of any names.

    `size` is what every member says of its length; with `places`, that many entries lie at the place of the first.
    """
    local: list[bytes] = []
    central: list[bytes] = []
    at = 0
    for name, content in entries:
        encoded, packed = name.encode(), zlib.compress(content)[2:-4]
        sizes = (zlib.crc32(content), len(packed), len(content) if size is None else size, len(encoded), 0)
        common = struct.pack("<HHHHHLLLHH", 20, flags, 8, 0, 33, *sizes)
        listed = b"PK\x01\x02\x14\0" + common + struct.pack("<HHHLL", 0, 0, 0, 0, at) + encoded
        central += [listed] * max(1, places)
        local.append(b"PK\x03\x04" + common + encoded + packed)
        at += len(local[-1])
    count, directory = min(len(central), 0xFFFF), b"".join(central)
    return b"".join(local) + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), at, 0)


def word(body: str, **parts: str | bytes) -> bytes:
    """Return a Word document with this body; `styles`, `footnotes`, `endnotes` hold their elements, `core` its own."""
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxml'
        'formats-officedocument.wordprocessingml.document.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships><Relationship Type="{_RELATION}/officeDocument" Target="word/document.xml"/>'
        f'<Relationship Type="{_RELATION}/metadata/core-properties" Target="docProps/core.xml"/></Relationships>',
        "word/document.xml": f"<w:document {_WORD}><w:body>{body}</w:body></w:document>",
    }
    for name, content in parts.items():
        if name == "core":
            members["docProps/core.xml"] = f"<coreProperties {_DUBLIN}>{content!s}</coreProperties>"
        elif name in ("styles", "footnotes", "endnotes"):
            members[f"word/{name}.xml"] = f"<w:{name} {_WORD}>{content!s}</w:{name}>"
        else:
            members[name] = content
    return zipped(members)


def opendocument(body: str, *, styles: str = "", meta: str = "", manifest: str = "") -> bytes:
    """Return an OpenDocument text with this body and these automatic styles."""
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_OPEN}>"
            f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:text>{body}</office:text></office:body></office:document-content>",
            "meta.xml": f"<office:document-meta {_OPEN} {_DUBLIN}><office:meta>{meta}</office:meta>"
            "</office:document-meta>",
            "META-INF/manifest.xml": f"<manifest:manifest {_OPEN}>{manifest}</manifest:manifest>",
        }
    )


def book(
    *chapters: str, metadata: str = "", spine: str | None = None, items: str = "", **members: str | bytes
) -> bytes:
    """Return an e-book of chapters 1.xhtml, 2.xhtml …; `items` are added to its manifest, `members` to its files."""
    numbers = range(1, len(chapters) + 1)
    manifest = "".join(f'<item id="c{i}" href="{i}.xhtml" media-type="application/xhtml+xml"/>' for i in numbers)
    references = "".join(f'<itemref idref="c{i}"/>' for i in numbers) if spine is None else spine
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OEBPS/book.opf"/></container>',
            "OEBPS/book.opf": f'<package xmlns="http://www.idpf.org/2007/opf" {_DUBLIN}><metadata>{metadata}</metadata>'
            f"<manifest>{manifest}{items}</manifest><spine>{references}</spine></package>",
            **{f"OEBPS/{i}.xhtml": _page(chapter) for i, chapter in zip(numbers, chapters, strict=True)},
            **members,
        }
    )


def _page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>-</title></head><body>{body}</body></html>'
    )
