"""Memory of the extraction does not grow with the length of a video, but for its joints, and its
time not faster than the video."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.video.reader import Image, write_video
from tests.processes import run_python

ROOT = Path(__file__).parents[2]
FPS = 10
# Of a frame: joints, scores, boxes, and all that is measured of them; the image takes 9216 bytes.
FRAME_BYTES = 4000
SETTINGS = {
    "detector": "tests.poses.grey_people",
    "pose": "tests.poses.grey_people",
    "max_duration": 10_000.0,
}


def _walker(frames: int) -> Iterator[Image]:
    """A person who walks to and fro, 64 x 48."""
    for n in range(frames):
        image = np.zeros((48, 64, 3), np.uint8)
        left = 2 + abs(n % 80 - 40)
        image[8:40, left : left + 16] = 200
        yield image


def _peak(folder: Path, minutes: int) -> tuple[StoredProject, int]:
    """The project of a film of so many minutes, and the most memory in MiB of extracting it."""
    project = StoredProject.create(folder, {"preset": "default", "poses": SETTINGS})
    film = folder / "film.mp4"
    write_video(film, _walker(60 * FPS * minutes), FPS)
    program = (
        "import sys; from pathlib import Path\n"
        "from la2ds_cli.core.stored_project import StoredProject\n"
        "from la2ds_cli.poses.extract import ExtractOptions, extract_poses\n"
        "from tests.memory import highest_memory\n"
        "project = StoredProject.open(Path(sys.argv[1]))\n"
        "config = project.config().poses\n"
        "(item,) = extract_poses(project, [sys.argv[2]], config, ExtractOptions(device='cpu'))\n"
        "assert item.usable, item.message\n"
        "print(round(highest_memory()))"
    )
    environment = {**os.environ, "LA2DS_PLUGINS": "tests"}
    done = run_python("-c", program, str(folder), str(film), cwd=ROOT, env=environment)
    return project, int(done.stdout)


@pytest.mark.heavy
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_hour_takes_the_memory_of_six_minutes_and_its_joints(tmp_path: Path):
    project, short = _peak(tmp_path / "short", 6)
    frames = project.videos()[0].frames
    assert frames == 3600
    project, hour = _peak(tmp_path / "hour", 60)
    longer = project.videos()[0].frames - frames
    assert longer == 36_000 - 3600
    print(f"6 minutes: {short} MiB, an hour: {hour} MiB")
    assert hour - short < longer * FRAME_BYTES / 2**20
