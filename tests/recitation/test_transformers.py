"""Models of transformers: greedy extraction is their own greedy generation; with an encoder; by what they make up."""

import pytest
import texts
import torch

import ml_privacy_meter as pm
from ml_privacy_meter.recitation.passages import as_texts, passages, said
from ml_privacy_meter.targets import Decoder, LanguageModel
from ml_privacy_meter.targets.drawing import made_up

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(vocab_size=257, max_position_embeddings=128, **sizes)
    module = transformers.LlamaForCausalLM(config)

    class Logits(torch.nn.Module):
        """So that `texts.learned` can train it."""

        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, ids):
            return self.inner(input_ids=ids).logits

    texts.learned(texts.sentences(16, 0, words=4), epochs=60, model=wrapped(Logits()))
    return wrapped(module.eval())


def wrapped(module):
    return LanguageModel(module, texts.Bytes(), begin=texts.BEGIN, context=128)


def test_greedy_extraction_is_what_generate_gives(model):
    own = as_texts(texts.sentences(16, 0, words=4), model, name="texts")
    found = passages(own, prompt=8, suffix=6)
    greedy = said(model, found, Decoder()).greedy
    assert greedy.sum() > 2
    for one, recited in zip(found, greedy, strict=True):
        ids = torch.tensor([[texts.BEGIN, *one.prompt]])
        given = model.module.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=6,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
        )
        assert (tuple(given[0, 9:].tolist()) == one.suffix) == recited


def test_what_is_made_up_with_what_was_read_kept_is_what_is_made_up_without(model):
    class Forgetful(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model.module

        def forward(self, ids):
            return self.inner(input_ids=ids).logits

    kept, forgotten = (
        made_up(one, 10, length=20, decoder=Decoder(top_k=5), seed=3) for one in (model, wrapped(Forgetful()))
    )
    assert kept == forgotten
    assert len({tuple(ids) for ids in kept}) > 5


def test_a_model_with_an_encoder_recites_what_follows_its_input():
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_ff": 64, "num_layers": 1, "num_heads": 2, "d_kv": 16, "dropout_rate": 0.0}
    module = transformers.T5ForConditionalGeneration(
        transformers.T5Config(vocab_size=257, decoder_start_token_id=256, pad_token_id=256, **sizes)
    )
    own, asked = texts.sentences(12, 0, words=4), texts.sentences(12, 1, words=3)
    model = LanguageModel(module.eval(), texts.Bytes(), begin=256, context=128, encoder=True)
    opt = torch.optim.Adam(module.parameters(), 5e-3)
    width = max(len(text.encode()) for text in own)
    read = torch.tensor([[*one.encode(), *[256] * (30 - len(one.encode()))][:30] for one in asked])
    said_ids = torch.tensor([[*one.encode(), *[-100] * (width - len(one.encode()))] for one in own])
    module.train()
    for _ in range(150):
        opt.zero_grad()
        module(input_ids=read, attention_mask=(read != 256).long(), labels=said_ids).loss.backward()
        opt.step()
    module.eval()
    others = texts.frame(texts.sentences(12, 2, words=4), prefix=texts.sentences(12, 3, words=3))
    found = pm.recite(
        model,
        texts.frame(own, prefix=asked),
        held_out=others,
        prompt=0,
        suffix=10,
        find=None,
        samples=5,
        sample_length=9,
    )
    figure = found.figures[0]
    assert figure.risk.value > 0.5
    assert figure.shows
    blank = pm.recite(
        model, texts.frame(own, prefix=list(others["prefix"])), held_out=others, prompt=0, suffix=10, find=None
    )
    assert blank.figures[0].risk.value < figure.risk.value
