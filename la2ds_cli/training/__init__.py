"""Self-supervised training of the alignment network (paper sec. 3.3).

clips: which clips a run learns from · data: the seeded pairs of each step · network: building the
network, and batches for it · losses/: training methods, one file each · loop: the optimisation ·
validate: the label-free synthetic warp error · base_weights: the weights that ship · checkpoint:
files and state of a run · train: the step.

Imports core to features.
To add a method: follow losses/__init__.py.
"""
