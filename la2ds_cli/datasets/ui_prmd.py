"""UI-PRMD (Vakanski, Jun, Paul and Baker, Data 3(1):2, 2018; public domain): ten exercises by
motion capture.

Layout: `Segmented Movements/Vicon/Positions/m01_s05_e03_positions.txt`, or `.txt.gz`, in a folder
or an archive: movement, person and repetition. A line is a frame, 100 a second, with x, y and z of
the 39 markers of Plug-in Gait in millimetres, z up. Also read: joints that were computed from them
before, an array (frames, 13, 3) for each repetition in `m01.npz`, millimetres, 50 frames a second.

An archive is read without being unpacked, so no name in it can lead out of a folder.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.errors import Unreadable, first_line
from la2ds_cli.core.npy_array import read_npy
from la2ds_cli.core.own_files import found_files
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.formats.files import PoseFileError

SKELETON = "penn13"
RATE = 50.0  # frames a second of the joints that are read
WHERE = (
    "https://github.com/niemasd/UI-PRMD-Analysis/tree/2c5bf130697b4dd7c6aafc1e75f5cb4b60f651c3/data"
)
_STEP = 2  # of 100 frames a second, every other one
_MOST_FRAMES = 10_000  # of a recording; the longest has some 1,000
_MOST_BYTES = 1 << 24  # of a file, unpacked; the longest has some 2**20
_MOST_FILES = 100_000  # of an archive; the data set has some 8,000
_MOST_ARCHIVE = 1 << 34  # bytes of an archive
_NAME = re.compile(r"(m\d\d_s\d\d_e\d\d)_positions\.txt(\.gz)?")
_ARRAYS = re.compile(r"m\d\d\.npz")
_TWICE = "name the folder that holds one version of the recordings"
_HINT = f"download the recordings again: {WHERE}"

# Plug-in Gait, in the order of the columns.
MARKERS = (
    *("LFHD", "RFHD", "LBHD", "RBHD", "C7", "T10", "CLAV", "STRN", "RBAK"),
    *("LSHO", "LUPA", "LELB", "LFRM", "LWRA", "LWRB", "LFIN"),
    *("RSHO", "RUPA", "RELB", "RFRM", "RWRA", "RWRB", "RFIN"),
    *("LASI", "RASI", "LPSI", "RPSI", "LTHI", "LKNE", "LTIB", "LANK", "LHEE", "LTOE"),
    *("RTHI", "RKNE", "RTIB", "RANK", "RHEE", "RTOE"),
)
_MEAN_OF = {  # joint -> the markers in whose middle it is
    "head": ("LFHD", "RFHD", "LBHD", "RBHD"),
    **{f"{side}_shoulder": (f"{side[0].upper()}SHO",) for side in ("left", "right")},
    **{f"{side}_elbow": (f"{side[0].upper()}ELB",) for side in ("left", "right")},
    **{f"{s}_wrist": (f"{s[0].upper()}WRA", f"{s[0].upper()}WRB") for s in ("left", "right")},
    **{f"{side}_knee": (f"{side[0].upper()}KNE",) for side in ("left", "right")},
    **{f"{side}_ankle": (f"{side[0].upper()}ANK",) for side in ("left", "right")},
}
# Bell, Pedersen and Brand 1990: of the distance between the spines of the pelvis in front, how far
# a hip lies from their middle to the side, backwards and downwards.
_ASIDE, _BACK, _DOWN = 0.36, 0.19, 0.30

Opened = Callable[[], bytes]


def read_recordings(path: Path, names: Collection[str] | None = None) -> dict[str, FloatArray]:
    """Read the joints of correct repetitions, in space.

    Parameters
    ----------
    path: a folder or an archive (.zip, .tar, .tar.gz) with the recordings.
    names: such as `m01_s05_e03`; None = all.

    Returns
    -------
    (T, 13, 3) float64 millimetres by name, in the order of the names: joints of penn13, z up, RATE
    frames a second.

    Raises
    ------
    UserError
        Exit 3 if there are no recordings, or some of `names` are missing or cannot be read.
    """
    found: dict[str, FloatArray] = {}
    for name, source, content in _contents(path):
        if names is None or name in names:
            if name in found:
                raise Unreadable(f"{source}: there is another file of {name}", hint=_TWICE)
            with _readable(source):
                found[name] = content()
    if not found:
        raise Unreadable(
            f"{path} holds no recordings of UI-PRMD",
            hint=f"name the folder or the archive that has Vicon/Positions: {WHERE}",
        )
    if missing := sorted(set(names or ()) - set(found)):
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise Unreadable(f"{path} lacks {len(missing)} recordings: {shown}", hint=_HINT)
    return {name: found[name] for name in sorted(found)}


# --- where the recordings are --------------------------------------------------------------------


def _contents(path: Path) -> Iterator[tuple[str, str, Callable[[], FloatArray]]]:
    """Yield the name of each recording, what its file is called in messages, and how to read it.
    Raises UserError (exit 3)."""
    if not path.exists():
        raise Unreadable(f"there is no {path}", hint=f"download the recordings: {WHERE}")
    if path.is_dir():
        files = sorted(found_files(path))
        for file in files:
            if _ARRAYS.fullmatch(file.name):
                yield from _of_arrays(file)
        texts = ((file.relative_to(path).as_posix(), _opener(file)) for file in files)
        yield from _of_texts(texts, path)
        return
    # regular_file refuses pipes and devices, for which these readers would wait.
    with (
        _readable(str(path)),
        regular_file.opened(path, _MOST_ARCHIVE, links=True) as stream,
    ):
        if zipfile.is_zipfile(stream):
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                yield from _of_texts(_in_zip(archive), path)
        else:
            stream.seek(0)
            with tarfile.open(fileobj=stream, mode="r:*") as archive:
                yield from _of_texts(_in_tar(archive), path)


def _opener(path: Path) -> Opened:
    return lambda: regular_file.content(path, _MOST_BYTES, links=True)


def _in_zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, Opened]]:
    members = archive.infolist()
    _check_count(len(members))
    for member in members:
        if not member.is_dir():
            yield member.filename, lambda member=member: _bounded(archive.open(member))


def _in_tar(archive: tarfile.TarFile) -> Iterator[tuple[str, Opened]]:
    total = 0
    for number, member in enumerate(archive):
        _check_count(number)
        total += member.size
        if total > _MOST_ARCHIVE:  # before its content is unpacked, to skip it
            raise PoseFileError(f"it has more than {_MOST_ARCHIVE:,} bytes when unpacked")
        stream = archive.extractfile(member) if member.isreg() else None
        if stream is not None:
            yield member.name, lambda stream=stream: _bounded(stream)


def _check_count(files: int) -> None:
    if files > _MOST_FILES:
        raise PoseFileError(f"it has more than {_MOST_FILES:,} files")


def _of_texts(
    files: Iterator[tuple[str, Opened]], root: Path
) -> Iterator[tuple[str, str, Callable[[], FloatArray]]]:
    """Yield the recordings among files: those of Vicon, since Kinect's have the same names."""
    for path, content in files:
        parts = PurePosixPath(path).parts
        match = _NAME.fullmatch(parts[-1]) if parts else None
        others = {part.lower() for part in parts} & {"kinect", "angles"}
        if match is not None and not others:
            packed = match[2] is not None
            yield (
                match[1],
                f"{root}: {path}",
                lambda content=content, packed=packed: _joints(_unpacked(content(), packed)),
            )


def _of_arrays(path: Path) -> Iterator[tuple[str, str, Callable[[], FloatArray]]]:
    """Yield the recordings of a file of joints. Raises UserError (exit 3)."""
    with (
        _readable(str(path)),
        regular_file.opened(path, links=True) as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        members = archive.infolist()
        _check_count(len(members))
        for member in members:
            yield (
                member.filename.removesuffix(".npy"),
                f"{path}: {member.filename}",
                lambda member=member: _array(_bounded(archive.open(member))),
            )


# --- what a file holds ---------------------------------------------------------------------------


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Turn errors of a damaged file into a UserError (exit 3) that names it."""
    try:
        yield
    except PoseFileError as error:
        raise Unreadable(f"{source}: {error}", hint=_HINT) from error
    except (OSError, EOFError, zlib.error, ValueError, RuntimeError) as error:
        raise Unreadable(f"{source} cannot be read: {first_line(error)}", hint=_HINT) from error
    except (zipfile.BadZipFile, tarfile.TarError, NotImplementedError) as error:
        raise Unreadable(f"{source} cannot be read: {first_line(error)}", hint=_HINT) from error


def _bounded(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    """Read a stream to its end. Raises PoseFileError if it is too long: a small archive can hold an
    endless file."""
    with stream:
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise PoseFileError(f"it has more than {_MOST_BYTES:,} bytes")
    return content


def _unpacked(content: bytes, packed: bool) -> str:
    if packed:
        content = _bounded(gzip.GzipFile(fileobj=io.BytesIO(content)))
    return content.decode("ascii")


def _joints(text: str) -> FloatArray:
    """Return the joints (T, 13, 3) of the markers in a text, in whole millimetres."""
    lines = text.split("\n", _MOST_FRAMES * _STEP + 1)
    rows = [line.split(",") for line in lines if line.strip()]
    if not rows or len(rows) > _MOST_FRAMES * _STEP:
        raise PoseFileError(f"it has {len(rows):,} frames")
    columns = 3 * len(MARKERS)
    if wrong := next((n for n, row in enumerate(rows, 1) if len(row) != columns), 0):
        raise PoseFileError(
            f"line {wrong} has {len(rows[wrong - 1])} numbers, not {columns}: x, y and z of "
            f"{len(MARKERS)} markers"
        )
    marker = np.array(rows[::_STEP], np.float64).reshape(-1, len(MARKERS), 3)
    return _checked(np.rint(joints_of_markers(marker)))


def joints_of_markers(marker: FloatArray) -> FloatArray:
    """Return the joints (T, 13, 3) of the markers (T, 39, 3) of Plug-in Gait, in their unit.

    Hips are estimated from the pelvis (Bell et al. 1990), the head is the middle of its four
    markers, a wrist that of its two; shoulders, elbows, knees and ankles are their markers.
    """
    at = {name: marker[:, n] for n, name in enumerate(MARKERS)}
    left, right = _hips(at)
    hips: dict[str, FloatArray] = {"left_hip": left, "right_hip": right}
    joints = []
    for joint in get_skeleton(SKELETON).joints:
        of = _MEAN_OF.get(joint)
        joints.append(hips[joint] if of is None else sum(at[name] for name in of) / len(of))
    return np.stack(joints, axis=1)


def _hips(at: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return the left and the right hip (T, 3) each."""
    front, back = (at[f"L{name}"] + at[f"R{name}"] for name in ("ASI", "PSI"))
    aside = at["LASI"] - at["RASI"]
    width = np.linalg.norm(aside, axis=1, keepdims=True)
    aside = aside / width
    forward = (front - back) / 2
    forward = forward - (forward * aside).sum(axis=1, keepdims=True) * aside
    forward = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    up = np.cross(forward, aside)
    middle = front / 2 - width * (_BACK * forward + _DOWN * up)
    return middle + _ASIDE * width * aside, middle - _ASIDE * width * aside


def _array(content: bytes) -> FloatArray:
    value = read_npy(io.BytesIO(content))
    if value.dtype.kind not in "if" or value.ndim != 3 or value.shape[1:] != (13, 3):
        raise PoseFileError(
            f"it holds an array {value.shape} of {value.dtype}, not numbers (frames, 13, 3)"
        )
    return _checked(value.astype(np.float64))


def _checked(joints: FloatArray) -> FloatArray:
    """Return the joints; raise PoseFileError if these are not those of a person in this order."""
    if not 2 <= len(joints) <= _MOST_FRAMES:
        raise PoseFileError(f"it has {len(joints):,} frames")
    if not np.isfinite(joints).all():
        raise PoseFileError("it has values that are not finite numbers")
    order = get_skeleton(SKELETON).joints
    height = dict(zip(order, joints[0, :, 2].tolist(), strict=True))
    for side in ("left", "right"):
        for chain in (
            ("head", f"{side}_shoulder", f"{side}_hip", f"{side}_ankle"),
            (f"{side}_knee", f"{side}_ankle"),
        ):
            heights = [height[joint] for joint in chain]
            if heights != sorted(heights, reverse=True):
                raise PoseFileError(f"{' > '.join(chain)} in height is not so in its first frame")
    return joints
