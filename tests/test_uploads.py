"""What readers may put into the library: whole files, harmless names, within bounds, and nothing beside its folder."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from rag.app import Footnote
from rag.folder import OWN
from tests.conftest import held
from ui import upload_store, uploads
from ui.filenames import EXTENSIONS, readable, safe_name, shown_name, with_number
from ui.indexing import MARKER, Indexing
from ui.upload_store import Uploads
from ui.uploads import uploads_router

Open = Callable[..., Footnote]
RIVER = b"# The river Elva\n\nThe river Elva is 97 kilometres long.\n"
LIMIT = 100_000
pytestmark = pytest.mark.usefixtures("quick")


class Served(NamedTuple):
    """A library with its route for uploads."""

    client: httpx.Client
    library: Footnote
    indexing: Indexing
    uploads: Uploads

    @property
    def folder(self) -> Path:
        return self.library.articles / "uploads"

    def names(self) -> list[str]:
        """Return what is in the folder for uploads, our own marker apart."""
        return (
            sorted(path.name for path in self.folder.glob("*") if path.name != MARKER) if self.folder.exists() else []
        )

    def send(self, *files: tuple[str, bytes]) -> httpx.Response:
        return self.client.post("/articles", files=[("files", (name, data)) for name, data in files])

    def raw(self, *parts: tuple[bytes, bytes]) -> httpx.Response:
        """Send files under names exactly as given."""
        body = b"".join(
            b'--X\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n' % part for part in parts
        )
        kind = {"content-type": "multipart/form-data; boundary=X"}
        return self.client.post("/articles", content=body + b"--X--\r\n", headers=kind)

    def settle(self) -> None:
        """Wait until the library is not being changed any more."""
        work = self.indexing.work()
        while not work.idle:
            work = self.indexing.wait(work.version, 30)


@contextmanager
def serve(library: Footnote, **options: Any) -> Iterator[Served]:
    indexing = Indexing(library)
    store = Uploads(library, indexing, LIMIT, **options)
    app = FastAPI()
    app.include_router(uploads_router(store, lambda cookies: cookies.get("session")))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, cookies={"session": "one"}, trust_env=False, timeout=30) as client:
            yield Served(client, library, indexing, store)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        indexing.close()


@pytest.fixture
def served(open_at: Open) -> Iterator[Served]:
    with open_at() as library, serve(library) as server:
        yield server


# ---------------------------------------------------------------- what is kept


def test_an_uploaded_file_answers(served: Served) -> None:
    reply = served.send(("river.md", RIVER))
    assert (reply.status_code, reply.json()) == (
        200,
        {"files": [{"name": "river.md", "source": "uploads/river.md", "error": None, "note": None}], "error": None},
    )
    served.settle()
    assert (served.folder / "river.md").read_bytes() == RIVER
    answer = served.library.ask("How long is the river Elva?")
    assert answer.citations[0].source.source == "uploads/river.md"


def test_several_files_come_at_once_and_those_refused_do_not_hold_up_the_others(served: Served) -> None:
    files = [("river.md", RIVER), ("setup.exe", b"MZ"), ("empty.txt", b""), ("large.txt", b"x" * (LIMIT + 1))]
    reply = served.send(*files, ("last.txt", b"The last one."))
    assert reply.status_code == 200
    errors = [file["error"] for file in reply.json()["files"]]
    assert errors[0] is None
    assert errors[4] is None
    assert ".pdf, .docx" in errors[1]
    assert "empty" in errors[2]
    assert "Larger than 0 MB" in errors[3] or "Larger than" in errors[3]
    assert served.names() == ["last.txt", "river.md"]


def test_the_same_name_with_other_words_gets_a_number(served: Served) -> None:
    for text in (b"One.", b"Two.", b"Three."):
        served.send(("a.txt", text))
    assert served.names() == ["a (2).txt", "a (3).txt", "a.txt"]
    assert (served.folder / "a (3).txt").read_bytes() == b"Three."


def test_the_very_same_file_is_there_already(served: Served) -> None:
    served.send(("a.txt", RIVER))
    again = served.send(("a.txt", RIVER))
    assert again.status_code == 200
    assert again.json()["files"][0]["note"] == "is there already, as uploads/a.txt"
    assert served.names() == ["a.txt"]


def test_a_file_that_the_folder_holds_elsewhere_is_not_kept_twice(served: Served) -> None:
    served.library.sync()
    reply = served.send(("other name.txt", (served.library.articles / "bees.txt").read_bytes()))
    assert reply.json()["files"][0]["source"] == "bees.txt"
    assert served.names() == []
    assert served.indexing.work().idle  # nothing to be done


def test_an_upload_brings_back_what_was_removed(served: Served) -> None:
    served.library.sync()
    served.library.owner.remove("bees.txt")
    served.send(("bees.txt", (served.library.articles / "bees.txt").read_bytes()))
    served.settle()
    assert "bees.txt" in {source.source for source in served.library.sources()}


def test_the_same_name_twice_in_parallel_loses_neither(served: Served) -> None:
    served.uploads.prepare()
    texts = [f"Text number {n}.".encode() for n in range(6)]
    sessions = [httpx.Client(base_url=served.client.base_url, cookies={"session": str(n)}) for n in range(6)]

    def send(n: int) -> int:
        return sessions[n].post("/articles", files=[("files", ("same.txt", texts[n]))]).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(send, range(6))) == {200}
    for session in sessions:
        session.close()
    assert sorted(path.read_bytes() for path in served.folder.glob("same*.txt")) == texts


def test_a_sync_sees_neither_our_marker_nor_what_is_half_received(served: Served) -> None:
    served.uploads.prepare()
    (served.folder / f"{OWN}partial-1").write_bytes(b"half")
    report = served.library.sync()
    assert (report.skipped, report.failed) == ((), ())


# ---------------------------------------------------------------- names


NAMES = [
    (b"../../x.txt", "x.txt"),
    (b"/etc/passwd", "passwd"),
    (b"C:\\\\windows\\\\evil.txt", "evil.txt"),
    (b"..", "article"),
    (b".hidden.txt", "hidden.txt"),
    (b"-rf.txt", "rf.txt"),
    (b"a\x00b.txt", "ab.txt"),
    (b"CON.txt", "_CON.txt"),
    (b"nul", "_nul"),
    (b"x" * 300 + b".txt", "x" * 116 + ".txt"),
    (b"report.pdf.txt", "report.pdf.txt"),
    ("Cafe\u0301.md".encode(), "Café.md"),
    ("\u202etxt.exe.md".encode(), "txt.exe.md"),
    ("茶".encode() * 200 + b".md", "茶" * 65 + ".md"),
    (b'a"b#c?.txt', "a_b_c_.txt"),
    (b"..%2f..%2fx.txt", "_2f.._2fx.txt"),
    (b"\xff\xfe.txt", "ÿþ.txt"),
]


def test_names_are_made_harmless_and_nothing_is_written_beside_the_folder(served: Served) -> None:
    def others() -> set[Path]:
        mine = (served.folder, served.library.ledger.path.parent)
        return {path for path in served.library.articles.parent.rglob("*") if not {path, *path.parents} & {*mine}}

    before = others()
    reply = served.raw(*((given.replace(b'"', b"%22"), kept.encode()) for given, kept in NAMES))
    assert [file["source"] for file in reply.json()["files"]] == [f"uploads/{kept}" for _, kept in NAMES]
    assert served.names() == sorted(kept for _, kept in NAMES)
    assert others() == before


def test_a_name_with_a_bare_nul_or_line_end_in_it_is_harmless_or_refused(served: Served) -> None:
    for name in (b"a\r\nX: y.txt", b"a\nb.txt", b'a"; filename="../b.txt'):
        reply = served.raw((name, RIVER))
        assert reply.status_code in (200, 422)
    assert all(re.fullmatch(r"[\w .;=()-]+", name) for name in served.names())


@pytest.mark.parametrize("name", ["x.exe", "x.pdf.exe", "archive.zip", "photo.png", "old.doc", "sheet.xlsx", "x.svg"])
def test_what_nobody_reads_is_refused_at_once_with_what_is_read(served: Served, name: str) -> None:
    reply = served.send((name, RIVER))
    assert reply.status_code == 422
    assert (
        reply.json()["files"][0]["error"] == f"Files of this kind cannot be read. These can: {', '.join(EXTENSIONS)}."
    )
    assert served.names() == []


@given(st.text(max_size=300))
def test_a_safe_name_is_safe_whatever_it_was_made_from(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe_name(safe)
    assert 0 < len(safe) <= 120
    assert len(safe.encode()) <= 200
    assert not safe.startswith(".")
    assert not set(safe) & set('/\\\0<>:"|?*#')
    assert safe == unicodedata.normalize("NFC", safe)
    assert Path(with_number(safe, 2)).suffix == Path(safe).suffix
    assert len(with_number(safe, 10_000)) <= 120
    assert len(shown_name(name)) <= 120
    readable(name)


# ---------------------------------------------------------------- limits


def test_a_file_may_have_the_limit_and_not_a_byte_more(served: Served) -> None:
    assert served.send(("a.txt", b"a" * LIMIT)).status_code == 200
    over = served.send(("b.txt", b"b" * (LIMIT + 1)))
    assert over.status_code == 413
    assert "the most for one file" in over.json()["files"][0]["error"]
    assert served.names() == ["a.txt"]


def body(*files: tuple[str, bytes]) -> bytes:
    parts = (
        f'--X\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    )
    return b"".join(parts) + b"--X--\r\n"


KIND = {"content-type": "multipart/form-data; boundary=X"}


def test_bytes_are_counted_where_no_length_is_given(served: Served) -> None:
    def chunks(size: int) -> Iterator[bytes]:
        data = body(("a.txt", b"a" * size))
        yield from (data[at : at + 4096] for at in range(0, len(data), 4096))

    assert served.client.post("/articles", content=chunks(LIMIT + 1), headers=KIND).status_code == 413
    assert served.client.post("/articles", content=chunks(LIMIT), headers=KIND).status_code == 200
    assert served.names() == ["a.txt"]


def test_a_length_beyond_the_limit_is_refused_before_a_byte_of_it_came(served: Served) -> None:
    with exchange(served, b"", {"content-length": str(uploads.MOST_IN_BODY + 1)}) as reply:
        assert reply.startswith(b"HTTP/1.1 413")
    assert served.names() == []


def test_a_request_is_counted_as_a_whole(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_IN_BODY", 50_000)
    reply = served.client.post(
        "/articles", content=iter([body(("a.txt", b"a" * 40_000), ("b.txt", b"b" * 40_000))]), headers=KIND
    )
    assert (reply.status_code, reply.json()["files"]) == (413, [])
    assert "at once" in reply.json()["error"]
    assert served.names() == []


def test_ten_thousand_files_at_once_are_refused_and_none_is_kept(served: Served) -> None:
    reply = served.client.post("/articles", content=body(*((f"{n}.txt", b"x") for n in range(10_000))), headers=KIND)
    assert (reply.status_code, reply.json()["files"]) == (413, [])
    assert served.names() == []


def test_a_session_may_send_so_much_a_day(open_at: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_store, "FILES_A_DAY", 3)
    monkeypatch.setattr(upload_store, "BYTES_A_DAY", 10_000)
    days = [date(2026, 1, 1)]
    with open_at() as library, serve(library, today=lambda: days[-1]) as served:
        assert [served.send((f"{n}.txt", f"{n}".encode())).status_code for n in range(4)] == [200, 200, 200, 429]
        served.client.cookies.set("session", "other", domain="127.0.0.1")
        served.client.cookies.delete("session")
        served.client.cookies.set("session", "two")
        assert served.send(("large.txt", b"x" * 10_001)).status_code == 429
        assert served.names() == ["0.txt", "1.txt", "2.txt"]
        days.append(date(2026, 1, 2))
        assert served.send(("large.txt", b"x" * 10_000)).status_code == 200


def test_only_so_many_uploads_run_at_once(served: Served) -> None:
    with served.uploads.running("one"), served.uploads.running("one"):
        reply = served.send(("a.txt", RIVER))
        assert (reply.status_code, reply.json()["error"]) == (
            503,
            "Too many uploads are running. Try again in a moment.",
        )
    assert served.send(("a.txt", RIVER)).status_code == 200


def test_a_full_disk_is_said_and_nothing_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(served.library.articles)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=upload_store.FREE_BYTES - 1))
    reply = served.send(("a.txt", RIVER))
    assert reply.status_code == 507
    assert "disk" in reply.json()["error"]
    assert served.names() == []


def test_a_disk_that_fills_while_a_file_comes_is_said_and_nothing_is_left(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    reply = served.send(("a.txt", RIVER))
    assert (reply.status_code, reply.json()["files"]) == (507, [])
    assert served.names() == []


# ---------------------------------------------------------------- what comes broken


@contextmanager
def exchange(served: Served, data: bytes, headers: dict[str, str]) -> Iterator[bytes]:
    """Send the head of a request and a part of its body, read what comes, and hang up."""
    head = {"host": "127.0.0.1", "cookie": "session=one", **KIND, **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    address = (str(served.client.base_url.host), served.client.base_url.port or 0)
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(f"POST /articles HTTP/1.1\r\n{lines}\r\n".encode() + data)
        if data:
            connection.shutdown(socket.SHUT_WR)
        yield connection.recv(65_536)


def test_a_body_that_ends_half_way_leaves_nothing(served: Served) -> None:
    data = body(("whole.txt", RIVER), ("half.txt", b"x" * 50_000))
    with exchange(served, data[:30_000], {"content-length": str(len(data))}):
        pass
    until = time.monotonic() + 20
    while served.names() and time.monotonic() < until:
        time.sleep(0.02)
    assert served.names() == []
    assert served.indexing.work().version == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"--X", b"--X--\r\n", b"nothing of the kind", body(("a.txt", RIVER))[:-10], b"--X\r\n" + b"a" * 100_000],
)
def test_what_is_no_form_is_refused(served: Served, content: bytes) -> None:
    reply = served.client.post("/articles", content=content, headers=KIND)
    assert reply.status_code == 422
    assert reply.json()["error"]
    assert served.names() == []


def test_what_is_no_multipart_is_refused(served: Served) -> None:
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 500, ""):
        reply = served.client.post("/articles", content=body(("a.txt", RIVER)), headers={"content-type": kind})
        assert reply.status_code == 422, kind
    assert served.names() == []


def test_fields_that_are_no_files_are_let_pass(served: Served) -> None:
    reply = served.client.post("/articles", data={"note": "hello"}, files=[("files", ("a.txt", RIVER))])
    assert [file["name"] for file in reply.json()["files"]] == ["a.txt"]


def test_silence_ends_an_upload(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.2)
    with exchange(served, b"", {"content-length": "1000"}) as reply:
        assert reply.startswith(b"HTTP/1.1 408")


def test_what_an_earlier_process_left_half_received_is_swept_away(open_at: Open, folder: Path) -> None:
    left = folder / "uploads" / f"{OWN}partial-abc"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with open_at() as library:
        Uploads(library, Indexing(library), LIMIT)
    assert not left.exists()


# ---------------------------------------------------------------- who may


def test_without_a_session_nothing_is_taken(served: Served) -> None:
    served.client.cookies.clear()
    assert served.send(("a.txt", RIVER)).status_code == 403
    assert served.names() == []


def test_beside_another_owner_nothing_is_taken_and_its_half_received_files_stay(
    open_at: Open, folder: Path, tmp_path: Path
) -> None:
    open_at().close()
    theirs = folder / "uploads" / f"{OWN}partial-theirs"
    theirs.parent.mkdir()
    theirs.write_bytes(b"half")
    with held(tmp_path / "library"), open_at() as library, serve(library) as served:
        reply = served.send(("a.txt", RIVER))
        assert reply.status_code == 403
        assert "Another program is using this library" in reply.json()["error"]
        assert str(tmp_path) not in reply.text
        assert served.names() == [theirs.name]


def test_a_folder_for_uploads_that_is_a_link_is_not_followed(served: Served, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    served.folder.symlink_to(elsewhere)
    assert served.send(("a.txt", RIVER)).status_code == 507
    assert not list(elsewhere.iterdir())


def test_uploaded_files_are_for_the_owner_of_the_server_only(served: Served) -> None:
    served.send(("a.txt", RIVER))
    assert (served.folder / "a.txt").stat().st_mode & 0o077 == 0
