"""Owns the vocabulary of RTF: what its control words stand for, and which groups are no text."""

from __future__ import annotations

import codecs
import re

TOKEN = re.compile(
    r"""
      \\(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})?[ ]?
    | \\'(?P<byte>[0-9A-Fa-f]{2})
    | \\(?P<sign>[^A-Za-z])
    | (?P<brace>[{}])
    | (?P<text>[^\\{}\r\n]+)
    """,
    re.VERBOSE | re.DOTALL,
)

# ---------------------------------------------------------------- characters

CHARACTERS = {
    **dict.fromkeys(("tab", "nestcell", "nestrow", "emspace", "enspace", "qmspace"), " "),
    **dict.fromkeys(("line", "page", "column"), "\n"),
    **dict(zip("emdash endash bullet lquote rquote ldblquote rdblquote".split(), "—–•‘’“”", strict=True)),
    "zwj": "\u200d",
    "zwnj": "\u200c",
}
SIGNS = {"~": "\xa0", "_": "\u2011", "{": "{", "}": "}", "\\": "\\"}

# ---------------------------------------------------------------- groups

FLOWS = frozenset({"footnote", "shptxt", "dptxbxtext", "title", "author"})  # texts apart from the running one
TABLES = frozenset({"fonttbl", "stylesheet"})
TIMES = frozenset({"creatim", "revtim"})
LIST_MARKS = frozenset({"listtext", "pntext"})
NOT_TEXT = LIST_MARKS | frozenset(  # those that do not always say so by "\\*" themselves
    "colortbl header headerl headerr headerf footer footerl footerr footerf pict nonshppict shprslt sp nonesttables "
    "xe tc txe rxe fldinst filetbl comment doccomm keywords operator subject company category manager printim buptim "
    "hlinkbase propname staticval linkval template annotation atnid atnauthor atndate atnref bkmkstart bkmkend "
    "objdata objclass".split()
)
DESTINATIONS = FLOWS | TABLES | TIMES | NOT_TEXT | {"info", "upr", "ud"}

# ---------------------------------------------------------------- encodings

SYMBOLS = "symbol"
PAGES = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
CHARSETS = {  # of fonts; 0 and 1 stand for the code page of the file
    2: SYMBOLS, 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
_NUMBERED = {936: "gb18030", 1361: "johab", 10000: "mac_roman", 65001: "utf-8"}


def code_page(number: int) -> str | None:
    """Return the codec of a Windows code page; None where there is none."""
    name = _NUMBERED.get(number, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None
