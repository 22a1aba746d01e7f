"""Putting a page together: one file that loads nothing, runs no script but its own, and shows every
name as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

Html = str  # text of a page in which every name was escaped
_HERE = __package__ or "la2ds_cli.views.report"


def template(name: str, package: str = _HERE) -> str:
    """A template file of a package."""
    return files(package).joinpath(name).read_text("utf-8")


def page(
    body: str,
    title: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    package: str = _HERE,
    **parts: Html,
) -> bytes:
    """The page `body` (a template file) with its styles and scripts inside.

    parts: what the template names, HTML already; title: plain text. package: where the files lie.
    Only the scripts and styles of these files run: the policy names their digests, so that neither
    an attribute nor a network address has a chance.
    """
    style = "\n".join(template(name, package) for name in styles)
    script = "\n".join(template(name, package) for name in scripts)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src {_quoted(script)}"
    )
    inner = Template(template(body, package)).substitute(parts)
    return (
        Template(template("page.html"))
        .substitute(
            policy=escape(policy),
            title=escape(title),
            style=style,
            body=inner,
            script=f"<script>{script}</script>" if script else "",
        )
        .encode("utf-8", "replace")
    )


def _quoted(script: str) -> str:
    return f"'{_digest(script)}'" if script else "'none'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def embedded_json(name: str, data: Any) -> Html:
    """A script element of data for the page's own script; no text in it can end the element."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{escape(name)}">{text}</script>'


def text(value: object) -> Html:
    """Plain text for anywhere in a page, attributes too."""
    return escape(str(value), quote=True)


def items(lines: Sequence[Html], kind: str = "") -> Html:
    """A list, or nothing."""
    if not lines:
        return ""
    return f'<ul class="{text(kind)}">' + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"
