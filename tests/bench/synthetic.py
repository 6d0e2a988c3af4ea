"""Owns the synthetic library: articles as long and as varied as real ones, and vectors that cost next to nothing.

Words follow the law of Zipf and Mandelbrot. Vectors lie in clusters (topic, article, passage) and, like
those of real embedders, spread unevenly over their dimensions; each is derived from a digest of the text.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from rag.types import Passage, PassageVectors, Span, StoredPassage, Vector

DIMENSION = 384
_SPECTRUM = (1.0 + np.arange(DIMENSION)) ** -0.35  # about a hundred dimensions count
_TOPIC, _ARTICLE, _PASSAGE = 0.6, 0.5, 0.6  # cosine of two passages: 0.4 in a topic, 0.6 in an article
_SENTENCE_NOISE = 0.8
_QUESTION_NOISE = 1.0  # cosine of a question and its passage: 0.7

_VOCABULARY = 50_000
_TOPICS = 400
_FREQUENT = 10  # the most frequent word of content stands in about every second passage
_FUNCTION_SHARE = 0.45
_FUNCTION_WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were all her she there would their we him been has when who will no more if out so up what"
).split()
_WORDS_IN_PASSAGE = 172
_PASSAGES_IN_ARTICLE = (5, 40)


class SyntheticEmbedding:
    """Stands in for the built-in embedder. Notes what it embeds in the file that `EMBEDDED` names, if any."""

    EMBEDDED = "BENCH_EMBEDDED"
    near: ClassVar[dict[str, Vector]] = {}
    """The vectors of questions."""

    name = "synthetic"
    in_house = True
    fingerprint = "synthetic-1"
    dimension = DIMENSION

    def __init__(self, folder: Path | None = None) -> None:
        self._notes = os.environ.get(self.EMBEDDED)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text: four for three words, as in English."""
        return [4 * len(text.split()) // 3 for text in texts]

    def embed_question(self, text: str) -> Vector:
        """Return the vector that was set for a question, else one derived from its words."""
        found = self.near.get(text)
        return found if found is not None else _unit(_direction(text))

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        """Return the vector of a question and those of its parts."""
        parts = [self.embed_question(text[start:end]) for start, end in spans]
        return PassageVectors(self.embed_question(text), np.array(parts, dtype=np.float32).reshape(-1, self.dimension))

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return vectors near those of the article and the topic that the context names."""
        if self._notes:
            with Path(self._notes).open("a", encoding="ascii") as notes:
                notes.writelines(f"{passage.id}\n" for passage in passages)
        return [_vectors(passage) for passage in passages]


def _vectors(passage: Passage) -> PassageVectors:
    topic = passage.context.partition(" ")[0]
    around = _TOPIC * _shared_direction(topic) + _ARTICLE * _shared_direction(passage.context)
    draws = _random(passage.text).standard_normal((1 + len(passage.sentences), DIMENSION), dtype=np.float32)
    draws *= _SPECTRUM.astype(np.float32)
    draws /= np.linalg.norm(draws, axis=1, keepdims=True)
    whole = _unit(around + _PASSAGE * draws[0])
    sentences = whole + _SENTENCE_NOISE * draws[1:]
    return PassageVectors(whole, sentences / np.linalg.norm(sentences, axis=1, keepdims=True))


def _random(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"))


def _direction(text: str) -> Vector:
    return _unit((_random(text).standard_normal(DIMENSION) * _SPECTRUM).astype(np.float32))


_shared_direction = functools.lru_cache(10_000)(_direction)


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def question(stored: StoredPassage, random: np.random.Generator) -> str:
    """Return a question of some words of a passage; the embedder gives it a vector near the passage's."""
    spoken = [word.strip(".").lower() for word in stored.passage.text.split()]
    content = [word for word in spoken if word not in _FUNCTION_WORDS]
    chosen = random.choice(content, size=int(random.integers(3, 8)))
    text = f"What is the {' and the '.join(chosen)}?"
    SyntheticEmbedding.near[text] = _unit(stored.vectors.passage + _QUESTION_NOISE * _direction(text))
    return text


def write_articles(folder: Path, passages: int) -> int:
    """Write articles of about so many passages in all into nested folders; returns the number of files."""
    random = np.random.default_rng(1)
    stream = words(random)
    topics = list(itertools.islice(stream, _TOPICS))
    number = left = 0
    left = passages
    while left > 0:
        here = min(left, int(random.integers(_PASSAGES_IN_ARTICLE[0], _PASSAGES_IN_ARTICLE[1] + 1)))
        title = " ".join([topics[number % _TOPICS], *itertools.islice(stream, 5)]).capitalize()
        path = folder / f"{number // 1000:02d}" / f"{number // 50 % 20:02d}" / f"article-{number:06d}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {title}\n\n{body(stream, random, here * _WORDS_IN_PASSAGE)}\n", encoding="utf-8")
        left -= here
        number += 1
    return number


def body(stream: Iterator[str], random: np.random.Generator, count: int) -> str:
    """Return paragraphs of sentences, of at least `count` words in all."""
    paragraphs = []
    while count > 0:
        lengths = [int(length) for length in random.integers(6, 30, size=int(random.integers(3, 8)))]
        sentences = [" ".join(itertools.islice(stream, length)).capitalize() + "." for length in lengths]
        paragraphs.append(" ".join(sentences))
        count -= sum(lengths)
    return "\n\n".join(paragraphs)


def words(random: np.random.Generator) -> Iterator[str]:
    """Yield words without end: function words, and content by Zipf and Mandelbrot."""
    content = _vocabulary(random)
    frequency = 1 / (np.arange(_VOCABULARY) + _FREQUENT)
    edges = np.cumsum(frequency) / frequency.sum()
    functions = np.array(_FUNCTION_WORDS)
    while True:
        picked = content[np.searchsorted(edges, random.random(100_000))]
        where = random.random(len(picked)) < _FUNCTION_SHARE
        picked[where] = functions[(random.random(int(where.sum())) ** 2 * len(functions)).astype(int)]
        yield from picked.tolist()


def _vocabulary(random: np.random.Generator) -> np.ndarray:
    """Return distinct words that can be spoken; the frequent ones are the shorter ones."""
    syllables = ["".join(pair) for pair in itertools.product("bcdfghklmnprstvw", "aeiou")]
    endings = ["n", "r", "s", "t", "l", "nd", "st", "rk"]
    found: dict[str, None] = {}
    while len(found) < _VOCABULARY:
        length = 1 + int(random.integers(1, 4))
        found["".join(random.choice(syllables, length)) + str(random.choice(endings))] = None
    return np.array(sorted(found, key=len))
