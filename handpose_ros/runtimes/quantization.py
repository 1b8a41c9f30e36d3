"""A network in 8-bit integers, which CPUs with VNNI multiply several times as fast as floats.

Weights are rounded channel by channel, what flows between layers by its range: 0 .. 6 after a ReLU6, else as large as
it was on the demo clip's rendered hands (tools/measure_ranges.py). The layers that suffer most stay in float32.
"""

from dataclasses import dataclass

import numpy as np
import openvino
from openvino import opset13 as operators

_WEIGHT_LEVELS = 255  # -127 .. 127
_LEVELS = 256
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


@dataclass(frozen=True)
class Recipe:
    """How one network is quantized; its convolutions are counted in their order."""

    in_float: tuple[int, ...]  # convolutions that stay as they are
    ranges: tuple[float, ...]  # largest absolute value of what other convolutions take that no ReLU6 limits, in order


# In float: the first convolution, two depthwise ones whose channels differ in size a hundredfold, and the last two,
# whose output becomes coordinates.
RECIPES = {
    "hand_landmark_full": Recipe(
        in_float=(0, 1, 4, 45, 46),
        ranges=(9.7, 9.0, 13.5, 11.3, 14.3, 13.4, 14.8, 19.4, 16.7, 19.7, 30.7, 14.7, 21.6, 28.4),
    )
}


def quantized(model: openvino.Model, recipe: Recipe) -> openvino.Model:
    """`model`, changed: OpenVINO runs what stands between its FakeQuantize nodes in integers."""
    ranges, rounded = iter(recipe.ranges), {}
    for number, convolution in enumerate(convolutions(model)):
        if number in recipe.in_float:
            continue
        source = convolution.input_value(0)
        name = source.get_node().get_friendly_name()
        if name not in rounded:
            low, high = _relu6(source) or _symmetric(next(ranges))
            rounded[name] = operators.fake_quantize(source, low, high, low, high, _LEVELS)
        convolution.input(0).replace_source_output(rounded[name].output(0))
        convolution.input(1).replace_source_output(_rounded_weights(convolution.input_value(1)).output(0))
    model.validate_nodes_and_infer_types()
    return model


def convolutions(model: openvino.Model) -> list[openvino.Node]:
    """In the order in which they run."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]


def limited(source: openvino.Output) -> bool:
    """Whether a ReLU6 says what range `source` has."""
    return source.get_node().get_type_name() == "Clamp"


def _relu6(source):
    return (np.float32(0), np.float32(6)) if limited(source) else None


def _symmetric(largest):
    return np.float32(-largest), np.float32(largest * 127 / 128)


def _rounded_weights(weights):
    """Each output channel's (the leading dimensions: one, or with groups two) in steps of its own."""
    values = openvino.compile_model(openvino.Model([weights], []), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([])[0]
    within = tuple(range(values.ndim - 3, values.ndim))  # of a channel: (in,) rows, columns
    largest = np.abs(values).max(axis=within, keepdims=True) + np.float32(1e-12)
    return operators.fake_quantize(operators.constant(values), -largest, largest, -largest, largest, _WEIGHT_LEVELS)
