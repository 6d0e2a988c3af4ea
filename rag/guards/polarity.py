"""Owns what makes a statement less than a fact: what denies it, what hedges it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rag.guards.words import Word

_ALONE = frozenset("only last sole solely alone until except but".split())
_SINGLE = _ALONE | frozenset(
    "first single unique final most least best worst highest lowest earliest latest oldest newest youngest largest "
    "smallest biggest longest shortest".split()
)
_ONCE = frozenset("used former formerly once previously previous now until past today".split())
_ALL_OF_THEM = frozenset("none nobody nothing neither nor non".split())

_SAYS_NO = re.compile(r"(?:not|never|no|without|neither|nor|cannot|none|nobody|nothing|\w+n['’]t|non)\Z")
_REFUSES = {  # with the word behind it
    "to": re.compile(r"(?:fail|refus|declin|neglect)(?:s|es|e|ed|d|ing)?\Z|unable\Z"),
    "against": re.compile(r"(?:decid|vot|rul|advis)(?:es|e|ed|ing)\Z"),
    "out": re.compile(r"rul(?:es|e|ed|ing)\Z"),
    "down": re.compile(r"turn(?:s|ed|ing)?\Z"),
}
_DENIES = re.compile(
    r"(?:den(?:y|ied|ies|ying)|lack\w*|absen\w+|ban(?:ned|s|ning)?|forb[ai]d\w*|prohibit\w*|prevent\w*|stop\w*|ceas\w+"
    r"|avoid\w*|reject\w*|exclud\w+|except\w*|unlike|hardly|scarcely|rarely|seldom|barely|little|few|fewer|less|instead"
    r"|rather|abandon\w*|cancel\w*|dropp\w+|halt\w*|block\w*|oppos\w+|against|missing|withdr[ae]w\w*|imposs\w+|free"
    r"|exempt\w*|refrain\w*|resist\w*|neglect\w*|omit\w*|unless"
    r"|un(?!der|it|iv|ion|ique|til)\w{4,}|dis\w{5,}|in(?:ability|complete\w*|correct\w*|sufficien\w+|valid\w*))\Z"
)
_NOT_DENYING = re.compile(  # a "not" that denies nothing
    r"\bnot (?:only|just|merely|simply|least)\b|\bno (?:doubt|fewer|less|more|matter|wonder)\b|\bnothing (?:but|less)\b"
    r"|\bwhether or not\b|\bif not\b|\bnot (?:more|less|fewer|later|earlier) than\b|\bNo\.? ?\d|\bno\. ?\d"
    r"|\bnone other\b|\b(?:never|no|not)-\w",
    re.IGNORECASE,
)
_MODAL = frozenset("may might could".split())
_DETERMINERS = frozenset("a an the its his her their our this that any no in of".split())
_FIRM = frozenset("will shall must".split())
_INTENDS = re.compile(
    r"(?:plan|intend|hop|aim|want|expect|propos|offer|threaten|tr|attempt|seek|schedul|wish|promis|pledg|vow)"
    r"(?:s|es|e|ed|d|ing|y|ies|ied|ying|ned|ning|ped|ping)?\Z|sought\Z|likely\Z|slated\Z|ready\Z|supposed\Z|poised\Z"
)
_CONSIDERS = re.compile(r"consider(?:s|ed|ing)?\Z|contemplat(?:es|ed|ing)\Z|weigh(?:s|ed|ing)\Z|mull(?:s|ed|ing)\Z")
_HEDGES = re.compile(
    r"(?:may|might|could|can|cannot|would|should|will|shall|plan\w*|inten\w+|hop(?:e|es|ed|ing)|aim\w*|goal|target\w*"
    r"|want\w*|expect\w*|propos\w+|offer(?:s|ed|ing)|threat\w*|tr(?:y|ies|ied|ying)|attempt\w*|seek\w*|sought|schedul\w+|wish\w*"
    r"|promis\w+|pledg\w+|vow\w*|likely|unlikely|slated|due|supposed|poised|consider\w*|contemplat\w+|weigh\w*"
    r"|mull\w*|possib\w+|potential\w*|perhaps|probab\w+|maybe|if|able|allow\w*|enabl\w+|ask\w*|request\w*"
    r"|alleg\w+|reported\w*|estimat\w+|predict\w*|forecast\w*|project\w*|suggest\w*|recommend\w*|urg\w+|appear\w*"
    r"|seem\w*|apparent\w*|future|prospect\w*|eventual\w*|option\w*|suspect\w*|discuss\w*"
    r"|talks?|ambition\w*|bid|effort\w*|agree\w*|decid\w+|ordered|must|need\w*|require\w*|willing\w*|eager)\Z"
)


def singles_out(word: Word) -> bool:
    """Whether a word denies by saying who or what alone it is: "first" and "only" say that no other is."""
    return word.low in _SINGLE


def alone(word: Word) -> bool:
    """Whether a word says that nothing else is so: "only"."""
    return word.low in _ALONE


def was_once(word: Word) -> bool:
    """Whether a word says that something was so and is not any more."""
    return word.low in _ONCE


def plain(word: Word) -> bool:
    """Whether a word denies the word behind it and no more: "not", and not "none"."""
    return word.low not in _ALL_OF_THEM


def denials(text: str, found: list[Word]) -> set[int]:
    """Return the places of all words that deny something, however mildly."""
    idle = _idle(text)
    return {
        at
        for at, word in enumerate(found)
        if word.start not in idle and (_SAYS_NO.match(word.low) or _refuses(found, at) or _DENIES.match(word.low))
    }


def negated(text: str, found: list[Word]) -> dict[int, int]:
    """Return the places of the words that are plainly denied, each with the place of what denies it."""
    idle = _idle(text)
    targets: dict[int, int] = {}
    for at, word in enumerate(found):
        if word.start in idle:
            continue
        refuses = _refuses(found, at)
        if _SAYS_NO.match(word.low) or refuses:
            target = _target(found, at + refuses)
            if target is not None:
                targets.setdefault(target, at)
    return targets


def denies(text: str, word: Word) -> bool:
    """Whether a word of a text is a plain "not" or "no"."""
    return _SAYS_NO.match(word.low) is not None and word.start not in _idle(text)


def _refuses(found: list[Word], at: int) -> bool:
    """Whether "failed to", "turned down" or the like stands at a place."""
    pattern = _REFUSES.get(found[at + 1].low) if at + 1 < len(found) else None
    return pattern is not None and pattern.match(found[at].low) is not None


def hedges(found: Iterable[Word]) -> set[int]:
    """Return the places of all words that may say that something is not so yet, or not for certain."""
    return {at for at, word in enumerate(found) if _HEDGES.match(word.low) and word.text != "May"}


def modal(word: Word) -> bool:
    """Whether a word says that something is possible: may, might, could."""
    return word.low in _MODAL


def firm(word: Word) -> bool:
    """Whether a word says that something is sure to be: will, shall, must."""
    return word.low in _FIRM


def hedged(found: list[Word]) -> dict[int, int]:
    """Return the places of the words that are plainly not fact yet, each with the place of what says so."""
    targets: dict[int, int] = {}
    for at, word in enumerate(found):
        follows_to = at + 1 < len(found) and found[at + 1].low == "to"
        if at and found[at - 1].low in _DETERMINERS:  # "its plan to", a noun
            continue
        if (
            (modal(word) and word.text != "May")
            or (follows_to and _INTENDS.match(word.low))
            or _CONSIDERS.match(word.low)
        ):
            target = _target(found, at)
            if target is not None:
                targets.setdefault(target, at)
    return targets


_REACH = 5  # words within which a "not" finds what it denies


def _target(found: list[Word], at: int) -> int | None:
    """Return the first word of content behind a place that is no adverb, in the same clause."""
    for place in range(at + 1, min(at + 1 + _REACH, len(found))):
        word = found[place]
        if word.clause != found[at].clause:
            return None
        if word.content and not word.low.endswith("ly"):
            return place
    return None


def _idle(text: str) -> set[int]:
    return {match.start() for match in _NOT_DENYING.finditer(text)}
