"""One process at a time: who holds the library, and that nobody holds it after death."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.errors import BusyError, ReadOnlyError, StoreError
from rag.lock import FILE_NAME, Lock, owner_pid

HOLDER = """
import pathlib, sys
from rag.lock import Lock
lock = Lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
if sys.stdin.readline():
    lock.release()
    print("released", flush=True)
    sys.stdin.readline()
"""
Holder = subprocess.Popen[str]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[], Holder]]:
    """Return a function that lets another process take the lock of `tmp_path`."""
    holders: list[Holder] = []

    def start() -> Holder:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        holders.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in holders:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_the_library(tmp_path: Path, hold: Callable[[], Holder]) -> None:
    holder = hold()
    with pytest.raises(BusyError, match=f"in use by process {holder.pid}") as caught:
        Lock(tmp_path)
    assert caught.value.owner_pid == holder.pid
    assert owner_pid(tmp_path) == holder.pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_its_holder_frees_the_library(
    tmp_path: Path, hold: Callable[[], Holder], how: signal.Signals
) -> None:
    holder = hold()
    holder.send_signal(how)
    holder.wait()
    assert owner_pid(tmp_path) is None
    Lock(tmp_path).release()


def test_a_released_library_is_free_though_its_last_holder_lives(tmp_path: Path, hold: Callable[[], Holder]) -> None:
    holder = hold()
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write("release\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    assert owner_pid(tmp_path) is None
    hold()


def test_a_second_lock_of_the_same_process_is_refused(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with pytest.raises(BusyError) as caught:
        Lock(tmp_path)
    assert caught.value.owner_pid == os.getpid()
    lock.release()
    Lock(tmp_path).release()


def test_a_refused_attempt_leaves_no_file_open_and_the_lock_as_it_was(tmp_path: Path) -> None:
    descriptors = Path("/dev/fd")
    lock = Lock(tmp_path)
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        with pytest.raises(BusyError):
            Lock(tmp_path)
        assert owner_pid(tmp_path) == os.getpid()
    assert len(list(descriptors.iterdir())) == before
    lock.release()


def test_a_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        assert owner_pid(tmp_path) is None
        Lock(tmp_path).release()
        child.communicate(b"\n")


def test_those_who_ask_for_the_owner_do_not_keep_others_out(tmp_path: Path) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            owner_pid(tmp_path)
            time.sleep(0.001)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(20):
            Lock(tmp_path).release()
    finally:
        stop.set()
        thread.join()


# ---------------------------------------------------------------- the lock file


@pytest.mark.parametrize("content", [None, b"", b"1\n", b"99999999999999999999999\n", b"\xff not a pid"])
def test_a_lock_file_that_nobody_holds_names_no_owner_and_blocks_nobody(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert owner_pid(tmp_path) is None
    lock = Lock(tmp_path)
    assert owner_pid(tmp_path) == os.getpid()
    lock.release()


def test_a_held_lock_without_a_pid_in_it_is_still_refused(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"")
    assert owner_pid(tmp_path) is None
    with pytest.raises(BusyError, match="in use by another process"):
        Lock(tmp_path)
    lock.release()


def test_a_link_in_place_of_the_lock_is_refused_and_its_target_untouched(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("keep me")
    library = tmp_path / "library"
    library.mkdir()
    (library / FILE_NAME).symlink_to(target)
    with pytest.raises(StoreError, match="cannot be opened"):
        Lock(library)
    assert owner_pid(library) is None
    assert target.read_text() == "keep me"


def test_a_library_without_folder_or_with_a_folder_for_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: No such file"):
        Lock(tmp_path / "missing")
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="cannot be opened: Is a directory"):
        Lock(tmp_path)
    assert owner_pid(tmp_path / "missing") is None


def test_others_on_the_machine_cannot_read_or_hold_the_lock_file(tmp_path: Path) -> None:
    Lock(tmp_path).release()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- how the holder before ended


def test_a_lock_knows_whether_the_holder_before_died_with_it(tmp_path: Path, hold: Callable[[], Holder]) -> None:
    first = Lock(tmp_path)
    assert not first.abandoned
    first.release()
    second = Lock(tmp_path)
    assert not second.abandoned
    second.release()
    holder = hold()
    holder.kill()
    holder.wait()
    third = Lock(tmp_path)
    assert third.abandoned
    third.release()
    fourth = Lock(tmp_path)
    assert not fourth.abandoned
    fourth.release()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_library_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: object, *_: object) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("rag.lock.os.open", refuse)
    with pytest.raises(ReadOnlyError, match=r"cannot be written: .* or use another --library"):
        Lock(tmp_path)
    assert owner_pid(tmp_path) is None


def test_what_a_killed_holder_leaves_behind_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time\n"
        "from rag.lock import Lock\n"
        "lock = Lock(pathlib.Path(sys.argv[1]))\n"
        "if os.fork() == 0:\n"  # holds what its parent held, as a child does that has not begun yet
        "    os.close(1); time.sleep(0.8); os._exit(0)\n"
        "print('held', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
        process.wait()
        lock = Lock(tmp_path)
    assert lock.abandoned
    lock.release()
