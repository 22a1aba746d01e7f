"""The clocks of recordings of one performance as data: JSON, CSV, and commands for ffmpeg."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from la2ds_cli.core.clip import VIDEO_SUFFIXES, Video
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.resample import frame_period
from la2ds_cli.offset.pair import PairOffset

COLUMNS = (
    *("recording", "offset_seconds", "low", "high", "drift_ppm", "at_seconds"),
    *("overlap_seconds", "sure"),
)


@dataclass(frozen=True)
class Recording:
    """A clip, its joints, and its source file."""

    clip: Video
    pose: PoseSequence
    file: Path


@dataclass(frozen=True)
class Clock:
    """Seconds of a recording by those of the first one.

    offset: seconds of the first plus this are seconds of the recording, at the seconds `at` of the
        first.
    within: seconds by which it may be off in nine cases of ten.
    drift: seconds that it gains in a second, None if that was not estimated; drift_within as above.
    sure: whether it is one performance, and this its only lag.
    """

    offset: float
    within: float
    drift: float | None
    drift_within: float | None
    at: float
    sure: bool

    def seconds(self, first: float) -> float:
        """Seconds of the recording at seconds of the first."""
        return first + self.offset + (self.drift or 0.0) * (first - self.at)

    def first(self, seconds: float) -> float:
        """Seconds of the first at seconds of the recording."""
        return self.at + (seconds - self.offset - self.at) / (1 + (self.drift or 0.0))


@dataclass(frozen=True)
class OffsetResult:
    """recordings: in the order in which they were named. pairs: every two of them. clocks: one for
    each recording, None for one that does not show the performance of the first. files: written."""

    recordings: tuple[Recording, ...]
    pairs: tuple[PairOffset, ...]
    clocks: tuple[Clock | None, ...]
    files: tuple[Path, ...] = ()

    def name(self, number: int) -> str:
        return self.recordings[number].clip.name

    def overlap(self, number: int) -> float:
        """Seconds that a recording and the first both last, by their clocks."""
        clock, times = self.clocks[number], self.recordings[number].pose.time
        if clock is None:
            return 0.0
        first = self.recordings[0].pose.time
        start, end = (clock.seconds(float(first[n])) for n in (0, -1))
        return max(0.0, min(end, float(times[-1])) - max(start, float(times[0])))

    def common(self) -> tuple[float, float] | None:
        """Seconds of the first recording that all show; None if there are none."""
        start, end = -float("inf"), float("inf")
        for recording, clock in zip(self.recordings, self.clocks, strict=True):
            if clock is not None:
                start = max(start, clock.first(float(recording.pose.time[0])))
                end = min(end, clock.first(float(recording.pose.time[-1])))
        return (start, end) if end > start else None

    def lags(self) -> list[str]:
        """A sentence on the clock of each recording but the first; another one on its drift."""
        said = []
        for n, clock in enumerate(self.clocks[1:], start=1):
            if clock is None:
                continue
            said.append(
                f"{self.name(n)}: seconds of {self.name(0)} plus {clock.offset:.4f}, to within "
                f"{clock.within:.4f} s in nine cases of ten; {self.overlap(n):.1f} s overlap"
            )
            if clock.drift is not None and clock.drift_within is not None:
                said.append(
                    f"the clock of {self.name(n)} gains {1e6 * clock.drift:.0f} parts per million, "
                    f"to within {1e6 * clock.drift_within:.0f}; the offset is that at "
                    f"{clock.at:.1f} s of {self.name(0)}"
                )
        return said

    def doubts(self) -> list[str]:
        """Sentences on recordings of another performance, and on lags that are not sure."""
        said = []
        for n, clock in enumerate(self.clocks):
            if clock is None:
                said.append(f"{self.name(n)} does not show the performance of {self.name(0)}")
            elif n and not clock.sure:
                said.append(f"unsure whether that is the lag of {self.name(n)}, or one performance")
        for pair in self.pairs:
            if pair.rivals:
                lags = ", ".join(f"{one.fit.lag:.3f}" for one in pair.rivals)
                said.append(
                    f"the movement repeats: {self.name(pair.b)} also fits {self.name(pair.a)} at "
                    f"{lags} s"
                )
        return said

    def rivals(self, pair: PairOffset) -> list[dict[str, float]]:
        """Other lags that fit two recordings, the likeliest first."""
        return [
            {"offset_seconds": one.fit.lag, "probability": one.probability} for one in pair.rivals
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; of two recordings also the keys of their one pair."""
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in self._rows()]
        pairs = [
            {
                "a": self.recordings[pair.a].clip.id,
                "b": self.recordings[pair.b].clip.id,
                "offset_seconds": pair.best.fit.lag,
                "low": pair.best.fit.lag - pair.best.within,
                "high": pair.best.fit.lag + pair.best.within,
                "overlap_seconds": pair.best.fit.overlap,
                "probability": pair.best.probability,
                "sure": pair.sure,
                "others": self.rivals(pair),
            }
            for pair in self.pairs
        ]
        two = rows[1] if len(rows) == 2 else {}
        return {
            **{name: value for name, value in two.items() if name != "recording"},
            "recordings": rows,
            "pairs": pairs,
            "ffmpeg": self.ffmpeg(),
            "files": [str(file) for file in self.files],
        }

    def csv(self) -> str:
        """A row for each recording."""
        rows = [["" if value is None else value for value in row] for row in self._rows()]
        return table_text(COLUMNS, rows)

    def _rows(self) -> list[list[Any]]:
        rows = []
        for n, (recording, clock) in enumerate(zip(self.recordings, self.clocks, strict=True)):
            row: list[Any] = [recording.clip.id, *[None] * 6, False]
            if clock is not None:
                low, high = clock.offset - clock.within, clock.offset + clock.within
                drift = None if clock.drift is None else round(1e6 * clock.drift, 1)
                shown = [round(value, 5) for value in (clock.offset, low, high)]
                row[1:] = [*shown, drift, round(clock.at, 5), round(self.overlap(n), 3), clock.sure]
            rows.append(row)
        return rows

    def ffmpeg(self) -> list[str]:
        """Commands that cut the videos to what all show, at the rate of the slowest: files of as
        many frames, the same moment in each frame."""
        common = self.common()
        if common is None:
            return []
        shown = [
            (recording, clock)
            for recording, clock in zip(self.recordings, self.clocks, strict=True)
            if clock is not None and recording.file.suffix.lower() in VIDEO_SUFFIXES
        ]
        periods = [frame_period(one.pose.time, one.pose.fps) for one, _ in shown]
        commands = []
        for recording, clock in shown:
            file = recording.file
            start, end = (clock.seconds(moment) for moment in common)
            # Not -ss, which misses the moment by frames in some files.
            filters = [
                f"trim=start={start:.4f}:end={end:.4f}",
                f"setpts=(PTS-{start:.4f}/TB)/{1 + (clock.drift or 0.0):.8f}",
                f"fps={1 / max(periods):.6g}:start_time=0",
            ]
            frames = int((common[1] - common[0]) / max(periods) + 1e-6)
            arguments = ["ffmpeg", "-i", str(file), "-vf", ",".join(filters)]
            arguments += ["-frames:v", str(frames), "-an", f"{file.stem}-synced.mp4"]
            commands.append(shlex.join(arguments))
        return commands
