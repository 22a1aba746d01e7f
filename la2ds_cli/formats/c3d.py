"""C3D files of motion capture: markers in space, matched by name, events and force plates.

As in The C3D File Format User Guide (Motion Lab Systems, 2021), a file is a header of 512 bytes,
then groups of parameters, then the frames, each with all points and the analogue samples of its
time. Every length is checked against the size of the file before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.types import MOST_FPS, MOST_SECONDS, FloatArray, Phase
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, joint_order, orthographic
from la2ds_cli.formats.files import ImportOptions, JointsError, PoseFileError, shown
from la2ds_cli.formats.trc import UNITS

SUFFIXES = (".c3d",)

# POINT:Y_SCREEN, the axis that points up on a screen -> the file's axes to x right, y down, z away.
_TO_CAMERA = {
    "Z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "Y": np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "X": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
}
_UPWARD = "Z"  # in most laboratories; used if the file does not say
_NO_SIDE = "general"  # the context of an event that belongs to neither side
_BEFORE = "background"  # phase before the first event, so that its start is an event in evaluate


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """Read the clip of a file. Raises PoseFileError and OSError.

    Reads the 3D points by their labels (the part behind a colon, as in `Anna:LKNE`), the rate and
    the units (m, cm or mm). A point with a negative residual is missing; the others have score 1.
    Up is the axis that POINT:Y_SCREEN names, else Z. The joints in the image are an orthographic
    view. Markers on the skin are not joints: --map says which marker to use for which joint. A
    phase begins at every event of the group EVENT and has its name, such as `left foot strike`.
    Drops events of the header; read_recorded reads the force plates.
    """
    with regular_file.opened(path, regular_file.MOST_IMPORTED, links=True) as handle:
        file = _open(handle)
        labels = file.texts("POINT:LABELS")[: file.points]
        names = [label.rpartition(":")[2].strip() for label in labels]
        if not names:
            raise JointsError("it has no labelled points")
        order = joint_order(names, len(names), options)
        units = file.text("POINT:UNITS") or "mm"
        if units not in UNITS:
            raise PoseFileError(f"its units are {shown(units)}, not {', '.join(UNITS)}")
        phases = _phases(file, file.rate or options.fps or 0.0)
        points = file.read_points(handle)[:, : len(names)]
    world = UNITS[units] * points @ _axes(file.text("POINT:Y_SCREEN")).T
    frames = Frames.of_one(np.arange(len(world)), orthographic(world), world=world)
    return [FileClip(path.stem, path, frames, order, first=0, fps=file.rate, phases=phases)]


def _axes(vertical: str) -> FloatArray:
    """Return (3, 3) from the file's axes to x right, y down, z away. vertical: POINT:Y_SCREEN."""
    text = vertical.upper() or _UPWARD
    turn = _TO_CAMERA.get(text[-1], _TO_CAMERA[_UPWARD])
    if text.startswith("-"):  # the vertical points down: half a turn about z
        turn = np.diag([-1, -1, 1]) @ turn
    return turn


def _phases(file: _File, rate: float) -> tuple[Phase, ...]:
    """Return phases that begin at the events of a file, each until the next, in frames of the clip.

    Names of several events in one frame are joined. Events after the last frame are left out; the
    last one before the first frame names the first phase. Raises PoseFileError.
    """
    events = _events(file, rate)
    start = max((frame for frame, _ in events if frame <= 0), default=0)
    names: dict[int, list[str]] = {}
    for frame, name in sorted(set(events)):
        if start <= frame < file.frames:
            names.setdefault(max(frame, 0), []).append(name)
    if names and min(names) > 0:
        names = {0: [_BEFORE], **names}
    return tuple(
        Phase(start, end, " and ".join(names[start]))
        for start, end in pairwise([*names, file.frames])
    )


def _events(file: _File, rate: float) -> list[tuple[int, str]]:
    """Return the frame in the clip, negative before it, and the name of every event.

    The seconds of the file count from frame 1, even if the clip begins later.
    """
    labels, contexts = file.texts("EVENT:LABELS"), file.texts("EVENT:CONTEXTS")
    times = file.numbers("EVENT:TIMES")
    seconds = times[: len(times) // 2 * 2].reshape(-1, 2) @ (60, 1)
    used = _number(file.parameters, "EVENT:USED", len(labels))
    if not 0 <= used <= min(len(labels), len(seconds)):
        raise PoseFileError(
            f"it has {len(labels)} labels and {len(seconds)} times for {used:g} events",
            "write the file again with its events, or with 0 in EVENT:USED",
        )
    seconds = seconds[: int(used)]
    if not (np.abs(seconds) <= MOST_SECONDS).all():
        raise PoseFileError(
            f"the times of its events are not numbers of up to {MOST_SECONDS:,.0f} seconds",
            "write the file again with its events, or with 0 in EVENT:USED",
        )
    frames = np.rint(seconds * min(rate, MOST_FPS)) - (file.first - 1)
    contexts += [""] * len(labels)
    return [
        (int(frame), _event_name(context, label))
        for frame, label, context in zip(frames, labels, contexts, strict=False)
    ]


def _event_name(context: str, label: str) -> str:
    """Return a name such as `left foot strike` for the context Left and the label Foot Strike."""
    side, event = (" ".join(text.split()).casefold() for text in (context, label))
    complete = side == _NO_SIDE or event.startswith(side)
    return (event if complete else f"{side} {event}").strip() or "event"


# --- recordings beside the markers ----------------------------------------------------------------

# Type of a force plate -> its channels whose sum is the vertical force.
_VERTICAL = {1: [2], 2: [2], 3: [4, 5, 6, 7]}


@dataclass(frozen=True)
class Recorded:
    """The recordings of a capture beside its joints, in seconds of its clip.

    time: (S,) of the analogue samples.
    force: (P, S) vertical newtons on each force plate, NaN = unknown.
    events: seconds and name of each event, also of those before or after the clip.
    """

    time: FloatArray
    force: FloatArray
    events: tuple[tuple[float, str], ...]


def read_recorded(path: Path, fps: float) -> Recorded:
    """Read the events and the vertical forces of a file. Raises PoseFileError and OSError.

    fps: of the clip. Reads plates of the types 1 to 3, with the units and the zero of the file. The
    sign of a load differs between laboratories: it is positive here.
    """
    with regular_file.opened(path, regular_file.MOST_IMPORTED, links=True) as handle:
        file = _open(handle, (*_READ_GROUPS, "ANALOG", "FORCE_PLATFORM"))
        channels = file.read_analogue(handle)
    types = file.numbers("FORCE_PLATFORM:TYPE")
    used = _number(file.parameters, "FORCE_PLATFORM:USED", len(types))
    numbers = file.numbers("FORCE_PLATFORM:CHANNEL") - 1
    wide = len(numbers) // max(1, len(types))
    plates = []
    for plate, kind in enumerate(types.tolist()):
        own = numbers[plate * wide : (plate + 1) * wide]
        column = own[[n for n in _VERTICAL.get(kind, []) if n < wide]]
        if plate < used and len(column) and np.isin(column, np.arange(channels.shape[1])).all():
            force = channels[:, column.astype(np.int64)].sum(axis=1)
            plates.append(force * (-1 if np.nansum(force) < 0 else 1))
    return Recorded(
        time=np.arange(len(channels)) / (fps * file.samples),
        force=np.array(plates).reshape(len(plates), len(channels)),
        events=tuple((frame / fps, name) for frame, name in _events(file, file.rate or fps)),
    )


# --- the format -----------------------------------------------------------------------------------

_BLOCK = 512
_MAGIC = 0x50  # the second byte of every file
_INTEL = 84  # the processor type of the byte order and floats that all current programs write
_CHARACTERS, _BYTES, _WORDS, _FLOATS = -1, 1, 2, 4  # types of parameters: the bytes of a value
_READ_GROUPS = ("POINT", "TRIAL", "EVENT")
_LAST_FRAME = 0xFFFF  # the largest number in the header
_MOST_BYTES = 1 << 20  # of parameters; the format itself allows 128 KiB

Values = list[str] | FloatArray


@dataclass(frozen=True)
class _File:
    """The facts in the header and the parameters.

    points, analogue: how many values a frame has. samples: of each analogue channel per frame.
    first: number of the first frame. scale: of integers, 0 for points as floats. start: byte of the
    first frame in the file.
    """

    parameters: Mapping[str, Values]
    points: int
    analogue: int
    samples: int
    first: int
    frames: int
    scale: float
    rate: float
    start: int

    def texts(self, name: str) -> list[str]:
        """Return the texts of a parameter, and of `name`2, `name`3, ..., since one holds 255."""
        values = (self.parameters[part] for part in self._parts(name))
        return [text for part in values if isinstance(part, list) for text in part]

    def numbers(self, name: str) -> FloatArray:
        """Return the numbers of a parameter, flat, and of those that continue it."""
        values = [self.parameters[part] for part in self._parts(name)]
        return np.concatenate([np.zeros(0), *(v for v in values if isinstance(v, np.ndarray))])

    def _parts(self, name: str) -> list[str]:
        parts = [name]
        while f"{name}{len(parts) + 1}" in self.parameters:
            parts.append(f"{name}{len(parts) + 1}")
        return [part for part in parts if part in self.parameters]

    def text(self, name: str) -> str:
        """Return the first text of a parameter without blanks, empty if it has none."""
        return next(iter(self.texts(name)), "").strip()

    def read_points(self, handle: BinaryIO) -> FloatArray:
        """Read the points (T, N, 3) in the file's units; NaN where the residual is negative."""
        numbers = self._cells(handle, slice(0, 4 * self.points)).reshape(self.frames, -1, 4)
        valid = np.isfinite(numbers).all(axis=2) & (numbers[..., 3] >= 0)
        return np.where(valid[..., None], numbers[..., :3] * (self.scale or 1), np.nan)

    def read_analogue(self, handle: BinaryIO) -> FloatArray:
        """Read the C analogue channels (T * samples, C), as the file scales them."""
        signed = self.text("ANALOG:FORMAT").upper() != "UNSIGNED"
        cells = self._cells(handle, slice(4 * self.points, None), signed=signed)
        count, left = divmod(self.analogue, self.samples)
        if left:
            raise PoseFileError(
                f"its frames have {self.analogue} analogue values for {self.samples} samples"
            )
        channels = cells.reshape(self.frames * self.samples, count)
        scale, offset = np.ones(count), np.zeros(count)
        for values, name in ((scale, "ANALOG:SCALE"), (offset, "ANALOG:OFFSET")):
            numbers = self.numbers(name)[:count]
            values[: len(numbers)] = numbers
        general = _number(self.parameters, "ANALOG:GEN_SCALE", 1.0)
        with np.errstate(all="ignore"):  # a damaged file may hold any numbers
            return (channels - offset) * scale * general

    def _cells(self, handle: BinaryIO, part: slice, *, signed: bool = True) -> FloatArray:
        """Read the numbers (T, n) of a part of each frame."""
        kind = 4 if self.scale == 0 else 2
        size = kind * (4 * self.points + self.analogue)
        handle.seek(self.start)
        content = handle.read(self.frames * size)
        if len(content) < self.frames * size:  # the file became shorter after it was opened
            raise PoseFileError("it is cut off")
        cells = np.frombuffer(content, f"V{kind}").reshape(self.frames, -1)[:, part].tobytes()
        if kind == 4:
            return _floats(cells).reshape(self.frames, -1)
        return _words(cells, signed=signed).reshape(self.frames, -1)


def _open(handle: BinaryIO, groups: Sequence[str] = _READ_GROUPS) -> _File:
    """Read the header and the parameters of some groups of a file; raises PoseFileError."""
    size = handle.seek(0, 2)
    handle.seek(0)
    header = handle.read(_BLOCK)
    if len(header) < 2 or header[1] != _MAGIC:
        raise PoseFileError("it is not a C3D file")
    start = _BLOCK * (header[0] - 1)
    if len(header) < _BLOCK or not _BLOCK <= start <= size - 4:
        raise PoseFileError("it is cut off, or its header does not say where the parameters are")
    handle.seek(start)
    processor = handle.read(4)[3]
    if processor != _INTEL:
        raise PoseFileError(
            f"its processor type is {processor}, not {_INTEL} (Intel)",
            "write it again in the Intel form, which all current programs use",
        )
    points, analogue, first, last = _words(header[2:10], signed=False)
    scale, rate = _floats(header[12:16] + header[20:24])
    data = _BLOCK * (int(_words(header[16:18], signed=False)[0]) - 1)
    if not start < data <= size:
        raise PoseFileError("it is cut off, or its header does not say where the frames are")
    if data - start > _MOST_BYTES:
        raise PoseFileError(
            f"its parameters take {data - start:,} bytes, but at most 1 MiB is allowed"
        )
    handle.seek(start + 4)
    parameters = _parameters(handle.read(data - start - 4), groups)
    scale = _number(parameters, "POINT:SCALE", scale)
    used = _number(parameters, "POINT:USED", points) % 2**16  # no sign, as in the header
    if used != points:
        raise PoseFileError(f"its header has {points:.0f} points, but its parameters {used:g}")
    if not math.isfinite(scale) or scale == 0:
        raise PoseFileError(f"its scale is {scale:g}, not a number other than 0")
    first, frames = _first_and_number(parameters, first, last)
    value = 2 if scale > 0 else 4  # bytes
    present = (size - data) // max(1, value * int(4 * points + analogue))
    if not 0 < frames <= present:
        message = f"it has {present} of its {frames:.0f} frames"
        raise PoseFileError(message if frames > 0 else "it has no frames")
    rate = _number(parameters, "POINT:RATE", rate)
    return _File(
        parameters,
        points=int(points),
        analogue=int(analogue),
        samples=max(1, int(_words(header[18:20], signed=False)[0])),
        first=int(first),
        frames=int(frames),
        scale=max(scale, 0.0),
        rate=rate if 0 < rate < math.inf else 0.0,
        start=data,
    )


def _number(parameters: Mapping[str, Values], name: str, otherwise: float) -> float:
    """Return the first number of a parameter."""
    values = parameters.get(name, [])
    return float(values[0]) if isinstance(values, np.ndarray) and len(values) else otherwise


def _first_and_number(
    parameters: Mapping[str, Values], first: float, last: float
) -> tuple[float, float]:
    """Return the number of the first frame, and the number of frames: from the header or, if they
    are too many for it, from parameters with a larger range."""
    if last != _LAST_FRAME:
        return first, last - first + 1
    ends = [parameters.get(f"TRIAL:ACTUAL_{end}_FIELD", []) for end in ("START", "END")]
    if all(isinstance(words, np.ndarray) and len(words) == 2 for words in ends):
        low, high = np.array(ends, np.float64).T % 2**16
        start, end = low + 2**16 * high
        return float(start), float(end - start + 1)
    return first, _number(parameters, "POINT:LONG_FRAMES", last - first + 1)


def _parameters(content: bytes, wanted: Sequence[str]) -> dict[str, Values]:
    """Return the parameters of the wanted groups, by `GROUP:NAME`, numbers flat."""
    groups: dict[int, str] = {}
    parameters: list[tuple[int, str, bytes]] = []
    at = 0
    while at + 2 <= len(content) and content[at]:
        length, group = np.frombuffer(content, np.int8, 2, at).tolist()
        end = at + 2 + abs(length)  # a negative length locks the parameter
        name = content[at + 2 : end].decode("latin-1").upper()
        if end + 2 > len(content):
            raise PoseFileError("its parameters are cut off")
        step = int(_words(content[end : end + 2], signed=False)[0])
        body = content[end + 2 : end + step if step else None]
        if step and (step < 2 or end + step > len(content)):
            raise PoseFileError(f"its parameter {name!a} does not end")
        if group < 0:
            groups[-group] = name
        else:
            parameters.append((group, name, body))
        if not step:  # the last parameter
            break
        at = end + step
    named = [(groups.get(group, ""), name, body) for group, name, body in parameters]
    return {
        f"{group}:{name}": _values(f"{group}:{name}", body)
        for group, name, body in named
        if group in wanted
    }


def _values(name: str, body: bytes) -> Values:
    """Return the values of a parameter: type, number of dimensions, dimensions, values, a text."""
    damage = PoseFileError(f"its parameter {name!a} is damaged")
    if len(body) < 2 or len(body) < 2 + body[1]:
        raise damage
    kind = int(np.frombuffer(body, np.int8, 1)[0])
    shape = body[2 : 2 + body[1]]
    cells = body[2 + body[1] :]
    if kind not in (_CHARACTERS, _BYTES, _WORDS, _FLOATS):
        raise damage
    size = abs(kind) * math.prod(shape)
    if size > len(cells):
        raise damage
    cells = cells[:size]
    if kind == _CHARACTERS:
        width = (shape[0] if shape else 1) or 1
        return [cells[at : at + width].decode("utf-8", "replace") for at in range(0, size, width)]
    if kind == _BYTES:
        return np.frombuffer(cells, np.uint8).astype(np.float64)
    return _words(cells) if kind == _WORDS else _floats(cells)


def _words(content: bytes, *, signed: bool = True) -> FloatArray:
    """Decode integers of 16 bits."""
    return np.frombuffer(content, "<i2" if signed else "<u2").astype(np.float64)


def _floats(content: bytes) -> FloatArray:
    """Decode floats of 32 bits."""
    with np.errstate(invalid="ignore"):  # signalling NaN of a damaged file
        return np.frombuffer(content, "<f4").astype(np.float64)
