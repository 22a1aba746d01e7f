"""Tiny ONNX models with the interfaces that la2ds reads, whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def write_detector(path: Path, rows: list[list[float]], size: tuple[int, int] = (32, 32)) -> Path:
    """A detector that returns `rows` (x1 y1 x2 y2 score class) for any image of `size` (H, W)."""
    answer = np.array(rows).reshape(1, -1, 6)
    return write_constant(path, [1, 3, *size], answer, declared=[1, "num", 6])


def write_constant(
    path: Path,
    given: Sequence[int | str],
    answer: np.ndarray,
    *,
    declared: Sequence[int | str] | None = None,
    kind: int = TensorProto.FLOAT,
    inputs: int = 1,
) -> Path:
    """A network that answers any input with the same array, declared with another shape or not."""
    names = [f"input{n}" for n in range(inputs)]
    nodes = [
        helper.make_node("Cast", [names[0]], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(answer.astype(np.float32), "answer"),
        numpy_helper.from_array(np.zeros((), np.float32), "zero"),
    ]
    shape = declared or list(answer.shape)
    returned = helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)
    taken = [helper.make_tensor_value_info(name, kind, given) for name in names]
    return write_graph(path, nodes, taken, returned, constants)


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
