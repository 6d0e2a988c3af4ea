"""A scope: only its articles are searched, whatever else the library holds, and what was not searched is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.app import Footnote
from rag.cli import main
from rag.errors import InputError
from rag.receipt import read_receipt, seal, write_receipt
from rag.recheck import faults
from rag.scope import checked_scope
from rag.types import ALL_ARTICLES, Evidence, Scope, evidence_hash

Open = Callable[..., Footnote]
QUESTION = "What did the ferry cost?"
DATES = {"ferry0.md": "2024-01-05", "ferry1.md": "2024-06-01", "ferry2.md": "2025-02-03", "ferry3.md": None}


@pytest.fixture
def library(open_at: Open, folder: Path) -> Iterator[Footnote]:
    for n, (name, date) in enumerate(DATES.items()):
        head = f"---\npublished: {date}\n---\n" if date else ""
        text = f"The new ferry of harbour {n} cost {n + 2} million crowns. Harbour {n} has had it since spring."
        (folder / name).write_text(f"{head}# Harbour {n}\n\n{text}\n")
    with open_at() as opened:
        opened.sync()
        yield opened


def sources(evidence: Evidence) -> set[str]:
    return {hit.source.source for hit in evidence.hits}


def of(evidence: Evidence, names: set[str]) -> list[str]:
    return [hit.passage.id for hit in evidence.hits if hit.source.source in names]


# ---------------------------------------------------------------- what is searched


@pytest.mark.parametrize("all_of", [500, 0], ids=["a scope of few passages", "a scope of many passages"])
def test_only_articles_of_the_scope_are_found_and_all_of_it_is_searched(
    library: Footnote, monkeypatch: pytest.MonkeyPatch, all_of: int
) -> None:
    monkeypatch.setattr("rag.ranking._ALL_OF", all_of)
    everything = library.search(QUESTION, 50)
    names = [source.source for source in library.sources()]
    for chosen in ({"ferry2.md"}, {"ferry0.md", "bees.txt"}, {"茶.md"}, set(names)):
        scope = library.scope(sorted(chosen))
        found = library.search(QUESTION, 50, scope=scope)
        assert sorted(hit.passage.id for hit in found.hits) == sorted(of(everything, chosen))
        assert found.scope == scope
    assert sources(library.search(QUESTION, 50, scope=library.scope(as_of="2024-06-01"))) == {
        "ferry0.md",
        "ferry1.md",
        "bridge.md",
    }
    both = library.scope(["ferry0.md", "ferry2.md", "ferry3.md"], "2024-12-31")
    assert sources(library.search(QUESTION, 50, scope=both)) == {"ferry0.md"}


@given(
    chosen=st.sets(st.sampled_from([*DATES, "bees.txt", "gone"]), min_size=1),
    as_of=st.none() | st.dates().map(lambda day: day.isoformat()) | st.sampled_from(["2024-06-01", "2025-02-03"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_hit_ever_lies_outside_the_scope(library: Footnote, chosen: set[str], as_of: str | None) -> None:
    ids = {source.source: source.article_id for source in library.sources()} | {"gone": "0" * 16}
    scope = Scope(tuple(ids[name] for name in chosen), as_of)
    for question in (QUESTION, "What did the ferry cost, and how long is the bridge?", "?"):
        for hit in library.as_retriever().evidence(question, 20, scope).hits:
            assert hit.source.article_id in scope.articles
            assert as_of is None or (hit.source.published is not None and hit.source.published <= as_of)


def test_a_question_for_two_things_is_searched_for_in_the_scope_alone(library: Footnote) -> None:
    question = "What did the new ferry of harbour 1 cost, and how long is the bridge at Ostvik?"
    assert library.search(question).missing == ()
    found = library.search(question, scope=library.scope(["ferry1.md"]))
    assert (sources(found), found.missing) == ({"ferry1.md"}, ("how long is the bridge at Ostvik",))


def test_a_follow_up_is_understood_from_all_that_was_said_and_searched_for_in_the_scope(library: Footnote) -> None:
    history = [
        {"role": "user", "content": "When was the bridge at Ostvik opened?"},
        {"role": "assistant", "content": "In 1931."},
    ]
    answer = library.ask("And how long is it?", history=history, scope=library.scope(["ferry1.md"]))
    assert answer.standalone_question == "And how long is the bridge at Ostvik?"
    assert sources(answer.evidence) == {"ferry1.md"}
    *_, streamed = library.stream(
        "And how long is it?", history=history, scope=library.scope(["bridge.md"]), models=("quotes",)
    )
    assert "412 metres" in str(streamed)


def test_articles_that_are_gone_are_left_out_and_where_all_are_nothing_is_found(library: Footnote) -> None:
    (known,) = library.scope(["ferry1.md"]).articles
    assert sources(library.search(QUESTION, scope=Scope(("0" * 16, known)))) == {"ferry1.md"}
    answer = library.ask(QUESTION, scope=Scope(("0" * 16,)))
    assert (answer.status, answer.evidence.hits) == ("not_found", ())
    assert "holds no passage" in answer.text


def test_as_a_llama_index_retriever_it_searches_all(library: Footnote) -> None:
    nodes = library.as_retriever().retrieve(QUESTION)
    assert [node.node.node_id for node in nodes] == [hit.passage.id for hit in library.search(QUESTION).hits]


# ---------------------------------------------------------------- what is refused, what is said


@pytest.mark.parametrize(
    "as_of",
    ["", "soon", "2024", "2024-6-1", "20240601", "2024-02-30", "2024-W01-1", "2024-06-01T00:00", "２０２４-06-01"],
)
def test_what_is_no_date_is_refused_with_what_to_write(library: Footnote, as_of: str) -> None:
    for ask in (library.ask, library.search, library.stream):
        with pytest.raises(InputError, match="Write year, month and day, for example 2025-08-31"):
            ask(QUESTION, scope=Scope(as_of=as_of))


def test_what_is_no_id_is_refused_and_an_article_named_twice_counts_once() -> None:
    with pytest.raises(InputError, match="Choose again"):
        checked_scope(Scope(("\ud800",)))
    with pytest.raises(InputError, match="Choose again"):
        checked_scope(Scope((None,)))  # type: ignore[arg-type]
    assert checked_scope(Scope(("a", "b", "a"), "2024-06-01")) == Scope(("a", "b"), "2024-06-01")


@pytest.mark.parametrize(
    ("names", "as_of", "said"),
    [
        (["bees.txt"], None, "Only the chosen article was searched."),
        (["bees.txt", "茶.md"], None, "Only the chosen articles were searched."),
        ([], "2024-03-01", "Only what was published until 2024-03-01 was searched; what has no date was left out."),
        (
            ["bees.txt", "bridge.md"],
            "2024-03-01",
            "Only what of the chosen articles was published until 2024-03-01 was searched; "
            "what has no date was left out.",
        ),
    ],
)
def test_an_answer_that_was_not_found_says_what_alone_was_searched(
    library: Footnote, names: list[str], as_of: str | None, said: str
) -> None:
    question = "Which team won the ice hockey final in Toronto?"
    answer = library.ask(question, scope=library.scope(names, as_of))
    assert answer.status == "not_found"
    assert answer.text.endswith(said)
    assert "searched" not in library.ask(question).text


def test_an_unknown_source_is_named(library: Footnote) -> None:
    with pytest.raises(InputError, match=r"ferry9\.md"):
        library.scope(["ferry1.md", "ferry9.md"])


def test_a_file_of_several_articles_stands_for_all_of_them(open_at: Open, folder: Path) -> None:
    rows = [{"id": str(n), "title": f"Note {n}", "text": f"Note {n} is about the ferry."} for n in range(3)]
    (folder / "notes.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with open_at() as opened:
        opened.sync()
        assert sources(opened.search("ferry", scope=opened.scope(["notes.jsonl"]))) == {
            f"notes.jsonl#{n}" for n in range(3)
        }
        assert sources(opened.search("ferry", scope=opened.scope(["notes.jsonl#1"]))) == {"notes.jsonl#1"}


# ---------------------------------------------------------------- hash, JSON, receipt, command line


def test_the_hash_of_evidence_tells_scopes_apart_and_is_as_it_was_without_one(library: Footnote) -> None:
    found = library.search(QUESTION)
    passages = [hit.passage for hit in found.hits]
    scopes = [ALL_ARTICLES, Scope(("a",)), Scope(("a", "b")), Scope((), "2024-01-01"), Scope(("a",), "2024-01-01")]
    assert len({evidence_hash(QUESTION, passages, scope) for scope in scopes}) == len(scopes)
    assert evidence_hash("How long?", []) == (
        "1f9cfb84f2a70004dfffb84e241a8be7055f3a6b6d38b02ad98833725318228d"  # by the version before there were scopes
    )
    assert evidence_hash(QUESTION, passages, Scope(("b", "a"))) == evidence_hash(QUESTION, passages, scopes[2])


def test_a_receipt_tells_the_scope_and_one_without_it_is_as_before(library: Footnote, tmp_path: Path) -> None:
    plain = library.receipt(library.ask(QUESTION))
    assert "scope" not in plain["evidence"]
    scope = library.scope(["ferry1.md"], "2024-12-31")
    answer = library.ask(QUESTION, scope=scope)
    assert answer.to_dict()["scope"] == {"articles": list(scope.articles), "as_of": "2024-12-31"}
    scoped = library.receipt(answer)
    write_receipt(tmp_path / "scoped.json", scoped)
    read = read_receipt(tmp_path / "scoped.json")
    assert (read.evidence.scope, faults(read)) == (scope, [])
    for number, change in enumerate(({"articles": ["other"], "as_of": None}, {"articles": [], "as_of": "2020-01-01"})):
        altered = {**scoped, "evidence": {**scoped["evidence"], "scope": change}}
        file = tmp_path / f"altered{number}.json"
        file.write_text(json.dumps({**altered, "sha256": seal(altered)}))
        assert "passage 1 is of an article that was not searched" in faults(read_receipt(file))


def test_the_command_line_searches_a_scope_and_verifies_its_receipt(
    library: Footnote, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    library.close()
    at = ["--library", str(tmp_path / "library"), "--articles", str(tmp_path / "articles"), "--json"]
    chosen = ["--article", "ferry0.md", "--article", "ferry2.md"]
    file = tmp_path / "receipt.json"
    assert main(["ask", QUESTION, *at, *chosen, "--as-of", "2024-12-31", "--receipt", str(file)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {hit["source"] for hit in answer["evidence"]} == {"ferry0.md"}
    assert (len(answer["scope"]["articles"]), answer["scope"]["as_of"]) == (2, "2024-12-31")
    assert main(["verify", str(file), *at]) == 0
    capsys.readouterr()
    assert main(["search", QUESTION, *at, *chosen]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {hit["source"] for hit in found["evidence"]} == {"ferry0.md", "ferry2.md"}
    assert main(["search", QUESTION, *at, "--article", "nothing.md"]) == 3
    assert "nothing.md" in capsys.readouterr().err
    assert main(["ask", QUESTION, *at, "--as-of", "yesterday"]) == 3
    assert "2025-08-31" in capsys.readouterr().err
