"""Owns what written languages look like: whether decoded bytes could be a text in one of them."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections import Counter

UNREAD = "\ufffd"
"""What stands for bytes that mean nothing in an encoding."""

LATIN = {  # the letters beyond ASCII
    "en": "éèêëïîöüñçàâôæœáíóúäø", "de": "äöüß", "fr": "àâæçéèêëîïôœùûüÿ", "es": "áéíñóúü", "pt": "ãõáéíóúâêôàç",
    "it": "àèéìòùî", "nl": "éëïöüèê", "ca": "àçèéíïòóúü", "da": "æøåéö", "sv": "åäöé", "is": "áðéíóúýþæöø",
    "fi": "äöåšž", "br": "êñùüéâî", "pl": "ąćęłńóśźż", "cs": "áčďéěíňóřšťúůýž", "sk": "áäčďéíĺľňóôŕšťúýž",
    "hu": "áéíóöőúüű", "ro": "ăâîşţ", "hr": "čćđšž", "tr": "çğıöşüâîûİ", "et": "äõöüšž", "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
}  # fmt: skip
_KANA = "".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC)))
_OTHER = {  # letters, or the shape of all of them; the most frequent; the share of these in any text
    "ru": ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "оеаинтсрвлкмдпу", 0.82),
    "uk": ("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", "оаниівтерслкудмп", 0.85),
    "bg": ("абвгдежзийклмнопрстуфхцчшщъьюя", "аеоитнрсвлкдмпъ", 0.85),
    "sr": ("абвгдђежзијклљмнњопрстћуфхцчџш", "аоиенртсјвукмлдп", 0.85),
    "el": ("αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ", "αοιετσνηυρπκμλςόίά", 0.85),
    "he": ("אבגדהוזחטיכלמנסעפצקרשתךםןףץ״׳װױײַָֹּׁ", "יוהלאמרתשבנ", 0.68),
    "ar": ("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي،؛؟ـًٌٍَُِّْپچژگ", "اليمنورتبعةد", 0.69),
    "th": ("".join(map(chr, range(0x0E01, 0x0E5C))), "านรกอเงมยลวดทตส่้", 0.6),
    "zh": ("h",
        "的一是不了在人有我他这這个個们們中来來上大为為和国國地到以说說时時要就出会會可也你对對生能而子那得于於着著下自之年过過发發"
        "后後作里裡用道行所然家种種事成方多经經么麼去法学學如都同现現当當没沒动動面起看定天分还還进進好小部其些主样樣理心她本前开開"
        "但因只从從想实實日军軍者意无無力它与與长長把机機十民第公此已工使情明性知全三又关關点點正业業外将將", 0.5),
    "ja": ("h" + _KANA, _KANA +
        "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米"
        "力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務", 0.75),
    "ko": ("k",
        "이다는의에을가은하고한로지도사기으인어나대리자시정아서를그수스해들있니과일것장게부라전적주제상보여면만공구원우성동안비조세미"
        "진요신위유화거국회었했습던관학연당중문선생무때방소물개경용실모두발까며명말간", 0.55),
}  # fmt: skip
LANGUAGES = {
    code: (frozenset(letters + letters.upper()), frozenset(common + common.upper()), share)
    for code, (letters, common, share) in ({code: (own, "", 1.0) for code, own in LATIN.items()} | _OTHER).items()
}
_SYMBOLS = {  # in words: not inside them; also not right behind a letter; anywhere
    **dict.fromkeys("“”«»‹›©®™×÷‰¹²³", "q"),
    **dict.fromkeys("„‚†‡§£€¥°±•¿¡¼½¾", "p"),
    **dict.fromkeys("’‘–—―…·‐‑‗″′´µ→・\x85\xa0\xad\u200e\u200fªº", "t"),
}
_SCRIPTS = (0x80, 0x250, 0x400, 0x590, 0x1000, 0x1E00, 0x1F00, 0x2000, 0x3400, 0xA000, 0xAC00, 0xD7A4, 0xF900, 0xFB00)
_SHAPES = "abgcojbgjhjkjhj"  # of the letters before and between these borders
_FAULT = re.compile(  # in shapes: what no word of any language looks like
    "[ab](?=B)|b(?=A)|[cg](?=[CG])"  # a capital behind a small letter
    "|[aAbB](?=[cCgGo])|[cCgGo](?=[aAbB])|[cC](?=[gGo])|[gG](?=[cCo])|o(?=[cCgG])|a(?=ha)"  # two alphabets in one word
    "|(?<=[aAbBcCgGo])(?:[sqx](?=[aAbBcCgGo])|p)|[qsp](?=[qsp])"  # a symbol in a word, or beside another
    "|[bB](?=[bB][bB])|[bBcCgG](?=0)|0(?=[bBcCgG])"  # three accented letters in a row, a digit beside a letter
)


class View:
    """A text as its characters and the shapes of its words show it."""

    def __init__(self, text: str) -> None:
        self.text = text
        counts = Counter(text)
        shapes = {char: _shape(char) for char in counts}
        total: Counter[str] = Counter()
        for char, count in counts.items():
            total[shapes[char]] += count
        self.faults = total["x"]
        self.ascii = sum(count for char, count in counts.items() if char < "\x7f" and shapes[char] != "x")
        self._high = [(char, shapes[char], count) for char, count in counts.items() if char > "\x7f"]
        self._size = max(1, sum(count for _, _, count in self._high))
        bad = len(_FAULT.findall(text.translate({ord(char): shape for char, shape in shapes.items()})))
        self._neutral = total["t"] + total["q"] + total["p"] - bad - 2 * self.faults
        self._shouted = 0.2 if total["C"] + total["G"] > total["c"] + total["g"] else 0.0  # rather another alphabet

    def fit(self, language: str) -> float:
        """Return how much what is not ASCII in the text looks like the language, at most 1."""
        known, frequent, share = LANGUAGES[language]
        letters = common = 0
        for char, shape, count in self._high:
            if char in known or shape in known:
                letters += count
                common += count if char in frequent else 0
        usual = min(1.0, common / letters / share) if frequent and letters else 1.0
        doubt = 0.0 if letters > 2 or language in LATIN else 0.2
        return (letters * usual + self._neutral) / self._size - self._shouted - doubt


def _shape(char: str) -> str:
    """Return what a character is in a word, as one letter; A, B, C and G stand for capitals."""
    category = unicodedata.category(char)
    if char in _SYMBOLS:
        return _SYMBOLS[char]
    if (category in ("Cc", "Cn", "Co", "Cs") and char not in "\t\n\v\f\r\x1b") or char == UNREAD:
        return "x"
    if "\u3000" <= char < "\u3040" or "\uff00" <= char < "\uff61":
        return "t"
    shape = _SHAPES[bisect(_SCRIPTS, ord(char))]
    if category[0] in "LM" or shape == "o":
        return shape.upper() if category == "Lu" and shape in "abcg" else shape
    return "s" if char > "\x7f" else "0" if category == "Nd" else " "
