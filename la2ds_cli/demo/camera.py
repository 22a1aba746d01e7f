"""Pinhole camera: world metres to image pixels."""

from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import FloatArray


@dataclass(frozen=True)
class Camera:
    """Pinhole camera without distortion.

    ``rotation`` (3, 3) takes world to camera axes (x right, y down, z into the scene),
    ``position`` (3,) is the optical centre in metres; ``focal`` (x, y) and ``centre`` (x, y) are
    in pixels, pixel centres at integers; ``size`` is (W, H).
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
        """Pixels (..., 2) of ``world`` (..., 3), which must lie before the camera."""
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
    """A camera whose optical axis meets ``target`` (3,), angles in radians, metres, pixels.

    Azimuth 0 looks at a body that faces +y from the front; positive azimuth moves the camera
    towards +x, the body's right side. Positive elevation looks down.
    """
    back = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    forward = -back
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
    centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    return Camera(
        rotation, np.asarray(target, float) + back * distance, (focal, focal), centre, size
    )
