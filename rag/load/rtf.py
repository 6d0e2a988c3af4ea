"""Owns RTF: the words of a rich text file as its reader sees them, and what the file says of itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import rag.load.rtf_words as words
from rag.errors import Unloadable
from rag.load.document import Document
from rag.load.lines import Flow, Line, arrange, author_name, heading_level, noted_date, noted_title, symbol

_MAX_DEPTH = 5_000


def parse_rtf(data: bytes) -> Document:
    """Read a rich text file from its beginning to its end, footnotes and text boxes behind the text.

    Left out: what is hidden or deleted, comments, headers and footers, numbers of list items, and the marks of
    notes in the sentences. Takes time in proportion to the bytes. Raises Unloadable where groups have no end to them.
    """
    reader = _Reader()
    reader.read(data.decode("latin-1"))
    lines = [*reader.body.lines, *reader.notes]
    return Document(
        arrange(lines),
        title=next((line.text for line in lines if line.level == 0), None) or noted_title(reader.noted["title"]),
        published=noted_date(reader.date("revtim"), reader.date("creatim")),
        author=author_name(reader.noted["author"]),
        notes=["the end of the file is missing"] if reader.is_cut else [],
    )


@dataclass(slots=True)
class _State:
    """What holds up to the end of a group."""

    flow: Flow
    skip: int = 0  # 1: up to a text apart inside it; 2: to its end
    destination: str = ""
    font: int | None = None
    fallback: int = 1  # characters behind each Unicode character for programs that do not know it
    hidden: bool = False
    deleted: bool = False
    style: int = 0
    outline: int | None = None
    in_table: bool = False

    @property
    def is_read(self) -> bool:
        return not (self.skip or self.hidden or self.deleted)

    def end_formatting(self) -> None:
        self.style, self.outline, self.in_table = 0, None, False


class _Reader:
    """Follows the groups and control words of a file."""

    def __init__(self) -> None:
        self.body = Flow()
        self.notes: list[Line] = []
        self.noted: defaultdict[str, str] = defaultdict(str)
        self.is_cut = False
        self._state = _State(self.body)
        self._stack: list[_State] = []
        self._starred = False
        self._left = 0  # characters still to be left out behind a Unicode character
        self._bytes = bytearray()  # read and not decoded: a character may take several
        self._page = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, int | None] = {}
        self._times: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def read(self, text: str) -> None:
        at = 0
        while match := words.TOKEN.search(text, at):
            at = match.end()
            if found := match["text"] or match["byte"]:
                self._read_bytes(found.encode("latin-1") if match["text"] else bytes.fromhex(found))
                continue
            self._decode()
            if word := match["word"]:
                number = int(match["number"]) if match["number"] else None
                self._read_word(word, number)
                at += max(number or 0, 0) if word == "bin" else 0
            elif sign := match["sign"]:
                self._read_sign(sign)
            elif match["brace"] == "{":
                self._open()
            elif self._close():
                return
        self._decode()
        self.is_cut = True
        while self._stack:
            self._close()

    def date(self, name: str) -> str | None:
        """Return an ISO date of the file's information."""
        numbers = self._times[name]
        return "{yr:04}-{mo:02}-{dy:02}".format_map(numbers) if {"yr", "mo", "dy"} <= numbers.keys() else None

    def _read_bytes(self, found: bytes) -> None:
        if self._left:
            found, self._left = found[self._left :], max(0, self._left - len(found))
        if self._state.is_read:
            self._bytes += found

    def _decode(self) -> None:
        if self._bytes:
            codec = self._codec()
            if codec.startswith(words.SYMBOLS):
                text = "".join(symbol(codec.removeprefix(words.SYMBOLS).strip(), code) for code in self._bytes)
            else:
                text = self._bytes.decode(codec, "replace")
            self._state.flow.text.append(text)
            self._bytes.clear()

    def _codec(self) -> str:
        if self._state.destination == "fonttbl":  # the name of a font is not written in it
            return self._page
        font = self._default_font if self._state.font is None else self._state.font
        return self._fonts.get(font, self._page)

    def _put(self, text: str) -> None:
        if self._left:
            self._left -= 1
        elif self._state.is_read:
            self._state.flow.text.append(text)

    def _read_sign(self, sign: str) -> None:
        if sign == "*":
            self._starred = True
        elif sign in "\r\n":
            self._read_word("par", None)
        elif sign in words.SIGNS:
            self._put(words.SIGNS[sign])

    def _read_word(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word in words.CHARACTERS:
            self._put(words.CHARACTERS[word])
            return
        self._left = 0
        state = self._state
        if state.skip == 2:
            return
        if starred or word in words.DESTINATIONS:
            self._begin(word)
        elif word == "u" and number is not None:
            self._put(chr(number & 0xFFFF if number < 0x10000 else min(number, 0x10FFFF)))
            self._left = state.fallback
        elif state.destination in words.TIMES:
            if number is not None:
                self._times[state.destination][word] = number
        elif word in ("par", "sect", "cell", "row"):
            if not state.skip:
                self._end(word)
        else:
            self._set(word, number)

    def _end(self, word: str) -> None:
        flow = self._state.flow
        if word == "cell":
            flow.end_cell()
        elif word == "row":
            flow.end_row()
        else:
            flow.end_paragraph(self._level(), self._state.in_table)

    def _level(self) -> int | None:
        state = self._state
        return self._styles.get(state.style) if state.outline is None else _outline_level(state.outline)

    def _set(self, word: str, number: int | None) -> None:
        state, value = self._state, number or 0
        if word == "pard":
            state.end_formatting()
        elif word == "plain":
            state.font, state.hidden = None, False
        elif word == "v":
            state.hidden = number != 0
        elif word == "deleted":
            state.deleted = number != 0
        elif word == "f":
            state.font = value
        elif word in ("intbl", "itap"):
            state.in_table = number != 0
        elif word == "s":
            state.style = value
        elif word == "outlinelevel":
            state.outline = value
        elif word == "uc":
            state.fallback = min(max(value, 0), 9)
        elif word == "deff":
            self._default_font = value
        elif word in words.PAGES:
            self._page = words.PAGES[word]
        elif word in ("ansicpg", "cpg", "fcharset"):
            self._set_encoding(word, value)

    def _set_encoding(self, word: str, value: int) -> None:
        codec = words.CHARSETS.get(value) if word == "fcharset" else words.code_page(value)
        if word == "ansicpg":
            self._page = codec or self._page
        elif self._state.destination == "fonttbl" and codec:
            self._fonts[self._state.font or 0] = codec

    def _begin(self, word: str) -> None:
        """Begin a destination: a group that is not, or not only, part of the running text."""
        state = self._state
        if word in words.FLOWS or word in words.TABLES:
            state.flow, state.destination = Flow(), word
            state.skip = 2 if word == "footnote" and state.skip else 0
            state.end_formatting()
        elif word == "ud":  # the Unicode form of what the group around it gives twice
            state.skip = 0
        elif word in words.NOT_TEXT:
            state.flow.listed = state.flow.listed or (word in words.LIST_MARKS and not state.skip)
            state.skip = 2
        else:
            state.skip = 1
            state.destination = word

    def _open(self) -> None:
        if len(self._stack) >= _MAX_DEPTH:
            raise Unloadable("failed", "damaged: nested too deeply")
        self._starred, self._left = False, 0
        self._stack.append(self._state)
        self._state = replace(self._state)
        if self._state.destination in words.TABLES and not self._state.skip:
            self._state.flow = Flow()

    def _close(self) -> bool:
        """End a group; return whether it was the outermost."""
        self._left = 0
        if not self._stack:
            return False
        ended, self._state = self._state, self._stack.pop()
        if ended.flow is not self._state.flow:
            self._finish(ended)
        elif not self._stack:
            ended.flow.end(ended.in_table)
        return not self._stack

    def _finish(self, ended: _State) -> None:
        """Put the text of a group apart where it belongs."""
        ended.flow.end(ended.in_table)
        lines, text = ended.flow.lines, " ".join(line.text for line in ended.flow.lines)
        font = ended.font or 0
        if ended.destination == "footnote":
            self.notes += lines
        elif ended.destination in ("shptxt", "dptxbxtext"):
            self._state.flow.boxes += lines
        elif ended.destination in ("title", "author"):
            self.noted[ended.destination] = text
        elif ended.destination == "stylesheet":
            level = heading_level(text.strip("; ").lower())
            self._styles[ended.style] = _outline_level(ended.outline) if level is None else level
        elif ended.destination == "fonttbl" and self._fonts.get(font) == words.SYMBOLS:
            self._fonts[font] += f" {text}"


def _outline_level(outline: int | None) -> int | None:
    return outline + 1 if outline is not None and 0 <= outline <= 8 else None
