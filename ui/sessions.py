"""Owns who a reader is: a signed cookie that holds an id made here, its secret, and which sessions were ended."""

from __future__ import annotations

import errno
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

KEY_FILE = "page-key"
ENDED_FILE = "page-ended"
_SECRET_BYTES = 32
_ID_BYTES = 24  # 192 bits: nobody guesses another reader's
_COOKIE = re.compile(r"([A-Za-z0-9_-]{32})\.([0-9]{1,12})\.([0-9a-f]{64})")
_DAY = 86_400

_log = logging.getLogger(__name__)


class Sessions:
    """The readers of one library's page. Safe to share between threads.

    A session is a random id in a cookie that only this server can sign. Where a password is set, only a login issues
    cookies, and another password makes all of them void.
    """

    def __init__(
        self, folder: Path, keep_days: int, password: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the secret in the library's `folder`, or make one; `clock` gives seconds since 1970."""
        secret = _kept_secret(folder / KEY_FILE)
        self._key = hmac.digest(secret, b"cookie:" + (password or "").encode(), "sha256")
        # Browsers send a cookie to every port of a host: each library's has a name of its own.
        self.cookie_name = "footnote-" + hmac.digest(secret, b"name", "sha256").hex()[:8]
        self.keep_seconds = keep_days * _DAY
        self._clock = clock
        self._ended_file = folder / ENDED_FILE
        self._ended = _read_ended(self._ended_file, clock())

    def new(self) -> str:
        """Return a fresh session id: 32 letters, digits, `-` and `_`."""
        return secrets.token_urlsafe(_ID_BYTES)

    def session_of(self, cookies: Mapping[str, str]) -> str | None:
        """Return the session id that a request's cookies prove; None where they prove none."""
        match = _COOKIE.fullmatch(cookies.get(self.cookie_name) or "")
        if match is None:
            return None
        session, issued, signature = match.groups()
        if not hmac.compare_digest(signature, self._signature(session, issued)):
            return None
        if self._clock() - int(issued) > self.keep_seconds or session in self._ended:
            return None
        return session

    def cookie(self, session: str, *, secure: bool) -> str:
        """Return the value of a `Set-Cookie` header that gives a browser this session, anew from now on.

        Lax, not Strict: with Strict a link from elsewhere would open the page as another reader's.
        """
        issued = str(int(self._clock()))
        value = f"{session}.{issued}.{self._signature(session, issued)}"
        return self._header(value, self.keep_seconds, secure)

    def no_cookie(self, *, secure: bool) -> str:
        """Return the value of a `Set-Cookie` header that takes the session from a browser."""
        return self._header("", 0, secure)

    def end(self, session: str) -> None:
        """End a session for good: a copy of its cookie is worth nothing from now on, also after a restart."""
        until = int(self._clock()) + self.keep_seconds + 1
        self._ended[session] = until
        try:
            with _opened(self._ended_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as file:
                file.write(f"{session} {until}\n".encode())
        except OSError as error:
            _log.warning("a session that ended is remembered until the next start only: %s", error.strerror)

    def _signature(self, session: str, issued: str) -> str:
        return hmac.digest(self._key, f"{session}.{issued}".encode(), "sha256").hex()

    def _header(self, value: str, seconds: int, secure: bool) -> str:
        fence = "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        return f"{self.cookie_name}={value}; Max-Age={seconds}; {fence}"


def same_words(given: str, expected: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing about where they differ."""
    return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), hashlib.sha256(expected.encode()).digest())


def _kept_secret(path: Path) -> bytes:
    """Return the secret in a file that only its owner may read; made there, or for this process where it cannot be."""
    try:
        with _opened(path, os.O_RDONLY) as file:
            secret = file.read(_SECRET_BYTES + 1)
        if len(secret) == _SECRET_BYTES:
            return secret
    except OSError:
        pass  # as if there were none
    secret = secrets.token_bytes(_SECRET_BYTES)
    try:
        _write_anew(path, secret)
    except OSError as error:
        _log.warning("readers are known until the next start only: %s cannot be kept: %s", path.name, error.strerror)
    return secret


def _read_ended(path: Path, now: float) -> dict[str, int]:
    """Return the sessions that ended, each with the second from which its cookies have run out anyhow."""
    try:
        with _opened(path, os.O_RDONLY) as file:
            lines = file.read().decode("ascii", "replace").splitlines()
    except OSError:
        return {}
    pairs = [line.split(" ") for line in lines]
    known = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
    left = {session: until for session, until in known.items() if until > now}
    if len(left) < len(lines):
        with suppress(OSError):
            _write_anew(path, "".join(f"{session} {until}\n" for session, until in left.items()).encode())
    return left


def _write_anew(path: Path, content: bytes) -> None:
    """Put a file of this content in place of what is there, whole or not at all."""
    making = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with _opened(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        making.replace(path)
    except OSError:
        with suppress(OSError):
            making.unlink(missing_ok=True)
        raise


def _opened(path: Path, flags: int) -> BinaryIO:
    """Open a plain file for this user's eyes only; raises OSError where it is anything else, as a link."""
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        os.fchmod(number, 0o600)
    except OSError:
        os.close(number)
        raise
    return os.fdopen(number, "rb" if flags & os.O_ACCMODE == os.O_RDONLY else "wb")
