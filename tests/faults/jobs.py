"""What runs in a process that may be killed: points where it dies, and the steps it takes until then."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import select
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rag.app
import rag.backup
import rag.doctor
import rag.factory
import rag.fetch
import rag.index
import rag.load
import rag.owner
import rag.quality
import rag.vectors
from rag.config import Settings
from rag.errors import FootnoteError
from rag.ledger import Ledger
from rag.ledger.check import leftovers
from rag.status import library_status
from tests.faults import tiny

MAX_TOKENS = 64  # a passage: the articles of the tests have several


class DirectLoad:
    """Parses in this process: starting another one is not what most tests are about."""

    def load(self, file: str, data: bytes, charset: str | None = None) -> Any:
        return rag.load.load(file, data, charset)

    def close(self) -> None:
        pass


class ForkedProbe:
    """Probes in a forked child, which costs no start of Python. Only before Chroma was used in this process."""

    def __init__(self, folder: Path) -> None:
        self._child = 0
        if folder.is_dir() and not rag.vectors._swollen(folder):
            self._end, other = os.pipe()
            self._child = os.fork()
            if not self._child:
                try:
                    os.write(other, b"%d" % rag.vectors._probe(folder))
                finally:
                    os._exit(0)
            os.close(other)

    def stop(self) -> None:
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            self._wait()

    def sound(self, expected: int) -> bool:
        if not self._child:
            return False
        ready, _, _ = select.select([self._end], [], [], rag.vectors._PROBE_SECONDS)
        if not ready:
            os.kill(self._child, signal.SIGKILL)
        counted = os.read(self._end, 20) if ready else b""
        self._wait()
        return counted.isdigit() and int(counted) >= expected

    def _wait(self) -> None:
        os.waitpid(self._child, 0)
        os.close(self._end)
        self._child = 0


def die() -> None:
    """End this process as `kill -9` and a power cut of its own would: nothing is flushed, closed or told."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def resolve(point: str) -> tuple[Any, str]:
    """Return the object that holds a function, and the function's name in it."""
    *path, name = point.split(".")
    for length in range(len(path), 0, -1):
        try:
            holder: Any = importlib.import_module(".".join(path[:length]))
        except ModuleNotFoundError:
            continue
        for part in path[length:]:
            holder = getattr(holder, part)
        return holder, name
    raise AssertionError(point)


def wrap(point: str, around: Callable[..., Any]) -> None:
    """Replace a function by `around(original, *arguments)`."""
    holder, name = resolve(point)
    original = getattr(holder, name)
    setattr(holder, name, lambda *args, **kwargs: around(original, *args, **kwargs))


def die_at(point: str, when: str, call: int = 1) -> None:
    """Die before or after the `call`-th call of a function."""
    calls = 0

    def around(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            die()
        result = original(*args, **kwargs)
        if calls == call:
            die()
        return result

    wrap(point, around)


class _Counting(sqlite3.Connection):
    statements = 0
    fatal = 0

    def _count(self) -> None:
        _Counting.statements += 1
        if _Counting.statements == _Counting.fatal:
            die()

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return super().executemany(*args)

    def executescript(self, *args: Any) -> sqlite3.Cursor:
        self._count()
        return super().executescript(*args)


def count_statements(fatal: int = 0) -> None:
    """Count the ledger's SQL statements, and die before the `fatal`-th."""
    _Counting.fatal = fatal
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=_Counting, **kwargs)  # type: ignore[assignment]


def prepare(options: dict[str, Any]) -> None:
    """Put the tests' embedder, and what else was asked for, in place."""
    if log := options.get("log"):
        os.environ[tiny.LOG] = log
        wrap("rag.ledger.Ledger.store_vectors", _store_and_note)
    rag.factory.MiniLMEmbedding = tiny.EMBEDDERS[options.get("embedder", "tiny")]  # type: ignore[misc,assignment]
    if not options.get("real_sandbox"):
        rag.owner.Sandbox = DirectLoad  # type: ignore[misc,assignment]
    if not options.get("real_probe"):
        rag.index.Probe = ForkedProbe  # type: ignore[misc,assignment]
    if hnsw := options.get("hnsw"):
        rag.vectors._CONFIGURATION["hnsw"].update(hnsw)
    for point, value in options.get("set", {}).items():
        holder, name = resolve(point)
        setattr(holder, name, value)
    if page := options.get("page"):
        fetched = rag.fetch.Page(page["url"], page["data"].encode(), "utf-8", "text/html")
        rag.fetch.fetch_page = lambda _address: fetched  # type: ignore[assignment]
    if "sql" in options:
        count_statements(options["sql"])
    if point := options.get("die"):
        die_at(*point)


def _store_and_note(original: Callable[..., Any], ledger: Ledger, vectors: Any) -> None:
    original(ledger, vectors)
    for key in tiny.embedded[-len(vectors) :]:
        tiny.note("kept", key)


def settings(options: dict[str, Any]) -> Settings:
    return Settings.model_validate(
        {
            "library": options["library"],
            "articles": options.get("articles"),
            "passages": {"max_tokens": MAX_TOKENS},
            # More than there are passages: which of a hundred like ones an approximate index misses is chance.
            "retrieval": {"candidates": 1000},
        }
    )


def run(options: dict[str, Any]) -> list[Any]:
    """Take steps with one open library; each gives a result that JSON can hold. Errors of ours are results, too."""
    prepare(options)
    made = settings(options)
    results: list[Any] = []
    try:
        if options["steps"][0][0] in ALONE:
            return [ALONE[name](made, *args) for name, *args in options["steps"]]
        with rag.app.open_library(made, re_embed=options.get("re_embed", False)) as library:
            results += [STEPS[name](library, *args) for name, *args in options["steps"]]
        for result in results:
            if isinstance(result, dict) and "disk" in result:  # a look: only a closed library has dropped all it can
                result["index"] = _indexes(made.library)
        if "sql" in options:
            results.append(_Counting.statements)
    except FootnoteError as error:
        results.append({"error": type(error).__name__, "code": error.exit_code, "message": str(error)})
    return results


def sync(library: rag.app.Footnote, prune: bool = False) -> dict[str, Any]:
    return library.sync(prune=prune).to_dict()


def look(library: rag.app.Footnote, questions: list[str]) -> dict[str, Any]:
    """Return all that decides answers, and all that a killed process could have left behind."""
    ledger = library._ledger
    rows, _ = ledger.active_rows()
    passages: dict[str, list[Any]] = {}
    for item in ledger.passages(rows).values():
        vectors = hashlib.sha256(item.vectors.passage.tobytes() + item.vectors.sentences.tobytes()).hexdigest()
        passages.setdefault(item.source.source, []).append(
            [item.source.content_hash, item.passage.id, item.passage.text, vectors]
        )
    terms = [ledger.term_scores([word], ledger.search_terms([word], 1000)) for word in ("version", "mill", "sack")]
    where = {row: item.passage.id for row, item in ledger.passages(rows).items()}
    with tiny.silence():
        checks, _ = library.examine()
    root = library.settings.library
    return {
        "passages": {source: sorted(values) for source, values in sorted(passages.items())},
        "terms": [sorted((where[row], round(score, 9)) for row, score in found.items()) for found in terms],
        "counts": ledger.counts(),
        "files": sorted([r.source, r.state, r.reason] for r in ledger.files().values()),
        "pages": sorted(ledger.web_pages()),
        "leftovers": leftovers(ledger),
        "wrong": [f"{check.name}: {check.found}" for check in checks if not check.passed],
        "answers": {question: answers(library, question) for question in questions},
        "index": _indexes(root),
        "disk": sorted(path.name for path in root.iterdir() if not _void(path)),
    }


def _indexes(library: Path) -> list[str]:
    return sorted(path.name for path in (library / "chroma").glob("*"))


def _void(path: Path) -> bool:
    """Whether this is a journal that was never begun: SQLite takes it away with the next change."""
    return path.name.endswith("-journal") and not any(path.read_bytes()[:8])


def answers(library: rag.app.Footnote, question: str) -> list[Any]:
    return [[hit.source.source, hit.source.content_hash] for hit in library.search(question, 50).hits]


def ask(library: rag.app.Footnote, question: str) -> dict[str, Any]:
    return library.ask(question).to_dict()


def flip(library: rag.app.Footnote, versions: list[str]) -> None:
    """Sync one version of an article after another."""
    print("begun", flush=True)
    for text in versions:
        (library.articles / "anna.txt").write_text(text)
        library.sync()


def sync_and_tell(library: rag.app.Footnote, told: str) -> None:
    """Sync, and write down what is acknowledged by it: the digest of each file's bytes, and all files known."""
    library.sync()
    files = library._ledger.files()
    indexed = {r.source: r.digest.partition(":")[2] for r in files.values() if r.state == "indexed"}
    with Path(told).open("ab", buffering=0) as file:
        # The blank line before it parts it from one that an earlier process was killed in.
        file.write(b"\n" + json.dumps([indexed, sorted(files)]).encode() + b"\n")


def forever(library: rag.app.Footnote, told: str) -> None:
    while True:
        sync_and_tell(library, told)


def published(library: rag.app.Footnote) -> dict[str, Any]:
    """Return the digest of the bytes behind every article that answers, and a few of the answers."""
    ledger = library._ledger
    rows = ledger._all("SELECT file, digest, title FROM articles WHERE active = 1")
    checks, _ = library.examine()
    return {
        "active": {file: made.partition(":")[2] for file, made, _ in rows},
        "answers": {file: [hit[0] for hit in answers(library, title)] for file, _, title in rows[::40]},
        "wrong": [f"{check.name}: {check.found}" for check in checks if not check.passed],
        "index": ledger.get("index"),
    }


STEPS: dict[str, Callable[..., Any]] = {
    "sync": sync,
    "look": look,
    "ask": ask,
    "sync_and_tell": sync_and_tell,
    "forever": forever,
    "published": published,
    "flip": flip,
    "answers": answers,
    "rebuild": lambda library: library.owner.rebuild(),
    "remove": lambda library, source: library.owner.remove(source),
    "add": lambda library, address: library.owner.add(address).to_dict(),
    "index": lambda library: sorted(library.owner.index.rows()),
    "notice": lambda library: library.notice,
    "wait": lambda _library, seconds: time.sleep(seconds),
}
ALONE: dict[str, Callable[..., Any]] = {
    "status": library_status,
    "backup": lambda made, file: rag.backup.back_up(made, Path(file)),
    "restore": lambda made, file: str(rag.backup.restore(made, Path(file))),
}
