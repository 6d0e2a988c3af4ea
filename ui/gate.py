"""Owns the fence around all that is served: which names it answers to, who may write, how much, and the headers."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    # Gradio's components are compiled in the browser, which needs 'unsafe-eval'; nothing may leave this host.
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": POLICY.format(scripts=""),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # not no-referrer: with it browsers send forms under the origin `null`
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
BODY_BYTES = 1_000_000  # of a request that is no upload
BODY_SECONDS = 30.0
UPLOAD_SECONDS = 600.0
_SAFE = ("GET", "HEAD", "OPTIONS")
_NAME = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::[0-9]{1,5})?")
_UNKNOWN_NAME = (
    "This page does not answer to the name in your address bar. Who runs it can allow the name with "
    "FOOTNOTE_PAGE_HOSTS, or `hosts` under [page] in footnote.toml; or use the address it was started with."
)


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


class Hosts:
    """The names that a server listening at `host` answers to, `allowed` ones of its settings among them.

    A name of somebody else that leads here would let his page read this one (DNS rebinding). An address as such
    belongs to nobody else, so beyond loopback every one is allowed.
    """

    def __init__(self, host: str, allowed: Iterable[str] = ()) -> None:
        self._local = is_loopback(host)
        own = () if self._local else (host, socket.gethostname(), f"{socket.gethostname()}.local")
        self._names = {name.lower().rstrip(".") for name in ("localhost", *own, *allowed)}

    def answers_to(self, host: str) -> bool:
        """Whether a `Host` header, with or without a port, names this server."""
        match = _NAME.fullmatch(host.lower())
        if match is None:
            return False
        name = match["name"].strip("[]").rstrip(".")
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        if self._local:
            return address.is_loopback or name in self._names
        return not address.is_unspecified


class Fence:
    """Refuses what comes under another name or from another site's page, and what is too large or too slow.

    Adds the security headers to every response. What a proxy says about the client is not believed, nor passed on.
    `large` gives the bytes that the body of a request to a path may have, where that is more than usual.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, large: Callable[[str], int | None] = lambda _: None) -> None:
        self._app = app
        self._hosts = hosts
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def fenced(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _fenced_headers(message["headers"])}
            await send(message)

        headers = Headers(scope=scope)
        scope = {**scope, "headers": _believed(scope["headers"]), "scheme": _scheme(scope, headers)}
        most = self._large(scope["path"])
        limit, seconds = (BODY_BYTES, BODY_SECONDS) if most is None else (most, UPLOAD_SECONDS)
        refusal = self._refusal(scope["method"], headers, limit)
        if refusal is not None:
            await refusal(scope, receive, fenced)
        else:
            await self._app(scope, _bounded(receive, limit, seconds), fenced)

    def _refusal(self, method: str, headers: Headers, limit: int) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.answers_to(hosts[0]):
            return PlainTextResponse(_UNKNOWN_NAME, 400)
        if _is_foreign(method, headers, hosts[0]):
            return PlainTextResponse("Requests from other sites are refused.", 403)
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdecimal() and int(length[:15]) > limit:
            return PlainTextResponse("The request is too large.", 413)
        return None


def _is_foreign(method: str, headers: Headers, host: str) -> bool:
    """Whether a request was caused by a page of another origin, and is more than following a link to here."""
    site = headers.get("sec-fetch-site", "none")
    if method in _SAFE:
        return site not in ("same-origin", "none") and headers.get("sec-fetch-mode") != "navigate"
    if site not in ("same-origin", "none"):
        return True
    return any(not _is_origin(origin, host) for origin in headers.getlist("origin"))


def _is_origin(origin: str, host: str) -> bool:
    # Either scheme: before us may stand a proxy that speaks TLS.
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _believed(pairs: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request without what says where it is said to come from; anybody can say that."""
    return [(name, value) for name, value in pairs if not name.startswith((b"x-forwarded", b"forwarded"))]


def _scheme(scope: Scope, headers: Headers) -> str:
    """Return the scheme of the address that the browser shows.

    Behind a proxy that speaks TLS we see HTTP only. But browsers send `Sec-Fetch-…` over HTTPS only, loopback apart.
    """
    match = _NAME.fullmatch(headers.get("host", "").lower())
    if match and not is_loopback(match["name"].strip("[]")) and "sec-fetch-site" in headers:
        return "https"
    return str(scope["scheme"])


def _fenced_headers(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with ours; a policy for scripts of its own it may keep."""
    headers = MutableHeaders(raw=[(n.lower(), v) for n, v in pairs if not n.lower().startswith(b"access-control-")])
    policy = headers.get("content-security-policy")
    for name, value in HEADERS.items():
        headers[name] = value
    if policy is not None:
        headers["content-security-policy"] = policy
    return headers.raw


def _bounded(receive: Receive, limit: int, seconds: float) -> Receive:
    """Return `receive` for a body of at most `limit` bytes that must be here after `seconds`.

    It raises HTTPException, which the app answers with its status.
    """
    left = limit
    deadline: float | None = asyncio.get_running_loop().time() + seconds

    async def bounded() -> Message:
        nonlocal left, deadline
        if deadline is None:  # the body is here: what is waited for now is the end of the connection
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "The request took too long to arrive.", {"connection": "close"}) from None
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, "The request is too large.", {"connection": "close"})
        if not message.get("more_body", False):
            deadline = None
        return message

    return bounded
