"""Posed hands of known grasp: joint-angle templates of our own for the 33 types, fitted to an object of given size.

A template says roughly how the joints of a grasp are bent, which joints touch the object and how large it may
be. `pose` varies the angles from person to person and then bends thumb and fingers, as little as it takes, until
the skin touches the object. The templates are written from the descriptions in Feix et al. 2016, not measured.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from handpose_ros.hand import MCPS, TIPS
from handpose_ros.kinematics import HIGH, LOW, People, bend, random_people

THUMB_TIP = TIPS[0]
STEPS = 7  # of Gauss-Newton; contacts are then within a millimetre
LOOSE = np.radians(15.0)  # by how much a joint leaves its template for
TIGHT = 0.001  # [m] of contact error
STYLE = np.radians(7.0)  # standard deviation between people: of thumb joints and of all fingers' MCP, PIP and DIP alike
HABIT = np.radians(7.0)  # standard deviation of a joint angle between grasps
IDLE_HABIT = np.radians(14.0)  # of a finger that takes no part: all its joints together
IDLE_SHARE = (0.1, 1.3)  # of the bend of all fingers that take no part in a pinch: they may be stretched out


class Contact(Enum):
    """How a grasp touches its object."""

    FREE = "no object that the joints would have to touch"
    WRAP = "PIP, DIP and tip of the fingers on a cylinder that lies across the palm"
    BALL = "DIP and tip of the fingers and the thumb tip on a sphere that lies in the palm"
    PADS = "thumb tip and fingertips on two parallel faces"
    SPHERE = "all touching joints on a sphere that hangs between them"
    SIDE = "thumb tip at the side of a finger's middle phalanx, the object between"
    BETWEEN = "index and middle finger side by side, the object between"


@dataclass(frozen=True)
class Template:
    """How a type of grasp is posed. Angles in degrees; fingers are 0 index .. 3 little."""

    leaf: int  # index in grasp_types.TYPES: 0 open, then the Feix number
    thumb: tuple[float, float, float, float]  # abduction, flexion, MCP, IP
    active: tuple[float, float, float]  # MCP, PIP, DIP flexion of `fingers`
    fingers: tuple[int, ...]
    contact: Contact
    sizes: tuple[float, float]  # [mm] of the object
    idle: tuple[float, float, float] = (55, 60, 35)  # of the other fingers
    spread: float = 0.0  # between neighbouring fingers
    touching: tuple[int, ...] = ()  # joints, where the contact does not imply them; the finger of a SIDE
    with_thumb: bool = False  # the thumb closes a WRAP
    special: tuple[tuple[int, tuple[float, float, float]], ...] = ()  # (finger, flexions) that differ


ALL, FREE, WRAP, BALL = (0, 1, 2, 3), Contact.FREE, Contact.WRAP, Contact.BALL
PADS, SPHERE, SIDE, BETWEEN = Contact.PADS, Contact.SPHERE, Contact.SIDE, Contact.BETWEEN
POINTING = 34  # index straight, the others curled: no grasp, but a shape that must not be taken for one
OTHER_PINCHES = (35, 36, 37)  # thumb and middle, ring, little finger: held, but in no row of the taxonomy

TEMPLATES = (
    Template(0, (42, 15, 0, 5), (12, 14, 7), ALL, FREE, (0, 0), spread=6),
    Template(1, (45, 45, 5, 10), (25, 35, 20), ALL, WRAP, (60, 120), with_thumb=True),
    Template(2, (25, 45, 35, 40), (75, 95, 55), ALL, WRAP, (10, 30), with_thumb=True),
    Template(3, (35, 50, 15, 20), (50, 60, 35), ALL, WRAP, (30, 60), with_thumb=True),
    Template(4, (15, 10, 10, 5), (65, 80, 45), ALL, WRAP, (15, 40)),
    Template(5, (10, 22, 20, 15), (78, 100, 60), ALL, WRAP, (10, 18)),
    Template(6, (25, 50, 10, 15), (50, 30, 15), ALL, PADS, (10, 80)),
    Template(7, (27, 50, 10, 15), (50, 32, 15), (0, 1, 2), PADS, (10, 80)),
    Template(8, (30, 48, 10, 15), (50, 35, 15), (0, 1), PADS, (10, 80)),
    Template(9, (30, 45, 10, 5), (50, 38, 15), (0,), PADS, (10, 80), idle=(40, 45, 25)),
    Template(10, (60, 35, 5, 25), (25, 35, 45), ALL, BALL, (70, 110), spread=12),
    Template(11, (50, 50, 10, 20), (35, 40, 25), ALL, BALL, (50, 90), spread=9),
    Template(12, (60, 35, 10, 30), (30, 25, 35), ALL, SPHERE, (60, 110), spread=14),
    Template(13, (45, 50, 15, 20), (48, 35, 20), ALL, SPHERE, (35, 70), spread=9),
    Template(14, (35, 50, 15, 20), (52, 40, 20), (0, 1), SPHERE, (15, 40), idle=(60, 70, 35)),
    Template(15, (25, 10, 0, 0), (15, 90, 50), ALL, FREE, (15, 35)),
    Template(16, (15, 25, 10, 15), (75, 85, 45), (1, 2, 3), SIDE, (3, 15), touching=(0,), special=((0, (60, 70, 35)),)),
    Template(17, (15, 25, 10, 15), (65, 85, 50), (1, 2, 3), WRAP, (12, 30), special=((0, (20, 12, 5)),)),
    Template(18, (35, 58, 0, 0), (58, 8, 2), ALL, PADS, (20, 60)),
    Template(19, (40, 45, 20, 30), (48, 68, 25), ALL, PADS, (15, 35)),
    Template(
        20,
        (30, 45, 20, 25),
        (50, 45, 15),
        (0,),
        SPHERE,
        (7, 14),
        (65, 75, 40),
        0,
        (4, 8, 11),
        False,
        ((1, (60, 60, 25)),),
    ),
    Template(
        21,
        (22, 38, 10, 15),
        (50, 48, 20),
        (0, 1),
        SIDE,
        (5, 10),
        (65, 75, 35),
        0,
        (0,),
        False,
        ((2, (62, 66, 30)), (0, (42, 42, 15))),
    ),
    Template(22, (12, 42, 0, 0), (62, 8, 2), ALL, PADS, (10, 50)),
    Template(23, (42, 18, 5, 5), (15, 15, 7), (0, 1), BETWEEN, (5, 12), idle=(30, 35, 18)),
    Template(24, (30, 45, 28, 45), (48, 62, 45), (0,), PADS, (2, 10), idle=(40, 45, 25)),
    Template(
        25, (20, 35, 15, 20), (62, 66, 30), (1,), SIDE, (8, 20), (75, 85, 40), 0, (1,), False, ((0, (42, 52, 22)),)
    ),
    Template(26, (45, 50, 10, 25), (38, 52, 28), (0, 1, 2), SPHERE, (40, 80), idle=(40, 40, 20), spread=7),
    Template(27, (35, 50, 15, 20), (54, 36, 18), (0, 1, 2), SPHERE, (15, 40), idle=(60, 65, 35), spread=4),
    Template(28, (45, 50, 10, 25), (38, 52, 28), (0, 1), SPHERE, (40, 80), idle=(60, 70, 35), spread=9),
    Template(29, (14, 28, 8, 10), (66, 85, 45), (1, 2, 3), SIDE, (8, 15), touching=(0,), special=((0, (45, 55, 28)),)),
    Template(30, (18, 8, 0, 0), (68, 28, 12), ALL, FREE, (10, 30)),
    Template(31, (45, 50, 15, 25), (35, 55, 35), (0,), SPHERE, (25, 60), (25, 30, 15), 0, (3, 4, 7, 8), False),
    Template(32, (18, 28, 15, 20), (80, 95, 55), (1, 2, 3), SIDE, (8, 20), touching=(0,), special=((0, (62, 85, 48)),)),
    Template(33, (35, 48, 0, 0), (55, 18, 3), (0,), PADS, (10, 35), idle=(15, 15, 10)),
    Template(POINTING, (22, 40, 35, 35), (78, 95, 50), (1, 2, 3), FREE, (0, 0), special=((0, (12, 8, 4)),)),
    Template(35, (27, 50, 12, 20), (58, 48, 20), (1,), PADS, (0, 30), idle=(18, 25, 12)),
    Template(36, (20, 57, 22, 30), (62, 52, 22), (2,), PADS, (0, 30), idle=(18, 25, 12)),
    Template(37, (14, 62, 32, 38), (64, 54, 24), (3,), PADS, (0, 30), idle=(18, 25, 12)),
)


def pose(
    template: Template, people: People, sizes: np.ndarray, rng: np.random.Generator, style: float = STYLE
) -> np.ndarray:
    """(n, 21, 3) joints [m], in wrist axes, of the right hands of `people` (n) around objects of `sizes` (n) [m];
    `style` [rad] is how much people differ in how they do it."""
    template_angles = _varied(template, len(sizes), rng, style)
    unknowns = template_angles
    if template.contact is SPHERE:  # where the sphere hangs is free: in units in which a step is as easy as an angle
        joints = bend(template_angles, people)
        center = (joints[:, THUMB_TIP] + joints[:, [TIPS[1 + f] for f in template.fingers]].mean(axis=1)) / 2
        unknowns = np.concatenate([template_angles, center / 0.1], axis=1)
    if template.contact is not FREE:
        place = _placement(template, people, sizes, rng)
        unknowns = _fitted(lambda x: _gaps(template, bend(x[..., :20], people), x[..., 20:] * 0.1, place), unknowns)
    return bend(unknowns[:, :20], people)


@dataclass(frozen=True, eq=False)
class PosedGrasps:
    """n right hands in wrist axes, each of known grasp."""

    joints: np.ndarray  # (n, 21, 3) [m]
    leaf: np.ndarray  # (n,) indices in grasp_types.TYPES
    size: np.ndarray  # (n,) [m] of the object


def posed_grasps(
    count: int, seed: int, templates: tuple[Template, ...] = TEMPLATES, style: float = STYLE
) -> PosedGrasps:
    """`count` hands of each template, each of another person with an object of random size; other seeds, other people.

    An object that a template's fingers cannot reach without leaving the healthy range of a joint is missed by
    millimetres at most: the joints stop at their limits.
    """
    rng, grasps, sizes = np.random.default_rng(seed), [], []
    for template in templates:
        sizes.append(rng.uniform(*template.sizes, count) / 1000)
        grasps.append(pose(template, random_people(count, rng), sizes[-1], rng, style))
    leaf = np.repeat([template.leaf for template in templates], count)
    return PosedGrasps(np.concatenate(grasps), leaf, np.concatenate(sizes))


def _varied(template: Template, count: int, rng, style: float) -> np.ndarray:
    """(count, 20) [rad] angles of people who do the same in their own ways."""
    angles = np.zeros((5, 4))
    angles[0] = template.thumb
    for finger in range(4):
        flexions = template.active if finger in template.fingers else template.idle
        angles[finger + 1, 1:] = dict(template.special).get(finger, flexions)
        angles[finger + 1, 0] = (1.3 - finger) * template.spread + [-12, 0, 8, 16][finger]  # 0 is along the metacarpal
    varied = np.radians(angles) + HABIT * rng.standard_normal((count, 5, 4))
    varied[:, 0] += style * rng.standard_normal((count, 4))
    varied[:, 1:, 1:] += style * rng.standard_normal((count, 1, 3))
    habit = IDLE_HABIT * rng.standard_normal((count, 5, 1))
    named = {*template.fingers, *dict(template.special)}
    idle = np.array([finger not in named for finger in range(4)])
    varied[:, 1:, 1:] += habit[:, 1:] * np.where(idle, 1.0, 0.2)[:, None]
    if template.contact in (PADS, SPHERE):
        varied[:, 1:, 1:] *= np.where(idle, rng.uniform(*IDLE_SHARE, (count, 1)), 1.0)[..., None]
    if template.leaf == 0:  # from flat to relaxed: one amount for all fingers
        varied[:, 1:, 1:] *= rng.uniform(0.0, 2.2, (count, 1, 1))
    return np.clip(varied, LOW.reshape(5, 4), HIGH.reshape(5, 4)).reshape(count, 20)


@dataclass(frozen=True, eq=False)
class _Placement:
    """Where the object is and how far its surface is from the joints that touch it, of n hands [m]."""

    radius: np.ndarray  # (n,) half the object's size
    pad: np.ndarray  # (n,) from the joint centres to the skin
    point: np.ndarray  # (n, 3) on the axis of a cylinder, or the centre of a ball
    axis: np.ndarray  # (n, 3) unit vector along the cylinder


def _placement(template, people, sizes, rng):
    radius, palm = sizes / 2, people.palm_center
    point = palm + np.stack([people.palm_thickness + radius, np.zeros_like(radius), np.full_like(radius, 0.02)], axis=1)
    tilt = rng.normal(np.radians(15.0), np.radians(8.0), len(sizes))  # the palm's crease runs obliquely
    axis = np.stack([np.zeros_like(tilt), np.cos(tilt), np.sin(tilt)], axis=1)
    return _Placement(radius, people.pad_thickness, point + 0.006 * rng.standard_normal(point.shape) * [0, 1, 1], axis)


def _gaps(template, joints, center, place):
    """(..., n, m) [m] by how much each contact is missed, in hands `joints` (..., n, 21, 3)."""
    reach = place.radius + place.pad
    tips = [TIPS[1 + finger] for finger in template.fingers]
    thumb, mean_tip = joints[..., THUMB_TIP, :], joints[..., tips, :].mean(axis=-2)
    if template.contact is WRAP:
        touching = [tip - back for tip in tips for back in (0, 1, 2)] + [THUMB_TIP] * template.with_thumb
        offset = joints[..., touching, :] - place.point[:, None]
        across = offset - (offset * place.axis[:, None]).sum(axis=-1, keepdims=True) * place.axis[:, None]
        return np.linalg.norm(across, axis=-1) - reach[:, None]
    if template.contact is BALL:
        touching = [tip - back for tip in tips for back in (0, 1)] + [THUMB_TIP]
        return np.linalg.norm(joints[..., touching, :] - place.point[:, None], axis=-1) - reach[:, None]
    if template.contact is SPHERE:
        touching = list(template.touching or (THUMB_TIP, *tips))
        gaps = np.linalg.norm(joints[..., touching, :] - center[..., None, :], axis=-1) - reach[:, None]
        opposite = 2 * center - thumb - joints[..., touching, :].mean(axis=-2)  # the object is between them
        return np.concatenate([gaps, 0.2 * opposite], axis=-1)
    if template.contact is BETWEEN:
        first, second = joints[..., [MCPS[0] + 1, MCPS[0] + 2], :], joints[..., [MCPS[1] + 1, MCPS[1] + 2], :]
        return np.linalg.norm(first - second, axis=-1) - 2 * reach[:, None]
    if template.contact is SIDE:
        pip = MCPS[template.touching[0]] + 1
        middle = (joints[..., pip, :] + joints[..., pip + 1, :]) / 2
        return np.linalg.norm(thumb - middle, axis=-1, keepdims=True) - 2 * reach[:, None]
    closing = mean_tip - thumb
    gap = np.linalg.norm(closing, axis=-1, keepdims=True)
    uneven = ((joints[..., tips, :] - mean_tip[..., None, :]) * (closing / gap)[..., None, :]).sum(axis=-1)
    return np.concatenate([gap - 2 * reach[:, None], uneven], axis=-1)


def _fitted(gaps, start: np.ndarray) -> np.ndarray:
    """The unknowns (n, k) nearest to `start` at which `gaps` vanish: damped Gauss-Newton for all hands at once."""
    x, count, step = start, start.shape[1], 1e-4
    for _ in range(STEPS):
        probes = x + step * np.concatenate([np.zeros((1, count)), np.eye(count)])[:, None]
        values = gaps(probes)  # (1 + k, n, m)
        J = np.moveaxis((values[1:] - values[0]) / step, 0, -1) / TIGHT
        normal = J.swapaxes(-1, -2) @ J + np.eye(count) / LOOSE**2
        slope = (J.swapaxes(-1, -2) @ (values[0] / TIGHT)[..., None])[..., 0] + (x - start) / LOOSE**2
        x = x - np.clip(np.linalg.solve(normal, slope[..., None])[..., 0], -0.4, 0.4)
        x[:, :20] = np.clip(x[:, :20], LOW, HIGH)
    return x
