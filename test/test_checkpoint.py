"""Checkpoints: only tensors are taken from a file, and a file that is not the right one is refused by its name."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_wildhands import write_checkpoint

from handpose_ros.backends.checkpoint import CheckpointError, read_state_dict
from handpose_ros.backends.wildhands_checkpoint import fill_network, read_network


class Malicious:
    def __reduce__(self):
        return os.system, ("touch broken_into",)


def test_foreign_objects_beside_the_tensors_are_passed_over(tmp_path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.nn.Parameter(torch.ones(2))}
    others = {"hyper_parameters": argparse.Namespace(lr=1), "callbacks": {Path: [np.float64(3), {Path("x")}]}}
    found = read_state_dict(write_checkpoint(tmp_path / "a.ckpt", tensors, **others))
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


def test_a_checkpoint_that_asks_for_a_command_does_not_get_it_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read_state_dict(write_checkpoint(tmp_path / "a.ckpt", {"a": torch.ones(2)}, loops=Malicious()))
    assert torch.equal(found["a"], torch.ones(2))
    with pytest.raises(CheckpointError, match="no tensor as b"):
        read_state_dict(write_checkpoint(tmp_path / "a.ckpt", {"a": torch.ones(2), "b": Malicious()}))
    assert not (tmp_path / "broken_into").exists()


def test_files_that_are_no_checkpoint_are_refused_by_name(tmp_path):
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "program.ckpt")
    for name in ("text", "list", "program"):
        with pytest.raises(CheckpointError, match=f"{name}.ckpt is not a checkpoint"):
            read_state_dict(tmp_path / f"{name}.ckpt")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        read_state_dict(tmp_path / "none.ckpt")


def test_missing_unexpected_and_misshapen_tensors_are_reported(wildhands_folder):
    tensors = read_state_dict(wildhands_folder / "wildhands.ckpt")
    del tensors["model.head_l.cam_init.4.bias"], tensors["mano_r.parents"]
    tensors["model.backbone.fc.weight"] = torch.zeros(1000, 2048)
    tensors["model.feature_conv.7.bias"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"x.ckpt is not the WildHands checkpoint.* 2 missing") as error:
        fill_network(tensors, "x.ckpt")
    assert error.value.missing == ["mano_r.parents", "model.head_l.cam_init.4.bias"]
    assert error.value.unexpected == ["model.backbone.fc.weight"]
    assert "model.feature_conv.7.bias (3,) instead of (2048,)" in str(error.value)


def test_another_network_s_checkpoint_is_refused_by_name(tmp_path):
    path = write_checkpoint(tmp_path / "resnet.ckpt", {"conv1.weight": torch.zeros(64, 3, 7, 7)})
    with pytest.raises(CheckpointError, match="resnet.ckpt is not the WildHands checkpoint"):
        read_network(path)


def test_a_body_with_another_skeleton_is_refused(wildhands_folder):
    tensors = read_state_dict(wildhands_folder / "wildhands.ckpt")
    tensors["model.mano_l.mano.parents"] = tensors["model.mano_l.mano.parents"].flip(0)
    with pytest.raises(CheckpointError, match="model.mano_l.mano.parents is not that of MANO"):
        fill_network(tensors, "x.ckpt")
