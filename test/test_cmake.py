"""CMakeLists.txt with stand-ins for ament and for the message generator, which differ between ROS distributions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # cmake of the wheels
CMAKE = shutil.which("cmake", path=PATH)
COMPILERS = [os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")]
pytestmark = pytest.mark.skipif(
    not CMAKE or not all(shutil.which(each.split()[0], path=PATH) for each in COMPILERS),
    reason="cmake or a compiler is missing",
)

AMENT = """
macro(ament_export_dependencies)
endmacro()
macro(ament_package)
endmacro()
"""
AMENT_PYTHON = """
macro(ament_get_python_install_dir name)
  set(${name} lib/python)
endmacro()
"""
GENERATOR = """
function(rosidl_generate_interfaces name)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/generated.c" "int generated;")
  add_library(${name}__rosidl_generator_py SHARED "${CMAKE_CURRENT_BINARY_DIR}/generated.c")
  target_include_directories(${name}__rosidl_generator_py @INCLUDES@)
  install(TARGETS ${name}__rosidl_generator_py EXPORT exported LIBRARY DESTINATION lib)
  install(EXPORT exported DESTINATION share)
endfunction()
"""
INCLUDES = {
    "PRIVATE only, as in Jazzy": "PRIVATE ${CMAKE_CURRENT_BINARY_DIR}",
    "of NumPy, as in Kilted": "PUBLIC /usr/include",
    "of a NumPy in the source tree": "PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/.venv/include",
}


@pytest.mark.parametrize("includes", INCLUDES)
def test_the_build_is_configured_whatever_include_directories_the_generator_exports(tmp_path, includes):
    configs = {"ament_cmake": AMENT, "ament_cmake_python": AMENT_PYTHON}
    configs |= dict.fromkeys(["builtin_interfaces", "geometry_msgs", "service_msgs", "std_msgs"], "")
    configs["rosidl_default_generators"] = GENERATOR.replace("@INCLUDES@", INCLUDES[includes])
    for name, text in configs.items():
        folder = tmp_path / "prefix" / "share" / name / "cmake"
        folder.mkdir(parents=True)
        (folder / f"{name}Config.cmake").write_text(text)
    command = [CMAKE, "-S", ROOT, "-B", tmp_path / "build", "-DBUILD_TESTING=OFF"]
    environment = {**os.environ, "PATH": PATH, "CMAKE_PREFIX_PATH": str(tmp_path / "prefix")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
