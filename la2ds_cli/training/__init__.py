"""Self-supervised training of the alignment network (paper sec. 3.3).

clip_set: whether clips are enough, and their identity · data: the seeded pairs of each step ·
batches: pairs as tensors · losses/: the product's own method, and how methods are found by name ·
loop: the optimisation · validate: the label-free synthetic warp error · from_base: training that
starts from the base model · checkpoint: files and state of a run · train: the step.

Imports core, features and network, nothing else.
To add a method: follow losses/__init__.py.
"""
