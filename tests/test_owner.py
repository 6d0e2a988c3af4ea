"""What only the owner of a library does: web pages, taking out with every trace, taking back, a new index."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.app import Footnote
from rag.embed import MiniLMEmbedding
from rag.errors import InputError, StoreError
from rag.fetch import Page
from rag.ledger import FILE_NAME
from rag.ledger.check import count_faults, leftovers
from rag.sync import REMOVED
from tests.conftest import record_embedding

Open = Callable[..., Footnote]
RIVER = "<html><title>The river Elva</title><body><p>The river Elva is 97 kilometres long. It freezes in winter.</p>"
ADDRESS = "https://example.org/river"


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, Page]:
    """The pages there are on the web, by the address that is asked for."""
    pages: dict[str, Page] = {}

    def fetch(address: str) -> Page:
        if address not in pages:
            raise InputError(f"{address} could not be reached.")
        return pages[address]

    monkeypatch.setattr("rag.fetch.fetch_page", fetch)
    return pages


def page(text: str = RIVER, url: str = ADDRESS, charset: str | None = "utf-8") -> Page:
    return Page(url, text.encode(charset or "utf-8"), charset, "text/html")


def sources(library: Footnote) -> set[str]:
    """Return what answers, as the ledger and as a search over everything have it, which must be the same."""
    found = {hit.source.source for hit in library.search("river bridge bees tea", 50).hits}
    assert found == {source.source for source in library.sources()}
    assert library.owner.index.rows() >= set(library._ledger.active_rows()[0])
    assert not any(count_faults(library._ledger).values())
    return found


def kept(library: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a library, in lower case.

    Not those of Chroma's slots for vectors to come: it writes them as they are in memory, which can be anything.
    """
    files = [path for path in library.rglob("*") if path.is_file() and path.name != "data_level0.bin"]
    return {str(path): path.read_bytes().lower() for path in files}


FILES = {"bees.txt", "bridge.md", "茶.md"}

# ---------------------------------------------------------------- web pages


def test_a_page_answers_under_its_address_and_stays_through_syncs_and_closing(
    open_at: Open, web: dict[str, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    web[ADDRESS] = page()
    with open_at() as library:
        report = library.owner.add(ADDRESS)
        assert (report.indexed, report.skipped, report.failed, report.removed) == ((ADDRESS,), (), (), ())
        answer = library.ask("How long is the river Elva?")
        assert answer.citations[0].source.source == ADDRESS
        assert "97 kilometres" in answer.text
        library.sync()
    web.clear()
    paid = record_embedding(monkeypatch)
    with open_at() as library:
        report = library.sync()
        assert (report.indexed, report.removed, report.unchanged) == ((), (), 4)
        assert sources(library) == {*FILES, ADDRESS}
    assert paid == []


def test_a_page_is_known_by_the_address_that_it_was_redirected_to(open_at: Open, web: dict[str, Page]) -> None:
    web["http://example.org"] = page()
    with open_at() as library:
        assert library.owner.add("http://example.org").indexed == (ADDRESS,)
        assert library.owner.add("http://example.org").unchanged == 1
        assert sources(library) == {ADDRESS}


def test_a_page_that_is_added_again_replaces_what_it_was(open_at: Open, web: dict[str, Page]) -> None:
    with open_at() as library:
        web[ADDRESS] = page()
        library.owner.add(ADDRESS)
        web[ADDRESS] = page(RIVER.replace("97", "98"))
        assert library.owner.add(ADDRESS).indexed == (ADDRESS,)
        library.sync()
        texts = [hit.passage.text for hit in library.search("How long is the river Elva?", 50).hits]
        assert "98 kilometres" in " ".join(texts)
        assert "97 kilometres" not in " ".join(texts)
        assert leftovers(library._ledger) == 0


def test_the_charset_that_the_server_said_is_kept_with_the_page(open_at: Open, web: dict[str, Page]) -> None:
    web[ADDRESS] = page("<p>Страна большая. Река длинная.</p>", charset="koi8-r")
    with open_at() as library:
        library.owner.add(ADDRESS)
        kept = library._ledger.web_page(ADDRESS)
        assert kept is not None
        assert (kept.charset, kept.data) == ("koi8-r", web[ADDRESS].data)


@pytest.mark.parametrize("text", ["", "<html></html>", "* * *"])
def test_a_page_that_cannot_be_read_is_not_kept_and_leaves_what_was_there(
    open_at: Open, web: dict[str, Page], text: str
) -> None:
    with open_at() as library:
        web["https://example.org/empty"] = page(text, "https://example.org/empty")
        with pytest.raises(InputError, match=r"https://example\.org/empty was not added: "):
            library.owner.add("https://example.org/empty")
        assert library._ledger.web_pages() == {}
        web[ADDRESS] = page()
        library.owner.add(ADDRESS)
        web[ADDRESS] = page(text)
        with pytest.raises(InputError):
            library.owner.add(ADDRESS)
        library.sync()
        assert sources(library) == {*FILES, ADDRESS}


def test_a_page_that_cannot_be_reached_changes_nothing(open_at: Open, web: dict[str, Page]) -> None:
    with open_at() as library:
        library.sync()
        with pytest.raises(InputError, match="could not be reached"):
            library.owner.add("https://example.org/none")
        assert sources(library) == FILES


def test_a_page_equal_to_a_file_answers_once_and_by_itself_when_the_file_is_gone(
    open_at: Open, web: dict[str, Page], folder: Path
) -> None:
    web[ADDRESS] = page(charset=None)
    with open_at() as library:
        library.owner.add(ADDRESS)
        (folder / "river.html").write_text(RIVER)
        report = library.sync()
        assert (ADDRESS, "same content as river.html") in report.skipped
        assert sources(library) == {*FILES, "river.html"}
        (folder / "river.html").unlink()
        assert library.sync().indexed == (ADDRESS,)
        assert sources(library) == {*FILES, ADDRESS}


def test_a_page_equal_to_a_file_that_is_there_is_told_so_at_once(
    open_at: Open, web: dict[str, Page], folder: Path
) -> None:
    web[ADDRESS] = page(charset=None)
    (folder / "river.html").write_text(RIVER)
    with open_at() as library:
        library.sync()
        report = library.owner.add(ADDRESS)
        assert report.skipped == ((ADDRESS, "same content as river.html"),)
        assert sources(library) == {*FILES, "river.html"}


def test_a_removed_page_leaves_without_a_mark_and_can_be_added_again(open_at: Open, web: dict[str, Page]) -> None:
    web[ADDRESS] = page()
    with open_at() as library:
        library.sync()
        library.owner.add(ADDRESS)
        library.owner.remove(ADDRESS)
        assert sources(library) == FILES
        assert ADDRESS not in library._ledger.files()
        assert library._ledger.web_page(ADDRESS) is None
        assert library.sync().unchanged == 3
        assert library.owner.add(ADDRESS).indexed == (ADDRESS,)


def test_a_page_added_before_there_is_a_folder_is_guarded_by_its_embedder_too(
    open_at: Open, web: dict[str, Page], tmp_path: Path, embedder: MiniLMEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    web[ADDRESS] = page()
    with open_at(articles=tmp_path / "not yet") as library:
        library.owner.add(ADDRESS)
    other = embedder.model_copy(update={"fingerprint": "another"})
    monkeypatch.setattr("rag.factory.MiniLMEmbedding", lambda _folder: other)
    with pytest.raises(StoreError, match="another embedder"):
        open_at(articles=tmp_path / "not yet")


# ---------------------------------------------------------------- taking out and back


def test_nothing_of_a_removed_article_is_left_on_the_disk(open_at: Open, folder: Path, tmp_path: Path) -> None:
    words = [f"zanzi{chr(97 + i // 26)}{chr(97 + i % 26)}bar" for i in range(300)]
    (folder / "secret.md").write_text("---\ntitle: Quelverdam\n---\n\n" + " ".join(words) + ".\n")
    with open_at() as library:
        library.sync()
        rows = library.owner.index.rows()
        whole = b"".join(kept(tmp_path / "library").values())
        assert b"zanziaabar" in whole
        library.owner.remove("secret.md")
        left = library.owner.index.rows()
        assert left == set(library._ledger.active_rows()[0])
        assert left < rows
        assert sources(library) == FILES
    for path, data in kept(tmp_path / "library").items():
        assert b"zanzi" not in data, path
        assert b"quelverdam" not in data, path


def test_nothing_of_a_removed_page_is_left_on_the_disk(open_at: Open, web: dict[str, Page], tmp_path: Path) -> None:
    web[ADDRESS] = page("<p>" + " ".join(f"zanzi{i}bar" for i in range(3000)) + ".</p>")
    with open_at() as library:
        library.owner.add(ADDRESS)
        library.owner.remove(ADDRESS)
    for path, data in kept(tmp_path / "library").items():
        assert b"zanzi" not in data, path


def test_a_removed_file_stays_out_until_it_is_added_and_costs_one_embedding_then(
    open_at: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        library.owner.remove("bridge.md")
        assert (folder / "bridge.md").exists()
        report = library.sync()
        assert report.skipped == (("bridge.md", REMOVED),)
        library.owner.remove("bridge.md")
        assert sources(library) == FILES - {"bridge.md"}
        paid = record_embedding(monkeypatch)
        assert library.owner.add("bridge.md").indexed == ("bridge.md",)
        assert len(paid) == 1
        assert sources(library) == FILES


def test_a_copy_of_a_removed_file_stays_out_and_comes_back_with_it(open_at: Open, folder: Path) -> None:
    shutil.copy(folder / "bridge.md", folder / "copy.md")
    with open_at() as library:
        library.sync()
        library.owner.remove("bridge.md")
        assert library.sync().skipped == (("bridge.md", REMOVED), ("copy.md", "same content as bridge.md"))
        assert sources(library) == FILES - {"bridge.md"}
        library.owner.add("bridge.md")
        (folder / "bridge.md").unlink()
        library.sync()
        assert sources(library) == FILES - {"bridge.md"} | {"copy.md"}


def test_a_copy_that_answers_nothing_is_not_removed_and_the_one_that_answers_named(open_at: Open, folder: Path) -> None:
    shutil.copy(folder / "bridge.md", folder / "copy.md")
    with open_at() as library:
        library.sync()
        with pytest.raises(InputError, match=r"same content as bridge\.md"):
            library.owner.remove("copy.md")
        library.sync()
        assert sources(library) == FILES


@pytest.mark.parametrize("source", ["none.md", "", "Bridge.md", "./bridge.md", "bridge.md ", "https://example.org/x"])
def test_what_is_not_in_the_library_cannot_be_removed(open_at: Open, source: str) -> None:
    with open_at() as library:
        library.sync()
        with pytest.raises(InputError, match=r"is not in the library.*status --verbose"):
            library.owner.remove(source)
        assert sources(library) == FILES


def test_a_part_of_a_file_is_not_removed_by_itself(open_at: Open, folder: Path) -> None:
    lines = '{"id": "a", "text": "The tower is old. It leans."}\n{"id": "b", "text": "The gate is new. It shines."}\n'
    (folder / "all.jsonl").write_text(lines)
    with open_at() as library:
        library.sync()
        assert sources(library) == {*FILES, "all.jsonl#a", "all.jsonl#b"}
        with pytest.raises(InputError, match=r"all\.jsonl#b"):
            library.owner.remove("all.jsonl#b")
        assert sources(library) == {*FILES, "all.jsonl#a", "all.jsonl#b"}
        library.owner.remove("all.jsonl")
        assert sources(library) == FILES


def test_who_would_remove_a_part_of_a_file_is_told_to_remove_the_file(open_at: Open, folder: Path) -> None:
    (folder / "all.jsonl").write_text('{"id": "a", "text": "The tower is old. It leans."}\n')
    with open_at() as library:
        library.sync()
        with pytest.raises(InputError, match=r"remove all\.jsonl"):
            library.owner.remove("all.jsonl#a")


def test_a_file_that_failed_is_removed_with_its_last_good_version(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").write_text("---\nvisibility: nobody\n---\nText.\n")
        library.sync()
        assert sources(library) == FILES
        library.owner.remove("bridge.md")
        library.sync()
        assert sources(library) == FILES - {"bridge.md"}


def test_an_index_built_anew_holds_exactly_what_answers_and_embeds_nothing(
    open_at: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        (folder / "bridge.md").write_text("The bridge at Ostvik was measured again. It is 418 metres long.\n")
        library.sync()
        assert len(library.owner.index.rows()) == 4
        before = library.ask("How long is the bridge at Ostvik?").to_dict() | {"timings": None}
        paid = record_embedding(monkeypatch)
        steps: list[tuple[int, int]] = []
        assert library.owner.rebuild(lambda *step: steps.append(step)) == 3
        assert (steps, paid) == ([(3, 3)], [])
        assert library.owner.index.rows() == set(library._ledger.active_rows()[0])
        assert library.ask("How long is the bridge at Ostvik?").to_dict() | {"timings": None} == before


def test_an_empty_library_can_be_built_anew(open_at: Open, tmp_path: Path) -> None:
    with open_at() as library:
        assert library.owner.rebuild() == 0
        library.sync()
        assert sources(library) == FILES
    assert (tmp_path / "library" / FILE_NAME).exists()
