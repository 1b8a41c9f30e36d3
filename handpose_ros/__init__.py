"""Metric 3D hands from a calibrated camera, for ROS 2 and without it.

    from handpose_ros import Camera, HandPoseEstimator, read_image

Kept import-light: the generated `handpose_ros.msg` imports this file. What API names is imported when it is asked for.
"""

from importlib import import_module
from pkgutil import extend_path

# In a source checkout the generated message modules lie in another directory.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"

API = {  # name -> its module
    "Camera": "camera",
    "Frame": "camera",
    "HandPose": "hand",
    "HandPoses": "hand",
    "Side": "hand",
    "TrackingState": "hand",
    "DepthSource": "hand",
    "KEYPOINTS": "hand",
    "HandPoseEstimator": "estimator",
    "HandPosePipeline": "pipeline",
    "make_backend": "backends",
    "read_image": "recordings.sources",
    "read_video": "recordings.sources",
    "read_bag": "recordings.bag_images",
    "smooth_recording": "filtering.recorded",
    "find_recordings": "batch.files",
    "run_batch": "batch.run",
    "RecordingOptions": "recordings.job",
    "joint_angles": "features",
    "openness": "features",
    "tip_distances": "features",
    "GraspTracker": "grasps.grasp",
    "make_classifier": "grasps.grasp",
    "draw_hands": "drawing",
    "write_image": "recordings.output",
    "VideoWriter": "recordings.output",
    "write_joints": "recordings.joint_arrays",
    "read_joints": "recordings.joint_arrays",
}


__all__ = [*API]


def __getattr__(name: str):
    if name not in API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{API[name]}"), name)


def __dir__():
    return sorted([*globals(), *API])
