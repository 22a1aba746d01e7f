"""Words in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.views.sync import side_by_side

WHITE = (255, 255, 255)


def written(text: str, **options: float) -> np.ndarray:
    image = np.zeros((40, 300, 3), np.uint8)
    side_by_side.write_text(image, text, (10, 20), 20, WHITE, **options)  # type: ignore[arg-type]
    return image


def columns(image: np.ndarray) -> tuple[int, int]:
    found = np.flatnonzero(image.any(axis=(0, 2)))
    return int(found[0]), int(found[-1])


@pytest.mark.parametrize("text", ["ä", "é", "ß", "м", "я", "λ", "…", "×", "ł"])
def test_letters_of_other_scripts_are_drawn_and_not_replaced(text: str):
    image = written(text)
    assert image.any()
    for other in ("?", "□", "a", "e", "\ufffd"):
        assert not np.array_equal(image, written(other))


def test_a_text_begins_ends_or_stands_around_its_place():
    image = np.zeros((40, 300, 3), np.uint8)
    for align, low, high in ((0.0, 150, 300), (1.0, 0, 150)):
        image[:] = 0
        side_by_side.write_text(image, "words", (150, 20), 20, WHITE, align=align)
        first, last = columns(image)
        assert low <= first
        assert last <= high
    image[:] = 0
    side_by_side.write_text(image, "words", (150, 20), 20, WHITE, align=0.5)
    assert sum(columns(image)) / 2 == pytest.approx(150, abs=3)


def test_what_does_not_fit_is_cut_off():
    image = np.zeros((10, 12, 3), np.uint8)
    side_by_side.write_text(image, "mmmmmm", (-8, 2), 20, WHITE)
    assert image.any()
    before = image.copy()
    side_by_side.write_text(image, "mm", (400, 2), 20, WHITE)
    assert np.array_equal(image, before)


def test_letters_have_their_colour():
    image = np.full((40, 100, 3), 10, np.uint8)
    side_by_side.write_text(image, "I", (10, 20), 20, (200, 100, 10))
    assert image[..., 0].max() == 200
    assert image[..., 1].max() == 100
    assert (image[..., 2] == 10).all()


def test_a_long_name_loses_its_middle():
    name = "the-first-of-many-long-names-of-clips-2024-06-01.mp4"
    shown = side_by_side.shortened(name, 18, 200)
    assert side_by_side.text_width(shown, 18) <= 200
    assert "…" in shown
    assert shown.startswith("the-")
    assert shown.endswith(".mp4")
    assert side_by_side.shortened("a.mp4", 18, 200) == "a.mp4"
    assert side_by_side.shortened("a$1.mp4", 18, 200) == "a$1.mp4"
    assert side_by_side.shortened(name, 18, 1) == "…"


def test_signs_that_cannot_be_printed_are_boxes():
    assert side_by_side.shortened("a\x07b\n.mp4", 18, 400) == "a□b□.mp4"
    assert side_by_side.shortened("舞.mp4", 18, 400) == "□.mp4"
