"""SLEAP: .slp projects and predictions, and analysis .h5 files, read with the package sleap-io."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.batch import ItemResult
from la2ds_cli.importers._clips import PoseFormat, import_files
from la2ds_cli.importers._joints import joint_order
from la2ds_cli.importers._options import ImportOptions
from la2ds_cli.importers._people import Person, no_box
from la2ds_cli.importers._problems import JointsError, PoseFileError
from la2ds_cli.importers._sequence import FileClip
from la2ds_cli.optional_package import optional_import
from la2ds_cli.progress import Progress
from la2ds_cli.project import Project

# What sleap-io and h5py raise on cut or foreign files.
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

    Read: nodes by name, points and their scores (1 for points placed by hand), tracks, frame
    numbers and the size, of each video of the file. Where a frame has instances corrected by hand,
    these count and the predicted ones do not. Dropped: edges, suggestions, embedded images.
    UserError (exit 6) without the package sleap-io.
    """
    sleap_io()
    pose_format = PoseFormat("sleap", (".slp", ".h5"), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def sleap_io() -> Any:
    """The package sleap-io; UserError (exit 6) where it cannot be imported."""
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
        videos = [_Video(video) for video in labels.videos]
        frames = [
            (labels.videos.index(frame.video), int(frame.frame_idx), _people(frame))
            for frame in labels.labeled_frames
        ]
        skeletons = {tuple(skeleton.node_names) for skeleton in labels.skeletons}
    except _UNREADABLE as error:
        raise PoseFileError(f"sleap-io cannot read it: {error}") from error
    if len(skeletons) != 1:
        raise JointsError(f"it has {len(skeletons)} skeletons, which have different nodes")
    names = list(skeletons.pop())
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    clips: dict[int, dict[int, Sequence[Person]]] = defaultdict(dict)
    for number, frame, people in frames:
        clips[number][frame] = people
    return [
        _clip(path, videos[number], people, order, only=len(clips) == 1)
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
            "an .h5 of DeepLabCut holds pickled objects, which are not opened: let DeepLabCut "
            "write the .csv (save_as_csv=True) and use dlc-csv",
        )
    return package.load_analysis_h5(str(path))


class _Video:
    """Name, number of frames and size of a video as the file tells them; 0 = unknown."""

    def __init__(self, video: Any) -> None:
        name = video.filename[0] if isinstance(video.filename, list) else video.filename
        self.stem = Path(str(name).replace("\\", "/")).stem
        shape = video.shape or (0, 0, 0, 0)
        self.frames = int(shape[0] or 0)
        self.size = (int(shape[2] or 0), int(shape[1] or 0))
        rate = (video.backend_metadata or {}).get("fps")
        self.fps = float(rate) if isinstance(rate, (int, float)) and rate > 0 else 0.0


def _clip(
    path: Path, video: _Video, people: dict[int, Sequence[Person]], order: Any, *, only: bool
) -> FileClip:
    if video.frames > max(people):
        people = {**people, video.frames - 1: people.get(video.frames - 1, ())}
    return FileClip(
        path.stem.removesuffix(".analysis") if only else video.stem,
        path,
        people,
        order,
        complete=False,
        first=0,
        fps=video.fps,
        size=video.size,
    )


def _people(frame: Any) -> list[Person]:
    by_hand = list(frame.user_instances)
    return [_person(instance) for instance in by_hand or frame.predicted_instances]


def _person(instance: Any) -> Person:
    xy = np.asarray(instance.numpy(), np.float64)
    names = instance.points.dtype.names or ()
    predicted = "score" in names
    score = np.asarray(instance.points["score"], np.float64) if predicted else np.ones(len(xy))
    track = instance.track.name if instance.track is not None else None
    return Person(xy, score, no_box(), track=track)
