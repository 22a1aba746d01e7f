"""Backgrounds, clutter and camera faults around a rendered person; all from a numpy Generator."""

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.video.reader import Image


def random_background(
    rng: np.random.Generator, size: tuple[int, int], horizon: float, calm: bool = False
) -> Image:
    """A uint8 RGB picture of ``size`` (W, H): wall and floor or a texture, with clutter.

    ``horizon`` is the row, in pixels, where the floor begins. ``calm`` weakens the texture and
    halves the clutter.
    """
    width, height = size
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = _gradient(rng, height, width)
    if rng.random() < 0.75:
        row = int(np.clip(horizon, 0, height))
        canvas[row:] = _gradient(rng, height - row, width)
        if rng.random() < 0.3 and 0 < row < height:
            canvas[max(row - 2, 0) : row + 2] *= rng.uniform(0.4, 0.9)
    canvas += _texture(rng, size) * (0.25 if calm else 1.0)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    _add_clutter(image, rng, int(rng.integers(0, 9)) // (2 if calm else 1))
    if rng.random() < 0.3:
        blur = float(rng.uniform(0.5, 2.5))
        image = cv2.GaussianBlur(image, (0, 0), blur)
    return np.ascontiguousarray(image, dtype=np.uint8)


def _colour(rng: np.random.Generator) -> FloatArray:
    grey = rng.uniform(10, 250)
    return np.clip(grey + rng.normal(0, 1, 3) * rng.choice([5.0, 25.0, 60.0]), 0, 255)


def _gradient(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    corner = np.stack([_colour(rng)] * 4).reshape(2, 2, 3)
    corner = corner + rng.normal(0, rng.choice([2.0, 20.0]), (2, 2, 3))
    if height < 1:
        return np.zeros((0, width, 3), np.float32)
    return cv2.resize(corner.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> FloatArray:
    strength = rng.choice([0.0, 6.0, 16.0, 30.0], p=[0.25, 0.35, 0.25, 0.15])
    cells = int(rng.integers(3, 40))
    channels = 1 if rng.random() < 0.7 else 3
    noise = rng.normal(0, strength, (cells, cells, channels)).astype(np.float32)
    large = cv2.resize(
        noise, size, interpolation=int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_NEAREST]))
    )
    return large.reshape(size[1], size[0], channels)


def _add_clutter(image: Image, rng: np.random.Generator, count: int) -> None:
    """Boxes, discs, bars, bands and limb-like strokes behind the person."""
    height, width = image.shape[:2]
    for _ in range(count):
        at = rng.uniform(-0.1, 1.1, 2) * (width, height)
        extent = np.exp(rng.uniform(np.log(0.03), np.log(0.45), 2)) * max(width, height)
        red, green, blue = (float(value) for value in _colour(rng))
        colour = (red, green, blue)
        kind = rng.integers(4)
        if kind == 0:
            angle = float(rng.choice([0.0, rng.uniform(0, 90)]))
            box = cv2.boxPoints(((at[0], at[1]), (extent[0], extent[1]), angle))
            cv2.fillConvexPoly(image, np.round(box).astype(np.int32), colour, cv2.LINE_AA)
        elif kind == 1:
            centre, axes = np.round(at).astype(int), np.round(extent / 2).astype(int)
            cv2.ellipse(image, centre.tolist(), axes.tolist(), float(rng.uniform(0, 180)), 0, 360,
                        colour, -1, cv2.LINE_AA)  # fmt: skip
        else:
            end = at + rng.normal(0, 0.3, 2) * max(width, height)
            thick = int(rng.integers(1, max(3, height // 14)))
            cv2.line(image, np.round(at).astype(int).tolist(), np.round(end).astype(int).tolist(),
                     colour, thick, cv2.LINE_AA)  # fmt: skip


def add_shadow(image: Image, feet: FloatArray, width: float, strength: float) -> None:
    """Darken an ellipse of half-width ``width`` pixels on the floor at ``feet`` (2,)."""
    reach = int(np.ceil(2.5 * width)) + 1
    height, columns = image.shape[:2]
    x0, x1 = max(int(feet[0]) - reach, 0), min(int(feet[0]) + reach, columns)
    y0, y1 = max(int(feet[1]) - reach, 0), min(int(feet[1]) + reach, height)
    if x0 >= x1 or y0 >= y1 or width < 1:
        return
    u, v = np.meshgrid(np.arange(x0, x1) - feet[0], np.arange(y0, y1) - feet[1])
    shade = 1 - strength * np.exp(-((u / width) ** 2 + (v / (0.3 * width)) ** 2))
    image[y0:y1, x0:x1] = (image[y0:y1, x0:x1] * shade[..., None]).astype(np.uint8)


def degrade(image: Image, rng: np.random.Generator) -> Image:
    """Exposure, blur, motion blur, sensor noise and JPEG blocks as in cheap footage."""
    gain, bias = rng.uniform(0.75, 1.25), rng.normal(0, 10)
    tint = rng.normal(1, 0.04, 3)
    look_up = np.clip(np.arange(256)[:, None] * gain * tint + bias, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, look_up[None])  # type: ignore[assignment]
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))  # type: ignore
    if rng.random() < 0.2:
        image = cv2.filter2D(image, -1, _motion_kernel(rng))  # type: ignore[assignment]
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(1, 7), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(25, 95))
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return image


def _motion_kernel(rng: np.random.Generator) -> FloatArray:
    length = int(rng.choice([3, 5]))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    step = np.linspace(-0.5, 0.5, 2 * length) * (length - 1)
    row = np.round(step * np.sin(angle) + length // 2).astype(int)
    column = np.round(step * np.cos(angle) + length // 2).astype(int)
    kernel[row, column] = 1
    return kernel / kernel.sum()
