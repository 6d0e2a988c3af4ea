"""A disk that is full, read-only or broken: a clear refusal, nothing acknowledged that is not kept, then recovery."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.world import (
    OWN_MOUNTS,
    QUESTIONS,
    THOROUGH,
    Server,
    State,
    World,
    check_between,
    check_final,
    error_of,
    needs,
    serving,
)
from tests.summary import SUMMARY


@pytest.fixture(scope="module")
def apart() -> Iterator[World]:
    """A world whose processes see file systems that nobody else does, in a folder that every user may look into."""
    with tempfile.TemporaryDirectory() as folder, serving(*OWN_MOUNTS) as server:
        Path(folder).chmod(0o755)
        yield World(Path(folder), server)


def do(server: Server, *command: object) -> str:
    answer = server(run=[str(word) for word in command])
    assert answer["code"] == 0, answer["out"]
    return str(answer["out"])


def on_a_disk(world: World, change: str, free: int) -> tuple[Path, State, State]:
    """Return a place whose library is on a disk of its own, with about this many KiB free."""
    made, before, after = world.start(change)
    place = made.with_name(made.name + "-disk")
    (place / "library").mkdir(parents=True)
    shutil.copytree(made / "articles", place / "articles")
    used = 0
    if (made / "library").exists():
        used = int(do(world.server, "du", "-sk", made / "library").split()[0])
    do(world.server, "mount", "-t", "tmpfs", "-o", f"size={used + free}k,mode=755", "tmpfs", place / "library")
    if used:
        do(world.server, "cp", "-a", f"{made / 'library'}/.", place / "library")
    return place, before, after


FREE = range(4, 600, 12) if THOROUGH else (4, 16, 40, 64, 88, 150, 250, 340, 380, 450)


@needs("unshare")
@pytest.mark.parametrize("change", ["first", "mixed"])
def test_a_full_disk_is_told_and_once_there_is_space_the_next_sync_ends_as_a_clean_run(
    apart: World, change: str
) -> None:
    refused = 0
    for free in FREE:
        place, before, after = on_a_disk(apart, change, free)
        result = apart.run(place, "sync")["result"][-1]
        if "error" in result:
            assert (result["error"], result["code"]) == ("StoreError", 5)
            assert "space" in result["message"]
            refused += 1
        found = apart.run(place, ["look", QUESTIONS])["result"][-1]
        if "error" not in found:
            check_between(found, before, after)
        else:  # of a library that holds nothing yet
            assert change == "first"
        do(apart.server, "mount", "-o", "remount,size=64m", place / "library")
        last = apart.run(place, "sync", ["look", QUESTIONS])["result"][-1]
        do(apart.server, "umount", place / "library")
        check_final(last, after)
    SUMMARY.add(full_disks=refused)
    assert refused > 2


@needs("unshare")
def test_a_library_on_a_disk_that_is_full_to_the_last_byte_still_answers(apart: World) -> None:
    place, _, _ = on_a_disk(apart, "mixed", 100)
    apart.server(run=["dd", "if=/dev/zero", f"of={place / 'library' / 'filler'}", "bs=4k"])
    hits = apart.run(place, ["answers", QUESTIONS[0]])["result"][-1]
    do(apart.server, "umount", place / "library")
    assert "error" not in hits, hits


@needs("unshare")
def test_a_library_on_a_read_only_disk_answers_with_a_notice_and_refuses_to_be_changed(apart: World) -> None:
    place, before, _ = on_a_disk(apart, "mixed", 500)
    do(apart.server, "mount", "-o", "remount,ro", place / "library")
    _answers_and_refuses(apart, place, before)
    saved = place / "saved"
    assert apart.run(place, ["backup", str(saved)])["result"][0]["articles"] == len(before["passages"])
    assert error_of(apart.run(place, ["restore", str(saved)])) == "ReadOnlyError 5"
    do(apart.server, "umount", place / "library")


@needs("root")
def test_a_library_of_somebody_else_answers_with_a_notice_and_refuses_to_be_changed(apart: World) -> None:
    place, before, _ = apart.start("mixed")
    (place / "library").chmod(0o755)
    _answers_and_refuses(apart, place, before, uid=65534)


@needs("root")
def test_a_library_that_is_closed_to_this_user_is_refused_with_what_to_do(apart: World) -> None:
    place, _, _ = apart.start("mixed")
    (place / "library").chmod(0o700)
    answer = apart.run(place, ["answers", QUESTIONS[0]], raw=True, uid=65534)
    assert "traceback" not in answer["result"]
    assert error_of(answer) in ("StoreError 5", "ReadOnlyError 5")


def _answers_and_refuses(world: World, place: Path, before: State, **options: int) -> None:
    result = world.run(place, "notice", ["answers", QUESTIONS[0]], **options)["result"]
    assert "without syncing" in result[0], result
    assert result[1] == before["answers"][QUESTIONS[0]]
    for step in ("sync", "rebuild", ["remove", "anna.txt"]):
        assert error_of(world.run(place, step, **options)) == "ReadOnlyError 5"


@needs("strace")
@pytest.mark.parametrize(("error", "calls"), [("EIO", "fsync,fdatasync"), ("ENOSPC", "pwrite64"), ("EIO", "pwrite64")])
def test_what_could_not_be_written_is_not_acknowledged_and_old_versions_answer(
    apart: World, error: str, calls: str
) -> None:
    failed = 0
    for call in range(1, 60, 1 if THOROUGH else 6):
        place, before, after = apart.start("mixed")
        file = place / "library" / "ledger.sqlite3"
        fault = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when={call}"]
        answer = apart.run(place, "sync", strace=[*fault, "-P", str(file), "-P", f"{file}-journal"])
        if "error" in answer["result"][-1]:
            assert error_of(answer) == "StoreError 5"
            failed += 1
        apart.judge(place, before, after)
    SUMMARY.add(failed_writes=failed)
    assert failed > 3


@needs("strace")
def test_an_index_that_could_not_be_written_costs_nothing_but_the_time_to_build_it(apart: World) -> None:
    for call in range(1, 40, 1 if THOROUGH else 6):
        place, before, after = apart.start("mixed")
        fault = ["-e", "trace=write,pwrite64", "-e", f"inject=write,pwrite64:error=ENOSPC:when={call}+"]
        (folder,) = (place / "library" / "chroma").iterdir()
        paths = [word for path in folder.rglob("*") if path.is_file() for word in ("-P", str(path))]
        paths += ["-P", str(folder / "chroma.sqlite3-journal"), "-P", str(folder / "chroma.sqlite3-wal")]
        answer = apart.run(place, "sync", strace=[*fault, *paths])
        if "error" in answer["result"][-1]:
            assert error_of(answer) == "StoreError 5"
        apart.judge(place, before, after)


@pytest.mark.parametrize("files", [12, 20, 28, 40, 64])
def test_with_too_few_open_files_it_works_or_says_so_and_recovers(apart: World, files: int) -> None:
    place, _, after = apart.start("first")
    options = {"limits": {"RLIMIT_NOFILE": files}, "real_sandbox": True, "real_probe": True}
    answer = apart.run(place, "sync", **options)
    if "error" in answer["result"][-1]:
        assert error_of(answer) == "StoreError 5"
    check_final(apart.run(place, "sync", ["look", QUESTIONS])["result"][-1], after)
