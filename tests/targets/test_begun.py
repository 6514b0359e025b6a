"""A beginning that is read once gives what it gives when it is read each time."""

import pytest
import texts
import torch

from ml_privacy_meter.targets import LanguageModel
from ml_privacy_meter.targets.begun import next_after

transformers = pytest.importorskip("transformers")

SIZES = {"vocab_size": 257, "max_position_embeddings": 64, "bos_token_id": 256, "eos_token_id": 256}


def llama():
    given = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES, **given))


def gpt():
    given = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**SIZES, **given))


@pytest.mark.parametrize("make", [llama, gpt, lambda: texts.Small(context=64)], ids=["llama", "gpt2", "torch"])
@pytest.mark.parametrize("tails", [[(), (1,), (5, 6, 7), (5, 6)], [()], [(n, n + 1) for n in range(70)]])
def test_what_follows_is_the_same_whichever_way_it_is_read(make, tails, monkeypatch):
    monkeypatch.setattr("ml_privacy_meter.targets.begun.AT_ONCE", 30)
    torch.manual_seed(0)
    model = LanguageModel(make().eval(), texts.Bytes(), begin=256, context=64)
    beginning = list(b"the code of Ann is ")
    found = next_after(model, beginning, tails)
    whole = model.next_logprobs([[*beginning, *tail] for tail in tails])
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-5)


def test_a_beginning_that_is_too_long_is_cut_as_it_is_elsewhere():
    torch.manual_seed(0)
    model = LanguageModel(llama().eval(), texts.Bytes(), begin=256, context=16)
    beginning = list(b"the code of Ann is ")
    found = next_after(model, beginning, [(1,), (2, 3)])
    torch.testing.assert_close(found, model.next_logprobs([[*beginning, 1], [*beginning, 2, 3]]))
