"""Reading data sets: both forms, what is chosen of them, and errors that name file and line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError
from rag.evaluation.datasets import choose, load_dataset
from tests.datasets import DOCUMENTS, write_dataset, write_lines


def test_a_folder_is_read_with_what_is_known_of_each_question(tmp_path: Path) -> None:
    data = load_dataset(write_dataset(tmp_path / "bridges"))
    assert (data.name, len(data.questions)) == ("bridges", 5)
    assert data.documents is not None
    assert [document.id for document in data.documents] == [row["id"] for row in DOCUMENTS]
    assert data.documents[0].about == {"published": "1871-02-03", "language": "en"}
    first, *_, null, graded = data.questions
    assert (first.type, first.answerable, first.relevant) == ("fact", True, {"ostvik": 1})
    assert first.answers == (("1871", "in 1871"),)
    assert first.evidence == (("ostvik", "The bridge at Ostvik was built in 1871."),)
    assert (null.answerable, null.relevant, null.answers) == (False, {}, ())
    assert graded.relevant == {"tea": 3}  # a grade of 0 is no relevance


def test_questions_alone_name_their_articles(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "questions.jsonl",
        [
            {
                "id": "a",
                "text": "Who?",
                "type": "answerable",
                "must_contain": [["Lund"], ["1871"]],
                "articles": ["b.txt"],
            },
            {"id": "b", "text": "Why?", "type": "unanswerable"},
            {"id": "c", "text": "How?"},
        ],
    )
    for path in (tmp_path, tmp_path / "questions.jsonl"):
        data = load_dataset(path)
        assert data.documents is None
        answerable, unanswerable, unknown = data.questions
        assert (answerable.answers, answerable.relevant) == ((("Lund",), ("1871",)), {"b.txt": 1})
        assert (unanswerable.answerable, unknown.answerable) == (False, None)


def test_filters_come_first_then_the_sample_or_the_limit(tmp_path: Path) -> None:
    questions = load_dataset(write_dataset(tmp_path / "bridges")).questions
    facts = choose(questions, types=["fact"])
    assert {question.type for question in facts} == {"fact"}
    assert choose(questions, types=["fact"], limit=1) == facts[:1]
    assert choose(questions, language="de") == tuple(question for question in questions if question.language == "de")
    assert all(question.relevant for question in choose(questions, judged=True))
    assert choose(questions, judged=True, limit=4)[-1].id == "graded"  # the one without documents is not counted
    drawn = choose(questions, sample=3, seed=7)
    places = sorted(random.Random(7).sample(range(len(questions)), 3))
    assert drawn == tuple(questions[place] for place in places)
    with pytest.raises(InputError, match="Types: fact, null_query, other"):
        choose(questions, types=["typo"])


def test_equal_data_have_equal_digests_and_other_data_others(tmp_path: Path) -> None:
    one, same = (load_dataset(write_dataset(tmp_path / name / "data")) for name in "ab")
    assert one.digest == same.digest
    other = write_dataset(tmp_path / "c" / "data")
    (other / "qrels.tsv").write_text("query_id\tdoc_id\trelevance\nbuilt\ttea\t1\n")
    assert load_dataset(other).digest != one.digest


def _spoil(name: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "qrels.tsv").unlink(), "qrels.tsv is missing"),
        (lambda folder: (folder / "corpus.jsonl").unlink(), "corpus.jsonl is missing"),
        (_spoil("qrels.tsv", "query_id\tdoc_id\trelevance\na\tb\n"), "qrels.tsv, line 2: expected"),
        (
            _spoil("corpus.jsonl", '{"id": "a", "text": "b"}\n{"id": "a", "text": "c"}\n'),
            "line 2: id 'a' is given twice",
        ),
        (_spoil("corpus.jsonl", '{"id": "a"}\n'), "line 1: 'text' must be a text"),
        (_spoil("queries.jsonl", '{"id": "a", "text": "b"}\n{"id":\n'), "queries.jsonl, line 2: not JSON"),
        (_spoil("queries.jsonl", '{"id": 7, "text": "b"}\n{"id": "7", "text": "c"}\n'), "id '7' is given twice"),
        (_spoil("queries.jsonl", "[1]\n"), "line 1: expected a JSON object"),
        (lambda folder: (folder / "queries.jsonl").write_bytes(b"\xff\xfe\xff"), "queries.jsonl cannot be read"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, spoil: Callable[[Path], Any], message: str) -> None:
    folder = write_dataset(tmp_path / "data")
    spoil(folder)
    with pytest.raises(InputError, match=message):
        load_dataset(folder)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a data set"):
        load_dataset(tmp_path)
    (tmp_path / "questions.jsonl").write_text(json.dumps({"id": "a"}))
    with pytest.raises(InputError, match="'text' must be a text"):
        load_dataset(tmp_path)
