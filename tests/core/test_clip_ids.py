"""Ids of clips: the film and the person in them, whatever part of the film they show."""

from __future__ import annotations

from math import inf
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from la2ds_cli.core.clip import ClipOptions, family, name_for_draws, video_id

SECONDS = st.floats(0, 1e9, allow_nan=False)


@given(start=SECONDS, length=st.one_of(st.just(inf), SECONDS), person=st.integers(1, 40))
@example(start=1e-05, length=4.0, person=1)
@example(start=0.0, length=1e-07, person=2)
@example(start=0.0, length=inf, person=2)
def test_every_part_and_person_of_a_film_belongs_to_it(start: float, length: float, person: int):
    if not start + length > start:
        return
    options = ClipOptions(start, start + length if start + length <= 1e9 else inf)
    whole = video_id(Path("films/anna.mp4"), "1a2b3c4d" * 8)
    name = video_id(Path("films/anna.mp4"), "1a2b3c4d" * 8, part=options.part, person=person)
    assert family(name) == (whole, str(person))


@given(
    digests=st.tuples(*[st.text("0123456789abcdef", min_size=64, max_size=64)] * 2),
    part=st.sampled_from(["", "1.5-4", "2-"]),
    person=st.integers(1, 40),
)
def test_draws_do_not_depend_on_how_a_film_was_encoded(
    digests: tuple[str, str], part: str, person: int
):
    film = Path("films/anna-2.mp4")
    first, second = (video_id(film, digest, part=part, person=person) for digest in digests)
    assert name_for_draws(first) == name_for_draws(second)
    other = video_id(Path("films/anna-3.mp4"), digests[0], part=part, person=person)
    assert len({name_for_draws(name) for name in (first, other)}) == 2
    assert name_for_draws("anna") == "anna"  # a clip that was imported under a name of its own
