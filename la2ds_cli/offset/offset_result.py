"""The clocks of recordings of one performance as data: JSON, CSV, and commands for ffmpeg."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip import VIDEO_SUFFIXES, ClipOptions, Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.offset.pair_offset import Fit, PairOffset

COLUMNS = (
    *("recording", "offset_seconds", "low", "high", "drift_ppm", "at_seconds"),
    *("overlap_seconds", "sure"),
)


@dataclass(frozen=True)
class Clock:
    """The clock of a recording relative to the first one.

    offset: added to seconds of the first to get seconds of the recording, at the seconds `at` of
        the first.
    within: seconds that contain its error at `at` in nine cases of ten; elsewhere `within_at`.
    drift: seconds that it gains in a second, None if not estimated; drift_within as above.
    sure: whether it is one performance, and this its only lag.
    usual_drift: what clocks gain or lose at most in nine cases of ten, if the drift was not
        estimated.
    """

    offset: float
    within: float
    drift: float | None
    drift_within: float | None
    at: float
    sure: bool
    usual_drift: float = 0.0

    def within_at(self, first: float) -> float:
        """Return the seconds that contain the error of `seconds` in nine cases of ten."""
        drift = self.usual_drift if self.drift_within is None else self.drift_within
        return math.hypot(self.within, drift * (first - self.at))

    def seconds(self, first: float) -> float:
        """Return the seconds of the recording at seconds of the first."""
        return first + self.offset + (self.drift or 0.0) * (first - self.at)

    def first(self, seconds: float) -> float:
        """Return the seconds of the first at seconds of the recording."""
        return self.at + (seconds - self.offset - self.at) / (1 + (self.drift or 0.0))


@dataclass(frozen=True)
class Recording:
    """A clip of a performance.

    clock: None if no lag fits the first recording.
    doubtful: limbs whose joints are doubtful, in words; empty if none are.
    """

    clip: Video
    pose: PoseSequence
    file: Path
    clock: Clock | None
    doubtful: str = ""


def join_doubts(limbs: Mapping[str, str]) -> str:
    """Return doubtful limbs (recording -> Recording.doubtful) as a phrase; empty if none are."""
    return "; ".join(f"{name}: {doubtful}" for name, doubtful in limbs.items() if doubtful)


def no_performance(name: str, first: str, doubts: str) -> str:
    """Return the sentence on recording `name`, which fits `first` at no lag.

    This proves that it shows another performance only if there are no `doubts` (join_doubts).
    """
    if doubts:
        return f"the joints cannot tell whether {name} shows the performance of {first}: {doubts}"
    return f"{name} does not show the performance of {first}"


@dataclass(frozen=True)
class OffsetResult:
    """Recordings in the order in which they were named, and every pair of them."""

    recordings: tuple[Recording, ...]
    pairs: tuple[PairOffset, ...]

    @property
    def placed(self) -> list[tuple[Recording, Clock]]:
        """The recordings of the performance, with their clocks."""
        return [(each, each.clock) for each in self.recordings if each.clock is not None]

    @property
    def clocks(self) -> dict[str, Clock]:
        """The clock of each recording of the performance, by the id of its clip."""
        return {recording.clip.id: clock for recording, clock in self.placed}

    def name(self, number: int) -> str:
        return self.recordings[number].clip.name

    def overlap(self, recording: Recording) -> float:
        """Return the seconds by which a recording and the first overlap, by their clocks."""
        if recording.clock is None:
            return 0.0
        first, times = self.recordings[0].pose.time, recording.pose.time
        start, end = (recording.clock.seconds(float(first[n])) for n in (0, -1))
        return max(0.0, min(end, float(times[-1])) - max(start, float(times[0])))

    def common(self) -> tuple[float, float] | None:
        """Return the seconds of the first recording that all show; None if there are none."""
        start = max(clock.first(float(each.pose.time[0])) for each, clock in self.placed)
        end = min(clock.first(float(each.pose.time[-1])) for each, clock in self.placed)
        return (start, end) if end > start else None

    def lags(self) -> list[str]:
        """Return a sentence on the clock of each recording except the first, and on its drift."""
        sentences = []
        for recording, clock in self.placed[1:]:
            name = recording.clip.name
            sentences.append(
                f"{name}: seconds of {self.name(0)} plus {clock.offset:.4f}, to within "
                f"{clock.within:.4f} s in nine cases of ten at {clock.at:.1f} s; "
                f"{self.overlap(recording):.1f} s overlap"
            )
            if clock.drift is not None and clock.drift_within is not None:
                sentences.append(
                    f"the clock of {name} gains {1e6 * clock.drift:.0f} parts per million, "
                    f"to within {1e6 * clock.drift_within:.0f}; the offset is that at "
                    f"{clock.at:.1f} s of {self.name(0)}"
                )
        return sentences

    def doubts(self) -> list[str]:
        """Return sentences on recordings of another performance, and on lags that are not sure."""
        sentences = []
        first = self.recordings[0]
        for other in self.recordings[1:]:
            limbs = join_doubts({each.clip.name: each.doubtful for each in (first, other)})
            if other.clock is None:
                sentences.append(no_performance(other.clip.name, first.clip.name, limbs))
            elif not other.clock.sure:
                because = f": {limbs}" if limbs else ""
                sentences.append(
                    f"the lag of {other.clip.name} is not sure, nor that it shows the same "
                    f"performance{because}"
                )
        for pair in self.pairs:
            if pair.rivals:
                lags = ", ".join(f"{rival.lag:.3f}" for rival in pair.rivals)
                sentences.append(
                    f"the movement repeats: {self.name(pair.b)} also fits {self.name(pair.a)} at "
                    f"{lags} s"
                )
        return sentences

    def rows(self) -> list[dict[str, Any]]:
        """Return the clock of each recording by the names of COLUMNS; None if it does not show the
        performance of the first."""
        rows = []
        for recording in self.recordings:
            row = dict.fromkeys(COLUMNS) | {"recording": recording.clip.id, "sure": False}
            if (clock := recording.clock) is not None:
                row |= _interval(clock.offset, clock.within)
                row |= {"at_seconds": round(clock.at, 5), "sure": clock.sure}
                row["overlap_seconds"] = round(self.overlap(recording), 3)
                row["drift_ppm"] = clock.drift and round(1e6 * clock.drift, 1)
            rows.append(row)
        return rows

    def csv(self) -> str:
        """Return CSV with a row for each recording."""
        cells = [["" if v is None else v for v in row.values()] for row in self.rows()]
        return table_text(COLUMNS, cells)

    def to_json(self) -> dict[str, Any]:
        """Return JSON: the clocks, the lag of each pair with the other lags that fit, the most
        probable first, and the commands; for two recordings also the clock of the second by
        itself."""
        ids, rows = [each.clip.id for each in self.recordings], self.rows()
        two = rows[1] if len(rows) == 2 else {}
        pairs = [
            {"a": ids[pair.a], "b": ids[pair.b], **_fitted(pair.best), "sure": pair.sure}
            | {"others": [_fitted(rival) for rival in pair.rivals]}
            for pair in self.pairs
        ]
        second = {name: value for name, value in two.items() if name != "recording"}
        return {**second, "recordings": rows, "pairs": pairs, "ffmpeg": self.ffmpeg()}

    def ffmpeg(self) -> list[str]:
        """Return commands that cut the videos to the common span, at the lowest frame rate: files
        of equally many frames, with the same moment in each frame."""
        common = self.common()
        if common is None:
            return []
        shown = [pair for pair in self.placed if pair[0].file.suffix.lower() in VIDEO_SUFFIXES]
        periods = [each.pose.axis.usual_step for each, _ in shown]
        stems = [each.file.stem for each, _ in shown]
        commands = []
        for recording, clock in shown:
            file = recording.file
            slowmo = ClipOptions.from_text(recording.clip.options).slowmo  # seconds of the file
            start, end = (slowmo * clock.seconds(moment) for moment in common)
            name = file.stem if stems.count(file.stem) == 1 else recording.clip.id
            # -ss would miss the moment by some frames in some files
            filters = [
                f"trim=start={start:.4f}:end={end:.4f}",
                f"setpts=(PTS-{start:.4f}/TB)/{slowmo * (1 + (clock.drift or 0.0)):.8f}",
                f"fps={1 / max(periods):.6g}:start_time=0",
            ]
            frames = int((common[1] - common[0]) / max(periods) + 1e-6)
            arguments = ["ffmpeg", "-i", str(file), "-vf", ",".join(filters)]
            arguments += ["-frames:v", str(frames), "-an", f"{name}-synced.mp4"]
            commands.append(shlex.join(arguments))
        return commands


def _interval(offset: float, within: float) -> dict[str, float]:
    """Return an offset, and the interval that contains it in nine cases of ten."""
    values = {"offset_seconds": offset, "low": offset - within, "high": offset + within}
    return {name: round(value, 5) for name, value in values.items()}


def _fitted(fit: Fit) -> dict[str, float]:
    values = {"overlap_seconds": round(fit.overlap, 3), "probability": fit.probability}
    return _interval(fit.lag, fit.within) | values
