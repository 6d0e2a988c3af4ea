"""Owns the names of uploaded files: what a reader calls a file, made harmless for the folder and for the page."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from rag.text import printable, without_unseen

EXTENSIONS = (
    ".pdf .docx .odt .rtf .epub .txt .text .md .markdown .mdown .html .htm .xhtml .eml .json .jsonl .ndjson"
).split()
"""Of files that may hold an article; what a file is, its content says later."""

_MOST = 120  # characters
_MOST_BYTES = 200  # of UTF-8: a file system takes 255, and ours is longer while the file comes
_SEPARATORS = re.compile(r"[/\\\u2044\u2215\uff0f\uff3c]")
# What a shell, another file system or an address would read as more than a character of a name.
_SPECIAL = re.compile(r'[<>:"|?*#%$`&;!\[\]{}~^=\x00-\x1f\x7f-\x9f\ud800-\udfff]+')
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\.|\Z)")
_NAMELESS = "article"


def readable(name: str) -> bool:
    """Whether a file of this name may hold an article: by its extension, or because it has none."""
    extension = PurePosixPath(safe_name(name)).suffix.lower()
    return not extension or extension in EXTENSIONS


def shown_name(name: str) -> str:
    """Return a reader's name of a file as it can be shown: in one line, not too long."""
    line = " ".join(printable(_base(name)).split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"


def safe_name(name: str) -> str:
    """Return a name for the folder: no path, nothing hidden, nothing special to any system, at most 120 characters."""
    base = without_unseen(printable(unicodedata.normalize("NFC", _base(name))))
    base = " ".join(_SPECIAL.sub("_", base).split()).lstrip(". -").rstrip(". ")
    path = PurePosixPath(base or _NAMELESS)
    stem, extension = (path.stem, path.suffix) if len(path.suffix) <= 12 else (path.name, "")
    if not stem.strip("_"):
        stem = _NAMELESS
    if _RESERVED.match(f"{stem}{extension}"):
        stem = f"_{stem}"
    return _shortened(stem, extension)


def with_number(name: str, number: int) -> str:
    """Return a name as it is, or from number 2 on with ` (number)` in front of its extension."""
    if number == 1:
        return name
    path = PurePosixPath(name)
    return _shortened(path.stem, f" ({number}){path.suffix}")


def _base(name: str) -> str:
    """Return the last part of what may be a path of any system."""
    return _SEPARATORS.split(name.rstrip("/\\"))[-1]


def _shortened(stem: str, ending: str) -> str:
    while len(stem) + len(ending) > _MOST or len((stem + ending).encode()) > _MOST_BYTES:
        stem = stem[:-1]
    return stem.rstrip(". ") + ending
