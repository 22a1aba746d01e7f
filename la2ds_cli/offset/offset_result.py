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
    """Seconds of a recording by those of the first one.

    offset: seconds of the first plus this are seconds of the recording, at the seconds `at` of the
        first.
    within: seconds by which it may be off at `at` in nine cases of ten; elsewhere `within_at`.
    drift: seconds that it gains in a second, None if that was not estimated; drift_within as above.
    sure: whether it is one performance, and this its only lag.
    usual_drift: how much clocks gain or lose in nine cases of ten, for a drift that was not
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
        """Seconds by which `seconds` may be off in nine cases of ten, at seconds of the first."""
        drift = self.usual_drift if self.drift_within is None else self.drift_within
        return math.hypot(self.within, drift * (first - self.at))

    def seconds(self, first: float) -> float:
        """Seconds of the recording at seconds of the first."""
        return first + self.offset + (self.drift or 0.0) * (first - self.at)

    def first(self, seconds: float) -> float:
        """Seconds of the first at seconds of the recording."""
        return self.at + (seconds - self.offset - self.at) / (1 + (self.drift or 0.0))


@dataclass(frozen=True)
class Recording:
    """A clip of a performance.

    clock: None if no lag fits those of the first recording.
    doubtful: limbs whose joints are doubtful, in words; empty if none is.
    """

    clip: Video
    pose: PoseSequence
    file: Path
    clock: Clock | None
    doubtful: str = ""


def join_doubts(limbs: Mapping[str, str]) -> str:
    """Return the doubtful limbs of recordings in one phrase; empty if none is.

    Parameters
    ----------
    limbs: the name of a recording -> Recording.doubtful.
    """
    return "; ".join(f"{name}: {doubtful}" for name, doubtful in limbs.items() if doubtful)


def no_performance(name: str, first: str, doubts: str) -> str:
    """Return the sentence on a recording that fits the first one at no lag, which proves that it
    shows another performance only if no joints are doubtful.

    Parameters
    ----------
    doubts: see join_doubts.
    """
    if doubts:
        return f"the joints cannot tell whether {name} shows the performance of {first}: {doubts}"
    return f"{name} does not show the performance of {first}"


@dataclass(frozen=True)
class OffsetResult:
    """recordings: in the order in which they were named. pairs: every two of them."""

    recordings: tuple[Recording, ...]
    pairs: tuple[PairOffset, ...]

    @property
    def placed(self) -> list[tuple[Recording, Clock]]:
        """The recordings of the performance, with their clocks."""
        return [(one, one.clock) for one in self.recordings if one.clock is not None]

    def name(self, number: int) -> str:
        return self.recordings[number].clip.name

    def overlap(self, recording: Recording) -> float:
        """Seconds that a recording and the first both last, by their clocks."""
        if recording.clock is None:
            return 0.0
        first, times = self.recordings[0].pose.time, recording.pose.time
        start, end = (recording.clock.seconds(float(first[n])) for n in (0, -1))
        return max(0.0, min(end, float(times[-1])) - max(start, float(times[0])))

    def common(self) -> tuple[float, float] | None:
        """Seconds of the first recording that all show; None if there are none."""
        start = max(clock.first(float(one.pose.time[0])) for one, clock in self.placed)
        end = min(clock.first(float(one.pose.time[-1])) for one, clock in self.placed)
        return (start, end) if end > start else None

    def lags(self) -> list[str]:
        """A sentence on the clock of each recording but the first; another one on its drift."""
        said = []
        for recording, clock in self.placed[1:]:
            name = recording.clip.name
            said.append(
                f"{name}: seconds of {self.name(0)} plus {clock.offset:.4f}, to within "
                f"{clock.within:.4f} s in nine cases of ten at {clock.at:.1f} s; "
                f"{self.overlap(recording):.1f} s overlap"
            )
            if clock.drift is not None and clock.drift_within is not None:
                said.append(
                    f"the clock of {name} gains {1e6 * clock.drift:.0f} parts per million, "
                    f"to within {1e6 * clock.drift_within:.0f}; the offset is that at "
                    f"{clock.at:.1f} s of {self.name(0)}"
                )
        return said

    def doubts(self) -> list[str]:
        """Sentences on recordings of another performance, and on lags that are not sure."""
        said = []
        first = self.recordings[0]
        for one in self.recordings[1:]:
            limbs = join_doubts({each.clip.name: each.doubtful for each in (first, one)})
            if one.clock is None:
                said.append(no_performance(one.clip.name, first.clip.name, limbs))
            elif not one.clock.sure:
                because = f": {limbs}" if limbs else ""
                said.append(
                    f"unsure whether that is the lag of {one.clip.name}, or one performance"
                    f"{because}"
                )
        for pair in self.pairs:
            if pair.rivals:
                lags = ", ".join(f"{one.lag:.3f}" for one in pair.rivals)
                said.append(
                    f"the movement repeats: {self.name(pair.b)} also fits {self.name(pair.a)} at "
                    f"{lags} s"
                )
        return said

    def rows(self) -> list[dict[str, Any]]:
        """Of each recording, by the names that files have for them, its clock; None if it does not
        show the performance of the first."""
        rows = []
        for one in self.recordings:
            row = dict.fromkeys(COLUMNS) | {"recording": one.clip.id, "sure": False}
            if (clock := one.clock) is not None:
                row |= _interval(clock.offset, clock.within)
                row |= {"at_seconds": round(clock.at, 5), "sure": clock.sure}
                row["overlap_seconds"] = round(self.overlap(one), 3)
                row["drift_ppm"] = clock.drift and round(1e6 * clock.drift, 1)
            rows.append(row)
        return rows

    def csv(self) -> str:
        """A row for each recording."""
        cells = [["" if v is None else v for v in row.values()] for row in self.rows()]
        return table_text(COLUMNS, cells)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: the clocks, the lag of each pair with the others that fit, the likeliest
        first, and the commands; of two recordings also the clock of the second by itself."""
        ids, rows = [one.clip.id for one in self.recordings], self.rows()
        two = rows[1] if len(rows) == 2 else {}
        pairs = [
            {"a": ids[pair.a], "b": ids[pair.b], **_fitted(pair.best), "sure": pair.sure}
            | {"others": [_fitted(one) for one in pair.rivals]}
            for pair in self.pairs
        ]
        told = {name: value for name, value in two.items() if name != "recording"}
        return {**told, "recordings": rows, "pairs": pairs, "ffmpeg": self.ffmpeg()}

    def ffmpeg(self) -> list[str]:
        """Commands that cut the videos to what all show, at the rate of the slowest: files of as
        many frames, the same moment in each frame."""
        common = self.common()
        if common is None:
            return []
        shown = [pair for pair in self.placed if pair[0].file.suffix.lower() in VIDEO_SUFFIXES]
        periods = [one.pose.axis.usual_step for one, _ in shown]
        stems = [one.file.stem for one, _ in shown]
        commands = []
        for recording, clock in shown:
            file = recording.file
            slowmo = ClipOptions.from_text(recording.clip.options).slowmo  # seconds of the file
            start, end = (slowmo * clock.seconds(moment) for moment in common)
            name = file.stem if stems.count(file.stem) == 1 else recording.clip.id
            # Not -ss, which misses the moment by frames in some files.
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
    """An offset, and the interval that holds it in nine cases of ten."""
    told = {"offset_seconds": offset, "low": offset - within, "high": offset + within}
    return {name: round(value, 5) for name, value in told.items()}


def _fitted(one: Fit) -> dict[str, float]:
    told = {"overlap_seconds": round(one.overlap, 3), "probability": one.probability}
    return _interval(one.lag, one.within) | told
