from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.camera import Camera
from handpose_ros.hand import HandPose, Observation, Side
from handpose_ros.lifting.confidence import (
    HALVING_DISAGREEMENT,
    disagreement,
    filter_low_confidence,
    joint_confidence,
)

LOCAL = np.random.default_rng(0).uniform(-0.08, 0.08, (21, 3))
PIXELS_PER_METRE = 1000.0
VGA = (640, 480)


def observation(offset=(0.0, 0.0), joint=8, score=0.8, center=(320, 240)):
    """A hand whose image agrees with its shape, but for one joint that is `offset` [m] off."""
    joints_2d = PIXELS_PER_METRE * LOCAL[:, :2] + center
    joints_2d[joint] += PIXELS_PER_METRE * np.array(offset)
    return Observation(joints_2d, LOCAL, score, 0.9)


def test_where_image_and_shape_agree_each_joint_has_the_hands_score():
    assert_allclose(joint_confidence([observation(score=0.8)], VGA)[0], np.full(21, 0.8))


def test_disagreement_is_measured_in_metres():
    seen = observation((0.03, -0.04))
    assert_allclose(disagreement(seen.joints_2d[None], seen.joints_local[None])[0][0, 8], 0.05, atol=0.006)


def test_a_joint_that_disagrees_is_believed_half_as_much_and_the_others_nearly_as_before():
    confidence = joint_confidence([observation((HALVING_DISAGREEMENT, 0), score=1.0)], VGA)[0]
    assert_allclose(confidence[8], 0.5, atol=0.06)
    assert (np.delete(confidence, 8) > 0.95).all()


def test_looks_that_differ_by_a_third_of_it_halve_the_confidence_of_a_joint_too():
    apart = np.zeros(21)
    apart[8] = PIXELS_PER_METRE * HALVING_DISAGREEMENT / 3
    confidence = joint_confidence([replace(observation(score=1.0), spread=apart)], VGA)[0]
    assert_allclose(confidence, np.where(apart > 0, 0.5, 1.0), atol=1e-9)


def test_hands_of_one_image_are_judged_like_each_alone():
    apart = np.linspace(0, 5, 21)
    hands = [replace(observation((0.02 * k, 0), score=0.5 + 0.1 * k), spread=k * apart) for k in range(4)]
    hands.append(observation())  # looked at once
    assert_allclose(joint_confidence(hands, VGA), [joint_confidence([hand], VGA)[0] for hand in hands])


def test_a_hand_with_a_joint_that_is_not_known_has_no_confidence_and_its_neighbour_keeps_its_own():
    unknown = replace(observation(), joints_2d=np.where(np.arange(21)[:, None] == 3, np.nan, observation().joints_2d))
    confidence = joint_confidence([unknown, observation()], VGA)
    assert np.isnan(confidence[0]).all()
    assert_allclose(confidence[1], joint_confidence([observation()], VGA)[0])


def test_how_the_arrays_lie_in_memory_does_not_matter():
    seen = observation((0.02, 0.0))
    laid_out = (np.asfortranarray(seen.joints_2d), np.broadcast_to(LOCAL, (2, 21, 3))[1].astype(np.float32))
    other = replace(seen, joints_2d=laid_out[0], joints_local=laid_out[1])
    assert_allclose(joint_confidence([other], VGA), joint_confidence([seen], VGA), rtol=1e-5)


CAMERAS = {
    "none": Camera(np.array([[300.0, 0, 960], [0, 300, 540], [0, 0, 1]]), (1920, 1080)),
    "equidistant": Camera(
        np.array([[300.0, 0, 960], [0, 300, 540], [0, 0, 1]]), (1920, 1080), np.zeros(4), "equidistant"
    ),
}


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("degrees", [0, 20, 50])
def test_a_hand_away_from_the_axis_is_believed_as_the_same_one_on_it(name, degrees):
    camera, shape = CAMERAS[name], LOCAL / 2
    off = np.eye(21)[8, :, None] * [0.02, -0.01, 0.0]  # one joint is seen where it is not
    turn = Rotation.from_euler("yx", [degrees, 5], degrees=True)

    def confidence(turn):
        joints = camera.project(turn.apply(shape + off + [0, 0, 0.8]))
        spread = np.zeros(21)
        spread[4] = np.linalg.norm(np.ptp(joints, axis=0)) / 20
        return joint_confidence(
            [Observation(joints, turn.apply(shape), 1.0, 0.9, spread=spread)],
            camera.size,
            camera.unproject(joints[None]),
        )

    ahead, aside = confidence(Rotation.identity())[0], confidence(turn)[0]
    assert (np.delete(ahead, [4, 8]) > 0.9).all() and 0.1 < ahead[8] < 0.4
    assert_allclose(np.delete(aside, 4), np.delete(ahead, 4), atol=1e-6)
    # The looks at joint 4 are a twentieth of the hand apart, which is three times as far as halves the confidence.
    size = np.linalg.norm(np.ptp(shape[:, :2], axis=0))
    expected = 1 / (1 + (3.0 * size / 20 / HALVING_DISAGREEMENT) ** 2)
    assert_allclose([ahead[4], aside[4]], expected, rtol=0.25)  # in pixels, which are no measure of angles


def test_a_near_hand_whose_fingers_point_at_the_camera_is_believed():
    """At a quarter of a metre what is 8 cm nearer is half as large again: no disagreement, but perspective."""
    camera = CAMERAS["none"]
    joints = camera.project(LOCAL + [0, 0, 0.25])
    seen = [Observation(joints, LOCAL, 1.0, 0.9)]
    assert joint_confidence(seen, camera.size, camera.unproject(joints[None])).min() > 0.8
    assert joint_confidence(seen, camera.size).min() < 0.5


def test_a_hand_with_a_joint_that_has_no_ray_is_judged_by_the_image():
    camera = CAMERAS["none"]
    joints = camera.project(LOCAL / 2 + [0.1, 0, 0.8])
    seen, rays = [Observation(joints, LOCAL / 2, 1.0, 0.9)] * 2, np.stack([camera.unproject(joints)] * 2)
    rays[0, 5] = np.nan
    confidence = joint_confidence(seen, camera.size, rays)
    assert_allclose(confidence[0], joint_confidence(seen[:1], camera.size)[0])
    assert_allclose(confidence[1], joint_confidence(seen[:1], camera.size, rays[1:])[0])


def test_joints_outside_of_the_image_are_not_believed():
    confidence = joint_confidence([observation(center=(640, 240))], VGA)[0]
    outside = PIXELS_PER_METRE * LOCAL[:, 0] + 640 >= 639.5
    assert 0 < outside.sum() < 21
    assert (confidence[outside] == 0).all()
    assert (confidence[~outside] > 0).all()


def test_joints_that_are_not_believed_are_unknown_and_never_zero():
    scores = np.full(21, 0.9)
    scores[[4, 8]], scores[12] = 0.2, np.nan
    hand = HandPose(
        Side.LEFT, 0.9, 0.9, np.full((21, 2), 7.0), np.full((21, 3), 0.5), scores, joint_sigma=np.full(21, 0.02)
    )
    masked = filter_low_confidence(hand, 0.5)
    for joints, value in ((masked.joints_2d, 7.0), (masked.joints_3d, 0.5), (masked.joint_sigma, 0.02)):
        assert np.isnan(joints[[4, 8]]).all()
        assert (np.delete(joints, [4, 8], axis=0) == value).all()
    assert_allclose(masked.joint_scores, scores)
    assert_allclose(masked.bbox, [7, 7, 0, 0])
