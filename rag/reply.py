"""Owns reading a model's reply: its citation marks, as they stream in, and its sentences.

A mark is `[3]`, `[12]` or a list `[1, 3]`. Every other bracket is text: `[2025]`, `[10-K]`, `[3 of 5]`,
`[[1]]`, a link `[1](…)`, and whatever stands in code.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from rag.text import sentence_spans
from rag.types import Mark, Span

_MARK = re.compile(r"[ \t]*\[(\d{1,2}(?:[ \t]{0,3},[ \t]{0,3}\d{1,2}){0,49})\]")
_UNFINISHED_MARK = re.compile(r"[ \t]*(?:\[[\d, \t]{0,450})?\Z")  # what may still become a mark
# A block of code begins behind list markers too; its last line may carry marks.
_HEAD = r" {0,3}(?:(?:[-*+]|\d{1,3}[.)]) {1,4}|> ?)*"
_OPENS = re.compile(_HEAD + r"(`{3,}(?=[^`\n]*(?:\n|\Z))|~{3,})[^\n]*")
_CLOSES = re.compile(r"[ \t>]*(`{3,}|~{3,})(?=[ \t]*(?:\[[\d, \t]*\][ \t]*)*(?:\n|\Z))")
_MAY_OPEN = re.compile(
    r" {0,3}(?:(?:[-*+]|\d{1,3}[.)]) {0,4}|> ?)*(?:\d{0,3}|`{0,2}|~{0,2}|`{3,}[^`\n]*|~{3,}[^\n]*)\Z"
)
_MAY_CLOSE = re.compile(r"[ \t>]*(?:`*|~*)[ \t\[\]\d,]*\Z")
_BACKTICKS = re.compile(r"`+")
_LONGEST_CODE = 1000  # characters from an opening backtick to the closing one, so that time grows with the text only
_BLANKS = re.compile(r"[ \t]+")
_PLAIN = re.compile(r"[^`\n \t\[]+")
_OPENING = "([{“‘«「『《<$€£`"


class MarkParser:
    """Takes a reply piece by piece and gives back its text without marks; any cut gives the same result.

    After `finish`, `text` is the whole text, `marks` are those whose numbers we issued, `dropped`
    counts the others. The blanks before a mark leave with it unless a word follows at once; at the
    beginning of a line, the blanks behind it do.
    """

    def __init__(self, issued: Collection[int]) -> None:
        self.text = ""
        self.marks: list[Mark] = []
        self.dropped = 0
        self._issued = frozenset(issued)
        self._rest = ""  # what came and is not decided yet
        self._gap = ""  # the blanks before the mark just read
        self._previous = ""
        self._leads = False  # the mark just read stands at the beginning of a line
        self._line_start = True
        self._fence = ""  # what closes the block of code we are in

    def feed(self, piece: str) -> str:
        """Take a piece of the reply and return the text that is now certain."""
        self._rest += piece
        return self._read(final=False)

    def finish(self) -> str:
        """Return the text that is left once the reply has ended."""
        return self._read(final=True)

    def _read(self, final: bool) -> str:
        rest, at = self._rest, 0
        before = len(self.text)
        while at < len(rest):
            end = self._token(rest, at, final)
            if end is None:
                break
            self._previous = rest[end - 1]
            at = end
        self._rest = rest[at:]
        return self.text[before:]

    def _token(self, rest: str, at: int, final: bool) -> int | None:
        """Read the token at `at` and return its end; None where more must come to decide what it is."""
        if self._line_start:
            if not final and (_MAY_CLOSE if self._fence else _MAY_OPEN).match(rest, at):
                return None
            self._line_start = False
            if end := self._fence_line(rest, at):
                return self._emit(rest, at, end)
        if rest[at] == "\n":
            self._line_start = True
            return self._emit(rest, at, at + 1)
        if not self._fence:
            if rest[at] == "`":
                end = _code_end(rest, at, final)
                return end and self._emit(rest, at, end)
            if rest[at] in " \t[":
                if not final and _UNFINISHED_MARK.match(rest, at):
                    return None
                mark = _MARK.match(rest, at)
                if mark:
                    return self._mark(rest, at, mark, final)
        text = _BLANKS.match(rest, at) or _PLAIN.match(rest, at)
        return self._emit(rest, at, text.end() if text else at + 1)

    def _fence_line(self, rest: str, at: int) -> int | None:
        """Return the end of what opens or closes a block of code at the beginning of a line; None where none does."""
        line = (_CLOSES if self._fence else _OPENS).match(rest, at)
        if line is None or not line[1].startswith(self._fence):
            return None
        self._fence = "" if self._fence else line[1]
        return line.end()

    def _mark(self, rest: str, at: int, mark: re.Match[str], final: bool) -> int | None:
        end = mark.end()
        if end == len(rest) and not final:
            return None
        if rest[end : end + 1] in ("(", "]") or (rest[at] == "[" and self._previous == "["):
            return self._emit(rest, at, end)
        blanks = rest[at : rest.index("[", at)]
        self._gap = self._gap or blanks
        self._leads = self._leads or not self.text or self.text.endswith("\n")
        for n in (int(number) for number in mark[1].split(",")):
            if n in self._issued:
                self.marks.append(Mark(len(self.text), n))
            else:
                self.dropped += 1
        return end

    def _emit(self, rest: str, start: int, end: int) -> int:
        if self._gap and (rest[start].isalnum() or rest[start] in _OPENING) and not self._leads:
            self.text += self._gap
        if not (self._leads and rest[start] in " \t"):
            self.text += rest[start:end]
        self._gap, self._leads = "", False
        return end


def is_code(sentence: str) -> bool:
    """Whether a sentence of a reply is a block of code."""
    return _OPENS.match(sentence) is not None


def _code_end(rest: str, at: int, final: bool) -> int | None:
    """Return the end of the code span that opens at `at`, or of its backticks where nothing closes them."""
    line_end = rest.find("\n", at, at + _LONGEST_CODE)
    stop = at + _LONGEST_CODE if line_end < 0 else line_end
    whole = final or line_end >= 0 or len(rest) > stop  # no more can come that counts
    runs = _BACKTICKS.finditer(rest, at, stop)
    opening = next(runs)
    for closing in runs:
        if closing.end() == len(rest) and not whole:
            return None
        if len(closing[0]) == len(opening[0]):
            return closing.end()
    return opening.end() if whole else None


_LINE_HEAD = re.compile(r"\s*(?:>\s*)*(?:[-*+•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)?")
_TABLE_RULE = re.compile(r"\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?\s*)?")
_OWN_LINE = re.compile(r"\s*(?:[-*+•]\s|\d{1,3}[.)]\s|#{1,6}\s|>|\||```|~~~|\Z)")


def reply_sentences(text: str) -> tuple[Span, ...]:
    """Return the sentences of a reply in Markdown, in order, apart, each with a letter or a digit in it.

    List items, headings and table rows stand alone; markers before them, rules between them and the
    head of a table belong to no sentence. A block of code is one sentence.
    """
    blocks: list[Span] = []
    code: set[int] = set()  # starts of blocks of code
    open_block = False  # the last block is a paragraph that the next line may go on
    rows = 0  # of the table so far
    fence = ""
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        edge = (_CLOSES if fence else _OPENS).match(line)
        if fence or edge:
            blocks.append(Span(blocks.pop().start if fence else start, at))
            code.add(blocks[-1].start)
            if edge and edge[1].startswith(fence):
                fence = "" if fence else edge[1]
            open_block, rows = False, 0
        elif _TABLE_RULE.fullmatch(line.strip()):
            if rows == 1:
                blocks.pop()
            open_block, rows = False, rows + 1
        elif not line.strip():
            open_block, rows = False, 0
        elif open_block and not _OWN_LINE.match(line):
            blocks[-1] = Span(blocks[-1].start, at)
        else:
            marker = _LINE_HEAD.match(line)
            blocks.append(Span(start + (marker.end() if marker else 0), at))
            rows = rows + 1 if line.lstrip().startswith("|") else 0
            open_block = not line.lstrip().startswith(("#", "|"))
    spans: list[Span] = []
    for block in blocks:
        whole = block.start in code
        spans += [_trimmed(text, block)] if whole else sentence_spans(text, block.start, block.end)
    return tuple(span for span in spans if any(char.isalnum() for char in text[span.start : span.end]))


def _trimmed(text: str, span: Span) -> Span:
    inside = text[span.start : span.end]
    return Span(span.end - len(inside.lstrip()), span.start + len(inside.rstrip()))


def mark_owner(at: int, sentences: tuple[Span, ...], text: str) -> int | None:
    """Return which sentence a mark at `at` belongs to: the one it stands in or behind, on its own line.

    At the beginning of a line it belongs to the sentence that follows. None where there is no sentence.
    """
    before = max((i for i, span in enumerate(sentences) if span.start < at), default=None)
    after = min((i for i, span in enumerate(sentences) if span.start >= at), default=None)
    if before is not None and "\n" not in text[sentences[before].end : at]:
        return before
    if after is not None and (before is None or "\n" not in text[at : sentences[after].start]):
        return after
    return before
