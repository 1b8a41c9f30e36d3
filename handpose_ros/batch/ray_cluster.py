"""Many jobs on a Ray cluster, by the interface of `executors`: a data set outgrows one machine without other code."""

from collections.abc import Iterator, Sequence
from typing import Any

from handpose_ros.batch.executors import Shown, Work, WorkerDied
from handpose_ros.failures import sentence

_LOOK = 0.5  # [s] between two looks at how far the jobs are
_AHEAD = 2  # jobs for each core that are handed to the cluster at once


class RayCluster:
    """See `Executor`: tasks of one core each on a Ray cluster, whose nodes see the same files and have this package."""

    def __init__(self, address: str = "", gpus: float = 0):
        """`address` of the cluster; empty: $RAY_ADDRESS, one that runs here, or a new one on this machine.

        A task asks for `gpus`. Raises ImportError or ConnectionError with a remedy.
        """
        try:
            import ray
        except ImportError as error:
            raise ImportError("--ray needs Ray: pip install 'handpose_ros[ray]', or leave out --ray") from error
        self._ray, self._gpus = ray, gpus
        self._own = not ray.is_initialized()
        if self._own:
            ray.init(address=address or None, log_to_driver=False, logging_level="ERROR")

    def run(self, work: Work, jobs: Sequence, shown: Shown) -> Iterator[tuple[int, Any]]:
        ray = self._ray
        tally = ray.remote(num_cpus=0)(_Tally).remote()
        # A task that is run again would find its own half-done work: batch says what failed, and a restart does it.
        task = ray.remote(num_cpus=1, num_gpus=self._gpus, max_retries=0)(_on_cluster)
        waiting, busy = iter(enumerate(jobs)), {}
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            while True:
                while len(busy) < most and (entry := next(waiting, None)):
                    busy[task.remote(work, entry[1], tally, entry[0])] = entry[0]
                if not busy:
                    return
                ended, _ = ray.wait(list(busy), timeout=_LOOK)
                for number, share in ray.get(tally.shares.remote()).items():
                    shown(number, share)
                for reference in ended:
                    yield busy.pop(reference), self._result(reference)
        finally:
            for reference in busy:
                ray.cancel(reference, force=True)
            ray.kill(tally)

    def close(self):
        """Leaves the cluster, and ends it if it was made here."""
        if self._own:
            self._ray.shutdown()

    def _result(self, reference):
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return WorkerDied(f"its task on the cluster ended: {sentence(getattr(error, 'cause', None) or error)}")


class _Tally:
    """How far the jobs are, kept on the cluster."""

    def __init__(self):
        self._shares = {}

    def note(self, number: int, share: float):
        self._shares[number] = share

    def shares(self) -> dict[int, float]:
        """What came since the last call."""
        taken, self._shares = self._shares, {}
        return taken


def _on_cluster(work, job, tally, number):
    return work(job, lambda share: tally.note.remote(number, share))
