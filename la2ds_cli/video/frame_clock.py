"""Time stamps that can be relied on."""

from __future__ import annotations


class FrameClock:
    """Makes time stamps strictly increasing, one frame at a time.

    A missing stamp is one frame after the last; a repeated or slightly late one half a frame, so
    that the next good stamp fits again; a jump back of more than a second (joined recordings)
    shifts all that follow.
    """

    def __init__(self, fps: float) -> None:
        self.period = 1 / fps
        self.last: float | None = None
        self.shift = 0.0

    def tick(self, stamp: float | None) -> float:
        """Seconds of the next frame, given its stamp in seconds, None where it has none."""
        if self.last is None:
            self.last = 0.0 if stamp is None else stamp
            return self.last
        time = self.last + self.period if stamp is None else stamp + self.shift
        if time < self.last - 1:
            self.shift += self.last + self.period - time
            time = self.last + self.period
        if time <= self.last:
            time = self.last + self.period / 2
        self.last = time
        return time
