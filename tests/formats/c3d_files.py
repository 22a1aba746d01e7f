"""C3D files written by the text of the format, as integers or floats."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import FloatArray

Value = str | list[str] | FloatArray  # of a parameter; whole numbers are words, others floats


@dataclass(frozen=True)
class C3dFile:
    """points: (T, N, 3), NaN = missing. scale: of integers, negative for floats. analogue: values
    of each frame. channels: (T * S, C) of them, S samples in a frame. parameters: more of them, or
    others, by `GROUP:NAME`. first: number of the first frame."""

    points: FloatArray
    labels: list[str]
    scale: float = -1.0
    rate: float = 100.0
    units: str = "mm"
    analogue: int = 0
    channels: FloatArray | None = None
    first: int = 1
    parameters: dict[str, Value] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path

    def content(self) -> bytes:
        frames, points, _ = self.points.shape
        given: dict[str, Value] = {
            f"POINT:LABELS{n + 1 if n else ''}": self.labels[255 * n : 255 * (n + 1)]
            for n in range(max(1, math.ceil(len(self.labels) / 255)))
        }
        given |= {
            "POINT:USED": np.array([points], np.int16),
            "POINT:SCALE": np.array([self.scale], np.float32),
            "POINT:RATE": np.array([self.rate], np.float32),
            "POINT:UNITS": [self.units],
        }
        records = self._records({**given, **self.parameters})
        blocks = math.ceil((len(records) + 4) / 512)
        last = min(self.first + frames - 1, 0xFFFF)
        header = bytearray(512)
        header[:2] = 2, 0x50
        analogue, samples = self.analogue, int(self.analogue > 0)
        if self.channels is not None:
            analogue, samples = self.channels.size // frames, len(self.channels) // frames
        header[2:12] = self._words([points, analogue, self.first, last, 0])
        header[12:16] = self._floats([self.scale])
        header[16:20] = self._words([2 + blocks, samples])
        header[20:24] = self._floats([self.rate])
        section = bytes([1, 0x50, blocks, 84]) + records
        return bytes(header) + section.ljust(512 * blocks, b"\0") + self._data()

    def _data(self) -> bytes:
        missing = np.isnan(self.points).any(axis=2, keepdims=True)
        cells = np.concatenate([np.where(missing, 0, self.points), np.where(missing, -1, 0)], 2)
        if self.scale > 0:
            cells[..., :3] = np.round(cells[..., :3] / self.scale)
        frames = cells.reshape(len(cells), -1)
        samples = np.arange(len(cells) * self.analogue).reshape(len(cells), -1) % 1000
        if self.channels is not None:
            samples = self.channels.reshape(len(cells), -1)
        numbers = np.concatenate([frames, samples], axis=1)
        return self._words(numbers) if self.scale > 0 else self._floats(numbers)

    def _records(self, parameters: dict[str, Value]) -> bytes:
        groups = list(dict.fromkeys(name.split(":")[0] for name in parameters))
        records = [self._record(-1 - n, name, b"\0") for n, name in enumerate(groups)]
        for name, value in parameters.items():
            group, own = name.split(":")
            records.append(self._record(1 + groups.index(group), own, self._parameter(value)))
        return b"".join(records) + bytes(2)

    def _record(self, group: int, name: str, body: bytes) -> bytes:
        head = bytes([len(name)]) + group.to_bytes(1, "big", signed=True) + name.encode()
        return head + self._words([len(body) + 2]) + body

    def _parameter(self, value: Value) -> bytes:
        if isinstance(value, str):
            return b"\xff\x01" + bytes([len(value)]) + value.encode() + b"\0"
        if isinstance(value, list):
            width = max(map(len, value), default=0)
            text = "".join(item.ljust(width) for item in value)
            return b"\xff\x02" + bytes([width, len(value)]) + text.encode() + b"\0"
        words = value.dtype.kind in "iu"
        numbers = self._words(value) if words else self._floats(value)
        kind = bytes([2 if words else 4, value.ndim, *value.shape[::-1]])  # columns come first
        return kind + numbers + b"\0"

    def _words(self, values: object) -> bytes:
        return (np.asarray(values).astype(np.int64) & 0xFFFF).astype("<u2").tobytes()

    def _floats(self, values: object) -> bytes:
        return np.asarray(values, "<f4").tobytes()


def force_plates(*kinds: int, wide: int = 6) -> dict[str, Value]:
    """Parameters of force plates of these types, each with as many channels after the other."""
    channel = 1 + np.arange(len(kinds) * wide).reshape(len(kinds), wide)
    used, types = np.array([len(kinds)]), np.array(kinds)
    group = {"USED": used, "TYPE": types, "CHANNEL": channel}
    return {f"FORCE_PLATFORM:{name}": value for name, value in group.items()}


def event_group(*events: tuple[str, str, float]) -> dict[str, Value]:
    """Parameters of the group EVENT. events: context, label and seconds of each."""
    contexts, labels, seconds = zip(*events, strict=True)
    minutes = [[s // 60, s % 60] for s in seconds]
    return {
        "EVENT:USED": np.array([len(events)]),
        "EVENT:CONTEXTS": list(contexts),
        "EVENT:LABELS": list(labels),
        "EVENT:TIMES": np.array(minutes, np.float32),
    }
