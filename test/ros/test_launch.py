"""What the launch file of the hands sets are parameters of its node."""

from dataclasses import fields

from test_packaging import HANDS_LAUNCH, literals

from handpose_ros.ros.hand_pose_params import HandPoseParams


def test_an_argument_of_the_launch_file_that_overrides_a_parameter_is_one_of_the_node():
    overrides = set(literals(HANDS_LAUNCH)["OVERRIDES"])
    assert {"fov", "rectified", "hand_scale", "publish_tf"} < overrides
    assert overrides <= {rule.name for rule in fields(HandPoseParams)}
