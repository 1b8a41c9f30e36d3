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
from handpose_ros.recording_job import Place, RecordingOptions
from handpose_ros.sources import open_source, read_video
from handpose_ros.video_run import run_video


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds that passed, and CPU seconds of all threads and of processes that were begun and ended."""
    start, spent = time.perf_counter(), sum(os.times()[:4])
    run()
    return time.perf_counter() - start, sum(os.times()[:4]) - spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", nargs="?", default="demo")
    parser.add_argument("--threads", type=int, default=0, help="of the networks; default: cores, at most 4")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    backend = Place("cpu", args.threads).backend(RecordingOptions())
    frames = list(read_video(args.video))

    def alone():
        pipeline = HandPosePipeline(backend)
        for frame in frames:
            pipeline(frame)

    def recording():
        with open_source(args.video) as source, tempfile.TemporaryDirectory() as out:
            run_video(source, source.camera, HandPosePipeline(backend), Path(out))

    alone()
    rows = []
    for _ in range(args.rounds):
        rows.append((*timed(alone), *timed(recording)))
        passed, _, passed_recording, _ = (len(frames) / seconds for seconds in rows[-1])
        print(f"alone {passed:6.1f}/s   video {passed_recording:6.1f}/s   {passed_recording / passed:.2f}", flush=True)
    ratios = sorted(row[0] / row[2] for row in rows)
    spent, spent_recording = (1000 * median(row[k] for row in rows) / len(frames) for k in (1, 3))
    print(f"{len(frames)} images, {backend.runtime}, load {os.getloadavg()[0]:.1f}")
    print(f"video over pipeline alone: median {median(ratios):.2f} ({ratios[0]:.2f} .. {ratios[-1]:.2f})")
    print(f"CPU time: {spent:.1f} ms an image alone, {spent_recording:.1f} ms in a video")


if __name__ == "__main__":
    main()
