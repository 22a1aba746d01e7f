from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.poses.sources import collect_sources, natural_order


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("clip10.mp4", "clip2.MP4", "notes.txt", ".hidden.mp4", "deep/er/clip1.mov"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(paths: list[str], folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_numbers_sort_by_value() -> None:
    assert natural_order(["a10", "a2", "B1", "a1b", "a1"]) == ["a1", "a1b", "a2", "a10", "B1"]
    assert natural_order(["10", "9", "x"]) == ["9", "10", "x"]


def test_a_folder_is_searched_to_the_bottom(folder: Path) -> None:
    found = collect_sources([str(folder)])
    assert names(found, folder) == ["clip2.MP4", "clip10.mp4", "deep/er/clip1.mov"]


def test_a_pattern_is_expanded(folder: Path) -> None:
    found = collect_sources([str(folder / "**" / "*.mo[v4]")])
    assert names(found, folder) == ["deep/er/clip1.mov"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder: Path) -> None:
    odd = folder / "take[1].mp4"
    odd.touch()
    assert collect_sources([str(odd)]) == [str(odd)]


def test_files_keep_their_order_and_come_once(folder: Path) -> None:
    ten, two = str(folder / "clip10.mp4"), str(folder / "clip2.MP4")
    assert collect_sources([ten, two, ten]) == [ten, two]
    assert collect_sources([ten, str(folder)])[:2] == [ten, two]


def test_what_is_not_there_stays_in_the_list(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    gone = [str(empty), str(folder / "none.mp4"), str(folder / "*.avi")]
    assert collect_sources(gone) == gone


def test_urls_are_refused() -> None:
    with pytest.raises(UserError, match="example") as caught:
        collect_sources(["https://example.org/a.mp4"])
    assert caught.value.exit_code == ExitCode.USAGE
