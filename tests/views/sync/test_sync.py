"""Synchronised videos from end to end: written, decoded again, frames compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.view import VIEWS
from la2ds_cli.video.reader import Image, VideoFile, probe, read_frames
from la2ds_cli.views import sync as step
from la2ds_cli.views.sync import Appearance, SyncResult
from tests.drawn_clips import write_stamped
from tests.views.sync.conftest import Aligned
from tests.views.sync.synced import (
    add_film,
    decoded,
    grey_frames,
    number,
    still_pose,
    synchronised,
)

NAN = np.nan
PLAIN_FRAMES = Appearance(skeleton=False)
A, B = ("anna", "ben")


@pytest.fixture
def films(project: Project) -> None:
    """Two clips of 40 and 50 frames."""
    add_film(project, A, still_pose(40), grey_frames(40))
    add_film(project, B, still_pose(50, 25.0), grey_frames(50))


def run(
    project: Project, appearance: Appearance = PLAIN_FRAMES, out: Path | None = None
) -> SyncResult:
    return synchronised(project, (A, B), out, appearance)


def halves(result: SyncResult, project: Project) -> list[tuple[Image, Image]]:
    """The pictures of A and of B in every frame of the first file."""
    drawn = step._side_by_side(project, result.alignment, result.timeline, result.appearance)
    return [(image[drawn.region(0)], image[drawn.region(1)]) for image in decoded(result.file)]


@pytest.mark.usefixtures("films")
@pytest.mark.parametrize("method", ["dtw", "linear"])
def test_both_sides_show_the_frames_that_the_alignment_says(
    project: Project, tmp_path: Path, method: str
):
    result = synchronised(project, (A, B), tmp_path / "side.mp4", PLAIN_FRAMES, method)
    position = result.alignment.alignment.position
    shown = halves(result, project)
    assert len(shown) == 40
    for t, (a, b) in enumerate(shown):
        assert number(a) == t
        assert number(b) == pytest.approx(position[t], abs=0.501)
    info = probe(tmp_path / "side.mp4")
    assert info.fps == 20
    assert (info.width % 2, info.height % 2, info.codec) == (0, 0, "h264")
    assert info.frames_declared == 40


@pytest.mark.usefixtures("films")
def test_without_counterpart_b_is_grey_and_holds_the_nearest_frame(
    project: Project, tmp_path: Path, align_as: Aligned
):
    position = np.linspace(5, 44, 40)
    position[:4] = position[20:26] = position[38:] = NAN
    align_as((A, B), position.tolist())
    result = run(project, out=tmp_path / "side.mp4")
    held = [*[4] * 4, *range(4, 20), *[19] * 3, *[26] * 3, *range(26, 38), 37, 37]
    for t, (a, b) in enumerate(halves(result, project)):
        assert number(a) == t
        wanted = round(position[held[t]])
        if np.isnan(position[t]):
            assert number(b, greyed=True) == wanted
            middle = b[b.shape[0] // 2 - 5 : b.shape[0] // 2 + 5]
            assert middle.max() > 200  # the words
        else:
            assert number(b) == wanted
    assert result.to_json()["frames_without_counterpart"] == 12


@pytest.mark.usefixtures("films")
def test_by_default_the_video_goes_to_the_results(project: Project):
    result = run(project)
    assert result.file == project.results_dir("sync") / "anna--ben.mp4"
    assert [path.name for path in project.results_dir("sync").iterdir()] == ["anna--ben.mp4"]


def test_uneven_frames_of_a_become_a_constant_rate(project: Project, tmp_path: Path):
    steps = np.tile([0.05, 0.05, 0.05, 0.15], 10)[:-1]
    time = np.concatenate([[0], np.cumsum(steps)])
    pose = still_pose(40, time=time)
    add_film(project, A, pose, grey_frames(40))
    write_stamped(project.root / "anna.mp4", grey_frames(40), time)
    add_film(project, B, still_pose(50), grey_frames(50))
    result = run(project, out=tmp_path / "side.mp4")
    frames = list(read_frames(tmp_path / "side.mp4"))
    assert np.allclose(np.diff([frame.time for frame in frames]), 0.05)
    for k, (a, _) in enumerate(halves(result, project)):
        assert number(a) == np.searchsorted(time, k / 20 + 0.025) - 1


def test_b_is_flipped_as_it_was_compared(project: Project, tmp_path: Path, align_as: Aligned):
    wedge = np.repeat(np.tile(np.linspace(0, 250, 320), (240, 1))[..., None], 3, axis=2)
    add_film(project, A, still_pose(9), grey_frames(9))
    add_film(project, B, still_pose(9), [wedge.astype(np.uint8)] * 9)
    for view in VIEWS:
        align_as((A, B), list(range(9)), view)
        result = run(project, out=tmp_path / "side.mp4")
        picture = halves(result, project)[3][1]
        row = picture[picture.shape[0] // 2].mean(axis=1)
        assert (row[0] > row[-1]) == (view in ("mirrored", "other"))


def noise(count: int, seed: int) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 255, (240, 320, 3), np.uint8) for _ in range(count)]


def test_privacy_lets_no_pixel_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def opened(_: VideoFile) -> NoReturn:
        raise AssertionError("a video was opened")

    monkeypatch.setattr(VideoFile, "frames", opened)
    shown: list[list[Image]] = []

    def keep(_: Path, frames: Iterable[Image], __: float) -> None:
        shown[-1] += [frame.copy() for frame in frames]

    # What is handed to the encoder, which now and then codes one and the same frames in two ways.
    monkeypatch.setattr(step, "write_video", keep)
    for seed in (1, 2):
        project = Project.create(tmp_path / f"project-{seed}")
        add_film(project, A, still_pose(12), noise(12, seed))
        add_film(project, B, still_pose(15), noise(15, seed + 10))
        shown.append([])
        run(project, Appearance(privacy=True), out=tmp_path / "s.mp4")
    assert len(shown[0]) == 12
    for first, second in zip(*shown, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_clip_whose_file_is_gone_is_drawn(project: Project, tmp_path: Path):
    add_film(project, A, still_pose(12), grey_frames(12))
    add_film(project, B, still_pose(15), grey_frames(15))
    (project.root / "ben.mp4").unlink()
    shown = halves(run(project, out=tmp_path / "side.mp4"), project)
    assert [number(a) for a, _ in shown] == list(range(12))
    assert np.ptp(shown[0][1].astype(int), axis=2).max() > 100


def test_a_part_of_a_film_is_shown_from_its_start(project: Project, tmp_path: Path):
    part = still_pose(10, time=0.5 + np.arange(10) / 20, frame=np.arange(10, 20))
    add_film(project, A, part, grey_frames(30), options="start=0.5 end=1")
    add_film(project, B, still_pose(15), grey_frames(15))
    shown = halves(run(project, out=tmp_path / "side.mp4"), project)
    assert [number(a) for a, _ in shown] == list(range(10, 20))


@pytest.mark.usefixtures("films")
def test_an_interrupted_run_leaves_the_old_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out" / "side.mp4"
    out.parent.mkdir()
    out.write_bytes(b"old")
    real = step.Grid.frames

    def broken(self: step.Grid, progress: Progress):
        for k, frame in enumerate(real(self, progress)):
            if k == 20:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(step.Grid, "frames", broken)
    with pytest.raises(KeyboardInterrupt):
        run(project, out=out)
    assert [path.name for path in out.parent.iterdir()] == ["side.mp4"]
    assert out.read_bytes() == b"old"


@pytest.mark.usefixtures("films")
@pytest.mark.parametrize("name", ["side.gif", "b"])
def test_another_file_type_is_refused(project: Project, name: str):
    with pytest.raises(UserError, match="cannot write a video") as refused:
        run(project, out=Path(name))
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.usefixtures("films")
@pytest.mark.parametrize("name", ["ben.mp4", "anna.mp4"])
def test_what_belongs_to_the_project_is_never_overwritten(project: Project, name: str):
    before = (project.root / name).read_bytes()
    with pytest.raises(UserError, match="would be lost") as refused:
        run(project, out=project.root / name)
    assert refused.value.exit_code == ExitCode.USAGE
    assert (project.root / name).read_bytes() == before


@pytest.mark.usefixtures("films")
def test_privacy_without_skeletons_is_nothing(project: Project):
    with pytest.raises(UserError, match="nothing is left to show"):
        run(project, Appearance(skeleton=False, privacy=True))


@pytest.mark.usefixtures("films")
def test_no_counterpart_at_all_is_said(project: Project, align_as: Aligned):
    align_as((A, B), [NAN] * 40)
    with pytest.raises(UserError, match="no frame of A") as refused:
        run(project)
    assert refused.value.exit_code == ExitCode.UNUSABLE


@pytest.mark.usefixtures("films")
def test_b_backwards_is_refused(project: Project, tmp_path: Path, align_as: Aligned):
    align_as((A, B), np.linspace(45, 2, 40).tolist())
    with pytest.raises(UserError, match="runs back and forth") as refused:
        run(project, out=tmp_path / "side.mp4")
    assert refused.value.exit_code == ExitCode.USAGE
    assert not list(tmp_path.glob("*.mp4"))


@pytest.mark.usefixtures("films")
def test_a_damaged_video_is_told(project: Project, tmp_path: Path):
    (project.root / "ben.mp4").write_bytes(b"no video")
    with pytest.raises(UserError) as refused:
        run(project, out=tmp_path / "side.mp4")
    assert refused.value.exit_code == ExitCode.UNREADABLE
    assert not list(tmp_path.glob("*.mp4"))
