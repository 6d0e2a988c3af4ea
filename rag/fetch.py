"""Owns fetching a web page: the one guard between an address that a user gives and the network.

The page is asked for as a browser would, once and without a trace of the reader: no cookies, no referrer, no
proxy of the environment. robots.txt is for crawlers; one page that a person asks for is not crawling.

Only public machines are reached: every address that a name has must be public, the connection goes to the very
address that was checked, and each redirect is checked anew. What is blocked and what cannot be reached reads the
same, so that nobody can look around the network behind Footnote.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from threading import Thread

import httpcore

from rag.addresses import WebAddress, is_public, join_address, page_source, parse_address
from rag.errors import InputError

__all__ = ["Page", "Resolve", "fetch_page", "page_source", "system_resolver"]

SECONDS = 30
"""For one page in all: looking its name up, connecting, redirects, and the last byte."""
MAX_BYTES = 10_000_000
"""Of a page, as sent and as unpacked."""
MAX_REDIRECTS = 5
_CONNECT_SECONDS = 5  # to one address, so that one that is down leaves time for the next
_PORTS = frozenset({80, 443})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = (
    ("User-Agent", f"Footnote/{version('footnote-chat')} (+reader)"),
    ("Accept", "text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate"),
)
_MEDIA_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)", re.ASCII)
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:+-]+)", re.ASCII | re.IGNORECASE)
_NOT_TEXT = ("image/", "audio/", "video/", "font/")
_SHOWN = 120  # characters of an address in a message

_UNREACHABLE = (
    "could not be reached. Check the address: only public pages on ports 80 and 443 are fetched. "
    "Any other can be saved from your browser into the articles folder."
)
_LATE = f"took longer than {SECONDS} s. Try again later, or save it from your browser into the articles folder."
_TOO_LARGE = f"is larger than {MAX_BYTES // 1_000_000} MB. Save what matters of it into the articles folder."
_BROKEN = "came incomplete or damaged. Try again, or save it from your browser into the articles folder."
_TOO_MANY = f"redirects more than {MAX_REDIRECTS} times. Open it in your browser and give the address you end at."
_ELSEWHERE = "leads on to what is not the address of a web page. Open it in your browser and give the one you end at."
_DOWNGRADE = "leads on from https to http, where it could be changed on the way. Give the http address if you trust it."

Resolve = Callable[[str], Sequence[str]]
"""From a host name to all its IP addresses; raises OSError where it has none."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was fetched; `data` is whole and unpacked.

    `url` is the final address, after redirects, without user and fragment. `content_type` and `charset` are what
    the server says, in lower case; neither is checked against the data, nor whether such an encoding exists.
    """

    url: str
    data: bytes
    charset: str | None
    content_type: str | None


class _Failed(Exception):
    """Why there is no page: a sentence without its subject, which ends with what to do."""


def system_resolver(host: str) -> list[str]:
    """Return all addresses of a host, as the operating system knows them."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def fetch_page(url: str, *, resolve: Resolve = system_resolver, allow: frozenset[str] = frozenset()) -> Page:
    """Return the page at an address that somebody gave; takes `SECONDS` at most.

    `allow` is for tests: "ip:port" on the loopback that may be reached all the same. No setting leads here.
    Raises InputError with what to do. Blocked and unreachable addresses have the same message.
    """
    if not all(ipaddress.ip_address(endpoint.rpartition(":")[0]).is_loopback for endpoint in allow):
        raise ValueError("only the loopback can be allowed")
    address = parse_address(url)
    fetch = _Fetch(resolve, allow)
    try:
        return fetch.follow(address)
    except _Failed as failure:
        shown = str(address).partition("?")[0]  # a query may hold a secret
        shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
        raise InputError(f"{shown} {failure}") from None


class _Fetch:
    """One page on its way, with one deadline over all of it."""

    def __init__(self, resolve: Resolve, allow: frozenset[str]) -> None:
        self._resolve = resolve
        self._allow = allow
        self._end = time.monotonic() + SECONDS

    def follow(self, address: WebAddress) -> Page:
        for _ in range(MAX_REDIRECTS + 1):
            found = self._get(address)
            if isinstance(found, Page):
                return found
            if address.scheme == "https" and found.scheme == "http":
                raise _Failed(_DOWNGRADE)
            address = found
        raise _Failed(_TOO_MANY)

    def left(self) -> float:
        """Return the seconds left, more than none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise _Failed(_LATE)
        return left

    def _get(self, address: WebAddress) -> Page | WebAddress:
        """Return the page at an address, or where it leads on to."""
        url = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        request = httpcore.Request("GET", url, headers=[("Host", address.authority), *_HEADERS])
        with httpcore.HTTP11Connection(url.origin, _Stream(self._connect(address), self.left)) as connection:
            try:
                return _read(address, connection.handle_request(request))
            except TimeoutError:  # of a read or write, which had all the time that was left
                raise _Failed(_LATE) from None
            except (OSError, httpcore.ProtocolError, zlib.error):
                raise _Failed(_BROKEN) from None

    def _connect(self, address: WebAddress) -> socket.socket:
        for ip in self._checked(address):
            try:
                return self._open(ip, address)
            except OSError:
                self.left()  # else the next one
        raise _Failed(_UNREACHABLE)

    def _checked(self, address: WebAddress) -> list[str]:
        """Return the IP addresses of a host; one that may not be reached condemns the host."""
        found = [address.host] if address.is_numeric else list(dict.fromkeys(self._look_up(address.host)))
        if not all(self._may_reach(ip, address.port) for ip in found):
            raise _Failed(_UNREACHABLE)
        return found

    def _may_reach(self, ip: str, port: int) -> bool:
        return (port in _PORTS and is_public(ip)) or f"{ip}:{port}" in self._allow

    def _look_up(self, host: str) -> Sequence[str]:
        answer: Future[Sequence[str]] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._resolve(host))
            except Exception as error:
                answer.set_exception(error)

        Thread(target=ask, daemon=True).start()  # the system's resolver has no deadline of its own
        if not wait([answer], self.left()).done:
            raise _Failed(_LATE)
        try:
            return answer.result()
        except OSError:
            raise _Failed(_UNREACHABLE) from None

    def _open(self, ip: str, address: WebAddress) -> socket.socket:
        """Connect to the address that was checked; the certificate must be that of the name."""
        opened = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.settimeout(min(_CONNECT_SECONDS, self.left()))
            opened.connect((ip, address.port))
            if address.scheme == "https":
                opened.settimeout(min(_CONNECT_SECONDS, self.left()))
                # An end without goodbye is not the end of a page whose length is not given.
                opened = _tls().wrap_socket(opened, server_hostname=address.host, suppress_ragged_eofs=False)
        except BaseException:
            opened.close()
            raise
        return opened


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends with the deadline of all of them."""

    def __init__(self, connection: socket.socket, left: Callable[[], float]) -> None:
        self._connection = connection
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._connection.settimeout(self._left())
        return self._connection.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._connection.settimeout(self._left())
        self._connection.sendall(buffer)

    def close(self) -> None:
        self._connection.close()


def _tls() -> ssl.SSLContext:
    context = httpcore.default_ssl_context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # some releases of Python set it
    return context


def _read(address: WebAddress, response: httpcore.Response) -> Page | WebAddress:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if response.status in _REDIRECTS and "location" in headers:
        return _next(address, headers["location"])
    if response.status != HTTPStatus.OK:
        raise _Failed(_refusal(response.status))
    content_type = headers.get("content-type", "")
    media_type = match[1].lower() if (match := _MEDIA_TYPE.match(content_type)) else None
    if media_type and media_type.startswith(_NOT_TEXT):
        raise _Failed(f"is not text but {media_type[:40]}. Give the address of the page that is about it.")
    data = _unpack(_body(response, headers.get("content-length", "")), headers.get("content-encoding", ""))
    charset = match[1].lower() if (match := _CHARSET.search(content_type)) else None
    return Page(str(address), data, charset, media_type)


def _next(address: WebAddress, location: str) -> WebAddress:
    try:
        return join_address(address, location.encode("latin-1").decode("utf-8", "surrogateescape"))
    except InputError:
        raise _Failed(_ELSEWHERE) from None


def _refusal(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (
            f"asks for a login, or turns programs away (status {status}). "
            "Save it from your browser into the articles folder."
        )
    phrase = next((f" {known.phrase}" for known in HTTPStatus if known == status), "")
    later = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return f"has no page: status {status}{phrase}. {'Try again later.' if later else 'Check the address.'}"


def _body(response: httpcore.Response, length: str) -> bytes:
    if int(length or 0) > MAX_BYTES:  # h11 lets nothing else through but digits
        raise _Failed(_TOO_LARGE)
    body = bytearray()  # not a list: a page may come in millions of pieces
    for part in response.iter_stream():
        body += part
        if len(body) > MAX_BYTES:
            raise _Failed(_TOO_LARGE)
    return bytes(body)


def _unpack(body: bytes, coding: str) -> bytes:
    """Undo the content coding, without ever holding more than the limit."""
    coding = coding.strip().lower()
    if coding in ("", "identity") or not body:
        return body
    if coding in ("gzip", "x-gzip"):
        bits = 31
    elif coding == "deflate":  # in zlib's frame, as the standard has it, or bare, as some servers send it
        bits = 15 if body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0 else -15
    else:
        raise _Failed(_BROKEN)  # nobody asked for it
    inflater = zlib.decompressobj(bits)
    data = inflater.decompress(body, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Failed(_TOO_LARGE)
    if not inflater.eof or inflater.unused_data:
        raise _Failed(_BROKEN)
    return data
