"""Owns the layout of the page, and which event of it calls what."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

import gradio as gr

from rag import Footnote
from rag.types import QUOTES
from ui.chat import Chat, Turn, View
from ui.evidence import WELCOME
from ui.render import escape

ASSETS = Path(__file__).parent / "assets"
CONCURRENT_ANSWERS = 32
_PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

# Asked of the sample articles; shown where the library holds an answer.
_EXAMPLES = (
    "Why did Samsung limit the use of AI chatbots by its staff?",
    "How much of the work did Brackenfjord keep on its own model?",
    "What do the terms of use say about training on a model's output?",
    "Which outside models does Meta use, and for what?",
)


def build_page(library: Footnote) -> gr.Blocks:
    """Return the page of a library."""
    chat = Chat(library)
    examples = example_questions(library)
    opened = itertools.count()
    page: gr.Blocks = gr.Blocks(title="Footnote", analytics_enabled=False, fill_width=True)
    with page:
        turns = gr.State(())
        gr.HTML(_header(library), elem_id="fn-header", apply_default_css=False)
        with gr.Row(elem_id="fn-main"):
            with gr.Column(elem_id="fn-chat", scale=3, min_width=0):
                with gr.Column(elem_id="fn-scroll"):
                    intro = gr.HTML(_intro(), elem_id="fn-intro", apply_default_css=False)
                    with gr.Column(elem_id="fn-examples", visible=bool(examples)) as cards:
                        buttons = [gr.Button(question, elem_classes="fn-example") for question in examples]
                    history = gr.HTML("", elem_id="fn-history", apply_default_css=False)
                    live = gr.HTML("", elem_id="fn-live", apply_default_css=False, js_on_load=_asset("live.js"))
                box = gr.Textbox(
                    placeholder="Ask your articles …",
                    label="Question",
                    show_label=False,
                    container=False,
                    max_lines=6,
                    max_length=8000,
                    submit_btn=True,
                    autofocus=True,
                    elem_id="fn-ask",
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )
            with gr.Column(elem_id="fn-side", scale=2, min_width=0):
                side = gr.HTML(WELCOME, elem_id="fn-panel", apply_default_css=False, js_on_load=_asset("side.js"))

        shown = [history, live, side, turns, box, intro, cards]

        def answer(question: str, past: tuple[Turn, ...], request: gr.Request) -> Iterator[list[Any]]:
            if not question.strip():  # a generator that yields nothing would blank the page
                yield [gr.skip() for _ in shown]
            for i, view in enumerate(chat.ask(question, past, request.session_hash or "")):
                yield _updates(view, first=i == 0)

        def stop(request: gr.Request) -> None:
            chat.stop(request.session_hash or "")

        def follow(past: tuple[Turn, ...], event: gr.EventData) -> Any:
            panel = chat.open(str(event.href), past)
            # Numbered, so that the page notices even what it shows already, and scrolls to it again.
            return gr.skip() if panel is None else f"{panel}<!-- {next(opened)} -->"

        asking: dict[str, Any] = {**_PRIVATE, "concurrency_limit": CONCURRENT_ANSWERS, "concurrency_id": "answers"}
        box.submit(answer, [box, turns], shown, **asking)
        for button in buttons:
            button.click(answer, [button, turns], shown, **asking)
        box.stop(stop, None, None, queue=False, **_PRIVATE)
        side.select(follow, turns, side, queue=False, **_PRIVATE)
    page.queue(max_size=256, api_open=False)
    return page


def _updates(view: View, first: bool) -> list[Any]:
    """Return the update of each output of a question; unchanged parts are not sent again."""
    box: Any = gr.skip()
    if first:  # the question moves from the box into the conversation
        box = gr.Textbox(value="", submit_btn=False, stop_btn=True)
    elif not view.busy:
        box = gr.Textbox(submit_btn=True, stop_btn=False)
    return [
        gr.skip() if view.history is None else view.history,
        view.live,
        gr.skip() if view.side is None else view.side,
        gr.skip() if view.busy else view.turns,
        box,
        gr.HTML(visible=False) if first else gr.skip(),
        gr.Column(visible=False) if first else gr.skip(),
    ]


def example_questions(library: Footnote) -> list[str]:
    """Return questions that this library can answer: of the samples, else about its newest articles."""
    asked = [question for question in _EXAMPLES if library.search(question, 3).sufficiency.sufficient]
    if asked:
        return asked
    titled = [f"What is said about “{source.title}”?" for source in library.sources()[:12]]
    return [question for question in titled if library.search(question, 3).sufficiency.sufficient][:3]


def _header(library: Footnote) -> str:
    count = len(library.sources())
    if library.model == QUOTES:
        model = '<span class="fn-model">quotes, no model</span>'
    else:
        model = f'<span class="fn-model on" title="Answers are written by this model">{escape(library.model)}</span>'
    return (
        '<header><h1>Footnote<sup aria-hidden="true">1</sup></h1>'
        "<p>Ask your articles; every sentence carries a footnote that you can open.</p>"
        f'<nav><a class="fn-articles" href="#articles">{count} article{"s" * (count != 1)}</a>{model}</nav></header>'
    )


def _intro() -> str:
    return (
        '<div class="fn-intro"><h2>What do your articles say?</h2><p>Answers come with numbered footnotes. Open one to '
        "read the article at the very words, and see which sentences the articles do not support.</p></div>"
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
