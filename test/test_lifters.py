import hashlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation
from test_lifting import HAND, hands_in_space

from handpose_ros.geometry import similarity
from handpose_ros.hand import BONES
from handpose_ros.lifting.lifters import LIFTERS, WEIGHTS, Look, Network, make_lifter, scale_to_template

MIRROR = np.array([-1.0, 1.0, 1.0])


def observed(shape, seed=0):
    """Rays and local joints, (*shape, 21, 3) each, of hands as a network would see them: not quite right."""
    rng = np.random.default_rng(seed)
    hands = hands_in_space(shape, seed)
    seen = hands + rng.normal(0, 0.003, hands.shape)
    rays = seen / np.linalg.norm(seen, axis=-1, keepdims=True)
    return rays, 0.8 * (hands - hands.mean(axis=-2, keepdims=True)) + rng.normal(0, 0.003, hands.shape)


@pytest.mark.parametrize("name", LIFTERS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_leading_dimensions_are_free(name, shape):
    rays, local = observed(shape)
    lifted = make_lifter(name)(rays, local, np.ones(shape, bool))
    assert lifted.joints.shape == lifted.rays.shape == (*shape, 21, 3)


@pytest.mark.parametrize("name", LIFTERS)
def test_many_hands_at_once_are_lifted_like_each_alone(name):
    rays, local = observed((4,))
    right = np.array([True, False, True, False])
    lifter = make_lifter(name)
    together = lifter(rays, local, right)
    for k in range(4):
        alone = lifter(rays[k], local[k], right[k])
        assert_allclose(alone.joints, together.joints[k], atol=1e-6)
        assert_allclose(alone.rays, together.rays[k], atol=1e-6)


@pytest.mark.parametrize("name", LIFTERS)
def test_turning_the_camera_turns_the_hand_and_nothing_else(name):
    rays, local = observed((8,))
    lifter, right = make_lifter(name), np.ones(8, bool)
    turn = Rotation.from_euler("zyx", [70, 40, -25], degrees=True).as_matrix()
    before, after = lifter(rays, local, right), lifter(rays @ turn.T, local @ turn.T, right)
    assert_allclose(after.joints, before.joints @ turn.T, atol=1e-6)
    assert_allclose(after.rays, before.rays @ turn.T, atol=1e-6)


@pytest.mark.parametrize("name", LIFTERS)
def test_a_left_hand_is_the_mirror_image_of_a_right_one(name):
    rays, local = observed((8,))
    lifter = make_lifter(name)
    right, left = lifter(rays, local, np.ones(8, bool)), lifter(rays * MIRROR, local * MIRROR, np.zeros(8, bool))
    assert_allclose(left.joints, right.joints * MIRROR, atol=1e-6)
    assert_allclose(left.rays, right.rays * MIRROR, atol=1e-6)


def test_the_learned_lifter_tells_a_left_hand_from_a_right_one():
    rays, local = observed((8,))
    learned = make_lifter("learned")
    as_right, as_left = learned(rays, local, np.ones(8, bool)), learned(rays, local, np.zeros(8, bool))
    assert np.linalg.norm(as_right.joints - as_left.joints, axis=-1).mean() > 1e-3


@pytest.mark.parametrize("name", LIFTERS)
def test_neither_size_nor_origin_of_the_networks_joints_matters(name):
    rays, local = observed((4,))
    lifter, right = make_lifter(name), np.ones(4, bool)
    one, other = lifter(rays, local, right), lifter(rays, 1.3 * local + [0.1, 0.2, 0.3], right)
    difference = one.joints - other.joints
    assert_allclose(difference - difference[:, :1], np.zeros_like(difference), atol=1e-6)


def test_the_way_there_and_back_changes_nothing():
    rays, local = observed((2, 3))
    look = Look.at(rays, local, np.array([[True, False, True], [False, True, False]]))
    back = look.shape(look.features[..., :105])
    assert_allclose(back.rays, rays, atol=1e-9)
    assert_allclose(back.joints, scale_to_template(local - local.mean(axis=-2, keepdims=True)), atol=1e-9)


def test_joints_of_the_network_that_are_nonsense_mislead_only_half_of_the_answer():
    rays, local = observed((1,))
    nonsense = np.random.default_rng(5).normal(0, 0.05, local.shape)
    network = Network.load()
    look = Look.at(rays, nonsense, np.ones(1, bool))
    seeing, blind = look.features, look.features.copy()
    blind[:, 42:105] = 0
    expected = look.shape((network(seeing) + network(blind)) / 2)
    lifted = network.lift(rays, nonsense, np.ones(1, bool))
    assert_allclose(lifted.joints, expected.joints, atol=1e-6)
    assert_allclose(lifted.rays, expected.rays, atol=1e-6)


def test_a_look_shows_hands_upright_ahead_and_with_the_proper_hand():
    rays, local = observed((5,))
    look = Look.at(rays, local, np.zeros(5, bool))
    assert_allclose(np.linalg.det(look.axes), -np.ones(5))  # left hands, in a mirror
    assert_allclose(np.linalg.det(Look.at(rays, local, True).axes), np.ones(5))
    assert_allclose(look.axes @ np.swapaxes(look.axes, -1, -2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)
    assert (look.plane[:, 0, 1] > look.plane[:, 9, 1]).all()  # y is down: the wrist below the knuckles
    scaled = scale_to_template(local)
    assert_allclose(  # distances survive, chirality does not
        np.linalg.norm(np.diff(look.joints, axis=1), axis=-1) * 0.05,
        np.linalg.norm(np.diff(scaled, axis=1), axis=-1),
    )


def test_what_is_learned_is_a_hand_of_average_size():
    rays, local = observed((20,))
    joints = make_lifter("learned")(rays, local, np.ones(20, bool)).joints
    bones = np.array(BONES)
    lengths = np.linalg.norm(joints[:, bones[:, 0]] - joints[:, bones[:, 1]], axis=-1)
    expected = np.linalg.norm(HAND[bones[:, 0]] - HAND[bones[:, 1]], axis=-1)
    assert 0.85 < np.median(lengths / expected) < 1.15
    scale = similarity(scale_to_template(joints), joints)[0]
    assert 0.9 < np.median(scale) < 1.1


def test_a_hand_with_a_joint_that_no_ray_reaches_is_believed_and_its_neighbour_is_not_harmed():
    rays, local = observed((2,))
    lifter, right = make_lifter("learned"), np.ones(2, bool)
    whole = lifter(rays, local, right)
    rays[0, 7] = np.nan
    broken = lifter(rays, local, right)
    assert_allclose(broken.joints[0], scale_to_template(local[0]))
    assert_allclose(broken.rays[0], rays[0])
    assert_allclose(broken.joints[1], whole.joints[1])


@pytest.mark.parametrize("name", LIFTERS)
def test_a_hand_whose_joints_are_not_numbers_has_no_shape_and_its_neighbour_is_not_harmed(name):
    rays, local = observed((2,))
    lifter, right = make_lifter(name), np.ones(2, bool)
    whole = lifter(rays, local, right)
    broken = lifter(rays, np.where(np.arange(2)[:, None, None] == 0, np.nan, local), right)
    assert np.isnan(broken.joints[0]).all()
    assert_allclose(broken.joints[1], whole.joints[1], atol=1e-7)


@pytest.mark.parametrize("name", LIFTERS)
def test_how_the_arrays_lie_in_memory_does_not_matter(name):
    rays, local = observed((2, 3))
    lifter, right = make_lifter(name), np.ones((2, 3), bool)
    expected = lifter(rays, local, right)
    rays, local = np.asfortranarray(rays), local[:, :, ::-1].copy()[:, :, ::-1]
    rays.flags.writeable = local.flags.writeable = False
    found = lifter(rays, local, right)
    assert_allclose(found.joints, expected.joints, atol=1e-12)
    assert_allclose(found.rays, expected.rays, atol=1e-12)


def test_a_tip_that_is_far_off_does_not_change_the_size():
    hands = HAND * np.array([0.5, 2.0])[:, None, None]
    hands[1, 12] += 1.0
    scaled = scale_to_template(hands)
    assert_allclose(scaled[0], HAND, atol=1e-12)
    assert_allclose(np.delete(scaled[1], 12, axis=0), np.delete(HAND, 12, axis=0), atol=1e-12)


def test_the_weights_are_small_and_those_of_the_model_card():
    data = WEIGHTS.read_bytes()
    assert len(data) < 2**20
    card = (WEIGHTS.parents[2] / "docs" / "lifter.md").read_text()
    assert hashlib.sha256(data).hexdigest() in card


def test_the_weights_are_finite():
    network = Network.load()
    for weight, bias in (network.first, *network.blocks, network.last):
        assert np.isfinite(weight).all() and np.isfinite(bias).all()


def test_an_unknown_lifter_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'nobody'.*learned, mediapipe"):
        make_lifter("nobody")
