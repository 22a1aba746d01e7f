"""The clips of a project as videos.csv lists them, and how a name finds one among very many."""

# ruff: noqa: PTH114, PTH118, PTH119 - a Path for each clip would take longer than all the rest

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import ExitCode, UserError


class VideoList:
    """Rows of videos.csv in file order. root: the resolved folder of the project.

    Nothing here asks the file system about every clip unless a file has to be compared with links.
    """

    def __init__(self, root: Path, rows: Sequence[Video]) -> None:
        self.rows = tuple(rows)
        self._root = os.fspath(root)
        self._folders: dict[str, str] = {}  # folder of a source as written -> resolved

    def find(self, name: str) -> Video | None:
        """The video of that id, path, file name, stem or id prefix; None if there is none.

        `NAME#2` is the second person of a video with several subjects. Raises UserError (exit 5) if
        several videos fit.
        """
        return self._find(name, self.rows)

    def find_each(self, names: Iterable[str]) -> dict[str, Video | None]:
        """`find` for many names: each is looked up, and searched for only where that fails."""
        return {name: self._look_up(name) or self.find(name) for name in names}

    def _look_up(self, name: str) -> Video | None:
        person = re.fullmatch(r"(.+)#[1-9]\d*", name)
        keys = {name, name.rpartition("/")[2], person[1] if person else name}
        rows = {row for key in keys for row in self._by_name.get(key, ())}
        if os.path.lexists(name):
            rows.update(self._by_source.get(os.path.realpath(name), ()))
        return self._find(name, [self.rows[row] for row in sorted(rows)])

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        """Rows of an id, a file name or a stem."""
        rows: dict[str, list[int]] = {}
        for row, video in enumerate(self.rows):
            path = Path(video.path)
            for name in {video.id, path.name, path.stem}:
                rows.setdefault(name, []).append(row)
        return rows

    def _find(self, name: str, videos: Sequence[Video]) -> Video | None:
        if not name or "\0" in name:  # which no path holds
            return None
        person = re.fullmatch(r"(.+)#([1-9]\d*)", name)
        if person and not any(video.id == name or video.path == name for video in videos):
            name, videos = person[1], [v for v in videos if v.person == int(person[2])]
        elif not any(video.id == name for video in videos):
            videos = [video for video in videos if video.person == 1]
        tests = (
            lambda: [v for v in videos if v.id == name],
            lambda: self._of_path(name, videos),
            lambda: [v for v in videos if name in v.path and Path(v.path).name == name],
            lambda: [v for v in videos if name in v.path and Path(v.path).stem == name],
            lambda: [v for v in videos if v.id.startswith(name)],
        )
        for test in tests:
            matches = test()
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise UserError(
                    f"'{name}' fits {len(matches)} videos of the project",
                    hint=f"use one of the ids: {', '.join(v.id for v in matches[:5])}",
                    exit_code=ExitCode.MISMATCH,
                )
        return None

    def _of_path(self, name: str, videos: Sequence[Video]) -> list[Video]:
        """Those whose path is `name`, as written or as the same file."""
        same = {id(video) for video in self.of_source(Path(name))}
        return [video for video in videos if video.path == name or id(video) in same]

    def of_source(self, path: Path) -> list[Video]:
        """The clips whose source is this file, under whatever name."""
        target = os.path.realpath(path)
        if "_by_source" in vars(self) or os.path.lexists(target):
            return [self.rows[row] for row in self._by_source.get(target, ())]
        # Nothing leads to a file that is not there but its own name.
        name = os.path.basename(target)
        return [v for v in self.rows if v.path.endswith(name) and self._source(v) == target]

    @cached_property
    def _by_source(self) -> dict[str, list[int]]:
        """Rows of a resolved source."""
        rows: dict[str, list[int]] = {}
        for row, video in enumerate(self.rows):
            rows.setdefault(self._source(video), []).append(row)
        return rows

    def _source(self, video: Video) -> str:
        """The resolved path of the source; folders, which are few, are resolved once."""
        path = os.path.join(self._root, video.path)
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):
            return os.path.realpath(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)
