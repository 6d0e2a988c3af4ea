"""What a sync promises: unchanged files cost nothing, versions switch whole, nothing is lost without a word."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag import sync as sync_module
from rag.app import Footnote
from rag.embed import MiniLMEmbedding
from rag.errors import InputError
from rag.types import Passage, PassageVectors

Open = Callable[..., Footnote]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the text of every passage that is embedded from now on."""
    seen: list[str] = []
    original = MiniLMEmbedding.embed_passages

    def recording(self: MiniLMEmbedding, passages: Sequence[Passage]) -> list[PassageVectors]:
        seen.extend(passage.text for passage in passages)
        return original(self, passages)

    monkeypatch.setattr(MiniLMEmbedding, "embed_passages", recording)
    return seen


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
