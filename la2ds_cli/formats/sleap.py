"""SLEAP: .slp projects and predictions, and analysis .h5 files, read with the package sleap-io."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.errors import UserError, optional_import
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import FramePerson, Frames, JointOrder, joint_order
from la2ds_cli.formats.files import ImportOptions, JointsError, PoseFileError

SUFFIXES = (".slp", ".h5")
_MOST_ROWS = 1_000_000
_SAME_PLACE = 0.5  # least overlap of the boxes of one person, labelled by hand and predicted
_MOST_BYTES = 1 << 30  # of all arrays, unpacked: an empty array of any size has a tiny file


def sleap_io() -> Any:
    """Return the package sleap-io. Raises UserError (exit 6) if it cannot be imported."""
    with optional_import(
        ["sleap_io"],
        "SLEAP files need the package sleap-io, which is not installed",
        "pip install 'la2ds[sleap]'",
    ):
        import sleap_io as package  # pyright: ignore[reportMissingImports]
    return package


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read one clip for each video of the file.

    Reads nodes by name, points and their scores (1 for points placed by hand), tracks, frame
    numbers and the size, of each video of the file. An instance corrected by hand replaces the
    predicted instance of its person. Drops edges, suggestions and embedded images. Raises
    PoseFileError, and UserError (exit 6) without the package sleap-io.
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
        name = path.stem.removesuffix(".analysis") if len(clips) == 1 else ""
        return [
            _clip(path, name, labels.videos[number], Frames.of_people(people, len(names)), order)
            for number, people in clips.items()
        ]
    except (PoseFileError, UserError):
        raise
    except Exception as error:  # sleap-io and h5py raise errors of every kind for damaged files
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
    """Raise PoseFileError for an HDF5 file that unpacks to too much, or has parts in other files,
    which could be any file of the user, a device, or an endless pipe."""
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
    """Return the clip of a video. name: empty = that of the video file. Rate and size are 0 if the
    file has none."""
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
    """Return joints, scores and track of each person. An instance labelled by hand replaces the
    predicted instance of the same person; the other people of the frame stay as predicted."""
    by_hand, people = list(frame.user_instances), []
    replaced = [id(p) for label in by_hand for p in _replaced(label, frame.predicted_instances)]
    kept = [instance for instance in frame.predicted_instances if id(instance) not in replaced]
    for instance in (*by_hand, *kept):
        xy = np.array(instance.numpy(), np.float64)
        scored = "score" in (instance.points.dtype.names or ())
        score = np.array(instance.points["score"], np.float64) if scored else np.ones(len(xy))
        linked = getattr(instance, "from_predicted", None)
        identity = instance.track or (linked.track if linked is not None else None)
        track = None if identity is None else str(identity.name)
        people.append(FramePerson.of(xy, score, track=track))
    return people


def _replaced(label: Any, predicted: Sequence[Any]) -> list[Any]:
    """Return the predicted instances that an instance labelled by hand replaces: those of its track
    and the one that it was made from, or else the one in its place."""
    linked = [
        instance
        for instance in predicted
        if instance is label.from_predicted
        or (label.track is not None and instance.track is label.track)
    ]
    if linked or label.track is not None or not predicted:
        return linked
    nearest = max(predicted, key=lambda instance: _overlap(label, instance))
    return [nearest] if _overlap(label, nearest) >= _SAME_PLACE else []


def _overlap(a: Any, b: Any) -> float:
    """Return the intersection over union of the boxes around the joints of two instances."""
    (low_a, high_a), (low_b, high_b) = _corners(a), _corners(b)
    sides = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    shared = np.prod(np.maximum(sides, 0))
    whole = np.prod(high_a - low_a) + np.prod(high_b - low_b) - shared
    return float(shared / whole) if whole > 0 else 0.0


def _corners(instance: Any) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and the highest x and y of the joints that are seen, 0 if none is."""
    xy = np.array(instance.numpy(), np.float64)
    seen = xy[np.isfinite(xy).all(axis=1)]
    return (seen.min(axis=0), seen.max(axis=0)) if len(seen) else (np.zeros(2), np.zeros(2))
