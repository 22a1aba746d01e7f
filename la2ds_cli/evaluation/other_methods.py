"""Feature sets of other people's methods, from folders of embeddings, and the clock beside them.

They stand alone, without movement and base model in their distance, and are aligned by the settings
of the project, as filmed: embeddings of other views do not exist. A trimmed clip has the rows that
are left of the whole clip's embedding, so a network may have seen beyond the cut. `whole_time` is
what this alone may be worth: the share of the whole clip that has passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from la2ds_cli.alignment.clip_features import ClipFeatures
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.evaluation.features import (
    FEATURE_NAMES,
    FeatureRequest,
    FeatureSet,
    FeatureVariant,
    SharedClips,
)
from la2ds_cli.evaluation.given_embeddings import (
    GivenEmbeddings,
    clock_of,
    read_embeddings,
)
from la2ds_cli.features.resample import evenly_spaced

WHOLE_TIME = "whole_time"
TAKEN = (*FEATURE_NAMES, WHOLE_TIME)


class OtherMethods(NamedTuple):
    """sets: one for each folder, then the clock of whole clips. digests: of the embeddings, by
    the name of the method."""

    sets: list[FeatureSet]
    digests: dict[str, str]


def other_methods(
    folders: Mapping[str, Path],
    request: FeatureRequest,
    scored: Sequence[PoseSequence],
    fit: Sequence[PoseSequence],
    warnings: list[str],
) -> OtherMethods:
    """Return the feature sets of the methods whose embeddings are in the folders; none without
    folders.

    Parameters
    ----------
    folders: of the methods, by name.
    request: the request of the other feature sets.
    scored: whole clips to score.
    fit: whole clips on which classifiers are fitted.
    warnings: receives a note on training clips without a file.

    Raises
    ------
    UserError: as `read_embeddings` does.
    """
    sets, digests = [], {}
    for name, folder in folders.items():
        training = request.training if request.shared.references else ()
        given = read_embeddings(folder, name, request.project, [*scored, *fit], training)
        without = [pose.clip for pose in training if pose.clip not in given.clips]
        if without:
            warnings.append(
                f"training clips that have no file in {name}: {len(without)}, so they are not "
                "among its reference clips"
            )
        sets.append(
            given_set(given, request.shared, [p for p in training if p.clip in given.clips])
        )
        digests[name] = given.digest
    if sets:
        sets.append(_clock_set([*scored, *fit], request.shared))
    return OtherMethods(sets, digests)


def given_set(
    given: GivenEmbeddings, shared: SharedClips, training: Sequence[PoseSequence] = ()
) -> FeatureSet:
    """Return the feature set of a method.

    Parameters
    ----------
    given: its embeddings.
    shared: settings, and cached values.
    training: clips with embeddings, of which as many are reference clips as for our rows.
    """
    references = evenly_spaced(training, len(shared.references))
    uses = "its embeddings of whole clips"
    uses += f" + at most {shared.align.reference_clips} other clips" * bool(references)
    return _set_of(given, uses, shared, references)


def _clock_set(poses: Sequence[PoseSequence], shared: SharedClips) -> FeatureSet:
    uses = "share of the whole clip that has passed, known however it is trimmed"
    return _set_of(clock_of(WHOLE_TIME, poses), uses, shared)


def _set_of(
    given: GivenEmbeddings,
    uses: str,
    shared: SharedClips,
    references: Sequence[PoseSequence] = (),
) -> FeatureSet:
    features = ClipFeatures(lambda clip, _: given.of(clip.pose), memo=shared.memo)
    variant = FeatureVariant(
        "given",
        f"embeddings {given.name}",
        uses,
        features,
        by_frame=lambda poses: [given.of(pose) for pose in poses],
        settings=replace(shared.align, movement=0.0, base=0.0),
        view="filmed",
        references=references,
    )
    return FeatureSet(given.name, (variant,))
