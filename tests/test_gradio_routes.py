"""Gradio behind its gate: each reader reaches his own gradio sessions, and no route that the page does not need."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from tests.test_sessions import Clock
from ui.claims import Allowance, Owners
from ui.gate import BODY_BYTES, Fence, Hosts
from ui.gradio_routes import Endpoints, GradioGate
from ui.serve import _listen, server_config
from ui.sessions import Sessions


class House:
    """A small page with all kinds of events, served; `release` lets an answer that waits go on."""

    def __init__(self, folder: Path) -> None:
        self.sessions = Sessions(folder, 30)
        self.release = threading.Event()
        self.closed: list[str] = []
        self.url = ""
        self.bridge: gr.HTML

    def _page(self) -> gr.Blocks:
        page = gr.Blocks(title="House", analytics_enabled=False)
        private: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
        with page:
            box, shown = gr.Textbox(), gr.Textbox()
            state = gr.State("nothing")

            def remember(word: str, before: str) -> tuple[str, str]:
                return f"before: {before}", word

            def slowly(word: str, request: gr.Request) -> Iterator[str]:
                try:
                    yield f"first {word}"
                    self.release.wait(20)
                    yield f"second {word}"
                finally:
                    self.closed.append(request.session_hash or "")

            def who(request: gr.Request) -> str:
                return str(self.sessions.session_of(request.cookies))

            def act(data: Any, request: gr.Request) -> dict[str, Any]:
                return {"data": data, "session": self.sessions.session_of(request.cookies)}

            box.submit(remember, [box, state], [shown, state], **private)
            box.change(slowly, box, shown, **private)
            box.blur(who, None, shown, queue=False, api_visibility="private")
            self.bridge = gr.HTML(js_on_load="server", server_functions=[act])
        page.queue(max_size=None, api_open=False)
        return page

    async def app(self) -> FastAPI:  # inside a running loop: without one, gradio leaves loops of its own unclosed
        app, page = FastAPI(), self._page()
        gr.mount_gradio_app(app, page, "/", show_error=False, ssr_mode=False, run_history=False)
        mount = app.routes[-1]
        assert isinstance(mount, Mount)
        mount.app = GradioGate(mount.app, self.sessions, Endpoints.of(page))
        app.add_middleware(Fence, hosts=Hosts("127.0.0.1"))
        return app

    def reader(self) -> Reader:
        return Reader(self)


class Reader:
    """A browser with the page open: it has the cookie that came with it."""

    def __init__(self, house: House) -> None:
        self.client = httpx.Client(base_url=house.url, trust_env=False, timeout=20)
        self.session = None
        assert self.client.get("/").status_code == 200
        self.session = house.sessions.session_of(dict(self.client.cookies))

    def join(self, name: str, event: int = 0, word: str = "word", **more: Any) -> httpx.Response:
        data = [word, None] if event == 0 else [word]
        body = {"data": data, "fn_index": event, "session_hash": name, **more}
        return self.client.post("/gradio_api/queue/join", json=body)

    def result(self, name: str) -> list[Any]:
        """Return what the last event of a gradio session came to."""
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": name}) as events:
            assert events.status_code == 200
            for line in events.iter_lines():
                if "process_completed" in line:
                    data: list[Any] = json.loads(line.removeprefix("data:"))["output"]["data"]
                    return data
        raise AssertionError("it did not end")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    with _listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(server_config(asyncio.run(house.app()), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        house.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield house
        house.release.set()
        server.should_exit = True
        thread.join()


@pytest.fixture
def two(house: House) -> Iterator[tuple[Reader, Reader]]:
    a, b = house.reader(), house.reader()
    house.release.clear()
    yield a, b
    house.release.set()
    a.client.close()
    b.client.close()


Two = tuple[Reader, Reader]
_count = iter(range(10**6))


@pytest.fixture
def name() -> str:
    """A gradio session that nobody used yet."""
    return f"reader{next(_count)}"


# ---------------------------------------------------------------- the cookie


def test_the_page_gives_each_browser_a_session_and_keeps_it(two: Two, house: House) -> None:
    a, b = two
    assert a.session
    assert b.session
    assert a.session != b.session
    reply = a.client.get("/?c=1")
    assert house.sessions.session_of(dict(reply.cookies)) == a.session  # renewed, not replaced
    assert reply.headers["cache-control"] == "private, no-cache"


def test_a_cookie_that_is_bad_is_replaced(house: House) -> None:
    name = house.sessions.cookie_name
    for value in ("x", "", "A" * 32 + ".1." + "0" * 64):
        reply = httpx.get(house.url, headers={"cookie": f"{name}={value}"}, trust_env=False)
        assert house.sessions.session_of(dict(reply.cookies)), value


def test_only_the_page_itself_gives_out_sessions(house: House) -> None:
    for path in ("/config", "/theme.css", "/favicon.ico", "/none", "/gradio_api/app_id"):
        assert "set-cookie" not in httpx.get(house.url + path, trust_env=False).headers, path
    assert "set-cookie" not in httpx.head(house.url, trust_env=False).headers
    for use in ("image", "iframe", "empty"):
        headers = {"sec-fetch-dest": use}
        assert "set-cookie" not in httpx.get(house.url, headers=headers, trust_env=False).headers, use


def test_handlers_learn_the_session_from_the_cookies(two: Two, name: str, house: House) -> None:
    for reader, own in zip(two, (f"{name}a", f"{name}b"), strict=True):
        body = {"data": [], "fn_index": 2, "session_hash": own}
        assert reader.client.post("/gradio_api/run/predict", json=body).json()["data"] == [reader.session]
        call = {"data": {"x": [1]}, "component_id": house.bridge._id, "fn_name": "act", "session_hash": own}
        reply = reader.client.post("/gradio_api/component_server/", json=call).json()
        assert reply == {"data": {"x": [1]}, "session": reader.session}


def test_the_page_runs_the_scripts_it_came_with_and_no_other(two: Two) -> None:
    reply = two[0].client.get("/")
    policies = reply.headers.get_list("content-security-policy")
    assert len(policies) == 1
    assert "script-src 'self' 'unsafe-eval' 'sha256-" in policies[0]
    assert "unsafe-inline" not in policies[0].split("style-src")[0]


def test_what_an_address_says_to_our_script_never_reaches_gradio(two: Two) -> None:
    plain = two[0].client.get("/")
    for query in ("?page=none", "?page=", "?deep_link=../../x", "?c=abc", "?__theme=dark", "?" + "x" * 5000):
        reply = two[0].client.get("/" + query)
        assert (reply.status_code, reply.content) == (200, plain.content), query


def test_each_name_of_the_server_has_a_page_of_its_own(two: Two, house: House) -> None:
    port = house.url.rsplit(":", 1)[1]
    for name in ("localhost", "127.0.0.1", "localhost", "127.0.0.2"):
        reply = two[0].client.get("/", headers={"host": f"{name}:{port}"})
        assert f"http://{name}:{port}" in reply.text
    head = two[0].client.head("/")
    assert (head.status_code, head.content) == (200, b"")


# ---------------------------------------------------------------- whose a gradio session is


def test_what_a_reader_asks_is_answered_to_him(two: Two, name: str) -> None:
    a, _ = two
    assert a.join(name, word="one").status_code == 200
    assert a.result(name) == ["before: nothing", None] or a.result(name)[0] == "before: nothing"
    assert a.join(name, word="two").status_code == 200
    assert a.result(name)[0] == "before: one"


def attacks(client: httpx.Client, house: House, name: str, event: str) -> dict[str, httpx.Response]:
    """Return the replies to everything that another's gradio session and event could be used for."""
    ask: dict[str, Any] = {"data": ["mine", None], "fn_index": 0, "session_hash": name}
    call = {"data": 1, "component_id": house.bridge._id, "fn_name": "act", "session_hash": name}
    own = f"own{name}"
    api = "/gradio_api"
    return {
        "join": client.post(f"{api}/queue/join", json=ask),
        "data": client.get(f"{api}/queue/data", params={"session_hash": name}),
        "heartbeat": client.get(f"{api}/heartbeat/{name}"),
        "predict": client.post(f"{api}/run/predict", json={**ask, "fn_index": 2}),
        "function": client.post(f"{api}/component_server/", json=call),
        "cancel": client.post(f"{api}/cancel", json={"session_hash": name, "fn_index": 1, "event_id": event}),
        "cancel under an own name": client.post(
            f"{api}/cancel", json={"session_hash": own, "fn_index": 1, "event_id": event}
        ),
        "reset": client.post(f"{api}/reset", json={"event_id": event}),
        "join with the event": client.post(f"{api}/queue/join", json={**ask, "session_hash": own, "event_id": event}),
        "data, twice": client.get(f"{api}/queue/data?session_hash={own}&session_hash={name}"),
        "data, twice the other way": client.get(f"{api}/queue/data?session_hash={name}&session_hash={own}"),
        "stream": client.post(f"{api}/stream/{event}", json=ask),
        "stream close": client.post(f"{api}/stream/{event}/close"),
        "playlist": client.get(f"{api}/stream/{name}/1/2/playlist.m3u8"),
        "call": client.get(f"{api}/call/slowly/{event}"),
        "call v2": client.get(f"{api}/call/v2/slowly/{event}"),
        "joined twice in one body": client.post(
            f"{api}/queue/join",
            content=json.dumps({**ask, "session_hash": own})[:-1] + f', "session_hash": "{name}"}}',
            headers={"content-type": "application/json"},
        ),
    }


def test_another_reader_can_do_nothing_with_a_gradio_session_and_its_owner_notices_nothing(
    two: Two, name: str, house: House
) -> None:
    a, b = two
    event = a.join(name, event=1, word="secret").json()["event_id"]
    for what, reply in attacks(b.client, house, name, event).items():
        assert reply.status_code in (403, 404), what
        assert "secret" not in reply.text, what
    house.release.set()
    assert a.result(name) == ["second secret"]


def test_without_a_cookie_nothing_of_it_is_open(two: Two, name: str, house: House) -> None:
    event = two[0].join(name).json()["event_id"]
    with httpx.Client(base_url=house.url, trust_env=False, timeout=20) as stranger:
        for what, reply in attacks(stranger, house, name, event).items():
            assert reply.status_code in (403, 404), what
        assert stranger.get("/gradio_api/app_id").status_code == 403
    assert two[0].result(name)[0] == "before: nothing"


def test_state_of_one_reader_never_reaches_another(two: Two, name: str) -> None:
    a, b = two
    a.join(name, word="secret")
    a.result(name)
    other = f"{name}b"
    b.join(other)
    assert b.result(other)[0] == "before: nothing"


def test_a_reader_stops_his_own_event(two: Two, name: str, house: House) -> None:
    a, _ = two
    event = a.join(name, event=1).json()["event_id"]
    body = {"session_hash": name, "fn_index": 1, "event_id": event}
    assert a.client.post("/gradio_api/cancel", json=body).json() == {"success": True}
    assert a.client.post("/gradio_api/reset", json={"event_id": event}).status_code == 200


def test_a_stream_comes_as_it_is_made(two: Two, name: str, house: House) -> None:
    a, _ = two
    a.join(name, event=1, word="word")
    with a.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": name}) as events:
        lines = events.iter_lines()
        assert any("first word" in line for line in lines)  # while the second is still held back
        house.release.set()
        assert any("process_completed" in line for line in lines)


def test_an_open_page_is_alive_until_it_is_closed(two: Two, name: str) -> None:
    with two[0].client.stream("GET", f"/gradio_api/heartbeat/{name}") as beats:
        assert next(beats.iter_lines()) == "data: ALIVE"


# ---------------------------------------------------------------- bodies


DEEP = '{"a":' * 500 + "1" + "}" * 500


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "1",
        '"x"',
        "{",
        "\xff",
        "[" * 200_000,
        DEEP,
        '{"a":' * 100_000,
        "9" * 5000,
        '{"data": ' + "9" * 5000 + "}",
    ],
    ids=range(12),
)
@pytest.mark.parametrize("path", ["queue/join", "run/predict", "cancel", "reset", "component_server/"])
def test_a_body_that_is_no_object_of_ours_is_refused(two: Two, path: str, body: str) -> None:
    headers = {"content-type": "application/json"}
    reply = two[0].client.post(f"/gradio_api/{path}", content=body.encode("latin-1"), headers=headers)
    assert reply.status_code == 400


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_of_another_site_could_send_is_refused(two: Two, name: str, kind: str) -> None:
    body = json.dumps({"data": ["x", None], "fn_index": 0, "session_hash": name})
    for path in ("queue/join", "component_server/"):
        reply = two[0].client.post(f"/gradio_api/{path}", content=body, headers={"content-type": kind})
        assert reply.status_code == 415


@pytest.mark.parametrize(
    "change",
    [
        *({"session_hash": value} for value in (None, 1, "", "a" * 65, "a/b", "../x", "é", ["x"], {"a": 1})),
        *({"fn_index": value} for value in (None, 99, -1, "0", 0.0, True, [0])),
        *({"event_id": value} for value in ("none", 1, ["x"])),
        *({"component_id": value, "fn_name": "act"} for value in (0, 99999, "1", None)),
        *({"fn_name": name} for name in ("__init__", "postprocess", "act")),
    ],
    ids=str,
)
def test_what_is_not_there_cannot_be_called(two: Two, name: str, change: dict[str, Any]) -> None:
    for path in ("queue/join", "run/predict", "component_server/"):
        body = {"data": ["x", None], "fn_index": 0, "session_hash": name, **change}
        reply = two[0].client.post(f"/gradio_api/{path}", json=body)
        assert reply.status_code in (400, 403, 404, 422), path


def test_a_body_may_have_one_megabyte(two: Two, name: str) -> None:
    body = json.dumps({"data": ["x", None], "fn_index": 0, "session_hash": name}).encode()
    headers = {"content-type": "application/json"}
    for more, status in ((0, 200), (1, 413)):
        padded = body + b" " * (BODY_BYTES - len(body) + more)
        assert two[0].client.post("/gradio_api/queue/join", content=padded, headers=headers).status_code == status


def test_too_many_requests_of_one_reader_wait_and_others_do_not(two: Two, name: str) -> None:
    a, b = two
    replies = [a.client.post("/gradio_api/reset", json={"event_id": "none"}) for _ in range(260)]
    assert {reply.status_code for reply in replies[:200]} == {403}
    refused = [reply for reply in replies if reply.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert b.join(name).status_code == 200


@given(times=st.lists(st.floats(0, 5), max_size=60))
def test_an_allowance_is_never_exceeded(times: list[float]) -> None:
    clock = Clock()
    start = clock.now
    allowance = Allowance(burst=4, rate=2, clock=clock)
    taken = 0
    for pause in times:
        clock.now += pause
        wait = allowance.take("reader")
        taken += not wait
        assert taken <= 4 + 2 * (clock.now - start) + 0.001
        if wait:
            clock.now += wait
            assert not allowance.take("reader")
            taken += 1


def test_an_allowance_forgets_who_was_away() -> None:
    clock = Clock()
    allowance = Allowance(burst=4, rate=2, clock=clock)
    for number in range(1000):
        clock.now += 1
        assert not allowance.take(f"reader {number}")
    assert len(allowance._full) <= 2


# ---------------------------------------------------------------- memory


def test_names_without_end_take_no_memory_without_end() -> None:
    owners = Owners(most=10)
    for number in range(1000):
        assert owners.claim(f"name{number}", "somebody")
    assert len(owners._owners) == 10
    assert owners.owns("name999", "somebody")
    assert not owners.owns("name1", "somebody")


def test_a_name_in_use_is_not_forgotten() -> None:
    owners = Owners(most=10)
    owners.claim("open", "a")
    with owners.using("open"), owners.using("open"):
        for number in range(100):
            owners.claim(f"name{number}", "b")
        assert not owners.claim("open", "b")
    for number in range(100):
        owners.claim(f"name{number}", "b")
    assert owners.claim("open", "b")
    assert not owners._uses


def test_with_every_name_in_use_no_more_are_taken() -> None:
    owners = Owners(most=1)
    owners.claim("open", "a")
    with owners.using("open"), pytest.raises(HTTPException) as refused:
        owners.claim("another", "b")
    assert refused.value.status_code == 503
