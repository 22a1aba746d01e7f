"""The frame of a page: nothing from a name runs, and nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from importlib.resources import files

import pytest

from la2ds_cli.views.report.page import embedded_json, items, page, template, text

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror='alert(2)'>\u2028&\""


def test_json_in_a_page_cannot_end_its_element() -> None:
    html = embedded_json("data", {"name": EVIL})
    inner = html.removeprefix('<script type="application/json" id="data">')
    inner = inner.removesuffix("</script>")
    assert not set("<>&") & set(inner)
    assert json.loads(inner) == {"name": EVIL}


def test_nan_is_refused_rather_than_written_as_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json("data", [float("nan")])


def test_text_is_escaped_for_attributes_too() -> None:
    assert not set("<>\"'") & set(text(EVIL))
    assert unescape(text(EVIL)) == EVIL


def test_an_empty_list_is_nothing() -> None:
    assert items([]) == ""
    assert items(["a", "b"]) == '<ul class=""><li>a</li><li>b</li></ul>'


def test_the_policy_names_the_digests_of_what_is_in_the_page() -> None:
    html = page(
        "overview.html",
        EVIL,
        styles=("page.css",),
        scripts=("clips.js",),
        **dict.fromkeys(("heading", "facts", "pairs", "clips", "runs", "results"), ""),
    ).decode()
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert found is not None
    policy = unescape(found[1])
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("script", "style"):
        inner = re.search(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        assert inner is not None
        digest = base64.b64encode(hashlib.sha256(inner[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert f"<title>{text(EVIL)}</title>" in html


def test_a_page_without_script_allows_none() -> None:
    parts = dict.fromkeys(("heading", "facts", "pairs", "clips", "runs", "results"), "")
    html = page("overview.html", "t", styles=("page.css",), **parts).decode()
    assert "script-src &#x27;none&#x27;" in html
    assert "<script" not in html


def test_no_template_names_an_address_or_an_inline_style() -> None:
    names = [entry.name for entry in files("la2ds_cli.views.report").iterdir()]
    kinds = {name: template(name) for name in names if name.endswith((".html", ".css", ".js"))}
    assert len(kinds) >= 9
    for name, content in kinds.items():
        assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|innerHTML", content), (
            name
        )
        assert not re.search(r"\bstyle=|\bon\w+=\"", content), name


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "ground"),
        ("soft", "ground"),
        ("soft", "paper"),
        ("accent", "paper"),
        ("paper", "accent"),
        ("warn-ink", "warn-ground"),
        ("good", "paper"),
    ],
)
def test_text_has_enough_contrast(ink: str, ground: str) -> None:
    """Web Content Accessibility Guidelines 2.2, 1.4.3: at least 4.5 to 1."""
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", template("page.css")))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
