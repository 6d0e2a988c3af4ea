"""Serves a model file over OpenAI's chat protocol until stdin ends: `python serve.py MODEL TOKENS`.

A process of its own, so that llama.cpp's log and memory stay out of the tests.
"""

from __future__ import annotations

import sys

READY = "listening at "


def main(path: str, context: str) -> None:
    import xllamacpp  # here, so that the tests can read this file without it

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = int(context)
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.warmup = False
    server = xllamacpp.Server(params)
    print(f"{READY}{server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
