"""A folder of awkward real files: each comes in, or says why not, and none of them stops the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import Unloadable
from rag.load.sandbox import Sandbox
from tests.articles import assert_canonical

FILES = "datasets/messy_documents/files"
REFUSED = {
    "password.pdf": "failed: encrypted",
    "fake-encrypted.eml": "failed: encrypted",
    "loremipsum-flat.pdf": "skipped: no text in its",
    "empty.txt": "skipped: empty",
    "fake-text-all-whitespace.txt": "skipped: empty",
    "simple.doc": "skipped: format not supported: old Microsoft Office file",
    "simple.pptx": "skipped: format not supported: PowerPoint presentation",
    "factbook.xml": "skipped: format not supported: XML",
    "not-unstructured-payload.json": "skipped: JSON without articles",
}
WORDS = {
    "copy-protected.pdf": "LayoutParser",  # may be read, though not printed
    "multi-column-2p.pdf": "relies on efficient passage retrieval",
    "docx-tables.docx": "Header Col 1 | Header Col 2",
    "winter-sports.epub": "Winter Sports in Switzerland",
    "eng_spa_mult.rtf": "iguales en dignidad y derechos",
    "fake.odt": "Color | Blue | Red | Green",
    "fake-email-utf-16-be.eml": "Roses are red",
    "fake-text-utf-32.txt": "Hamburgers are delicious",
    "eng_spa_mult.doc": "All human beings are born free",  # really a DOCX
    "ideas-page.html": "The way to get new ideas is to notice anomalies",
    "umlauts-non-utf8.md": "können",
}


@pytest.fixture(scope="module")
def sandbox() -> object:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


def outcome(sandbox: Sandbox, path: Path) -> str:
    """Return the state of a file with its reason, or its text."""
    try:
        articles = sandbox.load(path.name, path.read_bytes())
    except Unloadable as problem:
        return f"{problem.state}: {problem.reason}"
    for article in articles:
        assert_canonical(article)
    return "\n".join(article.text for article in articles)


def test_every_file_comes_in_or_says_why_not(evaluation_data: Callable[[str], Path], sandbox: Sandbox) -> None:
    outcomes = {path.name: outcome(sandbox, path) for path in sorted(evaluation_data(FILES).iterdir())}
    for name, reason in REFUSED.items():
        assert outcomes[name].startswith(reason), name
    for name, words in WORDS.items():
        assert words in " ".join(outcomes[name].split()), name
    refused = {name for name, text in outcomes.items() if text.startswith(("skipped: ", "failed: "))}
    assert len(outcomes) - len(refused) >= 140
    unexpected = ("cannot be parsed", "breaks its parser", "takes longer", "needs more than")
    assert not [name for name in refused if any(reason in outcomes[name] for reason in unexpected)]
