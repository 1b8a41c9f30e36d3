"""The measurement itself is no test's business; what it says when there is nothing to measure is."""

import subprocess
import sys

SECONDS_PER_IMAGE = 6.0  # longer than the settling and the wait for the last answers


def test_where_no_image_is_answered_the_node_is_named_with_its_last_lines(need_weights):
    code = "from handpose_ros.benchmark.node import measure_node\n"
    code += f"measure_node({1 / SECONDS_PER_IMAGE}, 0.0, {{'device': 'cpu', 'complexity': 'lite'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ProcessDied: hand_pose answered no image within 0 s:\n    [INFO]" in done.stderr, done.stderr
