"""Pages opened in a real browser, and projects whose pictures tell which frame they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.request import AlignRequest, FeatureOption
from la2ds_cli.core.artifact import Recipe, file_digest
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.video.reader import write_video
from la2ds_cli.views.report.pair import write_pair
from tests.movement import sequence, warped_phase
from tests.studio.browsing import FIRST, PATIENCE, SHADE


class Report(NamedTuple):
    """A page and what it shows."""

    result: Alignment
    file: Path


@dataclass
class Opened:
    """A page in the browser, and what it did that a page should not. messages: on the console of
    any kind; errors: exceptions; requests: addresses, the file itself left out; dialogs."""

    page: Any
    messages: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def row(self) -> int:
        """Frame of A that is shown."""
        return int(self.page.evaluate("document.body.dataset.row"))

    def seek(self, row: int) -> None:
        """Drag the scrub bar to a frame of A."""
        self.page.evaluate(
            "row => { const bar = document.getElementById('scrub'); bar.value = row;"
            " bar.dispatchEvent(new Event('input', { bubbles: true })); }",
            row,
        )

    def settle(self) -> None:
        """Wait until the pictures that are due are shown."""
        self.wait_for(
            "['a', 'b'].every(side => document.getElementById(`stage-${side}`).dataset.picture)"
        )

    def wait_for(self, condition: str) -> None:
        """Wait until an expression holds; the page's policy forbids Playwright's own way."""
        for _ in range(600):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {condition}")

    def pixel(self, canvas: str, x: float = 0.06, y: float = 0.06) -> list[int]:
        """Red, green, blue of a canvas at shares of its width and height."""
        found = self.page.evaluate(
            "([id, x, y]) => { const c = document.getElementById(id); return [...c.getContext('2d')"
            ".getImageData(Math.floor(x * c.width), Math.floor(y * c.height), 1, 1).data]; }",
            [canvas, x, y],
        )
        return found[:3]

    def click(self, canvas: str, x: float, y: float = 8, left: float = 0, wide: float = 0) -> None:
        """Click at the share x of the canvas, or of `wide` pixels from `left` on, y pixels down."""
        place = self.page.locator(f"#{canvas}")
        wide = wide or place.bounding_box()["width"]
        place.click(position={"x": left + x * wide, "y": y})

    def frame(self, side: str) -> int:
        """Which frame the picture of a side is, by its shade."""
        self.settle()
        return round((float(np.mean(self.pixel(f"stage-{side}"))) - FIRST) / SHADE)

    def harmless(self) -> None:
        """Nothing on the console, no exception, no request, no dialog."""
        assert self.messages == []
        assert self.errors == []
        assert self.requests == []
        assert self.dialogs == []


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open a file as a user does, from the disk."""
    made = []

    def call(path: Path, width: int = 1200) -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(PATIENCE)
        made.append(page)
        opened = Opened(page)
        address = path.resolve().as_uri()
        page.on(
            "console",
            # Reading pixels is what the tests do, not the page.
            lambda message: (
                None
                if "willReadFrequently" in message.text
                else opened.messages.append(message.text)
            ),
        )
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                None
                if request.url == address or request.url.startswith("data:")
                else opened.requests.append(request.url)
            ),
        )
        page.goto(address)
        opened.wait_for("document.body.dataset.ready === 'true'")
        return opened

    yield call
    for page in made:
        page.close()


def report_pair(
    project: StoredProject,
    a: str,
    b: str,
    *,
    features: FeatureOption = "auto",
    method: str | None = None,
    privacy: bool = False,
) -> Report:
    """Align two clips and write the page about them."""
    request = AlignRequest(project.config(), features=features, method=method)
    result = align_clips(project, a, b, request)
    return Report(result, write_pair(project, result, privacy=privacy))


def shaded_video(path: Path, count: int, fps: float = 20.0) -> Path:
    """Frame k is plain, of the grey level FIRST + SHADE k."""
    images = (np.full((240, 320, 3), FIRST + SHADE * k, np.uint8) for k in range(count))
    write_video(path, images, fps)
    return path


def add_filmed(project: StoredProject, path: Path, pose: PoseSequence, name: str = "") -> str:
    """Put the poses of a video into a project; the id of the clip."""
    video = name or path.stem
    project.write_pose(video, pose, Recipe("import", 1, {"format": "test"}, {"video": video}))
    row = Video(video, str(path), file_digest(path), len(pose), pose.fps, *pose.size)
    project.add_videos([row])
    return video


def two_filmed(root: Path, lengths: tuple[int, int] = (36, 30)) -> StoredProject:
    """Clips a and b of plain pictures and of two frame rates, B's movement warped in time; every
    frame is matched."""
    project = StoredProject.create(root / "project", {"align": {"open_ends": False}})
    for name, length, seed, fps in zip("ab", lengths, (1, 2), (20.0, 25.0), strict=True):
        path = shaded_video(root / f"{name}.mp4", length, fps)
        add_filmed(project, path, sequence(warped_phase(length, seed), fps=fps))
    return project


@pytest.fixture
def filmed(tmp_path: Path) -> StoredProject:
    return two_filmed(tmp_path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The page of two filmed clips with phases, made once for the tests of a module."""
    project = two_filmed(tmp_path_factory.mktemp("pair"))
    project.phases_path.write_text(
        "video,start,end,phase\na,0,12,down\na,12,36,up\nb,0,10,down\nb,10,30,up\n"
    )
    return report_pair(project, "a", "b")


def counterpart(made: Report, row: int) -> int:
    """Frame of B that the page shows beside a frame of A."""
    return math.floor(round(float(made.result.position[row]), 3) + 0.5)


def drawn(opened: Opened, side: str) -> int:
    """Pixels of a stage that have the colour of a limb."""
    opened.settle()
    return opened.page.evaluate(
        "side => { const c = document.getElementById(`stage-${side}`);"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let k = 0; k < d.length; k += 4) if (Math.abs(d[k] - d[k + 2]) > 120) n += 1;"
        " return n; }",
        side,
    )
