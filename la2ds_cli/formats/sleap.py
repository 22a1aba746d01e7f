"""SLEAP: .slp projects and predictions, and analysis .h5 files, read with the package sleap-io."""

from __future__ import annotations

import struct
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_bytes
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.checks import FormatError, JointsError, PoseFileError
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import joint_order

# Errors of sleap-io and h5py on truncated or foreign files.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def import_sleap(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .slp or analysis .h5 file, or a folder of them.

    Reads nodes by name, points and their scores (1 for points placed by hand), tracks, frame
    numbers and the size, of each video of the file. If a frame has instances corrected by hand,
    only these count. Drops edges, suggestions and embedded images. Raises UserError (exit 6)
    without the package sleap-io.
    """
    sleap_io()
    pose_format = PoseFormat("sleap", (".slp", ".h5"), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def sleap_io() -> Any:
    """The package sleap-io; raises UserError (exit 6) if it cannot be imported."""
    with optional_import(
        ["sleap_io"],
        "SLEAP files need the package sleap-io, which is not installed",
        "pip install 'la2ds[sleap]'",
    ):
        import sleap_io as package  # pyright: ignore[reportMissingImports]
    return package


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """One clip for each video of the file; raises PoseFileError."""
    try:
        labels = _load(path)
        skeletons = {tuple(map(str, skeleton.node_names)) for skeleton in labels.skeletons}
        clips: dict[int, dict[int, Sequence[Person]]] = defaultdict(dict)
        for frame in labels.labeled_frames:
            clips[labels.videos.index(frame.video)][int(frame.frame_idx)] = _people(frame)
        videos = [_video(video) for video in labels.videos]
    except _UNREADABLE as error:
        raise PoseFileError(f"sleap-io cannot read it: {error}") from error
    if len(skeletons) != 1:
        raise JointsError(f"it has {len(skeletons)} skeletons, which have different nodes")
    names = list(skeletons.pop())
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    return [
        FileClip(
            path.stem.removesuffix(".analysis") if len(clips) == 1 else videos[number].stem,
            path,
            people,
            order,
            complete=False,
            first=0,
            part=True,
            frames=videos[number].frames,
            fps=videos[number].fps,
            size=videos[number].size,
        )
        for number, people in clips.items()
    ]


def _load(path: Path) -> Any:
    package = sleap_io()
    if path.suffix.lower() == ".slp":
        return package.load_slp(str(path), open_videos=False)
    import h5py  # comes with sleap-io  # pyright: ignore[reportMissingImports]

    with h5py.File(path, "r") as handle:
        is_analysis = "tracks" in handle and "node_names" in handle
    if not is_analysis:
        raise PoseFileError(
            "it is not an analysis file of SLEAP",
            "an .h5 of DeepLabCut holds pickled objects, which are not opened: have DeepLabCut "
            "write the .csv (save_as_csv=True) and use dlc-csv",
        )
    return package.load_analysis_h5(str(path))


@dataclass(frozen=True)
class _Video:
    """Facts of a video in a file; frames, fps or size are 0 if the file lacks them."""

    stem: str
    frames: int
    fps: float
    size: tuple[int, int]


def _video(video: Any) -> _Video:
    name = video.filename[0] if isinstance(video.filename, list) else video.filename
    shape = video.shape or (0, 0, 0, 0)
    rate = (video.backend_metadata or {}).get("fps")
    return _Video(
        Path(str(name).replace("\\", "/")).stem,
        int(shape[0] or 0),
        float(rate) if isinstance(rate, (int, float)) and rate > 0 else 0.0,
        (int(shape[2] or 0), int(shape[1] or 0)),
    )


def _people(frame: Any) -> list[Person]:
    """Joints, scores and track of each person; instances corrected by hand take precedence over
    predicted ones."""
    people = []
    for instance in list(frame.user_instances) or frame.predicted_instances:
        xy = np.array(instance.numpy(), np.float64)
        predicted = "score" in (instance.points.dtype.names or ())
        score = np.array(instance.points["score"], np.float64) if predicted else np.ones(len(xy))
        track = None if instance.track is None else str(instance.track.name)
        people.append(Person(xy, score, no_box(), track=track))
    return people


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ".slp"


def export_sleap(pose: PoseSequence, name: str, path: Path) -> None:
    """Write predicted instances of one track: points, scores, and a skeleton with named nodes.

    Points are exact. Frames without joints have no instance; only the first frame is listed even
    then, so that the clip begins there. The video is named after the clip and not embedded; its
    frame rate and size are kept. Times other than frame / rate, and boxes, are
    lost. Raises UserError (exit 6) without sleap-io, and FormatError for frames before 0.
    """
    sio = sleap_io()
    if (first := int(pose.frame.min(initial=0))) < 0:
        raise FormatError(f"SLEAP has no frame {first}")
    ours = get_skeleton(pose.skeleton)
    pairs = [(k, mirrored) for k, mirrored in enumerate(ours.flip) if k < mirrored]
    skeleton = sio.Skeleton(
        nodes=list(ours.joints),
        edges=[(ours.joints[a], ours.joints[b]) for a, b in ours.limbs],
        symmetries=[(ours.joints[a], ours.joints[b]) for a, b in pairs],
        name=ours.name,
    )
    frames = int(pose.frame[-1]) + 1 if len(pose) else 0
    facts = {"shape": (frames, pose.size[1], pose.size[0], 3), "fps": pose.fps}
    video = sio.Video(filename=f"{name}.mp4", backend_metadata=facts, open_backend=False)
    track = sio.Track(name="1")
    labeled = []
    for t, frame in enumerate(pose.frame):
        instances = []
        if np.isfinite(pose.xy[t]).any():
            instance = sio.PredictedInstance.from_numpy(
                points_data=pose.xy[t].astype(np.float64),
                skeleton=skeleton,
                point_scores=pose.score[t].astype(np.float64),
                score=float(pose.score[t].mean()),
                track=track,
            )
            instances.append(instance)
        if instances or t == 0:
            labeled.append(sio.LabeledFrame(video=video, frame_idx=int(frame), instances=instances))
    labels = sio.Labels(
        labeled_frames=labeled, videos=[video], skeletons=[skeleton], tracks=[track]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "poses.slp"
        sio.save_slp(labels, str(file), embed=False, verbose=False)
        write_bytes(path, file.read_bytes())
