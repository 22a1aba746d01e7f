"""A project directory as a Python object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from la2ds.results import data_frame
from la2ds_cli.core.clip import VIDEO_COLUMNS, Video
from la2ds_cli.core.config import load_config
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import check_choice

if TYPE_CHECKING:
    from la2ds_cli.core.config import Config
    from la2ds_cli.core.project import Project as StoredProject
    from la2ds_cli.core.types import PoseSequence


def open(
    path: str | Path,
    create: bool = False,
    preset: str = "default",
    device: DeviceName = "auto",
    verbose: bool = False,
) -> Project:
    """Open the project directory at `path`.

    create: make it where it does not exist yet, with the settings of `preset`
    (docs/reference/settings.md). A project that exists keeps its own preset. device: where the
    steps compute. verbose: whether they print progress and notes on stderr, as the command line
    does.

    Raises UserError (exit 2) where there is no project and `create` is false, for an unknown preset
    or device, and for a project.toml that cannot be read.
    """
    from la2ds_cli.core.project import Project as StoredProject

    check_choice("device", device, get_args(DeviceName))
    if create:
        stored = StoredProject.create(Path(path), {"preset": preset})
    else:
        stored = StoredProject.open(Path(path))
    return Project(stored, device, verbose)


class Project:
    """A project directory: its clips, their joints, and whatever the steps made of them.

    Made by `la2ds.open`. It holds no open file and may be kept for as long as one likes; what it
    tells is read from the directory each time.
    """

    def __init__(
        self, stored: StoredProject, device: DeviceName = "auto", verbose: bool = False
    ) -> None:
        self._stored, self._verbose = stored, verbose
        self._device: DeviceName = device

    def __repr__(self) -> str:
        return f"la2ds.open({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The absolute path of the directory."""
        return self._stored.root

    def clips(self) -> list[Video]:
        """The rows of videos.csv in the order of the file.

        Each has `id`, `name`, `path`, `frames`, `fps`, `width`, `height`, `split`, `group` and
        `person` (docs/reference/file-formats.md).
        """
        return self._stored.videos()

    def clip(self, name: str) -> Video:
        """The one clip that `name` means: its id, the start of its id, its path, file name or stem.

        `NAME#2` is the second person of a video, `NAME#1.5-4` the part of these seconds; a name
        alone is the whole video. Raises UserError (exit 3) if the project has no such clip, and
        (exit 5) if it has several.
        """
        from la2ds_cli.poses.current import clip_named

        return clip_named(self._stored, name)

    def poses(self, name: str) -> PoseSequence:
        """The joints of a clip over its T frames.

        The value has `xy` (T, K, 2) float32 in pixels of the upright video, NaN where a joint is
        not seen; `score` (T, K) float32 in [0, 1]; `trust` (T, K) float32, the probability that a
        joint lies where it seems to; `time` (T,) float64 in seconds; `fps`; and `skeleton`, the
        name of the set of K joints. Raises UserError as `clip` does, and (exit 4) for a clip whose
        poses have not been extracted.
        """
        from la2ds_cli.poses.trust import with_trust

        return with_trust(self._stored.read_pose(self.clip(name).id)[0])

    def to_frame(self) -> Any:
        """The clips as a pandas.DataFrame with the columns of videos.csv, one row for each clip.

        Raises UserError (exit 6) if pandas is not installed.
        """
        clips = self.clips()
        return data_frame({name: [getattr(clip, name) for clip in clips] for name in VIDEO_COLUMNS})


def merged_config(
    project: Project | None,
    settings: Mapping[str, Any] | None,
    preset: str | None = None,
    chosen: Sequence[str] = (),
) -> Config:
    """The settings of project.toml, changed by `chosen` and then by `settings`.

    project: None = those of the preset alone. settings: values by `section.key`, such as
    {"align.movement": 0}. preset: one to use instead of the project's. chosen: overrides as `--set`
    takes them. Raises UserError (exit 2) for an unknown name or a value that does not fit, with the
    nearest right one.
    """
    # JSON writes plain values as TOML does.
    own = [f"{name}={json.dumps(value)}" for name, value in (settings or {}).items()]
    stored = {} if project is None else project._stored.settings
    return load_config(stored, preset=preset, overrides=[*chosen, *own])
