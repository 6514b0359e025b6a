"""Folders of language models are opened without running what they bring."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import open_model
from ml_privacy_meter.targets.huggingface import is_folder, open_folder

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama with random weights, and a tokenizer of one token a byte."""
    to = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=260, max_position_embeddings=64, **sizes, bos_token_id=256, eos_token_id=257, pad_token_id=None
    )
    transformers.LlamaForCausalLM(config).save_pretrained(to)
    tokenizers = pytest.importorskip("tokenizers")
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {letter: number for number, letter in enumerate(sorted(letters))}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<s>", "</s>"])
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>").save_pretrained(to)
    return to


def _copy(folder, to):
    return shutil.copytree(folder, to / "model")


def test_a_folder_is_opened_as_it_was_saved(folder):
    model = open_folder(folder)
    assert (model.begin, model.context, model.encoder) == (256, 64, False)
    ids = model.encode(["hé, you"])[0]
    assert model.tokenizer.decode(ids) == "hé, you"
    with torch.no_grad():
        logits = transformers.LlamaForCausalLM.from_pretrained(folder)(torch.tensor([[256, *ids]])).logits[0]
    wanted = logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)]
    assert torch.allclose(model.token_logprobs(["hé, you"]).log_probability[0], wanted, atol=1e-5)


def test_the_side_that_a_tokenizer_fills_up_makes_no_difference(folder, tmp_path):
    other = _copy(folder, tmp_path)
    said = json.loads((other / "tokenizer_config.json").read_text()) | {"padding_side": "left"}
    (other / "tokenizer_config.json").write_text(json.dumps(said))
    texts = ["a", "some longer text", "b c"]
    one, two = (open_folder(place).token_logprobs(texts).log_probability for place in (folder, other))
    assert torch.allclose(one, two, atol=1e-6)


def test_its_key_follows_the_content(folder, tmp_path):
    other = _copy(folder, tmp_path)
    assert open_folder(other).key == open_folder(folder).key
    weights = (other / "model.safetensors").read_bytes()
    (other / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert open_folder(other).key != open_folder(folder).key


def test_an_adapter_is_opened_beside_its_base(folder, tmp_path):
    base = transformers.LlamaForCausalLM.from_pretrained(folder)
    tuned = peft.get_peft_model(
        base, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    tuned.save_pretrained(tmp_path / "adapter")
    ids = open_folder(folder).encode(["some text"])[0]
    with torch.no_grad():
        wanted = tuned(torch.tensor([[256, *ids]])).logits[0].log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)]
    found = open_folder(tmp_path / "adapter").token_logprobs(["some text"]).log_probability[0]
    assert torch.allclose(found, wanted, atol=1e-5)
    assert not torch.allclose(found, open_folder(folder).token_logprobs(["some text"]).log_probability[0], atol=1e-3)
    noted = tmp_path / "adapter" / "adapter_config.json"
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"base_model_name_or_path": "somebody/model"}))
    with pytest.raises(InputError, match=r"which it calls `somebody/model`.*name it with `base`"):
        open_folder(tmp_path / "adapter")
    again = open_folder(tmp_path / "adapter", base=folder).token_logprobs(["some text"]).log_probability[0]
    assert torch.allclose(again, wanted, atol=1e-5)


def test_weights_that_are_pickled_are_refused(folder, tmp_path):
    other = _copy(folder, tmp_path)
    (other / "model.safetensors").unlink()
    torch.save({}, other / "pytorch_model.bin")
    with pytest.raises(InputError, match="weights as safetensors"):
        open_folder(other)


def test_weights_that_are_not_there_are_not_drawn(folder, tmp_path):
    other = _copy(folder, tmp_path)
    weights = load_file(other / "model.safetensors")
    gone = next(name for name in weights if "q_proj" in name)
    save_file({name: value for name, value in weights.items() if name != gone}, other / "model.safetensors")
    with pytest.raises(InputError, match=r"All weights of the model must be in .*it lacks 1, such as"):
        open_folder(other)
    (other / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be opened"):
        open_folder(other)


@pytest.mark.parametrize("how", ["misnamed", "pickled", "no note"])
def test_an_adapter_that_would_not_be_loaded_is_refused(folder, tmp_path, how):
    base = transformers.LlamaForCausalLM.from_pretrained(folder)
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    tuned.save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    file.unlink()
    if how == "misnamed":
        save_file({name.replace("model.model.", "model."): value for name, value in weights.items()}, file)
    elif how == "pickled":
        torch.save(weights, file.with_suffix(".bin"))
    else:
        (tmp_path / "adapter" / "adapter_config.json").write_text("{")
    with pytest.raises(InputError, match=r"must be in|must hold its weights|cannot be opened"):
        open_folder(tmp_path / "adapter")


def test_a_masked_language_model_is_refused(folder, tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = transformers.BertConfig(vocab_size=260, **sizes)
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / file, tmp_path)
    assert open_folder(tmp_path).reads_ahead()
    assert not open_folder(folder).reads_ahead()


def test_code_that_a_folder_brings_is_not_run(folder, tmp_path):
    other = _copy(folder, tmp_path)
    (other / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    said = json.loads((other / "config.json").read_text())
    said |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "modeling_own.C", "AutoModelForCausalLM": "modeling_own.M"},
    }
    (other / "config.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match="cannot be opened"):
        open_folder(other)
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_without_a_first_token_is_refused(folder, tmp_path):
    other = _copy(folder, tmp_path)
    said = json.loads((other / "tokenizer_config.json").read_text())
    (other / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in said.items() if k[1:] != "os_token"}))
    with pytest.raises(InputError, match="begins or ends a text"):
        open_folder(other)


def test_other_folders_are_none(tmp_path, folder):
    assert is_folder(folder)
    assert not is_folder(tmp_path)
    with pytest.raises(InputError, match=r"found none in"):
        open_folder(tmp_path)


def test_the_usual_door_opens_folders_too(folder):
    opened = open_model(folder)
    assert opened.kind == "LlamaForCausalLM (Hugging Face folder)"
    assert opened.key
