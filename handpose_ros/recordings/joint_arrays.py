"""The hands of a recording as arrays, on disk as an NPZ, and back."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from handpose_ros.hand import KEYPOINTS, DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.recordings.output import replacing

_NUMBERS = {"side": Side, "track_id": int, "state": TrackingState, "depth_source": DepthSource}
_SHAPES = {
    "score": (),
    "side_score": (),
    "joints_2d": (21, 2),
    "joints_3d": (21, 3),
    "joint_scores": (21,),
    "joint_sigma": (21,),
    "hand_scale": (),
    "wrist_covariance": (6, 6),
    "wrist_velocity": (6,),
    "reprojection_error": (),
    "track_age": (),
}


def write_joints(path: Path | str, frames: Sequence[HandPoses]):
    """Writes the arrays of `joint_arrays` as an NPZ file."""
    with replacing(path) as partial, partial.open("wb") as file:  # numpy would add .npz to another name
        np.savez_compressed(file, **joint_arrays(frames))


def read_joints(path: Path | str) -> list[HandPoses]:
    """Reads the file of `write_joints`. MANO's parameters are not in it.

    Raises ValueError for a file that `write_joints` did not write, OSError for one that cannot be read.
    """
    try:
        file = np.load(path)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array")
        with file:
            arrays = dict(file)
        if arrays["keypoints"].tolist() != list(KEYPOINTS):
            raise ValueError("its keypoints are others")
        frames = [[] for _ in arrays["stamp"]]
        for row, frame in enumerate(arrays["frame"]):
            numbers = {name: kind(arrays[name][row]) for name, kind in _NUMBERS.items()}
            values = {name: arrays[name][row] if shape else float(arrays[name][row]) for name, shape in _SHAPES.items()}
            frames[frame].append(HandPose(**numbers, **values))
        whole = zip(arrays["size"].tolist(), arrays["stamp"], arrays["frame_id"], arrays["calibrated"], strict=True)
        return [
            HandPoses(tuple(hands), tuple(size), float(stamp), str(frame_id), bool(calibrated))
            for hands, (size, stamp, frame_id, calibrated) in zip(frames, whole, strict=True)
        ]
    except (KeyError, ValueError, IndexError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is no NPZ of joints that this package wrote ({error})") from error


def joint_arrays(frames: Sequence[HandPoses]) -> dict[str, np.ndarray]:
    """One row for each hand of each frame, in order, and one entry for each frame.

    frame (N,) index of the hand's frame; side (N,) 1 left, 2 right, 0 unknown; track_id (N,);
    state (N,) 1 tracked, 2 coasting, 3 lost; score, side_score (N,) 0..1; joints_2d (N, 21, 2) px;
    joints_3d (N, 21, 3) m in the camera's optical frame, or relative to the wrist where depth_source (N,) is 0;
    joint_scores (N, 21) 0..1; joint_sigma (N, 21) m; hand_scale (N,); wrist_covariance (N, 6, 6) m^2, rad^2;
    wrist_velocity (N, 6) m/s, rad/s; reprojection_error (N,) px; track_age (N,) s;
    stamp (F,) s; size (F, 2) width, height px; calibrated (F,) bool; frame_id (F,); keypoints (21,) the joints' names.
    """
    whole = [(len(frame), frame.stamp, frame.size, frame.calibrated, frame.frame_id) for frame in frames]
    counts, stamps, sizes, calibrated, frame_ids = zip(*whole, strict=True) if whole else [()] * 5
    count = sum(counts)
    index, numbers = np.empty(count, int), {name: np.empty(count, int) for name in _NUMBERS}
    values = {name: np.empty((count, *shape)) for name, shape in _SHAPES.items()}
    hands = ((number, hand) for number, frame in enumerate(frames) for hand in frame)
    for row, (number, hand) in enumerate(hands):  # one by one: `frames` may be too many for memory
        index[row] = number
        for name, array in (*numbers.items(), *values.items()):
            array[row] = getattr(hand, name)
    return dict(
        frame=index,
        stamp=np.array(stamps, float),
        size=np.array(sizes, int).reshape(-1, 2),
        calibrated=np.array(calibrated, bool),
        frame_id=np.array(frame_ids, str),
        keypoints=np.array(KEYPOINTS),
        **numbers,
        **values,
    )
