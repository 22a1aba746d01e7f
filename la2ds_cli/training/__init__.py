"""Self-supervised training of the alignment network (paper sec. 3.3).

data: clips and seeded training pairs · loop: the optimisation · validate: label-free synthetic
warp error · checkpoint: files of a run · card: the model card · train: the step · losses/:
training methods, one file each.

Imports core to features.
To add a method: losses/__init__.py is the recipe.
"""
