"""From raw video to poses: find and follow people, choose a subject, estimate its joints.

extract: the step, over a list of clips: plan, run, record · extraction: the networks of a run, and
the result of each clip · current: which clip a file belongs to, and whether its poses are up to
date · pose_clip: one clip from detection to verdict · sources: the user's files as clips · chunks:
frames of a clip, results of unfinished work, threads · passes: boxes and joints of all frames ·
cuts, boxes, tracking: detections linked over time · subjects: who is followed · trust: how reliable
each joint is at each moment · quality: facts about the joints and what they mean · live_poses: one
person while a video plays · networks: detectors and pose networks, one file per package that runs
them · weights: weight files and licences.

Imports core and video.
To add a pose network or a person detector, write networks/NAME.py; networks/__init__.py says what
such a file declares.
"""
