"""One movement, filmed at different rates and turned in different ways: one pose over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.features.resample import resample_pose
from la2ds_cli.poses.extract import ExtractOptions, extract_poses
from la2ds_cli.video.reader import write_video
from tests.drawn_clips import turned, write_stamped
from tests.poses.grey_people import CONFIG, PLACES, SIZE, scene

EVERY = replace(CONFIG, detect_rate=0)
SECONDS = 2.0
TOLERANCE = 2.0  # pixels: drawn on whole pixels, encoded, and the box found in the result


def corner(time: FloatArray) -> FloatArray:
    """Top left corner (T, 2) of a person who goes to the right and back within two seconds."""
    swing = 0.5 - 0.5 * np.cos(np.pi * np.asarray(time))
    return np.stack([30 + 130 * swing, 20 + 30 * swing], axis=-1)


def joints(time: FloatArray) -> FloatArray:
    """Joints (T, K, 2) as grey_people places them."""
    return corner(time)[:, None] + PLACES * [39, 89]


def drawn(time: Sequence[float] | FloatArray) -> list[np.ndarray]:
    places = np.rint(corner(np.asarray(time))).astype(int)
    return [scene({200: (x, y, x + 40, y + 90)}) for x, y in places.tolist()]


def varied(rate: float, seed: int) -> FloatArray:
    """Times at `rate` frames per second on average, with gaps from a half to twice the usual."""
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(0.5, 1.5, round(SECONDS * rate)) / rate
    gaps[rng.random(len(gaps)) < 0.1] = 2 / rate
    time = np.concatenate([[0], np.cumsum(gaps)])
    return np.round(time[time < SECONDS], 3)


def poses(folder: Path, path: Path, options: dict[str, float] | None = None) -> PoseSequence:
    project = StoredProject.create(folder / "project")
    (result,) = extract_poses(project, [str(path)], EVERY, ExtractOptions(clip=options or {}))
    assert (result.status, result.code) == ("ok", "")
    return project.read_pose(result.video)[0]


def assert_is_the_movement(pose: PoseSequence, least: float) -> None:
    """The joints at 20 regular times per second are those of the movement."""
    at = pose.axis.grid(20)
    assert at[-1] - at[0] >= least
    sampled = resample_pose(pose, at)
    np.testing.assert_allclose(sampled.xy, joints(at), atol=TOLERANCE)
    np.testing.assert_allclose(sampled.time, at)


# Quarter turns counter-clockwise of the stored picture, by what the file asks for.
TURNS = {90: ((0, 1, -1, 0), 1), 180: ((-1, 0, 0, -1), 2), 270: ((0, -1, 1, 0), 3)}


@pytest.mark.parametrize(
    ("rate", "saved", "stored", "read"),
    [
        *((rate, rate, lambda image: image, None) for rate in (24, 30, 60)),
        (120, 30, lambda image: image, {"slowmo": 4}),
        (30, 30, lambda image: image[:, ::-1], {"mirror": True}),
        *(
            (30, 30, lambda image, n=n: np.rot90(image, n), read)
            for degrees, (matrix, n) in TURNS.items()
            for read in ({"rotate": degrees}, matrix)
        ),
    ],
)
def test_a_constant_rate_read_with_options_or_a_matrix_that_suit_the_file(
    tmp_path: Path, rate: int, saved: int, stored: Callable[[np.ndarray], np.ndarray], read: Any
) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, [stored(image) for image in drawn(np.arange(SECONDS * rate) / rate)], saved)
    if isinstance(read, tuple):
        turned(path, read)
        read = None
    pose = poses(tmp_path, path, read)
    assert (pose.fps, pose.size) == (pytest.approx(rate), SIZE)
    assert_is_the_movement(pose, SECONDS - 2 / rate)


@pytest.mark.parametrize("rate", [30, 60])
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_variable_rate(tmp_path: Path, rate: int, suffix: str) -> None:
    time = varied(rate, seed=rate)
    path = tmp_path / f"clip.{suffix}"
    write_stamped(path, drawn(time), time)
    pose = poses(tmp_path, path)
    np.testing.assert_allclose(pose.time, time, atol=2e-3)
    assert np.std(np.diff(pose.time)) > 0.2 / rate
    assert_is_the_movement(pose, SECONDS - 4 / rate)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_frames_that_all_have_one_time_are_taken_at_the_rate_of_the_stream(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"clip.{suffix}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.codec_context.max_b_frames = 0
        images = [av.VideoFrame.from_ndarray(i, format="rgb24") for i in drawn(np.arange(60) / 30)]
        for packet in [p for image in [*images, None] for p in stream.encode(image)]:
            packet.pts = packet.dts = 0
            container.mux(packet)
    project = StoredProject.create(tmp_path / "project")
    (result,) = extract_poses(project, [str(path)], EVERY, ExtractOptions())
    assert (result.status, result.code) == ("degraded", "V013")
    assert "60 frames all have the same time; the rate of the stream, 30" in result.message
    pose, _ = project.read_pose(result.video)
    assert pose.fps == 30
    np.testing.assert_allclose(np.diff(pose.time)[1:], 1 / 30)
