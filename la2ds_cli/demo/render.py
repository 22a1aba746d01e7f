"""Pictures of performers: a pinhole camera, a background, and a person drawn in front of it.

A person is drawn from back to front: shaded, antialiased tapered limbs, and a head that is a sphere
shaded per pixel in head coordinates, so that face and hair turn with it. Images are (H, W, 3) uint8
RGB; outlines are (V, 2) in pixels, with pixel centres at integers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.performer import HEAD_POINTS, POINT, SIDES, Appearance, Body, Colour
from la2ds_cli.video.reader import Image

Part = tuple[float, Callable[[], None]]  # depth in metres, and the function that draws it

# Radii in metres at girth 1.
_RADIUS = {
    "shoulder": 0.062, "elbow": 0.042, "wrist": 0.030, "hand": 0.040, "hip": 0.088, "knee": 0.060,
    "ankle": 0.040, "heel": 0.042, "toe": 0.034, "neck": 0.052, "head": 0.052, "chest": 0.09,
    "waist": 0.125,
}  # fmt: skip
# Rounded parts of the torso: its point and radius, and how far it lies towards another point.
_UPPER = (
    *((f"{side}_shoulder", "shoulder", "neck", 0.12) for side in SIDES),
    ("waist", "waist", "neck", 0.0),
    ("left_shoulder", "chest", "right_hip", 0.2),
    ("right_shoulder", "chest", "left_hip", 0.2),
)
_LOWER = (
    *((f"{side}_hip", "hip", "pelvis", 0.1) for side in SIDES),
    ("waist", "waist", "pelvis", 0.35),
)
# Limbs of each side, and the field of Appearance that is their colour.
_LIMBS = (
    ("shoulder", "elbow", "shirt"), ("elbow", "wrist", "sleeves"), ("wrist", "hand", "skin"),
    ("hip", "knee", "trousers"), ("knee", "ankle", "legs"), ("ankle", "heel", "shoes"),
    ("heel", "toe", "shoes"),
)  # fmt: skip
# Corners of the patch on the chest: shares of the width of the shoulders and of the chest's height.
_EMBLEM = np.array([(-0.22, 0.16), (0.22, 0.16), (0.154, -0.16), (-0.154, -0.16)])
_SHIFT = 4  # fractional bits of cv2's fixed-point coordinates
_ANGLE = np.linspace(0, 2 * np.pi, 17)[:-1]
_UNIT = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)


# --- camera ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Camera:
    """Pinhole camera without distortion.

    ``rotation`` (3, 3) maps world axes to camera axes (x right, y down, z into the scene);
    ``position`` (3,) is the optical centre in metres; ``focal`` (x, y) and ``centre`` (x, y) are
    in pixels, with pixel centres at integers; ``size`` is (W, H).
    """

    rotation: FloatArray
    position: FloatArray
    focal: tuple[float, float]
    centre: tuple[float, float]
    size: tuple[int, int]

    def depth(self, world: FloatArray) -> FloatArray:
        """Return the distance (...,) in metres of ``world`` (..., 3) along the optical axis."""
        return (world - self.position) @ self.rotation[2]

    def project(self, world: FloatArray) -> FloatArray:
        """Return pixels (..., 2) of ``world`` (..., 3), which must lie in front of the camera."""
        local = (world - self.position) @ self.rotation.T
        return local[..., :2] / local[..., 2:] * np.array(self.focal) + np.array(self.centre)

    def crop(self, box: FloatArray, size: tuple[int, int]) -> "Camera":
        """Return the camera that sees ``box`` (x0, y0, x1, y1 in pixels) enlarged to ``size`` (W,
        H)."""
        x0, y0, x1, y1 = (float(value) for value in box)
        scale_x, scale_y = size[0] / (x1 - x0), size[1] / (y1 - y0)
        return replace(
            self,
            focal=(self.focal[0] * scale_x, self.focal[1] * scale_y),
            centre=((self.centre[0] - x0) * scale_x, (self.centre[1] - y0) * scale_y),
            size=size,
        )


def look_at(
    target: FloatArray,
    azimuth: float,
    elevation: float,
    distance: float,
    focal: float,
    size: tuple[int, int],
    roll: float = 0.0,
) -> Camera:
    """Return a camera whose optical axis passes through ``target`` (3,).

    Angles are in radians, distances in metres, focal and size in pixels. Azimuth 0 sees a body that
    faces +y from the front; positive azimuth moves the camera towards +x, the body's right side.
    Positive elevation looks down.
    """
    flat = np.cos(elevation)
    back = np.array([np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)])
    forward = -back
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
    centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    position = np.asarray(target, float) + back * distance
    return Camera(rotation, position, (focal, focal), centre, size)


# --- background --------------------------------------------------------------------------------


def random_background(rng: np.random.Generator, size: tuple[int, int], horizon: float) -> Image:
    """Return a uint8 RGB picture of ``size`` (W, H): a wall, and a floor that begins at the row
    ``horizon``, both uneven."""
    width, height = size
    row = int(np.clip(horizon, 1, height - 1))
    canvas = np.concatenate([_gradient(rng, row, width), _gradient(rng, height - row, width)])
    cells = int(rng.integers(3, 40))
    stains = rng.normal(0, rng.choice([1.5, 4.0, 7.5]), (cells, cells)).astype(np.float32)
    canvas += cv2.resize(stains, size, interpolation=cv2.INTER_LINEAR)[..., None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _gradient(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    colour = rng.uniform(10, 250) + rng.normal(0, 1, 3) * rng.choice([5.0, 25.0, 60.0])
    corner = np.clip(colour, 0, 255) + rng.normal(0, 12, (2, 2, 3))
    return cv2.resize(corner.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def add_shadow(image: Image, feet: FloatArray, width: float, strength: float) -> None:
    """Darken an ellipse of half-width ``width`` pixels on the floor at ``feet`` (2,)."""
    v, u = np.indices(image.shape[:2])
    away = ((u - feet[0]) / width) ** 2 + ((v - feet[1]) / (0.3 * width)) ** 2
    image[:] = (image * (1 - strength * np.exp(-away))[..., None]).astype(np.uint8)


# --- body --------------------------------------------------------------------------------------


def draw_person(
    image: Image, world: FloatArray, body: Body, appearance: Appearance, camera: Camera
) -> None:
    """Draw one person in place on ``image`` (H, W, 3) uint8 RGB; ``world`` (P, 3) in metres."""
    painter = _Painter(image, world, body, appearance, camera)
    for _, draw in sorted(painter.parts(), key=lambda part: -part[0]):
        draw()


class _Painter:
    def __init__(
        self, image: Image, world: FloatArray, body: Body, appearance: Appearance, camera: Camera
    ) -> None:
        self.image, self.world, self.body, self.appearance = image, world, body, appearance
        self.camera = camera
        self.depth = camera.depth(world)
        self.xy = camera.project(world)
        self.scale = np.mean(camera.focal) / self.depth  # pixels per metre at each point

    def parts(self) -> list[Part]:
        """Return all parts, each with its depth and the function that draws it."""
        limbs = [
            self._limb(f"{side}_{start}", f"{side}_{end}", getattr(self.appearance, colour))
            for side in SIDES
            for start, end, colour in _LIMBS
        ]
        neck = self._limb("neck", "head", self.appearance.skin)
        head = float(self.depth[POINT["head"]]) - 0.02, self._head
        return [self._torso(), neck, head, *limbs]

    def _radius(self, name: str, kind: str) -> float:
        return float(_RADIUS[kind] * self.body.girth * self.scale[POINT[name]])

    def _between(self, start: str, end: str, share: float) -> FloatArray:
        """Return pixels (2,) of a point between two points of the body."""
        first, second = self.xy[POINT[start]], self.xy[POINT[end]]
        return first + (second - first) * share

    def _limb(self, start: str, end: str, colour: Colour) -> Part:
        """Return a tapered capsule from joint to joint."""
        ends = POINT[start], POINT[end]
        wide = [self._radius(name, name.split("_")[-1]) for name in (start, end)]
        outline = capsule(self.xy[ends[0]], wide[0], self.xy[ends[1]], wide[1])
        depth, radius = float(self.depth[list(ends)].mean()), sum(wide) / 2
        return depth, lambda: self._shaded(outline, colour, radius)

    def _shaded(self, outline: FloatArray, colour: Colour, radius: float) -> None:
        """Fill a convex outline, darkest at the rim and lighter towards the light."""
        toward = np.array(self.appearance.light) * radius
        contrast = self.appearance.contrast
        inward = outline.mean(axis=0) - outline
        length = np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
        for level, shrink in ((-0.42, 1.0), (-0.12, 0.78), (0.12, 0.52), (0.3, 0.26)):
            tone = np.array(colour) * (1 + level * contrast) + max(level, 0) * 40 * contrast
            # Moving each rim point inwards by a fixed distance keeps long shapes long.
            ring = outline + inward / length * np.minimum((1 - shrink) * radius, 0.9 * length)
            fill(self.image, ring + toward * (1 - shrink) * 0.55, tone)

    def _torso(self) -> Part:
        upper, lower = (
            [
                circle(self._between(name, toward, share), self._radius(name, kind))
                for name, kind, toward, share in blobs
            ]
            for blobs in (_UPPER, _LOWER)
        )
        radius = self._radius("waist", "waist")
        shown = ["left_shoulder", "right_shoulder", "waist", "pelvis"]
        depth = float(np.mean([self.depth[POINT[name]] for name in shown]))

        def draw() -> None:
            self._shaded(hull(lower), self.appearance.trousers, radius)
            self._shaded(hull(upper), self.appearance.shirt, radius)
            self._emblem()

        return depth, draw

    def _emblem(self) -> None:
        """Draw a patch on the chest if its front faces the camera, to show left and right."""
        left, right, waist, neck = (
            self.world[POINT[name]] for name in ("left_shoulder", "right_shoulder", "waist", "neck")
        )
        across, up = right - left, neck - waist
        front = np.cross(up, across)
        front /= np.linalg.norm(front)
        middle = 0.62 * neck + 0.38 * waist + 0.1 * front
        view = self.camera.position - middle
        if front @ view > 0.25 * np.linalg.norm(view):
            corners = middle + _EMBLEM @ np.stack([across, up])
            fill(self.image, self.camera.project(corners), np.array(self.appearance.emblem))

    def _head(self) -> None:
        world, camera, appearance = self.world, self.camera, self.appearance
        middle = world[POINT["head"]]
        centre = self.xy[POINT["head"]]
        radius = float(self.body.head_radius * self.scale[POINT["head"]])
        reach = 1.35 * radius + 2
        x0, y0 = np.clip(centre - reach, 0, self.image.shape[1::-1]).astype(int)
        x1, y1 = np.clip(centre + reach, 0, self.image.shape[1::-1]).astype(int)
        if x0 == x1 or y0 == y1:
            return
        u, v = np.meshgrid(
            (np.arange(x0, x1) - centre[0]) / radius, (np.arange(y0, y1) - centre[1]) / radius
        )
        # Axes of the head in the world (right, forward, up), fitted to its points.
        face = np.array(list(HEAD_POINTS.values())) * self.body.head_radius
        seen = world[[POINT[name] for name in HEAD_POINTS]] - middle
        frame = np.linalg.lstsq(face, seen, rcond=None)[0]
        # The head is 1.25 times as tall as wide, so its long axis is compressed before shading.
        up = camera.rotation @ frame[2]
        squeeze = (u * up[0] + v * up[1]) * (1 - 1 / 1.25) * np.hypot(up[0], up[1])
        u, v = u - squeeze * up[0], v - squeeze * up[1]
        square = u**2 + v**2
        depth = -np.sqrt(np.clip(1 - square, 0, None))  # the visible half faces the camera
        surface = np.stack([u, v, depth], axis=-1) @ (camera.rotation @ frame.T)
        lit = u * appearance.light[0] + v * appearance.light[1] - 0.55 * square + 0.15
        colour = (
            _head_colour(surface, appearance) * (1 + appearance.contrast * 0.45 * lit)[..., None]
        )
        alpha = np.clip((1 - np.sqrt(square)) * radius + 0.5, 0, 1)[..., None]
        patch = self.image[y0:y1, x0:x1]
        patch[:] = (patch * (1 - alpha) + np.clip(colour, 0, 255) * alpha).astype(np.uint8)
        if frame[1] @ (camera.position - middle) > 0:
            nose = circle(self.xy[POINT["nose"]], max(0.17 * radius, 0.6))
            fill(self.image, nose, np.array(appearance.skin) * 0.86)


def _head_colour(surface: FloatArray, appearance: Appearance) -> FloatArray:
    """Return the RGB colours (..., 3) of head points ``surface`` (..., 3) on the unit sphere."""
    right, forward, up = surface[..., 0], surface[..., 1], surface[..., 2]
    skin, hair = np.array(appearance.skin), np.array(appearance.hair)
    hairline = 0.55 - 0.75 * np.clip(0.45 - forward, 0, 1)
    is_hair = (up > hairline) | ((forward < -0.25) & (up > -0.75))
    colour = np.where(is_hair[..., None], hair, skin)

    spots = [(0.0, -0.5, 0.3, 0.07, (150.0, 60.0, 60.0))]
    for x in (-0.34, 0.34):
        spots += [
            (x, 0.2, 0.17, 0.12, (245.0, 245.0, 245.0)),
            (x, 0.2, 0.09, 0.11, (35.0, 30.0, 30.0)),
        ]
        spots += [(x, 0.42, 0.2, 0.05, appearance.hair)]
    for x, z, wide, tall, tone in spots:
        inside = (((right - x) / wide) ** 2 + ((up - z) / tall) ** 2 < 1) & (forward > 0)
        colour = np.where(inside[..., None], np.array(tone), colour)
    ear = (forward + 0.08) ** 2 + (up - 0.02) ** 2 < 0.05
    return np.where(ear[..., None], skin * 0.72, colour)


# --- antialiased convex shapes -----------------------------------------------------------------


def fill(image: Image, outline: FloatArray, colour: FloatArray) -> None:
    """Fill a convex outline (V, 2) in pixels, antialiased."""
    fixed = np.round(np.clip(outline, -4000, 4000) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(image, fixed, np.clip(colour, 0, 255).tolist(), cv2.LINE_AA, _SHIFT)


def circle(centre: FloatArray, radius: float) -> FloatArray:
    return centre + _UNIT * radius


def capsule(start: FloatArray, wide: float, end: FloatArray, narrow: float) -> FloatArray:
    return hull([circle(start, wide), circle(end, narrow)])


def hull(outline: list[FloatArray]) -> FloatArray:
    """Return the convex hull (V, 2) of several outlines."""
    return cv2.convexHull(np.concatenate(outline).astype(np.float32))[:, 0].astype(float)
