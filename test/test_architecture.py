"""The floors of the package: a module imports only what stands before it in this table, and ROS only under ros/."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "handpose_ros"

# From the ground up: folder, "" for none, and its modules. A module may import those above it in this table and to its
# left, so that folders never import each other in a circle.
FLOORS = [
    # vocabulary
    ("", "wording interrupts compiled failures share hand distortion camera body_arithmetic geometry body features"),
    ("", "kinematics metrics drawing"),
    # algorithms
    ("crops", "cropping aiming looks searching"),
    ("tracking", "association tracks tracker"),
    ("filtering", "low_pass following live recorded"),
    ("lifting", "lifter_view lifters ray_fit lift confidence depth hand_size placing"),
    ("grasps", "taxonomy claims contacts distance_rule grasp_types cascade motion phases grasp gripper"),
    # inference
    (
        "runtimes",
        "tflite constant_channels tflite_torch tflite_openvino quantization openvino_network cuda_graph torch_sampling "
        "triton_sampling triton_convolutions triton_layers fused_layers torch_network batching",
    ),
    ("", "weights"),
    (
        "backends",
        "palm mediapipe rotations mano_pickle mano checkpoint resnet wildhands_network wildhands_checkpoint "
        "wildhands_crops undistortion wildhands",
    ),
    ("", "finding pipeline thread_map estimator"),
    # edges
    ("messages", "decoding calibration encoding markers"),
    (
        "recordings",
        "sources spool output bags bag_images node_outputs summary comparison trajectories results plots track_plots "
        "report joint_arrays joint_tables buffering video_results bag_run video_run lock job",
    ),
    ("batch", "files job executors ray_cluster run"),
    (
        "evaluation",
        "synthetic datasets outcomes accuracy report page sequences clip_sequences photo_sequences recorded_sequences "
        "sequence_metrics sequence_evaluation sequence_report grasp_templates gestures grasp_evaluation grasp_clip",
    ),
    # ROS
    (
        "ros",
        "params running health worker conversions recorder_node probe camera_node stamp_buffer arrivals cameras "
        "depth_images hand_pose_params hand_size_service wrist_frames hand_pose_node grasp_node",
    ),
    # commands
    ("", "processes demo"),
    ("benchmark", "latency growth rival_process rival node launch_floor report"),
    ("", "recording_commands commands cli starting"),
]
FOLDERS = [folder for folder, _ in FLOORS if folder]
ORDER = [""]  # handpose_ros/__init__.py
for folder, names in FLOORS:
    ORDER += [folder, *(f"{folder}.{name}" for name in names.split())] if folder else names.split()
PLUGINS = ("backends", "runtimes")  # tables that name their own plug-ins, in the functions that build them
ROS_FLOOR = [name for name in ORDER if name.partition(".")[0] == "ros"]
ROS_PACKAGES = ("rclpy", "rosidl", "ament_index_python", "launch", "tf2_ros", "message_filters")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(source: str, module: str, is_package: bool) -> set[str]:
    """Absolute names of what `source` imports, also inside functions; for `from a import b` both a and a.b."""
    package = ["handpose_ros", *filter(None, module.split("."))]
    if not is_package:
        package = package[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    return found


def imports_of(module: str) -> set[str]:
    path = MODULES[module]
    return imports(path.read_text(), module, path.name == "__init__.py")


def own_modules(names: set[str]) -> set[str]:
    """Those of `names` that are modules of this package, by their names inside it."""
    inside = {name.removeprefix("handpose_ros.") for name in names if name.startswith("handpose_ros.")}
    return inside & (set(MODULES) | set(ORDER))


def is_ros(name: str) -> bool:
    top, *rest = name.split(".")
    message = top == "handpose_ros" and rest[:1] in (["msg"], ["srv"])
    return message or top.endswith(("_msgs", "_interfaces")) or top.startswith(ROS_PACKAGES)


def test_a_folder_has_one_place_in_the_table():
    assert len(set(FOLDERS)) == len(FOLDERS) and len(set(ORDER)) == len(ORDER)


def test_every_module_has_a_place_in_the_table():
    homeless = sorted(set(MODULES) - set(ORDER))
    assert not homeless, f"put {', '.join(homeless)} on a floor in FLOORS: a module without one is held by no rule"


@pytest.mark.parametrize("module", [name for name in MODULES if name in ORDER])
def test_a_module_imports_only_what_stands_before_it(module):
    above = {name for name in own_modules(imports_of(module)) if ORDER.index(name) > ORDER.index(module)}
    if module in PLUGINS:
        above = {name for name in above if not name.startswith(f"{module}.")}
    assert not above, f"{module} imports {', '.join(sorted(above))}, which the table puts above it"


def test_the_readme_says_where_things_are():
    readme = (PACKAGE.parent / "README.md").read_text()
    table = readme[readme.index("| folder | what |") :]
    for folder in FOLDERS:
        assert f"`{folder}`" in table.partition("\n\n")[0]


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ROS_FLOOR])
def test_only_the_ros_floor_imports_ros(module):
    ros = sorted(filter(is_ros, imports_of(module)))
    assert not ros, f"{module} imports {', '.join(ros)}: only handpose_ros/ros may"


def test_the_package_itself_imports_nothing_of_its_own():
    assert not own_modules(imports_of("")), "handpose_ros.msg imports handpose_ros/__init__.py: keep it light"


def compared_by_arrays(source: str) -> list[str]:
    """Data classes of `source` whose `==` would compare arrays, of which Python cannot say whether they are equal."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(each) for each in node.decorator_list):
            fields = [ast.unparse(line.annotation) for line in node.body if isinstance(line, ast.AnnAssign)]
            arrays = any(each.startswith(("np.ndarray", "torch.Tensor")) for each in fields)
            if arrays and not any("eq=False" in ast.unparse(each) for each in node.decorator_list):
                found.append(node.name)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_values_that_hold_arrays_can_be_compared_and_hashed(module):
    assert not compared_by_arrays(MODULES[module].read_text()), "give them eq=False, and an __eq__ if they need one"


@pytest.mark.parametrize("field, refused", [("np.ndarray | None", True), ("int", False)])
def test_a_value_that_would_compare_its_arrays_is_recognised(field, refused):
    source = f"@dataclass(frozen=True)\nclass Value:\n    a: int\n    b: {field} = None\n"
    assert bool(compared_by_arrays(source)) is refused


def interpreted_calls(source: str) -> set[str]:
    """What `source` calls from plain Python, which waits for the compiler, though it is for compiled functions only."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    kinds = {f.name: {ast.unparse(each).partition("(")[0] for each in f.decorator_list} for f in functions}
    inlined = {name for name, decorators in kinds.items() if "inlined" in decorators}
    plain = [f for f in functions if not kinds[f.name] & {"inlined", "compiled"}]
    called = {ast.unparse(node.func) for f in plain for node in ast.walk(f) if isinstance(node, ast.Call)}
    return inlined & called


@pytest.mark.parametrize("module", MODULES)
def test_what_is_inlined_into_compiled_functions_is_called_by_these_only(module):
    assert not interpreted_calls(MODULES[module].read_text())


def test_a_call_of_an_inlined_function_is_recognised():
    source = "@inlined\ndef f(x):\n    return x\n\n@compiled('f8(f8)')\ndef g(x):\n    return f(x)\n"
    assert interpreted_calls(source) == set()
    assert interpreted_calls(source + "\ndef h(x):\n    return f(x)\n") == {"f"}


@pytest.mark.parametrize(
    "line, name",
    [
        ("from handpose_ros.ros.params import x", "ros.params"),
        ("from handpose_ros import pipeline", "pipeline"),
        ("import handpose_ros.pipeline as p", "pipeline"),
        ("def f():\n    from . import pipeline", "pipeline"),
        ("from .backends.palm import anchors", "backends.palm"),
    ],
)
def test_an_import_is_seen_however_it_is_written(line, name):
    assert name in own_modules(imports(line, "camera", is_package=False))


@pytest.mark.parametrize(
    "line",
    [
        "import rclpy.node",
        "from sensor_msgs.msg import Image",
        "from handpose_ros.msg import Grasp",
        "from handpose_ros.srv import CalibrateHand",
    ],
)
def test_ros_is_recognised(line):
    assert any(map(is_ros, imports(line, "camera", is_package=False)))
