"""How a node fares: counts of good and bad input, for the log and for /diagnostics."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

_LOG_PERIOD = 5.0  # [s] at least, between two lines of one kind
_TEXTS = 3  # of one kind in that time, where each is said once: two cameras, and not each new number of a bad one
_REMEMBERED = 8  # lines of one kind
_ANOTHER_CLOCK = 60.0  # [s] of latency, early or late, that no network and no queue explains


class Health:
    """Counts images and problems; may be used from several threads. `log` writes a line of warning."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self._log, self._clock = log, clock
        self._lock = threading.Lock()
        self._problems: Counter[str] = Counter()  # since the start, by kind
        self._said: dict[str, str] = {}  # the last text of each kind
        self._logged: dict[str, deque[tuple[float, str]]] = {}  # when [s] and what, of each kind
        self._processed = 0
        self._since = clock()
        self._latencies: list[float] = []  # [s] of the images since the last status
        self._recent: Counter[str] = Counter()  # problems since the last status

    def processed(self, latency: float):
        """Counts an image that was answered `latency` [s] after its stamp; NaN: not known."""
        with self._lock:
            self._processed += 1
            self._latencies.append(latency)

    def problem(self, kind: str, text: str, once: bool = False):
        """Counts a problem and logs `text`, at most every few seconds for one kind; `once`: a text that was not logged
        lately, and a few of these in that time."""
        now = self._clock()
        with self._lock:
            self._problems[kind] += 1
            self._recent[kind] += 1
            self._said[kind] = text
            logged = self._logged.setdefault(kind, deque(maxlen=_REMEMBERED))
            recent = sum(now - when < _LOG_PERIOD for when, _ in logged)
            silent = any(text == said for _, said in logged) or recent >= _TEXTS if once else recent > 0
            if not silent:
                logged.append((now, text))
        if not silent:
            self._log(text)

    def status(self, name: str, facts: Mapping[str, object], idle: bool = False, trouble: str = "") -> DiagnosticStatus:
        """What happened since the last call, with `facts` added.

        WARN for problems, and unless `idle` for `trouble` from elsewhere and where no image was answered: none came,
        or a slow network is still at one.
        """
        with self._lock:
            now = self._clock()
            latencies, recent, period = np.array(self._latencies), self._recent, now - self._since
            self._latencies, self._recent, self._since = [], Counter(), now
            processed, problems, said = self._processed, dict(self._problems), dict(self._said)
        known = latencies[np.isfinite(latencies)]
        idle = idle and not latencies.size
        wrong = ["bad input: " + ", ".join(sorted(recent))] if recent else []
        wrong += [trouble] if trouble and not idle else []
        if wrong:
            level, message = DiagnosticStatus.WARN, "; ".join(wrong)
        elif idle:
            level, message = DiagnosticStatus.OK, "idle: nobody subscribes to the hands"
        elif not latencies.size:
            level, message = DiagnosticStatus.WARN, "no image answered since the last status"
        elif known.size and abs(np.median(known)) > _ANOTHER_CLOCK:
            level, message = DiagnosticStatus.OK, "ok, but stamps are of another clock than the node's: use_sim_time?"
        else:
            level, message = DiagnosticStatus.OK, "ok"
        values = {
            "rate [Hz]": f"{latencies.size / period:.1f}" if period > 0 else "nan",
            "latency p95 [ms]": f"{np.percentile(known, 95) * 1e3:.1f}" if known.size else "nan",
            "frames processed": processed,
            **facts,
            **{f"bad {kind}": count for kind, count in sorted(problems.items())},
            **{f"last {kind}": text for kind, text in sorted(said.items())},
        }
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return DiagnosticStatus(level=level, name=name, message=message, values=pairs)
