"""TensorFlow Lite files that return what a test wants, whatever they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers  # with ai-edge-litert
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}


def write_constant_model(
    path: Path, given: tuple[int, ...], outputs: Sequence[np.ndarray], dtype: type = np.float32
) -> Path:
    """A model with an input of shape `given` that returns `outputs`, float32 arrays with their
    first axis of length 1."""
    model = schema.ModelT()
    model.version = 3
    empty = schema.BufferT()
    model.buffers = [empty]
    graph = schema.SubGraphT()
    graph.tensors = [_tensor("input", given, np.dtype(dtype), 0)]
    for number, output in enumerate(outputs):
        buffer: Any = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(output, np.float32).tobytes(), np.uint8)
        model.buffers.append(buffer)
        graph.tensors.append(
            _tensor(f"output{number}", output.shape, np.dtype(np.float32), number + 1)
        )
    graph.inputs = [0]
    graph.outputs = list(range(1, len(outputs) + 1))
    graph.operators = []
    model.subgraphs = [graph]
    model.operatorCodes = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(name: str, shape: tuple[int, ...], dtype: np.dtype, buffer: int) -> schema.TensorT:
    tensor = schema.TensorT()
    tensor.name = name
    tensor.shape = list(shape)
    tensor.type = _TYPES[dtype]
    tensor.buffer = buffer
    return tensor
