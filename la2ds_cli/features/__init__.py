"""From joints or video frames to the input of a network.

heatmaps, with its compiled heatmap_kernel: the box of a clip, its cells, and eq. 1 and 2 of the
paper · resample: sampling by time, never by frame number · augment: the
augmented copy S' · pose_features: features that need no training, and angles · network_input:
the input of the network · frame_features: features of video frames · heatmap_cache: heatmaps
stored in the project.

Imports core, video and poses.
To add a feature that needs no training: write a function in pose_features.py that takes a
PoseSequence and returns (T, D), and add its name to raw_variants in evaluation/features.py.
"""
