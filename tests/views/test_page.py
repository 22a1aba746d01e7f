"""The frame of a page: nothing from a name runs, and nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from importlib.resources import files

import pytest
from jinja2 import UndefinedError

from la2ds_cli.views.page import package_text, render_page

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror='alert(2)'>\u2028&\""


PAIR = "views/report/pair.html"
WORDS = dict.fromkeys(
    (
        *(
            "name_a",
            "name_b",
            "method",
            "features",
            "references",
            "ratio",
            "seconds_a",
            "seconds_b",
        ),
        *("sureness", "near", "reason", "unmatched", "frames", "mirrored", "picture_note"),
        *("nominal", "both_have_phases", "curves", "baselines", "by_model", "clips"),
    ),
    "",
)


def pair_page(data: object) -> str:
    told = {**WORDS, "images_a": None, "images_b": None}
    return render_page(PAIR, "t", styles=(), **told, data=data).decode()


def test_json_in_a_page_cannot_end_its_element() -> None:
    html = pair_page({"name": EVIL})
    inner = re.search('<script type="application/json" id="data">(.*?)</script>', html)
    assert inner is not None
    assert not set("<>&") & set(inner[1])
    assert json.loads(inner[1]) == {"name": EVIL}


def test_nan_is_refused_rather_than_written_as_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pair_page([float("nan")])


def test_what_a_template_names_must_be_given() -> None:
    with pytest.raises(UndefinedError, match="name_a"):
        render_page(PAIR, "t", styles=(), data={})


def test_the_policy_names_the_digests_of_what_is_in_the_page() -> None:
    html = render_page(
        PAIR,
        EVIL,
        styles=["views/report/page.css"],
        scripts=["views/report/film.js"],
        **{**WORDS, "name_a": EVIL},
        data={},
        images_a=None,
        images_b=None,
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
    for tag, around in (("title", "{}"), ("h1", "{} and ")):
        inner = re.search(f"<{tag}>(.*?)</{tag}>", html)
        assert inner is not None
        assert not set("<>\"'") & set(inner[1])
        assert unescape(inner[1]) == around.format(EVIL)


def test_a_page_without_script_allows_none() -> None:
    html = render_page("views/page.html", "t", styles=()).decode()
    assert "script-src 'none'" in unescape(html)
    assert "<script" not in html


def test_no_template_names_an_address_or_an_inline_style() -> None:
    kinds = {
        f"{folder}/{entry.name}": entry.read_text("utf-8")
        for folder in ("views", "views/report", "experiments")
        for entry in files("la2ds_cli").joinpath(folder).iterdir()
        if entry.name.endswith((".html", ".css", ".js"))
    }
    assert len(kinds) >= 11
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
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", package_text("views/report/page.css")))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
