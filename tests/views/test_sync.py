"""Synchronised videos from end to end: which frames are shown and when, written, decoded again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.video.reader import Image, VideoFile, probe
from la2ds_cli.views import sync as step
from la2ds_cli.views.sync import FASTEST, clock, timeline, write_sync
from tests.told import refused
from tests.views.synced import add_film, aligned, grey_frames, halves, number, still_pose

NAN = np.nan
A, B = ("anna", "ben")


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Two clips of 40 and 50 frames."""
    made = StoredProject.create(tmp_path / "project")
    add_film(made, A, still_pose(40), grey_frames(40))
    add_film(made, B, still_pose(50, 25.0), grey_frames(50))
    return made


def shown(project: StoredProject, tmp_path: Path, **how: bool) -> list[tuple[Image, Image]]:
    """The pictures of both clips as the command aligns them."""
    result = align_clips(project, A, B, AlignRequest(project.config()))
    write_sync(project, result, Progress(), out=tmp_path / "s.mp4", **{"skeleton": False, **how})
    return halves(project, result, tmp_path / "s.mp4")


@pytest.mark.parametrize("method", ["dtw", "linear"])
def test_both_sides_show_the_frames_that_the_alignment_says(project: StoredProject, method: str):
    result = align_clips(project, A, B, AlignRequest(project.config(), method=method))
    made = write_sync(project, result, Progress(), skeleton=False)
    path = project.results_dir("sync") / "anna-ben.mp4"
    assert made["files"] == [str(path)]
    assert list(path.parent.iterdir()) == [path]
    found = halves(project, result, path)
    assert len(found) == 40
    for t, (a, b) in enumerate(found):
        assert number(a) == t
        assert number(b) == pytest.approx(result.position[t], abs=0.501)
    info = probe(path)
    assert (info.fps, info.frames_declared, info.codec) == (20, 40, "h264")
    assert (info.width % 2, info.height % 2) == (0, 0)


def test_a_film_that_became_a_clip_while_the_video_was_drawn_stays(
    project: StoredProject, tmp_path: Path
) -> None:
    result, out = aligned(project, (A, B), list(range(40))), tmp_path / "new.mp4"

    class Meanwhile(Progress):
        def begin(self, *_: object) -> None:
            out.write_bytes(b"a recording")
            project.add_videos([Video("new", str(out), "1" * 64)])

    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        write_sync(project, result, Meanwhile(), out=out, skeleton=False)
    assert out.read_bytes() == b"a recording"
    with refused(ExitCode.USAGE, "belongs to the project and would be lost"):
        write_sync(project, result, Progress(), out=project.root / project.clip(B).path)


def test_without_counterpart_b_is_grey_and_holds_the_nearest_frame(
    project: StoredProject, tmp_path: Path
):
    position = np.linspace(5, 44, 40)
    position[:4] = position[20:26] = position[38:] = NAN
    result, out = aligned(project, (A, B), position.tolist()), tmp_path / "side.mp4"
    made = write_sync(project, result, Progress(), out=out, skeleton=False)
    held = [*[4] * 4, *range(4, 20), *[19] * 3, *[26] * 3, *range(26, 38), 37, 37]
    for t, (a, b) in enumerate(halves(project, result, out)):
        assert number(a) == t
        assert number(b, greyed=bool(np.isnan(position[t]))) == round(position[held[t]])
        if np.isnan(position[t]):
            middle = b[b.shape[0] // 2 - 5 : b.shape[0] // 2 + 5]
            assert middle.max() > 200  # the words
    assert made["frames_without_counterpart"] == 12


def noise(count: int, seed: int) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(count)]


def test_privacy_lets_no_pixel_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def opened(_: VideoFile) -> NoReturn:
        raise AssertionError("a video was opened")

    monkeypatch.setattr(VideoFile, "frames", opened)
    drawn: list[list[Image]] = []

    def keep(_: Path, frames: Iterable[Image], __: float, *___: object) -> None:
        drawn.append([frame.copy() for frame in frames])

    # What is handed to the encoder, which now and then codes one and the same frames in two ways.
    monkeypatch.setattr(step, "write_video", keep)
    for seed in (1, 2):
        project = StoredProject.create(tmp_path / f"project-{seed}")
        add_film(project, A, still_pose(12), noise(12, seed))
        add_film(project, B, still_pose(15), noise(15, seed + 10))
        result = align_clips(project, A, B, AlignRequest(project.config()))
        write_sync(project, result, Progress(), privacy=True)
    assert len(drawn[0]) == 12
    for first, second in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_clip_whose_file_is_gone_is_drawn(project: StoredProject, tmp_path: Path):
    (project.root / "ben.mp4").unlink()
    found = shown(project, tmp_path)
    assert [number(a) for a, _ in found] == list(range(40))
    assert np.ptp(found[0][1].astype(int), axis=2).max() > 100


@pytest.mark.parametrize(
    ("position", "code", "said"),
    [
        ([NAN] * 40, ExitCode.UNUSABLE, "no frame of A"),
        (np.linspace(45, 2, 40).tolist(), ExitCode.USAGE, "runs back and forth"),
    ],
)
def test_alignments_that_no_video_can_follow(
    project: StoredProject, position: list[float], code: ExitCode, said: str
):
    with refused(code, said):
        write_sync(project, aligned(project, (A, B), position), Progress())
    assert not list(project.results_dir("sync").glob("*.mp4"))


# --- which frames are shown ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "nominal", "rate"),
    [
        *((3.7 + np.arange(500) / fps, fps, fps) for fps in (10, 24, 30000 / 1001, 120)),
        (np.round(np.arange(900) / 29.97, 3), 29.97, 29.97),  # stamps in milliseconds
        (np.arange(300) / 24, 30.0, 24),  # a wrong nominal rate
        (np.array([2.0]), 25.0, 25),
    ],
)
def test_a_clip_of_even_steps_keeps_its_rate(time: np.ndarray, nominal: float, rate: float):
    found, rows = clock(time, nominal)
    assert found == pytest.approx(rate)
    assert rows.tolist() == list(range(len(time)))


@pytest.mark.parametrize("seed", range(5))
def test_uneven_frames_are_shown_as_a_player_shows_them(seed: int):
    rng = np.random.default_rng(seed)
    steps = rng.choice([1 / 60, 1 / 30, 1 / 30, 1 / 30, 0.4], 200)
    time = 1.0 + np.concatenate([[0], np.cumsum(steps)])
    rate, rows = clock(time, 27.0)
    assert rate == pytest.approx(30)
    middle = time[0] + (np.arange(len(rows)) + 0.5) / rate
    ends = np.append(time[1:], np.inf)
    assert (time[rows] <= middle + 1e-9).all()
    assert (middle < ends[rows] + 1e-9).all()
    assert len(rows) / rate == pytest.approx(time[-1] - time[0] + 1 / rate, abs=0.5 / rate)


def test_no_video_runs_faster_than_players_can():
    rate, rows = clock(np.arange(1000) / 1000, 1000)
    assert rate == FASTEST
    assert len(rows) == round(0.999 * FASTEST) + 1
    assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(
    ("time", "position", "rows"),
    [
        (np.arange(5) / 10, [0, 0.4, 1.6, 2.49, 3], [0, 0, 2, 2, 3]),  # the nearer of two
        (np.arange(9) / 10, [NAN, NAN, 1, 2, NAN, NAN, NAN, 3, NAN], [1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (np.array([0, 0.1, 0.9, 1.0]), [1, NAN, NAN, 2], [1, 1, 2, 2]),  # near in time, not frames
    ],
)
def test_which_frame_of_b_is_shown(
    tmp_path: Path, time: np.ndarray, position: list[float], rows: list[int]
):
    made = StoredProject.create(tmp_path / "rows")
    a = replace(still_pose(len(time)), time=time)
    for name, pose in ((A, a), (B, still_pose(4))):
        add_film(made, name, pose, None)
    _, row_a, row_b = timeline(aligned(made, (A, B), position))
    at = np.searchsorted(row_a, np.arange(len(time)))
    assert row_b[at].tolist() == rows


def test_a_film_says_where_somebody_rests(project: StoredProject) -> None:
    result = align_clips(project, A, B, AlignRequest(project.config()))
    rows = np.arange(len(result.pose_a)), np.clip(np.rint(result.position), 0, None).astype(int)
    still = replace(result)
    still.__dict__["rests"] = np.arange(len(result.pose_a)) < 7
    drawn = step.side_by_side(project, still, rows)
    tempo = np.array([text for text, _ in drawn.below])
    np.testing.assert_array_equal(tempo == "at rest", still.rests & still.matched_a)
