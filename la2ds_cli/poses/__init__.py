"""Raw video to poses: people are found and followed, one is chosen, its joints are estimated.

extract: the step, over a list of clips: plan, run, record · extraction: its networks, and what
becomes of a clip · current: the clip that a file is, and whether its poses are up to date ·
pose_clip: one clip from detection to verdict, in order · sources: the user's files as clips ·
chunks: frames of a clip, results of unfinished work, threads · passes: boxes and joints of all
frames · cuts, boxes, tracking: detections linked over time · subjects: who is followed · trust: how
far each joint can be trusted at each moment · quality: facts about the joints and what they mean ·
live_poses: one person while a video plays · networks: detectors and pose networks, a file for each
package that runs them · weights: weight files and licences.

Imports core and video.
To add a pose network or a person detector, write networks/NAME.py: its `__init__` says what such a
file declares.
"""
