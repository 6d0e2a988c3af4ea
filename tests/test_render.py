"""How an answer looks: whatever is in it, only our own markup reaches the page, and none of its words is lost."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.cite import cite
from rag.disagreement import disagreements
from rag.prompts import NOT_FOUND
from rag.quotes import quote
from rag.reply import is_code
from rag.types import QUOTES, Answer, AnswerSentence, Chip, Citation, Disagreement, Draft, Evidence, Judgement
from rag.verify import verify
from tests.evidence import draft, evidence, hit, same
from ui.render import citations_of, escape
from ui.turn_view import draft_html, refused_html, turn_html
from ui.turns import Reply, Turn

BRIDGE = hit("The bridge at Ostvik is 412 metres long. It was opened in 1931.", title="The bridge")
BEES = hit("Honey bees form a cluster. They are 30 degrees warm.", "b.md", title="The bees")
FOUND = evidence("How long is the bridge?", BRIDGE, BEES)

MARKDOWN = {*"p ul ol li strong em code pre blockquote h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td".split()}
ATTRIBUTES = {
    "article": {"class", "id", "data-turn", "data-conversation", "aria-label"},
    "h2": {"class"},
    "h3": {"class"},
    "div": {"class", "hidden", "id", "data-key"},
    "p": {"class", "role"},
    "span": {"class"},
    "a": {"class", "href", "aria-label", "download"},
    "button": {"type", "class", "title", "aria-label", "aria-pressed"}
    | {f"data-{name}" for name in ("do", "turn", "key", "good", "note", "question")},
    "details": {"class"},
    "summary": {"class"},
    "q": set(),
    "ol": {"start"},
    "ul": set(),
    "form": {"class", "hidden", "data-key"},
    "label": set(),
    "input": {"name", "maxlength", "value", "autocomplete"},
    "svg": {"class", "viewbox", "aria-hidden"},
    "path": {"d"},
}
CLASS = re.compile(r"fn-[a-z]+|cite|supported|partial|unsupported|contradicted|doubtful")
LINK = re.compile(r"#(cite|evidence|sources)-\d+(-\d+)?|/saved/conv/\d+\.(md|docx|json)")

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src=//h></iframe>",
    "<style>*{display:none}</style>",
    "<form action=//h><input name=q>",
    "<svg/onload=alert(1)>",
    "</span></p></div></article>",
    '"><b onclick="x">',
    "' onmouseover='x",
    "<!--",
    "]]>",
    "<a class=cite href=#cite-1-1>1</a>",
    "![x](http://h/p.png)",
    "![x][r]",
    "[x](http://h/)",
    "[x](javascript:alert(1))",
    "[r]: http://h/ 'title'",
    "[x][r]",
    "<http://h/>",
    "<a@h.org>",
    "javascript:alert(1)",
    "${alert(1)}",
    "{{7*7}}",
    "{% raw %}",
    "&amp;",
    "&lt;b&gt;",
    "&#60;i&#62;",
    "&copy",
    "\\",
]
SIGNS = ["`", "``", "**", "*", "_", "__", "~~", "|", '"', "'", "“", "\u202e", "\u2066", "\u200b", "⸢", "⸣", "⦊"]
WORDS = [
    "The bridge",
    "is 412 metres long.",
    "It was opened in 1931.",
    "Bees?",
    "e.g. x",
    "茶叶产于云南。",
    "《茶经》",
    "ß",
]
LINES = [
    "\n",
    "\n\n",
    "\n- ",
    "\n  * ",
    "\n1. ",
    "\n3) ",
    "\n> ",
    "\n# ",
    "\n#### ",
    "\n---\n",
    "\n===\n",
    "\n    ",
    "\n```\n",
    "\n~~~\n",
    "\n| a | b |\n|---|---|\n| ",
    "\na | b\n---|---\n",
]
MARKS = [" [1]", "[2]", " [1, 2]", " [1][2]", " [9]", " [2]."]
LANGUAGE = re.compile(r"(?m)(?<=```|~~~)[^`\n]*$")  # behind the fence of a block of code
LIST_NUMBERS = re.compile(r"(?m)^[\s>*+-]*(?:\d{1,9}[.)]\s*)*")  # which Markdown counts anew
ALL_STAND_INS = "⸢⸣⸤⸥⸦⸧⸨⸩⦃⦄⦅⦆⦇⦈⦉⦊"


def pieces(*kinds: list[str]) -> st.SearchStrategy[str]:
    """Return texts put together from pieces of all kinds alike, some with blanks between them."""
    piece = st.one_of(*(st.sampled_from(kind) for kind in kinds))
    return st.lists(st.tuples(piece, st.sampled_from(["", " "])).map("".join), max_size=14).map("".join)


texts = pieces(HOSTILE, SIGNS, WORDS)
replies = pieces(HOSTILE, SIGNS, WORDS, WORDS, LINES, MARKS)


def answered(reply: str, found: Evidence = FOUND, **details: object) -> Answer:
    """Return the checked answer that a model's reply becomes."""
    return checked(draft(reply, found), found, **details)


def quoted(*texts: str, **details: object) -> Answer:
    """Return the answer in quotes from passages."""
    found = evidence("How long is the bridge?", *(hit(text, f"{i}.md") for i, text in enumerate(texts)))
    return checked(quote(found, 10), found, **details)


def checked(drafted: Draft, found: Evidence, **details: object) -> Answer:
    cited = cite(drafted, found, same)
    text, sentences = verify(cited, found)
    answer = Answer(found.question, "partial", text, sentences, cited.citations, found, drafted.model)
    return replace(answer, **details)  # type: ignore[arg-type]


def parsed(html: str) -> Tag:
    """Return the HTML as a tree, once it is known to hold nothing but our own markup."""
    tree = BeautifulSoup(html, "html.parser")
    for tag in tree.find_all(True):
        assert tag.name in MARKDOWN | ATTRIBUTES.keys(), tag
        assert tag.attrs.keys() <= ATTRIBUTES.get(tag.name, set()), tag
        for name in tag.get_attribute_list("class"):
            assert name is None or CLASS.fullmatch(name), tag
        assert LINK.fullmatch(str(tag.get("href", "#cite-1-1"))), tag
        assert re.fullmatch(r"turn-\d+|note-\d+-\d+", str(tag.get("id", "turn-1"))), tag
        assert tag.get("role") in (None, "alert"), tag
    assert not tree.find_all(string=lambda text: type(text).__name__ != "NavigableString")
    return tree


def shown(answer: Answer, turn: int = 1, error: str | None = None) -> Tag:
    """Return a finished turn, without what can be done with it."""
    tree = parsed(turn_html(Turn(answer.question, (Reply(answer, error),)), turn, "conv"))
    for part in tree.select(".fn-acts, .fn-tools, .fn-notes"):
        part.extract()
    return tree


def drafted(question: str, text: str, model: str) -> str:
    return draft_html(question, 1, [("", text)], model)


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def body(answer: Answer) -> Tag:
    return only(shown(answer), ".fn-answer")


def chips(tree: Tag) -> list[int]:
    """Return the numbers of the chips, once each is known to be one as the page's contract has it."""
    for chip in tree.select("a.cite"):
        n = chip.get_text()
        assert chip.attrs == {"class": ["cite"], "href": f"#cite-1-{n}", "aria-label": f"Footnote {n}"}
    return [int(chip.get_text()) for chip in tree.select("a.cite")]


def words(tree: Tag) -> str:
    """Return the text that is there beside chips and verdicts."""
    for tag in tree.select("a.cite, .fn-verdict"):
        tag.extract()
    return tree.get_text()


def unmarked(text: str, marks: tuple[Chip, ...], at: int = 0) -> str:
    """Return a text that begins at `at` of its answer without the marks in it."""
    for chip in reversed(marks):
        text = text[: chip.start - at] + text[chip.end - at :]
    return text


def squeezed(text: str) -> str:
    return "".join(text.split())


def figures(text: str) -> Counter[str]:
    return Counter(filter(str.isdigit, text))


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


# ---------------------------------------------------------------- anything in it


@st.composite
def any_answer(draw: st.DrawFn) -> Answer:
    """Return the answer to a question, hostile and ordinary in all its parts."""
    hits = [hit(f"{draw(texts)} x. {draw(texts)}", f"{i}.md", title=draw(texts)) for i in range(2)]
    found = replace(evidence(draw(texts), *hits), missing=tuple(draw(st.lists(texts, max_size=1))))
    answer = checked(draw(st.sampled_from([draft(draw(replies), found), quote(found, 3)])), found)
    judged = []
    for sentence in answer.sentences:
        verdict = draw(st.sampled_from(["supported", "partial", "unsupported", "contradicted"]))
        judged.append(replace(sentence, verdict=verdict, reasons=(draw(texts), draw(texts))))
    span = hits[1].passage.sentences[0]
    other = Citation(draw(st.integers(0, 1)), 2, hits[1].source, span.start, span.end, draw(texts))
    return replace(
        answer,
        question=draw(texts),
        disagreements=tuple(Disagreement(citation, other) for citation in answer.citations[: draw(st.integers(0, 1))]),
        sentences=tuple(judged),
        status=draw(st.sampled_from(["grounded", "partial", "not_found", "incomplete"])),
        model=answer.model if answer.model == QUOTES else draw(texts),
        warnings=tuple(draw(st.lists(texts, max_size=2))),
        usage=draw(st.sampled_from([None, {"prompt_tokens": 3}, {"prompt_tokens": 3, "cost": 0.25}])),
        dropped_marks=draw(st.integers(0, 2)),
        timings=draw(st.sampled_from([{}, {"total_ms": 7.0}, {"total_ms": 2345.6}])),
    )


@settings(deadline=None)
@given(any_answer(), st.one_of(st.none(), texts))
def test_no_answer_brings_markup_of_its_own(answer: Answer, error: str | None) -> None:
    tree = shown(answer, 7, error)
    assert only(tree, ".fn-question").get_text() == answer.question
    for warning in answer.warnings:
        assert warning in [tag.get_text() for tag in tree.select(".fn-warning")] or warning == error


@given(texts, replies, st.sampled_from([QUOTES, "model"]))
def test_no_draft_brings_markup_or_links(question: str, text: str, model: str) -> None:
    tree = parsed(drafted(question, text, model))
    assert not tree.select("a")
    assert only(tree, ".fn-question").get_text() == question
    if model == QUOTES and text:
        assert squeezed(only(tree, ".fn-draft").get_text()) == squeezed(text)


@given(texts, texts)
def test_no_error_brings_markup(question: str, message: str) -> None:
    tree = parsed(refused_html(question, 1, message))
    assert only(tree, ".fn-question").get_text() == question
    assert only(tree, "[role=alert]").get_text() == message


@given(replies)
def test_chips_stand_in_the_order_of_their_marks(reply: str) -> None:
    answer = answered(reply)
    if answer.sentences:
        every = [(chip.n, sentence.text) for sentence in answer.sentences for chip in sentence.chips]
        assert chips(body(answer)) in ([n for n, _ in every], [n for n, text in every if not is_code(text)])


@given(replies)
@settings(max_examples=400, deadline=None)
@example(f"The bridge is long{ALL_STAND_INS}. It is *old*.")
@example(f"| what | length |\n|---|---|\n| bridge | {ALL_STAND_INS} |")
@example("| what | length |\n|---|---|\n| bridge | 412 metres | crowns |")
@example("| what | length |\n|---|---|\n| bridge | 412 metres | 99 |")
@example("what | length\n---|---\nbridge | 412 | crowns\nbees | 30 [1].")
def test_no_word_of_a_reply_is_lost(reply: str) -> None:
    answer = answered(reply)
    if answer.sentences:
        every = tuple(chip for sentence in answer.sentences for chip in sentence.chips)
        text = unmarked(answer.text, every)
        shown_words = words(body(answer))
        assert letters(shown_words) in (letters(text), letters(LANGUAGE.sub("", text)))
        assert figures(shown_words) >= figures(LIST_NUMBERS.sub("", LANGUAGE.sub("", text)))


@given(st.lists(texts.filter(bool), min_size=1, max_size=3))
def test_quotes_are_shown_character_for_character(passages: list[str]) -> None:
    answer = quoted(*passages)
    if answer.sentences:
        tree = body(answer)
        assert chips(tree) == [chip.n for sentence in answer.sentences for chip in sentence.chips]
        spans = tree.select(".fn-sentence")
        for span, sentence in zip(spans, answer.sentences, strict=True):
            assert squeezed(words(span)) == squeezed(unmarked(sentence.text, sentence.chips, sentence.start))


@given(texts)
def test_escaped_text_is_read_back_as_it_was(text: str) -> None:
    tree = BeautifulSoup(f'<p title="{escape(text)}">{escape(text)}</p>', "html.parser")
    assert (only(tree, "p").get_text(), only(tree, "p")["title"]) == (text, text)
    assert len(tree.find_all(True)) == 1


@pytest.mark.slow
def test_known_attacks_stay_inert(evaluation_data: Callable[[str], Path]) -> None:
    path = evaluation_data("datasets/xss_and_naughty_strings_dev") / "items.jsonl"
    for line in path.read_text(encoding="utf-8").split("\n")[:-1:4]:  # a browser is shown all of them
        payload = json.loads(line)["payload"].replace("\0", "")
        found = evidence(payload, hit(f"It is {payload} so.", title=payload, published=payload))
        cited = answered(f"It is {payload} so [1].\n\n{payload}\n- {payload} [1]", found, warnings=(payload,))
        assert only(shown(cited), ".fn-question").get_text() == payload
        quotes = checked(quote(found, 3), found, model=QUOTES)
        assert squeezed(payload.split(". ")[0]) in squeezed(words(shown(quotes)))
        nothing = replace(cited, status="not_found", text=payload, sentences=(), citations=(), model=payload)
        assert only(shown(nothing, error=payload), ".fn-none").get_text() == payload
        parsed(drafted(payload, payload, "model"))
        parsed(refused_html(payload, 1, payload))


@pytest.mark.parametrize("piece", ["*", "_a", "`", "`a", "[", "> ", "- ", "| a ", "**a ", "&", "<", "\\", "1. "])
def test_no_reply_takes_long(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    answer = Answer("q", "partial", text, (sentence(text),), (), FOUND, "model")
    began = time.monotonic()
    shown(answer)
    drafted("q", text, "model")
    assert time.monotonic() - began < 20


# ---------------------------------------------------------------- Markdown


def sentence(text: str, **details: object) -> AnswerSentence:
    return AnswerSentence(text, 0, len(text), "supported", (), (), **details)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "tag", "content"),
    [
        ("The bridge **is 412 metres** long [1].", "strong", "is 412 metres"),
        ("The bridge **is 412 metres long [1].** It is old.", "strong", "is 412 metres long1."),
        ("**The bridge is long.** [1] It is old [1].", "strong", "The bridge is long."),
        ("**The bridge is long [1].**", "strong", "The bridge is long1."),
        ("The bridge is *long* [1].", "em", "long"),
        ("_The bridge_ is long[1].", "em", "The bridge"),
        ("The bridge is `412 [1]` metres long [1].", "code", "412 [1]"),
        ("- The bridge is long [1]\n", "ul > li", "The bridge is long1"),
        ("1. The bridge is long [1].", "ol > li", "The bridge is long1."),
        ("## The bridge [1]\n", "h2:not(.fn-question)", "The bridge1"),
        ("> The bridge is long [1].", "blockquote", "\nThe bridge is long1.\n"),
    ],
)
def test_markdown_keeps_its_form_around_chips(reply: str, tag: str, content: str) -> None:
    tree = body(answered(reply))
    for flag in tree.select(".fn-verdict"):
        flag.extract()
    assert only(tree, tag).get_text() == content
    assert chips(tree)


def test_a_chip_in_bold_stands_in_the_bold() -> None:
    assert chips(only(body(answered("The bridge **is 412 metres long [1].**")), "strong")) == [1]


def test_a_table_keeps_its_rows_with_chips_and_verdicts() -> None:
    reply = "| what | length |\n|---|---|\n| The bridge [1] | 412 metres [1] |\n| The tunnel | 97 metres |\n"
    tree = body(answered(reply))
    assert [cell.get_text() for cell in tree.select("th")] == ["what", "length"]
    assert [chips(cell) for cell in tree.select("td")] == [[1], [1], [], []]
    assert len(tree.select(".fn-verdict.unsupported")) == 1
    rows = [[words(cell).strip() for cell in row.select("td")] for row in tree.select("tbody tr")]
    assert rows == [["The bridge", "412 metres"], ["The tunnel", "97 metres"]]


def test_a_mark_behind_a_table_row_leaves_the_table_as_it_is() -> None:
    tree = body(answered("| what | length |\n|---|---|\n| The bridge | 412 metres | [1]\n"))
    assert chips(tree) == [1]
    assert [words(cell).strip() for cell in tree.select("td")] == ["The bridge", "412 metres"]


def test_a_list_keeps_its_numbers() -> None:
    tree = body(answered("3. The bridge is long [1].\n4. It is old [1]."))
    assert only(tree, "ol").get("start") == "3" or "3" in words(tree)


def test_a_block_of_code_is_shown_as_it_is_and_what_follows_is_not_code() -> None:
    tree = body(answered("```\nx = [1]  # **no** <b>\n```\nThe bridge is *long* [1]."))
    assert only(tree, "pre").get_text() == "x = [1]  # **no** <b>\n"
    assert only(tree, "em").get_text() == "long"
    assert chips(tree) == [1]


def test_a_mark_behind_a_block_of_code_does_not_turn_the_rest_into_code() -> None:
    tree = body(answered("```\nx = 1\n``` [1]\n\nThe bridge is *long* [1]."))
    assert "long" not in only(tree, "pre").get_text()


@pytest.mark.parametrize("code", ["```x``` is a command.", "- ```\n  x\n  ```", "````\n```\n````"])
def test_code_of_any_form_ends_where_markdown_ends_it(code: str) -> None:
    tree = body(answered(f"{code}\n\nThe bridge is 412 metres long [1]. It was opened in 1931 [1]."))
    assert chips(tree) == [1, 2]
    assert "It was opened in 1931." in [words(span) for span in tree.select(".fn-sentence.supported")]


def test_links_images_and_html_of_a_reply_are_its_words() -> None:
    reply = "See [here](http://h/), ![x](http://h/p.png), <http://h/>, &copy; and <b>this</b> [1]."
    assert words(body(answered(reply))).strip() == reply.removesuffix(" [1].") + "."


def test_a_text_with_all_stand_ins_keeps_its_chips_and_its_words() -> None:
    tree = body(answered(f"The bridge is *412 metres* long {ALL_STAND_INS} [1]. It was opened in 1931 [1]."))
    assert chips(tree) == [1, 2]
    assert squeezed(words(tree)) == squeezed(f"The bridge is *412 metres* long {ALL_STAND_INS}. It was opened in 1931.")


def test_a_text_with_one_stand_in_keeps_it_and_its_form() -> None:
    tree = body(answered("It is *long* ⸢so⸣ [1]."))
    assert (only(tree, "em").get_text(), words(tree).strip()) == ("long", "It is long ⸢so⸣.")


def test_brackets_that_are_words_are_no_chips() -> None:
    tree = body(answered("The [2025] report [10-K] and [[1]] say so [1]."))
    assert chips(tree) == [1]
    assert words(tree).strip() == "The [2025] report [10-K] and [[1]] say so."


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize("model", [QUOTES, "model"])
@pytest.mark.parametrize(
    ("verdict", "shown_words"),
    [("partial", "partly supported"), ("unsupported", "not supported"), ("contradicted", "contradicted")],
)
def test_a_doubtful_sentence_says_so_with_its_reason(model: str, verdict: str, shown_words: str) -> None:
    answer = answered("The bridge is 412 metres long [1]. It is <old> [1].", model=model)
    first, second = answer.sentences
    why = ("The number 9 is not there.", "“O'Hara” is <not>.")
    doubtful = replace(second, verdict=verdict, reasons=why)
    tree = shown(replace(answer, sentences=(replace(first, verdict="supported", reasons=()), doubtful)))
    flag = only(tree, f".fn-sentence.{verdict} > .fn-verdict.{verdict}")
    assert flag.get_text().endswith(f" {shown_words}")
    assert flag["data-note"] == "The number 9 is not there. “O'Hara” is <not>."
    assert flag["aria-label"] == f"{shown_words}: {flag['data-note']}"
    assert only(tree, ".fn-sentence.supported > .fn-verdict").get_text() == "✓"
    assert "1 of 2 sentences not fully supported" in only(tree, "summary").get_text()
    assert only(tree, "details li q").get_text() == "It is <old>."
    assert only(tree, "details li").get_text().endswith(f"{shown_words}: {flag['data-note']}")


def test_an_answer_that_is_supported_says_by_what() -> None:
    assert "✓ 1 of 1 sentence is supported" in shown(answered("The bridge is 412 metres long [1].")).get_text()
    quotes = quoted("The bridge is 412 metres long. The bridge is long.")
    assert "✓ 2 of 2 sentences are word for word in the articles" in shown(quotes).get_text()


def test_a_long_doubtful_sentence_is_shortened_in_the_list_only() -> None:
    long = "The tunnel " + "is very " * 40 + "long."
    tree = shown(answered(long))
    assert only(tree, "details li q").get_text().endswith(" …")
    assert words(only(tree, ".fn-sentence")) == long


# ---------------------------------------------------------------- states


def test_a_grounded_answer_has_no_warning_and_no_nearest_passages() -> None:
    tree = shown(answered("The bridge is 412 metres long [1].", status="grounded"))
    assert not tree.select(".fn-warning, .fn-error, .fn-none, .fn-nearest, details")


def test_nothing_found_says_so_and_shows_the_nearest_passages_without_a_chip() -> None:
    tree = shown(Answer("q", "not_found", NOT_FOUND, (), (), FOUND, QUOTES), turn=4)
    assert only(tree, ".fn-none").get_text() == NOT_FOUND
    assert [link["href"] for link in tree.select(".fn-nearest a")] == ["#evidence-4-1", "#evidence-4-2"]
    assert BRIDGE.passage.text in only(tree, ".fn-nearest").get_text()
    assert not tree.select("a.cite")


def test_three_passages_are_nearest_and_long_ones_are_shortened() -> None:
    found = evidence("q", *(hit("A long passage. " * 50, f"{i}.md") for i in range(5)))
    items = shown(Answer("q", "not_found", NOT_FOUND, (), (), found, QUOTES)).select(".fn-nearest li")
    assert len(items) == 3
    assert all(item.get_text().endswith(" …") and len(item.get_text()) < 200 for item in items)


def test_an_empty_library_has_nothing_to_show() -> None:
    tree = shown(Answer("q", "not_found", NOT_FOUND, (), (), evidence("q"), QUOTES))
    assert not tree.select("a")
    assert "0 footnotes" in only(tree, ".fn-foot").get_text()


def test_an_incomplete_answer_keeps_what_came_and_says_why() -> None:
    why = "The answer is not complete: the model stopped sending."
    tree = shown(answered("The bridge is 412 metres [1]", status="incomplete", warnings=(why,)))
    assert only(tree, ".fn-warning").get_text() == why
    assert chips(only(tree, ".fn-answer")) == [1]


def test_a_provider_error_is_said_once_and_the_nearest_passages_are_shown() -> None:
    error = "The model m cannot be reached. <Check> it."
    warnings = ("Kept from it.", error)
    tree = shown(Answer("q", "incomplete", "", (), (), FOUND, "m", warnings=warnings), error=error)
    assert only(tree, "[role=alert]").get_text() == f"No answer. {error}"
    assert only(tree, ".fn-warning").get_text() == "Kept from it."
    assert tree.get_text().count(error) == 1
    assert len(tree.select(".fn-nearest li")) == 2


def test_the_foot_tells_what_it_took() -> None:
    details = {"usage": {"prompt_tokens": 50, "completion_tokens": 9}, "dropped_marks": 2, "model": "local <m>"}
    tree = shown(answered("The bridge is 412 metres long [1].", timings={"total_ms": 2345.6}, **details), turn=3)
    foot = only(tree, ".fn-foot")
    facts = ["2 passages found", "1 footnote", "local <m>", "2.3 s", "59 tokens", "invented marks removed: 2"]
    assert foot.get_text().split(" · ") == facts
    assert only(foot, "a")["href"] == "#sources-3"


def test_the_foot_tells_the_cost_where_the_provider_reports_it() -> None:
    usage = {"prompt_tokens": 50, "completion_tokens": 9, "cost": 0.00123}
    foot = only(shown(answered("The bridge is 412 metres long [1].", usage=usage)), ".fn-foot")
    assert foot.get_text().split(" · ")[-2:] == ["59 tokens", "cost 0.00123"]


def test_the_foot_tells_a_second_opinion() -> None:
    answer = answered("The bridge is 412 metres long [1]. It has towers.")
    answer = replace(answer, judgement=Judgement("strict <m>", ("supported", None)))
    assert only(shown(answer), ".fn-foot").get_text().endswith("second opinion, strict <m>: 1 of 1 supported")
    silent = replace(answer, judgement=Judgement("strict <m>", (None, None)))
    assert "opinion" not in only(shown(silent), ".fn-foot").get_text()


def test_a_follow_up_shows_what_it_was_understood_as() -> None:
    answer = answered("The bridge is 412 metres long [1].")
    assert not shown(answer).select(".fn-standalone")
    tree = shown(replace(answer, question="And how <long>?"))
    assert only(tree, ".fn-question").get_text() == "And how <long>?"
    assert only(tree, ".fn-standalone").get_text() == f"Understood as {FOUND.question}"


def test_statements_that_do_not_agree_stand_side_by_side_with_their_dates_the_newer_first() -> None:
    one = hit("The pilot cost 1.2 million euros.", "a.md", title="<A>", published="2025-01-02")
    two = hit("The pilot cost 1.5 million euros.", "b.md", title="B", published="2025-03-04")
    found = evidence("What did the pilot cost?", one, two)
    answer = checked(quote(found, 1), found)
    answer = replace(answer, disagreements=disagreements(answer.citations, found))
    links = only(shown(answer, 4), ".fn-disagree").select("a")
    assert [link.get_text() for link in links] == [
        "B 2025-03-04 The pilot cost 1.5 million euros.",
        "<A> 2025-01-02 The pilot cost 1.2 million euros.",
    ]
    assert [str(link["href"]) for link in links] == ["#cite-4-2", "#cite-4-1"]


def test_a_statement_that_is_not_cited_opens_as_evidence() -> None:
    answer = answered("The bridge is 412 metres long [1].")
    span = BEES.passage.sentences[0]
    other = Citation(0, 2, BEES.source, span.start, span.end, BEES.passage.quote(span))
    tree = shown(replace(answer, disagreements=(Disagreement(answer.citations[0], other),)), 3)
    assert {str(link["href"]) for link in tree.select(".fn-disagree a")} == {"#cite-3-1", "#evidence-3-2"}


def test_what_the_articles_do_not_hold_of_a_question_is_named() -> None:
    found = replace(FOUND, missing=("what did <it> cost",))
    tree = shown(replace(answered("The bridge is 412 metres long [1]."), evidence=found))
    assert only(tree, ".fn-missing").get_text() == "Not in the articles: “what did <it> cost”"


def test_the_foot_is_silent_about_what_is_not_known() -> None:
    assert (
        only(shown(quoted("It is long.")), ".fn-foot").get_text() == "1 passage found · 1 footnote · quotes, no model"
    )
    assert only(shown(quoted("It is long.", timings={"total_ms": 7.4})), ".fn-foot").get_text().endswith(" · 7 ms")


def test_a_draft_says_whether_anything_has_come() -> None:
    assert "Searching the articles" in parsed(drafted("q", "", "model")).get_text()
    writing = parsed(drafted("q", "The bridge is **long**", "model"))
    assert "Writing, not checked yet" in writing.get_text()
    assert only(writing, "strong").get_text() == "long"


def test_marks_in_a_draft_are_no_chips() -> None:
    assert not parsed(drafted("q", "It is long [1].", "model")).select("a")


# ---------------------------------------------------------------- citations by passage


def test_citations_are_grouped_by_the_passage_they_come_from() -> None:
    answer = answered("They are 30 degrees warm [2]. It was opened in 1931 [1]. Honey bees form a cluster [2].")
    assert {n: [answer.citations[i - 1].evidence_n for i in ns] for n, ns in citations_of(answer).items()} == {
        1: [1],
        2: [2, 2],
    }
    assert sorted(i for ns in citations_of(answer).values() for i in ns) == [1, 2, 3]


def test_an_answer_without_citations_has_none() -> None:
    assert citations_of(answered("It is so.")) == {}
