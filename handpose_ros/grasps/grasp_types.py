"""The 33 types of the GRASP taxonomy as values, with an open and a pointing hand: the leaves of the cascade.

Category, opposition, virtual fingers and thumb are those of the matrix in Feix et al. 2016, written from memory
and checked for consistency (15 of power, 6 intermediate, 12 of precision); the coarse types follow the names that
Hands23 took from Cutkosky's tree. docs/grasps.md lists the rows that are unverified.
"""

from handpose_ros.grasps.taxonomy import (
    FOUR_FINGERS,
    INDEX,
    LITTLE,
    MIDDLE,
    OPEN,
    PALM,
    RING,
    THUMB,
    Category,
    CoarseType,
    GraspType,
    Opposition,
)

_POWER, _INTERMEDIATE, _PRECISION = Category.POWER, Category.INTERMEDIATE, Category.PRECISION
_PALM, _PAD, _SIDE = Opposition.PALM, Opposition.PAD, Opposition.SIDE
_ABDUCTED, _ADDUCTED = True, False
_PRISMATIC, _CIRCULAR = CoarseType.POWER_PRISMATIC, CoarseType.POWER_CIRCULAR
_FINE_PRISMATIC, _FINE_CIRCULAR = CoarseType.PRECISION_PRISMATIC, CoarseType.PRECISION_CIRCULAR
_LATERAL, _OTHER = CoarseType.LATERAL, CoarseType.OTHER
_TWO, _THREE = INDEX | MIDDLE, INDEX | MIDDLE | RING

_ROWS = (  # name, category, opposition, VF1, VF2, VF3, thumb, coarse type; Feix numbers count up from 1
    ("large diameter", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ABDUCTED, _PRISMATIC),
    ("small diameter", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ABDUCTED, _PRISMATIC),
    ("medium wrap", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ABDUCTED, _PRISMATIC),
    ("adducted thumb", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ADDUCTED, _PRISMATIC),
    ("light tool", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ADDUCTED, _PRISMATIC),
    ("prismatic 4 finger", _PRECISION, _PAD, THUMB, FOUR_FINGERS, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("prismatic 3 finger", _PRECISION, _PAD, THUMB, _THREE, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("prismatic 2 finger", _PRECISION, _PAD, THUMB, _TWO, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("palmar pinch", _PRECISION, _PAD, THUMB, INDEX, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("power disk", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ABDUCTED, _CIRCULAR),
    ("power sphere", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ABDUCTED, _CIRCULAR),
    ("precision disk", _PRECISION, _PAD, THUMB, FOUR_FINGERS, 0, _ABDUCTED, _FINE_CIRCULAR),
    ("precision sphere", _PRECISION, _PAD, THUMB, FOUR_FINGERS, 0, _ABDUCTED, _FINE_CIRCULAR),
    ("tripod", _PRECISION, _PAD, THUMB, _TWO, 0, _ABDUCTED, _FINE_CIRCULAR),
    ("fixed hook", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ADDUCTED, _OTHER),
    ("lateral", _INTERMEDIATE, _SIDE, THUMB, INDEX, 0, _ADDUCTED, _LATERAL),
    ("index finger extension", _POWER, _PALM, PALM, MIDDLE | RING | LITTLE, INDEX, _ADDUCTED, _PRISMATIC),
    ("extension type", _POWER, _PAD, THUMB, FOUR_FINGERS, 0, _ABDUCTED, _OTHER),
    ("distal type", _POWER, _PAD, THUMB, FOUR_FINGERS, 0, _ABDUCTED, _OTHER),
    ("writing tripod", _PRECISION, _SIDE, THUMB, MIDDLE, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("tripod variation", _INTERMEDIATE, _SIDE, THUMB, MIDDLE | RING, 0, _ABDUCTED, _OTHER),
    ("parallel extension", _PRECISION, _PAD, THUMB, FOUR_FINGERS, 0, _ADDUCTED, _FINE_PRISMATIC),
    ("adduction grip", _INTERMEDIATE, _SIDE, MIDDLE, INDEX, 0, _ABDUCTED, _OTHER),
    ("tip pinch", _PRECISION, _PAD, THUMB, INDEX, 0, _ABDUCTED, _FINE_PRISMATIC),
    ("lateral tripod", _INTERMEDIATE, _SIDE, THUMB, MIDDLE, 0, _ADDUCTED, _LATERAL),
    ("sphere 4 finger", _POWER, _PAD, THUMB, _THREE, 0, _ABDUCTED, _CIRCULAR),
    ("quadpod", _PRECISION, _PAD, THUMB, _THREE, 0, _ABDUCTED, _FINE_CIRCULAR),
    ("sphere 3 finger", _POWER, _PAD, THUMB, _TWO, 0, _ABDUCTED, _CIRCULAR),
    ("stick", _INTERMEDIATE, _SIDE, THUMB, INDEX, 0, _ADDUCTED, _LATERAL),
    ("palmar", _POWER, _PALM, PALM, FOUR_FINGERS, 0, _ADDUCTED, _OTHER),
    ("ring", _POWER, _PAD, THUMB, INDEX, 0, _ABDUCTED, _CIRCULAR),
    ("ventral", _INTERMEDIATE, _SIDE, THUMB, INDEX, 0, _ADDUCTED, _LATERAL),
    ("inferior pincer", _PRECISION, _PAD, THUMB, INDEX, 0, _ABDUCTED, _FINE_PRISMATIC),
)
POINTING_HAND = GraspType("pointing", coarse_type=CoarseType.NONPREHENSILE_FINGERS)
OTHER_PINCHES = tuple(  # of the thumb and one finger that is not the index: pads that hold, in no row of the taxonomy
    GraspType(f"{name} finger pinch", _PRECISION, _PAD, THUMB, finger, 0, _ABDUCTED, _FINE_PRISMATIC)
    for name, finger in (("middle", MIDDLE), ("ring", RING), ("little", LITTLE))
)
TYPES = (  # leaves
    OPEN,
    *(GraspType(*row, number) for number, row in enumerate(_ROWS, start=1)),
    POINTING_HAND,
    *OTHER_PINCHES,
)
