from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses.sources import Entry, read_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "clips.csv"
    path.write_text(text, "utf-8")
    return path


def test_every_column(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "path,start,end,rotate,mirror,slowmo,fps,subject,group,split\n"
        "a.mp4,1.5,4,90,true,8,,largest,anna,train\n"
        "frames/мяч ,,,,0,,25,,,\n"
        f"{tmp_path}/b.mp4,,2,-90,1,,,,,test\n",
    )
    assert read_manifest(path) == [
        Entry(
            str(tmp_path / "a.mp4"),
            ClipOptions(start=1.5, end=4, rotate=90, mirror=True, slowmo=8),
            "largest",
            "anna",
            "train",
        ),
        Entry(str(tmp_path / "frames" / "мяч"), ClipOptions(fps=25)),
        Entry(str(tmp_path / "b.mp4"), ClipOptions(end=2, rotate=270, mirror=True), split="test"),
    ]


def test_the_path_is_enough(tmp_path: Path) -> None:
    """Also with the byte-order mark and the line ends that spreadsheets write."""
    path = tmp_path / "clips.csv"
    path.write_bytes("\ufeffpath\r\na.mp4\r\nb.mp4\r\n".encode())
    assert read_manifest(path) == [Entry(str(tmp_path / n)) for n in ("a.mp4", "b.mp4")]


def test_empty_cells_leave_what_was_given(tmp_path: Path) -> None:
    path = write(tmp_path, "path,start,mirror\na.mp4,,\nb.mp4,0,false\n")
    given = ClipOptions(start=2, mirror=True, slowmo=4)
    one, two = read_manifest(path, given)
    assert one.options == given
    assert two.options == ClipOptions(start=0, end=inf, mirror=False, slowmo=4)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("start=soon", "column start is 'soon'; allowed: seconds"),
        ("start=nan", "column start is 'nan'; allowed: seconds"),
        ("start=-1", "column start must be 0 s or later, not -1"),
        ("end=0", r"column end must be later than the start \(0 s\), not 0"),
        ("rotate=45", "column rotate must be a multiple of 90 degrees, not 45"),
        ("rotate=left", "column rotate is 'left'; allowed: 0, 90, 180 or 270"),
        ("mirror=yes", "column mirror is 'yes'; allowed: true, false, 1 or 0"),
        ("slowmo=0", "column slowmo must be above 0, not 0"),
        ("fps=fast", "column fps is 'fast'; allowed: images per second"),
        ("split=validation", "column split is 'validation'; allowed: train or test"),
        ("zoom=2", "column 'zoom' is unknown; allowed are path, start, end, rotate"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, row: str, said: str) -> None:
    column, value = row.split("=")
    path = write(tmp_path, f"path,{column}\na.mp4,\nb.mp4,{value}\n")
    line = 2 if column == "zoom" else 3
    with pytest.raises(
        UserError, match=rf"clips\.csv line {line} cannot be read: {said}"
    ) as caught:
        read_manifest(path)
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert "path is required" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start\n1\n", "line 2 cannot be read: column 'path' is missing"),
        ("path,start\n,1\n", "line 2 cannot be read: column path is empty"),
        ("path\nhttps://example.org/a.mp4\n", "line 2 cannot be read: column path: "),
        ("path,start\na.mp4\n", "line 2 cannot be read: it has 1 field, the header has 2"),
        ("path;start\na.mp4;1\n", "column 'path;start' is unknown"),
        ("path\n", "lists no clip"),
        ("", "lists no clip"),
        ("path,start\na.mp4,1\nb.mp4,1\na.mp4,1\n", "lists the same part of .*a.mp4 twice"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_manifest(write(tmp_path, text))
    assert caught.value.exit_code == ExitCode.MISMATCH


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file") as caught:
        read_manifest(tmp_path / "gone.csv")
    assert (caught.value.code, caught.value.exit_code) == ("V006", ExitCode.UNREADABLE)
