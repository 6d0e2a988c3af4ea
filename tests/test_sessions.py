"""Who a reader is: cookies that only this server can sign, the file of their secret, and sessions that ended."""

from __future__ import annotations

import base64
import logging
import os
import stat
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.sessions import ENDED_FILE, KEY_FILE, Sessions, same_words

DAY = 86_400


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def cookies(header: str) -> dict[str, str]:
    """Return what a browser sends after a `Set-Cookie` header."""
    return {name: morsel.value for name, morsel in SimpleCookie(header).items()}


def given_out(sessions: Sessions, session: str) -> dict[str, str]:
    return cookies(sessions.cookie(session, secure=False))


def test_a_cookie_proves_the_session_it_was_made_for(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    one, other = sessions.new(), sessions.new()
    assert one != other
    assert sessions.session_of(given_out(sessions, one)) == one
    assert sessions.session_of(given_out(sessions, other) | {"theme": "dark"}) == other


def test_an_id_has_192_bits(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    ids = {sessions.new() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(base64.urlsafe_b64decode(identifier)) for identifier in ids} == {24}


def test_only_the_server_reads_a_cookie_and_only_for_this_site(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    for secure in (False, True):
        header = sessions.cookie(sessions.new(), secure=secure)
        parts = [part.strip().lower() for part in header.split(";")[1:]]
        assert sorted(parts) == sorted(
            ["max-age=2592000", "path=/", "httponly", "samesite=lax", *(["secure"] if secure else [])]
        )


@pytest.mark.parametrize("value", ["", "x", "..", "a.b.c", "é.1.2", "\0", "A" * 32 + ".1." + "0" * 64, "." * 5000])
def test_what_we_did_not_sign_proves_nothing(tmp_path: Path, value: str) -> None:
    sessions = Sessions(tmp_path, 30)
    assert sessions.session_of({sessions.cookie_name: value}) is None
    assert sessions.session_of({}) is None


def test_a_cookie_of_another_name_proves_nothing(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    (value,) = given_out(sessions, sessions.new()).values()
    assert sessions.session_of({"footnote": value, "session": value}) is None


@given(position=st.integers(0, 200), letter=st.sampled_from("aZ09-_.%é"))
def test_no_letter_of_a_cookie_can_be_another(
    tmp_path_factory: pytest.TempPathFactory, position: int, letter: str
) -> None:
    sessions = Sessions(tmp_path_factory.getbasetemp(), 30)
    ((name, value),) = given_out(sessions, sessions.new()).items()
    at = position % len(value)
    changed = value[:at] + letter + value[at + 1 :]
    assert sessions.session_of({name: changed}) is None or changed == value


def test_a_cookie_runs_out_and_a_visit_renews_it(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path, 2, clock=clock)
    session = sessions.new()
    old = given_out(sessions, session)
    clock.now += 2 * DAY - 1
    assert sessions.session_of(old) == session
    renewed = given_out(sessions, session)
    clock.now += 2
    assert sessions.session_of(old) is None
    assert sessions.session_of(renewed) == session


def test_a_clock_that_was_set_back_turns_nobody_away(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path, 2, clock=clock)
    session = sessions.new()
    held = given_out(sessions, session)
    clock.now -= 10 * DAY
    assert sessions.session_of(held) == session


# ---------------------------------------------------------------- the secret


def test_a_session_outlives_the_server(tmp_path: Path) -> None:
    before = Sessions(tmp_path, 30)
    session = before.new()
    assert Sessions(tmp_path, 30).session_of(given_out(before, session)) == session


def test_the_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Sessions(tmp_path, 30)
    finally:
        os.umask(old)
    file = tmp_path / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_bytes()) == 32
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_secret_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    held = given_out(first := Sessions(tmp_path, 30), session := first.new())
    (tmp_path / KEY_FILE).chmod(0o644)
    assert Sessions(tmp_path, 30).session_of(held) == session
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33, b"x" * 1_000_000])
def test_a_secret_that_is_none_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    Sessions(tmp_path, 30)
    kept = (tmp_path / KEY_FILE).read_bytes()
    assert len(kept) == 32
    assert kept != content


def link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_bytes(b"e" * 32)
    path.symlink_to(target)


@pytest.mark.parametrize("obstacle", [link, os.mkfifo], ids=["link", "pipe"])
def test_a_secret_is_never_read_through_a_link_or_from_a_pipe(tmp_path: Path, obstacle: Callable[[Path], None]) -> None:
    obstacle(tmp_path / KEY_FILE)
    sessions = Sessions(tmp_path, 30)
    assert stat.S_ISREG((tmp_path / KEY_FILE).lstat().st_mode)
    assert sessions.cookie_name == Sessions(tmp_path, 30).cookie_name
    if (elsewhere := tmp_path / "elsewhere").exists():
        assert elsewhere.read_bytes() == b"e" * 32


def test_where_nothing_can_be_written_readers_are_known_for_one_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = tmp_path / "nowhere"
    with caplog.at_level(logging.WARNING):
        sessions = Sessions(nowhere, 30)
        session = sessions.new()
        held = given_out(sessions, session)
        assert sessions.session_of(held) == session
        sessions.end(session)
    assert sessions.session_of(held) is None
    assert "until the next start only" in caplog.text
    assert str(tmp_path) not in caplog.text
    assert Sessions(nowhere, 30).session_of(held) is None


def test_the_cookies_of_two_libraries_on_one_machine_do_not_displace_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = Sessions(tmp_path / "a", 30), Sessions(tmp_path / "b", 30)
    first, second = one.new(), other.new()
    jar = given_out(one, first) | given_out(other, second)
    assert (one.session_of(jar), other.session_of(jar)) == (first, second)
    (value,) = given_out(one, first).values()
    assert other.session_of({other.cookie_name: value}) is None


def test_another_password_makes_all_cookies_void(tmp_path: Path) -> None:
    ways = [Sessions(tmp_path, 30, password) for password in (None, "first password", "second password")]
    for made in ways:
        held = given_out(made, session := made.new())
        assert [way.session_of(held) for way in ways] == [session if way is made else None for way in ways]


# ---------------------------------------------------------------- the end of a session


def test_a_session_that_ended_stays_so_after_a_restart(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    session, other = sessions.new(), sessions.new()
    held, others = given_out(sessions, session), given_out(sessions, other)
    sessions.end(session)
    for after in (sessions, Sessions(tmp_path, 30)):
        assert after.session_of(held) is None
        assert after.session_of(others) == other
    assert stat.S_IMODE((tmp_path / ENDED_FILE).stat().st_mode) == 0o600


def test_what_ended_is_forgotten_once_its_cookies_have_run_out_anyhow(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path, 2, clock=clock)
    session = sessions.new()
    held = given_out(sessions, session)
    sessions.end(session)
    clock.now += 2 * DAY + 2
    after = Sessions(tmp_path, 2, clock=clock)
    assert after.session_of(held) is None
    assert (tmp_path / ENDED_FILE).read_bytes() == b""


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\0", b"a\nb c d\n", b"x -1\n", b"x " + "\u0661".encode() + b"\n", b"\n\n"]
)
def test_a_damaged_list_of_ended_sessions_stops_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ENDED_FILE).write_bytes(content)
    sessions = Sessions(tmp_path, 30)
    session = sessions.new()
    assert sessions.session_of(given_out(sessions, session)) == session


def test_taking_a_cookie_away_empties_it(tmp_path: Path) -> None:
    sessions = Sessions(tmp_path, 30)
    header = sessions.no_cookie(secure=True)
    assert header.startswith(f"{sessions.cookie_name}=; Max-Age=0; Path=/;")
    assert sessions.session_of(cookies(header)) is None


@given(given_=st.text(), expected=st.text())
def test_words_are_the_same_or_not(given_: str, expected: str) -> None:
    assert same_words(given_, expected) == (given_ == expected)
