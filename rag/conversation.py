"""Owns follow-ups: what came before in a conversation, and the question that stands alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from rag.budget import estimated_tokens
from rag.errors import InputError
from rag.facts import facts, names
from rag.text import CJK, clean, content_terms, index_terms, question_terms
from rag.types import Exchange

_TOKENS = 1000  # of what came before; older exchanges are left out
_POINTERS = 20  # pronouns of a question that are looked at
_LONGEST_ANSWER = 1500  # characters of each earlier answer
_LOOK_BACK = 8  # exchanges: a follow-up of a follow-up is about the question that all began with
_FEW_TERMS = 1
_SHORT = 3  # content terms: a question of so few, without a name, may be a follow-up that no rule knows
_FRAGMENT_WORDS = 8
_LONGEST = 400  # characters of a rewritten question

Rewriter = Callable[[Sequence[Exchange], str], str | None]
"""Asks a model for a question that stands alone; None where it gave none."""


def exchanges(messages: Sequence[Mapping[str, object]]) -> tuple[Exchange, ...]:
    """Return what was said before, oldest first and within a budget of tokens, from a client's messages.

    Raises InputError for a message that is not a user's or an assistant's text: nobody else speaks here.
    """
    told: list[Exchange] = []
    for message in messages:
        role = message.get("role") if isinstance(message, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        if role not in ("user", "assistant") or not isinstance(content, str):
            raise InputError('A message of the history needs the role "user" or "assistant", and a text as content.')
        text = clean(content).strip()
        if role == "user":
            told.append(Exchange(text, ""))
        elif told:
            told[-1] = Exchange(told[-1].question, f"{told[-1].answer}\n{text}".strip()[:_LONGEST_ANSWER])
    return _newest(told)


def _newest(told: Sequence[Exchange]) -> tuple[Exchange, ...]:
    left = _TOKENS
    kept: list[Exchange] = []
    for exchange in reversed(told):
        left -= sum(map(estimated_tokens, exchange))
        if left < 0:
            break
        kept.append(exchange)
    return tuple(reversed(kept))


def standalone(question: str, history: Sequence[Exchange], rewrite: Rewriter | None = None) -> str:
    """Return a question with what it leaves unsaid; one that stands alone is returned as it is.

    By a model where one is given and keeps to what was said, else by rule.
    """
    if not history:
        return question
    by_rule = by_rules(question, history)
    unclear = not names(question) and len(question_terms(question)) <= _SHORT
    if rewrite is not None and (by_rule != question or unclear):
        rewritten = rewrite(history, question)
        if rewritten is not None and keeps_to(rewritten, question, history):
            return " ".join(rewritten.split())
    return by_rule


def keeps_to(rewritten: str, question: str, history: Sequence[Exchange]) -> bool:
    """Whether a rewritten question asks what was asked, with words of the conversation only."""
    text = " ".join(rewritten.split())
    if not any(map(str.isalnum, text)) or len(text) > _LONGEST or "\n" in rewritten.strip():
        return False
    told = " ".join(part for exchange in history for part in exchange)
    if not (set(question_terms(text)) - set(index_terms(question))) & set(index_terms(told)):
        return False  # it says no more than the question did
    said = f"{question} {told}"
    known = set(index_terms(said))
    numbers = facts(question).numbers
    if any(not set(index_terms(name)) <= known for name in names(text)):
        return False
    if any(not any(one.agrees(other) for other in facts(said).numbers) for one in facts(text).numbers):
        return False
    if any(not any(one.agrees(other) for other in facts(text).numbers) for one in numbers):
        return False
    terms, asked = set(question_terms(text)), set(question_terms(question))
    return len(terms - known) <= _FEW_TERMS and 2 * len(asked & set(index_terms(text))) >= len(asked) - _FEW_TERMS


# ---------------------------------------------------------------- rules

_ASKING = "who whom whose what which when where why how is are was were do does did has have had can could will would "
_ASKING += "should may might"
_AND = r"(?:(?:and|but|or|so|then|also|ok|okay|now)\b[,\s]*)*"
_OPENS = re.compile(rf"\s*{_AND}(?P<about>(?:what|how)\s+about\s+|what\s+of\s+)?", re.IGNORECASE)
_CJK_FRAGMENT = re.compile(rf"\s*(?:那么|那|还有)?(?P<rest>[\w{CJK}·\s]{{1,12}}?)呢[？?]?\s*")
_TIME = re.compile(
    r"(?:\b(?:in|on|during|since|before|after|by|until)\s+)?"
    r"(?:\b(?:early|mid|late|spring|summer|autumn|winter|Q[1-4])[- ])?"
    r"(?:\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
    r"(?:\s+\d{1,2}\b)?,?\s*)?\b(?:1\d|20)\d\d\b(?!\s*%)",
)
_PREPOSITION = re.compile(r"(?:in|on|at|for|with|by|from|to|of|about|under|between|against)\s+", re.IGNORECASE)
_DESCRIBED = re.compile(r"\b(?:the|a|an)\s+(?:[\w-]+\s+){1,3}?(?:at|in|of|by|from|for|on|with)\s+\Z", re.IGNORECASE)
_PERSON = re.compile(r"\b(?:he|she|him|his|hers?)\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"its|their|his|her", re.IGNORECASE)
_THING = re.compile(r"\b(?:it|its|they|them|theirs?)\b", re.IGNORECASE)
_EMPTY_IT = re.compile(
    r"\b(?:is|was|isn't|wasn't)\s+it\s+(?:true|possible|clear|likely|known|certain|legal|right)\b"
    r"|\bit\s+(?:is|was)\s+(?:true|possible|clear|likely|said|known)\b"
    r"|\bwhen\s+it\s+comes\s+to\b"
    r"|\b(?:does|did|would|will)\s+it\s+(?:take|mean\s+(?:to|that|when))\b",
    re.IGNORECASE,
)
_KINDS = (
    "company|firm|bank|startup|start-up|maker|group|model|chatbot|assistant|tool|product|service|system|deal|agreement|"
    "contract|partnership|merger|law|court|case|study|report|article|author|pilot|project|team|place|city|country|"
    "person|man|woman|event|decision|change|policy|one|ones"
)
_GOES_ON = r"\s+(?:of|at|in|for|with|by|on|from|to|that|which|who|where|between|\w+ed|\w+ing)\b"
_SAME = re.compile(
    rf"\b(?:that|this|those|these|the\s+same)\s+(?:\w+\s+)?(?:{_KINDS})s?\b"
    rf"|\bthe\s+(?:{_KINDS})\b(?!{_GOES_ON})"
    r"|\bthe\s+(?:two|former|latter|other)\b(?=\s*(?:\?|$|is|are|was|were|do|does|did|differ|agree|say|have|has))"
    r"|\b(?:that|this|there)\b(?=\s*(?:\?|$|happen|mean|work|cost|change))",
    re.IGNORECASE,
)
_CJK_PRONOUN = re.compile(
    r"它们|他们|她们|它|他(?!国|人)|她|(?:这|那|该)(?:家|个|些|项)?(?:公司|模型|协议|交易|产品|银行|政策|人)?"
)
_CJK_NAME = re.compile(r"[A-Z][\w&.-]*(?:\s+[A-Z][\w&.-]*)*")


def by_rules(question: str, history: Sequence[Exchange]) -> str:
    """Return a question with what it leaves unsaid, taken from the exchanges before it."""
    before: Exchange | None = None
    for exchange in history[-_LOOK_BACK:]:
        before = Exchange(_resolved(exchange.question, before), exchange.answer)
    return _resolved(question, before)


def _resolved(question: str, before: Exchange | None) -> str:
    if before is None or not before.question:
        return question
    opening = _OPENS.match(question)
    rest = question[opening.end() :] if opening else question
    first = re.match(r"\w+", rest)
    asks = first is not None and first[0].lower() in _ASKING.split()
    if (fragment := _CJK_FRAGMENT.fullmatch(question)) is not None:
        return _replaced(fragment["rest"].strip(), question, before)
    if opening and opening.end() and not asks and len(rest.split()) <= _FRAGMENT_WORDS:
        return _replaced(rest.strip(" ?.!"), question, before)
    if _is_time(rest.strip(" ?.!")):
        return _replaced(rest.strip(" ?.!"), question, before)
    return _pointed(question, before)


def _is_time(text: str) -> bool:
    return bool(text) and _TIME.fullmatch(text) is not None


def _replaced(part: str, question: str, before: Exchange) -> str:
    """Return the earlier question about something else: "And in 2024?", "What about Samsung?"."""
    earlier = before.question.rstrip(" ?？.")
    end = "？" if before.question.endswith("？") else "?"
    if _is_time(part):
        times = list(_TIME.finditer(earlier))
        if len(times) == 1:
            (time,) = times
            bare = re.search(r"\d", part) is not None and _PREPOSITION.match(part) is None
            kept = _PREPOSITION.match(time[0]) if bare else None
            return f"{earlier[: time.start()]}{kept[0] if kept else ''}{part}{earlier[time.end() :]}{end}"
        if not times:
            return f"{earlier} {part if _PREPOSITION.match(part) else 'in ' + part}{end}"
        return _both(question, before)
    preposition = _PREPOSITION.match(part)
    runs = _names(earlier)
    if preposition:  # "with Google" takes the place of "with Midjourney"
        runs = [run for run in runs if earlier[: run[0]].lower().endswith(preposition[0].lower())]
    name = part[preposition.end() :] if preposition else part
    if len(runs) == 1 and _names(f"about {name}"):
        start, stop, _ = runs[0]
        return f"{earlier[:start]}{name}{earlier[stop:]}{end}"
    return _both(question, before)


def _pointed(question: str, before: Exchange) -> str:
    """Return a question whose pronouns say whom or what they mean."""
    text = _EMPTY_IT.sub(lambda match: "·" * len(match[0]), question)
    own = _names(question)
    pointers = [
        match
        for pattern in (_PERSON, _THING, _SAME, _CJK_PRONOUN)
        for match in islice(pattern.finditer(text), _POINTERS)
        if not _is_explained(match, question, own)
    ]
    if not pointers:
        bare = not own and len(question_terms(question)) <= _FEW_TERMS and not facts(question).numbers
        return _both(question, before) if bare else question
    pointer = min(pointers, key=lambda match: match.start())
    meant = _meant(pointer, before)
    if not meant:
        return _both(question, before)
    if len(meant) == 1 and not _SAME.fullmatch(pointer[0]):
        return (
            question[: pointer.start()]
            + _form(pointer[0], meant[0], question[pointer.end() :])
            + question[pointer.end() :]
        )
    return f"{question[: pointer.end()]} ({', '.join(meant)}){question[pointer.end() :]}"


def _is_explained(pointer: re.Match[str], question: str, own: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a question itself says what a pronoun of it means: "Did Meta sell its shares?"."""
    if any(stop <= pointer.start() for _, stop, _ in own) or (own and _POSSESSIVE.fullmatch(pointer[0])):
        return True
    before = question[: pointer.start()]
    things = content_terms(before)
    return not _SAME.fullmatch(pointer[0]) and len(things) >= (2 if _POSSESSIVE.fullmatch(pointer[0]) else 3)


def _meant(pointer: re.Match[str], before: Exchange) -> list[str]:
    """Return the names that a pronoun may stand for: of the earlier question, or of its answer where it asked who."""
    asked = list(dict.fromkeys(_whole(before.question, *place) for place in _names(before.question)))
    answered = list(dict.fromkeys(run for _, _, run in _names(f"- {before.answer}")))
    new = [run for run in answered if not any(run in other or other in run for other in asked)]
    asks_name = re.match(
        r"\W*(?:who|whose|which|what\s+(?:company|firm|model|person))\b|谁|哪", before.question, re.IGNORECASE
    )
    if asks_name and len(new) == 1 and pointer[0].lower() != "there":
        return new
    if _PERSON.fullmatch(pointer[0]):
        people = [run for run in asked if " " in run] or [run for run in new if " " in run]
        return people[:1] if len(people) == 1 else people or asked
    return asked or new[:1]


def _whole(text: str, start: int, stop: int, _name: str) -> str:
    """Return a name with the thing that it describes: "the bridge at Ostvik"."""
    thing = _DESCRIBED.search(text, 0, start)
    return text[thing.start() if thing else start : stop]


def _form(pronoun: str, name: str, following: str) -> str:
    """Return a name in the form of the pronoun that it takes the place of."""
    word = pronoun.lower()
    possessive = word in ("its", "his", "their") or (word == "her" and re.match(r"\s+\w", following) is not None)
    return f"{name}'s" if possessive and not _CJK_PRONOUN.fullmatch(pronoun) else name


def _both(question: str, before: Exchange) -> str:
    earlier = before.question.rstrip()
    return f"{earlier}{'' if earlier.endswith(('?', '？', '.', '!')) else '?'} {question}"


def _names(text: str) -> list[tuple[int, int, str]]:
    """Return where runs of capitalised words stand that look like one name each."""
    single = set(names(text))
    found: list[tuple[int, int, str]] = []
    for match in re.finditer(r"[^\s,;:?!()\"“”]+", text):
        word = match[0].rstrip(".'’")
        word = re.sub(r"['’]s$", "", word)
        if word not in single and not (found and found[-1][1] == match.start() - 1 and re.fullmatch(r"\d[\w.]*", word)):
            continue
        start, stop = match.start(), match.start() + len(word)
        if found and text[found[-1][1] : start] == " ":
            start = found.pop()[0]
        found.append((start, stop, text[start:stop]))
    if not found:
        found = [
            (match.start(), match.end(), match[0]) for match in _CJK_NAME.finditer(text) if re.search(f"[{CJK}]", text)
        ]
    return found
