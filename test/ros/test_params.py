from dataclasses import FrozenInstanceError, dataclass

import pytest
import rclpy
from rclpy.node import Node

from handpose_ros.ros.params import ParameterError, declare, parameter


@dataclass(frozen=True)
class Params:
    hands: int = parameter(2, "how many hands", minimum=1, maximum=4)
    score: float = parameter(0.5, "lowest score", minimum=0.0, maximum=1.0)
    rate: float = parameter(0.0, "images per second", minimum=0.0)
    size: float = parameter(0.0, "of a hand; 0: not known", minimum=0.6, maximum=1.6, off=0.0)
    device: str = parameter("auto", "where to compute", choices=("auto", "cpu"))
    source: str = parameter("demo", "what to play")
    loop: bool = parameter(True, "start again at the end")


@pytest.fixture
def declared(context):
    """declared(*overrides) -> (node, Params) of a node started with `-p` overrides."""
    nodes = []

    def start(*overrides):
        arguments = ["--ros-args"] + [word for override in overrides for word in ("-p", override)]
        options = {"start_parameter_services": False, "automatically_declare_parameters_from_overrides": True}
        nodes.append(Node("params_test", context=context, cli_args=arguments, **options))
        return nodes[-1], declare(nodes[-1], Params)

    yield start
    for node in nodes:
        node.destroy_node()


def test_without_overrides_the_defaults_of_the_dataclass_hold(declared):
    assert declared()[1] == Params(2, 0.5, 0.0, 0.0, "auto", "demo", True)


def test_an_override_arrives_in_the_dataclass_and_in_the_ros_parameter(declared):
    node, params = declared("hands:=3", "device:=cpu", "loop:=false")
    assert (params.hands, params.device, params.loop) == (3, "cpu", False)
    assert node.get_parameter("hands").value == 3


@pytest.mark.parametrize("override, value", [("rate:=15", 15.0), ("source:=0", "0")])
def test_an_integer_is_taken_for_a_number_or_a_string(declared, override, value):
    node, params = declared(override)
    name = override.split(":")[0]
    assert getattr(params, name) == value and type(getattr(params, name)) is type(value)
    assert node.get_parameter(name).value == value


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("hands:=9", "parameter 'hands' is 9, it must be an integer at least 1 and at most 4"),
        ("hands:=2.5", "parameter 'hands' is 2.5, it must be an integer at least 1 and at most 4"),
        ("hands:=true", "parameter 'hands' is True, it must be an integer at least 1 and at most 4"),
        ("score:=.nan", "parameter 'score' is nan, it must be a number at least 0.0 and at most 1.0"),
        ("rate:=-1.0", "parameter 'rate' is -1.0, it must be a number at least 0.0"),
        ("rate:=.inf", "parameter 'rate' is inf, it must be a number at least 0.0"),
        ("size:=0.2", "parameter 'size' is 0.2, it must be 0.0, or a number at least 0.6 and at most 1.6"),
        ("device:=tpu", "parameter 'device' is 'tpu', it must be one of auto, cpu"),
        ("loop:=3", "parameter 'loop' is 3, it must be true or false"),
    ],
)
def test_a_wrong_value_is_refused_by_name_value_and_what_is_allowed(declared, override, sentence):
    with pytest.raises(ParameterError) as refusal:
        declared(override)
    assert str(refusal.value) == sentence


def test_every_parameter_is_described_and_ranged_for_ros_tools(declared):
    node, _ = declared()
    hands, device, rate = (node.describe_parameter(name) for name in ("hands", "device", "rate"))
    assert hands.description == "how many hands"
    assert (hands.integer_range[0].from_value, hands.integer_range[0].to_value) == (1, 4)
    assert rate.floating_point_range[0].from_value == 0.0
    assert device.additional_constraints == "one of auto, cpu"


def test_a_value_that_switches_off_is_taken_beside_the_range_and_ros_tools_are_told_of_the_gap(declared):
    assert declared("size:=0.0")[1].size == 0.0 and declared("size:=0.6")[1].size == 0.6
    size = declared()[0].describe_parameter("size")
    assert (size.floating_point_range[0].from_value, size.floating_point_range[0].to_value) == (0.0, 1.6)
    assert size.additional_constraints == "0.0, or a number at least 0.6 and at most 1.6"


def test_parameters_cannot_be_changed_while_the_node_runs(declared):
    node, params = declared()
    result = node.set_parameters([rclpy.Parameter("hands", value=1)])[0]
    assert not result.successful and node.get_parameter("hands").value == 2
    with pytest.raises(FrozenInstanceError):
        params.hands = 1


def test_a_misspelt_parameter_is_named_with_the_one_that_was_meant(declared, capfd):
    assert declared("hans:=3", "use_sim_time:=true", "camera_serial:=7")[1].hands == 2
    said = capfd.readouterr().err
    assert "no parameter is called 'hans', its value is ignored: is it 'hands'?" in said
    assert "no parameter is called 'camera_serial', its value is ignored: there are device, hands" in said
    assert "use_sim_time" not in said
