"""The fence around all that is served: names, origins, sizes, what proxies say, and headers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from ui import gate
from ui.gate import BODY_BYTES, HEADERS, Fence, Hosts, is_loopback

HOME = "http://127.0.0.1:7860"


def fenced(hosts: Hosts | None = None) -> FastAPI:
    """Return an app behind a fence that says what it got; a body on /large may have 3 MB."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def echo(request: Request) -> dict[str, Any]:
        size = len(await request.body())
        return {"url": str(request.url), "headers": dict(request.headers), "size": size}

    large = {"/large": 3_000_000}
    app.add_middleware(Fence, hosts=hosts or Hosts("127.0.0.1"), large=large.get)
    return app


def asked(app: FastAPI, method: str = "GET", path: str = "/", **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:7860", "[::1]:1", "127.8.8.8", "localhost."])
def test_on_the_loopback_it_answers_to_its_names(host: str) -> None:
    assert asked(fenced(), headers={"host": host}).status_code == 200


FOREIGN = ["elsewhere.org", "elsewhere.org:7860", "127.0.0.1.elsewhere.org", "0.0.0.0", "[::]", "192.168.1.5", ""]
CROOKED = [
    "a@127.0.0.1",
    "127.0.0.1:x",
    "127.0.0.1:7860:1",
    "127.0.0.1/",
    " ",
    "2130706433",
    "0x7f.1",
    "[::1",
    "é",
    "a b",
]


@pytest.mark.parametrize("host", FOREIGN + CROOKED)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_another_name_is_refused_with_the_setting_that_allows_it(method: str, host: str) -> None:
    reply = asked(fenced(), method, headers={"host": host.encode()})
    assert reply.status_code == 400
    assert method == "HEAD" or "FOOTNOTE_PAGE_HOSTS" in reply.text
    assert host.strip(". ") not in reply.text or not host.strip()


def test_two_names_at_once_are_refused() -> None:
    for pair in (["127.0.0.1", "elsewhere.org"], ["elsewhere.org", "127.0.0.1"]):
        assert asked(fenced(), headers=[("host", host) for host in pair]).status_code == 400


def test_beyond_the_loopback_it_answers_to_addresses_its_own_name_and_names_of_the_settings() -> None:
    for listening in ("0.0.0.0", "::", "192.0.2.7", "house.example.org"):
        hosts = Hosts(listening, ["Notes.Example.org"])
        for host in (
            "192.0.2.7:7860",
            "[2001:db8::7]",
            "127.0.0.1",
            "localhost",
            socket.gethostname(),
            "notes.example.org",
        ):
            assert hosts.answers_to(host), (listening, host)
        for host in ("elsewhere.org", "example.org", "evil.notes.example.org", "notes.example.org.evil.org", "0.0.0.0"):
            assert not hosts.answers_to(host), (listening, host)
    assert Hosts("house.example.org").answers_to("house.example.org:7860")


def test_a_name_of_the_settings_counts_on_the_loopback_too_for_a_proxy_on_this_machine() -> None:
    assert Hosts("127.0.0.1", ["notes.example.org"]).answers_to("notes.example.org")
    assert not Hosts("127.0.0.1", ["notes.example.org"]).answers_to("192.0.2.7")


@given(host=st.text(max_size=300))
def test_no_name_breaks_it(host: str) -> None:
    answered = Hosts("127.0.0.1").answers_to(host)
    assert not answered or host.lower().startswith(("127.", "localhost", "[::1]", "[0", "::1"))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *((host, True) for host in ("127.0.0.1", "127.0.0.9", "::1", "localhost", "LocalHost.")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", "localhost.example.org", "")),
    ],
)
def test_what_is_within_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


# ---------------------------------------------------------------- origins


WRITES = ["POST", "PUT", "PATCH", "DELETE", "BREW"]
FOREIGN_ORIGINS = [
    *("null", "", "//", "http://", "http://elsewhere.org", "http://127.0.0.1", "http://127.0.0.1:1", "http://[::1"),
    *("http://127.0.0.1:7860.elsewhere.org", "http://x@127.0.0.1:7860", "file://127.0.0.1:7860", "127.0.0.1:7860"),
    *("http://localhost:7860", "http://elsewhere.org http://127.0.0.1:7860"),
]


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_write_from_another_origin_is_refused(origin: str) -> None:
    for method in WRITES:
        reply = asked(fenced(), method, headers={"origin": origin})
        assert reply.status_code == 403, method
        assert "access-control-allow-origin" not in reply.headers


def test_of_two_origins_one_that_is_foreign_is_enough() -> None:
    for pair in ([HOME, "http://elsewhere.org"], ["http://elsewhere.org", HOME]):
        assert asked(fenced(), "POST", headers=[("origin", origin) for origin in pair]).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "whatever"])
def test_a_write_that_the_browser_says_comes_from_elsewhere_is_refused(site: str) -> None:
    for headers in ({"sec-fetch-site": site}, {"sec-fetch-site": site, "origin": HOME, "sec-fetch-mode": "navigate"}):
        assert asked(fenced(), "POST", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": HOME},
        {"origin": HOME.replace("http:", "https:")},  # behind a proxy that speaks TLS
        {"origin": HOME, "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_the_page_itself_and_programs_can_write(headers: dict[str, str]) -> None:
    assert asked(fenced(), "POST", headers=headers).status_code == 200


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else_is_read_from_there() -> None:
    for site in ("cross-site", "same-site"):
        link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert asked(fenced(), headers=link).status_code == 200
        for mode in ("no-cors", "cors", "websocket"):
            assert asked(fenced(), headers={**link, "sec-fetch-mode": mode}).status_code == 403


def test_no_reply_lets_another_site_read_it() -> None:
    app = FastAPI()
    app.add_middleware(Fence, hosts=Hosts("127.0.0.1"))

    @app.get("/")
    async def generous() -> Response:
        headers = {
            "Access-Control-Allow-Origin": "*",
            "access-control-allow-credentials": "true",
            "X-Frame-Options": "ALLOW",
        }
        return Response("x", headers=headers)

    reply = asked(app, headers={"origin": "http://127.0.0.1:9999"})
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert reply.headers.get_list("x-frame-options") == ["DENY"]


# ---------------------------------------------------------------- what proxies say


def test_what_a_request_says_about_where_it_comes_from_is_not_passed_on() -> None:
    said = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "elsewhere.org",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/x",
        "Forwarded": "for=10.0.0.1;host=elsewhere.org;proto=https",
    }
    got = asked(fenced(), headers=said).json()
    assert got["url"] == f"{HOME}/"
    assert not [name for name in got["headers"] if "forwarded" in name]


def test_a_name_in_a_forwarded_header_opens_nothing() -> None:
    headers = {"host": "elsewhere.org", "x-forwarded-host": "127.0.0.1"}
    assert asked(fenced(), headers=headers).status_code == 400


def test_behind_tls_links_and_cookies_are_those_of_https() -> None:
    hosts = Hosts("127.0.0.1", ["notes.example.org"])
    behind = {"host": "notes.example.org", "sec-fetch-site": "none"}  # which browsers send over HTTPS only
    assert asked(fenced(hosts), headers=behind).json()["url"] == "https://notes.example.org/"
    for headers in (
        {"host": "notes.example.org"},
        {"sec-fetch-site": "none"},
        {"host": "localhost", "sec-fetch-site": "none"},
    ):
        assert asked(fenced(hosts), headers=headers).json()["url"].startswith("http://")


# ---------------------------------------------------------------- bodies


async def pieces(count: int, size: int = 100_000) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
def test_a_body_of_the_limit_comes_in_and_one_byte_more_does_not(method: str) -> None:
    assert asked(fenced(), method, content=b"x" * BODY_BYTES).json()["size"] == BODY_BYTES
    assert asked(fenced(), method, content=b"x" * (BODY_BYTES + 1)).status_code == 413
    assert asked(fenced(), method, content=pieces(10)).json()["size"] == BODY_BYTES  # without saying its length
    assert asked(fenced(), method, content=pieces(11)).status_code == 413


@pytest.mark.parametrize("length", ["5", "0", "-1", "x", "1e9", "٣"])
def test_a_length_that_lies_lets_no_more_in(length: str) -> None:
    headers = {"content-length": length.encode()}
    assert asked(fenced(), "POST", content=pieces(11), headers=headers).status_code == 413


@pytest.mark.parametrize("length", [str(BODY_BYTES + 1), "9" * 15, "9" * 5000])
def test_a_length_that_is_too_large_is_refused_before_anything_is_read(length: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    assert asked(fenced(), "POST", content=never(), headers={"content-length": length}).status_code == 413


def test_a_path_may_have_more() -> None:
    assert asked(fenced(), "POST", "/large", content=pieces(30)).json()["size"] == 3_000_000
    assert asked(fenced(), "POST", "/large", content=pieces(31)).status_code == 413
    assert asked(fenced(), "POST", "/large/", content=pieces(11)).status_code == 413


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.05)

    async def stalled() -> dict[str, Any]:
        app, sent = fenced(), []
        given = iter([{"type": "http.request", "body": b"x", "more_body": True}])

        async def receive() -> dict[str, Any]:
            if message := next(given, None):
                return message
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b""}
        scope |= {"headers": [(b"host", b"127.0.0.1")], "scheme": "http", "http_version": "1.1", "server": ("x", 1)}
        await asyncio.wait_for(app(scope, receive, send), 10)
        return dict(sent[0])

    assert asyncio.run(stalled())["status"] == 408


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"host": "elsewhere.org"}},
        {"method": "POST", "headers": {"origin": "null"}},
        {"content": b"x" * 2_000_000},
    ],
)
def test_every_reply_carries_the_headers(options: dict[str, Any]) -> None:
    reply = asked(fenced(), **options)
    for name, value in HEADERS.items():
        assert reply.headers.get_list(name) == [value], name


def test_nothing_but_scripts_of_this_host_runs() -> None:
    policy = HEADERS["content-security-policy"]
    rules = {name: values for name, *values in (rule.split() for rule in policy.split(";"))}
    assert rules["script-src"] == ["'self'", "'unsafe-eval'"]
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == ["'self'"]
    assert rules["object-src"] == rules["frame-ancestors"] == ["'none'"]


def test_a_policy_that_an_answer_has_of_its_own_stands() -> None:
    app = FastAPI()
    app.add_middleware(Fence, hosts=Hosts("127.0.0.1"))

    @app.get("/")
    async def strict() -> Response:
        return Response("x", headers={"Content-Security-Policy": "default-src 'none'"})

    assert asked(app).headers.get_list("content-security-policy") == ["default-src 'none'"]


def test_a_websocket_is_not_opened() -> None:
    async def knock() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await fenced()({"type": "websocket", "path": "/", "headers": []}, receive, send)
        return sent

    assert asyncio.run(knock()) == [{"type": "websocket.close", "code": 1008}]
