"""The launch files with stand-ins for launch, which is not on PyPI: in which order what is started, and with what."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

LAUNCH = Path(__file__).resolve().parents[1] / "launch"
MODULES = ("", ".actions", ".conditions", ".event_handlers", ".substitutions")
RUNNING, ENDING = SimpleNamespace(is_shutdown=False), SimpleNamespace(is_shutdown=True)


class StandIn:
    """Keeps what it was made of."""

    def __init__(self, *args, **keywords):
        self.args, self.keywords = args, keywords

    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


@pytest.fixture
def launch_file(monkeypatch):
    """Reads a launch file: a dictionary of its names."""
    classes = {}

    def stand_in(name):
        return classes.setdefault(name, type(name, (StandIn,), {}))

    for name in [f"{package}{module}" for package in ("launch", "launch_ros") for module in MODULES]:
        module = ModuleType(name)
        module.__getattr__ = stand_in
        monkeypatch.setitem(sys.modules, name, module)
    return lambda name: runpy.run_path(LAUNCH / f"{name}.launch.py")


def kinds(description: StandIn) -> list[str]:
    """The classes of what a launch description holds, in order."""
    return [type(entity).__name__ for entity in description.args[0]]


def arguments(**given: str) -> dict[str, str]:
    """Those of hand_pose.launch.py: what is `given`, else empty, and both files there."""
    names = ("backend", "device", "compressed", "rectified", "fov", "hand_scale", "publish_tf", "tf_prefix")
    names += ("use_sim_time",)
    return dict.fromkeys(names, "") | {"depth": "depth", "params_file": __file__, "grasp_params_file": __file__} | given


@pytest.mark.parametrize(
    "given, of_grasp, of_hand_pose",
    [
        ({}, {}, {}),
        ({"fov": "72.5"}, {}, {"fov": "72.5"}),
        ({"device": "cpu", "depth": "/depth"}, {}, {"device": "cpu", "depth": True}),
        ({"use_sim_time": "true"}, {"use_sim_time": "true"}, {"use_sim_time": "true"}),
    ],
)
def test_only_what_is_given_on_the_command_line_stands_above_the_files_of_parameters(
    launch_file, given, of_grasp, of_hand_pose
):
    context = arguments(**given)
    nodes = launch_file("hand_pose")["nodes"](context)
    expected = {"grasp": ("grasp_params_file", of_grasp), "hand_pose": ("params_file", of_hand_pose)}
    assert [node.keywords["name"] for node in nodes] == list(expected)
    for node in nodes:
        file, *above = node.keywords["parameters"]
        name, values = expected[node.keywords["name"]]
        assert file.args == (name,) and len(above) == bool(values)
        assert {
            key: value if value is True else value.perform(context) for key, value in (above or [{}])[0].items()
        } == values


def test_the_topics_that_are_given_are_those_of_hand_pose(launch_file):
    context = arguments(image="/i", camera_info="/c", depth="/d")
    _, node = launch_file("hand_pose")["nodes"](context)
    topics = {name: topic.perform(context) for name, topic in node.keywords["remappings"]}
    assert topics == {"image": "/i", "camera_info": "/c", "depth": "/d"}


@pytest.mark.parametrize("name", ["params_file", "grasp_params_file"])
def test_a_file_of_parameters_that_there_is_not_is_named_with_its_argument(launch_file, name):
    check_files = launch_file("hand_pose")["check_files"]
    check_files(arguments())
    with pytest.raises(FileNotFoundError, match=f"{name}:=/none.yaml: there is no such file"):
        check_files(arguments(**{name: "/none.yaml"}))


def test_what_can_fail_for_a_wrong_argument_comes_before_anything_is_started(launch_file):
    hands = launch_file("hand_pose")
    entities = hands["generate_launch_description"]().args[0]
    checks = [each.keywords.get("function") for each in entities].index(hands["check_files"])
    assert checks < kinds(hands["generate_launch_description"]()).index("GroupAction")
    demo = kinds(launch_file("demo")["generate_launch_description"]())
    assert max(demo.index("IncludeLaunchDescription"), demo.index("ExecuteProcess")) < demo.index("Node")


def test_simulated_time_is_also_that_of_the_demos_camera(launch_file):
    entities = launch_file("demo")["generate_launch_description"]().args[0]
    order = kinds(launch_file("demo")["generate_launch_description"]())
    parameter = entities[order.index("SetParameter")]
    assert parameter.args[0] == "use_sim_time" and parameter.keywords["condition"] is not None
    assert order.index("IncludeLaunchDescription") < order.index("SetParameter") < order.index("Node")


def test_the_demo_ends_with_the_first_node_that_ends_and_not_with_rviz(launch_file):
    demo = launch_file("demo")
    entities = demo["generate_launch_description"]().args[0]
    (handler,) = [each.args[0] for each in entities if type(each).__name__ == "RegisterEventHandler"]
    is_node, end = handler.keywords["target_action"], handler.keywords["on_exit"]
    processes = [each for each in entities if type(each).__name__ in ("Node", "ExecuteProcess")]
    assert {type(each).__name__: is_node(each) for each in processes} == {"Node": True, "ExecuteProcess": False}
    assert type(end(None, RUNNING)).__name__ == "Shutdown"
    assert end(None, ENDING) is None
