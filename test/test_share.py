import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handpose_ros.share import share_path

PACKAGE = Path(__file__).parents[1] / "handpose_ros"


def test_the_checkout_has_its_messages():
    assert "HandPose[] hands" in share_path("msg/HandPoseArray.msg").read_text()


def test_what_is_nowhere_is_named_with_a_remedy():
    with pytest.raises(FileNotFoundError, match="msg/Nothing.msg.*reinstall"):
        share_path("msg/Nothing.msg")


@pytest.mark.parametrize("site", ["lib/python3.12/site-packages", "local/lib/python3.12/dist-packages"])
def test_an_installation_finds_the_share_directory_of_its_own_prefix(tmp_path, site):
    package = tmp_path / site / "handpose_ros"
    package.mkdir(parents=True)
    for name in ("__init__.py", "share.py"):
        shutil.copy(PACKAGE / name, package)
    installed = tmp_path / "share/handpose_ros/config/only_here.yaml"
    installed.parent.mkdir(parents=True)
    installed.touch()
    code = "from handpose_ros.share import share_path; print(share_path('config/only_here.yaml'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / site)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert Path(found.stdout.strip()) == installed, found.stderr


def test_an_installation_without_its_messages_is_not_taken_for_a_bag_that_cannot_be_read(tmp_path):
    package = tmp_path / "handpose_ros"
    (package / "recordings").mkdir(parents=True)
    for name in ("__init__.py", "share.py", "failures.py", "recordings/__init__.py", "recordings/bags.py"):
        shutil.copy(PACKAGE / name, package / name)
    (tmp_path / "a.mcap").touch()
    imports = "import sys; from handpose_ros.recordings.bags import read_messages"
    code = f"{imports}; sys.prefix = '/nowhere'; next(read_messages('a.mcap'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "AMENT_PREFIX_PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.endswith("FileNotFoundError: msg of handpose_ros is not installed: reinstall the package\n")
