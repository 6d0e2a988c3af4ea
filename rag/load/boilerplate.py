"""Owns what is never evidence: disclaimers, notices, teasers and empty lists around an article."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.types import BlockKind

# A notice that closes an article: what follows it is rarely the article any more.
_CLOSING = re.compile(
    r"""
      (免责声明|免責聲明|风险提示|風險提示|版权声明|版權聲明|版权所有|版權所有|法律声明|声明)\s*[:：]
    | (免责声明|热议股票|相关阅读|推荐阅读|延伸阅读|相关文章|热门文章|热门推荐)\s*\Z
    | (本文|以上内容|以上)[^。]{0,20}(不构成|并非)[^。]{0,20}(投资|建议)
    | (legal\s+)?disclaimer\s*([:：]|\Z)
    | (©|copyright\s*(©|\(c\)))\s*(?-i:[^\Wa-z])
    | (\(c\)|copyright)\s*[12]\d{3}\b(?!\s+(?!by\b|the\b)(?-i:[a-z]))
    | all\s+rights\s+reserved(\s+by\b|\s*[^\w\s]|\s*\Z)
    | (this\s+(article|content|material)|the\s+(information|content)s?\s+(in|of|on|contained)\b.{0,40})\b.{0,80}
      (\b(not|no|nor|never)\b|n['’]t\b).{0,80}\b(investment|financial|legal)\s+advice
    | (related|recommended|more|popular|trending)\s+(articles|stories|posts|reading|stocks|topics|news)\s*:?\s*\Z
    | (you\s+may\s+also\s+like|read\s+next|most\s+read|trending\s+now)\s*:?\s*\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
# A notice that may stand anywhere; it counts only as a short block of its own.
_NOTICE = re.compile(
    r"""
      (advertisement|sponsored\s+content|share\s+this(\s+\w+)?|print\s+this\s+page|back\s+to\s+top)\W*\Z
    | (subscribe|sign\s+up)(\s*[^\w\s]|\s+(now|today|here|with|and|(to|for)\s+(?!an?\b))).{0,60}
      \b(newsletter|updates|inbox)
    | follow\s+us\s+on\b
    | (read\s+more|see\s+also)(\s+(about|on|here|at)\b|\s*[^\w\s,]|\s*\Z)
    | click\s+here\b
    | (we|this\s+(web)?site)\s+uses?\s+cookies
    | (责任编辑|责编|编辑|来源|扫描二维码|关注我们|点击查看|分享到)\s*[:：]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NOTICE_LENGTH = 160
_TEASER_LENGTH = 80
# Up to two numbers of a list, a page or a short date. Longer ones, and rows of a table, are somebody's data.
_BARE_NUMBER = re.compile(r"[^\w|]*(?:\d{1,3}(?!\d|[.,]\d)[^\w|]*){0,2}\Z")
_SENTENCE_STOP = re.compile(r"[.!?。！?…][\"'”’)\]]*\Z")


def mark_boilerplate(blocks: Sequence[tuple[BlockKind, str]]) -> list[BlockKind]:
    """Return the kinds of the blocks, those that are no part of the article turned to `boilerplate`.

    Four rules: a notice of its own; a list marker or number with nothing behind it; a short line
    behind a closing notice; a heading under which only boilerplate is left.
    """
    kinds = [kind for kind, _ in blocks]
    closed = False
    for i, (kind, text) in enumerate(blocks):
        if kind in ("title", "boilerplate"):
            continue
        closing = _CLOSING.match(text) is not None
        closed = closed or (closing and any(earlier == "text" for earlier in kinds[:i]))
        teaser = closed and len(text) <= _TEASER_LENGTH and not _SENTENCE_STOP.search(text)
        notice = len(text) <= _NOTICE_LENGTH and _NOTICE.match(text) is not None
        number = _BARE_NUMBER.match(text) is not None
        if closing or notice or number or teaser:
            kinds[i] = "boilerplate"
        elif kind == "text":
            closed = False
    _drop_empty_sections(kinds)
    return kinds


def _drop_empty_sections(kinds: list[BlockKind]) -> None:
    """Turn a heading to boilerplate where boilerplate follows and no text before the next heading."""
    following: BlockKind | None = None  # the next kind that is not boilerplate
    for i in range(len(kinds) - 1, -1, -1):
        if kinds[i] == "heading" and kinds[i + 1 : i + 2] == ["boilerplate"] and following != "text":
            kinds[i] = "boilerplate"
        if kinds[i] != "boilerplate":
            following = kinds[i]
