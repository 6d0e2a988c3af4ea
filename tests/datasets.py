"""A small data set of the form that `footnote eval` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "ostvik",
        "title": "The bridge at Ostvik",
        "text": "The bridge at Ostvik was built in 1871. It is 120 metres long. Nobody remembers its architect.",
        "metadata": {"published": "1871-02-03", "lang": "en"},
    },
    {
        "id": "bees",
        "title": "Bees in winter",
        "text": "Bees gather in a ball in winter. The queen stays warm inside of it, and all of them eat honey.",
        "metadata": {"lang": "en"},
    },
    {"id": "tea", "title": "", "text": "Tea is picked by hand in spring. The first leaves are the dearest."},
    {"id": "empty", "title": "Nothing", "text": ""},
]
QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "built",
        "text": "When was the bridge at Ostvik built?",
        "type": "fact",
        "answer": "1871",
        "aliases": ["1871", "in 1871"],
    },
    {"id": "long", "text": "How long is the bridge at Ostvik?", "type": "fact", "answer": "120 metres", "lang": "de"},
    {"id": "bees", "text": "What do bees do in winter?", "type": "other", "answer": None},
    {
        "id": "null",
        "text": "Who stole the moon rock of Lagos?",
        "type": "null_query",
        "answer": "Insufficient information.",
    },
    {"id": "graded", "text": "When is tea picked?", "type": "other", "answer": "in spring"},
]
JUDGEMENTS = [
    ("built", "ostvik", 1),
    ("long", "ostvik", 1),
    ("bees", "bees", 2),
    ("graded", "bees", 0),
    ("graded", "tea", 3),
]
EVIDENCE = [
    {"query_id": "built", "doc_id": "ostvik", "text": "1871", "sentence": "The bridge at Ostvik was built in 1871."}
]


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_dataset(folder: Path) -> Path:
    """Write the data set and return its folder."""
    folder.mkdir(parents=True)
    write_lines(folder / "corpus.jsonl", DOCUMENTS)
    write_lines(folder / "queries.jsonl", QUESTIONS)
    write_lines(folder / "evidence.jsonl", EVIDENCE)
    judged = ["query_id\tdoc_id\trelevance", *("\t".join(map(str, row)) for row in JUDGEMENTS)]
    (folder / "qrels.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return folder
