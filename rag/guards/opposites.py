"""Owns the words that stand against each other: opposites, weak and strong verbs, quantifiers."""

from __future__ import annotations

from collections.abc import Mapping

from rag.guards.words import Word, stem_of

_OPPOSITES = """
increase decrease reduce decline; rise fall drop decline; rose fell dropped declined; risen fallen; grow shrink;
grew shrank; gain lose; gained lost; raise lower cut; high low; higher lower; highest lowest; most least fewest;
north south; northern southern; east west; eastern western; before after; early late mid; earlier later;
earliest latest; old new; older newer; oldest newest; large small; larger smaller; largest smallest; big small;
bigger smaller; long short; longer shorter; longest shortest; begin end; began ended; begun ended; start end finish;
open close; opened closed; win lose; won lost; male female; man woman; men women; boy girl; positive negative;
internal external; inside outside; public private; left right; maximum minimum; major minor; majority minority;
accept reject refuse; allow forbid ban prohibit; permit forbid prohibit; support oppose; supporter opponent;
supporters opponents; buy sell; bought sold; buyer seller; import export; best worst; better worse;
easy difficult hard; easier harder; fast slow; faster slower; strong weak; stronger weaker; rich poor; hot cold;
warm cool; warmer colder cooler; always never; same different; upper lower; horizontal vertical; modern ancient;
urban rural; domestic foreign; success failure; include exclude; natural artificial; direct indirect;
dependent independent; legal illegal; victory defeat; create destroy; above below; top bottom; heavy light;
heavier lighter; wet dry; expensive cheap; costlier cheaper; young old; younger older; youngest oldest; deep shallow;
wide narrow; active passive; primary secondary; more less fewer; true false; agree refuse disagree; succeed fail;
advantage disadvantage; employer employee; summer winter; spring autumn; day night; morning evening; ally rival enemy;
allied rival; friend enemy; confirm deny; confirmed denied; admit deny; approve reject; approved rejected; hire fire;
love hate; join leave; joined left; arrive depart leave; enter leave exit; borrow lend; borrower lender;
attack defend; teacher student pupil; parent child; father mother; son daughter; brother sister; husband wife;
profit loss; profits losses; expand shrink contract; expansion contraction; improve worsen; improved worsened;
strengthen weaken; accelerate slow; encourage discourage; remember forget; build demolish; add remove; install remove;
appear disappear; innocent guilty; acquit convict; acquitted convicted; alive dead; live die; survive die;
survived died; full empty; present absent; visible invisible; common rare; frequent rare; often rarely seldom;
temporary permanent; voluntary mandatory compulsory; optional mandatory compulsory; odd even; front back; hide reveal;
safe dangerous unsafe; similar different; simple complex; single double; solid liquid; possible impossible;
regular irregular; complete incomplete; correct incorrect; formal informal; honest dishonest; responsible irresponsible;
relevant irrelevant; sufficient insufficient; known unknown; praise criticise criticize;
praised criticised criticized; optimistic pessimistic; quick slow; thick thin; tighten loosen ease; ahead behind;
upstream downstream; indoor outdoor; indoors outdoors; peace war; push pull; give take; gave took; send receive;
sent received; ascend descend; widen narrow; demand supply; surplus deficit; majority minority; sunrise sunset;
predecessor successor; former latter; inner outer; rough smooth; sharp blunt; generous stingy; asleep awake;
married divorced; guilty innocent; conservative liberal; progressive conservative; civilian military; employ dismiss;
employed unemployed; credit debit; local global; partial total; increases decreases; above below; over under;
upward downward; up down; first last; with without; yes no; gradually suddenly; quickly slowly; backward forward
"""
# Where these change places, their sides change with them: "A bought it of B", "B sold it to A".
_SIDED = frozenset(
    "buy bought sell sold win won lose lost before after above below lend borrow teacher student pupil parent child "
    "employer employee more less fewer older younger larger smaller higher lower faster slower longer shorter better "
    "worse earlier later predecessor successor ahead behind import export send sent receive received give gave take "
    "took bigger stronger weaker cheaper heavier lighter warmer colder over under".split()
)
_ORDERS = frozenset("before after above below more less fewer older younger larger smaller higher lower".split())

_WEAK = (
    "discuss consider explore weigh mull debate negotiate contemplate propose suggest offer recommend ask request urge "
    "plan intend expect hope aim seek try attempt predict believe claim allege argue suspect speculate hint want "
    "proposal suggestion allegation"
)
_STRONG = (
    "agree decide approve confirm prove sign adopt commit guarantee establish demonstrate conclude require enact "
    "ratify finalise finalize enforce implement mandate authorise authorize verify admit convict oblige"
)
_QUANTIFIERS: Mapping[str, str] = {
    **dict.fromkeys(("all", "every", "each", "entire", "whole", "always", "everyone", "everybody"), "all"),
    **dict.fromkeys(("most", "mostly", "majority", "usually"), "most"),
    **dict.fromkeys(("some", "several", "certain", "sometimes"), "some"),
    **dict.fromkeys(("few", "hardly", "rarely", "seldom"), "few"),
    **dict.fromkeys(("no", "none", "neither", "never"), "none"),
}


def _groups() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for group in _OPPOSITES.split(";"):
        first, *others = group.split()
        for other in others:
            found.setdefault(stem_of(first), set()).add(stem_of(other))
            found.setdefault(stem_of(other), set()).add(stem_of(first))
    return {stem: frozenset(others) for stem, others in found.items()}


_OPPOSITE = _groups()
_SIDED_STEMS = frozenset(map(stem_of, _SIDED))
_WEAK_STEMS = frozenset(map(stem_of, _WEAK.split()))
_STRONG_STEMS = frozenset(map(stem_of, _STRONG.split()))


def opposite(one: Word, other: Word) -> bool:
    """Whether two words say the opposite of each other; "unpaid" does of "paid"."""
    if other.stem in _OPPOSITE.get(one.stem, ()):
        return True
    short, long = sorted((one.low, other.low), key=len)
    return len(short) >= 4 and long in (f"un{short}", f"non{short}") and short != "like"


def opposites_of(stem: str) -> frozenset[str]:
    """Return the stems of the words that say the opposite of one."""
    return _OPPOSITE.get(stem, frozenset())


def sided(word: Word) -> bool:
    """Whether the opposite of a word says the same with its sides exchanged: more and less, buy and sell."""
    return word.stem in _SIDED_STEMS


def orders(word: Word) -> bool:
    """Whether a word puts what stands before and behind it in an order: "before", "more"."""
    return word.low in _ORDERS


def weak(word: Word) -> bool:
    """Whether a word says that something is talked of, wanted or held to be so."""
    return word.stem in _WEAK_STEMS


def strong(word: Word) -> bool:
    """Whether a word says that something is settled."""
    return word.stem in _STRONG_STEMS


def quantifier(word: Word) -> str | None:
    """Return the kind of a quantifier: all, most, some, few or none."""
    return _QUANTIFIERS.get(word.low)
