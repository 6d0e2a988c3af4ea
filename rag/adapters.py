"""Owns embedders and rerankers of other makers: llama-index's classes, taken by their names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor

from rag.config import EmbedderSettings, RerankerSettings
from rag.errors import ProviderError, UsageError
from rag.nodes import to_node
from rag.types import Hit, Matrix, Passage, PassageVectors, Span, Vector

T = TypeVar("T")
_SECRET = re.compile(r"(?:^|_)(?:key|secret|password|token|headers)$", re.IGNORECASE)


class OtherEmbedder:
    """Any llama-index embedding class, as the library needs it.

    A sentence costs an embedding of its own: only the built-in embedder yields its vector with that of the
    passage. The fingerprint is over the name of the class and its options. Embedding raises ProviderError.
    """

    def __init__(self, settings: EmbedderSettings, count_tokens: Callable[[Sequence[str]], list[int]]) -> None:
        model = settings.options.get("model_name") or settings.options.get("model")
        self.name = f"{settings.use}:{model}" if model else settings.use
        identity = json.dumps([settings.use, settings.options], sort_keys=True, default=str)
        self.fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.in_house = settings.in_house
        self.count_tokens = count_tokens
        self._inner: BaseEmbedding = _make(settings.use, settings.options, BaseEmbedding, "embedder")

    def embed_question(self, text: str) -> Vector:
        """Return the vector of a question."""
        return self.embed_spans(text, ()).passage

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        """Return the vectors of a question and of parts of it."""
        texts = [text, *(text[start:end] for start, end in spans)]
        vectors = self._unit(self._run(lambda: [self._inner.get_query_embedding(part) for part in texts]))
        return PassageVectors(vectors[0], vectors[1:])

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage, its context in front, and of each of its sentences."""
        texts = [
            text
            for passage in passages
            for text in (passage.context + passage.text, *(passage.quote(span) for span in passage.sentences))
        ]
        rows = self._unit(self._run(lambda: self._inner.get_text_embedding_batch(texts)))
        found, at = [], 0
        for passage in passages:
            end = at + 1 + len(passage.sentences)
            found.append(PassageVectors(rows[at], rows[at + 1 : end]))
            at = end
        return found

    def _run(self, embed: Callable[[], T]) -> T:
        try:
            return embed()
        except Exception as error:  # each maker raises its own
            reason = str(error)[:300].rstrip(".")
            raise ProviderError(f"The embedder {self.name} failed: {reason}. Check [embedder] and its key.") from None

    def _unit(self, rows: Sequence[Sequence[float]]) -> Matrix:
        matrix = np.array(rows, dtype=np.float32)
        unit: Matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
        return unit


class Reranker:
    """Any llama-index node postprocessor, to put the best hits of a question in a better order."""

    def __init__(self, settings: RerankerSettings) -> None:
        self.depth = settings.depth
        self._in_house = settings.in_house
        self._name = settings.use
        self._inner: BaseNodePostprocessor = _make(settings.use, settings.options, BaseNodePostprocessor, "reranker")

    def order(self, question: str, hits: Sequence[Hit]) -> list[int]:
        """Return the places of the hits in their new order; those it leaves out come last, as they stood.

        Hits of internal articles are not shown to it unless it is in-house, and stay where they are.
        Raises ProviderError.
        """
        shown = [place for place, hit in enumerate(hits) if self._in_house or hit.source.visibility != "internal"]
        nodes = {hits[place].passage.id: place for place in shown}
        try:
            found = self._inner.postprocess_nodes([to_node(hits[place]) for place in shown], query_str=question)
        except Exception as error:  # each maker raises its own
            reason = str(error)[:300].rstrip(".")
            raise ProviderError(f"The reranker {self._name} failed: {reason}. Check [reranker] and its key.") from None
        ranked = list(dict.fromkeys(nodes[node.node_id] for node in found if node.node_id in nodes))
        ranked += [place for place in shown if place not in set(ranked)]
        moved = dict(zip(shown, ranked, strict=True))
        return [moved.get(place, place) for place in range(len(hits))]


def _make(name: str, options: dict[str, Any], kind: type, what: str) -> Any:
    """Return an object of the class; raises UsageError where there is none of that name or it refuses its options."""
    if secret := next(filter(_SECRET.search, options), None):  # the name of an option, never its value
        raise UsageError(f"[{what}] options: {secret} may hold a secret. Set the variable that {name} reads it from.")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"[{what}] use: {name} cannot be imported ({error}). Install the package of llama-index that has it."
        ) from None
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UsageError(f"[{what}] use: {name} is not a {kind.__name__} of llama-index.")
    try:
        return found(**options)
    except Exception as error:  # each maker raises its own
        raise UsageError(f"[{what}] {name} cannot be set up: {str(error)[:300]}. Correct its options.") from None
