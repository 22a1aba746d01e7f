"""A project directory as a Python object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from la2ds_cli.core.clip import VIDEO_COLUMNS, Video
from la2ds_cli.core.console import progress_of_call
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import check_choice
from la2ds_cli.core.host import unchanged_process
from la2ds_cli.core.progress import Progress

if TYPE_CHECKING:
    from la2ds_cli.alignment.request import AlignRequest, FeatureOption
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.core.types import PoseSequence


@unchanged_process()
def open(
    path: str | Path,
    create: bool = False,
    preset: str = "default",
    device: DeviceName = "auto",
    verbose: bool = False,
) -> Project:
    """Open the project directory at `path`.

    Parameters
    ----------
    path: the directory.
    create: make the project if it does not exist yet.
    preset: settings of a new project (docs/reference/settings.md); an existing project keeps its
        own.
    device: where the steps compute.
    verbose: print progress and notes on stderr, as the command line does.

    Raises
    ------
    UserError: exit 2 if there is no project and `create` is false, for an unknown preset or device,
        and for a project.toml that cannot be read.
    """
    from la2ds_cli.core.stored_project import StoredProject

    check_choice("device", device, get_args(DeviceName))
    if create:
        stored = StoredProject.create(Path(path), {"preset": preset})
    else:
        stored = StoredProject.open(Path(path))
    return Project(stored, device, verbose)


class Project:
    """A project directory: its clips, their joints, and the results of the steps.

    Made by `la2ds.open`. It keeps no file open, and reads from the directory at each call.
    """

    def __init__(self, stored: StoredProject, device: DeviceName, verbose: bool) -> None:
        self._stored, self._verbose = stored, verbose
        self._device: DeviceName = device

    def __repr__(self) -> str:
        return f"la2ds.open({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """Absolute path of the directory."""
        return self._stored.root

    def clips(self) -> list[Video]:
        """Return the rows of videos.csv in the order of the file.

        Each has `id`, `name`, `path`, `frames`, `fps`, `width`, `height`, `split`, `group` and
        `person` (docs/reference/file-formats.md).
        """
        return self._stored.videos()

    def clip(self, name: str) -> Video:
        """Return the clip with this id, start of an id, path, file name or file name without
        ending.

        `NAME#2` is the second person of a video. Raises UserError if the project has no such clip
        (exit 3) or several (exit 5).
        """
        return self._stored.clip(name)

    def poses(self, name: str) -> PoseSequence:
        """Return the joints of a clip over its T frames.

        The result has `xy` (T, K, 2) float32 in pixels of the upright video, NaN where a joint is
        not seen; `score` (T, K) float32 in [0, 1]; `trust` (T, K) float32, the probability that the
        joint is where the network placed it; `time` (T,) float64 in seconds; `fps`; and `skeleton`,
        the name of the set of K joints. Raises UserError as `clip` does, and (exit 4) for a clip
        whose poses have not been extracted.
        """
        from la2ds_cli.poses.trust import with_trust

        return with_trust(self._stored.read_pose(self.clip(name).id)[0])

    def to_frame(self) -> Any:
        """Return the clips as a pandas.DataFrame, one row each, with the columns of videos.csv.

        Raises UserError (exit 6) if pandas is not installed.
        """
        clips = self.clips()
        columns = {name: [getattr(clip, name) for clip in clips] for name in VIDEO_COLUMNS}
        return make_data_frame(columns)

    def _request(
        self, run: str, features: FeatureOption, settings: Mapping[str, Any] | None, **more: Any
    ) -> AlignRequest:
        """Return how clips are aligned; `settings` by `section.key`, `more` by name."""
        from la2ds_cli.alignment.request import AlignRequest

        config = self._stored.config(values=settings)
        return AlignRequest(config, run, features, device=self._device, **more)

    @contextmanager
    def _step(self, writes: bool = False) -> Iterator[Progress]:
        """Yield the progress for a step, and hold the project's lock if the step `writes`."""
        lock = self._stored.lock() if writes else nullcontext()
        with progress_of_call(shown=self._verbose) as progress, lock:
            yield progress
