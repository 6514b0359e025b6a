"""Language models that are tuned: adapters of many at once, all weights of one, and what comes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file
from text_folders import gpt2, llama_with, saved, t5
from texts import BEGIN, frame, language_model, sentences
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter import InputError
from ml_privacy_meter.targets import LanguageModel
from ml_privacy_meter.targets.huggingface import open_folder
from ml_privacy_meter.training import FineTuning, plan_references
from ml_privacy_meter.training.pieces import batches_of, pieces_of
from ml_privacy_meter.training.tune import _by_its_parts
from ml_privacy_meter.training.tuning import ByTuning, way_of_tuning

TEXTS = frame(sentences(12, words=6))
INSIDE = np.random.default_rng(0).random((12, 3)) < 0.6  # models with 8, 7 and 6 texts, say: not equally many
NONE = np.zeros(12, int)  # labels of texts
MANY = frame(sentences(40, words=6))  # as many as an audit asks for at least
QUICK = FineTuning(rank=4, epochs=2, lr=1e-2, batch_size=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model") / "base")


def trained(way: ByTuning, columns, texts=TEXTS):
    made = way.train(
        texts, NONE, INSIDE[:, columns], [100 + one for one in columns], device="cpu", progress=lambda _: None
    )
    return [load(one.content) for one in made]


def weights_alike(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.allclose(one[name], other[name], atol=2e-4), name


@pytest.mark.parametrize("make", [llama_with, gpt2, t5], ids=["llama", "gpt2", "t5"])
def test_many_at_once_come_out_as_each_alone(make, tmp_path, monkeypatch):
    texts = TEXTS.assign(prefix=sentences(12, seed=5, words=2))
    way = way_of_tuning(replace(QUICK, base=saved(tmp_path / "base", make)))
    alone = [trained(way, [one], texts)[0] for one in range(3)]
    monkeypatch.setattr("ml_privacy_meter.training.tuning._apart", lambda *_: True)  # no way back to one by one
    for one, other in zip(trained(way, [0, 1, 2], texts), alone, strict=True):
        weights_alike(one, other)
    ups = [one for name, one in alone[0].items() if "lora_B" in name]
    assert all(up.abs().max() > 1e-3 for up in ups)
    name = next(iter(alone[0]))
    assert not torch.allclose(alone[0][name], alone[1][name], atol=1e-2)


def test_small_batches_in_memory_make_no_difference(monkeypatch):
    way = ByTuning(language_model(), QUICK)
    whole = trained(way, [0, 1])
    monkeypatch.setattr("ml_privacy_meter.training.tuning.LOGITS", 257 * 60)
    for one, other in zip(trained(way, [0, 1]), whole, strict=True):
        weights_alike(one, other)


def test_a_step_goes_down_the_gradient_of_the_mean_loss_a_token():
    """Of an adapter that begins at nothing, Adam's first step has the size of the rate and the gradient's sign."""
    language, tuning = language_model(), FineTuning(rank=2, epochs=1, batch_size=12, lr=1e-3, schedule="constant")
    texts = TEXTS.assign(prefix="once ")
    (found,) = ByTuning(language, tuning).train(
        texts, NONE, np.ones((12, 1), bool), [7], device="cpu", progress=lambda _: None
    )
    found = load(found.content)
    name = "layers.layers.0.linear1"
    down, up = (found[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB")
    layer = language.module.get_submodule(name)
    layer.weight.requires_grad_()
    total, count = 0.0, 0
    for text, led in zip(texts["text"], texts["prefix"], strict=True):
        before, own = language.encode([led, text])
        with _by_its_parts():
            logits = language.module(torch.tensor([[BEGIN, *before, *own[:-1]]]))[0, len(before) :]
        total = total + nn.functional.cross_entropy(logits, torch.tensor(own), reduction="sum")
        count += len(own)
    (slope,) = torch.autograd.grad(total / count, layer.weight)
    assert down.abs().max() <= 1 / np.sqrt(32) + 1.1e-3  # 32 inputs, and a step of Adam
    wanted = slope @ down.mT * tuning.scale
    sure = wanted.abs() > wanted.abs().mean() / 10
    assert torch.equal(up.sign()[sure], -wanted.sign()[sure])
    assert torch.allclose(up[sure].abs(), torch.tensor(1e-3), rtol=1e-2)


def test_a_finished_model_is_not_changed_while_others_go_on():
    inside = np.zeros((12, 2), bool)
    inside[:3, 0] = inside[:, 1] = True
    way = ByTuning(language_model(), QUICK)
    both = way.train(TEXTS, NONE, inside, [1, 2], device="cpu", progress=lambda _: None)
    first = way.train(TEXTS, NONE, inside[:, :1], [1], device="cpu", progress=lambda _: None)
    weights_alike(load(both[0].content), load(first[0].content))


class Mixing(nn.Module):
    """Rows of a batch are turned round inside: what stands beside a layer would meet another model's rows."""

    def __init__(self):
        super().__init__()
        self.token, self.inner, self.head = nn.Embedding(257, 8), nn.Linear(8, 8), nn.Linear(8, 257)

    def forward(self, ids):
        return self.head(self.inner(self.token(ids.flip(0))).flip(0).tanh())


def test_a_model_that_mixes_rows_is_trained_one_by_one():
    torch.manual_seed(0)
    way = ByTuning(LanguageModel(Mixing(), language_model().tokenizer, begin=BEGIN, context=64), QUICK)
    alone = [trained(way, [one])[0] for one in range(3)]
    for one, other in zip(trained(way, [0, 1, 2]), alone, strict=True):
        weights_alike(one, other)


def test_the_base_is_left_as_it_was():
    language = language_model()
    before = {name: value.clone() for name, value in language.state_dict().items()}
    trained(ByTuning(language, QUICK), [0, 1])
    trained(ByTuning(language, replace(QUICK, rank=0)), [0])
    assert all(torch.equal(value, before[name]) for name, value in language.state_dict().items())
    assert all(weight.requires_grad for weight in language.parameters())
    assert torch.backends.mha.get_fastpath_enabled()


def test_long_texts_are_trained_on_in_pieces_and_prefixes_are_only_read():
    language = language_model(context=10)
    pieces = pieces_of(language, frame(["abcdefghijklmno", "xyz"], prefix=["12345678", ""]), most=8)
    text = [(piece.text, bytes(piece.before).decode(), bytes(piece.tokens).decode()) for piece in pieces]
    assert text == [(0, "78", "abcdefgh"), (0, "345678"[-3:], "ijklmno"), (1, "", "xyz")]
    found = batches_of([pieces, pieces[:1]], at_once=22)
    assert [len(batch.pieces) for batch in found] == [2, 2, 2]  # a row of each model, and never less
    assert [piece is None for batch in found for piece in batch.pieces] == [False, False, False, True, False, True]
    assert [1 / float(weight) for weight in found[0].weight] == pytest.approx([18, 8])


def test_all_weights_are_trained_where_no_rank_is_said(folder):
    opened = pm.train_model(FineTuning(folder, rank=0, epochs=3, lr=3e-3), MANY, seed=1)
    found, base = opened.inner, open_folder(folder)
    loss = [-model.token_logprobs(list(MANY["text"])).log_probability.mean() for model in (found, base)]
    assert loss[0] < loss[1] - 0.5
    changed = dict(found.module.named_parameters())
    assert all(not torch.equal(changed[name], old) for name, old in base.module.named_parameters())
    assert found.module.get_output_embeddings().weight is found.module.get_input_embeddings().weight  # tied as before


@pytest.mark.parametrize("make", [llama_with, gpt2, t5], ids=["llama", "gpt2", "t5"])
def test_an_adapter_is_written_as_peft_reads_it(make, tmp_path):
    peft = pytest.importorskip("peft")
    base, texts = saved(tmp_path / "base", make), MANY.assign(prefix="ab")
    tuning = FineTuning(base, rank=4, alpha=7, epochs=2, lr=1e-2)
    to = pm.fine_tune(tuning, texts, to=tmp_path / "adapter", seed=3)
    assert sorted(file.name for file in to.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    ours = pm.train_model(tuning, texts, seed=3).inner.token_logprobs(["a text"], "cd").log_probability
    doors = open_folder(to).token_logprobs(["a text"], "cd").log_probability
    assert torch.allclose(ours, doors, atol=1e-5)
    plain = open_folder(base)
    beside = peft.PeftModel.from_pretrained(plain.module, str(to)).eval()
    theirs = LanguageModel(beside, plain.tokenizer, begin=plain.begin, context=plain.context, encoder=plain.encoder)
    assert torch.allclose(ours, theirs.token_logprobs(["a text"], "cd").log_probability, atol=1e-5)
    assert not torch.allclose(ours, open_folder(base).token_logprobs(["a text"], "cd").log_probability, atol=1e-2)


def test_a_whole_model_is_written_as_transformers_reads_it(folder, tmp_path):
    tuning = FineTuning(folder, rank=0, epochs=1, lr=1e-3)
    found = open_folder(pm.fine_tune(tuning, MANY, to=tmp_path / "tuned", seed=3))
    ours = pm.train_model(tuning, MANY, seed=3).inner
    one, other = (model.token_logprobs(["a text"]).log_probability for model in (found, ours))
    assert torch.allclose(one, other, atol=1e-6)


def test_a_folder_that_holds_something_is_left_alone(folder, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        pm.fine_tune(replace(QUICK, base=folder), MANY, to=tmp_path)
    with pytest.raises(InputError, match="folder of a whole language model"):
        pm.fine_tune(replace(QUICK, base=language_model()), MANY, to=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_was_trained_is_found_again(folder, tmp_path):
    tuning = replace(QUICK, base=folder)
    given = {"members": MANY[:20], "non_members": MANY[20:], "store": tmp_path}
    first = pm.train_references(tuning, **given, count=2)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "references").glob("*.safetensors")}
    assert len(files) == 2
    assert sum(file.stat().st_size for file in files) < open_size(folder)  # adapters alone
    assert plan_references(tuning, **given, count=3).done == 2
    assert plan_references(replace(tuning, lr=2e-2), **given, count=2).done == 0
    assert plan_references(replace(tuning, targets=["q_proj"]), **given, count=2).done == 0
    again = pm.train_references(tuning, **given, count=2)
    assert {file: file.stat().st_mtime_ns for file in files} == files
    one, other = (found.models[0].open().inner.token_logprobs(["a text"]) for found in (first, again))
    assert torch.equal(one.log_probability, other.log_probability)


def open_size(folder):
    return sum(weight.nbytes for weight in load_file(folder / "model.safetensors").values())


def test_one_after_the_other_is_kept_as_soon_as_it_is_finished(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ml_privacy_meter.training.tuning.WORTH", 0)
    tuning = replace(QUICK, base=folder)
    assert plan_references(tuning, MANY[:20], MANY[20:], count=3).tasks == 3
    train, seen = ByTuning.train, []

    def killed(self, x, y, inside, seeds, **settings):
        if seen:
            raise KeyboardInterrupt
        seen.append(seeds)
        return train(self, x, y, inside, seeds, **settings)

    monkeypatch.setattr(ByTuning, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        pm.train_references(tuning, MANY[:20], MANY[20:], count=3, store=tmp_path)
    assert plan_references(tuning, MANY[:20], MANY[20:], count=3, store=tmp_path).done == 1


def test_only_the_layers_that_are_named_have_adapters(folder):
    (weights,) = trained(way_of_tuning(replace(QUICK, base=folder, targets=["q_proj", "layers.1.mlp.up_proj"])), [0])
    assert len(weights) == 2 * (2 + 1)
    with pytest.raises(InputError, match=r"none called `query`. It has `down_proj`, .*`q_proj`"):
        trained(way_of_tuning(replace(QUICK, base=folder, targets=["query"])), [0])
    (every,) = trained(way_of_tuning(replace(QUICK, base=folder)), [0])
    assert len(every) == 2 * 2 * 7
    assert not any("lm_head" in name for name in every)


def test_what_cannot_be_tuned_is_refused(folder):
    with pytest.raises(InputError, match="name its folder as `base`"):
        pm.train_model(QUICK, MANY)
    with pytest.raises(InputError, match="must be a language model, found a PyTorch module"):
        pm.train_model(replace(QUICK, base=nn.Linear(2, 2)), MANY)
    with pytest.raises(InputError, match="must have a column `text`"):
        pm.train_model(replace(QUICK, base=folder), (np.zeros((20, 2)), np.zeros(20, int)))
    with pytest.raises(InputError, match="Choose a smaller `lr`"):
        pm.train_model(replace(QUICK, base=folder, lr=1e30, clip=np.inf, epochs=4), MANY)
    with pytest.raises(InputError, match="`targets` must be a list"):
        FineTuning(folder, targets="q_proj")
    with pytest.raises(InputError, match=r"no schedule `linaer`. Did you mean `linear`"):
        FineTuning(folder, schedule="linaer")
    for wrong in ({"rank": -1}, {"lr": 0}, {"epochs": 0}, {"alpha": -1.0}, {"clip": 0}, {"max_tokens": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            FineTuning(folder, **wrong)


def test_every_attack_with_references_plays_on_a_tuned_model(folder):
    texts = sentences(48, seed=2, words=6)
    tuning = FineTuning(folder, rank=8, epochs=15, lr=2e-2)
    target = pm.train_model(tuning, texts[:24])
    references = pm.train_references(tuning, texts[:24], texts[24:], count=4)
    attacks = [getattr(pm.membership, name) for name in ("difference", "lira", "rmia", "bavaria", "stacked")]
    report = pm.audit(target, texts[:24], texts[24:], base=folder, references=references, attacks=attacks)
    assert not report.failed
    aucs = {finding.attack: finding.risks[0].value for finding in report.findings}
    assert min(aucs[name] for name in ("difference", "lira", "rmia", "bavaria")) > 0.75, aucs
    assert "adapter (LoRA)" in report.about["references"]["trained"]
