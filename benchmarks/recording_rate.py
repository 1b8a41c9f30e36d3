"""How much of the pipeline's own rate `handpose video` keeps: decoding, drawing and writing beside it.

    python benchmarks/recording_rate.py [VIDEO] [--threads N] [--rounds N]

In turns, with the same networks: the pipeline alone on images that lie in memory, and `run_video` on the file, its
report and joints included. The figure is the median of the rounds' ratios; CPU time says what it would be on cores
that are all busy.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recordings.job import Compute, RecordingOptions
from handpose_ros.recordings.sources import open_source, read_video
from handpose_ros.recordings.video_run import run_video


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and CPU seconds of all threads."""
    start, spent = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", nargs="?", default="demo")
    parser.add_argument("--threads", type=int, default=0, help="of the networks; default: cores, at most 4")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    backend = Compute("cpu", args.threads).backend(RecordingOptions())
    frames = list(read_video(args.video))

    def alone():
        pipeline = HandPosePipeline(backend)
        for frame in frames:
            pipeline(frame)

    def recording():
        with open_source(args.video) as source, tempfile.TemporaryDirectory() as out:
            run_video(source, source.camera, HandPosePipeline(backend), Path(out))

    ways = {"alone": alone, "video": recording}
    alone()
    rows = []
    for _ in range(args.rounds):
        rows.append({name: timed(run) for name, run in ways.items()})
        rates = (f"{name} {len(frames) / passed:6.1f}/s" for name, (passed, _) in rows[-1].items())
        print("   ".join(rates), flush=True)
    print(f"{len(frames)} images, {backend.runtime}, load {os.getloadavg()[0]:.1f}")
    for name in ways:
        spent = 1000 * median(row[name][1] for row in rows) / len(frames)
        ratios = sorted(row["alone"][0] / row[name][0] for row in rows)
        print(
            f"{name:5} rate over alone: median {median(ratios):.2f} ({ratios[0]:.2f} .. {ratios[-1]:.2f}), "
            f"CPU time {spent:.1f} ms an image"
        )


if __name__ == "__main__":
    main()
