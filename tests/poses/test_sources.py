"""What the user names, as a list of clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image as PillowImage

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode
from la2ds_cli.poses.sources import Entry, collect_entries, read_manifest
from tests.told import refused


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


def test_a_folder_is_searched_to_the_bottom(folder: Path, tmp_path: Path) -> None:
    folder = folder.rename(tmp_path.with_name("take[1]"))
    write(folder, "path\n**/*.[mM]*[4v]\n")
    for named in (folder, folder / "clips.csv"):
        found = names(clips([str(named)]), folder)
        assert found == ["clip2.MP4", "clip10.mp4", "deep/er/clip1.mov"]


def test_what_is_not_there_stays_in_the_list(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    gone = [str(empty), str(folder / "none.mp4"), str(folder / "*.avi")]
    assert clips(gone) == gone
    with refused(ExitCode.UNREADABLE, "no such file", "V006"):  # but for a table
        read_manifest(folder / "gone.csv")


def test_urls_are_refused() -> None:
    with refused(ExitCode.USAGE, "example"):
        clips(["https://example.org/a.mp4"])


# --- folders of images ------------------------------------------------------------------


def given(names: str) -> frozenset[str]:
    return frozenset(names.split())


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
    assert {Path(name).resolve().name for name in found} == {"clip2.MP4", "clip10.mp4", "clip1.mov"}
    link = str(folder / "shortcut" / "clip1.mov")
    assert clips([link, str(outside / "clip1.mov")]) == [link]


# --- entries ----------------------------------------------------------------------------


def test_the_rate_is_kept_for_folders_of_images(folder: Path) -> None:
    images(folder / "frames", "1.png", "2.png")
    rates = {
        Path(entry.name).name: entry.options.fps
        for entry in collect_entries([str(folder)], {"fps": 30})
    }
    assert rates == {"clip2.MP4": 0, "clip10.mp4": 0, "clip1.mov": 0, "frames": 30}


def test_tables_among_the_paths(folder: Path) -> None:
    table = folder / "clips.csv"
    table.write_text(
        "path,start,end,rotate,subject\nclip2.MP4,1,2,,auto\nclip2.MP4,2,3,180,2\ndeep,,,,\n"
    )
    ten = str(folder / "clip10.mp4")
    found = collect_entries([ten, str(folder / "*.csv"), ten], {"rotate": 90})
    two, deep = str(folder / "clip2.MP4"), str(folder / "deep" / "er" / "clip1.mov")
    assert found == [
        Entry(ten, ClipOptions(rotate=90), explicit=given("rotate")),
        Entry(
            two,
            ClipOptions(start=1, end=2, rotate=90),
            "auto",
            explicit=given("start end rotate"),
        ),
        Entry(
            two, ClipOptions(start=2, end=3, rotate=180), "2", explicit=given("start end rotate")
        ),
        Entry(deep, ClipOptions(rotate=90), explicit=given("rotate")),
    ]


def test_a_clip_named_twice_comes_once(folder: Path) -> None:
    (folder / "clips.csv").write_text("path,group\nclip2.MP4,anna\n")
    found = collect_entries([str(folder / "clips.csv"), str(folder)])
    assert [(Path(e.name).name, e.group) for e in found] == [
        ("clip2.MP4", "anna"),
        ("clip10.mp4", ""),
        ("clip1.mov", ""),
    ]


@pytest.mark.parametrize(
    "row", ["./deep/../clip2.MP4,90,", "clip2.MP4,,2", "clip2.MP4,,\nclip2.MP4,90,"]
)
def test_a_part_of_a_file_is_read_in_one_way(folder: Path, row: str) -> None:
    """The two entries would have one id, and one file of poses."""
    (folder / "clips.csv").write_text(f"path,rotate,subject\n{row}\n")
    with refused(ExitCode.MISMATCH, r"clip2.MP4 is listed twice, with different") as caught:
        collect_entries([str(folder), str(folder / "clips.csv")])
    assert "own start and end" in caught.value.hint


def write(folder: Path, text: str) -> Path:
    path = folder / "clips.csv"
    path.write_text(text, "utf-8")
    return path


def test_every_column(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "path,start,end,rotate,mirror,slowmo,fps,subject,group,split\n"
        "a.mp4,1.5,4,90,true,8,,3,anna,train\n"
        "frames/мяч ,,,,0,,25,,,\n"
        f"file:{tmp_path}/caf%E9.mp4,,2,-90,1,,,,,test\n",
    )
    assert read_manifest(path) == [
        Entry(
            str(tmp_path / "a.mp4"),
            ClipOptions(start=1.5, end=4, rotate=90, mirror=True, slowmo=8),
            "3",
            "anna",
            "train",
            explicit=given("start end rotate mirror slowmo"),
        ),
        Entry(str(tmp_path / "frames/мяч"), ClipOptions(fps=25), explicit=given("mirror fps")),
        Entry(
            str(tmp_path / "caf\udce9.mp4"),
            ClipOptions(end=2, rotate=270, mirror=True),
            split="test",
            explicit=given("end rotate mirror"),
        ),
    ]


BAD_CELL = [
    ("start=soon", "column start is 'soon'; allowed: seconds"),
    ("start=nan", "column start is 'nan'; allowed: seconds"),
    ("start=-1", "column start must be from 0 to "),
    ("end=0", r"column end must be later than the start \(0 s\), not 0"),
    ("rotate=45", "column rotate must be a multiple of 90 degrees, not 45"),
    ("rotate=left", "column rotate is 'left'; allowed: 0, 90, 180 or 270"),
    ("mirror=yes", "column mirror is 'yes'; allowed: true, false, 1 or 0"),
    ("slowmo=0", "column slowmo must be above 0 and at most 1e"),
    ("fps=fast", "column fps is 'fast'; allowed: images per second"),
    *(
        (f"subject={who}", f"column subject is '{who}'; allowed: auto, or the number")
        for who in ("left", "0", "1234567890", "٣")
    ),
    ("split=validation", "column split is 'validation'; allowed: train or test"),
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(
            (
                "path,{}\na.mp4,\nb.mp4,{}\n".format(*cell.split("=")),
                f"line 3 cannot be read: {said}",
            )
            for cell, said in BAD_CELL
        ),
        (
            "path,zoom\na.mp4,2\n",
            "line 2 cannot be read: column 'zoom' is unknown; allowed are path",
        ),
        ("start\n1\n", "line 2 cannot be read: column 'path' is missing"),
        ("path,start\n,1\n", "line 2 cannot be read: column path is empty"),
        ("path\nhttps://example.org/a.mp4\n", "line 2 cannot be read: column path: "),
        ("path,start\na.mp4\n", "line 2 cannot be read: it has 1 field, but the header has 2"),
        ("path;start\na.mp4;1\n", "column 'path;start' is unknown"),
        ("path\n", "lists no clips"),
        ("", "lists no clips"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(tmp_path: Path, text: str, said: str) -> None:
    with refused(ExitCode.MISMATCH, rf"clips\.csv .*{said}") as caught:
        read_manifest(write(tmp_path, text))
    assert "path is required" in caught.value.hint or "lists no clips" in said
