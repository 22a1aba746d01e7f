"""Memory of extracting the poses of a film of hours: `python benchmarks/long_video.py --work DIR`.

A drawn film of --minutes at 854 x 480 and 25 frames per second: one person who walks to and fro
and sways, another who comes by every other minute, and another view of the room every ten minutes.
Detector and pose network are stand-ins that find the drawn people by their grey, since real ones
would take a day of a core: what is measured is la2ds around them, and a real network's own memory
comes on top. The film is written by another process than the one that is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import Joints, no_joints

SIZE, FPS = (854, 480), 25
GREYS = {200: (90, 260), 140: (80, 230)}  # grey -> width and height of a person
STEP = 4  # pixels; the stand-ins look at every fourth
PLACES = np.array(  # of the 17 joints of COCO in the box of a person
    [
        *((0.5, 0.05), (0.45, 0.03), (0.55, 0.03), (0.4, 0.05), (0.6, 0.05)),
        *((0.3, 0.2), (0.7, 0.2), (0.15, 0.35), (0.85, 0.35), (0.05, 0.5), (0.95, 0.5)),
        *((0.38, 0.5), (0.62, 0.5), (0.35, 0.72), (0.65, 0.72), (0.35, 0.95), (0.65, 0.95)),
    ]
)


def write_film(path: Path, minutes: float) -> None:
    """The film, H.264."""
    import av

    width, height = SIZE
    row, column = np.mgrid[:height, :width]
    plans = 30 + (row // 40 + column // 40) % 2 * 20, 20 + row // 8
    rooms = [np.asarray(plan, np.uint8) for plan in plans]
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "28"}
        stream: Any = container.add_stream("libx264", rate=Fraction(FPS), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(round(minutes * 60 * FPS)):
            image = rooms[n // (600 * FPS) % 2].copy()
            for grey, (left, top, right, bottom) in people(n).items():
                image[top:bottom, max(left, 0) : max(right, 0)] = grey
            frame = av.VideoFrame(width, height, "yuv420p")
            _fill(frame.planes[0], image)
            for plane in frame.planes[1:]:
                _fill(plane, np.full((plane.height, plane.width), 128, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _fill(plane: Any, image: np.ndarray) -> None:
    rows = np.zeros((plane.height, plane.line_size), np.uint8)
    rows[:, : image.shape[1]] = image
    plane.update(rows.tobytes())


def people(n: int) -> dict[int, tuple[int, int, int, int]]:
    """Grey -> box of those who are in the picture at frame n."""
    places = {200: 300 + 200 * np.sin(n / 120), 140: (n % (120 * FPS)) * 0.8 - 100}
    shown = {}
    for grey, (wide, tall) in GREYS.items():
        left, top = round(places[grey]), 150 + round(20 * np.sin(n / 9 + grey))
        if -wide < left < SIZE[0]:
            shown[grey] = (left, top, left + wide, top + tall)
    return shown


def find(image: np.ndarray, grey: int) -> list[float] | None:
    """Box of the person of one grey in an image (H, W, 3), None where it is not there."""
    seen = np.abs(image[::STEP, ::STEP, 1].astype(np.int16) - grey) < 25
    rows, columns = np.flatnonzero(seen.sum(axis=1) > 3), np.flatnonzero(seen.sum(axis=0) > 3)
    if len(rows) < 10 or len(columns) < 3:
        return None
    ends = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return [float(STEP * end) for end in ends]


class GreyDetector:
    """People by their grey."""

    def detect(self, images: Sequence[np.ndarray]) -> list[FloatArray]:
        """Boxes with scores (n, 5) of each image."""
        found = []
        for image in images:
            boxes = [[*box, 0.9] for grey in GREYS if (box := find(image, grey)) is not None]
            found.append(np.array(boxes, np.float32).reshape(-1, 5))
        return found


class GreyPose:
    """Joints at their places in the box, which tremble a little."""

    skeleton = "coco17"
    device = "cpu"

    def estimate(self, images: Sequence[np.ndarray], boxes: FloatArray) -> Joints:
        """Joints (n, 17, 2) and scores (n, 17) of the boxes (n, 4)."""
        draw = np.random.default_rng(round(float(boxes.sum())) if len(boxes) else 0)
        size = boxes[:, None, 2:] - boxes[:, None, :2]
        xy = boxes[:, None, :2] + PLACES * size + draw.normal(size=(len(boxes), 17, 2))
        score = np.clip(draw.normal(0.8, 0.1, (len(boxes), 17)), 0, 1)
        return xy.astype(np.float32), score.astype(np.float32), no_joints(len(xy), 17)[2]


def pose_identity(name: str) -> str:
    """As of any network in code."""
    return name


detector_identity = pose_identity


def build_pose(name: str, device: str, config: object) -> GreyPose:
    """The pose network."""
    return GreyPose()


def build_detector(name: str, device: str, config: object, pose: object) -> GreyDetector:
    """The detector."""
    return GreyDetector()


def extract(film: Path, folder: Path, subjects: int) -> None:
    """Extract the film in this process and print what it took, as JSON."""
    import resource

    from la2ds_cli.core.project import Project
    from la2ds_cli.poses.extract import ExtractOptions, extract_poses

    here = "benchmarks.long_video"
    settings = {"detector": here, "pose": here, "max_duration": 1e5, "subjects": subjects}
    project = Project.create(folder, {"preset": "default", "poses": settings})
    results = extract_poses(
        project, [str(film)], project.config().poses, ExtractOptions(device="cpu")
    )
    assert all(result.usable for result in results), [result.message for result in results]
    used = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "frames": results[0].frames,
        "persons": len(results),
        "MiB": used.ru_maxrss // 1024,
        "cpu s": round(used.ru_utime + used.ru_stime),
    }
    print(json.dumps(facts))


def main() -> None:
    """Write the film, unless it is there, and extract it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--subjects", type=int, default=1)
    parser.add_argument("--step", choices=("film", "extract"), help="run by the script itself")
    given = parser.parse_args()
    given.work = given.work.resolve()
    given.work.mkdir(parents=True, exist_ok=True)
    film = given.work / f"film-{given.minutes:g}.mp4"
    folder = given.work / f"project-{given.minutes:g}-{given.subjects}"
    if given.step == "film":
        write_film(film, given.minutes)
    elif given.step == "extract":
        extract(film, folder, given.subjects)
    else:
        steps = ["extract"] if film.exists() else ["film", "extract"]
        for step in steps:
            command = [sys.executable, "-m", "benchmarks.long_video", "--step", step]
            for name in ("work", "minutes", "subjects"):
                command += [f"--{name}", str(getattr(given, name))]
            environment = {**os.environ, "LA2DS_PLUGINS": "benchmarks"}
            root = Path(__file__).parents[1]
            subprocess.run(command, check=True, cwd=root, env=environment)


if __name__ == "__main__":
    main()
