"""A page, or a provider, in a process of its own: what it holds can be read, and its work does not slow the test.

`python -m tests.load.process page SETTINGS` or `… provider SCRIPT`, both JSON. Its first line names its address; each
line it reads from then on is answered by one with what it holds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from typing import TYPE_CHECKING, Any

from tests.provider import Scripted, serving

if TYPE_CHECKING:
    from collections.abc import Callable


def _answer(look: Callable[[], dict[str, Any]]) -> None:
    for _ in sys.stdin:
        print(json.dumps(look()), flush=True)


def run_provider(script: dict[str, Any]) -> None:
    """Serve a reply, again and again, until stdin is closed."""
    with serving(Scripted(**script)) as provider:
        print(provider.base_url, flush=True)
        _answer(lambda: {"connections": provider.connections, "requests": len(provider.requests)})


def run_page(values: dict[str, Any]) -> None:
    """Serve the page of a library until stdin is closed."""
    import uvicorn

    from rag.app import open_library
    from rag.config import Settings
    from ui.serve import _listen, build_app, server_config

    with open_library(Settings.model_validate(values)) as library, _listen("127.0.0.1", 0) as listener:
        library.sync()
        server = uvicorn.Server(server_config(build_app(library)))
        loops: list[asyncio.AbstractEventLoop] = []

        async def run() -> None:
            loops.append(asyncio.get_running_loop())
            await server.serve(sockets=[listener])

        def look() -> dict[str, Any]:
            gc.collect()
            return {"tasks": len(asyncio.all_tasks(loops[0])), "names": [t.name for t in threading.enumerate()]}

        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        _answer(look)
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    {"page": run_page, "provider": run_provider}[sys.argv[1]](json.loads(sys.argv[2]))
