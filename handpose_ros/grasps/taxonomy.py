"""The vocabulary of grasps: phases, the levels of the GRASP taxonomy, and a type of grasp as a value.

Feix, Romero, Schmiedmayer, Dollar, Kragic: The GRASP Taxonomy of Human Grasp Types, IEEE THMS 46(1), 2016;
coarse types as labelled in Hands23 (Cheng et al., NeurIPS 2023). The numbers are those of msg/Grasp.msg.
"""

from dataclasses import dataclass
from enum import IntEnum


class Phase(IntEnum):
    """What the hand is doing with its grasp."""

    UNKNOWN = 0  # abstained
    OPEN = 1
    PRESHAPE = 2  # closing
    HOLD = 3  # closed and steady
    RELEASE = 4  # opening


def grasp_name(phase: Phase, type_name: str) -> str:
    """ "hold tripod"; an open hand whose type is called open is "open"."""
    return " ".join(dict.fromkeys(filter(None, (phase.name.lower(), type_name))))


class Category(IntEnum):
    """How firmly the object is coupled to the hand."""

    UNKNOWN = 0
    POWER = 1
    INTERMEDIATE = 2
    PRECISION = 3


class Opposition(IntEnum):
    """What the force of the fingers works against, and in which direction."""

    UNKNOWN = 0
    PALM = 1
    PAD = 2
    SIDE = 3


class CoarseType(IntEnum):
    """The eight types of Hands23."""

    NONE = 0  # not claimed
    NONPREHENSILE_PALM = 1
    NONPREHENSILE_FINGERS = 2
    POWER_PRISMATIC = 3
    PRECISION_PRISMATIC = 4
    POWER_CIRCULAR = 5
    PRECISION_CIRCULAR = 6
    LATERAL = 7
    OTHER = 8


THUMB, INDEX, MIDDLE, RING, LITTLE, PALM = (1 << bit for bit in range(6))  # bits of a virtual finger
FOUR_FINGERS = INDEX | MIDDLE | RING | LITTLE


@dataclass(frozen=True)
class GraspType:
    """A kind of grasp, claimed as deep as its fields go; a level that is not claimed is 0."""

    name: str  # for people and plots
    category: Category = Category.UNKNOWN
    opposition: Opposition = Opposition.UNKNOWN
    vf1: int = 0  # virtual fingers as bit masks: the opposing side
    vf2: int = 0  # the fingers that work against it
    vf3: int = 0  # further fingers
    thumb_abducted: bool = False  # only meaningful where vf1 is not 0
    coarse_type: CoarseType = CoarseType.NONE
    feix_id: int = 0  # 1..33

    def __post_init__(self):
        if self.vf1 & self.vf2 or self.vf2 & self.vf3 or self.vf1 & self.vf3:
            raise ValueError(f"a finger of {self.name!r} is in two virtual fingers: {self.vf1} {self.vf2} {self.vf3}")
        if not 0 <= self.feix_id <= 33:
            raise ValueError(f"feix_id of {self.name!r} is {self.feix_id}, the taxonomy has 1..33, 0 claims none")

    @property
    def closed(self) -> bool:
        """Whether something opposes something: an object can be held."""
        return bool(self.vf1 or self.category or self.opposition)


UNKNOWN = GraspType("unknown")
OPEN = GraspType("open")


def digits(virtual_finger: int) -> tuple[int, ...]:
    """The digits of a bit mask, 0 thumb .. 4 little finger; the palm is none."""
    return tuple(digit for digit in range(5) if virtual_finger >> digit & 1)
