from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.sources import Entry, collect_entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("clip10.mp4", "clip2.MP4", "notes.txt", ".hidden.mp4", "deep/er/clip1.mov"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def clips(paths: list[str]) -> list[str]:
    return [entry.name for entry in collect_entries(paths)]


def names(paths: list[str], folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_a_folder_is_searched_to_the_bottom(folder: Path) -> None:
    found = clips([str(folder)])
    assert names(found, folder) == ["clip2.MP4", "clip10.mp4", "deep/er/clip1.mov"]


def test_a_pattern_is_expanded(folder: Path) -> None:
    found = clips([str(folder / "**" / "*.mo[v4]")])
    assert names(found, folder) == ["deep/er/clip1.mov"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder: Path) -> None:
    odd = folder / "take[1].mp4"
    odd.touch()
    assert clips([str(odd)]) == [str(odd)]


def test_files_keep_their_order_and_come_once(folder: Path) -> None:
    ten, two = str(folder / "clip10.mp4"), str(folder / "clip2.MP4")
    assert clips([ten, two, ten]) == [ten, two]
    assert clips([ten, str(folder)])[:2] == [ten, two]


def test_what_is_not_there_stays_in_the_list(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    gone = [str(empty), str(folder / "none.mp4"), str(folder / "*.avi")]
    assert clips(gone) == gone


def test_urls_are_refused() -> None:
    with pytest.raises(UserError, match="example") as caught:
        clips(["https://example.org/a.mp4"])
    assert caught.value.exit_code == ExitCode.USAGE


# --- folders of images ------------------------------------------------------------------


def images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        PillowImage.new("RGB", (8, 8)).save(folder / name)


def test_a_folder_of_images_is_one_clip(tmp_path: Path) -> None:
    images(tmp_path / "run", "1.png", "2.png")
    images(tmp_path / "run" / "masks", "1.png", "2.png")
    images(tmp_path / "one", "1.png")
    for named in ("run", "one"):
        folder = str(tmp_path / named)
        assert clips([folder]) == [folder]


def test_folders_of_images_are_found_among_videos(tmp_path: Path) -> None:
    images(tmp_path, "cover.jpg", "back.jpg")
    images(tmp_path / "take10", "1.png", "2.png")
    images(tmp_path / "take9" / "left", "1.png", "2.png")
    images(tmp_path / "take9" / "right", "1.jpg", "2.jpg")
    images(tmp_path / "take9", "1.png", "2.png")  # no leaf
    images(tmp_path / "thumbnail", "1.png")
    images(tmp_path / "with video", "1.png", "2.png")
    (tmp_path / "with video" / "clip.mp4").touch()
    images(tmp_path / ".cache", "1.png", "2.png")
    found = names(clips([str(tmp_path)]), tmp_path)
    assert found == ["take9/left", "take9/right", "take10", "with video/clip.mp4"]


def test_a_pattern_finds_folders_of_images(tmp_path: Path) -> None:
    images(tmp_path / "take10", "1.png", "2.png")
    images(tmp_path / "take9", "1.png", "2.png")
    (tmp_path / "empty").mkdir()
    found = clips([str(tmp_path / "*")])
    assert names(found, tmp_path) == ["take9", "take10"]


def test_an_animated_webp_is_a_video(tmp_path: Path) -> None:
    images(tmp_path, "still.webp")
    frames = [PillowImage.new("RGB", (8, 8), (c, c, c)) for c in (0, 90, 180)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    assert names(clips([str(tmp_path)]), tmp_path) == ["moving.webp"]


def test_links_are_followed_and_name_no_second_clip(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "deep" / "links"
    other.mkdir()
    (other / "a.mp4").symlink_to(folder / "clip10.mp4")
    (other / "circle").symlink_to(folder)
    (other / "gone.mp4").symlink_to(folder / "nothing.mp4")
    outside = folder / "deep" / "er"
    (folder / "shortcut").symlink_to(outside)
    found = clips([str(folder)])
    assert len(found) == 3
    assert {Path(name).resolve().name for name in found} == {
        "clip2.MP4",
        "clip10.mp4",
        "clip1.mov",
    }
    link = str(folder / "shortcut" / "clip1.mov")
    assert clips([link, str(outside / "clip1.mov")]) == [link]


def test_names_longer_than_the_system_allows_stay(tmp_path: Path) -> None:
    odd = [str(tmp_path / f"{'x' * 300}.mp4"), str(tmp_path / f"{'x' * 300}[1].mp4")]
    assert clips(odd) == odd


# --- entries ----------------------------------------------------------------------------


def test_entries_of_files_have_the_options_given(folder: Path) -> None:
    options = ClipOptions(rotate=90)
    found = collect_entries([str(folder)], options)
    assert found == [Entry(name, options) for name in clips([str(folder)])]
    assert collect_entries([str(folder / "none.mp4")]) == [Entry(str(folder / "none.mp4"))]


def test_the_rate_is_kept_for_folders_of_images(folder: Path) -> None:
    images(folder / "frames", "1.png", "2.png")
    rates = {
        Path(entry.name).name: entry.options.fps
        for entry in collect_entries([str(folder)], ClipOptions(fps=30))
    }
    assert rates == {"clip2.MP4": 0, "clip10.mp4": 0, "clip1.mov": 0, "frames": 30}


def test_tables_among_the_paths(folder: Path) -> None:
    table = folder / "clips.csv"
    table.write_text(
        "path,start,end,rotate,subject\nclip2.MP4,1,2,,left\nclip2.MP4,2,3,180,left\ndeep,,,,\n"
    )
    ten = str(folder / "clip10.mp4")
    found = collect_entries([ten, str(folder / "*.csv"), ten], ClipOptions(rotate=90))
    two, deep = str(folder / "clip2.MP4"), str(folder / "deep" / "er" / "clip1.mov")
    assert found == [
        Entry(ten, ClipOptions(rotate=90)),
        Entry(two, ClipOptions(start=1, end=2, rotate=90), "left"),
        Entry(two, ClipOptions(start=2, end=3, rotate=180), "left"),
        Entry(deep, ClipOptions(rotate=90)),
    ]


def test_a_clip_named_twice_comes_once(folder: Path) -> None:
    (folder / "clips.csv").write_text("path,group\nclip2.MP4,anna\n")
    found = collect_entries([str(folder / "clips.csv"), str(folder)])
    assert [(Path(e.name).name, e.group) for e in found] == [
        ("clip2.MP4", "anna"),
        ("clip10.mp4", ""),
        ("clip1.mov", ""),
    ]


def test_urls_are_refused_as_entries() -> None:
    with pytest.raises(UserError, match="example") as caught:
        collect_entries(["https://example.org/a.csv"])
    assert caught.value.exit_code == ExitCode.USAGE
