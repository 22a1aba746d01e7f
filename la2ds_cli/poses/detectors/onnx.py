"""End-to-end detectors as ONNX files, post-processing included.

Input (B, 3, H, W) RGB in [0, 1], B 1 or free, H and W fixed or free (then 640). Output (B, N, 6):
x1 y1 x2 y2 score class in pixels of the input, class 0 is the person. The image is scaled with its
aspect kept and centred on grey, as these networks see it in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.backends import PoseBackend
from la2ds_cli.poses.onnx_session import (
    check_image_input,
    fixed,
    onnx_identity,
    open_session,
    run_images,
    unfit,
)
from la2ds_cli.video.reader import Image

SUFFIXES = (".onnx",)

_FREE_SIDE = 640  # pixels; the training size of most such exports
_GREY = 114
_PERSON = 0
_FAR = 1e6  # pixels
_MOST_BOXES = 300  # people of a frame, the best ones: detectors return no more
_MOST_SIDE = 4096  # pixels of an input


def identity(name: str) -> str:
    """`onnx:` and the digest of the file."""
    return onnx_identity(name)


def build(name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend) -> OnnxDetector:
    """Open the file and check its interface; a UserError (exit 5) says what does not fit."""
    session = open_session(name, device)
    check_image_input(session, name, "one input (B, 3, H, W), B 1 or free,")
    given = session.get_inputs()[0].shape
    returned = session.get_outputs()[0].shape if session.get_outputs() else ()
    sides = fixed(given[2]) or _FREE_SIDE, fixed(given[3]) or _FREE_SIDE
    if max(sides) > _MOST_SIDE:
        raise unfit(name, f"H and W of at most {_MOST_SIDE}", f"input {tuple(given)}")
    if len(returned) != 3 or fixed(returned[2]) not in (0, 6):
        raise unfit(name, "an output (1, N, 6)", f"output {tuple(returned)}")
    return OnnxDetector(session, sides, name)


class OnnxDetector:
    """Runs one image at a time: exports with a free batch size are rare, and CPUs gain nothing from
    it."""

    def __init__(self, session: Any, input_size: tuple[int, int], name: str) -> None:
        self.session = session
        self.output_name = session.get_outputs()[0].name
        self.input_size = input_size
        self.name = name

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> FloatArray:
        canvas, scale, shift = letterbox(image, self.input_size)
        feed = np.ascontiguousarray(canvas.astype(np.float32).transpose(2, 0, 1)[None] / 255)
        (output,) = run_images(self.session, self.name, feed, [self.output_name])
        if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] != 6:
            raise unfit(self.name, "an output (1, N, 6)", f"{output.shape}")
        rows = output[0]
        # A row that is no box, and what no one could follow, counts as nothing seen.
        person = rows[(rows[:, 5] == _PERSON) & (np.abs(rows) < _FAR).all(axis=1), :5]
        if len(person) > _MOST_BOXES:
            person = person[np.sort(np.argsort(-person[:, 4], kind="stable")[:_MOST_BOXES])]
        person[:, :4] = (person[:, :4] - np.tile(shift, 2)) / np.tile(scale, 2)
        return person


def letterbox(
    image: Image, size: tuple[int, int], *, area: bool = True
) -> tuple[Image, FloatArray, FloatArray]:
    """Image scaled into (H, W) with its aspect kept, on grey; the scale and the shift, (x, y) each.

    The scales differ a little, since both sides are rounded to whole pixels. area: average the
    pixels of a larger image, which hides no detail; otherwise interpolate between the nearest.
    """
    import cv2

    height, width = size
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
    interpolation = cv2.INTER_AREA if area and scale < 1 else cv2.INTER_LINEAR
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner, interpolation=interpolation
    )
    scales = np.array([inner[0] / image.shape[1], inner[1] / image.shape[0]], np.float32)
    return canvas, scales, np.array([left, top], np.float32)
