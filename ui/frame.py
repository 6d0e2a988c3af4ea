"""Owns the fixed parts of the page, as HTML: header, the beginning, how a question is asked, empty panes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag import Footnote
from rag.types import QUOTES, ModelChoice
from ui.icons import icon
from ui.render import escape, model_label

# Asked of the sample articles; shown where the library holds an answer.
_EXAMPLES = (
    "Why did Samsung limit the use of AI chatbots by its staff?",
    "How much of the work did Brackenfjord keep on its own model?",
    "What do the terms of use say about training on a model's output?",
    "Which outside models does Meta use, and for what?",
)


def frame(library: Footnote, *, login: bool) -> Mapping[str, str]:
    """Return the parts by their names; with `login`, readers can log out."""
    return {
        "header": _header(login),
        "left": _LEFT,
        "intro": _intro(example_questions(library)),
        "options": _options(library),
        "side": _SIDE,
        "evaluations": '<div class="fn-slot"></div>',
    }


def example_questions(library: Footnote) -> list[str]:
    """Return questions that this library can answer: of the samples, else about its newest articles."""
    asked = [question for question in _EXAMPLES if library.search(question, 3).sufficiency.sufficient]
    if asked:
        return asked
    titled = [f"What is said about “{source.title}”?" for source in library.sources()[:12]]
    return [question for question in titled if library.search(question, 3).sufficiency.sufficient][:3]


def _header(login: bool) -> str:
    logout = '<form method="post" action="/logout"><button class="fn-button">Log out</button></form>' if login else ""
    return (
        '<a class="fn-skip" href="#fn-ask">To the question box</a>'
        '<header><h1>Footnote<sup aria-hidden="true">1</sup></h1>'
        '<nav class="fn-views" aria-label="Views"><a href="#ask" aria-current="page">Ask</a>'
        '<a href="#evaluations">Evaluations</a></nav>'
        f'<div class="fn-corner"><button type="button" class="fn-act" data-do="theme" aria-label="Light or dark" '
        f'title="Light or dark">{icon("theme")}</button>{logout}</div></header>'
        '<nav class="fn-panes" aria-label="Panes"><button type="button" data-pane="left">Articles</button>'
        '<button type="button" data-pane="chat" aria-current="true">Chat</button>'
        '<button type="button" data-pane="side">Evidence</button></nav>'
    )


_LEFT = (
    '<div class="fn-tabs" role="tablist" aria-label="Lists">'
    '<button type="button" role="tab" id="fn-tab-articles" aria-controls="fn-articles" aria-selected="true">'
    "Articles</button>"
    '<button type="button" role="tab" id="fn-tab-chats" aria-controls="fn-conversations" aria-selected="false" '
    'tabindex="-1">Conversations</button></div>'
    '<div class="fn-slot" role="tabpanel" id="fn-articles" aria-labelledby="fn-tab-articles">'
    '<p class="fn-loading">Loading …</p></div>'
    '<div class="fn-slot" role="tabpanel" id="fn-conversations" aria-labelledby="fn-tab-chats" hidden></div>'
)

_SIDE = (
    '<div class="fn-slot"><div class="fn-hint"><h2 tabindex="-1">Evidence</h2>'
    "<p>Open a footnote of an answer to read the article it comes from, at the very words. "
    "What was found and not cited stands below.</p></div></div>"
)


def _intro(examples: Sequence[str]) -> str:
    cards = "".join(
        f'<li><button type="button" class="fn-example" data-do="ask" data-question="{escape(question)}">'
        f"{escape(question)}</button></li>"
        for question in examples
    )
    return (
        '<div class="fn-intro"><h2>What do your articles say?</h2><p>Answers come with numbered footnotes. Open one to '
        "read the article at the very words, and see which sentences the articles do not support.</p>"
        f'<ul class="fn-examples">{cards}</ul></div>'
    )


def _options(library: Footnote) -> str:
    """Return how a question is asked: answered, searched for or compared; by which model; of which articles."""
    choices = library.models
    several = len(choices) > 1
    modes = [("answer", "Answer"), ("search", "Search only"), *([("compare", "Compare")] if several else [])]
    radios = "".join(
        f'<label><input type="radio" name="mode" value="{mode}"{" checked" if mode == "answer" else ""}>'
        f"<span>{words}</span></label>"
        for mode, words in modes
    )
    return (
        '<form class="fn-how" aria-label="How to ask">'
        f'<fieldset class="fn-modes"><legend class="fn-sr">Mode</legend>{radios}</fieldset>'
        f"{_model_picker(library.model, choices)}"
        '<button type="button" class="fn-chosen" data-do="choose">All articles</button>'
        '<label class="fn-date"><span>As of</span> <input type="date" id="fn-as-of"></label>'
        f"{_compared(choices) if several else ''}</form>"
        '<button type="button" class="fn-stop" data-do="stop" aria-label="Stop the answer" hidden>'
        f"{icon('stop')}</button>"
    )


def _model_picker(model: str, choices: Sequence[ModelChoice]) -> str:
    if len(choices) == 1:
        return f'<span class="fn-model{"" if model == QUOTES else " on"}">{escape(model_label(model))}</span>'
    rest = "".join(
        f'<option value="{escape(choice.name)}">{escape(model_label(choice.name))}{_remark(choice)}</option>'
        for choice in choices
        if choice.name != model
    )
    return (
        '<label class="fn-pick"><span class="fn-sr">Answered by</span><select id="fn-model">'
        f'<option value="">{escape(model_label(model))}</option>{rest}</select></label>'
    )


def _compared(choices: Sequence[ModelChoice]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="compared" value="{escape(choice.name)}"{" checked" if i < 2 else ""}> '
        f"{escape(model_label(choice.name))}{_remark(choice)}</label>"
        for i, choice in enumerate(choices)
    )
    return f'<fieldset class="fn-compared" hidden><legend>Compare two to four</legend>{boxes}</fieldset>'


def _remark(choice: ModelChoice) -> str:
    return f" ({escape(choice.missing_key)} is not set)" if choice.missing_key else ""
