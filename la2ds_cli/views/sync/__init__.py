"""Two aligned clips side by side on one time axis, as a video or a recording.

`sync` writes, `timeline` says which frames are shown when, `side_by_side` draws them, `recording`
is that of Rerun.
"""
