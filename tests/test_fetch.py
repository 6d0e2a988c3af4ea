"""Fetching a page: what is never reached, what a server may do wrong, and what comes back."""

from __future__ import annotations

import ast
import gzip
import itertools
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import fetch
from rag.errors import InputError
from rag.fetch import Page, fetch_page, page_source
from tests.test_addresses import NEVER_GIVEN_OUT, NOT_ADDRESSES, NOT_PUBLIC, ODD_HOSTS, ODD_NUMBERS, SCHEMES

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1:248:1893:25c8:1946"
HTML = "Content-Type: text/html; charset=utf-8"
Play = bytes | Callable[[socket.socket], None]


class Server:
    """A server on the loopback that plays one reply of its script to each connection, the last again and again."""

    def __init__(self, *script: Play, tls: ssl.SSLContext | None = None) -> None:
        self.script, self.tls = script, tls
        self.requests: list[str] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://good.example:{self.port}"
        self.allow = frozenset({f"127.0.0.1:{self.port}"})
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # until it is closed
            while True:
                connection, _ = self._listener.accept()
                play = self.script[min(self.connections, len(self.script) - 1)]
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(connection, play), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket, play: Play) -> None:
        connection.settimeout(20)
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    if not (data := connection.recv(65536)):
                        return
                    received += data
                self.requests.append(received.decode())
                if callable(play):
                    play(connection)
                else:
                    connection.sendall(play)
                    finish(connection)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def finish(connection: socket.socket) -> None:
    """Say goodbye and wait until the client has gone: what was sent would be lost with unread data."""
    if isinstance(connection, ssl.SSLSocket):
        connection = connection.unwrap()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@contextmanager
def serving(*script: Play, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(*script, tls=tls)
    try:
        yield server
    finally:
        server.close()


def reply(body: bytes = b"<p>Good.</p>", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def raw(*headers: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    """A reply with these headers and no other."""
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def redirect(location: str, status: int = 302) -> bytes:
    return raw(f"Location: {location}", "Content-Length: 0", status=f"{status} Moved")


class Names:
    """A resolver that knows a few names; `asked` keeps what it was asked for. A list of lists is given in turn."""

    def __init__(self, **names: Sequence[str]) -> None:
        self._names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._names[host]


LOOPBACK = {"good_example": ["127.0.0.1"]}


def get(server: Server, path: str = "/", **names: Sequence[str]) -> Page:
    return fetch_page(server.url + path, resolve=Names(**LOOPBACK, **names), allow=server.allow)


def failure(url: str, resolve: Callable[[str], Sequence[str]] | None = None, **others: Any) -> str:
    """Return the message of a fetch that must fail, without the address it begins with."""
    with pytest.raises(InputError) as caught:
        fetch_page(url, resolve=resolve or Names(), **others)
    message = str(caught.value)
    assert message.endswith(".")
    return message.partition(" ")[2] if message.startswith("http") else message


def failure_of(server: Server, path: str = "/", **names: Sequence[str]) -> str:
    return failure(server.url + path, Names(**LOOPBACK, **names), allow=server.allow)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every address that a connection was tried to; those off the loopback fail."""
    tried: list[tuple[str, int]] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        tried.append((address[0], address[1]))
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    return tried


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on the loopback which the rule of ports would not protect; nothing may come to it."""
    with serving(reply(b"secret", HTML)) as server:
        monkeypatch.setattr(fetch, "_PORTS", fetch._PORTS | {server.port})
        yield server
        assert server.connections == 0


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the deadline come soon."""
    monkeypatch.setattr(fetch, "SECONDS", 0.3)


UNREACHABLE = fetch._UNREACHABLE
NOT_AN_ADDRESS = "This is not the address of a web page."


# ---------------------------------------------------------------- what comes back


def test_a_page_comes_with_its_address_and_what_the_server_says_of_it() -> None:
    with serving(reply("Über".encode("latin-1"), 'content-type: Text/HTML ; CharSet="ISO-8859-1"')) as server:
        page = get(server, "/a?b=c#d")
    assert page == Page(f"http://good.example:{server.port}/a?b=c", b"\xdcber", "iso-8859-1", "text/html")


@pytest.mark.parametrize(
    ("header", "content_type", "charset"),
    [
        ("", None, None),
        ("Content-Type:", None, None),
        ("Content-Type: text/plain", "text/plain", None),
        ("Content-Type: application/xhtml+xml;charset=UTF-8;x=y", "application/xhtml+xml", "utf-8"),
        ("Content-Type: text/html; charset='gb18030'", "text/html", "gb18030"),
        ("Content-Type: text/html; charset=", "text/html", None),
        ("Content-Type: charset=utf-8", None, None),
        ("Content-Type: application/octet-stream", "application/octet-stream", None),
        ("Content-Type: \xff\xff", None, None),
        ("Content-Type: text/html\r\nContent-Type: image/png", "text/html", None),
    ],
)
def test_the_type_is_that_of_the_header(header: str, content_type: str | None, charset: str | None) -> None:
    lines = f"HTTP/1.1 200 OK\r\n{header}\r\n".replace("\r\n\r\n", "\r\n").encode("latin-1")
    with serving(lines + b"Content-Length: 2\r\n\r\nok") as server:
        page = get(server)
    assert (page.data, page.content_type, page.charset) == (b"ok", content_type, charset)


@pytest.mark.parametrize(
    "kind", ["text/html", "text/markdown", "application/pdf", "application/json", "application/zip"]
)
def test_whether_it_can_be_read_is_left_to_the_content(kind: str) -> None:
    with serving(reply(b"\x00\x01", f"Content-Type: {kind}")) as server:
        assert get(server).data == b"\x00\x01"


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/SVG+XML; charset=utf-8", "audio/mpeg", "video/mp4", "font/woff2"])
def test_what_is_no_text_is_refused_by_its_type(kind: str) -> None:
    with serving(reply(b"\x89PNG", f"Content-Type: {kind}")) as server:
        message = failure_of(server)
    assert message.startswith(f"is not text but {kind.partition(';')[0].lower()}. Give the address")


def test_the_request_tells_nothing_of_the_reader() -> None:
    script = redirect("/next"), reply(b"x", HTML, "Set-Cookie: a=b", "Refresh: 0; url=/more")
    with serving(
        raw("Set-Cookie: a=b; Path=/", "Location: /2", "Content-Length: 0", status="301 X"), *script
    ) as server:
        get(server, "/1?q=1")
    first, second, third = server.requests
    assert first == (
        f"GET /1?q=1 HTTP/1.1\r\nHost: good.example:{server.port}\r\n"
        f"User-Agent: Footnote/{version('footnote-chat')} (+reader)\r\n"
        "Accept: text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,*/*;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate\r\n\r\n"
    )
    assert second == first.replace("/1?q=1", "/2")
    assert third == first.replace("/1?q=1", "/next")


def test_one_page_is_one_request() -> None:
    body = b'<meta http-equiv="refresh" content="0; url=/more"><base href="//x.example"><img src="/i"><frame src="/f">'
    with serving(reply(body, HTML, "Refresh: 0; url=/more", "Link: </s>; rel=preload")) as server:
        assert get(server).data == body
    assert [request.split()[1] for request in server.requests] == ["/"]  # and robots.txt is not asked for


def test_a_page_may_change_between_two_fetches() -> None:
    with serving(reply(b"one", HTML), reply(b"two", HTML)) as server:
        assert [get(server).data, get(server).data] == [b"one", b"two"]


def test_the_source_of_a_page_is_offered_here_too() -> None:
    assert page_source("HTTP://good.example:80?utm_source=x#y") == "http://good.example/"


# ---------------------------------------------------------------- what is never reached


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_other_scheme_is_fetched(scheme: str, canary: Server, attempts: list[tuple[str, int]]) -> None:
    for host in ("127.0.0.1", "good.example"):
        resolve = Names(**LOOPBACK)
        assert failure(f"{scheme}://{host}:{canary.port}/", resolve).startswith(NOT_AN_ADDRESS)
        assert resolve.asked == attempts == []


@pytest.mark.parametrize("host", [*ODD_NUMBERS, *ODD_HOSTS])
def test_an_odd_host_never_passes_as_a_name(host: str, canary: Server, attempts: list[tuple[str, int]]) -> None:
    asked: list[str] = []

    def resolve(name: str) -> list[str]:
        asked.append(name)
        return [PUBLIC]

    for url in (f"http://{host}/", f"http://{host}:{canary.port}/", f"https://{host}:{canary.port}/x"):
        assert failure(url, resolve).startswith(NOT_AN_ADDRESS)
    assert asked == attempts == []


@pytest.mark.parametrize("address", [*NOT_PUBLIC, *NEVER_GIVEN_OUT])
def test_no_address_that_is_not_public_is_reached(
    address: str, canary: Server, attempts: list[tuple[str, int]]
) -> None:
    literal = f"[{address}]" if ":" in address else address
    literals = [literal, literal.upper(), *([literal + "."] if ":" not in address else [])]
    for host, port in itertools.product(literals, ("", ":80", ":443", f":{canary.port}")):
        for scheme in ("http", "https"):
            resolve = Names(inside_example=[PUBLIC])
            assert failure(f"{scheme}://{host}{port}/", resolve) == UNREACHABLE
            assert resolve.asked == []
    for port in ("", f":{canary.port}"):
        assert failure(f"http://inside.example{port}/", Names(inside_example=[address])) == UNREACHABLE
    assert attempts == []


@pytest.mark.parametrize("url", ["http://127.0.0.1#@good/", "http://127.0.0.1?@good/", "http://127.0.0.1/@good/"])
def test_what_stands_behind_the_host_is_no_host(url: str, attempts: list[tuple[str, int]]) -> None:
    assert failure(url, Names(good=[PUBLIC])) == UNREACHABLE
    assert attempts == []


NAMES_INSIDE = {
    "localhost": "127.0.0.1",
    "LOCALHOST.": "::1",
    "metadata.google.internal": "169.254.169.254",
    "metadata.": "169.254.169.254",
    "router.local": "192.168.1.1",
    "alias.good.example": "10.0.0.5",  # an alias of a name inside
    "büro.example": "172.16.3.4",
    "xn--bro-hoa.example": "fd00::5",
    "scoped.example": "fe80::1%eth0",
    "public-scoped.example": PUBLIC_V6 + "%eth0",
}


@pytest.mark.parametrize("name", NAMES_INSIDE)
def test_a_name_that_leads_inside_is_not_followed(name: str, canary: Server, attempts: list[tuple[str, int]]) -> None:
    for port in ("", f":{canary.port}"):
        assert failure(f"http://{name}{port}/", lambda _: [NAMES_INSIDE[name]]) == UNREACHABLE
    assert attempts == []


@pytest.mark.parametrize("other", ["127.0.0.1", "10.0.0.1", "::1", "64:ff9b::7f00:1", "fe80::1%1", *NOT_ADDRESSES])
def test_one_address_inside_condemns_a_name(other: str, canary: Server, attempts: list[tuple[str, int]]) -> None:
    for found in ([PUBLIC, other], [other, PUBLIC], [PUBLIC, PUBLIC_V6, other]):
        for port in ("", f":{canary.port}"):
            assert failure(f"http://mixed.example{port}/", Names(mixed_example=found)) == UNREACHABLE
    assert attempts == []


@pytest.mark.parametrize("port", [0, 1, 22, 25, 81, 444, 6379, 7860, 8080, 8443, 65535, 65536, 99999])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_other_port_is_reached(scheme: str, port: int, attempts: list[tuple[str, int]]) -> None:
    assert failure(f"{scheme}://good.example:{port}/", Names(good_example=[PUBLIC])) == UNREACHABLE
    assert failure(f"{scheme}://{PUBLIC}:{port}/") == UNREACHABLE
    assert attempts == []


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://good.example/", 80),
        ("https://good.example/", 443),
        ("http://good.example:443/", 443),
        ("https://GOOD.example.:80", 80),
    ],
)
def test_the_connection_goes_to_all_the_addresses_that_were_checked(
    url: str, port: int, attempts: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)  # nobody asks for a name again
    resolve = Names(good_example=[PUBLIC_V6, PUBLIC, PUBLIC])
    assert failure(url, resolve) == UNREACHABLE
    assert attempts == [(PUBLIC_V6, port), (PUBLIC, port)]
    assert resolve.asked == ["good.example"]


@pytest.mark.parametrize("literal", [PUBLIC, f"[{PUBLIC_V6.upper()}]"])
def test_a_public_number_is_reached_without_asking_for_it(literal: str, attempts: list[tuple[str, int]]) -> None:
    resolve = Names()
    assert failure(f"http://{literal}/", resolve) == UNREACHABLE
    assert attempts == [(literal.strip("[]").lower(), 80)]
    assert resolve.asked == []


def test_a_name_that_changes_its_address_is_asked_for_once(canary: Server, attempts: list[tuple[str, int]]) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    assert failure(f"http://good.example:{canary.port}/", rebinding) == UNREACHABLE
    assert asked == ["good.example"]
    assert attempts == [(PUBLIC, canary.port)]


def test_a_name_that_changes_its_address_is_checked_again_at_each_redirect(canary: Server) -> None:
    with serving(redirect(f"http://good.example:{canary.port}/")) as server:
        answers = iter([["127.0.0.1"], ["127.0.0.1"]])  # allowed at the port of the server, not at the canary's
        assert failure(server.url, lambda _: next(answers), allow=server.allow) == UNREACHABLE
        assert next(answers, None) is None


def test_an_address_that_is_down_leaves_room_for_the_next() -> None:
    with serving(reply(b"up", HTML)) as server:
        resolve = Names(good_example=["127.0.0.2", "127.0.0.1"])  # the server listens at the second
        page = fetch_page(server.url, resolve=resolve, allow=server.allow | {f"127.0.0.2:{server.port}"})
    assert page.data == b"up"


@pytest.mark.parametrize("seconds", [30, 3])
def test_no_address_may_take_all_the_time(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[float] = []

    class Greeting:
        def wrap_socket(self, connection: socket.socket, **_: object) -> ssl.SSLSocket:
            times.append(connection.gettimeout() or 0)
            raise TimeoutError

    def silent(self: socket.socket, address: Any) -> None:
        times.append(self.gettimeout() or 0)
        if address[0] == PUBLIC:
            raise TimeoutError

    monkeypatch.setattr(fetch, "SECONDS", seconds)
    monkeypatch.setattr(fetch, "_tls", Greeting)
    monkeypatch.setattr(socket.socket, "connect", silent)
    assert failure("https://good.example/", Names(good_example=[PUBLIC, PUBLIC_V6])) == UNREACHABLE
    assert len(times) == 3
    assert all(0 < taken <= min(seconds, fetch._CONNECT_SECONDS) for taken in times)


@pytest.mark.parametrize("upper", [False, True])
def test_no_proxy_of_the_environment_is_used(
    upper: bool, canary: Server, attempts: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name.upper() if upper else name, f"http://127.0.0.1:{canary.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for scheme in ("http", "https"):
        assert failure(f"{scheme}://good.example/", Names(good_example=[PUBLIC])) == UNREACHABLE
    assert attempts == [(PUBLIC, 80), (PUBLIC, 443)]
    with serving(reply(b"direct", HTML)) as server:
        assert get(server).data == b"direct"


def test_blocked_and_unreachable_read_the_same(canary: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_CONNECT_SECONDS", 0.3)  # for the one that does not speak TLS
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # nobody listens there once it is closed
    names = Names(good_example=["127.0.0.1"], inside_example=["10.0.0.1"], public_example=[PUBLIC], none_example=[])
    with serving(b"no TLS here") as plain:
        allow = frozenset({f"127.0.0.1:{port}", *plain.allow})
        messages = {
            failure(url, names, allow=allow)
            for url in (
                f"http://good.example:{port}/",  # refuses the connection
                f"https://good.example:{plain.port}/",  # does not speak TLS
                "http://public.example/",  # cannot be reached
                "http://public.example:22/",  # a port that is not asked
                f"http://good.example:{canary.port}/",  # answers, and is not asked
                "http://inside.example/",
                "http://none.example/",  # a name without addresses
                "http://nobody.example/",  # no such name
                "http://10.0.0.1/",
                "http://[::1]/",
                f"http://{PUBLIC}:6379/",
            )
        }
    assert messages == {UNREACHABLE}


def test_a_message_shows_no_secret_and_no_more_of_an_address_than_fits() -> None:
    with pytest.raises(InputError, match=r"^https://nobody\.example/a could not be reached\. ") as caught:
        fetch_page("https://nobody.example/a?token=secret#secret", resolve=Names())
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match=r"^https://nobody\.example/a{96}… could not be reached\. "):
        fetch_page("https://nobody.example/" + "a" * 1000, resolve=Names())


def test_an_error_of_the_resolver_itself_is_not_hidden() -> None:
    def broken(host: str) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fetch_page("http://good.example/", resolve=broken)


def test_the_system_s_resolver_gives_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 0, 0, 2)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    assert fetch.system_resolver("good.example") == ["fe80::1%eth0", PUBLIC]
    assert failure("http://good.example/", fetch.system_resolver) == UNREACHABLE


# ---------------------------------------------------------------- the exception for tests


@pytest.mark.parametrize("endpoint", [f"{PUBLIC}:80", "10.0.0.1:80", "0.0.0.0:80", "::2:80", "localhost:80"])
def test_only_the_loopback_can_be_allowed(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"loopback|does not appear"):
        fetch_page("http://good.example/", resolve=Names(), allow=frozenset({endpoint}))


def test_what_is_allowed_is_one_port_of_one_address(canary: Server) -> None:
    with serving(reply(b"x", HTML)) as server:
        for endpoint in (f"127.0.0.2:{server.port}", f"::1:{server.port}", f"127.0.0.1:{canary.port + 1}"):
            for url in (server.url, f"http://good.example:{canary.port}/"):
                assert failure(url, Names(**LOOPBACK), allow=frozenset({endpoint})) == UNREACHABLE
        assert server.connections == 0


def test_no_module_of_ours_allows_anything() -> None:
    root = Path(__file__).resolve().parent.parent
    calls = [
        call
        for package in ("rag", "ui")
        for path in sorted((root / package).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("fetch_page", "_Fetch"))
    ]
    ours = [call for call in calls if ast.unparse(call.func).endswith("fetch_page")]
    assert all(len(call.args) == 1 and not call.keywords for call in ours)
    assert len(calls) == len(ours) + 1  # _Fetch is made by fetch_page alone


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("form", ["/b?c", "b?c#d", "//good.example:{port}/b?c", "http://GOOD.example:{port}/b?c"])
def test_a_redirect_is_followed(status: int, form: str) -> None:
    with serving() as server:
        server.script = (redirect(form.format(port=server.port), status), reply(b"there", HTML))
        page = get(server, "/a")
    assert page.data == b"there"
    assert page.url == f"http://good.example:{server.port}/b?c"
    assert [request.split()[:2] for request in server.requests] == [["GET", "/a"], ["GET", "/b?c"]]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://inside.example:{port}/",
        "//inside.example:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://nobody.example/",
        "http://public.example:22/",
    ],
)
def test_a_redirect_inside_is_not_followed(status: int, location: str, canary: Server) -> None:
    with serving(redirect(location.format(port=canary.port), status)) as server:
        assert failure_of(server, inside_example=["127.0.0.1"], public_example=[PUBLIC]) == UNREACHABLE
        assert server.connections == 1


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "FILE:/etc/passwd", "ftp://good.example/", "gopher://127.0.0.1:{port}/_x"),
        *("data:text/html,x", "javascript:alert(1)", "http:///", "http://"),
        *("http://good@127.0.0.1:{port}/", "//good@127.0.0.1:{port}/", "http://2130706433:{port}/"),
        *("http://0x7f.1:{port}/", "//127.1:{port}/", "/\\127.0.0.1:{port}/", "\\\\127.0.0.1:{port}/"),
        *("http://good.example\t:{port}/", "http://127。0。0。1:{port}/", "http://[::1%25lo]:{port}/", "http://[::1"),
    ],
)
def test_a_redirect_off_the_web_is_not_followed(location: str, canary: Server) -> None:
    with serving(redirect(location.format(port=canary.port))) as server:
        message = failure_of(server, good_example_80=[PUBLIC])
        assert message.startswith("leads on to what is not the address of a web page. Open it")
        assert server.connections == 1


def test_five_redirects_are_followed_and_no_more() -> None:
    hops = [redirect(f"/{i}") for i in range(1, 22)]
    with serving(*hops[:5], reply(b"end", HTML)) as server:
        assert get(server).url.endswith("/5")
    with serving(*hops[:6], reply(b"end", HTML)) as server:
        assert failure_of(server).startswith("redirects more than 5 times. Open it")
    with serving(*hops, reply(b"end", HTML)) as server:
        assert failure_of(server).startswith("redirects more than 5 times.")
        assert server.connections == 6
    with serving(redirect("/")) as server:  # to itself
        assert failure_of(server).startswith("redirects more than 5 times.")
        assert server.connections == 6


def test_the_bytes_of_a_redirect_leave_as_they_came() -> None:
    there = raw("Content-Length: 0", status="302 Found")[:-2]
    with serving(there + "Location: /ü?ö\r\n\r\n".encode(), there + b"Location: /\xfc\r\n\r\n", reply()) as server:
        get(server)
    assert [request.split()[1] for request in server.requests] == ["/", "/%C3%BC?%C3%B6", "/%FC"]


def test_the_body_of_a_redirect_is_not_waited_for() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(raw("Location: /b", "Transfer-Encoding: chunked", status="302 Found"))
        connection.recv(1)  # the client goes

    with serving(endless, reply(b"there", HTML)) as server:
        assert get(server).data == b"there"


# ---------------------------------------------------------------- answers that are no page


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("404 Nope", "has no page: status 404 Not Found. Check the address."),
        ("410 Gone", "has no page: status 410 Gone. Check the address."),
        ("429 Slow", "has no page: status 429 Too Many Requests. Try again later."),
        ("500 \x1b[31mOops", "has no page: status 500 Internal Server Error. Try again later."),
        ("503 Busy", "has no page: status 503 Service Unavailable. Try again later."),
        ("599 Odd", "has no page: status 599. Try again later."),
        ("204 No Content", "has no page: status 204 No Content. Check the address."),
        ("206 Partial", "has no page: status 206 Partial Content. Check the address."),
        ("304 Same", "has no page: status 304 Not Modified. Check the address."),
        ("302 Nowhere", "has no page: status 302 Found. Check the address."),
        ("300 Many\r\nLocation: /b", "has no page: status 300 Multiple Choices. Check the address."),
        ("305 Proxy\r\nLocation: /b", "has no page: status 305 Use Proxy. Check the address."),
        ("201 Made\r\nLocation: /b", "has no page: status 201 Created. Check the address."),
    ],
)
def test_any_other_status_is_no_page(status: str, message: str) -> None:
    with serving(reply(b"", HTML, status=status)) as server:
        assert failure_of(server) == message


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_page_behind_a_login_says_so(status: str) -> None:
    with serving(reply(b"Log in", HTML, 'WWW-Authenticate: Basic realm="x"', status=status)) as server:
        assert re.match(r"asks for a login, .*\(status 40[13]\)\. Save it from your browser", failure_of(server))
        assert server.connections == 1


# ---------------------------------------------------------------- size


def test_ten_megabytes_are_the_limit_as_sent() -> None:
    with serving(reply(b"a" * fetch.MAX_BYTES), reply(b"a" * (fetch.MAX_BYTES + 1))) as server:
        assert len(get(server).data) == 10_000_000
        assert failure_of(server).startswith("is larger than 10 MB. Save what matters")
    body = b"%x\r\n" % 10_000_001 + b"a" * 10_000_001 + b"\r\n0\r\n\r\n"
    with serving(raw(HTML, "Transfer-Encoding: chunked", body=body)) as server:
        assert failure_of(server).startswith("is larger than 10 MB.")


def packed(size: int, bits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return packer.compress(bytes(size)) + packer.flush()


@pytest.mark.parametrize(("coding", "bits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("Deflate ", -15)])
def test_ten_megabytes_are_the_limit_as_unpacked(coding: str, bits: int) -> None:
    bomb = packed(fetch.MAX_BYTES + 1, bits)
    assert len(bomb) < 11_000
    script = (
        reply(packed(fetch.MAX_BYTES, bits), f"Content-Encoding: {coding}"),
        reply(bomb, f"Content-Encoding: {coding}"),
    )
    with serving(*script) as server:
        assert get(server).data == bytes(fetch.MAX_BYTES)
        assert failure_of(server).startswith("is larger than 10 MB.")


def test_a_bomb_is_never_unpacked_beyond_the_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    with serving(reply(piece * 5_000, "Content-Encoding: deflate")) as server:  # 5 GB
        tracemalloc.start()
        try:
            assert failure_of(server).startswith("is larger than 10 MB.")
            assert tracemalloc.get_traced_memory()[1] < 80_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "headers", [["Transfer-Encoding: chunked"], ["Connection: close"], ["Content-Length: 1000000000"]]
)
def test_a_body_of_a_gigabyte_is_left_where_it_is(headers: list[str]) -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(raw(HTML, *headers))
        while sent < 1_000_000_000:
            connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n" if "chunked" in headers[0] else bytes(65536))
            sent += 65536

    with serving(endless) as server:
        assert failure_of(server).startswith("is larger than 10 MB.")
    assert sent < 60_000_000  # what the buffers of both sides hold comes on top


def test_a_length_beyond_the_limit_is_believed_at_once() -> None:
    def waiting(connection: socket.socket) -> None:
        connection.sendall(raw(HTML, "Content-Length: 10000001"))
        connection.recv(1)  # the client goes

    with serving(waiting) as server:
        assert failure_of(server).startswith("is larger than 10 MB.")


@pytest.mark.parametrize(
    "reply_",
    [
        raw(*(f"X-{i}: {'a' * 1000}" for i in range(1000)), "Content-Length: 0"),
        raw("X: " + "a" * 1_000_000, "Content-Length: 0"),
        b"HTTP/1.1 200 " + b"a" * 1_000_000,
        raw("Transfer-Encoding: chunked", body=b"1;" + b"a" * 1_000_000 + b"\r\nx\r\n0\r\n\r\n"),
        raw("Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n"),
    ],
)
def test_headers_have_a_limit_too(reply_: bytes) -> None:
    with serving(reply_) as server:
        assert failure_of(server) == fetch._BROKEN


# ---------------------------------------------------------------- damage

WHOLE = gzip.compress(b"<p>Good.</p>" * 1000)


@pytest.mark.parametrize(
    "reply_",
    [
        b"",
        b"\r\n",
        b"<p>HTTP 0.9</p>",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        raw("Upgrade: websocket", "Connection: Upgrade", status="101 Switching Protocols"),
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/3 200 OK\r\nContent-Length: 0\r\n\r\n",
        reply(b"half", HTML, length=8),
        reply(b"", HTML, length=1),
        raw("Content-Length: 3", "Content-Length: 4", body=b"abcd"),
        raw("Content-Length: -1", body=b"abcd"),
        raw("Content-Length: " + "9" * 5000, body=b"abcd"),
        raw("Content-Length: x", body=b"abcd"),
        raw("Bad header", "Content-Length: 0"),
        raw("A: \x00", "Content-Length: 0"),
        raw("Transfer-Encoding: gzip", body=WHOLE),
        raw("Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
        raw("Transfer-Encoding: chunked", body=b"8\r\nhalf"),
        raw("Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n0\r\n"),
        raw("Transfer-Encoding: chunked", body=b"x\r\nhalf\r\n0\r\n\r\n"),
        raw("Transfer-Encoding: chunked", body=b"-4\r\nhalf\r\n0\r\n\r\n"),
        raw("Transfer-Encoding: chunked", body=b"4\r\nhalfmore\r\n0\r\n\r\n"),
        raw("Transfer-Encoding: chunked", body=b"f" * 30 + b"\r\nhalf\r\n0\r\n\r\n"),
        reply(WHOLE[:-1], "Content-Encoding: gzip"),
        reply(WHOLE[: len(WHOLE) // 2], "Content-Encoding: gzip"),
        reply(WHOLE[:5], "Content-Encoding: gzip"),
        reply(WHOLE[:-8] + bytes(8), "Content-Encoding: gzip"),  # another checksum
        reply(WHOLE + b"more", "Content-Encoding: gzip"),
        reply(WHOLE + WHOLE, "Content-Encoding: gzip"),  # a second part, which many programs drop
        reply(b"<p>not packed</p>", "Content-Encoding: gzip"),
        reply(b"<p>not packed</p>", "Content-Encoding: deflate"),
        reply(b"x", "Content-Encoding: deflate"),
        reply(WHOLE, "Content-Encoding: br"),
        reply(WHOLE, "Content-Encoding: zstd"),
        reply(gzip.compress(WHOLE), "Content-Encoding: gzip, gzip"),
        reply(gzip.compress(WHOLE), "Content-Encoding: gzip", "Content-Encoding: gzip"),
        raw("Content-Encoding: gzip", body=WHOLE[:-1]),  # without a length
    ],
)
def test_a_damaged_page_is_none_at_all(reply_: bytes) -> None:
    with serving(reply_) as server:
        assert failure_of(server) == fetch._BROKEN


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("headers", [["Content-Length: 8"], ["Transfer-Encoding: chunked"], ["Connection: close"]])
def test_a_connection_torn_down_gives_no_page(headers: list[str], share: float) -> None:
    def torn(connection: socket.socket) -> None:
        head = raw(HTML, *headers, body=b"4\r\nhalf\r\n" if "chunked" in headers[0] else b"half")
        connection.sendall(head if share else head[: len(head) // 3])
        time.sleep(0.05)  # else what was sent is lost with the connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(torn) as server:
        assert failure_of(server) == fetch._BROKEN


@pytest.mark.parametrize(
    ("reply_", "data"),
    [
        (reply(WHOLE, "Content-Encoding: gzip"), b"<p>Good.</p>" * 1000),
        (reply(WHOLE, "content-encoding:  X-GZIP "), b"<p>Good.</p>" * 1000),
        (reply(zlib.compress(b"good"), "Content-Encoding: deflate"), b"good"),
        (reply(zlib.compress(b"good")[2:-4], "Content-Encoding: deflate"), b"good"),
        (reply(b"good", "Content-Encoding: identity"), b"good"),
        (reply(b"good", "Content-Encoding:"), b"good"),
        (reply(b"", "Content-Encoding: gzip"), b""),
        (raw(HTML, body=b"good"), b"good"),  # the end of the connection is the end of the page
        (raw(HTML, "Transfer-Encoding: chunked", body=b"2;x=y\r\ngo\r\n2\r\nod\r\n0\r\nX: y\r\n\r\n"), b"good"),
        (raw("Content-Length: 4", "Content-Length: 4", body=b"good"), b"good"),
        (raw("Content-Length: 4, 4", body=b"good"), b"good"),
        (raw("Content-Length: 4", body=b"good, and more than was said"), b"good"),
        (b"HTTP/1.0 200 OK\r\n\r\ngood", b"good"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + reply(b"good"), b"good"),
    ],
)
def test_what_servers_may_do_is_understood(reply_: bytes, data: bytes) -> None:
    with serving(reply_) as server:
        assert get(server).data == data


REPLY_PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 X\r\n", b"HTTP/1.1 100 X\r\n", b"HTTP/1.0 200 \r\n", b"\r\n"),
                *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"),
                *(b"Content-Encoding: deflate\r\n", b"Content-Type: text/html; charset=\xff\r\n", b"Location: "),
                *(
                    b"http://",
                    b"[::1]",
                    b"good.example",
                    b":80",
                    b"/",
                    b"5\r\nwhole\r\n",
                    b"0\r\n\r\n",
                    b"whole",
                    WHOLE,
                ),
                *(b"\r\n\r\n", b"\x00", b" ", b",", b";", b":"),
            ]
        ),
        st.binary(max_size=8),
    ),
    max_size=12,
).map(b"".join)


@given(
    st.tuples(st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 X\r\nLocation: "]), REPLY_PIECES).map(
        b"".join
    )
)
def test_whatever_a_server_sends_ends_as_a_page_or_as_advice(data: bytes) -> None:
    def connected(self: object, address: object) -> socket.socket:
        here, there = socket.socketpair()
        with there:
            there.sendall(data)
        return here

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch._Fetch, "_connect", connected)
        try:
            ending = fetch_page("http://good.example/", resolve=Names()).url
        except InputError as error:
            ending = str(error)
    assert ending.isprintable()
    assert ending == "http://good.example/" or ending.endswith(".")


# ---------------------------------------------------------------- time


def drip(head: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def play(connection: socket.socket) -> None:
        connection.sendall(head)
        while piece:  # until the client goes
            time.sleep(0.02)
            connection.sendall(piece)
        connection.recv(1)

    return play


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    "play",
    [
        drip(b"", b""),
        drip(b"H", b""),
        drip(b"HTTP/1.1 200 ", b"O"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(raw(HTML, "Content-Length: 5000000"), b"a"),
        drip(raw(HTML, "Connection: close"), b"a"),
        drip(raw(HTML, "Transfer-Encoding: chunked"), b"1\r\na\r\n"),
        drip(raw(HTML, "Transfer-Encoding: chunked", body=b"1;"), b"x"),
        drip(raw(HTML, "Transfer-Encoding: chunked", body=b"0\r\n"), b"X: y\r\n"),
        drip(raw(HTML, "Content-Length: 5"), b""),
    ],
)
def test_a_slow_server_meets_the_deadline(play: Play) -> None:
    with serving(play) as server:
        assert failure_of(server).startswith("took longer than 30 s. Try again later")


@pytest.mark.usefixtures("hurry")
def test_a_server_that_takes_no_request_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    here.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            here.send(bytes(65536))
    here.setblocking(True)
    monkeypatch.setattr(fetch._Fetch, "_connect", lambda *_: here)
    with there:
        assert failure("http://good.example/").startswith("took longer than 30 s.")


@pytest.mark.usefixtures("hurry")
def test_redirects_share_one_deadline() -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.2)
        connection.sendall(redirect("/"))
        finish(connection)

    with serving(slow) as server:
        assert failure_of(server).startswith("took longer than 30 s.")
        assert server.connections < 6


@pytest.mark.usefixtures("hurry")
def test_a_name_that_is_never_answered_meets_the_deadline(attempts: list[tuple[str, int]]) -> None:
    release = threading.Event()

    def hanging(host: str) -> list[str]:
        release.wait(60)
        return [PUBLIC]

    try:
        assert failure("http://good.example/", hanging).startswith("took longer than 30 s.")
    finally:
        release.set()
    assert attempts == []


@pytest.mark.usefixtures("hurry")
def test_a_greeting_that_is_never_answered_meets_the_deadline() -> None:
    with serving(drip(b"", b"")) as server:  # waits for a request in plain text
        message = failure(server.url.replace("http", "https"), Names(**LOOPBACK), allow=server.allow)
    assert message.startswith("took longer than 30 s.")


def test_a_deadline_that_has_passed_stops_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0)
    resolve = Names(good_example=[PUBLIC])
    assert failure("http://good.example/", resolve).startswith("took longer than 30 s.")
    assert failure(f"http://{PUBLIC}/").startswith("took longer than 30 s.")


def test_the_deadline_is_half_a_minute() -> None:
    assert fetch.SECONDS == 30
    assert "30 s" in fetch._LATE


# ---------------------------------------------------------------- certificates


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of good.example that has signed itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "good.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=good.example".split()
    command += ["-addext", "subjectAltName=DNS:good.example", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    command += ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl to make a certificate")
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's side of it; the client trusts this certificate and no other."""
    trusted = str(certificate.with_suffix(".crt"))
    monkeypatch.setattr("httpcore.default_ssl_context", lambda: ssl.create_default_context(cafile=trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_the_certificate_is_asked_for_by_name_and_the_connection_goes_to_the_number(
    tls: ssl.SSLContext, attempts: list[tuple[str, int]]
) -> None:
    named: list[str | None] = []
    tls.sni_callback = lambda _connection, name, _context: named.append(name)
    with serving(reply(b"safe", HTML), tls=tls) as server:
        page = get(server)
    assert (page.data, page.url) == (b"safe", f"https://good.example:{server.port}/")
    assert named == ["good.example"]
    assert f"\r\nHost: good.example:{server.port}\r\n" in server.requests[0]
    assert attempts == [("127.0.0.1", server.port)]


def test_the_certificate_of_another_name_is_refused(tls: ssl.SSLContext) -> None:
    with serving(reply(), tls=tls) as server:
        for host in ("other.example", "127.0.0.1"):
            url = f"https://{host}:{server.port}/"
            assert failure(url, Names(other_example=["127.0.0.1"]), allow=server.allow) == UNREACHABLE
    assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with serving(reply(), tls=tls) as server:
        assert failure_of(server) == UNREACHABLE
    assert server.requests == []


def test_a_secure_page_without_a_length_ends_with_a_goodbye(tls: ssl.SSLContext) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(raw(HTML, body=b"half"))
        socket.socket.shutdown(connection, socket.SHUT_WR)  # below TLS
        connection.recv(1)

    with serving(raw(HTML, body=b"whole"), cut, reply(b"whole", HTML), tls=tls) as server:
        assert get(server).data == b"whole"
        assert failure_of(server) == fetch._BROKEN
        assert get(server).data == b"whole"


def test_no_redirect_leads_from_https_to_http(tls: ssl.SSLContext) -> None:
    with serving(reply(b"there", HTML)) as plain, serving(redirect(plain.url), tls=tls) as secure:
        message = failure(secure.url, Names(**LOOPBACK), allow=plain.allow | secure.allow)
        assert message.startswith("leads on from https to http,")
        assert plain.connections == 0
    with serving(reply(b"there", HTML), tls=tls) as secure, serving(redirect(secure.url)) as plain:
        page = fetch_page(plain.url, resolve=Names(**LOOPBACK), allow=plain.allow | secure.allow)
        assert (page.data, page.url) == (b"there", secure.url + "/")


@pytest.mark.usefixtures("hurry")
def test_a_slow_secure_page_meets_the_deadline(tls: ssl.SSLContext) -> None:
    with serving(drip(raw(HTML, "Content-Length: 5000000"), b"a"), tls=tls) as server:
        assert failure_of(server).startswith("took longer than 30 s.")
