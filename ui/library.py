"""Owns the list of articles in the side panel."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import Source
from ui.evidence import about
from ui.render import escape, escape_name

_MOST = 500


def articles_html(sources: Sequence[Source]) -> str:
    """Return the articles of the library, each a link that opens it; newest first."""
    items = "".join(
        f'<li><a class="fn-card" href="#article-{escape(source.article_id)}"><span class="fn-title">'
        f'{escape_name(source.title)}</span><span class="fn-meta">{about(source)}</span></a></li>'
        for source in sources[:_MOST]
    )
    more = f"<p>… and {len(sources) - _MOST} more.</p>" if len(sources) > _MOST else ""
    none = "" if sources else "<p>No article yet: put files into the articles folder and start again.</p>"
    return f'<div class="fn-panel"><h2 tabindex="-1">Articles</h2>{none}<ul class="fn-cards">{items}</ul>{more}</div>'
