"""SLEAP: .slp projects and predictions, and analysis .h5 files, read with the package sleap-io."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.errors import UserError, optional_import
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.files import ImportOptions, JointsError, PoseFileError
from la2ds_cli.formats.people import FramePerson, Frames, JointOrder, joint_order

SUFFIXES = (".slp", ".h5")
_MOST_ROWS = 1_000_000
_MOST_BYTES = 1 << 30  # of all arrays, unpacked: an empty one of any size takes no room in a file


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
    """One clip for each video of the file; raises PoseFileError, and UserError (exit 6) without the
    package sleap-io.

    Reads nodes by name, points and their scores (1 for points placed by hand), tracks, frame
    numbers and the size, of each video of the file. If a frame has instances corrected by hand,
    only these count. Drops edges, suggestions and embedded images.
    """
    try:
        labels = _load(path)
        skeletons = {tuple(map(str, skeleton.node_names)) for skeleton in labels.skeletons}
        if len(skeletons) != 1:
            raise JointsError(f"it has {len(skeletons)} skeletons, which have different nodes")
        names = list(skeletons.pop())
        order = joint_order(names, len(names), options)
        clips: dict[int, dict[int, list[FramePerson]]] = defaultdict(dict)
        for frame in labels.labeled_frames:
            clips[labels.videos.index(frame.video)][int(frame.frame_idx)] = _people(frame)
        only = path.stem.removesuffix(".analysis") if len(clips) == 1 else ""
        return [
            _clip(path, only, labels.videos[number], Frames.of_people(people, len(names)), order)
            for number, people in clips.items()
        ]
    except (PoseFileError, UserError):
        raise
    except Exception as error:  # anything, from sleap-io and h5py on truncated or foreign files
        raise PoseFileError(f"sleap-io cannot read it: {error}") from error


def _load(path: Path) -> Any:
    package = sleap_io()
    import h5py  # comes with sleap-io  # pyright: ignore[reportMissingImports]

    with h5py.File(path, "r") as handle:
        _check_size_and_links(handle)
        is_analysis = "tracks" in handle and "node_names" in handle
    if path.suffix.lower() == ".slp":
        return package.load_slp(str(path), open_videos=False)
    if not is_analysis:
        raise PoseFileError(
            "it is not an analysis file of SLEAP",
            "an .h5 of DeepLabCut holds pickled objects, which are not opened: have DeepLabCut "
            "write the .csv (save_as_csv=True) and use dlc-csv",
        )
    return package.load_analysis_h5(str(path))


def _check_size_and_links(handle: Any) -> None:
    """Raise PoseFileError for an HDF5 file with parts in other files, which can be any that the
    user may read, a device, or a pipe that never ends; and for one that unpacks to too much."""
    import h5py  # pyright: ignore[reportMissingImports]

    arrays: list[Any] = []
    links: list[Any] = []
    handle.visititems(lambda _, item: arrays.append(item) if hasattr(item, "nbytes") else None)
    handle.visititems_links(lambda _, link: links.append(link))
    elsewhere = any(isinstance(link, h5py.ExternalLink) for link in links)
    if elsewhere or any(array.external or array.is_virtual for array in arrays):
        raise PoseFileError("parts of it lie in other files, which are not opened")
    rows = max(
        (len(array) for array in arrays if array.name in ("/frames", "/instances")), default=0
    )
    if rows > _MOST_ROWS or sum(array.nbytes for array in arrays) > _MOST_BYTES:
        raise PoseFileError(f"it holds more than {_MOST_ROWS:,} frames or people, or 1 GiB")


def _clip(path: Path, name: str, video: Any, frames: Frames, order: JointOrder) -> FileClip:
    """The clip of a video; name: empty = that of the video file. Of a file without them, the rate
    and size are 0."""
    file = video.filename[0] if isinstance(video.filename, list) else video.filename
    shape = video.shape or (0, 0, 0, 0)
    rate = (video.backend_metadata or {}).get("fps")
    return FileClip(
        name or Path(str(file).replace("\\", "/")).stem,
        path,
        frames,
        order,
        complete=False,
        first=0,
        part=True,
        fps=float(rate) if isinstance(rate, (int, float)) and rate > 0 else 0.0,
        size=(int(shape[2] or 0), int(shape[1] or 0)),
    )


def _people(frame: Any) -> list[FramePerson]:
    """Joints, scores and track of each person; instances corrected by hand take precedence over
    predicted ones."""
    people = []
    for instance in list(frame.user_instances) or frame.predicted_instances:
        xy = np.array(instance.numpy(), np.float64)
        predicted = "score" in (instance.points.dtype.names or ())
        score = np.array(instance.points["score"], np.float64) if predicted else np.ones(len(xy))
        track = None if instance.track is None else str(instance.track.name)
        people.append(FramePerson.of(xy, score, track=track))
    return people
