"""The pictures of a clip that the studio's players show: those of its frames, and bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio import film
from la2ds_cli.studio.film import Films, unpacked
from la2ds_cli.video.reader import write_video
from tests.movement import sequence, warped_phase
from tests.studio.browsing import asked
from tests.views.report.conftest import FIRST, SHADE, add_filmed, shaded_video

COUNT = 37


@pytest.fixture
def clip(tmp_path: Path) -> StoredProject:
    project = StoredProject.create(tmp_path / "project")
    path = shaded_video(tmp_path / "a.mp4", COUNT)
    add_filmed(project, path, sequence(warped_phase(COUNT, 1)))
    return project


def facts(films: Films, name: str = "a") -> dict[str, Any]:
    video = films.project.clip(name)
    found = films.facts(video, films.project.read_pose(video.id)[0].frame)
    assert found is not None
    return found


def key_of(films: Films, name: str = "a") -> str:
    return facts(films, name)["address"].rsplit("/", 1)[1]


def grey(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L"))


def frames(content: bytes) -> list[int | None]:
    """Which frames of shaded_video a chunk has; None: an empty picture."""
    pictures = unpacked(content)
    return [round((grey(one).mean() - FIRST) / SHADE) if one else None for one in pictures]


def all_frames(films: Films) -> list[int | None]:
    said = facts(films)
    chunks = range(-(-said["count"] // said["chunk"]))
    return [one for n in chunks for one in frames(films.chunk("a", key_of(films), n))]


def test_each_row_has_the_picture_of_its_frame(clip: StoredProject) -> None:
    films = Films(clip)
    assert all_frames(films) == list(range(COUNT))
    assert grey(unpacked(films.chunk("a", key_of(films), 0))[0]).shape == (240, 320)


def test_pictures_do_not_go_through_a_link_out_of_the_project(
    clip: StoredProject, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = clip.film_dir("a") / key_of(Films(clip))
    folder.parent.mkdir(parents=True)
    folder.symlink_to(outside)
    with pytest.raises(UserError, match="outside the project"):
        facts(Films(StoredProject.open(clip.root)))
    assert not list(outside.iterdir())


def test_options_of_the_clip_hold(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    half = np.zeros((90, 160, 3), np.uint8)
    half[:, 80:] = 255
    path = tmp_path / "a.mp4"
    write_video(path, (half for _ in range(8)), 20.0)
    name = add_filmed(project, path, sequence(warped_phase(8, 1)))
    project.add_videos([replace(project.clip(name), options="mirror=true")])
    films = Films(project)
    bright = grey(unpacked(films.chunk("a", key_of(films), 0))[0])
    assert bright[:, :70].mean() > 240
    assert bright[:, 90:].mean() < 15


def test_frames_that_the_file_no_longer_holds_are_empty(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    add_filmed(project, shaded_video(tmp_path / "a.mp4", 20), sequence(warped_phase(24, 1)))
    assert all_frames(Films(project)) == [*range(20), None, None, None, None]


def test_another_cut_of_a_clip_has_another_address_and_the_old_pictures_go(
    clip: StoredProject,
) -> None:
    films = Films(clip)
    old = key_of(films)
    films.chunk("a", old, 0)
    pose, recipe = clip.read_pose("a")
    clip.write_pose("a", pose.cut(5, 30), recipe)
    assert all_frames(films) == list(range(5, 30))
    assert [path.name for path in clip.film_dir("a").iterdir()] != [old]
    with pytest.raises(UserError, match="this picture no longer exists"):
        films.chunk("a", old, 0)


def test_a_film_that_is_replaced_while_it_is_read_keeps_no_picture(
    clip: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures of another film would be shown beside these joints for ever."""
    whole, path = film.VideoFile.frames, tmp_path / "a.mp4"
    shaded_video(tmp_path / "other.mp4", COUNT - 5)

    def replaced(self: film.VideoFile) -> Iterator[Any]:
        (tmp_path / "other.mp4").replace(path)
        yield from whole(self)

    films = Films(clip)
    key = key_of(films)
    monkeypatch.setattr(film.VideoFile, "frames", replaced)
    with pytest.raises(UserError, match="changed while it was read"):
        films.chunk("a", key, 0)
    assert not list(clip.film_dir("a").rglob("*.film"))


def test_the_folder_is_bounded_and_what_is_swept_is_made_again(
    clip: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "CHUNK", 4)
    all_frames(Films(clip))
    folder = clip.film_dir("a") / key_of(Films(clip))
    size = lambda: sum(path.stat().st_size for path in folder.iterdir())  # noqa: E731
    whole = size()
    (folder / "9.film").unlink()
    assert all_frames(Films(clip, budget=whole // 2)) == list(range(COUNT))
    assert size() < 0.75 * whole

    all_frames(Films(clip))
    (folder / "9.film").unlink()
    made = film.VideoFile.frames

    def swept(self: film.VideoFile) -> Iterator[Any]:
        for frame in made(self):
            if frame.source == 5:  # in the middle of chunk 1, which is not decoded again
                (folder / "1.film").unlink()
            yield frame

    monkeypatch.setattr(film.VideoFile, "frames", swept)
    Films(clip).chunk("a", folder.name, 9)
    monkeypatch.setattr(film.VideoFile, "frames", made)
    assert all_frames(Films(clip)) == list(range(COUNT))


def test_films_that_are_played_at_once_keep_their_videos_open(
    clip: StoredProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As many as OPEN: of others the video is decoded from its beginning again."""
    for name in ("b", "c"):
        path = shaded_video(tmp_path / f"{name}.mp4", COUNT)
        add_filmed(clip, path, sequence(warped_phase(COUNT, 1)))
    monkeypatch.setattr(film, "CHUNK", 2)
    monkeypatch.setattr(film, "OPEN", 2)
    begun, made = [], film.VideoFile.frames

    def counted(self: film.VideoFile) -> Iterator[Any]:
        begun.append(self.path.stem)
        return made(self)

    monkeypatch.setattr(film.VideoFile, "frames", counted)
    films = Films(clip)
    for name, number in (("a", 0), ("b", 3), ("a", 1), ("b", 4), ("c", 0), ("b", 5), ("a", 2)):
        assert frames(films.chunk(name, key_of(films, name), number))[0] == 2 * number
    assert begun == ["a", "b", "c", "a"]


def test_the_route_gives_the_chunk_and_nothing_else(clip: StoredProject) -> None:
    with asked(clip) as client:
        address = facts(client.app.state.studio.films)["address"]  # type: ignore[attr-defined]
        answer = client.get(f"{address}/1")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert frames(answer.content) == list(range(16, 32))
        for wrong in (f"{address}/99", "/film/a/other/0", "/film/b/x/0", "/film/..%2f..%2fa/x/0"):
            assert client.get(wrong).status_code == 404, wrong
