"""Owns how an answer looks: pure functions from values to HTML in which every word of others is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import nh3
from markdown_it import MarkdownIt

from rag.reply import is_code
from rag.text import printable
from rag.types import QUOTES, Answer, AnswerSentence, Citation, Disagreement

# Markdown without what could reach out: no raw HTML, no images, no links. Their source stays visible as text.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False})
    .enable("table")
    .disable(["html_inline", "html_block", "image", "link", "autolink", "reference", "entity"])
)
_TAGS = set("p ul ol li strong em code pre blockquote h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td".split())
# Rare punctuation stands for our own markup while Markdown is rendered: like punctuation it leaves emphasis alone.
_STAND_INS = "⸢⸣⸤⸥⸦⸧⸨⸩⦃⦄⦅⦆⦇⦈⦉⦊"

_TAG = re.compile(r"<[^>]*>")
_FENCE_INFO = re.compile(r"(?m)(?<=```|~~~)[^`\n]*$")

_VERDICTS = {
    "supported": ("✓", "supported"),
    "partial": ("~", "partly supported"),
    "unsupported": ("?", "not supported"),
    "contradicted": ("✗", "contradicted"),
}


def escape(text: str) -> str:
    """Return a text that a browser shows as it is, whatever is in it."""
    return html.escape(text, quote=True)


def escape_name(text: str) -> str:
    """Return a title or name as `escape` does, without characters that could turn round what stands beside it."""
    return escape(printable(text))


def question_html(question: str) -> str:
    """Return a reader's question."""
    return f'<h2 class="fn-question">{escape(question)}</h2>'


def draft_html(question: str, text: str, model: str) -> str:
    """Return a question and the part of its answer that has come; it is not checked, and nothing in it is a link."""
    state = "Writing, not checked yet" if text else "Searching the articles"
    body = f"<p>{escape(text)}</p>" if model == QUOTES else _markdown(text)
    draft = f'<div class="fn-draft">{body}</div>' if text else ""
    return (
        f'<article class="fn-turn">{question_html(question)}{draft}'
        f'<p class="fn-working"><span class="fn-pulse"></span>{state} …</p></article>'
    )


def answer_html(question: str, answer: Answer, turn: int, error: str | None = None) -> str:
    """Return a question with its checked answer; chips are links `#cite-TURN-N`."""
    parts = [question_html(question)]
    if answer.standalone_question != answer.question:
        asked = escape(answer.standalone_question)
        parts.append(f'<p class="fn-standalone"><span>Understood as</span> {asked}</p>')
    if error:
        parts.append(f'<p class="fn-error" role="alert"><strong>No answer.</strong> {escape(error)}</p>')
    if answer.status == "not_found":
        parts.append(f'<p class="fn-none">{escape(answer.text)}</p>')
    elif answer.sentences:
        parts.append(f'<div class="fn-answer">{_body(answer, turn)}</div>')
    if answer.evidence.missing:
        missing = ", ".join(f"“{escape(part)}”" for part in answer.evidence.missing)
        parts.append(f'<p class="fn-missing"><strong>Not in the articles:</strong> {missing}</p>')
    parts += [_disagreement(disagreement, turn) for disagreement in answer.disagreements]
    warnings = [warning for warning in answer.warnings if warning != error]
    parts += [f'<p class="fn-warning">{escape(warning)}</p>' for warning in warnings]
    if answer.sentences:
        parts.append(_checks(answer))
    elif answer.evidence.hits:
        parts.append(_nearest(answer, turn))
    parts.append(_foot(answer, turn))
    return f'<article class="fn-turn" id="turn-{turn}">{"".join(parts)}</article>'


def error_html(question: str, message: str) -> str:
    """Return a question that could not be asked, and why."""
    alert = f'<p class="fn-error" role="alert">{escape(message)}</p>'
    return f'<article class="fn-turn">{question_html(question)}{alert}</article>'


def chip_html(turn: int, n: int) -> str:
    """Return the link from a sentence to its citation."""
    return f'<a class="cite" href="#cite-{turn}-{n}" aria-label="Footnote {n}">{n}</a>'


# ---------------------------------------------------------------- the text of an answer


def _body(answer: Answer, turn: int) -> str:
    if answer.model == QUOTES:
        return "".join(f"<p>{_plain(answer, (sentence,), turn)}</p>" for sentence in answer.sentences)
    rendered = _markdown_body(answer, turn)
    if rendered is not None:
        return rendered
    first, last = answer.sentences[0].start, answer.sentences[-1].end
    text = _plain(answer, answer.sentences, turn)
    return f'<p class="fn-plain">{escape(answer.text[:first])}{text}{escape(answer.text[last:])}</p>'


def _plain(answer: Answer, sentences: Sequence[AnswerSentence], turn: int) -> str:
    """Return sentences and what stands between them as they are, chips in place of their marks."""
    parts, at = [], sentences[0].start
    for sentence in sentences:
        parts += [escape(answer.text[at : sentence.start]), f'<span class="fn-sentence {sentence.verdict}">']
        at = sentence.start
        for chip in sentence.chips:
            parts += [escape(answer.text[at : chip.start].rstrip(" ")), chip_html(turn, chip.n)]
            at = chip.end
        parts.append(f"{escape(answer.text[at : sentence.end])}{_flag(sentence)}</span>")
        at = sentence.end
    return "".join(parts)


def _markdown(text: str) -> str:
    return nh3.clean(_MARKDOWN.render(text), tags=_TAGS, attributes={"ol": {"start"}})


def _markdown_body(answer: Answer, turn: int) -> str | None:
    """Return the answer's Markdown as HTML with chips and verdicts; None where anything would get lost in it."""
    sign = next((sign for sign in _STAND_INS if sign not in answer.text), None)
    if sign is None:
        return None
    markup: list[str] = []
    text, at = "", 0
    for sentence in answer.sentences:
        for start, end, tags, apart in _places(answer, sentence, turn):
            before = answer.text[at:start]
            text += (before.rstrip(" ") if end > start else before) + "\n\n" * apart
            if tags:
                text += sign
                markup.append(tags)
            at = end
    text += answer.text[at:]
    rendered = _markdown(text)
    pieces = rendered.split(sign)
    if len(pieces) != len(markup) + 1 or _letters(_TAG.sub("", rendered)) != _letters(_FENCE_INFO.sub("", text)):
        return None
    return pieces[0] + "".join(tags + piece for tags, piece in zip(markup, pieces[1:], strict=True))


def _letters(text: str) -> str:
    return "".join(char for char in html.unescape(text) if char.isalpha())


class _Place(NamedTuple):
    """What takes the place of `start:end` of an answer's text, as a paragraph of its own or in the line."""

    start: int
    end: int
    markup: str
    apart: bool = False


def _places(answer: Answer, sentence: AnswerSentence, turn: int) -> list[_Place]:
    """Return what to put where in a sentence's Markdown, in order.

    Below a block of code, which would show it as text; in a table row before the last bar.
    """
    source = answer.text[sentence.start : sentence.end]
    chips = [_Place(chip.start, chip.end, chip_html(turn, chip.n)) for chip in sentence.chips]
    everything = "".join(chip.markup for chip in chips) + _flag(sentence)
    if is_code(source):
        start = chips[0].start if chips else sentence.end
        return [_Place(start, sentence.end, everything, apart=True)] if everything else []
    if source.startswith("|"):
        bar = sentence.start + source.rindex("|")
        inside = [chip for chip in chips if chip.end <= bar]
        behind = chips[len(inside) :]
        last = "".join(chip.markup for chip in behind) + _flag(sentence)
        return [*inside, _Place(bar, bar, last), *(chip._replace(markup="") for chip in behind)]
    opening = _Place(sentence.start, sentence.start, f'<span class="fn-sentence {sentence.verdict}">')
    return [opening, *chips, _Place(sentence.end, sentence.end, f"{_flag(sentence)}</span>")]


def _flag(sentence: AnswerSentence) -> str:
    """Return the words that mark a sentence which is not supported; nothing for one that is."""
    if sentence.verdict == "supported":
        return ""
    sign, words = _VERDICTS[sentence.verdict]
    reason = escape(" ".join(sentence.reasons))
    return f'<span class="fn-verdict {sentence.verdict}" title="{reason}">{sign} {words}</span>'


# ---------------------------------------------------------------- what is said about it


def _checks(answer: Answer) -> str:
    doubtful = [sentence for sentence in answer.sentences if sentence.verdict != "supported"]
    count = len(answer.sentences)
    if not doubtful:
        what = "sentence is" if count == 1 else "sentences are"
        exactly = "word for word in the articles" if answer.model == QUOTES else "supported by the cited words"
        return f'<p class="fn-check supported">✓ {count} of {count} {what} {exactly}</p>'
    items = "".join(
        f"<li><q>{escape(shortened(_bare(sentence)))}</q> <strong>{_VERDICTS[sentence.verdict][1]}</strong>: "
        f"{escape(' '.join(sentence.reasons))}</li>"
        for sentence in doubtful
    )
    summary = f"{len(doubtful)} of {count} sentences not fully supported by the articles"
    return f'<details class="fn-check doubtful"><summary>{summary}</summary><ol>{items}</ol></details>'


def _disagreement(disagreement: Disagreement, turn: int) -> str:
    """Return two statements that do not agree, side by side, each with its article and date, the newer one first."""
    both = sorted(disagreement, key=lambda citation: citation.source.published or "", reverse=True)
    items = "".join(f"<li>{_statement(citation, turn)}</li>" for citation in both)
    return f'<div class="fn-disagree"><h3>The articles do not agree</h3><ul>{items}</ul></div>'


def _statement(citation: Citation, turn: int) -> str:
    place = f"cite-{turn}-{citation.n}" if citation.n else f"evidence-{turn}-{citation.evidence_n}"
    published = escape(citation.source.published or "no date")
    return (
        f'<a class="fn-open" href="#{place}"><strong>{escape_name(citation.source.title)}</strong> '
        f"<span>{published}</span> <q>{escape(shortened(citation.quote, 240))}</q></a>"
    )


def _bare(sentence: AnswerSentence) -> str:
    """Return the words of a sentence without its marks."""
    text, at = "", 0
    for chip in sentence.chips:
        text += sentence.text[at : chip.start - sentence.start].rstrip(" ")
        at = chip.end - sentence.start
    return text + sentence.text[at:]


def _nearest(answer: Answer, turn: int) -> str:
    items = "".join(
        f'<li><a class="fn-open" href="#evidence-{turn}-{n}"><strong>{escape_name(hit.source.title)}</strong> '
        f"{escape(shortened(hit.passage.text, 160))}</a></li>"
        for n, hit in enumerate(answer.evidence.hits[:3], start=1)
    )
    return f'<div class="fn-nearest"><h3>Nearest passages</h3><ul>{items}</ul></div>'


def _foot(answer: Answer, turn: int) -> str:
    hits = len(answer.evidence.hits)
    notes = len(answer.citations)
    facts = (
        [f'<a class="fn-sources" href="#sources-{turn}">{hits} passage{"s" * (hits != 1)} found</a>'] if hits else []
    )
    facts.append(f"{notes} footnote{'s' * (notes != 1)}")
    facts.append("quotes, no model" if answer.model == QUOTES else escape(answer.model))
    if "total_ms" in answer.timings:
        took = answer.timings["total_ms"]
        facts.append(f"{took / 1000:.1f} s" if took >= 100 else f"{took:.0f} ms")
    if answer.usage:
        facts.append(f"{sum(count for name, count in answer.usage.items() if name != 'cost'):.0f} tokens")
        if "cost" in answer.usage:
            facts.append(f"cost {answer.usage['cost']:.4g}")
    if answer.judgement and (given := [verdict for verdict in answer.judgement.verdicts if verdict]):
        agreed = f"{given.count('supported')} of {len(given)} supported"
        facts.append(f"second opinion, {escape(answer.judgement.model)}: {agreed}")
    if answer.dropped_marks:
        facts.append(f"invented marks removed: {answer.dropped_marks}")
    return f'<p class="fn-foot">{" · ".join(facts)}</p>'


def shortened(text: str, most: int = 120) -> str:
    """Return the beginning of a text, in one line, cut between words."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def citations_of(answer: Answer) -> dict[int, list[int]]:
    """Return the citation numbers of each cited piece of evidence."""
    ordered = sorted(answer.citations, key=lambda citation: (citation.evidence_n, citation.n))
    return {n: [item.n for item in group] for n, group in groupby(ordered, key=lambda citation: citation.evidence_n)}
