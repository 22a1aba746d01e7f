"""Clothes, colours and light of a rendered person."""

from dataclasses import dataclass

import cv2
import numpy as np

from la2ds_cli.core.types import FloatArray

Colour = tuple[float, float, float]

_SKIN = np.array(
    [(255, 219, 190), (236, 188, 150), (205, 150, 110), (160, 108, 74), (110, 72, 48), (75, 48, 34)]
)
_HAIR = np.array([(30, 24, 20), (70, 45, 28), (120, 82, 46), (205, 170, 105), (150, 150, 150)])


@dataclass(frozen=True)
class Look:
    """Clothes and colours (RGB, 0-255) of one person, and the light that falls on them."""

    skin: Colour
    hair: Colour
    shirt: Colour
    emblem: Colour
    trousers: Colour
    shoes: Colour
    long_sleeves: bool
    long_trousers: bool
    long_hair: bool
    light: tuple[float, float]  # image direction the light comes from, length <= 1
    contrast: float  # 0: flat, 1: strong shading


def _random_colour(rng: np.random.Generator) -> Colour:
    hue, saturation, value = rng.uniform(0, 180), 255 * rng.uniform(0, 0.9), rng.uniform(30, 250)
    pixel = np.array([[[hue, saturation, value]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return (float(red), float(green), float(blue))


def random_look(rng: np.random.Generator) -> Look:
    """Random clothes, skin, hair and light."""

    def between(palette: FloatArray) -> Colour:
        first, second = palette[rng.integers(len(palette), size=2)]
        red, green, blue = first + (second - first) * rng.random() + rng.normal(0, 6, 3)
        return (float(red), float(green), float(blue))

    shirt = _random_colour(rng)
    angle = rng.uniform(0, 2 * np.pi)
    return Look(
        skin=between(_SKIN),
        hair=between(_HAIR),
        shirt=shirt,
        emblem=_random_colour(rng),
        trousers=shirt if rng.random() < 0.1 else _random_colour(rng),
        shoes=_random_colour(rng),
        long_sleeves=bool(rng.random() < 0.4),
        long_trousers=bool(rng.random() < 0.6),
        long_hair=bool(rng.random() < 0.3),
        light=(float(0.8 * np.cos(angle)), float(-abs(0.8 * np.sin(angle)))),
        contrast=float(rng.uniform(0.25, 0.8)),
    )
