"""The taxonomy cascade: which grasp a hand shows, claimed level by level as deep as the evidence goes.

A small network gives the probabilities of the leaves `grasp_types.TYPES`, seen in one image. Over time they are
the observations of a hidden Markov model: a hand keeps its grasp for STAY seconds on average, and what one image
says counts for the share of CORRELATED that it covers, because the errors of neighbouring images are alike. Those of
how it is closed are alike for longer, PERSISTENT: two filters, one for each, so that the phases need not wait.

A level's probability is the sum over its leaves. Category, opposition, coarse type, virtual fingers and the
number of the type are gone through in this order; each is claimed if everything claimed so far and its likeliest
value are true together with at least `min_confidence`. What is claimed is given up late, at KEEP of that.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np

from handpose_ros.features import (
    as_right_hands,
    finger_curl,
    is_human,
    palm_size,
    thumb_side_distances,
    tip_distances,
    tip_palm_distances,
)
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.grasp_types import TYPES
from handpose_ros.grasps.taxonomy import UNKNOWN, CoarseType, GraspType

WEIGHTS = "grasp_cascade.npz"  # by tools/train_grasp_cascade.py
STAY = 4.0  # [s] that a grasp lasts on average
CORRELATED = 0.067  # [s] within which images repeat each other's errors about whether the hand is closed
PERSISTENT = 0.15  # [s] the same about how it is: these are also errors of the person's style
KEEP = 0.1  # of min_confidence: a claim below it is given up

_LEVELS = (  # what a level tells of a type: the fields of GraspType that it claims
    ("category",),
    ("opposition",),
    ("coarse_type",),
    ("vf1", "vf2", "vf3", "thumb_abducted"),
    ("feix_id", "name"),
)
_COARSE = np.array([type.coarse_type for type in TYPES])
_IS_CLOSED = (_COARSE >= CoarseType.POWER_PRISMATIC).astype(int)
_GROUPS = np.stack([1.0 - _IS_CLOSED, _IS_CLOSED])  # (2, 38) which leaves are not closed, which are
_REPETITIVE = np.array([[CORRELATED], [PERSISTENT]])  # [s]


def _values(type, fields):
    return tuple(getattr(type, field) for field in fields)


_CELLS = tuple(  # per level: its fields, their k values, and which leaves have each of them (k, 38)
    (fields, values, np.array([[float(_values(type, fields) == value) for type in TYPES] for value in values]))
    for fields in _LEVELS
    for values in [list(dict.fromkeys(_values(type, fields) for type in TYPES))]
)


def shape_features(joints: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """(..., 78) what the network sees of hands (..., 21, 3) [m]: no place, direction, side or size in it."""
    return _features(joints, right, palm_size(joints))


def _features(joints, right, size):
    size = np.asarray(size)[..., None]
    local = as_right_hands(joints, right)[..., 1:, :]
    flat = local.reshape(*local.shape[:-2], 60) / size
    distances = [tip_distances(joints), tip_palm_distances(joints), thumb_side_distances(joints)]
    return np.concatenate([flat, *(each / size for each in distances), finger_curl(joints)], axis=-1)


@dataclass(frozen=True, eq=False)
class LeafNetwork:
    """Two hidden layers; gives the probabilities of TYPES."""

    mean: np.ndarray  # (78,) of the features in training
    scale: np.ndarray  # (78,)
    weights: tuple[np.ndarray, ...]  # (in, out) per layer
    biases: tuple[np.ndarray, ...]  # (out,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(..., 38) probabilities, given features (..., 78)."""
        x = (features - self.mean) / self.scale
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = np.maximum(x @ weights + bias, 0.0)
        logits = x @ self.weights[-1] + self.biases[-1]
        likely = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return likely / likely.sum(axis=-1, keepdims=True)


@cache
def load_network() -> LeafNetwork:
    """The network that comes with the package."""
    with (files("handpose_ros") / "data" / WEIGHTS).open("rb") as file:
        data = {name: value.astype(float) for name, value in np.load(file).items()}  # some say how it was trained
    layers = range(sum(name.startswith("weights") for name in data))
    weights, biases = (tuple(data[f"{part}{i}"] for i in layers) for part in ("weights", "bias"))
    return LeafNetwork(data["mean"], data["scale"], weights, biases)


class TaxonomyCascade:
    """Classifies one hand by the levels of the GRASP taxonomy."""

    name = "taxonomy@1"

    def __init__(self):
        self._network = load_network()

    def __call__(self, joints: np.ndarray, right: bool, previous: Claim, dt: float, min_confidence: float) -> Claim:
        """The claim on a hand `joints` (21, 3) [m], `dt` [s] after `previous`."""
        size = palm_size(joints)
        if not is_human(size) or not np.isfinite(joints).all():
            return Claim(UNKNOWN, np.nan)
        seen = self._network(_features(joints, right, size))
        beliefs = follow(previous.belief, seen, dt, _REPETITIVE)
        belief = joined(*beliefs)
        type, confidence = descend(belief, min_confidence, previous.type)
        scores = np.bincount(_COARSE, weights=belief, minlength=len(CoarseType))
        return Claim(type, confidence, float(_GROUPS[1] @ belief), float(_GROUPS[1] @ seen), beliefs, scores)


def follow(
    belief: np.ndarray | None, seen: np.ndarray, dt: float, correlated: np.ndarray | float = CORRELATED
) -> np.ndarray:
    """(..., 38) probabilities of the leaves after an image that alone says `seen` (38,), `dt` [s] after `belief`
    (..., 38), if images repeat each other's errors within `correlated` (..., 1) [s]; `seen` where that is all there is.
    """
    if belief is None:
        return seen + np.zeros_like(correlated)
    changed = 1 - math.exp(-max(dt, 0.0) / STAY)
    expected = (1 - changed) * belief + changed / len(TYPES)
    posterior = expected * np.maximum(seen, 1e-4) ** np.minimum(max(dt, 0.0) / correlated, 1.0)
    return posterior / posterior.sum(axis=-1, keepdims=True)


def joined(shape: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """(38,) probabilities of the leaves: closed or not as in `shape` (38,), in what way as in `kind` (38,)."""
    return kind * (_GROUPS @ shape / (_GROUPS @ kind))[_IS_CLOSED]


def descend(belief: np.ndarray, min_confidence: float, previous: GraspType = UNKNOWN) -> tuple[GraspType, float]:
    """(the type claimed, the probability that all that is claimed is true)."""
    within, claimed, keeps = belief, {}, previous != UNKNOWN
    for (fields, values, cells), kept in zip(_CELLS, _claims(previous), strict=True):
        shares = cells @ within
        choice, needed = int(shares.argmax()), min_confidence
        if keeps and kept is not None and shares[kept] >= KEEP * min_confidence:
            choice, needed = kept, KEEP * min_confidence
        if shares[choice] >= needed:
            within, keeps = within * cells[choice], keeps and choice == kept
            claimed |= zip(fields, values[choice], strict=True)
    if not claimed:
        return UNKNOWN, float(belief.max())
    return _claimed_type(**claimed), float(within.sum())


@cache  # of as many as there are claims
def _claimed_type(**fields) -> GraspType:
    type = GraspType(**{"name": "", **fields})
    return replace(type, name=type.name or _described(type))


@cache
def _claims(type) -> tuple[int | None, ...]:
    """Which value of each level `type` claims: zeros are one of an open hand; of a closed one they are not known."""
    claims = [(values, _values(type, fields)) for fields, values, _ in _CELLS]
    return tuple(
        values.index(own) if own in values and (any(own) or not type.closed) else None for values, own in claims
    )


def _described(type: GraspType) -> str:
    if not type.closed:
        return "no grasp"
    words = [type.category.name if type.category else "", type.opposition.name if type.opposition else ""]
    return " ".join(word.lower() for word in words if word)
