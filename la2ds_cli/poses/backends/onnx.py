"""Any top-down heatmap network as an ONNX file.

Input (B, 3, H, W) ImageNet-normalised RGB, output (B, K, H/s, W/s), B 1 or free, H and W fixed.
The joints are those of the skeleton named in the model's metadata (`skeleton`), else coco17; K must
match, since an order of joints cannot be guessed from their number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from la2ds_cli.config_sections import PosesConfig
from la2ds_cli.device import DeviceName
from la2ds_cli.poses.onnx_session import fixed, onnx_identity, open_session, session_device, unfit
from la2ds_cli.poses.top_down import TopDownBackend
from la2ds_cli.skeleton import get_skeleton
from la2ds_cli.types import FloatArray

SUFFIXES = (".onnx",)


def identity(name: str) -> str:
    """`onnx:` and the digest of the file."""
    return onnx_identity(name)


def build(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Open the file and check its interface; UserError (exit 5) says what does not fit."""
    session = open_session(name, device)
    skeleton = session.get_modelmeta().custom_metadata_map.get("skeleton", "coco17")
    given, returned = session.get_inputs(), session.get_outputs()
    shape = given[0].shape
    if len(given) != 1 or len(shape) != 4 or not (fixed(shape[2]) and fixed(shape[3])):
        raise unfit(name, "one input (B, 3, H, W) of fixed H and W", f"input {_shapes(given)}")
    joints = len(get_skeleton(skeleton).joints)
    heatmap = returned[0].shape
    if len(heatmap) != 4 or fixed(heatmap[1]) not in (0, joints):
        expected = f"heatmaps (B, {joints}, H/4, W/4) of the {joints} joints of {skeleton}"
        raise unfit(name, expected, f"output {_shapes(returned)}")
    return TopDownBackend(
        forward=_Forward(session, one_by_one=fixed(shape[0]) == 1, joints=joints, name=name),
        input_size=(shape[2], shape[3]),
        skeleton=skeleton,
        device=session_device(session),
        batch_size=config.batch_size,
        flip_test=config.flip_test,
    )


class _Forward:
    def __init__(self, session: Any, *, one_by_one: bool, joints: int, name: str) -> None:
        self.session = session
        self.input_name = session.get_inputs()[0].name
        self.one_by_one = one_by_one
        self.joints = joints
        self.name = name

    def __call__(self, crop: FloatArray) -> FloatArray:
        parts = np.split(crop, len(crop)) if self.one_by_one else [crop]
        heatmap = [self.session.run(None, {self.input_name: part})[0] for part in parts]
        if heatmap[0].shape[1] != self.joints:  # only models with a free K get here
            raise unfit(self.name, f"{self.joints} heatmaps", f"{heatmap[0].shape[1]}")
        return np.concatenate(heatmap)


def _shapes(nodes: Any) -> str:
    return ", ".join(str(tuple(node.shape)) for node in nodes)
