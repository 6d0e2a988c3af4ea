"""The child that files are parsed in: what a hostile file breaks is that file's reason, and the next one is fine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rag.errors import Unloadable
from rag.load import load
from rag.load import sandbox as sandbox_module
from rag.load.sandbox import Sandbox
from rag.types import Article
from tests.conftest import ROOT, SAMPLES

GOOD = b"The bridge at Ostvik is 412 metres long.\n"
# A parser that does what the file's text says, inside the real child: its limits, pipes and loop are the product's.
WRAPPER = """
import ctypes, json, os, signal, sys, time
import rag.load.document
import rag.load.sandbox as sandbox

real = sandbox.load
sandbox.detect_language = rag.load.document.detect_language = lambda *_: None  # it takes a second to be ready

def load(file, data, charset):
    order = data.decode("utf-8", "replace").strip()
    if order.startswith("!"):
        exec(order[1:])
    return real(file, data, charset)

sandbox.load = load
sandbox._SECONDS = int(os.environ["LANG"] or 30)
sandbox._serve()
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and Linux's limits")


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    """The product's own child."""
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


@pytest.fixture
def hostile(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that lets the parser run code, and gives the reason why its file failed."""
    start = subprocess.Popen

    def wrapped(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        if "env" not in options:
            return start(command, **options)  # type: ignore[call-overload, no-any-return]
        environment = {**options.pop("env"), "PYTHONPATH": str(ROOT), "LANG": "1"}  # type: ignore[dict-item]
        return start([command[0], "-P", "-c", WRAPPER], env=environment, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(sandbox_module.subprocess, "Popen", wrapped)

    def run(code: str, wait: float = 60) -> str:
        with monkeypatch.context() as patch, pytest.raises(Unloadable) as caught:  # noqa: PT012
            patch.setattr(sandbox_module, "_WAIT_SECONDS", wait)
            box.load("evil.txt", f"!{code}".encode())
        assert caught.value.state == "failed"
        (article,) = box.load("good.txt", GOOD)
        assert (article.file, article.text) == ("good.txt", GOOD.decode().strip())
        return caught.value.reason

    return run


def children() -> list[str]:
    """Return the states of the processes that this one started and has not waited for."""
    listed = subprocess.run(["ps", "-o", "stat=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [line for line in listed.stdout.split() if line.startswith("Z")]


# ---------------------------------------------------------------- what comes through


def test_every_sample_article_comes_through_as_it_is_read_here(own: Sandbox) -> None:
    paths = sorted(SAMPLES.iterdir())
    assert paths
    for path in paths:
        data = path.read_bytes()
        assert own.load(path.name, data) == load(path.name, data)


def test_all_that_an_article_knows_comes_through(own: Sandbox) -> None:
    text = "---\ntitle: 茶 “x”\npublished: 2024-03-01\nauthor: Ida Berg\nvisibility: internal\n---\n\n😀 Tea is old.\n"
    (article,) = own.load("sub/茶 1.md", text.encode())
    assert (article,) == load("sub/茶 1.md", text.encode())
    assert isinstance(article, Article)
    assert (article.visibility, article.author, type(article.blocks), type(article.pages), type(article.notes)) == (
        "internal", "Ida Berg", tuple, tuple, tuple,
    )  # fmt: skip
    assert all(article.text[block.start : block.end] for block in article.blocks)


@pytest.mark.parametrize("data", [b"", b" \n", b"\x89PNG\r\n\x1a\n" + bytes(100), b"---\ntitle: [\n---\nText.\n"])
def test_a_file_that_cannot_be_read_has_the_same_reason_as_here(own: Sandbox, data: bytes) -> None:
    with pytest.raises(Unloadable) as here:
        load("a.md", data)
    with pytest.raises(Unloadable) as there:
        own.load("a.md", data)
    assert (there.value.state, there.value.reason) == (here.value.state, here.value.reason)


def test_a_file_of_forty_megabytes_comes_through(own: Sandbox) -> None:
    sentence = "The bridge at Ostvik is a long bridge, and it was opened in the year 1931 by the king of the land. "
    data = (sentence * (40_000_000 // len(sentence))).encode()
    (article,) = own.load("big.txt", data)
    assert len(article.text) > 39_000_000
    assert article.text.startswith(sentence)


@linux
def test_many_files_leave_no_descriptor_thread_or_process_behind(own: Sandbox) -> None:
    own.load("a.txt", GOOD)
    assert own._child is not None
    before = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), own._child.pid)]
    pid = own._child.pid
    for _ in range(200):
        own.load("a.txt", GOOD)
    assert own._child.pid == pid
    assert [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), own._child.pid)] == before


# ---------------------------------------------------------------- what does not


@linux
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no')", "cannot be parsed: RuntimeError('no')"),
        ("raise KeyError('x' * 10_000)", "cannot be parsed: KeyError('xxx"),
        ("raise RecursionError", "nested too deeply"),
        ("(lambda f: f(f))(lambda f: f(f))", "nested too deeply"),
        ("sys.exit(3)", "breaks its parser"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the process that read it was killed; sync again"),
        ("ctypes.string_at(0)", "breaks its parser"),
        ("while True: pass", "takes longer than"),
        ("x = []\nwhile True: x.append(bytes(200_000_000))", "needs more than 1500 MB of memory"),
        ("os.write(os.memfd_create('x'), b'x')", "cannot be parsed: OSError"),
        ("[open('/dev/null') for _ in range(1000)]", "cannot be parsed: OSError"),
    ],
)
def test_a_file_that_breaks_its_parser_fails_with_its_reason_and_the_next_one_is_fine(
    hostile: Callable[..., str], code: str, reason: str
) -> None:
    found = hostile(code)
    assert found.startswith(reason)
    assert len(found) < 300


@pytest.mark.parametrize("code", ["real = None", "real = lambda *_: 'garbage'", "real = lambda *_: [{}]"])
def test_a_parser_that_returns_what_is_no_article_fails(hostile: Callable[..., str], code: str) -> None:
    code = f"global real; kept = real; {code}\ntry: [sandbox.asdict(x) for x in real(1, 2, 3)]\nfinally: real = kept"
    assert hostile(code).startswith("cannot be parsed: ")


@linux
@pytest.mark.parametrize(
    "reply",
    [
        "b'garbage' * 100",
        "(9 << 40).to_bytes(8, 'big')",
        "(2).to_bytes(8, 'big') + b'[]'",
        "(2).to_bytes(8, 'big') + b'{}'",
    ],
)
def test_a_reply_that_is_none_of_ours_fails_the_file(hostile: Callable[..., str], reply: str) -> None:
    find = "replies = [f for f in range(3, 20) if os.path.exists(f'/proc/self/fd/{f}') and 'pipe' in os.readlink("
    find += "f'/proc/self/fd/{f}')]"
    try:
        assert hostile(f"{find}\nos.write(replies[-1], {reply})\nos._exit(0)") == "breaks its parser"
    finally:
        with suppress(Unloadable):
            hostile("os._exit(0)")


def test_what_a_parser_prints_is_no_reply(hostile: Callable[..., str], box: Sandbox) -> None:
    code = "!print('noise' * 10_000, flush=True); os.write(1, b'more'); sys.stderr.write('and more')\nreal = real"
    (article,) = box.load("loud.txt", code.encode())
    assert article.file == "loud.txt"
    assert hostile("raise RuntimeError('no')") == "cannot be parsed: RuntimeError('no')"


def test_a_file_that_sleeps_is_stopped(hostile: Callable[..., str]) -> None:
    hostile("raise RuntimeError('only to start the child')")
    assert hostile("time.sleep(1000)", wait=1.5).startswith("takes longer than")


@linux
def test_what_a_parser_forked_ends_with_it(hostile: Callable[..., str], box: Sandbox) -> None:
    box.close()
    box.load("good.txt", GOOD)
    box._used = False  # one try is enough
    assert box._child is not None
    session = box._child.pid
    forked = "time.sleep(6); os.closerange(0, 64); time.sleep(20); os._exit(0)"  # it lets go of the pipe only late
    hostile(f"if os.fork() == 0:\n    {forked}\nos._exit(0)", wait=3)
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True).stdout
    left = [int(line.split()[0]) for line in listed.splitlines() if "Z" not in line]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


@linux
def test_no_key_of_the_environment_reaches_the_child(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "FOOTNOTE_MODEL", "HOUSE_SECRET", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "secret-value")
    own.close()
    own.load("a.txt", GOOD)
    assert own._child is not None
    seen = Path(f"/proc/{own._child.pid}/environ").read_bytes()
    assert b"secret-value" not in seen
    assert b"KEY" not in seen


# ---------------------------------------------------------------- the life of the child


def test_a_closed_sandbox_leaves_no_process_and_can_be_used_again() -> None:
    box = Sandbox()
    box.close()
    box.load("a.txt", GOOD)
    assert box._child is not None
    pid = box._child.pid
    box.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert children() == []
    assert box.load("a.txt", GOOD) == load("a.txt", GOOD)
    box.close()
    box.close()
    assert children() == []


def test_a_child_that_was_killed_from_outside_is_replaced(own: Sandbox) -> None:
    own.load("a.txt", GOOD)
    assert own._child is not None
    os.kill(own._child.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert own.load("a.txt", GOOD) == load("a.txt", GOOD)


@pytest.mark.parametrize("point", ["_read", "_write"])
def test_a_file_that_was_interrupted_does_not_lend_its_article_to_the_next(
    own: Sandbox, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    original = getattr(sandbox_module, point)

    def interrupted(*args: object) -> object:
        if point == "_write":
            original(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patch.setattr(sandbox_module, point, interrupted)
        own.load("interrupted.txt", b"The tower is old.")
    try:
        assert own.load("next.txt", GOOD) == load("next.txt", GOOD)
    finally:
        own.close()


@linux
def test_the_child_ends_with_its_parent() -> None:
    code = (
        "import os; from rag.load.sandbox import Sandbox; box = Sandbox()\n"
        "box.load('a.txt', b'The bridge is long.'); print(box._child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the child outlives its parent")
