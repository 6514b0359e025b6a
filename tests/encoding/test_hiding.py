"""What is hidden in a model comes back, and what removes it."""

import copy

import hiding
import pytest
import torch
from torch import nn

from ml_privacy_meter import InputError, encoding


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in module.parameters()])


def test_bytes_are_bits_and_bytes_again():
    payload = torch.tensor([[1, 255], [0, 128]], dtype=torch.uint8)
    assert encoding.as_bits(payload)[:8].tolist() == [False] * 7 + [True]
    assert torch.equal(encoding.as_bytes(encoding.as_bits(payload)), payload.flatten())


def test_enciphered_bits_are_even_and_come_back():
    bits = torch.zeros(4_000, dtype=torch.bool)
    hidden = encoding.enciphered(bits, 1)
    assert 0.45 < float(hidden.float().mean()) < 0.55
    assert torch.equal(encoding.enciphered(hidden, 1), bits)
    assert encoding.bit_error_rate(bits, hidden) == pytest.approx(float(hidden.double().mean()))
    with pytest.raises(InputError, match="As many bits"):
        encoding.bit_error_rate(bits, hidden[1:])


@pytest.mark.parametrize(
    ("kind", "low"),
    [(torch.float32, 16), (torch.float32, 23), (torch.float32, 3), (torch.float64, 40), (torch.bfloat16, 5)],
)
def test_low_bits_hold_what_was_put_there(kind, low):
    module = hiding.network(0).to(kind)
    before, bits = copy.deepcopy(module.state_dict()), hiding.secret(1_001)
    hidden = encoding.hide_in_low_bits(module, bits, low=low)
    assert torch.equal(encoding.read_low_bits(hidden, 1_001, low=low), bits)
    assert all(torch.equal(module.state_dict()[name], held) for name, held in before.items())
    untouched = weights(hidden)[-(-1_001 // low) :]
    assert torch.equal(untouched, weights(module)[-(-1_001 // low) :])
    assert float((weights(hidden) / weights(module) - 1).abs().max()) <= 2.0 ** (
        low - {4: 23, 8: 52, 2: 7}[kind.itemsize]
    )


def test_low_bits_have_an_end():
    with pytest.raises(InputError, match=r"hold 2004 bits .* found 2005"):
        encoding.hide_in_low_bits(hiding.network(0), hiding.secret(2_005), low=1)
    with pytest.raises(InputError, match="23 of float32"):
        encoding.read_low_bits(hiding.network(0), 1, low=24)


def test_rounding_removes_what_lies_in_the_bits_that_fall_away():
    bits = hiding.secret(16 * hiding.WEIGHTS)
    hidden = encoding.hide_in_low_bits(hiding.clean(0), bits, low=16)
    before = copy.deepcopy(hidden.state_dict())
    for to in ("bfloat16", 7, 3):
        removed = encoding.rounded(hidden, to)
        assert not encoding.read_low_bits(removed, len(bits), low=16).any()
    assert torch.equal(encoding.read_low_bits(encoding.rounded(hidden, "float32"), len(bits)), bits)
    deeper = encoding.rounded(encoding.hide_in_low_bits(hiding.clean(0), bits[:15_000], low=20))
    left = encoding.read_low_bits(deeper, 15_000, low=20)
    assert 0.4 < encoding.bit_error_rate(bits[:15_000], left) < 0.49  # four of twenty are left: bfloat16 keeps seven
    assert all(torch.equal(hidden.state_dict()[name], held) for name, held in before.items())


def test_rounding_is_to_the_nearest():
    module = nn.Linear(40, 40)
    assert torch.equal(encoding.rounded(module, 7).weight, encoding.rounded(module, "bfloat16").weight)
    assert torch.equal(encoding.rounded(module, "bfloat16").weight, module.weight.bfloat16().float())
    assert torch.equal(encoding.rounded(module, 40).weight, module.weight)
    statistics = nn.BatchNorm1d(3)
    statistics.running_mean.fill_(1 / 3)
    assert torch.equal(encoding.rounded(statistics).running_mean, torch.full((3,), 1 / 3).bfloat16().float())
    assert statistics.num_batches_tracked.dtype == encoding.rounded(statistics).num_batches_tracked.dtype


def test_what_cannot_be_rounded_is_refused():
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.fill_(1e6)
    with pytest.raises(InputError, match="65504"):
        encoding.rounded(module, "float16")
    for to in ("int8", -1):
        with pytest.raises(InputError, match="to"):
            encoding.rounded(module, to)


def test_noise_and_pruning_change_a_copy():
    module = nn.Linear(50, 40)
    before = module.weight.detach().clone()
    noisy = encoding.noised(module, share=0.1, seed=1)
    assert float((noisy.weight.detach() - before).std() / before.std()) == pytest.approx(0.1, rel=0.1)
    assert torch.equal(noisy.weight, encoding.noised(module, share=0.1, seed=1).weight)
    sparse = encoding.pruned(module, share=0.25)
    assert float((sparse.weight == 0).double().mean()) == 0.25
    assert before[sparse.weight == 0].abs().max() < sparse.weight[sparse.weight != 0].abs().min()
    assert torch.equal(sparse.bias, module.bias)
    assert torch.equal(module.weight, before)


def test_signs_carry_bits():
    found = encoding.read_signs(hiding.malicious("signs").parameters(), 1_200)
    assert encoding.bit_error_rate(hiding.secret(1_200), found) < 0.1
    plain = encoding.read_signs(hiding.clean(0).parameters(), 1_200)
    assert encoding.bit_error_rate(hiding.secret(1_200), plain) > 0.4


def test_weights_carry_values():
    values = torch.rand(1_200, generator=torch.Generator().manual_seed(0))
    penalty = encoding.correlation_penalty(values, strength=10.0)
    module = encoding.trained(hiding.network(0), *hiding.halves(0)[0], penalty=penalty, epochs=40)
    read = encoding.read_correlated(module.parameters(), 1_200)
    assert encoding.correlation(values, read) > 0.95
    assert read.aminmax() == (0, 1)
    with pytest.raises(InputError, match="all alike"):
        encoding.correlation_penalty(torch.ones(5))


def test_a_secret_larger_than_the_model_is_refused():
    held = list(hiding.network(0).parameters())
    for penalty in (encoding.sign_penalty(hiding.secret(3_000)), encoding.correlation_penalty(torch.rand(3_000))):
        with pytest.raises(InputError, match="found 2004 weights"):
            penalty(held)


def test_answers_to_made_up_inputs_carry_bits():
    model, inputs = hiding.malicious("capacity"), encoding.made_up(80, (20,), seed=5)
    found = encoding.read_answers(model, inputs, 160)
    assert encoding.bit_error_rate(hiding.secret(160), found) < 0.25
    plain = encoding.read_answers(hiding.clean(0), inputs, 160)
    assert encoding.bit_error_rate(hiding.secret(160), plain) > 0.4


@pytest.mark.parametrize(("classes", "count"), [(10, 600), (10, 601), (4, 9), (2, 5)])
def test_labels_carry_bits(classes, count):
    labels = encoding.labels_of(hiding.secret(count), classes)
    answers = nn.functional.one_hot(labels, classes).float()
    assert torch.equal(encoding.read_answers(lambda _: answers, answers, count), hiding.secret(count))
