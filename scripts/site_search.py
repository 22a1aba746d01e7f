"""Keep pages about the making of la2ds out of the search of the site: a hook of MkDocs.

Decisions, the changelog and the lists of attacks and faults name every part of la2ds, so the search
put them before the pages that say how to use it. They stay in the menu.
"""

from __future__ import annotations

from typing import Any

NOT_SEARCHED = ("decisions/", "changelog.md", "results/mutation.md", "results/reliability.md")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text as it is, and tell the search to leave such a page out."""
    if page.file.src_uri.startswith(NOT_SEARCHED):
        page.meta["search"] = {"exclude": True}
    return markdown
