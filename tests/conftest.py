"""Shared fixtures. No test reaches beyond this machine: connections off the loopback fail at once."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import rag.cli
from rag.app import Footnote, open_library
from rag.config import Settings
from rag.embed import MiniLMEmbedding
from rag.ledger import Ledger
from rag.load.sandbox import Sandbox
from rag.types import Passage, PassageVectors

pytest_plugins = ["tests.summary"]

hypothesis.settings.register_profile("here", deadline=None)  # machines are noisy: what is slow once is no fault
hypothesis.settings.load_profile("here")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "docs_store"
_DATA = Path(os.environ.get("EVALUATION_DATA", ROOT.parent / "shared"))


class NoProbe:
    """Takes every index for sound: the child process that looks is tested elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._there = folder.is_dir()

    def stop(self) -> None:
        """Nothing was started."""

    def sound(self, _expected: int) -> bool:
        return self._there


def record_embedding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the text of every passage that is embedded from now on."""
    seen: list[str] = []
    original = MiniLMEmbedding.embed_passages

    def recording(self: MiniLMEmbedding, passages: Sequence[Passage]) -> list[PassageVectors]:
        seen.extend(passage.text for passage in passages)
        return original(self, passages)

    monkeypatch.setattr(MiniLMEmbedding, "embed_passages", recording)
    return seen


@contextmanager
def held(library: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process own a library while the block runs."""
    hold = "import sys; from pathlib import Path; from rag.lock import Lock\n"
    hold += f"lock = Lock(Path({str(library)!r})); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            raise OSError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FOOTNOTE_"):
            monkeypatch.delenv(name)


class _SharedSandbox(Sandbox):
    """One child process for all tests of this process: each library would wait for its own otherwise."""

    def close(self) -> None:
        """Go on: the next library uses it."""


@pytest.fixture(scope="session")
def _sandbox() -> Iterator[Sandbox]:
    shared = _SharedSandbox()
    yield shared
    Sandbox.close(shared)


@pytest.fixture(autouse=True)
def _one_sandbox(monkeypatch: pytest.MonkeyPatch, _sandbox: Sandbox) -> None:
    monkeypatch.setattr("rag.owner.Sandbox", lambda: _sandbox)


@pytest.fixture(scope="session")
def embedder() -> MiniLMEmbedding:
    return MiniLMEmbedding()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, embedder: MiniLMEmbedding) -> None:
    """Open libraries without loading the model again and without a look at their index in another process."""
    monkeypatch.setattr("rag.index.Probe", NoProbe)
    monkeypatch.setattr("rag.factory.MiniLMEmbedding", lambda _folder: embedder)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every passage that is embedded from now on."""
    return record_embedding(monkeypatch)


@pytest.fixture
def run(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command on a fresh library and gives exit code, stdout and stderr."""

    def call(*arguments: str, library: str = "library", articles: Path = folder) -> tuple[int, str, str]:
        places = ("--library", str(tmp_path / library), "--articles", str(articles))
        try:
            code = rag.cli.main([*arguments, *places])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture
def evaluation_data() -> Callable[[str], Path]:
    """Return the path of a folder of evaluation data; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = _DATA / name
        if not path.exists():
            pytest.skip(f"needs {name} in the folder that EVALUATION_DATA names")
        return path

    return find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An articles folder with three small articles on different subjects."""
    articles = tmp_path / "articles"
    articles.mkdir()
    (articles / "bridge.md").write_text(
        "---\ntitle: The bridge at Ostvik\npublished: 2024-03-01\nauthor: Ida Berg\n---\n\n"
        "The bridge at Ostvik was opened in 1931. It is 412 metres long.\n\n"
        "## Repairs\n\nEngineers found rust in two cables in 2022. The repair cost 3.5 million crowns.\n"
    )
    (articles / "bees.txt").write_text(
        "What bees do in winter\n\nHoney bees form a cluster around their queen when it is cold. "
        "The cluster keeps a temperature of about 30 degrees.\n\n"
        "They live on the honey that they stored in summer.\n"
    )
    (articles / "茶.md").write_text(
        "---\ntitle: 茶的历史\nlanguage: zh\n---\n\n茶叶最早产于中国云南。唐代陆羽写了《茶经》一书。\n"
    )
    return articles


@pytest.fixture
def open_at(tmp_path: Path, folder: Path) -> Callable[..., Footnote]:
    """Return a function that opens a library under `tmp_path`, bound to `folder` unless told otherwise."""

    def open_(name: str = "library", **sections: Any) -> Footnote:
        values = {"library": tmp_path / name, "articles": folder, **sections}
        return open_library(Settings.model_validate(values))

    return open_
