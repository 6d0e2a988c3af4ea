"""Owns the layout of the page, and which event of it calls what."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
if "matplotlib" not in sys.modules and not find_spec("matplotlib"):
    # Else gradio's event loop looks for it on the disk twice for every update of every answer.
    sys.modules["matplotlib"] = None  # type: ignore[assignment]

import gradio as gr

from rag.errors import FootnoteError
from ui.acts import Act
from ui.chat import Chat
from ui.latest import latest
from ui.requests import Question, read
from ui.turn_view import refused_html

ASSETS = Path(__file__).parent / "assets"
_STYLES = ("tokens", "page", "turn", "articles", "evidence", "evaluations")
HEAD = "".join(f'<link rel="stylesheet" href="/assets/{name}.css">' for name in _STYLES)
HEAD += '<script type="module" src="/assets/page.js"></script>'
_PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_RARELY = 3600.0  # seconds
_ENDED = "Your session has ended. Load the page again."
_WRONG = "Something went wrong. Load the page again; the log of the server says more."
_ASKED = "(question) => window.footnote?.asked ? window.footnote.asked(question) : [question, '{}']"
_SETTLED = "() => window.footnote?.settled()"

Session = Callable[[Mapping[str, str]], str | None]
"""Returns the session of a request with these cookies; None where it has none of ours."""

_log = logging.getLogger(__name__)


def build_page(chat: Chat, acts: Mapping[str, Act], session_of: Session, frame: Mapping[str, str]) -> gr.Blocks:
    """Return the page. `frame` holds the HTML of its fixed parts: header, intro, options, panes."""
    page: gr.Blocks = gr.Blocks(title="Footnote", analytics_enabled=False, fill_width=True)
    with page:
        _part(frame["header"], "fn-header")
        with gr.Row(elem_id="fn-main"):
            with gr.Column(elem_id="fn-left", scale=2, min_width=0):
                _part(frame["left"], "fn-lists")
            with gr.Column(elem_id="fn-chat", scale=5, min_width=0):
                with gr.Column(elem_id="fn-scroll"):
                    _part(frame["intro"], "fn-intro")
                    _part('<div class="fn-slot"></div>', "fn-history")
                    live = _part("", "fn-live", _bridge("live"))
                with gr.Column(elem_id="fn-asking"):
                    _part(frame["options"], "fn-options")
                    box = _question_box()
            with gr.Column(elem_id="fn-side", scale=4, min_width=0):
                _part(frame["side"], "fn-panel")
        _part(frame["evaluations"], "fn-evaluations")
        functions = [_server_function(name, act, session_of) for name, act in acts.items()]
        bridge = gr.HTML(
            "", elem_id="fn-bridge", apply_default_css=False, js_on_load=_bridge("acts"), server_functions=functions
        )
        asked = gr.Textbox(visible=False)

        # The turn is the only output: gradio takes long over every other, at each of many updates.
        async def answer(question: str, how: str, request: gr.Request) -> AsyncIterator[Any]:
            async with aclosing(_answered(chat, question, how, session_of(request.cookies))) as updates:
                async for update in updates:
                    yield update

        async def again(event: gr.EventData, request: gr.Request) -> AsyncIterator[Any]:
            async with aclosing(_answered(chat, event.question, event.how, session_of(request.cookies))) as updates:
                async for update in updates:
                    yield update

        for event in (
            box.submit(answer, [box, asked], live, js=_ASKED, concurrency_limit=None, **_PRIVATE),
            bridge.submit(again, None, live, concurrency_limit=None, **_PRIVATE),
        ):
            event.then(None, None, None, js=_SETTLED, **_PRIVATE)  # also where the server could not be reached
    # Who waits is told by us: that gradio tells all of all at every change would take it most of its time.
    page.queue(max_size=None, api_open=False, status_update_rate=_RARELY)
    return page


def _part(html: str, name: str, script: str | None = None) -> gr.HTML:
    return gr.HTML(html, elem_id=name, apply_default_css=False, js_on_load=script)


def _bridge(name: str) -> str:
    """Return the script that keeps what gradio gives a component for the page's own script."""
    return (
        f"(window.footnoteParts = window.footnoteParts || {{}}).{name} = "
        "{ element, trigger, watch, server: typeof server === 'undefined' ? null : server };"
    )


def _question_box() -> gr.Textbox:
    return gr.Textbox(
        placeholder="Ask your articles …",
        label="Question",
        show_label=False,
        container=False,
        max_lines=6,
        max_length=8000,
        submit_btn=True,
        elem_id="fn-ask",
        html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
    )


async def _answered(chat: Chat, question: Any, how: Any, session: str | None) -> AsyncGenerator[Any, None]:
    """Yield the HTML of the live turn."""
    try:
        if session is None:
            raise FootnoteError(_ENDED)
        if not isinstance(question, str) or not isinstance(how, str):
            raise FootnoteError(_WRONG)
        asked = read(Question, how)
    except FootnoteError as error:
        yield refused_html(str(question), 0, str(error))
        return
    if not question.strip():  # a generator that yields nothing would blank the page
        yield gr.skip()
        return
    if not chat.take_seat():  # told at once, without a thread: those are what is scarce now
        yield chat.busy(question).html
        return
    left = threading.Event()
    views = chat.ask(session, asked.conversation, question.strip(), asked.asked, asked.number, left, seated=True)
    async with aclosing(latest(views, left)) as seen:
        async for view in seen:
            yield view.html


def _server_function(name: str, act: Act, session_of: Session) -> Callable[..., dict[str, Any]]:
    """Return an act as gradio calls it; what goes wrong is told in `error`, in words for readers."""

    def function(data: Any, request: gr.Request) -> dict[str, Any]:
        session = session_of(request.cookies)
        if session is None:
            return {"error": _ENDED}
        try:
            return act(data, session)
        except FootnoteError as error:
            return {"error": str(error)}
        except Exception:
            _log.exception("an act of the page failed")
            return {"error": _WRONG}

    function.__name__ = name
    return function
