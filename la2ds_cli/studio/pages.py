"""The frame of every page of the studio: its navigation, its look, its scripts; and its answers."""

from __future__ import annotations

from typing import Any

from la2ds_cli.views.page import template_text

# Name in the navigation, address. A page marks its own by `here`.
NAVIGATION = (("Clips", "/"),)


def page(template: str, title: str, *, here: str = "", **context: Any) -> str:
    """A page of the studio. template: a file in templates/, which extends frame.html. here: the
    address of its entry in the navigation. What the context holds is shown as text."""
    return template_text(
        f"studio/templates/{template}",
        title=f"{title} · la2ds studio",
        heading=title,
        navigation=NAVIGATION,
        here=here,
        **context,
    )
