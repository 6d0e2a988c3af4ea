"""Owns reading the text of an answer: its Markdown as blocks, with notes for its marks and remarks for its verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.export.values import Block, Blocks, Code, Heading, Inlines, Listing, Note, Paragraph, Quoted, Rule, Run, Table
from rag.reply import is_code
from rag.text import printable
from rag.types import QUOTES, Answer, AnswerSentence

# Markdown without what could reach out: no raw HTML, no images, no links. Their source stays as words.
MARKDOWN = (
    MarkdownIt("commonmark", {"html": False})
    .enable("table")
    .disable(["html_inline", "html_block", "image", "link", "autolink", "reference", "entity"])
)
# Rare punctuation stands for notes and remarks while Markdown is read: like punctuation it leaves emphasis alone.
_STAND_INS = "⸢⸣⸤⸥⸦⸧⸨⸩⦃⦄⦅⦆⦇⦈⦉⦊"
_LIST_NUMBERS = re.compile(r"(?m)^(?:[^\w\n]*\d{1,9}[.)](?=\s|\Z))+")
_CELLS = ("td_open", "th_open")
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")

VERDICTS = {"partial": "partly supported", "unsupported": "not supported", "contradicted": "contradicted"}


def body(answer: Answer, before: int = 0) -> Blocks:
    """Return the text of an answer as blocks, headings from level 2 on; citation n is note `before + n`.

    No word of it is lost: where Markdown would leave one out, the text stands there as it is.
    """
    if not answer.sentences:
        return (Paragraph((Run(printable(answer.text)),)),) if answer.text.strip() else ()
    if answer.model == QUOTES:
        return tuple(Paragraph(tuple(_plain(answer, (sentence,), before))) for sentence in answer.sentences)
    read = _markdown(answer, before)
    if read is not None:
        return read
    first, last = answer.sentences[0].start, answer.sentences[-1].end
    inside = _plain(answer, answer.sentences, before)
    return (Paragraph((Run(printable(answer.text[:first])), *inside, Run(printable(answer.text[last:])))),)


def _plain(answer: Answer, sentences: Sequence[AnswerSentence], before: int) -> Iterator[Run | Note]:
    """Yield sentences and what stands between them as they are, notes in place of their marks."""
    at = sentences[0].start
    for sentence in sentences:
        for chip in sentence.chips:
            yield Run(printable(answer.text[at : chip.start]).rstrip(" "))
            yield Note(before + chip.n)
            at = chip.end
        yield Run(printable(answer.text[at : sentence.end]))
        yield from _remark(sentence)
        at = sentence.end


def _remark(sentence: AnswerSentence) -> Inlines:
    """Return the words behind a sentence that is not supported; nothing for one that is."""
    if sentence.verdict == "supported":
        return ()
    reason = " ".join(printable(" ".join(sentence.reasons)).split())
    return (Run(f" [{VERDICTS[sentence.verdict]}{': ' if reason else ''}{reason}]", remark=True),)


# ---------------------------------------------------------------- notes and remarks in Markdown


class _Place(NamedTuple):
    """What takes the place of `start:end` of an answer's text, as a paragraph of its own or in the line."""

    start: int
    end: int
    inlines: Inlines
    apart: bool = False


def _places(answer: Answer, sentence: AnswerSentence, before: int) -> list[_Place]:
    """Return what to put where in a sentence's Markdown, in order.

    Below a block of code, which would take it for code; in a table row before the last bar.
    """
    source = answer.text[sentence.start : sentence.end]
    notes = [_Place(chip.start, chip.end, (Note(before + chip.n),)) for chip in sentence.chips]
    remark = _remark(sentence)
    if is_code(source):
        everything = (*(note for place in notes for note in place.inlines), *remark)
        start = notes[0].start if notes else sentence.end
        return [_Place(start, sentence.end, everything, apart=True)] if everything else []
    if source.startswith("|"):
        bar = sentence.start + source.rindex("|")
        inside = [note for note in notes if note.end <= bar]
        behind = notes[len(inside) :]
        last = (*(note for place in behind for note in place.inlines), *remark)
        return [*inside, _Place(bar, bar, last), *(place._replace(inlines=()) for place in behind)]
    return [*notes, _Place(sentence.end, sentence.end, remark)]


def _markdown(answer: Answer, before: int) -> Blocks | None:
    """Return the answer's Markdown as blocks; None where anything would get lost in it."""
    sign = stand_in(answer.text)
    if sign is None:
        return None
    placed: list[Inlines] = []
    text, at = "", 0
    for sentence in answer.sentences:
        text += answer.text[at : sentence.start]
        at = sentence.start
        for start, end, inlines, apart in _places(answer, sentence, before):
            text += answer.text[at:start].rstrip(" ") + "\n\n" * apart
            if inlines:
                text += sign
                placed.append(inlines)
            at = end
    text += answer.text[at:]
    tokens = MARKDOWN.parse(text)
    kept = _kept(tokens)
    if kept.count(sign) != len(placed) or signs(kept) != signs(text):
        return None
    return _Reader(sign, iter(placed)).blocks(iter(tokens))


def stand_in(text: str) -> str | None:
    """Return a sign that a text does not hold, to stand in it for what is not Markdown; None where it holds all."""
    return next((sign for sign in _STAND_INS if sign not in text), None)


def _kept(tokens: Sequence[Token]) -> str:
    """Return the source that is left in tokens, line by line as it was."""
    text, in_cell = "", False
    for token in tokens:
        if token.type == "tr_open":
            text += "\n"
        elif token.type == "fence":
            text += f"\n{token.info}\n{token.content}"
        elif token.content:
            text += f"{' ' if in_cell else chr(10)}{token.content}"
        in_cell = token.type in _CELLS
    return text


def signs(text: str) -> str:
    """Return letters and digits of a text without the numbers of list items, which Markdown counts anew."""
    return "".join(filter(str.isalnum, _LIST_NUMBERS.sub("", text)))


# ---------------------------------------------------------------- tokens to blocks


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the parser's tokens into blocks; `placed` is what the signs in them stand for, in order."""

    sign: str
    placed: Iterator[Inlines]

    def blocks(self, tokens: Iterator[Token]) -> Blocks:
        """Return the blocks up to the token that closes the one they are in."""
        found: list[Block] = []
        for token in tokens:
            if token.nesting < 0:
                break
            found += self._block(token, tokens)
        return tuple(found)

    def _block(self, token: Token, tokens: Iterator[Token]) -> Blocks:
        kind = token.type
        if kind in ("fence", "code_block"):
            return self._code(token)
        if kind == "hr":
            return (Rule(),)
        if kind == "blockquote_open":
            return (Quoted(self.blocks(tokens)),)
        if kind in ("bullet_list_open", "ordered_list_open"):
            start = int(token.attrs.get("start", 1)) if kind == "ordered_list_open" else None
            return (Listing(self._items(tokens), start, token.markup),)
        if kind == "table_open":
            return (Table(self._rows(tokens)),)
        inlines = self._inlines(next(tokens))
        next(tokens)  # what closes it
        return (Heading(1 + int(token.tag[1:]), inlines) if kind == "heading_open" else Paragraph(inlines),)

    def _code(self, token: Token) -> Blocks:
        """Return a block of code; behind it, in a paragraph, the notes that stand in it."""
        language = token.info.strip()
        text = token.content
        if not _LANGUAGE.fullmatch(language):
            language, text = "", f"{language}\n{text}" if language else text
        pieces = text.split(self.sign)
        inlines = tuple(inline for _ in pieces[1:] for inline in next(self.placed))
        code = Code(printable("".join(pieces)).strip("\n"), language)
        return (code, Paragraph(inlines)) if inlines else (code,)

    def _items(self, tokens: Iterator[Token]) -> tuple[Blocks, ...]:
        items: list[Blocks] = []
        while next(tokens).type == "list_item_open":
            items.append(self.blocks(tokens))
        return tuple(items)

    def _rows(self, tokens: Iterator[Token]) -> tuple[tuple[Inlines, ...], ...]:
        rows: list[list[Inlines]] = []
        for token in tokens:
            if token.type == "table_close":
                break
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(self._inlines(token))
        return tuple(tuple(row) for row in rows)

    def _inlines(self, token: Token) -> Inlines:
        style = Run("")
        found: list[Run | Note] = []
        for child in token.children or ():
            if child.tag == "strong":
                style = style._replace(bold=child.nesting > 0)
            elif child.tag == "em":
                style = style._replace(italic=child.nesting > 0)
            elif child.type == "softbreak":
                found.append(Run(" "))
            elif child.type == "hardbreak":
                found.append(Run("\n"))
            else:
                found += self._runs(child.content, style._replace(code=child.type == "code_inline"))
        return tuple(found)

    def _runs(self, text: str, style: Run) -> Iterator[Run | Note]:
        for i, piece in enumerate(text.split(self.sign)):
            if i:
                yield from next(self.placed)
            if shown := printable(piece):
                yield style._replace(text=shown)
