"""Changing the embedder: what answered goes on answering until all is embedded, and nothing is paid twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote, open_library
from rag.config import Settings
from rag.errors import StoreError
from rag.fetch import Page
from rag.ledger.check import count_faults, leftovers
from rag.sync import REMOVED
from rag.types import Passage, PassageVectors
from tests.conftest import NoProbe
from tests.faults.tiny import EMBEDDERS, TinyEmbedding

Open = Callable[..., Footnote]
ADDRESS = "https://example.org/river"
OTHERS = ["tiny-other", "tiny-wide"]


@pytest.fixture
def open_with(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Footnote]:
    """Return a function that opens the library with one of the embedders that cost nothing."""
    monkeypatch.setattr("rag.index.Probe", NoProbe)

    def open_(name: str, *, library: str = "library", re_embed: bool = False, max_tokens: int = 64) -> Footnote:
        monkeypatch.setattr("rag.factory.MiniLMEmbedding", EMBEDDERS[name])
        values = {"library": tmp_path / library, "articles": folder, "passages": {"max_tokens": max_tokens}}
        return open_library(Settings.model_validate(values), re_embed=re_embed)

    return open_


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Record the embedder and text of every passage that is embedded from now on."""
    seen: list[tuple[str, str]] = []
    original = TinyEmbedding.embed_passages

    def recording(self: TinyEmbedding, passages: Sequence[Passage]) -> list[PassageVectors]:
        seen.extend((self.name, passage.text) for passage in passages)
        return original(self, passages)

    monkeypatch.setattr(TinyEmbedding, "embed_passages", recording)
    return seen


def answers(library: Footnote) -> list[tuple[str, str]]:
    return sorted(
        (hit.source.source, hit.passage.text) for hit in library.search("bridge bees tower river tea", 50).hits
    )


def contents(library: Footnote) -> list[Any]:
    """Return all that decides answers, after a look at whether it fits together."""
    ledger = library._ledger
    assert not any(count_faults(ledger).values())
    assert leftovers(ledger) == 0
    rows, _ = ledger.active_rows()
    assert library.owner.index.rows() >= set(rows)
    stored = ledger.passages(rows).values()
    return sorted(
        (item.source.source, item.passage.id, item.passage.pages, item.vectors.passage.tobytes()) for item in stored
    )


@pytest.mark.parametrize("other", OTHERS)
def test_after_the_change_the_library_is_as_one_that_never_had_another(
    open_with: Open, folder: Path, paid: list[tuple[str, str]], other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(ADDRESS, b"<p>The river Elva is long. It freezes.</p>", None, "text/html")
    monkeypatch.setattr("rag.fetch.fetch_page", lambda _address: page)
    (folder / "all.jsonl").write_text('{"id": "a", "text": "A tower leans."}\n{"id": "b", "text": "A gate shines."}\n')
    with open_with("tiny") as library:
        library.sync()
        library.owner.add(ADDRESS)
        before = answers(library)
    assert {source for source, _ in before} >= {"all.jsonl#a", "all.jsonl#b", ADDRESS}
    paid.clear()
    with open_with(other, re_embed=True) as library:
        report = library.sync()
        assert (report.indexed, report.failed, report.unchanged) == ((), (), 5)
        assert answers(library) == before
        assert sorted(text for _, text in paid) == sorted(text for _, text in before)
        state = contents(library)
        assert library._ledger.get("embedder_name") == other
    with open_with(other, library="clean") as clean:
        clean.sync()
        clean.owner.add(ADDRESS)
        assert contents(clean) == state


@pytest.mark.parametrize("other", OTHERS)
def test_another_embedder_is_refused_before_the_change_and_the_old_one_after_it(open_with: Open, other: str) -> None:
    with open_with("tiny") as library:
        library.sync()
    with pytest.raises(StoreError, match=r"another embedder .*--re-embed"):
        open_with(other)
    with open_with("tiny") as library:
        assert len(answers(library)) == 3
    with open_with(other, re_embed=True) as library:
        library.sync()
    with pytest.raises(StoreError, match=f"another embedder .{other}"):
        open_with("tiny")
    with open_with(other) as library:
        assert library.sync().unchanged == 3


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(
    "point",
    [
        "rag.ledger.Ledger.stage",
        "rag.ledger.Ledger.store_vectors",
        "rag.vectors.ChromaIndex.add",
        "rag.ledger.Ledger.publish",
    ],
)
def test_a_change_that_was_cut_off_leaves_the_old_library_and_is_taken_up_where_it_was(
    open_with: Open, paid: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, point: str, other: str
) -> None:
    with open_with("tiny") as library:
        library.sync()
        before = answers(library)
        state = contents(library)
    holder: Any = __import__(point.rsplit(".", 2)[0], fromlist=["x"])
    owner, name = getattr(holder, point.split(".")[-2]), point.split(".")[-1]
    original = getattr(owner, name)
    calls = 0

    def stopping(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2 or "Chroma" in point:
            raise ZeroDivisionError
        return original(*args, **kwargs)

    paid.clear()
    with open_with(other, re_embed=True) as library, monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(ZeroDivisionError):
            library.sync()
    with open_with("tiny") as library:
        assert answers(library) == before
    with open_with(other, re_embed=True) as library:
        library.sync()
        assert answers(library) == before
        assert contents(library) != state
    kept = len(before) + (1 if point.endswith("store_vectors") else 0)  # the part that was not kept yet is paid again
    assert len(paid) == kept


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_that_failed_keeps_its_last_good_version(open_with: Open, folder: Path, other: str) -> None:
    with open_with("tiny") as library:
        library.sync()
        before = answers(library)
        (folder / "bridge.md").write_text("---\nvisibility: nobody\n---\nText.\n")
        assert [source for source, _ in library.sync().failed] == ["bridge.md"]
    with open_with(other, re_embed=True) as library:
        for _ in range(2):
            report = library.sync()
            assert [source for source, _ in report.failed] == ["bridge.md"]
            assert answers(library) == before
    (folder / "bridge.md").write_text("The bridge is new. It shines.\n")
    with open_with(other) as library:
        assert library.sync().indexed == ("bridge.md",)
        assert ("bridge.md", "The bridge is new. It shines.") in answers(library)


def test_what_changed_in_the_folder_meanwhile_is_seen_too(open_with: Open, folder: Path) -> None:
    with open_with("tiny") as library:
        library.sync()
    (folder / "bees.txt").unlink()
    (folder / "bridge.md").write_text("The bridge is new. It shines.\n")
    with open_with("tiny-wide", re_embed=True) as library:
        report = library.sync()
        assert (report.indexed, report.removed) == (("bridge.md",), ("bees.txt",))
        state = contents(library)
    with open_with("tiny-wide", library="clean") as clean:
        clean.sync()
        assert contents(clean) == state


def test_another_passage_size_at_the_same_time_counts_too(open_with: Open, folder: Path) -> None:
    (folder / "long.txt").write_text("The harbour at Ostvik has one crane. " * 40)
    with open_with("tiny") as library:
        library.sync()
    with open_with("tiny-wide", re_embed=True, max_tokens=128) as library:
        library.sync()
        state = contents(library)
    with open_with("tiny-wide", library="clean", max_tokens=128) as clean:
        clean.sync()
        assert contents(clean) == state


def test_with_the_embedder_that_is_there_it_is_a_sync_like_any_other(
    open_with: Open, paid: list[tuple[str, str]]
) -> None:
    with open_with("tiny") as library:
        library.sync()
        state = contents(library)
        rows = library.owner.index.rows()
    paid.clear()
    with open_with("tiny", re_embed=True) as library:
        assert library.sync().unchanged == 3
        assert contents(library) == state
        assert library.owner.index.rows() == rows
    assert paid == []


def test_an_empty_library_changes_its_embedder(open_with: Open, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    with open_with("tiny") as library:
        library.sync()
    (folder / "a.txt").write_text("The bridge is new. It shines.\n")
    with open_with("tiny-wide", re_embed=True) as library:
        assert library.sync().indexed == ("a.txt",)
        assert answers(library) == [("a.txt", "The bridge is new. It shines.")]


def test_progress_counts_every_file_and_passage(open_with: Open) -> None:
    with open_with("tiny") as library:
        library.sync()
    steps: list[tuple[int, int, int]] = []
    with open_with("tiny-wide", re_embed=True) as library:
        library.sync(lambda step: steps.append((step.done, step.total, step.passages)))
    assert (3, 3, 3) in steps
    assert steps[-1] == (3, 3, 0)


def test_a_copy_of_a_removed_file_does_not_come_back(open_with: Open, folder: Path) -> None:
    (folder / "copy.md").write_text((folder / "bridge.md").read_text())
    with open_with("tiny") as library:
        library.sync()
        library.owner.remove("bridge.md")
        library.sync()
        before = answers(library)
    with open_with("tiny-wide", re_embed=True) as library:
        report = library.sync()
        assert ("bridge.md", REMOVED) in report.skipped
        assert answers(library) == before
