"""SLEAP files, made with sleap-io itself."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from tests.formats.conftest import Read
from tests.formats.file_samples import joints
from tests.told import refused

COCO = get_skeleton("coco17").joints
needs_sleap_io = pytest.mark.skipif(
    importlib.util.find_spec("sleap_io") is None,
    reason="SLEAP files need the optional package sleap-io (la2ds[sleap])",
)


def labels(people: int = 1, frames: int = 8, by_hand: bool = False) -> Any:
    import sleap_io as sio  # pyright: ignore[reportMissingImports]

    skeleton = sio.Skeleton(nodes=[name.title().replace("_", "") for name in COCO])
    facts = {"shape": (frames + 2, 480, 640, 3)}
    video = sio.Video(filename="anna.mp4", backend_metadata=facts, open_backend=False)
    tracks = [sio.Track(name=f"p{i}") for i in range(people)]
    made = []
    for t in range(frames):
        instances = [
            sio.PredictedInstance.from_numpy(
                joints(t, at=100 + 250 * i, scale=1.5 - 0.5 * i),
                skeleton,
                point_scores=np.full(17, 0.75),
                score=0.9,
                track=tracks[i],
            )
            for i in range(people)
        ]
        if by_hand and t == 3:
            xy = joints(t) + 1
            xy[4] = np.nan
            instances.append(sio.Instance.from_numpy(xy, skeleton, track=tracks[0]))
        made.append(sio.LabeledFrame(video=video, frame_idx=t, instances=instances))
    return sio.Labels(made, videos=[video], skeletons=[skeleton], tracks=tracks)


def save(path: Path, content: Any) -> Path:
    import sleap_io as sio  # pyright: ignore[reportMissingImports]

    if path.suffix == ".slp":
        sio.save_slp(content, str(path), embed=False, verbose=False)
    else:
        sio.save_analysis_h5(content, str(path))
    return path


@needs_sleap_io
@pytest.mark.parametrize("ending", [".slp", ".analysis.h5"])
def test_tracks_are_people(read: Read, tmp_path: Path, ending: str):
    content = labels(people=2, frames=20)
    pose = read("sleap", save(tmp_path / f"anna{ending}", content), size=(640, 480))
    assert (pose.skeleton, len(pose)) == ("coco17", 20)
    np.testing.assert_allclose(pose.xy[15], joints(15, scale=1.5), rtol=1e-6)
    np.testing.assert_allclose(pose.score[5], 0.75)


@needs_sleap_io
def test_corrected_instances_count_late_in_a_film(read: Read, tmp_path: Path):
    content = labels(by_hand=True)
    for frame in content.labeled_frames:
        frame.frame_idx += 5400
    pose = read("sleap", save(tmp_path / "anna.slp", content), fps=25)
    assert pose.size == (640, 480)
    assert pose.frame.tolist() == list(range(5400, 5408))
    np.testing.assert_allclose(pose.time, pose.frame / 25)
    np.testing.assert_allclose(pose.xy[3, 2], joints(3)[2] + 1)
    assert np.isnan(pose.xy[3, 4]).all()
    assert pose.score[3, 2] == 1


def elsewhere(handle: Any) -> None:
    import h5py  # pyright: ignore[reportMissingImports]

    del handle["pred_points"]
    handle["pred_points"] = h5py.ExternalLink("/etc/hostname", "/x")


def of_a_pipe(handle: Any) -> None:
    kind = handle["pred_points"].dtype
    del handle["pred_points"]
    pipe = str(Path(handle.filename).with_name("pipe"))
    os.mkfifo(pipe)
    parts = [(pipe, 0, 10 * kind.itemsize)]
    handle.create_dataset("pred_points", shape=(10,), dtype=kind, external=parts)


def empty(handle: Any) -> None:
    kind = handle["frames"].dtype
    del handle["frames"]
    handle.create_dataset("frames", shape=(50_000_000,), dtype=kind, chunks=(1000,))


@needs_sleap_io
@pytest.mark.skipif(os.name == "nt", reason="needs a pipe with a name")
@pytest.mark.parametrize(
    ("change", "said"),
    [(elsewhere, "in other files"), (of_a_pipe, "in other files"), (empty, "more than 1,000,000")],
)
def test_hostile_files(
    project: StoredProject, tmp_path: Path, change: Callable[[Any], None], said: str
):
    import h5py  # pyright: ignore[reportMissingImports]

    path = save(tmp_path / "a.slp", labels())
    with h5py.File(path, "a") as handle:
        change(handle)
    with refused(ExitCode.UNREADABLE, said):
        import_poses(project, "sleap", path, ImportOptions(fps=25))


@needs_sleap_io
def test_an_h5_of_deeplabcut_is_not_opened(project: StoredProject, tmp_path: Path):
    import h5py  # pyright: ignore[reportMissingImports]

    path = tmp_path / "annaDLC_resnet50.h5"
    with h5py.File(path, "w") as handle:
        handle.create_group("df_with_missing").create_dataset("table", data=np.zeros(3))
    with pytest.raises(UserError, match="not an analysis file of SLEAP") as caught:
        import_poses(project, "sleap", path, ImportOptions(fps=25))
    assert "save_as_csv=True" in caught.value.hint


@needs_sleap_io
@pytest.mark.parametrize("how", ["track", "link", "place"])
def test_a_correction_of_one_person_leaves_the_others(
    project: StoredProject, tmp_path: Path, how: str
):
    """It replaces the prediction of its track, the one that it was made from, or the one where it
    is; the other person stays in the frame."""
    import sleap_io as sio  # pyright: ignore[reportMissingImports]

    content = labels(people=2, frames=20)
    for frame in content.labeled_frames[4:9]:
        small = frame.predicted_instances[1]
        fields = {"track": small.track} if how == "track" else {}
        fields |= {"from_predicted": small} if how == "link" else {}
        made = sio.Instance.from_numpy(small.numpy() + 1, content.skeletons[0], **fields)
        frame.instances.append(made)
    if how == "place":
        for frame in content.labeled_frames:
            for instance in frame.instances:
                instance.track = None
        content.tracks = []
    path = save(tmp_path / "anna.slp", content)
    (result,) = import_poses(project, "sleap", path, ImportOptions(fps=25, size=(640, 480)))
    pose, _ = project.read_pose(result.video)
    assert pose.info["people"] == 2
    assert pose.info["coverage"] == 1
    for t in range(20):
        np.testing.assert_allclose(pose.xy[t], joints(t, scale=1.5), rtol=1e-6)
