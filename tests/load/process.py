"""A page, or providers, in a process of its own: what it holds can be read, and its work does not slow the test.

`python -m tests.load.process page SETTINGS` or `… providers REPLIES`, both JSON. Its first line is the address, or the
addresses; each line that it reads from then on is answered by one with what it holds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tests.provider import Scripted, serving


def _tell(value: Any) -> None:
    print(json.dumps(value), flush=True)


def _answer(look: Callable[[], dict[str, Any]]) -> None:
    for _ in sys.stdin:
        _tell(look())


def run_providers(replies: dict[str, dict[str, Any]]) -> None:
    """Serve each reply again and again, at an address of its own, until stdin is closed."""
    with ExitStack() as stack:
        providers = {name: stack.enter_context(serving(Scripted(**reply))) for name, reply in replies.items()}
        _tell({name: provider.base_url for name, provider in providers.items()})
        _answer(lambda: {"connections": sum(provider.connections for provider in providers.values())})


def run_page(values: dict[str, Any]) -> None:
    """Serve the page of a library until stdin is closed."""
    import uvicorn

    from rag.app import open_library
    from rag.config import Settings
    from ui.serve import _listen, build_app, server_config

    with open_library(Settings.model_validate(values)) as library, _listen("127.0.0.1", 0) as listener:
        library.sync()
        server = uvicorn.Server(server_config(build_app(library)))
        loop = asyncio.new_event_loop()

        def look() -> dict[str, Any]:
            gc.collect()
            answers = sum(thread.name == "answer" for thread in threading.enumerate())
            return {"tasks": len(asyncio.all_tasks(loop)), "answers": answers, "threads": threading.active_count()}

        thread = threading.Thread(target=loop.run_until_complete, args=[server.serve(sockets=[listener])])
        thread.start()
        _tell(f"http://127.0.0.1:{listener.getsockname()[1]}")
        _answer(look)
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    {"page": run_page, "providers": run_providers}[sys.argv[1]](json.loads(sys.argv[2]))
