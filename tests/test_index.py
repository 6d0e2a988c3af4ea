"""The vector index is disposable: what is lost is built from the ledger again, and searches meanwhile never notice."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rag.app import Footnote
from rag.embed import MiniLMEmbedding
from rag.index import VectorIndex, exact_index
from rag.ledger import FileRecord, Ledger, LedgerReader
from rag.types import Article, Block, Passage, PassageVectors, Span, Vector
from rag.vectors import ChromaIndex

DIMENSION = 16


def vector(name: str) -> Vector:
    values = np.random.default_rng(list(name.encode())).normal(size=DIMENSION)
    unit: Vector = (values / np.linalg.norm(values)).astype(np.float32)
    return unit


def put(ledger: Ledger, source: str, count: int, name: str = "") -> tuple[int, ...]:
    """Publish an article of `count` passages and return their rows; passage i has `vector(f"{name or source}{i}")`."""
    text = "x" * count
    article = Article(source, text, (Block(0, count, "text"),), source)
    keys = [f"{name or source}{i}" for i in range(count)]
    passages = [Passage(article.id, article.content_hash, i, i + 1, "x", "", (Span(i, i + 1),)) for i in range(count)]
    with ledger.transaction():
        staged = ledger.stage(source, name, [(article, passages, keys)])
        ledger.store_vectors({key: PassageVectors(vector(key), vector(key)[None]) for key in keys})
        ledger.publish(staged, FileRecord(source, "indexed", None, "", ""))
    return staged.rows


@pytest.fixture
def open_index(tmp_path: Path, ledger: Ledger) -> Iterator[Callable[[], VectorIndex]]:
    """Return a function that opens the index of this ledger; the one opened before is closed."""
    opened: list[VectorIndex] = []

    def open_() -> VectorIndex:
        for index in opened:
            index.close()
        opened[:] = [VectorIndex(tmp_path, ledger)]
        return opened[0]

    yield open_
    for index in opened:
        index.close()


def folders(library: Path) -> list[str]:
    return sorted(path.name for path in (library / "chroma").iterdir())


def test_an_empty_library_finds_nothing_and_then_what_is_added(
    ledger: Ledger, open_index: Callable[[], VectorIndex], caplog: pytest.LogCaptureFixture
) -> None:
    index = open_index()
    assert index.search(vector("a0"), 5) == []
    rows = put(ledger, "a", 3)
    index.add(rows, ledger.passage_vectors(["a0", "a1", "a2"]))
    assert index.search(vector("a1"), 1) == [(rows[1], pytest.approx(1.0, abs=1e-5))]
    index = open_index()
    assert index.search(vector("a2"), 1)[0][0] == rows[2]
    assert caplog.records == []


def delete_all(library: Path) -> None:
    shutil.rmtree(library / "chroma")


def delete_the_folder(library: Path) -> None:
    shutil.rmtree(library / "chroma" / "1")


def zero_the_database(library: Path) -> None:
    path = library / "chroma" / "1" / "chroma.sqlite3"
    path.write_bytes(bytes(path.stat().st_size))


def replace_by_fewer(library: Path) -> None:
    delete_the_folder(library)
    index = ChromaIndex(library / "chroma" / "1")
    index.add([1], vector("a0")[None])
    index.close()


@pytest.mark.parametrize("damage", [delete_all, delete_the_folder, zero_the_database, replace_by_fewer])
def test_what_is_lost_or_damaged_is_built_anew_beside_the_old_and_then_replaces_it(
    ledger: Ledger,
    tmp_path: Path,
    open_index: Callable[[], VectorIndex],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
) -> None:
    rows = put(ledger, "a", 50)
    open_index().search(vector("a0"), 1)
    assert folders(tmp_path) == ["1"]
    caplog.clear()
    open_index().close()
    damage(tmp_path)
    index = open_index()
    with caplog.at_level(logging.WARNING):
        for i, row in enumerate(rows):
            assert index.search(vector(f"a{i}"), 1)[0][0] == row
    assert ["missing or damaged" in record.message for record in caplog.records] == [True]
    index.tidy()
    assert (ledger.get("index"), folders(tmp_path)) == ("2", ["2"])


def test_a_sound_index_is_used_as_it_is(ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex]) -> None:
    put(ledger, "a", 50)
    open_index().search(vector("a0"), 1)
    assert len(open_index().search(vector("a0"), 100)) == 50
    assert (ledger.get("index"), folders(tmp_path)) == ("1", ["1"])


def test_what_a_rebuild_that_was_cut_off_left_behind_is_replaced(
    ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex]
) -> None:
    (row,) = put(ledger, "a", 1)
    index = open_index()
    index.search(vector("a0"), 1)
    left = ChromaIndex(tmp_path / "chroma" / "2")
    left.add([99], vector("other")[None])
    left.close()
    (tmp_path / "chroma" / "7").mkdir()
    index.rebuild()
    assert [found for found, _ in index.search(vector("other"), 5)] == [row]
    index.tidy()
    assert (ledger.get("index"), folders(tmp_path)) == ("2", ["2"])


def test_an_index_that_is_closed_unused_ends_its_probe_and_changes_nothing(
    ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex]
) -> None:
    put(ledger, "a", 5)
    open_index().search(vector("a0"), 1)
    index = open_index()
    index.tidy()
    index.close()
    assert (ledger.get("index"), folders(tmp_path)) == ("1", ["1"])


# ---------------------------------------------------------------- garbage


@pytest.mark.parametrize(
    ("old", "new", "rebuilt"),
    [(700, 1300, True), (600, 1300, False), (900, 50, False), (1001, 0, True)],
    ids=["over a third", "under a third", "small", "nothing left"],
)
def test_tidy_rebuilds_when_more_than_a_third_is_garbage_and_it_is_not_small(
    ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex], old: int, new: int, rebuilt: bool
) -> None:
    put(ledger, "a", old, "old")
    index = open_index()
    index.search(vector("old0"), 1)
    ledger.retire("a")
    ledger.collect()
    if new:
        rows = put(ledger, "b", new, "new")
        index.add(rows, ledger.passage_vectors([f"new{i}" for i in range(new)]))
    index.tidy()
    found = index.search(vector("old3"), 1)
    assert (ledger.get("index"), folders(tmp_path)) == (("2", ["2"]) if rebuilt else ("1", ["1"]))
    assert bool(found and found[0][1] > 0.999) is not rebuilt
    if new:
        assert index.search(vector("new3"), 1)[0] == (rows[3], pytest.approx(1.0, abs=1e-5))


# ---------------------------------------------------------------- threads


def test_threads_that_come_first_to_a_damaged_index_build_it_once(
    ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex]
) -> None:
    rows = put(ledger, "a", 300)
    open_index().search(vector("a0"), 1)
    open_index().close()
    delete_all(tmp_path)
    more = put(ledger, "b", 20)
    index = open_index()
    start = threading.Barrier(6)

    def search(i: int) -> int:
        start.wait()
        return index.search(vector(f"a{i}"), 1)[0][0]

    def add() -> None:
        start.wait()
        index.add(more, ledger.passage_vectors([f"b{i}" for i in range(20)]))

    with ThreadPoolExecutor(6) as pool:
        added = pool.submit(add)
        assert list(pool.map(search, range(5))) == list(rows[:5])
        added.result()
    assert (ledger.get("index"), folders(tmp_path)) == ("2", ["2"])
    assert index.search(vector("b7"), 1)[0][0] == more[7]


def test_searches_go_on_while_the_index_is_built_anew(
    ledger: Ledger, tmp_path: Path, open_index: Callable[[], VectorIndex]
) -> None:
    rows = put(ledger, "a", 1500)
    index = open_index()
    index.search(vector("a0"), 1)
    done = threading.Event()

    def search(worker: int) -> int:
        searched = 0
        while not done.is_set() or searched == 0:
            i = (37 * searched + worker) % 1500
            assert index.search(vector(f"a{i}"), 1)[0][0] == rows[i]
            searched += 1
        return searched

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(search, i) for i in range(3)]
        try:
            for _ in range(4):
                index.rebuild()
        finally:
            done.set()
        assert min(worker.result() for worker in workers) > 0
    index.tidy()
    assert (ledger.get("index"), folders(tmp_path)) == ("5", ["5"])


# ---------------------------------------------------------------- beside the owner


def test_a_reader_beside_the_owner_searches_exactly_what_is_published(ledger: Ledger, tmp_path: Path) -> None:
    reader = LedgerReader(tmp_path, readonly=True)
    index = exact_index(reader)
    assert index.search(vector("a0"), 5) == []
    old = put(ledger, "a", 3, "old")
    assert index.search(vector("old2"), 1) == [(old[2], pytest.approx(1.0, abs=1e-5))]
    new = put(ledger, "a", 4, "new")
    assert {row for row, _ in index.search(vector("old2"), 10)} == set(new)
    ledger.retire("a")
    assert index.search(vector("old2"), 10) == []
    reader.close()


# ---------------------------------------------------------------- the whole library


def test_deleting_the_index_of_a_library_costs_no_embedding_and_no_answer(
    open_at: Callable[..., Footnote], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        before = library.search("How long is the bridge?").hits
    delete_all(tmp_path / "library")
    with monkeypatch.context() as patch, open_at() as library:
        patch.delattr(MiniLMEmbedding, "embed_passages")
        after = library.search("How long is the bridge?").hits
        assert library.sync().unchanged == 3
    assert [hit.passage for hit in after] == [hit.passage for hit in before]
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before])
