"""Documents to hand on: whatever is in an answer, its words are all there, and only our own markup is markup."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from defusedxml.ElementTree import fromstring
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from rag.cite import cite
from rag.disagreement import disagreements
from rag.export import Entry, clip_html, docx, markdown, plain
from rag.load.docx import parse_docx
from rag.prompts import NOT_FOUND
from rag.quotes import quote
from rag.text import clean
from rag.types import QUOTES, Answer, AnswerSentence, Chip, Citation, Disagreement, Draft, Evidence, Judgement, Verdict
from rag.verify import verify
from tests.evidence import draft, evidence, hit, same

BRIDGE = hit("The bridge at Ostvik is 412 metres long. It was opened in 1931.", title="The bridge")
BEES = hit("Honey bees form a cluster. They are 30 degrees warm.", "b.md", title="The bees")
FOUND = evidence("How long is the bridge?", BRIDGE, BEES)
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
AT = "2026-03-04T05:06:07+00:00"

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--",
    "![x](http://h/p.png)",
    "![x][r]",
    "[x](http://h/)",
    "[x](javascript:alert(1))",
    "[r]: http://h/ 'title'",
    "[^1]: forged",
    "[^1]",
    "^[inline]",
    "!",
    ":",
    "(x)",
    "<http://h/>",
    "http://h.org/",
    "www.h.org",
    "&lt;b&gt;",
    "&copy",
    "\\",
    "{{7*7}}",
    "$x$",
]
SIGNS = ["`", "``", "**", "*", "_", "__", "~~", "|", '"', "“", "\u202e", "\u200b", "\ufffe", "⸢", "#", "-", "+", "="]
WORDS = ["The bridge", "is 412 metres long.", "It was opened in 1931.", "Bees?", "茶叶产于云南。", "الجسر", "ß", "\t"]
LINES = ["\n", "\n\n", "\n- ", "\n  * ", "\n1. ", "\n3) ", "\n> ", "\n# ", "\n#### ", "\n---\n", "\n===\n", "\n    "]
LINES += ["\n```\n", "\n~~~\n", "\n| a | b |\n|---|---|\n| ", "\na | b\n---|---\n", "\\\n", "\n* * *\n"]
MARKS = [" [1]", "[2]", " [1, 2]", " [1][2]", " [9]", " [2]."]
LANGUAGE = re.compile(r"(?m)(?<=```|~~~)[^`\n]*$")  # behind the fence of a block of code


def pieces(*kinds: list[str]) -> st.SearchStrategy[str]:
    """Return texts put together from pieces of all kinds alike, some with blanks between them."""
    piece = st.one_of(*(st.sampled_from(kind) for kind in kinds))
    return st.lists(st.tuples(piece, st.sampled_from(["", " "])).map("".join), max_size=12).map("".join)


texts = pieces(HOSTILE, SIGNS, WORDS)
replies = pieces(HOSTILE, SIGNS, WORDS, WORDS, LINES, LINES, MARKS)


def answered(reply: str, found: Evidence = FOUND, **details: object) -> Answer:
    """Return the checked answer that a model's reply becomes."""
    return checked(draft(reply, found), found, **details)


def checked(drafted: Draft, found: Evidence, **details: object) -> Answer:
    cited = cite(drafted, found, same)
    text, sentences = verify(cited, found)
    answer = Answer(found.question, "partial", text, sentences, cited.citations, found, drafted.model)
    return replace(answer, **details)  # type: ignore[arg-type]


def supported(answer: Answer) -> Answer:
    """Return an answer without a remark in it."""
    return replace(answer, sentences=tuple(replace(one, verdict="supported") for one in answer.sentences))


# ---------------------------------------------------------------- readers of what was written


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    begin = state.bMarks[start] + state.tShift[start]
    match = re.compile(r"\[\^(\w+)\]:").match(state.src, begin, state.eMarks[start])
    if match is None or state.sCount[start] >= 4:
        return False
    if not silent:
        line = start + 1
        while line < end and not state.isEmpty(line) and state.sCount[line] >= 4:
            line += 1
        state.push("definition_open", "", 1).info = match[1]
        inline = state.push("inline", "", 0)
        source = state.src[match.end() : state.eMarks[line - 1]]
        inline.content, inline.children = "\n".join(map(str.strip, source.split("\n"))), []
        state.push("definition_close", "", -1)
        state.line = line
    return True


def _reference(state: StateInline, silent: bool) -> bool:
    match = re.compile(r"\[\^(\w+)\]").match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        state.push("note", "", 0).info = match[1]
    state.pos = match.end()
    return True


# Everything that could be markup is: raw HTML, images, links, and footnotes as their extension reads them.
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
RENDERER.block.ruler.before("reference", "definition", _definition, {"alt": ["paragraph", "reference"]})
RENDERER.inline.ruler.after("image", "note", _reference)


class Read:
    """A document as its reader sees it: its words, its notes by number, the numbers that refer to them, in order."""

    def __init__(self) -> None:
        self.text = ""
        self.notes: dict[int, str] = {}
        self.marks: list[int] = []
        self.links: list[str] = []

    @property
    def first_uses(self) -> list[int]:
        return list(dict.fromkeys(self.marks))


def read_markdown(source: str) -> Read:
    """Read Markdown as a renderer does; nothing in it may be markup that an answer could have brought."""
    read, note = Read(), 0
    for token in RENDERER.parse(source):
        assert token.type not in ("html_block", "reference"), token
        note = int(token.info) if token.type == "definition_open" else 0 if token.nesting < 0 else note
        if token.type == "definition_open":
            assert note not in read.notes
            read.notes[note] = ""
        for text in inline_text(token, read):
            if note:
                read.notes[note] += text
            else:
                read.text += text
        read.text += "\n"
    return read


def inline_text(token: Token, read: Read) -> Iterator[str]:
    for child in token.children or ():
        assert child.type not in ("html_inline", "image"), token.content
        if child.type == "link_open":
            assert child.markup == "autolink"
            read.links.append(str(child.attrs["href"]))
        if child.type == "note":
            read.marks.append(int(child.info))
        yield "\n" if child.type in ("softbreak", "hardbreak") else child.content
    if token.type in ("fence", "code_block"):
        yield f"{token.info}\n{token.content}"


def read_docx(data: bytes) -> Read:
    """Read a Word document; all its parts are well-formed, and each is named where it has to be."""
    read = Read()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: fromstring(archive.read(name)) for name in archive.namelist()}
    for element in parts["word/document.xml"].iter():
        if element.tag == WORD + "footnoteReference":
            read.marks.append(int(element.get(WORD + "id", "")))
            assert read.marks.count(read.marks[-1]) == 1, "a second reference would be counted as a note of its own"
    read.text = docx_text(parts["word/document.xml"])
    for note in parts["word/footnotes.xml"]:
        if note.get(WORD + "type") is None:
            read.notes[int(note.get(WORD + "id", ""))] = docx_text(note).strip()
    return read


def docx_text(root: object) -> str:
    text = ""
    for element in root.iter():  # type: ignore[attr-defined]
        assert "hyperlink" not in element.tag
        text += (
            element.text or ""
            if element.tag == WORD + "t"
            else "\n"
            if element.tag in (WORD + "br", WORD + "p")
            else ""
        )
    return text


def read_plain(text: str) -> Read:
    read = Read()
    read.text, _, notes = text.partition("\n\nReferences\n\n") if "\n\nReferences\n\n" in text else (text, "", "")
    read.notes = {int(n): note for n, note in re.findall(r"(?ms)^\[(\d+)\] (“.*?)(?=\n\n\[\d+\] “|\n?\Z)", notes)}
    return read


def read_html(source: str) -> Read:
    """Read HTML; it holds nothing but plain markup."""
    read, tree = Read(), BeautifulSoup(source, "html.parser")
    plain_tags = "p em strong code pre ul ol li blockquote table tr th td hr br sup a h2 h3 h4 h5 h6".split()
    for tag in tree.find_all(True):
        assert tag.name in plain_tags, tag
        assert tag.attrs.keys() <= {"a": {"href"}, "ol": {"start"}}.get(tag.name, set()), tag
    read.links = [str(link["href"]) for link in tree.select("a")]
    read.marks = [int(mark.extract().get_text()[1:-1]) for mark in tree.select("sup")]
    for line_end in tree.select("br"):
        line_end.replace_with("\n")
    if read.marks:
        references = tree.find_all("ol", recursive=False)[-1].extract()
        read.notes = {n: item.get_text() for n, item in enumerate(references.find_all("li"), start=1)}
    read.text = tree.get_text()
    return read


def every_form(answer: Answer) -> dict[str, Read]:
    entries = [Entry(answer.question, answer, AT)]
    return {
        "markdown": read_markdown(markdown(entries)),
        "docx": read_docx(docx(entries)),
        "plain": read_plain(plain(answer)),
        "html": read_html(clip_html(answer)),
    }


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


def squeezed(text: str) -> str:
    return "".join(char for char in text if not char.isspace() and char != "\ufffe")


def unmarked(answer: Answer) -> str:
    """Return the text of an answer without the marks in it."""
    text = answer.text
    for chip in reversed([chip for sentence in answer.sentences for chip in sentence.chips]):
        text = text[: chip.start] + text[chip.end :]
    return text


# ---------------------------------------------------------------- anything in it


@st.composite
def any_answer(draw: st.DrawFn) -> Answer:
    """Return the answer to a question, hostile and ordinary in all its parts."""
    hits = [hit(f"{clean(draw(texts))} x. {clean(draw(texts))}", f"{i}.md", title=draw(texts)) for i in range(2)]
    found = replace(evidence(draw(texts), *hits), missing=tuple(draw(st.lists(texts, max_size=1))))
    answer = checked(draw(st.sampled_from([draft(draw(replies), found), quote(found, 3)])), found)
    span = hits[1].passage.sentences[0]
    other = Citation(draw(st.integers(0, len(answer.citations))), 2, hits[1].source, span.start, span.end, draw(texts))
    verdicts: st.SearchStrategy[Verdict] = st.sampled_from(["supported", "partial", "unsupported", "contradicted"])
    return replace(
        answer,
        question=draw(texts),
        disagreements=tuple(Disagreement(citation, other) for citation in answer.citations[: draw(st.integers(0, 1))]),
        sentences=tuple(replace(one, verdict=draw(verdicts), reasons=(draw(texts),)) for one in answer.sentences),
        status=draw(st.sampled_from(["grounded", "partial", "not_found", "incomplete"])),
        model=answer.model if answer.model == QUOTES else draw(texts),
        warnings=tuple(draw(st.lists(texts, max_size=1))),
        dropped_marks=draw(st.integers(0, 2)),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(any_answer(), max_size=3), st.one_of(st.none(), texts))
def test_no_answer_brings_markup_and_footnotes_are_numbered_through(answers: list[Answer], title: str | None) -> None:
    entries = [Entry(answer.question, answer, AT) for answer in answers]
    quotes = [citation.quote for answer in answers for citation in answer.citations]
    for read in (read_markdown(markdown(entries, title)), read_docx(docx(entries, title))):
        assert read.first_uses == list(read.notes) == list(range(1, len(read.notes) + 1))
        assert not read.links
        noted = "".join(squeezed(note) for note in read.notes.values())
        at = 0
        for text in quotes:
            at = noted.index(f"“{squeezed(clean(text))}”", at) + 1


@settings(deadline=None, max_examples=150)
@given(replies)
@example("**The bridge is long [1].** It is *old*: `a` [2]:b. 1. x\n2) y\n[^1]: z")
@example("| what | length |\n|---|---|\n| bridge | 412 metres | crowns |")
@example("what | length\n---|---\nbridge | 412 | 99\nbees | 30 [1].")
@example("``` It was\nlong. [1]\n```\n1. x\n\n       long\n- \n- y")
@example("Long![1](x) [1]:\n[1] : b")
@example("a `\u202e` b **\u202e**c | [1]\n|---|\n| |\n\na | b\n---|---\n<script>")
@example("1986\\. A great year.\n\n0. null\n1. one")
def test_no_word_of_a_reply_is_lost_in_any_form(reply: str) -> None:
    answer = supported(answered(reply))
    text = unmarked(answer)
    for name, read in every_form(answer).items():
        shown = letters(read.text)
        assert letters(text) in shown or letters(LANGUAGE.sub("", text)) in shown, name
        assert list(read.notes) == [citation.n for citation in answer.citations], name
        for citation in answer.citations:
            assert squeezed(read.notes[citation.n]).startswith(f"“{squeezed(citation.quote)}”"), name


@settings(deadline=None, max_examples=60)
@given(st.lists(texts.map(clean).filter(str.strip), min_size=1, max_size=3))
def test_quotes_are_in_each_form_character_for_character(passages: list[str]) -> None:
    found = evidence("How long is the bridge?", *(hit(text, f"{i}.md") for i, text in enumerate(passages)))
    answer = supported(checked(quote(found, 3), found))
    for name, read in every_form(answer).items():
        text = squeezed(re.sub(r"\[\d+\]", "", read.text) if name == "plain" else read.text)
        at = 0
        for citation in answer.citations:
            words = squeezed(citation.quote)
            shown = re.sub(r"\[\d+\]", "", words) if name == "plain" else words
            assert shown in text, name
            assert squeezed(read.notes[citation.n])[at:].startswith(f"“{words}”"), name


def inert(payloads: list[str]) -> None:
    """Check that documents on answers which hold these texts everywhere hold nothing but text."""
    entries = []
    for payload in payloads:
        found = evidence(payload, hit(f"It is {clean(payload)} so.", title=payload, published=payload))
        text = f"It is {payload} so [1]. {payload}\n- {payload}"
        at = text.index(" [1]. ") + 1
        sentence = AnswerSentence(text, 0, len(text), "partial", (payload,), (1,), (Chip(at, at + 3, 1),))
        source = replace(found.hits[0].source, author=payload, source=payload, url=payload)
        cited = Citation(1, 1, source, 0, 9, found.hits[0].passage.text)
        answer = Answer(payload, "partial", text, (sentence,), (cited,), found, payload, warnings=(payload,))
        entries.append(Entry(payload, answer))
        entries.append(Entry(payload, replace(answer, status="not_found", sentences=(), citations=())))
        address = payload if re.fullmatch(r"https?://\S+", payload) else None
        assert {address} >= set(read_html(clip_html(answer)).links)
    numbers = list(range(1, len(payloads) + 1))
    for read in (read_markdown(markdown(entries, payloads[0])), read_docx(docx(entries, payloads[0]))):
        assert read.first_uses == list(read.notes) == numbers
        for payload, note in zip(payloads, read.notes.values(), strict=True):
            assert squeezed(note).startswith(f"“Itis{squeezed(clean(payload))}so.”")
        assert set(read.links) <= {RENDERER.normalizeLink(one) for one in payloads if re.match(r"https?://", one)}


@pytest.mark.parametrize("payload", [*HOSTILE, "http://h/a(b)?c=d&e", "a\n\nb", "a\n    b\n[^1]: c", "1. a"])
def test_an_attack_stays_inert(payload: str) -> None:
    inert([payload])


def test_what_stands_behind_a_mark_makes_no_link_image_or_definition_of_it() -> None:
    text = "[1]: Long![1](x)"
    sentence = AnswerSentence(text, 0, len(text), "supported", (), (1,), (Chip(0, 3, 1), Chip(10, 13, 1)))
    cited = answered("The bridge at Ostvik is 412 metres long [1].").citations
    answer = Answer("q", "partial", text, (sentence,), cited, FOUND, "model")
    read = read_markdown(exported(answer))
    assert (read.marks, list(read.notes), read.links) == ([1, 1], [1], [])
    assert ": Long!(x)" in read.text
    assert "\\!" in exported(answer)  # some take what begins with a sign of exclamation for an image


@pytest.mark.slow
def test_known_attacks_stay_inert(evaluation_data: Callable[[str], Path]) -> None:
    path = evaluation_data("datasets/xss_and_naughty_strings_dev") / "items.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1:3]
    payloads = [payload for line in lines if (payload := json.loads(line)["payload"].replace("\0", "")).strip()]
    for start in range(0, len(payloads), 100):
        inert(payloads[start : start + 100])


# ---------------------------------------------------------------- Markdown


def exported(answer: Answer, title: str | None = None) -> str:
    return markdown([Entry(answer.question, answer, AT)], title)


def test_a_footnote_says_where_its_quote_stands() -> None:
    source = replace(BRIDGE.source, author="Ida Berg", url="https://example.org/bridge?a=1_2")
    found = replace(FOUND, hits=(replace(BRIDGE, source=source), BEES))
    answer = answered("The bridge at Ostvik is 412 metres long [1].", found)
    answer = replace(answer, citations=(replace(answer.citations[0], page=3), *answer.citations[1:]))
    assert exported(answer).splitlines()[-1] == (
        "[^1]: “The bridge at Ostvik is 412 metres long.”, The bridge, Ida Berg, 2025-01-02, page 3, a\\.md, "
        "<https://example.org/bridge?a=1_2>, characters 100–140, sha256:00"
    )


@pytest.mark.parametrize(
    ("reply", "written"),
    [
        ("The bridge **is 412 metres** long [1].", "The bridge **is 412 metres** long[^1]."),
        ("The *bridge* is `412 | x` long [1].", "The *bridge* is `412 | x` long[^1]."),
        ("- ***Long*** [1]\n- _Old_ [1]", "- ***Long***[^1]\n- *Old*[^1]"),
        ("3. Long [1]\n4. Old [1]", "3. Long[^1]\n4. Old[^1]"),
        ("> Long [1]\n>\n> Old", "> Long[^1]\n>\n> Old"),
        ("# Long [1]", "## Long[^1]"),
        ("Long [1]\n\n---\n\nOld", "Long[^1]\n\n---\n\nOld"),
        ("| a | b |\n|---|---|\n| Long [1] | `x \\| y` |", "| a | b |\n|---|---|\n| Long[^1] | `x \\| y` |"),
        ("Long [1]\n\n```python\na[1] = 2\n```", "Long[^1]\n\n```python\na[1] = 2\n```"),
        ("[1] Long\\\nOld", "[^1] Long\\\nOld"),
        ("1. Long [1]\n   - Old", "1. Long[^1]\n\n   - Old"),
    ],
)
def test_the_markdown_of_an_answer_stays_markdown(reply: str, written: str) -> None:
    lines = exported(supported(answered(reply.replace("[1]", "[2]").replace("a[2]", "a[1]")))).split("\n\n*Checked")[0]
    assert lines == f"# How long is the bridge?\n\n{written}"


def test_a_sentence_that_is_not_supported_says_so_and_why() -> None:
    answer = answered("The bridge is 412 metres long [1]. The tunnel is <old> [x].")
    assert "*\\[not supported: The sentence has no citation.\\]*" in exported(answer)
    for read in every_form(answer).values():
        assert "old> [x]. [not supported: The sentence has no citation.]" in read.text
        assert "[supported" not in read.text


def test_a_conversation_has_a_title_and_numbers_its_footnotes_through() -> None:
    one = answered("The bridge at Ostvik is 412 metres long [1].")
    two = answered("Honey bees form a cluster [2]. The bridge at Ostvik is 412 metres long [1].")
    text = markdown([Entry("How long?", one, AT), Entry("And bees?", two)], "On bridges")
    assert re.findall(r"(?m)^#+ .*", text) == ["# On bridges", "## How long?", "## And bees?"]
    assert "Honey bees form a cluster[^2]. The bridge at Ostvik is 412 metres long[^3]." in text
    assert "*Model: model · 2026-03-04 05:06 UTC*" in text
    assert "*Understood as: How long is the bridge?*" in text
    assert list(read_markdown(text).notes) == [1, 2, 3]


def test_nothing_found_says_so_and_shows_the_nearest_passages_word_for_word() -> None:
    answer = Answer("And bees?", "not_found", NOT_FOUND, (), (), FOUND, QUOTES)
    for name, read in every_form(answer).items():
        said = [NOT_FOUND, "Nearest passages:", f"“{BRIDGE.passage.text}”, The bridge", f"“{BEES.passage.text}”, The b"]
        places = [read.text.find(words) for words in said]
        assert -1 not in places, name
        assert places == sorted(places), name


def test_statements_that_do_not_agree_are_both_quoted_with_dates_the_newer_first() -> None:
    one = hit("The pilot cost 1.2 million euros.", "a.md", title="A", published="2025-01-02")
    two = hit("The pilot cost 1.5 million euros.", "b.md", title="B", published="2025-03-04")
    found = evidence("What did the pilot cost?", one, two)
    answer = answered("The pilot cost 1.2 million euros [1].", found)
    answer = replace(answer, disagreements=disagreements(answer.citations, found))
    assert len(answer.disagreements) == 1
    text = exported(answer)
    assert "- B, 2025-03-04: “The pilot cost 1.5 million euros.”[^2]\n- A, 2025-01-02: " in text
    assert "[^2]: “The pilot cost 1.5 million euros.”, B, 2025-03-04, b\\.md" in text
    again = markdown([Entry("How long?", answered("The bridge at Ostvik is 412 metres long [1].")), Entry("q", answer)])
    assert "euros.”[^3]\n- A, 2025-01-02: “The pilot cost 1.2 million euros.”[^2]" in again
    for read in every_form(answer).values():
        assert read.notes[2].startswith("“The pilot cost 1.5 million euros.”")


def test_all_that_is_said_of_an_answer_is_in_the_document() -> None:
    found = replace(FOUND, missing=("what did it cost",))
    answer = answered("The bridge at Ostvik is 412 metres long [1]. It has towers.", found, dropped_marks=2)
    answer = replace(answer, status="incomplete", warnings=("The model stopped.",))
    answer = replace(answer, judgement=Judgement("strict", ("supported", None)))
    for text in (read_markdown(exported(answer)).text, read_docx(docx([Entry("How long?", answer)])).text):
        for words in (
            "Not in the articles: “what did it cost”",
            "This answer is not complete.",
            "The model stopped.",
            "Checked: 1 of 2 sentences is supported by the cited words.",
            "Second opinion, strict: 1 of 1 supported",
            "Invented marks removed: 2",
        ):
            assert words in text


@pytest.mark.parametrize("piece", ["*", "`a", "[", "> ", "- a\n", "**a** ", "a\\\n", "|a|b|\n|---|---|\n|c|d|\n"])
def test_no_reply_takes_long(piece: str) -> None:
    text = piece * (6_000 // len(piece))
    sentence = AnswerSentence(text, 0, len(text), "supported", (), ())
    began = time.monotonic()
    every_form(Answer("q", "partial", text, (sentence,), (), FOUND, "model"))
    assert time.monotonic() - began < 20


def test_no_entries_make_an_empty_document() -> None:
    assert markdown([]) == "\n"
    assert parse_docx(docx([], "Nothing")).title == "Nothing"


# ---------------------------------------------------------------- the clipboard


def test_what_is_copied_are_the_words_with_marks_and_the_references_below() -> None:
    answer = supported(answered("The *bridge* at Ostvik is 412 metres long [1].\n\n- They are 30 degrees warm [2]."))
    assert plain(answer) == (
        "The bridge at Ostvik is 412 metres long [1].\n\n- They are 30 degrees warm [2].\n\nReferences\n\n"
        "[1] “The bridge at Ostvik is 412 metres long.”, The bridge, 2025-01-02, a.md\n\n"
        "[2] “They are 30 degrees warm.”, The bees, 2025-01-02, b.md\n"
    )
    assert clip_html(answer) == (
        "<p>The <em>bridge</em> at Ostvik is 412 metres long<sup>[1]</sup>.</p>"
        "<ul><li>They are 30 degrees warm<sup>[2]</sup>.</li></ul><p><strong>References</strong></p><ol>"
        "<li>“The bridge at Ostvik is 412 metres long.”, The bridge, 2025-01-02, a.md</li>"
        "<li>“They are 30 degrees warm.”, The bees, 2025-01-02, b.md</li></ol>"
    )


def test_a_table_is_copied_as_cells() -> None:
    answer = supported(answered("| what | length |\n|---|---|\n| The bridge | **412** [1] |"))
    assert plain(answer).startswith("what\tlength\nThe bridge\t412 [1]\n\nReferences")
    assert "<tr><td>The bridge</td><td><strong>412</strong><sup>[1]</sup></td></tr>" in clip_html(answer)
