"""MATLAB files of version 5 (MAT-File Format, MathWorks, 2019), as far as Penn Action needs them:
the arrays of numbers and the texts at their top.

scipy.io reads more, but its C reader ends the process on some damaged files. Untrusted files are
read here, where every length is checked against the data.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from la2ds_cli.core import regular_file

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
