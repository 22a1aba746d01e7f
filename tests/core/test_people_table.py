"""Places of people in films: the same whichever way a film is read, and read back as written."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.people_table import PersonRow, Places, read_people, write_people
from tests.told import refused

SIZE = (200, 100)


def places(x: np.ndarray, frame: np.ndarray | None = None) -> Places:
    """A person of 20 x 60 pixels with the left side at x (T,)."""
    box = np.stack([x, np.full(len(x), 30.0), x + 20, np.full(len(x), 90.0)], axis=1)
    return Places.of(np.arange(len(x)) if frame is None else frame, box, SIZE)


def turned(box: np.ndarray, rotate: int, mirror: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """Boxes in a picture of SIZE after it was rotated clockwise by quarters and then mirrored."""
    corners, (width, height) = box.reshape(-1, 2, 2), SIZE
    for _ in range(rotate // 90):
        corners = np.stack([height - corners[..., 1], corners[..., 0]], axis=-1)
        width, height = height, width
    if mirror:
        corners = np.stack([width - corners[..., 0], corners[..., 1]], axis=-1)
    both = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return both, (width, height)


@given(
    sides=st.tuples(*[st.floats(0, 40)] * 2, *[st.floats(50, 100)] * 2),
    rotate=st.sampled_from([0, 90, 180, 270]),
    mirror=st.booleans(),
)
def test_places_are_those_of_the_file_however_it_is_turned(sides, rotate, mirror) -> None:
    box = np.array([sides, [np.nan] * 4])
    seen, size = turned(box[:1], rotate, mirror)
    found = Places.of(
        np.array([5, 6]), np.concatenate([seen, box[1:]]), size, rotate=rotate, mirror=mirror
    )
    assert found.frame.tolist() == [5]
    np.testing.assert_allclose(found.box, Places.of(np.array([5]), box[:1], SIZE).box, atol=1e-9)


way = np.linspace(20, 60, 40)
SEEN = {
    "the same person, wider": (places(way + 3), (0, 39), 40),
    "every second frame": (places(way[::2], np.arange(0, 40, 2)), (0, 39), 20),
    "somebody else": (places(way + 60), (0, 39), 0),
    "two people joined by mistake": (places(np.r_[way[:20], way[20:] + 60]), (0, 39), 0),
    "somebody who is there when the person is not": (
        places(way, np.arange(40, 80)), (0, 79), 0,
    ),
    "a part of the film without the person": (places(way, np.arange(40, 80)), (40, 79), None),
}  # fmt: skip


@pytest.mark.parametrize(("other", "span", "frames"), SEEN.values(), ids=SEEN)
def test_who_is_the_same_person(other: Places, span: tuple[int, int], frames) -> None:
    assert places(way).agreement(other, *span) == frames


@given(frames=st.lists(st.integers(0, 10**6), unique=True, max_size=60), subject=st.text("a1"))
def test_a_person_is_read_as_written(frames: list[int], subject: str) -> None:
    frame = np.sort(np.array(frames, np.int64))
    seen = places(np.linspace(0, 150, len(frame)), frame)
    row = PersonRow(subject, seen.to_text())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        write_people(path, {"a": row})
        write_people(path, {"b": row})
        found = read_people(path)
    assert list(found) == ["a", "b"]
    assert found["a"].subject == subject
    kept = found["a"].places
    assert len(kept.frame) == min(len(frame), 40)
    whole = seen.box[np.isin(frame, kept.frame)]
    np.testing.assert_allclose(kept.box, whole, atol=5.1e-4)


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ("a,auto,1 2 3", "line 2 .*not frames with four sides"),
        ("a,auto,1 0 0 9 9;", "line 2 .*not frames with four sides"),
        ("../a,auto,", "line 2 .*id"),
        ("a,auto,x 0 0 9 9", "line 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, cells: str, problem: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(f"video,subject,places\n{cells}\n")
    with refused(ExitCode.MISMATCH, problem):
        read_people(path)
