"""Recordings of UI-PRMD: where they lie, what they hold, and what is refused in one sentence."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.datasets.ui_prmd import joints_of_markers, read_recordings
from tests.datasets.squatters import (
    VICON,
    arm_raise,
    files,
    markers,
    mirrored,
    squat,
    text,
    write_arrays,
    write_folder,
    write_zip,
)

TWO = {"m01_s05_e03": squat(1.6), "m07_s02_e10": mirrored(arm_raise(2.5, 0.3))}


def tar(path: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


PLACES: dict[str, Callable[[Path], Path]] = {
    "folder": lambda root: write_folder(root / "set", files(TWO)),
    "packed": lambda root: write_folder(root / "set", files(TWO, packed=True)),
    "the folder itself": lambda root: write_folder(root / "s", files(TWO)) / VICON,
    "zip": lambda root: write_zip(root / "set.zip", files(TWO).items()),
    "tar": lambda root: tar(root / "set.tar.gz", files(TWO, packed=True)),
    "arrays": lambda root: write_arrays(root / "set", TWO),
}


@pytest.mark.parametrize("place", PLACES)
def test_recordings_are_the_same_wherever_they_lie(tmp_path: Path, place: str):
    found = read_recordings(PLACES[place](tmp_path))
    assert list(found) == list(TWO)
    for name, joints in TWO.items():
        np.testing.assert_array_equal(found[name], joints)


def test_joints_are_those_that_carry_the_markers():
    turned = markers(squat(2.0)) @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    whole = squat(2.0) @ np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    np.testing.assert_allclose(joints_of_markers(turned)[::2], whole, atol=1e-6)


def test_kinect_angles_and_incorrect_repetitions_are_left_out(tmp_path: Path):
    name = "m01_s05_e03_positions.txt"
    others = {
        f"data/Segmented Movements/Kinect/Positions/{name}": b"1,2,3\n",
        f"data/Segmented Movements/Vicon/Angles/{name}": b"1,2,3\n",
        f"data/Incorrect/Vicon/Positions/{name.replace('.txt', '_inc.txt')}": b"1,2,3\n",
        "README.md": b"x",
    }
    root = write_folder(tmp_path, others | files(TWO))
    assert list(read_recordings(root)) == list(TWO)


def test_only_what_is_asked_for_is_read(tmp_path: Path):
    content = files(TWO) | {f"{VICON}/m02_s01_e01_positions.txt": b"damaged"}
    root = write_folder(tmp_path, content)
    assert list(read_recordings(root, {"m01_s05_e03"})) == ["m01_s05_e03"]


# --- what is refused -----------------------------------------------------------------------------

FILE = f"{VICON}/m01_s05_e03_positions.txt"
GOOD = text(TWO["m01_s05_e03"])


def of(content: bytes | str, name: str = FILE) -> Callable[[Path], Path]:
    data = content.encode() if isinstance(content, str) else content
    return lambda root: write_folder(root / "set", {name: data})


def pipe(root: Path) -> Path:
    os.mkfifo(root / "pipe.zip")
    return root / "pipe.zip"


def array(value: np.ndarray) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        np.savez(root / "m01.npz", m01_s05_e03=value)
        return root

    return write


def cut(place: str, share: float = 0.5) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        path = PLACES[place](root)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return write


def claimed(root: Path) -> Path:
    """A .npy header that claims 2**40 frames."""
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 13, 3)}\n"
    member = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    write_zip(root / "m01.npz", [("m01_s05_e03.npy", member)])
    return root


def large_tar(root: Path) -> Path:
    """A member that claims 2**40 bytes, which a reader would unpack to skip it."""
    member = tarfile.TarInfo("zeros")
    member.size = 1 << 40
    path = root / "set.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(10240)))
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absent": (lambda root: root / "nothing", "there is no"),
    "empty": (lambda root: root, "holds no recordings of UI-PRMD"),
    "no archive": (of("x"), "has 1 numbers, not 117"),
    "a text for an archive": (lambda root: of("x", "a.zip")(root) / "a.zip", "cannot be read"),
    "cut zip": (cut("zip"), "cannot be read"),
    "cut tar": (cut("tar"), "cannot be read"),
    "cut gzip": (of(gzip.compress(GOOD.encode())[:-40], f"{FILE}.gz"), "cannot be read"),
    "no gzip": (of(GOOD, f"{FILE}.gz"), "cannot be read"),
    "bomb": (of(gzip.compress(bytes(1 << 25)), f"{FILE}.gz"), "more than 16,777,216 bytes"),
    "large tar": (large_tar, "more than 17,179,869,184 bytes"),
    "long file": (of(b"1" * ((1 << 24) + 1)), "at most 16,777,216 are read"),
    "pipe": (pipe, "not a file"),
    "no frames": (of("\n"), "it has 0 frames"),
    "a column less": (of(GOOD.rpartition(",")[0] + "\n"), "has 116 numbers, not 117"),
    "words": (of(GOOD.replace("0", "o", 1)), "could not convert"),
    "not a number": (of("nan" + GOOD[GOOD.index(",") :]), "not finite"),
    "not ASCII": (of(b"\xff\xfe" + GOOD.encode()), "cannot be read"),
    "another order": (
        of("\n".join(",".join(reversed(line.split(","))) for line in GOOD.splitlines())),
        "in height is not so",
    ),
    "objects": (array(np.array([{}] * 3)), "Python objects"),
    "another shape": (array(np.zeros((9, 17, 3))), "(9, 17, 3)"),
    "a claim": (claimed, "do not make an array"),
    "twice": (
        lambda root: write_folder(root, files(TWO) | {f"copy/{FILE}": GOOD.encode()}),
        "another file of m01_s05_e03",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_recordings_are_refused_in_a_sentence(tmp_path: Path, case: str):
    make, words = REFUSED[case]
    with pytest.raises(UserError) as caught:
        read_recordings(make(tmp_path))
    error = caught.value
    assert error.exit_code == ExitCode.UNREADABLE
    assert words in error.message
    assert "\n" not in error.message
    assert error.hint


def test_missing_recordings_are_named(tmp_path: Path):
    with pytest.raises(UserError, match="lacks 1 recordings: m09_s01_e01"):
        read_recordings(write_arrays(tmp_path, TWO), {*TWO, "m09_s01_e01"})


def test_an_archive_writes_nothing(tmp_path: Path):
    content = files(TWO) | {
        "../../outside.txt": b"x",
        "/tmp/la2ds-outside/m01_s01_e01_positions.txt": b"x",
        f"../{VICON}/m02_s02_e02_positions.txt": text(squat(2.0)).encode(),
    }
    for n, path in enumerate(
        (tar(tmp_path / "a.tar.gz", content), write_zip(tmp_path / "a.zip", content.items()))
    ):
        before = sorted(tmp_path.parent.rglob("*"))
        found = read_recordings(path, {*TWO, "m02_s02_e02"})
        assert (len(found), sorted(tmp_path.parent.rglob("*"))) == (3, before), n
    assert not Path("/tmp/la2ds-outside").exists()
