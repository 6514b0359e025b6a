"""Where models are trained makes no difference to them, and a process that dies costs its task alone."""

import logging
import sys
from functools import partial

import joblib
import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError
from sklearn.tree import DecisionTreeClassifier
from training.makers import everyone, my_training, two_sides

from ml_privacy_meter import InputError
from ml_privacy_meter.training import train_references

__all__ = ["my_training"]
NOWHERE = r"A worker must find .* No module named 'training_test_.*package.module:function"
X = torch.from_numpy(everyone()[0])


def answers(references):
    return np.stack([reference.open(("0", "1", "2")).inner(X) for reference in references.models])


def test_processes_that_die_are_replaced_and_make_the_same_models(my_training, tmp_path):
    name = f"{my_training.__name__}:dies_once"
    there = train_references(name, *two_sides(), count=4, store=tmp_path / "there", engine="joblib", workers=2)
    assert (tmp_path / "died").exists()
    here = train_references(name, *two_sides(), count=4, store=tmp_path / "here")
    assert np.array_equal(answers(there), answers(here))
    assert torch.equal(there.members, here.members)


def elsewhere(module):
    """A function that hangs on a module which only this process finds."""
    return lambda x, y, seed: module.train(x, y, seed)


def test_what_a_function_raises_in_another_process_is_said_here(my_training):
    wrong = partial(my_training.train, depth="deep")
    for engine in ("here", "joblib"):
        with pytest.raises(InputError, match=r"must train on .* records .* failed: InvalidParameterError"):
            train_references(wrong, *two_sides(), count=2, engine=engine)


def test_a_task_that_a_process_cannot_read_is_not_tried_again(monkeypatch):
    tries = []

    def broken(self, calls):
        tries.append(len(calls))
        raise BrokenProcessPool("A task has failed to un-serialize") from ModuleNotFoundError("No module named 'mine'")

    monkeypatch.setattr(joblib.Parallel, "__call__", broken)
    with pytest.raises(InputError, match=r"A worker must find .* No module named 'mine'. Install"):
        train_references(DecisionTreeClassifier(), *two_sides(), count=2, engine="joblib", workers=2)
    assert tries == [2]


def test_a_process_that_dies_again_and_again_is_given_up(monkeypatch):
    tries = []

    def killed(self, calls):
        tries.append(len(calls))
        raise TerminatedWorkerError("A worker process was unexpectedly terminated")

    monkeypatch.setattr(joblib.Parallel, "__call__", killed)
    with pytest.raises(InputError, match=r"died 3 times .* fewer `workers`"):
        train_references(DecisionTreeClassifier(), *two_sides(), count=2, engine="joblib", workers=2)
    assert tries == [2, 2, 2]


def test_a_ray_worker_that_is_killed_costs_its_task_alone(my_training, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ml-privacy-meter[ray]'")
    ray.init(
        num_cpus=2, include_dashboard=False, configure_logging=False, logging_level=logging.ERROR, log_to_driver=False
    )
    try:
        with pytest.raises(InputError, match=NOWHERE):
            train_references(elsewhere(my_training), *two_sides(), count=2, engine="ray")
        call = partial(train_references, my_training.dies_once, *two_sides(), count=4)
        there = call(store=tmp_path / "there", engine="ray", workers=2)
        assert (tmp_path / "died").exists()
        with pytest.raises(InputError, match=r"must train on .* records .* failed: InvalidParameterError"):
            train_references(partial(my_training.train, depth="deep"), *two_sides(), count=2, engine="ray")
        assert ray.is_initialized()  # it was not ours to end
    finally:
        ray.shutdown()
    assert np.array_equal(answers(there), answers(call(store=tmp_path / "here")))


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'ml-privacy-meter\[ray\]'"):
        train_references(DecisionTreeClassifier(), *two_sides(), count=2, engine="ray")


def test_a_cluster_that_cannot_be_reached_is_refused(monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ml-privacy-meter[ray]'")
    monkeypatch.setattr(ray, "init", lambda **settings: (_ for _ in ()).throw(ConnectionError(settings["address"])))
    with pytest.raises(InputError, match="must name a Ray that can be reached: ray://nowhere:1"):
        train_references(DecisionTreeClassifier(), *two_sides(), count=2, engine="ray://nowhere:1")
