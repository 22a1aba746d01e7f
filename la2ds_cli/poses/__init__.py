"""Raw video to poses: people are found and followed, one is chosen, its joints are estimated.

extract: the step, over a list of clips · extraction: one run of it, its networks · current: whether
poses are what was asked for · clip: one clip from detection to judgement, in order · sources: what
the user named, as clips · subjects: who is followed · passes: boxes and joints of all frames, in
chunks · tracking, tracks, boxes, cuts: detections linked over time · identity: identity switches
and duplicate tracks · cleaning: gaps and smoothing · trust: how far each joint can be trusted at
each moment · quality, verdict: facts of the joints and what they mean · top_down: crops, decoders
and any network for crops · weights: weight files and licences · threads: networks called by several
threads · onnx_session, openmmlab, ultralytics_model: programs that run models of others ·
ray_engine: extraction over a cluster.

Imports core and video.
To add a pose network, write backends/NAME.py; a person detector, detectors/NAME.py: their
`__init__` says what such a file declares.
"""
