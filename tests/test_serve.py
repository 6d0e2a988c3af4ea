"""The page as a web server: what it answers, to whom, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from bs4 import BeautifulSoup
from fastapi import FastAPI

from rag.app import Footnote, open_library
from rag.cli import main
from rag.errors import InputError, ProviderError
from rag.lock import owner_pid
from tests.conftest import held
from ui.serve import _HEADERS, _listen, build_app

Open = Callable[..., Footnote]
LENGTH = "How long is the bridge at Ostvik?"
PASSWORDS = Path("/etc/passwd")


@contextmanager
def served(library: Footnote, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """Serve a library in a thread and give a client of it."""

    async def build() -> FastAPI:  # inside a running loop: without one, gradio leaves loops of its own unclosed
        return build_app(library, host)

    with _listen("127.0.0.1", 0) as listener:
        config = uvicorn.Config(asyncio.run(build()), log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
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


def test_the_page_offers_no_programming_interface(client: httpx.Client) -> None:
    assert client.get("/gradio_api/info").json() == {"named_endpoints": {}, "unnamed_endpoints": {}}


@pytest.mark.parametrize("way", ["run", "api"])
def test_no_question_gets_past_the_queue(client: httpx.Client, way: str) -> None:
    assert client.post(f"/gradio_api/{way}/answer", json={"data": [LENGTH, None]}).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect", "/monitoring/summary", "/gradio_api/dev/reload"],
)
def test_what_describes_the_server_is_not_there(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_question_is_answered_over_the_wire(client: httpx.Client) -> None:
    config = client.get("/config").json()
    asking = next(item for item in config["dependencies"] if any(event == "submit" for _, event in item["targets"]))
    body = {"data": [LENGTH, None], "fn_index": asking["id"], "session_hash": "reader"}
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "reader"}) as events:
        for line in events.iter_lines():
            if "process_completed" in line:
                break
    assert "412 metres" in line
    assert '"success":true' in line.replace(" ", "")


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
    for name, value in _HEADERS.items():
        assert reply.headers.get_list(name) == [value], name


def test_the_fence_lets_nothing_in_from_elsewhere(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    rules = {name: values for name, *values in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == rules["connect-src"] == ["'self'"]
    assert rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    allowed = {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert {value for values in rules.values() for value in values} <= allowed


@pytest.mark.parametrize("host", ["elsewhere.org", "elsewhere.org:7860", "127.0.0.1.elsewhere.org", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["/", "/health", "/gradio_api/queue/join"])
def test_another_name_that_leads_here_is_refused(client: httpx.Client, host: str, path: str) -> None:
    assert client.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]", "[::1]:7860"])
def test_names_of_the_loopback_are_its_own(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


def test_on_another_address_it_answers_to_any_name(library: Footnote) -> None:
    with served(library, "0.0.0.0") as client:
        assert client.get("/health", headers={"host": "footnote.example.org"}).status_code == 200
        headers = {"host": "footnote.example.org", "origin": "http://elsewhere.org"}
        assert client.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://elsewhere.org", "null", "http://127.0.0.1:1", "http://127.0.0.1", "", "//"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_site_s_page_cannot_write(client: httpx.Client, method: str, origin: str) -> None:
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/health"):
        assert client.request(method, path, headers={"origin": origin}).status_code == 403


def test_the_page_itself_and_programs_can_write(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    local = own.replace("127.0.0.1", "localhost")
    for headers in ({}, {"origin": own}, {"origin": local, "host": urlsplit(local).netloc}):
        assert client.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 422


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
        assert client.get(f"/gradio_api/file={file}").status_code == 403
    assert client.get("/gradio_api/file=pyproject.toml").status_code == 403


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x", "https://elsewhere.org/x", "//elsewhere.org/x"])
def test_nothing_is_fetched_for_others(client: httpx.Client, address: str) -> None:
    for way in ("file", "proxy"):
        reply = client.get(f"/gradio_api/{way}={address}")
        assert 400 <= reply.status_code < 500


def test_no_file_is_taken(client: httpx.Client) -> None:
    assert client.post("/gradio_api/upload", files={"files": ("a.txt", b"x")}).status_code == 413


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
    address = f"http://127.0.0.1:{free_port}/gradio_api/heartbeat/reader"
    with httpx.stream("GET", address, trust_env=False, timeout=30) as page:
        assert page.status_code == 200
        seconds, _, stderr = ended(command, signal.SIGTERM)
    assert seconds < 10
    assert owner_pid(tmp_path / "library") is None
    assert "Traceback" not in stderr
