"""The base of every HTML page: a self-contained file that runs only its own script.

Templates are Jinja2 files, named by their path in this package (`views/report/pair.html`); all of
them extend `views/page.html`. Autoescape turns every value into text, so that names cannot become
markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(
    template: str, title: str, styles: Sequence[str], scripts: Sequence[str], **context: Any
) -> bytes:
    """Return a page made from a template, as UTF-8, with its styles and scripts included.

    The page's policy lists the digests of these styles and scripts, so that no others run and
    nothing is loaded from the network.

    Parameters
    ----------
    template, styles, scripts: paths in this package.
    context: the template's variables; text is escaped, and `{{ value | tojson }}` embeds data for
        the page's script.
    """
    from markupsafe import Markup

    style, script = "\n".join(map(package_text, styles)), joined(scripts)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    text = template_text(
        template, title=title, policy=policy, style=Markup(style), script=Markup(script), **context
    )
    return text.encode("utf-8", "replace")


def joined(scripts: Sequence[str]) -> str:
    """Join modules, given in the order of their dependencies, to one script without `import` lines
    and the word `export`. No two of them may define the same name."""
    text = _IMPORT.sub("", "\n".join(map(package_text, scripts)))
    return f'"use strict";\n{_EXPORT.sub("", text)}'


def template_text(template: str, **context: Any) -> str:
    """Return a rendered template, named by its path in this package; text is escaped."""
    return _environment().get_template(template).render(**context)


def package_text(name: str) -> str:
    """Return the text of a file of this package, named by its path with `/`."""
    return files("la2ds_cli").joinpath(name).read_text("utf-8")


def base64_text(content: bytes) -> str:
    """Return base64 text, for data URLs and JSON."""
    return base64.b64encode(content).decode("ascii")


def _digest(text: str) -> str:
    return f"sha256-{base64_text(hashlib.sha256(text.encode()).digest())}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("la2ds_cli", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # JSON has no NaN. `tojson` escapes <, >, & and ', so no text can end a script element.
    environment.policies["json.dumps_kwargs"] = {
        "ensure_ascii": True,
        "allow_nan": False,
        "separators": (",", ":"),
    }
    return environment
