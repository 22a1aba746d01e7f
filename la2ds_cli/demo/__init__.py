"""Rendered performers: clips whose true correspondence is known, and the whole chain run on them.

performer.py: a jointed body, its proportions and clothes · movement.py: what it does · render.py:
how a camera sees it · clips.py: videos and their truth · obstacles.py: what hides joints ·
pose_errors.py: errors of pose networks · run.py: `la2ds demo`, and how far its alignment lies from
the truth.

Imports any room but commands.
To add a movement: a function of phase in movement.py and its name in clips.py.
"""
