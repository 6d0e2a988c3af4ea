"""Makes one thing wrong in a sentence that was right: a number, a date, a name, a negation, a verb's strength."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

from rag.facts import facts, names

_FIGURES = "three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty".split()
_SCALES = {"million": "billion", "billion": "million", "thousand": "million", "hundred": "thousand"}
_UNITS = {
    "km": "miles", "miles": "km", "metres": "feet", "feet": "metres", "meters": "feet", "kilometres": "miles",
    "weeks": "months", "months": "weeks", "days": "hours", "years": "months", "minutes": "hours", "hours": "days",
    "euros": "dollars", "dollars": "euros", "crowns": "dollars", "pounds": "dollars", "kg": "tonnes",
    "Celsius": "Fahrenheit", "percent": "percentage points", "%": "percentage points", "m": "km",
}  # fmt: skip
_SIGNS = {"$": "€", "€": "$", "£": "$"}
_MONTHS = "January February April June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NAMES = "Varga Lindholm Okafor Tremaine Bellamy Kowalczyk Marchetti Zagreb Utrecht Nagoya Verdana Quillon".split()


def number(text: str, rng: Random) -> str | None:
    """Exchange a number for another one, written the same way; years are dates."""
    found = [n for n in facts(text).numbers if not _is_year(n.text) and n.values[0] > 2 and n.text[0].isalnum()]
    if not found:
        return None
    chosen = rng.choice(found)
    old = re.match(r"[\d.,]*\d|[^\W\d_]+(?:-[^\W\d_]+)?", chosen.text)
    at = text.index(chosen.text, chosen.start)
    if old is None:
        return None
    if old[0][0].isdigit():
        place = rng.randrange(sum(char.isdigit() for char in old[0]))
        places = [i for i, char in enumerate(old[0]) if char.isdigit()]
        i = places[place]
        digits = [d for d in "123456789" if d != old[0][i]]
        new = old[0][:i] + rng.choice(digits) + old[0][i + 1 :]
    else:
        new = rng.choice([word for word in _FIGURES if word != old[0].lower()])
    return text[:at] + new + text[at + len(old[0]) :]


def unit(text: str, rng: Random) -> str | None:
    """Exchange the unit, scale or currency of a number for another one."""
    places = [
        (match.start("u"), match.end("u"), table[match["u"]])
        for table in (_SCALES, _UNITS)
        for match in re.finditer(
            rf"(?:\d|\d |\bmillion |\bbillion |\b(?:{'|'.join(_FIGURES)})[ -])(?P<u>{'|'.join(table)})(?!\w)", text
        )
    ]
    places += [(m.start(), m.end(), _SIGNS[m[0]]) for m in re.finditer(r"[$€£](?=\d)", text)]
    if not places:
        return None
    start, end, new = rng.choice(places)
    return text[:start] + (" " if new[0].isalpha() and text[start - 1].isdigit() else "") + new + text[end:]


def date(text: str, rng: Random) -> str | None:
    """Exchange a year, a month, a day or a weekday for another one."""
    found = facts(text)
    options: list[tuple[int, int, str]] = []
    for match in re.finditer(r"(?<![\d.,$€£-])(?:1[5-9]|20)\d\d(?![\d,.]\d|\d|s\b|\s?(?:%|[a-z]+s\b))", text):
        options.append((*match.span(), str(int(match[0]) + rng.choice([-21, -7, -3, -1, 1, 3, 10]))))
    for pool in (_MONTHS, _DAYS):
        for match in re.finditer(rf"\b(?:{'|'.join(pool)})\b", text):
            options.append((*match.span(), rng.choice([word for word in pool if word != match[0]])))
    for day in found.dates:
        place = re.compile(rf"\b{day.day}(?!\d)").search(text, day.start, day.end)
        if day.day and place:
            options.append((*place.span(), str(day.day % 27 + 1)))
    if not options:
        return None
    start, end, new = rng.choice(options)
    return text[:start] + new + text[end:]


def name(text: str, rng: Random, pool: Sequence[str] = NAMES) -> str | None:
    """Exchange a name for another one."""
    found = [word for word in names(text) if word.isalpha() and not word.isupper() and len(word) > 2]
    free = [word for word in pool if word not in text]
    if not found or not free:
        return None
    return re.sub(rf"\b{re.escape(rng.choice(found))}\b", rng.choice(free), text, count=1)


_AUXILIARY = r"\b(?:is|are|was|were|has|have|had|will|would|can|could|must|should|may|might|does|do|did)\b"
_PAST = {
    "began": "begin", "rose": "rise", "fell": "fall", "sold": "sell", "bought": "buy", "won": "win", "lost": "lose",
    "wrote": "write", "became": "become", "came": "come", "went": "go", "took": "take", "gave": "give", "made": "make",
    "led": "lead", "left": "leave", "held": "hold", "built": "build", "kept": "keep", "drew": "draw", "grew": "grow",
    "beat": "beat", "shut": "shut", "spoke": "speak", "found": "find", "set": "set", "ran": "run", "sent": "send",
}  # fmt: skip


def _base(past: str) -> str:
    if past in _PAST:
        return _PAST[past]
    if past.endswith("ied"):
        return past[:-3] + "y"
    stem = past[:-2]
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "lsz":
        return stem[:-1]
    return past[:-1] if stem[-1] in "csvuzg" or re.search(r"(?:[^aeiou][aiou][tkdlmnr]|at|ir|ur|dg)\Z", stem) else stem


_VERB = re.compile(rf"(?<=[a-z] )(?P<verb>(?:{'|'.join(_PAST)})|[a-z]{{4,}}(?<!e)ed)\b(?! (?:by|in a|to be)\b)")
_DONE = re.compile(
    r"(?:\b(?:is|are|was|were|be|been|being|has|have|had|the|a|an|of|by|with|and|or|more|most|its|their|his|in|first|high)|ly)\s\Z"
)


def _verbs(text: str) -> list[re.Match[str]]:
    """Return the verbs in the past tense, as far as that can be told."""
    found = [match for match in _VERB.finditer(text) if not _DONE.search(text[: match.start()])]
    return [match for match in found if not re.search(r"[,;]|\b(?:who|which|that)\b", text[: match.start()])][:1]


def negation(text: str, rng: Random) -> str | None:
    """Take a denial out of a sentence, or put one in."""
    without = [
        (re.compile(r"\b(did|does|do|was|were|is|are|has|have|had|will|would|can|may|must|should) not\b"), r"\1"),
        (re.compile(r"\b(?:never|not once) "), ""),
        (re.compile(r"\bNo (?=[a-z])"), "Every "),
        (re.compile(r"\bno (?=[a-z])"), "a "),
        (re.compile(r"\bwithout\b"), "with"),
        (re.compile(r"\bfailed to\b"), "managed to"),
        (re.compile(r"\brefused to\b"), "agreed to"),
    ]
    options = [pattern.sub(new, text, count=1) for pattern, new in without if pattern.search(text)]
    if options:
        return rng.choice(options)
    if verbs := _verbs(text):
        verb = verbs[0]
        how = rng.choice(["did not ", "never "])
        return text[: verb.start()] + how + (verb[0] if how == "never " else _base(verb[0])) + text[verb.end() :]
    found = re.search(_AUXILIARY, text)
    return text[: found.end()] + " not" + text[found.end() :] if found else None


_STRENGTHS = {
    "discussed": ["agreed on", "approved"], "suggested that": ["proved that", "confirmed that"],
    "considered": ["approved", "decided on"], "proposed": ["adopted", "enacted"], "alleged": ["confirmed", "proved"],
    "plans to": ["agreed to"], "believe": ["have proved", "have confirmed"], "believed": ["confirmed"],
    "agreed": ["talked about it", "considered it"], "decided": ["considered"], "signed": ["discussed", "proposed"],
    "approved": ["discussed", "considered"], "confirmed": ["alleged", "suspected"],
    "adopted": ["proposed", "considered"],
    "argued that": ["proved that"], "claimed that": ["proved that", "confirmed that"], "claims that": ["proves that"],
    "suggests that": ["proves that", "confirms that"], "offered to": ["agreed to"],
    "established": ["proposed", "considered"], "concluded that": ["speculated that"],
    "attempted to": ["were required to"], "seeks to": ["agreed to"], "may": ["will"], "might": ["will"],
}  # fmt: skip


def strength(text: str, rng: Random) -> str | None:
    """Make a fact of what was said, planned or possible, or the other way round."""
    options = [
        re.sub(rf"\b{re.escape(old)}\b", new, text, count=1)
        for old, news in _STRENGTHS.items()
        if re.search(rf"\b{re.escape(old)}\b", text)
        for new in news
    ]
    for match in re.finditer(
        r"\b(?:plans?|planned|intends?|intended|hopes?|hoped|wants?|wanted|expects?|(?:is|are|was|were) expected"
        r"|tried|attempted|sought|offered|aims?) to (?P<verb>[a-z]{3,})\b", text
    ):  # fmt: skip
        options.append(text[: match.start()] + _past(match["verb"]) + text[match.end() :])
    for match in re.finditer(r"\b(?:may|might|could) (?P<verb>(?!have|be|not|also|only)[a-z]{3,})\b", text):
        options.append(text[: match.start()] + _past(match["verb"]) + text[match.end() :])
    if not options and (verbs := _verbs(text)):
        how = rng.choice(["plans to ", "may ", "wants to ", "considered whether to "])
        options.append(text[: verbs[0].start()] + how + _base(verbs[0][0]) + text[verbs[0].end() :])
    return rng.choice(options) if options else None


def _past(verb: str) -> str:
    irregular = {base: past for past, base in _PAST.items()}
    if verb in irregular:
        return irregular[verb]
    return verb + "d" if verb.endswith("e") else verb[:-1] + "ied" if re.search(r"[^aeiou]y\Z", verb) else verb + "ed"


_OPPOSITES = {
    "rose": "fell", "fell": "rose", "increased": "decreased", "decreased": "increased", "before": "after",
    "after": "before", "first": "last", "largest": "smallest", "more": "fewer", "won": "lost", "lost": "won",
    "accepted": "rejected", "rejected": "accepted", "bought": "sold", "sold": "bought", "northern": "southern",
    "southern": "northern", "east": "west", "west": "east", "higher": "lower", "highest": "lowest", "opened": "closed",
    "joined": "left", "began": "ended", "ended": "began", "most": "few", "Every": "Some", "all": "few", "high": "low",
    "early": "late", "late": "early", "larger": "smaller", "positive": "negative", "internal": "external",
    "support": "oppose", "supported": "opposed", "north": "south", "south": "north", "old": "new", "new": "old",
}  # fmt: skip


def opposite(text: str, rng: Random) -> str | None:
    """Exchange a word for its opposite."""
    options = [(m.start(), m.end(), new) for old, new in _OPPOSITES.items() for m in re.finditer(rf"\b{old}\b", text)]
    if not options:
        return None
    start, end, new = rng.choice(options)
    return text[:start] + new + text[end:]


MUTATORS: dict[str, Callable[[str, Random], str | None]] = {
    "number": number,
    "unit, scale, currency": unit,
    "date": date,
    "name": name,
    "negation": negation,
    "verb strength": strength,
    "opposite": opposite,
}


def _is_year(text: str) -> bool:
    return text.isdigit() and 1000 <= int(text) < 2100
