import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.evaluation.grasp_templates import TEMPLATES, posed_grasps
from handpose_ros.grasps import taxonomy
from handpose_ros.grasps.cascade import (
    LeafNetwork,
    TaxonomyCascade,
    descend,
    follow,
    joined,
    load_network,
    shape_features,
)
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.grasp_types import TYPES
from handpose_ros.grasps.taxonomy import Category, CoarseType, Opposition

GRASPS = posed_grasps(6, 20, TEMPLATES[1:34])
CATEGORY = np.array([type.category for type in TYPES])
MIRROR = np.array([1.0, -1.0, 1.0])


def category_accuracy(joints, right=True):
    shares = np.stack([load_network()(shape_features(joints, right)) @ (CATEGORY == each) for each in range(4)], 1)
    return (shares.argmax(axis=1) == CATEGORY[GRASPS.leaf]).mean()


def believing(**shares):
    belief = np.full(len(TYPES), 1e-9)
    for name, share in shares.items():
        belief[[type.name.replace(" ", "_") for type in TYPES].index(name)] = share
    return belief / belief.sum()


def classify(joints, right=True, min_confidence=0.5):
    return TaxonomyCascade()(joints, right, Claim(), 0.0, min_confidence)


def test_five_millimetres_of_noise_leave_nine_of_ten_categories_right():
    noisy = GRASPS.joints + 0.005 * np.random.default_rng(0).standard_normal(GRASPS.joints.shape)
    assert category_accuracy(noisy) > 0.9


def test_a_wrong_side_is_seen_in_the_accuracy():
    assert category_accuracy(GRASPS.joints, right=False) < 0.65
    assert_allclose(category_accuracy(GRASPS.joints * MIRROR, right=False), category_accuracy(GRASPS.joints))


def test_swapped_fingers_are_seen_in_the_accuracy():
    swapped = GRASPS.joints.copy()
    swapped[:, 5:21] = swapped[:, [*range(17, 21), *range(13, 17), *range(9, 13), *range(5, 9)]]
    assert category_accuracy(swapped) < 0.65


@pytest.mark.parametrize("unit", [100.0, 1000.0, 0.01])
def test_a_hand_in_a_wrong_unit_is_not_classified(unit):
    claim = classify(unit * GRASPS.joints[0])
    assert claim.type is taxonomy.UNKNOWN and np.isnan(claim.confidence)


def test_an_unknown_joint_is_not_classified():
    joints = GRASPS.joints[0].copy()
    joints[8] = np.nan
    assert classify(joints).type is taxonomy.UNKNOWN


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_features_do_not_depend_on_place_direction_side_or_size(shape):
    joints = np.broadcast_to(GRASPS.joints[3], (*shape, 21, 3))
    turn = Rotation.random(random_state=3).as_matrix()
    moved = 1.2 * (joints * MIRROR) @ turn.T + [0.1, 0.2, 0.7]
    assert_allclose(shape_features(moved, False), shape_features(joints, True), atol=1e-9)
    assert shape_features(moved, False).shape == (*shape, 78)


def test_a_sure_leaf_claims_every_level():
    type, confidence = descend(believing(tripod=1.0), 0.5)
    assert type == TYPES[14] and confidence > 0.999


def test_types_of_one_category_that_cannot_be_told_apart_claim_the_category():
    type, confidence = descend(believing(palmar_pinch=0.45, tripod=0.45, medium_wrap=0.1), 0.6)
    assert (type.category, type.opposition, type.feix_id, type.vf2) == (Category.PRECISION, Opposition.PAD, 0, 0)
    assert type.coarse_type is CoarseType.NONE and type.name == "precision pad"
    assert_allclose(confidence, 0.9, atol=1e-6)


def test_nothing_is_claimed_where_nothing_is_likely():
    assert descend(believing(tripod=0.5, medium_wrap=0.5), 0.6)[0] is taxonomy.UNKNOWN


def test_the_confidence_is_never_below_what_was_asked_for():
    for belief in np.random.default_rng(1).dirichlet(np.full(len(TYPES), 0.1), 200):
        type, confidence = descend(belief, 0.6)
        assert type is taxonomy.UNKNOWN or confidence >= 0.6


def test_a_claim_is_given_up_later_than_it_is_made():
    belief = believing(medium_wrap=0.4, tripod=0.6)
    assert descend(belief, 0.5)[0].name == "tripod"
    assert descend(belief, 0.5, previous=TYPES[3])[0].name == "medium wrap"
    assert descend(believing(medium_wrap=0.03, tripod=0.97), 0.5, previous=TYPES[3])[0].name == "tripod"


def test_a_belief_changes_within_half_a_second_but_not_by_one_image():
    wrap, tripod = believing(medium_wrap=0.95, tripod=0.05), believing(medium_wrap=0.05, tripod=0.95)
    belief = wrap
    for _ in range(60):
        belief = follow(belief, wrap, 1 / 30)
    once = follow(belief, tripod, 1 / 30)
    assert once[3] > 0.5
    for _ in range(14):
        belief = follow(belief, tripod, 1 / 30)
    assert belief[14] > 0.5


def test_the_same_time_counts_the_same_at_any_rate():
    wrap, tripod = believing(medium_wrap=0.9, tripod=0.1), believing(medium_wrap=0.3, tripod=0.7)
    slow, fast = wrap, wrap
    for _ in range(6):
        slow = follow(slow, tripod, 1 / 30)
    for _ in range(12):
        fast = follow(fast, tripod, 1 / 60)
    assert_allclose(fast, slow, atol=0.03)


def test_one_filter_says_whether_the_hand_is_closed_and_the_other_how():
    shape, kind = believing(open=0.2, tripod=0.8), believing(open=0.6, pointing=0.2, medium_wrap=0.15, tripod=0.05)
    belief = joined(shape, kind)
    assert_allclose(belief[[0, 34, 3, 14]], [0.15, 0.05, 0.6, 0.2], atol=1e-6)
    assert_allclose(joined(kind, kind), kind)


def test_which_grasp_it_is_changes_later_than_whether_it_is_one():
    classifier, (wrap, tripod) = TaxonomyCascade(), (GRASPS.joints[GRASPS.leaf == leaf][0] for leaf in (3, 14))
    claim = Claim()
    for _ in range(60):
        claim = classifier(wrap, True, claim, 1 / 30, 0.5)
    for _ in range(3):
        claim = classifier(tripod, True, claim, 1 / 30, 0.5)
    shape, kind = claim.belief
    assert kind[3] > shape[3]


def test_an_image_that_comes_twice_says_nothing_new():
    belief = believing(tripod=0.6, medium_wrap=0.4)
    assert_allclose(follow(belief, believing(medium_wrap=1.0), 0.0), belief)


def test_a_network_without_weights_finds_all_leaves_alike():
    network = LeafNetwork(np.zeros(78), np.ones(78), (np.zeros((78, 38)),), (np.zeros(38),))
    assert_allclose(network(np.ones((2, 78))), 1 / 38)


def test_scores_are_the_probabilities_of_the_coarse_types():
    claim = classify(GRASPS.joints[0])
    assert claim.scores.shape == (9,)
    assert_allclose(claim.scores.sum(), 1.0)
    assert 0 <= claim.closed <= 1
