"""The database: versions switch whole, vectors are never lost or paid twice, and its search takes any text for data."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import BusyError, StoreError
from rag.ledger import FILE_NAME, SCHEMA_VERSION, FileRecord, Ledger, LedgerReader, Staged, WebPage
from rag.ledger.check import count_faults, leftovers
from rag.ledger.schema import UPGRADES
from rag.text import index_terms, question_terms
from rag.types import Article, Block, Passage, PassageVectors, Span, article_id, digest
from tests.first_schema import FIRST_COLUMNS, FIRST_SCHEMA

DIMENSION = 8


ABOUT = "Title. Ida Berg 2024 March 1 "  # what every passage is found by


def article(source: str, *texts: str) -> tuple[Article, tuple[Passage, ...]]:
    """Return an article that has these texts as its passages, of one sentence each."""
    text = "\n\n".join(texts)
    blocks = []
    at = 0
    for part in texts:
        blocks.append(Block(at, at + len(part), "text"))
        at += len(part) + 2
    whole = Article(source, text, tuple(blocks), f"Title of {source}", "2024-03-01", "Ida Berg", "en")
    return whole, tuple(
        Passage(whole.id, whole.content_hash, start, end, text[start:end], "Title. ", (Span(start, end),))
        for start, end, _ in blocks
    )


def vectors(key: str) -> PassageVectors:
    """Return vectors that are the same for the same key and for no other."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    matrix = np.random.default_rng(seed).normal(size=(2, DIMENSION)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return PassageVectors(matrix[0], matrix[1:])


def indexed(source: str, content: str = "d") -> FileRecord:
    return FileRecord(source, "indexed", None, "signature", content)


def stage(ledger: Ledger, source: str, *texts: str) -> Staged:
    whole, passages = article(source, *texts)
    return ledger.stage(source, digest(*texts), [(whole, passages, [digest(part)[:16] for part in texts])])


def embed(ledger: Ledger, staged: Staged) -> list[str]:
    """Store the vectors that are missing and return the texts that had none."""
    missing = ledger.unembedded(staged)
    ledger.store_vectors({key: vectors(key) for key in missing})
    return [item.text for item in missing.values()]


def put(ledger: Ledger, source: str, *texts: str) -> Staged:
    staged = stage(ledger, source, *texts)
    embed(ledger, staged)
    ledger.publish(staged, indexed(source))
    return staged


def texts(ledger: LedgerReader) -> list[str]:
    """Return the texts of all passages that may answer."""
    rows, _ = ledger.active_rows()
    return sorted(item.passage.text for item in ledger.passages(rows).values())


def found(ledger: LedgerReader, *terms: str) -> list[str]:
    rows = ledger.search_terms(terms, 1000)
    return [ledger.passages([row])[row].passage.text for row in rows]


def stored_vectors(ledger: LedgerReader) -> int:
    return int(ledger._all("SELECT count(*) FROM vectors")[0][0])


@pytest.fixture
def reader(tmp_path: Path, ledger: Ledger) -> Iterator[LedgerReader]:
    reader = LedgerReader(tmp_path, readonly=True)
    yield reader
    reader.close()


# ---------------------------------------------------------------- versions


def test_what_was_stored_comes_back_whole(ledger: Ledger) -> None:
    staged = put(ledger, "a.md", "The bridge is long.", "茶叶 😀 is tea.")
    whole, passages = article("a.md", "The bridge is long.", "茶叶 😀 is tea.")
    stored = ledger.passages(staged.rows)
    assert [stored[row].passage for row in staged.rows] == list(passages)
    assert ledger.article(whole.id) == whole
    source = stored[staged.rows[0]].source
    assert (source.title, source.published, source.author, source.language, source.url, source.visibility) == (
        "Title of a.md", "2024-03-01", "Ida Berg", "en", None, "public",
    )  # fmt: skip
    expected = vectors(staged.vector_keys[1])
    assert np.array_equal(stored[staged.rows[1]].vectors.passage, expected.passage)
    assert stored[staged.rows[1]].vectors.sentences == pytest.approx(expected.sentences, abs=1e-3)
    assert np.array_equal(ledger.passage_vectors(staged.vector_keys)[1], expected.passage)


def test_a_reader_beside_the_owner_sees_the_old_version_until_the_new_one_is_published(
    ledger: Ledger, reader: LedgerReader
) -> None:
    put(ledger, "a.md", "Old bridge.")
    staged = stage(ledger, "a.md", "New bridge.", "New river.")
    embed(ledger, staged)
    token = reader.state()
    with ledger.transaction():
        ledger.publish(staged, indexed("a.md"))
        for _ in range(2):
            assert texts(reader) == found(reader, "bridg") == ["Old bridge."]
    assert reader.state() != token
    assert texts(reader) == ["New bridge.", "New river."]
    assert found(reader, "bridg") == ["New bridge."]
    assert reader.passage_count() == ledger.passage_count() == 2


def test_the_token_of_the_owner_changes_with_its_own_writes(ledger: Ledger) -> None:
    token = ledger.state()
    assert ledger.passage_count() == 0
    put(ledger, "a.md", "Old bridge.")
    assert ledger.state() != token
    assert ledger.passage_count() == 1


def test_a_retired_article_is_gone_from_every_search_at_once(ledger: Ledger, reader: LedgerReader) -> None:
    staged = put(ledger, "a.md", "Old bridge.")
    put(ledger, "b.md", "Old river.")
    ledger.retire("a.md")
    for view in (ledger, reader):
        assert found(view, "bridg") == []
        assert view.passages(staged.rows) == {}
        assert view.term_scores(["bridg"], staged.rows) == {}
        assert view.document_frequencies(["bridg", "old"]) == {"bridg": 0, "old": 1}
        assert view.article(article_id("a.md")) is None
        assert set(view.files()) == {"b.md"}
        assert view.counts() == {"articles": 1, "passages": 1, "indexed": 1, "skipped": 0, "failed": 0}


def test_a_retired_file_may_keep_a_state_of_its_own(ledger: Ledger) -> None:
    put(ledger, "a.md", "Old bridge.")
    record = FileRecord("a.md", "skipped", "empty: no text in it", "s", "d")
    ledger.retire("a.md", record)
    assert ledger.files() == {"a.md": record}
    assert texts(ledger) == []


def test_a_failing_transaction_keeps_nothing(ledger: Ledger, reader: LedgerReader) -> None:
    put(ledger, "a.md", "Old bridge.")

    def several() -> None:
        with ledger.transaction():
            put(ledger, "a.md", "New bridge.")
            with ledger.transaction():
                ledger.retire("b.md", FileRecord("b.md", "failed", "no", "s", "d"))
                ledger.put("fact", "new")
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        several()
    for view in (ledger, reader):
        assert texts(view) == found(view, "bridg") == ["Old bridge."]
        assert (view.get("fact"), set(view.files()), stored_vectors(view)) == (None, {"a.md"}, 1)
    put(ledger, "a.md", "New bridge.")
    assert texts(reader) == ["New bridge."]


def test_a_process_killed_inside_a_transaction_keeps_nothing_of_it(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger, "a.md", "Old bridge.")
    ledger.close()
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.test_ledger import Ledger, put\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "with ledger.transaction():\n"
        "    put(ledger, 'a.md', 'New bridge.', *(f'Long text {i} ' * 2000 for i in range(300)))\n"
        "    os._exit(9)\n"
    )
    root = Path(__file__).resolve().parent.parent
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, check=False).returncode == 9
    again = Ledger(tmp_path)
    try:
        assert texts(again) == found(again, "bridg") == ["Old bridge."]
        assert again._all("PRAGMA integrity_check") == [("ok",)]
    finally:
        again.close()


def test_threads_that_read_see_one_version_while_another_publishes(ledger: Ledger) -> None:
    put(ledger, "a.md", "Version 0 bridge.", "Version 0 river.")

    def read(_: int) -> None:
        with ledger.snapshot():
            rows = ledger.search_terms(["version"], 10)
            seen = {item.passage.text.split()[1] for item in ledger.passages(rows).values()}
            assert (len(rows), len(seen)) == (2, 1)

    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(read, i) for i in range(200)]
        for version in range(1, 30):
            put(ledger, "a.md", f"Version {version} bridge.", f"Version {version} river.")
        assert [done.result() for done in reads] == [None] * 200


def test_facts_about_the_library_are_kept_and_replaced(ledger: Ledger, reader: LedgerReader) -> None:
    assert reader.get("folder") is None
    ledger.put("folder", "a")
    ledger.put("folder", "b")
    assert reader.get("folder") == "b"


def test_a_file_that_is_indexed_has_no_reason_and_every_other_has_one(ledger: Ledger) -> None:
    with pytest.raises(StoreError):
        ledger.record(FileRecord("a.md", "indexed", "but why", "s", "d"))
    with pytest.raises(StoreError):
        ledger.record(FileRecord("a.md", "failed", None, "s", "d"))


# ---------------------------------------------------------------- vectors, resuming, collecting


def test_equal_text_is_embedded_once_whatever_file_or_version_it_is_in(ledger: Ledger) -> None:
    first = stage(ledger, "a.md", "Same text.", "Same text.", "First text.")
    assert embed(ledger, first) == ["Same text.", "First text."]
    ledger.publish(first, indexed("a.md"))
    second = stage(ledger, "b.md", "Same text.", "Second text.")
    assert embed(ledger, second) == ["Second text."]
    ledger.publish(second, indexed("b.md"))
    assert (stored_vectors(ledger), ledger.passage_count()) == (3, 5)


def test_vectors_stay_as_long_as_one_passage_uses_them(ledger: Ledger) -> None:
    put(ledger, "a.md", "Same text.", "First text.")
    put(ledger, "b.md", "Same text.")
    ledger.retire("a.md")
    ledger.collect()
    assert (stored_vectors(ledger), texts(ledger)) == (1, ["Same text."])
    ledger.retire("b.md")
    ledger.collect()
    assert (stored_vectors(ledger), texts(ledger)) == (0, [])


def test_a_version_staged_by_a_run_that_was_cut_off_is_taken_up_again(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger, "a.md", "Old text.")
    staged = stage(ledger, "a.md", "New text.", "More text.")
    ledger.store_vectors({staged.vector_keys[0]: vectors(staged.vector_keys[0])})
    ledger.close()
    again = Ledger(tmp_path)
    try:
        resumed = again.staged("a.md", digest("New text.", "More text."))
        assert resumed == staged
        assert again.staged("a.md", digest("Old text.")) is None
        assert again.staged("b.md", digest("New text.", "More text.")) is None
        assert embed(again, resumed) == ["More text."]
        again.publish(resumed, indexed("a.md"))
        assert texts(again) == ["More text.", "New text."]
    finally:
        again.close()


def test_a_staged_version_that_is_replaced_leaves_its_vectors_to_the_next(ledger: Ledger) -> None:
    embed(ledger, stage(ledger, "a.md", "Same text.", "First draft."))
    replaced = stage(ledger, "a.md", "Same text.", "Second draft.")
    assert embed(ledger, replaced) == ["Second draft."]
    ledger.publish(replaced, indexed("a.md"))
    ledger.collect()
    assert (texts(ledger), stored_vectors(ledger)) == (["Same text.", "Second draft."], 2)


def test_row_numbers_are_never_used_twice(ledger: Ledger) -> None:
    seen: set[int] = set()
    for version in range(4):
        rows = put(ledger, "a.md", f"Text {version}.", f"More {version}.").rows
        assert not seen & set(rows)
        seen |= set(rows)
        ledger.retire("a.md")
        ledger.collect()


def test_an_empty_library_answers_with_nothing(ledger: Ledger, reader: LedgerReader) -> None:
    for view in (ledger, reader):
        assert view.active_rows() == ([], [])
        assert view.passage_vectors([]).shape[0] == 0
        assert view.passages([]) == {}
        assert view.search_terms(["bridg"], 5) == []
        assert view.search_terms([], 5) == []
        assert view.term_scores(["bridg"], []) == {}
        assert view.document_frequencies(["bridg"]) == {"bridg": 0}
        assert set(view.counts().values()) == {0}


def test_more_rows_than_one_statement_takes_are_read(ledger: Ledger) -> None:
    staged = put(ledger, "a.md", *(f"Bridge number {i}." for i in range(1203)))
    assert len(ledger.passages(staged.rows)) == 1203
    assert len(ledger.term_scores(["bridg"], staged.rows)) == 1203
    assert ledger.passage_vectors(staged.vector_keys).shape == (1203, DIMENSION)


# ---------------------------------------------------------------- any history ends as a clean build does

WORDS = "bridge river tea queen rust cable 茶叶 云南 3.5 long".split()
TERMS = question_terms(" ".join(WORDS))
CONTENTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), min_size=1, max_size=3)
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["publish", "publish", "stage", "retire", "collect"]), CONTENTS),
    max_size=15,
)


def ranking(ledger: LedgerReader, terms: list[str]) -> list[tuple[float, str, str]]:
    rows = ledger.search_terms(terms, 1000)
    scores = ledger.term_scores(terms, rows)
    stored = ledger.passages(rows)
    assert [scores[row] for row in rows] == sorted(scores.values(), reverse=True)
    return sorted(
        (round(score, 9), stored[row].source.source, stored[row].passage.text) for row, score in scores.items()
    )


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_any_sequence_of_changes_leaves_what_a_clean_build_of_the_last_versions_has(
    steps: list[tuple[str, str, list[str]]],
) -> None:
    last: dict[str, list[str]] = {}
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        ledger, clean = Ledger(Path(one)), Ledger(Path(other))
        try:
            for source, action, content in steps:
                if action == "publish":
                    put(ledger, source, *content)
                    last[source] = content
                elif action == "stage":
                    embed(ledger, stage(ledger, source, *content))
                elif action == "retire":
                    ledger.retire(source)
                    last.pop(source, None)
                else:
                    ledger.collect()
                several = "SELECT count(*) FROM articles WHERE active = 1 GROUP BY article_id HAVING count(*) > 1"
                assert ledger._all(several) == []
            for source, content in last.items():
                put(clean, source, *content)

            assert texts(ledger) == texts(clean)
            assert ledger.counts() == clean.counts()
            assert ledger.document_frequencies(TERMS) == clean.document_frequencies(TERMS)
            for terms in ([term] for term in TERMS):
                assert ranking(ledger, terms) == ranking(clean, terms)
            assert ranking(ledger, TERMS) == ranking(clean, TERMS)

            ledger.collect()
            assert texts(ledger) == texts(clean)
            for table in ("articles", "passages", "vectors", "lexical"):
                count = f"SELECT count(*) FROM {table}"
                assert ledger._all(count) == clean._all(count), table
        finally:
            ledger.close()
            clean.close()


# ---------------------------------------------------------------- lexical search

SENTENCES = [
    "The bridge at Ostvik was opened in 1931.",
    "Rust was found near the cables; NEAR and OR and NOT are words.",
    "茶叶最早产于中国云南。",
    "It cost 3.5 million crowns, or 12,000 euros.",
    "context body rowid rank lexical bm25 highlight",
    'naïve don\'t U.S. state-of-the-art C++ x*y "quoted"',
]
SYNTAX = (
    '" "" \' OR AND NOT NEAR(a * ^ : ( ) -- + {a} context:bridge body:x -bridge bridge* ;DROP \x00 \\ ?1 %s'.split()
)
QUESTIONS = st.text() | st.lists(st.sampled_from(SYNTAX + WORDS) | st.text(max_size=5), max_size=20).map(" ".join)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("searched"))
    put(ledger, "a.md", *SENTENCES)
    yield ledger
    ledger.close()


@settings(max_examples=300, deadline=None)
@given(QUESTIONS)
def test_any_question_finds_exactly_the_passages_that_share_a_term_with_it(searched: Ledger, question: str) -> None:
    terms = question_terms(question)
    expected = {sentence for sentence in SENTENCES if set(terms) & set(index_terms(ABOUT + sentence))}
    assert set(found(searched, *terms)) == expected
    rows, _ = searched.active_rows()
    scores = searched.term_scores(terms, rows)
    assert sorted(scores, key=lambda row: (-scores[row], row)) == searched.search_terms(terms, 100)
    holding = {term: sum(term in index_terms(ABOUT + sentence) for sentence in SENTENCES) for term in terms}
    assert searched.document_frequencies(terms) == holding


@pytest.mark.parametrize("term", [text for text in SYNTAX if "\x00" not in text])
def test_a_term_that_looks_like_syntax_is_text(searched: Ledger, term: str) -> None:
    plain = set(index_terms(term)) - set(index_terms(ABOUT))
    whole = set(index_terms(term)) <= plain
    assert not whole or set(found(searched, term)) <= {text for text in SENTENCES if plain & set(index_terms(text))}


def test_rarer_terms_weigh_more(searched: Ledger) -> None:
    rows, _ = searched.active_rows()
    common, rare = (max(searched.term_scores([term], rows).values()) for term in ("or", "rust"))
    assert 0 < common < rare


def test_the_limit_keeps_the_best(searched: Ledger) -> None:
    terms = question_terms("bridge opened 1931 cost or")
    assert searched.search_terms(terms, 2) == searched.search_terms(terms, 100)[:2]


@pytest.mark.parametrize("count", [256, 257, 5_000, 100_000])
def test_thousands_of_terms_are_searched_in_a_moment(searched: Ledger, count: int) -> None:
    terms = ["bridg", *(f"word{i}" for i in range(count))]
    began = time.process_time()
    assert found(searched, *terms) == [SENTENCES[0]]
    rows, _ = searched.active_rows()
    assert len(searched.term_scores(terms, rows)) == 1
    assert time.process_time() - began < 2


def test_scores_of_chosen_rows_cost_no_more_than_the_search(ledger: Ledger) -> None:
    words = [f"w{i}" for i in range(200)]
    shuffled = random.Random(1)
    staged = put(ledger, "a.md", *(" ".join(shuffled.choices(words, k=60)) for _ in range(300)))
    began = time.process_time()
    everything = ledger.search_terms(words, 300)
    search = time.process_time() - began
    began = time.process_time()
    assert ledger.term_scores(words, staged.rows).keys() == set(everything)
    assert time.process_time() - began < 10 * search + 0.1


# ---------------------------------------------------------------- files that cannot be used


@pytest.fixture
def full(tmp_path: Path) -> bytes:
    """The bytes of a library with forty articles."""
    folder = tmp_path / "full"
    folder.mkdir()
    ledger = Ledger(folder)
    with ledger.transaction():
        for i in range(40):
            put(ledger, f"{i}.md", f"Wörter über Brücke {i}. " * 30, "Rust was found.")
    ledger.close()
    return (folder / FILE_NAME).read_bytes()


def everything(data: bytes, *, readonly: bool = False) -> list[object]:
    """Open a library of these bytes, read all of it and, as its owner, write to it."""
    with TemporaryDirectory() as folder:
        (Path(folder) / FILE_NAME).write_bytes(data)
        ledger = Ledger(Path(folder), readonly=readonly)
        try:
            rows, keys = ledger.active_rows()
            read = [
                ledger.counts(),
                ledger.files(),
                {row: (item.passage, item.source) for row, item in ledger.passages(rows).items()},
                ledger.passage_vectors(keys).tolist(),
                [ledger.article(article_id(f"{i}.md")) for i in range(40)],
                ledger.search_terms(["rust", "bruck"], 1000),
                ledger.document_frequencies(["rust"]),
            ]
            if not readonly:
                put(ledger, "0.md", "New text.")
                ledger.collect()
            return read
        finally:
            ledger.close()


@pytest.mark.parametrize("readonly", [False, True], ids=["owner", "reader"])
def test_a_cut_off_file_is_a_store_error(full: bytes, readonly: bool) -> None:
    whole = everything(full, readonly=readonly)
    assert whole[0] == {"articles": 40, "passages": 80, "indexed": 40, "skipped": 0, "failed": 0}
    for length in (99, 600, 4096, 5000, len(full) // 3, len(full) // 2, len(full) - 4096):
        with pytest.raises(StoreError, match=r"cannot be used.*backup"):
            everything(full[:length], readonly=readonly)


@pytest.mark.parametrize("readonly", [False, True], ids=["owner", "reader"])
@pytest.mark.parametrize("data", [b"some notes of mine", random.Random(1).randbytes(20_000)], ids=["text", "random"])
def test_a_file_that_is_no_database_is_a_store_error_and_stays_as_it_is(
    tmp_path: Path, data: bytes, readonly: bool
) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(StoreError, match="not a database"):
        Ledger(tmp_path, readonly=readonly)
    assert (tmp_path / FILE_NAME).read_bytes() == data


def test_damage_anywhere_is_an_error_of_ours_or_goes_unnoticed(full: bytes) -> None:
    raised = 0
    for seed in range(150):
        dice = random.Random(seed)
        data = bytearray(full)
        at, length = dice.randrange(len(data)), dice.choice([1, 8, 300, 5000])
        data[at : at + length] = dice.randbytes(len(data[at : at + length]))
        try:
            everything(bytes(data))
        except StoreError:
            raised += 1
    assert raised > 20


def test_text_that_is_not_utf8_is_a_store_error(full: bytes) -> None:
    damaged = full.replace("Brücke".encode(), b"Br\xff\xffcke")
    assert damaged != full
    with pytest.raises(StoreError, match="cannot be used"):
        everything(damaged)


@pytest.mark.parametrize("readonly", [False, True], ids=["owner", "reader"])
def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, full: bytes, readonly: bool) -> None:
    (tmp_path / FILE_NAME).write_bytes(full)
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match=r"newer Footnote .*Upgrade"):
        Ledger(tmp_path, readonly=readonly)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_reader_without_a_library_is_told_to_sync_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no library .*footnote sync"):
        LedgerReader(tmp_path, readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_comes_before_the_tables_are_made_is_told_the_same(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(StoreError, match=r"no library .*footnote sync"):
        LedgerReader(tmp_path, readonly=True)


def test_a_library_opened_for_reading_cannot_be_written(ledger: Ledger, tmp_path: Path) -> None:
    reader = Ledger(tmp_path, readonly=True)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            reader.put("fact", "new")
    finally:
        reader.close()


def test_a_second_writer_is_told_that_the_first_is_busy(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.ledger.database._BUSY_SECONDS", 0)
    other = Ledger(tmp_path)
    try:
        with ledger.transaction(), pytest.raises(BusyError, match="Another process is writing"):
            other.put("fact", "new")
        other.put("fact", "new")
        assert ledger.get("fact") == "new"
    finally:
        other.close()


# ---------------------------------------------------------------- an older schema


def shape(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns of every table and index of a database, in the order of their names."""
    with closing(sqlite3.connect(file)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")]
        columns = {name: sorted(row[1:] for row in db.execute(f"PRAGMA table_info({name})")) for name in names}
        indexes = {name: [row[1:] for row in db.execute(f"PRAGMA index_info({name})")] for name in names}
    return {name: columns[name] or [(row[-1],) for row in indexes[name]] for name in sorted(names)}


@pytest.fixture
def old(ledger: Ledger, tmp_path: Path) -> Path:
    """A folder with a library of schema 1 that holds what `ledger` holds."""
    put(ledger, "a.md", "Old bridge.", "Old river.")
    put(ledger, "b.md", "茶叶 tower.")
    stage(ledger, "a.md", "New bridge.")
    ledger.put("articles_folder", "../articles")
    ledger.record(FileRecord("c.md", "skipped", "empty", "", "x"))
    folder = tmp_path / "old"
    folder.mkdir()
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.executescript(FIRST_SCHEMA)
        db.execute("ATTACH ? AS now", (str(ledger.path),))
        for table, columns in FIRST_COLUMNS.items():
            db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM now.{table}")
        db.commit()
    return folder


def test_a_library_of_the_first_schema_is_upgraded_when_its_owner_opens_it(ledger: Ledger, old: Path) -> None:
    for _ in range(2):
        with closing(Ledger(old, check=True)) as upgraded:
            assert upgraded.damage() == []
            assert upgraded._all("PRAGMA user_version") == [(SCHEMA_VERSION,)]
            assert list(upgraded.all_articles()) == list(ledger.all_articles())
            assert upgraded.active_rows() == ledger.active_rows()
            assert (upgraded.files(), upgraded.sources()) == (ledger.files(), ledger.sources())
            assert found(upgraded, "bridg") == ["Old bridge."]
            assert (upgraded.web_pages(), upgraded.get("articles_folder")) == ({}, "../articles")
    assert shape(old / FILE_NAME) == shape(ledger.path)


def test_an_upgraded_library_publishes_and_retires_as_any_other(ledger: Ledger, old: Path) -> None:
    with closing(Ledger(old)) as upgraded:
        put(upgraded, "a.md", "New bridge.")
        upgraded.retire("b.md")
        upgraded.collect()
        assert texts(upgraded) == ["New bridge."]
        assert not any(count_faults(upgraded).values())
        assert leftovers(upgraded) == 0


def test_a_library_of_an_older_schema_is_not_upgraded_by_who_only_reads(old: Path) -> None:
    before = (old / FILE_NAME).read_bytes()
    with pytest.raises(StoreError, match=r"older Footnote.*footnote sync"):
        LedgerReader(old, readonly=True)
    assert (old / FILE_NAME).read_bytes() == before


def test_an_upgrade_that_fails_leaves_the_older_library_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(UPGRADES, 1, UPGRADES[1] + "INSERT INTO nowhere VALUES (1);")
        with pytest.raises(StoreError, match="nowhere"):
            Ledger(old)
    with closing(sqlite3.connect(old / FILE_NAME)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    with closing(Ledger(old)) as upgraded:
        assert len(texts(upgraded)) == 3


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute("CREATE TABLE bookmarks (address TEXT)")
        db.commit()
    before = (tmp_path / FILE_NAME).read_bytes()
    try:
        with pytest.raises(StoreError):
            Ledger(tmp_path).close()
    finally:
        assert (tmp_path / FILE_NAME).read_bytes() == before


# ---------------------------------------------------------------- pages, parts, web pages, copies, traces


def test_pages_parts_and_notes_come_back_whole(ledger: Ledger) -> None:
    plain, passages = article("a.pdf", "The bridge is long.", "The river is deep.")
    whole = replace(plain, part="3 茶", pages=(0, 0, 21, 39), notes=("page 1 has no text", "“doubt”"))
    (first, second) = (
        replace(passage, article_id=whole.id, pages=pages)
        for passage, pages in zip(passages, [((0, 2),), ((21, 3),)], strict=True)
    )
    staged = ledger.stage("a.pdf", "d", [(whole, (first, second), ["k1", "k2"])])
    embed(ledger, staged)
    ledger.publish(staged, indexed("a.pdf"))
    assert ledger.articles_of("a.pdf") == [whole]
    assert [item.passage for item in ledger.passages(staged.rows).values()] == [first, second]
    assert ledger.sources()[0].source == "a.pdf#3 茶"


def test_a_web_page_comes_back_as_it_was_fetched_and_its_digest_tells_every_change(ledger: Ledger) -> None:
    address = "https://example.org/x"
    seen = set()
    for page in (WebPage(address, "utf-8", b"\0a"), WebPage(address, None, b"\0a"), WebPage(address, None, b"")):
        ledger.put_web_page(page)
        assert ledger.web_page(address) == page
        seen.add(ledger.web_pages()[address])
    assert len(seen) == 3
    ledger.drop_web_page(address)
    assert (ledger.web_page(address), ledger.web_pages()) == (None, {})


def test_a_copy_is_the_library_as_it_is_and_sound(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger, "a.md", "Old bridge.")
    copy = tmp_path / "copy"
    copy.mkdir()
    ledger.backup(copy / FILE_NAME)
    put(ledger, "a.md", "New bridge.")
    with closing(LedgerReader(copy, readonly=True)) as reader:
        assert texts(reader) == found(reader, "bridg") == ["Old bridge."]
        assert reader.damage() == reader.damage("quick_check") == []


def test_what_is_removed_and_compacted_is_nowhere_in_the_file(ledger: Ledger) -> None:
    secret = " ".join(f"quixotic{i}" for i in range(2000))
    put(ledger, "a.md", "Old bridge.")
    put(ledger, "secret.md", secret, "Another zanzibar.")
    assert b"quixotic1999" in ledger.path.read_bytes()
    ledger.retire("secret.md")
    ledger.collect()
    assert secret.encode() not in ledger.path.read_bytes()  # its text is overwritten at once
    ledger.compact()
    data = ledger.path.read_bytes().lower()
    assert b"quixotic" not in data
    assert b"zanzibar" not in data
    assert texts(ledger) == found(ledger, "bridg") == ["Old bridge."]


def test_damage_says_what_is_wrong_with_the_file(ledger: Ledger) -> None:
    put(ledger, "a.md", "Old bridge.")
    assert ledger.damage() == []
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, '(file)', '(title)') WHERE name = 'articles_of_file'")
        db.commit()
    with closing(LedgerReader(ledger.path.parent, readonly=True)) as reader:
        assert "articles_of_file" in " ".join(reader.damage())


def test_a_library_opened_before_a_fork_is_refused_after_it(ledger: Ledger) -> None:
    put(ledger, "a.md", "Old bridge.")
    here, there = os.pipe()
    child = os.fork()
    if not child:
        try:
            texts(ledger)
            os.write(there, b"read it")
        except StoreError as error:
            os.write(there, str(error).encode())
        finally:
            os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    said = os.read(here, 1000)
    os.close(here)
    assert b"before this process was forked" in said
    assert texts(ledger) == ["Old bridge."]
