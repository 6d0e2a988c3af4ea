"""Owns the icons of the page: line drawings of 20 × 20, in the colour of the text beside them."""

from __future__ import annotations

_PATHS = {
    "again": "M4 10a6 6 0 1 0 2-4.5M6 2v4h4",
    "ask": "M10 16V4M5 9l5-5 5 5",
    "bad": "M13 3v8M13 11l-3 6c-1.5 0-2-1-2-2v-3H4.5a1.5 1.5 0 0 1-1.5-1.8l1.1-5.4A1.5 1.5 0 0 1 5.6 3.5H13M16.5 3.5v7",
    "copy": "M7 7V3h10v10h-4M3 7h10v10H3z",
    "delete": "M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6",
    "edit": "M4 16l.7-3.2L13 4.5l2.5 2.5-8.3 8.3zM11.5 6l2.5 2.5",
    "good": "M7 17V9M7 9l3-6c1.5 0 2 1 2 2v3h3.5a1.5 1.5 0 0 1 1.5 1.8l-1.1 5.4a1.5 1.5 0 0 1-1.5 1.3H7M3.5 9.5v7",
    "link": "M8.5 11.5a3 3 0 0 0 4.2 0l3-3a3 3 0 0 0-4.2-4.2l-1 1M11.5 8.5a3 3 0 0 0-4.2 0l-3 3a3 3 0 0 0 4.2 4.2l1-1",
    "new": "M10 4v12M4 10h12",
    "save": "M10 3v9M6 8.5l4 4 4-4M4 16h12",
    "stop": "M6 6h8v8H6z",
    "theme": "M10 3a7 7 0 1 0 7 7 5.5 5.5 0 0 1-7-7z",
}


def icon(name: str) -> str:
    """Return an icon as SVG, hidden from screen readers: what stands beside it, or its label, names it."""
    return f'<svg class="fn-icon" viewBox="0 0 20 20" aria-hidden="true"><path d="{_PATHS[name]}"/></svg>'
