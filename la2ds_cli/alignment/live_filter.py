"""Live alignment: where in clip A a performer is now, by a forward filter over A's frames.

The state is a position in A, the rate at which A passes there (0 while the performer rests, as
before the beginning and after the end), and the view: whether the performer is seen as A is, as its
mirror image, or from the other side. The filter compares the joints in the image and relative to
the hips, in units of A's own movement, and how far they moved within a fifth of a second. Offline,
both clips are compared by their deviations from the middle of their range, but that range is
unknown for somebody who has only begun. So each position in A has its own estimate of how this
performer differs from A: a Kalman filter along the paths that lead there estimates an offset and a
gain for every coordinate. A frame is likely where this estimate explains it.

Only past frames are used, and no labels. This module needs only numpy; poses/live_poses.py
finds the joints. docs/how-to/live.md has the accuracy of the confidence.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.skeleton import Skeleton, get_skeleton
from la2ds_cli.core.types import BoolArray, FloatArray, PoseSequence
from la2ds_cli.core.view import UNTURNED, View
from la2ds_cli.features.body_joints import BODY, body_joints, is_body, joint_sources
from la2ds_cli.features.pose_features import (
    LEAST_MOVEMENT,
    RANGE,
    amplitude,
    centre_and_scale,
    fill_gaps,
    value_range,
)
from la2ds_cli.features.resample import resample_pose, smoothed

RATES = (0.0, *(2.0 ** (k / 2) for k in range(-4, 5)))  # seconds of A per second; 0 = resting
MOST_PLACES = 300  # of A; a longer clip is thinned
HIGHEST_RATE = 30.0  # places per second of A
JOINT_SMOOTHING = 1.0  # places; standard deviation of the Gaussian that smooths A's joints
INTERCEPT, SLOPE = -0.54, 0.73  # map the log odds of the mass to those of being right
LEAST_MASS = 1e-3
TORSOS = 90  # frames whose median torso length is the performer's size


@dataclass(frozen=True)
class FilterSettings:
    """Assumptions of the filter; chosen on training clips (docs/results/live.md).

    Attributes
    ----------
    image, hips: standard deviation of the joints in the image and relative to the hips, in units of
        A's movement.
    velocity: standard deviation of how far the joints moved, in units of A's fast velocities.
    tail: degrees of freedom of the distribution of distances.
    offset_image, offset_hips, gain: variance of how performers differ.
    drift_image, drift_hips: growth of the variance of the offsets while A passes once.
    independent: seconds after which errors of the joints are independent.
    sharpness: exponent of the likelihood.
    lag: seconds over which velocities are measured.
    rate_spread: standard deviation of a performer's mean tempo, octaves.
    rate_change: steps to the next slower or faster tempo, per second.
    pause, resume, stop: how often a performer stops, goes on, and stops where A ends, per second.
    lost: jumps to any place, per second.
    beginning: share of A in which most performances begin.
    resting, anywhere: probability that a performance begins with a rest, and that it begins
        anywhere.
    flipped: probability that a performer is A's mirror image, and that it is seen from the other
        side.
    """

    image: float = 0.35
    hips: float = 0.35
    velocity: float = 0.8
    tail: float = 4.0
    offset_image: float = 25.0
    offset_hips: float = 0.6
    gain: float = 0.1
    drift_image: float = 0.3
    drift_hips: float = 0.0
    independent: float = 0.15
    sharpness: float = 1.5
    lag: float = 0.2
    rate_spread: float = 0.45
    rate_change: float = 2.0
    pause: float = 0.005
    resume: float = 1.0
    stop: float = 3.0
    lost: float = 0.005
    beginning: float = 0.2
    resting: float = 0.1
    anywhere: float = 0.2
    flipped: float = 0.2


SETTINGS = FilterSettings()


class LiveEstimate(NamedTuple):
    """Where in A the performer is.

    time_a: seconds of A. confidence: probability that it is right to within NEAR of A's length.
    tempo: seconds of A per second. before, after: probabilities that the performer rests at A's
    beginning and at its end. view, view_share: the most probable view and its probability.
    """

    time_a: float
    confidence: float
    tempo: float
    before: float
    after: float
    view: View
    view_share: float


class LiveReference:
    """Clip A as the filter compares it: N positions, D coordinates.

    time: (N,) seconds. value: (N, D) joints in the image, then relative to the hips, in units of
    A's movement. known: (D,) which coordinates A ever shows. velocity: (R, N, D) how far they move
    within the lag at each of RATES. fast: how far they move where A is fast.
    """

    def __init__(self, pose: PoseSequence, settings: FilterSettings = SETTINGS) -> None:
        """Prepare clip A; raises ValueError for fewer than two frames."""
        if len(pose) < 2:
            raise ValueError(f"live alignment needs at least two frames of A, got {len(pose)}")
        pose = body_joints(pose) if is_body(pose.skeleton) else pose
        self.skeleton = get_skeleton(pose.skeleton)
        seconds = float(pose.time[-1] - pose.time[0])
        rate = 1 / pose.axis.usual_step
        rate = min(rate, HIGHEST_RATE, (MOST_PLACES - 1) / seconds)
        self.time = pose.axis.grid(rate)
        self.places_per_second = (len(self.time) - 1) / float(self.time[-1] - self.time[0])
        joints = smoothed(fill_gaps(resample_pose(pose, self.time).xy), JOINT_SMOOTHING)
        about_hips, torso = centre_and_scale(joints, self.skeleton)
        parts = [part.reshape(len(joints), -1) for part in (joints / torso, about_hips)]
        self.units = [max(amplitude(value_range(part)), LEAST_MOVEMENT) for part in parts]
        self.value = np.concatenate([p / u for p, u in zip(parts, self.units, strict=True)], axis=1)
        low, high = np.percentile(self.value, RANGE, axis=0)
        self.middle = (low + high) / 2
        shown = np.repeat(~np.isnan(pose.xy).all(axis=(0, 2)), 2)
        self.known: BoolArray = np.concatenate([shown, shown])
        place, reach = np.arange(len(self.value)), settings.lag * self.places_per_second
        earlier = [self._at(np.maximum(place - rate * reach, 0)) for rate in RATES]
        self.velocity = self.value - np.stack(earlier)
        steps = np.linalg.norm(self.velocity[RATES.index(1.0)], axis=1)
        self.fast = max(float(np.percentile(steps, 90)), 1e-3)

    def __len__(self) -> int:
        return len(self.value)

    @property
    def halves(self) -> tuple[slice, slice]:
        """Slices of the coordinates in the image, and of the coordinates relative to the hips."""
        half = self.value.shape[1] // 2
        return slice(0, half), slice(half, None)

    def _at(self, place: FloatArray) -> FloatArray:
        low = np.floor(place).astype(np.int64)
        share = (place - low)[:, None]
        following = np.minimum(low + 1, len(self.value) - 1)
        return (1 - share) * self.value[low] + share * self.value[following]


class LiveFilter:
    """Follows one performer through A; pass the frames to `step` in order.

    p: (V, N, R) probability of each state. fit: (5, V, N, D) gain and offset of every coordinate as
    estimated along the paths to each position, and their variances and covariance.
    """

    def __init__(
        self, reference: LiveReference, skeleton: str, settings: FilterSettings = SETTINGS
    ) -> None:
        """Start before the first frame.

        Parameters
        ----------
        reference: clip A.
        skeleton: of the joints passed to `step`.
        settings: assumptions of the filter.

        Raises
        ------
        UserError: exit 5 for joints that cannot be compared with A's.
        """
        self.reference, self.settings = reference, settings
        self._taken = _taken_joints(skeleton, reference.skeleton)
        self._rate_prior = _rate_prior(settings.rate_spread)
        self._jumps = _rate_changes(settings, self._rate_prior)
        share = np.array([1 - 2 * settings.flipped, settings.flipped, settings.flipped])
        self.p = share[:, None, None] * _first_belief(len(reference), settings, self._rate_prior)
        self.fit, self._noise = self._first_fit()
        self._time: float | None = None
        self._torsos: deque[float] = deque(maxlen=TORSOS)
        self._seen: deque[tuple[float, FloatArray]] = deque()

    def _first_fit(self) -> tuple[FloatArray, FloatArray]:
        """Return `fit` before the first frame, and the variance (D,) of the errors of a frame."""
        ref, settings = self.reference, self.settings
        noise, offset = np.empty((2, ref.value.shape[1]))
        deviations = settings.image, settings.hips
        offsets = settings.offset_image, settings.offset_hips
        for part, deviation, variance in zip(ref.halves, deviations, offsets, strict=True):
            # A distance is a sum over the coordinates, so each gets its share of the variance.
            count = max(int(ref.known[part].sum()), 1)
            noise[part], offset[part] = deviation**2 / count, variance / count
        fit = np.zeros((5, *self.p.shape[:2], len(noise)))
        fit[GAIN], fit[OFFSET] = 1.0, ref.middle
        fit[GAIN_VARIANCE], fit[OFFSET_VARIANCE] = settings.gain, offset
        return fit, noise

    def step(self, time: float, xy: FloatArray | None) -> LiveEstimate:
        """Return where the performer is, after one more frame.

        Parameters
        ----------
        time: seconds, never decreasing.
        xy: (K, 2) joints in pixels, NaN = not seen; None = nobody is seen, so only time passes.
        """
        elapsed = 0.0 if self._time is None else time - self._time
        if elapsed < 0:
            raise ValueError(f"frames must come in order: {time} s after {self._time} s")
        if elapsed:
            self._move(elapsed)
        self._time = time
        shown = None if xy is None else self._in_units(np.asarray(xy, np.float64))
        if shown is not None:
            self._weigh(time, shown, elapsed or 1 / HIGHEST_RATE)
        return self._estimate()

    # --- a frame in the units of A ---------------------------------------------------------------

    def _in_units(self, xy: FloatArray) -> FloatArray | None:
        """Return the frame (V, D) in the form of A's `value`, in each of UNTURNED; None if too
        little is seen."""
        ref, skeleton = self.reference, self.reference.skeleton
        joints = np.full((len(skeleton.joints), 2), np.nan)
        for k, source in enumerate(self._taken):
            if source is not None:
                joints[k] = xy[source]
        ends = np.array(skeleton.torso)
        lengths = np.linalg.norm(joints[ends[:, 0]] - joints[ends[:, 1]], axis=-1)
        lengths = lengths[lengths > 1e-6]  # False for NaN
        if len(lengths):
            self._torsos.append(float(lengths.mean()))
        root = joints[list(skeleton.root)]
        root = root[~np.isnan(root).any(axis=1)]
        if not self._torsos or not len(root):
            return None
        scale = float(np.median(self._torsos))
        parts = (joints / scale, (joints - root.mean(axis=0)) / scale)
        views = []
        other = [part * (-1, 1) for part in parts]
        for view in (parts, [part[list(skeleton.flip)] for part in other], other):
            pairs = zip(view, ref.units, strict=True)
            views.append(np.concatenate([part.ravel() / unit for part, unit in pairs]))
        return np.stack(views)

    # --- time passes -----------------------------------------------------------------------------

    def _move(self, elapsed: float) -> None:
        """Predict the belief `elapsed` seconds later, and move the fits along the paths."""
        ref, settings = self.reference, self.settings
        views, count, rates = self.p.shape
        place, last = np.arange(count), count - 1
        arrived = np.zeros((views, count, rates))
        ways = np.zeros((views, count, count))  # probability of place n after place m
        for r, rate in enumerate(RATES):
            target = np.minimum(place + rate * elapsed * ref.places_per_second, last)
            low = np.floor(target).astype(np.int64)
            for to, share in ((low, 1 - target + low), (np.minimum(low + 1, last), target - low)):
                part = share * self.p[:, :, r]
                ways[:, to, place] += part
                for v in range(views):  # several places reach the last one
                    arrived[v, :, r] += np.bincount(to, part[v], minlength=count)
        # A performer who reaches the end rests there soon. If that happened at once, a performer
        # who is late would be more likely.
        stopped = arrived[:, last, 1:] * (1 - np.exp(-settings.stop * elapsed))
        arrived[:, last, 1:] -= stopped
        arrived[:, last, 0] += stopped.sum(axis=1)
        arrived = arrived @ _after(self._jumps, elapsed)
        lost = 1 - np.exp(-settings.lost * elapsed)
        view = arrived.sum(axis=(1, 2), keepdims=True)
        self.p = (1 - lost) * arrived + lost * view * self._rate_prior / count
        ways = (1 - lost) * ways + lost * self.p.sum(axis=2)[:, None] / count
        ways /= np.maximum(ways.sum(axis=2, keepdims=True), 1e-300)
        kinds, *_, width = self.fit.shape
        carried = self.fit.transpose(1, 2, 0, 3).reshape(views, count, kinds * width)
        carried = (ways @ carried).reshape(views, count, kinds, width)
        self.fit = np.ascontiguousarray(carried.transpose(2, 0, 1, 3))
        passed = elapsed * ref.places_per_second / count  # in lengths of A
        for part, drift in zip(
            ref.halves, (settings.drift_image, settings.drift_hips), strict=True
        ):
            more = drift * passed / max(int(ref.known[part].sum()), 1)
            self.fit[OFFSET_VARIANCE, :, :, part] += more

    # --- a frame is seen -------------------------------------------------------------------------

    def _weigh(self, time: float, shown: FloatArray, elapsed: float) -> None:
        """Update the belief and the fits by a frame (V, D)."""
        settings = self.settings
        share = min(1.0, elapsed / settings.independent)  # of a frame's information
        likelihood = np.zeros_like(self.p)
        for v, seen in enumerate(shown):
            likelihood[v] = self._place_likelihood(v, seen, share)[:, None]
            likelihood[v] += self._velocity_likelihood(v, time, seen)
        likelihood *= share * settings.sharpness
        weighed = self.p * np.exp(likelihood - likelihood.max())
        self.p = weighed / weighed.sum()
        self._seen.append((time, shown))
        while self._seen[0][0] < time - 2 * settings.lag:
            self._seen.popleft()

    def _place_likelihood(self, v: int, seen: FloatArray, share: float) -> FloatArray:
        """Return the log likelihood (N,) of a frame (D,) at every place, and update the fits of the
        view."""
        ref, tail = self.reference, self.settings.tail
        compared = ~np.isnan(seen) & ref.known
        gain, offset, gain_variance, covariance, offset_variance = self.fit[:, v]
        moved = ref.value - ref.middle
        # covariances of the frame with the gain and the offset, and its own variance
        with_gain = gain_variance * moved + covariance
        with_offset = covariance * moved + offset_variance
        own = with_gain * moved + with_offset
        error = np.where(compared, seen - gain * moved - offset, 0)
        variance = own + self._noise
        total = np.zeros(len(moved))
        for part in ref.halves:
            count = int(compared[part].sum())
            if count:
                distance = (error[:, part] ** 2 / variance[:, part]).sum(axis=1) / count
                spread = (np.log(variance[:, part]) * compared[part]).sum(axis=1) / count
                total -= (tail + 1) / 2 * np.log1p(distance / tail) + spread / 2
        uncertain = own + self._noise / share
        toward_gain = np.where(compared, with_gain / uncertain, 0)
        toward_offset = np.where(compared, with_offset / uncertain, 0)
        self.fit[GAIN, v] += toward_gain * error
        self.fit[OFFSET, v] += toward_offset * error
        self.fit[GAIN_VARIANCE, v] -= toward_gain * with_gain
        self.fit[COVARIANCE, v] -= toward_gain * with_offset
        self.fit[OFFSET_VARIANCE, v] -= toward_offset * with_offset
        return total

    def _velocity_likelihood(self, v: int, time: float, seen: FloatArray) -> FloatArray:
        """Return the log likelihood (N, R) of how far the joints moved within the lag, at every
        place and rate; 0 while too little has been seen."""
        ref, settings = self.reference, self.settings
        nothing = np.zeros(self.p.shape[1:])
        if not self._seen:
            return nothing
        before, earlier = min(self._seen, key=lambda frame: abs(time - frame[0] - settings.lag))
        span = time - before
        if span <= settings.lag / 2:
            return nothing
        came = (seen - earlier[v]) * (settings.lag / span)
        compared = ~np.isnan(came) & ref.known
        if not compared.any():
            return nothing
        velocity, came = ref.velocity[:, :, compared], came[compared]
        squared = (velocity**2).sum(axis=2) - 2 * velocity @ came + came @ came
        squared = np.maximum(squared, 0) * (ref.known.sum() / compared.sum())
        variance = (settings.velocity * ref.fast) ** 2
        return -(settings.tail + 1) / 2 * np.log1p(squared / (settings.tail * variance)).T

    # --- the estimate ----------------------------------------------------------------------------

    def _estimate(self) -> LiveEstimate:
        """Return the median place and the probability around it."""
        ref, count = self.reference, len(self.reference)
        by_place = self.p.sum(axis=(0, 2))
        passed = np.cumsum(by_place)
        at = min(int(np.searchsorted(passed, 0.5)), count - 1)
        within = (0.5 - (passed[at] - by_place[at])) / max(float(by_place[at]), 1e-12)
        place = float(np.clip(at - 0.5 + within, 0, count - 1))
        near = np.abs(np.arange(count) - place) <= max(NEAR * count, 1)
        by_rate, by_view = np.cumsum(self.p.sum(axis=(0, 1))), self.p.sum(axis=(1, 2))
        return LiveEstimate(
            time_a=float(np.interp(place, np.arange(count), ref.time)),
            confidence=calibrated(float(by_place[near].sum())),
            tempo=RATES[int(np.searchsorted(by_rate, 0.5 * by_rate[-1]))],
            before=float(self.p[:, 0, 0].sum()),
            after=float(self.p[:, -1, 0].sum()),
            view=UNTURNED[int(by_view.argmax())],
            view_share=float(by_view.max()),
        )


GAIN, OFFSET, GAIN_VARIANCE, COVARIANCE, OFFSET_VARIANCE = range(5)  # rows of LiveFilter.fit


def _taken_joints(skeleton: str, wanted: Skeleton) -> list[int | None]:
    """Return, for each joint of the wanted skeleton, its index in `skeleton`; None = missing."""
    if wanted.name == BODY:
        return joint_sources(skeleton)
    if skeleton != wanted.name:
        raise Mismatch(
            f"A has the skeleton {wanted.name}, and SOURCE has {skeleton}",
            hint="--live compares bodies; extract A with the pose network of the project",
        )
    return list(range(len(wanted.joints)))


def _rate_prior(spread: float) -> FloatArray:
    """Return the probability (R,) of each of RATES in a performance; 0 for resting."""
    octaves = np.log2(RATES[1:])
    # 0.01 is added to each: slow motion is rare but does occur.
    prior = np.exp(-0.5 * (octaves / spread) ** 2) + 0.01
    return np.concatenate([[0], prior / prior.sum()])


def _rate_changes(settings: FilterSettings, prior: FloatArray) -> FloatArray:
    """Return the transition rates (R, R) per second between RATES; the rows sum to 0."""
    count = len(RATES)
    jumps = settings.rate_change * (np.eye(count, k=1) + np.eye(count, k=-1))
    jumps[0] = settings.resume * prior
    jumps[:, 0] = settings.pause
    np.fill_diagonal(jumps, 0)
    return jumps - np.diag(jumps.sum(axis=1))


def _after(jumps: FloatArray, elapsed: float) -> FloatArray:
    """Return the probability (R, R) of each rate (column) `elapsed` seconds after each (row)."""
    steps = max(1, int(np.ceil(elapsed * 10)))
    return np.linalg.matrix_power(np.eye(len(jumps)) + jumps * (elapsed / steps), steps)


def _first_belief(count: int, settings: FilterSettings, rate_prior: FloatArray) -> FloatArray:
    """Return the belief (N, R) before the first frame."""
    start = np.exp(-np.arange(count) / (settings.beginning * count))
    where = (1 - settings.resting - settings.anywhere) * start / start.sum()
    belief = (where + settings.anywhere / count)[:, None] * rate_prior
    belief[0, 0] += settings.resting
    return belief


def calibrated(mass: float) -> float:
    """Return the confidence of an estimate, given the belief's mass around it: the share of such
    estimates that were right on training clips (benchmarks/live.py --fit)."""
    mass = min(max(mass, LEAST_MASS), 1 - LEAST_MASS)
    odds = INTERCEPT + SLOPE * math.log(mass / (1 - mass))
    return 1 / (1 + math.exp(-odds))
