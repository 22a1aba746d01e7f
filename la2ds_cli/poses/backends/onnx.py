"""Any top-down pose network as an ONNX file: heatmaps, or SimCC profiles as RTMPose exports them.

Input (B, 3, H, W) RGB, B 1 or free, H and W fixed. Output (B, K, H/s, W/s), or two outputs
(B, K, W r) and (B, K, H r) for r bins per pixel. Metadata of the model, all optional:

    skeleton   orders the K joints, else coco17; K must match, since an order of joints cannot be
               guessed from their number
    mean, std  of the channels, three numbers `r,g,b` each in pixel values 0 to 255, else those of
               ImageNet; `0,0,0` and `255,255,255` is an image in [0, 1]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.onnx_session import (
    check_image_input,
    fixed,
    onnx_identity,
    open_session,
    run_images,
    session_device,
    unfit,
)
from la2ds_cli.poses.top_down import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TopDownBackend,
    decode_heatmaps,
    decode_profiles,
)

SUFFIXES = (".onnx",)
_MOST_SIDE = 4096  # pixels of a crop


def identity(name: str) -> str:
    """`onnx:` and the digest of the file."""
    return onnx_identity(name)


def build(name: str, device: DeviceName, config: PosesConfig) -> TopDownBackend:
    """Open the file and check its interface; a UserError (exit 5) says what does not fit."""
    session = open_session(name, device)
    metadata = session.get_modelmeta().custom_metadata_map
    skeleton = metadata.get("skeleton", "coco17")
    check_image_input(session, name, "one input (B, 3, H, W), B 1 or free,")
    given, returned = session.get_inputs(), session.get_outputs()
    shape = given[0].shape
    if not (0 < fixed(shape[2]) <= _MOST_SIDE and 0 < fixed(shape[3]) <= _MOST_SIDE):
        expected = f"one input (B, 3, H, W) of fixed H and W of at most {_MOST_SIDE}"
        raise unfit(name, expected, f"input {_shapes(given)}")
    input_size = (shape[2], shape[3])
    joints = len(get_skeleton(skeleton).joints)
    simcc = len(returned) == 2 and all(len(node.shape) == 3 for node in returned)
    if not returned:
        raise unfit(name, "heatmaps or profiles", "no output")
    if not simcc:
        returned = returned[:1]  # what else a heatmap network returns is not read
    if len(returned[0].shape) != (3 if simcc else 4) or any(
        fixed(node.shape[1]) not in (0, joints) for node in returned
    ):
        expected = f"heatmaps (B, {joints}, H/4, W/4) or profiles of the {joints} joints"
        raise unfit(name, f"{expected} of {skeleton}", f"output {_shapes(session.get_outputs())}")
    if simcc:
        _check_bins(name, tuple(fixed(node.shape[2]) for node in returned), input_size)
    where = session_device(session)
    return TopDownBackend(
        forward=_Forward(session, fixed(shape[0]) == 1, joints, simcc, input_size, name),
        input_size=input_size,
        skeleton=skeleton,
        device=where,
        batch_size=1 if fixed(shape[0]) == 1 else config.batch_size,
        decode=decode_profiles if simcc else decode_heatmaps,
        mean=_channels(name, metadata, "mean", IMAGENET_MEAN),
        std=_channels(name, metadata, "std", IMAGENET_STD),
    )


def _check_bins(name: str, bins: tuple[int, ...], input_size: tuple[int, int]) -> None:
    """Both profiles have the same number of bins per pixel; 0 = not known yet."""
    height, width = input_size
    if all(bins) and bins[0] * height != bins[1] * width:
        expected = f"the same number of bins per pixel for {width} and {height} pixels"
        raise unfit(name, expected, f"profiles of {bins[0]} and {bins[1]} bins")


def _channels(
    name: str, metadata: dict[str, str], key: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    if key not in metadata:
        return default
    try:
        value = tuple(float(number) / 255 for number in metadata[key].split(","))
    except ValueError:
        value = ()
    if len(value) != 3 or not np.isfinite(value).all() or (key == "std" and min(value) <= 0):
        raise unfit(name, "three numbers `r,g,b`", f"{key} `{metadata[key]}` in its metadata")
    return value


class _Forward:
    def __init__(
        self,
        session: Any,
        one_by_one: bool,
        joints: int,
        simcc: bool,
        input_size: tuple[int, int],
        name: str,
    ) -> None:
        self.session = session
        self.output_names = [node.name for node in session.get_outputs()[: 2 if simcc else 1]]
        self.one_by_one = one_by_one
        self.joints = joints
        self.simcc = simcc
        self.input_size = input_size
        self.name = name

    def __call__(self, crop: FloatArray) -> FloatArray | tuple[FloatArray, ...]:
        parts = np.split(crop, len(crop)) if self.one_by_one else [crop]
        answers = [run_images(self.session, self.name, part, self.output_names) for part in parts]
        for part, answer in zip(parts, answers, strict=True):
            self._check(len(part), answer)
        outputs = tuple(np.concatenate(output) for output in zip(*answers, strict=True))
        if not self.simcc:
            return outputs[0]
        _check_bins(self.name, tuple(output.shape[2] for output in outputs), self.input_size)
        return outputs

    def _check(self, crops: int, outputs: list[FloatArray]) -> None:
        """Check what a file with free sizes leaves open. Raises UserError (exit 5)."""
        for output in outputs:
            fits = output.ndim == (3 if self.simcc else 4) and output.size
            if not fits or output.shape[:2] != (crops, self.joints):
                expected = f"an output ({crops}, {self.joints}, ...) for {crops} crops"
                raise unfit(self.name, expected, f"{output.shape}")
            if not np.isfinite(output).all():
                raise unfit(self.name, "finite numbers", "infinite or undefined ones in its output")


def _shapes(nodes: Any) -> str:
    return ", ".join(str(tuple(node.shape)) for node in nodes)
