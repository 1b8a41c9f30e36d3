"""The parameters of the node `hand_pose`, and the pipeline built from them."""

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

    backend: str = parameter("mediapipe", "networks that find the hands", choices=tuple(BACKENDS))
    device: str = parameter("auto", "where they run: auto, cpu, cuda or cuda:N")
    runtime: str = parameter("auto", "library that runs them; auto: OpenVINO on a CPU, if installed", choices=RUNTIMES)
    num_threads: int = parameter(
        0, "threads of the networks on a CPU; 0: number of cores, at most 4", minimum=0, maximum=64
    )
    complexity: str = parameter("full", "size of the networks", choices=("full", "lite"))
    precision: str = parameter(
        "auto",
        "precision of the networks; int8 (landmarks only): faster on a CPU with VNNI, more jitter",
        choices=PRECISIONS,
    )
    weights: str = parameter("", "directory or wheel with MediaPipe's weights; empty: from the cache, or fetched once")
    checkpoint: str = parameter("", "path of wildhands.ckpt, required by the backend wildhands")
    max_hands: int = parameter(2, "maximum number of hands followed at once", minimum=1, maximum=8)
    min_score: float = parameter(0.5, "score above which a detection is a hand", minimum=0.0, maximum=1.0)
    min_joint_score: float = parameter(0.0, "joints with a lower score are NaN; 0: none are", minimum=0.0, maximum=1.0)
    coast_time: float = parameter(0.25, "[s] how long an unseen hand is predicted", minimum=0.0, maximum=5.0)
    hand_scale: float = parameter(
        0.0,
        "ratio of the person's hand size to the average hand's; 0: unknown",
        minimum=HAND_SCALES[0],
        maximum=HAND_SCALES[1],
        off=0.0,
    )
    lifter: str = parameter(
        "learned",
        "how network output becomes a 3D shape; learned: a small network corrects it; mediapipe: as the network saw it",
        choices=tuple(LIFTERS),
    )
    filter: str = parameter(
        "one_euro",
        "smoothing of joints and wrist, and source of wrist_velocity; none: as measured, no wrist_velocity",
        choices=FILTERS,
    )
    mano: bool = parameter(True, "publish mano_pose and mano_betas, if the backend has them")
    compressed: bool = parameter(False, "subscribe to <image>/compressed (JPEG, PNG)")
    rectified: bool = parameter(False, "the image is rectified: use P of camera_info, not K and D")
    fov: float = parameter(
        0.0, "[deg] horizontal field of view, for a camera without calibration; 0: none", minimum=0.0, maximum=179.0
    )
    depth: bool = parameter(False, "subscribe to depth images registered to the image; they give the hands' distance")
    # Not by default: the frames would take over a robot's own links of these names, and the pose is in the message.
    publish_tf: bool = parameter(False, "publish wrist frames of calibrated, tracked hands on /tf")
    tf_prefix: str = parameter("", "prefix of the frame names left_wrist and right_wrist")


def build_pipeline(params: HandPoseParams) -> HandPosePipeline:
    """The pipeline with these parameters; loads the weights."""
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
