"""Records of CASA (Kwon et al., CVPR 2022): `npyrecords/NAME_train.npy` and `NAME_val.npy`.

A file is a pickled dictionary: name of the video -> `pose`, `labels` and, of body models, `beta`.
Only records of joints can be imported: those of IKEA ASM (T, 17, 3), and files that others write in
this layout. The records of Penn Action and H2O hold parameters of SMPL and MANO.

`numpy.load(..., allow_pickle=True)` runs any program that the file names. Here the unpickler gets
none of the functions and classes that a file names. The names that arrays of numbers need are
replaced by placeholders that keep the stored bytes; any other name is an error. The arrays are then
built from the bytes, after their sizes are checked.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.lib import format as npy_format

from la2ds_cli.core import regular_file
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, order_by_count, orthographic
from la2ds_cli.formats.files import FramesError, ImportOptions, JointsError, PoseFileError, shown
from la2ds_cli.formats.import_export import phases_of_labels

SUFFIXES = (".npy",)

# length of a frame's vector -> the body model whose parameters it holds
_PARAMETERS = {72: "SMPL", 69: "SMPL", 102: "MANO", 51: "MANO"}
_SUFFIX = re.compile(r"(.*)_(train|val|test)")
_WITH_BACKGROUND = {"kallax_shelf_drawer"}  # CASA leaves out its frames of label 0


def read_clips(path: Path, options: ImportOptions) -> list[FileClip | PoseFileError]:
    """Read the records of a file as clips, or as errors; nothing in the file is run.

    `pose` is (T, K, 2), taken as pixels, or (T, K, 3), taken as metres, whose joints in the image
    are an orthographic view along the third axis. Joints are in the order of options.skeleton, else
    COCO's. The split is the end of the file's name (val counts as test). Runs of equal `labels`
    (T,) become the phases `phase N`; label 0 of kallax_shelf_drawer is `background`.

    A file whose records all hold parameters of SMPL or MANO, `pose` (T, 72) or (T, 102), is refused
    (I002).
    """
    records = read_object(path)
    if not isinstance(records, dict) or not records:
        raise PoseFileError("it should contain a dictionary with one record for each video")
    match = _SUFFIX.fullmatch(path.stem)
    data_set = match[1] if match else path.stem
    background = 0 if data_set.lower() in _WITH_BACKGROUND else None
    split = "" if match is None else "train" if match[2] == "train" else "test"
    clips: list[FileClip | PoseFileError] = []
    for name, record in records.items():
        try:
            if not isinstance(name, str) or not name.strip():
                raise PoseFileError("its records should be named by text")
            where = f"record {shown(name)}"
            pose, labels = _arrays(record, where)
            order = order_by_count(pose.shape[1], options.skeleton)
            phases = tuple(phases_of_labels(labels, background))
            clips.append(FileClip(name, path, _seen(pose), order, split=split, phases=phases))
        except PoseFileError as error:
            clips.append(error)
    problems = [clip for clip in clips if isinstance(clip, PoseFileError)]
    if len(problems) == len(clips):
        first = problems[0]
        raise type(first)(f"none of its {len(clips)} records can be used; {first}", first.hint)
    return clips


def _arrays(record: Any, where: str) -> tuple[FloatArray, IntArray]:
    """Return pose (T, K, 2 or 3) float64 and labels (T,) int64 of a record."""
    if not isinstance(record, dict):
        raise PoseFileError(f"{where} should be a dictionary with 'pose' and 'labels'")
    for key in ("pose", "labels"):
        if key not in record:
            raise PoseFileError(f"{where} has no '{key}'")
    pose = numbers_of(record["pose"], f"the pose of {where}")
    if pose.ndim == 2 and pose.shape[1] in _PARAMETERS:
        model = _PARAMETERS[pose.shape[1]]
        raise JointsError(
            f"the pose of {where}, {pose.shape}, has parameters of the body model {model}, not "
            "joints",
            f"only {model}, which has its own licence and is not part of la2ds, can compute joints "
            "from them: do so, and store (frames, joints, 2 or 3)",
        )
    if pose.ndim != 3 or pose.shape[2] not in (2, 3) or not pose.size:
        raise JointsError(
            f"the pose of {where} should be (frames, joints, 2 or 3), not {pose.shape}",
            "store the coordinates of each joint",
        )
    labels = numbers_of(record["labels"], f"the labels of {where}")
    if labels.shape != pose.shape[:1]:
        raise FramesError(
            f"the labels of {where} are {labels.shape}, but its pose has {len(pose)} frames"
        )
    if not np.isfinite(labels).all() or (labels != np.round(labels)).any():
        raise PoseFileError(f"the labels of {where} should be whole numbers")
    return pose, np.clip(labels, -1, 1e9).astype(np.int64)


def _seen(pose: FloatArray) -> Frames:
    """Return the person of a record, in pixels or in metres."""
    number = np.arange(len(pose))
    if pose.shape[2] == 2:
        return Frames.of_one(number, pose)
    return Frames.of_one(number, orthographic(pose), world=pose)


# --- pickled .npy files of numbers, text and arrays, read without running anything in them --------

_NUMBERS = re.compile(r"[<>=|]?([fiu][1248]|b1)")  # dtypes of plain numbers
_ARRAY, _DTYPE, _SCALAR, _BYTES = "array", "dtype", "scalar", "bytes"
_NAMES = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _DTYPE,
    ("_codecs", "encode"): _BYTES,  # bytes in protocol 2; empty bytes are as below
    ("__builtin__", "bytes"): _BYTES,
    **{(f"numpy.{c}.multiarray", "_reconstruct"): _ARRAY for c in ("core", "_core")},
    **{(f"numpy.{c}.multiarray", "scalar"): _SCALAR for c in ("core", "_core")},
}
# Opcodes for numbers, text, containers of them, and the calls that build arrays.
_NEEDED = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP MEMOIZE PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING "
    "BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES "
    "SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE EMPTY_LIST LIST APPEND "
    "APPENDS EMPTY_DICT DICT SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD"
)
_OPCODES = frozenset(_NEEDED.split())
# Hashing a hundred thousand nested tuples crashes the interpreter. An array needs about five.
_MOST_TUPLES = 20_000
_DANGER = (
    "a file like this can run programs if numpy.load opens it with allow_pickle: do not do that, "
    "and get the file from its authors again"
)


class StoredArray:
    """A pickled array: state is (version, shape, StoredDtype, column order, bytes or list)."""

    __slots__ = ("state",)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class StoredDtype:
    """A pickled dtype: its name, and its state, whose second item is the byte order."""

    __slots__ = ("name", "state")

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _PickledName:
    """Replaces a function or class that a file may name. A file cannot set its attributes."""

    __slots__ = ("_kind",)

    def __init__(self, kind: str) -> None:
        object.__setattr__(self, "_kind", kind)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(name)

    def __setstate__(self, state: Any) -> NoReturn:
        raise TypeError("a function has no state")

    def __call__(self, *args: Any) -> Any:
        if self._kind == _DTYPE:
            dtype = StoredDtype()
            dtype.name, dtype.state = args[0], None
            return dtype
        if self._kind == _SCALAR:
            dtype, content = args
            return _array((1, (), dtype, False, content))[()].item()
        if self._kind == _BYTES:
            text, encoding = args or ("", "latin1")
            if encoding != "latin1":
                raise ValueError("bytes in an unknown encoding")
            return text.encode("latin1")
        array = StoredArray()
        array.state = None
        return array


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _PickledName:
        kind = _NAMES.get((module, name))
        if kind is None:
            raise PoseFileError(
                f"it names {shown(f'{module}.{name}')}, which no array of numbers needs, so it "
                "was not read and nothing in it was run",
                _DANGER,
            )
        return _PickledName(kind)

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("the file refers to something outside it")


def read_object(path: Path) -> Any:
    """Read the Python object of a pickled .npy file; its arrays are StoredArray (`numbers_of`).

    Raises PoseFileError for any other file, and for one that needs more than numpy arrays.
    """
    try:
        with regular_file.opened(path, regular_file.MOST_IMPORTED, links=True) as handle:
            if npy_format.read_magic(handle) != (1, 0):
                raise PoseFileError("its version of .npy is not the one for objects")
            shape, _, dtype = npy_format.read_array_header_1_0(handle)
            if not dtype.hasobject:
                raise PoseFileError(f"it holds an array {shape} of {dtype}, not named records")
            start = handle.tell()
            _check_opcodes(handle)
            handle.seek(start)
            return _content(_Unpickler(handle, encoding="latin1").load(), shape)
    except PoseFileError:
        raise
    except OSError as error:
        raise PoseFileError(f"it cannot be opened: {error.strerror or error}") from error
    except Exception as error:  # damaged or hostile bytes raise errors of many kinds
        raise PoseFileError(f"it is not a pickled .npy file that can be read: {error}") from error


def _check_opcodes(handle: IO[bytes]) -> None:
    """Check the opcodes without running them. Raises PoseFileError for those no array needs."""
    tuples = 0
    for number, (opcode, argument, _) in enumerate(pickletools.genops(handle)):
        # The unpickler allocates a memo as large as the highest number.
        if "PUT" in opcode.name and int(argument or 0) > number:
            raise PoseFileError("its parts are numbered as by no known program")
        if opcode.name not in _OPCODES:
            raise PoseFileError(
                f"it holds a pickled {opcode.name}, which no array of numbers needs, so it was not "
                "read and nothing in it was run",
                _DANGER,
            )
        tuples += opcode.name.startswith(("TUPLE", "EMPTY_TUPLE"))
        if tuples > _MOST_TUPLES:
            raise PoseFileError("it has far more parts than the records of a data set")


def _content(value: Any, shape: tuple[int, ...]) -> Any:
    if not isinstance(value, StoredArray) or not isinstance(value.state, tuple):
        raise PoseFileError("it holds no array")
    if math.prod(shape) != 1:
        raise PoseFileError(f"it holds an array {shape} of objects, not one dictionary")
    content = value.state[-1]
    if not isinstance(content, list) or len(content) != 1:
        raise PoseFileError("it holds no dictionary")
    return content[0]


def numbers_of(value: Any, where: str) -> np.ndarray:
    """Return a stored array, or a list of numbers, as float64. Raises PoseFileError; `where` names
    the value in its message."""
    try:
        if isinstance(value, StoredArray):
            return _array(value.state).astype(np.float64)
        if isinstance(value, list) and all(type(item) in (int, float, bool) for item in value):
            return np.array(value, np.float64)
    except Exception as error:  # the state may be anything
        raise PoseFileError(f"{where} is not an array of numbers: {error}") from error
    raise PoseFileError(f"{where} should be an array of numbers")


def _array(state: Any) -> np.ndarray:
    """Return the array of a pickled state; raises any exception if the state is inconsistent."""
    _, shape, stored, column_order, content = state
    if not isinstance(stored, StoredDtype) or not isinstance(stored.name, str):
        raise TypeError("it has no dtype")
    if isinstance(content, str):  # written by Python 2
        content = content.encode("latin1")
    order = stored.state[1] if isinstance(stored.state, tuple) and len(stored.state) > 1 else "="
    name = f"{order}{stored.name}" if order in ("<", ">") else stored.name
    if not _NUMBERS.fullmatch(name) or not isinstance(content, bytes):
        raise TypeError(f"it holds {shown(stored.name)}, not numbers")
    sides = [int(side) for side in shape]
    dtype = np.dtype(name)
    if min(sides, default=0) < 0 or math.prod(sides) * dtype.itemsize != len(content):
        raise ValueError(f"{len(content)} bytes do not match the shape {shape}")
    return np.frombuffer(content, dtype).reshape(sides, order="F" if column_order else "C")
