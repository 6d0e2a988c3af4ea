"""Owns what the doctor says of a library's articles: what reading them left in doubt, doubles, orders to a model."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rag.text import CJK, printable
from rag.types import Article


@dataclass(frozen=True, slots=True)
class ArticleQuality:
    """What is known of one article; `findings` are sentences for whoever looks after the library, its notes first."""

    source: str
    characters: int
    boilerplate: float  # share of the characters of all blocks, 0 to 1
    pages: int  # 0 where it has none
    empty_pages: tuple[int, ...]  # numbers, from 1 on, of the pages without text
    missing: tuple[str, ...]  # of "title" (also where it is only the file's name), "date", "author", "language"
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The articles in the order they came, and pairs of them that say nearly the same."""

    articles: tuple[ArticleQuality, ...]
    near_duplicates: tuple[tuple[str, str, float], ...]
    """Sources and estimated Jaccard similarity of their shingles, 0.8 to 1, best first; of n alike, n - 1 pairs."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON knows."""
        return asdict(self)


def report(articles: Iterable[Article]) -> QualityReport:
    """Measure all articles, each seen once; of each only its measures and a sketch of 1 kB are kept."""
    measured: list[ArticleQuality] = []
    sketches: list[tuple[str, Sketch]] = []
    for article in articles:
        measured.append(measure(article))
        if (made := sketch(article)) is not None:
            sketches.append((article.source, made))
    pairs = similar([made for _, made in sketches])
    return QualityReport(tuple(measured), tuple((sketches[i][0], sketches[j][0], alike) for i, j, alike in pairs))


def measure(article: Article) -> ArticleQuality:
    """Return the measures of one article."""
    boilerplate: float = sum(end - start for start, end, kind in article.blocks if kind == "boilerplate")
    boilerplate /= max(sum(end - start for start, end, _ in article.blocks), 1)
    pages = enumerate(pairwise((*article.pages, len(article.text))), 1)
    titled = article.title not in ("", article.part, " ".join(PurePosixPath(article.file).stem.split()))
    known = {"title": titled, "date": article.published, "author": article.author, "language": article.language}
    return ArticleQuality(
        source=article.source,
        characters=len(article.text),
        boilerplate=round(boilerplate, 4),
        pages=len(article.pages),
        empty_pages=tuple(n for n, (start, end) in pages if not article.text[start:end].strip()),
        missing=tuple(name for name, value in known.items() if not value),
        findings=(*article.notes, *_doubts(article.text, boilerplate), *orders(article)),
    )


# ---------------------------------------------------------------- doubtful text

# Not at the beginning of a line, where a character for private use is the bullet of a list.
_UNREADABLE = re.compile(r"(?!^)[\ufffd-\uffff\ue000-\uf8ff\U000f0000-\U0010ffff]|\(cid:\d{1,5}\)", re.MULTILINE)
_MISREAD = re.compile("â€[\u2018-\u2122œ]|Ã[\u00a0-\u00bf]")  # the UTF-8 of ’ and é, read as Windows-1252


def _doubts(text: str, boilerplate: float) -> Iterator[str]:
    if len(text) < 200:
        yield f"only {len(text)} characters of text: see whether the file holds the whole article"
    if boilerplate > 0.6:
        yield f"{boilerplate:.0%} of the text is notices, teasers or menus: see whether the article itself was found"
    if (unreadable := (len(text) - len(_UNREADABLE.sub("", text))) / max(len(text), 1)) > 0.02:
        yield f"{unreadable:.0%} of the characters are unreadable: convert the file again or run text recognition on it"
    if (misread := len(_MISREAD.findall(text))) >= 3:
        yield f"{misread} characters were once read in the wrong encoding: save the original as UTF-8"
    for line, times in Counter(text.split("\n")).most_common(1):
        if times >= 10 and times * len(line) > 0.1 * len(text):
            yield f"one line stands in it {times} times: {_quote(line)}"


def _quote(text: str, at: int = 0) -> str:
    """Return what stands at a place in one line of at most 80 characters, tag characters as what they hide."""
    shown = " ".join(printable(_INVISIBLE.sub("", text[at : at + 400].translate(_TAGS))).split())
    return f'"{shown}"' if len(shown) <= 78 else f'"{shown[:77]}…"'


# ---------------------------------------------------------------- near duplicates: MinHash (Broder 1997) in bands

Sketch = NDArray[np.uint32]
"""The least hash of an article's shingles under each of 256 functions, shape (256,)."""

_BANDS, _ROWS = 32, 8  # a pair of similarity 0.8 shares a band with probability 0.997, one of 0.5 with 0.12
_ALIKE, _NEIGHBOURS = 0.8, 8  # others looked at for each article of a band: time stays linear where thousands share it
_random = np.random.default_rng(0)
_FACTORS, _SHIFTS = _random.integers(2**32, size=(2, _BANDS * _ROWS), dtype=np.uint32) | np.uint32(1)
_BAND_FACTORS = _random.integers(2**63, size=_ROWS, dtype=np.uint64) | np.uint64(1)
_CJK = re.compile(f"[{CJK}]")
_WORD = re.compile(rf"[^\W_{CJK}]+|[{CJK}]")


def sketch(article: Article) -> Sketch | None:
    """Return the MinHash sketch of what is not boilerplate, or None where that has no word.

    Shingles are five words in a row, or eight characters of scripts written without spaces; fewer where the article
    has fewer. Case and compatibility forms (ligatures of a PDF) make no difference.
    """
    words = np.fromiter(_hashes(article), dtype=np.uint32)
    size = min(8 if 2 * len(_CJK.sub("", article.text)) < len(article.text) else 5, len(words))
    if not size:
        return None
    shingles = np.zeros(len(words) - size + 1, dtype=np.uint32)
    for i in range(size):
        shingles = shingles * np.uint32(0x01000193) + words[i : i + len(shingles)]
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):  # MurmurHash3's finaliser
        shingles = (shingles ^ (shingles >> np.uint32(shift))) * np.uint32(factor)
    least = np.full(_BANDS * _ROWS, 2**32 - 1, dtype=np.uint32)
    for start in range(0, len(shingles), 128):
        np.minimum(least, (shingles[start : start + 128, None] * _FACTORS + _SHIFTS).min(axis=0), out=least)
    return least


def _hashes(article: Article) -> Iterator[int]:
    for start, end, kind in article.blocks:
        if kind != "boilerplate":
            block = unicodedata.normalize("NFKC", article.text[start:end]).casefold()
            yield from (crc32(word[0].encode()) for word in _WORD.finditer(block))


def similar(sketches: Sequence[Sketch]) -> list[tuple[int, int, float]]:
    """Return places i < j of sketches and their similarity, best first; of n alike, the n - 1 pairs that join them."""
    if len(sketches) < 2:
        return []
    rows = np.stack(sketches)
    found: list[NDArray[np.int64]] = []
    for band in np.split(rows, _BANDS, axis=1):
        keys = (band * _BAND_FACTORS).sum(axis=1)
        order = np.argsort(keys, kind="stable")
        for step in range(1, min(_NEIGHBOURS + 1, len(rows))):
            shared = keys[order[:-step]] == keys[order[step:]]
            found.append(order[:-step][shared] * len(rows) + order[step:][shared])
    pairs: list[tuple[float, int, int]] = []
    candidates = np.unique(np.concatenate(found))
    for at in range(0, len(candidates), 4096):
        i, j = np.divmod(candidates[at : at + 4096], len(rows))
        shares = (rows[i] == rows[j]).mean(axis=1).tolist()
        pairs += (pair for pair in zip(shares, i.tolist(), j.tolist(), strict=True) if pair[0] >= _ALIKE)
    groups, strongest = np.arange(len(rows)), []  # Kruskal's algorithm
    for share, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair)):
        if groups[first] != groups[second]:
            groups[groups == groups[second]] = groups[first]
            strongest.append((first, second, round(share, 3)))
    return strongest


# ---------------------------------------------------------------- orders to a model

# A name in capitals stands for the words given to it, of all languages together; a space for any white space. In lower
# case. Every gap is bounded, so that time stays linear, and the first letters of a phrase are spelt out, which makes
# searching fast. Better a miss than an alarm on ordinary prose: what a manual may say to its reader is not here.
_GRAMMAR = r"""
DROP = ignorez?|disregard|forget|ignoriere(?:n sie)?|vergiss|vergessen sie|oubliez?|ignora|olvid[ae]|dimentica
PRIOR = previous|prior|preceding|earlier|above|developer|system(?! prompt)|vorherigen|bisherigen|obigen|früheren|vorigen
PRIOR = vorangegangenen|précédentes|antérieures|ci-dessus|anteriores|previas|precedenti
TOLD = instructions?(?: sets?)?|prompts?|directives?|directions|commands|guidelines|rules|(?:system)?(?:an)?weisungen
TOLD = befehle|regeln|vorgaben|richtlinien|consignes|règles|instrucciones|indicaciones|órdenes|reglas|istruzioni
YOUR = your|deinen?|ihren?|ton|votre|[tv]es|vos|tus?|sus?|le tue
DROP (?:(?!(?:not|nicht|pas) )[\w'’,]{1,15}+ ){0,4}?(?:PRIOR|YOUR)(?: (?:and |or )?\w{1,15}+)?? TOLD\b
DROP (?:(?!(?:not|nicht|pas) )[\w'’,]{1,15}+ ){0,4}?TOLD (?:PRIOR|before|you (?:got|were|have))\b
DROP (?:all|any|alle|toutes les|todas las|tutte le) (?:instructions|anweisungen|instrucciones|istruzioni) ?[.!;]
DROP (?:all|everything|the text)(?: \w{1,8}+){0,2}? (?:above|before this|learned before)(?=[.,;:!]| and\b|$)
DROP the above and (?:instead|say|print|output|tell me)\b
(?:new instructions|neue anweisungen|nouvelles instructions|nuevas instrucciones): (?:you|ab|du|vous|tu|ahora|debes)\b
(?:忽略|无视|無視|忘记|忽视)掉?(?:所有|你)?(?:之前|以上|上述|先前|前面)(?:的|所有|全部|任何)*+(?:指令|指示|提示|命令|规则)
AGENT = (?:ai|llm|language|gpt)(?: coding)? (?:assistant|model|agent|system|bot)s?|llms?|(?:chat ?)?bots?|a[il] model
AGENT = ki|ia|artificial intelligence|sprachmodelle?|asistentes?|modèles? de langage|modelos? de lenguaje
AGENT = assistants?(?! (?:coach|direct|edit|manag|prof))
FREE = un(?:restricted|censored|filtered|eingeschränkte[rs]?|zensierte[rs]?)|jailbroken|dan|developer mode
BE = you are (?:now|no longer)|du bist (?:jetzt|nun|ab sofort)|(?:tu es|vous êtes) (?:maintenant|désormais)|ahora eres
ACT = act as|pretend(?: to be| (?:that )?you are)|(?:play|take on|immerse yourself into) the role of
BE (?:\w{1,12}+ ){0,3}?(?:FREE|AGENT)\b
from now on,? you(?: (?:are going to|will|must|shall|have))+ (?:act|answer|respond|ignore|comply|no restrictions)\b
you (?:are going to|will|must|are about to)(?: now)? ACT (?:[\w-]{1,15}+,? ){0,4}?(?:FREE|AGENT)\b
ACT an? (?:FREE (?:AGENT|model|ai)|(?:AGENT|ai) with(?:out| no) (?:\w{1,12}+ )?(?:TOLD|policy|filters))\b
SHOW = reveal|print|show|output|repeat|leak|disclose|tell me|give me|zeige?|verrate?|gib|(?:révèl|affich|montr)e[zs]?
SHOW = revela|muestra|dime|rivela
SECRET = (?:system|initial|hidden|secret|original)[-\s]?(?:prompts?|instructions?|anweisung(?:en)?)|system messages?
SECRET = prompt (?:système|del? sistema)|(?:instrucciones|istruzioni|instructions) (?:(?:del?|di) )?(?:sistema|système)
SHOW(?:[-\s]\w{1,5}+){0,3}? (?:YOUR|the (?:full|entire|complete|exact|whole))(?: \w{1,12}+){0,2}? SECRET\b
(?:输出|显示|告诉我|透露|泄露|打印|重复)[你您]的(?:完整|全部|原始|隐藏)?的?(?:系统|初始)?(?:提示词?|指令)
(?:do not|don['’]t|never) (?:tell|(?:mention|reveal|show) (?:this|it|that) to) the (?:user|reader)s?\b(?!['’])
(?:sag|verrat|erzähl)e?(?:n sie)? (?:\w{1,8}+ ){0,2}?de[mnr] (?:be)?nutzer(?:n|in)? (?:\w{1,10}+ ){0,2}?nicht
ne (?:l[ea] |l['’])?(?:dis|dites|mentionne[sz]?|révèle[sz]?) (?:\w{1,8}+ ){0,3}?(?:à l['’]|aux )utilisateurs?\b
no (?:l[eo] )?(?:dig[ao]s?|mencione?s?|reveles?|informes?) (?:\w{1,8}+ ){0,2}?al? (?:los )?usuarios?\b
(?:不要|请勿|切勿)(?:告诉|告知|提醒|透露给|通知)(?:用户|使用者|读者)
REPLY = repl(?:y|ies)|responses?|answers?|summar(?:y|ies)|antwort|réponse|respuesta
(?:respond|reply|answer) only with (?:the (?:word|phrase|sentence|text|following)\b|[\"“'‘])
(?:included?|append|add|repeat)(?: .{1,90}?)?? (?:in|to|of) (?:every|each|all) (?:(?:future|of your) REPLY|report you)
(?:am ende|à la fin de|al final de) (?:jeder|toute|chaque|cada|toda) REPLY\b
[只仅][需能用]?(?:回复|回答|输出)[“\"「'‘]
READS = (?:read|process|summari[sz]e?|analy[sz]e?|pars|index|review|translat)e?(?:ing)?
THIS = this (?:document|page|text|file|e-?mail|ticket|filing|article|website|record)
NOTE = note|message|attention|instructions?|notice|hinweis|nachricht|anweisung(?:en)?|nota|mensaje|instrucciones
TO = (?:to|for|für|an|pour|à|aux|para)(?: (?:the|any|all|an?|die|den|alle|les|l[ao]s?|el))*
(?:NOTE TO|\(for|hey|dear) (?:l['’])?AGENT(?: (?:READS|that) [^\n:]{0,60})?\)? ?:
if you(?: are|['’]re) an? (?:ai|large language model|AGENT)(?= (?:READS|and|you|please|then)\b|,)
as an? (?:ai|AGENT)(?: language model| model)?,? you (?:must|should|will|are (?:required|told))\b
(?:ai|AGENT) READS THIS\b
when you (?:summari[sz]e|process|translate|index) THIS, (?:you must|also|include|add|e?mail|send|call)\b
如果[你您]是(?:一个)?(?:ai|人工智能|大?语言模型|聊天机器人)|你现在(?:是|扮演)[^，。\n]{0,12}(?:助手|语言模型|ai|机器人)
<[|｜][\w▁-]{2,40}+[|｜]>(?!["'`])|<</?sys>>|</?(?:start|end)_of_turn>(?!["'`])|</?passage-[0-9a-f]{4,}>
</s>\s{0,9}+(?:<s>|(?:system|user|human)\b)|\[/?inst\](?!["'`])
##{1,5} ?(?:system|user|human|assistant)(?: (?:prompt|message|override))? ?:
human: ?[^\n]{0,2000}+\n{1,3}+assistant:
system(?: (?:note|override|alert|update))?: ?(?:you|your|ignore|grant|disregard|override|do not|from now)\b
(?:##|--|==|\*\*|\[|<) ?(?:end|begin|start) of (?:user|system|untrusted) (?:input|prompts?|messages?|data)\b
"""


def _compiled(grammar: str) -> list[re.Pattern[str]]:
    words: dict[str, str] = {}
    phrases: list[re.Pattern[str]] = []
    for line in grammar.strip().splitlines():
        name, defines, body = line.rpartition(" = ")
        body = re.sub("[A-Z]{2,}", lambda found: f"(?:{words[found[0]]})", body)
        if defines:
            words[name] = f"{words[name]}|{body}" if name in words else body
        else:
            phrases.append(re.compile(body.replace(" ", r"(?:\s{1,9}+)"), re.MULTILINE))
    return phrases


_ORDERS = _compiled(_GRAMMAR)
# In front of a phrase: the rest of its first word, or what makes it part of a report or a warning.
_TOLD_OF = re.compile(
    r"(?:[a-zà-ÿ0-9_](?=[a-zà-ÿ])|\b(?:to|not|never|they|who|we|i|people|users|ich|nicht|il|elle|on|qui|que|quien|no|se)\s"
    r"|\b(?<!you )(?:can|cannot|could|will|would|may|might)\s|n['’](?:t\s)?|[a-z]{2}[a-rt-xz]s\s).\Z",
    re.DOTALL,
)
_TAGS = {code: code & 0x7F for code in range(0xE0020, 0xE007F)}  # an invisible copy of ASCII
_INVISIBLE = re.compile("[\u200b-\u200d\u2060-\u2064\u202d\u202e\ufe00-\ufe0f\U000e0000-\U000e01ef]")
_HIDDEN = re.compile(  # runs that can spell something; tags behind a black flag are a flag
    "([\u200b-\u200d\u2060-\u2064])\\1{0,31}+(?!\\1)[\u200b-\u200d\u2060-\u2064]{7}|(?:[\u200b\u2060-\u2064]\\w){5}"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4}|(?<![\U0001f3f4\U000e0000-\U000e007f])[\U000e0000-\U000e007f]|[\u202d\u202e]"
)
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,200}+\]\(\s?<?https?://[^\s)?]{1,300}+\?[^\s)]{0,300}?=(?:[)\s{\[<]|%7[Bb]|YOUR_)")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}+")


def orders(article: Article) -> Iterator[str]:
    """Yield a sentence on each sign that an article speaks to the model that reads it rather than to a person."""
    text, title = article.text, article.title
    if (found := _order(title)) and title not in text:
        yield f"the title reads like an order to a model: {_quote(title, found.start())}"
    for what, found in (
        ("what reads like an order to a model", _order(text)),
        ("text in characters that hide or reverse it", _HIDDEN.search(text) if _INVISIBLE.search(text) else None),
        ("an image whose address a model would fill in", _IMAGE.search(text)),
        ("encoded text", next(_encoded(text), None)),
    ):
        if found:
            yield f"at character {found.start()} stands {what}: {_quote(text, found.start())}"


def _order(text: str) -> re.Match[str] | None:
    """Return the first order to a model."""
    low = text.replace("\u0130", "i").lower()  # the one letter that would become two
    found = (match for phrase in _ORDERS for match in phrase.finditer(low))
    meant = (match for match in found if not _TOLD_OF.search(low, max(match.start() - 12, 0), match.start() + 1))
    return min(meant, key=lambda match: match.start(), default=None)


def _encoded(text: str) -> Iterator[re.Match[str]]:
    """Yield runs of base64 or hexadecimal digits that say an order, or are long."""
    for run in _ENCODED.finditer(text):
        whole = run[0][: len(run[0]) // 4 * 4]
        data = bytes.fromhex(whole) if re.fullmatch("[0-9A-Fa-f]+", whole) else base64.b64decode(whole)
        mixed = not (whole.islower() or whole.isupper() or whole.isalpha())
        if (mixed and len(whole) >= 400) or _order(data.decode("utf-8", "ignore")):
            yield run
