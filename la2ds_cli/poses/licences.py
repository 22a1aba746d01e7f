"""What may be done with the poses of a project: licences of code and weights, and training data.

States what publishers say; it is no legal advice. The terms of data sets are those of their own
web pages (cocodataset.org/#termsofuse, image-net.org/download.php).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError

if TYPE_CHECKING:
    from la2ds_cli.core.project import Project
    from la2ds_models.weight_files import WeightFile

_DATA_TERMS = {
    "COCO": "COCO: annotations CC BY 4.0; the photographs keep the terms of their Flickr owners",
    "ImageNet": "ImageNet: its images are for non-commercial research and education",
    "rendered": "none known: nothing but rendered figures went in",
}
_AGPL = (
    "AGPL-3.0: what is distributed, or offered over a network, together with it falls under the "
    "AGPL as a whole, unless a licence is bought from Ultralytics"
)
_PYTHON = "la2ds (Apache-2.0)"
_ULTRALYTICS = "ultralytics (AGPL-3.0)"


@dataclass(frozen=True)
class Licence:
    """One part of the chain from video to joints.

    name: as in the project's settings; role: pose, detector or joints; code, weights: licences;
    terms: known restrictions, a sentence each; videos: clips of the project that it made, 0 when
    no project was asked about.
    """

    name: str
    role: str
    code: str
    weights: str
    trained_on: str
    terms: tuple[str, ...] = ()
    videos: int = 0


_GOOGLE = ("mediapipe (Apache-2.0)", "Apache-2.0", "images that Google has not published")
# Parts without an entry in the list of weights.
_OTHERS = (
    Licence("full-frame", "detector", _PYTHON, "none", "nothing"),
    Licence("mediapipe", "pose", *_GOOGLE),
    Licence("mediapipe", "detector", *_GOOGLE),
)
# What runs a model that is in no list, by the start of its name or the end of its file name.
_RUNNERS = {
    "yolo": _ULTRALYTICS,
    ".pt": _ULTRALYTICS,
    "mmpose": "mmpose (Apache-2.0)",
    "mmdet": "mmdet (Apache-2.0)",
    ".onnx": "onnxruntime (MIT)",
}


def all_licences() -> list[Licence]:
    """Every pose network and detector that la2ds knows."""
    from la2ds_models.weight_files import zoo

    listed = [_of_entry(entry) for entry in zoo().values()]
    return [*listed, *_OTHERS]


def project_licences(project: Project) -> list[Licence]:
    """What made the poses of a project, by the headers of its pose files; most clips first.

    Clips without poses, or with damaged ones, are passed over.
    """
    videos: dict[tuple[str, str], int] = defaultdict(int)
    for video in project.videos():
        try:
            recipe, facts = artifact.read_header(project.pose_path(video.id))
        except (FileNotFoundError, ArtifactError):
            continue
        for part in _parts(recipe, facts):
            videos[part] += 1
    ordered = sorted(videos, key=lambda part: (-videos[part], part))
    return [replace(_licence(name, role), videos=videos[name, role]) for name, role in ordered]


def _parts(recipe: artifact.Recipe, facts: dict[str, Any]) -> list[tuple[str, str]]:
    info = facts.get("info", {})
    if recipe.step != "poses":
        return [(str(recipe.config.get("format", recipe.step)), "joints")]
    return [(str(info[role]), role) for role in ("detector", "pose") if info.get(role)]


def _licence(name: str, role: str) -> Licence:
    """The entry of a part by the name or file that the user gave for it."""
    if role == "joints":
        terms = ("the terms of the data set or program that the joints were imported from",)
        return Licence(name, role, _PYTHON, "none", "imported, not estimated here", terms)
    known = {(found.name, found.role): found for found in all_licences()}
    for called in (name, *name.split(":"), *_entries_of_file(name)):
        if (called, role) in known:
            return replace(known[called, role], name=name)
    code = next((c for key, c in _RUNNERS.items() if _runs(key, name)), _PYTHON)
    own = "a model of your own: la2ds knows nothing of its terms"
    terms = (_AGPL, own) if code == _ULTRALYTICS else (own,)
    return Licence(name, role, code, "unknown", "unknown", terms)


def _runs(key: str, name: str) -> bool:
    return name.endswith(key) if key.startswith(".") else name.startswith(key)


def _entries_of_file(name: str) -> list[str]:
    from la2ds_models.weight_files import zoo

    return [entry.name for entry in zoo().values() if Path(entry.file).name == Path(name).name]


def _of_entry(entry: WeightFile) -> Licence:
    terms = [text for word, text in _DATA_TERMS.items() if word in entry.trained_on]
    if "AGPL" in f"{entry.licence} {entry.code}":
        terms.insert(0, _AGPL)
    return Licence(
        entry.name, entry.kind, entry.code, entry.licence, entry.trained_on, tuple(terms)
    )
