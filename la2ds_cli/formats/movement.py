"""netCDF files of the Python package movement: a poses dataset, as xarray opens it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_bytes
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.formats.checks import FormatError

SUFFIX = ".nc"
_DIMENSIONS = ("time", "space", "keypoints", "individuals")
_INDIVIDUAL = "individual_0"  # as movement names the only one
_MOST_BYTES = 2**31 - 1  # of an array, in the classic format


def export_movement(pose: PoseSequence, name: str, path: Path) -> None:
    """Write `position` (time, space, keypoints, individuals) in pixels, and `confidence`, exactly.

    `time` is in seconds, exact; axes, joints and the one individual are named. Attributes are
    `fps`, `time_unit`, `ds_type` and `source_software`, as movement sets them, and `first_frame`. A
    missing joint is NaN with confidence 0. The file is netCDF 3 with 64-bit offsets, which every
    netCDF reader opens. Boxes, size and 3D are lost. Raises FormatError for 2 GiB and more.
    """
    from scipy.io import netcdf_file

    joints = get_skeleton(pose.skeleton).joints
    position = pose.xy.transpose(0, 2, 1)[..., None]
    if position.nbytes > _MOST_BYTES:
        raise FormatError("the clip is too long for netCDF 3, whose arrays hold up to 2 GiB")
    buffer = io.BytesIO()
    with netcdf_file(buffer, "w", version=2) as file:
        for dimension, length in zip(_DIMENSIONS, position.shape, strict=True):
            file.createDimension(dimension, length)
        _put(file, "time", "d", ("time",), pose.time)
        for dimension, words in (
            ("space", ("x", "y")), ("keypoints", joints), ("individuals", (_INDIVIDUAL,)),
        ):  # fmt: skip
            _put_words(file, dimension, words)
        _put(file, "position", "f", _DIMENSIONS, position)
        _put(file, "confidence", "f", ("time", *_DIMENSIONS[2:]), pose.score[..., None])
        file.source_software = "la2ds"
        file.ds_type = "poses"
        file.time_unit = "seconds"
        file.fps = np.float64(pose.fps)  # a plain float would be cut to 32 bits
        file.first_frame = np.int32(pose.frame[0] if len(pose) else 0)
        file.flush()
        content = buffer.getvalue()
    write_bytes(path, content)


def _put(file: Any, name: str, kind: str, dimensions: tuple[str, ...], values: FloatArray) -> None:
    variable = file.createVariable(name, kind, dimensions)
    variable._FillValue = np.array(np.nan, kind)
    variable[:] = values


def _put_words(file: Any, dimension: str, words: Sequence[str]) -> None:
    """The names along a dimension, as rows of bytes, as netCDF 3 stores text."""
    encoded = np.array([word.encode() for word in words])
    length = f"{dimension}_letters"
    file.createDimension(length, encoded.itemsize)
    variable = file.createVariable(dimension, "c", (dimension, length))
    variable._Encoding = "utf-8"
    variable[:] = encoded.view("S1").reshape(len(words), encoded.itemsize)
