"""The life of a node's process: start, spin, and an orderly end; and of a node within another program."""

import signal
import time
from collections.abc import Callable

import rclpy
from rclpy.exceptions import NotInitializedException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node

from handpose_ros.failures import sentence
from handpose_ros.interrupts import held_back


class NodeError(Exception):
    """A running node cannot go on for a reason that its user can remove: one line, no traceback."""


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """Exit code of a process that spins the node which `make_node` returns.

    0 after Ctrl-C, SIGTERM or rclpy.shutdown(). 1, with one line in the log, for a ValueError or
    OSError of `make_node` (a wrong parameter, a missing file), for a NodeError, and for ROS arguments that rclpy
    does not take. What else a callback raises is a bug and goes up.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        rclpy.init(args=args)
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:  # what stands after --ros-args, or a file of parameters there, cannot be read
        get_logger("handpose_ros").fatal(f"ROS cannot start: {type(error).__name__}: {error}")
        return 1
    node = None
    try:
        node = make_node()
        rclpy.spin(node)
        return 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except (RuntimeError, NotInitializedException):
        if rclpy.ok():
            raise
        return 0  # the signal shut rclpy down, and nobody heard of it: what is reported is an RCLError, or that
    except (NodeError, ValueError, OSError) as error:
        if node is not None and not isinstance(error, NodeError):
            raise
        get_logger("handpose_ros").fatal(sentence(error))
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # also after another end
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _interrupt_once(_number, _frame):
    """A KeyboardInterrupt for the first Ctrl-C only: `ros2 launch` sends a second one while the first is dealt with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def receive(node: Node, seconds: float):
    """Runs the callbacks of what comes to `node` for so long. A Ctrl-C waits until the end."""
    deadline = time.monotonic() + seconds
    with held_back():
        while (left := deadline - time.monotonic()) > 0:
            rclpy.spin_once(node, timeout_sec=left)
