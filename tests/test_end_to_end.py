"""The whole way on real articles: our sample library, the seed articles, and a public question set."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote, open_library
from rag.cli import main
from rag.config import Settings
from rag.types import Answer
from tests.articles import load_one
from tests.conftest import ROOT, SAMPLES

QUESTIONS = Path(__file__).parent / "data" / "sample_questions.jsonl"
_BOILERPLATE = ("免责声明", "投资有风险", "热议股票", "Deep News", "08/23")
FindData = Callable[[str], Path]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def open_(library: Path, articles: Path) -> Footnote:
    return open_library(Settings(library=library, articles=articles))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Footnote]:
    with open_(tmp_path_factory.mktemp("samples"), SAMPLES) as library:
        assert not library.sync().failed
        yield library


def assert_verbatim(library: Footnote, answer: Answer) -> int:
    """Check every citation against the article as it is, and every sentence against its citation."""
    for citation in answer.citations:
        article = library.article(citation.source.article_id)
        assert article is not None
        assert article.text[citation.start : citation.end] == citation.quote
        assert article.content_hash == citation.source.content_hash
        hit = answer.evidence.hits[citation.evidence_n - 1]
        assert hit.passage.start <= citation.start < citation.end <= hit.passage.end
        # No citation touches what is not evidence.
        kinds = {block.kind for block in article.blocks if block.start < citation.end and citation.start < block.end}
        assert kinds == {"text"}
    for sentence in answer.sentences:
        assert sentence.text == answer.citations[sentence.citations[0] - 1].quote + f" [{sentence.citations[0]}]"
    return len(answer.citations)


def holds(answer: Answer, question: dict[str, Any]) -> bool:
    """Whether an answer cites a right article and holds one of each group of strings."""
    words = " ".join([answer.text, *(citation.quote for citation in answer.citations)])
    return (
        answer.status == "grounded"
        and all(any(text in words for text in group) for group in question["must_contain"])
        and bool({citation.source.source for citation in answer.citations} & set(question["articles"]))
    )


def test_sample_questions_are_answered_from_the_right_article(samples: Footnote) -> None:
    questions = [item for item in read_lines(QUESTIONS) if item["type"] == "answerable"]
    answers = [(question, samples.ask(question["text"])) for question in questions]
    assert sum(assert_verbatim(samples, answer) for _, answer in answers) >= len(questions)
    missed = [question["id"] for question, answer in answers if not holds(answer, question)]
    # Measured: 45 of 48. The quotes answerer does not see that "It cost …" names what was asked for.
    assert len(missed) <= 7, missed


def test_sample_questions_off_the_subject_are_not_found(samples: Footnote) -> None:
    questions = [item for item in read_lines(QUESTIONS) if item.get("note") == "off topic"]
    answers = [samples.ask(question["text"]) for question in questions]
    assert [answer.status for answer in answers] == ["not_found"] * len(questions)
    assert all(not answer.citations and answer.evidence.hits for answer in answers)


def test_the_first_answer_in_the_readme_is_what_the_command_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = re.search(r'\$ \.venv/bin/footnote ask "(.+?)"\n(.+?)```', (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    main(["ask", example.group(1), "--library", str(tmp_path / "library"), "--articles", str(SAMPLES)])
    assert capsys.readouterr().out == example.group(2)


def test_both_sides_of_a_disagreement_are_found(samples: Footnote) -> None:
    sources = {hit.source.source for hit in samples.search("On what date did the Brackenfjord pilot begin?").hits}
    assert sources >= {"brackenfjord-pilot.md", "fallback-chains.md"}


def test_both_sides_of_a_disagreement_are_quoted_with_their_dates(samples: Footnote) -> None:
    for question, one, two in (
        ("When did the Brackenfjord pilot begin?", "3 March 2025", "10 March 2025"),
        ("What did Brackenfjord's pilot cost?", "1.2 million", "1.4 million"),
    ):
        answer = samples.ask(question)
        ((cited, other),) = answer.disagreements
        assert (one in cited.quote, two in other.quote) == (True, True)
        assert (cited.source.published, other.source.published) == ("2025-06-05", "2025-11-18")
        assert one in answer.text
        assert two in answer.text


def test_two_character_chinese_words_are_found(samples: Footnote) -> None:
    for word in ("充值", "元宝", "阿里"):
        best = samples.search(word).hits[0]
        assert best.source.source == "chinese-apps-two-engines.md"
        assert best.features.lexical_rank == 1
        assert word in best.passage.text


def test_seed_questions_are_answered_from_the_seed_articles(evaluation_data: FindData, tmp_path: Path) -> None:
    questions = read_lines(evaluation_data("golden/seed_questions.jsonl"))
    with open_(tmp_path / "library", evaluation_data("articles")) as library:
        library.sync()
        answers = {question["id"]: library.ask(question["text"]) for question in questions}
        for answer in answers.values():
            assert_verbatim(library, answer)
    assert [q["id"] for q in questions if q["type"] == "answerable" and not holds(answers[q["id"]], q)] == []
    assert answers["u06"].status == "not_found"


def test_boilerplate_of_the_seed_articles_is_no_passage(evaluation_data: FindData, tmp_path: Path) -> None:
    source = "meta-third-party-partnerships.txt"
    article = load_one(source, (evaluation_data("articles") / source).read_bytes())
    assert "免责声明" in article.text
    with open_(tmp_path / "library", evaluation_data("articles")) as library:
        library.sync()
        for question in _BOILERPLATE:
            for hit in library.search(question).hits:
                assert not [words for words in _BOILERPLATE if words in hit.passage.text]


@pytest.mark.slow
def test_every_citation_on_a_public_question_set_is_verbatim(evaluation_data: FindData, tmp_path: Path) -> None:
    data = evaluation_data("datasets/squad2_dev_half")
    articles = tmp_path / "articles"
    articles.mkdir()
    for i, document in enumerate(read_lines(data / "corpus.jsonl")):
        front = f"---\ntitle: {json.dumps(document['title'])}\n---\n"
        (articles / f"{i:04d}.md").write_text(front + document["text"], encoding="utf-8")
    questions = random.Random(0).sample(read_lines(data / "queries.jsonl"), 150)
    with open_(tmp_path / "library", articles) as library:
        library.sync()
        checked = sum(assert_verbatim(library, library.ask(question["text"])) for question in questions)
    assert checked > 150
