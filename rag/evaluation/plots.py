"""Owns the figures of an evaluation's report: inline SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT = 360, 210  # one unit is about a pixel on a phone, so that labels stay readable there
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 8, 20, 36
_BINS = 20


def interval(value: float, low: float | None, high: float | None, top: float = 1.0) -> Markup:
    """Return a bar from 0 to `top` with a point and its interval; for the eye only, as the numbers stand beside it."""
    share = [100 * min(max(number / top, 0.0), 1.0) if top else 0.0 for number in (value, low or 0.0, high or 0.0)]
    at, start, end = share
    known = Markup("")
    if low is not None and high is not None:
        known = Markup('<rect class="known" x="{:.2f}%" y="3" width="{:.2f}%" height="6" rx="2"/>').format(
            start, max(end - start, 0.0)
        )
    return Markup(
        '<svg class="interval" aria-hidden="true" width="100%" height="12"><rect class="scale" y="5" width="100%" '
        'height="2" rx="1"/>{}<line class="point" x1="{:.2f}%" x2="{:.2f}%" y1="0" y2="12"/></svg>'
    ).format(known, at, at)


def columns(key: str, title: str, counts: Sequence[tuple[str, int]]) -> Markup:
    """Return a column for each label and count, with the count and its share above it."""
    whole, most = sum(count for _, count in counts), max((count for _, count in counts), default=0)
    step = (_WIDTH - 2 * _RIGHT) / max(len(counts), 1)
    drawn = [_line("axis", _RIGHT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)]
    for place, (label, count) in enumerate(counts):
        height = (_HEIGHT - _TOP - _BOTTOM - 14) * count / max(most, 1)
        middle, base = _RIGHT + step * (place + 0.5), _HEIGHT - _BOTTOM
        drawn += [
            _bar(
                "bar" if place < len(counts) - 1 else "bar other",
                middle - 0.36 * step,
                base - height,
                0.72 * step,
                height,
            ),
            _label(middle, base - height - 18, str(count), "middle", "strong"),
            _label(middle, base - height - 6, f"{count / max(whole, 1):.0%}", "middle"),
            _label(middle, base + 15, label, "middle"),
        ]
    description = ", ".join(f"{label}: {count}" for label, count in counts)
    return _figure(key, title, f"Of {whole} questions: {description}.", drawn)


def curve(
    key: str,
    title: str,
    points: Sequence[tuple[float, float]],
    chosen: tuple[float, float] | None,
    axes: tuple[str, str],
) -> Markup:
    """Return a curve through points (x, y), both 0 to 1, with the one chosen marked; `axes` names x and y."""
    drawn = [*_frame(axes), _line("chance", *_place(0, 0), *_place(1, 1))]
    path = " ".join("{:.1f},{:.1f}".format(*_place(x, y)) for x, y in sorted(points))
    drawn.append(Markup('<polyline class="curve" points="{}"/>').format(path))
    description = f"A curve of {len(points)} thresholds. {axes[0]} against {axes[1]}: " + "; ".join(
        f"{x:.2f} and {y:.2f}" for x, y in sorted(points)[:: max(len(points) // 5, 1)]
    )
    if chosen is not None:
        x, y = _place(*chosen)
        end, beside = ("end", -9) if x > _WIDTH / 2 else ("start", 9)
        above = -9 if chosen[1] < 0.5 else 15
        drawn.append(Markup('<circle class="chosen" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x, y))
        drawn.append(_label(x + beside, y + above, "as run: {:.2f} / {:.2f}".format(*chosen), end, "strong"))
        description += ". As run: {:.2f} and {:.2f}".format(*chosen)
    return _figure(key, title, description + ".", drawn)


def mirrored(
    key: str, title: str, above: tuple[str, Sequence[float]], below: tuple[str, Sequence[float]], axis: str
) -> Markup:
    """Return two histograms of named values, back to back, each as shares of its own; from 0 to 1 at least."""
    values = [*above[1], *below[1]]
    low, high = min(0.0, *values, 0.0), max(1.0, *values, 1.0)
    shares = [_histogram(numbers, low, high) for _, numbers in (above, below)]
    most = max(*shares[0], *shares[1], 1e-9)
    whole = _HEIGHT - _TOP - _BOTTOM - 20
    room = [
        whole * share
        for share in ((0.5, 0.5) if above[1] and below[1] else (float(bool(above[1])), float(bool(below[1]))))
    ]
    middle = _TOP + 10 + room[0]
    step = (_WIDTH - 2 * _RIGHT) / _BINS
    drawn = []
    for side, kind in enumerate(("bar", "bar other")):
        for place, share in enumerate(shares[side]):
            height = room[side] * share / most
            drawn.append(_bar(kind, _RIGHT + step * place + 1, middle - height * (1 - side), step - 2, height))
    drawn.append(_line("axis", _RIGHT, middle, _WIDTH - _RIGHT, middle))
    for (name, numbers), y, kind in ((above, _TOP - 8, "first"), (below, _HEIGHT - _BOTTOM + 2, "other")):
        if numbers:
            drawn.append(_label(_RIGHT, y, f"{name}: {len(numbers)}", "start", f"strong {kind}"))
    for at, end in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        x = _RIGHT + at * (_WIDTH - 2 * _RIGHT)
        drawn.append(_label(x, _HEIGHT - 18, f"{low + at * (high - low):.2g}", end))
    drawn.append(_label(_WIDTH / 2, _HEIGHT - 4, axis, "middle"))
    medians = "; ".join(
        f"{name}: {len(of)}, median {sorted(of)[len(of) // 2]:.2f}" for name, of in (above, below) if of
    )
    return _figure(key, title, f"{axis}, as a share of each group. {medians}.", drawn)


# ---------------------------------------------------------------- pieces


def _histogram(values: Sequence[float], low: float, high: float) -> list[float]:
    counts = [0] * _BINS
    for value in values:
        counts[min(int((value - low) / (high - low) * _BINS), _BINS - 1)] += 1
    return [count / max(len(values), 1) for count in counts]


def _place(x: float, y: float) -> tuple[float, float]:
    """Return where a point of the unit square is drawn."""
    return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)


def _frame(axes: tuple[str, str]) -> list[Markup]:
    drawn = []
    for number in (0.0, 0.25, 0.5, 0.75, 1.0):
        kind = "grid" if number else "axis"
        drawn += [
            _line(kind, *_place(0, number), *_place(1, number)),
            _line(kind, *_place(number, 0), *_place(number, 1)),
        ]
        if number in (0.0, 0.5, 1.0):
            (x, base), (left, y) = _place(number, 0), _place(0, number)
            drawn += [_label(x, base + 14, f"{number:g}", "middle"), _label(left - 6, y + 4, f"{number:g}", "end")]
    return [
        *drawn,
        _label(_WIDTH / 2, _HEIGHT - 6, f"{axes[0]} →", "middle"),
        _label(4, 11, f"↑ {axes[1]}", "start"),
    ]


def _figure(key: str, title: str, description: str, drawn: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="plot" role="img" aria-labelledby="{0}-title {0}-desc" viewBox="0 0 {1} {2}">'
        '<title id="{0}-title">{3}</title><desc id="{0}-desc">{4}</desc>{5}</svg>'
    ).format(key, _WIDTH, _HEIGHT, title, description, Markup("").join(drawn))


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _bar(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _label(x: float, y: float, text: str, anchor: str, kind: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, text)
