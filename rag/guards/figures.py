"""Owns the comparison of the figures of a sentence, its dates too, with those of what it cites."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from rag.facts import Date, Number
from rag.guards.mentions import (
    Countables,
    Mention,
    bounds_clash,
    countables,
    counts,
    is_year,
    rounds,
    same_mention,
    weekday,
)
from rag.guards.statements import Statement

_Item = Number | Date | Mention


class Figures:
    """The numbers, dates and other countable things of a claim, against those of its citations.

    `contradicted` and `missing` are the reasons against them. `around` are the facts of all cited passages, in
    which dates and years may stand too.
    """

    def __init__(self, claim: Statement, cited: Sequence[Statement], around: Countables) -> None:
        self._claim, self._said = claim, countables(claim.text)
        self._cited = [(source, countables(source.text)) for source in cited]
        self._around = around
        self._numbers = [number for _, found in self._cited for number in found.numbers]
        self._mentions = [mention for _, found in self._cited for mention in found.mentions]
        self.contradicted: list[str] = []
        self.missing: list[str] = []
        for day in self._said.dates:
            self._check_date(day)
        for number in self._said.numbers:
            self._check_number(number)
        for mention in self._said.mentions:
            self._check_mention(mention)
        self._check_order()

    # ------------------------------------------------------------ dates

    def _check_date(self, day: Date) -> None:
        if not (any(day.agrees(other) for other in self._around.dates) or self._pieced_together(day)):
            self._report(day, self._rival_date(day), f"The date {day.text} is not in the cited passage.")
        elif any(found.dates for _, found in self._cited) and not any(
            day.agrees(other) or other.agrees(day) for _, found in self._cited for other in found.dates
        ):
            self._report(day, self._rival_date(day, displaced=True), None)

    def _pieced_together(self, day: Date) -> bool:
        """Whether "March 2025" stands there as "in March", in an article of 2025."""
        month = any(mention.kind == "month" and mention.value == day.month for mention in self._around.mentions)
        return day.day is None and month and (day.year is None or self._has_year(day.year))

    def _rival_date(self, day: Date, displaced: bool = False) -> _Item | None:
        def free(other: _Item) -> bool:
            return isinstance(other, Date) and not any(
                other.agrees(mine) or mine.agrees(other) for mine in self._said.dates
            )

        return self._rival(day, lambda found: found.dates, free, displaced)

    def _has_year(self, year: float) -> bool:
        return any(year == other.year for other in self._around.dates) or any(
            year in number.values for number in self._around.numbers
        )

    # ------------------------------------------------------------ numbers

    def _check_number(self, number: Number) -> None:
        agreeing = [other for other in self._numbers if number.agrees(other)]
        if agreeing:
            other = agreeing[0]
            if all(bounds_clash(number.bound, other.bound) for other in agreeing) and self._plain(number):
                self.contradicted.append(_not(other.phrase, number.phrase))
            elif instead := self._exchanged(number, agreeing) or self._other_version(number):
                self.contradicted.append(_not(instead, self._with_noun(number, self._claim)))
            return
        if is_year(number):
            inside = self._has_year(number.values[0])
            absent = None if inside else f"The number {number.text} is not in the cited passage."
            if not any(number.values[0] == other.year for _, found in self._cited for other in found.dates):
                self._report(number, self._rival_number(number, displaced=inside), absent)
            return
        if any(rounds(number, other) for other in self._numbers) or self._is_share(number):
            return
        rival = self._rival_number(number)
        if counts(number) and not (rival and self._same_noun(number, rival)):
            return
        self._report(number, rival, f"The number {_shown(number)} is not in the cited passage.")

    def _plain(self, number: Number) -> bool:
        """Whether the same is spoken of, and nothing denied: "over 18" is not "18 or younger"."""
        return self._near(number) and not (self._claim.denials or any(source.denials for source, _ in self._cited))

    def _rival_number(self, number: Number, displaced: bool = False) -> _Item | None:
        def free(other: _Item) -> bool:
            return (
                isinstance(other, Number)
                and number.percent == other.percent
                and is_year(number) == is_year(other)
                and not (counts(other) and not self._same_noun(number, other))
                and not any(mine.agrees(other) for mine in self._said.numbers)
            )

        return self._rival(number, lambda found: found.numbers, free, displaced)

    def _is_share(self, number: Number) -> bool:
        return number.percent and any(
            mention.kind == "fraction" and abs(number.values[0] - 100 * mention.value) < 1 for mention in self._mentions
        )

    def _same_noun(self, number: _Item, other: _Item) -> bool:
        return any(
            (noun := _noun(self._claim, number)) is not None and noun == _noun(source, other)
            for source, found in self._cited
            if other in found.numbers or other in found.mentions
        )

    def _exchanged(self, number: Number, agreeing: Sequence[Number]) -> str | None:
        """Return the number that is cited before the noun of this one, where this one stands elsewhere."""
        noun = _noun(self._claim, number)
        if noun is None or any(self._same_noun(number, other) for other in agreeing):
            return None
        if any(
            _noun(source, other) is None
            for source, found in self._cited
            for other in agreeing
            if other in found.numbers
        ):
            return None
        for source, found in self._cited:
            for other in found.numbers:
                rivals = [mine for mine in self._said.numbers if mine.agrees(other)]
                counted = [_noun(self._claim, mine) for mine in rivals]
                same = _noun(source, other) == noun and not number.agrees(other) and number.percent == other.percent
                if same and noun not in counted and None not in counted and self._near(number):
                    return self._with_noun(other, source)
        return None

    def _other_version(self, number: Number) -> str | None:
        """Return "Llama 4" where the claim has "Llama 2" and what is cited has no such thing."""
        name = _named(self._claim, number)
        versions = [(other, source) for source, found in self._cited for other in found.numbers]
        alike = [other for other, source in versions if name and _named(source, other) == name]
        if name and alike and not any(number.agrees(other) for other in alike):
            return f"{name} {alike[0].text}"
        return None

    def _with_noun(self, number: Number, source: Statement) -> str:
        at = source.place(number.end)
        noun = source.words[at].text if at < len(source.words) else ""
        return f"{number.phrase} {noun}".strip()

    def _check_order(self) -> None:
        """Find "from 19 to 6.5" where it was "from 6.5 to 19"."""
        for one, two in _from_to(self._claim.text, self._said.numbers):
            for source, found in self._cited:
                for a, b in _from_to(source.text, found.numbers):
                    if one.agrees(b) and two.agrees(a) and not one.agrees(a):
                        span, mine = source.text[a.start : b.end], self._claim.text[one.start : two.end]
                        self.contradicted.append(_not(span, mine))

    # ------------------------------------------------------------ written as words

    def _check_mention(self, mention: Mention) -> None:
        if any(same_mention(mention, other) for other in self._around.mentions) or self._told_otherwise(mention):
            return

        def free(other: _Item) -> bool:
            same_kind = isinstance(other, Mention) and other.kind == mention.kind
            mine = any(isinstance(other, Mention) and same_mention(each, other) for each in self._said.mentions)
            return same_kind and not mine and (mention.kind != "ordinal" or self._same_noun(mention, other))

        rival = self._rival(mention, lambda found: found.mentions, free)
        vague = mention.kind in ("fraction", "ordinal") and not any(char.isdigit() for char in mention.text)
        self._report(mention, rival, None if vague else f"{_cap(mention.text)} is not in the cited passage.")

    def _told_otherwise(self, mention: Mention) -> bool:
        """Whether a figure or a date says it: 50 % is half, 5 March is in March, 1994 in the 1990s."""
        dates, value = self._around.dates, mention.value
        if mention.kind == "fraction":
            return any(number.percent and abs(number.values[0] - 100 * value) < 10 for number in self._numbers)
        if mention.kind == "ordinal":
            return any(value in number.values for number in self._numbers) or any(day.day == value for day in dates)
        if mention.kind == "month":
            return any(day.month == value for day in dates)
        if mention.kind == "weekday":
            return any(weekday(day) == value for day in dates)
        if mention.kind == "quarter":
            months = [day.month for day in dates] + [m.value for m in self._around.mentions if m.kind == "month"]
            return any((month - 1) // 3 + 1 == value for month in months)
        return any(self._has_year(value + i) for i in range(10))

    # ------------------------------------------------------------ all

    def _near(self, item: _Item) -> bool:
        at = self._claim.place(item.start)
        return any(self._claim.speaks_of(at, source) for source, _ in self._cited)

    def _rival(
        self,
        item: _Item,
        choose: Callable[[Countables], Sequence[_Item]],
        free: Callable[[_Item], bool],
        displaced: bool = False,
    ) -> _Item | None:
        """Return what a cited sentence that speaks of the same has in place of something.

        Where there are several, or where the thing stands elsewhere in the passage, that at the same word only.
        """
        at = self._claim.place(item.start)
        found = [
            (source, other)
            for source, found_ in self._cited
            if self._claim.speaks_of(at, source)
            for other in choose(found_)
            if free(other)
        ]
        noun, lead = _noun(self._claim, item), _lead(self._claim, item)
        alike = [other for source, other in found if noun is not None and _noun(source, other) == noun]
        alike += [other for source, other in found if lead is not None and _lead(source, other) == lead]
        return alike[0] if alike else found[0][1] if len(found) == 1 and not displaced else None

    def _report(self, item: _Item, rival: _Item | None, absent: str | None) -> None:
        if rival is not None:
            self.contradicted.append(_not(_shown(rival), _shown(item)))
        elif absent is not None:
            self.missing.append(absent)


def _not(there: str, here: str) -> str:
    return f"The cited passage says “{there}”, not “{here}”."


def _shown(item: _Item) -> str:
    return item.phrase if isinstance(item, Number) and item.measure else item.text.rstrip(".")


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _noun(statement: Statement, item: _Item) -> str | None:
    """Return the stem of the word of content behind a figure, unless the clause ends before."""
    at = statement.place(item.end)
    for word in statement.words[at : at + 1]:
        if word.content and (not at or word.clause == statement.words[at - 1].clause):
            return word.stem
    return None


def _named(statement: Statement, number: Number) -> str | None:
    """Return the name that stands right in front of a plain figure."""
    at = statement.place(number.start)
    word = statement.words[at - 1] if at and number.text.isdigit() else None
    joined = word is not None and statement.text[word.start + len(word.text) : number.start] == " "
    return word.text if word and joined and word.content and word.text[0].isupper() else None


def _lead(statement: Statement, item: _Item) -> str | None:
    """Return the stem of the nearest word of content in front of a figure."""
    before, _ = statement.neighbours(statement.place(item.start), 1)
    return statement.words[before[0]].stem if before else None


def _from_to(text: str, numbers: Sequence[Number]) -> Iterator[tuple[Number, Number]]:
    for one, two in pairwise(numbers):
        between = text[one.end : two.start].split()
        if text[: one.start].rstrip().endswith("from") and between[-1:] == ["to"] and len(between) <= 3:
            yield one, two
