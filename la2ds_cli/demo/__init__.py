"""Rendered performers: clips whose true correspondence is known, and the chain run on them.

body, movement, head, look, camera, scene, render: a person in front of a camera · clips:
videos and their truth · sample, pck: crops to train and test a pose network · run: `la2ds demo` ·
truth: how far an alignment is from it.

Imports any room but commands.
To add a movement: a function of phase in movement.py and its name in clips.py.
"""
