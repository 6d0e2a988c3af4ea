"""Owns how an answer looks: pure functions from values to HTML in which every word of others is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import nh3

from rag.export.body import MARKDOWN, VERDICTS, signs, stand_in
from rag.reply import is_code
from rag.text import printable
from rag.types import QUOTES, Answer, AnswerSentence, Citation, Disagreement

_TAGS = set("p ul ol li strong em code pre blockquote h1 h2 h3 h4 h5 h6 hr br table thead tbody tr th td".split())

_TAG = re.compile(r"<[^>]*>")
_FENCE_INFO = re.compile(r"(?m)(?<=```|~~~)[^`\n]*$")

_SIGNS = {"supported": "✓", "partial": "~", "unsupported": "?", "contradicted": "✗"}


def escape(text: str) -> str:
    """Return a text that a browser shows as it is, whatever is in it."""
    return html.escape(text, quote=True)


def escape_name(text: str) -> str:
    """Return a title or name as `escape` does, without characters that could turn round what stands beside it."""
    return escape(printable(text))


def reply_html(answer: Answer, key: str, error: str | None = None) -> str:
    """Return a checked answer, or why there is none; chips are links `#cite-KEY-N`."""
    parts = []
    if error:
        parts.append(f'<p class="fn-error" role="alert"><strong>No answer.</strong> {escape(error)}</p>')
    if answer.status == "not_found":
        parts.append(f'<p class="fn-none">{escape(answer.text)}</p>')
    elif answer.sentences:
        parts.append(f'<div class="fn-answer">{_body(answer, key)}</div>')
    if answer.evidence.missing:
        missing = ", ".join(f"“{escape(part)}”" for part in answer.evidence.missing)
        parts.append(f'<p class="fn-missing"><strong>Not in the articles:</strong> {missing}</p>')
    parts += [_disagreement(disagreement, key) for disagreement in answer.disagreements]
    warnings = [warning for warning in answer.warnings if warning != error]
    parts += [f'<p class="fn-warning">{escape(warning)}</p>' for warning in warnings]
    if answer.sentences:
        parts.append(_checks(answer))
    elif answer.evidence.hits:
        parts.append(_nearest(answer, key))
    parts += [_foot(answer, key), _notes(answer, key)]
    return "".join(parts)


def draft_text_html(text: str, model: str) -> str:
    """Return the part of a reply that has come; it is not checked, and nothing in it is a link."""
    return f"<p>{escape(text)}</p>" if model == QUOTES else _markdown(text)


def chip_html(key: str, n: int) -> str:
    """Return the link from a sentence to its citation."""
    return f'<a class="cite" href="#cite-{key}-{n}" aria-label="Footnote {n}">{n}</a>'


# ---------------------------------------------------------------- the text of an answer


def _body(answer: Answer, key: str) -> str:
    if answer.model == QUOTES:
        return "".join(f"<p>{_plain(answer, (sentence,), key)}</p>" for sentence in answer.sentences)
    rendered = _markdown_body(answer, key)
    if rendered is not None:
        return rendered
    first, last = answer.sentences[0].start, answer.sentences[-1].end
    text = _plain(answer, answer.sentences, key)
    return f'<p class="fn-plain">{escape(answer.text[:first])}{text}{escape(answer.text[last:])}</p>'


def _plain(answer: Answer, sentences: Sequence[AnswerSentence], key: str) -> str:
    """Return sentences and what stands between them as they are, chips in place of their marks."""
    parts, at = [], sentences[0].start
    for sentence in sentences:
        parts += [escape(answer.text[at : sentence.start]), f'<span class="fn-sentence {sentence.verdict}">']
        at = sentence.start
        for chip in sentence.chips:
            parts += [escape(answer.text[at : chip.start].rstrip(" ")), chip_html(key, chip.n)]
            at = chip.end
        parts.append(f"{escape(answer.text[at : sentence.end])}{_flag(sentence)}</span>")
        at = sentence.end
    return "".join(parts)


def _markdown(text: str) -> str:
    return nh3.clean(MARKDOWN.render(text), tags=_TAGS, attributes={"ol": {"start"}})


def _markdown_body(answer: Answer, key: str) -> str | None:
    """Return the answer's Markdown as HTML with chips and verdicts; None where anything would get lost in it."""
    sign = stand_in(answer.text)
    if sign is None:
        return None
    markup: list[str] = []
    text, at = "", 0
    for sentence in answer.sentences:
        for start, end, tags, apart in _places(answer, sentence, key):
            before = answer.text[at:start]
            text += (before.rstrip(" ") if end > start else before) + "\n\n" * apart
            if tags:
                text += sign
                markup.append(tags)
            at = end
    text += answer.text[at:]
    rendered = _markdown(text)
    pieces = rendered.split(sign)
    if len(pieces) != len(markup) + 1 or signs(html.unescape(_TAG.sub("", rendered))) != signs(
        _FENCE_INFO.sub("", text)
    ):
        return None
    return pieces[0] + "".join(tags + piece for tags, piece in zip(markup, pieces[1:], strict=True))


class _Place(NamedTuple):
    """What takes the place of `start:end` of an answer's text, as a paragraph of its own or in the line."""

    start: int
    end: int
    markup: str
    apart: bool = False


def _places(answer: Answer, sentence: AnswerSentence, key: str) -> list[_Place]:
    """Return what to put where in a sentence's Markdown, in order.

    Below a block of code, which would show it as text; in a table row before the last bar.
    """
    source = answer.text[sentence.start : sentence.end]
    chips = [_Place(chip.start, chip.end, chip_html(key, chip.n)) for chip in sentence.chips]
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
    """Return the button that tells the verdict on a sentence, and why."""
    sign, words = _SIGNS[sentence.verdict], VERDICTS.get(sentence.verdict, "supported")
    reason = escape(" ".join(sentence.reasons) or "The words that it cites say it.")
    shown = sign if sentence.verdict == "supported" else f"{sign} {words}"
    return (
        f'<button type="button" class="fn-verdict {sentence.verdict}" data-note="{reason}" '
        f'aria-label="{words}: {reason}">{shown}</button>'
    )


# ---------------------------------------------------------------- what is said about it


def _checks(answer: Answer) -> str:
    doubtful = [sentence for sentence in answer.sentences if sentence.verdict != "supported"]
    count = len(answer.sentences)
    if not doubtful:
        what = "sentence is" if count == 1 else "sentences are"
        exactly = "word for word in the articles" if answer.model == QUOTES else "supported by the cited words"
        return f'<p class="fn-check supported">✓ {count} of {count} {what} {exactly}</p>'
    items = "".join(
        f"<li><q>{escape(shortened(_bare(sentence)))}</q> <strong>{VERDICTS[sentence.verdict]}</strong>: "
        f"{escape(' '.join(sentence.reasons))}</li>"
        for sentence in doubtful
    )
    summary = f"{len(doubtful)} of {count} sentences not fully supported by the articles"
    return f'<details class="fn-check doubtful"><summary>{summary}</summary><ol>{items}</ol></details>'


def _disagreement(disagreement: Disagreement, key: str) -> str:
    """Return two statements that do not agree, side by side, each with its article and date, the newer one first."""
    both = sorted(disagreement, key=lambda citation: citation.source.published or "", reverse=True)
    items = "".join(f"<li>{_statement(citation, key)}</li>" for citation in both)
    return f'<div class="fn-disagree"><h3>The articles do not agree</h3><ul>{items}</ul></div>'


def _statement(citation: Citation, key: str) -> str:
    place = f"cite-{key}-{citation.n}" if citation.n else f"evidence-{key}-{citation.evidence_n}"
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


def _nearest(answer: Answer, key: str) -> str:
    return f'<div class="fn-nearest"><h3>Nearest passages</h3>{_passages(answer, key, 3)}</div>'


def passages_html(answer: Answer, key: str) -> str:
    """Return all that was found for a question, best first, each a link `#evidence-KEY-N`."""
    hits = len(answer.evidence.hits)
    if not hits:
        return '<p class="fn-none">No passage was found.</p>'
    doubt = "" if answer.evidence.sufficiency.sufficient else " They do not seem to answer the question."
    said = f"{hits} passage{'s' * (hits != 1)} found, best first.{doubt}"
    return f'<div class="fn-nearest"><p class="fn-foot">{said}</p>{_passages(answer, key, hits)}</div>'


def _passages(answer: Answer, key: str, most: int) -> str:
    items = "".join(
        f'<li><a class="fn-open" href="#evidence-{key}-{n}"><strong>{escape_name(hit.source.title)}</strong> '
        f'<span class="fn-meta">{escape_name(hit.source.published or "no date")}</span> '
        f"{escape(shortened(hit.passage.text, 160 if most <= 3 else 320))}</a></li>"
        for n, hit in enumerate(answer.evidence.hits[:most], start=1)
    )
    return f"<ul>{items}</ul>"


def _foot(answer: Answer, key: str) -> str:
    hits = len(answer.evidence.hits)
    notes = len(answer.citations)
    facts = [f'<a class="fn-sources" href="#sources-{key}">{hits} passage{"s" * (hits != 1)} found</a>'] if hits else []
    facts.append(f"{notes} footnote{'s' * (notes != 1)}")
    facts.append("quotes, no model" if answer.model == QUOTES else escape(answer.model))
    facts += [time_of(answer)] if time_of(answer) else []
    facts += [f"{tokens_of(answer)} tokens"] if answer.usage else []
    facts += [f"cost {cost_of(answer)}"] if cost_of(answer) else []
    if answer.judgement and (given := [verdict for verdict in answer.judgement.verdicts if verdict]):
        agreed = f"{given.count('supported')} of {len(given)} supported"
        facts.append(f"second opinion, {escape(answer.judgement.model)}: {agreed}")
    if answer.dropped_marks:
        facts.append(f"invented marks removed: {answer.dropped_marks}")
    return f'<p class="fn-foot">{" · ".join(facts)}</p>'


def _notes(answer: Answer, key: str) -> str:
    """Return what a chip shows to who points at it: the whole quote, and where it stands."""
    notes = "".join(
        f'<div id="note-{key}-{item.n}"><q>{escape(item.quote)}</q><strong>{escape_name(item.source.title)}</strong>'
        f"<span>{escape_name(place(item.source.published, item.page))}</span></div>"
        for item in answer.citations
    )
    return f'<div class="fn-notes" hidden>{notes}</div>' if notes else ""


def place(published: str | None, page: int | None) -> str:
    """Return when an article was published, and the page in it, in one line."""
    return " · ".join([published or "no date", *([] if page is None else [f"page {page}"])])


def time_of(answer: Answer) -> str:
    """Return how long an answer took; empty where it is not known, as the two below."""
    took = answer.timings.get("total_ms")
    return "" if took is None else f"{took / 1000:.1f} s" if took >= 100 else f"{took:.0f} ms"


def tokens_of(answer: Answer) -> str:
    """Return how many tokens an answer took, of prompt and reply."""
    counts = [count for name, count in (answer.usage or {}).items() if name != "cost"]
    return f"{sum(counts):.0f}" if counts else ""


def cost_of(answer: Answer) -> str:
    """Return what an answer cost, where the provider reports it."""
    cost = (answer.usage or {}).get("cost")
    return "" if cost is None else f"{cost:.4g}"


def model_label(name: str) -> str:
    """Return how a model is called on the page."""
    return "Quotes, no model" if name == QUOTES else name


def shortened(text: str, most: int = 120) -> str:
    """Return the beginning of a text, in one line, cut between words."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def citations_of(answer: Answer) -> dict[int, list[int]]:
    """Return the citation numbers of each cited piece of evidence."""
    ordered = sorted(answer.citations, key=lambda citation: (citation.evidence_n, citation.n))
    return {n: [item.n for item in group] for n, group in groupby(ordered, key=lambda citation: citation.evidence_n)}
