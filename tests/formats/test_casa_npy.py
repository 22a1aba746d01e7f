"""Records of CASA: joints, parameters of body models, and files that would run a program."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.casa_npy import numbers_of, read_object
from la2ds_cli.formats.file_people import PIXELS
from la2ds_cli.formats.files import ImportOptions, PoseFileError
from la2ds_cli.formats.import_export import import_poses
from tests.formats.data_set_samples import record, write_records
from tests.told import refused

OPTIONS = ImportOptions(fps=30)


def load(project: StoredProject, path: Path):
    return import_poses(project, "casa-npy", path, OPTIONS)


def test_joints_of_two_coordinates_are_pixels(tmp_path: Path, project: StoredProject):
    holes = record(12, axes=2)
    holes["pose"][2, 5] = holes["pose"][4] = np.nan
    holes["labels"] = list(holes["labels"])  # of np.int64
    path = write_records(tmp_path / "x_train.npy", {"a": record(axes=2), "b": holes})
    assert [(r.status, r.frames) for r in load(project, path)] == [("ok", 9), ("ok", 12)]
    first, second = project.videos()
    assert [v.split for v in (first, second)] == ["train", "train"]
    assert [v.id.rpartition("-")[0] for v in (first, second)] == ["a", "b"]
    pose, _ = project.read_pose(first.id)
    assert (pose.skeleton, pose.fps, pose.size) == ("coco17", 30.0, (0, 0))
    np.testing.assert_allclose(pose.xy, record(axes=2)["pose"], rtol=1e-6)
    assert (pose.score == 1).all()
    expected = [Phase(0, 3, "phase 0"), Phase(3, 6, "phase 1"), Phase(6, 9, "phase 2")]
    assert project.phases()[first.id] == expected
    pose, _ = project.read_pose(second.id)
    np.testing.assert_array_equal(np.isnan(pose.xy), np.isnan(holes["pose"]))
    assert len(project.phases()[second.id]) == 3


def test_joints_of_three_coordinates_are_kept_and_seen_along_the_third(
    tmp_path: Path, project: StoredProject
):
    path = write_records(tmp_path / "x_train.npy", {"a": record()})
    (result,) = load(project, path)
    pose, _ = project.read_pose(result.video)
    np.testing.assert_allclose(pose.xy, PIXELS * record()["pose"][..., :2], rtol=1e-5)
    assert pose.world is not None
    np.testing.assert_allclose(pose.world, record()["pose"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "split", "first"),
    [
        ("x_train.npy", "train", "phase 0"),
        ("x_val.npy", "test", "phase 0"),
        ("x.npy", "", "phase 0"),
        ("kallax_shelf_drawer_train.npy", "train", "background"),
    ],
)
def test_the_name_of_the_file_says_split_and_background(
    tmp_path: Path, project: StoredProject, name: str, split: str, first: str
):
    (result,) = load(project, write_records(tmp_path / name, {"a": record()}))
    assert project.videos()[0].split == split
    phases = [phase.name for phase in project.phases()[result.video]]
    assert phases == [first, "phase 1", "phase 2"]


def test_dtypes_orders_and_lists_as_numpy_writes_them(tmp_path: Path):
    arrays: dict[str, Any] = {
        name: np.arange(12).reshape(3, 4).astype(name)
        for name in ("<f4", ">f8", "<i2", "|u1", "<f2", ">i8", "|b1")
    }
    arrays["column"] = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    arrays["part"] = np.arange(24.0).reshape(4, 6)[::2, ::3]
    arrays["empty"] = np.zeros((0, 3))
    arrays["list"] = [0, 1.5, 2]
    for protocol in (2, 3, 4):
        path = tmp_path / f"{protocol}.npy"
        with path.open("wb") as handle:
            header = {"descr": "|O", "fortran_order": False, "shape": ()}
            np.lib.format.write_array_header_1_0(handle, header)
            pickle.dump(np.array(arrays, dtype=object), handle, protocol=protocol)
        found = read_object(path)
        assert sorted(found) == sorted(arrays)
        for name, array in arrays.items():
            values = numbers_of(found[name], name)
            assert values.dtype == np.float64
            np.testing.assert_array_equal(values, np.asarray(array, np.float64))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pose": np.zeros((9, 72))}, "body model SMPL"),
        ({"pose": np.zeros((9, 17))}, r"should be \(frames, joints, 2 or 3\), not \(9, 17\)"),
        ({"pose": np.zeros((0, 17, 3)), "labels": np.zeros(0)}, "not"),
        ({"pose": "joints"}, "should be an array of numbers"),
        ({"pose": np.full((9, 17, 2), "a")}, "is not an array of numbers"),
        ({"pose": np.full((9, 17, 2), np.nan)}, "no joint is seen"),
        ({"labels": np.zeros(8)}, r"the labels of record 'bad' are \(8,\), but its pose has 9"),
        ({"labels": np.full(9, 0.5)}, "should be whole numbers"),
    ],
)
def test_a_record_that_is_wrong_fails_alone(
    tmp_path: Path, project: StoredProject, changed: dict[str, Any], said: str
):
    records = {"good": record(), "bad": record() | changed, "better": record(12)}
    results = load(project, write_records(tmp_path / "x_train.npy", records))
    assert [r.status for r in results] == ["ok", "failed", "ok"]
    assert len(project.videos()) == 2
    assert re.search(said, results[1].message), results[1].message
    assert "\n" not in results[1].message


def test_names_that_read_alike_do_not_share_an_id(tmp_path: Path, project: StoredProject):
    records = {"a/1": record(), "a 1": record(12)}
    results = load(project, write_records(tmp_path / "x_train.npy", records))
    assert [(r.status, r.frames) for r in results] == [("ok", 9), ("ok", 12)]
    assert len({video.id for video in project.videos()}) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "should contain a dictionary"),
        ("text", "should contain a dictionary"),
        ({1: {}}, "should be named by text"),
        ({"a": {"pose": np.zeros((9, 102)), "labels": 1}}, "none of its 1 records .* MANO"),
        ({"a": 1}, "should be a dictionary with 'pose' and 'labels'"),
        ({"a": {"pose": 1}}, "record 'a' has no 'labels'"),
        (np.zeros((3, 2)), r"it holds an array \(3, 2\) of float64"),
        (b"hello", r"not a pickled \.npy file"),
    ],
)
def test_what_is_no_record_file(tmp_path: Path, project: StoredProject, content: Any, said: str):
    path = tmp_path / "x_train.npy"
    write_records(path, content if isinstance(content, np.ndarray) else np.array(content, object))
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        load(project, path)
    assert caught.value.code == ("I002" if "MANO" in said else "I001")


# --- files that would run a program ------------------------------------------------------


class Exploit:
    """Unpickled as others do it, calls a function."""

    def __init__(self, function: Callable[..., Any], *given: Any) -> None:
        self.call = function, given

    def __reduce__(self) -> Any:
        return self.call


def _exploits(mark: Path) -> dict[str, Exploit]:
    return {
        "system": Exploit(os.system, f"touch '{mark}'"),
        "eval": Exploit(eval, f"open({str(mark)!r}, 'w').close()"),
        "touch": Exploit(Path.touch, mark),
    }


@pytest.mark.parametrize("place", ["record", "pose", "name"])
@pytest.mark.parametrize("kind", ["system", "eval", "touch"])
def test_a_program_in_the_file_is_not_run(
    tmp_path: Path, project: StoredProject, kind: str, place: str
):
    mark = tmp_path / "was-here"
    exploit: Any = _exploits(mark)[kind]
    records: dict[Any, Any] = {"a": record()}
    if place == "record":
        records["b"] = exploit
    elif place == "pose":
        records["b"] = record() | {"pose": exploit}
    else:
        records[exploit] = record()
    path = write_records(tmp_path / "x_train.npy", records)
    assert not mark.exists()
    with refused(ExitCode.UNREADABLE, "nothing in it was run") as caught:
        load(project, path)
    assert not mark.exists()
    assert caught.value.message.count("\n") == 0
    assert not project.videos()


def test_the_programs_of_these_tests_do_run_where_numpy_reads_them(tmp_path: Path):
    """The control: else the test above would hold for any file."""
    for kind in ("system", "eval", "touch"):
        mark = tmp_path / f"was-here-{kind}"
        path = write_records(tmp_path / f"{kind}.npy", {"b": _exploits(mark)[kind]})
        np.load(path, allow_pickle=True)
        assert mark.exists(), kind


MARK = "was-here"
COMMAND = b"touch was-here"
TEXT = b"\x8c" + bytes([len(COMMAND)]) + COMMAND


@pytest.mark.parametrize(
    "body",
    [
        b"(S'" + COMMAND + b"'\nios\nsystem\n.",
        b"(cos\nsystem\n" + b"S'" + COMMAND + b"'\no.",
        b"\x80\x02cos\nsystem\nS'" + COMMAND + b"'\n\x85\x81.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93" + TEXT + b"\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x0eos.path.exists\x93" + TEXT + b"\x85R.",
        b"\x80\x04\x8c\x05numpy\x8c\x04load\x93" + TEXT + b"\x85R.",
        b"\x80\x02\x82\x01.",  # a registered extension
        b"Psomewhere\n.",  # a part elsewhere
        b"cnumpy\ndtype\nN}S'_kind'\nS'bytes'\ns\x86b.",  # a state for a stand-in
        b"\x80\x04}" + b"K\x01" + b"\x85" * 2_000_000 + b"K\x01s.",  # overflows the stack, hashed
        b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"x.",  # bytes of a terabyte
        b"\x80\x04\x8d" + (2**62).to_bytes(8, "little") + b"x.",
        # The C reader makes a table as long as the highest number that a part is given.
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x02]p2000000000\n.",
        b"\x80\x02]q\x09.",
    ],
    ids=range(15),
)
def test_other_ways_to_a_function_or_to_endless_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.npy"
    with path.open("wb") as handle:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        np.lib.format.write_array_header_1_0(handle, header)
        handle.write(body)
    with pytest.raises(PoseFileError):
        read_object(path)
    assert not (tmp_path / MARK).exists()
