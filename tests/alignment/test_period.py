"""The period of a movement that repeats within a clip."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.period import a_repetition_away, period
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.movement import sequence, warped_phase

SHARED = Path(os.environ.get("LA2DS_SHARED", Path(__file__).parents[3] / "shared")) / "data"
GAIT = SHARED / "gait"


def repeated(seconds: float, times: float, fps: float = 25.0, jitter: float = 1.0) -> PoseSequence:
    """The figure goes through its movement and back, `times` times; jitter in pixels."""
    length = round(seconds * times * fps)
    phase = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (seconds * fps))
    pose = sequence(phase, fps=fps)
    noise = np.random.default_rng(0).normal(0, jitter, pose.xy.shape)
    return replace(pose, xy=pose.xy + noise)


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0, 240.0])
@pytest.mark.parametrize(("seconds", "times"), [(1.2, 5), (0.8, 3), (2.5, 1.8)])
def test_the_time_after_which_a_movement_begins_anew(seconds: float, times: float, fps: float):
    found = period(repeated(seconds, times, fps))
    assert found == pytest.approx(seconds, abs=0.1)


def test_a_walker_who_also_crosses_the_picture():
    pose = repeated(1.1, 3)
    across = np.linspace(0, 900, len(pose))[:, None] * [1, 0]
    assert period(replace(pose, xy=pose.xy + across[:, None])) == pytest.approx(1.1, abs=0.1)


@pytest.mark.parametrize(
    "pose",
    [
        sequence(warped_phase(60, 3)),  # once
        sequence(np.r_[np.zeros(50), warped_phase(30, 0), np.ones(50)]),  # between two rests
        sequence(np.r_[warped_phase(40, 0), warped_phase(40, 0)[::-1]]),  # there and back
        repeated(2.0, 1.3),  # not once and a half
        sequence(np.zeros(80)),  # nobody moves
        sequence(np.zeros(1)),
        replace(sequence(np.zeros(9)), xy=np.full((9, 13, 2), np.nan), score=np.zeros((9, 13))),
        repeated(1.2, 5, jitter=60.0),  # hidden by jitter
        repeated(10.0, 3),  # sets rather than steps
    ],
    ids=["once", "rests", "back", "short", "still", "frame", "nobody", "jitter", "sets"],
)
def test_none_where_it_is_not_clear(pose: PoseSequence):
    assert period(pose) is None


@pytest.mark.skipif(not (GAIT / "side").is_dir(), reason="needs walks with contacts of the feet")
@pytest.mark.parametrize("view", ["side", "view60", "other_side"])
def test_two_steps_of_walkers_whose_contacts_were_measured(tmp_path: Path, view: str):
    starts: dict[str, dict[str, int]] = {}
    for row in csv.DictReader((GAIT / "phases.csv").read_text("utf-8").splitlines()):
        starts.setdefault(row["video"], {})[row["phase"]] = int(row["start"])
    project = Project.create(tmp_path)
    options = ImportOptions(fps=30.0, size=(1280, 720), skeleton="penn13")
    load_importer("wide-csv")(project, GAIT / view, options)
    found = {}
    for video in project.videos():
        start = starts[Path(video.path).stem]
        stride = (start.get("4LS") or start["5LS"]) - start["1LS"]  # left strike to left strike
        if (seconds := period(project.read_pose(video.id)[0])) is not None:
            found[video.id] = abs(30 * seconds - stride)
    assert len(found) >= 16
    assert max(found.values()) <= 3


def steps(count: float, rate: float) -> np.ndarray:
    """Features of so many strides of a second each, which slowly become longer."""
    time = np.arange(0, count, 1 / rate)
    turn = 2 * np.pi * time
    return np.stack([np.sin(turn), np.cos(turn), np.sin(2 * turn), 0.05 * time], axis=1)


@pytest.mark.parametrize(("strides", "doubtful"), [(3, False), (2, True)])
def test_a_match_could_be_a_stride_away_where_one_clip_lacks_a_stride(
    strides: int, doubtful: bool
) -> None:
    """With as many strides, a match a stride away leaves too many frames out."""
    a, b = steps(strides, 30), steps(3, 25)
    found = list(a_repetition_away(a, b, 25, AlignConfig(method="dtw", open_ends=True)))
    assert bool(found) == doubtful
    for place in found:
        assert len(place) == len(a)
        assert np.nanmax(place) <= len(b) - 1
