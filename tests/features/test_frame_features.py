"""Features of video frames: of the right moments, made once, made again when something changed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features import frame_features
from la2ds_cli.features.frame_features import (
    FrameFeatureReader,
    compute,
    frame_feature_reader,
    identity_of,
    load_network,
)
from la2ds_cli.video.reader import VideoFile
from tests.drawn_clips import grey_steps, quadrants
from tests.filmed_clips import SIDE, Thumbnail, brightness, film, use_thumbnails
from tests.told import refused

STEP = 8  # grey levels from frame to frame of grey_steps


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return StoredProject.create(tmp_path / "project")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Settings of a run that reads thumbnails of video frames."""
    return ["model.input=rgb", *use_thumbnails(monkeypatch, tmp_path / "net.pth")]


def reader(project: StoredProject, settings: Sequence[str]) -> FrameFeatureReader:
    found = frame_feature_reader(project, project.config(overrides=settings), device="cpu")
    assert found is not None
    return found


# --- moments ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [30.0, 10.0, 20.0])
def test_the_rows_are_those_of_the_moments_of_the_poses(
    project: StoredProject, settings: list[str], fps: float
) -> None:
    """A part of a film, at rates above, below and equal to that of the model."""
    film(project, "part", grey_steps(24), fps=fps, options=ClipOptions(start=0.2, end=0.72))
    pose = project.read_pose("part")[0]
    found = reader(project, settings).read("part")
    assert set(found.frame) <= set(pose.frame)
    assert (found.frame[0], found.frame[-1]) == (pose.frame[0], pose.frame[-1])
    np.testing.assert_allclose(brightness(found.value), STEP * found.frame, atol=4)
    np.testing.assert_allclose(found.time, found.frame / fps, atol=1e-6)


def test_turned_and_mirrored_as_the_clip_is_read(
    project: StoredProject, settings: list[str]
) -> None:
    """The white quarter, bottom right, is bottom left in a mirrored clip and in a mirror image."""
    film(project, "plain", [quadrants()] * 9)
    film(project, "mirrored", [quadrants()] * 9, options=ClipOptions(mirror=True))
    film(project, "turned", [quadrants()] * 9, options=ClipOptions(rotate=90, mirror=True))
    read = reader(project, settings)

    def white(value: np.ndarray) -> tuple[int, int]:
        rows = value[0].reshape(SIDE, SIDE)
        quarter = rows.reshape(2, SIDE // 2, 2, SIDE // 2).mean(axis=(1, 3))
        return divmod(int(quarter.argmax()), 2)

    places = {name: read.read(name) for name in ("plain", "mirrored", "turned")}
    assert white(places["plain"].value) == (1, 1)
    assert white(places["plain"].mirrored) == (1, 0)
    assert white(places["mirrored"].value) == (1, 0)
    assert white(places["mirrored"].mirrored) == (1, 1)
    # A quarter turn clockwise brings it to the bottom left, the mirror back to the right.
    assert white(places["turned"].value) == (1, 1)


# --- kept, and made again --------------------------------------------------------------------


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the films that were computed."""
    names: list[str] = []

    def counted(network, file, frame, device):
        names.append(file.path.stem)
        return compute(network, file, frame, device)

    monkeypatch.setattr(frame_features, "compute", counted)
    return names


def test_made_once_and_again_when_what_they_depend_on_changes(
    project: StoredProject, settings: list[str], computed: list[str], tmp_path: Path
) -> None:
    film(project, "clip", grey_steps(12))

    def made(chosen: Sequence[str] = settings) -> int:
        computed.clear()
        reader(project, chosen).ensure(["clip"])
        return len(computed)

    assert (made(), made()) == (1, 0)
    pose, _ = project.read_pose("clip")
    project.write_pose("clip", replace(pose, xy=pose.xy + 1), Recipe("poses", 2, {}, {}))
    assert made() == 0, "other joints of the same frames"
    project.write_pose("clip", pose.cut(2, 12), Recipe("poses", 3, {}, {}))
    assert made() == 1, "other frames"
    assert made([*settings, "train.fps=10"]) == 1, "another rate"
    assert made() == 1
    (row,) = project.videos()
    project.add_videos([replace(row, options="mirror=true")])
    assert made() == 1, "read in another way"
    (tmp_path / "net.pth").write_bytes(b"other weights")
    assert made() == 1, "other weights"
    path = project.features_path("clip")
    path.write_bytes(path.read_bytes()[:-8])
    assert made() == 1, "half a file"
    assert made() == 0


# --- what cannot be had ----------------------------------------------------------------------


def test_clips_without_pictures_are_named_with_the_remedy(
    project: StoredProject, settings: list[str]
) -> None:
    film(project, "gone", grey_steps(10))
    film(project, "lost", grey_steps(11))
    film(project, "kept", grey_steps(12))
    reader(project, settings).ensure(["kept"])
    for name in ("gone", "lost", "kept"):
        (project.root / "films" / f"{name}.mp4").unlink()
    reader(project, settings).check(["kept"])  # its features are there
    with refused(ExitCode.UNREADABLE, "^the video of gone is missing") as caught:
        reader(project, settings).check(["kept", "gone", "lost"])
    assert "--input joints" in caught.value.hint


def test_another_film_under_the_same_name(project: StoredProject, settings: list[str]) -> None:
    film(project, "clip", grey_steps(12))
    film(project, "other", grey_steps(14))
    films = project.root / "films"
    (films / "other.mp4").replace(films / "clip.mp4")
    with refused(ExitCode.MISMATCH, "has changed"):
        reader(project, settings).check(["clip"])


def test_a_film_that_changes_while_it_is_read_stores_nothing(
    project: StoredProject, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    film(project, "clip", grey_steps(12))
    film(project, "other", grey_steps(14))
    films = project.root / "films"

    def replaced(network, file, frame, device):
        made = compute(network, file, frame, device)
        (films / "other.mp4").replace(films / "clip.mp4")
        return made

    monkeypatch.setattr(frame_features, "compute", replaced)
    with refused(ExitCode.UNREADABLE, "changed while it was read", "V014"):
        reader(project, settings).ensure(["clip"])
    assert not project.features_path("clip").exists()


def test_frames_that_the_file_does_not_have(project: StoredProject) -> None:
    film(project, "clip", grey_steps(12))
    file = VideoFile(project.root / "films" / "clip.mp4")
    with refused(ExitCode.MISMATCH, "2 of the 3 frames"):
        compute(Thumbnail(), file, np.array([3, 11, 12]), "cpu")  # type: ignore[arg-type]


# --- weights ---------------------------------------------------------------------------------


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit",)


def saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"no weights", "does not hold the weights of a ResNet-50"),
        (saved({"conv1.weight": Hostile()}), "does not hold the weights of a ResNet-50: .*exec"),
    ],
    ids=["none", "text", "hostile"],
)
def test_files_that_are_no_weights(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "net.pth"
    if content is not None:
        path.write_bytes(content)
    with refused(ExitCode.ENVIRONMENT, said) as caught:
        load_network(str(path), identity_of(str(path)))
    assert "weights_only" not in caught.value.message  # PyTorch advises to switch it off


def test_other_weights_than_those_of_the_training(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"new")
    with refused(ExitCode.MISMATCH, "the run was trained with other weights"):
        load_network(str(path), "digest of the old file")


def test_an_unknown_name_is_a_wrong_setting() -> None:
    with refused(ExitCode.USAGE, "unknown model.rgb_weights 'resnet51'") as caught:
        identity_of("resnet51")
    assert "resnet50-imagenet" in caught.value.hint
