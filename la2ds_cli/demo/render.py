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
    "ankle": 0.040, "heel": 0.042, "toe": 0.034, "neck": 0.052, "chest": 0.09, "waist": 0.125,
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
_TALL = 1.25  # height of the head / its width
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
        """Distance (...,) in metres of ``world`` (..., 3) along the optical axis."""
        return (world - self.position) @ self.rotation[2]

    def project(self, world: FloatArray) -> FloatArray:
        """Pixels (..., 2) of ``world`` (..., 3), which must lie in front of the camera."""
        local = (world - self.position) @ self.rotation.T
        return local[..., :2] / local[..., 2:] * np.array(self.focal) + np.array(self.centre)

    def crop(self, box: FloatArray, size: tuple[int, int]) -> "Camera":
        """The camera that sees ``box`` (x0, y0, x1, y1 in pixels) enlarged to ``size`` (W, H)."""
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
    """A camera whose optical axis passes through ``target`` (3,).

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


def random_background(
    rng: np.random.Generator, size: tuple[int, int], horizon: float, calm: bool = False
) -> Image:
    """A uint8 RGB picture of ``size`` (W, H): wall and floor, or one surface, with texture and
    clutter.

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


# --- body --------------------------------------------------------------------------------------


def draw_person(
    image: Image, world: FloatArray, body: Body, appearance: Appearance, camera: Camera
) -> None:
    """Draw one person in place on ``image`` (H, W, 3) uint8 RGB; ``world`` (P, 3) in metres."""
    painter = _Painter(image, world, body, appearance, camera)
    for _, draw in sorted(painter.parts(), key=lambda part: -part[0]):
        draw()


def _together(part: Part, above: Part) -> Part:
    """Draw ``above`` right after ``part``, at the depth of ``part``."""

    def draw() -> None:
        part[1]()
        above[1]()

    return part[0], draw


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
        """All parts as (depth, function that draws it)."""
        part = [self._torso(), self._neck(), self._head()]
        for side in SIDES:
            part += [*self._arm(side), *self._leg(side)]
        return part

    def _radius(self, name: str, kind: str) -> float:
        return float(_RADIUS[kind] * self.body.girth * self.scale[POINT[name]])

    def _between(self, start: str, end: str, share: float) -> FloatArray:
        """Pixels (2,) of a point between two points of the body."""
        first, second = self.xy[POINT[start]], self.xy[POINT[end]]
        return first + (second - first) * share

    def _limb(
        self,
        start: str,
        end: str,
        colour: Colour,
        loose: float = 1.0,
        along: tuple[float, float] = (0.0, 1.0),
    ) -> Part:
        """A tapered capsule from joint to joint; ``along`` selects a part of its length."""
        first, second = POINT[start], POINT[end]
        kind = [name.split("_")[-1] for name in (start, end)]
        radius = [self._radius(start, kind[0]) * loose, self._radius(end, kind[1]) * loose]
        at = [self._between(start, end, t) for t in along]
        wide = [radius[0] + (radius[1] - radius[0]) * t for t in along]
        depth = float(self.depth[first] + (self.depth[second] - self.depth[first]) * np.mean(along))
        return depth, lambda: self._shaded(capsule(at[0], wide[0], at[1], wide[1]), colour, wide)

    def _shaded(self, outline: FloatArray, colour: Colour, radius: list[float]) -> None:
        """Fill a convex outline, darkest at the rim and lighter towards the light."""
        base = np.array(colour)
        middle = outline.mean(axis=0)
        extent = max(np.ptp(outline, axis=0).max(), 1e-6)
        toward = np.array(self.appearance.light) * float(np.mean(radius))
        contrast = self.appearance.contrast
        for level, shrink in ((-0.42, 1.0), (-0.12, 0.78), (0.12, 0.52), (0.3, 0.26)):
            tone = base * (1 + level * contrast) + max(level, 0) * 40 * contrast
            inset = (1 - shrink) * float(np.mean(radius))
            # Moving each rim point inwards by a fixed distance keeps long shapes long.
            inward = middle - outline
            length = np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
            ring = outline + inward / length * np.minimum(inset, 0.9 * length)
            if extent < 5 and level > -0.12:
                break
            fill(self.image, ring + toward * (1 - shrink) * 0.55, tone)

    def _torso(self) -> Part:
        upper, lower = (
            [
                circle(self._between(name, toward, share), self._radius(name, kind))
                for name, kind, toward, share in blobs
            ]
            for blobs in (_UPPER, _LOWER)
        )
        radius = [self._radius("waist", "waist")]
        shown = ["left_shoulder", "right_shoulder", "waist", "pelvis"]
        depth = float(np.mean([self.depth[POINT[name]] for name in shown]))

        def draw() -> None:
            self._shaded(hull(lower), self.appearance.trousers, radius)
            self._shaded(hull(upper), self.appearance.shirt, radius)
            self._emblem()

        return depth, draw

    def _emblem(self) -> None:
        """A patch on the chest, drawn only where the front of the torso faces the camera."""
        left, right, waist, neck = (
            self.world[POINT[name]] for name in ("left_shoulder", "right_shoulder", "waist", "neck")
        )
        across, up = right - left, neck - waist
        front = np.cross(up, across)
        front /= max(np.linalg.norm(front), 1e-9)
        middle = (neck * 0.62 + waist * 0.38) + front * 0.1
        facing = float(front @ (self.camera.position - middle))
        if facing < 0.25 * float(np.linalg.norm(self.camera.position - middle)):
            return
        corner = [
            middle + across * 0.22 * x + up * 0.16 * y
            for x, y in ((-1, 1), (1, 1), (0.7, -1), (-0.7, -1))
        ]
        fill(self.image, self.camera.project(np.array(corner)), np.array(self.appearance.emblem))

    def _neck(self) -> Part:
        wide = self._radius("neck", "neck")
        depth = float(0.5 * (self.depth[POINT["neck"]] + self.depth[POINT["head"]])) + 0.02
        start, stop = self._between("neck", "head", 0.0), self._between("neck", "head", 0.75)
        outline = capsule(start, wide, stop, wide)
        return depth, lambda: self._shaded(outline, self.appearance.skin, [wide])

    def _arm(self, side: str) -> list[Part]:
        clothes = self.appearance
        shoulder, elbow, wrist = (f"{side}_{name}" for name in ("shoulder", "elbow", "wrist"))
        covered, sleeve, loose = 0.55, clothes.skin, 1.0
        if clothes.long_sleeves:
            covered, sleeve, loose = 1.0, clothes.shirt, 1.14
        upper = self._limb(shoulder, elbow, clothes.skin)
        above = self._limb(shoulder, elbow, clothes.shirt, 1.14, (0.0, covered))
        fore = self._limb(elbow, wrist, sleeve, loose)
        hand = self._limb(wrist, f"{side}_hand", clothes.skin)
        return [_together(upper, above), _together(fore, hand)]

    def _leg(self, side: str) -> list[Part]:
        clothes = self.appearance
        hip, knee, heel = (f"{side}_{name}" for name in ("hip", "knee", "heel"))
        covered, trousers, loose = 0.7, clothes.skin, 1.0
        if clothes.long_trousers:
            covered, trousers, loose = 1.0, clothes.trousers, 1.1
        thigh = self._limb(hip, knee, clothes.skin)
        above = self._limb(hip, knee, clothes.trousers, 1.1, (0.0, covered))
        shin = self._limb(knee, f"{side}_ankle", trousers, loose)
        ankle = self._limb(f"{side}_ankle", heel, clothes.shoes)
        foot = self._limb(heel, f"{side}_toe", clothes.shoes)
        return [_together(thigh, above), shin, _together(foot, ankle)]

    def _head(self) -> Part:
        depth = float(self.depth[POINT["head"]]) - 0.02
        return depth, lambda: draw_head(
            self.image, self.world, self.body, self.appearance, self.camera
        )


# --- head --------------------------------------------------------------------------------------


def draw_head(
    image: Image, world: FloatArray, body: Body, appearance: Appearance, camera: Camera
) -> None:
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
    # The head is taller than wide, so its long axis is compressed in the image before shading.
    up = camera.rotation @ frame[2]
    squeeze = (u * up[0] + v * up[1]) * (1 - 1 / _TALL) * np.hypot(up[0], up[1])
    u, v = u - squeeze * up[0], v - squeeze * up[1]
    square = u**2 + v**2
    depth = -np.sqrt(np.clip(1 - square, 0, None))  # the visible half faces the camera
    surface = np.stack([u, v, depth], axis=-1) @ (camera.rotation @ frame.T)
    lit = u * appearance.light[0] + v * appearance.light[1] - 0.55 * square + 0.15
    colour = _head_colour(surface, appearance) * (1 + appearance.contrast * 0.45 * lit)[..., None]
    alpha = np.clip((1 - np.sqrt(square)) * radius + 0.5, 0, 1)[..., None]
    patch = image[y0:y1, x0:x1]
    patch[:] = (patch * (1 - alpha) + np.clip(colour, 0, 255) * alpha).astype(np.uint8)
    if frame[1] @ (camera.position - middle) > 0:
        nose = circle(camera.project(world[POINT["nose"]]), max(0.17 * radius, 0.6))
        fill(image, nose, np.array(appearance.skin) * 0.86)


def _window(image: Image, centre: FloatArray, reach: float) -> tuple[int, int, int, int]:
    """The part (x0, y0, x1, y1; ends exclusive) of the image within ``reach`` pixels."""
    x0, y0 = np.floor(centre - reach - 1).astype(int)
    x1, y1 = np.ceil(centre + reach + 2).astype(int)
    return max(x0, 0), max(y0, 0), min(x1, image.shape[1]), min(y1, image.shape[0])


def _head_frame(world: FloatArray) -> FloatArray:
    """Head axes right, forward, up (rows of (3, 3)) in world coordinates, from the face joints."""
    at = {name: world[POINT[name]] for name in ("head", *HEAD_POINTS)}
    right = at["right_ear"] - at["left_ear"]
    right /= np.linalg.norm(right)
    nose, eyes = at["nose"] - at["head"], (at["left_eye"] + at["right_eye"]) / 2 - at["head"]
    # The combination of nose and eyes whose heights above the head's centre cancel.
    forward = nose * HEAD_POINTS["left_eye"][2] - eyes * HEAD_POINTS["nose"][2]
    forward /= np.linalg.norm(forward)
    return np.stack([right, forward, np.cross(right, forward)])


def _head_colour(surface: FloatArray, appearance: Appearance) -> FloatArray:
    """RGB (..., 3) of head points ``surface`` (..., 3) on the unit sphere in the head frame."""
    right, forward, up = surface[..., 0], surface[..., 1], surface[..., 2]
    skin, hair = np.array(appearance.skin), np.array(appearance.hair)
    hairline = (
        0.55
        - 0.75 * np.clip(0.45 - forward, 0, 1)
        - (0.5 if appearance.long_hair else 0.0) * (forward < 0.3)
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
        spot(x, 0.42, 0.2, 0.05, appearance.hair)
        side = 1 if x > 0 else -1
        ear = (forward + 0.08) ** 2 + (up - 0.02) ** 2 < 0.05
        colour = np.where((ear & (side * right > 0))[..., None], skin * 0.72, colour)
    spot(0.0, -0.5, 0.3, 0.07, (150, 60, 60))
    return colour


# --- antialiased convex shapes -----------------------------------------------------------------


def fill(image: Image, outline: FloatArray, colour: FloatArray) -> None:
    """Fill a convex outline (V, 2) in pixels, antialiased."""
    fixed = np.round(np.clip(outline, -4000, 4000) * (1 << _SHIFT)).astype(np.int32)
    red, green, blue = (float(value) for value in np.clip(colour, 0, 255))
    cv2.fillConvexPoly(image, fixed, (red, green, blue), cv2.LINE_AA, _SHIFT)


def circle(centre: FloatArray, radius: float) -> FloatArray:
    return centre + _UNIT * radius


def capsule(start: FloatArray, wide: float, end: FloatArray, narrow: float) -> FloatArray:
    return hull([circle(start, wide), circle(end, narrow)])


def hull(outline: list[FloatArray]) -> FloatArray:
    """Convex hull (V, 2) of several outlines."""
    return cv2.convexHull(np.concatenate(outline).astype(np.float32))[:, 0].astype(float)
