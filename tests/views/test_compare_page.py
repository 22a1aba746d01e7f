"""The page of a comparison: its numbers, its pictures, and what it does in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare import compare
from la2ds_cli.compare.result import CompareResult
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.views import compare_page
from tests.compare.performers import (
    body,
    film,
    label,
    performance,
    project_of,
    slowed,
    steady,
)

PHASE = steady()
SLOW = slowed("rise", 1.6, 76)
FPS_B = 25.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A coach, and trainees filmed at another rate: with a fault, and without."""
    root = tmp_path_factory.mktemp("page")
    fault = {"change": "right_knee", "degrees": -40}
    made = project_of(
        root / "project",
        coach=performance(PHASE, noise=0.5),
        trainee=performance(SLOW, fps=FPS_B, noise=0.5, seed=5, **fault),
        twin=performance(steady(76), fps=FPS_B, noise=0.5, seed=6, build=body(2)),
    )
    label(made, coach=PHASE)
    film(root / "trainee.mp4", SLOW, fps=FPS_B, **fault)
    path = str(root / "trainee.mp4")
    made.add_videos([replace(v, path=path) for v in made.videos() if v.id == "trainee"])
    return made


def compared(project: Project, other: str) -> CompareResult:
    request = AlignRequest(project.config())
    return compare(project, "coach", other, request)


@pytest.fixture(scope="module")
def faulty(project: Project) -> CompareResult:
    return compared(project, "trainee")


def page_of(project: Project, result: CompareResult, **how: bool) -> str:
    return compare_page.page(project, result, Progress(), **how).decode()


class Page(HTMLParser):
    """Tags with their attributes, text, and the tables as rows of label -> text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.tables: dict[str, list[dict[str, str]]] = {}
        self._caption, self._at, self._label = "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag in ("caption", "th", "td", "script", "style"):
            self._at = tag
            self._label = found.get("data-label") or "" if tag == "td" else "head"
            if tag == "th" and found.get("scope") == "row":
                self.tables[self._caption].append({})
            elif tag == "th":
                self._at = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == self._at:
            self._at = ""

    def handle_data(self, data: str) -> None:
        if self._at in ("script", "style"):
            return
        self.text += f" {data}"
        if self._at == "caption":
            self._caption = data
            self.tables[data] = []
        elif self._at and data.strip():
            self.tables[self._caption][-1][self._label] = data


def number(text: str) -> float:
    return float(text.replace("−", "-").rstrip("°%"))


def test_numbers_of_sentences_tables_and_json_agree(
    project: Project, faulty: CompareResult
) -> None:
    page = Page(page_of(project, faulty))
    written = json.loads(json.dumps(faulty.to_json()))
    rows = page.tables["The clearest first; angles in degrees, 180° = straight"]
    assert len(rows) == len(written["findings"]) > 0
    for row, finding in zip(rows, written["findings"], strict=True):
        assert row["head"].lower().replace(" ", "_") == finding["joint"]
        assert row["part"] == finding["span"]
        for label_of, key in (
            ("reference", "reference"),
            ("other", "other"),
            ("difference", "difference"),
        ):
            assert number(row[label_of]) == finding[key]
        assert number(row["difference"]) == number(row["other"]) - number(row["reference"])
        assert number(row["largest at (s)"]) == pytest.approx(finding["time"], abs=0.005)
        told = f"{abs(finding['difference']):.0f}°"
        assert told in finding["sentence"]
        assert f"{finding['time']:.2f} s" in finding["sentence"]
    assert written["findings"][0]["sentence"] in page.text
    tempo = page.tables["How long each part takes"]
    for row, part in zip(tempo, written["tempo"], strict=True):
        assert row["head"].split("  ")[-1] == part["span"]
        if part["cut"]:
            assert row["tempo"] == f"none: {part['cut']}"
        else:
            assert number(row["reference (s)"]) == pytest.approx(part["reference"], abs=0.005)
            assert number(row["other (s)"]) == pytest.approx(part["other"], abs=0.005)
            assert row["tempo"] == {"same": "as long"}.get(part["verdict"], part["verdict"])
    assert "slower" in {row["tempo"] for row in tempo}


def test_no_sentence_stands_twice(project: Project, faulty: CompareResult) -> None:
    page = Page(page_of(project, faulty))
    for line in (
        *faulty.notes,
        compare_page.HOW_TO_READ,
        faulty.to_json()["findings"][0]["sentence"],
    ):
        assert page.text.count(line) == 1, line


def test_what_is_not_judged_is_listed_with_its_seconds(
    project: Project, faulty: CompareResult
) -> None:
    doubt = faulty.angles.doubt.copy()
    doubt[-15:] = 1
    angles = replace(faulty.angles, doubt=doubt)
    from la2ds_cli.compare.findings import find_unjudged

    result = replace(faulty, angles=angles, unjudged=tuple(find_unjudged(angles)))
    (row,) = Page(page_of(project, result)).tables["Nothing is said about these"]
    assert (row["head"], row["seconds"]) == ("The whole body", "0.50")
    assert row["why"] == "no counterpart in the other clip"
    assert row["when"] == "2.53 to 3.00 s"


def test_the_page_needs_nothing_else_and_escapes_names(
    project: Project, faulty: CompareResult
) -> None:
    b = replace(faulty.aligned.b, path="<script>alert(1)</script>.mp4")
    text = page_of(project, replace(faulty, aligned=replace(faulty.aligned, b=b)))
    page = Page(text)
    assert "<script>alert" not in text
    assert not {tag for tag, _ in page.tags} & {"iframe", "object", "linkform"}
    for _, attributes in page.tags:
        assert "style" not in attributes  # the page's policy forbids it
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in text
    assert not re.search(r"https?:", text)


def test_a_clip_without_a_fault_has_no_card_and_says_so(project: Project) -> None:
    twin = compared(project, "twin")
    assert twin.findings == ()
    text = page_of(project, twin)
    assert "No joint differs by more than noise and camera explain." in Page(text).text
    assert "<article" not in text
    assert "0 joints differ, 0 parts have a different tempo" in text


def test_privacy_shows_no_picture_of_the_video(project: Project, faulty: CompareResult) -> None:
    def pictures(text: str) -> set[str]:
        return set(re.findall(r"base64,([A-Za-z0-9+/=]+)", text))

    filmed = pictures(page_of(project, faulty))
    drawn = pictures(page_of(project, faulty, privacy=True))
    coach = filmed & drawn  # of whom there is no video
    assert len(filmed) > len(coach) > 0
    assert len(drawn) > len(coach)


# --- in a browser ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(project: Project, faulty: CompareResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "comparison.html"
    path.write_text(page_of(project, faulty), "utf-8")
    return path


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.told = []  # type: ignore[attr-defined]
    page.on("console", lambda message: page.told.append(message.text))
    page.on("pageerror", lambda error: page.told.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("data:", file.as_uri()))
            else page.told.append(request.url)
        ),
    )
    page.goto(file.as_uri())
    yield page
    assert page.told == []
    page.close()


def test_the_slider_moves_both_pictures_and_their_angles(
    opened: Any, faulty: CompareResult
) -> None:
    card = opened.locator("article").first
    finding = faulty.findings[0]

    def shown() -> list[str]:
        parts = ("a-image", "b-image")
        pictures = [card.locator(f"[data-part={part}]").get_attribute("href") for part in parts]
        return [*pictures, *card.locator("figcaption [data-part]").all_inner_texts()]

    first = shown()
    assert (
        first[2:] == [f"{finding.time:.2f} s", f"{finding.other_time:.2f} s"]
        or first[2] == f"{finding.time:.2f} s"
    )
    assert card.locator("[data-part=a-angle]").inner_html() == f"{finding.reference:.0f}°"
    slider = card.locator("input")
    at = slider.input_value()
    slider.evaluate("bar => { bar.value = 0; bar.dispatchEvent(new Event('input')); }")
    moved = shown()
    assert all(new != old for new, old in zip(moved, first, strict=True))
    assert float(moved[2].split()[0]) < finding.start
    slider.evaluate("(bar, at) => { bar.value = at; bar.dispatchEvent(new Event('input')); }", at)
    assert shown() == first


@pytest.mark.parametrize("width", [390, 700, 760, 820, 1000, 1440])
def test_it_fits_every_width(opened: Any, width: int) -> None:
    """Nothing is wider than the page, with all tables open, and no text of a table is cut off."""
    opened.set_viewport_size({"width": width, "height": 900})
    opened.evaluate(
        "() => { for (const d of document.querySelectorAll('details')) d.open = true; }"
    )
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    cut = opened.evaluate(
        """() => [...document.querySelectorAll('td, tbody th, figcaption, h3, .name, .map .n')]
          .filter((e) => e.getBoundingClientRect().right > innerWidth
            || e.scrollWidth > e.clientWidth + 1)
          .map((e) => e.textContent)"""
    )
    assert cut == []


def test_it_is_dark_where_the_reader_is_and_light_on_paper(opened: Any) -> None:
    def ground() -> int:
        return opened.evaluate(
            "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
        )

    opened.emulate_media(color_scheme="dark")
    assert ground() < 60
    opened.emulate_media(color_scheme="dark", media="print")
    assert ground() == 255
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")
    assert opened.locator(".controls").first.is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(opened: Any, scheme: str) -> None:
    """A contrast of 4.5 against the page and the cards."""
    opened.emulate_media(color_scheme=scheme)
    poor = opened.evaluate(
        """() => {
          const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => {
              const s = Number(v) / 255;
              return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = (element) => {
            for (let e = element; e; e = e.parentElement) {
              const colour = getComputedStyle(e).backgroundColor;
              if (!colour.endsWith(', 0)')) return light(colour);
            }
            return 1;
          };
          const found = [];
          for (const element of document.querySelectorAll('p, h1, h2, h3, td, th, span, button')) {
            if (!element.textContent.trim()) continue;
            const [a, b] = [light(getComputedStyle(element).color), ground(element)];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) found.push(`${element.textContent} ${contrast}`);
          }
          return found;
        }"""
    )
    assert poor == []
