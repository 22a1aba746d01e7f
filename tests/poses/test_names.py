"""Every way to name a clip, in every place of a project: the right clip, or a documented error."""

from __future__ import annotations

import itertools
import os
import shlex
import unicodedata
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from la2ds_cli.core.artifact import Recipe, file_digest
from la2ds_cli.core.clip import Video, id_within, video_id
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.video_list import VideoList
from la2ds_cli.health.status import project_status
from la2ds_cli.network.embed import embed
from la2ds_cli.poses.current import find_clip
from tests.movement import sequence, warped_phase
from tests.processes import invoke
from tests.told import refused

STEM = "anña é"
Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")
PLACES = ("beside the films", "elsewhere", "moved")
# What the project has of the films called STEM: folder -> (part, person) of each clip.
ALL = ("", 1)
CASES = {
    "one film": {"gym": [ALL]},
    "two of a name": {"gym": [ALL], "home": [ALL]},
    "a film and its parts": {"gym": [ALL, ("0-1.5", 1), ("1.5-", 1)]},
    "parts alone": {"gym": [("0-1.5", 1), ("1.5-", 1)]},
    "one part": {"gym": [("0.5-1.5", 1)]},
    "two people": {"gym": [ALL, ("", 2)]},
    "second person alone": {"gym": [("", 2)]},
    "two people in parts": {"gym": [ALL, ("", 2), ("0-1.5", 1), ("0-1.5", 2)]},
}
WAYS = ("id", "start", "absolute", "relative", "name", "stem", "folder and name", "link")
AMBIGUOUS = "ambiguous"


@dataclass
class World:
    """Films, and a project that lists them. clips: by folder, part and person."""

    top: Path
    project: StoredProject
    clips: dict[tuple[str, str, int], Video]
    files: dict[str, Path]


def build(top: Path, case: str, place: str, stored: Form) -> World:
    top = top.resolve()
    first = top / "before" if place == "moved" else top / "now"
    root = "films" if place == "beside the films" else "project"
    clips: dict[tuple[str, str, int], Video] = {}
    project = StoredProject.create(first / root)
    for folder, kept in CASES[case].items():
        path = first / "films" / folder / (unicodedata.normalize(stored, STEM) + ".mp4")
        path.parent.mkdir(parents=True)
        path.write_bytes(f"the film of {folder}".encode())
        digest = file_digest(path)
        for part, person in kept:
            start, _, end = part.partition("-")
            options = f"start={start}" * (start not in ("", "0"))
            options += f" end={end}" if end else ""
            clips[folder, part, person] = Video(
                id_within(video_id(path, digest), part, person),
                project.path_cell(path), digest, 30, 10.0, person=person, options=options.strip(),
            )  # fmt: skip
    project.add_videos(clips.values())
    if place == "moved":
        first.rename(top / "now")
        project = StoredProject.open(top / "now" / root)
    films = top / "now" / "films"
    files = {folder: next((films / folder).iterdir()) for folder in CASES[case]}
    (top / "link").symlink_to(files["gym"])
    return World(top, project, clips, files)


def typed(world: World, way: str, keys: tuple[str, int], here: Path) -> str:
    """The name of a clip of gym."""
    file, video = world.files["gym"], world.clips["gym", *keys]
    part, person = keys
    suffix = (f"#{part}" if part else "") + (f"#{person}" if person > 1 else "")
    return {
        "id": video.id,
        "start": world.clips.get(("gym", "", 1), video).id[:-1] + suffix
        if ("gym", "", 1) in world.clips else video.id[:-1],
        "absolute": f"{file}{suffix}",
        "relative": os.path.relpath(file, here) + suffix,
        "name": file.name + suffix,
        "stem": file.stem + suffix,
        "folder and name": f"gym/{file.name}{suffix}",
        "link": str(world.top / "link") + suffix,
    }[way]  # fmt: skip


def found(world: World, name: str) -> str:
    try:
        video, _ = find_clip(world.project, name)
    except UserError as error:
        documented = error.exit_code == ExitCode.MISMATCH and error.hint.startswith("name one: ")
        return AMBIGUOUS if documented else error.message
    return video.id if video else ""


@given(
    *map(st.sampled_from, (list(CASES), PLACES, FORMS, FORMS, WAYS)),
    st.sampled_from(("gym", "home", "project", "top")),
    st.integers(0, 3),
)
@example("one film", "elsewhere", "NFD", "NFC", "name", "top", 0)
@example("one film", "elsewhere", "NFC", "NFD", "relative", "top", 0)
@example("one film", "moved", "NFD", "NFC", "stem", "top", 0)
@example("a film and its parts", "elsewhere", "NFC", "NFC", "name", "top", 0)
@example("a film and its parts", "moved", "NFC", "NFC", "absolute", "top", 2)
@example("two of a name", "beside the films", "NFC", "NFC", "name", "gym", 0)
@example("two people in parts", "elsewhere", "NFD", "NFC", "name", "top", 3)
def test_every_name_of_a_clip_means_that_clip(
    case: str, place: str, stored: Form, form: Form, way: str, here: str, which: int
) -> None:
    with TemporaryDirectory() as folder:
        world = build(Path(folder), case, place, stored)
        places = {"top": world.top, "project": world.project.root}
        where = places.get(here) or world.top / "now" / "films" / here
        keys = CASES[case]["gym"][which % len(CASES[case]["gym"])]
        if not where.is_dir():
            where = world.top
        name = unicodedata.normalize(form, typed(world, way, keys, where))
        with chdir(where):
            expected = world.clips["gym", *keys].id
            if case == "two of a name" and way in ("name", "stem"):
                standing = where.name if where.name in world.files else ""
                # The recorded folder of a moved film is not where one stands; its file decides.
                if not standing or (way == "stem" and place == "moved" and "project" != "films"):
                    expected = AMBIGUOUS
                else:
                    expected = world.clips[standing, "", 1].id
            assert found(world, name) == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", CASES)
def test_the_name_that_an_error_gives_finds_its_clip(
    tmp_path: Path, monkeypatch, case: str, place: str, form: Form
) -> None:
    world = build(tmp_path, case, place, form)
    monkeypatch.chdir(world.top)
    listed = world.project.video_list()
    names = [listed.name_of(video) for video in listed.videos]
    assert len(set(names)) == len(names)
    for video, name in zip(listed.videos, names, strict=True):
        assert listed.find(name) == video
        assert found(world, name) == video.id
        assert name.startswith(Path(video.path).name) or case == "two of a name"


# What is kept of a film (part, person) -> the clip that its bare name means.
KEPT = [
    ([("", 2)], ("", 2)),
    ([("0-1.5", 2)], ("0-1.5", 2)),
    ([("", 2), ("0-1.5", 2)], ("", 2)),
    ([("", 1), ("", 2)], ("", 1)),
    ([("0-1.5", 1), ("", 2)], ("0-1.5", 1)),  # as in tables: the first person of the film
    ([("", 2), ("", 3)], None),
    ([("0-1.5", 2), ("1.5-", 2)], None),
]


@pytest.mark.parametrize(("kept", "meant"), KEPT)
@pytest.mark.parametrize("way", ["absolute", "relative", "name", "stem", "folder and name", "link"])
def test_a_bare_name_means_the_first_person_of_a_film_or_else_the_only_one(
    tmp_path: Path, monkeypatch, kept: list[tuple[str, int]], meant: tuple[str, int] | None,
    way: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(CASES, "kept", {"gym": kept})
    world = build(tmp_path, "kept", "elsewhere", "NFC")
    monkeypatch.chdir(world.top)
    world.clips["gym", "", 1] = world.clips["gym", *(meant or kept[0])]  # `typed` needs a clip
    name = typed(world, way, ("", 1), world.top)
    expected = world.clips["gym", *meant].id if meant else AMBIGUOUS
    assert found(world, name) == expected
    if way in ("name", "stem", "folder and name"):  # in a table it is the same person, in all parts
        people = {person for _, person in kept}
        if meant is None and len(people) > 1:
            with refused(ExitCode.MISMATCH, "fits 2 videos"):
                world.project.video_list().file_of(name)
        else:
            person = meant[1] if meant else people.pop()
            file = world.project.video_list().file_of(name)
            assert file is not None
            assert file[1] == str(person)


def test_a_named_part_means_the_only_person_whom_it_shows(tmp_path: Path, monkeypatch) -> None:
    kept = [("", 1), ("0-1.5", 2), ("1.5-", 1), ("1.5-", 2)]
    monkeypatch.setitem(CASES, "kept", {"gym": kept})
    world = build(tmp_path, "kept", "elsewhere", "NFC")
    file = str(world.files["gym"])
    assert found(world, f"{file}#0-1.5") == world.clips["gym", "0-1.5", 2].id
    assert found(world, f"{STEM}#0-1.5") == world.clips["gym", "0-1.5", 2].id
    assert found(world, f"{STEM}#1.5-") == world.clips["gym", "1.5-", 1].id
    assert found(world, f"{STEM}#0-1.5#1") == ""


def test_the_id_of_a_person_who_is_not_kept_is_nobody_elses(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(CASES, "kept", {"gym": [("", 2), ("0-1.5", 2)]})
    world = build(tmp_path, "kept", "elsewhere", "NFC")
    monkeypatch.chdir(world.top)
    first, listed = world.clips["gym", "", 2].shared_id, world.project.video_list()
    for name in (first, f"{first}-t0-1.5"):
        assert (found(world, name), listed.find(name), listed.file_of(name)) == ("", None, None)
    assert found(world, first[:-1]) == world.clips["gym", "", 2].id


def test_a_label_stays_with_its_person_when_another_is_kept_alone(tmp_path: Path) -> None:
    """And a label set while one person was alone stays theirs when the first comes back."""
    world = build(tmp_path, "two people", "elsewhere", "NFC")
    one, two = (world.clips["gym", "", person].id for person in (1, 2))
    project, name = world.project, f"{STEM}.mp4"
    label(project, f"{name}=first")
    project.add_videos([], [one])
    rows = project.phases_path.read_text()
    project.phases_path.write_text(f"{rows}{name},9,12,second\n")
    assert labelled(project) == {two: ["second"]}
    project.add_videos([world.clips["gym", "", 1]])
    assert labelled(project) == {one: ["first"], two: ["second"]}


@pytest.mark.parametrize("name", [f"{STEM}.mp4", STEM, f"gym/{STEM}.mp4"])
def test_of_a_film_that_is_there_in_parts_alone_the_parts_are_named(
    tmp_path: Path, monkeypatch, name: str
) -> None:
    world = build(tmp_path, "parts alone", "elsewhere", "NFC")
    monkeypatch.chdir(world.top / "now" / "films")
    with pytest.raises(UserError, match=r"no clip of all of .*, only 2 parts") as caught:
        find_clip(world.project, name)
    assert caught.value.exit_code == ExitCode.MISMATCH
    whole = f"la2ds extract-poses {shlex.quote(str(world.files['gym']))} --time-range 0:"
    assert caught.value.hint.endswith(f"; or make one: {whole}")
    for key in ("#0-1.5", "#1.5-"):
        assert f"{STEM}.mp4{key} (3.0 s)" in caught.value.hint
        assert found(world, name + key) == world.clips["gym", key[1:], 1].id
    # A title rounds the seconds of a part.
    rows = [replace(row, options=row.options.replace("1.5", "1.4975")) for row in
            world.clips.values()]  # fmt: skip
    assert VideoList(world.top, rows).find(f"{STEM}#1.50-") == rows[1]


def test_candidates_are_named_with_what_tells_them_apart(tmp_path: Path, monkeypatch) -> None:
    world = build(tmp_path, "two of a name", "elsewhere", "NFC")
    monkeypatch.chdir(world.top)
    world.project.mark_video(world.clips["home", "", 1].id, split="", group="Anna")
    with pytest.raises(UserError, match="fits 2 videos") as caught:
        find_clip(world.project, STEM)
    assert caught.value.hint == (
        f"name one: gym/{STEM}.mp4 (3.0 s); home/{STEM}.mp4 (3.0 s, group Anna)"
    )


def test_a_name_in_other_case_is_the_file_that_the_system_says(tmp_path: Path, monkeypatch) -> None:
    """A second link to a file stands for a file system that does not tell capitals apart."""
    world = build(tmp_path, "one film", "elsewhere", "NFC")
    monkeypatch.chdir(world.files["gym"].parent)
    video = world.clips["gym", "", 1]
    shouted = f"{STEM}.mp4".upper()
    assert found(world, shouted) == ""
    assert world.project.find(shouted) is None
    Path(shouted).write_bytes(b"another film")
    assert found(world, shouted) == ""
    Path(shouted).unlink()
    os.link(world.files["gym"], shouted)
    assert found(world, shouted) == video.id
    assert find_clip(world.project, shouted)[1] == Path(shouted)  # by its path, not its content


def test_an_unknown_file_of_the_current_folder_is_no_clip_of_another(
    tmp_path: Path, monkeypatch
) -> None:
    """As `la2ds remove a.mp4` where another a.mp4 lies: that of the project must stay."""
    world = build(tmp_path, "one film", "elsewhere", "NFC")
    other = world.top / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    Path(f"{STEM}.mp4").write_bytes(b"another film")
    assert found(world, f"{STEM}.mp4") == ""
    result = invoke("remove", f"{STEM}.mp4", "--project", world.project.root, code=3)
    assert "no clip of the file" in result.stderr
    assert f"gym/{STEM}.mp4" in result.stderr
    assert len(world.project.videos()) == 1
    assert found(world, f"../now/films/gym/{STEM}.mp4") == world.clips["gym", "", 1].id


# --- names in tables ------------------------------------------------------------------------------


def labelled(project: StoredProject) -> dict[str, list[str]]:
    return {clip: [phase.name for phase in found] for clip, found in project.phases().items()}


def label(project: StoredProject, *rows: str) -> None:
    text = "".join(f"{name},0,9,{phase}\n" for name, phase in (row.split("=") for row in rows))
    project.phases_path.write_text("video,start,end,phase\n" + text)


@pytest.mark.parametrize(("stored", "written"), itertools.permutations(FORMS, 2))
def test_a_label_finds_its_film_in_either_spelling(tmp_path: Path, stored: Form, written: Form):
    world = build(tmp_path, "one film", "elsewhere", stored)
    for name in (f"{STEM}.mp4", STEM, f"gym/{STEM}.mp4"):
        label(world.project, unicodedata.normalize(written, name) + "=up")
        assert labelled(world.project) == {world.clips["gym", "", 1].id: ["up"]}


def test_a_label_means_the_same_in_every_folder(tmp_path: Path, monkeypatch) -> None:
    world = build(tmp_path, "two of a name", "beside the films", "NFC")
    label(world.project, f"gym/{STEM}.mp4=up", f"home/{STEM}.mp4=down")
    expected = {world.clips["gym", "", 1].id: ["up"], world.clips["home", "", 1].id: ["down"]}
    inner = world.files["home"].parent
    (inner / "gym").mkdir()
    (inner / "gym" / f"{STEM}.mp4").symlink_to(world.files["home"])
    for folder in (world.top, world.project.root, inner):
        monkeypatch.chdir(folder)
        assert labelled(StoredProject.open(world.project.root)) == expected


@given(st.permutations(["add", "add", "remove", "rename", "mark"]), st.sampled_from(FORMS))
@example(["add", "mark", "remove", "rename", "add"], "NFC")
def test_a_label_stays_with_its_film_whatever_joins_or_leaves(steps: list[str], form: Form):
    """A bare name that would mean another film, or several, becomes the id that it meant."""
    with TemporaryDirectory() as folder:
        world = build(Path(folder), "two people", "elsewhere", form)
        project, (first, second) = world.project, world.clips.values()
        label(project, f"{STEM}.mp4=up", f"{STEM}#2=down", "unknown=rest")
        project.mark_video(first.id, split="test", group="Anna")
        expected = {first.id: ["up"], second.id: ["down"]}
        for number, step in enumerate(steps):
            path = f"/films/{number}/{unicodedata.normalize(form, STEM)}.mp4"
            if step == "add":
                project.add_videos([Video(f"x-{number:08x}", path, str(number))])
            elif step == "remove":
                project.add_videos([], [first.id])
                assert labelled(project) == {second.id: ["down"]}
                project.add_videos([first])
            elif step == "rename":
                rows = [video for video in project.videos() if video.id == first.id]
                project.add_videos([replace(rows[0], path="/new/name.mp4")])
            else:
                project.mark_video(second.id, split="", group="Ben")
            assert labelled(project) == expected
        kept = {video.id: (video.group, video.split) for video in project.videos()}
        assert kept[first.id] == ("Anna", "test")
        assert kept[second.id] == ("Ben", "")
        assert "unknown,0,9,rest" in project.phases_path.read_text()


def test_labels_of_a_removed_film_do_not_go_to_another_of_its_name(tmp_path: Path) -> None:
    world = build(tmp_path, "one film", "elsewhere", "NFC")
    (video,) = world.clips.values()
    label(world.project, f"{STEM}.mp4=up")
    world.project.add_videos([], [video.id])
    world.project.add_videos([Video("x-00000001", f"/other/{STEM}.mp4", "1")])
    assert labelled(world.project) == {}
    world.project.add_videos([video])
    assert labelled(world.project) == {video.id: ["up"]}


@pytest.fixture
def unclear(tmp_path: Path) -> StoredProject:
    """A label written by hand that fits two films, and one that fits one."""
    world = build(tmp_path, "two of a name", "elsewhere", "NFC")
    for video in world.clips.values():
        pose = sequence(warped_phase(30, 1), fps=10.0)
        world.project.write_pose(video.id, pose, Recipe("import", 1, {}, {}))
    label(world.project, f"{STEM}=up", f"gym/{STEM}.mp4=down")
    for file in world.files.values():
        file.unlink()  # the figure would show its frames
    return world.project


def test_status_names_an_ambiguous_label_and_does_not_end(
    unclear: StoredProject, monkeypatch
) -> None:
    state = project_status(unclear, unclear.config())
    assert state.labelled == 1
    assert [f"'{STEM}' fits 2 videos" in line for line in state.unclear_labels] == [True]
    result = invoke("status", "--project", unclear.root)
    assert f"phases.csv: '{STEM}' fits 2 videos of the project" in result.stdout
    assert f"gym/{STEM}.mp4" in result.stdout


def test_an_ambiguous_label_ends_what_needs_labels_but_no_alignment(unclear: StoredProject) -> None:
    with pytest.raises(UserError, match="fits 2 videos") as caught:
        unclear.phases()
    assert caught.value.exit_code == ExitCode.MISMATCH
    gym, home = (f"{folder}/{STEM}.mp4" for folder in ("gym", "home"))
    out = unclear.root / "ab.png"
    invoke("align", gym, home, "--project", unclear.root, "--out", out)
    assert out.exists()


def test_embedding_clips_without_poses_says_which(tmp_path: Path) -> None:
    world = build(tmp_path, "two of a name", "elsewhere", "NFC")
    gym, home = (video.id for video in world.clips.values())
    pose = sequence(warped_phase(30, 1), fps=10.0)
    world.project.write_pose(gym, pose, Recipe("import", 1, {}, {}))
    with pytest.raises(UserError, match=f"no poses of {home} to embed") as caught:
        embed(world.project, videos=[home])
    assert caught.value.exit_code == ExitCode.UNUSABLE
