"""What the landmark network makes of rendered hands, next to the truth."""

import multiprocessing
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from handpose_ros import weights
from handpose_ros.backends.mediapipe import SIZE, tracked_squares
from handpose_ros.crops.aiming import place
from handpose_ros.hand import Side
from handpose_ros.runtimes import open_network
from tools.hand_mesh import HandMesh
from tools.lifter.scenes import keypoint_frames, random_hand, random_scene

LOOKS = 2  # per picture: at the true place, roughly, then as the tracker refines it
_BATCH = 16  # pictures
_LEAST_SCORE = 0.5
_LARGEST_ERROR = 0.15  # of the hand's box; beyond it the network has seen something else


@dataclass(frozen=True)
class Samples:
    """N observations of rendered hands. Rays are (x, y) at distance 1 of the picture's camera."""

    picture: np.ndarray  # (N,) int number of the picture; several observations may share it
    right: np.ndarray  # (N,) bool
    right_score: np.ndarray  # (N,) the network's probability of a right hand
    score: np.ndarray  # (N,) presence
    rays: np.ndarray  # (N, 21, 2) of the observed keypoints
    local: np.ndarray  # (N, 21, 3) [m] world landmarks in the camera's axes
    z: np.ndarray  # (N, 21) the network's third landmark coordinate, in crop sides
    keypoints: np.ndarray  # (N, 21, 3) [m] true, as the mesh has them
    frames: np.ndarray  # (N, 21, 3, 3) R_camera_from_joint

    def __len__(self):
        return len(self.picture)

    def __getitem__(self, index) -> "Samples":
        return Samples(*(getattr(self, field.name)[index] for field in fields(self)))

    def save(self, path: Path):
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Samples":
        with np.load(path) as file:
            return cls(*(file[field.name] for field in fields(cls)))

    @classmethod
    def join(cls, parts: list["Samples"]) -> "Samples":
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def render_samples(meshes: Path, count: int, seed: int, processes: int) -> Samples:
    """Observations of `count` pictures; the same for the same `seed`, whatever the number of `processes`.

    meshes: folder with left.glb and right.glb. Kept is what the network takes for a hand of the right side, its
    keypoints near the truth.
    """
    starts = [(meshes, seed, start, min(_BATCH, count - start)) for start in range(0, count, _BATCH)]
    with multiprocessing.get_context("spawn").Pool(processes, _one_thread) as pool:
        return Samples.join(list(pool.imap(_render_batch, starts)))


def pose_samples(meshes: Path, count: int, seed: int, processes: int) -> Samples:
    """`count` poses as in the pictures, of which nothing was observed (NaN)."""
    starts = [(meshes, seed, start, min(_BATCH, count - start)) for start in range(0, count, _BATCH)]
    with multiprocessing.get_context("spawn").Pool(processes, _one_thread) as pool:
        return Samples.join(list(pool.imap(_pose_batch, starts)))


def _one_thread():
    cv2.setNumThreads(1)


_LOADED = {}  # per process: meshes and network


def _render_batch(job):
    folder, seed, start, count = job
    meshes = _meshes(folder)
    if "network" not in _LOADED:
        path = weights.locate("hand_landmark_full")
        _LOADED["network"] = open_network(path, batch=_BATCH, device="cpu", runtime="torch", num_threads=1)
    rngs = [np.random.default_rng([seed, start + index]) for index in range(count)]
    scenes = [random_scene(meshes, rng) for rng in rngs]
    guesses = [_jittered(scene.camera.project(scene.keypoints), rng) for scene, rng in zip(scenes, rngs, strict=True)]
    looks = []
    for _ in range(LOOKS):
        look = _observe(scenes, guesses, _LOADED["network"], start)
        homogeneous = np.pad(look.rays, [(0, 0), (0, 0), (0, 1)], constant_values=1)
        guesses = [scene.camera.project(points) for scene, points in zip(scenes, homogeneous, strict=True)]
        looks.append(look)
    both = Samples.join(looks)
    return both[_is_sane(both)]


def _pose_batch(job):
    folder, seed, start, count = job
    meshes = _meshes(folder)
    hands = []
    for index in range(start, start + count):
        rng = np.random.default_rng([seed, index, 1])
        mesh, joints = random_hand(meshes[rng.integers(2)], rng)
        hands.append((mesh.side == Side.RIGHT, mesh.keypoints(joints), keypoint_frames(joints)))
    right, keypoints, frames = (np.stack(values) for values in zip(*hands, strict=True))
    unknown = np.full((count, 21, 3), np.nan)
    return Samples(
        picture=start + np.arange(count),
        right=right,
        right_score=unknown[:, 0, 0],
        score=unknown[:, 0, 0],
        rays=unknown[..., :2],
        local=unknown,
        z=unknown[..., 0],
        keypoints=keypoints,
        frames=frames,
    )


def _meshes(folder):
    if "meshes" not in _LOADED:
        sides = (Side.LEFT, Side.RIGHT)
        _LOADED["meshes"] = tuple(HandMesh.load(folder / f"{side.name.lower()}.glb", side) for side in sides)
    return _LOADED["meshes"]


def _jittered(points, rng):
    """`points` (21, 2) [px], the whole of them moved, turned and scaled as a detector would."""
    center = points.mean(axis=0)
    extent = np.ptp(points, axis=0).max()
    angle, scale = rng.normal(0, 0.15), np.exp(rng.normal(0, 0.10))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points - center) @ turn.T + center + rng.normal(0, 0.05 * extent, 2)


def _observe(scenes, guesses, network, start):
    crops = [place(tracked_squares, guess[None], scene.camera)[0] for scene, guess in zip(scenes, guesses, strict=True)]
    batch = np.stack([crop.sample(scene.image, SIZE, "replicate") for crop, scene in zip(crops, scenes, strict=True)])
    landmarks, presence, right, world = network(batch)
    landmarks, world = landmarks.reshape(-1, 21, 3), world.reshape(-1, 21, 3)
    rays = [
        scene.camera.unproject(crop.to_image(points[:, :2], SIZE))
        for crop, scene, points in zip(crops, scenes, landmarks, strict=True)
    ]
    return Samples(
        picture=start + np.arange(len(scenes)),
        right=np.array([scene.side == Side.RIGHT for scene in scenes]),
        right_score=right[:, 0],
        score=presence[:, 0],
        rays=np.stack([ray[:, :2] / ray[:, 2:] for ray in rays]),
        local=np.stack([crop.to_camera(points) for crop, points in zip(crops, world, strict=True)]),
        z=landmarks[..., 2] / SIZE,
        keypoints=np.stack([scene.keypoints for scene in scenes]),
        frames=np.stack([scene.frames for scene in scenes]),
    )


def _is_sane(samples):
    truth = samples.keypoints[..., :2] / samples.keypoints[..., 2:]
    box = np.ptp(truth, axis=-2).max(axis=-1)
    error = np.linalg.norm(samples.rays - truth, axis=-1).mean(axis=-1)
    same_side = (samples.right_score > 0.5) == samples.right
    return same_side & (samples.score > _LEAST_SCORE) & (error < _LARGEST_ERROR * box)
