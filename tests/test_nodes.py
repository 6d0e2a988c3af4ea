"""How hits look to other llama-index programs: exact offsets, whose article it is, and no noise for a model."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from rag.nodes import to_node
from rag.types import Features, Hit, Passage, Source, Span

BEFORE = "Title\n\n"


def hit(text: str = "The bridge is 412 metres long.", *, start: int = len(BEFORE), score: float = 0.8) -> Hit:
    passage = Passage(
        "a" * 16, "sha256:b", start, start + len(text), text, "Title. ", (Span(start, start + len(text)),)
    )
    source = Source("a" * 16, "news/bridge.md", "Title", "2024-03-01", "Ida", "en", None, "internal", "sha256:b")
    return Hit(passage, source, score, Features(1.0, 0.5, (0.5,), 1, 1), np.ones((1, 1), np.float32))


def text_node(found: NodeWithScore) -> TextNode:
    assert isinstance(found.node, TextNode)
    return found.node


@given(st.text(min_size=1), st.text(), st.floats(0, 1))
def test_a_node_holds_the_passage_verbatim_at_its_offsets(text: str, before: str, score: float) -> None:
    article = before + text + "\n\nMore."
    found = to_node(hit(text, start=len(before), score=score))
    node = text_node(found)
    assert article[node.start_char_idx : node.end_char_idx] == node.text == text
    assert (node.metadata["start"], node.metadata["end"]) == (node.start_char_idx, node.end_char_idx)
    assert found.score == score


def test_a_node_names_its_article_and_the_version_that_its_offsets_count_in() -> None:
    item = hit()
    node = text_node(to_node(item))
    assert node.id_ == item.passage.id
    assert node.metadata == {
        "article_id": "a" * 16,
        "source": "news/bridge.md",
        "title": "Title",
        "published": "2024-03-01",
        "visibility": "internal",
        "content_hash": "sha256:b",
        "start": 7,
        "end": 37,
    }


def test_a_model_is_shown_what_a_reader_would_see_and_an_embedder_only_the_text() -> None:
    node = text_node(to_node(hit()))
    shown = node.get_content(MetadataMode.LLM)
    assert all(value in shown for value in ("news/bridge.md", "Title", "2024-03-01", "412 metres"))
    assert not any(value in shown for value in ("sha256", "aaaa", "internal", "start", "37"))
    assert node.get_content(MetadataMode.EMBED) == "The bridge is 412 metres long."


def test_a_node_comes_back_from_json_as_it_was() -> None:
    node = text_node(to_node(hit()))
    assert TextNode.from_json(node.to_json()) == node


def test_two_passages_of_equal_text_are_two_nodes() -> None:
    one, other = text_node(to_node(hit())), text_node(to_node(hit(start=500)))
    assert one.id_ != other.id_
    assert one.hash != other.hash
