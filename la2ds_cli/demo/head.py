"""The head: a sphere shaded per pixel in its own frame, so that face and hair turn with it."""

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.body import HEAD_POINTS, POINT, Body
from la2ds_cli.demo.camera import Camera
from la2ds_cli.demo.look import Colour, Look
from la2ds_cli.demo.shapes import circle, fill
from la2ds_cli.video.reader import Image

_TALL = 1.25  # height of the head over its width


def draw_head(image: Image, world: FloatArray, body: Body, look: Look, camera: Camera) -> None:
    """Draw the head of ``world`` (P, 3) in place on ``image`` (H, W, 3) uint8 RGB."""
    middle = world[POINT["head"]]
    centre = camera.project(middle)
    radius = float(body.head_radius * np.mean(camera.focal) / camera.depth(middle))
    x0, y0, x1, y1 = _window(image, centre, 1.35 * radius)
    if x0 >= x1 or y0 >= y1 or radius < 0.5:
        return
    u, v = np.meshgrid(
        (np.arange(x0, x1) - centre[0]) / radius, (np.arange(y0, y1) - centre[1]) / radius
    )
    frame = _head_frame(world)
    # The head is taller than wide: its long axis is squeezed in the image before shading.
    up = camera.rotation @ frame[2]
    squeeze = (u * up[0] + v * up[1]) * (1 - 1 / _TALL) * np.hypot(up[0], up[1])
    u, v = u - squeeze * up[0], v - squeeze * up[1]
    square = u**2 + v**2
    depth = -np.sqrt(np.clip(1 - square, 0, None))  # the visible half faces the camera
    surface = np.stack([u, v, depth], axis=-1) @ (camera.rotation @ frame.T)
    lit = u * look.light[0] + v * look.light[1] - 0.55 * square + 0.15
    colour = _head_colour(surface, look) * (1 + look.contrast * 0.45 * lit)[..., None]
    alpha = np.clip((1 - np.sqrt(square)) * radius + 0.5, 0, 1)[..., None]
    patch = image[y0:y1, x0:x1]
    patch[:] = (patch * (1 - alpha) + np.clip(colour, 0, 255) * alpha).astype(np.uint8)
    if frame[1] @ (camera.position - middle) > 0:
        nose = circle(camera.project(world[POINT["nose"]]), max(0.17 * radius, 0.6))
        fill(image, nose, np.array(look.skin) * 0.86)


def _window(image: Image, centre: FloatArray, reach: float) -> tuple[int, int, int, int]:
    """The part (x0, y0, x1, y1; ends exclusive) of the image within ``reach`` pixels."""
    x0, y0 = np.floor(centre - reach - 1).astype(int)
    x1, y1 = np.ceil(centre + reach + 2).astype(int)
    return max(x0, 0), max(y0, 0), min(x1, image.shape[1]), min(y1, image.shape[0])


def _head_frame(world: FloatArray) -> FloatArray:
    """Head axes right, forward, up (rows of (3, 3)) in the world, from the face joints."""
    at = {name: world[POINT[name]] for name in ("head", *HEAD_POINTS)}
    right = at["right_ear"] - at["left_ear"]
    right /= np.linalg.norm(right)
    nose, eyes = at["nose"] - at["head"], (at["left_eye"] + at["right_eye"]) / 2 - at["head"]
    # The combination of nose and eyes whose heights above the head's centre cancel.
    forward = nose * HEAD_POINTS["left_eye"][2] - eyes * HEAD_POINTS["nose"][2]
    forward /= np.linalg.norm(forward)
    return np.stack([right, forward, np.cross(right, forward)])


def _head_colour(surface: FloatArray, look: Look) -> FloatArray:
    """RGB (..., 3) of head points ``surface`` (..., 3) on the unit sphere in the head frame."""
    right, forward, up = surface[..., 0], surface[..., 1], surface[..., 2]
    skin, hair = np.array(look.skin), np.array(look.hair)
    hairline = (
        0.55
        - 0.75 * np.clip(0.45 - forward, 0, 1)
        - (0.5 if look.long_hair else 0.0) * (forward < 0.3)
    )
    is_hair = (up > hairline) | ((forward < -0.25) & (up > -0.75))
    colour = np.where(is_hair[..., None], hair, skin)

    def spot(x: float, z: float, wide: float, tall: float, tone: Colour) -> None:
        nonlocal colour
        inside = (((right - x) / wide) ** 2 + ((up - z) / tall) ** 2 < 1) & (forward > 0)
        colour = np.where(inside[..., None], np.array(tone), colour)

    for x in (-0.34, 0.34):
        spot(x, 0.2, 0.17, 0.12, (245, 245, 245))
        spot(x, 0.2, 0.09, 0.11, (35, 30, 30))
        spot(x, 0.42, 0.2, 0.05, look.hair)
        side = 1 if x > 0 else -1
        ear = (forward + 0.08) ** 2 + (up - 0.02) ** 2 < 0.05
        colour = np.where((ear & (side * right > 0))[..., None], skin * 0.72, colour)
    spot(0.0, -0.5, 0.3, 0.07, (150, 60, 60))
    return colour
