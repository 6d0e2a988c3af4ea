"""Files that answers are saved as: right, of their reader only, and never found by guessing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from rag.app import Footnote
from rag.cli import main
from ui.chat import Chat
from ui.conversations import Conversations
from ui.saving import router
from ui.sessions import Sessions
from ui.turns import PLAINLY

LENGTH = "How long is the bridge at Ostvik?"


class Saving(NamedTuple):
    """The routes, a reader's client and a stranger's, and the reader's conversation with two turns."""

    reader: TestClient
    stranger: TestClient
    conversation: str


@pytest.fixture
def saving(open_at: Callable[..., Footnote], tmp_path: Path) -> Iterator[Saving]:
    sessions = Sessions(tmp_path, 30)
    with open_at() as library:
        library.sync()
        kept = Conversations(None, 30, library.receipt)
        app = FastAPI()
        app.include_router(router(kept, sessions, library.receipt))
        clients = []
        for session in (sessions.new(), sessions.new()):
            cookie = sessions.cookie(session, secure=False).split(";")[0]
            clients.append(TestClient(app, headers={"cookie": cookie}))
            conversation = kept.new_id()
            for question in (LENGTH, "What do bees live on in winter?"):
                list(Chat(library, kept, 1).ask(session, conversation, question, PLAINLY))
        yield Saving(clients[1], clients[0], conversation)


def test_an_answer_is_saved_as_markdown_word_and_receipt(saving: Saving, tmp_path: Path) -> None:
    place = f"/saved/{saving.conversation}/1"
    markdown = saving.reader.get(f"{place}.md")
    assert markdown.headers["content-disposition"] == 'attachment; filename="how-long-is-the-bridge-at-ostvik.md"'
    assert "[^1]: “The bridge at Ostvik was opened in 1931" in markdown.text
    assert "[^2]: “It is 412 metres long" in markdown.text
    word = zipfile.ZipFile(BytesIO(saving.reader.get(f"{place}.docx").content))
    assert "412 metres" in word.read("word/footnotes.xml").decode()
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(saving.reader.get(f"{place}.json").content)
    assert json.loads(receipt.read_text())["question"] == LENGTH
    assert main(["verify", str(receipt), "--library", str(tmp_path / "library")]) == 0
    clip = saving.reader.get(f"{place}.clip").json()
    assert "412 metres" in clip["text"]
    assert "412 metres" in clip["html"]


def test_a_whole_conversation_is_saved_as_one_document(saving: Saving) -> None:
    text = saving.reader.get(f"/saved/{saving.conversation}/all.md").text
    assert LENGTH in text
    assert "bees live on in winter" in text
    assert "[^2]:" in text


def test_nobody_else_gets_a_file(saving: Saving) -> None:
    for kind in ("md", "docx", "json", "clip"):
        for client in (saving.stranger, TestClient(saving.reader.app)):
            assert client.get(f"/saved/{saving.conversation}/1.{kind}").status_code == 404


@pytest.mark.parametrize(
    "place",
    ["3.md", "0.md", "-1.md", "1.2.md", "1.exe", "all.json", "all.clip.md", "x.md", "%2e%2e.md"],
)
def test_what_is_not_there_is_not_found(saving: Saving, place: str) -> None:
    assert saving.reader.get(f"/saved/{saving.conversation}/{place}").status_code == 404
