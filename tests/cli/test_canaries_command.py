"""`privacy-meter canaries`: made, inserted, learned by a model, and scored."""

import json
import shlex

import pytest
import texts
import torch
from cli.desk import Desk
from cli.test_help import examples

from ml_privacy_meter import canaries

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")


def save_model(folder, sentences, epochs=12):
    """A small Llama of single letters in a folder, trained on these."""
    letters = {letter: number for number, letter in enumerate(sorted(set("".join(sentences)) | set("0123456789")))}
    letters |= {"<s>": len(letters), "<unk>": len(letters) + 1}
    split = tokenizers.Tokenizer(tokenizers.models.WordLevel(letters, unk_token="<unk>"))
    split.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    split.decoder = tokenizers.decoders.Fuse()
    given = {"bos_token": "<s>", "eos_token": "<s>", "unk_token": "<unk>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=split, **given)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=len(letters), max_position_embeddings=128, **sizes)
    model = transformers.LlamaForCausalLM(config)
    ids = [torch.tensor([letters["<s>"], *(letters[one] for one in text)]) for text in sentences]
    whole = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=letters["<s>"])
    opt = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(whole)).split(16):
            opt.zero_grad()
            logits = model(input_ids=whole[rows]).logits[:, :-1]
            torch.nn.functional.cross_entropy(logits.transpose(1, 2), whole[rows][:, 1:]).backward()
            opt.step()
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture
def ready(desk: Desk) -> Desk:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts.sentences(30))
    desk.write("train.jsonl", lines)
    (desk.folder / "vault").mkdir()
    return desk


def test_canaries_are_made_inserted_and_found_in_what_was_trained_on_them(ready: Desk) -> None:
    made = ready.run(
        "canaries", "make", "--out", "vault/c.json", "--digits", "2", "--each", "4", "--seed", "1", *REPEATS
    )
    assert (made.status, made.err) == (0, "")
    assert made.out.startswith(
        "8 canaries, 4 of them controls that stay outside, each one of 100 secrets: vault/c.json\n"
    )
    added = ready.run("canaries", "insert", "vault/c.json", "train.jsonl", "--out", "with.jsonl", "--seed", "1")
    assert (added.status, added.out) == (0, "48 rows were added: with.jsonl\n")
    sentences = [json.loads(line)["text"] for line in (ready.folder / "with.jsonl").read_text().splitlines()]
    assert len(sentences) == 78
    save_model(ready.folder / "model", sentences, epochs=30)
    scored = ready.run("canaries", "score", "model", "vault/c.json", "--out", "exposure.json")
    assert scored.status == 0, scored.err
    assert "Exposed: secrets that were in the training 12 times." in " ".join(scored.out.split())
    assert scored.out.endswith("Exposures: exposure.json\n")
    written = json.loads((ready.folder / "exposure.json").read_text())
    assert [level["repeats"] for level in written["levels"]] == [0, 12]
    assert not any(one.secret in scored.out.split() for one in canaries.load_texts("vault/c.json").canaries)
    again = ready.run("canaries", "score", "model", "vault/c.json", "--out", "again.json", "--json")
    assert json.loads(again.out) == written
    ready.refuses("canaries", "score", "model", "vault/c.json", "--out", "exposure.json", says=("there already",))


REPEATS = ("--repeats", "0", "--repeats", "12")


def test_secrets_that_lie_beside_the_texts_are_refused(ready: Desk) -> None:
    ready.run("canaries", "make", "--out", "c.json")
    ready.refuses("canaries", "insert", "c.json", "train.jsonl", "--out", "vault/with.jsonl", says=("another folder",))
    ready.run("canaries", "make", "--out", "vault/c.json")
    ready.refuses(
        "canaries", "insert", "vault/c.json", "train.jsonl", "--out", "vault/w.jsonl", says=("another folder",)
    )
    ready.refuses("canaries", "make", "--out", "vault/c.json", says=("new file",))
    ready.refuses("canaries", "make", "--out", "vault/d.json", "--repeats", "3", says=("controls",))


def test_every_example_of_its_help_runs(ready: Desk) -> None:
    lines = examples(("canaries",))
    assert len(lines) == 3
    save_model(ready.folder / "model", texts.sentences(5), epochs=1)
    for line in lines:
        said = ready.run(*shlex.split(line)[1:])
        assert said.status == 0, (line, said.err)
        if " make " in line:  # fewer, which are scored sooner
            file = ready.folder / "vault" / "canaries.json"
            file.unlink()
            canaries.make_texts(each=1, digits=2).save(file)
