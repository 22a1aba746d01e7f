"""Draw a body: shaded, antialiased tapered limbs and a head, in painter's order."""

from collections.abc import Callable

import numpy as np

from la2ds_cli.core.types import FloatArray
from la2ds_cli.demo.body import POINT, SIDES, Body
from la2ds_cli.demo.camera import Camera
from la2ds_cli.demo.head import draw_head
from la2ds_cli.demo.look import Colour, Look
from la2ds_cli.demo.shapes import capsule, circle, fill, hull
from la2ds_cli.video.reader import Image

Part = tuple[float, Callable[[], None]]  # depth in metres, and the function that draws it

# Radii in metres at girth 1.
_RADIUS = {
    "shoulder": 0.062, "elbow": 0.042, "wrist": 0.030, "hand": 0.040, "hip": 0.088, "knee": 0.060,
    "ankle": 0.040, "heel": 0.042, "toe": 0.034, "neck": 0.052, "chest": 0.09, "waist": 0.125,
}  # fmt: skip


def draw_person(image: Image, world: FloatArray, body: Body, look: Look, camera: Camera) -> None:
    """Draw one person in place on ``image`` (H, W, 3) uint8 RGB; ``world`` (P, 3) in metres."""
    painter = _Painter(image, world, body, look, camera)
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
        self, image: Image, world: FloatArray, body: Body, look: Look, camera: Camera
    ) -> None:
        self.image, self.world, self.body, self.look = image, world, body, look
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

    def _limb(
        self,
        start: str,
        end: str,
        colour: Colour,
        loose: float = 1.0,
        along: tuple[float, float] = (0.0, 1.0),
    ) -> Part:
        """A tapered capsule from joint to joint; ``along`` picks a part of its length."""
        first, second = POINT[start], POINT[end]
        kind = [name.split("_")[-1] for name in (start, end)]
        radius = [self._radius(start, kind[0]) * loose, self._radius(end, kind[1]) * loose]
        at = [self.xy[first] + (self.xy[second] - self.xy[first]) * t for t in along]
        wide = [radius[0] + (radius[1] - radius[0]) * t for t in along]
        depth = float(self.depth[first] + (self.depth[second] - self.depth[first]) * np.mean(along))
        return depth, lambda: self._shaded(capsule(at[0], wide[0], at[1], wide[1]), colour, wide)

    def _shaded(self, outline: FloatArray, colour: Colour, radius: list[float]) -> None:
        """Fill a convex outline darkest at the rim, lighter towards the light."""
        base = np.array(colour)
        middle = outline.mean(axis=0)
        extent = max(np.ptp(outline, axis=0).max(), 1e-6)
        toward = np.array(self.look.light) * float(np.mean(radius))
        for level, shrink in ((-0.42, 1.0), (-0.12, 0.78), (0.12, 0.52), (0.3, 0.26)):
            tone = base * (1 + level * self.look.contrast) + max(level, 0) * 40 * self.look.contrast
            inset = (1 - shrink) * float(np.mean(radius))
            # Moving each rim point inwards by a fixed width keeps long shapes long.
            inward = middle - outline
            length = np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
            ring = outline + inward / length * np.minimum(inset, 0.9 * length)
            if extent < 5 and level > -0.12:
                break
            fill(self.image, ring + toward * (1 - shrink) * 0.55, tone)

    def _torso(self) -> Part:
        def blob(name: str, kind: str, toward: str, share: float) -> FloatArray:
            first, second = POINT[name], POINT[toward]
            centre = self.xy[first] + (self.xy[second] - self.xy[first]) * share
            return circle(centre, self._radius(name, kind))

        upper = [
            blob("left_shoulder", "shoulder", "neck", 0.12),
            blob("right_shoulder", "shoulder", "neck", 0.12),
            blob("waist", "waist", "neck", 0.0),
        ]
        chest = [
            blob("left_shoulder", "chest", "right_hip", 0.2),
            blob("right_shoulder", "chest", "left_hip", 0.2),
        ]
        lower = [
            blob("left_hip", "hip", "pelvis", 0.1),
            blob("right_hip", "hip", "pelvis", 0.1),
            blob("waist", "waist", "pelvis", 0.35),
        ]
        radius = [self._radius("waist", "waist")]
        shown = ["left_shoulder", "right_shoulder", "waist", "pelvis"]
        depth = float(np.mean([self.depth[POINT[name]] for name in shown]))

        def draw() -> None:
            self._shaded(hull(lower), self.look.trousers, radius)
            self._shaded(hull(upper + chest), self.look.shirt, radius)
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
        fill(self.image, self.camera.project(np.array(corner)), np.array(self.look.emblem))

    def _neck(self) -> Part:
        first, second = POINT["neck"], POINT["head"]
        stop = self.xy[first] + (self.xy[second] - self.xy[first]) * 0.75
        wide = self._radius("neck", "neck")
        depth = float(0.5 * (self.depth[first] + self.depth[second])) + 0.02
        return depth, lambda: self._shaded(
            capsule(self.xy[first], wide, stop, wide), self.look.skin, [wide]
        )

    def _arm(self, side: str) -> list[Part]:
        look = self.look
        upper = self._limb(f"{side}_shoulder", f"{side}_elbow", look.skin)
        sleeve = self._limb(
            f"{side}_shoulder",
            f"{side}_elbow",
            look.shirt,
            1.14,
            (0.0, 1.0 if look.long_sleeves else 0.55),
        )
        fore = self._limb(
            f"{side}_elbow", f"{side}_wrist", look.shirt if look.long_sleeves else look.skin,
            1.14 if look.long_sleeves else 1.0,
        )  # fmt: skip
        hand = self._limb(f"{side}_wrist", f"{side}_hand", look.skin)
        return [_together(upper, sleeve), _together(fore, hand)]

    def _leg(self, side: str) -> list[Part]:
        look = self.look
        thigh = self._limb(f"{side}_hip", f"{side}_knee", look.skin)
        short = self._limb(
            f"{side}_hip", f"{side}_knee", look.trousers, 1.1,
            (0.0, 1.0 if look.long_trousers else 0.7),
        )  # fmt: skip
        shin = self._limb(
            f"{side}_knee", f"{side}_ankle", look.trousers if look.long_trousers else look.skin,
            1.1 if look.long_trousers else 1.0,
        )  # fmt: skip
        ankle = self._limb(f"{side}_ankle", f"{side}_heel", look.shoes)
        foot = self._limb(f"{side}_heel", f"{side}_toe", look.shoes)
        return [_together(thigh, short), shin, _together(foot, ankle)]

    def _head(self) -> Part:
        depth = float(self.depth[POINT["head"]]) - 0.02
        return depth, lambda: draw_head(self.image, self.world, self.body, self.look, self.camera)
