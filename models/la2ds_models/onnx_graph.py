"""Export a network as an ONNX graph that embeds one clip of any number of frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from la2ds_models.sequence_network import SequenceNetwork

OPSET = 18  # of ONNX 1.13: every onnxruntime since 1.14 runs it
OUTPUT = "embedding"
_TRACED = 24  # frames of the traced example; the graph takes any number


class _OneClip(nn.Module):
    """maps (T, C, S, S) and joints (T, J) of one clip -> embedding (T, D)."""

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor | None, joints: Tensor | None) -> Tensor:
        frames = maps if joints is None else joints
        assert frames is not None
        mask = torch.ones(1, frames.shape[0], dtype=torch.bool, device=frames.device)
        return self.network.embed(maps, joints, mask)[0]


def onnx_graph(
    network: SequenceNetwork,
    map_shape: tuple[int, ...] | None,
    joint_shape: tuple[int, ...] | None,
) -> Any:
    """An onnx.ModelProto of `network` in eval mode, on the CPU.

    map_shape: (C, S, S) of the input `maps`; joint_shape: (J,) of the input `joints`; None = no
    such input. The output is `embedding` (T, D); all arrays are float32. Needs the packages onnx
    and onnxscript. Raises torch's error if it cannot export the network, as when the network
    branches on the length or on values.
    """
    maps = None if map_shape is None else torch.rand(_TRACED, *map_shape)
    joints = None if joint_shape is None else torch.rand(_TRACED, *joint_shape)
    frames = {0: torch.export.Dim("frames", min=1)}
    arrays = {"maps": maps, "joints": joints}
    dims = {name: None if value is None else frames for name, value in arrays.items()}
    with torch.no_grad():
        traced = torch.export.export(
            _OneClip(network), (maps, joints), dynamic_shapes=dims, strict=False
        )
        program = torch.onnx.export(
            traced,
            input_names=[name for name, value in arrays.items() if value is not None],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    return _bare(program.model_proto)


def _bare(model: Any) -> Any:
    """Remove the exporter's metadata, which contains local paths and makes up half of a small file,
    and name the length of the clip `frames`."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "frames"
    return model
