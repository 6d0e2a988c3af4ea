"""Owns the words of a sentence: their stems, which of them carry content, the clauses they stand in."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rag.text import CJK, index_terms

_FUNCTION = frozenset(
    "a an the this that these those it its he she him her his hers they them their we us our you your i my me who whom "
    "whose which what when where while as at by for from in into of off on onto out to up down with within about "
    "around over under between through during since until after before against among per via and or but so yet if than "
    "then there here be is are was were been being am has have had having do does did doing done can could may might "
    "must shall should will would also just very too more most much many such some any each every all both no not nor "
    "never neither none without only again s t ll ve re d m whether because although though like least percent per "
    "cent cents degree degrees dozen zero one two three four five six seven eight nine ten eleven twelve twenty thirty "
    "forty fifty sixty seventy eighty ninety hundred thousand million billion trillion half thirds quarters".split()
)
_IRREGULAR = {
    form: base
    for base, *forms in map(
        str.split,
        """
become became; begin began begun; break broke broken; bring brought; build built; buy bought; catch caught;
choose chose chosen; come came; do did done; draw drew drawn; drink drank; drive drove driven; eat ate eaten;
fall fell fallen; feel felt; fight fought; find found; flee fled; fly flew flown; forbid forbade forbidden;
forget forgot forgotten; freeze froze frozen; get got; give gave given; go went gone; grow grew grown; hear heard;
hide hid hidden; hold held; keep kept; know knew known; lead led; leave left; lend lent; lie lay; lose lost;
make made; mean meant; meet met; pay paid; ride rode ridden; ring rang; rise rose risen; run ran; say said;
see saw seen; seek sought; sell sold; send sent; shoot shot; show shown; shrink shrank shrunk; sing sang;
sink sank sunk; sit sat;
sleep slept; speak spoke spoken; spend spent; stand stood; steal stole stolen; stick stuck; strike struck; swear swore;
swim swam; take took taken; teach taught; tell told; think thought; throw threw thrown; understand understood;
wear wore worn; win won; withdraw withdrew withdrawn; write wrote written; die dying died; arise arose arisen
""".replace("\n", " ").split(";"),
    )
    for form in forms
}


class Word(NamedTuple):
    """A word of a text with its stem; `content` where it is none of grammar."""

    text: str
    low: str
    stem: str
    content: bool
    start: int
    clause: int


_WORD = re.compile(rf"[^\W\d_{CJK}]+(?:['’][^\W\d_{CJK}]+)*|\d+(?:[.,]\d+)*|[,;:.!?()—–]")


@lru_cache(maxsize=65536)
def stem_of(word: str) -> str:
    """Return the stem of a word in small letters, of its base form where it is irregular: "began" is "begin"."""
    return (index_terms(_IRREGULAR.get(word, word)) or [word])[0]


def words(text: str) -> list[Word]:
    """Return the words of a text that is written with spaces, figures among them; clauses are counted."""
    found: list[Word] = []
    clause = 0
    for match in _WORD.finditer(text):
        word = match[0]
        if not (word[0].isalpha() or word[0].isdigit()):
            clause += 1
            continue
        low = word.lower()
        content = low not in _FUNCTION and not low[0].isdigit() and not low.endswith(("n't", "n’t")) and len(low) > 1
        found.append(Word(word, low, stem_of(low), content, match.start(), clause))
    return found


def is_past(word: Word) -> bool:
    """Whether a word is an irregular form of a verb: "began"."""
    return word.low in _IRREGULAR
