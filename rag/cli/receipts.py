"""Owns the command that verifies a receipt: offline, without a model, and without changing anything."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rag.cli.show import as_json, as_wanted, note
from rag.config import Settings
from rag.errors import FootnoteError
from rag.text import printable

if TYPE_CHECKING:
    from rag.receipt import Receipt
    from rag.recheck import Difference
    from rag.standing import CitationNow

_NO_MATCH = 1


def verify(settings: Settings, options: argparse.Namespace) -> int:
    """Say whether a receipt is sound, its verdicts come out the same, and its quotes still stand in the articles."""
    from rag.receipt import altered, own_version, read_receipt
    from rag.recheck import faults

    receipt = read_receipt(options.receipt)
    if found := faults(receipt):
        raise altered(options.receipt, "; ".join(found[:3]))
    differences, unchecked = _checked_again(settings, receipt)
    citations, unmatched = _matched(settings, receipt)
    if receipt.version != own_version():
        note(f"footnote: written by Footnote {receipt.version}; this is {own_version()}, and may judge otherwise.")
    if as_wanted(options):
        print(
            as_json(
                {
                    "version": receipt.version,
                    "made": receipt.made,
                    "differences": None if differences is None else [asdict(item) for item in differences],
                    "citations": None if citations is None else [asdict(item) for item in citations],
                    "notes": [text for text in (unchecked, unmatched) if text],
                }
            )
        )
    else:
        print(_text(receipt, differences, citations))
        for text in filter(None, (unchecked, unmatched)):
            note(f"footnote: {text}")
    lost = any(citation.state in ("changed", "gone") for citation in citations or ())
    return _NO_MATCH if lost or (differences and receipt.version == own_version()) else 0


def _checked_again(settings: Settings, receipt: Receipt) -> tuple[list[Difference] | None, str]:
    """Return what comes out otherwise; None, and why, where the check could not be run."""
    if not receipt.answer.sentences:
        return [], ""
    from rag.embed import MiniLMEmbedding
    from rag.factory import make_check
    from rag.recheck import differences

    try:
        embedder = MiniLMEmbedding(settings.embedder.path)
    except FootnoteError as error:
        return None, f"The verdicts were not checked again: {error}"
    if embedder.fingerprint != receipt.embedder.fingerprint:
        return None, (
            f"The verdicts were not checked again: they were made with another embedder, {receipt.embedder.name} "
            f"({receipt.embedder.fingerprint})."
        )

    return differences(receipt, make_check(embedder), embedder), ""


def _matched(settings: Settings, receipt: Receipt) -> tuple[list[CitationNow] | None, str]:
    """Return what became of the citations; None, and why, where there is no library that can be read."""
    from rag.ledger import FILE_NAME
    from rag.standing import citation_now
    from rag.status import open_reader

    if not receipt.answer.citations:
        return [], ""
    why = f"there is no library in {settings.library}. Name one with --library"
    with contextlib.suppress(OSError):
        if (settings.library / FILE_NAME).exists():
            try:
                with contextlib.closing(open_reader(settings.library)) as ledger, ledger.snapshot():
                    return [citation_now(citation, ledger) for citation in receipt.answer.citations], ""
            except FootnoteError as error:
                why = str(error).rstrip(".")
    return None, f"The citations were not compared with the articles: {why}."


def _text(receipt: Receipt, differences: Sequence[Difference] | None, citations: Sequence[CitationNow] | None) -> str:
    lines = [f"sound: as Footnote {receipt.version} wrote it on {receipt.made}"]
    if differences is not None:
        count = len(receipt.answer.sentences)
        lines.append(f"verdicts: {count - len(differences)} of {count} sentences fare as they did")
    for item in differences or ():
        lines.append(f"sentence {item.sentence} was {item.was}, is now {item.now}: {item.text}")
        lines += [f"  ({reason})" for reason in item.reasons]
    for citation in citations or ():
        place = f", characters {citation.start}–{citation.end}" if citation.start is not None else ""
        lines.append(f"[{citation.n}] {citation.state}: {citation.source}{place}")
        lines += [f"  nearest now: {citation.nearest}"] if citation.nearest else []
    return printable("\n".join(lines))
