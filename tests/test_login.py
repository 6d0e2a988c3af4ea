"""The password of the page: who is let in, what a wrong one costs, and how a session ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from tests.test_sessions import Clock
from ui import login
from ui.gate import Fence, Hosts
from ui.login import Attempts
from ui.sessions import Sessions

HOME = "http://127.0.0.1:7860"
PASSWORD = "correct horse battery"
Ask = Callable[..., httpx.Response]


class House:
    """An app behind a password, and the browsers that visit it."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.sessions = Sessions(folder, 30, PASSWORD, self.clock)
        self.app = FastAPI()
        self.app.include_router(login.router(self.sessions, PASSWORD, Attempts(each=5, all_=12, clock=self.clock)))

        @self.app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
        async def inside(request: Request) -> dict[str, str | None]:
            return {"session": self.sessions.session_of(request.cookies)}

        self.app.add_middleware(login.Door, sessions=self.sessions)
        self.app.add_middleware(Fence, hosts=Hosts("127.0.0.1", ["notes.example.org"]))

    def browser(self, address: str = "127.0.0.1", home: str = HOME) -> Ask:
        """Return what asks as one browser does, with its cookies, from an address."""
        jar = httpx.Cookies()

        def ask(method: str, path: str, **options: Any) -> httpx.Response:
            async def once() -> httpx.Response:
                transport = httpx.ASGITransport(self.app, client=(address, 1))
                async with httpx.AsyncClient(transport=transport, base_url=home, cookies=jar) as client:
                    reply = await client.request(method, path, **options)
                    jar.update(client.cookies)
                    return reply

            return asyncio.run(once())

        ask.jar = jar  # type: ignore[attr-defined]
        return ask


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def enter(ask: Ask, password: str = PASSWORD, next_: str = "/", **options: Any) -> httpx.Response:
    return ask("POST", "/login", data={"password": password, "next": next_}, **options)


def held(ask: Ask) -> dict[str, str]:
    jar: httpx.Cookies = ask.jar  # type: ignore[attr-defined]
    return dict(jar)


# ---------------------------------------------------------------- the door


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/config", "/gradio_api/queue/join", "/articles", "/health/", "/login/x", "/Health"])
def test_without_a_login_nothing_is_given_out(house: House, method: str, path: str) -> None:
    reply = house.browser()(method, path)
    assert reply.status_code == 401
    assert "session" not in reply.text


def test_the_page_sends_to_the_login_and_back_to_where_one_wanted(house: House) -> None:
    ask = house.browser()
    reply = ask("GET", "/?c=abc&turn=2")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/login?next=%2F%3Fc%3Dabc%26turn%3D2"
    page = BeautifulSoup(ask("GET", reply.headers["location"]).text, "html.parser")
    (next_,) = page.select('input[name="next"]')
    assert next_["value"] == "/?c=abc&turn=2"
    after = enter(ask, next_=str(next_["value"]))
    assert (after.status_code, after.headers["location"]) == (303, "/?c=abc&turn=2")
    assert ask("GET", after.headers["location"]).json()["session"]


@pytest.mark.parametrize("path", ["/health", "/login", "/assets/login.css", "/favicon.ico"])
def test_health_the_login_page_and_its_parts_are_open(house: House, path: str) -> None:
    assert house.browser()("GET", path).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        *("//elsewhere.org", "https://elsewhere.org", "/\\elsewhere.org", "javascript:alert(1)", "", "x", "/logout"),
        *("/?\r\nset-cookie: a=b", "/?" + "a" * 3000, '/?"><script>alert(1)</script>'),
    ],
)
def test_a_login_leads_nowhere_else(house: House, wanted: str) -> None:
    ask = house.browser()
    page = ask("GET", "/login", params={"next": wanted})
    assert "<script>alert" not in page.text
    after = enter(ask, next_=wanted)
    assert after.status_code == 303
    assert after.headers["location"] == "/" or after.headers["location"].startswith("/?%22%3E%3Cscript")
    assert "a" not in after.cookies


def test_the_login_page_can_be_used_by_everybody(house: House) -> None:
    page = BeautifulSoup(enter(house.browser(), "wrong").text, "html.parser")
    assert page.html is not None
    assert page.html["lang"] == "en"
    assert page.title is not None
    (field,) = page.select('input[type="password"]')
    assert page.select(f'label[for="{field["id"]}"]')
    assert field["autocomplete"] == "current-password"
    (message,) = page.select('[role="alert"]')
    assert (message["id"], message.text) == (field["aria-describedby"], "That is not the password.")
    assert len(page.select("h1")) == len(page.select("main")) == 1
    assert not page.select("[style], script:not([src]), [onclick], [onload]")
    named = [str(tag.get("src") or tag.get("href")) for tag in page.select("[src], [href]")]
    assert all(address.startswith("/assets/") for address in named)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_only_a_form_lets_in_and_out(house: House, method: str) -> None:
    ask = house.browser()
    ask(method, "/login", data={"password": PASSWORD})
    assert ask("GET", "/login", params={"password": PASSWORD}).status_code == 200
    assert not held(ask)
    enter(ask)
    ask("GET", "/logout")
    assert ask("GET", "/").json()["session"]


@pytest.mark.parametrize(
    "content", [b"", b"password", b"password=", b"\xff\xfe", b"&" * 100_000, b"{}", b"password=%ff"]
)
def test_a_form_that_is_none_is_a_wrong_password(house: House, content: bytes) -> None:
    ask = house.browser()
    assert ask("POST", "/login", content=content).status_code == 403
    assert not held(ask)


# ---------------------------------------------------------------- sessions


def test_a_login_makes_a_new_session_whatever_the_browser_brought(house: House) -> None:
    planted = house.sessions.new()
    value = house.sessions.cookie(planted, secure=False).split(";")[0].split("=", 1)[1]
    ask = house.browser()
    held_before = {"cookie": f"{house.sessions.cookie_name}={value}"}
    assert house.browser()("GET", "/", headers=held_before).json()["session"] == planted
    enter(ask, headers=held_before)
    session = ask("GET", "/").json()["session"]
    assert session
    assert session != planted
    assert house.browser()("GET", "/config", headers=held_before).status_code == 401  # it ended with the login


def test_a_logout_ends_the_session_and_all_copies_of_its_cookie(house: House) -> None:
    ask, thief = house.browser(), house.browser()
    enter(ask)
    copy = {"cookie": "; ".join(f"{name}={value}" for name, value in held(ask).items())}
    assert thief("GET", "/", headers=copy).json()["session"]
    reply = ask("POST", "/logout")
    assert (reply.status_code, reply.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in reply.headers["set-cookie"]
    for one, headers in ((ask, {}), (thief, copy)):
        assert one("GET", "/config", headers=headers).status_code == 401


def test_a_logout_from_another_site_does_nothing(house: House) -> None:
    ask = house.browser()
    enter(ask)
    assert ask("POST", "/logout", headers={"origin": "http://elsewhere.org"}).status_code == 403
    assert ask("GET", "/").json()["session"]


def test_a_login_from_another_site_does_nothing(house: House) -> None:
    ask = house.browser()
    assert enter(ask, headers={"origin": "http://elsewhere.org"}).status_code == 403
    assert enter(ask, headers={"origin": "null"}).status_code == 403
    assert not held(ask)


def test_two_tabs_of_one_browser_share_the_session_and_its_end(house: House) -> None:
    first = house.browser()
    second = first  # tabs share cookies
    assert first("GET", "/").status_code == second("GET", "/").status_code == 303
    enter(first)
    session = first("GET", "/").json()["session"]
    assert second("GET", "/").json()["session"] == session
    assert second("GET", "/login").headers["location"] == "/"  # it is in already
    enter(second)  # a form that stood open in the other tab
    anew = first("GET", "/").json()["session"]
    assert anew not in (None, session)
    second("POST", "/logout")
    assert first("GET", "/").status_code == 303


def test_a_session_runs_out(house: House) -> None:
    ask = house.browser()
    enter(ask)
    house.clock.now += 30 * 86_400 + 1
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in held(ask).items())}
    assert house.browser()("GET", "/config", headers=cookie).status_code == 401


def test_a_cookie_that_was_changed_lets_nobody_in(house: House) -> None:
    ask = house.browser()
    enter(ask)
    ((name, value),) = held(ask).items()
    session, issued, signature = value.split(".")
    other = house.sessions.new()
    for forged in (
        f"{other}.{issued}.{signature}",
        f"{session}.{int(issued) + 1}.{signature}",
        f"{session}.{issued}.{'0' * 64}",
        f"{session}.{issued}",
        value.upper(),
        f'"{value}x"',
    ):
        reply = house.browser()("GET", "/config", headers={"cookie": f"{name}={forged}"})
        assert reply.status_code == 401, forged


def test_the_cookie_is_for_the_server_only_and_over_https_never_sent_without(house: House) -> None:
    reply = enter(house.browser())
    assert reply.headers["set-cookie"].endswith("Path=/; HttpOnly; SameSite=Lax")
    assert reply.headers["cache-control"] == "no-store"
    behind = house.browser(home="http://notes.example.org")
    reply = enter(behind, headers={"sec-fetch-site": "same-origin", "origin": "https://notes.example.org"})
    assert reply.headers["set-cookie"].endswith("HttpOnly; SameSite=Lax; Secure")


# ---------------------------------------------------------------- brute force


def test_after_five_wrong_ones_even_the_right_one_waits(house: House) -> None:
    ask = house.browser()
    for _ in range(5):
        assert enter(ask, "wrong").status_code == 403
    for password in ("wrong", PASSWORD):
        reply = enter(ask, password)
        assert reply.status_code == 429
        assert 0 < int(reply.headers["retry-after"]) <= 61
        assert "Try again in" in reply.text
    assert not held(ask)
    house.clock.now += 61
    assert enter(ask).status_code == 303


def test_each_wait_is_longer_than_the_one_before_until_an_hour_of_peace() -> None:
    clock = Clock()
    attempts = Attempts(each=5, all_=10**9, clock=clock)
    waits = []
    for _ in range(9):
        for _ in range(5):
            assert not attempts.wait("192.0.2.1")
            attempts.wrong("192.0.2.1")
        waits.append(attempts.wait("192.0.2.1"))
        clock.now += waits[-1]
    assert waits == [61, 121, 241, 481, 961, 1921, 3601, 3601, 3601]
    clock.now += 3601
    for _ in range(5):
        attempts.wrong("192.0.2.1")
    assert attempts.wait("192.0.2.1") == 61


def test_another_address_is_not_held_up_until_all_together_were_wrong_too_often(house: House) -> None:
    for address in ("192.0.2.1", "192.0.2.2"):
        for _ in range(5):
            enter(house.browser(address), "wrong")
    assert enter(house.browser("192.0.2.3")).status_code == 303
    for _ in range(2):
        enter(house.browser("192.0.2.4"), "wrong")
    assert enter(house.browser("192.0.2.5")).status_code == 429


def test_who_has_an_ipv6_network_has_no_more_tries(house: House) -> None:
    for number in range(5):
        enter(house.browser(f"2001:db8::{number}"), "wrong")
    assert enter(house.browser("2001:db8::ffff")).status_code == 429
    assert enter(house.browser("2001:db8:0:1::1")).status_code == 303


def test_a_forwarded_address_gives_no_more_tries(house: House) -> None:
    for number in range(5):
        enter(house.browser(), "wrong", headers={"x-forwarded-for": f"192.0.2.{number}"})
    assert enter(house.browser(), headers={"x-forwarded-for": "192.0.2.99"}).status_code == 429


def test_of_many_that_come_at_once_none_slips_by(house: House) -> None:
    async def burst() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=HOME) as client:
            tries = (client.post("/login", data={"password": f"wrong {n}"}) for n in range(60))
            return [reply.status_code for reply in await asyncio.gather(*tries)]

    codes = asyncio.run(burst())
    assert (codes.count(403), codes.count(429)) == (5, 55)


@given(addresses=st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2", "::1", "fe80::1%eth0", "", "odd"]), max_size=60))
def test_never_more_than_the_limits_are_looked_at_in_a_minute(addresses: list[str]) -> None:
    clock = Clock()
    attempts = Attempts(each=5, all_=12, clock=clock)
    looked: list[str] = []
    for address in addresses:
        clock.now += 0.5
        if not attempts.wait(address):
            looked.append(address)
            attempts.wrong(address)
    assert len(looked) <= 12
    assert all(looked.count(address) <= 5 for address in looked)


def test_addresses_without_end_take_no_memory_without_end() -> None:
    clock = Clock()
    attempts = Attempts(all_=10**9, clock=clock)
    for number in range(10_200):
        attempts.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        clock.now += 1
    assert len(attempts._addresses) == 10_000
