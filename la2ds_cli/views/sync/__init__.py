"""Two aligned clips on one time axis: side by side, B alone, or as a list of cuts.

`sync` writes, `timeline` says which frames are shown when, `side_by_side` draws them, `edit_list`
turns the alignment into cuts of constant speed.
"""
