import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from handpose_ros.batch.executors import LocalProcesses, LocalThreads, WorkerDied
from handpose_ros.batch.ray_cluster import RayCluster

HERE = Path(__file__).parent


def double(job, say):
    say(0.5)
    return 2 * job


def die_at_three(job, say):
    if job == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def tell_and_sleep(job, say):
    say(os.getpid())
    time.sleep(600)


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'handpose_ros[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))  # where its processes find this file
        cluster = RayCluster("local")
    yield cluster
    cluster.close()


def exit_at_three(job, say):
    if job == 3:
        sys.exit("for good")
    return job


@pytest.fixture(params=["processes", "ray"])
def executor(request):
    return LocalProcesses(2) if request.param == "processes" else request.getfixturevalue("cluster")


@pytest.mark.parametrize("count", [1, 3, 20])
def test_threads_too_do_every_job_once_and_keep_its_number(count):
    shares = {}
    assert sorted(LocalThreads(count).run(double, range(7), shares.__setitem__)) == [(k, 2 * k) for k in range(7)]
    assert shares == dict.fromkeys(range(7), 0.5)
    assert list(LocalThreads(count).run(double, [], shares.__setitem__)) == []


def test_a_thread_that_ends_costs_its_own_job_only():
    results = dict(LocalThreads(2).run(exit_at_three, range(6), lambda *_: None))
    assert "SystemExit: for good" in str(results.pop(3)) and results == {k: k for k in (0, 1, 2, 4, 5)}


def test_threads_end_where_they_say_how_far_they_are_when_the_results_are_no_longer_wanted():
    ended = []

    def say_for_good(job, say):
        try:
            while True:
                say(0.1)
                time.sleep(0.001)
        finally:
            ended.append(job)

    def stop(number, share):
        raise KeyboardInterrupt

    results = LocalThreads(2).run(say_for_good, range(5), stop)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert sorted(ended) in ([0], [0, 1])
    assert "handpose worker" not in {thread.name for thread in threading.enumerate()}


def test_every_job_is_done_once_and_keeps_its_number(executor):
    shares = {}
    assert sorted(executor.run(double, range(7), shares.__setitem__)) == [(k, 2 * k) for k in range(7)]
    assert set(shares.values()) <= {0.5}


def test_a_process_that_dies_costs_its_own_job_only(executor):
    results = dict(executor.run(die_at_three, range(6), lambda *_: None))
    died = results.pop(3)
    assert isinstance(died, WorkerDied) and results == {k: k for k in (0, 1, 2, 4, 5)}


def test_what_became_of_a_process_is_said():
    ((_, died),) = LocalProcesses(1).run(die_at_three, [3], lambda *_: None)
    assert "SIGKILL" in str(died) and "--jobs" in str(died)


def test_no_process_is_left_when_the_results_are_no_longer_wanted():
    pids = []

    def stop(number, pid):
        pids.append(int(pid))
        if len(pids) == 2:
            raise KeyboardInterrupt

    results = LocalProcesses(2).run(tell_and_sleep, range(5), stop)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert len(pids) == 2 and not any(map(alive, pids))


def test_no_process_outlives_a_killed_parent():
    code = "from test_executors import *\n"
    code += "for _ in LocalProcesses(2).run(tell_and_sleep, range(2), lambda _, pid: print(int(pid), flush=True)): pass"
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE)))}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, **paths})
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(alive, pids))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def test_the_environment_of_the_parent_stays_as_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    list(LocalProcesses(1).run(double, [1], lambda *_: None))
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def alive(pid):
    """Whether the process runs: one that has ended and waits to be asked does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_does_not_guard_its_main_part_is_not_run_again_by_each_process(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import operator\nfrom handpose_ros.batch.executors import LocalProcesses\nprint('begins', flush=True)\n"
        "print(sorted(LocalProcesses(2).run(operator.is_not, [1, 2], print)), __file__, __spec__)\n"
    )
    for command in ([str(program)], ["-m", "program"]):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=100, cwd=tmp_path)
        begins, ends = done.stdout.splitlines()
        assert begins == "begins" and ends.startswith(f"[(0, True), (1, True)] {program} ")
        assert ends.endswith("None") == (command[0] != "-m")


def test_threads_that_start_processes_leave_the_program_its_name(tmp_path):
    """Each took away for a moment what the other had taken away already, and gave that back."""
    code = (
        "import operator, threading\nfrom handpose_ros.batch.executors import LocalProcesses\n"
        "def run(): list(LocalProcesses(2).run(operator.is_not, [1, 2], print))\n"
        "for _ in range(2):\n    threads = [threading.Thread(target=run) for _ in range(3)]\n"
        "    [each.start() for each in threads]\n    [each.join() for each in threads]\nprint(__name__, __file__)\n"
    )
    program = tmp_path / "threads.py"
    program.write_text(code)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=100)
    assert done.stdout == f"__main__ {program}\n"
