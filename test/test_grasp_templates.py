import numpy as np
import pytest

from handpose_ros.evaluation.gestures import posed_gestures
from handpose_ros.evaluation.grasp_templates import POINTING, TEMPLATES, Contact, pose, posed_grasps
from handpose_ros.features import (
    PAD_THICKNESS,
    finger_curl,
    joint_angles,
    palm_size,
    thumb_side_distances,
    tip_distances,
)
from handpose_ros.grasps.grasp_types import TYPES
from handpose_ros.grasps.taxonomy import PALM, Category, Opposition
from handpose_ros.hand import TIPS, Side
from handpose_ros.kinematics import LOW, random_people

BY_ID = {template.leaf: template for template in TEMPLATES}


@pytest.mark.parametrize("feix_id", [6, 7, 8, 9, 24])
def test_the_pads_of_a_precision_grasp_touch_an_object_of_the_given_size(feix_id):
    template, people = BY_ID[feix_id], random_people(50, np.random.default_rng(3))
    sizes = np.random.default_rng(4).uniform(template.sizes[0], min(template.sizes[1], 50), 50) / 1000
    joints = pose(template, people, sizes, np.random.default_rng(5))
    tips = joints[:, [TIPS[1 + finger] for finger in template.fingers]].mean(axis=1)
    skin = np.linalg.norm(joints[:, TIPS[0]] - tips, axis=-1) - 2 * people.pad_thickness
    assert np.median(abs(skin - sizes)) < 0.0005
    assert np.percentile(abs(skin - sizes), 90) < 0.003


def test_the_thumb_of_a_lateral_grasp_is_at_the_side_of_the_index():
    grasp = posed_grasps(40, 1, (BY_ID[16],))
    gap = thumb_side_distances(grasp.joints)[:, 0] - 2 * PAD_THICKNESS
    assert abs(np.median(gap - grasp.size)) < 0.006


def test_a_wrap_is_wider_around_a_larger_object():
    people, rng = random_people(30, np.random.default_rng(6)), np.random.default_rng(7)
    reach = [
        np.linalg.norm(pose(BY_ID[1], people, np.full(30, size), rng)[:, 12], axis=-1).mean() for size in (0.06, 0.11)
    ]
    assert reach[1] > reach[0] + 0.005


def test_the_joints_stay_in_the_range_of_a_healthy_hand():
    angles = joint_angles(posed_grasps(5, 8).joints, Side.RIGHT)
    wrapped = np.radians(1.0)
    assert (np.delete(angles, 3, axis=1) > np.delete(LOW, 3) - wrapped).mean() > 0.97  # bones turn the wrist's axes
    assert np.isfinite(angles).all()


def test_the_same_seed_gives_the_same_hands_and_another_other_people():
    first, same, other = (posed_grasps(3, seed, TEMPLATES[:3]) for seed in (1, 1, 2))
    assert (first.joints == same.joints).all()
    assert (abs(palm_size(first.joints) - palm_size(other.joints)) > 1e-6).all()


def test_every_type_has_a_template_and_contacts_where_it_has_an_object():
    assert [template.leaf for template in TEMPLATES] == list(range(len(TYPES)))
    assert [type.feix_id for type in TYPES] == [*range(34), 0, 0, 0, 0]
    assert all(BY_ID[number].contact is not Contact.FREE for number in set(range(1, 34)) - {15, 30})


def test_the_taxonomy_is_consistent():
    """A palm is power, a side is never held by the palm, a thumb that is VF1 is not among the fingers."""
    for type in TYPES[1:34]:
        assert (type.opposition is Opposition.PALM) == (type.vf1 == 0b100000)
        assert type.opposition is not Opposition.PALM or type.category is Category.POWER
        assert type.category is not Category.INTERMEDIATE or type.opposition is Opposition.SIDE
    counts = [sum(type.category == category for type in TYPES[1:34]) for category in (1, 2, 3)]
    assert counts == [15, 6, 12] and len({type.name for type in TYPES}) == 38


def test_the_33_types_lie_in_17_cells_of_the_matrix():
    """As the paper says in its abstract: without the object's shape and size there are 17 grasps."""
    cells = {(t.category, t.opposition, t.vf1 == PALM, t.vf2, t.thumb_abducted) for t in TYPES[1:34]}
    assert len(cells) == 17


def test_other_people_do_it_in_another_style():
    """The spread of a thumb's angles between people grows with the style, as far as the joints let them."""
    spread = [
        joint_angles(posed_grasps(200, 9, (BY_ID[15],), np.radians(style)).joints, Side.RIGHT)[:, 1].std()
        for style in (0, 15)
    ]
    assert spread[1] ** 2 - spread[0] ** 2 > (0.6 * np.radians(15)) ** 2


def test_gestures_hold_nothing_and_only_a_lone_index_points():
    joints, leaf = posed_gestures(300, 4)
    curl = finger_curl(joints)[:, 1:]
    assert (tip_distances(joints)[:, 0] > 0.4 * palm_size(joints)).mean() > 0.85  # unless the index lies in the palm
    assert ((curl < 0.25).any(axis=1)).all()
    assert set(leaf) == {0, POINTING}
    assert (curl[leaf == POINTING, 0] < 0.25).all() and (curl[leaf == POINTING, 1:] >= 0.25).all()
    assert not ((curl[leaf == 0, 0] < 0.25) & (curl[leaf == 0, 1:] >= 0.25).all(axis=1)).any()
