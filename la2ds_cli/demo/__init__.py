"""Rendered performers: clips with known true correspondences, and the whole pipeline run on them.

performer.py: a jointed body, its proportions and clothes · movement.py: its movement · render.py:
how a camera sees it · clips.py: videos and their ground truth · pose_errors.py: errors of pose
networks · run.py: `la2ds demo`, and the error of its alignment.

Imports any package except commands.
To add a movement: a function of phase in movement.py and its name in clips.py.
"""
