"""Penn Action (Zhang et al., ICCV 2013): `labels/NNNN.mat`, 13 joints per frame, one action each.

As counted over the data set: a joint that was never annotated has visibility 0 and is at pixel (1,
1) of the frame before scaling to its final size, so anywhere from (0, 0) to (1.6, 1.6); no
annotated joint is near. Other joints with visibility 0 have the annotator's estimate. Coordinates
are 1-based, and small ones are stored in small unsigned types. There may be a box less than frames.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import Mismatch, Unreadable, check_choice
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import MOST_PIXELS, FloatArray, IntArray, Phase
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, JointOrder
from la2ds_cli.formats.files import ImportOptions, PoseFileError, reading
from la2ds_cli.formats.import_export import import_files, phases_of_labels

FPS = 20.0  # frame rate used for this data set (TCC, Table 7); the files do not have one
HIDDEN_SCORE = 0.5  # of an estimated joint: usable, but less certain than a visible one
_UNSET = 2.0  # pixels; invisible joints with smaller x and y were never annotated
_MOST_FRAMES = 100_000  # of a clip; the longest of the data set has 663
_MOST_BYTES = 64 << 20  # of a file, unpacked: 31 numbers of 8 bytes for each of those frames, twice
_BOX_SLACK = 2  # frames by which the box count may differ


def import_penn_action(
    project: StoredProject,
    root: Path,
    action: str | None,
    progress: Progress = SILENT,
    carl_labels: Path | None = None,
) -> list[ItemResult]:
    """Import clips from `root`/labels/NNNN.mat, without pictures.

    Skeleton penn13, 20 fps. Visible joints get score 1, estimated ones keep their position with
    score 0.5, joints that were never annotated become NaN. The train flag becomes the split, the id
    is NNNN and 8 hex digits of the file's sha256. An unreadable file becomes a failed item.

    Parameters
    ----------
    action: import only clips of this action, None = all.
    carl_labels: CARL's folder of label arrays, whose phases are named `phase N`.

    Raises
    ------
    UserError: exit 2 for an unknown action, 3 if a folder does not exist.
    """
    files = label_files(carl_labels) if carl_labels is not None else {}
    paths = sorted((root / "labels").glob("*.mat"))
    if not paths:
        raise Unreadable(
            f"there are no Penn Action label files in {root / 'labels'}",
            hint="name the folder that contains labels/0001.mat",
        )
    actions: list[str] = []  # of all clips
    unlabelled: list[str] = []

    def read(path: Path, _: ImportOptions) -> list[FileClip]:
        clip = read_clip(path)
        actions.append(clip.info["action"])
        if action not in (None, actions[-1]):
            return []
        if clip.name not in files:
            unlabelled.append(clip.name)
            return [clip]
        with reading(str(files[clip.name])):
            labels = read_labels(files[clip.name], actions[-1], len(clip.frames.number))
        return [replace(clip, phases=tuple(labels))]

    results = import_files(project, "penn-action", paths, read, ImportOptions(), progress)
    if action is not None and not any(result.status == "failed" for result in results):
        check_choice("action", action, sorted(set(actions)))
    if files and unlabelled:
        progress.note(f"clips without labels: {len(unlabelled)}")
    return results


def read_clip(path: Path) -> FileClip:
    """Read a label file, with its action and view as facts; raise PoseFileError if it is bad."""
    hint = "copy the file again from the data set"
    try:
        fields = read_mat(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        problem = f"it is not a readable MATLAB file ({error})"
        raise PoseFileError(problem, hint) from error
    with reading("the file"):
        return _clip(path, fields)


def _clip(path: Path, fields: Mapping[str, Any]) -> FileClip:
    """Return the clip; raise PoseFileError, or another error for a missing or mistyped field."""
    x, y, visible = (fields[name] for name in ("x", "y", "visibility"))
    if x.ndim != 2 or x.shape[1] != 13 or not x.shape == y.shape == visible.shape:
        raise PoseFileError(
            f"expected x, y, visibility (frames, 13), got {x.shape}, {y.shape}, {visible.shape}"
        )
    if not 0 < len(x) <= _MOST_FRAMES:
        raise PoseFileError(f"it has {len(x):,} frames, not 1 to {_MOST_FRAMES:,}")
    xy = np.stack([x, y], axis=-1)
    if not np.isfinite(xy).all():
        raise PoseFileError("its coordinates are not finite")
    seen = visible > 0
    unset = ~seen & (xy <= _UNSET).all(axis=-1)
    sides = np.ravel(fields["dimensions"])[:2]
    if not ((sides >= 0) & (sides <= MOST_PIXELS)).all():
        raise PoseFileError(f"dimensions of {sides.tolist()} pixels, not 0 to {MOST_PIXELS:,}")
    height, width = (int(side) for side in sides)
    frames = Frames.of_one(
        np.arange(len(x)),
        np.where(unset[..., None], np.nan, xy - 1),
        np.where(unset, 0.0, np.where(seen, 1.0, HIDDEN_SCORE)),
    )
    box = _boxes(fields["bbox"], len(x))
    return FileClip(
        name=path.stem,
        path=path,
        frames=replace(frames, box=box),
        order=JointOrder("penn13", tuple(range(13))),
        first=0,
        fps=FPS,
        size=(width, height),
        unique=True,
        split="train" if np.ravel(fields["train"])[0] > 0 else "test",
        info={"action": str(fields["action"]), "view": str(fields["pose"])},
    )


def _boxes(box: FloatArray, length: int) -> FloatArray:
    """Return boxes (length, 4), 0-based; the last one is repeated if some are missing at the
    end."""
    if box.ndim != 2 or box.shape[1] != 4 or abs(len(box) - length) > _BOX_SLACK or not len(box):
        raise PoseFileError(f"expected bbox ({length}, 4), got {box.shape}")
    row = np.minimum(np.arange(length), len(box) - 1)
    fitted = box[row] - 1
    empty = (fitted[:, 2] <= fitted[:, 0]) | (fitted[:, 3] <= fitted[:, 1])
    return np.where(empty[:, None], np.nan, fitted)


# --- phase labels as CARL (Chen et al., CVPR 2022) stores them: one array per clip ---------------

_CARL_SPLITS = ("train", "val")  # folders


def label_files(root: Path) -> dict[str, Path]:
    """Return the label file of each clip, by names such as `0168`.

    Raises
    ------
    UserError: exit 3 if there are none, 5 for two files of the same clip.
    """
    files: dict[str, Path] = {}
    for path in sorted(root.glob("*/*/*.npy")):
        if path.parent.parent.name not in _CARL_SPLITS:
            continue
        other = files.setdefault(path.name[:4], path)
        if other != path:
            raise Mismatch(
                f"clip {path.name[:4]} has two label files: {other} and {path}",
                hint="keep only the file that belongs to the data set",
            )
    if not files:
        raise Unreadable(
            f"there are no labels like train/golf_swing/0168.npy in {root}",
            hint="name the folder of CARL's labels of Penn Action that contains train and val",
        )
    return files


def read_labels(path: Path, action: str, frames: int) -> list[Phase]:
    """Read the phases of a clip; raise PoseFileError if the file is bad.

    Parameters
    ----------
    action: of the clip; the folder must have the same name.
    frames: T, the number of frames; with L != T labels, frame t takes label t L / T, as in CARL.
    """
    if path.parent.name != action:
        raise PoseFileError(f"it is in the folder {path.parent.name}, but the clip shows {action}")
    labels = _read(path)
    return phases_of_labels(labels[np.arange(frames) * len(labels) // frames])


def _read(path: Path) -> IntArray:
    try:
        labels = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy raises many types for damaged bytes
        raise PoseFileError(f"it is not a readable array: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or not len(labels):
        raise PoseFileError("it should have one label for each frame")
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise PoseFileError(f"its labels should be whole numbers, not {labels.dtype}")
    if (labels != np.round(labels)).any() or (np.abs(labels.astype(np.float64)) > 1e6).any():
        raise PoseFileError("its labels should be whole numbers")
    return labels.astype(np.int64)


# --- MATLAB files of version 5 (MAT-File Format, MathWorks, 2019) ---------------------------------

# Reads only little-endian files, and in them real arrays and texts at the top level. scipy.io reads
# more, but its C reader crashes the process on some damaged files. Here every length is checked
# against the data.
_HEADER = 128
_VERSION = b"\x00\x01IM"  # 5 to 7, the low byte first
_COMPRESSED, _MATRIX = 15, 14
_TEXT, _NUMBERS = 4, range(6, 16)  # classes of arrays; the others are left out
_KINDS = {
    **{1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4"},
    **{7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"},
}
_LETTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_COMPLEX = 0x800  # flag of an array


def read_mat(path: Path, most_bytes: int) -> dict[str, FloatArray | str]:
    """Real arrays of numbers, and texts of one row, by name.

    Other variables are left out.

    Raises
    ------
    ValueError: for a file that is damaged, has another version, or takes more than `most_bytes`
        unpacked, and OSError.
    """
    content = regular_file.content(path, regular_file.MOST_IMPORTED, links=True)
    if content[_HEADER - 4 : _HEADER] != _VERSION:
        raise ValueError("not a MATLAB file of version 5 to 7; save it with -v7")
    variables: dict[str, FloatArray | str] = {}
    left = most_bytes
    for kind, data in _elements(content[_HEADER:], whole=True):
        if kind == _COMPRESSED:
            data = _unpacked(data, left)
            kind, data = next(_elements(data), (0, b""))
        left -= len(data)
        if left < 0:
            raise ValueError(f"more than {most_bytes:,} bytes")
        if kind == _MATRIX:
            _add(variables, data)
    return variables


def _unpacked(data: bytes, most: int) -> bytes:
    """Return a compressed element. In some files of Penn Action it is complete, but the end of its
    stream is missing. zlib reads only as far as it is told."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"a compressed part is damaged: {error}") from error
    if len(content) > most:
        raise ValueError(f"more than {most:,} bytes when unpacked")
    return content


def _elements(content: bytes, *, whole: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield type and data of consecutive elements. whole: those of a file, where compressed
    elements are not padded to 8 bytes."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            raise ValueError("it is cut off")
        kind, length = struct.unpack_from("<II", content, at)
        start, step = at + 8, 8 + length
        if short := kind >> 16:  # up to 4 bytes of data, in the tag itself
            kind, length, start, step = kind & 0xFFFF, min(short, 4), at + 4, 8
        elif not (whole and kind == _COMPRESSED):
            step += -length % 8
        if start + length > len(content):
            raise ValueError("it is cut off")
        yield kind, content[start : start + length]
        at += step


def _add(variables: dict[str, FloatArray | str], data: bytes) -> None:
    parts = list(_elements(data))
    if len(parts) < 4:
        return  # an empty array, or one of a kind that is not read
    (_, flags), (_, dimensions), (_, letters), (stored, values) = parts[:4]
    if len(flags) < 8 or not 8 <= len(dimensions) <= 128:
        raise ValueError("the head of an array is damaged")
    (word,) = struct.unpack_from("<I", flags)
    shape = np.frombuffer(dimensions, "<i4", len(dimensions) // 4).tolist()
    name, kind = letters.decode("latin-1"), word & 0xFF
    if kind == _TEXT:
        if stored not in _LETTERS:
            raise ValueError(f"a text of the unknown type {stored}")
        variables[name] = values.decode(_LETTERS[stored])
    elif kind in _NUMBERS and not word & _COMPLEX:
        if stored not in _KINDS:
            raise ValueError(f"{name!a} holds numbers of the unknown type {stored}")
        dtype = np.dtype(_KINDS[stored])
        array = np.frombuffer(values, dtype, len(values) // dtype.itemsize)
        if min(shape) < 0 or len(array) != math.prod(shape):
            raise ValueError(f"{name!a} has {len(array)} numbers for the shape {shape}")
        variables[name] = array.reshape(shape, order="F").astype(np.float64)
