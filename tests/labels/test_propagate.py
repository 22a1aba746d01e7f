"""The step: phases of labelled clips propagated to clips whose phases are known as well."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.core.artifact import write_text
from la2ds_cli.core.errors import ExitCode, Unreadable, UserError
from la2ds_cli.core.phase_table import read_phase_table
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.labels import propagated
from la2ds_cli.labels.propagate import propagate_labels
from tests.alignment.test_same_movement import kicking
from tests.labels.swings import HEADER, clip_phase, swings, true_starts
from tests.movement import add_sequence, sequence, warped_phase, without
from tests.told import Notes, refused


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    return swings(tmp_path)


def propagate(
    project: StoredProject, sources=("clip0",), targets=("all",)
) -> propagated.PropagationResult:
    return propagate_labels(project, sources, targets, AlignRequest(project.config(), "default"))


def merge(
    project: StoredProject, result: propagated.PropagationResult, *, overwrite: bool = False
) -> propagated.MergeResult:
    merged = propagated.write_phases(project, result, overwrite=overwrite).merged
    assert merged is not None
    return merged


def names(result: propagated.PropagationResult, clip: str) -> list[str]:
    return [phase.name for phase in result.clips[clip].phases]


def test_one_labelled_clip_labels_all_others_to_a_frame(project: StoredProject):
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
    without, result = (propagate(project) for project in (plain, mixed))
    merge(mixed, result)
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
    assert names(result, "clip3") == ["begin", "middle", "end"]
    assert result.clips["clip3"].voters == ("clip0",)


def test_the_tables_hold_the_same(project: StoredProject, tmp_path: Path):
    result = propagate(project)
    phases, boundaries = propagated.write_tables(project, result, tmp_path / "tables")
    rows = [(row.video, row.phase) for row in read_phase_table(phases).rows]
    assert rows == [(clip, p) for clip, labels in result.clips.items() for p in labels.phases]
    assert not any(phase.is_placed for _, phase in rows)
    with boundaries.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(r["before"], r["after"], r["cut"]) for r in table[:4]] == [
        ("", "begin", "yes"), ("begin", "middle", ""), ("middle", "end", ""), ("end", "", "yes"),
    ]  # fmt: skip
    assert [row["frame"] for row in table[:3]] == [str(p.start) for _, p in rows[:3]]
    for row in table:
        assert float(row["time_low"]) <= float(row["time"]) <= float(row["time_high"])
        assert 0 < float(row["confidence"]) <= 1
    assert project.phases(propagated=True) == project.phases()


def test_frames_are_those_of_the_file(project: StoredProject):
    """clip1 is every other frame of its file, from frame 100 on."""
    pose, recipe = project.read_pose("clip1")
    project.write_pose("clip1", replace(pose, frame=100 + 2 * np.arange(len(pose))), recipe)
    phases = propagate(project, targets=["clip1"]).clips["clip1"].phases
    starts = [100 + 2 * row for row in true_starts(clip_phase(1))]
    assert [phase.start for phase in phases[1:]] == pytest.approx(starts, abs=2)
    assert (phases[0].start, phases[-1].end) == (100, 100 + 2 * len(pose) - 1)


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
    assert [row["votes"] for row in together.boundary_rows()] == [3] * 4


def test_a_clip_without_the_first_phase_does_not_get_it(project: StoredProject):
    """late shows the movement from 0.5 on; begin ends at 0.35."""
    add_sequence(project, "late", sequence(warped_phase(30, 9, 0.5, 1.0)))
    result = propagate(project, targets=["late"])
    assert names(result, "late") == ["middle", "end"]
    assert result.clips["late"].phases[0].start == 0
    (item,) = result.items
    assert (item.status, item.code, item.message) == ("degraded", "L001", "left out begin")
    rows = result.clips["late"].boundary_rows()
    assert [(row["after"], row["cut"]) for row in rows[:2]] == [("middle", True), ("end", False)]
    merged = merge(project, result)
    assert (merged.written, merged.withheld) == (["late"], [])
    assert [phase.name for phase in project.phases(propagated=True)["late"]] == ["middle", "end"]


def test_a_phase_missing_between_others_is_withheld(project: StoredProject):
    """The phase of clip0 that lasts a third of a frame is shorter than one in every other clip."""
    text = project.phases_path.read_text()
    first = true_starts(clip_phase(0))[0]
    wrong = text.replace(f"clip0,{first},", f"clip0,{first},{first + 1},blink\nclip0,{first + 1},")
    assert wrong != text
    write_text(project.phases_path, wrong)
    add_sequence(project, "quick", sequence(warped_phase(12, 9)))
    request = AlignRequest(project.config(), features="pose")
    result = propagate_labels(project, ["clip0"], ["quick"], request)
    (item,) = result.items
    assert (item.status, item.code) == ("skipped", "L004")
    assert "'blink' is missing" in item.message


def test_a_clip_does_not_vote_on_itself(tmp_path: Path):
    project = swings(tmp_path, labelled=3)
    result = propagate(project, ["labelled"], ["clip0", "clip6"])
    voters = {clip: len(labels.voters) for clip, labels in result.clips.items()}
    assert voters == {"clip0": 2, "clip6": 3}


def test_bad_clips_cost_themselves_only(project: StoredProject):
    project.pose_path("clip2").write_bytes(b"no poses")
    project.pose_path("clip3").unlink()
    result = propagate(project, targets=["all", "nobody.mp4"])
    status = {item.video or item.path: item.status for item in result.items}
    assert status == {
        **{f"clip{n}": "ok" for n in (1, 4, 5, 6)},
        **dict.fromkeys(["clip2", "clip3", "nobody.mp4"], "failed"),
    }
    assert list(result.clips) == ["clip1", "clip4", "clip5", "clip6"]


def test_a_clip_of_other_joints_or_without_any_is_reported(project: StoredProject):
    pose = sequence(clip_phase(1))
    add_sequence(project, "blind", without(pose))
    hand = np.zeros((len(pose), 21, 2))
    add_sequence(
        project, "hand", replace(pose, skeleton="hand21", xy=hand, score=np.ones(hand.shape[:2]))
    )
    items = {item.video: item for item in propagate(project).items}
    assert "no joint was seen" in items["blind"].message
    assert "hand21" in items["hand"].message
    assert {items["blind"].code, items["hand"].code} == {"L003"}
    assert items["clip1"].status == "ok"


def test_a_damaged_labelled_clip_leaves_the_vote_to_the_others(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    project.pose_path("clip0").write_bytes(b"no poses")
    result = propagate(project, ["labelled"])
    assert result.sources == ("clip1",)
    assert [item.video for item in result.items if item.status == "failed"] == ["clip0"]
    project.pose_path("clip1").write_bytes(b"no poses")
    with refused(ExitCode.UNREADABLE, "no labelled clip can be used"):
        propagate(project, ["labelled"])


@pytest.mark.parametrize(
    ("names", "rows", "message", "code"),
    [
        (["clip0"], [], "no clip of the project has phases set by a person", ExitCode.UNUSABLE),
        (["clip1"], ["clip0,0,9,a"], "'clip1' has no phases set by a person", ExitCode.MISMATCH),
        (["klip0"], ["clip0,0,9,a"], "there is no clip 'klip0'", ExitCode.UNREADABLE),
        (["clip0"], ["clip0,0,9,a", "clip0,5,12,b"], "overlap", ExitCode.MISMATCH),
        (["clip0"], ["clip0,9,2,a"], "must be before end", ExitCode.MISMATCH),
        (["clip0"], ["clip0,900,910,a"], "outside its frames", ExitCode.UNUSABLE),
    ],
)
def test_what_cannot_be_propagated(
    project: StoredProject, names, rows, message: str, code: ExitCode
):
    write_text(project.phases_path, "\n".join([HEADER, *rows]) + "\n")
    with refused(code, message):
        propagate(project, names)


def test_propagated_labels_are_no_source(project: StoredProject):
    write_text(project.phases_path, f"{HEADER},origin\nclip0,0,9,a,carried\n")
    with pytest.raises(UserError, match="propagated phases do not count"):
        propagate(project)


def test_no_project_is_a_folder_for_the_tables(project: StoredProject, tmp_path: Path):
    other = StoredProject.create(tmp_path / "other")
    for one in (project, other):
        one.phases_path.write_text("video,start,end,phase\nclip0,0,5,by hand\n")
        before = one.phases_path.read_text()
        for folder, why in ((one.root, "is a project"), (tmp_path, "labels set by people")):
            write_text(tmp_path / "phases.csv", before)
            with pytest.raises(UserError, match=why):
                propagated.checked_folder(project, folder)
        assert one.phases_path.read_text() == before


# --- into phases.csv ------------------------------------------------------------------------


def test_propagated_rows_are_marked_and_those_of_people_stay(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    by_hand = project.phases()
    result = propagate(project, ["labelled"], ["clip0", "clip1", "clip4"])
    for overwrite in (False, True):
        merged = merge(project, result, overwrite=overwrite)
        assert merged.kept == ["clip0", "clip1"]
        assert merged.written == ["clip4"]
        assert project.phases() == by_hand
        assert project.phases(propagated=True)["clip4"] == result.clips["clip4"].phases
        with project.phases_path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        origins = [(row["start_origin"], row["end_origin"]) for row in rows]
        carried = [("clip", "carried"), ("carried", "carried"), ("carried", "clip")]
        assert origins == [("person", "person")] * 6 + carried
        assert {row["origin_clips"] for row in rows[6:]} == {"clip0 clip1"}
        age = datetime.now(UTC) - datetime.fromisoformat(rows[6]["origin_time"])
        assert 0 <= age.total_seconds() < 600
        write_text(project.phases_path, "\n".join([HEADER, *by_hand_rows(by_hand)]) + "\n")


def by_hand_rows(phases: dict[str, list[Phase]]) -> list[str]:
    return [f"{clip},{p.start},{p.end},{p.name}" for clip, own in phases.items() for p in own]


def test_what_was_propagated_before_stays_without_overwrite(tmp_path: Path):
    project = swings(tmp_path, labelled=2)
    write_text(project.phases_path, project.phases_path.read_text().replace("clip1", "gone"))
    text = f"{HEADER},origin\nclip3,0,7,mine,carried\n"
    by_hand = "".join(f"{line},\n" for line in project.phases_path.read_text().splitlines()[1:])
    write_text(project.phases_path, text + by_hand)
    before = project.phases_path.read_bytes()
    result = propagate(project, targets=["clip3"])
    again = merge(project, result)
    assert (again.written, again.kept) == ([], ["clip3"])
    assert project.phases_path.read_bytes() == before

    merged = merge(project, result, overwrite=True)
    assert merged.written == ["clip3"]
    written = [phase.name for phase in project.phases(propagated=True)["clip3"]]
    assert written == ["begin", "middle", "end"]
    assert merged.backup is not None
    assert merged.backup.read_bytes() == before
    assert "gone" in project.phases_path.read_text()  # rows of no clip of the project stay


def test_one_phase_over_the_whole_clip_is_withheld(project: StoredProject):
    """clip0 has two phases, the second in its last two frames; early ends long before that."""
    write_text(project.phases_path, f"{HEADER}\nclip0,0,38,begin\nclip0,38,40,stop\n")
    add_sequence(project, "early", sequence(warped_phase(30, 9, 0.0, 0.6), fps=25.0))
    before = project.phases_path.read_bytes()
    result = propagate(project, targets=["early"])
    assert names(result, "early") == ["begin"]
    (item,) = result.items
    assert (item.status, item.code) == ("skipped", "L004")
    assert "one phase, 'begin', over the whole clip" in item.message
    merged = merge(project, result)
    assert (merged.withheld, merged.written) == (["early"], [])
    assert project.phases_path.read_bytes() == before


def test_a_labelled_clip_that_cannot_vote_on_a_clip_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, align_names = swings(tmp_path, labelled=2), ProjectAligner.align_names

    def failing(aligner: ProjectAligner, a: str, b: str) -> Alignment:
        if (a, b) == ("clip1", "clip3"):
            raise Unreadable("the poses of clip3 cannot be read")
        return align_names(aligner, a, b)

    monkeypatch.setattr(ProjectAligner, "align_names", failing)
    notes, request = Notes(), AlignRequest(project.config(), "default")
    result = propagate_labels(project, ["clip0", "clip1"], ["clip3", "clip4"], request, notes)
    assert result.clips.keys() == {"clip3", "clip4"}
    assert [line for line in notes.lines if "left out" in line] == [
        "clip1 is left out of the votes on clip3: the poses of clip3 cannot be read"
    ]


def test_boundaries_of_low_confidence_are_withheld(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    """The joints of one clip are noise, and nobody can say that it shows another movement."""
    monkeypatch.setattr(clip_features, "compare_descriptions", lambda a, b: None)
    pose = sequence(clip_phase(4))
    noise = np.random.default_rng(0).normal(0, 300, pose.xy.shape)
    add_sequence(project, "noise", replace(pose, xy=noise))
    result = propagate(project, targets=["noise", "clip2"])
    items = {item.video: item for item in result.items}
    assert "mean confidence of 0." in items["noise"].message
    assert items["noise"].status == "skipped"
    assert items["clip2"].status == "ok"
    assert merge(project, result).withheld == ["noise"]


def test_frames_have_the_numbers_of_the_files(project: StoredProject, tmp_path: Path):
    result = propagate(project)
    written = propagated.write_tables(project, result, tmp_path / "tables")
    phases, boundaries = (
        list(csv.DictReader(path.read_text("utf-8").splitlines())) for path in written
    )
    frame = result.to_frame()
    assert frame.attrs["units"] == {"start_time": "s", "end_time": "s"}
    assert len(frame) == len(phases) > 0
    for row, cells in zip(frame.to_dict("records"), phases, strict=True):
        for name in ("video", "start", "end", "phase", "start_origin", "end_origin"):
            assert str(row[name]) == cells[name]
        sure = f"{row['start_confidence']:.4f} {row['end_confidence']:.4f}"
        assert sure == cells["origin_confidence"]
    time = {clip: labels.pose.time for clip, labels in result.clips.items()}
    inner = frame[frame.start > 0]
    expected = [time[row.video][row.start] for row in inner.itertuples()]
    assert inner.start_time.to_numpy() == pytest.approx(np.array(expected), abs=0.05)
    ends = result.boundaries()
    assert list(ends.columns) == list(boundaries[0])
    assert ends.attrs["units"] == dict.fromkeys(("time", "time_low", "time_high"), "s")
    for row, cells in zip(ends.to_dict("records"), boundaries, strict=True):
        assert {name: str(value) for name, value in row.items() if name != "cut"} == {
            name: text for name, text in cells.items() if name != "cut"
        }
        assert row["cut"] == (cells["cut"] == "yes")


def test_no_phase_is_a_frame_without_rows(project: StoredProject):
    result = replace(propagate(project), clips={})
    assert len(result.to_frame()) == len(result.boundaries()) == 0
    assert "start_time" in result.to_frame()
