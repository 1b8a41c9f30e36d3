"""Parameters of a node: one frozen dataclass says name, default, range and description.

@dataclass(frozen=True)
class CameraParams:
    rate: float = parameter(0.0, "images per second; 0: the source's own", minimum=0.0, maximum=1000.0)

params = declare(node, CameraParams)
"""

import math
from dataclasses import Field, field, fields
from difflib import get_close_matches

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

_INTEGER_LIMITS = (-(2**63), 2**63 - 1)
_FLOAT_LIMITS = (float("-inf"), float("inf"))
_OF_RCLPY = {"use_sim_time", "start_type_description_service"}
_TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


class ParameterError(ValueError):
    """A parameter with a value that is not allowed; the text names it, the value and what is allowed."""


def parameter(
    default, description: str, *, minimum=None, maximum=None, off=None, choices: tuple[str, ...] | None = None
):
    """A field of a parameter dataclass; its type is that of `default`: bool, int, float or str.

    `off` is allowed too, below `minimum`.
    """
    rule = {"description": description, "minimum": minimum, "maximum": maximum, "off": off, "choices": choices}
    return field(default=default, metadata=rule)


def declare(node, Params: type):
    """An instance of the dataclass `Params` with the values that `node` was started with.

    The node must have been made with `automatically_declare_parameters_from_overrides`. Every field becomes a
    read-only ROS parameter with its description and range. An integer is accepted for a number or a string, so that
    `fov:=60` and `source:=0` work. A value for an unknown parameter is ignored with a warning: it may be another
    node's, in a file for all of them.
    Raises ParameterError.
    """
    _warn_of_unknown(node, {rule.name for rule in fields(Params)})
    return Params(**{rule.name: _declare(node, rule) for rule in fields(Params)})


def _warn_of_unknown(node, known):
    for name in sorted(set(node.get_parameters_by_prefix("")) - known - _OF_RCLPY):
        if not name.startswith("qos_overrides."):
            alike = get_close_matches(name, known, 1)
            hint = f"is it '{alike[0]}'?" if alike else f"there are {', '.join(sorted(known))}"
            node.get_logger().warning(f"no parameter is called '{name}', its value is ignored: {hint}")


def _declare(node, rule: Field):
    value = rule.default
    if node.has_parameter(rule.name):  # it was asked for, in a type of its own and with no description
        value = _checked(rule, node.get_parameter(rule.name).value)
        node.undeclare_parameter(rule.name)
    node.declare_parameter(rule.name, value, _descriptor(rule), ignore_override=True)
    return value


def _checked(rule: Field, asked):
    wanted = type(rule.default)
    value = wanted(asked) if type(asked) is int and wanted in (float, str) else asked
    if type(value) is not wanted or not _inside(value, rule.metadata):
        raise ParameterError(f"parameter '{rule.name}' is {asked!r}, it must be {_allowed(rule)}")
    return value


def _inside(value, metadata) -> bool:
    low, high, off, choices = (metadata[key] for key in ("minimum", "maximum", "off", "choices"))
    if isinstance(value, float) and not math.isfinite(value):
        return False
    above, below = low is None or value >= low or value == off, high is None or value <= high
    return above and below and (choices is None or value in choices)


def _allowed(rule: Field) -> str:
    low, high, off, choices = (rule.metadata[key] for key in ("minimum", "maximum", "off", "choices"))
    if choices is not None:
        return f"one of {', '.join(choices)}"
    limits = [f"at least {low}"] if low is not None else []
    limits += [f"at most {high}"] if high is not None else []
    value = " ".join([_TYPE_NAMES[type(rule.default)], " and ".join(limits)]).strip()
    return value if off is None else f"{off}, or {value}"


def _descriptor(rule: Field) -> ParameterDescriptor:
    low, high, off, choices = (rule.metadata[key] for key in ("minimum", "maximum", "off", "choices"))
    descriptor = ParameterDescriptor(description=rule.metadata["description"], read_only=True)
    if choices is not None or off is not None:
        descriptor.additional_constraints = _allowed(rule)
    if low is None and high is None:
        return descriptor
    Range, limits, name = (
        (IntegerRange, _INTEGER_LIMITS, "integer_range")
        if type(rule.default) is int
        else (FloatingPointRange, _FLOAT_LIMITS, "floating_point_range")
    )
    low = low if off is None else off  # a range of ROS has no gap: the constraint above names it
    low, high = limits[0] if low is None else low, limits[1] if high is None else high
    setattr(descriptor, name, [Range(from_value=low, to_value=high)])
    return descriptor
