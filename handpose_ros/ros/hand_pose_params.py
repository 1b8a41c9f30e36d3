"""The parameters of the node `hand_pose`, and the pipeline that they ask for."""

from dataclasses import dataclass

from handpose_ros.backends import BACKENDS, make_backend
from handpose_ros.filtering.live import FILTERS
from handpose_ros.hand import HAND_SCALES
from handpose_ros.lifting.lifters import LIFTERS
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.ros.params import parameter
from handpose_ros.runtimes import PRECISIONS, RUNTIMES


@dataclass(frozen=True)
class HandPoseParams:
    """Parameters of hand_pose."""

    backend: str = parameter("mediapipe", "network that sees the hands", choices=tuple(BACKENDS))
    device: str = parameter("auto", "where it runs: auto, cpu, cuda or cuda:N")
    runtime: str = parameter("auto", "what runs it; auto: OpenVINO on a CPU, where it is installed", choices=RUNTIMES)
    num_threads: int = parameter(0, "of the networks, on a CPU; 0: its cores, at most 4", minimum=0, maximum=64)
    complexity: str = parameter("full", "size of the network", choices=("full", "lite"))
    precision: str = parameter(
        "auto", "of the network; int8: faster on a CPU with VNNI, joints tremble more", choices=PRECISIONS
    )
    weights: str = parameter("", "directory or wheel with MediaPipe's weights; empty: the cache, or fetched once")
    checkpoint: str = parameter("", "wildhands.ckpt, which the backend wildhands needs")
    max_hands: int = parameter(2, "hands that are followed at once", minimum=1, maximum=8)
    min_score: float = parameter(0.5, "score above which something is a hand", minimum=0.0, maximum=1.0)
    min_joint_score: float = parameter(
        0.0, "joints with a lower score are NaN; 0: all are given", minimum=0.0, maximum=1.0
    )
    coast_time: float = parameter(0.25, "[s] for which an unseen hand is predicted", minimum=0.0, maximum=5.0)
    hand_scale: float = parameter(
        0.0,
        "the person's hand size over the average hand's; 0: not known",
        minimum=HAND_SCALES[0],
        maximum=HAND_SCALES[1],
        off=0.0,
    )
    lifter: str = parameter(
        "learned", "how shapes are made of what the network saw; mediapipe: as it saw them", choices=tuple(LIFTERS)
    )
    filter: str = parameter(
        "one_euro",
        "smoothing of joints and wrist, and what wrist_velocity comes from; none: as measured, and no wrist_velocity",
        choices=FILTERS,
    )
    mano: bool = parameter(True, "publish mano_pose and mano_betas, where the backend has them")
    compressed: bool = parameter(False, "subscribe to <image>/compressed (JPEG, PNG)")
    rectified: bool = parameter(False, "the image is rectified: P of camera_info holds, not K and D")
    fov: float = parameter(
        0.0, "[deg] horizontal field of view, for a camera without calibration; 0: none", minimum=0.0, maximum=179.0
    )
    depth: bool = parameter(False, "subscribe to depth images registered to the image; they place the hands")
    # Not by default: the frames would take over a robot's own links of these names, and the pose is in the message.
    publish_tf: bool = parameter(False, "publish the wrists of calibrated, tracked hands as frames on /tf")
    tf_prefix: str = parameter("", "goes before left_wrist and right_wrist, the names of these frames")


def build_pipeline(params: HandPoseParams) -> HandPosePipeline:
    """The pipeline that the parameters ask for; loads the weights."""
    backend = make_backend(
        params.backend,
        device=params.device,
        runtime=params.runtime,
        num_threads=params.num_threads,
        complexity=params.complexity,
        precision=params.precision,
        weights_path=params.weights or None,
        checkpoint=params.checkpoint,
        max_hands=params.max_hands,
    )
    return HandPosePipeline(
        backend,
        max_hands=params.max_hands,
        min_score=params.min_score,
        coast_time=params.coast_time,
        hand_scale=params.hand_scale or None,
        min_joint_score=params.min_joint_score,
        filter=params.filter,
        lifter=params.lifter,
    )
