"""A scripted provider: a server on the loopback that speaks OpenAI's chat protocol, and breaks it on command.

Each request takes the next reply of the script, the last one again and again. `requests` keeps what came.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59}
DONE = b"data: [DONE]\n\n"
ECHO = " ECHO"


@dataclass
class Scripted:
    """One reply: a stream of `pieces`, or a body with another status; then the ways to break it."""

    pieces: Sequence[Any] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # sent as it is, in place of a stream
    finish: str | None = "stop"  # None: the stream ends without a reason
    done: bool = True  # whether [DONE] is sent
    delay: float = 0.0  # before the first byte of the reply
    between: float = 0.0  # before each piece but the first
    reset: bool = False  # the connection is torn down after the pieces
    raw: bytes | Sequence[bytes] | None = None  # sent after the headers, in place of everything else; or its packets
    hang_up: bool = False  # the connection is closed before any byte
    keep_alive: bool = False  # after a body, the connection stays open for more
    echo: str = ""  # a pattern: where it matches in the last message, pieces that are `ECHO` become what matched


@dataclass
class Request:
    """What a request brought, and whether its reply could be sent to the end."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    closed_early: float | None = None  # seconds until the client was found to be gone
    began: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event, repr=False)  # sent, or found to be in vain

    @property
    def prompt(self) -> str:
        return "\n".join(message["content"] for message in self.body["messages"])

    def given_up(self, within: float) -> bool:
        """Whether the client closes the connection, before the reply is whole, within so many seconds from now."""
        return self.over.wait(within) and self.closed_early is not None


def error(message: str, status: int, code: str | None = None, param: str | None = None, **headers: str) -> Scripted:
    """Return a reply that is an error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": code, "param": param}})
    return Scripted(
        status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def event(delta: dict[str, Any], finish: str | None = None, **others: Any) -> bytes:
    """Return one event of a stream."""
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **others,
    }
    try:
        data = json.dumps(chunk, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can name and UTF-8 cannot
        data = json.dumps(chunk).encode()
    return b"data: " + data + b"\n\n"


def events(text: str, finish: str | None = "stop") -> bytes:
    """Return the events that bring a text, one for each word, without `[DONE]`."""
    return b"".join([*(event({"content": piece}) for piece in words(text)), event({}, finish) if finish else b""])


class Provider:
    """The running server; `script` may be changed between requests."""

    def __init__(self, *script: Scripted) -> None:
        self.script = list(script)
        self.requests: list[Request] = []
        self.connections = 0  # open now
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
                request = Request(body, {k.lower(): v for k, v in self.headers.items()}, self.path)
                with provider._lock:
                    place = min(len(provider.requests), len(provider.script) - 1)
                    reply = provider.script[place]
                    provider.requests.append(request)
                try:
                    self._reply(_echoed(reply, request))
                except OSError:
                    request.closed_early = time.monotonic() - request.began
                request.over.set()

            def do_GET(self) -> None:  # what a redirect may become
                self.do_POST()

            def _reply(self, reply: Scripted) -> None:
                self._pause(reply.delay)
                self.close_connection = not reply.keep_alive
                if reply.hang_up:
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if not reply.keep_alive:
                    self.send_header("connection", "close")
                if reply.body is not None:
                    data = reply.body.encode("utf-8", "surrogatepass")
                    if "content-type" not in reply.headers:
                        self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                    return
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                for i, packet in enumerate(_packets(reply)):
                    self._pause(reply.between if i else 0)
                    self.wfile.write(packet)
                if reply.reset:
                    time.sleep(0.05)  # else what was sent is lost with the connection
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                elif reply.raw is None:
                    self.wfile.write(_ending(reply))

            def _pause(self, seconds: float) -> None:
                """Wait, but no longer than the client does."""
                if seconds and select.select([self.connection], [], [], seconds)[0]:
                    raise ConnectionResetError

            def log_message(self, format: str, *args: object) -> None:
                pass

            def setup(self) -> None:
                super().setup()
                with provider._lock:
                    provider.connections += 1

            def finish(self) -> None:
                with provider._lock:
                    provider.connections -= 1
                with suppress(OSError):
                    super().finish()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def play(self, *script: Scripted) -> None:
        """Begin anew with another script; what came before is forgotten."""
        with self._lock:
            self.script, self.requests = list(script), []

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _echoed(reply: Scripted, request: Request) -> Scripted:
    if not reply.echo:
        return reply
    match = re.search(reply.echo, request.body["messages"][-1]["content"])
    said = f" {match[0]}" if match else ""
    return replace(reply, pieces=[said if piece == ECHO else piece for piece in reply.pieces])


def _packets(reply: Scripted) -> Iterator[bytes]:
    if reply.raw is not None:
        yield from [reply.raw] if isinstance(reply.raw, bytes) else reply.raw
        return
    first = event({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield first + event({"content": piece})
        first = b""
    yield first


def _ending(reply: Scripted) -> bytes:
    ending = b""
    if reply.finish:
        usage = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
        ending += event({}, reply.finish)
        ending += b"data: " + json.dumps({**usage, "choices": [], "usage": USAGE}).encode() + b"\n\n"
    return ending + (DONE if reply.done else b"")


@contextmanager
def serving(*script: Scripted) -> Iterator[Provider]:
    """Run a scripted provider while the block runs."""
    provider = Provider(*script)
    try:
        yield provider
    finally:
        provider.close()


def words(text: str) -> list[str]:
    """Return a text in the pieces that a model might send: one for each word, its blank in front."""
    parts = text.split(" ")
    return [parts[0], *(f" {part}" for part in parts[1:])]
