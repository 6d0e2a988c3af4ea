"""Owns the comparison with peers: how well and how fast the same questions are answered with documents.

`python -m tests.bench.retrieval` writes the tables to bench/ and prints them. The first run embeds everything,
which takes minutes; later ones find the vectors in the user's cache.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rag.app import Footnote
from rag.config import Settings
from rag.embed import MiniLMEmbedding
from rag.evaluation.datasets import Dataset, Document, Question, load_dataset
from rag.evaluation.library import opened
from rag.evaluation.metrics import ranking_scores
from rag.text import sentence_spans
from tests.bench.peers import LlamaIndex, Search, bm25s_alone, chroma_alone, fitting_splitter
from tests.bench.process import Row, spread

ROOT = Path(__file__).resolve().parent.parent.parent
OUTPUT = ROOT / "bench" / "retrieval.md"

ENGLISH = ("squad2_dev_half", "multihoprag_500", "hotpotqa_50", "anthropic_docs_rag", "cranfield")
SETS = (*((name, None) for name in ENGLISH), ("cmrc2018_500", None), ("xquad_dev", "en"), ("xquad_dev", "zh"))
QUESTIONS = 600  # of a set, at most
OURS = "Footnote"
DEPTH = 100  # passages asked for, so that ten documents come out
_RESAMPLES = 2000

PASSAGES = 10_000
WORDS_IN_PASSAGE = 100
_FEWEST_WORDS = 20  # a shorter rest of a text may hold no word at all, and is no passage then
LATENCY_QUESTIONS = 100
RESULTS = 10

NOTES = f"""\
All systems search the same documents with the same embedder, all-MiniLM-L6-v2 (int8), which reads 256 tokens of a
text. They are asked for {DEPTH} passages; documents are ranked by their first passage. A set has at most {QUESTIONS}
questions, a seeded sample. In brackets the 95 % bootstrap interval over questions; a difference is that of the same
questions, in bold where Footnote is below a peer by more than noise.

- llama-index: `SentenceSplitter()` (1,024 tokens, 200 overlap), `VectorStoreIndex` in Chroma, the title as metadata.
- QueryFusionRetriever: that index and `BM25Retriever` (English stemmer and stop words), `reciprocal_rerank`, one
  query. For Chinese, `BM25Retriever`, which takes no tokenizer, is given an index of the words that jieba finds.
- bm25s: its defaults, English stemmer and stop words, the title in front, over chunks of 256 tokens: better than over
  whole documents. For Chinese the words that jieba finds, without stop words.
- Chroma: whole documents, title in front, in a collection with its defaults.
- Left out: txtai, which needs torch, and haiku.rag, which needs Python 3.12.
"""


def data_folder() -> Path:
    """Return the folder of the data sets; ends the process with a sentence where it is absent."""
    folder = Path(os.environ.get("EVALUATION_DATA", ROOT.parent / "shared")) / "datasets"
    missing = [name for name, _ in SETS if not (folder / name).is_dir()]
    if missing:
        sys.exit(f"{folder} holds no {missing[0]}. Set EVALUATION_DATA to the folder in which `datasets` lies.")
    return folder


# ---------------------------------------------------------------- quality


@dataclass(frozen=True, slots=True)
class Scores:
    """What each question of a set scored, in one order for all systems, each from 0 to 1."""

    ndcg: np.ndarray
    hit: np.ndarray


def quality(data: Path) -> dict[str, dict[str, Scores]]:
    """Ask every system the questions of every set; returns scores by set and system."""
    embedder = MiniLMEmbedding()
    return {f"{name} {language or ''}".strip(): _asked(data / name, language, embedder) for name, language in SETS}


def _asked(path: Path, language: str | None, embedder: MiniLMEmbedding) -> dict[str, Scores]:
    dataset = load_dataset(path)
    questions = sample(dataset, language)
    documents = [
        document
        for document in dataset.documents or ()
        if document.text.strip() and language in (None, document.about.get("language", language))
    ]
    chinese = documents[0].about.get("language") == "zh"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ours(dataset, language, DEPTH) as footnote:
        systems = {OURS: footnote, **_peers(documents, embedder, Path(folder), chinese=chinese)}
        scores = {name: score(search, questions) for name, search in systems.items()}
    print(f"{path.name}: {len(questions)} questions, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return scores


def _peers(
    documents: Sequence[Document], embedder: MiniLMEmbedding, folder: Path, *, chinese: bool
) -> dict[str, Search]:
    index = LlamaIndex(documents, embedder, folder / "index", chinese=chinese)
    return {
        "llama-index": index.dense(DEPTH),
        "QueryFusionRetriever": index.fusion(DEPTH),
        "bm25s": bm25s_alone(documents, fitting_splitter(embedder), DEPTH, chinese=chinese),
        "Chroma": chroma_alone(documents, embedder, folder / "chroma", DEPTH),
    }


@contextmanager
def ours(dataset: Dataset, language: str | None, top_k: int) -> Iterator[Search]:
    """Open our library of a data set, in sync: documents come in the order of their best passage.

    Raises RuntimeError where it lacks documents that the peers have: its scores would say nothing.
    """
    with opened(dataset, language, Settings(), Footnote) as subject:
        report = subject.library.sync()
        missing = subject.documents.keys() - {source.source for source in subject.library.sources()}
        if missing:
            raise RuntimeError(f"{dataset.name}: the library lacks {len(missing)} documents. Its sync said: {report}")

        def search(question: str) -> list[str]:
            return [subject.document(hit.source.source) for hit in subject.library.search(question, top_k).hits]

        yield search


def sample(dataset: Dataset, language: str | None) -> list[Question]:
    """Return the questions that a document answers, or a seeded sample of them."""
    questions = [item for item in dataset.questions if item.relevant and language in (None, item.language)]
    return random.Random(0).sample(questions, QUESTIONS) if len(questions) > QUESTIONS else questions


def score(search: Search, questions: Sequence[Question]) -> Scores:
    """Return the scores of what a system finds; every relevant document counts the same."""
    found = [ranking_scores(list(dict.fromkeys(search(question.text))), question.relevant) for question in questions]
    return Scores(np.array([one["ndcg@10"] for one in found]), np.array([one["hit@1"] for one in found]))


def mean_and_interval(sets: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean over sets of their means, with its 95 % bootstrap interval, questions drawn within each set."""
    draws = np.random.default_rng(0)
    means = [values[draws.integers(len(values), size=(_RESAMPLES, len(values)))].mean(axis=1) for values in sets]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(np.mean([values.mean() for values in sets])), float(low), float(high)


def quality_rows(scores: Mapping[str, Mapping[str, Scores]]) -> list[Row]:
    """Return a row for each system: its scores on the English sets, and what ours has more than a peer."""
    rows = []
    for system in _systems(scores):
        found = [scores[name][system] for name in ENGLISH]
        said = f"nDCG@10 {_figure([one.ndcg for one in found])}, Hit@1 {_figure([one.hit for one in found])}"
        more = "" if system == OURS else f"; {OURS} − it: nDCG@10 {_more(scores, ENGLISH, system)}"
        rows.append((f"{system}, mean of {len(ENGLISH)} English sets", said + more))
    return rows


def quality_tables(scores: Mapping[str, Mapping[str, Scores]]) -> str:
    """Return the scores as Markdown, a row for each set: of each system, and what ours has more than each peer."""
    systems = _systems(scores)
    sets = {"mean of the English sets, 1 to 5": ENGLISH, **{name: (name,) for name in scores}}

    def table(title: str, names: Sequence[str], cell: Callable[[Sequence[str], str], str]) -> list[str]:
        head = [f"| {title} | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
        return [
            *head,
            *(f"| {row} | " + " | ".join(cell(among, name) for name in names) + " |" for row, among in sets.items()),
            "",
        ]

    return "\n".join(
        [
            *table("nDCG@10", systems, lambda among, name: _figure([scores[one][name].ndcg for one in among])),
            *table("Hit@1", systems, lambda among, name: _figure([scores[one][name].hit for one in among])),
            *table(f"nDCG@10, {OURS} − peer", systems[1:], lambda among, name: _more(scores, among, name)),
        ]
    )


def _systems(scores: Mapping[str, Mapping[str, Scores]]) -> list[str]:
    return list(next(iter(scores.values())))


def _figure(sets: Sequence[np.ndarray]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*mean_and_interval(sets))


def _more(scores: Mapping[str, Mapping[str, Scores]], among: Sequence[str], peer: str) -> str:
    """Return by how much ours is better than a peer; in bold where it is worse by more than noise."""
    mean, low, high = mean_and_interval([scores[name][OURS].ndcg - scores[name][peer].ndcg for name in among])
    text = f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"**{text}**" if high < 0 else text


# ---------------------------------------------------------------- latency


def latency(data: Path) -> list[Row]:
    """Time all systems on ten thousand passages, the questions asked of one after the other in one process."""
    sets = [load_dataset(data / name) for name in ENGLISH]
    passages = short_passages([document.text for dataset in sets for document in dataset.documents or ()], PASSAGES)
    asked = random.Random(1).sample(
        [item.text for dataset in sets for item in sample(dataset, None)], LATENCY_QUESTIONS
    )
    embedder = MiniLMEmbedding()
    documents = tuple(Document(str(number), "", text, {}) for number, text in enumerate(passages))
    library = ours(Dataset("latency", data, (), documents), None, RESULTS)
    with tempfile.TemporaryDirectory() as folder, library as footnote:
        index = LlamaIndex(documents, embedder, Path(folder) / "index", chinese=False)
        systems: dict[str, Search] = {
            OURS: footnote,
            f"QueryFusionRetriever, {RESULTS} of each": index.fusion(RESULTS),
            f"QueryFusionRetriever, {DEPTH} of each": index.fusion(DEPTH),
            "llama-index": index.dense(RESULTS),
            "bm25s": bm25s_alone(documents, fitting_splitter(embedder), RESULTS, chinese=False),
            "Chroma": chroma_alone(documents, embedder, Path(folder) / "chroma", RESULTS),
        }
        took = _interleaved(systems, asked)
    rows = [(f"{name}, {PASSAGES:,} short documents", spread(times)) for name, times in took.items()]
    return [*rows, *(_ratio(took, name) for name in took if name.startswith("QueryFusion"))]


def short_passages(texts: Sequence[str], count: int) -> list[str]:
    """Return `count` passages of about a hundred words: those of the texts, then made of halves of two of them."""
    passages = dict.fromkeys(itertools.chain.from_iterable(_cut(text) for text in texts))
    whole = [passage.split() for passage in passages]
    chance = random.Random(0)
    while len(passages) < count:
        first, second = chance.sample(whole, 2)
        passages[" ".join(first[: len(first) // 2] + second[len(second) // 2 :])] = None
    return list(passages)[:count]


def _cut(text: str) -> Iterator[str]:
    words: list[str] = []
    for start, end in sentence_spans(text):
        words += text[start:end].split()
        if len(words) >= WORDS_IN_PASSAGE:
            yield " ".join(words)
            words = []
    if len(words) >= _FEWEST_WORDS:
        yield " ".join(words)


def _interleaved(systems: Mapping[str, Search], questions: Sequence[str]) -> dict[str, list[float]]:
    """Return the milliseconds of every question for each system; whose turn is first changes."""
    took: dict[str, list[float]] = {name: [] for name in systems}
    names = list(systems)
    for search in systems.values():
        search(questions[0])
    for number, question in enumerate(questions):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            systems[name](question)
            took[name].append((time.perf_counter() - began) * 1000)
    return took


def _ratio(took: Mapping[str, Sequence[float]], peer: str) -> Row:
    ours, theirs = took[OURS], took[peer]
    p50 = statistics.median(ours) / statistics.median(theirs)
    p95 = statistics.quantiles(ours, n=20)[-1] / statistics.quantiles(theirs, n=20)[-1]
    return f"{OURS} ÷ {peer}", f"p50 {p50:.2f}, p95 {p95:.2f}"


def latency_table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    head = ["| time of one question, embedding it included | measured |", "| --- | --- |"]
    return "\n".join([*head, *(f"| {what} | {measured} |" for what, measured in rows), ""])


def main() -> None:
    """Measure, write the tables and print them."""
    data = data_folder()
    timed = latency_table(latency(data))
    text = "\n".join([quality_tables(quality(data)), timed, NOTES])
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
