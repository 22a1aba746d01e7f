"""Rendered performers: clips with known true correspondences, and `la2ds demo` on them.

performer.py: a jointed body, its proportions, movement and clothes · render.py: how a camera sees
it · demo_clips.py: videos and their ground truth · run.py: `la2ds demo`, and the error of its
alignment.

Imports every package except studio and commands.
To add a movement: a function of phase in performer.py and its name in demo_clips.py.
"""
