"""People who squat or raise an arm, as recordings in the layout of UI-PRMD."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.datasets.ui_prmd import MARKERS, RATE

VICON = "data/Segmented Movements/Vicon/Positions"
# penn13, millimetres: x to the person's left, y backwards, z up.
STANDING = np.array(
    [
        *((0, 0, 1600), (180, 0, 1400), (-180, 0, 1400), (220, 20, 1120), (-220, 20, 1120)),
        *((240, -20, 900), (-240, -20, 900), (90, 0, 900), (-90, 0, 900)),
        *((100, -20, 480), (-100, -20, 480), (100, 30, 80), (-100, 30, 80)),
    ],
    np.float64,
)
_DOWN = np.zeros((13, 3))
_DOWN[[0, 1, 2, 3, 4, 5, 6, 7, 8], 2] = -360.0
_DOWN[[0, 1, 2, 3, 4, 5, 6], 1] = -80.0
_DOWN[[9, 10], 1] = -240.0
_LIFTED = np.zeros((13, 3))
_LIFTED[[4, 6]] = (-200, 0, 250), (-420, 0, 500)  # the right arm, to the side
SWAPPED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]


def course(seconds: float, rest: float = 0.0) -> FloatArray:
    """Share of the way out at each frame: half at a quarter of the movement, all in its middle.
    rest: seconds at the start and at the end."""
    time = np.arange(round((seconds + 2 * rest) * RATE) + 1) / RATE - rest
    return np.sin(np.pi * np.clip(time / seconds, 0, 1)) ** 2


def squat(seconds: float, rest: float = 0.0, size: float = 1.0) -> FloatArray:
    return np.rint((STANDING + course(seconds, rest)[:, None, None] * _DOWN) * size)


def arm_raise(seconds: float, rest: float = 0.0, size: float = 1.0) -> FloatArray:
    return np.rint((STANDING + course(seconds, rest)[:, None, None] * _LIFTED) * size)


def mirrored(joints: FloatArray) -> FloatArray:
    """The same movement by the other side."""
    return joints[:, SWAPPED] * [-1.0, 1.0, 1.0]


def markers(joints: FloatArray) -> FloatArray:
    """Markers of Plug-in Gait (2 T - 1, 39, 3), 100 a second, whose joints these are."""
    twice = np.empty((2 * len(joints) - 1, 13, 3))
    twice[::2], twice[1::2] = joints, (joints[1:] + joints[:-1]) / 2
    at = dict.fromkeys(MARKERS, twice[:, 0])
    for name, offset in zip(
        ("LFHD", "RFHD", "LBHD", "RBHD"), ((1, -1), (-1, -1), (1, 1), (-1, 1)), strict=True
    ):
        at[name] = twice[:, 0] + [70 * offset[0], 80 * offset[1], 0]
    for n, side in enumerate("LR"):
        at[f"{side}SHO"], at[f"{side}ELB"] = twice[:, 1 + n], twice[:, 3 + n]
        at[f"{side}WRA"], at[f"{side}WRB"] = (twice[:, 5 + n] + [0, d, 0] for d in (-30, 30))
        at[f"{side}KNE"], at[f"{side}ANK"] = twice[:, 9 + n], twice[:, 11 + n]
    across = twice[:, 7] - twice[:, 8]
    width = np.linalg.norm(across, axis=1, keepdims=True) / (2 * 0.36)
    aside = across / np.linalg.norm(across, axis=1, keepdims=True)
    forward = np.cross(aside, [0.0, 0.0, 1.0])
    front = twice[:, 7:9].mean(axis=1) + width * (0.19 * forward + 0.30 * np.array([0, 0, 1.0]))
    for side, sign in (("L", 1), ("R", -1)):
        at[f"{side}ASI"] = front + sign * width / 2 * aside
        at[f"{side}PSI"] = front - 150 * forward + sign * 40 * aside
    return np.stack([at[name] for name in MARKERS], axis=1)


def text(joints: FloatArray) -> str:
    rows = markers(joints).reshape(2 * len(joints) - 1, -1)
    return "\n".join(",".join(f"{value:.4f}" for value in row) for row in rows.tolist()) + "\n"


def files(recordings: Mapping[str, FloatArray], *, packed: bool = False) -> dict[str, bytes]:
    """Content by path, as the data set has it."""
    found = {}
    for name, joints in recordings.items():
        content = text(joints).encode()
        path = f"{VICON}/{name}_positions.txt"
        found[f"{path}.gz" if packed else path] = gzip.compress(content) if packed else content
    return found


def write_folder(root: Path, content: Mapping[str, bytes]) -> Path:
    for name, data in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_zip(path: Path, content: Iterable[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content:
            archive.writestr(name, data)
    return path


def write_arrays(root: Path, recordings: Mapping[str, FloatArray]) -> Path:
    """Joints that were computed before: mNN.npz."""
    root.mkdir(parents=True, exist_ok=True)
    for movement in sorted({name[:3] for name in recordings}):
        own = {n: x.astype(np.int16) for n, x in recordings.items() if n[:3] == movement}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **own)  # pyright: ignore[reportArgumentType]
        (root / f"{movement}.npz").write_bytes(buffer.getvalue())
    return root


def many(people: Iterable[str] = ("s01", "s02", "s05", "s06")) -> dict[str, FloatArray]:
    """Three squats and three arm raises of each person, of different lengths; s06 lifts the left
    arm. Every event is at a whole frame of 30, 50 and 60 a second."""
    found = {}
    for n, person in enumerate(people):
        for k in range(3):
            seconds = (1.6, 2.4, 3.2, 2.0)[(n + k) % 4]
            size = 1 + 0.05 * n
            found[f"m01_{person}_e0{k + 1}"] = squat(seconds, 0.2 * (k % 2), size)
            lifted = arm_raise(seconds, 0.2 * ((k + 1) % 2), size)
            found[f"m07_{person}_e0{k + 1}"] = mirrored(lifted) if person == "s06" else lifted
    return found
