"""Owns the check of what a sentence puts in quotation marks: word for word, against the texts it cites."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.text import CJK

# Opening mark, and those that close it. A straight or curly single mark opens only where no letter is in front.
_PAIRS = {
    "“": "”“",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
    '"': '"',
    "‘": "’",
    "‚": "‘",
    "'": "'",
}
_WITHIN = re.compile(r"[\w]")  # letters or figures on both sides of a single mark: an apostrophe
_ELLIPSIS = re.compile(r"\s*(?:\[\s*(?:\.{3}|…)\s*\]|\(\s*(?:\.{3}|…)\s*\)|\.{3,4}|…+)\s*")
_INSERTED = re.compile(r"\[[^\[\]]{0,40}\]")  # "[the]": the writer's own word
_TOKEN = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")
_SCARE = 2  # words; so few need only stand somewhere
_LONGEST = 100  # words of a quotation that is looked for in pieces
_PIECE = 3  # words in a row that make a piece of a stitched quotation
_LENGTH = 60  # characters of a quotation that a reason shows


def quotations(text: str) -> tuple[str, ...]:
    """Return what stands in quotation marks in a text, outermost marks first, without the marks.

    A mark that is never closed opens nothing; apostrophes are none.
    """
    return tuple(text[start:end] for start, end in _spans(text))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        closing = _PAIRS.get(text[at])
        end = _closed(text, at, closing) if closing and _opens(text, at) else None
        if end is None:
            at += 1
            continue
        yield at + 1, end
        at = end + 1


def _opens(text: str, at: int) -> bool:
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if not after or (after.isspace() and text[at] != "«"):
        return False
    if text[at] in "'‘\"‚":
        return not _WITHIN.match(before) or (text[at] == '"' and bool(re.match(f"[{CJK}]", before)))
    return text[at] != "»" or not _WITHIN.match(before)


def _closed(text: str, at: int, closing: str) -> int | None:
    """Return where the quotation that opens at a place is closed; nested ones of the same mark are stepped over."""
    depth = 1
    for place in range(at + 1, len(text)):
        char = text[place]
        if char in closing and not _apostrophe(text, place) and (char != '"' or not text[place - 1].isspace()):
            depth -= 1
            if not depth:
                return place
        elif char == text[at] and char not in closing:
            depth += 1
        elif char == "\n" and text[place : place + 2] == "\n\n":
            return None
    return None


def _apostrophe(text: str, at: int) -> bool:
    """Whether a single mark stands inside a word."""
    return text[at] in "'’" and bool(_WITHIN.match(text[at + 1 : at + 2]))


def check_quotations(claim: str, quotes: Sequence[str], passages: str, others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what is wrong with the quotations of a claim, each as a sentence; none where all stand as they are quoted.

    `quotes` and `passages` are what the claim cites, `others` the texts of the other passages found. White space,
    kinds of quotation marks, punctuation, the case of the first letter, "…" for words left out and "[the]" for words
    put in are no difference; the rest must stand word for word. One or two words need only stand there in any case.
    """
    cited = [_words(text) for text in (*quotes, passages)]
    elsewhere = [_words(text) for text in others]
    reasons = []
    for start, end in _spans(claim):
        quoted = claim[start:end]
        parts = [part for part in _parts(quoted) if part]
        if parts and not any(_stands(parts, text) for text in cited):
            reasons.append(_fault(quoted, parts, cited, elsewhere))
        elif parts and (other := _given_to_another(claim, start, end, passages)):
            reasons.append(f"The cited passage gives the quotation “{_shown(quoted)}” to {other}.")
    return tuple(dict.fromkeys(reasons))


def _shown(quoted: str) -> str:
    bare = quoted.strip()
    return bare if len(bare) <= _LENGTH else bare[:_LENGTH].rstrip() + "…"


def _fault(quoted: str, parts: list[list[str]], cited: list[list[str]], elsewhere: list[list[str]]) -> str:
    shown = _shown(quoted)
    if any(_stands(parts, text) for text in elsewhere):
        return f"The quotation “{shown}” stands in another article, not in the cited passage."
    if any(_stitched([word for part in parts for word in part], text) for text in cited):
        return f"The words of the quotation “{shown}” do not stand together in the cited passage."
    return f"The quotation “{shown}” is not in the cited passage."


def _parts(quoted: str) -> list[list[str]]:
    """Return the words of a quotation, cut where it says that words are left out or put in."""
    return [_words(part) for piece in _ELLIPSIS.split(quoted) for part in _INSERTED.split(piece)]


def _words(text: str) -> list[str]:
    """Return the words of a text as they are written, without marks and punctuation."""
    return _TOKEN.findall(text.replace("’", "'"))


def _stands(parts: Sequence[Sequence[str]], text: Sequence[str]) -> bool:
    """Whether all parts stand in a text, in this order."""
    few = sum(map(len, parts)) <= _SCARE
    if few:
        text = [word.lower() for word in text]
    at = 0
    for part in parts:
        wanted = [word.lower() for word in part] if few else list(part)
        found = next(
            (i for i in range(at, len(text) - len(wanted) + 1) if _same(wanted, text[i : i + len(wanted)])), None
        )
        if found is None:
            return False
        at = found + len(wanted)
    return True


def _same(wanted: Sequence[str], there: Sequence[str]) -> bool:
    return wanted[1:] == there[1:] and _same_first(wanted[0], there[0])


def _same_first(wanted: str, there: str) -> bool:
    return wanted == there or (wanted[1:] == there[1:] and wanted[0].lower() == there[0].lower())


def _stitched(wanted: Sequence[str], text: Sequence[str]) -> bool:
    """Whether a quotation is made of pieces that stand in a text, of three words or more each, but not together."""
    wanted, text = [word.lower() for word in wanted], [word.lower() for word in text]
    at = 0
    while at < len(wanted) <= _LONGEST:
        length = max((_common(wanted, at, text, i) for i, word in enumerate(text) if word == wanted[at]), default=0)
        if length < min(_PIECE, len(wanted)):
            return False
        at += length
    return at == len(wanted)


def _common(one: Sequence[str], at: int, other: Sequence[str], there: int) -> int:
    count = 0
    while at + count < len(one) and there + count < len(other) and one[at + count] == other[there + count]:
        count += 1
    return count


# ---------------------------------------------------------------- who said it

_SAYS = r"(?:said|says|told|tells|added|adds|wrote|writes|argued|argues|explained|explains|warned|warns|called|calls)"
_NAME = r"(?P<name>(?:(?:Dr|Mr|Mrs|Ms|Prof|Sir)\.? )?[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,3})"
_AFTER = re.compile(
    rf"\s*[,.!?]?[\"”’»“]*\s*,?\s*(?:{_SAYS} {_NAME}|{_NAME.replace('?P<name>', '?P<first>')} {_SAYS}\b)"
)
_BEFORE = re.compile(rf"{_NAME} {_SAYS}[,:]? (?:that |it )?[\"“‘«„]\Z")
_PRONOUNS = frozenset("He She They It We I The A An".split())


def _speaker(text: str, start: int, end: int) -> str | None:
    """Return the name of who says what stands at a place, where that is written right beside it."""
    found = _AFTER.match(text, end) or _BEFORE.search(text[max(0, start - 80) : start])
    name = found and (found["name"] or found.groupdict().get("first"))
    return name if name and name.split()[0] not in _PRONOUNS else None


def _given_to_another(claim: str, start: int, end: int, passages: str) -> str | None:
    """Return who says it in the passages, where the claim gives it to somebody else."""
    words = _words(claim[start:end])
    mine = _speaker(claim, start, end)
    if mine is None or len(words) <= _SCARE:
        return None
    places = re.finditer(r"[\W_]+".join(map(re.escape, words)), passages, re.IGNORECASE)
    theirs = [_speaker(passages, *match.span()) for match in places]
    if not theirs or any(name is None or set(_words(name)) & set(_words(mine)) for name in theirs):
        return None
    return theirs[0]
