"""The pictures of a clip that the studio's players show: those of its frames, and bounded."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.studio import film
from la2ds_cli.studio.film import Films
from la2ds_cli.video.reader import write_video
from tests.movement import sequence, warped_phase
from tests.studio.browsing import asked
from tests.views.report.conftest import FIRST, SHADE, add_filmed, shaded_video

COUNT = 37


def pictures(content: bytes) -> list[Image.Image | None]:
    count = struct.unpack_from("<I", content)[0]
    sizes = struct.unpack_from(f"<{count}I", content, 4)
    at = 4 * (count + 1)
    found: list[Image.Image | None] = []
    for size in sizes:
        found.append(Image.open(io.BytesIO(content[at : at + size])) if size else None)
        at += size
    assert at == len(content)
    return found


def frame_of(picture: Image.Image | None) -> int | None:
    """Which frame a picture of shaded_video is."""
    if picture is None:
        return None
    return round((float(np.asarray(picture.convert("L")).mean()) - FIRST) / SHADE)


@pytest.fixture
def clip(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    path = shaded_video(tmp_path / "a.mp4", COUNT)
    add_filmed(project, path, sequence(warped_phase(COUNT, 1)))
    return project


def facts(films: Films, name: str = "a") -> dict:
    video = films.project.find(name)
    assert video is not None
    found = films.facts(video, films.project.read_pose(video.id)[0].frame)
    assert found is not None
    return found


def all_frames(films: Films, name: str = "a") -> list[int | None]:
    said = facts(films, name)
    key = said["address"].rsplit("/", 1)[1]
    chunks = -(-said["count"] // said["chunk"])
    return [frame_of(p) for n in range(chunks) for p in pictures(films.chunk(name, key, n))]


def test_each_row_has_the_picture_of_its_frame(clip: Project) -> None:
    films = Films(clip)
    assert all_frames(films) == list(range(COUNT))
    size = pictures(films.chunk("a", facts(films)["address"].rsplit("/", 1)[1], 0))[0]
    assert size is not None
    assert size.size == (320, 240)


def test_pictures_do_not_go_through_a_link_out_of_the_project(
    clip: Project, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = clip.film_dir("a") / facts(Films(clip))["address"].rsplit("/", 1)[1]
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    with pytest.raises(UserError, match="outside the project"):
        facts(Films(Project.open(clip.root)))
    assert not list(outside.iterdir())


def test_options_of_the_clip_hold(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    half = np.zeros((90, 160, 3), np.uint8)
    half[:, 80:] = 255
    path = tmp_path / "a.mp4"
    write_video(path, (half for _ in range(8)), 20.0)
    name = add_filmed(project, path, sequence(warped_phase(8, 1)))
    row = project.find(name)
    assert row is not None
    project.add_videos([replace(row, options="mirror=true")])
    films = Films(project)
    shown = pictures(films.chunk("a", facts(films)["address"].rsplit("/", 1)[1], 0))[0]
    assert shown is not None
    bright = np.asarray(shown.convert("L"))
    assert bright[:, :70].mean() > 240
    assert bright[:, 90:].mean() < 15


def test_frames_that_the_file_no_longer_holds_are_empty(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    add_filmed(project, shaded_video(tmp_path / "a.mp4", 20), sequence(warped_phase(24, 1)))
    assert all_frames(Films(project)) == [*range(20), None, None, None, None]


def test_another_cut_of_a_clip_has_another_address_and_the_old_pictures_go(clip: Project) -> None:
    films = Films(clip)
    old = facts(films)["address"].rsplit("/", 1)[1]
    films.chunk("a", old, 0)
    pose, recipe = clip.read_pose("a")
    part = slice(5, 30)
    clip.write_pose(
        "a",
        replace(
            pose,
            **{name: getattr(pose, name)[part] for name in ("xy", "score", "box", "frame", "time")},
        ),
        recipe,
    )
    assert all_frames(films) == list(range(5, 30))
    assert [path.name for path in clip.film_dir("a").iterdir()] != [old]
    with pytest.raises(UserError, match="no such picture"):
        films.chunk("a", old, 0)


def test_the_folder_is_bounded(clip: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "CHUNK", 4)

    def size() -> int:
        return sum(path.stat().st_size for path in clip.film_dir().rglob("*.film"))

    all_frames(Films(clip))
    whole = size()
    key = facts(Films(clip))["address"].rsplit("/", 1)[1]
    (clip.film_dir("a") / key / "9.film").unlink()
    small = Films(clip, budget=whole // 2)
    assert all_frames(small) == list(range(COUNT))  # whatever is swept meanwhile
    assert size() < 0.75 * whole


def test_pictures_that_are_swept_while_they_are_passed_over_are_not_replaced_by_empty_ones(
    clip: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "CHUNK", 4)
    all_frames(Films(clip))
    key = facts(Films(clip))["address"].rsplit("/", 1)[1]
    folder = clip.film_dir("a") / key
    (folder / "9.film").unlink()
    frames = film.VideoFile.frames

    def swept(self: film.VideoFile) -> Iterator[Any]:
        for frame in frames(self):
            if frame.source == 5:  # in the middle of chunk 1, which is not decoded again
                (folder / "1.film").unlink()
            yield frame

    monkeypatch.setattr(film.VideoFile, "frames", swept)
    films = Films(clip)
    films.chunk("a", key, 9)
    monkeypatch.setattr(film.VideoFile, "frames", frames)
    assert all_frames(films) == list(range(COUNT))


def test_films_that_are_played_at_once_keep_their_videos_open(
    clip: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As many as OPEN: of others the video is decoded from its beginning again."""
    for name in ("b", "c"):
        path = shaded_video(tmp_path / f"{name}.mp4", COUNT)
        add_filmed(clip, path, sequence(warped_phase(COUNT, 1)))
    monkeypatch.setattr(film, "CHUNK", 2)
    monkeypatch.setattr(film, "OPEN", 2)
    begun, frames = [], film.VideoFile.frames

    def counted(self: film.VideoFile) -> Iterator[Any]:
        begun.append(self.path.stem)
        return frames(self)

    monkeypatch.setattr(film.VideoFile, "frames", counted)
    films = Films(clip)
    keys = {name: facts(films, name)["address"].rsplit("/", 1)[1] for name in "abc"}
    for name, number in (("a", 0), ("b", 3), ("a", 1), ("b", 4), ("c", 0), ("b", 5), ("a", 2)):
        (first, _) = pictures(films.chunk(name, keys[name], number))
        assert frame_of(first) == 2 * number
    assert begun == ["a", "b", "c", "a"]


def test_the_route_gives_the_chunk_and_nothing_else(clip: Project) -> None:
    with asked(clip) as client:
        address = facts(client.app.state.studio.films)["address"]  # type: ignore[attr-defined]
        answer = client.get(f"{address}/1")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert [frame_of(p) for p in pictures(answer.content)] == list(range(16, 32))
        for wrong in (f"{address}/99", "/film/a/other/0", "/film/b/x/0", "/film/..%2f..%2fa/x/0"):
            assert client.get(wrong).status_code == 404, wrong
