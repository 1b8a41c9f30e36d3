"""Joints on disk in the format that suits the reader: NPZ, NPY, PKL, JSON, CSV, Parquet. Units as in joint_arrays."""

import csv
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from handpose_ros.hand import KEYPOINTS, HandPoses
from handpose_ros.recordings.joint_arrays import joint_arrays, write_joints
from handpose_ros.recordings.output import hands_as_json, replacing, write_json_list

_SCALARS = (
    "frame",
    "track_id",
    "side",
    "state",
    "depth_source",
    "score",
    "side_score",
    "hand_scale",
    "reprojection_error",
    "track_age",
)
_AXES = {"joints_2d": "uv", "joints_3d": "xyz"}  # u, v [px]; x, y, z [m]


def write_npy(path: Path, frames: Sequence[HandPoses]):
    """A structured array (N,): one entry for each hand, its fields those of the NPZ, and the stamp of its frame [s]."""
    arrays = _by_hand(frames)
    rows = np.empty(len(arrays["frame"]), [(name, a.dtype, a.shape[1:]) for name, a in arrays.items()])
    for name, values in arrays.items():
        rows[name] = values
    with replacing(path) as partial, partial.open("wb") as file:  # numpy would add .npy to another name
        np.save(file, rows)


def write_pickle(path: Path, frames: Sequence[HandPoses]):
    """A dict of the NPZ's arrays."""
    with replacing(path) as partial:
        partial.write_bytes(pickle.dumps(joint_arrays(frames)))


def write_json_frames(path: Path, frames: Sequence[HandPoses]):
    """A list of frames: stamp [s], width and height [px], calibrated, keypoints (the joints' names), hands."""
    write_json_list(path, ({"stamp": frame.stamp, **hands_as_json(frame)} for frame in frames))


def write_csv(path: Path, frames: Sequence[HandPoses]):
    """One line for each hand; what is not known is empty."""
    columns = _columns(frames)
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*(values.tolist() for values in columns.values()), strict=True):
            writer.writerow(["" if value != value else value for value in row])  # NaN differs from itself


def write_parquet(path: Path, frames: Sequence[HandPoses]):
    """The columns of the CSV. Raises ImportError with the remedy where pyarrow is not installed."""
    pyarrow, parquet = _pyarrow()
    with replacing(path) as partial:
        parquet.write_table(pyarrow.table(_columns(frames)), partial)


FORMATS: dict[str, Callable[[Path, Sequence[HandPoses]], None]] = {
    "npz": write_joints,
    "npy": write_npy,
    "pkl": write_pickle,
    "json": write_json_frames,
    "csv": write_csv,
    "parquet": write_parquet,
}


def check_formats(names: Sequence[str]):
    """Raises ValueError or ImportError, before any work is done, for a format that cannot be written."""
    if isinstance(names, str):
        raise ValueError(f"formats is {names!r}: give a tuple of names, as ({names!r},)")
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ValueError(f"no format is called {unknown[0]!r}, known are {', '.join(FORMATS)}")
    if "parquet" in names:
        _pyarrow()


def _pyarrow():
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError("Parquet needs pyarrow: pip install pyarrow, or choose csv") from error
    return pyarrow, parquet


def _by_hand(frames):
    """The arrays (N, ...) with one entry for each hand, and the stamp of its frame."""
    arrays = joint_arrays(frames)
    stamps = arrays.pop("stamp")[arrays["frame"]]
    whole = ("size", "calibrated", "frame_id", "keypoints")
    return {"stamp": stamps, **{name: values for name, values in arrays.items() if name not in whole}}


def _columns(frames):
    """The columns of a flat table by name."""
    arrays = _by_hand(frames)
    columns = {"stamp": arrays["stamp"], **{name: arrays[name] for name in _SCALARS}}
    for joint, keypoint in enumerate(KEYPOINTS):
        for name, axes in _AXES.items():
            columns |= {f"{keypoint}_{axis}": arrays[name][:, joint, k] for k, axis in enumerate(axes)}
        columns[f"{keypoint}_score"] = arrays["joint_scores"][:, joint]
        columns[f"{keypoint}_sigma"] = arrays["joint_sigma"][:, joint]
    return columns
