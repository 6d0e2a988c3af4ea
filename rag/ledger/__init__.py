"""Owns the database: one SQLite file that holds all that must not be lost. Chroma can be rebuilt from it.

Articles have versions; exactly one is active, and only active passages are in the lexical index. A new
version is staged beside the old one and published by one transaction. Vectors are kept by what was
embedded, so equal text is never embedded twice, whatever file or version it is in.
"""

from rag.ledger.database import FILE_NAME, is_library
from rag.ledger.read import FileRecord, LedgerReader, Listed, WebPage
from rag.ledger.schema import SCHEMA_VERSION
from rag.ledger.write import Ledger, Staged

__all__ = [
    "FILE_NAME",
    "SCHEMA_VERSION",
    "FileRecord",
    "Ledger",
    "LedgerReader",
    "Listed",
    "Staged",
    "WebPage",
    "is_library",
]
