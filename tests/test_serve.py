"""The page as a web server: what it answers, to whom, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from bs4 import BeautifulSoup
from fastapi import FastAPI

from rag.app import Footnote, open_library
from rag.cli import main
from rag.config import PageSettings, Settings
from rag.errors import InputError, ProviderError, UsageError
from rag.lock import owner_pid
from tests.conftest import held
from ui.connection import PatientProtocol
from ui.gate import HEADERS
from ui.page import ASSETS
from ui.serve import _listen, build_app, check_access, serve, server_config

Open = Callable[..., Footnote]
LENGTH = "How long is the bridge at Ostvik?"
PASSWORDS = Path("/etc/passwd")
PASSWORD = "correct horse battery"


@contextmanager
def served(
    library: Footnote, host: str = "127.0.0.1", protocol: type[PatientProtocol] = PatientProtocol
) -> Iterator[httpx.Client]:
    """Serve a library in a thread and give a client of it."""

    async def build() -> FastAPI:  # inside a running loop: without one, gradio leaves loops of its own unclosed
        return build_app(library, host)

    with _listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(server_config(asyncio.run(build()), log_level="critical", http=protocol))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Footnote]:
    place = tmp_path_factory.mktemp("served")
    (place / "articles").mkdir()
    (place / "articles" / "bridge.md").write_text("# The bridge\n\nThe bridge at Ostvik is 412 metres long.\n")
    with open_library(library=place / "library", articles=place / "articles") as library:
        library.sync()
        yield library


@pytest.fixture(scope="module")
def client(library: Footnote) -> Iterator[httpx.Client]:
    with served(library) as client:
        yield client


@pytest.fixture
def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


# ---------------------------------------------------------------- what it answers


def test_it_says_that_it_is_well(client: httpx.Client) -> None:
    reply = client.get("/health")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_a_model_that_keeps_failing_makes_it_degraded_and_not_dead(open_at: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with open_at(model="house", models={"house": {"base_url": nobody}}) as library, served(library) as client:
            library.sync()
            assert client.get("/health").json() == {"status": "ok"}
            for _ in range(2):
                with pytest.raises(ProviderError):
                    library.ask(LENGTH)
            reply = client.get("/health")
            assert (reply.status_code, reply.json()) == (200, {"status": "degraded", "models": "house"})
            assert client.get("/").status_code == 200


def test_the_page_comes_with_all_that_it_names(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert '"title":"Footnote"' in page.text.replace('": "', '":"')
    tree = BeautifulSoup(page.text, "html.parser")
    parts = {str(tag.get("src") or tag.get("href")) for tag in tree.select("script[src], link[href], img[src]")}
    assert parts
    for part in parts:
        address = httpx.URL(str(client.base_url)).join(page.url.join(part))
        assert address.host == "127.0.0.1", part
        assert client.get(address).status_code == 200, part


def test_the_page_names_no_other_host(client: httpx.Client) -> None:
    own = urlsplit(str(client.base_url)).netloc
    for path in ("/", "/config", "/theme.css", "/manifest.json"):
        text = re.sub(r"<meta[^>]*>", "", client.get(path).text)  # gradio's words for link previews: nobody loads them
        named = set(re.findall(r"https?://([^/\"'\s<>\\]+)", text))
        assert named - {own, "www.w3.org"} == set(), path


def test_assets_come_with_their_type_and_are_asked_for_anew(client: httpx.Client) -> None:
    for name, kind in (("page.js", "text/javascript"), ("tokens.css", "text/css"), ("favicon.svg", "image/svg+xml")):
        reply = client.get(f"/assets/{name}")
        assert reply.headers["content-type"].startswith(kind)
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.content == (ASSETS / name).read_bytes()
        again = client.get(f"/assets/{name}", headers={"if-none-match": reply.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"/assets/{name}", headers={"if-none-match": '"x"'}).status_code == 200
        assert client.head(f"/assets/{name}").headers["etag"] == reply.headers["etag"]


def test_only_assets_of_the_page_are_given_out(client: httpx.Client) -> None:
    assert (ASSETS / "login.html").exists()
    for name in ("login.html", "none.js", "%2e%2e/serve.py", "..%2fserve.py", "page.js/", "page.js%00", "PAGE.JS", ""):
        assert client.get(f"/assets/{name}").status_code in (403, 404), name


def test_no_event_of_the_page_is_a_public_one(client: httpx.Client) -> None:
    events = client.get("/config").json()["dependencies"]
    assert events
    assert {event["api_visibility"] for event in events} == {"private"}


def test_what_goes_wrong_is_told_without_a_trace_and_within_the_fence(
    client: httpx.Client, library: Footnote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(library), "troubled", property(lambda _: 1 / 0))
    reply = client.get("/health")
    assert reply.status_code == 500
    assert "log of the server" in reply.text
    assert "Zero" not in reply.text
    for name, value in HEADERS.items():
        assert reply.headers.get_list(name) == [value], name


@pytest.mark.parametrize("way", ["run", "api"])
def test_no_question_gets_past_the_queue(client: httpx.Client, way: str) -> None:
    client.get("/")
    body = {"data": [LENGTH, None], "fn_index": 0, "session_hash": "reader"}
    for name in ("answer", "predict"):
        assert client.post(f"/gradio_api/{way}/{name}", json=body).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        *("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect", "/monitoring/summary", "/gradio_api/dev/reload"),
        *("/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/queue/status", "/gradio_api/runs"),
    ],
)
def test_what_describes_the_server_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_question_is_answered_over_the_wire(client: httpx.Client) -> None:
    client.get("/")  # gives the session
    config = client.get("/config").json()
    asking = next(item for item in config["dependencies"] if any(event == "submit" for _, event in item["targets"]))
    how = json.dumps({"conversation": "c" * 22})
    body = {"data": [LENGTH, how], "fn_index": asking["id"], "session_hash": "asking"}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "asking"}) as events:
        text = "".join(events.iter_lines())
    assert "412 metres" in text
    assert '"success":true' in text.replace(" ", "")


# ---------------------------------------------------------------- whom it answers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/", "/health", "/config", "/none", "/theme.css", "/gradio_api/info")),
        *(("GET", path) for path in ("/gradio_api/file=/none", "/gradio_api/startup-events", "/static/none")),
        *(("POST", path) for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/none")),
        *((method, "/health") for method in ("HEAD", "OPTIONS", "DELETE")),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"host": "elsewhere.org"}, {"origin": "http://elsewhere.org"}])
def test_every_reply_carries_the_fence(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> None:
    reply = client.request(method, path, headers=headers)
    for name, value in HEADERS.items():
        assert len(reply.headers.get_list(name)) == 1, name
        assert reply.headers[name] == value or (name, path) == ("content-security-policy", "/")


def test_the_fence_lets_nothing_in_from_elsewhere(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = {name: values for name, *values in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == rules["connect-src"] == ["'self'"]
    assert rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    allowed = {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    values = {value for values in rules.values() for value in values}
    assert {value for value in values if not value.startswith("'sha256-")} <= allowed
    assert "'unsafe-inline'" not in rules["script-src"]


@pytest.mark.parametrize("host", ["elsewhere.org", "elsewhere.org:7860", "127.0.0.1.elsewhere.org", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["/", "/health", "/gradio_api/queue/join"])
def test_another_name_that_leads_here_is_refused(client: httpx.Client, host: str, path: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]", "[::1]:7860"])
def test_names_of_the_loopback_are_its_own(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_beyond_the_loopback_it_answers_to_addresses_and_to_names_of_the_settings(open_at: Open) -> None:
    page = {"password": PASSWORD, "hosts": "notes.example.org"}
    with open_at(page=page) as library, served(library, "0.0.0.0") as client:
        for host in ("notes.example.org", "192.0.2.1:7860", socket.gethostname()):
            assert client.get("/health", headers={"host": host}).status_code == 200
        assert "FOOTNOTE_PAGE_HOSTS" in client.get("/health", headers={"host": "elsewhere.org"}).text


@pytest.mark.parametrize("origin", ["http://elsewhere.org", "null", "http://127.0.0.1:1", "http://127.0.0.1", "", "//"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_site_s_page_cannot_write(client: httpx.Client, method: str, origin: str) -> None:
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/health"):
        assert client.request(method, path, headers={"origin": origin}).status_code == 403


def test_the_page_itself_and_programs_can_write(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    local = own.replace("127.0.0.1", "localhost")
    for headers in ({}, {"origin": own}, {"origin": local, "host": urlsplit(local).netloc}):
        reply = client.post("/login", headers=headers)
        assert reply.status_code == 404, headers  # no password: no login. It came that far.


def test_another_site_s_page_cannot_read(client: httpx.Client) -> None:
    for path in ("/", "/health", "/config"):
        reply = client.get(path, headers={"origin": "http://elsewhere.org"})
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"


# ---------------------------------------------------------------- what it keeps to itself


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file={}",
        "/gradio_api/file/{}",
        "/gradio_api/file=../../../../../../../..{}",
        "/gradio_api/file=.%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}",
        "/gradio_api/file=file://{}",
        "/gradio_api/proxy=file://{}",
        "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}",
        "/svelte/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{}",
        "/file={}",
        "//{}",
    ],
)
@pytest.mark.parametrize("file", [PASSWORDS, Path(__file__)], ids=lambda file: file.name)
def test_no_file_of_the_machine_is_given_out(client: httpx.Client, path: str, file: Path) -> None:
    reply = client.get(path.format(file))
    assert 400 <= reply.status_code < 500
    assert file.read_bytes()[:200] not in reply.content


def test_no_file_of_the_project_the_library_or_the_articles_is_given_out(
    client: httpx.Client, library: Footnote
) -> None:
    root = Path(__file__).parent.parent
    for file in (root / "ui" / "serve.py", root / "pyproject.toml", library.articles / "bridge.md"):
        assert file.exists()
        assert client.get(f"/gradio_api/file={file}").status_code == 404
    assert client.get("/gradio_api/file=pyproject.toml").status_code == 404


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "https://elsewhere.org/x", "//elsewhere.org/x"])
def test_nothing_is_fetched_for_others(client: httpx.Client, address: str) -> None:
    for way in ("file", "proxy"):
        reply = client.get(f"/gradio_api/{way}={address}")
        assert 400 <= reply.status_code < 500


def test_gradio_takes_no_file(client: httpx.Client) -> None:
    assert client.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}).status_code == 404


def test_nothing_tells_who_else_is_reading(client: httpx.Client) -> None:
    for path in ("/monitoring", "/gradio_api/vibe-code", "/gradio_api/profiling/traces"):
        assert client.get(path).status_code in (403, 404), path


# ---------------------------------------------------------------- where it listens


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1 port {port}: Address already in use.*choose another --port"):
            _listen("127.0.0.1", port)


def test_of_two_that_start_at_once_one_gets_the_port(free_port: int) -> None:
    with _listen("127.0.0.1", free_port), pytest.raises(InputError, match="--port"):
        _listen("127.0.0.1", free_port).close()


def test_a_port_just_left_can_be_used_again(library: Footnote, free_port: int) -> None:
    with _listen("127.0.0.1", free_port) as listener:
        listener.listen()
        with socket.create_connection(("127.0.0.1", free_port)):
            listener.accept()[0].close()
    _listen("127.0.0.1", free_port).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "256.1.1.1", "no host"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(InputError, match=rf"Cannot listen at {host} port 7860: \S.*--port"):
        _listen(host, 7860)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "house.example.org"])
def test_beyond_this_machine_nothing_is_served_without_a_password(
    open_at: Open, host: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with open_at() as library, pytest.raises(UsageError, match="FOOTNOTE_PAGE_PASSWORD"):
        serve(library, host, 7860, started=pytest.fail, warn=pytest.fail)
    assert main(["serve", "--host", host, "--library", str(tmp_path / "unmade")]) == 2
    assert "FOOTNOTE_PAGE_PASSWORD" in capsys.readouterr().err
    assert not (tmp_path / "unmade").exists()


def test_with_a_password_or_on_this_machine_it_may_be_served() -> None:
    check_access(PageSettings(), "127.0.0.1")
    check_access(PageSettings(), "::1")
    check_access(PageSettings.model_validate({"password": PASSWORD}), "0.0.0.0")


@pytest.mark.parametrize("password", ["", "short"])
def test_a_password_that_is_too_short_is_none(
    password: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FOOTNOTE_PAGE_PASSWORD", password)
    assert main(["serve", "--host", "0.0.0.0", "--library", str(tmp_path / "unmade")]) == 2
    assert password not in capsys.readouterr().err or not password


# ---------------------------------------------------------------- with a password


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with a password."""
    place = tmp_path_factory.mktemp("locked")
    (place / "articles").mkdir()
    (place / "articles" / "bridge.md").write_text("# The bridge\n\nThe bridge at Ostvik is 412 metres long.\n")
    values = {"library": place / "library", "articles": place / "articles", "page": {"password": PASSWORD}}
    with open_library(Settings.model_validate(values)) as library:
        library.sync()
        with served(library) as client:
            yield str(client.base_url)


def test_without_the_password_only_the_login_page_and_health_are_there(locked: str) -> None:
    with httpx.Client(base_url=locked, trust_env=False) as stranger:
        assert stranger.get("/health").json() == {"status": "ok"}
        assert stranger.get("/").headers["location"] == "/login?next=%2F"
        page = BeautifulSoup(stranger.get("/login").text, "html.parser")
        for tag in page.select("[src], [href]"):
            assert stranger.get(str(tag.get("src") or tag.get("href"))).status_code == 200
        for path in ("/config", "/theme.css", "/gradio_api/app_id", "/gradio_api/queue/data", "/saved/a/1.md", "/none"):
            assert stranger.get(path).status_code == 401, path
        for path in ("/gradio_api/queue/join", "/articles", "/logout"):
            assert stranger.post(path, json={}).status_code == 401, path
        assert not stranger.cookies


def test_the_password_opens_the_page_and_a_logout_closes_it(locked: str) -> None:
    with httpx.Client(base_url=locked, trust_env=False, timeout=10) as reader:
        assert reader.post("/login", data={"password": PASSWORD}).status_code == 303
        page = reader.get("/")
        assert page.status_code == 200
        assert "Ostvik" in page.text or "412" not in page.text
        ask = {"data": [LENGTH, "{}"], "fn_index": 0, "session_hash": "reader"}
        assert reader.post("/gradio_api/queue/join", json=ask).status_code == 200
        copy = dict(reader.cookies)
        assert reader.post("/logout").headers["location"] == "/login"
        assert reader.get("/").status_code == 303
        with httpx.Client(base_url=locked, cookies=copy, trust_env=False) as thief:
            assert thief.get("/config").status_code == 401


# ---------------------------------------------------------------- odd and slow clients


def spoken(client: httpx.Client, *pieces: bytes, seconds: float = 20) -> bytes:
    """Return what the server says to these bytes until it closes the connection."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=seconds) as line:
        for piece in pieces:
            line.sendall(piece)
        answer = b""
        while more := line.recv(65536):
            answer += more
        return answer


HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CLOSE = b"Connection: close\r\n"


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\n\r\n",  # no host
        HEAD + b"Host: 127.0.0.1\r\n\r\n",  # two
        HEAD + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b" folded\r\nX: \0\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 500,  # somebody tries TLS
        b"nonsense\r\n\r\n",
    ],
    ids=range(10),
)
def test_a_request_that_is_none_is_refused_and_the_next_one_answered(client: httpx.Client, request_: bytes) -> None:
    try:
        answer = spoken(client, request_)
    except ConnectionError:  # closed while more was coming
        answer = b"HTTP/1.1 400"
    assert 400 <= status(answer) < 500 or status(answer) == 501
    assert b"Traceback" not in answer
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW", "get", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/health", "/config", "/gradio_api/queue/join", "/assets/page.js", "/login"])
def test_a_method_that_does_not_fit_is_refused(client: httpx.Client, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + CLOSE + b"\r\n"
    assert 400 <= status(spoken(client, request)) < 500


@pytest.mark.parametrize("name", ["x-http-method-override", "x-method-override"])
def test_a_header_makes_no_other_method(client: httpx.Client, name: str) -> None:
    assert client.get("/health", headers={name: "DELETE"}).status_code == 200
    assert client.post("/health", headers={name: "GET"}).status_code in (404, 405)


def test_old_and_impatient_clients_are_answered(client: httpx.Client) -> None:
    assert status(spoken(client, b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")) == 200
    pipelined = spoken(client, (HEAD + b"\r\n") * 5 + HEAD + CLOSE + b"\r\n")
    assert pipelined.count(b"200 OK") == 6


@pytest.mark.parametrize(
    "ranges",
    ["bytes=" + ",".join(f"{n}-" for n in range(3000)), "bytes=0-,1-,2-", "bytes=9-1", "x", "bytes=-0", "bytes=0-0"],
)
def test_no_range_makes_much_of_a_file(client: httpx.Client, ranges: str) -> None:
    own = next(part for part in re.findall(r"assets/index-[^\"']+\.js", client.get("/").text))
    for path in ("/assets/page.js", f"/{own}", "/favicon.ico", "/health"):
        whole = len(client.get(path).content)
        reply = client.get(path, headers={"range": ranges})
        assert reply.status_code in (200, 206, 400, 416)
        assert len(reply.content) <= max(whole, 1) + 1000


def test_forwarded_headers_change_nothing_of_the_page(client: httpx.Client) -> None:
    said = {"x-forwarded-host": "elsewhere.org", "x-forwarded-proto": "https", "x-forwarded-prefix": "/x"}
    said |= {"forwarded": "host=elsewhere.org;proto=https", "x-forwarded-for": "192.0.2.1", "x-real-ip": "192.0.2.1"}
    for path in ("/", "/config"):
        reply = client.get(path, headers=said)
        assert "elsewhere.org" not in reply.text
        assert "secure" not in reply.headers.get("set-cookie", "").lower()


@contextmanager
def impatient(library: Footnote) -> Iterator[httpx.Client]:
    """Serve with little patience for connections."""

    class Hasty(PatientProtocol):
        ask_seconds = 1.0
        take_seconds = 1.0

    with served(library, protocol=Hasty) as client:
        yield client


def test_who_is_slow_is_cut_off_and_others_are_answered(library: Footnote) -> None:
    with impatient(library) as client:
        place = (client.base_url.host, client.base_url.port or 80)
        slow = [socket.create_connection(place, timeout=20) for _ in range(30)]
        for number, line in enumerate(slow):  # nothing, a part of the head, a whole one and a part of the next
            line.sendall([b"", HEAD, HEAD + b"\r\n" + HEAD][number % 3])
        once = {"connection": "close"}  # an open one of our own would be cut off, too
        assert client.get("/health", headers=once).status_code == 200
        for line in slow:
            with line:
                while True:
                    try:
                        if not line.recv(65536):
                            break
                    except ConnectionError:
                        break
        assert client.get("/health", headers=once).status_code == 200


def test_a_body_that_drips_in_after_its_answer_is_cut_off(library: Footnote) -> None:
    with impatient(library) as client:
        place = (client.base_url.host, client.base_url.port or 80)
        with socket.create_connection(place, timeout=20) as line:
            line.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
            assert b"200 OK" in line.recv(65536)
            with suppress(ConnectionError):
                for _ in range(200):
                    line.sendall(b"x")
                    time.sleep(0.05)
                pytest.fail("it was not cut off")


def test_who_never_reads_is_cut_off(library: Footnote) -> None:
    with impatient(library) as client:
        place = (client.base_url.host, client.base_url.port or 80)
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.settimeout(20)
            line.connect(place)
            with suppress(ConnectionError):
                for _ in range(2000):  # asks for far more than fits between here and there
                    line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    time.sleep(0.005)
                line.recv(1)
                pytest.fail("it was not cut off")
        assert client.get("/health").status_code == 200


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize("port", ["0", "99999", "-1", "http", "", "７８６０"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["serve", f"--port={port}"])
    assert stop.value.code == 2
    assert "1 to 65535" in capsys.readouterr().err


def test_a_port_in_use_exits_3(open_at: Open, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_at() as library:
        articles = library.articles
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        places = ["--library", str(tmp_path / "library"), "--articles", str(articles)]
        assert main(["serve", "--port", str(port), *places]) == 3
    assert "--port" in capsys.readouterr().err
    assert owner_pid(tmp_path / "library") is None


def test_beside_another_owner_nothing_is_served(
    open_at: Open, tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_at() as library:
        library.sync()
    with held(tmp_path / "library") as process:
        assert main(["serve", "--library", str(tmp_path / "library"), "--port", str(free_port)]) == 6
        assert f"in use by process {process.pid}" in capsys.readouterr().err


@pytest.fixture
def command(open_at: Open, tmp_path: Path, folder: Path, free_port: int) -> Iterator[subprocess.Popen[str]]:
    """`footnote serve` as a process of its own."""
    with open_at() as library:
        library.sync()
    program = Path(sys.executable).parent / "footnote"
    places = ["--library", str(tmp_path / "library"), "--articles", str(folder)]
    with subprocess.Popen(
        [program, "serve", "--port", str(free_port), *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """Return the first line of what a process says on stderr."""
    assert process.stderr is not None
    return process.stderr.readline()


def ended(process: subprocess.Popen[str], how: signal.Signals) -> tuple[float, str, str]:
    """Tell a process to stop; return how long it took, and what it said since."""
    began = time.monotonic()
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=30)
    return time.monotonic() - began, stdout, stderr


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_is_and_ends_when_told(
    command: subprocess.Popen[str], stop: signal.Signals, free_port: int, tmp_path: Path, folder: Path
) -> None:
    url = f"http://127.0.0.1:{free_port}"
    assert said(command) == f"Footnote is at {url} (Ctrl-C stops it)\n"
    assert httpx.get(f"{url}/health", trust_env=False, timeout=30).json() == {"status": "ok"}
    assert owner_pid(tmp_path / "library") == command.pid
    seconds, stdout, stderr = ended(command, stop)
    assert seconds < 10
    assert stdout == ""
    assert "Traceback" not in stderr
    with open_library(library=tmp_path / "library", articles=folder) as library:
        assert library.owner_pid is None
        assert library.sync().unchanged == 3


@pytest.mark.slow
def test_once_the_address_is_said_it_can_be_reached(command: subprocess.Popen[str], free_port: int) -> None:
    assert str(free_port) in said(command)
    socket.create_connection(("127.0.0.1", free_port)).close()


@pytest.mark.slow
def test_a_page_that_is_open_neither_holds_the_end_up_nor_fills_the_log(
    command: subprocess.Popen[str], free_port: int, tmp_path: Path
) -> None:
    said(command)
    home = f"http://127.0.0.1:{free_port}"
    with (
        httpx.Client(base_url=home, cookies=httpx.get(home, trust_env=False).cookies, trust_env=False) as reader,
        reader.stream("GET", "/gradio_api/heartbeat/reader", timeout=30) as page,
    ):
        assert page.status_code == 200
        seconds, _, stderr = ended(command, signal.SIGTERM)
    assert seconds < 10
    assert owner_pid(tmp_path / "library") is None
    assert "Traceback" not in stderr
