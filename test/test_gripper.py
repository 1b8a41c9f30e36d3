import numpy as np
from numpy.testing import assert_allclose

from handpose_ros.grasps.grasp import Grasp
from handpose_ros.grasps.gripper import GripperFollower
from handpose_ros.grasps.taxonomy import Phase
from handpose_ros.hand import DepthSource, Side


def grasp(aperture, track_id=1, side=Side.RIGHT, phase=Phase.HOLD, normalized=0.5, depth=DepthSource.MONO):
    return Grasp(track_id, side, phase=phase, aperture=aperture, aperture_normalized=normalized, depth_source=depth)


def test_the_gripper_is_as_wide_as_the_hand_but_no_wider_than_it_can_be():
    gripper = GripperFollower(0.08, 1.0)
    assert gripper.update((grasp(0.03),), 0.0) == 0.03
    assert gripper.update((grasp(0.2),), 10.0) == 0.08


def test_without_depth_the_share_of_the_widest_is_scaled():
    assert_allclose(
        GripperFollower(0.08, 1.0).update((grasp(0.9, normalized=0.25, depth=DepthSource.NONE),), 0.0), 0.02
    )


def test_the_gripper_moves_no_faster_than_it_may():
    gripper = GripperFollower(0.08, 0.1)
    gripper.update((grasp(0.01),), 0.0)
    assert_allclose(gripper.update((grasp(0.08),), 0.1), 0.02)
    assert_allclose(gripper.update((grasp(0.0),), 0.15), 0.015)


def test_a_lost_or_unsure_hand_leaves_the_gripper_where_it_is():
    gripper = GripperFollower(0.08, 1.0)
    assert gripper.update((), 0.0) is None
    gripper.update((grasp(0.01),), 0.1)
    for grasps in ((), (grasp(0.08, phase=Phase.UNKNOWN),), (grasp(np.nan),)):
        assert gripper.update(grasps, 0.2) == 0.01


def test_after_a_long_loss_the_gripper_does_not_jump():
    gripper = GripperFollower(0.08, 0.1)
    gripper.update((grasp(0.0),), 0.0)
    gripper.update((), 9.95)
    assert_allclose(gripper.update((grasp(0.08),), 10.0), 0.005)


def test_after_a_gap_without_images_the_gripper_moves_on_from_where_it_was():
    gripper = GripperFollower(0.08, 0.1)
    gripper.update((grasp(0.0),), 0.0)
    assert_allclose(gripper.update((grasp(0.08),), 10.0), 0.01)  # the way of a tenth of a second
    assert_allclose(gripper.velocity, 0.001)  # in the ten that passed


def test_at_a_slow_steady_rate_the_gripper_moves_as_fast_as_it_may():
    gripper = GripperFollower(0.08, 0.1)
    widths = [gripper.update((grasp(0.08 if image else 0.0),), 0.37 * image) for image in range(5)]
    assert_allclose(np.diff(widths), [0.01, 0.02, 0.037, 0.013], atol=1e-12)


def test_a_stamp_that_jumps_back_moves_nothing():
    gripper = GripperFollower(0.08, 0.1)
    gripper.update((grasp(0.01),), 10.0)
    assert gripper.update((grasp(0.08),), 0.0) == 0.01
    assert_allclose(gripper.update((grasp(0.08),), 0.1), 0.02)


def test_only_the_wanted_side_leads():
    gripper = GripperFollower(0.08, 1.0, Side.LEFT)
    assert gripper.update((grasp(0.05, side=Side.RIGHT),), 0.0) is None
    assert gripper.update((grasp(0.05), grasp(0.02, track_id=2, side=Side.LEFT)), 0.1) == 0.02


def test_the_hand_that_is_tracked_longest_leads():
    assert GripperFollower(0.08, 1.0).update((grasp(0.05, track_id=4), grasp(0.02, track_id=3)), 0.0) == 0.02


def test_an_unsure_leader_does_not_hand_the_gripper_to_the_other_hand_before_it_is_gone():
    gripper = GripperFollower(0.08, 1.0)
    other = grasp(0.08, track_id=2)
    gripper.update((grasp(0.02), other), 0.0)
    assert gripper.update((grasp(np.nan, phase=Phase.UNKNOWN), other), 0.1) == 0.02
    assert gripper.velocity == 0.0
    assert gripper.update((grasp(0.03), other), 0.2) == 0.03
    assert gripper.update((other,), 0.3) == 0.08
    assert gripper.update((grasp(0.03, track_id=1), other), 0.4) == 0.08


def test_a_leader_that_turns_out_to_be_of_the_other_side_leads_no_longer():
    gripper = GripperFollower(0.08, 1.0, Side.RIGHT)
    gripper.update((grasp(0.02), grasp(0.05, track_id=2, side=Side.LEFT)), 0.0)
    swapped = (grasp(0.02, side=Side.LEFT), grasp(0.05, track_id=2, side=Side.RIGHT))
    assert gripper.update(swapped, 0.1) == 0.05


def test_it_tells_the_velocity_of_its_width_and_none_while_it_holds():
    gripper = GripperFollower(0.08, 0.1)
    velocities = []
    for aperture, stamp in ((0.01, 0.0), (0.08, 0.1), (0.021, 0.2), (np.nan, 0.3), (0.0, 0.25)):
        gripper.update((grasp(aperture),), stamp)
        velocities.append(gripper.velocity)
    assert_allclose(velocities, [0, 0.1, 0.01, 0, 0], atol=1e-12)
