"""Owns how a hit looks to other llama-index programs."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import NodeWithScore, TextNode

from rag.types import Hit


def to_node(hit: Hit) -> NodeWithScore:
    """Return a hit as a llama-index node that keeps its offsets and names its article."""
    metadata: dict[str, Any] = {
        "article_id": hit.source.article_id,
        "source": hit.source.source,
        "title": hit.source.title,
        "published": hit.source.published,
        "visibility": hit.source.visibility,
        "content_hash": hit.source.content_hash,
        # Also keeps apart two passages of equal text, which llama-index takes for one otherwise.
        "start": hit.passage.start,
        "end": hit.passage.end,
    }
    node = TextNode(
        id_=hit.passage.id,
        text=hit.passage.text,
        start_char_idx=hit.passage.start,
        end_char_idx=hit.passage.end,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=["article_id", "content_hash", "visibility", "start", "end"],
    )
    return NodeWithScore(node=node, score=hit.score)
