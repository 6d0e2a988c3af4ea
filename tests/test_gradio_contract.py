"""What of gradio can be reached, held as lists: a release that adds a route fails here before it is let in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from ui.gradio_routes import Endpoints, GradioGate
from ui.sessions import Sessions

# A * stands for what a route leaves open. `run` is open as `run/predict` only.
OPEN = """
GET /
HEAD /
GET /assets/*
GET /config
GET /favicon.ico
GET /gradio_api/app_id
POST /gradio_api/cancel
POST /gradio_api/component_server/
GET /gradio_api/heartbeat/*
GET /gradio_api/queue/data
POST /gradio_api/queue/join
POST /gradio_api/reset
POST /gradio_api/run/*
GET /manifest.json
GET /robots.txt
GET /static/*
GET /theme.css
"""
CLOSED = """
GET /config/
POST /gradio_api/api/*
POST /gradio_api/api/*/
GET /gradio_api/app_id/
POST /gradio_api/call/*
POST /gradio_api/call/*/
GET /gradio_api/call/*/*
POST /gradio_api/call/v2/*
POST /gradio_api/call/v2/*/
GET /gradio_api/call/v2/*/*
POST /gradio_api/component_server
GET /gradio_api/custom_component/*/*/*/*
GET /gradio_api/deep_link
GET /gradio_api/dev/reload
GET /gradio_api/file/*
GET /gradio_api/file=*
HEAD /gradio_api/file=*
GET /gradio_api/info
GET /gradio_api/info/
GET /gradio_api/login_check
GET /gradio_api/login_check/
GET /gradio_api/openapi.json
POST /gradio_api/process_recording
GET /gradio_api/proxy=*
HEAD /gradio_api/proxy=*
GET /gradio_api/queue/status
POST /gradio_api/reset/
POST /gradio_api/run/*/
GET /gradio_api/runs
GET /gradio_api/runs/
GET /gradio_api/startup-events
POST /gradio_api/stream/*
GET /gradio_api/stream/*/*/*/*.*
GET /gradio_api/stream/*/*/*/playlist-file
GET /gradio_api/stream/*/*/*/playlist.m3u8
POST /gradio_api/stream/*/close
GET /gradio_api/theme.css
GET /gradio_api/token
GET /gradio_api/token/
POST /gradio_api/undo-vibe-edit
POST /gradio_api/undo-vibe-edit/
POST /gradio_api/upload
GET /gradio_api/upload_progress
GET /gradio_api/user
GET /gradio_api/user/
GET /gradio_api/vibe-code
POST /gradio_api/vibe-code
GET /gradio_api/vibe-code/
POST /gradio_api/vibe-code/
POST /gradio_api/vibe-edit
POST /gradio_api/vibe-edit/
POST /gradio_api/vibe-starter-queries
POST /gradio_api/vibe-starter-queries/
POST /login
POST /login/
GET /logout
GET /monitoring
GET /monitoring/*
GET /monitoring/summary
GET /pwa_icon
GET /pwa_icon/*
GET /svelte/*
"""


def mounted() -> Any:
    """Return gradio's own app of a page, made inside a running loop: else gradio leaves loops of its own unclosed."""

    async def mount() -> Any:
        app = FastAPI()
        with gr.Blocks(analytics_enabled=False) as page:
            gr.HTML()
        page.queue(api_open=False)
        gr.mount_gradio_app(app, page, "/", run_history=False, app_kwargs={"openapi_url": None})
        mount = app.routes[-1]
        assert isinstance(mount, Mount)  # what ui.serve relies on
        return mount.app

    return asyncio.run(mount())


def routes(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        yield from routes(getattr(getattr(part, "original_router", None), "routes", []))
        for method in getattr(part, "methods", None) or ():
            yield f"{method} {re.sub(r'{[^}]*}', '*', part.path)}"


def test_gradio_has_the_routes_that_we_know_of() -> None:
    assert sorted(routes(mounted().routes)) == sorted([*OPEN.split("\n")[1:-1], *CLOSED.split("\n")[1:-1]])


class Behind:
    """A gate with nothing but a note behind it of what came through, and a reader who has a session."""

    def __init__(self, folder: Path) -> None:
        self.sessions = Sessions(folder, 30)
        self.cookie = self.sessions.cookie(self.sessions.new(), secure=False).split(";")[0]
        self.gate = GradioGate(self._app, self.sessions, Endpoints(frozenset({0}), frozenset({(1, "act")})))

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("it came through")(scope, receive, send)

    def reached(self, method: str, path: str) -> bool:
        """Whether a request that is in order gets past the gate."""
        body: dict[str, Any] = {"session_hash": "abc", "fn_index": 0, "data": []}
        if "component_server" in path:
            body |= {"component_id": 1, "fn_name": "act"}

        async def ask() -> bool:
            transport = httpx.ASGITransport(self.gate)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                options: dict[str, Any] = {"json": body} if method == "POST" else {"params": {"session_hash": "abc"}}
                try:
                    reply = await client.request(method, path, headers={"cookie": self.cookie}, **options)
                except HTTPException as refusal:
                    assert refusal.status_code == 404  # noqa: PT017
                    return False
                return reply.text == "it came through" or method == "HEAD"

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Behind:
    return Behind(tmp_path_factory.mktemp("behind"))


@pytest.mark.parametrize("route", OPEN.split("\n")[1:-1])
def test_what_the_page_needs_is_open(behind: Behind, route: str) -> None:
    method, path = route.split(" ")
    assert behind.reached(method, path.replace("run/*", "run/predict").replace("*", "abc"))


@pytest.mark.parametrize("route", [*CLOSED.split("\n")[1:-1], "POST /gradio_api/run/answer"])
def test_everything_else_is_closed(behind: Behind, route: str) -> None:
    method, path = route.split(" ")
    assert not behind.reached(method, path.replace("*", "abc"))


@pytest.mark.parametrize(
    "path",
    [
        "//gradio_api/queue/join",
        "/gradio_api//queue/join",
        "/gradio_api/queue/join/",
        "/GRADIO_API/queue/join",
        "/gradio_api",
    ],
)
def test_no_other_spelling_is_let_through(behind: Behind, path: str) -> None:
    assert not behind.reached("POST", f"http://127.0.0.1{path}")


def test_threads_are_given_as_ui_serve_gives_them() -> None:
    async def started() -> tuple[int, int]:
        with gr.Blocks(analytics_enabled=False) as page:
            gr.HTML()
        page.queue(api_open=False)
        page.max_threads = page._queue.max_thread_count = 123
        page.run_startup_events()
        try:
            assert page.limiter is not None
            return int(page.limiter.total_tokens), len(page._queue.active_jobs)
        finally:
            page._queue.close()

    assert asyncio.run(started()) == (123, 123)
