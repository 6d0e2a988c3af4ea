"""The look over a library: each fault that is planted is found by the check that names it, and none in a sound one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.app import Footnote
from rag.doctor import StoreCheck
from rag.embed import MiniLMEmbedding
from rag.ledger import FILE_NAME
from tests.conftest import held

Open = Callable[..., Footnote]
CHECKS = ["ledger file", "texts and passages", "vectors and words", "embedder", "vector index", "old versions"]


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def library(open_at: Open, folder: Path) -> Iterator[Footnote]:
    """A synced library that is sound."""
    (folder / "two.md").write_text("The tower is old. It leans.\n")
    with open_at() as opened:
        opened.sync()
        yield opened


def plant(library: Footnote, *statements: str) -> None:
    """Change the database behind the library's back."""
    with closing(sqlite3.connect(library._ledger.path)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount != 0, statement
        db.commit()


def wrong(library: Footnote) -> dict[str, str]:
    """Return what was found by each check that failed."""
    checks, _ = library.examine()
    assert all(check.found for check in checks)
    return {check.name: check.found for check in checks if not check.passed}


def test_a_sound_library_passes_every_check(library: Footnote) -> None:
    checks, quality = library.examine()
    assert [check.name for check in checks] == CHECKS
    assert all(check.passed for check in checks), checks
    assert {item.source for item in quality.articles} == {"bees.txt", "bridge.md", "two.md", "茶.md"}


def test_an_empty_library_passes_every_check(open_at: Open) -> None:
    with open_at() as library:
        checks, quality = library.examine()
    assert [check.name for check in checks if not check.passed] == []
    assert quality.articles == ()


def test_a_check_says_itself_as_json() -> None:
    assert StoreCheck("a", False, "b").to_dict() == {"check": "a", "passed": False, "found": "b"}


def test_beside_its_owner_all_but_the_index_is_looked_at(library: Footnote, open_at: Open, tmp_path: Path) -> None:
    with open_at() as reader:
        checks, _ = reader.examine()
    assert [check.name for check in checks] == [name for name in CHECKS if name != "vector index"]
    assert all(check.passed for check in checks)
    library.close()
    with held(tmp_path / "library"), open_at() as reader:
        assert wrong(reader) == {}


FIRST = "article_key = (SELECT key FROM articles WHERE source = 'bridge.md')"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE articles SET text = replace(text, '412', '999') WHERE source = 'bridge.md'", "bridge.md"),
        ("UPDATE articles SET content_hash = 'sha256:0' WHERE source = '茶.md'", "茶.md"),
        (f"UPDATE passages SET text = text || ' And more.' WHERE {FIRST}", "bridge.md"),
        (f"UPDATE passages SET start = start + 1 WHERE {FIRST}", "bridge.md"),
        (f"UPDATE passages SET sentences = '[[0, 100000]]' WHERE {FIRST}", "bridge.md"),
        (f"UPDATE passages SET sentences = '[[9, 9]]' WHERE {FIRST}", "bridge.md"),
        (f"DELETE FROM passages WHERE {FIRST}", "bridge.md"),
        (
            f"UPDATE passages SET sentences = 'garbage' WHERE {FIRST}",
            "bridge.md",
        ),
        (
            f"UPDATE passages SET sentences = '[[1, 2, 3]]' WHERE {FIRST}",
            "bridge.md",
        ),
    ],
)
def test_a_text_or_passage_that_is_not_what_it_was_is_found(library: Footnote, statement: str, named: str) -> None:
    plant(library, statement)
    found = wrong(library)["texts and passages"]
    assert found.startswith(f"1 of 4 articles differ: {named}; ")
    assert "footnote restore FILE" in found


def test_of_many_wrong_articles_a_few_are_named(library: Footnote, folder: Path) -> None:
    for i in range(8):
        (folder / f"more{i}.md").write_text(f"The house {i} is old. It leans.\n")
    library.sync()
    plant(library, "UPDATE articles SET text = text || '.'")
    assert wrong(library)["texts and passages"].startswith(
        "12 of 12 articles differ: bees.txt, bridge.md, more0.md, more1.md, more2.md …; "
    )


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (f"DELETE FROM vectors WHERE key IN (SELECT vector_key FROM passages WHERE {FIRST})",
         "1 passages without vectors"),
        ("DELETE FROM lexical WHERE rowid = (SELECT max(rowid) FROM lexical)", "1 passages that no word finds"),
        ("INSERT INTO lexical (rowid, context, body) VALUES (999, 'a', 'b')", "1 words of passages that are gone"),
        ("DELETE FROM files WHERE source = 'bridge.md'", "1 articles without a file"),
        ("INSERT INTO files VALUES ('ghost.md', 'indexed', NULL, '', 'x')", "1 files without their article"),
        (f"UPDATE vectors SET passage = zeroblob(8) WHERE key = (SELECT vector_key FROM passages WHERE {FIRST})",
            "1 vectors of another dimension",
            ),
    ],
)  # fmt: skip
def test_what_is_missing_or_left_over_is_counted(library: Footnote, statement: str, fault: str) -> None:
    plant(library, statement)
    assert wrong(library)["vectors and words"].startswith(fault)


def test_an_embedder_that_gives_other_vectors_is_found(
    library: Footnote, embedder: MiniLMEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = MiniLMEmbedding.embed_passages

    def turned(self: MiniLMEmbedding, passages: list[object]) -> list[object]:
        vectors = original(self, passages)  # type: ignore[arg-type]
        return [type(item)(np.roll(item.passage, 1), item.sentences) for item in vectors]

    monkeypatch.setattr(MiniLMEmbedding, "embed_passages", turned)
    assert "sync with --re-embed" in wrong(library)["embedder"]


def test_vectors_that_are_missing_in_the_index_are_found_and_a_new_one_has_them(library: Footnote) -> None:
    rows = sorted(library.owner.index.rows())
    chroma = library.owner.index._open()
    chroma._collection.delete(ids=[str(rows[0]), str(rows[1])])
    assert wrong(library) == {"vector index": "2 of 4 vectors are missing: `footnote rebuild`"}
    library.owner.rebuild()
    assert wrong(library) == {}


def test_vectors_of_old_versions_are_no_fault(library: Footnote, folder: Path) -> None:
    (folder / "two.md").write_text("The tower fell. It was old.\n")
    library.sync()
    checks, _ = library.examine()
    assert all(check.passed for check in checks)
    assert checks[CHECKS.index("vector index")].found == "4 vectors, and 1 of old versions"


def test_a_version_that_waits_to_be_collected_is_told_and_no_fault(
    library: Footnote, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "two.md").write_text("The tower fell. It was old.\n")
    with monkeypatch.context() as patch:
        patch.setattr("rag.ledger.Ledger.collect", lambda _: None)
        library.sync()
    checks, _ = library.examine()
    assert all(check.passed for check in checks)
    assert checks[-1].found == "1 wait for the next sync"
    library.sync()
    assert library.examine()[0][-1].found == "none"


def test_a_damaged_file_is_found_and_nothing_that_is_read_from_it_believed(
    library: Footnote, open_at: Open, tmp_path: Path
) -> None:
    library.close()
    path = tmp_path / "library" / FILE_NAME
    with closing(sqlite3.connect(path)) as db:  # an index that has lost a row: no query of ours would notice
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, '(file)', '(title)') WHERE name = 'articles_of_file'")
        db.commit()
    with open_at() as opened:
        checks, quality = opened.examine()
    assert [(check.name, check.passed) for check in checks] == [("ledger file", False)]
    assert "footnote restore FILE" in checks[0].found
    assert quality.articles == ()


def test_what_reading_left_in_doubt_reaches_the_report(library: Footnote, folder: Path) -> None:
    (folder / "scan.txt").write_bytes("Das Brückenhaus wurde in Köln geöffnet. Es ist schön.".encode("cp1252"))
    library.sync()
    _, quality = library.examine()
    (item,) = [item for item in quality.articles if item.source == "scan.txt"]
    (article,) = library._ledger.articles_of("scan.txt")
    assert item.findings[: len(article.notes)] == article.notes
