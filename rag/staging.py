"""Owns what every way of filling the library shares: what names a version and its vectors, and storing these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rag.ledger import Ledger
from rag.types import Embedder, Passage, digest

_EMBED_PASSAGES = 64  # kept at once: about a second of work, so that is all a cut costs, and progress shows


def recipe_key(recipe: str, fingerprint: str) -> str:
    """Return what the digest of a file begins with: the way it was read, cut and embedded."""
    return digest("recipe", recipe, fingerprint)[:16]


def vector_key(embedder: Embedder, passage: Passage) -> str:
    """Return the digest of all that the vectors of a passage depend on."""
    spans = ",".join(f"{start - passage.start}:{end - passage.start}" for start, end in passage.sentences)
    return digest("vectors", embedder.fingerprint, passage.context, passage.text, spans)[:32]


def embed_missing(ledger: Ledger, embedder: Embedder, missing: Mapping[str, Passage]) -> Iterator[int]:
    """Embed passages and keep their vectors, part by part; yields how many each part had."""
    keys = list(missing)
    for start in range(0, len(keys), _EMBED_PASSAGES):
        part = keys[start : start + _EMBED_PASSAGES]
        vectors = embedder.embed_passages([missing[key] for key in part])
        ledger.store_vectors(dict(zip(part, vectors, strict=True)))
        yield len(part)
