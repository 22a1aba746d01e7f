"""From joints, or video frames, to what a network reads.

crop: the box of a clip and cells of its map · heatmaps: eq. 1 and 2 of the paper · resample: by
time, never by frame number · augment: the copy S' · pose_features, joint_angles: what needs no
training · network_input: all of it as one input · frame_features: features of video frames ·
heatmap_cache: heatmaps stored in the project.

Imports core, video and poses.
To add a feature that needs no training: a function in pose_features.py of (T, K, 2) joints that
gives (T, D), and its name where the variants of raw poses are listed there.
"""
