"""Owns what is copied with an answer: its words with [1] marks and its references below, as text and as plain HTML."""

from __future__ import annotations

import html

from rag.export.contents import answer_only, reference
from rag.export.values import Block, Blocks, Code, Heading, Inlines, Listing, Paragraph, Quoted, Run, Table
from rag.types import Answer


def plain(answer: Answer) -> str:
    """Return an answer as text: marks [1], and the list of references they point to."""
    made = answer_only(answer)
    parts = [_block(block) for block in made.blocks]
    if made.notes:
        parts.append("References")
    parts += [f"[{n}] {_text(reference(citation, exact=False))}" for n, citation in enumerate(made.notes, start=1)]
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def clip_html(answer: Answer) -> str:
    """Return the same as simple HTML: nothing in it is loaded, and only addresses of articles are links."""
    made = answer_only(answer)
    items = "".join(f"<li>{_inline_html(reference(citation, exact=False))}</li>" for citation in made.notes)
    references = f"<p><strong>References</strong></p><ol>{items}</ol>" if items else ""
    return "".join(_block_html(block) for block in made.blocks) + references


# ---------------------------------------------------------------- as text


def _text(inlines: Inlines) -> str:
    text = ""
    for inline in inlines:
        if isinstance(inline, Run):
            text += inline.text
        else:
            text += f"[{inline.n}]" if not text or text[-1].isspace() or text[-1] == "]" else f" [{inline.n}]"
    return text.strip()


def _block(block: Block) -> str:
    if isinstance(block, Paragraph | Heading):
        return _text(block.inlines)
    if isinstance(block, Code):
        return block.text
    if isinstance(block, Listing):
        tight = all(len(item) <= 1 for item in block.items)
        return ("\n" if tight else "\n\n").join(_item(block, i) for i in range(len(block.items)))
    if isinstance(block, Quoted):
        return "\n".join(f"  {line}".rstrip() for line in _blocks(block.blocks).split("\n"))
    if isinstance(block, Table):
        return "\n".join("\t".join(_text(cell).replace("\n", " ") for cell in row) for row in block.rows)
    return ""


def _blocks(blocks: Blocks) -> str:
    return "\n\n".join(text for block in blocks if (text := _block(block)))


def _item(block: Listing, i: int) -> str:
    head = "- " if block.start is None else f"{block.start + i}. "
    lines = _blocks(block.items[i]).split("\n")
    return "\n".join([head + lines[0], *(" " * len(head) + line if line else "" for line in lines[1:])])


# ---------------------------------------------------------------- as HTML


def _inline_html(inlines: Inlines) -> str:
    return "".join(_run_html(inline) if isinstance(inline, Run) else f"<sup>[{inline.n}]</sup>" for inline in inlines)


def _run_html(run: Run) -> str:
    text = html.escape(run.text).replace("\n", "<br>")
    if run.link:
        return f'<a href="{text}">{text}</a>'
    for tag in ("code",) * run.code + ("em",) * (run.italic or run.remark) + ("strong",) * run.bold:
        text = f"<{tag}>{text}</{tag}>"
    return text


def _block_html(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"<p>{_inline_html(block.inlines)}</p>"
    if isinstance(block, Heading):
        level = min(block.level, 6)
        return f"<h{level}>{_inline_html(block.inlines)}</h{level}>"
    if isinstance(block, Code):
        return f"<pre><code>{html.escape(block.text)}</code></pre>"
    if isinstance(block, Listing):
        tag = "ul" if block.start is None else "ol"
        start = f' start="{block.start}"' if block.start not in (None, 1) else ""
        items = "".join(f"<li>{_item_html(item)}</li>" for item in block.items)
        return f"<{tag}{start}>{items}</{tag}>"
    if isinstance(block, Quoted):
        return f"<blockquote>{_blocks_html(block.blocks)}</blockquote>"
    if isinstance(block, Table):
        rows = [_row_html(row, "td" if i else "th") for i, row in enumerate(block.rows)]
        return f"<table>{''.join(rows)}</table>"
    return "<hr>"


def _blocks_html(blocks: Blocks) -> str:
    return "".join(_block_html(block) for block in blocks)


def _item_html(item: Blocks) -> str:
    """Return an item of a list, its only or first paragraph without a tag of its own."""
    first = item[0] if item else None
    if isinstance(first, Paragraph):
        return _inline_html(first.inlines) + _blocks_html(item[1:])
    return _blocks_html(item)


def _row_html(row: tuple[Inlines, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline_html(cell)}</{tag}>" for cell in row) + "</tr>"
