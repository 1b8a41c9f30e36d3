"""The README's tables of parameters are those of the nodes."""

from dataclasses import fields
from pathlib import Path

import pytest

from handpose_ros.ros.camera_node import CameraParams
from handpose_ros.ros.grasp_node import GraspParams
from handpose_ros.ros.hand_pose_params import HandPoseParams

README = (Path(__file__).parents[2] / "README.md").read_text()
NODES = {"camera": CameraParams, "hand_pose": HandPoseParams, "grasp": GraspParams}


def table(name, Params):
    rows = [f"| `{name}` | default | range | what |", "|---|---|---|---|"]
    for rule in fields(Params):
        low, high, off, choices = (rule.metadata[key] for key in ("minimum", "maximum", "off", "choices"))
        limits = ", ".join(choices) if choices else " to ".join(f"{x:g}" for x in (low, high) if x is not None)
        limits = limits if off is None else f"{off:g}, or {limits}"
        default = str(rule.default).lower() if isinstance(rule.default, bool) else rule.default
        shown = '""' if default == "" else default
        rows.append(f"| `{rule.name}` | {shown} | {limits} | {rule.metadata['description']} |")
    return "\n".join(rows)


@pytest.mark.parametrize("name", NODES)
def test_the_readme_lists_each_parameter_with_its_default_range_and_meaning(name):
    expected = table(name, NODES[name])
    assert expected in README, f"put this into README.md:\n{expected}"
