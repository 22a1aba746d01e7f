"""The step: phases of labelled clips propagated to clips whose phases are known as well."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.phase_table import read_phase_table
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.labels import pairs
from la2ds_cli.labels.inputs import choose_targets
from la2ds_cli.labels.propagate import LEAST_CONFIDENCE, PropagationResult, propagate_labels
from tests.alignment.test_same_movement import kicking
from tests.labels.swings import HEADER, clip_phase, swings, true_starts
from tests.movement import add_sequence, sequence, warped_phase


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return swings(tmp_path)


def propagate(
    project: Project, sources=("clip0",), targets=("all",), **options
) -> PropagationResult:
    return propagate_labels(
        project, sources, targets, AlignRequest(project.config(), "default"), **options
    )


def table(project: Project, name: str) -> list[dict[str, str]]:
    with (project.results_dir("transfer") / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_labelled_clip_labels_all_others_to_a_frame(project: Project):
    result = propagate(project)
    assert list(result.clips) == [f"clip{n}" for n in range(1, 7)]
    assert {item.status for item in result.items} == {"ok"}
    for n in range(1, 7):
        phases = result.clips[f"clip{n}"].phases
        assert [phase.name for phase in phases] == ["begin", "middle", "end"]
        assert (phases[0].start, phases[-1].end) == (0, 40 + 3 * n)
        starts = [phase.start for phase in phases[1:]]
        assert starts == pytest.approx(true_starts(clip_phase(n)), abs=1)
        assert [phase.end for phase in phases[:-1]] == starts


def test_strangers_get_no_labels_and_are_named(tmp_path: Path):
    """A clip of another movement among the targets: nothing is written for it, and the others are
    as they would be without it."""
    plain = swings(tmp_path / "plain")
    mixed = swings(tmp_path / "mixed")
    add_sequence(mixed, "kick", kicking(70))
    without, result = (propagate(project, write=True) for project in (plain, mixed))
    assert [labels.phases for labels in result.clips.values()] == [
        labels.phases for labels in without.clips.values()
    ]
    (item,) = [item for item in result.items if item.video == "kick"]
    assert (item.status, item.code) == ("failed", "L005")
    assert "does not show the movement of the labelled clips (probability 0.0" in item.message
    assert "kick" not in mixed.phases(propagated=True)


def test_labelled_strangers_do_not_vote(tmp_path: Path):
    project = swings(tmp_path)
    add_sequence(project, "kick", kicking(70))
    with project.phases_path.open("a") as file:
        file.write("kick,0,30,raise\nkick,30,70,lower\n")
    result = propagate(project, ["labelled"], ["clip3"])
    assert [phase.name for phase in result.clips["clip3"].phases] == ["begin", "middle", "end"]
    assert result.clips["clip3"].consensus.labelled_clips == 1


def test_the_files_hold_the_same(project: Project):
    result = propagate(project)
    written = read_phase_table(project.results_dir("transfer") / "phases.csv")
    rows = [(row.video, row.phase) for row in written.rows]
    assert rows == [(clip, p) for clip, labels in result.clips.items() for p in labels.phases]
    assert all(phase.propagated for _, phase in rows)
    seen = [row for row in table(project, "boundaries.csv") if row["before"] and row["after"]]
    assert [row["frame"] for row in seen[:2]] == [str(p.start) for _, p in rows[1:3]]
    for row in seen:
        assert float(row["time_low"]) <= float(row["time"]) <= float(row["time_high"])
        assert 0 < float(row["confidence"]) <= 1
    assert not (project.root / "phases.csv").samefile(
        project.results_dir("transfer") / "phases.csv"
    )
    assert project.phases(propagated=True) == project.phases()


def test_labelled_clips_vote(tmp_path: Path):
    """clip1 is labelled wrongly by 12 frames: two others outvote it."""
    project = swings(tmp_path, labelled=3)
    first = true_starts(clip_phase(1))[0]
    text = project.phases_path.read_text()
    wrong = text.replace(f"clip1,0,{first},", f"clip1,0,{first - 12},")
    wrong = wrong.replace(f"clip1,{first},", f"clip1,{first - 12},")
    assert wrong != text
    write_text(project.phases_path, wrong)
    alone, together = (
        propagate(project, names).clips["clip5"] for names in (("clip1",), ("labelled",))
    )
    truth = true_starts(clip_phase(5))
    assert abs(alone.phases[1].start - truth[0]) > 5
    assert together.phases[1].start == pytest.approx(truth[0], abs=1)
    rows = [row for row in table(project, "boundaries.csv") if row["video"] == "clip5"]
    assert [row["votes"] for row in rows] == ["3"] * 4
    assert float(rows[1]["spread"]) > float(rows[2]["spread"])


def test_a_clip_without_the_first_phase_does_not_get_it(project: Project):
    """late shows the movement from 0.5 on; begin ends at 0.35."""
    add_sequence(project, "late", sequence(warped_phase(30, 9, 0.5, 1.0)))
    result = propagate(project, targets=["late"])
    assert [phase.name for phase in result.clips["late"].phases] == ["middle", "end"]
    assert result.clips["late"].phases[0].start == 0
    (item,) = result.items
    assert (item.status, item.code) == ("degraded", "L001")
    assert item.message.startswith("left out begin: ")
    rows = table(project, "boundaries.csv")
    assert [(row["after"], row["cut"]) for row in rows[:2]] == [("middle", "yes"), ("end", "")]
    written = propagate(project, targets=["late"], write=True).merged
    assert written is not None
    assert (written.written, written.withheld) == (["late"], [])
    assert [phase.name for phase in project.phases(propagated=True)["late"]] == ["middle", "end"]


def test_a_phase_missing_between_others_is_withheld(project: Project):
    """The phase of clip0 that lasts a third of a frame is shorter than one in every other clip."""
    text = project.phases_path.read_text()
    first = true_starts(clip_phase(0))[0]
    wrong = text.replace(f"clip0,{first},", f"clip0,{first},{first + 1},blink\nclip0,{first + 1},")
    assert wrong != text
    write_text(project.phases_path, wrong)
    add_sequence(project, "quick", sequence(warped_phase(12, 9)))
    request = AlignRequest(project.config(), features="pose")
    result = propagate_labels(project, ["clip0"], ["quick"], request, write=True)
    (item,) = result.items
    assert (item.status, item.code) == ("skipped", "L004")
    assert "'blink' is missing (shorter than a frame here)" in item.message


def test_a_clip_does_not_vote_on_itself(tmp_path: Path):
    project = swings(tmp_path, labelled=3)
    result = propagate(project, ["labelled"], ["clip0", "clip6"])
    voters = {clip: labels.consensus.labelled_clips for clip, labels in result.clips.items()}
    assert voters == {"clip0": 2, "clip6": 3}


def test_the_only_labelled_clip_cannot_label_itself(project: Project):
    (item,) = propagate(project, targets=["clip0"]).items
    assert (item.status, item.code) == ("failed", "L002")


def test_bad_clips_cost_themselves_only(project: Project):
    project.pose_path("clip2").write_bytes(b"no poses")
    project.pose_path("clip3").unlink()
    result = propagate(project, targets=["all", "nobody.mp4"])
    status = {item.video or item.path: item.status for item in result.items}
    assert status == {
        **{f"clip{n}": "ok" for n in (1, 4, 5, 6)},
        **dict.fromkeys(["clip2", "clip3", "nobody.mp4"], "failed"),
    }
    assert list(result.clips) == ["clip1", "clip4", "clip5", "clip6"]


def test_a_clip_of_another_skeleton_or_without_joints_is_reported(project: Project):
    blind = sequence(clip_phase(1))
    blind = type(blind)(
        **{**blind.__dict__, "xy": np.full_like(blind.xy, np.nan), "score": blind.score * 0}
    )
    add_sequence(project, "blind", blind)
    shape = (40, 17)
    coco = type(blind)(
        **{
            **sequence(np.linspace(0, 1, 40)).__dict__,
            "skeleton": "coco17",
            "xy": np.zeros((*shape, 2)),
            "score": np.ones(shape),
        }
    )
    add_sequence(project, "coco", coco)
    items = {item.video: item for item in propagate(project).items}
    assert "no joint was seen" in items["blind"].message
    assert "coco17" in items["coco"].message
    assert {items["blind"].code, items["coco"].code} == {"L003"}
    assert items["clip1"].status == "ok"


def test_a_damaged_labelled_clip_leaves_the_vote_to_the_others(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    project.pose_path("clip0").write_bytes(b"no poses")
    result = propagate(project, ["labelled"])
    assert result.sources == ("clip1",)
    assert [item.video for item in result.items if item.status == "failed"] == ["clip0"]
    project.pose_path("clip1").write_bytes(b"no poses")
    with pytest.raises(UserError, match="no labelled clip can be used") as refused:
        propagate(project, ["labelled"])
    assert refused.value.exit_code == ExitCode.UNUSABLE


@pytest.mark.parametrize(
    ("names", "rows", "message", "code"),
    [
        (["clip0"], [], "no clip of the project has phases set by a person", ExitCode.UNUSABLE),
        (["clip1"], ["clip0,0,9,a"], "'clip1' has no phases set by a person", ExitCode.MISMATCH),
        (["klip0"], ["clip0,0,9,a"], "there is no clip 'klip0'", ExitCode.UNREADABLE),
        (["test"], ["clip0,0,9,a"], "none of these clips is labelled", ExitCode.UNUSABLE),
        (["clip0"], ["clip0,0,9,a", "clip0,5,12,b"], "overlap", ExitCode.MISMATCH),
        (["clip0"], ["clip0,9,2,a"], "must be before end", ExitCode.MISMATCH),
        (["clip0"], ["clip0,900,910,a"], "outside its frames", ExitCode.UNUSABLE),
    ],
)
def test_what_cannot_be_propagated(project: Project, names, rows, message: str, code: ExitCode):
    write_text(project.phases_path, "\n".join([HEADER, *rows]) + "\n")
    with pytest.raises(UserError, match=message) as refused:
        propagate(project, names)
    assert refused.value.exit_code == code


def test_an_empty_phases_csv_labels_nothing(project: Project):
    write_text(project.phases_path, "")
    with pytest.raises(UserError, match="no clip of the project has phases"):
        propagate(project)


def test_propagated_labels_are_no_source(project: Project):
    write_text(project.phases_path, f"{HEADER},origin\nclip0,0,9,a,carried\n")
    with pytest.raises(UserError, match="propagated phases do not count"):
        propagate(project)


def test_lists_and_names_with_commas(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    add_sequence(project, "a,b", sequence(clip_phase(2)))
    result = propagate(project, ["clip0,clip1"], ["a,b", "clip3, clip4"])
    assert result.sources == ("clip0", "clip1")
    assert list(result.clips) == ["a,b", "clip3", "clip4"]


def test_a_new_file_with_a_comma_in_its_name_is_one_clip(tmp_path: Path):
    project, new = swings(tmp_path / "project", labelled=1), tmp_path / "new, again.mp4"
    new.write_bytes(b"no video")
    names = ["clip1," * 100, str(new)]
    assert choose_targets(project, names, project.phases()) == ["clip1", str(new)]


def test_no_project_is_a_folder_for_the_tables(project: Project, tmp_path: Path):
    other = Project.create(tmp_path / "other")
    for one in (project, other):
        one.phases_path.write_text("video,start,end,phase\nclip0,0,5,by hand\n")
        before = one.phases_path.read_text()
        with pytest.raises(UserError, match="is a project"):
            propagate(project, out=one.root)
        assert one.phases_path.read_text() == before


# --- into phases.csv ------------------------------------------------------------------------


def test_write_adds_marked_rows_and_keeps_labels_by_people(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    by_hand = project.phases()
    result = propagate(project, targets=["all"], write=True)
    assert result.merged is not None
    assert result.merged.unchanged == ["clip1"]
    assert result.merged.written == [f"clip{n}" for n in range(2, 7)]
    assert project.phases() == by_hand
    both = project.phases(propagated=True)
    assert both["clip1"] == by_hand["clip1"]
    assert both["clip4"] == result.clips["clip4"].phases


def test_every_row_says_who_set_it_from_which_clips_and_when(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    propagate(project, ["labelled"], ["clip3"], write=True)
    with project.phases_path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["origin"] for row in rows] == ["person"] * 6 + ["carried"] * 3
    assert {row["origin_clips"] for row in rows[:6]} == {""}
    for row in rows[6:]:
        assert row["origin_clips"] == "clip0 clip1"
        age = datetime.now(UTC) - datetime.fromisoformat(row["origin_time"])
        assert 0 <= age.total_seconds() < 600
    assert set(project.phases()) == {"clip0", "clip1"}


def test_what_was_propagated_before_stays_without_overwrite(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    write_text(project.phases_path, project.phases_path.read_text().replace("clip1", "gone"))
    text = f"{HEADER},origin\nclip3,0,7,mine,carried\n"
    by_hand = "".join(f"{line},\n" for line in project.phases_path.read_text().splitlines()[1:])
    write_text(project.phases_path, text + by_hand)
    before = project.phases_path.read_bytes()
    kept = propagate(project, targets=["clip3"], write=True).merged
    assert kept is not None
    assert (kept.written, kept.unchanged) == ([], ["clip3"])
    assert project.phases_path.read_bytes() == before

    merged = propagate(project, targets=["clip3"], write=True, overwrite=True).merged
    assert merged is not None
    assert (merged.written, merged.replaced) == (["clip3"], ["clip3"])
    names = [phase.name for phase in project.phases(propagated=True)["clip3"]]
    assert names == ["begin", "middle", "end"]
    assert merged.backup is not None
    assert merged.backup.read_bytes() == before
    assert "gone" in project.phases_path.read_text()  # rows of no clip of the project stay


@pytest.mark.parametrize("overwrite", [False, True])
def test_labels_by_people_are_never_replaced(tmp_path: Path, overwrite: bool):
    project = swings(tmp_path, labelled=2)
    by_hand = project.phases()
    result = propagate(
        project, targets=["clip0", "clip1", "clip2"], write=True, overwrite=overwrite
    )
    assert result.merged is not None
    assert result.merged.unchanged == ["clip1"]
    assert result.merged.written == ["clip2"]
    assert project.phases() == by_hand


def test_overwrite_of_nothing_but_labels_by_people_is_refused(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    before = project.phases_path.read_bytes()
    with pytest.raises(UserError, match="which propagated ones never replace") as refused:
        propagate(project, targets=["clip1"], write=True, overwrite=True)
    assert refused.value.exit_code == ExitCode.UNUSABLE
    assert project.phases_path.read_bytes() == before


def test_one_phase_over_the_whole_clip_is_withheld(project: Project):
    """clip0 has two phases, the second in its last two frames; early ends long before that."""
    write_text(project.phases_path, f"{HEADER}\nclip0,0,38,begin\nclip0,38,40,stop\n")
    add_sequence(project, "early", sequence(warped_phase(30, 9, 0.0, 0.6), fps=25.0))
    before = project.phases_path.read_bytes()
    result = propagate(project, targets=["early"], write=True)
    assert [phase.name for phase in result.clips["early"].phases] == ["begin"]
    (item,) = result.items
    assert (item.status, item.code) == ("skipped", "L004")
    assert "one phase, 'begin', over the whole clip" in item.message
    assert "'stop' is missing" in item.message
    assert result.merged is not None
    assert (result.merged.withheld, result.merged.written) == (["early"], [])
    assert project.phases_path.read_bytes() == before
    assert table(project, "phases.csv")[0]["video"] == "early"  # of results/transfer


def test_boundaries_of_low_confidence_are_withheld(project: Project, monkeypatch):
    """The joints of one clip are noise, and nobody can say that it shows another movement."""
    assert LEAST_CONFIDENCE == 0.2
    monkeypatch.setattr(pairs, "sameness", lambda a, b: None)
    pose = sequence(clip_phase(4))
    noise = np.random.default_rng(0).normal(0, 300, pose.xy.shape)
    add_sequence(project, "noise", replace(pose, xy=noise))
    result = propagate(project, targets=["noise", "clip2"], write=True)
    items = {item.video: item for item in result.items}
    assert "mean confidence of 0." in items["noise"].message
    assert items["noise"].status == "skipped"
    assert items["clip2"].status == "ok"
    assert "noise" not in project.phases(propagated=True)
    assert result.to_json()["clips"][0]["withheld"] == result.withheld["noise"]


def test_a_phase_that_most_labelled_clips_lack_is_no_reason_to_withhold(tmp_path: Path):
    project = swings(tmp_path, labelled=3)
    first = true_starts(clip_phase(0))[0]
    text = project.phases_path.read_text()
    text = text.replace(f"clip0,0,{first},begin", f"clip0,0,3,waggle\nclip0,3,{first},begin")
    write_text(project.phases_path, text)
    result = propagate(project, ["labelled"], ["clip5"], write=True)
    assert "waggle" in result.clips["clip5"].left_out
    assert (result.items[0].status, result.items[0].code) == ("degraded", "L001")
    assert "clip5" in project.phases(propagated=True)


def test_rows_by_file_name_count_as_those_of_the_clip(project: Project):
    text = project.phases_path.read_text()
    write_text(project.phases_path, text + "clip3.mat,0,20,begin\n")
    result = propagate(project, write=True)
    assert result.merged is not None
    assert result.merged.unchanged == ["clip3"]
    assert project.phases(propagated=True)["clip3"] == [Phase(0, 20, "begin")]
