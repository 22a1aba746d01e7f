"""Trajectories of clips in the feature space, drawn in two dimensions (paper Fig. 5).

`plot` is the step, `projection` the mathematics, `drawing` the figure.
"""
