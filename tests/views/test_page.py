"""The frame of a page: nothing from a name runs, and nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from importlib.resources import files
from typing import Any

import pytest

from la2ds_cli.views.page import joined, package_text, render_page
from la2ds_cli.views.report.pair import SCRIPTS

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror='alert(2)'>\u2028&\""


PAIR = "views/report/pair.html"
FILMS: dict[str, Any] = {"images_a": None, "images_b": None}


def pair_page(data: object, **names: Any) -> str:
    told: dict[str, Any] = {"layout": "views/page.html", "heading": EVIL, "name_a": EVIL}
    told |= {**FILMS, "name_b": "", "styles": (), "scripts": (), **names}
    return render_page(PAIR, EVIL, **told, data=data).decode()


def test_json_in_a_page_cannot_end_its_element() -> None:
    html = pair_page({"name": EVIL})
    inner = re.search('<script type="application/json" id="data">(.*?)</script>', html)
    assert inner is not None
    assert not set("<>&") & set(inner[1])
    assert json.loads(inner[1]) == {"name": EVIL}


def test_nan_is_refused_rather_than_written_as_no_json() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pair_page([float("nan")])


def test_the_policy_names_the_digests_of_what_is_in_the_page() -> None:
    scripts = ["views/report/film.js", "views/report/stage.js"]
    html = pair_page({}, styles=["views/report/page.css"], scripts=scripts)
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
    for tag in ("title", "h1"):
        inner = re.search(f"<{tag}>(.*?)</{tag}>", html)
        assert inner is not None
        assert not set("<>\"'") & set(inner[1])
        assert unescape(inner[1]) == EVIL


def test_modules_become_one_script_in_which_no_name_comes_twice() -> None:
    text = joined([f"views/report/{name}" for name in SCRIPTS])
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)
    kinds = r"^(?:async )?(?:function|class|const|let) \[?([\w, ]+)"
    found = ",".join(re.findall(kinds, text, re.MULTILINE)).split(",")
    names = [name.split()[0] for name in found]
    assert len(names) > 100
    assert len(set(names)) == len(names)


def test_no_template_names_an_address_or_an_inline_style() -> None:
    kinds = {
        f"{folder}/{entry.name}": entry.read_text("utf-8")
        for folder in ("views", "views/report", "experiments")
        for entry in files("la2ds_cli").joinpath(folder).iterdir()
        if entry.name.endswith((".html", ".css", ".js"))
    }
    assert len(kinds) >= 18
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
