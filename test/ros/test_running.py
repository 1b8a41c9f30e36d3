"""In processes of their own, as signals are a process's."""

CTRL_C = "import signal, sys\nfrom handpose_ros.ros import running\n\n"

TWICE = """
def make_node():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)
        print("the second is not heard")
        raise


sys.exit(running.run_node(make_node))
"""

IGNORED = """
def make_node():
    signal.raise_signal(signal.SIGINT)
    raise ValueError("it went on")


signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.exit(running.run_node(make_node))
"""

WHILE_ROS_STARTS = """
running.rclpy.init = lambda **_: signal.raise_signal(signal.SIGINT)
sys.exit(running.run_node(None))
"""


def test_of_two_ctrl_c_the_second_does_not_disturb_what_the_first_began(start):
    process = start("-c", CTRL_C + TWICE)
    assert process.wait() == 0
    assert process.log == "the second is not heard\n"


def test_a_ctrl_c_is_ignored_where_it_was(start):
    process = start("-c", CTRL_C + IGNORED)
    assert process.wait() == 1
    assert "it went on" in process.log


def test_a_ctrl_c_while_ros_starts_ends_the_process_without_a_word(start):
    process = start("-c", CTRL_C + WHILE_ROS_STARTS)
    assert process.wait() == 0
    assert process.log == ""
