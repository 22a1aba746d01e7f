"""Which clips count as independent of each other: copies, renames, other containers, parts and
people of one film, and performers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.clip import Video
from la2ds_cli.core.independence import independent_groups, joints_digest, same_footage
from tests.movement import sequence, warped_phase

ROOT = Path("/films")


def source(video: Video) -> Path:
    return ROOT / video.path


def ids(groups: list[list[Video]]) -> list[set[str]]:
    return [{video.id for video in group} for group in groups]


def test_copies_renames_parts_and_people_are_one_group() -> None:
    film = Video("film", "a/film.mp4", "1")
    clips = [
        film,
        Video("copy", "b/film.mp4", "1"),
        Video("renamed", "a/other.mp4", "1"),
        Video("part", "a/film.mp4", "1", options="start=2 end=4"),
        Video("person-2", "a/film.mp4", "1", person=2),
        Video("replaced", "a/film.mp4", "2"),  # the file holds another film by now
        Video("alone", "a/alone.mp4", "3"),
    ]
    assert ids(independent_groups(clips, source)) == [{c.id for c in clips[:-1]}, {"alone"}]


def test_another_container_with_the_same_content_has_the_same_joints() -> None:
    pose = sequence(warped_phase(30, 1))
    clips = [Video("mp4", "a.mp4", "1"), Video("mkv", "a.mkv", "2"), Video("b", "b.mp4", "3")]
    other = sequence(warped_phase(30, 2))
    joints = {"mp4": joints_digest(pose), "mkv": joints_digest(replace(pose, time=pose.time + 1))}
    joints["b"] = joints_digest(other)
    assert ids(independent_groups(clips, source, joints)) == [{"mp4", "mkv"}, {"b"}]


def test_clips_in_which_nobody_is_seen_are_no_copies_of_each_other() -> None:
    pose = sequence(warped_phase(30, 1))
    blind = replace(pose, xy=np.full_like(pose.xy, np.nan))
    clips = [Video("a", "a.mp4", "1"), Video("b", "b.mp4", "2")]
    joints = dict.fromkeys("ab", joints_digest(blind))
    assert ids(independent_groups(clips, source, joints)) == [{"a"}, {"b"}]


def test_the_clips_of_a_performer_are_one_group_unless_films_alone_count() -> None:
    clips = [
        Video("a1", "a1.mp4", "1", group="anna"),
        Video("a2", "a2.mp4", "2", group="anna"),
        Video("duo", "a2.mp4", "2", person=2, group="ben"),  # so that anna and ben are together
        Video("b1", "b1.mp4", "4", group="ben"),
        Video("c1", "c1.mp4", "5"),
        Video("c2", "c2.mp4", "6"),  # an empty group is no performer
    ]
    together = [{"a1", "a2", "duo", "b1"}, {"c1"}, {"c2"}]
    assert ids(independent_groups(clips, source)) == together
    films = [{"a1"}, {"a2", "duo"}, {"b1"}, {"c1"}, {"c2"}]
    assert ids(independent_groups(clips, source, performers=False)) == films


def test_the_same_footage_is_a_copy_or_an_overlapping_part_of_the_same_person() -> None:
    clips = [
        Video("film", "a/film.mp4", "1"),
        Video("copy", "b/film.mp4", "1", group="anna"),
        Video("first", "a/film.mp4", "1", options="end=4"),
        Video("second", "a/film.mp4", "1", options="start=4 end=8"),
        Video("other", "a/film.mp4", "1", person=2),
        Video("anna", "c.mp4", "2", group="anna"),
    ]
    assert same_footage(clips, source) == {
        "film": ["copy", "first", "second"],
        "copy": ["film", "first", "second"],
        "first": ["film", "copy"],
        "second": ["film", "copy"],
    }


few = st.integers(0, 5).map(str)
rows = st.lists(st.tuples(few, few, st.sampled_from(["", "", "anna", "ben"]), few), max_size=12)


@given(rows, st.booleans())
def test_groups_are_the_connected_parts_of_what_clips_share(
    cells: list[tuple[str, str, str, str]], performers: bool
) -> None:
    """Against plain reachability, in any order of the clips."""
    clips = [Video(f"v{n}", p, s, group=g) for n, (p, s, g, _) in enumerate(cells)]
    joints = {f"v{n}": "" if j == "0" else j for n, (_, _, _, j) in enumerate(cells)}

    def share(a: Video, b: Video) -> bool:
        same = a.path == b.path or a.sha256 == b.sha256
        same |= joints[a.id] == joints[b.id] != ""
        return same or (performers and a.group == b.group != "")

    reach = np.array([[a is b or share(a, b) for b in clips] for a in clips]).reshape(
        len(clips), len(clips)
    )
    for _ in clips:
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    expected = {frozenset(clips[m].id for m in np.flatnonzero(row)) for row in reach}
    for order in (clips, clips[::-1]):
        found = independent_groups(order, source, joints, performers=performers)
        assert {frozenset(video.id for video in group) for group in found} == expected
        assert sum(map(len, found)) == len(clips)
