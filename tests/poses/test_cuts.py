from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest

from la2ds_cli.poses.cuts import CutDetector
from la2ds_cli.video.reader import read_frames
from tests.shared_data import VIDEOS


def room(seed: int, width: int = 320, height: int = 180) -> np.ndarray:
    """A background of soft random shapes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (9, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def with_person(background: np.ndarray, x: float, grey: int = 15) -> np.ndarray:
    image = background.copy()
    image[40:160, max(round(x), 0) : round(x) + 45] = grey
    return image


def shot(seed: int, count: int, start: float = 60, step: float = 3) -> list[np.ndarray]:
    """A person who walks through one view."""
    return [with_person(room(seed), start + step * t) for t in range(count)]


def detected(images: Iterable[np.ndarray]) -> list[int]:
    detector = CutDetector()
    for image in images:
        detector.add(image)
    return detector.rows()


def rows(images: Iterable[np.ndarray]) -> list[int]:
    noise = np.random.default_rng(0)
    grains = ((image, noise.integers(-4, 5, image.shape)) for image in images)
    return detected(np.clip(image + one, 0, 255).astype(np.uint8) for image, one in grains)


def mixed(image: np.ndarray, colour: int, share: float) -> np.ndarray:
    return np.rint(image * share + colour * (1 - share)).astype(np.uint8)


# --- cuts -------------------------------------------------------------------------------


# --- fades ------------------------------------------------------------------------------


def fade(images: list[np.ndarray], colour: int, *, length: int, up: bool) -> list[np.ndarray]:
    shares = np.arange(1, length + 1) / (length + 1)
    shares = shares if up else shares[::-1]
    part = images[:length] if up else images[-length:]
    faded = [mixed(image, colour, share) for image, share in zip(part, shares, strict=True)]
    return [*faded, *images[length:]] if up else [*images[:-length], *faded]


LONG = shot(1, 40, 60, 1)


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("length", [8, 20])
def test_fades_are_cuts(colour: int, length: int) -> None:
    first = fade(LONG, colour, length=length, up=False)
    second = fade(shot(2, 40, 60, 1), colour, length=length, up=True)
    (row,) = rows([*first, np.full_like(first[0], colour), *second])
    assert 40 <= row <= 43


ACROSS = {step: [with_person(room(1), x) for x in range(-40, 320, step)] for step in (10, 25, 60)}
WALL = [with_person(np.full((180, 320, 3), 250, np.uint8), 100 + t, 40) for t in range(20)]
GAINS = np.concatenate([np.ones(10), np.linspace(1, 0.72, 15), np.linspace(0.72, 1, 15)])
BLANK = {colour: [np.full((180, 320, 3), colour, np.uint8)] * 5 for colour in (0, 255)}
FILMS: dict[str, tuple[list[np.ndarray], list[int]]] = {
    "changes of view": ([*shot(1, 20), *shot(2, 30), *shot(3, 12)], [20, 50]),
    # Two views of a studio: only the person changes, and its clothes fill a tenth.
    "the same person before the same white wall": (
        [*WALL, *[np.roll(image, 70, axis=1) for image in WALL]], [20]),
    "one shot": (shot(1, 60), []),
    "a still": ([room(1)] * 20, []),
    "a picture": ([room(1)], []),
    **{f"movement as fast as {step}": (
        [*[room(1)] * 10, *there, *there[::-1], *[room(1)] * 10], [])
       for step, there in ACROSS.items()},
    **{f"a flash of {n}": (
        [mixed(one, 255, 0.1) if 20 <= t < 20 + n else one for t, one in enumerate(shot(1, 40))],
        []) for n in (1, 2, 3)},
    # 24 frames per second of fast movement in a file of 60.
    "repeated frames": ([shot(1, 20, 0, 14)[t * 24 // 60] for t in range(50)], []),
    # One stop brighter within half a second, and back.
    "automatic exposure": (
        [mixed(image, 0, gain) for image, gain in zip(LONG, GAINS, strict=True)], []),
    **{f"begins with {colour}": ([*blank, *fade(LONG, colour, length=15, up=True)], [])
       for colour, blank in BLANK.items()},
    **{f"ends with {colour}": ([*fade(LONG, colour, length=15, up=False), *blank], [])
       for colour, blank in BLANK.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", FILMS)
def test_changes_of_view_are_cuts_and_nothing_else_is(name: str) -> None:
    images, cuts = FILMS[name]
    assert rows(images) == cuts


# --- real footage -----------------------------------------------------------------------


def film(name: str, start: int = 0, count: int | None = None) -> Iterator[np.ndarray]:
    path = VIDEOS / name
    if not path.exists():
        pytest.skip(f"no {path}")
    stop = None if count is None else start + count
    return (frame.image for frame in itertools.islice(read_frames(path), start, stop))


def test_fades_of_a_real_film() -> None:
    """Front, side, front and a logo; looked at frame by frame: 208, 634 and 946 are blank."""
    assert detected(film("squat/squat_1.mp4")) == [209, 635, 947]


@pytest.mark.parametrize("name", ["squat/squat_3.mp4", "squat/squat_4.mp4", "golf/swing6.mp4"])
def test_real_films_without_cuts(name: str) -> None:
    assert detected(film(name)) == []


def test_real_films_joined() -> None:
    """Thirty frames of each, from the middle of the movement."""
    names = ["squat/squat_3.mp4", "squat/squat_4.mp4", "golf/swing6.mp4", "golf/swing1.mp4"]
    names += ["trikonasana/trikonasana_13.mp4", "squat/squat_4.mp4", "other/two_people.mp4"]
    parts = [film(name, start=20, count=30) for name in names]
    assert detected(itertools.chain(*parts)) == [30, 60, 90, 120, 150, 180]
