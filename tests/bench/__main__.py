"""Runs the measurements: `python -m tests.bench` those of minutes, with `--scale` the one of a large library."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rag.app import open_library
from rag.config import Settings
from tests.bench import files, samples, scale
from tests.bench.process import Row

OUTPUT = samples.ROOT / "bench"


def table(rows: Sequence[Row], command: str) -> str:
    """Return the rows as a Markdown table under a line that says where they come from."""
    where = f"`{command}`, {date.today().isoformat()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join([where, "", "| what | measured |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""])


def everyday(folder: Path) -> list[Row]:
    """Measure what people wait for: answers, syncs."""
    library = folder / "samples"
    with open_library(Settings(library=library, articles=samples.SAMPLES)) as opened:
        opened.sync()
    for name in ("sync", "files"):
        (folder / name).mkdir()
    return [
        *samples.cold_start(library),
        *samples.retrieval(library),
        *samples.memory(library),
        *samples.first_token(library),
        *samples.sync(folder / "sync"),
        *files.resync(folder / "files"),
    ]


def main() -> None:
    """Measure, write the table and print it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scale", action="store_true", help="a library of 100,000 passages instead")
    large = options.parse_args().scale
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = scale.scale(Path(folder)) if large else everyday(Path(folder))
    text = table(rows, "make bench-scale" if large else "make bench")
    (OUTPUT / ("scale.md" if large else "speed.md")).write_text(text, encoding="utf-8")
    print(text)
    if not large:
        peers()


def peers() -> None:
    """Measure retrieval beside other libraries, where they and the data sets are at hand."""
    try:
        from tests.bench import retrieval
    except ImportError as error:
        sys.exit(f"Without the comparison with peers: {error}. `make bench` installs them.")
    retrieval.main()


if __name__ == "__main__":
    main()
