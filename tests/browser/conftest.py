"""A served page and a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from rag.app import open_library
from rag.config import Settings
from tests.conftest import SAMPLES
from tests.provider import Provider, Scripted
from ui.serve import build_app

SCREENSHOTS = Path(__file__).parent / "screenshots"
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")  # while Playwright runs, no other test may run an event loop in this thread
def browser() -> Iterator[Browser]:
    system = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    with sync_playwright() as playwright:
        if system is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium on this machine: make install-dev installs one")
        browser = playwright.chromium.launch(executable_path=system, args=_QUIET)
        yield browser
        browser.close()


class Visit:
    """A page that a reader has open, with what it asked of others and what it complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", self._note_request)
        page.on("console", lambda message: self._note(message.text) if message.type in ("error", "warning") else None)
        page.on("dialog", self._note_dialog)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.goto(url)
        page.locator("body[data-ready]").wait_for(state="attached")

    def _note_request(self, request: object) -> None:
        address: str = request.url  # type: ignore[attr-defined]
        if not address.startswith((self.url, "data:", "blob:")):
            self.foreign.append(address)

    def _note_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.accept()

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def ask(self, question: str, *, wait: bool = True) -> None:
        turns = self.page.locator("#fn-history .fn-turn:not(.fn-refused)").count()
        box = self.page.locator("textarea:visible").first
        box.fill(question)
        box.press("Enter")
        if wait:
            self.answered(turns + 1)

    def answered(self, turns: int) -> None:
        self.page.wait_for_function("n => document.querySelectorAll('#fn-history .fn-turn').length === n", arg=turns)

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.wait_for_timeout(300)  # scrolling and fonts settle
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """Serve a library of the given settings, synced, and give the page's address."""
    with open_library(settings) as library, socket.socket() as listener:
        library.sync()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(build_app(library), log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def visits(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a page in a browser session of its own."""
    with ExitStack() as stack:

        def open_(url: str, width: int = 1440, height: int = 900, *, dark: bool = False) -> Visit:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            stack.callback(context.close)
            return Visit(context.new_page(), url)

        yield open_


@pytest.fixture(scope="module")
def quotes_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the sample articles, without a model."""
    settings = Settings.model_validate({"library": tmp_path_factory.mktemp("quotes"), "articles": SAMPLES})
    with running(settings) as url:
        yield url


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(Scripted())
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def model_url(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[str]:
    """The page of the sample articles, answered by the scripted provider."""
    settings = Settings.model_validate(
        {
            "library": tmp_path_factory.mktemp("model"),
            "articles": SAMPLES,
            "model": "scripted",
            "models": {"scripted": {"base_url": provider.base_url}},
        }
    )
    with running(settings) as url:
        yield url


@pytest.fixture
def clean() -> Iterator[list[Visit]]:
    """Collects visits; at the end none may have asked another host for anything, nor complained."""
    seen: list[Visit] = []
    yield seen
    for visit in seen:
        assert visit.foreign == []
        assert visit.complaints == []


@pytest.fixture
def play(provider: Provider) -> Callable[..., Provider]:
    """Return a function that gives the provider its next replies."""

    def script(*replies: Scripted) -> Provider:
        provider.requests.clear()
        provider.script[:] = replies
        return provider

    return script
