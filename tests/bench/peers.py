"""Owns the peers of our retrieval: other libraries, set up as their documentation says, over the same documents.

All of them get the vectors of the built-in embedder. llama-index has a document's title as metadata, which it
puts in front of every chunk it embeds or indexes; the others have it as the first line of the text.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import chromadb
import numpy as np
import Stemmer
from chromadb.config import Settings
from llama_index.core import Document as LlamaDocument
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores.utils import node_to_metadata_dict
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.chroma import ChromaVectorStore

from rag.embed import MAX_TOKENS, MiniLMEmbedding
from rag.evaluation.datasets import Document
from rag.evaluation.library import cache_folder
from rag.types import Matrix

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # compiled for the first time, it has escapes that Python warns of
    import jieba

Search = Callable[[str], list[str]]
"""Finds the documents for a question, best first; one stands as often as passages of it were found."""

_ID, _TITLE = "document", "title"
_BATCH = 5000  # Chroma takes a little more at once
_SPECIAL_TOKENS = 2  # that the embedder adds to a text
_OVERLAP = 50  # of chunks that fit the embedder: about as much of them as the splitter's own 200 are of 1,024

jieba.setLogLevel(logging.WARNING)


def fitting_splitter(embedder: MiniLMEmbedding) -> SentenceSplitter:
    """Return a splitter into chunks that the embedder could read to their end, title included."""
    return SentenceSplitter(
        chunk_size=MAX_TOKENS - _SPECIAL_TOKENS,
        chunk_overlap=_OVERLAP,
        tokenizer=lambda text: list(range(embedder.count_tokens([text])[0])),
    )


class LlamaIndex:
    """A VectorStoreIndex in Chroma, and the retrievers over it. `chinese`: BM25 searches the words that jieba finds."""

    def __init__(
        self, documents: Sequence[Document], embedder: MiniLMEmbedding, folder: Path, *, chinese: bool
    ) -> None:
        self._chinese = chinese
        self._nodes = _nodes(documents, SentenceSplitter())
        vectors = _vectors(embedder, [node.get_content(MetadataMode.EMBED) for node in self._nodes])
        for node, vector in zip(self._nodes, vectors, strict=True):
            node.embedding = vector.tolist()
        store = ChromaVectorStore(chroma_collection=_client(folder).create_collection("peer"))
        context = StorageContext.from_defaults(vector_store=store)
        self._index = VectorStoreIndex(self._nodes, storage_context=context, embed_model=embedder)

    def dense(self, depth: int) -> Search:
        """Return the index's own retriever, which finds `depth` chunks."""
        return functools.partial(_documents, self._index.as_retriever(similarity_top_k=depth))

    def fusion(self, depth: int) -> Search:
        """Return reciprocal rank fusion of `depth` chunks by vector and as many by BM25; all of them come out."""
        depth = min(depth, len(self._nodes))
        retriever = QueryFusionRetriever(
            [self._index.as_retriever(similarity_top_k=depth), self._lexical(depth)],
            llm=MockLLM(),  # never asked: it would write more questions
            mode=FUSION_MODES.RECIPROCAL_RANK,
            similarity_top_k=2 * depth,
            num_queries=1,
            use_async=False,
        )
        return functools.partial(_documents, retriever)

    def _lexical(self, depth: int) -> BM25Retriever:
        if not self._chinese:
            stemmer = Stemmer.Stemmer("english")
            return BM25Retriever.from_defaults(
                nodes=self._nodes, stemmer=stemmer, language="en", similarity_top_k=depth
            )
        index = bm25s.BM25(corpus=[node_to_metadata_dict(node) | {"node_id": node.node_id} for node in self._nodes])
        texts = [node.get_content(MetadataMode.EMBED) for node in self._nodes]
        index.index([_chinese_words(text) for text in texts], show_progress=False)
        return _Segmented(existing_bm25=index, similarity_top_k=depth, skip_stemming=True, token_pattern=r"\S+")


class _Segmented(BM25Retriever):
    """BM25Retriever takes no tokenizer, only a pattern, and no pattern finds Chinese words: jieba does, before it."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found: list[NodeWithScore] = super()._retrieve(QueryBundle(" ".join(_chinese_words(query_bundle.query_str))))
        return found


def bm25s_alone(documents: Sequence[Document], splitter: SentenceSplitter, depth: int, *, chinese: bool) -> Search:
    """Return bm25s over chunks: stemmed English without stop words, or the Chinese words that jieba finds."""
    stemmer = Stemmer.Stemmer("english")
    nodes = _nodes(documents, splitter)

    def tokens(texts: list[str]) -> list[list[str]] | bm25s.tokenization.Tokenized:
        if chinese:
            return [_chinese_words(text) for text in texts]
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25(corpus=[node.metadata[_ID] for node in nodes])
    index.index(tokens([_titled(node.metadata.get(_TITLE), node.get_content()) for node in nodes]), show_progress=False)

    def search(question: str) -> list[str]:
        found = index.retrieve(tokens([question]), k=min(depth, len(nodes)), show_progress=False)
        return [str(name) for name in found.documents[0]]

    return search


def chroma_alone(documents: Sequence[Document], embedder: MiniLMEmbedding, folder: Path, depth: int) -> Search:
    """Return a Chroma collection of whole documents, as Chroma makes one, with our vectors."""
    collection = _client(folder).create_collection("peer", embedding_function=None)
    texts = [_titled(document.title, document.text) for document in documents]
    names = [document.id for document in documents]
    vectors = _vectors(embedder, texts)
    for start in range(0, len(names), _BATCH):
        part = slice(start, start + _BATCH)
        collection.add(ids=names[part], documents=texts[part], embeddings=vectors[part])

    def search(question: str) -> list[str]:
        vector = embedder.embed_question(question)
        return list(collection.query(query_embeddings=[vector], n_results=min(depth, len(names)))["ids"][0])

    return search


def _client(folder: Path) -> chromadb.api.ClientAPI:
    return chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))


def _nodes(documents: Sequence[Document], splitter: SentenceSplitter) -> list[BaseNode]:
    loaded = [
        LlamaDocument(
            text=document.text,
            metadata={_ID: document.id, **({_TITLE: document.title} if document.title else {})},
            excluded_embed_metadata_keys=[_ID],
            excluded_llm_metadata_keys=[_ID],
        )
        for document in documents
    ]
    return splitter.get_nodes_from_documents(loaded)


def _documents(retriever: BaseRetriever, question: str) -> list[str]:
    return [str(found.node.metadata[_ID]) for found in retriever.retrieve(question)]


def _titled(title: str | None, text: str) -> str:
    return f"{title}\n{text}" if title else text


def _chinese_words(text: str) -> list[str]:
    stop_words = bm25s.stopwords.STOPWORDS_CHINESE
    words = [word for word in jieba.lcut_for_search(text.lower()) if word.isalnum()]
    return [word for word in words if word not in stop_words] or words or [""]


def _vectors(embedder: MiniLMEmbedding, texts: Sequence[str]) -> Matrix:
    """Return the vectors of texts, shape (texts, 384); they stay in the user's cache, since embedding takes minutes."""
    folder = cache_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(f"{embedder.fingerprint} {text}".encode()).digest() for text in texts]
    with contextlib.closing(sqlite3.connect(folder / "vectors.sqlite")) as kept:
        kept.execute("CREATE TABLE IF NOT EXISTS vector (text BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        known = dict(kept.execute("SELECT text, value FROM vector"))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        values = np.array(embedder.get_text_embedding_batch(list(new.values())), dtype=np.float32)
        known |= {key: value.tobytes() for key, value in zip(new, values, strict=True)}
        with kept:
            kept.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?)", [(key, known[key]) for key in new])
    return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])
