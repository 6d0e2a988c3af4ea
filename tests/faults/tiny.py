"""An embedder without a model: a vector counts hashed words, so that near texts are near and nothing waits."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rag.types import Passage, PassageVectors, Span, Vector, digest

embedded: list[str] = []  # by this process
_silent = False
LOG = "PAID_LOG"  # the file that every embedded passage is noted in, whatever becomes of the process


class TinyEmbedding:
    """What the library needs of an embedder. `salt` stands for the weights: another one gives other vectors."""

    name = "tiny"
    in_house = True
    dimension = 48
    salt = "one"

    def __init__(self, _folder: Path | None = None) -> None:
        self.fingerprint = digest("tiny", self.salt, str(self.dimension))[:16]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_question(self, text: str) -> Vector:
        vector = np.full(self.dimension, 1e-3, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()):
            number = int.from_bytes(hashlib.sha256((self.salt + word).encode()).digest()[:4], "big")
            vector[number % self.dimension] += 1.0
        unit: Vector = vector / np.linalg.norm(vector)
        return unit

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        parts = [self.embed_question(text[start:end]) for start, end in spans]
        return PassageVectors(self.embed_question(text), np.array(parts, dtype=np.float32).reshape(-1, self.dimension))

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        for passage in passages:
            embedded.append(digest(self.fingerprint, passage.context, passage.text)[:12])
            note("embedded", embedded[-1])
        return [
            PassageVectors(
                self.embed_question(passage.context + passage.text),
                np.stack([self.embed_question(passage.quote(span)) for span in passage.sentences]),
            )
            for passage in passages
        ]


class OtherWeights(TinyEmbedding):
    """The same dimension, other vectors: nothing but the fingerprint tells."""

    name = "tiny-other"
    salt = "two"


class OtherDimension(TinyEmbedding):
    """Vectors that do not fit in the old index."""

    name = "tiny-wide"
    dimension = 64


EMBEDDERS = {kind.name: kind for kind in (TinyEmbedding, OtherWeights, OtherDimension)}


@contextmanager
def silence() -> Iterator[None]:
    """What is embedded in the block is a check, and no work."""
    global _silent
    _silent = True
    yield
    _silent = False


def note(what: str, key: str) -> None:
    """Write a line that outlives the process."""
    if (path := os.environ.get(LOG)) and not _silent:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(file, f"{what} {key}\n".encode())
        os.close(file)
