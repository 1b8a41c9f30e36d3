import os
import sys
import time

import pytest

from handpose_ros.processes import ProcessDied, Processes

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def script(text):
    return [sys.executable, "-c", text]


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 10 s"
        time.sleep(0.02)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_process_outlives_the_block_even_after_an_error():
    with pytest.raises(KeyboardInterrupt), Processes(os.environ) as processes:
        processes.start("sleep", SLEEP)
        pid = processes._running["sleep"].pid
        raise KeyboardInterrupt
    assert not is_alive(pid)


def test_a_process_that_ignores_signals_is_killed():
    with Processes(os.environ, patience=0.1) as processes:
        processes.start("stubborn", script(STUBBORN))
        wait_for(lambda: "up" in processes.last_lines("stubborn"))
        pid = processes._running["stubborn"].pid
    assert not is_alive(pid)


def test_a_process_that_dies_is_reported_with_its_last_lines():
    with Processes(os.environ) as processes:
        processes.start("node", script("import sys; print('no such camera'); sys.exit(3)"))
        wait_for(lambda: processes.ended("node"))
        with pytest.raises(ProcessDied, match="node ended with exit code 3:\n    no such camera"):
            processes.check("node")


def test_only_a_process_that_may_end_may_end():
    with Processes(os.environ) as processes:
        processes.start("camera", script("pass"))
        wait_for(lambda: processes.ended("camera"))
        processes.check("camera")
        with pytest.raises(ProcessDied, match="camera ended with exit code 0"):
            processes.check()


def test_one_process_is_stopped_and_the_other_runs_on():
    with Processes(os.environ) as processes:
        processes.start("a", SLEEP)
        processes.start("b", SLEEP)
        processes.stop("a")
        assert processes.ended("a") and not processes.ended("b")


def test_the_processes_have_the_environment_they_were_given():
    with Processes({**os.environ, "HANDPOSE_TEST": "42"}) as processes:
        processes.start("a", script("import os; print(os.environ['HANDPOSE_TEST'])"))
        wait_for(lambda: processes.ended("a"))
        assert processes.last_lines("a").strip() == "42"


def test_what_a_running_process_prints_does_not_overwrite_what_was_read():
    with Processes(os.environ) as processes:
        processes.start("a", script("import time\nfor k in range(3): print('line', k, flush=True); time.sleep(0.2)"))
        wait_for(lambda: "line 0" in processes.last_lines("a"))
        wait_for(lambda: processes.ended("a"))
        assert processes.last_lines("a").split() == ["line", "0", "line", "1", "line", "2"]
