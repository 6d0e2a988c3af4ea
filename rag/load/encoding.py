"""Owns character encodings: from the bytes of a text to its characters, and what was in doubt on the way."""

from __future__ import annotations

import codecs
import re
from collections import Counter

from charset_normalizer import from_bytes

from rag.errors import Unloadable
from rag.load.metadata import detect_language
from rag.load.plausible import LANGUAGES, LATIN, UNREAD, View

_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32-le", codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be",
}  # fmt: skip
_ASCII = bytes(range(0x80))
_CONTROLS = bytes(set(range(0x20)) - set(b"\0\t\n\v\f\r\x1b")) + b"\x7f"
_CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")  # what cleaning removes
_NOT_USED = re.compile(r"[\x80-\x84\x86-\x9f\ufffd]")  # bytes that mean nothing in an encoding
_SAMPLE = 16_384
_PLAUSIBLE = 0.5
_MIXED_BYTES = 5  # fewer stray bytes in lines of their own are damage, not another encoding
_Decoded = tuple[str, tuple[str, ...]]


def decode(data: bytes, declared: str | None = None) -> _Decoded:
    """Return the text in a file's bytes, and notes on what was guessed or could not be read.

    `declared` is the charset that an HTTP header or a mail part names. Every byte is decoded or shows as
    U+FFFD, with a note. Raises Unloadable where the bytes are no text, or text in no known encoding.
    """
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            text, notes = _repaired(data[len(mark) :], name)
            if notes and 10 * text.count(UNREAD) > len(text):
                raise Unloadable("failed", f"not valid {name[:6].rstrip('-').upper()} text")
            return text, notes
    binary = _is_binary(data)
    valid = _strict(data, "utf-8")
    if (valid is None or "\0" in valid) and (wide := _wide(data, binary)):
        return _repaired(data, wide, guessed=True)
    if valid is not None and (switched := _seven_bit(data, _codec(declared))):
        return switched
    if binary:
        raise Unloadable("skipped", "not text")
    if valid is not None:
        return valid, _notes(valid)
    inside = _DECLARATION.search(data, 0, 4096)
    label = _codec(declared) or _codec(inside.group(1).decode("ascii", "ignore") if inside else None)
    return _mostly_utf8(data) or _undeclared(data, label)


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeError:
        return None


def _repaired(data: bytes, name: str, guessed: bool = False) -> _Decoded:
    """Decode, with U+FFFD for what is not valid in the encoding."""
    broken = 0
    if (text := _strict(data, name)) is None:
        text = data.decode(name, "replace")
        broken = len(data) - len(text.replace(UNREAD, "").encode(name, "ignore"))
        broken -= 3 * data.count(UNREAD.encode()) if name == "utf-8" else 0
    return text, _notes(text, name, broken, guessed)


def _notes(text: str, name: str = "utf-8", broken: int = 0, guessed: bool = False) -> tuple[str, ...]:
    notes = [f"encoding guessed: {name}"] if guessed else []
    if broken:
        bytes_are = "1 byte is" if broken == 1 else f"{broken} bytes are"
        notes.append(f"{bytes_are} not valid {name.upper() if name.startswith('utf') else name}")
    if controls := len(text) - len(_CONTROL.sub("", text)):
        notes.append(f"control characters left out: {controls}")
    return tuple(notes)


def _is_binary(data: bytes) -> bool:
    """Whether control characters are more frequent than in any text; a NUL may pad the file or part its records."""
    body = data.rstrip(b"\0\x1a")
    nuls = body.count(0)
    controls = len(body) - len(body.translate(None, _CONTROLS))
    return nuls + controls < len(body) and (10 * nuls > len(body) or 100 * controls > len(body))


def _wide(data: bytes, binary: bool) -> str | None:
    """Return the UTF-16 or UTF-32 encoding that the bytes are text in; None where there is none."""
    for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        view = View(data[:_SAMPLE].decode(name, "replace").removesuffix(UNREAD))
        size = len(view.text)
        pages = Counter(ord(char) >> 8 for char in view.text).most_common(4)  # a script has few of them, chance many
        one_script = size > 4 and 20 * sum(count for _, count in pages) >= 19 * size
        east_asian = max(map(view.fit, ("zh", "ja", "ko"))) > _PLAUSIBLE
        likely = 2 * view.ascii > size or east_asian or (one_script and (binary or 20 * view.ascii > size))
        fits = 0 < size >= 50 * view.faults and likely
        if fits or (name.startswith("utf-32") and size and not view.faults):
            return name
    return None


def _seven_bit(data: bytes, declared: str | None) -> _Decoded | None:
    """Decode what is ASCII in form only: encodings that switch by escape sequences, or UTF-7 where declared."""
    names = [declared] if declared is not None and declared.startswith(("utf-7", "hz", "iso2022")) else []
    names += ["iso2022_kr", "iso2022_jp_2"] if b"\x1b$" in data else []
    for name in names if data.isascii() else ():
        if (text := _strict(data, name)) is not None:
            return text, _notes(text, name, guessed=name != declared)
    return None


def _mostly_utf8(data: bytes) -> _Decoded | None:
    """Decode UTF-8 with some bad bytes, or with whole lines in another encoding; None where it is neither."""
    lines = data.split(b"\n")
    good = valid = bad = strange = 0  # bytes beyond ASCII: in valid lines; in others valid, or not; in foreign lines
    foreign: list[int] = []
    for number, line in enumerate(lines):
        high = len(line.translate(None, _ASCII))
        here = len(line.decode("utf-8", "ignore").encode().translate(None, _ASCII)) if high else 0
        if here == high:
            good += high
            continue
        valid += here
        bad += high - here
        if 4 * here < high - here or (high - here >= 8 and here < 2 * (high - here)):  # in Chinese many fit by chance
            foreign.append(number)
            strange += high
    mixed = 4 * good > valid + bad and strange >= _MIXED_BYTES
    if mixed and (names := _detected(b"\n".join(lines[number] for number in foreign))):
        of_lines = dict.fromkeys(foreign, names[0])
        text = "\n".join(line.decode(of_lines.get(i, "utf-8"), "replace") for i, line in enumerate(lines))
        note = f"{len(foreign)} lines are not UTF-8; encoding guessed: {names[0]}"
        return text, (note, *_notes(text, broken=text.count(UNREAD)))
    return _repaired(data, "utf-8") if good + valid >= 3 * bad else None


def _undeclared(data: bytes, declared: str | None) -> _Decoded:
    """Decode with the declared encoding if that gives plausible text, else with the likeliest that fits it all."""
    names = _detected(data, declared)
    for tolerance in (0.0, 0.01):
        for name in names:
            text = data.decode(name, "replace")
            if len(text) - len(_NOT_USED.sub("", text)) <= tolerance * len(text):
                return _repaired(data, name, guessed=name != declared)
    best = from_bytes(_sample(data)).best()
    if best is not None and _strict(data, name := _codec(best.encoding) or best.encoding) is not None:
        return _repaired(data, name, guessed=True)
    raise Unloadable("failed", "unknown text encoding; save the file as UTF-8")


_DECLARATION = re.compile(rb"""(?i)(?:<\?xml[^>]{0,99}?encoding|<meta\b[^>]{0,500}?\bcharset)\s*=[\s"']*([\w.:-]+)""")
_TEXT_CODEC = re.compile(r"utf-7|cp\d|iso8859|iso2022|koi8|mac-|gb|hz|big5|euc|shift|johab|tis-620|ptcp|kz1048")
_MEANT = {  # labels that Python does not know, and encodings of which a wider one is meant in practice
    "iso-8859-8-i": "cp1255", "ks_c_5601-1987": "cp949", "windows-31j": "cp932", "windows-874": "cp874",
    "x-gbk": "gb18030", "x-mac-cyrillic": "mac-cyrillic", "x-mac-roman": "mac-roman", "x-sjis": "cp932",
    "x-euc-jp": "euc_jp", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932",
    "iso8859-1": "cp1252", "iso8859-8": "cp1255", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
}  # fmt: skip


def _codec(label: str | None) -> str | None:
    """Return Python's name for a charset label; None where it is unknown, or is a Unicode one, which needs no label."""
    label = (label or "").strip().strip("\"'").lower()
    try:
        name = codecs.lookup(_MEANT.get(label, label)).name
    except (LookupError, ValueError):
        return None
    return _MEANT.get(name, name) if _TEXT_CODEC.match(name) else None


_W, _C, _S = "en de fr es pt it nl ca da sv is fi br", "pl cs sk hu ro hr", "ru uk bg sr"
_CANDIDATES = {  # each with the languages it was made for; of two that read a text as well, the first is taken
    "cp1252": _W, "gb18030": "zh", "big5": "zh", "cp932": "ja", "euc_jp": "ja", "cp949": "ko", "cp1251": _S,
    "koi8-r": "ru", "cp1250": _C, "cp1254": "tr", "iso8859-2": _C, "iso8859-15": _W, "cp1253": "el",
    "iso8859-7": "el", "cp1255": "he", "cp1256": "ar", "iso8859-6": "ar", "iso8859-5": _S, "koi8-u": "uk",
    "cp1257": "lt lv et", "cp874": "th", "cp866": "ru", "mac-roman": _W, "mac-cyrillic": _S, "cp850": _W, "cp852": _C,
}  # fmt: skip
_MULTIBYTE = ("gb18030", "big5", "cp932", "euc_jp", "cp949")
_OLD = ("cp850", "cp852", "cp866", "mac-roman", "mac-cyrillic")


def _detected(data: bytes, declared: str | None = None) -> list[str]:
    """Return the encodings that give plausible text, the likeliest first."""
    sample = _sample(data)
    ranking = _ranking(sample)
    names = [name for score, name in ranking if score > _PLAUSIBLE]
    if declared is not None:
        view = View(sample.decode(declared, "replace"))
        if 50 * view.faults <= len(view.text) and max(map(view.fit, LANGUAGES)) > ranking[0][0] - 0.3:
            return [declared, *names]
    return names


def _sample(data: bytes) -> bytes:
    """Return the file, or lines from all over it that hold bytes beyond ASCII."""
    if len(data) <= _SAMPLE:
        return data
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    step = 1 + sum(map(len, lines)) // _SAMPLE
    return b"\n".join(line[:_SAMPLE] for line in lines[::step])[: 2 * _SAMPLE]


def _ranking(sample: bytes) -> list[tuple[float, str]]:
    """Return each encoding with how well it reads the sample, at most 1, the best first."""
    scores: dict[str, float] = {}
    latin: dict[str, View] = {}
    for name, languages in _CANDIDATES.items():
        view = View(sample.decode(name, "replace").removesuffix(UNREAD))
        scores[name] = max(map(view.fit, languages.split())) - (0.02 if name in _OLD else 0)
        if name in _MULTIBYTE:  # they hold other alphabets too, but hardly anybody uses them so
            scores[name] = max(scores[name], max(map(view.fit, LANGUAGES)) - 0.1)
        elif languages.split()[0] in LATIN:
            latin[name] = view
    best = max(scores.values())
    for name in [name for name in latin if scores[name] > best - 0.3]:
        # Code pages of Latin letters differ in a few letters only: the language of the whole tells them apart.
        language = detect_language(latin[name].text)
        known = latin[name].fit(language) if language in _CANDIDATES[name].split() else 0.0
        scores[name] = max(scores[name] - 0.1, known - (0.02 if name in _OLD else 0))
    return sorted(((round(score, 3), name) for name, score in scores.items()), key=lambda item: -item[0])
