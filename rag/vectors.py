"""Owns dense search: embedded Chroma as a rebuildable index of passage vectors, and exact search without it."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from rag.errors import StoreError
from rag.types import Matrix, Vector

_COLLECTION = "passages"
_CONFIGURATION = {"hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 24, "ef_search": 200}}
_PROBE_SECONDS = 20
_PROBE_SAMPLE = 20
_PROBE_MAY_WRITE = 20_000_000  # bytes
_REACHABLE = 0.99  # HNSW leaves a few in ten thousand unlinked by itself


@contextlib.contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Chroma's Rust core is no Exception
        reason = str(error).strip().rstrip(".")
        raise StoreError(
            f"The vector index cannot be {what}: {reason:.300}. Check that there is space left on its disk, "
            "then run `footnote rebuild`: nothing is lost, it is built from the ledger."
        ) from None


class ChromaIndex:
    """Passage vectors in one Chroma folder, under the row numbers of the ledger. Insert-only.

    Chroma is neither safe between processes nor against being killed, so: only the owner of the
    library opens it, after a `Probe` has found it sound; what it lost is rebuilt from the ledger.
    Raises StoreError where Chroma fails.
    """

    def __init__(self, folder: Path) -> None:
        # Imported here: a process beside the owner searches without Chroma and need not load it.
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        with _errors("opened"):
            self._client = chromadb.PersistentClient(path=str(folder), settings=settings)
            self._collection = self._client.get_or_create_collection(
                _COLLECTION,
                configuration=cast(Any, _CONFIGURATION),
                embedding_function=None,
            )
            self._batch = self._client.get_max_batch_size()

    def add(self, rows: Sequence[int], vectors: Matrix) -> None:
        """Insert vectors, shape (rows, dimension); a row that is there already stays as it is."""
        for start in range(0, len(rows), self._batch):
            part = slice(start, start + self._batch)
            with _errors("written"):
                self._collection.add(ids=[str(row) for row in rows[part]], embeddings=vectors[part])

    def search(self, vector: Vector, limit: int) -> list[tuple[int, float]]:
        """Return rows and cosine similarities of the nearest passages, best first; old versions are among them."""
        with _errors("searched"):
            found = self._collection.query(query_embeddings=cast(Any, [vector]), n_results=limit, include=["distances"])
        distances = found["distances"]
        if not distances:
            return []
        return [(int(row), 1.0 - float(distance)) for row, distance in zip(found["ids"][0], distances[0], strict=True)]

    def count(self) -> int:
        """Return the number of vectors, those of old versions included."""
        with _errors("counted"):
            return self._collection.count()

    def rows(self) -> set[int]:
        """Return the row numbers that have a vector."""
        with _errors("read"):
            return {int(row) for row in self._collection.get(include=[])["ids"]}

    def close(self) -> None:
        """Release the files."""
        cast(Any, self._client).close()  # declared on a subclass only


class ExactIndex:
    """The same search by comparing with every vector: for readers beside the owner of the library.

    `load` returns rows and their matrix; it is called again whenever `state` returns another token.
    """

    def __init__(self, load: Callable[[], tuple[list[int], Matrix]], state: Callable[[], object]) -> None:
        self._load = load
        self._state = state
        self._loaded: tuple[object, np.ndarray[Any, np.dtype[np.int64]], Matrix] | None = None

    def search(self, vector: Vector, limit: int) -> list[tuple[int, float]]:
        """Return rows and cosine similarities of the nearest passages, best first."""
        state = self._state()
        if self._loaded is None or self._loaded[0] != state:
            rows, matrix = self._load()
            self._loaded = state, np.asarray(rows, dtype=np.int64), matrix
        _, numbers, matrix = self._loaded
        if not len(numbers):
            return []
        similarities = matrix @ vector
        best = np.argsort(-similarities, kind="stable")[:limit]
        return [(int(numbers[i]), float(similarities[i])) for i in best]


class Probe:
    """Opens a Chroma folder in a child process: a damaged index can kill the process that queries it.

    Starts at once and runs beside the caller; `sound` waits for the verdict.
    """

    def __init__(self, folder: Path) -> None:
        self._child = (
            subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "rag.vectors", str(folder)],  # -P: import nothing from the current folder
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is no verdict on the index
            )
            if folder.is_dir() and not _swollen(folder)
            else None
        )

    def stop(self) -> None:
        """End the child where nobody asked for its verdict."""
        if self._child and self._child.stdout and not self._child.stdout.closed:
            self._child.kill()
            self._child.communicate()

    def sound(self, expected: int) -> bool:
        """Whether the index opened, holds at least `expected` vectors, and finds them."""
        if self._child is None:
            return False
        try:
            output, _ = self._child.communicate(timeout=_PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
            return False
        counted = output.strip()
        return self._child.returncode == 0 and counted.isdigit() and int(counted) >= expected


def _swollen(folder: Path) -> bool:
    """Whether an interrupted write left a sparse file of hundreds of gigabytes behind (seen with Chroma 1.5)."""
    links = sum(path.stat().st_size for path in folder.glob("*/link_lists.bin"))
    level0 = sum(path.stat().st_size for path in folder.glob("*/data_level0.bin"))
    return links > 10 * max(level0, 1_000_000)


def _probe(folder: Path) -> int:
    """Return the number of vectors; raises where a search cannot reach them, or one of a sample not itself."""
    index = ChromaIndex(folder)
    count = index.count()
    for place in sorted({round(i * (count - 1) / (_PROBE_SAMPLE - 1)) for i in range(_PROBE_SAMPLE if count else 0)}):
        sample = index._collection.get(limit=1, offset=place, include=["embeddings"])
        vector = np.asarray(cast(Any, sample["embeddings"])[0], dtype=np.float32)
        nearest = index.search(vector, 5)
        # Equal text gives equal vectors: what counts is that something as near as itself is found.
        if not nearest or (int(sample["ids"][0]) not in dict(nearest) and nearest[-1][1] < 0.9999):
            raise RuntimeError(f"row {sample['ids'][0]} is not found by its own vector")
        if place == 0 and len(index.search(vector, count)) < _REACHABLE * count:
            raise RuntimeError("a search does not reach all vectors")
    return count


def _limit_files(folder: Path) -> None:
    """Let no file of the index grow far: a torn one makes Chroma write until the disk is full."""
    largest = max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)
    most = 2 * largest + _PROBE_MAY_WRITE
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def _end_with_parent() -> None:
    """End this process when the one that started it has: the next owner may be writing to the folder."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    _limit_files(Path(sys.argv[1]))
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{_probe(Path(sys.argv[1]))}\n")
