"""In processes of their own, as signals are a process's."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handpose_ros import starting

SLOW = "import sys, time\nprint('imported', flush=True)\ntime.sleep({seconds})\n\n\ndef main():\n    {body}\n"


@pytest.fixture
def started(tmp_path):
    """started(seconds, body, sigint) -> a process that starts a module whose import takes so long, once that has begun;
    `sigint`: what it does at Ctrl-C before."""
    processes = []

    def start(seconds, body, sigint=signal.default_int_handler):
        (tmp_path / "slow_node.py").write_text(SLOW.format(seconds=seconds, body=body))
        code = f"import handpose_ros, sys; handpose_ros.__path__.append({str(tmp_path)!r}); "
        code += "from handpose_ros.starting import start; sys.exit(start('slow_node'))"
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        root = Path(starting.__file__).parents[1]
        wanted = {"preexec_fn": lambda: signal.signal(signal.SIGINT, sigint)}
        processes.append(subprocess.Popen([sys.executable, "-c", code], cwd=root, **pipes, **wanted))
        assert processes[-1].stdout.readline() == "imported\n"
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_ctrl_c_while_a_node_is_imported_ends_it_without_a_word(started):
    process = started(20, "pass")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_a_ctrl_c_is_ignored_where_it_was(started):
    process = started(1, "return 3", signal.SIG_IGN)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 3


def test_sigterm_ends_it_too(started):
    process = started(20, "pass")
    process.terminate()
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_the_node_itself_has_a_ctrl_c_as_python_gives_it_and_its_exit_code_is_that_of_the_process(started):
    process = started(0, "import signal; return 3 if signal.getsignal(2) is signal.default_int_handler else 4")
    process.communicate(timeout=10)
    assert process.returncode == 3


def test_opencv_keeps_quiet_in_a_node(started):
    process = started(0, "import os; return 3 if os.environ['OPENCV_LOG_LEVEL'] == 'SILENT' else 4")
    process.communicate(timeout=10)
    assert process.returncode == 3


def test_opencv_says_what_its_user_wants_to_hear(started, monkeypatch):
    monkeypatch.setenv("OPENCV_LOG_LEVEL", "INFO")
    process = started(0, "import os; return 3 if os.environ['OPENCV_LOG_LEVEL'] == 'INFO' else 4")
    process.communicate(timeout=10)
    assert process.returncode == 3
