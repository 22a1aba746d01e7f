"""ONNX pose models beyond plain heatmaps: SimCC profiles, and what their metadata says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.networks import resolve_pose
from la2ds_cli.poses.top_down import TopDownBackend
from tests.poses.onnx_models import write_pose

BOX = np.array([[20, 10, 68, 74.0]])  # 48 x 64, the aspect of the tiny network


def write_simcc(
    path: Path,
    *,
    bins: tuple[int, int] = (96, 128),
    batch: int | str = "n",
    free: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A SimCC network on (B, 3, 64, 48): both profiles of every joint are the brightness of the
    red channel along the axis, the highest of a column or row, repeated for each bin."""
    constants = [
        numpy_helper.from_array(np.array([0]), "begin"),
        numpy_helper.from_array(np.array([1]), "end"),
        numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.array([1, 1, bins[0] / 48], np.float32), "wide"),
        numpy_helper.from_array(np.array([1, 1, bins[1] / 64], np.float32), "high"),
        numpy_helper.from_array(np.array([1, 17, 1]), "joints"),
        numpy_helper.from_array(np.array([], np.float32), "none"),
    ]
    nodes = [helper.make_node("Slice", ["data", "begin", "end", "axis"], ["red"])]
    for name, axis, scale in (("simcc_x", 2, "wide"), ("simcc_y", 3, "high")):
        nodes += [
            helper.make_node("ReduceMax", ["red"], [f"{name}1"], axes=[axis], keepdims=0),
            helper.make_node(
                "Resize", [f"{name}1", "none", scale], [f"{name}2"], mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor",
            ),
            helper.make_node("Tile", [f"{name}2", "joints"], [name]),
        ]  # fmt: skip
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 64, 48])
    returned = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT, ["b", "k", "w"] if free else [batch, 17, length]
        )
        for name, length in zip(("simcc_x", "simcc_y"), bins, strict=True)
    ]
    graph = helper.make_graph(nodes, "tiny", [given], returned, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    helper.set_model_props(model, metadata or {})
    save(model, str(path))
    return path


def dot(x: int, y: int) -> np.ndarray:
    image = np.zeros((100, 120, 3), np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


@pytest.mark.parametrize("bins", [(96, 128), (48, 64)])
@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("free", [False, True])
def test_a_simcc_model_finds_a_dot(tmp_path: Path, bins, batch, free: bool) -> None:
    path = write_simcc(tmp_path / "s.onnx", bins=bins, batch=batch, free=free)
    backend = resolve_pose(str(path), "cpu")
    places = [(40, 30), (50, 50), (33, 61)]
    xy, score, _ = backend.estimate([dot(x, y) for x, y in places], np.repeat(BOX, 3, axis=0))
    assert xy.shape == (3, 17, 2)
    np.testing.assert_allclose(xy[:, 0], places, atol=2)
    np.testing.assert_array_equal(score, 1)  # a white pixel is 2.2 after normalisation


@pytest.mark.parametrize("free", [False, True])
def test_profiles_of_unequal_resolution_are_refused(tmp_path: Path, free: bool) -> None:
    path = write_simcc(tmp_path / "s.onnx", bins=(96, 64), free=free)
    with pytest.raises(UserError, match="96 and 64 bins") as caught:
        resolve_pose(str(path), "cpu").estimate([dot(40, 30)], BOX)
    assert caught.value.exit_code == ExitCode.MISMATCH


def built(path: Path, metadata: dict[str, str]) -> TopDownBackend:
    backend = resolve_pose(str(write_pose(path, metadata=metadata)), "cpu")
    assert isinstance(backend, TopDownBackend)
    return backend


def test_metadata_names_the_statistics_of_the_channels(tmp_path: Path) -> None:
    """A grey dot of 51 on black, with mean 0 and std 255, is 0.2 in the heatmap, 0 elsewhere."""
    backend = built(tmp_path / "p.onnx", {"mean": "0,0,0", "std": "255, 255, 255"})
    image = np.full((100, 120, 3), 51, np.uint8)
    _, score, _ = backend.estimate([image], BOX)
    np.testing.assert_allclose(score, 0.2, atol=1e-6)
    plain = built(tmp_path / "q.onnx", {})
    mean = built(
        tmp_path / "r.onnx", {"mean": "123.675,116.28,103.53", "std": "58.395,57.12,57.375"}
    )
    np.testing.assert_allclose(mean.mean, plain.mean, atol=1e-9)
    np.testing.assert_allclose(mean.std, plain.std, atol=1e-9)


@pytest.mark.parametrize(
    "metadata",
    [
        {"mean": "0,0"},
        {"mean": "a,b,c"},
        {"std": "1,0,1"},
        {"std": "1,nan,1"},
    ],
)
def test_metadata_that_means_nothing_is_refused(tmp_path: Path, metadata) -> None:
    with pytest.raises(UserError, match=next(iter(metadata.values()))) as caught:
        built(tmp_path / "p.onnx", metadata)
    assert caught.value.exit_code == ExitCode.MISMATCH
