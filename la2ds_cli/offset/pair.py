"""The lag of two recordings, how sure it is, and the other lags that fit.

Every lag at which two recordings fit well is a candidate. That of one performance agrees to the
noise of the joints, and it is the same all along the overlap; another take, or the next step of a
walk, agrees less, and somewhere it is early and elsewhere late. The weights of this evidence were
fitted on motion capture of walks, rendered performers and golfers, with the errors of pose networks
(docs/results/offset.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.offset.fit import Fit, fit
from la2ds_cli.offset.lags import APART, fit_at_lags, peaks
from la2ds_cli.offset.signals import signals

CANDIDATES = 6
LEAST_OVERLAP = 1.0  # seconds; what is shorter fits by chance
SURE = 2.2  # evidence from which it is one performance: of other takes, 1 in 100 has as much
POSSIBLE = 0.0  # less is refused
RIVAL = 3.0  # a lag with this much less evidence may be the right one
WEIGHTS = (-19.81, -2.13, -2.6, 2.45)  # of 1, unlike, spread and overlap in `evidence`
DRIFT_FROM = 30.0  # seconds of overlap from which the drift is estimated
NORMAL = 1.5, 4.0  # half a 90 % interval in standard deviations, and more of it for a short overlap


@dataclass(frozen=True)
class Candidate:
    """A lag. evidence: log odds that both show one performance at that lag. drifts: whether the
    drift was estimated."""

    fit: Fit
    evidence: float
    drifts: bool

    @property
    def probability(self) -> float:
        return 1 / (1 + math.exp(-self.evidence))

    @property
    def within(self) -> float:
        """Seconds by which the lag may be off in nine cases of ten."""
        return self._deviations * self.fit.deviation

    @property
    def drift_within(self) -> float:
        """The same of the drift."""
        return self._deviations * self.fit.drift_deviation

    @property
    def _deviations(self) -> float:
        return NORMAL[0] + NORMAL[1] / max(self.fit.overlap, LEAST_OVERLAP) ** 2


@dataclass(frozen=True)
class PairOffset:
    """Recordings a and b: their numbers. best: the lag. rivals: other lags that fit as well, of a
    movement that repeats."""

    a: int
    b: int
    best: Candidate
    rivals: tuple[Candidate, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether it may be one performance."""
        return self.best.evidence >= POSSIBLE

    @property
    def sure(self) -> bool:
        return self.best.evidence >= SURE and not self.rivals


def pair_offset(
    poses: tuple[PoseSequence, PoseSequence],
    numbers: tuple[int, int],
    names: tuple[str, str],
    drift: bool | None = None,
) -> PairOffset:
    """The lag of two recordings. drift: whether clocks may run at different rates, None = if the
    overlap is long enough to tell.

    Raises UserError (exit 5) for recordings without joints in common, and (exit 4) for one that is
    too short or does not move.
    """
    a, b = signals(*poses, names)
    for name, one in zip(names, (a, b), strict=True):
        if one.time[-1] - one.time[0] < LEAST_OVERLAP:
            raise UserError(
                f"{name} lasts less than {LEAST_OVERLAP:g} s, too short to find its place",
                hint="use more of the recording",
                exit_code=ExitCode.UNUSABLE,
            )
    found = []
    for lag in peaks(*fit_at_lags(a, b), CANDIDATES):
        shared = min(a.time[-1], b.time[-1] - lag) - max(a.time[0], b.time[0] - lag)
        drifts = shared >= DRIFT_FROM if drift is None else drift
        one = fit(a, b, float(lag), drift=drifts)
        found.append(Candidate(one, evidence(one), drifts))
    if not found:
        raise UserError(
            f"{names[0]} and {names[1]} have no lag at which they agree",
            hint="look at the joints with la2ds extract-poses --overlay sheet.png",
            exit_code=ExitCode.UNUSABLE,
        )
    found.sort(key=lambda one: -one.evidence)
    return PairOffset(*numbers, found[0], _rivals(found))


def evidence(fit: Fit) -> float:
    """Log odds that both recordings show one performance at this lag."""
    if fit.overlap < LEAST_OVERLAP:
        return -math.inf
    unlike, spread = math.log(1 - fit.correlation + 1e-3), math.log(fit.spread + 2e-3)
    terms = (1.0, unlike, spread, math.log(fit.overlap))
    return sum(weight * term for weight, term in zip(WEIGHTS, terms, strict=True))


def _rivals(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    best = found[0]
    return tuple(
        one
        for one in found[1:]
        if one.evidence > best.evidence - RIVAL and abs(one.fit.lag - best.fit.lag) >= APART
    )
