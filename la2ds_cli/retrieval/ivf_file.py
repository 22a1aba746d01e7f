"""Step: the inverted file over an index, kept beside it, and the recall that it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.retrieval import ivf_search
from la2ds_cli.retrieval.index import FrameIndex
from la2ds_cli.retrieval.ivf_search import InvertedFile, Sample

VERSION = 1


@dataclass(frozen=True)
class StoredIvf:
    """file: the lists. sample: queries whose exact neighbours are known. built: whether it was
    made now."""

    file: InvertedFile
    sample: Sample
    built: bool


def ensure_ivf(
    project: Project, index: FrameIndex, name: str, progress: Progress | None = None
) -> StoredIvf:
    """The inverted file of all rows of an index, built where there is none of these very rows.

    It is built from all rows and never patched, so that it depends on what is in the index and not
    on how it came there. name: that of the index. UserError (exit 6) without faiss.
    """
    ivf_search.check_faiss()
    progress = progress or Progress()
    path = project.index_path(f"ivf-{name}")
    recipe = artifact.Recipe("ivf", VERSION, {}, {"index": index.recipe.key})
    stored = _read(path, recipe, len(index.value))
    if stored is not None:
        return stored
    progress.begin("building the inverted file")
    file = ivf_search.build(index.value)
    sample = ivf_search.draw_sample(index.frames)
    arrays = {"ivf": file.to_array(), "mean": file.mean}
    arrays |= {"sample": sample.row, "nearest": sample.nearest}
    try:
        artifact.write_arrays(path, arrays, recipe, {"lists": file.lists})
    except UserError as error:  # the query can be answered all the same
        progress.note(f"the inverted file was not saved: {error.message}")
    progress.end()
    return StoredIvf(file, sample, True)


def _read(path: Path, recipe: artifact.Recipe, rows: int) -> StoredIvf | None:
    try:
        arrays, made_from, _ = artifact.read_arrays(path)
        if made_from.key != recipe.key:
            return None
        file = InvertedFile.from_array(arrays["ivf"], arrays["mean"])
        sample = Sample(arrays["sample"], arrays["nearest"])
    except (artifact.ArtifactError, FileNotFoundError, KeyError, ValueError):
        return None
    return StoredIvf(file, sample, False) if file.index.ntotal == rows else None
