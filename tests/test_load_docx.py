"""Word documents: their words as the reader sees them, and nothing that is hidden, deleted or outside the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.docx import parse_docx
from tests.archives import word, zipped
from tests.articles import assert_canonical, blocks, evidence
from tests.test_load_archive import BOMB, EXTERNAL

STYLES = (
    '<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Chapter"/><w:basedOn w:val="berschrift1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Outlined"><w:name w:val="Own"/>'
    '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Bullets"><w:name w:val="List Bullet"/>'
    '<w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="C1"><w:name w:val="toc 1"/></w:style>'
    '<w:style w:type="character" w:styleId="Secret"><w:name w:val="Secret"/><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Pool"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Pool"><w:name w:val="Pool"/><w:basedOn w:val="Loop"/></w:style>'
)


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*content: str, style: str = "", properties: str = "") -> str:
    inner = "".join(piece if piece.startswith("<") else run(piece) for piece in content)
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>{inner}</w:p>'


def row(*cells: str) -> str:
    return "<w:tr>" + "".join(f"<w:tc>{cell}</w:tc>" for cell in cells) + "</w:tr>"


def alternatives(choice: str, fallback: str) -> str:
    branches = f"<mc:Choice>{choice}</mc:Choice><mc:Fallback>{fallback}</mc:Fallback>"
    return f"<mc:AlternateContent>{branches}</mc:AlternateContent>"


def texts(body: str, **parts: str | bytes) -> list[str]:
    return [block.text for block in parse_docx(word(body, **parts)).blocks]


def refused(data: bytes) -> str:
    with pytest.raises(Unloadable) as caught:
        parse_docx(data)
    assert caught.value.state == "failed"
    return caught.value.reason


# ---------------------------------------------------------------- structure


def test_title_headings_and_paragraphs_are_told_apart() -> None:
    body = (
        paragraph("The bridge at Ostvik", style="T")
        + paragraph("History", style="berschrift1")
        + paragraph("It was opened in 1931.")
        + paragraph("Repairs", style="Own")
        + paragraph("Cables", style="Outlined")
        + paragraph("Two of them were ", run("rusty", "<w:b/>"), ".")
        + paragraph("Costs", properties='<w:outlineLvl w:val="2"/>')
        + paragraph("3.5 million crowns.", style="Loop")
    )
    assert blocks(parse_docx(word(body, styles=STYLES))) == [
        ("title", "The bridge at Ostvik"),
        ("heading", "History"),
        ("text", "It was opened in 1931."),
        ("heading", "Repairs"),
        ("heading", "Cables"),
        ("text", "Two of them were rusty."),
        ("heading", "Costs"),
        ("text", "3.5 million crowns."),
    ]


def test_a_heading_in_front_of_all_is_the_title_where_it_is_alone_on_its_level() -> None:
    first, second = paragraph("The bridge", style="Heading1"), paragraph("Repairs", style="Heading2")
    text = paragraph("It is long.")
    assert blocks(parse_docx(word(first + second + text)))[0] == ("title", "The bridge")
    assert blocks(parse_docx(word(first + text + first + text)))[0] == ("heading", "The bridge")
    assert blocks(parse_docx(word(text + first + text)))[1] == ("heading", "The bridge")


def test_a_paragraph_in_the_style_of_a_heading_stays_evidence() -> None:
    long = "The bridge is long and old. " * 10
    assert blocks(parse_docx(word(paragraph(long, style="Heading1")))) == [("text", long.strip())]


def test_list_items_are_joined_and_other_paragraphs_are_not() -> None:
    numbered = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    body = (
        paragraph("Two cables:")
        + paragraph("the northern", properties=numbered)
        + paragraph("the southern", style="Bullets")
        + paragraph("No item.", style="Bullets", properties='<w:numPr><w:numId w:val="0"/></w:numPr>')
    )
    article = to_article(parse_docx(word(body, styles=STYLES)), "a.docx")
    assert article.text == "Two cables:\n\nthe northern\nthe southern\n\nNo item."


def test_a_table_is_read_by_rows() -> None:
    p = paragraph
    body = (
        "<w:tbl>"
        + row(p("Part"), p("Length"))
        + row(p("Deck"), p("412", "\xa0m") + p("measured"))
        + row(p("Cable"), p(""))
        + "</w:tbl><w:p/><w:tbl>"
        + row(p("Year"), p(), p("1931"))
        + "</w:tbl>"
    )
    article = to_article(parse_docx(word(body)), "a.docx")
    assert article.text == "Part | Length\nDeck | 412\xa0m measured\nCable\n\nYear | | 1931"


def test_a_table_that_only_places_text_on_the_page_is_read_as_text() -> None:
    long = "The bridge was opened in 1931. " * 10
    body = "<w:tbl>" + row(paragraph("Repairs", style="Heading1") + paragraph(long) * 2, paragraph("1")) + "</w:tbl>"
    assert [kind for kind, _ in blocks(parse_docx(word(body)))][:3] == ["title", "text", "text"]


def test_rows_and_cells_in_form_fields_and_changes_are_read_and_deleted_rows_are_not() -> None:
    cell = f"<w:tc>{paragraph('new')}</w:tc>"
    body = (
        f"<w:tbl><w:sdt><w:sdtContent>{row(paragraph('a'), paragraph('b'))}</w:sdtContent></w:sdt>"
        f"<w:tr><w:trPr><w:del/></w:trPr>{cell}</w:tr><w:tr><w:sdt><w:sdtContent>{cell}</w:sdtContent></w:sdt></w:tr></w:tbl>"
    )
    assert texts(body) == ["a | b", "new"]


def test_a_table_of_contents_is_kept_and_no_evidence() -> None:
    body = (
        '<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj></w:sdtPr>'
        f"<w:sdtContent>{paragraph('Contents', style='Heading1')}{paragraph('Repairs 7')}</w:sdtContent></w:sdt>"
        + paragraph("Costs 9", style="C1")
        + paragraph("It is long.")
    )
    assert blocks(parse_docx(word(body, styles=STYLES))) == [
        ("boilerplate", "Contents"),
        ("boilerplate", "Repairs 7"),
        ("boilerplate", "Costs 9"),
        ("text", "It is long."),
    ]


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (("see ", f'<w:fldSimple w:instr="REF a">{run("Table 3")}</w:fldSimple>', "."), "see Table 3."),
        (("<w:r><w:instrText>REF a</w:instrText></w:r>", "Table 3"), "Table 3"),
        ((f"<w:ruby><w:rt>{run('とう')}</w:rt><w:rubyBase>{run('東')}</w:rubyBase></w:ruby>", "京"), "東京"),
        ((f"<w:bdo>{run('one ')}</w:bdo>", f"<w:smartTag>{run('two')}</w:smartTag>"), "one two"),
        (
            (f"<w:ins>{run('new')}</w:ins>", f"<w:del>{run('gone')}<w:r><w:delText>gone</w:delText></w:r></w:del>"),
            "new",
        ),
        ((f"<w:moveTo>{run('here')}</w:moveTo>", f"<w:moveFrom>{run('there')}</w:moveFrom>"), "here"),
        (("see ", f'<w:hyperlink r:id="no-such">{run("the report")}</w:hyperlink>'), "see the report"),
        (("<w:r><w:t>two</w:t><w:tab/><w:t>three</w:t><w:br/><w:t>four</w:t><w:cr/></w:r>", "5"), "two three\nfour\n5"),
        (("well", "<w:r><w:noBreakHyphen/></w:r>", "known"), "well‑known"),
        (("soft", "<w:r><w:softHyphen/></w:r>", "ware hy\xadphen"), "software hyphen"),
        (('<w:r><w:sym w:font="Symbol" w:char="F061"/></w:r>', "-rays"), "α-rays"),
        (("so ", '<w:r><w:sym w:font="Wingdings" w:char="F0E0"/></w:r>'), "so →"),
        (('<w:r><w:sym w:font="Nobody" w:char="zz"/></w:r>', "x"), "x"),
        (("a  b \n c",), "a b\nc"),
        (("Tom &amp; &lt;b&gt;Anna&lt;/b&gt;",), "Tom & <b>Anna</b>"),
    ],
)
def test_the_words_of_a_sentence_are_all_read_and_no_others(content: tuple[str, ...], text: str) -> None:
    assert texts(paragraph(*content)) == [text]


def test_marks_of_notes_leave_the_sentence_and_notes_follow_the_text() -> None:
    mark = '<w:r><w:{}Reference w:id="{}"/></w:r>'
    own_mark = '<w:r><w:footnoteReference w:customMarkFollows="1" w:id="3"/><w:t>*</w:t></w:r>'
    body = paragraph("It is long", mark.format("endnote", 1), " and old", own_mark, ".", mark.format("footnote", 2))
    note = '<w:{0} w:id="{1}"><w:p><w:r><w:{0}Ref/></w:r><w:r><w:t> {2}</w:t></w:r></w:p></w:{0}>'
    footnotes = (
        note.format("footnote", -1, "separator")
        + note.format("footnote", 2, "412 m.")
        + note.format("footnote", 3, "1931.")
    )
    endnotes = note.format("endnote", 1, "See Berg.") + note.format("endnote", 9, "Nobody refers to it.")
    assert texts(body, footnotes=footnotes, endnotes=endnotes) == [
        "It is long and old.",
        "1931.",
        "412 m.",
        "See Berg.",
    ]


def test_hidden_words_are_not_read() -> None:
    body = (
        paragraph("seen", run(" hidden", "<w:vanish/>"), run(" shown", '<w:vanish w:val="0"/>'))
        + paragraph(run("by its style", '<w:rStyle w:val="Secret"/>'))
        + paragraph("whole", style="Secret")
        + paragraph(run("shown again", '<w:vanish w:val="false"/>'), style="Secret")
    )
    assert texts(body, styles=STYLES) == ["seen shown", "shown again"]


def test_a_paragraph_whose_end_is_deleted_runs_on() -> None:
    deleted = "<w:rPr><w:del/></w:rPr>"
    assert texts(paragraph("It is ", properties=deleted) + paragraph("long.")) == ["It is long."]
    assert texts(paragraph("It is long.", properties=deleted)) == ["It is long."]


def test_a_large_first_letter_belongs_to_its_word() -> None:
    letter = paragraph("T", properties='<w:framePr w:dropCap="drop" w:lines="3"/>')
    assert texts(letter + paragraph("he bridge is long.")) == ["The bridge is long."]


def test_a_text_box_is_read_once_behind_its_paragraph() -> None:
    box = f"<w:txbxContent>{paragraph('In the box.')}</w:txbxContent>"
    both = alternatives(box, f"<w:pict>{box}</w:pict>")
    body = f"<w:p><w:r><w:t>It is </w:t>{both}<w:drawing>{box}</w:drawing><w:t>long.</w:t></w:r></w:p>"
    assert texts(body) == ["It is long.", "In the box.", "In the box."]
    picture = alternatives("<a:blip/>", "<w:t>shown instead</w:t>")
    assert texts(f"<w:p><w:r>{picture}</w:r></w:p>") == ["shown instead"]


def test_what_is_read_with_loss_is_noted() -> None:
    body = (
        paragraph(
            "so ",
            "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath>",
        )
        + '<w:altChunk r:id="x"/>'
    )
    document = parse_docx(word(body))
    assert [block.text for block in document.blocks] == ["so a/b"]
    assert len(document.notes) == 2
    assert not parse_docx(word(paragraph("One."))).notes


def test_comments_headers_and_footers_are_not_read() -> None:
    other = (
        "<w:hdr xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'>"
        + paragraph("Draft")
        + "</w:hdr>"
    )
    parts = {f"word/{name}.xml": other for name in ("comments", "header1", "footer1")}
    assert texts(paragraph("One.", '<w:commentReference w:id="0"/>') + "<w:sectPr/>", **parts) == ["One."]


def test_a_strict_document_is_read_alike() -> None:
    body = paragraph("The bridge", style="T") + paragraph("It is long.", run(" hidden", "<w:vanish/>"))
    parts = {"styles": STYLES}
    data = word(body, **parts)
    strict = {}
    with ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            strict[name] = (
                archive.read(name)
                .decode()
                .replace(
                    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
                    "http://purl.oclc.org/ooxml/wordprocessingml/main",
                )
                .replace(
                    "http://schemas.openxmlformats.org/officeDocument/2006", "http://purl.oclc.org/ooxml/officeDocument"
                )
            )
    assert parse_docx(zipped(strict)) == parse_docx(data)


# ---------------------------------------------------------------- what the file says of itself

CORE = (
    "<dc:title>{title}</dc:title><dc:creator>{creator}</dc:creator><dc:language>nb-NO</dc:language>"
    "<dcterms:created>2019-01-02T09:00:00Z</dcterms:created><dcterms:modified>{modified}</dcterms:modified>"
)


def test_the_properties_of_the_document_are_read() -> None:
    core = CORE.format(title="The bridge", creator="Ida Berg", modified="2024-03-01T10:00:00Z")
    document = parse_docx(word(paragraph("One."), core=core))
    assert (document.title, document.author) == ("The bridge", "Ida Berg")
    assert (document.published, document.language) == ("2024-03-01", "nb")


def test_what_programs_write_of_themselves_is_no_author_title_or_date() -> None:
    core = CORE.format(title="Document1", creator="python-docx", modified="2013-12-23T23:15:00Z").replace(
        "2019", "1601"
    )
    document = parse_docx(word(paragraph("One."), core=core))
    assert (document.title, document.author, document.published) == (None, None, None)


def test_the_title_in_the_text_comes_before_the_one_in_the_properties() -> None:
    core = CORE.format(title="Template of 2003", creator="", modified="")
    document = parse_docx(word(paragraph("The ", "bridge", style="T") + paragraph("One."), styles=STYLES, core=core))
    assert document.title == "The bridge"


# ---------------------------------------------------------------- hostile and broken files


def test_the_main_part_may_lie_anywhere_in_the_file() -> None:
    relations = '<Relationships><Relationship Type="x/officeDocument" Target="/a/main.xml"/></Relationships>'
    main = f"<document><body>{paragraph('One.', style='T')}</body></document>".replace("w:", "")
    styles = '<Relationships><Relationship Type="x/styles" Target="../b/styles.xml"/></Relationships>'
    style = "<styles><style styleId='T'><name val='heading 1'/></style></styles>"
    members = {"_rels/.rels": relations, "a/main.xml": main, "a/_rels/main.xml.rels": styles, "b/styles.xml": style}
    assert parse_docx(zipped(members)).blocks[0].kind == "title"


def test_nothing_outside_the_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary.png"
    canary.write_bytes(b"\x89PNG")
    opened: list[object] = []
    monkeypatch.setattr("builtins.open", lambda *names, **_: opened.append(names))
    relation = '<Relationship Id="r1" Type="x/{}" Target="{}" TargetMode="External"/>'
    relations = "".join(
        relation.format(kind, canary.as_uri()) for kind in ("image", "styles", "footnotes", "attachedTemplate")
    )
    body = paragraph("It is long.", '<w:r><w:drawing><a:blip r:link="r1"/></w:drawing></w:r>')
    parts = {"word/_rels/document.xml.rels": f"<Relationships>{relations}</Relationships>"}
    assert texts(body, **parts) == ["It is long."]
    assert not opened


def test_pictures_and_embedded_files_are_not_unpacked() -> None:
    parts = {"word/media/image1.png": bytes(50_000_000), "word/embeddings/oleObject1.bin": bytes(50_000_000)}
    body = paragraph("It is long.", '<w:r><w:object><v:imagedata r:id="r1"/></w:object><a:blip r:embed="r2"/></w:r>')
    assert texts(body, **parts) == ["It is long."]


@pytest.mark.parametrize(
    "part", ["word/document.xml", "word/styles.xml", "word/_rels/document.xml.rels", "docProps/core.xml"]
)
@pytest.mark.parametrize("document", [BOMB, EXTERNAL])
def test_a_part_that_declares_entities_is_refused(part: str, document: str) -> None:
    assert refused(word(paragraph("One."), **{part: document})) == f"forbidden: {part} declares XML entities"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped({"word/styles.xml": "<a/>"}), "damaged: word/document.xml is missing"),
        (zipped({"word/document.xml": "<a/>"}), "damaged: no text where a Word document has it"),
        (zipped({"word/document.xml": "<a>"}), "damaged: word/document.xml is not well-formed XML"),
        (word("<w:p/>")[:-100], "damaged: the end of the file is missing or broken"),
        (word("<w:sdt>" * 5000 + "</w:sdt>" * 5000), "damaged: nested too deeply"),
        (word("<w:p>" + "<w:ins>" * 5000 + "</w:ins>" * 5000 + "</w:p>"), "damaged: nested too deeply"),
    ],
)
def test_a_broken_document_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert refused(data) == reason


_PIECES = st.sampled_from(
    "<w:p> </w:p> <w:r> </w:r> <w:t>x</w:t> <w:tbl> </w:tbl> <w:tr> </w:tr> <w:tc> </w:tc> <w:sym/> <w:sdt> </w:sdt> "
    "<w:footnoteReference/> <w:pPr><w:pStyle/><w:outlineLvl/><w:numPr/></w:pPr> <mc:AlternateContent> "
    "</mc:AlternateContent> <w:txbxContent> </w:txbxContent> <w:basedOn/>".split()
)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=30))
def test_any_elements_in_any_order_are_read_or_refused(pieces: list[str]) -> None:
    balanced, opened = [], []
    for piece in pieces:
        name = piece.strip("<>/")
        if piece.startswith("</"):
            if name not in opened:
                continue
            while opened[-1] != name:
                balanced.append(f"</{opened.pop()}>")
            opened.pop()
        elif piece.count("<") == 1 and not piece.endswith("/>"):
            opened.append(name)
        balanced.append(piece)
    balanced += [f"</{name}>" for name in reversed(opened)]
    found = [text for text in texts("".join(balanced)) if text]
    assert sum(text.count("x") for text in found) <= sum(piece.count("x</w:t>") for piece in balanced)


# ---------------------------------------------------------------- real documents


def test_real_documents_keep_every_word_of_their_text(evaluation_data: Callable[[str], Path]) -> None:
    folder = evaluation_data("datasets/messy_documents/files")
    for path in sorted(folder.glob("*.docx")):
        article = to_article(parse_docx(path.read_bytes()), path.name)
        assert_canonical(article)
        with ZipFile(path) as archive:
            xml = archive.read("word/document.xml").decode()
        xml = re.sub(r"<mc:Fallback>.*?</mc:Fallback>", "", xml, flags=re.DOTALL)
        written = unescape("".join(re.findall(r"<w:t(?: [^>]*)?>([^<]*)</w:t>", xml)))
        missing = Counter("".join(written.split())) - Counter(article.text)
        assert not missing, path.name


def test_a_handbook_of_872_pages_is_read_with_its_headings_and_notes(evaluation_data: Callable[[str], Path]) -> None:
    path = evaluation_data("datasets/messy_documents/files") / "handbook-872p.docx"
    article = to_article(parse_docx(path.read_bytes()), path.name)
    assert len(article.text.split()) > 120_000
    assert sum(block.kind == "heading" for block in article.blocks) > 250
    assert not re.search(r"\[\d+\]", " ".join(evidence(article)))
