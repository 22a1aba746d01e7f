"""The protocols: every choice on which published evaluations of this method family differ.

The papers describe each of their four metrics in a sentence, and the released code fills the gaps
in different ways, so figures from two codebases cannot be compared. A `Protocol` names each choice;
no choice is made elsewhere. The sources are the public repositories: TCC
(google-research tcc/), CASA (taeinkwon/casa), CARL (minghchen/CARL_code), LAV
(trquhuytin/LAV-CVPR21), VAOT (trquhuytin/VAOT-ICCV25).

No protocol reproduces the released code of LAV and VAOT. They fit and score on the same frames (LAV
evaluations.py:113-114 and 147, VAOT evaluations.py:132-133 and 164: both read the folder `Test`).
LAV's AP@K searches the query's own video, including the query frame
(evals/phase_classification.py:66-92), so one of K hits is free and the others are neighbours in
time. Here, clips used for fitting are never scored, and the frames of the query's own video are
never retrieved.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from la2ds_cli.core.config_sections import EvaluateConfig
from la2ds_cli.core.errors import check_choice


@dataclass(frozen=True)
class Subset:
    """The training videos on which one classifier is fitted.

    share: of the training videos; max(1, int(share * n)) are used.
    draws: number of draws without replacement from the videos sorted by id, draw d with seed + d;
    0 = no draw, but the first videos in the order of videos.csv.
    """

    name: str
    share: float
    draws: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Protocol:
    """All choices of an evaluation.

    classifier: `svm` (RBF, C = 1, gamma = 1 / (D var)) or `logistic` (multinomial, C = 1), on
    features without rescaling; accuracy is over all frames of all test videos together.
    missing_phase: the rule of progression for a clip that lacks a phase: `copy` the target of the
    previous phase (for the last boundary, the clip's length), or `exclude` the clip from that
    boundary. r2_floor: lowest R squared of a boundary, None = no floor. tau_stride: in frames.
    neighbours: the values of K of AP@K, empty = no retrieval. average: mean over all query `frames`
    (micro), or over `videos` of the mean over their frames (macro). event_transfer: whether event
    transfer is measured.
    """

    name: str
    source: str
    classifier: Literal["svm", "logistic"]
    subsets: tuple[Subset, ...]
    tau_stride: int
    missing_phase: Literal["copy", "exclude"]
    r2_floor: float | None = None
    neighbours: tuple[int, ...] = ()
    average: Literal["frames", "videos"] = "frames"
    event_transfer: bool = False

    def to_json(self, config: EvaluateConfig) -> dict[str, Any]:
        """Return the choices, and the settings that fix random ones, as plain JSON types
        (explained in docs/explanation/metrics.md)."""
        subsets = [asdict(subset) for subset in self.subsets]
        lists = {"subsets": subsets, "neighbours": list(self.neighbours)}
        return asdict(self) | lists | {"settings": asdict(config)}

    @property
    def takes_first(self) -> bool:
        """Return whether a classifier is fitted on the first training videos of videos.csv, so that
        the order of its rows matters."""
        return any(not subset.draws and subset.share < 1 for subset in self.subsets)


SHARES = (("10 %", 0.1), ("50 %", 0.5), ("100 %", 1.0))
FIRST = tuple(Subset(name, share) for name, share in SHARES)

# SVM and AP@K follow the text of the paper (sec. 4). It does not state the stride, the order of the
# videos, the rule for a missing phase or the average. The first three follow CASA, whose settings
# and splits the paper uses; the average follows VAOT, the newest code of the authors' group, which
# pools all frames at stride 1 (evals/phase_classification.py:118-155).
PAPER = Protocol(
    name="paper",
    source="text of LA2DS sec. 4; where it is silent CASA's code, and VAOT's for AP@K",
    classifier="svm",
    subsets=FIRST,
    tau_stride=2,
    missing_phase="copy",
    neighbours=(5, 10, 15),
)
# classification.py:44-45, 138: the default is switched to model_type='linear'; :69-72, 119-121,
# 135-137: the background of IKEA is removed. task_utils.py:8-32: the rule for a missing phase. The
# stride is always 2, and the repository has no AP. CARL uses the same classifier
# (evaluation/classification.py:77).
CASA = Protocol(
    name="casa",
    source="CASA src/evaluation",
    classifier="logistic",
    subsets=FIRST,
    tau_stride=2,
    missing_phase="copy",
)
# The first videos of a file are not a random sample, so several draws are used. A clip that lacks a
# phase is excluded, since it cannot show where the phase ends. The floor keeps a boundary with a
# very negative R squared from dominating the others. Every video has the same weight, as in the
# bootstrap.
LA2DS = Protocol(
    name="la2ds",
    source="this project",
    classifier="svm",
    subsets=tuple(replace(subset, draws=5) for subset in FIRST),
    tau_stride=1,
    missing_phase="exclude",
    r2_floor=-1.0,
    neighbours=(5, 10, 15),
    average="videos",
    event_transfer=True,
)
PROTOCOLS = {protocol.name: protocol for protocol in (LA2DS, PAPER, CASA)}


def get_protocol(name: str, config: EvaluateConfig) -> Protocol:
    """Return the protocol of that name; the project's seed affects only `la2ds`.

    Raises UserError (exit 2) for an unknown name; the hint suggests the nearest one.
    """
    check_choice("protocol", name, PROTOCOLS)
    if name != LA2DS.name:
        return PROTOCOLS[name]
    subsets = tuple(replace(s, seed=config.seed) for s in LA2DS.subsets)
    return replace(LA2DS, subsets=subsets)
