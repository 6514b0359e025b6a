"""`privacy-meter canaries`: made, inserted, learned by a model, and scored."""

import json
import shlex

import pytest
import texts
from cli.desk import Desk
from cli.test_help import examples
from llamas import save_model

from ml_privacy_meter import canaries


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
