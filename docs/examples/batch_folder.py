"""Every video and bag of a folder, on all cores: files for each and a summary. Started again, it goes on.

python batch_folder.py FOLDER OUT
"""

import sys
from pathlib import Path

from handpose_ros import RecordingOptions, find_recordings, read_joints, run_batch


def main(folder, out):
    summary = run_batch(find_recordings([folder], out), out, RecordingOptions(formats=("npz", "csv")))
    for each in summary.files:
        print(f"{each.source}: {each.status}, {each.frames} frames, {each.hands} hands {each.error}")
    done = [each for each in summary.files if each.status == "done"]
    return {each.source: read_joints(Path(out, each.results, "joints.npz")) for each in done}


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
