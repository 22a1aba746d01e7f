"""Data sets of the package movement, as xarray opens them and as movement checks them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import netcdf_file

from la2ds_cli.core.skeleton import SKELETONS, get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import movement
from la2ds_cli.formats.checks import FormatError
from tests.formats.pose_samples import sample

BODY, HAND = sample("coco17", first=40), replace(sample("hand21", 7), fps=29.97)


def assert_holds(position, confidence, time, pose: PoseSequence) -> None:
    """position (T, 2, K, 1), confidence (T, K, 1) and time (T,) are those of the pose."""
    assert position.shape == (len(pose), 2, pose.xy.shape[1], 1)
    np.testing.assert_allclose(position[..., 0].swapaxes(1, 2), pose.xy, atol=1e-4)
    np.testing.assert_allclose(confidence[..., 0], pose.score, atol=1e-4)
    np.testing.assert_array_equal(time, pose.time)


@pytest.mark.parametrize("pose", [BODY, HAND])
def test_the_file_is_netcdf_3(pose: PoseSequence, tmp_path: Path):
    movement.export_movement(pose, "anna", tmp_path / "a.nc")
    assert (tmp_path / "a.nc").read_bytes()[:4] == b"CDF\x02"
    with netcdf_file(tmp_path / "a.nc", mmap=False) as file:
        found = {name: variable.data for name, variable in file.variables.items()}
        assert float(vars(file)["fps"]) == pose.fps
        assert vars(file)["first_frame"] == pose.frame[0]
    assert_holds(found["position"], found["confidence"], found["time"], pose)


@pytest.mark.parametrize("pose", [BODY, HAND])
def test_xarray_opens_it_as_movement_lays_it_out(pose: PoseSequence, tmp_path: Path):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed (extra dev)")
    movement.export_movement(pose, "anna", tmp_path / "a.nc")
    with xarray.open_dataset(tmp_path / "a.nc") as data:
        assert data.position.dims == ("time", "space", "keypoints", "individuals")
        assert data.confidence.dims == ("time", "keypoints", "individuals")
        assert data.space.values.tolist() == ["x", "y"]
        assert data.keypoints.values.tolist() == list(get_skeleton(pose.skeleton).joints)
        assert data.individuals.values.tolist() == ["individual_0"]
        said = [data.attrs[name] for name in ("ds_type", "time_unit", "source_software")]
        assert said == ["poses", "seconds", "la2ds"]
        assert float(data.attrs["fps"]) == pose.fps
        assert_holds(data.position.values, data.confidence.values, data.time.values, pose)
        right = data.position.sel(keypoints=data.keypoints.values[1], space="y").values[:, 0]
        np.testing.assert_allclose(right, pose.xy[:, 1, 1], atol=1e-4)


def test_movement_takes_it_for_poses(tmp_path: Path):
    datasets = pytest.importorskip(
        "movement.validators.datasets", reason="the package movement is not installed"
    )
    xarray = pytest.importorskip("xarray", reason="xarray is not installed (extra dev)")
    movement.export_movement(BODY, "anna", tmp_path / "a.nc")
    with xarray.open_dataset(tmp_path / "a.nc") as data:
        datasets.ValidPosesInputs.validate(data)


@pytest.mark.parametrize("skeleton", sorted(SKELETONS))
def test_every_skeleton_has_room_for_its_names(skeleton: str, tmp_path: Path):
    movement.export_movement(sample(skeleton, 6), "anna", tmp_path / "a.nc")
    with netcdf_file(tmp_path / "a.nc", mmap=False) as file:
        rows = file.variables["keypoints"].data
        names = tuple(b"".join(row).rstrip(b"\0").decode() for row in rows)
    assert names == get_skeleton(skeleton).joints


def test_poses_beyond_the_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(movement, "_MOST_BYTES", BODY.xy.nbytes - 1)
    with pytest.raises(FormatError, match="2 GiB"):
        movement.export_movement(BODY, "anna", tmp_path / "a.nc")
    assert not list(tmp_path.iterdir())
