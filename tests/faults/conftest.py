"""The process that tests fork their victims from, and the places they work in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rag.factory
from rag.app import Footnote, open_library
from tests.faults import jobs, tiny
from tests.faults.world import Server, World, lay_out, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def world(server: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"), server)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that a library and its articles are put in."""
    return tmp_path


@pytest.fixture
def open_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Footnote]:
    """Return a function that opens a library in this process, with the tests' embedder."""
    lay_out(place / "articles")
    monkeypatch.setattr(rag.factory, "MiniLMEmbedding", tiny.TinyEmbedding)

    def open_() -> Footnote:
        return open_library(jobs.settings({"library": place / "library", "articles": place / "articles"}))

    return open_
