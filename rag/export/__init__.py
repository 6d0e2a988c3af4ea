"""Owns documents to hand on: answers with true footnotes, as Markdown, as a Word document, and for the clipboard.

Pure functions from values to text or bytes. All forms are written from the same blocks (`values`).
"""

from rag.export.as_docx import docx
from rag.export.as_markdown import markdown
from rag.export.clip import clip_html, plain
from rag.export.values import Entry

__all__ = ["Entry", "clip_html", "docx", "markdown", "plain"]
