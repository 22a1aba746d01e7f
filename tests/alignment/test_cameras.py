"""A clip is aligned rightly from wherever it was filmed, or nothing about it is said to be sure."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.confidence import DOUBTFUL, NOMINAL, tolerance_of
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.view import View, ViewName
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.formats.file_clip import to_sequence
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.wide_csv import read_clips
from tests.compare.performers import body, performance
from tests.movement import add_sequence, in_space, sequence, warped_phase
from tests.shared_data import GAIT, needs_gait
from tests.told import Notes, refused

JOINTS = get_skeleton("penn13").joints
ALONE = ["align.reference_clips=0"]  # the two clips, and nothing else


def align(
    project: StoredProject, a: str, b: str, view: ViewName = "auto", progress: Progress = SILENT
) -> Alignment:
    asked = AlignRequest(project.config(overrides=ALONE), view=view)
    return align_clips(project, a, b, asked, progress)


# --- rendered performers from eight sides ---------------------------------------------------------

PHASE_A, PHASE_B = warped_phase(80, 1), warped_phase(130, 2)
SIDES = [round(float(side), 3) for side in np.arange(8) * np.pi / 4 - 2.5]


@pytest.mark.parametrize("deep", [False, True], ids=["in the image", "in metres"])
def test_performers_from_eight_sides(tmp_path: Path, deep: bool) -> None:
    """Of other lengths, rates and builds. By joints in the image, some sides show too little for a
    match to be right everywhere; then it is not sure."""
    project = StoredProject.create(tmp_path)
    a = performance(PHASE_A, azimuth=-1.2, noise=1, deep=deep)
    add_sequence(project, "a", a)
    truth = np.interp(PHASE_A, PHASE_B, np.arange(len(PHASE_B)))
    error, sure = {}, {}
    for n, azimuth in enumerate(SIDES):
        fps = (30.0, 50.0)[n % 2]
        b = performance(
            PHASE_B, fps=fps, azimuth=azimuth, style=8, build=body(4), noise=1, seed=n, deep=deep
        )
        add_sequence(project, f"b{n}", b)
        result = align(project, "a", f"b{n}")
        off = np.abs(result.position - truth)
        error[azimuth] = 100 * float(np.nanmean(off)) / len(b)
        sure[azimuth] = off[result.confidence >= NOMINAL] <= tolerance_of(b.axis) * fps
    assert np.median(list(error.values())) < 2
    assert max(error.values()) < (3 if deep else 8), error
    right = np.concatenate(list(sure.values()))
    assert len(right) > 100
    assert right.mean() >= 0.98


# --- walkers from four sides ----------------------------------------------------------------------


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((GAIT / name).read_text("utf-8").splitlines()))


def events(view: str, asked: ViewName, root: Path) -> tuple[np.ndarray, np.ndarray, list[View]]:
    """Of the events of walkers from the side, each aligned with the next person's walk in a view:
    the error in % of B, NaN where the result says that it is not sure; and all of them; and the
    views that were compared."""
    project = StoredProject.create(root)
    options = ImportOptions(fps=30.0, size=(1280, 720), skeleton="penn13")
    starts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows("phases.csv"):
        starts[row["video"]][row["phase"]] = int(row["start"])
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows("clips.csv"):
        groups[row["set"]].setdefault(row["person"], row["video"])
    error, sure, views = [], [], []
    for walks in (list(people.values()) for people in groups.values()):
        for a, b in zip(walks, walks[1:] + walks[:1], strict=True):
            for name, of in ((f"side-{a}", "side"), (f"{view}-{b}-beside-{a}", view)):
                (clip, *_) = read_clips(GAIT / of / f"{name.split('-')[1]}.csv", options)
                add_sequence(project, name, to_sequence(clip, options, None))
            result = align(project, f"side-{a}", f"{view}-{b}-beside-{a}", asked)
            position, length = result.position, len(result.pose_b)
            views.append(result.view)
            known = np.flatnonzero(~np.isnan(position))
            for event in sorted((starts[a].keys() & starts[b].keys()) - {"before"}):
                frame = known[np.abs(known - starts[a][event]).argmin()]
                error.append(100 * abs(position[frame] - starts[b][event]) / length)
                sure.append(result.confidence[frame] >= NOMINAL)
    wrong = np.array(error)
    return np.where(sure, wrong, np.nan), wrong, views


@needs_gait
@pytest.mark.parametrize(
    ("view", "compared"),
    [("side", "filmed"), ("other_side", "other"), ("view60", "filmed"), ("view120", "other")],
)
def test_walkers_from_another_side(tmp_path: Path, view: str, compared: View) -> None:
    sure, error, views = events(view, "auto", tmp_path)
    assert set(views) == {compared}
    assert error.mean() <= 2
    told = sure[~np.isnan(sure)]
    assert len(told) >= 8
    assert (told > 8).mean() <= 0.02  # 0.1 s of a stride


@needs_gait
@pytest.mark.parametrize("view", ["other_side", "view120"])
def test_walkers_from_the_other_side_as_filmed_are_wrong_and_nothing_is_sure(
    tmp_path: Path, view: str
) -> None:
    """A left step is matched with a right one, half a stride too late."""
    sure, error, _ = events(view, "filmed", tmp_path)
    assert np.median(error) > 10
    assert np.isnan(sure).mean() > 0.98


# --- the view that was asked for, and the one that is not clear -----------------------------------


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path)
    add_sequence(project, "anna", sequence(warped_phase(41, 0)))
    add_sequence(project, "ben", mirror(sequence(warped_phase(61, 1), fps=25.0)))
    return project


@pytest.mark.parametrize("view", ["filmed", "mirrored", "other"])
def test_the_view_that_is_asked_for_is_compared_without_a_word(
    project: StoredProject, view: ViewName
) -> None:
    progress = Notes()
    result = align(project, "anna", "ben", view, progress)
    assert (result.view, result.unclear_views) == (view, ())
    document = result.to_json()
    assert (document["view"], document["unclear_views"]) == (view, [])
    assert document["mirrored"] == (view != "filmed")
    assert not any("compared" in line for line in progress.lines)


def test_a_view_that_is_no_view_and_one_that_is_impossible(project: StoredProject) -> None:
    with refused(ExitCode.USAGE, "unknown view 'behind'"):
        align(project, "anna", "ben", "behind")  # pyright: ignore[reportArgumentType]
    with refused(ExitCode.MISMATCH, "ben cannot be compared turned to the camera"):
        align(project, "anna", "ben", "turned")


def test_a_clip_in_metres_is_turned(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path)
    a, b = warped_phase(41, 0), warped_phase(61, 1)
    add_sequence(project, "front", in_space(a))
    add_sequence(project, "aside", in_space(b, turn=1.4, fps=25.0))
    found = align(project, "front", "aside", "turned")
    assert found.view == "turned"
    truth = np.interp(a, b, np.arange(61))
    assert np.nanmean(np.abs(found.position - truth)) < 0.02 * 61


def test_a_view_that_is_not_clear_leaves_nothing_sure_and_says_so(tmp_path: Path) -> None:
    """The arms swing in turn, B a quarter of a swing later. The mirror image of B swings a quarter
    earlier, and looks as much like A."""
    project = StoredProject.create(tmp_path)
    for seed, (name, length, start) in enumerate((("anna", 90, 0.0), ("ben", 110, 0.25))):
        swing = 2 * np.pi * (start + np.linspace(0, 3, length))
        pose = sequence(np.zeros(length), fps=25.0)
        pose.xy[:] += np.random.default_rng(seed).normal(0, 1, pose.xy.shape)
        for joint, sign in (("left_wrist", 1), ("right_wrist", -1)):
            at = JOINTS.index(joint)
            pose.xy[:, at] += np.stack([0 * swing, -25 * (1 + sign * np.sin(swing))], axis=-1)
        add_sequence(project, name, pose)
    progress = Notes()
    result = align(project, "anna", "ben", progress=progress)
    assert result.unclear_views
    assert result.confidence.max() <= DOUBTFUL
    assert result.to_json()["unclear_views"] == list(result.unclear_views)
    assert "no match is sure, since ben.mat may have to be compared as filmed" in result.unclear
    assert result.unclear in progress.lines
    for view in ("filmed", *result.unclear_views):
        assert f"--view {view}" in result.unclear
        assert not align(project, "anna", "ben", view).unclear_views
