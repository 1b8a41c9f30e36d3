import made_up_hands
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.camera import Camera
from handpose_ros.hand import WRIST
from handpose_ros.lifting.lift import lift
from handpose_ros.lifting.lifter_view import TEMPLATE_BONES, TEMPLATE_LENGTHS
from handpose_ros.lifting.lifters import LIFTERS, scale_to_template

K = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
CAMERAS = {
    "none": Camera(K, (640, 480)),
    "plumb_bob": Camera(K, (640, 480), [-0.28, 0.09, 1e-3, -5e-4, -0.012], "plumb_bob"),
    "rational_polynomial": Camera(K, (640, 480), [0.4, 0.1, 1e-3, -2e-3, 0.02, 0.7, 0.15, 0.03], "rational_polynomial"),
    "equidistant": Camera(K, (640, 480), [0.02, -0.01, 0.003, -5e-4], "equidistant"),
}
RNG = np.random.default_rng(0)


def flat_hand():
    """(21, 3) [m] an open right hand in the image plane, fingers up, of the average hand's size."""
    joints = made_up_hands.flat_hand()
    joints[:, 2] = RNG.normal(0, 0.01, 21)
    return scale_to_template(joints)


HAND = flat_hand()


def hands_in_space(shape, seed=0):
    """(*shape, 21, 3) [m] hands turned at random, 0.3 to 0.8 m before the camera."""
    rng = np.random.default_rng(seed)
    turns = Rotation.random(int(np.prod(shape)), random_state=seed).as_matrix().reshape(*shape, 3, 3)
    places = rng.uniform([-0.15, -0.1, 0.3], [0.15, 0.1, 0.8], (*shape, 3))
    return HAND @ np.swapaxes(turns, -1, -2) + places[..., None, :]


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)])
def test_exact_keypoints_and_shape_of_any_size_give_the_exact_hand_through_every_camera(name, shape):
    hands = hands_in_space(shape)
    shapes = 0.73 * (hands - hands.mean(axis=-2, keepdims=True))
    lifted = lift(CAMERAS[name].project(hands), shapes, CAMERAS[name])
    assert lifted.joints.shape == hands.shape
    assert_allclose(lifted.joints, hands, atol=1e-5)
    assert_allclose(lifted.reprojection_error, np.zeros(shape), atol=0.01)


def test_a_hand_that_a_fisheye_sees_at_a_right_angle_is_lifted_too():
    wide = Camera(np.array([[150.0, 0, 320], [0, 150.0, 240], [0, 0, 1]]), (640, 480), np.zeros(4), "equidistant")
    hand = HAND + [0.5, 0.0, 0.0]
    assert_allclose(lift(wide.project(hand), HAND, wide).joints, hand, atol=1e-5)


def test_a_hand_that_is_a_tenth_larger_is_a_tenth_further_away():
    camera, hand = CAMERAS["none"], HAND + [0.05, 0.02, 0.5]
    lifted = lift(camera.project(hand), HAND, camera, hand_scale=1.1)
    assert_allclose(lifted.joints, 1.1 * hand, atol=1e-5)


def test_the_lifted_hand_projects_onto_its_keypoints_even_when_they_are_noisy():
    camera, hands = CAMERAS["plumb_bob"], hands_in_space((4,))
    keypoints = camera.project(hands) + np.random.default_rng(1).normal(0, 3, (4, 21, 2))
    lifted = lift(keypoints, hands - hands.mean(axis=-2, keepdims=True), camera)
    assert_allclose(camera.project(lifted.joints), keypoints, atol=1e-6)
    assert ((lifted.reprojection_error > 1) & (lifted.reprojection_error < 8)).all()


def test_three_keypoints_that_are_far_off_move_the_others_by_less_than_half_a_centimetre():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5]
    keypoints = camera.project(hand) + np.random.default_rng(2).normal(0, 0.5, (21, 2))
    keypoints[[4, 8, 12]] += 80
    others = [joint for joint in range(21) if joint not in (4, 8, 12)]
    assert_allclose(lift(keypoints, HAND, camera).joints[others], hand[others], atol=5e-3)


def test_a_keypoint_without_a_ray_takes_the_place_that_the_shape_gives_it():
    barrel = Camera(K, (640, 480), [-0.5, 0, 0, 0, 0], "plumb_bob")
    hand = HAND + [0.1, 0.0, 0.5]
    keypoints = barrel.project(hand)
    keypoints[8] = [2000.0, 240.0]
    assert_allclose(lift(keypoints, HAND, barrel).joints, hand, atol=1e-4)


@pytest.mark.parametrize("rays", [0, 1, 2])
def test_a_hand_with_hardly_a_ray_has_no_place_and_does_not_disturb_its_neighbour(rays):
    barrel = Camera(K, (640, 480), [-0.5, 0, 0, 0, 0], "plumb_bob")
    hand = HAND + [0.0, 0.0, 0.5]
    outside = np.full((21, 2), 9000.0)
    outside[:rays] = barrel.project(hand)[:rays]
    lifted = lift(np.stack([outside, barrel.project(hand)]), np.stack([HAND, HAND]), barrel)
    assert np.isnan(lifted.joints[0]).all()
    assert_allclose(lifted.joints[1], hand, atol=1e-5)


def test_how_the_arrays_lie_in_memory_does_not_matter():
    camera, hands = CAMERAS["none"], hands_in_space((2, 3))
    keypoints, shapes = np.asfortranarray(camera.project(hands)), np.asfortranarray(hands)
    keypoints.flags.writeable = shapes.flags.writeable = False
    assert_allclose(lift(keypoints, shapes, camera).joints, hands, atol=1e-5)


def test_the_wrist_is_most_uncertain_along_its_viewing_ray():
    camera, hand = CAMERAS["none"], HAND + [0.2, 0.0, 0.5]
    lifted = lift(camera.project(hand), HAND, camera)
    variances, axes = np.linalg.eigh(lifted.wrist_covariance[:3, :3])
    ray = hand[WRIST] / np.linalg.norm(hand[WRIST])
    assert abs(axes[:, 2] @ ray) > 0.999
    assert_allclose(np.sqrt(variances[2]), 0.100 * np.linalg.norm(hand[WRIST]), rtol=0.01)


def test_across_its_ray_the_wrist_is_as_uncertain_as_its_keypoint_however_many_others_agree():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5] - HAND[WRIST]
    covariance = lift(camera.project(hand), HAND, camera).wrist_covariance
    assert_allclose(covariance[:3, :3], np.diag([0.0076, 0.0076, 0.0501]) ** 2, rtol=0.01)


def test_a_tilt_of_the_wrist_is_less_certain_than_a_turn_about_its_viewing_ray():
    camera, hand = CAMERAS["none"], HAND + [0.2, 0.0, 0.5]
    covariance = lift(camera.project(hand), HAND, camera).wrist_covariance
    variances, axes = np.linalg.eigh(covariance[3:, 3:])
    assert abs(axes[:, 0] @ hand[WRIST]) == pytest.approx(np.linalg.norm(hand[WRIST]))
    assert_allclose(np.sqrt(variances), [0.08, 0.13, 0.13])
    assert not covariance[:3, 3:].any()


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_the_wrists_sigma_is_the_root_of_its_covariances_trace_and_finger_joints_are_surer(shape):
    camera, hands = CAMERAS["equidistant"], hands_in_space(shape)
    lifted = lift(camera.project(hands), hands, camera)
    assert lifted.joint_sigma.shape == (*shape, 21)
    trace = np.trace(lifted.wrist_covariance[..., :3, :3], axis1=-2, axis2=-1)
    assert_allclose(lifted.joint_sigma[..., WRIST], np.sqrt(trace))
    at_wrist = lifted.joint_sigma / np.linalg.norm(lifted.joints, axis=-1)
    assert (at_wrist[..., WRIST] > at_wrist[..., 6]).all()


def test_a_calibrated_hand_size_makes_the_distance_more_certain():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5]
    known, average = (lift(camera.project(hand), HAND, camera, scale).wrist_covariance[2, 2] for scale in (1.0, None))
    assert_allclose(np.sqrt(known / average), 0.053 / 0.100, rtol=0.01)


def test_the_learned_lifters_hands_are_more_certain_than_the_plain_ones():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5]
    learned, plain = (
        LIFTERS[name]()(camera.unproject(camera.project(hand)), HAND, True).distance_spread for name in LIFTERS
    )
    assert learned < 0.6 * plain


def test_a_hand_whose_shape_does_not_fit_its_keypoints_is_ten_times_less_certain_of_its_distance():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5]
    curled = HAND.copy()
    for finger in range(1, 5):  # tips on the knuckles, as if the open hand were a fist
        base = 1 + 4 * finger
        curled[base + 1 : base + 4] = HAND[base] + [[0, 0, -0.03], [0, 0.02, -0.04], [0, 0.01, -0.01]]
    fits, misfits = lift(camera.project(hand), HAND, camera, 1.0), lift(camera.project(hand), curled, camera, 1.0)
    box = np.ptp(camera.project(hand), axis=0).max()
    assert misfits.reprojection_error > 0.18 * box > 1e6 * fits.reprojection_error
    assert misfits.wrist_covariance[2, 2] > 10**2 * fits.wrist_covariance[2, 2]
    assert (np.linalg.norm(misfits.joints - hand, axis=-1) < misfits.joint_sigma).all()


def test_tips_are_less_certain_in_depth_than_knuckles():
    camera, hand = CAMERAS["none"], HAND + [0.0, 0.0, 0.5]
    sigma = lift(camera.project(hand), HAND, camera, 1.0).joint_sigma
    knuckle, tip = sigma[9], sigma[12]
    assert_allclose(tip**2 - knuckle**2, 0.016**2 - 0.001**2, rtol=0.15)


def test_scaling_to_the_template_gives_the_template_its_lengths_whatever_the_size():
    scaled = scale_to_template(np.stack([HAND * 0.5, HAND * 2.0]))
    lengths = np.linalg.norm(scaled[:, TEMPLATE_BONES[:, 0]] - scaled[:, TEMPLATE_BONES[:, 1]], axis=-1)
    assert_allclose(np.median(TEMPLATE_LENGTHS / lengths, axis=-1), [1.0, 1.0])
