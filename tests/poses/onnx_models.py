"""Tiny ONNX models with the interfaces that la2ds reads, whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def write_detector(path: Path, rows: list[list[float]], size: tuple[int, int] = (32, 32)) -> Path:
    """A detector that returns `rows` (x1 y1 x2 y2 score class) for any image of `size` (H, W)."""
    constant = numpy_helper.from_array(np.array(rows, np.float32).reshape(1, -1, 6), "rows")
    zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output0"]),
    ]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])
    returned = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, "num", 6])
    return write_graph(path, nodes, [given], returned, [constant, zero])


def write_pose(
    path: Path,
    joints: int = 17,
    batch: int | str = 1,
    metadata: dict[str, str] | None = None,
    black: float = 0.0,
) -> Path:
    """A pose network on (B, 3, 64, 48): every heatmap is the brightness, averaged 4 by 4.

    black: added to it; by the usual statistics of the channels black itself is -1.99.
    """
    kernel = np.full((joints, 3, 4, 4), 1 / 48, np.float32)
    weight = numpy_helper.from_array(kernel, "weight")
    bias = numpy_helper.from_array(np.full(joints, black, np.float32), "bias")
    nodes = [helper.make_node("Conv", ["data", "weight", "bias"], ["heatmap"], strides=[4, 4])]
    given = helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 64, 48])
    returned = helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, [batch, joints, 16, 12])
    return write_graph(path, nodes, [given], returned, [weight, bias], metadata)


def write_graph(path, nodes, given, returned, constants, metadata=None) -> Path:
    graph = helper.make_graph(nodes, "tiny", given, [returned], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8  # old enough for every onnxruntime that la2ds accepts
    helper.set_model_props(model, metadata or {})
    save(model, str(path))
    return path
