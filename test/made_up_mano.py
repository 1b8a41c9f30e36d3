"""A hand model with MANO's layout and none of its data: joints one can check by hand, vertices sprinkled about them.

The flat right hand: fingers along +z, thumb towards +x, back of the hand +y; the left is its mirror image in x.
"""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import scipy.sparse

PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
TIPS = (744, 320, 443, 554, 671)  # thumb, index, middle, ring, little
KNUCKLES = {1: (0.03, 0, 0.09), 4: (0.01, 0, 0.095), 7: (-0.03, 0, 0.08), 10: (-0.01, 0, 0.09), 13: (0.02, 0, 0.02)}
FINGER_OF_TIP = dict(zip(TIPS, (13, 1, 4, 10, 7), strict=True))  # the first joint of the finger
SEGMENTS = np.cumsum([0.0, 0.04, 0.025, 0.02])  # [m] from the knuckle to its finger's joints and tip
THUMB_DIRECTION = np.array([0.6, 0.0, 0.8])


def joints() -> np.ndarray:
    """(16, 3) [m] of the flat right hand."""
    return np.array([(0, 0, 0)] + [finger_point(13 if j >= 13 else j - (j - 1) % 3, (j - 1) % 3) for j in range(1, 16)])


def finger_point(first: int, segment: int) -> np.ndarray:
    """Where a segment of the finger that begins at joint `first` begins; the fourth is its tip."""
    direction = THUMB_DIRECTION if first == 13 else np.array([0.0, 0.0, 1.0])
    return np.array(KNUCKLES[first]) + direction * SEGMENTS[segment]


def made_up_mano(right: bool) -> dict:
    """The content of a MANO file, by its official keys."""
    random = np.random.default_rng(7)
    centers = joints()
    owner = np.repeat(np.arange(16), 49)[:778]  # the joint that a vertex belongs to
    vertices = centers[owner] + random.uniform(-0.008, 0.008, (778, 3))
    regressor = np.zeros((16, 778))
    for joint in range(16):
        ring = np.flatnonzero(~np.isin(np.arange(778), TIPS) & (owner == joint))[:4]
        vertices[ring] = centers[joint] + 0.01 * np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)])
        regressor[joint, ring] = 0.25
    weights = np.zeros((778, 16))
    weights[np.arange(778), owner] += 0.75
    weights[np.arange(778), np.maximum(np.array(PARENTS)[owner], 0)] += 0.25
    for tip, first in FINGER_OF_TIP.items():
        vertices[tip] = finger_point(first, 3)
        weights[tip] = np.eye(16)[first + 2]
    shapes = random.normal(0, 0.002, (778, 3, 10))
    shapes[..., 0] = vertices / 10  # the first coefficient makes the hand larger by a tenth
    poses = random.normal(0, 0.0005, (778, 3, 135))
    mean = random.normal(0, 0.15, 45)
    faces = np.arange(1538)[:, None] % 776 + np.arange(3)
    if not right:  # by the mirror M = diag(-1, 1, 1): points M v, rotations M R M
        mirror = np.array([-1.0, 1, 1])
        vertices, shapes = vertices * mirror, shapes * mirror[:, None]
        poses = poses * mirror[:, None] * np.tile(np.outer(mirror, mirror).ravel(), 15)
        mean, faces = mean * np.tile([1.0, -1, -1], 15), faces[:, ::-1]
    return {
        "v_template": vertices,
        "shapedirs": shapes,
        "posedirs": poses,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([(4294967295, *PARENTS[1:]), range(16)]),
        "f": faces.astype(np.uint32),
        "hands_mean": mean,
        "hands_components": np.eye(45),
        "bs_style": "lbs",
    }


def write_mano(path: Path, content: dict, chumpy: bool = False) -> Path:
    """A pickle as the official ones: protocol 2, a sparse regressor, and `shapedirs` as chumpy's object if asked."""
    content = content | {"J_regressor": scipy.sparse.csc_matrix(content["J_regressor"])}
    if not chumpy:
        path.write_bytes(pickle.dumps(content, protocol=2))
        return path
    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    Ch = modules["chumpy.ch"].Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    Select = modules["chumpy.reordering"].Select = type("Select", (), {"__module__": "chumpy.reordering"})
    wide = Ch()
    wide.x = np.concatenate([content["shapedirs"], np.full((778, 3, 2), 9.0)], axis=-1)
    chosen = Select()
    chosen.a, chosen.preferred_shape = wide, (778, 3, 10)
    chosen.idxs = np.arange(wide.x.size).reshape(wide.x.shape)[..., :10].ravel()
    chosen._dirty_vars = {"a"}
    sys.modules.update(modules)
    try:
        path.write_bytes(pickle.dumps(content | {"shapedirs": chosen}, protocol=2))
    finally:
        for name in modules:
            del sys.modules[name]
    return path
