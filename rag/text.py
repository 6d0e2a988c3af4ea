"""Owns what we know about written language: cleaning, sentence spans, and the terms to search by."""

from __future__ import annotations

import calendar
import re
import threading
import unicodedata
from functools import lru_cache

import Stemmer

from rag.types import Span

VERSION = 2
"""Raised when a change here gives other sentences or terms, so that sync cuts and indexes all articles again."""

# ---------------------------------------------------------------- cleaning

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ufeff]")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# Characters nobody sees that spell out text: tags (but for those that make the flag of a country) and long runs
# of joiners and variation selectors.
_UNSEEN = re.compile(
    "(?P<flag>\U0001f3f4[\U000e0030-\U000e007a]{1,6}\U000e007f)|[\U000e0000-\U000e007f]+"
    "|[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}"
)


def clean(text: str) -> str:
    """Return the text with line ends as `\\n`, without control characters, lone surrogates, and what turns it round."""
    return _CONTROLS.sub("", _NEWLINES.sub("\n", text))


def without_unseen(text: str) -> str:
    """Return the text without words that readers would not see and programs read."""
    return text if text.isascii() else _UNSEEN.sub(lambda match: match["flag"] or "", text)


def printable(text: str) -> str:
    """Return the text without characters that could steer a terminal or reverse what it shows."""
    return _UNPRINTABLE.sub("", text)


# ---------------------------------------------------------------- sentences

_SENTENCE_END = re.compile(
    r"""
      (?P<stop> (?<![.!?…؟۔।॥]) [.!?…؟۔।॥]++ ) ["'”’»)\]]*+ (?:\[\d{1,3}\]){0,9} (?=\s)   # needs white space behind it
    | [。！？｡]+ ["'”’」』》）】〕〉]*                                                      # does not
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"[^\s(\[\"“‘']+\Z")
_LOOK = 40  # characters looked at on either side of a stop, so that time grows with the text and no faster

# Never the end of a sentence: something always follows. The first row counts when capitalised only.
_NAMES = frozenset(
    "Mr Mrs Ms Dr Prof St Gen Sen Rep Gov Lt Col Capt Sgt Rev Hon Pres Messrs Mme Fig Figs Eq No Nos Vol Ch Ed "
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri".split()
)
_ABBREVIATIONS = frozenset("vs cf e.g i.e eg ie viz approx ca fig figs vol pp ed eds nos".split())
# The end of a sentence only where the next word looks like the beginning of one.
_MAY_END = frozenset("inc corp ltd co llc plc bros al etc a.m p.m jr sr ph.d m.d b.a m.a dept est".split())
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]\Z")
_STARTERS = frozenset(
    "the a an this that these those it its he she they we you i his her their our my there here in on at "
    "by for from with as to of but and or so yet if when while after before since although though because "
    "however moreover meanwhile instead also then thus still some many most all both each every one no not "
    "what who which where why how according under over between during".split()
)


def _ends_sentence(text: str, begin: int, match: re.Match[str]) -> bool:
    stop = match.group("stop")
    if stop is None:  # a CJK full stop
        return True
    next_at = _skip_space(text, match.end())
    after = text[next_at : next_at + _LOOK]
    if not after:
        return True
    following = after.lstrip("\"'“‘«([")
    if following[:1].islower() or after[0] in ",;:":
        return False
    if stop != ".":
        return True
    word = _LAST_WORD.search(text, max(begin, match.start() - _LOOK), match.start())
    if word is None:
        return True
    last = word.group().lower()
    if word.group() == "No" and not following[:1].isdigit():
        return True
    if word.group() in _NAMES or last in _ABBREVIATIONS:
        return False
    if last.isdigit() and word.start() == begin:  # the number of a list item
        return False
    if len(last) == 1 and last.isalpha() and word.group().isupper() and last != "i":  # an initial
        return False
    if last in _MAY_END or _ACRONYM.match(last):
        next_word = re.match(r"[^\W\d_]+", following)
        return next_word is not None and next_word.group().lower() in _STARTERS
    return True


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Split `text[start:end]` into sentences, in order, without overlap, trimmed of white space.

    Every character of the range that is not white space lies in exactly one span. A line break is
    white space like any other: paragraphs are split before, by the loader.
    """
    text = text[start:end]
    spans: list[Span] = []
    begin = _skip_space(text, 0)
    for match in _SENTENCE_END.finditer(text, begin):
        if match.end() <= begin or not _ends_sentence(text, begin, match):
            continue
        spans.append(Span(start + begin, start + match.end()))
        begin = _skip_space(text, match.end())
    last = len(text.rstrip())
    if last > begin:
        spans.append(Span(start + begin, start + last))
    return spans


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


# ---------------------------------------------------------------- search terms

# Scripts written without spaces: indexed by character pairs, since words have no visible border.
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"  # without the middle dot, which parts words
CJK = _KANA + "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# Letters that SQLite's tokenizer takes for marks and splits at: New Tai Lue vowels, two Vedic signs.
_SPLITTING = "\u19b0-\u19c0\u19c8\u19c9\u1cf2\u1cf3"
_LETTER = rf"[^\W_{CJK}{_SPLITTING}]"
_NUMBER = r"\d+(?:[.,]\d+)+"
_TERM = re.compile(rf"[{CJK}]+|{_NUMBER}|{_LETTER}+(?:['’]{_LETTER}+)?")
_IS_CJK = re.compile(f"[{CJK}]")
_POSSESSIVE = re.compile(r"['’]s?\Z")
_SITE = re.compile(r"https?://(?:www\.)?([^/:?#@]+)", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(\d{2})")
_local = threading.local()  # a stemmer must not be shared between threads

_STOP_WORDS = frozenset(
    "a about above after again all also am an and any are as at be because been before being below between "
    "both but by can could did do does doing down during each few for from further had has have having he her "
    "here hers him his how i if in into is it its itself just me more most my no nor not now of off on once "
    "only or other our out over own same she should so some such than that the their them then there these "
    "they this those through to too under until up us very was we were what when where which while who whom "
    "whose why will with would you your according tell please give say says said mention mentioned describe "
    "explain much many long often kind name "
    "don't doesn't didn't isn't aren't wasn't weren't hasn't haven't hadn't won't wouldn't can't couldn't "
    "shouldn't don’t doesn’t didn’t isn’t aren’t wasn’t weren’t hasn’t haven’t hadn’t won’t wouldn’t can’t "
    "couldn’t shouldn’t".split()
)
_PART_TERMS = 2
_STOP_PAIRS = frozenset(
    "什么 多少 哪些 哪个 哪家 哪里 是否 为何 怎么 怎样 如何 为什 何时 几个 多久 请问 谁是 是谁 是什 么是 "
    "的是 是在 了什 了哪 在哪 有哪 有多 有什 了多 么时 时候 个的".split()
)


def mostly_cjk(text: str) -> bool:
    """Whether at least half of the letters are Chinese, Japanese or Korean."""
    letters = [char for char in text if char.isalpha()]
    return bool(letters) and 2 * sum(_IS_CJK.match(char) is not None for char in letters) >= len(letters)


def _stem(word: str) -> str:
    stemmer = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("english")
    stemmed: str = stemmer.stemWord(word)
    return stemmed


def _fold(text: str) -> str:
    """Lower case, compatibility forms resolved, accents (also of composed letters) and soft hyphens removed."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f" and char != "\xad")
    return unicodedata.normalize("NFKC", bare)


def index_terms(text: str) -> list[str]:
    """Return the terms a text is indexed under: stemmed words, numbers, CJK characters and pairs."""
    terms: list[str] = []
    for token in _TERM.findall(_fold(text)):
        if _IS_CJK.match(token):
            terms.extend(token)
            terms.extend(token[i : i + 2] for i in range(len(token) - 1))
        else:
            terms.append(_word_term(token))
    return terms


def about_terms(author: str | None, url: str | None, published: str | None) -> list[str]:
    """Return the terms an article is found under beside its own words: who wrote it, on which site, and when."""
    site = _SITE.match(url or "")
    words = [author or "", *(site.group(1).split(".")[:-1] if site else ())]  # without "com"
    if match := _DATE.match(published or ""):
        year, month, day = match.groups()
        words += [year, calendar.month_name[int(month)], str(int(day))]
    return index_terms(" ".join(words))


def question_terms(text: str) -> list[str]:
    """Return the distinct terms to search for, in order: those of content, or all where none is.

    CJK runs give their pairs; a single character only where it stands alone.
    """
    found = _weighed(text)
    return [term for term, content in found.items() if content] or list(found)


def content_terms(text: str) -> list[str]:
    """Return the distinct terms of content, in order; none where all words only join others."""
    return [term for term, content in _weighed(text).items() if content]


def _weighed(text: str) -> dict[str, bool]:
    """Return the distinct terms of a text, in order, and whether each is one of content."""
    found: dict[str, bool] = {}
    for token in _TERM.findall(_fold(text)):
        if _IS_CJK.match(token):
            parts = [token[i : i + 2] for i in range(len(token) - 1)] or [token]
            found.update((part, part not in _STOP_PAIRS) for part in parts)
        else:
            found[_word_term(token)] = _POSSESSIVE.sub("", token) not in _STOP_WORDS
    return found


_JOINING = r"(?:and|while|whereas|but|or|versus|compared to|between|after|before)\s+"
_PART_BORDER = re.compile(rf"[,;:?]\s+(?:{_JOINING})?|\s+{_JOINING}", re.IGNORECASE)


def question_parts(text: str) -> list[Span]:
    """Return the parts of a question that asks for several things, each with two terms or more; none where it does not.

    "Did A grow while B, which …, shrank?" is answered by passages about A, and by others about B.
    """
    borders = [(match.start(), match.end()) for match in _PART_BORDER.finditer(text)]
    starts, ends = [0, *(end for _, end in borders)], [*(start for start, _ in borders), len(text)]
    parts = [
        Span(start, end)
        for start, end in zip(starts, ends, strict=True)
        if len(question_terms(text[start:end])) >= _PART_TERMS
    ]
    return parts if len(parts) > 1 else []


@lru_cache(maxsize=65536)
def _word_term(token: str) -> str:
    if re.fullmatch(_NUMBER, token):
        return token.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", token) else token.replace(",", ".")
    word = _POSSESSIVE.sub("", token).replace("'", "").replace("’", "")
    return _stem(word) if word.isascii() else word
