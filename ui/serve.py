"""Owns the web server: the page and the routes beside it in one FastAPI app, its health, and who may reach it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount

from rag import Footnote
from rag.config import PageSettings
from rag.errors import InputError, UsageError
from ui import login
from ui.connection import PatientProtocol, notice_dead_peers
from ui.gate import HEADERS, Fence, Hosts, is_loopback
from ui.gradio_routes import Endpoints, GradioGate
from ui.page import ASSETS, HEAD
from ui.sessions import Sessions
from ui.site import Site
from ui.uploads import MOST_IN_BODY

_UNDOCUMENTED: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_CLICKS = 41  # threads for what is no answer; not 40 in all, which gradio takes for the pool of everything else
_CONNECTIONS = 2000  # an open page holds up to six: 200 readers, their answers, and /health
_LARGE = {"/articles": MOST_IN_BODY + 1_000_000}  # a little more than it takes: it says itself what is too large
_HEAD_BYTES = 32_768  # of a request; cookies of other servers on this machine come along


def build_app(library: Footnote, host: str = "127.0.0.1") -> FastAPI:
    """Return the web app of a library that is served at `host`."""
    page = library.settings.page
    password = page.password.get_secret_value() if page.password else None
    sessions = Sessions(library.settings.library, page.keep_days, password)
    site = Site(library, sessions)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        site.close()

    app = FastAPI(title="Footnote", lifespan=lifespan, **_UNDOCUMENTED)
    app.add_exception_handler(Exception, _broken)

    @app.get("/health")
    async def health() -> dict[str, str]:  # no thread: it must not wait behind those who ask
        if library.troubled:  # others of the chain may answer, or quotes: the page is not down
            return {"status": "degraded", "models": ", ".join(library.troubled)}
        return {"status": "ok"}

    _add_assets(app)
    if password is not None:
        app.include_router(login.router(sessions, password, login.Attempts()))
        app.add_middleware(login.Door, sessions=sessions)
    for router in site.routers:  # before the mount: what comes after it is never reached
        app.include_router(router)
    _mount(app, site.page, sessions, library.settings.limits.answers_at_once, issues=password is None)
    app.add_middleware(Fence, hosts=Hosts(host, page.hosts), large=_LARGE.get)
    return app


def _mount(app: FastAPI, page: gr.Blocks, sessions: Sessions, answers: int, *, issues: bool) -> None:
    """Put gradio's app at the end of ours, behind a gate."""
    # As launch(max_threads=…) does: by default 40 threads serve all clicks and every route of ours. Answers have
    # threads of their own, and who finds no seat is told so at once: the queue holds nobody up.
    page.max_threads, page._queue.max_thread_count = answers + _CLICKS, _CONNECTIONS
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        app_kwargs=dict(_UNDOCUMENTED),  # gradio writes into it
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        head=HEAD,
        favicon_path=str(ASSETS / "favicon.svg"),
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        run_history=False,
        max_file_size=0,
    )
    mount = app.routes[-1]
    assert isinstance(mount, Mount)  # noqa: S101 - what mount_gradio_app adds
    mount.app = GradioGate(mount.app, sessions, Endpoints.of(page), issues=issues)


def _add_assets(app: FastAPI) -> None:
    for file in sorted(ASSETS.iterdir()):
        if file.suffix in _TYPES:
            app.add_api_route(f"/assets/{file.name}", _asset(file), methods=["GET", "HEAD"])


def _asset(file: Path) -> Callable[[Request], Any]:
    async def asset(request: Request) -> Response:
        content = file.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"cache-control": "no-cache", "etag": tag, "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=_TYPES[file.suffix])

    return asset


async def _broken(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Something went wrong. Try again; the log of the server says more.", 500, HEADERS)


def check_access(page: PageSettings, host: str) -> None:
    """Raise UsageError where a page that others can reach has no password."""
    if not is_loopback(host) and page.password is None:
        raise UsageError(
            f"Others can reach the page at {host}, and it has no password. Set FOOTNOTE_PAGE_PASSWORD (8 characters or "
            "more), or leave --host away to serve this machine only."
        )


def serve(library: Footnote, host: str, port: int, started: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Serve the page until the process is told to stop; `started` gets its address once it listens.

    `warn` gets what whoever runs it should know. Raises UsageError where others can reach the page and it has no
    password, InputError where the address cannot be listened at.
    """
    check_access(library.settings.page, host)
    listener = _listen(host, port)
    config = server_config(build_app(library, host))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    if not is_loopback(host):
        warn(
            "the connection to the page is not encrypted: password and articles can be read on the way. "
            "Put a proxy that speaks TLS before it, and add its name to FOOTNOTE_PAGE_HOSTS."
        )
    shown = f"[{host}]" if ":" in host else host
    started(f"http://{shown}:{port}")
    # uvicorn raises the signal that stopped it once more: that must not cost the library its closing.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def server_config(
    app: FastAPI, log_level: str = "warning", http: type[PatientProtocol] = PatientProtocol
) -> uvicorn.Config:
    """Return how an app is served: which clients are waited for, and how many at once."""
    return uvicorn.Config(
        app,
        http=http,
        ws="none",
        log_level=log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what a request says about where it comes from is not believed
        limit_concurrency=min(_CONNECTIONS, _open_files() // 2),
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=2,
    )


def _open_files() -> int:
    """Return how many files and connections this process may open, after asking for enough of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * _CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, 2 * _CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return 2 * _CONNECTIONS if soft == resource.RLIM_INFINITY else soft


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
        notice_dead_peers(listener)
        listener.bind((host, port))
        listener.listen()  # now: two servers can bind one address, only one can listen at it
    except OSError as error:
        if listener:
            listener.close()
        raise InputError(
            f"Cannot listen at {host} port {port}: {error.strerror}. Stop what uses it, or choose another --port."
        ) from None
    return listener
