"""Owns which of gradio's routes are open, and that a reader reaches his own gradio sessions only."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.claims import Allowance, Owners
from ui.gate import POLICY
from ui.sessions import Sessions

PARTS = re.compile(r"/config|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(?:assets|static)/.+")
_HEARTBEAT = re.compile(r"/gradio_api/heartbeat/([A-Za-z0-9]{1,64})")
_NAME = re.compile(r"[A-Za-z0-9]{1,64}")
_FUNCTION = "/gradio_api/component_server/"
_SENDING = (_FUNCTION, "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel", "/gradio_api/reset")
_ASKING = ("/gradio_api/app_id", "/gradio_api/queue/data")
_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
_DEEPEST = 64  # levels of a JSON body
_PAGES = 8  # kept, one for each name that readers use
_RELOAD = "Your session has ended. Load the page again."


class Endpoints(NamedTuple):
    """What of a page may be called: the numbers of its events, and the functions of its components."""

    events: frozenset[int]
    functions: frozenset[tuple[int, str]]

    @classmethod
    def of(cls, page: Any) -> Endpoints:
        """Return the endpoints of gradio's `Blocks`."""
        named = {
            (block._id, name) for block in page.blocks.values() for name in block.get_config().get("server_fns", ())
        }
        return cls(frozenset(page.fns), frozenset(named))

    def has(self, body: Mapping[str, Any]) -> bool:
        """Whether the event or function that a request names is there, where it names one."""
        event, component, name = body.get("fn_index"), body.get("component_id"), body.get("fn_name")
        if component is not None or name is not None:
            return type(component) is int and isinstance(name, str) and (component, name) in self.functions
        return type(event) is int and event in self.events


class _Whole(NamedTuple):
    """A response that is no stream."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class GradioGate:
    """Lets through to gradio what the page needs, each reader to his own gradio sessions; gives the page its cookie.

    Gradio itself tells readers apart by a random name that their page makes up and anyone may send.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, endpoints: Endpoints, *, issues: bool = True) -> None:
        """`issues`: a reader without a session gets one with the page; else only a login makes sessions."""
        self._app = app
        self._sessions = sessions
        self._endpoints = endpoints
        self._issues = issues
        self._owners = Owners()
        self._pages: OrderedDict[tuple[str, str], _Whole] = OrderedDict()
        self._rendering = asyncio.Lock()
        self._allowance = Allowance(burst=200, rate=20)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        request = Request(scope, receive)
        if method in ("GET", "HEAD") and path == "/":
            await self._page(request, send)
        elif method in ("GET", "HEAD") and PARTS.fullmatch(path):
            await self._app(scope, receive, send)
        elif method == "GET" and (path in _ASKING or _HEARTBEAT.fullmatch(path)):
            await self._ask(request, self._session(request), send)
        elif method == "POST" and path in _SENDING:
            await self._send(request, self._session(request), send)
        else:
            raise HTTPException(404, "Not found")

    def _session(self, request: Request) -> str:
        session = self._sessions.session_of(request.cookies)
        if session is None:
            raise HTTPException(403, _RELOAD)
        return session

    async def _page(self, request: Request, send: Send) -> None:
        """Answer with the page, its cookie, and a policy that runs the scripts it came with and no other."""
        whole = await self._rendered(request)
        response = Response(whole.body, whole.status)
        response.raw_headers = [*whole.headers]
        session = self._sessions.session_of(request.cookies) or (self._sessions.new() if self._issues else None)
        shown = request.headers.get("sec-fetch-dest", "document") == "document"  # not as a picture of another page
        if session and shown and request.method == "GET" and whole.status == 200:
            cookie = self._sessions.cookie(session, secure=request.url.scheme == "https")
            response.headers.append("set-cookie", cookie)
        await response(request.scope, request.receive, send)

    async def _rendered(self, request: Request) -> _Whole:
        """Return the page as gradio renders it for an address, which takes it long; the latest few are kept.

        What the address says after `?` is for our script: gradio never sees it, nor whether it is asked for a HEAD.
        """
        key = (request.headers["host"], request.url.scheme)
        async with self._rendering:
            if key not in self._pages:
                plain = [(name, value) for name, value in request.scope["headers"] if name == b"host"]
                scope = {**request.scope, "method": "GET", "query_string": b"", "headers": plain}
                page = await _whole(self._app, scope, request.receive)
                if page.status != 200:
                    return page
                self._pages[key] = page
                if len(self._pages) > _PAGES:
                    self._pages.popitem(last=False)
            self._pages.move_to_end(key)
            return self._pages[key]

    async def _ask(self, request: Request, session: str, send: Send) -> None:
        match = _HEARTBEAT.fullmatch(request.url.path)
        given = [match[1]] if match else request.query_params.getlist("session_hash")
        if request.url.path == "/gradio_api/app_id":
            await self._app(request.scope, request.receive, send)
            return
        if len(given) != 1 or not self._claimed(given[0], session):
            raise HTTPException(403, _RELOAD)
        with self._owners.using(given[0]):
            await self._app(request.scope, request.receive, send)

    async def _send(self, request: Request, session: str, send: Send) -> None:
        wait = self._allowance.take(session)
        if wait:
            raise HTTPException(429, f"Too many requests. Try again in {wait} s.", {"retry-after": str(wait)})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "The body must be JSON.")
        body = _read_json(await request.body())
        name, event = body.get("session_hash"), body.get("event_id")
        is_reset = request.url.path == "/gradio_api/reset"  # names an event only
        if not (is_reset and name is None) and not (isinstance(name, str) and self._claimed(name, session)):
            raise HTTPException(403, _RELOAD)
        if event is not None and not (isinstance(event, str) and self._owners.owns(event, session)):
            raise HTTPException(403, _RELOAD)
        if not is_reset and not self._endpoints.has(body):
            raise HTTPException(404, "Not found")
        # Written anew: what was checked is what gradio reads, also where two parsers would differ.
        written = json.dumps(body).encode()
        scope = {**request.scope, "headers": _json_headers(request.scope["headers"], len(written))}
        noting = self._noting(session, send) if request.url.path == "/gradio_api/queue/join" else send
        with self._owners.using(name) if isinstance(name, str) else nullcontext():
            await self._app(scope, _replayed(written, request.receive), noting)

    def _claimed(self, name: str, session: str) -> bool:
        return _NAME.fullmatch(name) is not None and self._owners.claim(name, session)

    def _noting(self, session: str, send: Send) -> Send:
        """Return `send` that notes whose the event is that gradio names in its reply to a question."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.body":
                try:
                    event = json.loads(message.get("body", b"")).get("event_id")
                except (ValueError, AttributeError):
                    event = None
                if isinstance(event, str):
                    self._owners.claim(event, session)
            await send(message)

        return noting


def _read_json(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds; raises HTTPException where it holds none, or one too deep."""
    try:
        value = json.loads(body)
        if isinstance(value, dict) and not _is_deeper(value, _DEEPEST):
            return value
    except (ValueError, RecursionError):
        pass
    raise HTTPException(400, "The body is not a JSON object that this page sends.")


def _is_deeper(value: Any, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in parts)


def _json_headers(pairs: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [pair for pair in pairs if pair[0] not in (b"content-length", b"content-type", b"transfer-encoding")]
    return [*kept, (b"content-type", b"application/json"), (b"content-length", str(length).encode())]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read, then whatever comes next."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


async def _whole(app: ASGIApp, scope: Scope, receive: Receive) -> _Whole:
    """Return a response that is no stream, with a policy for its scripts."""
    start: Message = {}
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, collect)
    body = b"".join(parts)
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(body))
    policy = POLICY.format(scripts="".join(f" 'sha256-{digest}'" for digest in hashes))
    own = [(b"content-security-policy", policy.encode()), (b"cache-control", b"private, no-cache")]
    kept = [pair for pair in start["headers"] if pair[0].lower() in (b"content-type", b"content-length")]
    return _Whole(start["status"], (*kept, *own), body)
