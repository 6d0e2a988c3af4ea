"""A folder that is away or cannot be read for a while deletes nothing, whatever else went wrong before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rag import sync as sync_module
from rag.app import Footnote
from rag.errors import InputError, Unloadable
from rag.folder import FoundFile
from tests.faults.world import NAMES, article


def test_a_folder_that_fails_to_be_read_and_is_then_unmounted_deletes_nothing(
    open_here: Callable[[], Footnote],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(30):
        (place / "articles" / f"{number}.txt").write_text(article(f"name{number}", 1, 1))

    def broken(_file: FoundFile, _size: int) -> bytes:
        raise Unloadable("failed", "unreadable: Input/output error")

    with open_here() as library:
        library.sync()
        with monkeypatch.context() as patch:
            patch.setattr(sync_module, "read", broken)
            assert len(library.sync().failed) == 30 + len(NAMES)
        assert library._ledger.counts()["articles"] == 30 + len(NAMES)
        shutil.rmtree(place / "articles")
        (place / "articles").mkdir()
        with pytest.raises(InputError, match="Nothing was changed"):
            library.sync()
        assert library._ledger.counts()["articles"] == 30 + len(NAMES)
