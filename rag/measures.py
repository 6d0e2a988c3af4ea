"""Owns the units and currencies behind a number, and the words that bound it ("more than")."""

from __future__ import annotations

import re
from typing import NamedTuple

from rag.text import CJK


class Measure(NamedTuple):
    """What a number counts: a quantity with the size of its unit in a base unit, or a currency."""

    kind: str
    factor: float = 1.0


# kind: size in base units, then the words for it; a plural with "s" is understood.
_TABLE = """
length: 1 metre meter 米 | 1000 km kilometre kilometer 公里 千米 | 0.01 cm centimetre centimeter 厘米 |
 0.001 mm millimetre millimeter 毫米 | 1609.344 mile 英里 | 0.3048 ft foot feet 英尺 | 0.0254 inch inches | 0.9144 yard
area: 1 m² | 1e6 km² | 1e4 hectare ha 公顷 | 4046.86 acre 英亩
mass: 1 kg kilogram kilo 公斤 千克 | 0.001 gram 克 | 1e-6 mg milligram | 1000 tonne 吨 |
 0.45359 lb lbs | 0.02835 ounce oz
volume: 1 litre liter 升 | 0.001 ml millilitre milliliter | 4.546 gallon | 158.987 barrel
time: 1 second sec 秒 | 0.001 ms millisecond | 60 minute min mins 分钟 | 3600 hour hr 小时 | 86400 day 天 |
 604800 week 周 | 2629746 month 个月 | 31556952 year 年 | 315569520 decade | 3155695200 century centuries 世纪
speed: 1 km/h kph | 1.609344 mph | 3.6 m/s
power: 1 watt | 1e3 kw kilowatt | 1e6 mw megawatt | 1e9 gw gigawatt
energy: 1 kwh | 1e3 mwh | 1e6 gwh | 1e9 twh
data: 1 byte | 1e3 kb kilobyte | 1e6 mb megabyte | 1e9 gb gigabyte | 1e12 tb terabyte
celsius: 1 °c celsius
fahrenheit: 1 °f fahrenheit
points: 1 个百分点
dollar: 1 dollar usd 美元 | 0.01 cent
euro: 1 euro eur 欧元
pound: 1 pound gbp 英镑
yen: 1 yen jpy 日元
yuan: 1 yuan cny rmb renminbi 元
rupee: 1 rupee inr
crown: 1 crown krona kronor krone kroner
franc: 1 franc chf
ruble: 1 ruble rouble
won: 1 krw
"""
_SIGNS = {"US$": "dollar", "$": "dollar", "€": "euro", "£": "pound", "₹": "rupee", "₩": "won", "USD": "dollar",
          "EUR": "euro", "GBP": "pound", "A$": "australian dollar", "C$": "canadian dollar", "HK$": "hong kong dollar",
          "NZ$": "new zealand dollar", "S$": "singapore dollar"}  # fmt: skip


def _measures() -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for line in _TABLE.replace("|\n", "|").strip().splitlines():
        kind, units = line.split(": ", 1)
        for unit in units.split("|"):
            factor, *words = unit.split()
            for word in words:
                found[word] = Measure(kind, float(factor))
                if word.isascii() and word.isalpha() and len(word) > 2:
                    found[word + "s"] = found[word]
    return found


_MEASURES = _measures()
_POINTS = Measure("points")
_WORDS = "|".join(re.escape(word) for word in sorted(_MEASURES, key=len, reverse=True))
_UNIT = re.compile(
    rf"[ \u00a0\u202f-]?(?:(?P<points>percentage[ -]points?\b|pp\b)|(?:degrees? )?(?P<unit>{_WORDS}))(?![^\W\d_{CJK}])"
    rf"|[ \u00a0\u202f-]?(?P<cjk>{'|'.join(word for word in _MEASURES if ord(word[0]) > 0x3000)})",
    re.IGNORECASE,
)
_SIGN = re.compile(rf"(?:{'|'.join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))})[ \u00a0]?\Z")

BOUND_BEFORE = re.compile(
    r"(?:(?P<least>\bat least|\bno (?:fewer|less) than|\bnot less than|\ba minimum of|至少|不少于)"
    r"|(?P<most>\bat most|\bup to|\bno more than|\bnot more than|\bas (?:many|much) as|\ba maximum of|最多|不超过|至多)"
    r"|(?P<more>\bmore than|\bgreater than|\babove|\bexceed(?:s|ed|ing)?|\bin excess of|\bupwards? of|超过|逾)"
    r"|(?P<over>\bover)"
    r"|(?P<less>\b(?:less|fewer|lower) than|\bunder|\bbelow|不到|不足)"
    r"|(?P<about>\babout|\baround|\broughly|\bapproximately|\bsome|\bnearly|\balmost|\ban? estimated|\bclose to"
    r"|约|大约|近))\s*\Z",
    re.IGNORECASE,
)
BOUND_AFTER = re.compile(
    r"\s+or (?:(?P<least>more|above|over|higher|older|later)|(?P<most>less|fewer|below|under|lower|younger|earlier))\b"
)


def measure(text: str, start: int, end: int) -> tuple[Measure | None, int, int]:
    """Return the unit or currency of the number at `start:end` of a text, and where number and unit stand together."""
    if sign := _SIGN.search(text[max(0, start - 5) : start]):
        begin = start - len(sign[0])
        return Measure(_SIGNS[sign[0].strip()]), begin, end
    unit = _UNIT.match(text, end)
    if unit is None:
        return None, start, end
    word = (unit["unit"] or unit["cjk"] or "").lower()
    return _POINTS if unit["points"] else _MEASURES.get(word), start, unit.end()
