"""Makes handpose_ros/data/lifter.npz: python -m tools.lifter --meshes DIR. The same weights for the same arguments.

DIR holds left.glb and right.glb of @webxr-input-profiles/assets (dist/profiles/generic-hand, version 1.0.20, MIT).
About half an hour on two cores, nearly all of it rendering; --samples keeps what was rendered for the next time.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

from handpose_ros.lifting.lifters import WEIGHTS
from tools.lifter.dataset import Samples, pose_samples, render_samples
from tools.lifter.lessons import imagine, join, network_offsets, prepare, split
from tools.lifter.training import Recipe, examine, export, teach


def main():
    arguments = _arguments()
    torch.set_num_threads(1)  # sums come out the same on every machine with the same libraries
    if arguments.samples and arguments.samples.exists():
        samples = Samples.load(arguments.samples)
    else:
        samples = render_samples(arguments.meshes, arguments.pictures, arguments.seed, arguments.processes)
        if arguments.samples:
            samples.save(arguments.samples)
    recipe = Recipe()
    learned, held_out = split(samples, arguments.held_out)
    print(f"{len(learned)} observations to learn from, {len(held_out)} of other pictures held out")
    offsets = network_offsets(learned)
    lesson, exam = prepare(learned, offsets), prepare(held_out, offsets)
    poses = pose_samples(arguments.meshes, arguments.poses, arguments.seed, arguments.processes)
    lesson = join([lesson, imagine(poses, offsets, lesson, np.random.default_rng(arguments.seed))])
    pupils = [teach(lesson, recipe, seed) for seed in range(recipe.members)]
    print(f"as observed: {examine([], exam)}\nas lifted:   {examine(pupils, exam)}")
    export(pupils, arguments.out)
    print(f"{arguments.out} SHA-256 {hashlib.sha256(arguments.out.read_bytes()).hexdigest()}")


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--meshes", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--poses", type=int, default=12000, help="of which no picture is made")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--held-out", type=float, default=0.05, help="share of the pictures that is not learned from")
    parser.add_argument("--samples", type=Path, help="npz to keep the observations in, or to take them from")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
