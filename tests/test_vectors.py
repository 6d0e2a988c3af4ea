"""Dense search: Chroma finds what was added, exact search agrees with it, and damage is found before it does harm."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rag import vectors
from rag.types import Matrix
from rag.vectors import ChromaIndex, ExactIndex, Probe

COUNT = 1500  # enough for Chroma to write its HNSW files; fewer wait in its SQLite file
DIMENSION = 32


def random_vectors(count: int, seed: int = 0) -> Matrix:
    matrix = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    unit: Matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit


VECTORS = random_vectors(COUNT)
ROWS = list(range(10, 10 + COUNT))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chroma folder with all vectors, closed."""
    folder = tmp_path_factory.mktemp("chroma") / "1"
    index = ChromaIndex(folder)
    index.add(ROWS, VECTORS)
    index.close()
    return folder


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "copy"))


@pytest.fixture
def empty(tmp_path: Path) -> ChromaIndex:
    return ChromaIndex(tmp_path / "empty")


# ---------------------------------------------------------------- Chroma and exact search


def test_every_vector_is_found_by_itself_after_reopening(copy: Path) -> None:
    index = ChromaIndex(copy)
    for row, vector in list(zip(ROWS, VECTORS, strict=True))[::10]:
        (found, similarity), *_ = index.search(vector, 5)
        assert (found, similarity) == (row, pytest.approx(1.0, abs=1e-5))
    assert index.count() == COUNT
    index.close()


def test_exact_search_and_chroma_agree(copy: Path) -> None:
    index = ChromaIndex(copy)
    exact = ExactIndex(lambda: (ROWS, VECTORS), lambda: 0)
    agreed = 0
    for question in random_vectors(50, seed=1):
        near, best = index.search(question, 10), exact.search(question, 10)
        assert [similarity for _, similarity in near] == sorted((value for _, value in near), reverse=True)
        common = dict(near).keys() & dict(best).keys()
        agreed += len(common)
        assert all(dict(near)[row] == pytest.approx(dict(best)[row], abs=1e-5) for row in common)
    assert agreed >= 0.98 * 50 * 10
    index.close()


def test_a_row_that_is_there_already_stays_as_it_is(empty: ChromaIndex) -> None:
    empty.add([1, 2], VECTORS[:2])
    empty.add([2, 3], VECTORS[5:7])
    assert empty.count() == 3
    assert empty.search(VECTORS[1], 1)[0] == (2, pytest.approx(1.0, abs=1e-5))
    assert empty.search(VECTORS[5], 1)[0][1] < 0.9
    assert empty.search(VECTORS[6], 1)[0][0] == 3
    empty.close()


def test_asking_for_more_than_there_is_gives_what_there_is(empty: ChromaIndex) -> None:
    assert empty.search(VECTORS[0], 5) == []
    empty.add([7], VECTORS[:1])
    assert [row for row, _ in empty.search(VECTORS[0], 100)] == [7]
    empty.close()


def test_more_vectors_than_chroma_takes_at_once_are_added(empty: ChromaIndex) -> None:
    count = empty._batch + 10
    empty.add(list(range(count)), random_vectors(count))
    assert empty.count() == count
    empty.close()


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(0, 20), st.just(4)), elements=st.floats(-1, 1, width=32)),
    arrays(np.float32, 4, elements=st.floats(-1, 1, width=32)),
    st.integers(1, 25),
)
def test_exact_search_gives_the_nearest_in_order(matrix: Matrix, question: np.ndarray, limit: int) -> None:
    rows = [100 + i for i in range(len(matrix))]
    found = ExactIndex(lambda: (rows, matrix), lambda: 0).search(question, limit)
    expected = sorted((matrix @ question).tolist(), reverse=True)[:limit]
    assert [similarity for _, similarity in found] == pytest.approx(expected)
    assert len({row for row, _ in found}) == len(found)


def test_exact_search_loads_again_only_when_the_state_changes() -> None:
    content = {"rows": [1], "state": 0, "loads": 0}

    def load() -> tuple[list[int], Matrix]:
        content["loads"] += 1
        return content["rows"], VECTORS[: len(content["rows"])]

    exact = ExactIndex(load, lambda: content["state"])
    exact.search(VECTORS[0], 5)
    content["rows"] = [1, 2]
    assert len(exact.search(VECTORS[0], 5)) == 1
    content["state"] = 1
    assert len(exact.search(VECTORS[0], 5)) == 2
    assert content["loads"] == 2


# ---------------------------------------------------------------- the probe


def one_file(folder: Path, name: str) -> Path:
    (path,) = folder.rglob(name)
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_a_little(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def zero_a_quarter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) * 3 // 4] = bytes(len(data) * 3 // 4 - len(data) // 2)
    path.write_bytes(data)


def scramble(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(path.stat().st_size))


def delete(path: Path) -> None:
    path.unlink()


def test_a_good_folder_is_sound_for_as_many_vectors_as_it_has(good: Path) -> None:
    assert Probe(good).sound(COUNT)
    assert not Probe(good).sound(COUNT + 1)


def test_a_small_or_empty_folder_is_sound(tmp_path: Path) -> None:
    index = ChromaIndex(tmp_path / "1")
    index.close()
    assert Probe(tmp_path / "1").sound(0)
    index = ChromaIndex(tmp_path / "2")
    index.add([1, 2, 3], VECTORS[[0, 0, 1]])
    index.close()
    assert Probe(tmp_path / "2").sound(3)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("chroma.sqlite3", cut),
        ("chroma.sqlite3", zero),
        ("chroma.sqlite3", delete),
        ("chroma.sqlite3", scramble),
        ("data_level0.bin", cut),
        ("data_level0.bin", cut_a_little),
        ("data_level0.bin", zero),
        ("data_level0.bin", zero_a_quarter),
        ("data_level0.bin", delete),
        ("data_level0.bin", scramble),
        ("header.bin", zero),
        ("length.bin", delete),
        ("link_lists.bin", zero),
        ("link_lists.bin", delete),
        ("index_metadata.pickle", cut),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_damaged_folder_is_not_sound_and_this_process_lives(
    copy: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(one_file(copy, name))
    assert not Probe(copy).sound(COUNT)


def test_a_folder_that_lost_its_hnsw_files_is_not_sound(copy: Path) -> None:
    shutil.rmtree(one_file(copy, "header.bin").parent)
    assert not Probe(copy).sound(COUNT)


def test_a_missing_folder_is_not_sound_and_is_not_made(tmp_path: Path) -> None:
    assert not Probe(tmp_path / "none").sound(0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_swelled_to_a_sparse_giant_is_not_even_opened(copy: Path) -> None:
    with one_file(copy, "link_lists.bin").open("r+b") as file:
        file.truncate(1 << 40)
    probe = Probe(copy)
    assert probe._child is None
    assert not probe.sound(0)


def test_a_probe_that_takes_too_long_counts_as_not_sound(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_PROBE_SECONDS", 0.01)
    probe = Probe(good)
    assert not probe.sound(0)
    assert probe._child is not None
    assert probe._child.poll() is not None


def test_a_probe_nobody_asks_is_ended(good: Path) -> None:
    probe = Probe(good)
    probe.stop()
    assert probe._child is not None
    assert probe._child.poll() is not None
    probe.stop()


def test_the_probe_imports_nothing_from_the_folder_it_is_started_in(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chromadb.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert Probe(good).sound(COUNT)
