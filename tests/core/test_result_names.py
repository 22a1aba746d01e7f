"""Names of results: after the files of the clips, and never one name for other clips."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from la2ds_cli.core.clip import Video
from la2ds_cli.core.result_names import clip_name, is_result_of, result_name

ANNA, BEN = Video("gym-anna-1a2b3c4d", "gym/anna.mp4", ""), Video("gym-ben-5e6f7a8b", "ben.MOV", "")
NAMES = st.text("aAé-. @#'\n/", min_size=1, max_size=6)


def test_a_result_is_called_after_the_files_of_its_clips():
    part = Video("gym-ben-5e6f7a8b-t1.5-4-p2", "ben.MOV", "", person=2, options="start=1.5 end=4")
    tries = Video("gym-try-1-11112222", "gym/try-1.csv", "")
    videos = [ANNA, BEN, part, tries]
    assert result_name(videos, ANNA, BEN) == "anna-ben"
    assert result_name(videos, ANNA, part) == "anna--ben-t1.5-4-p2"
    assert result_name(videos, tries, ANNA) == "try-1--anna"
    assert clip_name(videos, BEN) == "ben"


@pytest.mark.parametrize("path", ["other/anna.mp4", "other/ANNA.mov", "anna.csv"])
def test_two_files_of_one_name_are_named_by_their_ids(path: str):
    other = Video("other-anna-99998888", path, "")
    videos = [ANNA, other, BEN]
    assert result_name(videos, ANNA, BEN) == "gym-anna-1a2b3c4d--ben"
    assert result_name(videos, other, BEN) == "other-anna-99998888--ben"


@pytest.mark.parametrize("stem", ["-photo", ".hidden", "a@2", "a:b", "attempts", "ä" * 50, "a--b"])
def test_a_name_that_does_not_fit_gives_way_to_the_id(stem: str):
    clip = Video("clip-1a2b3c4d", f"films/{stem}.mp4", "")
    assert clip_name([clip], clip) == clip.id


@given(st.lists(NAMES, min_size=2, max_size=5))
@example(["a-b", "c", "a", "b-c"])
@example(["a", "clip-0"])
def test_no_two_pairs_have_one_name(stems: list[str]):
    clips = [Video(f"clip-{n}", f"films/{stem}.mp4", "") for n, stem in enumerate(stems)]
    pairs = list(itertools.permutations(clips, 2))
    names = [result_name(clips, *pair) for pair in pairs]
    assert len({name.casefold() for name in names}) == len(pairs)
    for name, pair in zip(names, pairs, strict=True):
        assert all(is_result_of(Path(f"align/{name}.png"), clip_name(clips, clip)) for clip in pair)


def test_results_of_other_clips_are_not_taken_for_those_of_a_clip():
    assert is_result_of(Path("results/align/anna-ben.png"), "ben")
    assert is_result_of(Path("results/retrieve/ben@1.20.png"), "ben")
    for other in ("align/anna-reuben.png", "align/bender-anna.png", "phases/ben-1.csv"):
        assert not is_result_of(Path("results", other), "ben")
