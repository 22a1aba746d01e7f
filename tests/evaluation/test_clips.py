"""Nobody is fitted and scored on the same clips, and no network on clips that it has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import video_id
from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation import clips
from la2ds_cli.evaluation.clips import select_clips
from la2ds_cli.evaluation.evaluate import Request, gather
from la2ds_cli.training.train import TrainOptions, train
from tests.evaluation.labelled_project import TINY, evaluated, labelled_project, random_run, relabel
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.told import refused


def change(project: StoredProject, name: str, **values: object) -> None:
    """Change a row of videos.csv."""
    video = next(v for v in project.videos() if v.id == name)
    project.add_videos([replace(video, **values)])


def refusal(
    project: StoredProject, said: str, *, code=ExitCode.MISMATCH, **asked: Any
) -> UserError:
    with refused(code, said) as caught:
        evaluated(project, **{"features": ["time_only"], **asked})
    return caught.value


@pytest.mark.parametrize("protocol", ["la2ds", "paper"])
@pytest.mark.parametrize("split", ["train", ""])
def test_equal_copies_of_a_video_in_both_splits_are_refused(
    tmp_path: Path, protocol: str, split: str
) -> None:
    project = labelled_project(tmp_path)
    digest = next(v.sha256 for v in project.videos() if v.id == "train2")
    change(project, "test1", sha256=digest)
    if not split:
        path = project.root / "videos.csv"
        path.write_text(path.read_text().replace(",train,", ",,"))
    said = "^test clip test1 and training clip train2 come from the same video$"
    refusal(project, said, protocol=protocol)


def test_two_people_of_one_video_are_of_one_split(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    change(project, "test0", path="test1.mat", person=2)
    assert evaluated(project, features=["time_only"])["clips"] == 4
    change(project, "test0", path="train4.mat", person=2)
    refusal(project, "^test clip test0 and training clip train4 come from the same video$")


def test_clips_of_one_performer_are_no_independent_clips(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)

    def said() -> str:
        found = evaluated(project, features=["time_only"])["warnings"]
        return " ".join(line for line in found if "performer" in line)

    for name, group in (("test0", "anna"), ("test1", "ben"), ("train0", "cleo")):
        change(project, name, group=group)
    assert said() == ""
    change(project, "test2", group="ben")
    assert "independent among the 4 scored clips: 3; the others share a performer" in said()
    assert "are too narrow" in said()
    assert "both test and training clips" not in said()
    change(project, "train1", group="anna")
    assert "appear in both test and training clips: anna; " in said()


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (0, 4, "all clips are marked split=test, so none is left to fit phases on"),
        (4, 0, "no clip is marked split=test, so phases would be fitted and scored on the same"),
    ],
)
def test_a_protocol_of_labels_refuses_to_score_what_it_fits(
    tmp_path: Path, train: int, test: int, says: str
) -> None:
    project = labelled_project(tmp_path, train=train, test=test)
    refusal(project, says, protocol="paper")
    # Ours has event transfer and tau left, and warns.
    result = evaluated(project, features=["time_only"])
    assert any(says in text for text in result["warnings"])
    assert result["phases"] == []
    keys = {"kendalls_tau", "event_transfer", "variant", "uses"}
    assert set(result["features"]["time_only"]) == keys


@pytest.mark.parametrize(("split", "which"), [("train", "training"), ("test", "test")])
def test_a_protocol_of_labels_names_the_split_without_any(
    tmp_path: Path, split: str, which: str
) -> None:
    project = labelled_project(tmp_path)
    relabel(project, f"\n{split}", "\nelsewhere")
    said = f"^protocol paper: phases.csv has no labels for {which} clips$"
    refusal(project, said, code=ExitCode.UNUSABLE, protocol="paper")


def test_overlapping_phases_and_other_skeletons_are_refused(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    pose = sequence(warped_phase(40, 0))
    row = next(r for r in project.phases_path.read_text().splitlines() if r.startswith("test2,0,"))
    relabel(project, row, f"{row}\ntest2,2,5,begin")
    refusal(project, "video test2: 'begin'")
    hand = replace(pose, xy=pose.xy[:, [0] * 21], score=pose.score[:, [0] * 21], skeleton="hand21")
    add_sequence(project, "hand", hand, "train")
    refusal(project, "hand21")


def test_of_very_many_clips_some_are_drawn_and_labelled_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = labelled_project(tmp_path, train=5, test=4)
    for n in range(6):
        add_sequence(project, f"bare{n}", sequence(warped_phase(30 + n, n)), "test")
    monkeypatch.setattr(clips, "MOST_CLIPS", 5)
    warnings: list[str] = []
    few = select_clips(project, Config(), warnings)
    assert list(few.fit) == [f"train{n}" for n in range(5)]
    assert len(few.test) == 5
    assert list(few.test)[1:] == [f"test{n}" for n in range(4)]  # "bare" comes first in the order
    drawn = "5 of 10 test clips were drawn at random (evaluate.seed), labelled clips first"
    assert warnings == [drawn]
    # A clip more changes at most one; another seed draws others.
    add_sequence(project, "bare6", sequence(warped_phase(33, 6)), "test")
    more = select_clips(project, Config(), [])
    assert len(set(more.test) - set(few.test)) <= 1
    monkeypatch.setattr(clips, "MOST_CLIPS", 8)
    seeds = [load_config(overrides=[f"evaluate.seed={seed}"]) for seed in range(3)]
    assert len({tuple(select_clips(project, seed, []).test) for seed in seeds}) > 1


def test_a_copy_of_a_test_clip_is_left_out_and_a_clip_of_nothing_named(tmp_path: Path) -> None:
    """Of two copies, the labelled one stays; other clips with as many frames stay."""
    project = labelled_project(tmp_path)
    pose, _ = project.read_pose("test1")
    add_sequence(project, "copy of test1", pose, "test")  # sorts before test1, without labels
    add_sequence(project, "z", pose, "test")
    add_sequence(project, "other", sequence(warped_phase(len(pose), seed=77)), "test")
    add_sequence(project, "blind", without(pose), "test")
    warnings: list[str] = []
    chosen = select_clips(project, Config(), warnings)
    assert {"copy of test1", "z"}.isdisjoint(chosen.test)
    assert {"test1", "other", "blind"} <= set(chosen.test)
    said = "copies of other clips left out: copy of test1 (copy of test1), z (copy of test1)"

    assert warnings == [said, "no joint was detected in these scored clips: blind"]


# --- what a run has seen ------------------------------------------------------------------------


def trained(project: StoredProject) -> StoredProject:
    """One step of training on the clips that are marked now."""
    config = load_config(overrides=[*TINY, "train.steps=1"])
    train(project, config=config, options=TrainOptions("cpu"))
    return project


def warnings_of(project: StoredProject, features: str = "model") -> str:
    return "\n".join(evaluated(project, protocol="casa", features=[features])["warnings"])


def test_weights_that_name_no_clips_are_told(tmp_path: Path) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    random_run(project, "default")
    said = "run default do not list their training clips"
    assert said in warnings_of(project)


@pytest.mark.parametrize("protocol", ["la2ds", "paper"])
def test_a_run_that_is_older_than_the_split_is_refused(tmp_path: Path, protocol: str) -> None:
    project = labelled_project(tmp_path, train=3, test=2)
    table = project.root / "videos.csv"
    before = table.read_text()
    table.write_text(before.replace(",train,", ",,").replace(",test,", ",,"))
    trained(project)
    table.write_text(before)
    said = "^run default was trained on test clip test"
    assert "--overwrite" in refusal(project, said, protocol=protocol, features=["model"]).hint
    # The baselines have not been trained.
    assert "trained on" not in warnings_of(project, "time_only")


def test_weights_name_the_clips_they_have_seen_those_of_the_validation_too(tmp_path: Path) -> None:
    project = trained(labelled_project(tmp_path, train=8, test=2))
    for name in ("best", "last"):
        path = project.run_dir("default") / f"{name}.safetensors"
        facts = artifact.read_header(path)[1]
        assert facts["videos"] == [f"train{n}" for n in range(8)]
    assert "trained on" not in warnings_of(project)
    assert "videos" not in (project.run_dir("default") / "metrics.jsonl").read_text()


def test_what_was_trained_on_is_followed_through_changes_of_the_table(tmp_path: Path) -> None:
    project = trained(labelled_project(tmp_path, train=4, test=2))
    change(project, "train2", split="test")
    asked: dict[str, Any] = {"protocol": "casa", "features": ["model"]}
    refusal(project, "^run default was trained on test clip train2:", **asked)
    # Left out of both splits it is nobody's.
    change(project, "train2", split="val")
    assert "trained on" not in warnings_of(project)
    table = project.root / "videos.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith("train3,")))
    assert "no longer in videos.csv" not in warnings_of(project)
    seen = next(video for video in project.videos() if video.id == "train1")
    change(project, "train1", split="val")
    change(project, "test1", path=seen.path, person=2)
    said = "^run default was trained on clip train1, which comes from the same video as test clip "
    refusal(project, f"{said}test1:", **asked)


def test_what_was_trained_on_is_recognised_once_it_has_left_the_table(tmp_path: Path) -> None:
    """By its content under another name, and by its joints in another container."""
    project = trained(labelled_project(tmp_path, train=4, test=2))
    asked: dict[str, Any] = {"protocol": "casa", "features": ["model"]}
    table = project.root / "videos.csv"
    gone = next(video for video in project.videos() if video.id == "train3")
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith("train3,")))
    before = table.read_text()
    assert "trained on" not in warnings_of(project)
    change(project, "test1", sha256=gone.sha256, path="renamed.mat")
    said = "^run default was trained on a clip of the same video as test clip "
    refusal(project, f"{said}test1:", **asked)
    table.write_text(before)
    add_sequence(project, "other container", project.read_pose("train3")[0], "test")
    refusal(project, f"{said}other container:", **asked)


def test_weights_that_do_not_name_films_leave_clips_unknown(tmp_path: Path) -> None:
    project = trained(labelled_project(tmp_path, train=4, test=2))
    path = project.run_dir("default") / "best.safetensors"
    arrays, recipe, facts = artifact.read_arrays(path)
    artifact.write_arrays(path, arrays, recipe, {k: v for k, v in facts.items() if k != "films"})
    table = project.root / "videos.csv"
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(row for row in rows if not row.startswith("train3,")))
    said = "run default was trained on clips that are no longer in videos.csv (1)"
    assert said in warnings_of(project)


def test_a_film_in_two_containers_is_of_one_split(tmp_path: Path) -> None:
    project = labelled_project(tmp_path)
    add_sequence(project, "container", project.read_pose("train1")[0], "test")
    refusal(project, "^test clip container and training clip train1 come from the same video$")


def encoded(root: Path, seed: int) -> tuple[StoredProject, dict[str, str]]:
    """A project of eight films with the bytes of one encoder, and the name of each by its id."""
    project, random, names = StoredProject.create(root), np.random.default_rng(seed), {}
    stems = ("a", "a-2", "a-f", "b", "b", "c", "c#2", "d")  # two films have one name
    for number, stem in enumerate(stems):
        pose = sequence(warped_phase(40 + 3 * number, number), fps=(20.0, 25.0)[number % 2])
        file, _, person = stem.partition("#")
        digest = random.bytes(32).hex()
        name = video_id(Path(f"films/{file}.mp4"), digest, person=int(person or 1))
        add_sequence(project, name, pose, "test", sha256=digest, path=f"films{number}/{file}.mp4")
        names[name] = f"{stem} {number}"
    return project, names


def test_the_same_clips_in_another_encoding_are_drawn_and_trimmed_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids follow the bytes of a file, which differ from encoder to encoder, and so by machine."""
    config = load_config(overrides=["evaluate.pairs=9", "evaluate.trim_draws=2"])

    def drawn(project: StoredProject, names: dict[str, str]) -> list[Any]:
        inputs = gather(Request(project, config), [])
        clips = [names[clip.id] for clip in inputs.clips]
        return [
            (clips, dict(zip(clips, draw.cuts, strict=True)), draw.pair.tolist())
            for draw in inputs.draws
        ]

    projects = [encoded(tmp_path / str(seed), seed) for seed in range(4)]
    for most in (500, 5):
        monkeypatch.setattr(clips, "MOST_CLIPS", most)
        first, *others = (drawn(*each) for each in projects)
        assert len(first[0][0]) == min(most, 8)
        assert all(other == first for other in others)
    monkeypatch.setattr(clips, "MOST_CLIPS", 500)
    cuts = drawn(*projects[0])[0][1]
    shares = {name: cuts[name].start / length for name, length in (("b 3", 49), ("b 4", 52))}
    assert abs(shares["b 3"] - shares["b 4"]) > 0.03  # films of one name have draws of their own
