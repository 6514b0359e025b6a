import copy

import torch
from networks import made
from torch import nn

from ml_privacy_meter import defenses


def test_a_share_of_the_inputs_of_inner_layers_is_left_out_in_training_alone():
    module = nn.Sequential(nn.Linear(50, 400), nn.Linear(400, 300), nn.Conv1d(1, 2, 3))
    seen: dict[int, torch.Tensor] = {}
    defended = defenses.dropout(rate=0.3).prepare(module)
    for i, layer in enumerate(module):
        layer.register_forward_hook(lambda layer, given, out, i=i: seen.update({i: given[0].detach()}))
    x = torch.rand(20, 1, 50) + 0.1
    torch.manual_seed(0)
    defended.train()(x)
    shares = [float((seen[i] == 0).float().mean()) for i in range(3)]
    assert shares[0] == 0
    assert all(abs(share - 0.3) < 0.03 for share in shares[1:])
    defended.eval()(x)
    assert all((part != 0).all() for part in seen.values())


def test_what_is_kept_is_scaled_so_that_the_mean_stays():
    module = nn.Sequential(nn.Identity(), nn.Linear(4, 4), nn.Linear(10_000, 1, bias=False))
    nn.init.ones_(module[2].weight)
    defended = defenses.dropout(rate=0.5).prepare(module).train()
    torch.manual_seed(0)
    assert abs(float(defended[2](torch.ones(1, 10_000)).detach()) / 10_000 - 1) < 0.05


def test_networks_of_all_kinds_answer_as_before():
    for name in ("cnn", "mlp", "resnet20", "normalised mlp", "conv1d"):
        module, x, _ = made(name)
        defended = defenses.dropout(rate=0.5).prepare(copy.deepcopy(module))
        torch.testing.assert_close(defended(x), module(x))
        assert defended.state_dict().keys() == module.state_dict().keys()
