"""Owns mail: what its head says, and the text of its parts in the order they are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses, parsedate_to_datetime
from itertools import groupby
from typing import TypeVar

from rag.errors import Unloadable
from rag.load.document import Document, RawBlock
from rag.load.encoding import decode
from rag.load.html import looks_like_html, parse_html
from rag.load.metadata import language_code, one_line, parse_date, web_address
from rag.load.text import parse_text
from rag.text import clean
from rag.types import BlockKind

_HEAD_BYTES = 65_536
_FIELD_CHARACTERS = 4_000
_MAX_PARTS = 300
_MAX_DEPTH = 20
_READ = ("text/plain", "text/html", "multipart/")  # the last where it has no parts, against its head
_NAMED = 10  # attachments named in the note
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_BY_HAND = frozenset(b"from to cc subject date reply-to sender content-type".split())
_BY_MACHINE = frozenset(  # fields that no memo has
    b"received mime-version message-id return-path delivered-to dkim-signature content-transfer-encoding in-reply-to "
    b"references arc-seal x-mailer x-received thread-index list-id list-unsubscribe".split()
)
_MBOX_LINE = re.compile(rb"From \S+ [^\n]*\d{4}\r?\n")
_NEXT_MAIL = re.compile(rb"\n\r?\nFrom \S+ [^\n]*\d{4}\r?\n[A-Za-z-]+:")
_NESTING = re.compile(rb"\bboundary\s*=|\bmessage/rfc822\b", re.IGNORECASE)
_PGP_MESSAGE = re.compile(r"\s*-----BEGIN PGP MESSAGE-----")
_ENCRYPTED = "encrypted: save a copy without encryption"
_QUOTE = re.compile(r"(?:[ \t]?>)++ ?")
_SIGNATURE = re.compile(r"-- ?\Z|-----BEGIN PGP SIGNATURE-----\Z")
_SIGNATURE_LINES = 10  # two dashes without a blank behind them also underline what is longer than a signature
_ANSWERED = re.compile(
    r"-{3,} ?(?:Original|Forwarded) |_{10,}\Z|(?:On|Am|Le|El|Il) .{5,100}(?:wrote|schrieb|écrit|escribió|scritto) ?:\Z"
)
_LINK = re.compile(r"https?://\S+")
_DAMAGED = (  # what the library raises where it trusts a mail too much
    MessageError, AssertionError, AttributeError, IndexError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_Value = TypeVar("_Value")


class _ShortFields(Compat32):
    """Fields as they were sent, and of a bounded length: the library needs more than linear time to take them apart."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_FIELD_CHARACTERS]


def looks_like_eml(data: bytes) -> bool:
    """Whether the file opens with the head of a mail; that of a memo lacks machines' fields and a sender's address."""
    head = _narrow(data[:_HEAD_BYTES]).replace(b"\r\n", b"\n").lstrip()
    mbox = _MBOX_LINE.match(head)
    at = mbox.end() if mbox else 0
    fields: dict[bytes, bytes] = {}
    while found := _FIELD.match(head, at):
        fields.setdefault(found.group(1).lower(), found.group(2))
        at = found.end()
    by_machine = fields.keys() & _BY_MACHINE
    addressed = b"@" in fields.get(b"from", b"") and fields.keys() & {b"to", b"subject", b"date"}
    return len(fields.keys() & _BY_HAND | by_machine) >= 2 and bool(by_machine or addressed)


def parse_eml(data: bytes) -> Document:
    """Read a mail: its text, or its HTML where that is fuller, and the mails inside it; attachments are only named.

    Raises Unloadable where it is encrypted, damaged, over a limit, or holds nothing but attachments.
    """
    data = _narrow(data).lstrip()
    if _MBOX_LINE.match(data) and _NEXT_MAIL.search(data):
        raise Unloadable("failed", "several mails in one file: save each as a file of its own")
    if sum(1 for _ in _NESTING.finditer(data)) > _MAX_PARTS:
        raise Unloadable("failed", f"more than {_MAX_PARTS} parts")
    try:
        return _document(message_from_bytes(data, policy=_ShortFields()))
    except _DAMAGED as error:
        raise Unloadable("failed", "damaged: not a mail that can be read") from error


def _narrow(data: bytes) -> bytes:
    """Return a mail saved as UTF-16, UTF-32 or with a byte order mark in the form in which it was sent."""
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:200]:
        try:
            return decode(data)[0].encode("utf-8", "replace")
        except Unloadable:
            pass
    return data


def _document(message: Message) -> Document:
    mail = _Mail()
    blocks = mail.read(message, 0)
    if mail.attached:
        mail.notes.append(_not_read(mail.attached))
    if not any(char.isalnum() for block in blocks if block.kind == "text" for char in block.text):
        if mail.failure:
            raise Unloadable("failed", mail.failure)
        raise Unloadable("skipped", f"no text in it; {_not_read(mail.attached)}" if mail.attached else "no text in it")
    date = _field(message, "date")
    published = _published(date)
    if date and not published:
        mail.notes.append(f"date not understood: {date[:60]}")
    return Document(
        blocks,
        title=one_line(_field(message, "subject")),
        published=published,
        author=_author(message),
        language=language_code(_field(message, "content-language")),
        url=web_address(_field(message, "snapshot-content-location")),  # a page that a browser kept as mail
        notes=tuple(dict.fromkeys(mail.notes)),
    )


def _not_read(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} attachment{'s' if len(names) > 1 else ''} not read: {', '.join(names[:_NAMED])}{more}"


# ---------------------------------------------------------------- the head


def _field(message: Message, name: str) -> str:
    """Return a field of the head as text in one line; empty where it is missing."""
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "")
    return " ".join(clean(_words(raw)).split())


def _words(raw: str) -> str:
    """Decode the encoded words of a field, and bytes beyond ASCII that stand between them."""
    text = raw if raw.isascii() else _text(raw.encode("utf-8", "surrogateescape"), None)
    parts = _attempt(lambda: decode_header(text)) or [(text, None)]
    return "".join(
        part
        if isinstance(part, str)
        else _text(part, charset)
        if charset
        else part.decode("raw-unicode-escape", "replace")
        for part, charset in parts
    )


def _text(data: bytes, charset: str | None) -> str:
    try:
        return decode(data, charset)[0]
    except Unloadable:
        return data.decode("ascii", "replace")


def _author(message: Message) -> str | None:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == "from"), "")
    if "@" not in raw:
        name = _field(message, "from").strip('<>"')
        return None if name.startswith("Saved by ") else one_line(name)  # a browser, where it kept a page as mail
    people = _attempt(lambda: getaddresses([raw])) or []
    return one_line([_words(name).strip('" ') or address for name, address in people if name or address])


def _published(date: str) -> str | None:
    moment = _attempt(lambda: parsedate_to_datetime(date))
    return moment.date().isoformat() if moment else parse_date(date)


def _attempt(read: Callable[[], _Value]) -> _Value | None:
    try:
        return read()
    except _DAMAGED:
        return None


# ---------------------------------------------------------------- the parts


@dataclass(slots=True)
class _Mail:
    """What was met while the parts of a mail were read."""

    notes: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    failure: str = ""  # why a part that should hold text was not read
    parts: int = 0

    def read(self, part: Message, depth: int) -> list[RawBlock]:
        """Return the blocks of a part and of all parts in it."""
        self.parts += 1
        if self.parts > _MAX_PARTS or depth > _MAX_DEPTH:
            raise Unloadable("failed", f"more than {_MAX_PARTS} parts, or nested more than {_MAX_DEPTH} deep")
        kind = part.get_content_type()
        inside = part.get_payload() if part.is_multipart() else []
        children = [child for child in inside if isinstance(child, Message)] if isinstance(inside, list) else []
        if kind == "multipart/encrypted" or (kind.endswith("pkcs7-mime") and depth == 0):
            return self._refuse(_ENCRYPTED)
        if kind == "message/rfc822" and children:
            return [*_forwarded(children[0]), *self.read(children[0], depth + 1)]
        if kind == "multipart/alternative" and children:
            return self._fuller([self.read(child, depth + 1) for child in children])
        if kind == "multipart/related" and children:
            for child in children[1:]:  # pictures in the text; those of a web page have no names
                self._attach(child, only_named=True)
            return self.read(children[0], depth + 1)
        if kind.startswith("multipart/") and children:
            return [block for child in children for block in self.read(child, depth + 1)]
        if part.get_content_disposition() != "attachment" and kind.startswith(_READ):
            return self._text_part(part, kind)
        return self._attach(part)

    def _text_part(self, part: Message, kind: str) -> list[RawBlock]:
        charset = part.get_param("charset")
        declared = charset if isinstance(charset, str) else None
        data = _attempt(lambda: part.get_payload(decode=True))
        try:
            text, notes = decode(data if isinstance(data, bytes) else b"", declared)
        except Unloadable as error:
            return self._refuse(error.reason)
        if _PGP_MESSAGE.match(text):
            return self._refuse(_ENCRYPTED)
        self.notes += notes
        text = clean(text)
        if kind == "text/html" or looks_like_html(text):
            return _without_signature(parse_html(text).blocks)
        return _plain(text)

    def _fuller(self, options: list[list[RawBlock]]) -> list[RawBlock]:
        """Return the plainest of the forms that a text was sent in, unless a later one holds far more of it."""
        options = [blocks for blocks in options if blocks]
        chosen = options[0] if options else []
        for blocks in options[1:]:
            if _letters(blocks) > 2 * _letters(chosen):
                chosen = blocks
        return chosen

    def _refuse(self, reason: str) -> list[RawBlock]:
        self.failure = self.failure or reason
        self.notes.append(f"a part was not read: {reason}")
        return []

    def _attach(self, part: Message, only_named: bool = False) -> list[RawBlock]:
        name = one_line(_words(_attempt(lambda: part.get_filename() or "") or ""))
        if name or not only_named:
            self.attached.append(name or f"unnamed {part.get_content_type()}")
        return []


def _letters(blocks: Iterable[RawBlock]) -> int:
    return sum(char.isalnum() for block in blocks for char in _LINK.sub("", block.text))


def _forwarded(message: Message) -> list[RawBlock]:
    """Return the head of a mail inside another: its text is somebody else's."""
    subject = _field(message, "subject")
    sent = ", ".join(value for value in (_author(message), _published(_field(message, "date"))) if value)
    return [RawBlock("heading", subject), RawBlock("boilerplate", sent)]


def _plain(text: str) -> list[RawBlock]:
    """Cut a plain text into blocks: quotations without their marks, signatures as boilerplate."""
    lines: list[tuple[tuple[bool, int], str]] = []
    signature = written = False
    all_lines = text.split("\n")
    for number, line in enumerate(all_lines):
        quote = _QUOTE.match(line)
        if quote or _ANSWERED.match(line):
            signature = False
        elif written and _SIGNATURE.match(line):
            signature = signature or line != "--" or len(all_lines) - number <= _SIGNATURE_LINES
        written = written or bool(line.strip())
        lines.append(((signature, quote.group().count(">") if quote else 0), line[quote.end() :] if quote else line))
    blocks: list[RawBlock] = []
    for (signed, _), group in groupby(lines, key=lambda item: item[0]):
        for block in parse_text("\n".join(line for _, line in group)).blocks:
            # The head of a mail is not in its text: no line of it is a title or byline.
            kind: BlockKind = "boilerplate" if signed else "heading" if block.kind == "heading" else "text"
            blocks.append(RawBlock(kind, block.text, block.tight))
    return blocks


def _without_signature(blocks: Iterable[RawBlock]) -> list[RawBlock]:
    """Return blocks of HTML with the signature as boilerplate, and no title: that is the subject."""
    marked: list[RawBlock] = []
    signature = False
    for block in blocks:
        first = block.text.split("\n", 1)[0]
        signature = (signature and not _ANSWERED.match(first)) or (bool(marked) and _SIGNATURE.match(first) is not None)
        kind: BlockKind = "boilerplate" if signature else "heading" if block.kind == "title" else block.kind
        marked.append(RawBlock(kind, block.text, block.tight))
    return marked
