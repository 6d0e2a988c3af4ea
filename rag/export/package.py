"""Owns what a Word document holds beside its text: styles, lists, settings, properties, and the archive around them."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime

_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0
_LISTS = {"bullet": "1", "decimal": "2"}
_LEVELS = 9
_PARTS = ("document", "footnotes", "styles", "numbering", "settings")
_EAST_ASIAN = ("zh", "ja", "ko")
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur", "yi")


def escape(text: str) -> str:
    """Return a text as it stands in XML, without characters that XML cannot hold."""
    return html.escape(_ILLEGAL.sub("", text))


def package(
    body: str, notes: str, numbered: Sequence[int], *, title: str, language: str, made: datetime | None
) -> bytes:
    """Return a Word document: the same bytes for the same words.

    `body` and `notes` are XML in the name space `w`; list number i of them, from 2 on (1 has bullets), counts from
    `numbered[i - 2]`. `language` is a code of two or three letters.
    """
    files = {
        "[Content_Types].xml": _content_types(),
        "_rels/.rels": _relations({"word/document.xml": "officeDocument", "docProps/core.xml": "core"}),
        "docProps/core.xml": _core(title, language, made),
        "word/_rels/document.xml.rels": _relations({f"{part}.xml": part for part in _PARTS[1:]}),
        "word/document.xml": _root("document", f"<w:body>{body}{_PAGE}</w:body>"),
        "word/footnotes.xml": _root("footnotes", _SEPARATORS + notes),
        "word/styles.xml": _root("styles", _styles(language)),
        "word/numbering.xml": _root("numbering", _numbering(numbered)),
        "word/settings.xml": _root("settings", _SETTINGS),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # with the first date that an archive can hold
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 0
            archive.writestr(entry, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{content}'.encode())
    return packed.getvalue()


def _root(name: str, content: str) -> str:
    return f'<w:{name} xmlns:w="{_MAIN}">{content}</w:{name}>'


def _content_types() -> str:
    kinds = {"document": "document.main", **{part: part for part in _PARTS[1:]}}
    parts = "".join(
        f'<Override PartName="/word/{part}.xml" ContentType="{_KIND}.{kind}+xml"/>' for part, kind in kinds.items()
    )
    core = "application/vnd.openxmlformats-package.core-properties+xml"
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'{parts}<Override PartName="/docProps/core.xml" ContentType="{core}"/></Types>'
    )


def _relations(targets: dict[str, str]) -> str:
    kinds = {"core": f"{_PACKAGE}/relationships/metadata/core-properties"}
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{kinds.get(kind, f"{_OFFICE}/relationships/{kind}")}" Target="{target}"/>'
        for i, (target, kind) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'


def _core(title: str, language: str, made: datetime | None) -> str:
    times = "".join(
        f'<dcterms:{name} xsi:type="dcterms:W3CDTF">{made:%Y-%m-%dT%H:%M:%SZ}</dcterms:{name}>'
        for name in ("created", "modified")
        if made
    )
    return (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{escape(title)}</dc:title><dc:language>{language}</dc:language>{times}</cp:coreProperties>"
    )


# ---------------------------------------------------------------- styles


def _styles(language: str) -> str:
    kind = "eastAsia" if language in _EAST_ASIAN else "bidi" if language in _RIGHT_TO_LEFT else "val"
    defaults = (
        '<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Calibri"/>'
        f'<w:sz w:val="22"/><w:szCs w:val="22"/><w:lang w:{kind}="{language}"/></w:rPr></w:rPrDefault>'
        '<w:pPrDefault><w:pPr><w:spacing w:after="120" w:line="264" w:lineRule="auto"/></w:pPr></w:pPrDefault>'
        "</w:docDefaults>"
    )
    headings = "".join(
        _style(
            f"Heading{level}",
            f"heading {level}",
            f'<w:keepNext/><w:spacing w:before="{360 - 40 * level}" w:after="80"/><w:outlineLvl w:val="{level - 1}"/>',
            f'<w:b/><w:bCs/><w:sz w:val="{size}"/><w:szCs w:val="{size}"/>',
            then="Normal",
        )
        for level, size in enumerate((32, 28, 25, 23, 22, 22), start=1)
    )
    small = '<w:color w:val="595959"/><w:sz w:val="20"/><w:szCs w:val="20"/>'
    mono = '<w:rFonts w:ascii="Consolas" w:hAnsi="Consolas" w:cs="Consolas"/><w:sz w:val="20"/>'
    border = '<w:left w:val="single" w:sz="12" w:space="8" w:color="A6A6A6"/>'
    return (
        defaults
        + '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/></w:style>'
        + '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont">'
        '<w:name w:val="Default Paragraph Font"/></w:style>'
        + _style(
            "Title",
            "Title",
            '<w:spacing w:after="240"/>',
            '<w:b/><w:bCs/><w:sz w:val="44"/><w:szCs w:val="44"/>',
            "Normal",
        )
        + headings
        + _style("ListParagraph", "List Paragraph", '<w:spacing w:after="60"/>')
        + _style("Quote", "Quote", f'<w:pBdr>{border}</w:pBdr><w:ind w:left="360"/>')
        + _style("Code", "Code", '<w:shd w:val="clear" w:color="auto" w:fill="F2F2F2"/>', mono)
        + _style("Notice", "Notice", '<w:spacing w:after="80"/>', small)
        + _style("FootnoteText", "footnote text", '<w:spacing w:after="40" w:line="240" w:lineRule="auto"/>', _SMALL)
        + _style("FootnoteReference", "footnote reference", "", '<w:vertAlign w:val="superscript"/>', kind="character")
        + _style("CodeCharacters", "Code Characters", "", mono, kind="character")
        + _style("Verdict", "Verdict", "", '<w:i/><w:iCs/><w:color w:val="9C2A10"/>', kind="character")
    )


def _style(ident: str, name: str, paragraph: str, run: str = "", then: str = "", kind: str = "paragraph") -> str:
    based = "Normal" if kind == "paragraph" else "DefaultParagraphFont"
    return (
        f'<w:style w:type="{kind}" w:styleId="{ident}"><w:name w:val="{name}"/><w:basedOn w:val="{based}"/>'
        + (f'<w:next w:val="{then}"/>' if then else "")
        + "<w:qFormat/>"
        + (f"<w:pPr>{paragraph}</w:pPr>" if paragraph else "")
        + (f"<w:rPr>{run}</w:rPr>" if run else "")
        + "</w:style>"
    )


_SMALL = '<w:sz w:val="18"/><w:szCs w:val="18"/>'
_PAGE = (  # A4
    '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>'
    '<w:pgMar w:top="1304" w:right="1304" w:bottom="1304" w:left="1304" w:header="709" w:footer="709" w:gutter="0"/>'
    "</w:sectPr>"
)
_SEPARATORS = "".join(
    f'<w:footnote w:type="{kind}" w:id="{i}"><w:p><w:pPr><w:spacing w:after="0"/></w:pPr>'
    f"<w:r><w:{kind}/></w:r></w:p></w:footnote>"
    for i, kind in ((-1, "separator"), (0, "continuationSeparator"))
)
_SETTINGS = (
    '<w:footnotePr><w:footnote w:id="-1"/><w:footnote w:id="0"/></w:footnotePr>'
    '<w:compat><w:compatSetting w:name="compatibilityMode"'
    ' w:uri="http://schemas.microsoft.com/office/word" w:val="15"/>'
    "</w:compat>"
)


# ---------------------------------------------------------------- lists


def _numbering(numbered: Sequence[int]) -> str:
    kinds = "".join(_list_kind(kind, ident) for kind, ident in _LISTS.items())
    lists = "".join(
        f'<w:num w:numId="{number}"><w:abstractNumId w:val="2"/>'
        + "".join(
            f'<w:lvlOverride w:ilvl="{level}"><w:startOverride w:val="{start}"/></w:lvlOverride>'
            for level in range(_LEVELS)
        )
        + "</w:num>"
        for number, start in enumerate(numbered, start=2)
    )
    return f'{kinds}<w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>{lists}'


def _list_kind(kind: str, ident: str) -> str:
    levels = "".join(
        f'<w:lvl w:ilvl="{level}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/>'
        f'<w:lvlText w:val="{"•" if kind == "bullet" else f"%{level + 1}."}"/><w:lvlJc w:val="left"/>'
        f'<w:pPr><w:ind w:left="{360 * (level + 1)}" w:hanging="360"/></w:pPr></w:lvl>'
        for level in range(_LEVELS)
    )
    return (
        f'<w:abstractNum w:abstractNumId="{ident}"><w:multiLevelType w:val="hybridMultilevel"/>{levels}</w:abstractNum>'
    )
