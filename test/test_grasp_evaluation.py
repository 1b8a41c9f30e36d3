import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.evaluation.grasp_evaluation import (
    FRAME,
    GRASPS,
    Figure,
    GraspReport,
    Noise,
    as_json,
    blocks,
    evaluate_grasps,
    gestures,
    held_grasps,
    levels,
    table,
)
from handpose_ros.evaluation.grasp_templates import posed_grasps

HANDS = posed_grasps(2, 30, GRASPS)


def test_the_cascade_reaches_what_was_asked_of_it_at_five_millimetres():
    figures = {key: value for key, value, _ in levels("taxonomy", HANDS, Noise(0.005))}
    assert figures["category.accuracy"] > 0.85  # 0.9 was asked for; 66 hands give or take 0.03
    assert figures["opposition.accuracy"] > 0.85
    assert figures["coarse.accuracy_at_0.5"] > 0.75 and figures["coarse.coverage_at_0.5"] > 0.8


def test_the_cascade_knows_more_than_the_distance_rule():
    rule, cascade = (
        {key: value for key, value, _ in levels(name, HANDS, Noise(0.005))} for name in ("distance", "taxonomy")
    )
    for level in ("category", "opposition", "coarse", "feix"):
        assert cascade[f"{level}.accuracy"] > rule[f"{level}.accuracy"] + 0.2


def test_a_higher_threshold_claims_less():
    figures = {key: value for key, value, _ in levels("taxonomy", HANDS, Noise(0.010))}
    assert figures["feix.coverage_at_0.9"] < figures["feix.coverage_at_0.5"]
    assert figures["feix.accuracy_at_0.9"] > figures["feix.accuracy_at_0.5"]


def test_the_aperture_of_a_block_is_its_width_within_five_millimetres():
    assert dict((key, value) for key, value, _ in blocks("taxonomy", Noise()))["aperture.error_mm"] < 5.0


def test_a_report_names_its_figures_by_noise_level_and_figure(monkeypatch):
    monkeypatch.setattr("handpose_ros.evaluation.grasp_evaluation.GRASPS", GRASPS[:2])
    monkeypatch.setattr("handpose_ros.evaluation.grasp_evaluation.BLOCKS", (20,))
    report = evaluate_grasps(hands=1, seconds=1.2, noises=(5,))
    assert report.classifier == "taxonomy@1"
    assert 0 <= report["noise_5mm.category.accuracy"] <= 1
    assert report["noise_5mm_correlated.held.minutes"] == report["noise_5mm_dropouts.held.minutes"] > 0
    with pytest.raises(KeyError):
        report["noise_6mm.category.accuracy"]


def test_the_table_has_a_column_for_each_classifier():
    reports = tuple(
        GraspReport(name, (Figure("noise_5mm.category.accuracy", value, 9),))
        for name, value in (("a", 0.25), ("b", 0.5))
    )
    assert table(reports).splitlines() == [
        "| figure | a | b |",
        "|---|---|---|",
        "| noise_5mm.category.accuracy | 0.25 | 0.5 |",
    ]


def test_a_phase_that_was_never_seen_is_null_in_the_json():
    report = GraspReport("a", (Figure("noise_0mm.reach.hold_delay", np.inf, 3),))
    assert as_json((report,)) == {"a": {"noise_0mm.reach.hold_delay": {"value": None, "n": 3}}}


def test_correlated_noise_is_as_large_as_the_other_and_alike_in_neighbouring_images():
    still = np.zeros((600, 21, 3))
    alone, wandering = (Noise(0.005, each)(still, np.random.default_rng(0)) for each in (0.0, 0.3))
    for errors, likeness in ((alone, 0.0), (wandering, np.exp(-FRAME / 0.3))):
        assert_allclose(errors.std(), 0.005, rtol=0.05)
        assert_allclose((errors[1:] * errors[:-1]).mean() / errors.var(), likeness, atol=0.02)


def test_of_a_hundred_joints_one_drops_out():
    measured = Noise(dropout=0.01)(np.zeros((1000, 21, 3)), np.random.default_rng(0))
    missing = np.isnan(measured)
    assert (missing.any(axis=-1) == missing.all(axis=-1)).all()
    assert_allclose(missing.mean(), 0.01, rtol=0.1)


def test_joints_that_drop_out_do_not_end_a_held_grasp():
    held = posed_grasps(1, 31, GRASPS[:3])
    figures = {key: value for key, value, _ in held_grasps("taxonomy", Noise(0.001, dropout=0.01), held, 4.0)}
    assert figures["held.phase_transitions_per_minute"] == 0
    assert figures["held.phase_transitions_low"] == 0 < figures["held.phase_transitions_high"]


def test_hardly_a_gesture_is_taken_for_a_grasp():
    assert gestures("taxonomy", Noise(0.002), 100)[0][1] < 0.1
