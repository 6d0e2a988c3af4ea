"""Owns how compared replies look side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ui.render import escape
from ui.turns import Turn


def comparison_html(turn: Turn, number: int, columns: Sequence[str]) -> str:
    """Return the replies of a turn in columns, `columns` being their HTML, in the order of its replies."""
    names = [
        reply.answer.model if reply.answer else name
        for reply, name in zip(turn.replies, turn.asked.models, strict=True)
    ]
    cells = "".join(
        f'<section class="fn-column" aria-label="{escape(name)}"><h3 class="fn-who">{escape(name)}</h3>{column}</section>'
        for name, column in zip(names, columns, strict=True)
    )
    return f'<div class="fn-columns">{cells}</div>'
