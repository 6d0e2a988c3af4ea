"""Owns the web server: the page mounted in a FastAPI app, its health, and the headers that fence it in."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag import Footnote
from rag.errors import InputError
from ui.page import ASSETS, build_page

_UNDOCUMENTED: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
_CLOSED = ("/monitoring", "/gradio_api/dev", "/gradio_api/call")  # of gradio, and of no use to a reader
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    # Gradio's components are compiled in the browser, which needs 'unsafe-eval'; nothing may leave this host.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Fence:
    """Adds the security headers to every response, refuses writes that another site's page sends, closes side doors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it comes from elsewhere or asks for what is closed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def fenced(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                own = [pair for pair in message["headers"] if pair[0].decode("latin-1").lower() not in _HEADERS]
                message = {**message, "headers": own + extra}
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
        if scope["path"].startswith(_CLOSED):
            await PlainTextResponse("Not found", 404)(scope, receive, fenced)
        elif foreign and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            await PlainTextResponse("Requests from other sites are refused.", 403)(scope, receive, fenced)
        else:
            await self._app(scope, receive, fenced)


def build_app(library: Footnote, host: str = "127.0.0.1") -> FastAPI:
    """Return the web app of a library; on a loopback address it answers to loopback names only."""
    app = FastAPI(title="Footnote", **_UNDOCUMENTED)

    @app.get("/health")
    def health() -> dict[str, str]:
        if library.troubled:  # others of the chain may answer, or quotes: the page is not down
            return {"status": "degraded", "models": ", ".join(library.troubled)}
        return {"status": "ok"}

    page = build_page(library)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        app_kwargs=_UNDOCUMENTED,
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=(ASSETS / "page.css").read_text(encoding="utf-8"),
        favicon_path=str(ASSETS / "favicon.svg"),
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        run_history=False,
        max_file_size=0,
    )
    if host in _LOOPBACK:  # a name of someone else that leads here is not for us
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*_LOOPBACK, "[::1]"])
    app.add_middleware(Fence)
    return app


def serve(library: Footnote, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve the page until the process is told to stop; `started` gets its address once it listens.

    Raises InputError where the address cannot be listened at.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(build_app(library, host), log_level="warning", timeout_graceful_shutdown=2)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    shown = f"[{host}]" if ":" in host else host
    started(f"http://{shown}:{port}")
    # uvicorn raises the signal that stopped it once more: that must not cost the library its closing.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the log says more than that an open page was cut off when the server ended."""
    cut = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut and "timeout graceful shutdown exceeded" not in record.getMessage()


def _listen(host: str, port: int) -> socket.socket:
    listener = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()  # now: two servers can bind one address, only one can listen at it
    except OSError as error:
        if listener:
            listener.close()
        raise InputError(
            f"Cannot listen at {host} port {port}: {error.strerror}. Stop what uses it, or choose another --port."
        ) from None
    return listener
