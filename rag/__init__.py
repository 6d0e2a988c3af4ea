"""Footnote: ask a folder of articles; every sentence of the answer carries a footnote to check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.app import Footnote, open_library

__all__ = ["Footnote", "open_library"]


def __getattr__(name: str) -> Any:
    # Resolved on first use: the command line's --help must not import the stack behind it.
    if name in __all__:
        from rag import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
