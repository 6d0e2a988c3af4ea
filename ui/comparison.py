"""Owns how compared replies look side by side: where they agree, what only one says, who cited what, what it took."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rag.agreement import Agreement, CitedPassage, Place, agreement, cited_passages, words
from rag.types import Answer
from ui.render import chip_html, cost_of, escape, escape_name, model_label, shortened, time_of, tokens_of
from ui.turns import Turn

_VERDICT_BUTTON = re.compile(r'<button type="button" class="fn-verdict ')
"""Stands once in each sentence of a reply, and in no text of others, where it would be escaped."""
_SHORT = 10  # characters of a hash that are enough to tell it from another
_NAMES = {2: "both", 3: "all three", 4: "all four"}


class _Column(NamedTuple):
    """A reply: its name on the page, the key of its links, and its answer, if there is one."""

    name: str
    key: str
    answer: Answer | None


def comparison_html(turn: Turn, number: int, columns: Sequence[str]) -> str:
    """Return the replies of a turn in columns, `columns` being their HTML, in the order of its replies."""
    asked = [*turn.asked.models, *[""] * len(turn.replies)]
    replies = [
        _Column(
            model_label(reply.answer.model if reply.answer else name),
            f"{number}.{k}" if k > 1 else f"{number}",
            reply.answer,
        )
        for k, (name, reply) in enumerate(zip(asked, turn.replies, strict=False), start=1)
    ]
    answers = [column.answer for column in replies]
    found = agreement(answers)
    marks = _marks(found, replies)
    cells = "".join(
        _column(column, html, marks, k) for k, (column, html) in enumerate(zip(replies, columns, strict=True))
    )
    compared = sum(bool(_sentences(column)) for column in replies) > 1
    parts = [
        _evidence(replies),
        f'<div class="fn-columns">{cells}</div>',
        _agreement(found, replies) if compared else "",
        _who_cited(cited_passages(answers), replies),
        _totals(found, replies),
    ]
    return f'<div class="fn-comparison">{"".join(parts)}</div>'


def _column(column: _Column, html: str, marks: dict[Place, str], k: int) -> str:
    marked = _marked(html, column, [marks.get(Place(k, n), "") for n in range(_sentences(column))])
    name = escape_name(column.name)
    return f'<section class="fn-column" aria-label="{name}"><h3 class="fn-who">{name}</h3>{marked}</section>'


def _sentences(column: _Column) -> int:
    return len(column.answer.sentences) if column.answer else 0


# ---------------------------------------------------------------- the evidence they were given


def _evidence(replies: Sequence[_Column]) -> str:
    hashes = [(column.name, column.answer.evidence.hash) for column in replies if column.answer]
    if len({found for _, found in hashes}) > 1:
        each = "; ".join(f"{escape_name(name)}: <code>{found[:_SHORT]}</code>" for name, found in hashes)
        return (
            '<p class="fn-warning" role="alert">These replies were not made from the same '
            f"evidence: where they differ, that need not be the models' doing. {each}</p>"
        )
    if not hashes:
        return ""
    found = hashes[0][1]
    return (
        f'<details class="fn-same-evidence"><summary>The same evidence for each reply: <code title="{found}">'
        f"{found[:_SHORT]}</code></summary><p>Question, passages and what was searched have this fingerprint: "
        f"<code>{found}</code></p></details>"
    )


# ---------------------------------------------------------------- marks in the columns


def _marks(found: Agreement, replies: Sequence[_Column]) -> dict[Place, str]:
    """Return the marks of each sentence: whether others say it too, and who says otherwise."""
    speaking = sum(bool(_sentences(column)) for column in replies)
    if speaking < 2:
        return {}
    against: dict[Place, set[int]] = {}
    for item in found.contradictions:
        for side, other in ((item.one, item.other), (item.other, item.one)):
            for place in side:
                against.setdefault(place, set()).update({it.reply for it in other} - {place.reply})
    marks = {place: "" if against.get(place) else _mark("alone", "only here") for place in found.alone}
    for group in found.same:
        said_by = {place.reply for place in group}
        for place in group:
            others = [replies[reply].name for reply in sorted(said_by - {place.reply})]
            whole = len(said_by) == speaking
            marks[place] = _mark("same", f"in {_NAMES[speaking]}" if whole else f"also in {_listed(others)}")
    for place, by in against.items():
        if by:
            names = _listed([replies[reply].name for reply in sorted(by)])
            marks[place] += _mark("against", f"≠ {names} say{'s' * (len(by) == 1)} otherwise")
    return marks


def _mark(kind: str, said: str) -> str:
    return f'<span class="fn-said {kind}">{escape_name(said)}</span>'


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _marked(html: str, column: _Column, marks: Sequence[str]) -> str:
    """Return a column with the marks of each sentence before its verdict; its text stays as it is."""
    first, *rest = _VERDICT_BUTTON.split(html)
    if len(rest) != len(marks):
        return html
    button = _VERDICT_BUTTON.pattern
    return first + "".join(
        f'<span class="fn-saids" id="said-{column.key}-{n}" tabindex="-1">{mark}</span>{button}{part}'
        for n, (mark, part) in enumerate(zip(marks, rest, strict=True), start=1)
    )


# ---------------------------------------------------------------- what they say


def _agreement(found: Agreement, replies: Sequence[_Column]) -> str:
    against = [
        '<li class="fn-against">'
        + "".join(f"<div>{_quoted(side, replies)}</div>" for side in (item.one, item.other))
        + "</li>"
        for item in found.contradictions
    ]
    same = [f"<li>{_quoted(group, replies)}</li>" for group in found.same]
    parts = [
        _fold("They contradict each other", against, "fn-bad", opened=True),
        _fold("They agree", same, "fn-good", opened=bool(same) and len(same) <= 6),
    ]
    contradicted = {place for item in found.contradictions for side in item for place in side}
    for k, column in enumerate(replies):
        only = [place for place in found.alone if place.reply == k and place not in contradicted]
        items = [f"<li>{_quoted([place], replies)}</li>" for place in only]
        parts.append(_fold(f"Only {column.name} says", items, "", opened=False))
    nothing = "" if against or same else '<p class="fn-foot">No sentence of one reply says the same as another\'s.</p>'
    return (
        f'<section class="fn-agreement" aria-label="Where the replies agree"><h3>What they say</h3>{nothing}'
        f"{''.join(parts)}</section>"
    )


def _fold(title: str, items: Sequence[str], kind: str, *, opened: bool) -> str:
    if not items:
        return ""
    heading = f"<summary>{escape_name(title)} <span>{len(items)}</span></summary>"
    return f'<details class="{kind}"{" open" if opened else ""}>{heading}<ul>{"".join(items)}</ul></details>'


def _quoted(places: Sequence[Place], replies: Sequence[_Column]) -> str:
    """Return the words of the first of these sentences, and links to all of them."""
    first = replies[places[0].reply].answer
    text = words(first.sentences[places[0].sentence]) if first else ""
    links = " ".join(
        f'<a href="#said-{replies[reply].key}-{n + 1}">{escape_name(replies[reply].name)}, sentence {n + 1}</a>'
        for reply, n in places
    )
    return f'<q>{escape(shortened(text, 280))}</q><span class="fn-whose">{links}</span>'


# ---------------------------------------------------------------- tables


def _who_cited(passages: Sequence[CitedPassage], replies: Sequence[_Column]) -> str:
    if not passages:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><strong>{escape_name(shortened(cited.source.title, 90))}</strong><span>'
        f"{escape_name(cited.source.published or 'no date')} · {escape(shortened(cited.quote, 110))}</span></th>"
        + "".join(
            f"<td>{''.join(chip_html(column.key, n) for n in numbers) or _none()}</td>"
            for column, numbers in zip(replies, cited.numbers, strict=True)
        )
        + "</tr>"
        for cited in passages
    )
    return _table("Who cited what", "Passage", replies, rows)


def _totals(found: Agreement, replies: Sequence[_Column]) -> str:
    shared = [len({place for group in found.same for place in group if place.reply == k}) for k in range(len(replies))]
    lines: list[tuple[str, list[str]]] = [
        ("Sentences supported", [_supported(column.answer) for column in replies]),
        (
            "Said by another, too",
            [str(n) if _sentences(column) else "" for n, column in zip(shared, replies, strict=True)],
        ),
        ("Time", _each(replies, time_of)),
        ("Tokens", _each(replies, tokens_of)),
        ("Cost", _each(replies, cost_of)),
    ]
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell or _none()}</td>" for cell in cells)}</tr>'
        for name, cells in lines
        if any(cells)
    )
    return _table("What it took", "Figure", replies, rows) if rows else ""


def _each(replies: Sequence[_Column], told: Callable[[Answer], str]) -> list[str]:
    return [told(column.answer) if column.answer else "" for column in replies]


def _supported(answer: Answer | None) -> str:
    if answer is None or not answer.sentences:
        return "no answer" if answer is None else "0 of 0"
    return f"{sum(sentence.verdict == 'supported' for sentence in answer.sentences)} of {len(answer.sentences)}"


def _none() -> str:
    return '<span aria-label="none">–</span>'


def _table(title: str, first: str, replies: Iterable[_Column], rows: str) -> str:
    heads = "".join(f'<th scope="col">{escape_name(column.name)}</th>' for column in replies)
    return (
        f'<section class="fn-compared-table"><h3>{title}</h3><div class="fn-scrolling" tabindex="0" role="region" '
        f'aria-label="{title}"><table><thead><tr><th scope="col">{first}</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )
