"""What /diagnostics says of a node."""

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from handpose_ros.ros.health import Health


@pytest.mark.parametrize(
    "latency, of_another_clock", [(0.02, False), (-1.0, False), (float("nan"), False), (-3e8, True), (3e8, True)]
)
def test_stamps_of_another_clock_are_told_by_the_latency(latency, of_another_clock):
    health = Health(print)
    health.processed(latency)
    status = health.status("/hand_pose", {})
    assert status.level == DiagnosticStatus.OK and status.message.startswith("ok")
    assert ("use_sim_time" in status.message) == of_another_clock


def test_bad_input_does_not_hide_other_trouble():
    health = Health(print)
    health.problem("encoding", "'hsv8'")
    status = health.status("/hand_pose", {}, trouble="half of the images are lost")
    assert status.level == DiagnosticStatus.WARN
    assert status.message == "bad input: encoding; half of the images are lost"


def test_a_second_without_an_answer_is_not_told_as_a_camera_without_images():
    status = Health(print).status("/hand_pose", {})  # a slow network may still be at an image
    assert (status.level, status.message) == (DiagnosticStatus.WARN, "no image answered since the last status")


def test_no_trouble_is_told_of_a_node_that_nobody_listens_to():
    status = Health(print).status("/hand_pose", {}, idle=True, trouble="no images on /image")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "idle: nobody subscribes to the hands")
