"""Penn Action (Zhang et al., ICCV 2013): `labels/NNNN.mat`, 13 joints per frame, one action each.

Contents, counted over the data set: a joint that was never annotated has visibility 0 and is at
pixel (1, 1) of the frame before scaling to its final size, so anywhere from (0, 0) to (1.6, 1.6);
no annotated joint is near. Other joints with visibility 0 have the annotator's estimate. Small
coordinates are stored in small unsigned types. Coordinates are 1-based. There may be one box fewer
than frames.
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
from la2ds_cli.core.errors import ExitCode, UserError, check_choice
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import MOST_PIXELS, FloatArray, IntArray, Phase
from la2ds_cli.formats.checks import PoseFileError, naming
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, JointOrder
from la2ds_cli.formats.importing import PoseFormat, import_files, phases_of_labels
from la2ds_cli.formats.people import Frames
from la2ds_cli.formats.plain_pickle import DAMAGE

FPS = 20.0  # frame rate used for this data set (TCC, Table 7); the files do not hold one
HIDDEN_SCORE = 0.5  # of an estimated joint: usable, but less certain than a visible one
_UNSET = 2.0  # pixels: joints without visibility up to here on both axes were never annotated
_MOST_FRAMES = 100_000  # of a clip; the longest of the data set has 663
_MOST_BYTES = 64 << 20  # of a file, unpacked: 31 numbers of 8 bytes for each of those frames, twice
_BOX_SLACK = 2  # frames by which the box count may differ
_SPLITS = {1: "train", -1: "test"}


def import_penn_action(
    project: Project,
    root: Path,
    action: str | None,
    progress: Progress | None = None,
    carl_labels: Path | None = None,
) -> list[ItemResult]:
    """Import the clips of one action (None = all) from `root`/labels/NNNN.mat, without frames.

    Skeleton penn13, 20 fps. Visible joints get score 1, estimated ones keep their position with
    score 0.5, joints that were never annotated become NaN. The train flag becomes the split, the
    id is NNNN and 8 hex digits of the file's sha256. carl_labels: CARL's folder of label arrays,
    called `phase N`. An unreadable file of a clip or of its labels becomes a failed item. Raises
    UserError if a folder does not exist (exit 3) and for an unknown action (exit 2).
    """
    progress = progress or Progress()
    files = label_files(carl_labels) if carl_labels is not None else {}
    clips = _read_clips(root, action, progress)
    if unlabelled := sum(clip.name not in files for clip in _readable(clips)) if files else 0:
        progress.note(f"clips without labels: {unlabelled}")

    def read(path: Path, _: ImportOptions) -> list[FileClip]:
        clip = clips[path]
        if isinstance(clip, Exception):
            raise clip
        if clip.name not in files:
            return [clip]
        with naming(str(files[clip.name])):
            labels = read_labels(files[clip.name], clip.info["action"], len(clip.frames.number))
        return [replace(clip, phases=tuple(labels))]

    pose_format = PoseFormat("penn-action", (".mat",), read)
    return import_files(project, root, pose_format, ImportOptions(), progress, list(clips))


def _read_clips(
    root: Path, action: str | None, progress: Progress
) -> dict[Path, FileClip | Exception]:
    """The clips of the action, and the errors of files that cannot be read, by file."""
    paths = sorted((root / "labels").glob("*.mat"))
    if not paths:
        raise UserError(
            f"there are no Penn Action label files in {root / 'labels'}",
            hint="name the folder that holds labels/0001.mat",
            exit_code=ExitCode.UNREADABLE,
        )
    clips: dict[Path, FileClip | Exception] = {}
    progress.begin("reading labels", len(paths))
    for path in paths:
        try:
            clips[path] = read_clip(path)
        except Exception as error:  # raised again for its clip
            clips[path] = error
        progress.advance()
    progress.end()
    if action is None:
        return clips
    shown = {clip.path: clip.info["action"] for clip in _readable(clips)}
    check_choice("action", action, sorted(set(shown.values())))
    return {path: clip for path, clip in clips.items() if shown.get(path, action) == action}


def _readable(clips: Mapping[Path, FileClip | Exception]) -> list[FileClip]:
    return [clip for clip in clips.values() if isinstance(clip, FileClip)]


def read_clip(path: Path) -> FileClip:
    """One label file, with its action and view as facts; raises PoseFileError."""
    hint = "copy the file again from the data set"
    try:
        fields = read_mat(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        problem = f"it is not a MATLAB file that can be read ({error})"
        raise PoseFileError(problem, hint) from error
    try:
        return _clip(path, fields)
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        problem = f"a field is missing or has the wrong type ({error})"
        raise PoseFileError(problem, hint) from error


def _clip(path: Path, fields: Mapping[str, Any]) -> FileClip:
    """Raises PoseFileError, or another error for a field that is missing or of another type."""
    # uint8 arrays would wrap around in any sum or difference.
    x, y, visible = (np.asarray(fields[f], dtype=np.float64) for f in ("x", "y", "visibility"))
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
    sides = np.ravel(fields["dimensions"])[:2].astype(np.float64)
    if not ((sides >= 0) & (sides <= MOST_PIXELS)).all():
        raise PoseFileError(f"dimensions of {sides.tolist()} pixels, not 0 to {MOST_PIXELS:,}")
    height, width = (int(side) for side in sides)
    frames = Frames.of_one(
        np.arange(len(x)),
        np.where(unset[..., None], np.nan, xy - 1),
        np.where(unset, 0.0, np.where(seen, 1.0, HIDDEN_SCORE)),
    )
    box = _boxes(np.asarray(fields["bbox"], dtype=np.float64), len(x))
    return FileClip(
        name=path.stem,
        path=path,
        frames=replace(frames, box=box),
        order=JointOrder("penn13", tuple(range(13))),
        first=0,
        fps=FPS,
        size=(width, height),
        unique=True,
        split=_SPLITS[int(np.ravel(fields["train"])[0])],
        settings={"hidden_score": HIDDEN_SCORE},
        info={"action": str(fields["action"]), "view": str(fields["pose"])},
    )


def _boxes(box: FloatArray, length: int) -> FloatArray:
    """Boxes (length, 4), 0-based; the last one is repeated if some are missing at the end."""
    if box.ndim != 2 or box.shape[1] != 4 or abs(len(box) - length) > _BOX_SLACK or not len(box):
        raise PoseFileError(f"expected bbox ({length}, 4), got {box.shape}")
    row = np.minimum(np.arange(length), len(box) - 1)
    fitted = box[row] - 1
    empty = (fitted[:, 2] <= fitted[:, 0]) | (fitted[:, 3] <= fitted[:, 1])
    return np.where(empty[:, None], np.nan, fitted)


# --- phase labels as CARL (Chen et al., CVPR 2022) stores them: one array per clip ---------------

_CARL_SPLITS = ("train", "val")  # folders


def label_files(root: Path) -> dict[str, Path]:
    """Clip `0168` -> its file of labels.

    Raises UserError if there is no such file (exit 3), and for two files of one clip (exit 5).
    """
    files: dict[str, Path] = {}
    for path in sorted(root.glob("*/*/*.npy")):
        if path.parent.parent.name not in _CARL_SPLITS:
            continue
        other = files.setdefault(path.name[:4], path)
        if other != path:
            raise UserError(
                f"clip {path.name[:4]} has two files of labels: {other} and {path}",
                hint="keep the one that belongs to the data set",
                exit_code=ExitCode.MISMATCH,
            )
    if not files:
        raise UserError(
            f"there are no labels like train/golf_swing/0168.npy in {root}",
            hint="name the folder of CARL's labels of Penn Action that holds train and val",
            exit_code=ExitCode.UNREADABLE,
        )
    return files


def read_labels(path: Path, action: str, frames: int) -> list[Phase]:
    """Phases of a clip; raises PoseFileError.

    action: of the label file of Penn Action, which must be the folder's. frames: T of the poses; if
    there are L != T labels, frame t takes the label of t L / T, as in CARL.
    """
    if path.parent.name != action:
        raise PoseFileError(f"it is in the folder {path.parent.name}, but the clip shows {action}")
    labels = _read(path)
    return phases_of_labels(labels[np.arange(frames) * len(labels) // frames])


def _read(path: Path) -> IntArray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, *DAMAGE) as error:
        raise PoseFileError(f"it is not an array that can be read: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or not len(labels):
        raise PoseFileError("it should have one label for each frame")
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise PoseFileError(f"its labels should be whole numbers, not {labels.dtype}")
    if (labels != np.round(labels)).any() or (np.abs(labels.astype(np.float64)) > 1e6).any():
        raise PoseFileError("its labels should be whole numbers")
    return labels.astype(np.int64)


# --- MATLAB files of version 5 (MAT-File Format, MathWorks, 2019) ---------------------------------

# Only the arrays of numbers and the texts at their top. scipy.io reads more, but its C reader ends
# the process on some damaged files. Here every length is checked against the data.
_HEADER = 128
_COMPRESSED, _MATRIX = 15, 14
_TEXT, _NUMBERS = 4, range(6, 16)  # classes of arrays; the others are left out
_KINDS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
_CLASSES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")  # from 6 on
_LETTERS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_ORDERS = {b"IM": "<", b"MI": ">"}
_COMPLEX = 0x800  # flag of an array


def read_mat(path: Path, most_bytes: int) -> dict[str, np.ndarray | str]:
    """Real arrays of numbers, with their type in MATLAB, and texts of one row, by name.

    Other variables are left out. Raises ValueError for a file that is damaged, has another version,
    or takes more than `most_bytes` unpacked, and OSError.
    """
    content = regular_file.content(path, regular_file.MOST_IMPORTED, links=True)
    order = _ORDERS.get(content[126:128])
    if len(content) < _HEADER or order is None:
        raise ValueError("not a MATLAB file of version 5 to 7")
    version = struct.unpack(f"{order}H", content[124:126])[0]
    if version != 0x100:
        raise ValueError(f"version {version:#x}, not 5 to 7; save it with -v7")
    variables: dict[str, np.ndarray | str] = {}
    left = most_bytes
    for kind, data in _elements(content[_HEADER:], order, whole=True):
        if kind == _COMPRESSED:
            data = _unpacked(data, left)
            inner = next(_elements(data, order), None)
            kind, data = inner or (0, b"")
        left -= len(data)
        if left < 0:
            raise ValueError(f"more than {most_bytes:,} bytes")
        if kind == _MATRIX:
            _add(variables, data, order)
    return variables


def _unpacked(data: bytes, most: int) -> bytes:
    """A compressed element. In some files of Penn Action it is complete, but the end of its stream
    is missing. zlib reads only as far as it is told."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"a compressed part is damaged: {error}") from error
    if len(content) > most:
        raise ValueError(f"more than {most:,} bytes when unpacked")
    return content


def _elements(content: bytes, order: str, *, whole: bool = False) -> Iterator[tuple[int, bytes]]:
    """Type and data of consecutive elements. whole: those of a file, where compressed elements are
    not padded to 8 bytes."""
    at = 0
    while at < len(content):
        if len(content) - at < 8:
            raise ValueError("it is cut off")
        word, length = struct.unpack_from(f"{order}II", content, at)
        if word >> 16:  # up to 4 bytes of data, in the tag itself
            kind, length, start, step = word & 0xFFFF, word >> 16, at + 4, 8
            if length > 4:
                raise ValueError(f"a short part has {length} bytes")
        else:
            kind, start = word, at + 8
            padded = whole and kind == _COMPRESSED
            step = 8 + (length if padded else length + -length % 8)
        if start + length > len(content):
            raise ValueError("it is cut off")
        yield kind, content[start : start + length]
        at += step


def _add(variables: dict[str, np.ndarray | str], data: bytes, order: str) -> None:
    parts = list(_elements(data, order))
    if len(parts) < 4:
        return  # an empty array, or one of a kind that is not read
    (_, flags), (_, dimensions), (_, letters), (stored, values) = parts[:4]
    if len(flags) < 8 or not 8 <= len(dimensions) <= 128:
        raise ValueError("the head of an array is damaged")
    (word,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
    name, kind = letters.decode("latin-1"), word & 0xFF
    if word & _COMPLEX or (kind != _TEXT and kind not in _NUMBERS):
        return
    if min(shape) < 0:
        raise ValueError(f"{name!a} has the shape {shape}")
    if kind == _TEXT:
        variables[name] = _text(stored, values, order)
        return
    if stored not in _KINDS:
        raise ValueError(f"{name!a} holds numbers of the unknown type {stored}")
    kind_of_file = np.dtype(f"{order}{_KINDS[stored]}")
    array = np.frombuffer(values, kind_of_file, len(values) // kind_of_file.itemsize)
    if len(array) != math.prod(shape):
        raise ValueError(f"{name!a} has {len(array)} numbers for the shape {shape}")
    variables[name] = array.reshape(shape, order="F").astype(_CLASSES[kind - _NUMBERS[0]])


def _text(stored: int, values: bytes, order: str) -> str:
    letters = _LETTERS.get(stored)
    if letters is None:
        raise ValueError(f"a text of the unknown type {stored}")
    wide = letters in ("utf-16", "utf-32")
    return values.decode(letters + ("-le" if order == "<" else "-be") if wide else letters)
