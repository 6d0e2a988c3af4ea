"""The articles folder: what is in it, whether it changed, and reading one file whole."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import InputError, Unloadable
from rag.folder import FoundFile, read, scan

MEGABYTE = 1_000_000


def write(path: Path, text: str = "The bridge is long.", *, age: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if age:
        then = time.time() - age
        os.utime(path, (then, then))
    return path


def found(path: Path) -> FoundFile:
    (file,) = (file for file in scan(path.parent) if file.path == path)
    return file


def settled(path: Path) -> str:
    """Return the signature of a file once its last change lies far enough behind."""
    deadline = time.monotonic() + 10
    while not (signature := found(path).signature):
        assert time.monotonic() < deadline, "the file never settles"
        time.sleep(0.1)
    return signature


# ---------------------------------------------------------------- what is in it


def test_every_file_is_found_once_in_order_of_its_source(tmp_path: Path) -> None:
    names = ["b.txt", "a/z.md", "a/b/c.txt", "A.txt", "茶/叶.md", "a b.txt", "no suffix", "ünïcode.txt"]
    for name in names:
        write(tmp_path / name)
    (tmp_path / "empty folder").mkdir()
    files = scan(tmp_path)
    assert [file.source for file in files] == sorted(names)
    assert {file.problem for file in files} == {None}
    assert all(file.path.read_text() == "The bridge is long." for file in files)


def test_an_empty_folder_has_no_files(tmp_path: Path) -> None:
    assert scan(tmp_path) == []


def test_what_is_not_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path / "article.txt")
    write(tmp_path / ".hidden.txt")
    write(tmp_path / ".git" / "config")
    write(tmp_path / "sub" / ".DS_Store")
    (tmp_path / "link.txt").symlink_to("article.txt")
    (tmp_path / "broken link.txt").symlink_to("nowhere")
    (tmp_path / "linked folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.txt")
    assert {file.source: file.problem for file in scan(tmp_path)} == {
        "article.txt": None,
        ".hidden.txt": "hidden",
        ".git/": "hidden",
        "sub/.DS_Store": "hidden",
        "link.txt": "symbolic link",
        "broken link.txt": "symbolic link",
        "linked folder": "symbolic link",
        "pipe.txt": "not a regular file",
    }


def test_links_that_lead_in_a_circle_or_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.txt")
    inside = tmp_path / "articles"
    inside.mkdir()
    (inside / "up").symlink_to(tmp_path)
    (inside / "self").symlink_to(inside / "self")
    (inside / "secret.txt").symlink_to(outside)
    assert [(file.source, file.problem) for file in scan(inside)] == [
        ("secret.txt", "symbolic link"),
        ("self", "symbolic link"),
        ("up", "symbolic link"),
    ]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_a_name_that_is_not_utf_8_is_listed_in_a_form_that_can_be_stored(tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", b"folder\xff/a.txt"):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).parent.mkdir(exist_ok=True)
        write(Path(os.fsdecode(path)))
    files = scan(tmp_path)
    assert [(file.source, file.problem) for file in files] == [
        ("caf\\xe9.txt", "file name is not valid UTF-8"),
        ("folder\\xff", "file name is not valid UTF-8"),
    ]
    assert [file.source.encode() for file in files]


@pytest.mark.parametrize("name", ["new\nline.txt", "'quote\".txt", "-rf", "a\\b.txt", "x" * 250, "\u202etxt.exe"])
def test_odd_names_are_found_and_read(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    (file,) = scan(tmp_path)
    assert (file.source, file.problem) == (name, None)
    assert read(file, MEGABYTE) == b"The bridge is long."


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_folder_that_is_none_is_an_error_and_not_an_empty_folder(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "articles"
    if kind == "file":
        write(path)
    with pytest.raises(InputError, match="does not exist"):
        scan(path)


def test_a_folder_below_that_cannot_be_listed_is_an_error_naming_it(tmp_path: Path) -> None:
    """A path too long for the system stands in for a missing permission, which root does not feel."""
    write(tmp_path / "a.txt")
    top = os.open(tmp_path, os.O_RDONLY)
    here = top
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(InputError, match=r"d{250} cannot be listed: .*Nothing was changed"):
        scan(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_below_without_permission_is_an_error_naming_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        with pytest.raises(InputError, match="closed cannot be listed"):
            scan(tmp_path)
    finally:
        closed.chmod(0o700)


# ---------------------------------------------------------------- whether it changed


def test_a_file_changed_a_moment_ago_has_no_signature_yet(tmp_path: Path) -> None:
    assert found(write(tmp_path / "a.txt")).signature == ""


def test_an_old_date_does_not_make_a_file_that_was_just_written_look_settled(tmp_path: Path) -> None:
    assert found(write(tmp_path / "a.txt", age=1000)).signature == ""


def test_a_settled_signature_stays_until_the_file_changes_and_a_date_to_come_never_settles(tmp_path: Path) -> None:
    paths = [write(tmp_path / name) for name in ("rewritten.txt", "grown.txt", "replaced.txt", "still.txt")]
    of_tomorrow = write(tmp_path / "of tomorrow.txt", age=-86_400)
    before = [settled(path) for path in paths]
    assert found(of_tomorrow).signature == ""
    rewritten, grown, replaced, _ = paths
    status = rewritten.stat()
    rewritten.write_text("The bridge is lost.")
    os.utime(rewritten, ns=(status.st_atime_ns, status.st_mtime_ns))
    with grown.open("a") as stream:
        stream.write(" It is old.")
    write(tmp_path / "new").replace(replaced)
    after = [settled(path) for path in paths]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, True, True, False]


# ---------------------------------------------------------------- reading


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 1000)
    assert read(found(path), 256_000) == path.read_bytes()


def test_a_file_over_the_limit_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with path.open("wb") as stream:
        stream.truncate(MEGABYTE + 1)
    with pytest.raises(Unloadable, match="too large: over 1 MB") as caught:
        read(found(path), MEGABYTE)
    assert caught.value.state == "skipped"


def test_an_empty_file_is_read(tmp_path: Path) -> None:
    assert read(found(write(tmp_path / "a.txt", "")), MEGABYTE) == b""


def replaced_by_nothing(path: Path) -> None:
    path.unlink()


def replaced_by_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(write(path.parent / "secret"))


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("replace", "state", "reason"),
    [
        (replaced_by_nothing, "failed", "unreadable: No such file"),
        (replaced_by_a_link, "failed", "symbolic link"),
        (replaced_by_a_folder, "skipped", "not a regular file"),
        (replaced_by_a_pipe, "skipped", "not a regular file"),
    ],
)
def test_what_took_the_place_of_a_file_after_the_scan_is_not_read(
    tmp_path: Path, replace: Callable[[Path], None], state: str, reason: str
) -> None:
    file = found(write(tmp_path / "a.txt"))
    replace(file.path)
    with pytest.raises(Unloadable, match=reason) as caught:
        read(file, MEGABYTE)
    assert caught.value.state == state


def test_a_socket_in_place_of_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.txt")
        (file,) = scan(tmp_path)
        assert file.problem == "not a regular file"
        with pytest.raises(Unloadable):
            read(file, MEGABYTE)


class Writer:
    """Another process, as far as timing goes: it writes to a file each time the reader has looked at its status."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
        self._path = path
        self._left = times
        self._fstat = os.fstat
        monkeypatch.setattr(os, "fstat", self._look)

    def _look(self, descriptor: int) -> os.stat_result:
        status = self._fstat(descriptor)
        if self._left:
            self._left -= 1
            with self._path.open("a") as stream:
                stream.write("more")
        return status


def test_a_file_that_changes_once_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = found(write(tmp_path / "a.txt", "begin "))
    Writer(file.path, monkeypatch, times=2)
    assert read(file, MEGABYTE) == b"begin moremore"


def test_a_file_that_keeps_changing_is_a_failure_and_never_returned_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = found(write(tmp_path / "log.txt", "begin "))
    Writer(file.path, monkeypatch, times=1000)
    with pytest.raises(Unloadable, match="changed while it was read") as caught:
        read(file, MEGABYTE)
    assert caught.value.state == "failed"
