"""The places that must say the same: CMake, pip, ROS, the launch files and the lock."""

import ast
import importlib.resources
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import handpose_ros
from handpose_ros import starting
from handpose_ros.demo import OLD_PROFILES, PROFILES
from handpose_ros.recordings.node_outputs import GRASP_MARKERS, MARKERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE_XML = ElementTree.parse(ROOT / "package.xml").getroot()
CMAKE = (ROOT / "CMakeLists.txt").read_text()
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
HANDS_LAUNCH = ROOT / "launch" / "hand_pose.launch.py"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *LAUNCH_FILES]
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))
README = (ROOT / "README.md").read_text()
RVIZ = yaml.safe_load((ROOT / "config" / "handpose.rviz").read_text())
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def cmake_executables() -> dict[str, str]:
    """Name in lib/handpose_ros -> module:function of the package that it runs."""
    block = re.search(r"set\(_executables\s+(.*?)\)", CMAKE, re.DOTALL).group(1)
    return dict(pair.split("=") for pair in block.split())


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """The calls of the function `name` in a syntax tree."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [call for call in found if call.func.id == name]


def literals(path: Path) -> dict[str, object]:
    """The constants of a Python file that are written out."""
    values = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # an expression
                continue
    return values


def launch_arguments(path: Path) -> set[str]:
    """The arguments of a launch file, those of the included one too."""
    declared = calls(ast.parse(path.read_text()), "DeclareLaunchArgument")
    names = {call.args[0].value for call in declared if isinstance(call.args[0], ast.Constant)}
    included = launch_arguments(HANDS_LAUNCH) if path != HANDS_LAUNCH else set()
    return names | set(literals(path).get("OVERRIDES", ())) | included


def launched_executables(path: Path) -> list[str]:
    """The `executable` of every Node of this package in a launch file."""
    tree = ast.parse(path.read_text())
    nodes = [{keyword.arg: keyword.value for keyword in call.keywords} for call in calls(tree, "Node")]
    return [node["executable"].value for node in nodes if node["package"].value == "handpose_ros"]


def requirements_for(lines: list[str], python: str) -> dict[str, Requirement]:
    """Those that apply to a Python on x86_64 Linux, by canonical name."""
    machine = {"python_version": python, "sys_platform": "linux", "platform_machine": "x86_64"}
    requirements = map(Requirement, lines)
    return {canonicalize_name(r.name): r for r in requirements if r.marker is None or r.marker.evaluate(machine)}


def assigned(path: Path, name: str) -> str:
    """The source of what the file assigns to `name`, in ast's own layout."""
    (value,) = [
        node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return ast.unparse(value)


def lock_lines() -> list[str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.lock").read_text().splitlines()]
    return [line for line in lines if line]


def wanted_lines() -> list[str]:
    project = PYPROJECT["project"]
    # Ray is larger than the rest without torch, and no demo needs it.
    extras = sum((lines for extra, lines in project["optional-dependencies"].items() if extra != "ray"), [])
    return [*project["dependencies"], *PYPROJECT["build-system"]["requires"], *extras]


def test_pip_and_colcon_start_the_same_functions():
    scripts = PYPROJECT["project"]["scripts"]
    names = {name: name if name == "handpose" else f"handpose-{name.replace('_', '-')}" for name in cmake_executables()}
    assert scripts == {names[name]: f"handpose_ros.{function}" for name, function in cmake_executables().items()}


def test_every_node_module_is_an_executable_and_every_executable_has_its_module():
    package = ROOT / "handpose_ros"
    nodes = {f"ros.{path.stem}" for path in (package / "ros").glob("*.py") if "\ndef main(" in path.read_text()}
    started = {name: f"starting:{name}" for name in cmake_executables() if name != "handpose"}
    assert cmake_executables() == started | {"handpose": "cli:main"}
    assert nodes == {getattr(starting, name).args[0] for name in started}
    assert "\ndef main(" in (package / "cli.py").read_text()


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_starts_only_what_is_installed(path):
    launched = launched_executables(path)
    assert launched
    assert set(launched) <= set(cmake_executables())


def test_the_launch_files_start_every_node():
    launched = {name for path in LAUNCH_FILES for name in launched_executables(path)}
    assert launched == set(cmake_executables()) - {"handpose"}


def test_a_launch_file_that_includes_the_one_of_the_hands_keeps_its_environment_and_parameters():
    """All that it sets is set, and all that it starts is started, within its group."""
    tree = ast.parse(HANDS_LAUNCH.read_text())
    (group,) = calls(tree, "GroupAction")
    for name in ("SetEnvironmentVariable", "PushRosNamespace"):
        assert len(calls(tree, name)) == len(calls(group, name)) > 0, name
    started = {ast.unparse(call.keywords[0].value) for call in calls(group, "OpaqueFunction")}
    assert started == {"nodes"} and not calls(tree, "SetParameter")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_start_launch_files_with_arguments_that_there_are(document):
    text = document.read_text().replace("\\\n", " ")
    for name, arguments in re.findall(r"ros2 launch handpose_ros (\S+\.launch\.py)([^\n#]*)", text):
        given = set(re.findall(r"(\w+):=", arguments))
        assert given <= launch_arguments(ROOT / "launch" / name), f"{document.name}: {name}{arguments}"


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_a_launch_file_makes_room_for_images_unless_the_user_chose_a_transport(path):
    # launch is not on PyPI, so the files are read and not run.
    assert set(literals(path)["CHOICES"]) == {"FASTDDS_BUILTIN_TRANSPORTS", PROFILES, OLD_PROFILES}
    jazzy = "EqualsSubstitution(EnvironmentVariable('ROS_DISTRO', default_value=''), 'jazzy')"
    assert assigned(path, "PROFILES") == f"IfElseSubstitution({jazzy}, {OLD_PROFILES!r}, {PROFILES!r})"
    chosen = "[EnvironmentVariable(name, default_value='') for name in CHOICES]"
    assert assigned(path, "UNLESS_CHOSEN") == f"IfCondition(EqualsSubstitution({chosen}, ''))"
    assert "SetEnvironmentVariable(PROFILES, TRANSPORT, condition=UNLESS_CHOSEN)" in path.read_text()
    assert '"fastdds.xml"' in path.read_text()


def test_rviz_looks_from_behind_and_above_the_camera():
    """By the formula of rviz's OrbitViewController::updateCamera, in the optical frame: z forward, y down."""
    view = RVIZ["Visualization Manager"]["Views"]["Current"]
    assert "Orbit" in view["Class"] and not view["Invert Z Axis"]
    yaw, pitch, distance = view["Yaw"], view["Pitch"], view["Distance"]
    focus = [view["Focal Point"][axis] for axis in "XYZ"]
    direction = [math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)]
    x, y, z = (at + distance * along for at, along in zip(focus, direction, strict=True))
    assert abs(x) < 0.01 and y < -0.3 and z < -0.3


def test_rviz_shows_the_markers_of_both_nodes_under_their_names_in_the_demo():
    displays = RVIZ["Visualization Manager"]["Displays"]
    shown = {display["Topic"]["Value"] for display in displays if display["Class"].endswith("MarkerArray")}
    assert shown == {MARKERS, GRASP_MARKERS}


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_parameters_reach_a_node_in_any_namespace(path):
    assert re.search(r"^/\*\*:", path.read_text(), re.MULTILINE), f"{path.name} must use the wildcard /**:"


def test_the_version_is_the_same_everywhere():
    assert PACKAGE_XML.findtext("version") == PYPROJECT["project"]["version"] == handpose_ros.__version__


def test_the_messages_depend_on_the_same_packages_for_cmake_ros_and_pip():
    cmake = set(re.search(r"DEPENDENCIES ([a-z_ ]+)\)", CMAKE).group(1).split())
    used = {match for path in MESSAGES for match in re.findall(r"^([a-z_]+)/\w+", path.read_text(), re.MULTILINE)}
    assert cmake == used == {element.text for element in PACKAGE_XML.findall("depend")}
    wheels = {f"ros-kilted-{name.replace('_', '-')}" for name in cmake}
    assert wheels <= set(requirements_for(PYPROJECT["build-system"]["requires"], "3.12"))


def test_ros_packages_of_the_nodes_are_installed_by_pip_too():
    """All but launch and tf2, which have no wheels."""
    needed = {e.text for e in PACKAGE_XML if e.tag in ("depend", "exec_depend") and not e.text.startswith("python3-")}
    needed -= {"launch", "launch_ros", "ros2launch", "rosidl_default_runtime", "tf2_msgs"}
    wheels = requirements_for(PYPROJECT["project"]["dependencies"], "3.12")
    assert {f"ros-kilted-{name.replace('_', '-')}" for name in needed} <= set(wheels)


def test_package_xml_asks_for_the_ros_packages_that_the_code_imports_and_for_no_others():
    sources = [*(ROOT / "handpose_ros").rglob("*.py"), *LAUNCH_FILES]
    trees = [ast.parse(path.read_text()) for path in sources]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    roots = {name.split(".")[0] for name in imported}
    asked = {e.text for e in PACKAGE_XML if e.tag in ("depend", "exec_depend") and not e.text.startswith("python3-")}
    ros = {name for name in roots if name.endswith(("_msgs", "_srvs", "_interfaces"))}
    ros |= roots & {"launch", "launch_ros", "rclpy"}
    assert ros == asked - {"ros2launch", "rosidl_default_runtime"}


def test_what_the_core_needs_comes_to_a_colcon_workspace_from_rosdep_or_from_the_pip_line_of_the_readme():
    (line,) = re.findall(r"^pip install (.*)$", README, re.MULTILINE)
    pip = {Requirement(word.strip('"')).name for word in line.split()}
    rosdep = {e.text.removeprefix("python3-") for e in PACKAGE_XML.findall("exec_depend") if "python3-" in e.text}
    lines = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["cpu"]]
    core = {Requirement(line).name for line in lines if not line.startswith("ros-")}
    assert core == pip | {"PyYAML" if name == "yaml" else name for name in rosdep}
    assert pip & rosdep == {"numpy"}  # of which pip must not bring another one


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_pins_every_requirement_within_its_bounds(python):
    lock = requirements_for(lock_lines(), python)
    for name, wanted in requirements_for(wanted_lines(), python).items():
        assert name in lock, f"{name} is not in requirements.lock for Python {python}"
        (pin,) = lock[name].specifier
        assert pin.operator == "==" and wanted.specifier.contains(pin.version), f"{lock[name]} is not {wanted}"


def test_without_ros_wheels_only_the_core_is_asked_for():
    mac = {"python_version": "3.12", "sys_platform": "darwin", "platform_machine": "arm64"}
    wanted = [r for r in map(Requirement, wanted_lines()) if r.marker is None or r.marker.evaluate(mac)]
    assert not [r.name for r in wanted if r.name.startswith("ros-")]


def test_the_core_asks_for_no_opencv_that_its_code_does_not_know():
    opencv = requirements_for(PYPROJECT["project"]["dependencies"], "3.12")["opencv-python-headless"].specifier
    assert opencv.contains("4.8.0.76") and not opencv.contains("5.0.0.93")


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.name)
def test_every_field_of_a_message_says_what_it_means(path):
    """Constants may speak for themselves; a field needs a comment of its own."""
    for line in path.read_text().splitlines():
        declaration, _, comment = line.partition("#")
        if declaration.strip() and "=" not in declaration:
            assert comment.strip(), f"{path.name}: `{declaration.strip()}` has no comment"


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.name)
def test_every_float_of_a_message_has_a_unit_or_a_range(path):
    for line in path.read_text().splitlines():
        declaration, _, comment = line.partition("#")
        if re.match(r"float\d\d", declaration) and "=" not in declaration:
            assert re.search(r"\[[^\]]+\]|0\.?5?\.\.\s?1|\b0 .*\.\. 1", comment), f"{path.name}: {line}"


def test_the_demo_clip_is_found_with_the_package_and_goes_into_every_install():
    data = importlib.resources.files("handpose_ros") / "data"
    missing = [name for name in ("two_hands.mp4", "two_hands.npz", "two_hands.yaml") if not (data / name).is_file()]
    assert not missing


def test_every_directory_with_modules_is_a_package_and_so_gets_into_the_wheel():
    directories = {path.parent for path in (ROOT / "handpose_ros").rglob("*.py")}
    assert not [str(directory) for directory in directories if not (directory / "__init__.py").exists()]


@pytest.fixture(scope="module")
def without_ros(tmp_path_factory) -> Path:
    """A folder with the wheel that is built where no ROS is, and the list of the source distribution's files."""
    pytest.importorskip("setuptools", minversion="77", reason="pyproject.toml asks for a newer setuptools")
    folder = tmp_path_factory.mktemp("dist")
    left = folder / "build" / "lib" / "handpose_ros" / "left_by_an_earlier_version.py"
    left.parent.mkdir(parents=True)
    left.touch()
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", folder, "build", "--build-base"]
    command += [folder / "build", "bdist_wheel", "--bdist-dir", folder / "wheel", "--dist-dir", folder]
    environment = {**os.environ, "HANDPOSE_MESSAGES": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_source_distribution_holds_what_a_build_and_make_need(without_ros):
    sources = without_ros / "handpose_ros.egg-info" / "SOURCES.txt"
    listed = {os.path.normpath(line) for line in sources.read_text().splitlines()}
    needed = {"CMakeLists.txt", "package.xml", "setup.py", "pyproject.toml", "requirements.lock", "Makefile"}
    folders = ("msg", "srv", "config", "launch", "resource", "handpose_ros", "tools", "test", "benchmarks", "docs")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    needed |= {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert not needed - listed


@pytest.mark.parametrize("missing", ["rclpy", "handpose_ros.msg"])
def test_where_ros_or_the_messages_are_missing_the_nodes_say_what_to_do(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from handpose_ros.ros import grasp_node"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: the nodes need") and "make demo" in last


def test_a_wheel_holds_nothing_that_an_earlier_version_left_in_the_build(without_ros):
    with ZipFile(next(without_ros.glob("*.whl"))) as wheel:
        modules = {path for path in wheel.namelist() if path.startswith("handpose_ros/") and path.endswith(".py")}
    assert modules == {path.relative_to(ROOT).as_posix() for path in (ROOT / "handpose_ros").rglob("*.py")}


def test_an_install_without_ros_has_the_messages_as_text_for_its_bags(without_ros):
    with ZipFile(next(without_ros.glob("*.whl"))) as wheel:
        installed = {path.partition(".data/data/")[2] for path in wheel.namelist()}
    assert {f"share/handpose_ros/msg/{path.name}" for path in MESSAGES} <= installed
