"""What alignments of several clips to one clip share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from la2ds_cli.alignment.clip_features import FeatureSource
from la2ds_cli.alignment.consensus import PairwisePath, pairwise_paths
from la2ds_cli.alignment.same_movement import Described
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray, PoseSequence


@dataclass
class AlignmentCache:
    """What alignments to the same entire clip A share, computed once, for clips of one project and
    one request. It does not change any result.

    usable: id -> whether the clip can be compared with A.
    judges: A in each possible view, as its movement is judged.
    shows: id -> whether the clip may show the movement of A.
    poses: of the references.
    source: computes the features of clips.
    features: of the references, each in the view that is nearest to A, by id.
    paths: from A to the references, by id and which rows of A.
    form: the skeleton that the aligned pair shares, whether joints are in 3D, and the kind of
    features; everything stored is in this form.
    """

    a: str = ""
    form: Hashable = None
    usable: dict[str, bool] = field(default_factory=dict)
    judges: list[Described | None] = field(default_factory=list)
    shows: dict[str, bool] = field(default_factory=dict)
    poses: dict[str, PoseSequence] = field(default_factory=dict)
    source: FeatureSource | None = None
    features: dict[str, FloatArray] = field(default_factory=dict)
    paths: dict[tuple[str, Hashable], PairwisePath] = field(default_factory=dict)

    def for_clip(self, a: str, *, part: bool, form: Hashable = None) -> AlignmentCache:
        """The cache itself, for the next alignment to clip `a`, after dropping entries in another
        form.

        Raises ValueError if it belongs to another clip, or if only a part of `a` is aligned.
        """
        if part or self.a not in ("", a):
            owner = self.a or "an entire clip"
            raise ValueError(f"the cache is of {owner}, not of {a}" + " in part" * part)
        self.a = a
        if form != self.form:
            self.form, self.source = form, None
            self.judges.clear()
            for kept in (self.usable, self.shows, self.poses, self.features, self.paths):
                kept.clear()
        return self

    @property
    def strangers(self) -> set[str]:
        """Ids of the clips that clearly show another movement than A."""
        return {video for video, same in self.shows.items() if not same}

    def paths_from_a(
        self,
        a: FloatArray,
        references: Mapping[str, FloatArray],
        key: Hashable,
        config: AlignConfig,
    ) -> list[PairwisePath]:
        """`pairwise_paths` of the rows `key` of A to the references."""
        new = [video for video in references if (video, key) not in self.paths]
        paths = pairwise_paths(a, [references[video] for video in new], config)
        self.paths |= {(video, key): path for video, path in zip(new, paths, strict=True)}
        return [self.paths[video, key] for video in references]
