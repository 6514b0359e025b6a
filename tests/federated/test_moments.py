"""The global models of a trace come as modules."""

import torch
from federated_clients import clients, linear, same

from ml_privacy_meter.federated import federate, global_models


def test_models_of_the_rounds_that_a_viewer_sees_and_the_final_one(tmp_path):
    model = linear()
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    trace = federate(model, clients(6, 8), to=tmp_path / "trace", rounds=4)
    found = [one.state_dict() for one in global_models(trace.by_outsider(2), model)]
    expected = [trace.rounds[0].before(), trace.rounds[2].before(), trace.final()]
    assert len(found) == 3
    assert all(torch.equal(a[name], b[name]) for a, b in zip(found, expected, strict=True) for name in b)
    assert not same(found[1], found[2])
    assert same(model.state_dict(), before)
