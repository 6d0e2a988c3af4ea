"""Owns `python -m rag.cli`."""

import sys

from rag.cli import run

sys.exit(run())
