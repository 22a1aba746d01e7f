"""Judge whether clips are enough for training, and identify a set of clips."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from la2ds_cli.core.errors import Mismatch, Unusable

FEW_CLIPS = 10  # with fewer clips the user is warned
SMALL_SET = 20  # up to this many clips, training may or may not help

Outlook = Literal["impossible", "unlikely", "possible", "likely"]


def training_skeleton(skeletons: Sequence[str]) -> str:
    """Return the skeleton of all training clips, from the skeleton of each.

    Raises UserError for fewer than 2 clips (exit 4) and for different skeletons (exit 5).
    """
    if len(skeletons) < 2:
        raise Unusable(
            f"training needs at least 2 clips with poses, found {len(skeletons)}",
            hint="la2ds extract-poses FOLDER; la2ds align needs no training",
        )
    names = sorted(set(skeletons))
    if len(names) > 1:
        raise Mismatch(
            f"the training clips mix the skeletons {', '.join(names)}",
            hint="use one pose model or one data set per project",
        )
    return names[0]


def outlook(clips: int) -> tuple[Outlook, str]:
    """Return whether training on this many clips is likely to help, and a sentence."""
    if clips < 2:
        return "impossible", "training needs at least 2 clips with joints"
    if clips < FEW_CLIPS:
        opening = f"only {clips} clips to learn from: training is unlikely to help"
        return "unlikely", f"{opening}, and the clips can be aligned without it"
    if clips <= SMALL_SET:
        opening = f"only {clips} clips to learn from: training may or may not help"
        return "possible", f"{opening}; the run's verdict says which, an evaluation measures it"
    opening = f"{clips} clips are enough to learn from"
    return "likely", f"{opening}; the run's verdict says whether it is better than the base model"


def clips_digest(keys: Mapping[str, str]) -> str:
    """Return the identity of a set of clips, from the key of each clip's pose recipe, by id."""
    pairs = sorted(f"{video}:{key}" for video, key in keys.items())
    return hashlib.sha256("\n".join(pairs).encode()).hexdigest()
