"""Which clips training holds out: whole films always, whole performers where the share allows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.clip import Video, video_id
from la2ds_cli.core.independence import independent_groups
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.network.run_weights import run_header
from la2ds_cli.network.training_clips import FEWEST_DIVIDED, hold_out
from la2ds_cli.training.data import load_training_set
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import TINY


def source(video: Video) -> Path:
    return Path("/films", video.path)


few = st.integers(0, 9).map(str)
rows = st.lists(st.tuples(few, few, st.sampled_from(["", "", "anna", "ben", "cleo"])), max_size=20)


@given(rows, st.sampled_from([0.0, 0.15, 0.5, 0.95, 1.0]))
def test_no_film_is_on_both_sides(cells: list[tuple[str, str, str]], share: float) -> None:
    clips = [Video(f"v{n}", p, s, group=g) for n, (p, s, g) in enumerate(cells)]
    found = hold_out(clips, share, source)
    held = set(found.held_out)
    assert sorted([*found.held_out, *found.trained]) == sorted(video.id for video in clips)
    assert len(held) <= share * len(clips) + 0.5
    assert not held or found.trained
    for group in independent_groups(clips, source, performers=False):
        assert len({video.id in held for video in group}) == 1
    groups = independent_groups(clips, source)
    whole = all(len({video.id in held for video in group}) == 1 for group in groups)
    most = min(round(share * len(clips)), len(clips) - 1)
    if len(clips) >= FEWEST_DIVIDED and any(len(group) <= most for group in groups):
        assert whole
        assert found.new_performers
    names = [{v.group for v in clips if v.group and (v.id in held) == side} for side in (0, 1)]
    assert found.new_performers == names[0].isdisjoint(names[1])
    assert hold_out(clips[::-1], share, source).held_out == found.held_out  # in any order


@given(st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=20, max_size=20))
def test_which_films_are_held_out_does_not_depend_on_how_they_were_encoded(digests: list[str]):
    def held(digests: list[str]) -> list[str]:
        paths = [f"films/{n}.mp4" for n in range(len(digests))]
        names = [video_id(Path(p), digest) for p, digest in zip(paths, digests, strict=True)]
        clips = [Video(*row) for row in zip(names, paths, paths, strict=True)]
        found = hold_out(clips, 0.3, source)
        path = dict(zip(names, paths, strict=True))
        return [path[name] for name in (*found.held_out, *found.trained)]

    assert held(digests) == held([f"{n:064x}" for n in range(20)])


def test_the_only_performer_of_a_project_is_held_out_by_films() -> None:
    clips = [Video(f"v{n}", f"{n}.mp4", str(n), group="anna") for n in range(20)]
    found = hold_out(clips, 0.15, source)
    assert (len(found.held_out), found.new_performers) == (3, False)


def with_copies(root: Path) -> StoredProject:
    """A project of ten clips, each with a copy: in another folder, or in another container."""
    project = StoredProject.create(root)
    for n in range(10):
        pose = sequence(warped_phase(24 + n, n))
        digest = f"{n:064}"
        add_sequence(project, f"a{n}", pose, sha256=digest)
        add_sequence(project, f"b{n}", pose, sha256=f"{n + 10:064}" if n % 2 else digest)
    return project


def test_training_holds_out_no_copy_of_a_film_it_learns_from(tmp_path: Path) -> None:
    project = with_copies(tmp_path)
    data = load_training_set(project, project.config(overrides=["train.validation_share=0.4"]))
    sides = [{clip.video[1:] for clip in part} for part in (data.train, data.validation)]
    assert Counter(map(len, sides)) == {6: 1, 4: 1}
    assert sides[0].isdisjoint(sides[1])


@pytest.mark.parametrize("share", ["0.0", "0.4"])
def test_the_weights_name_what_was_held_out(tmp_path: Path, share: str) -> None:
    project = with_copies(tmp_path)
    config = project.config(overrides=[*TINY, f"train.validation_share={share}"])
    held = load_training_set(project, config).held_out
    assert bool(held) == (share != "0.0")
    train(project, run="mine", config=config, options=TrainOptions("cpu"))
    header = run_header(project, "mine")
    assert header.held_out == tuple(sorted(held))
    assert header.films is not None
    assert header.held_out is not None
    assert sorted([*header.held_out, *header.trained]) == sorted(v.id for v in project.videos())
    assert {f"{n:064}" for n in range(10)} < header.films
