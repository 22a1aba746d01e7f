"""The state of a clip: whether its video is still the one that its joints were made from, and
whether its joints fit the settings. `la2ds status`, the studio and the notes of `align` use it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, MissingArtifact
from la2ds_cli.core.clip import VIDEO_SUFFIXES, Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.current import STEP, PoseRecipes
from la2ds_cli.video.reader import has_changed

VideoState = Literal["there", "gone", "changed", "none"]
CHANGED = "its video has changed"
_LOST = {"gone": "is gone", "changed": "has changed since its joints were found"}
_FILMS = ("", ".webp", *VIDEO_SUFFIXES)  # no suffix: a folder of images


@dataclass(frozen=True)
class ClipState:
    """The state of a clip, without reading its joints or, if its stamp is the same, its video.

    video: `there`; `gone`, not where videos.csv has it; `changed`, with other content than the
    joints were made from; `none`, imported without one. joints: why the joints do not fit the
    settings, as artifact.staleness; None if they do. key, skeleton: of joints that can be read,
    with corrections; else empty.
    """

    file: str
    video: VideoState
    joints: str | None
    key: str = ""
    skeleton: str = ""

    @property
    def stale(self) -> str | None:
        """Why the clip is not up to date, None if it is; it can be although its video is gone."""
        return CHANGED if self.joints is None and self.video == "changed" else self.joints

    @property
    def lost(self) -> str:
        """A clause such as `the file a.mp4 is gone` if the video cannot be shown with the joints;
        empty if it can, or if there is no video."""
        return f"the file {self.file} {_LOST[self.video]}" if self.video in _LOST else ""


def read_clip_state(
    project: StoredProject, video: Video, recipes: PoseRecipes | None = None
) -> ClipState:
    """Return the state of a clip; what cannot be read is a state, not an error.

    Parameters
    ----------
    project, video
        The clip as videos.csv lists it.
    recipes
        Recipes of the settings; None if it does not matter whether the joints fit them.
    """
    source = project.source(video)
    there = os.path.exists(source)  # noqa: PTH110 (Path.exists raises for a folder without access)
    try:
        recipe, facts = artifact.read_header(project.pose_path(video.id))
    except ArtifactError as error:
        filmed = source.suffix.lower() in _FILMS
        reason = "missing" if isinstance(error, MissingArtifact) else "damaged"
        state: VideoState = "none" if not filmed else "there" if there else "gone"
        return ClipState(source.name, state, reason)
    key = project.with_corrections(video.id, recipe, facts).key
    if recipe.step != STEP and "video" not in recipe.inputs:
        state = "none"
    elif not there:
        state = "gone"
    else:
        state = "changed" if has_changed(project, video, (recipe, facts)) else "there"
    joints = _difference(recipe, video, recipes)
    return ClipState(source.name, state, joints, key, facts.get("skeleton", ""))


def _difference(recipe: artifact.Recipe, video: Video, recipes: PoseRecipes | None) -> str | None:
    """Return how joints differ from those of the settings; None if they do not, or were imported by
    the user, who alone can replace them."""
    if recipes is None or recipe.step == "import":
        return None
    try:
        current = recipes.of(video)
    except UserError as error:  # a model file named in project.toml is gone
        return error.message
    if any(recipe.key == each.key for each in current):
        return None
    return artifact.difference(recipe, current[0])
