"""What a sync promises: unchanged files cost nothing, versions switch whole, nothing is lost without a word."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag import sync as sync_module
from rag.app import Footnote
from rag.chunk import chunk
from rag.errors import InputError, Unloadable
from rag.ledger import FileRecord, Ledger, WebPage
from rag.ledger.check import count_faults, leftovers, wrong_texts
from rag.load import load as load_file
from rag.load.document import Document, RawBlock, to_article
from rag.sync import REMOVED, Load, Sync
from rag.types import Article, Matrix, Passage, SyncReport
from tests.faults.tiny import TinyEmbedding

Open = Callable[..., Footnote]


def quotes(library: Footnote, question: str) -> str:
    return " ".join(citation.quote for citation in library.ask(question).citations)


def settled(folder: Path) -> None:
    """Give the files times long past, as they have in a folder that nobody touched for a while."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(1_700_000_000_000_000_000,) * 2)


def contents(library: Footnote) -> list[tuple[Any, ...]]:
    """Return all that decides answers, without what depends on history (row numbers, versions)."""
    ledger = library._ledger
    rows, _ = ledger.active_rows()
    stored = ledger.passages(rows)
    return sorted(
        (
            item.source.source,
            item.source.content_hash,
            item.passage.id,
            item.passage.text,
            item.passage.sentences,
            tuple(item.vectors.passage.round(5)),
            tuple(ledger.term_scores(["bridg", "bee", "cost"], [item.row]).values()),
        )
        for item in stored.values()
    )


def test_every_file_is_in_exactly_one_list(open_at: Open, folder: Path) -> None:
    (folder / "empty.txt").write_text(" \n")
    (folder / "photo.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "broken.md").write_text("---\ntitle: [\n---\nText.\n")
    (folder / ".hidden").write_text("secret words")
    (folder / "link.txt").symlink_to(folder / "bees.txt")
    with open_at() as library:
        report = library.sync()
        assert report.indexed == ("bees.txt", "bridge.md", "茶.md")
        assert [source for source, _ in report.skipped] == [".hidden", "empty.txt", "link.txt", "photo.txt"]
        assert [source for source, _ in report.failed] == ["broken.md"]
        again = library.sync()
        assert (again.indexed, again.removed, again.unchanged) == ((), (), 3)
        assert (again.skipped, again.failed) == (report.skipped, report.failed)


def test_unchanged_files_are_neither_read_nor_embedded(
    open_at: Open, folder: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        embedded.clear()
        # The clock is moved on, since times of a moment ago prove nothing.
        monkeypatch.setattr("rag.folder._SETTLED_NS", -1)
        library.sync()
        reads: list[str] = []
        original = sync_module.read
        monkeypatch.setattr(sync_module, "read", lambda file, size: reads.append(file.source) or original(file, size))
        assert library.sync().unchanged == 3
        assert (embedded, reads) == ([], [])


def test_new_times_on_the_same_content_cost_no_embedding(open_at: Open, folder: Path, embedded: list[str]) -> None:
    with open_at() as library:
        library.sync()
        embedded.clear()
        settled(folder)
        assert library.sync().unchanged == 3
        assert embedded == []


def test_changed_content_is_seen_though_size_and_modification_time_are_kept(open_at: Open, folder: Path) -> None:
    settled(folder)
    with open_at() as library:
        library.sync()
        library.sync()
        path = folder / "bridge.md"
        path.write_text(path.read_text().replace("412 metres", "999 metres"))
        settled(folder)
        assert library.sync().indexed == ("bridge.md",)
        assert "999 metres" in quotes(library, "How long is the bridge at Ostvik?")


def test_an_update_replaces_the_old_version_whole(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        assert "412 metres" in quotes(library, "How long is the bridge at Ostvik?")
        (folder / "bridge.md").write_text("The bridge at Ostvik was measured again. It is 418 metres long.\n")
        assert library.sync().indexed == ("bridge.md",)
        answer = library.ask("How long is the bridge at Ostvik?")
        assert "418 metres" in answer.text
        assert all("412" not in hit.passage.text for hit in answer.evidence.hits)


def test_a_deleted_file_never_answers_again(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").unlink()
        assert library.sync().removed == ("bridge.md",)
        hits = library.search("How long is the bridge at Ostvik?").hits
        assert {hit.source.source for hit in hits} == {"bees.txt", "茶.md"}


def test_a_renamed_file_is_not_embedded_again(open_at: Open, folder: Path, embedded: list[str]) -> None:
    with open_at() as library:
        library.sync()
        embedded.clear()
        (folder / "sub").mkdir()
        (folder / "bridge.md").rename(folder / "sub" / "ostvik.md")
        report = library.sync()
        assert (report.indexed, report.removed) == (("sub/ostvik.md",), ("bridge.md",))
        assert embedded == []
        assert library.ask("How long is the bridge at Ostvik?").citations[0].source.source == "sub/ostvik.md"


def test_a_file_that_became_unreadable_as_markdown_keeps_answering_and_is_reported(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").write_text("---\nvisibility: secret\n---\nOther text.\n")
        report = library.sync()
        assert [source for source, _ in report.failed] == ["bridge.md"]
        assert "412 metres" in quotes(library, "How long is the bridge at Ostvik?")


def test_an_emptied_file_stops_answering(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").write_text("")
        report = library.sync()
        assert report.skipped == (("bridge.md", "empty: no text in it"),)
        assert all(hit.source.source != "bridge.md" for hit in library.search("the bridge at Ostvik").hits)


def test_a_missing_folder_deletes_nothing(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        folder.rename(folder.with_name("away"))
        with pytest.raises(InputError, match="does not exist"):
            library.sync()
        assert "412 metres" in quotes(library, "How long is the bridge at Ostvik?")


class Stop(Exception):
    """The end of the process, at a chosen point."""


@pytest.mark.parametrize(
    "point",
    [
        "rag.ledger.Ledger.stage",
        "rag.embed.MiniLMEmbedding.embed_passages",
        "rag.ledger.Ledger.store_vectors",
        "rag.index.VectorIndex.add",
        "rag.ledger.Ledger.publish",
        "rag.ledger.Ledger.collect",
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_sync_cut_off_anywhere_keeps_the_old_version_and_the_next_one_converges(
    open_at: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, after: bool
) -> None:
    with open_at() as library:
        library.sync()
    (folder / "bridge.md").write_text("The bridge at Ostvik was measured again. It is 418 metres long.\n")
    (folder / "bees.txt").unlink()
    (folder / "new.txt").write_text("Wasps die in autumn. Only young queens survive the winter.\n")

    with open_at() as library, monkeypatch.context() as patch:
        owner, name = point.rsplit(".", 1)
        original = getattr(_resolve(owner), name)

        def cut_off(*args: Any, **kwargs: Any) -> Any:
            if after:
                original(*args, **kwargs)
            raise Stop

        patch.setattr(point, cut_off)
        with pytest.raises(Stop):
            library.sync()
        seen = quotes(library, "How long is the bridge at Ostvik?")
        assert ("412 metres" in seen) != ("418 metres" in seen)
        assert ("418 metres" in seen) == point.endswith("collect")

    with open_at() as library, open_at("clean") as clean:
        library.sync()
        clean.sync()
        assert contents(library) == contents(clean)
        assert library._ledger.counts() == clean._ledger.counts()
        # Nothing is left of the run that was cut off.
        unused = "SELECT count(*) FROM vectors WHERE key NOT IN (SELECT vector_key FROM passages)"
        assert library._ledger._all(unused) == [(0,)]
        assert library._ledger._all("SELECT count(*) FROM articles WHERE active = 0") == [(0,)]


def _resolve(name: str) -> Any:
    import importlib

    module, attribute = name.rsplit(".", 1)
    return getattr(importlib.import_module(module), attribute)


def test_a_run_after_a_crash_pays_no_embedding_twice(
    open_at: Open, folder: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library, monkeypatch.context() as patch:
        patch.setattr("rag.index.VectorIndex.add", lambda *_: (_ for _ in ()).throw(Stop))
        with pytest.raises(Stop):
            library.sync()
    paid = len(embedded)
    assert paid > 0
    with open_at() as library:
        assert len(library.sync().indexed) == 3
    assert len(embedded) == paid


def test_other_passage_sizes_cut_every_article_again(open_at: Open, folder: Path) -> None:
    text = "The harbour at Ostvik has one crane. " * 40
    (folder / "harbour.txt").write_text(text)
    with open_at() as library:
        library.sync()
        before = library._ledger.passage_count()
    with open_at(passages={"max_tokens": 80}) as library:
        assert len(library.sync().indexed) == 4
        assert library._ledger.passage_count() > before


def test_progress_ends_with_every_file_done(open_at: Open, folder: Path) -> None:
    shutil.copy(folder / "bees.txt", folder / "bees2.txt")
    steps = []
    with open_at() as library:
        library.sync(steps.append)
    assert (steps[-1].done, steps[-1].total) == (4, 4)
    assert [step.done for step in steps] == sorted(step.done for step in steps)


# ---------------------------------------------------------------- without Chroma and the model: many runs in a moment


class Rows:
    """A vector index that only knows what is in it."""

    def __init__(self) -> None:
        self.known: set[int] = set()

    def add(self, rows: Sequence[int], vectors: Matrix) -> None:
        assert len(rows) == len(vectors)
        self.known.update(rows)


class Small:
    """A library whose embedder costs nothing; `_ledger` is the real one, as `contents` wants it."""

    def __init__(self, place: Path, folder: Path, load: Load = load_file) -> None:
        place.mkdir()
        self._ledger = Ledger(place)
        self.folder = folder
        self.index = Rows()
        self.embedder = TinyEmbedding()
        self.load = load

    def sync(self, *, prune: bool = False) -> SyncReport:
        return self._sync().run(self.folder, prune=prune)

    def _sync(self) -> Sync:
        return Sync(
            self._ledger, self.index, self.embedder, self.load, self._cut, recipe="test", max_bytes=1_000_000
        )  # fmt: skip

    def _cut(self, article: Article) -> tuple[Passage, ...]:
        return chunk(article, self.embedder.count_tokens, 64)

    def add_page(self, address: str, data: bytes, charset: str | None = None) -> SyncReport:
        self._ledger.put_web_page(WebPage(address, charset, data))
        return self._sync().run_web_page(address)

    def remove(self, source: str) -> None:
        known = self._ledger.files()[source]
        self._ledger.retire(source, FileRecord(source, "skipped", REMOVED, "", known.digest))

    def answering(self) -> dict[str, str]:
        """Return the text that answers under each source."""
        return {article.source: article.text for article in self._ledger.all_articles()}

    def state(self) -> list[Any]:
        """Return all that decides answers, what is said of each file, and whether the index has what it must."""
        assert set(self._ledger.active_rows()[0]) <= self.index.known
        assert leftovers(self._ledger) == 0
        assert not any(count_faults(self._ledger).values())
        assert list(wrong_texts(self._ledger)) == []
        files = sorted((r.source, r.state, r.reason, r.digest) for r in self._ledger.files().values())
        return [contents(cast(Footnote, self)), files]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    """A library on an empty folder."""
    (tmp_path / "articles").mkdir()
    library = Small(tmp_path / "small", tmp_path / "articles")
    yield library
    library._ledger.close()


def clean_state(library: Small) -> list[Any]:
    """Return the state of a library that sees the folder for the first time."""
    with TemporaryDirectory() as place:
        clean = Small(Path(place) / "clean", library.folder, library.load)
        clean.sync()
        state = clean.state()
        clean._ledger.close()
        return state


def written(word: str) -> str:
    """Return the text of an article whose passages are the same under every file name."""
    return f"---\ntitle: About {word}\n---\n\nThe {word} stands in a field. It has {len(word)} windows.\n"


def gaps(library: Small, monkeypatch: pytest.MonkeyPatch, words: Sequence[str]) -> list[str]:
    """Return a list that gets every word that no passage has, after each change that others can see."""
    found: list[str] = []
    original = Ledger._run

    def looking(self: Ledger, statement: str, parameters: Sequence[object] = ()) -> int:
        result = original(self, statement, parameters)
        if not self._db.in_transaction:
            texts = " ".join(library.answering().values())
            found.extend(f"{word} after {statement.split()[0]}" for word in words if word not in texts)
        return result

    monkeypatch.setattr(Ledger, "_run", looking)
    return found


def refuse_to_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TinyEmbedding, "embed_passages", lambda *_: pytest.fail("paid an embedding"))


def move(*pairs: tuple[str, str]) -> Callable[[Path], None]:
    """Return a function that renames all at once: each name is free before the next one is taken."""

    def act(folder: Path) -> None:
        for i, (old, _) in enumerate(pairs):
            (folder / old).rename(folder / f".moving{i}")
        for i, (_, new) in enumerate(pairs):
            (folder / new).parent.mkdir(exist_ok=True)
            (folder / f".moving{i}").rename(folder / new)

    return act


def copy(old: str, *new: str) -> Callable[[Path], None]:
    return lambda folder: [shutil.copy(folder / old, folder / name) for name in new] and None


def remove_file(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def both(*steps: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda folder: [step(folder) for step in steps] and None


MOVES = {
    "one file": move(("a.md", "z.md")),
    "to a name before": move(("c.md", "1.md")),
    "to another format": move(("a.md", "a.txt")),
    "into a folder": move(("a.md", "sub/a.md")),
    "a folder": move(("d", "e")),
    "a folder into another": move(("d", "e/d")),
    "all files": move(("a.md", "a2.md"), ("b.md", "b2.md"), ("c.md", "c2.md"), ("d", "d2")),
    "in a ring": move(("a.md", "b.md"), ("b.md", "c.md"), ("c.md", "a.md")),
    "exchanged": move(("a.md", "b.md"), ("b.md", "a.md")),
    "and copied": both(move(("a.md", "x.md")), copy("x.md", "y.md", "w.md")),
    "copied": copy("a.md", "1.md"),
    "copied twice": copy("b.md", "1.md", "z.md"),
    "a chain": move(("a.md", "b2.md"), ("c.md", "a.md")),
    "onto an empty file": move(("a.md", "empty.txt")),
    "onto a file that failed": move(("a.md", "failed.md")),
    "one of two copies removed": remove_file("same1.md"),
    "one of two copies renamed": move(("same1.md", "same3.md")),
    "both copies renamed": move(("same1.md", "1.md"), ("same2.md", "2.md")),
}
WORDS_KEPT = ["Alpha", "Bravo", "Charlie", "Delta", "Echo", "Golf"]


@pytest.mark.parametrize("name", MOVES)
def test_content_that_moves_answers_at_every_moment_and_costs_nothing(
    small: Small, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for file, word in {"a": "Alpha", "b": "Bravo", "c": "Charlie", "d/d": "Delta", "d/e": "Echo"}.items():
        path = small.folder / f"{file}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(written(word))
    (small.folder / "same1.md").write_text(written("Golf"))
    (small.folder / "same2.md").write_text(written("Golf"))
    (small.folder / "empty.txt").write_text("")
    (small.folder / "failed.md").write_text("---\nvisibility: nobody\n---\n\nText.\n")
    small.sync()
    MOVES[name](small.folder)
    with monkeypatch.context() as patch:
        refuse_to_embed(patch)
        missed = gaps(small, patch, WORDS_KEPT)
        small.sync()
    assert missed == []
    assert small.state() == clean_state(small)


def test_a_rename_beside_a_change_of_another_file_is_still_a_rename(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (small.folder / f"{name}.md").write_text(written(f"Old{name}"))
    small.sync()
    move(("a.md", "z.md"))(small.folder)
    (small.folder / "b.md").write_text(written("New"))
    missed = gaps(small, monkeypatch, ["Olda"])
    report = small.sync()
    assert (report.indexed, report.removed, missed) == (("b.md", "z.md"), ("a.md",), [])
    assert small.state() == clean_state(small)


@pytest.mark.parametrize("new", [".hidden.md", "sub/.hidden.md"])
def test_a_file_renamed_to_a_name_that_is_ignored_is_gone(small: Small, new: str) -> None:
    (small.folder / "a.md").write_text(written("Alpha"))
    small.sync()
    move(("a.md", new))(small.folder)
    report = small.sync()
    assert (report.removed, report.skipped) == (("a.md",), ((new, "hidden"),))
    assert small.answering() == {}
    assert small.state() == clean_state(small)


def test_a_file_renamed_to_one_that_cannot_be_read_leaves_under_its_old_name(small: Small) -> None:
    def load(file: str, data: bytes, charset: str | None) -> tuple[Article, ...]:
        if file.endswith(".html"):
            raise Unloadable("failed", "no")
        return load_file(file, data, charset)

    small.load = load
    (small.folder / "a.md").write_text(written("Alpha"))
    small.sync()
    move(("a.md", "a.html"))(small.folder)
    report = small.sync()
    assert (report.removed, report.failed) == (("a.md",), (("a.html", "no"),))
    assert small.answering() == {}
    assert set(small._ledger.files()) == {"a.html"}


@pytest.mark.parametrize("first", ["a.md", "b.md", "c.md"])
def test_of_three_copies_one_answers_and_each_takes_over_when_it_is_removed(small: Small, first: str) -> None:
    names = ["a.md", "b.md", "c.md"]
    (small.folder / first).write_text(written("Alpha"))
    small.sync()
    for name in names:
        (small.folder / name).write_text(written("Alpha"))
    while names:
        report = small.sync()
        assert list(small.answering()) == [names[0]]
        assert report.skipped == tuple((name, f"same content as {names[0]}") for name in names[1:])
        assert small.state() == clean_state(small)
        (small.folder / names.pop(0)).unlink()
    small.sync()
    assert small.answering() == {}


def test_a_copy_that_is_changed_answers_by_itself(small: Small) -> None:
    for name in ("a.md", "b.md"):
        (small.folder / name).write_text(written("Alpha"))
    small.sync()
    (small.folder / "b.md").write_text(written("Bravo"))
    assert small.sync().indexed == ("b.md",)
    assert small.state() == clean_state(small)
    (small.folder / "a.md").write_text(written("Bravo"))
    report = small.sync()
    assert (report.indexed, report.skipped) == (("a.md",), (("b.md", "same content as a.md"),))
    assert small.state() == clean_state(small)


# ---------------------------------------------------------------- a folder that is not what it was


def many(small: Small, count: int, prefix: str = "f") -> list[Path]:
    paths = [small.folder / f"{prefix}{i:02}.txt" for i in range(count)]
    for path in paths:
        path.write_text(f"The number {prefix} {path.stem} is large. It grows.\n")
    return paths


@pytest.mark.parametrize(
    ("before", "gone", "refused"),
    [(10, 10, False), (11, 11, True), (30, 10, False), (36, 11, True), (37, 11, False), (40, 12, False)],
)
def test_more_than_ten_files_and_three_tenths_of_them_do_not_vanish_unasked(
    small: Small, before: int, gone: int, refused: bool
) -> None:
    paths = many(small, before)
    small.sync()
    for path in paths[:gone]:
        path.unlink()
    (small.folder / "new.txt").write_text("A new one is here.\n")
    if refused:
        state = small.state()
        for _ in range(2):
            with pytest.raises(InputError, match=rf"{gone} of {before} indexed files are gone .*--prune"):
                small.sync()
        assert small.state() == state
    report = small.sync(prune=refused)
    assert (len(report.removed), report.indexed, report.unchanged) == (gone, ("new.txt",), before - gone)
    assert small.state() == clean_state(small)


def test_files_that_were_never_indexed_may_vanish(small: Small) -> None:
    for path in many(small, 20):
        path.write_text("")
    (small.folder / "a.md").write_text(written("Alpha"))
    small.sync()
    for path in small.folder.glob("f*"):
        path.unlink()
    assert len(small.sync().removed) == 20


def test_files_that_were_never_indexed_do_not_hide_that_the_others_are_gone(small: Small) -> None:
    for path in many(small, 30, "empty"):
        path.write_text("")
    paths = many(small, 20)
    small.sync()
    for path in paths[:11]:
        path.unlink()
    with pytest.raises(InputError, match="11 of 20"):
        small.sync()


def test_web_pages_count_neither_as_files_nor_as_gone(small: Small) -> None:
    paths = many(small, 20)
    for i in range(20):
        small.add_page(f"https://example.org/{i}", f"Page {i} is about rivers. It is short.".encode())
    small.sync()
    for path in paths[:11]:
        path.unlink()
    with pytest.raises(InputError, match="11 of 20"):
        small.sync()
    assert len(small.sync(prune=True).removed) == 11
    assert len(small.answering()) == 29


def test_renamed_files_do_not_count_as_gone(small: Small) -> None:
    many(small, 20)
    small.sync()
    target = small.folder / "moved"
    target.mkdir()
    for path in small.folder.glob("*.txt"):
        path.rename(target / path.name)
    report = small.sync()
    assert (len(report.indexed), len(report.removed)) == (20, 20)
    assert small.state() == clean_state(small)


def test_files_that_have_a_copy_do_not_count_as_gone(small: Small) -> None:
    (small.folder / "keep").mkdir()
    for path in many(small, 12):
        shutil.copy(path, small.folder / "keep")
    small.sync()
    for path in small.folder.glob("*.txt"):
        path.unlink()
    assert len(small.sync().indexed) == 12


# ---------------------------------------------------------------- several articles in one file


def load_lines(file: str, data: bytes, charset: str | None = None) -> tuple[Article, ...]:
    """Read each line "part: text" of a .jsonl file as an article of its own."""
    if not file.endswith(".jsonl"):
        return load_file(file, data, charset)
    lines = [line.partition(": ") for line in data.decode().splitlines()]
    return tuple(to_article(Document([RawBlock("text", text)]), file, part) for part, _, text in lines)


@pytest.fixture
def parts(small: Small) -> Small:
    """A library with three articles in one file."""
    small.load = load_lines
    (small.folder / "a.jsonl").write_text("1: Alpha is one.\n2: Bravo is two.\n3: Charlie is three.\n")
    small.sync()
    return small


def test_each_article_of_a_file_has_its_own_source_and_id(parts: Small) -> None:
    assert parts.answering() == {
        "a.jsonl#1": "Alpha is one.",
        "a.jsonl#2": "Bravo is two.",
        "a.jsonl#3": "Charlie is three.",
    }
    assert len({article.id for article in parts._ledger.all_articles()}) == 3
    assert [record.source for record in parts._ledger.files().values()] == ["a.jsonl"]
    counts = parts._ledger.counts()
    assert (counts["articles"], counts["indexed"]) == (3, 1)


def test_a_changed_file_switches_all_its_articles_at_once(parts: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = Ledger._run

    def looking(self: Ledger, *args: Any) -> int:
        result = original(self, *args)
        if not self._db.in_transaction:
            seen.append(parts.answering())
        return result

    before = parts.answering()
    (parts.folder / "a.jsonl").write_text("3: Charlie is 3.\n1: Alpha is one.\n4: Delta is four.\n")
    monkeypatch.setattr(Ledger, "_run", looking)
    parts.sync()
    after = parts.answering()
    assert list(after) == ["a.jsonl#3", "a.jsonl#1", "a.jsonl#4"]
    assert all(answering in (before, after) for answering in seen)
    monkeypatch.undo()
    assert parts.state() == clean_state(parts)


def test_an_article_that_stays_in_a_changed_file_is_not_embedded_again(
    parts: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parts.folder / "a.jsonl").write_text("3: Charlie is three.\n1: Alpha is one.\n")
    with monkeypatch.context() as patch:
        refuse_to_embed(patch)
        assert parts.sync().indexed == ("a.jsonl",)
    assert parts.state() == clean_state(parts)


def test_all_articles_of_a_file_leave_with_it_and_move_with_it(parts: Small) -> None:
    move(("a.jsonl", "sub/b.jsonl"))(parts.folder)
    parts.sync()
    assert list(parts.answering()) == ["sub/b.jsonl#1", "sub/b.jsonl#2", "sub/b.jsonl#3"]
    assert parts.state() == clean_state(parts)
    (parts.folder / "sub" / "b.jsonl").unlink()
    parts.sync()
    assert parts.answering() == {}


def test_a_file_named_like_a_part_of_another_is_another_article(parts: Small) -> None:
    (parts.folder / "a.jsonl#3").write_text("The river is long. It is wide.\n")
    assert parts.sync().indexed == ("a.jsonl#3",)
    articles = list(parts._ledger.all_articles())
    assert [article.source for article in articles].count("a.jsonl#3") == 2
    assert len({article.id for article in articles}) == 4
    assert parts.state() == clean_state(parts)
    (parts.folder / "a.jsonl").unlink()
    parts.sync()
    assert parts.answering() == {"a.jsonl#3": "The river is long. It is wide."}


def test_a_parser_that_gives_one_part_twice_fails_that_file_alone(parts: Small) -> None:
    (parts.folder / "b.jsonl").write_text("1: Alpha is one.\n1: Bravo is two.\n")
    (parts.folder / "c.md").write_text(written("Golf"))
    report = parts.sync()
    assert [source for source, _ in report.failed] == ["b.jsonl"]
    assert report.indexed == ("c.md",)


def test_a_file_without_articles_is_not_called_indexed(parts: Small) -> None:
    (parts.folder / "b.jsonl").write_text("")
    assert "b.jsonl" not in parts.sync().indexed


# ---------------------------------------------------------------- what was removed stays out


@pytest.fixture
def removed(small: Small) -> Small:
    """A library from which one of two files was removed."""
    for name, word in (("a.md", "Alpha"), ("b.md", "Bravo")):
        (small.folder / name).write_text(written(word))
    small.sync()
    small.remove("a.md")
    return small


@pytest.mark.parametrize("change", [None, written("Changed"), "", "---\nvisibility: nobody\n---\nText.\n"])
def test_a_removed_file_stays_out_whatever_becomes_of_its_content(removed: Small, change: str | None) -> None:
    if change is not None:
        (removed.folder / "a.md").write_text(change)
    for _ in range(2):
        report = removed.sync()
        assert (report.indexed, report.removed, report.skipped) == ((), (), (("a.md", REMOVED),))
        assert list(removed.answering()) == ["b.md"]


@pytest.mark.parametrize("act", [copy("a.md", "0.md", "c.md"), move(("a.md", "c.md")), move(("a.md", "sub/a.md"))])
def test_a_removed_file_does_not_come_back_as_a_copy_or_under_another_name(
    removed: Small, act: Callable[[Path], None]
) -> None:
    act(removed.folder)
    for _ in range(2):
        report = removed.sync()
        assert report.indexed == ()
        assert "same content as a.md" in str(report.skipped)
        assert list(removed.answering()) == ["b.md"]


def test_a_removed_file_does_not_come_back_as_a_copy_when_files_are_read_another_way(removed: Small) -> None:
    copy("a.md", "c.md")(removed.folder)
    removed.sync()
    removed.embedder.fingerprint = "other rules"
    removed.sync()
    assert list(removed.answering()) == ["b.md"]


# ---------------------------------------------------------------- whatever happens to the folder

NAMES = st.sampled_from(["a.md", "b.md", "c.txt", "d/a.md", "d/b.md", "e/a.md", ".hidden.md"])
TEXTS = st.sampled_from([*(written(word) for word in ("Alpha", "Bravo", "Charlie")), "Plain words. More of them.", ""])
STEP = st.one_of(
    st.tuples(st.just("write"), NAMES, TEXTS),
    st.tuples(st.just("delete"), NAMES, st.none()),
    st.tuples(st.sampled_from(["rename", "copy"]), NAMES, NAMES),
    st.tuples(st.just("rename"), st.just("d"), st.just("f")),
    st.tuples(st.just("rename"), st.just("f"), st.just("d")),
    st.tuples(st.just("sync"), st.none(), st.none()),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=3, max_size=20))
def test_any_sequence_of_changes_ends_as_a_clean_run(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str | None, str | None]]
) -> None:
    monkeypatch.setattr("rag.folder._SETTLED_NS", -1)  # the times of files count, as they do when they are old
    with TemporaryDirectory() as place:
        folder = Path(place) / "articles"
        folder.mkdir()
        library = Small(Path(place) / "small", folder)
        for number, (what, name, other) in enumerate(steps):
            if what == "sync":
                library.sync()
                assert library.sync().indexed == ()
            else:
                _change(folder, what, str(name), str(other), number)
        library.sync()
        assert library.state() == clean_state(library)
        library._ledger.close()


def _change(folder: Path, what: str, name: str, other: str, number: int) -> None:
    path = folder / name
    if what == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(other)
        os.utime(path, ns=(number, number))  # two changes within a tick of the clock are told apart by nothing else
    elif not path.exists():
        return
    elif what == "delete":
        path.unlink()
    else:
        target = folder / other
        if path == target or (path.is_dir() and target.exists()):
            return
        target.parent.mkdir(exist_ok=True)
        if what == "rename":
            path.rename(target)
        else:
            shutil.copy(path, target)
            os.utime(target, ns=(number, number))
