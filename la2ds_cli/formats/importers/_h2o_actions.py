"""The actions of H2O: their names, the lists of segments, and the labels of single frames."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.importers._phase_labels import phases_of_labels
from la2ds_cli.formats.importers._problems import FramesError, PoseFileError
from la2ds_cli.formats.importers._values import frame_number, last_number, read_text

# Actions by number, as in the data set's own list; 0 is the background.
_THINGS = ("book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
ACTIONS = (
    "background",
    *(f"grab {thing}" for thing in _THINGS),
    *(f"place {thing}" for thing in _THINGS),
    *("open lotion", "open milk", "open chips", "close lotion", "close milk", "close chips"),
    *("pour milk", "take out espresso", "take out cocoa", "take out chips"),
    *("take out cappuccino", "put in espresso", "put in cocoa", "put in cappuccino"),
    *("apply lotion", "apply spray", "read book", "read espresso", "spray spray"),
    "squeeze lotion",
)
# val is neither: la2ds takes its own validation clips from those it trains on.
LISTS = {"train": "train", "val": "", "test": "test"}
_FOLDERS = ("action_labels", "label_split", ".")  # where people keep the lists
_COLUMNS = ("path", "start_act", "end_act")


@dataclass
class Recording:
    """What the lists say of a recording. listed: train, val, test, empty = in no list."""

    listed: str = ""
    phases: list[Phase] = field(default_factory=list)


def read_lists(root: Path) -> dict[str, Recording]:
    """Recordings by `subject1/h1/0` out of action_{train,val,test}.txt; empty where there are none.

    Lines are `id path action_label start_act end_act start_frame end_frame`, without the label in
    action_test.txt. end_act is the last frame of the action: in the published lists an action often
    begins one frame after the last one's end_act and never on it. UserError (exit 3 or 5) names the
    line that does not fit.
    """
    found: dict[str, Recording] = {}
    for listed in LISTS:
        path = next(
            (p for f in _FOLDERS if (p := root / f / f"action_{listed}.txt").is_file()), None
        )
        if path is not None:
            _read_list(path, listed, found)
    return found


def _read_list(path: Path, listed: str, found: dict[str, Recording]) -> None:
    try:
        lines = read_text(path).splitlines()
    except PoseFileError as error:
        raise error.user_error(path) from error
    header = lines[0].split() if lines else []
    if not set(_COLUMNS) <= set(header):
        raise UserError(
            f"{path} line 1: expected the columns {' '.join(_COLUMNS)}, not {' '.join(header)!r}",
            hint="copy the list again from the data set",
            exit_code=ExitCode.UNREADABLE,
        )
    for line, text in enumerate(lines[1:], start=2):
        words = text.split()
        if not words:
            continue
        try:
            if len(words) != len(header):
                raise FramesError(f"{len(words)} values where line 1 has {len(header)} columns")
            row = dict(zip(header, words, strict=True))
            _add_row(row, listed, found)
        except PoseFileError as error:
            raise UserError(
                f"{path} line {line}: {error}",
                hint="copy the list again from the data set",
                exit_code=ExitCode.MISMATCH,
            ) from error


def _add_row(row: dict[str, str], listed: str, found: dict[str, Recording]) -> None:
    name = row["path"].strip("/")
    recording = found.setdefault(name, Recording(listed))
    if recording.listed != listed:
        raise FramesError(f"{name} is in action_{recording.listed}.txt, too")
    start, end = (frame_number(row[column], column) for column in ("start_act", "end_act"))
    if start > end:
        raise FramesError(f"the action begins at frame {start} and ends at {end}")
    if "action_label" in row:
        action = _named(frame_number(row["action_label"], "action_label"))
        if action != ACTIONS[0]:
            recording.phases.append(Phase(start, end + 1, action))


def frame_labels(folder: Path) -> list[Phase]:
    """Phases out of action_label/NNNNNN.txt, one number for each frame; PoseFileError.

    Frames of background, and those without a file, have no phase.
    """
    numbers: dict[int, int] = {}
    for path in folder.glob("*.txt"):
        frame = last_number(path.name, folder.name)
        value = frame_number(read_text(path), f"{folder.name}/{path.name}")
        _named(value)
        numbers[frame] = value
    labels = np.zeros(max(numbers, default=-1) + 1, np.int64)
    labels[list(numbers)] = list(numbers.values())
    runs = phases_of_labels(np.where(labels > 0, labels, -1)) if len(labels) else []
    return [Phase(run.start, run.end, ACTIONS[labels[run.start]]) for run in runs]


def _named(number: int) -> str:
    if number >= len(ACTIONS):
        raise PoseFileError(f"there is no action {number}: the last is {len(ACTIONS) - 1}")
    return ACTIONS[number]


def action_name(text: str) -> str:
    """The name of an action given by name, in any spelling, or by number; UserError (exit 2)."""
    plain = re.sub(r"[\s_-]+", " ", text.strip().lower())
    if plain.isdigit() and 0 < int(plain) < len(ACTIONS):
        return ACTIONS[int(plain)]
    if plain in ACTIONS[1:]:
        return plain
    near = get_close_matches(plain, ACTIONS[1:], n=1, cutoff=0.5)
    raise UserError(
        f"H2O has no action '{text}'",
        hint=f"did you mean '{near[0]}'?" if near else f"actions: {', '.join(ACTIONS[1:])}",
    )
