"""Owns the password of the page: who is let in, the login page, and how often one may be wrong."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.render import escape
from ui.sessions import Sessions, same_words

_OPEN = ("/health", "/login", "/favicon.ico")
_ASSETS = "/assets/"
_TEMPLATE = Path(__file__).parent / "assets" / "login.html"
_FORM_BYTES = 8192
_ADDRESSES = 10_000  # remembered, those least lately wrong are forgotten first
_MINUTE = 60.0
_FORGOTTEN = 3600.0  # seconds
_WRONG = "That is not the password."


class Attempts:
    """How often a wrong password came, from each address and from all.

    After `each` wrong ones in a minute from one address, or `all_` from everywhere, nobody there may try for a minute.
    Each wait is twice as long as the one before, up to an hour, until nobody had to wait for an hour.
    """

    def __init__(self, each: int = 5, all_: int = 50, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = each
        self._clock = clock
        self._everywhere = _Wrongs(all_)
        self._addresses: OrderedDict[str, _Wrongs] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return the seconds until a password from an address is looked at again; 0 is now."""
        now = self._clock()
        wrongs = self._addresses.get(_network(address))
        until = max(self._everywhere.until, wrongs.until if wrongs else 0.0)
        return max(0, int(until - now) + 1) if until > now else 0

    def wrong(self, address: str) -> None:
        """Note that a password was wrong."""
        now, key = self._clock(), _network(address)
        wrongs = self._addresses.setdefault(key, _Wrongs(self._each))
        self._addresses.move_to_end(key)
        if len(self._addresses) > _ADDRESSES:
            self._addresses.popitem(last=False)
        for count in (wrongs, self._everywhere):
            count.add(now)


class _Wrongs:
    """The wrong passwords of late, and until when no more are looked at."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: list[float] = []
        self._blocks = 0
        self.until = 0.0

    def add(self, now: float) -> None:
        if now - self.until > _FORGOTTEN:
            self._blocks = 0
        self._times = [then for then in self._times if now - then < _MINUTE] + [now]
        if len(self._times) >= self._most:
            self.until = now + min(_MINUTE * 2**self._blocks, _FORGOTTEN)
            self._blocks = min(self._blocks + 1, 10)
            self._times = []


class Door:
    """Lets nobody in without a session, which only a login gives; the login page, its parts and /health are open."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, send a reader to the login page, or refuse."""
        if scope["type"] != "http" or scope["path"] in _OPEN or scope["path"].startswith(_ASSETS):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if self._sessions.session_of(request.cookies) is not None:
            await self._app(scope, receive, send)
            return
        reply: Response = PlainTextResponse("Sign in first: load the page again.", 401)
        if request.method == "GET" and scope["path"] == "/":
            wanted = "/" + (f"?{request.url.query}" if request.url.query else "")
            reply = RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        await reply(scope, receive, send)


def router(sessions: Sessions, password: str, attempts: Attempts) -> APIRouter:
    """Return the routes that let a reader in and out."""
    routes = APIRouter()

    @routes.get("/login")
    async def login_page(request: Request) -> Response:
        wanted = _own_path(request.query_params.get("next", "/"))
        if sessions.session_of(request.cookies) is not None:
            return RedirectResponse(wanted, 303)
        return _page(wanted)

    @routes.post("/login")
    async def login(request: Request) -> Response:
        form = parse_qs((await request.body())[:_FORM_BYTES].decode("utf-8", "replace"), keep_blank_values=True)
        wanted = _own_path(form.get("next", ["/"])[0])
        address = request.client.host if request.client else ""
        # From here to the count nothing is waited for: of many that come at once, none slips by.
        if wait := attempts.wait(address):
            again = f"Too many wrong passwords. Try again in {_in_words(wait)}."
            return _page(wanted, again, 429, {"retry-after": str(wait)})
        if not same_words(form.get("password", [""])[0], password):
            attempts.wrong(address)
            return _page(wanted, _WRONG, 403)
        secure = request.url.scheme == "https"
        if before := sessions.session_of(request.cookies):
            sessions.end(before)
        # A new id, whatever the browser brought along: somebody else may have put that there.
        cookie = sessions.cookie(sessions.new(), secure=secure)
        return RedirectResponse(wanted, 303, {"set-cookie": cookie, "cache-control": "no-store"})

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        if session := sessions.session_of(request.cookies):
            sessions.end(session)
        gone = sessions.no_cookie(secure=request.url.scheme == "https")
        return RedirectResponse("/login", 303, {"set-cookie": gone, "cache-control": "no-store"})

    return routes


def _page(wanted: str, message: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    shown = f'<p id="message" role="alert">{escape(message)}</p>' if message else ""
    described = "message" if message else "about"
    page = Template(_TEMPLATE.read_text(encoding="utf-8"))
    text = page.substitute(message=shown, described=described, next=escape(wanted))
    return HTMLResponse(text, status, {"cache-control": "no-store", **(headers or {})})


def _own_path(wanted: str) -> str:
    """Return where a reader wanted to go, if that is the page of this server; else the page as such."""
    return wanted if wanted.startswith(("/?", "/#")) and wanted.isprintable() and len(wanted) <= 2000 else "/"


def _network(address: str) -> str:
    """Return what stands for an address: with IPv6 one customer has a whole /64 of them."""
    try:
        number = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ipaddress.ip_network((number, 64), strict=False)) if number.version == 6 else address


def _in_words(seconds: int) -> str:
    return f"{seconds} seconds" if seconds <= 90 else f"{-(-seconds // 60)} minutes"
