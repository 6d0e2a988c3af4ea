"""Owns reading zip archives and the XML in them: what is inside, and the limits that a hostile file meets."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from io import BytesIO
from posixpath import normpath
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from rag.errors import Unloadable

MAX_ENTRIES = 10_000  # the largest e-books and reports hold a few thousand files
MAX_BYTES = 100_000_000  # decompressed, of all that is read from one archive
MAX_RATIO = 500  # text shrinks to a tenth, at times to a hundredth; a bomb is close to deflate's limit of 1032
MAX_MARKUP_BYTES = 50_000_000  # in one member that becomes a tree; 872 pages take 5 MB
MAX_TAGS = 1_000_000  # in one member: a document of 6,000 pages; as a tree each costs some 300 bytes
_RATIO_COUNTS_FROM = 1_000_000
_PIECE = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what the formats allow; others have no bound on a piece
_ENCRYPTED = 0x1
_ENTRY_MARK = b"PK\x01\x02"
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_UNSAFE = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|\Z)", re.DOTALL)

_MAIN_PART = re.compile(rb"""ContentType\s*=\s*["']application/(vnd\.[\w.+-]+)["']""")
_OFFICE_TYPES = (  # the first that a content type contains
    ("wordprocessingml.document.main", "docx"),
    ("wordprocessingml.template.main", "docx"),
    ("ms-word.document.macroenabled", "Word document with macros"),
    ("ms-word.template.macroenabled", "Word template with macros"),
    ("presentationml.presentation.main", "PowerPoint presentation"),
    ("presentationml.slideshow.main", "PowerPoint presentation"),
    ("presentationml.template.main", "PowerPoint presentation"),
    ("ms-powerpoint.", "PowerPoint presentation"),
    ("spreadsheetml.sheet.main", "Excel workbook"),
    ("spreadsheetml.template.main", "Excel workbook"),
    ("ms-excel.", "Excel workbook"),
    ("ms-visio.", "Visio drawing"),
)
_MIME_TYPES = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
    "application/vnd.oasis.opendocument.text-master": "OpenDocument master document",
    "application/vnd.oasis.opendocument.spreadsheet": "OpenDocument spreadsheet",
    "application/vnd.oasis.opendocument.presentation": "OpenDocument presentation",
    "application/vnd.oasis.opendocument.graphics": "OpenDocument drawing",
}
_TELLING_NAMES = {
    "word/document.xml": "docx",
    "META-INF/container.xml": "epub",
    "xl/workbook.xml": "Excel workbook",
    "ppt/presentation.xml": "PowerPoint presentation",
    "Index/Document.iwa": "Apple Pages, Numbers or Keynote document",
    "AndroidManifest.xml": "Android package",
    "META-INF/MANIFEST.MF": "Java archive",
}


def kind_of(data: bytes) -> str | None:
    """Return "docx", "epub", "odt" or the name of what else a zip archive is; None where the bytes are none.

    Raises Unloadable where the archive is damaged or over a limit.
    """
    if not data.startswith(b"PK\x03\x04"):
        return None
    archive = Archive(data)
    if "mimetype" in archive:
        mime_type = archive.read("mimetype").decode("ascii", "replace").strip()
        if mime_type in _MIME_TYPES:
            return _MIME_TYPES[mime_type]
    if "[Content_Types].xml" in archive:
        named = b" ".join(_MAIN_PART.findall(archive.read("[Content_Types].xml"))).decode().lower()
        for content_type, kind in _OFFICE_TYPES:
            if content_type in named:
                return kind
    return next((kind for name, kind in _TELLING_NAMES.items() if name in archive), "zip archive")


class Archive:
    """The members of a zip archive in memory; names that point outside of it are as if they were not there.

    Every method raises Unloadable("failed", reason) where the archive is damaged, encrypted or over a limit.
    All limits count bytes produced, not what the archive says of itself.
    """

    def __init__(self, data: bytes) -> None:
        if data.count(_ENTRY_MARK) > MAX_ENTRIES:  # before a list of them is made
            raise _over_limit(f"more than {MAX_ENTRIES:,} files in it")
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OverflowError, struct.error, RuntimeError) as error:
            raise Unloadable("failed", "damaged: the end of the file is missing or broken") from error
        entries = self._zip.infolist()
        _check_entries(entries)
        _check_overlap(data, entries, self._zip.start_dir)
        self._entries = {entry.filename: entry for entry in entries if not _UNSAFE.match(entry.filename)}
        self._bytes_left = MAX_BYTES

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        entry = self._entries.get(name)
        if entry is None:
            raise Unloadable("failed", f"damaged: {name} is missing")
        pieces: list[bytes] = []
        length = 0
        try:
            with self._zip.open(entry) as member:
                while piece := member.read(_PIECE):
                    pieces.append(piece)
                    length += len(piece)
                    self._bytes_left -= len(piece)
                    if self._bytes_left < 0:
                        raise _over_limit(f"more than {MAX_BYTES // 1_000_000} MB when unpacked")
                    if length > _RATIO_COUNTS_FROM and length > MAX_RATIO * entry.compress_size:
                        raise _over_limit(f"{name} unpacks to more than {MAX_RATIO} times its size")
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise Unloadable("failed", f"damaged: {name} cannot be unpacked") from error
        if length != entry.file_size:
            raise Unloadable("failed", f"damaged: {name} is not as long as it says")
        return b"".join(pieces)

    def markup(self, name: str) -> bytes:
        """Return the bytes of a member that will become a tree."""
        data = self.read(name)
        if len(data) > MAX_MARKUP_BYTES:
            raise _over_limit(f"more than {MAX_MARKUP_BYTES // 1_000_000} MB in {name}")
        if data.count(b"<") > MAX_TAGS:
            raise _over_limit(f"more than {MAX_TAGS:,} tags in {name}")
        return data

    def xml(self, name: str) -> Element:
        """Return the root of the XML in a member, which may not declare entities."""
        try:
            root: Element = ElementTree.fromstring(self.markup(name))
        except DefusedXmlException as error:
            raise Unloadable("failed", f"forbidden: {name} declares XML entities") from error
        except (ParseError, ValueError, LookupError) as error:
            raise Unloadable("failed", f"damaged: {name} is not well-formed XML") from error
        return root


def member_name(base: str, reference: str) -> str:
    """Return the name of the member that a reference in the member `base` points to, without its fragment."""
    path = unquote(reference.partition("#")[0])
    folder = "" if path.startswith("/") else base.rpartition("/")[0]
    return normpath(f"/{folder}/{path}").lstrip("/")


def _over_limit(what: str) -> Unloadable:
    return Unloadable("failed", f"over the limit of archives: {what}")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise Unloadable("failed", "encrypted: save a copy without a password")
    seen: set[str] = set()
    for entry in entries:
        if entry.filename in seen:
            raise Unloadable("failed", "damaged: two files in it have the same name")
        if entry.compress_type not in _METHODS:
            raise Unloadable("failed", "damaged: packed in a way that documents are not")
        seen.add(entry.filename)


def _check_overlap(data: bytes, entries: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share bytes: so a small file can stand for any amount (CVE-2024-0450)."""
    for entry in sorted(entries, key=lambda entry: entry.header_offset, reverse=True):
        start = entry.header_offset
        header = data[start : start + _LOCAL_HEADER.size] if start >= 0 else b""
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise Unloadable("failed", "damaged: a file in it is not where it should be")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        if start + _LOCAL_HEADER.size + name_length + extra_length + entry.compress_size > end:
            raise Unloadable("failed", "damaged: files in it overlap")
        end = start
