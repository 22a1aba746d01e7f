"""Videos that are renamed, moved or replaced while a project is used: which clip a file is then,
and what happens to the names that people wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats import wide_csv
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from la2ds_cli.poses import extract
from la2ds_cli.poses.extract import ExtractOptions
from tests.movement import sequence, warped_phase
from tests.poses.grey_people import CONFIG, DUET, film, walk
from tests.poses.test_extract import no_networks
from tests.told import Notes


def extracted(
    project: StoredProject, *paths: Path, config: PosesConfig = CONFIG, **options: Any
) -> tuple[list[str], list[str]]:
    """The status and id of each clip, and the notes."""
    told = Notes()
    results = extract.extract_poses(
        project, [str(p) for p in paths], config, ExtractOptions(**options), progress=told
    )
    return [f"{result.status} {result.video}" for result in results], told.lines


def rows(project: StoredProject) -> dict[str, tuple[str, str, str]]:
    """id -> file, group and options of each clip."""
    return {v.id: (Path(v.path).name, v.group, v.options) for v in project.videos()}


def test_a_renamed_video_is_the_clip_that_it_was(project: StoredProject, clips: Path, monkeypatch):
    anna = clips / "anna" / "clip.mp4"
    options = ClipOptions(start=0.2, rotate=180)
    extracted(project, anna, clip=options.to_json(), subject="1")
    (old,) = project.videos()
    project.mark_video(old.id, split="test", group="Anna")
    no_networks(monkeypatch)
    anna.rename(clips / "anna" / "first try.mp4")
    found, notes = extracted(project, clips / "anna")
    assert found == [f"cached {old.id}"]
    assert notes == [f"renamed or moved: {old.id} is now first try.mp4"]
    assert rows(project) == {old.id: ("first try.mp4", "Anna", options.to_text())}
    assert project.videos()[0].name == "first try.mp4"
    assert extracted(project, clips / "anna") == ([f"cached {old.id}"], [])


def test_the_parts_and_people_of_a_moved_video_stay_with_it(project: StoredProject, tmp_path: Path):
    path = tmp_path / "two.mp4"
    film(path, DUET)
    two = replace(CONFIG, subjects=2)
    for start in (0.0, 0.2):
        extracted(project, path, config=two, clip={"start": start})
    ids = [video.id for video in project.videos()]
    assert len(ids) == 4
    (tmp_path / "new").mkdir()
    path.rename(tmp_path / "new" / "2.mp4")
    found, notes = extracted(project, tmp_path / "new", config=two)
    assert sorted(found) == sorted(f"cached {name}" for name in ids)
    assert {file for file, *_ in rows(project).values()} == {"2.mp4"}
    assert len(notes) == 1
    # Another part of the renamed file has an id of the same file.
    (third,), _ = extracted(project, tmp_path / "new", config=CONFIG, clip={"start": 0.4})
    assert third == f"ok {ids[0]}-t0.4-"


PHASES = "video,start,end,phase,by\nclip,0,8,up,me\nclip.mp4,8,12,down,\n{ben},0,5,up,\n"


def test_names_in_tables_follow_a_renamed_video(project: StoredProject, clips: Path, monkeypatch):
    anna, ben = clips / "anna" / "clip.mp4", clips / "ben" / "clip.mp4"
    ben = ben.rename(clips / "ben.mp4")
    extracted(project, anna, ben)
    project.phases_path.write_text(PHASES.format(ben="ben"))
    phases = project.phases()
    anna.rename(clips / "ben" / "ben.mp4")  # the second of this name
    no_networks(monkeypatch)
    found, _ = extracted(project, clips)
    assert {text.partition(" ")[0] for text in found} == {"cached"}
    assert project.phases() == phases
    a, b = (video.id for video in project.videos())
    assert project.phases_path.read_text() == PHASES.replace("clip.mp4", "clip").replace(
        "clip", a
    ).format(ben=b)
    assert list(project.results_dir("phases").glob("before-*.csv"))


def test_a_replaced_video_leaves_the_labels_to_the_clip_that_they_were_set_for(
    project: StoredProject, clips: Path
):
    anna = clips / "anna" / "clip.mp4"
    extracted(project, anna)
    project.phases_path.write_text("video,start,end,phase\nclip,0,8,up\nother,0,8,up\n")
    phases = project.phases()
    film(anna, walk(15, start=70))
    (old,) = project.videos()
    found, notes = extracted(project, anna)
    assert found != [f"ok {old.id}"]
    assert notes == [f"replaced by another file: {old.id} (la2ds remove takes a clip out)"]
    assert project.phases() == phases
    assert "other,0" in project.phases_path.read_text()
    assert extracted(project, anna)[1] == []


def test_two_files_that_exchange_their_names(project: StoredProject, clips: Path, monkeypatch):
    anna, ben = clips / "anna" / "clip.mp4", clips / "ben" / "clip.mp4"
    extracted(project, anna, clip={"rotate": 180})
    extracted(project, ben)
    before = rows(project)
    project.phases_path.write_text("video,start,end,phase\n" + f"{next(iter(before))},0,8,up\n")
    anna.rename(clips / "aside")
    ben.rename(anna)
    (clips / "aside").rename(ben)
    no_networks(monkeypatch)
    found, _ = extracted(project, clips)
    assert sorted(found) == sorted(f"cached {name}" for name in before)
    assert rows(project) == before
    assert {v.id: project.source(v) for v in project.videos()} == dict(
        zip(before, (ben, anna), strict=True)
    )


def test_imported_poses_follow_their_renamed_video(project: StoredProject, tmp_path: Path):
    film(tmp_path / "a.mp4", walk(20))
    table = tmp_path / "a.csv"
    wide_csv.write_clip(sequence(warped_phase(20, seed=1)), "a", table)
    import_poses(project, "wide-csv", table, ImportOptions(video=tmp_path / "a.mp4"))
    (old,) = project.videos()
    (tmp_path / "a.mp4").rename(tmp_path / "b.mp4")
    assert extracted(project, tmp_path / "b.mp4")[0] == [f"cached {old.id}"]
    assert rows(project) == {old.id: ("b.mp4", "", "")}
    (tmp_path / "b.mp4").rename(tmp_path / "c.mp4")
    import_poses(project, "wide-csv", table, ImportOptions(video=tmp_path / "c.mp4"))
    assert rows(project) == {old.id: ("c.mp4", "", "")}
