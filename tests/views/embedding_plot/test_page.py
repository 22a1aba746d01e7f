"""The page: one file, nothing from elsewhere, names as text, and the right words on each frame."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.project import Project
from la2ds_cli.views.embedding_plot import drawing
from la2ds_cli.views.embedding_plot.plot import EmbeddingPlot
from tests.movement import sequence, warped_phase
from tests.views.embedding_plot.conftest import LENGTH, written

NASTY = "</script><img src=x onerror=alert(1)>&\"'${body}"


def plot(project: Project) -> EmbeddingPlot:
    return written(project, list(LENGTH), out=[project.root / "plot.html"])


def renamed(result: EmbeddingPlot, name: str) -> EmbeddingPlot:
    first = replace(result.clips[0], name=name, phase=(name,) * len(result.clips[0].time))
    return replace(result, clips=(first, *result.clips[1:]), run=name, features="model")


def test_names_are_text_and_nothing_is_loaded(project: Project) -> None:
    text = drawing.page(renamed(plot(project), NASTY)).decode()
    assert "<img" not in text
    assert "onerror=alert" not in re.sub(r"&lt;img src=x onerror|u003cimg src=x onerror", "", text)
    assert text.count("</script>") == 2  # of the data and of the page's own script
    assert not re.search(r"(src|href)=[\"'](?!data:)", text)
    assert "default-src 'none'" in unescape(text)
    assert "unsafe" not in text


class Opened:
    """A page in the browser, and everything it did that it should not."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.page = browser.new_page(viewport={"width": 1200, "height": 900})
        self.said: list[str] = []
        address = path.resolve().as_uri()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self._request(request.url, address))
        self.page.goto(address)
        self.page.wait_for_function("document.body.dataset.ready === 'true'")

    def _request(self, url: str, own: str) -> None:
        if url != own and not url.startswith("data:"):
            self.said.append(url)

    def hover(self, clip: int, row: int) -> str:
        place = self.page.evaluate("([clip, row]) => placeOfFrame(clip, row)", [clip, row])
        self.page.mouse.move(*place)
        return self.page.text_content("#tip") if self.page.is_visible("#tip") else ""


def test_hovering_tells_clip_time_and_phase(project: Project, browser: Any) -> None:
    result = plot(project)
    opened = Opened(browser, result.files[0])
    told = 0
    for clip, row in ((0, 12), (1, 3), (1, 33), (2, 25), (0, 40)):
        text = opened.hover(clip, row)
        number = {c.name: n for n, c in enumerate(result.clips)}[text.split(",")[0]]
        shown = result.clips[number]
        frame = int(re.findall(r"frame (\d+)", text)[0])
        phase = f", {shown.phase[frame]}" if shown.phase[frame] else ""
        assert text == f"{shown.name}, {shown.time[frame]:.2f} s, frame {frame}{phase}"
        # Another frame may lie on the very spot.
        gap = abs(shown.point[frame] - result.clips[clip].point[row]).max()
        assert gap < 1e-4
        told += (number, frame) == (clip, row)
        assert opened.page.text_content("#moment") == text
    assert told >= 3
    assert "down" in opened.hover(1, 5)
    opened.page.mouse.move(1150, 880)  # off the plot
    assert not opened.page.is_visible("#tip")
    assert opened.said == []


def test_keys_zoom_and_hidden_clips(project: Project, browser: Any) -> None:
    result = plot(project)
    opened = Opened(browser, result.files[0])
    opened.page.focus("#stage")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        opened.page.keyboard.press(key)
    assert opened.page.text_content("#moment") == "ben.mat, 0.00 s, frame 0"
    place = "placeOfFrame(2, 25)"
    before = opened.page.evaluate(place)
    opened.hover(2, 25)
    opened.page.mouse.wheel(0, -400)
    opened.page.wait_for_function(f"Math.abs(placeOfFrame(2, 0)[0] - {before[0]}) > 0")
    after = opened.page.evaluate(place)
    assert after == pytest.approx(before, abs=2.5)  # what is under the pointer stays there
    opened.page.dblclick("#stage", position={"x": 200, "y": 300})
    assert opened.page.evaluate(place) == pytest.approx(before, abs=0.01)
    opened.page.uncheck("#clips li:nth-child(3) input")
    assert not opened.hover(2, 25).startswith("cleo")
    assert opened.said == []


ALPHA = """row => {
  const c = document.getElementById('stage'), box = c.getBoundingClientRect();
  const [x, y] = placeOfFrame(0, row), scale = c.width / c.clientWidth;
  const at = [x - box.left - c.clientLeft, y - box.top - c.clientTop];
  const [u, v] = at.map(place => Math.round(place * scale));
  return [...c.getContext('2d').getImageData(u, v, 1, 1).data]; }"""


def test_opacity_of_the_drawn_points_rises(project: Project, browser: Any) -> None:
    result = plot(project)
    opened = Opened(browser, result.files[0])
    for number in (2, 3):
        opened.page.uncheck(f"#clips li:nth-child({number}) input")
    # Signs lie on frames 0, 20 and 40. The line to a point lies below it.
    pixels = [opened.page.evaluate(ALPHA, row) for row in (4, 12, 28, 37)]
    opacity = [pixel[3] / 255 for pixel in pixels]
    assert opacity == sorted(opacity)
    assert opacity[0] < 0.7 < opacity[-1]
    assert pixels[-1][:3] == pytest.approx([0, 114, 178], abs=4)


def test_links_are_drawn_between_shown_clips(project: Project, browser: Any) -> None:
    out = project.root / "linked.html"
    result = written(project, ["anna", "cleo"], link=True, method="tsne", out=[out])
    opened = Opened(browser, out)
    assert "matched by align" in opened.page.text_content("#ends")
    pairs = result.links[0].pair.tolist()
    # The longest line, so that its middle lies on no point.
    a, b = (clip.point for clip in result.clips)
    i, j = max(pairs, key=lambda pair: float(((a[pair[0]] - b[pair[1]]) ** 2).sum()))
    middle = f"""() => {{
      const c = document.getElementById('stage'), box = c.getBoundingClientRect();
      const [p, q] = [placeOfFrame(0, {i}), placeOfFrame(1, {j})], s = c.width / c.clientWidth;
      const at = [0, 1].map(k => ((p[k] + q[k]) / 2 - [box.left + c.clientLeft,
        box.top + c.clientTop][k]) * s);
      const d = c.getContext('2d').getImageData(at[0] - 2, at[1] - 2, 5, 5).data;
      let found = 0;
      for (let n = 0; n < d.length; n += 4)
        found += d[n + 3] > 90 && Math.abs(d[n] - 154) < 8 && Math.abs(d[n + 2] - 154) < 8;
      return found; }}"""
    assert opened.page.evaluate(middle) > 2
    opened.page.uncheck("#clips li:nth-child(2) input")
    assert opened.said == []  # reading many pixels makes chromium advise
    assert opened.page.evaluate(middle) == 0


def test_a_nasty_name_runs_nothing(project: Project, browser: Any) -> None:
    name = 'a<img src=x onerror=alert("x")>'
    pose = sequence(warped_phase(30, 8))
    project.write_pose("nasty", pose, Recipe("import", 1, {}, {"labels": "nasty"}))
    project.add_videos([Video("nasty", f"{name}.mp4", "0" * 64, 30, 20.0, 320, 240)])
    with project.phases_path.open("a") as table:
        table.write("nasty,0,9,<b>phase</b>\n")
    out = project.root / "nasty.html"
    written(project, ["nasty", "anna"], out=[out])
    opened = Opened(browser, out)
    assert f"{name}.mp4" in opened.page.text_content("#clips")
    assert opened.hover(0, 4) == f"{name}.mp4, 0.20 s, frame 4, <b>phase</b>"
    assert opened.page.locator("img, b").count() == 0
    assert opened.said == []
