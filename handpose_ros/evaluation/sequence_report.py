"""The figures of sequences, for people (tables in Markdown) and for programs (JSON): one row for all of one name."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from handpose_ros.evaluation.sequence_evaluation import STREAMS, Followed, FollowedHand

_STREAM_NAMES = {"unfiltered": "not filtered", "low_pass": "fixed low-pass", "one_euro": "One Euro"}
_FIGURES = {
    "jitter_mm": ("at rest: rms [mm]", 2),
    "lag_ms": ("in even motion: lag [ms]", 1),
    "root_relative_mm": ("error of the joints, root-relative [mm]", 1),
    "acceleration_error": ("error of the acceleration [m/s2]", 1),
}


@dataclass(frozen=True)
class Spread:
    """A figure over hands, in the median and at the ends."""

    median: float
    least: float
    most: float
    n: int  # hands


@dataclass(frozen=True)
class Row:
    """All sequences of one name."""

    sequences: int
    images: int
    hands: int
    followed: float  # share of the images of hands
    id_switches: int
    side_switches: int
    wrong_sides: int  # images of hands
    breaks: int
    first_detection_s: float  # the longest
    recovery_s: float  # the longest; NaN: no hand came back
    most_hands: int
    searches: float  # squares searched, an image
    streams: dict[str, dict[str, Spread]]  # by sequence_evaluation.STREAMS and the name of the figure


def rows(followed: Iterable[Followed]) -> dict[str, Row]:
    """One row for each name, in the order in which they come."""
    groups: dict[str, list[Followed]] = {}
    for each in followed:
        groups.setdefault(each.name, []).append(each)
    return {name: _row(group) for name, group in groups.items()}


def as_json(table: dict[str, Row]) -> dict:
    """For output.write_json: every figure at a path like sequences.at rest.streams.one_euro.jitter_mm.median."""
    return {"sequences": {name: asdict(row) for name, row in table.items()}}


def as_text(table: dict[str, Row]) -> str:
    """The table of how hands were kept, then one for each figure of the streams, where it is known."""
    head = "sequence | hands | followed | id switches | side switches | wrong side | breaks | first [s] | again [s]"
    lines = [f"| {head} | most hands | searches an image |", "|---" * 11 + "|"]
    for name, row in table.items():
        cells = [row.hands, f"{100 * row.followed:.1f} %", row.id_switches, row.side_switches, row.wrong_sides]
        cells += [row.breaks, _seconds(row.first_detection_s), _seconds(row.recovery_s), row.most_hands]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + f" | {row.searches:.3f} |")
    for figure, (title, decimals) in _FIGURES.items():
        known = {name: row for name, row in table.items() if row.streams["unfiltered"][figure].n}
        if known:
            lines += ["", f"| {title} | hands | " + " | ".join(_STREAM_NAMES.values()) + " |", "|---" * 5 + "|"]
            lines += [_stream_line(name, row, figure, decimals) for name, row in known.items()]
    return "\n".join(lines)


def _row(group: Sequence[Followed]) -> Row:
    hands = [hand for each in group for hand in each.hands]
    images = sum(each.images for each in group)
    seen = sum(hand.images for hand in hands)
    return Row(
        sequences=len(group),
        images=images,
        hands=len(hands),
        followed=float(np.nansum([hand.followed * hand.images for hand in hands])) / max(seen, 1),
        id_switches=sum(hand.id_switches for hand in hands),
        side_switches=sum(hand.side_switches for hand in hands),
        wrong_sides=sum(hand.wrong_sides for hand in hands),
        breaks=sum(hand.breaks for hand in hands),
        first_detection_s=_longest([hand.first_detection_s for hand in hands]),
        recovery_s=_longest([hand.recovery_s for hand in hands]),
        most_hands=max(each.most_hands for each in group),
        searches=sum(each.searches * each.images for each in group) / images,
        streams={name: {figure: _spread(hands, name, figure) for figure in _FIGURES} for name in STREAMS},
    )


def _spread(hands: Sequence[FollowedHand], stream: str, figure: str) -> Spread:
    values = np.array([getattr(hand.streams[stream], figure) for hand in hands])
    values = values[np.isfinite(values)]
    if not len(values):
        return Spread(np.nan, np.nan, np.nan, 0)
    return Spread(float(np.median(values)), float(values.min()), float(values.max()), len(values))


def _stream_line(name, row, figure, decimals):
    spreads = [row.streams[stream][figure] for stream in STREAMS]
    cells = [f"{s.median:.{decimals}f} ({s.least:.{decimals}f} .. {s.most:.{decimals}f})" for s in spreads]
    return f"| {name} | {spreads[0].n} | " + " | ".join(cells) + " |"


def _longest(times):
    known = [time for time in times if not np.isnan(time)]
    return max(known, default=np.nan)


def _seconds(time):
    return "-" if np.isnan(time) else "never" if np.isinf(time) else f"{time:.2f}"
