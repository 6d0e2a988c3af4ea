"""What the tests of the loaders share: the rules every article keeps, and short ways to look at one."""

from __future__ import annotations

from collections.abc import Callable

from rag.errors import Unloadable
from rag.load import load
from rag.load.document import Document, to_article
from rag.types import Article


def assert_canonical(article: Article) -> None:
    """Blocks are in order, trimmed, inside the text and apart; only white space lies between them."""
    at = 0
    for start, end, _ in article.blocks:
        assert at <= start < end <= len(article.text)
        assert not article.text[at:start].strip()
        assert article.text[start:end] == article.text[start:end].strip()
        at = end
    assert at == len(article.text)
    assert article.title.strip()
    article.text.encode("utf-8")
    repr(article).encode("utf-8")


def blocks(document: Document) -> list[tuple[str, str]]:
    """Return the kind and text of each block of the article that a document becomes."""
    article = to_article(document, "folder/name of file.txt")
    assert_canonical(article)
    return kinds(article)


def load_one(file: str, data: bytes) -> Article:
    """Return the one article in a file's bytes."""
    (article,) = load(file, data)
    return article


def kinds(article: Article) -> list[tuple[str, str]]:
    """Return the kind and text of each block."""
    return [(kind, article.text[start:end]) for start, end, kind in article.blocks]


def evidence(article: Article) -> list[str]:
    """Return the blocks that can be quoted."""
    return [text for kind, text in kinds(article) if kind == "text"]


def article_or_none(read: Callable[[], Article]) -> Article | None:
    """Return the article, its blocks checked, or None where the file is refused; any other error is the test's."""
    try:
        article = read()
    except Unloadable:
        return None
    assert_canonical(article)
    return article
