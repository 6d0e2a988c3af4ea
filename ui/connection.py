"""Owns patience with connections: how long one may take to ask, and to take what it asked for."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

ASK_SECONDS = 20.0  # for the head of a request, or for the end of one that is answered already
TAKE_SECONDS = 60.0  # for what the server has ready; until then at most about 64 kB wait in this process


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, without end neither for those who write slowly nor for those who never read."""

    ask_seconds = ASK_SECONDS
    take_seconds = TAKE_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._asking: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take in a piece of a request."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._asking, self._taking):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a reader who is behind."""
        super().pause_writing()
        self._taking = self.loop.call_later(self.take_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting for him: he has caught up."""
        if self._taking:
            self._taking.cancel()
            self._taking = None
        super().resume_writing()

    @property
    def _is_asked(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        if self._is_asked:
            if self._asking:
                self._asking.cancel()
                self._asking = None
        elif self._asking is None and not self.transport.is_closing():
            self._asking = self.loop.call_later(self.ask_seconds, self._give_up)

    def _give_up(self) -> None:
        self._asking = None
        if not self._is_asked:
            self.transport.abort()


def notice_dead_peers(listener: socket.socket) -> None:
    """Have the connections that a listener accepts closed once nobody is there any more; minutes, not hours."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 90_000}
    for name, value in options.items():
        if number := getattr(socket, name, None):  # not every system has all of them
            listener.setsockopt(socket.IPPROTO_TCP, number, value)
