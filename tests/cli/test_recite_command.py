"""What `privacy-meter recite` prints, writes and refuses."""

import json
import shlex
from pathlib import Path

import pytest
import texts
from cli.desk import Desk
from cli.test_help import examples
from llamas import save_model

OWN, OTHERS, THIRD = (texts.sentences(30, seed, words=5) for seed in range(3))
ASKED = ("recite", "tuned", "texts.csv", "--prompt", "12", "--suffix", "8")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "tuned", OWN, epochs=60)
    save_model(folder / "untuned", THIRD, epochs=2)
    return folder


@pytest.fixture
def ready(desk: Desk, models: Path) -> Desk:
    for name in ("tuned", "untuned"):
        (desk.folder / name).symlink_to(models / name)
    for name, some in (("texts", OWN), ("held-out", OTHERS)):
        texts.frame(some).to_csv(desk.folder / f"{name}.csv", index=False)
        desk.write(f"{name}.jsonl", "".join(json.dumps({"text": one}) + "\n" for one in some))
    return desk


def test_what_is_recited_is_printed_and_written(ready: Desk) -> None:
    said = ready.run(*ASKED, "--held-out", "held-out.csv", "--base", "untuned", "--out", "found.json", "--show-records")
    assert said.status == 0, said.err
    assert "Recites: greedy" in said.out
    assert said.out.endswith("Recitation: found.json\nIt holds training texts as they are: do not pass it on.\n")
    written = json.loads((ready.folder / "found.json").read_text())
    assert written["shows"]
    assert written["recited"][0]["text"] in OWN[int(written["recited"][0]["id"].partition(":")[2])]
    ready.refuses(*ASKED, "--base", "untuned", "--out", "found.json", says=("there already",))
    ready.refuses(*ASKED, "--out", "other.json", says=("`held_out`", "`base`"))


def test_options_reach_the_decoder_and_the_passages(ready: Desk) -> None:
    options = ("--temperature", "0.5", "--top-k", "3", "--top-p", "0.9", "--tries", "7", "--samples", "5")
    more = ("--sample-length", "20", "--span", "9", "--seed", "4", "--no-personal-data", "--base", "untuned")
    said = ready.run(*ASKED, *options, *more, "--out", "found.json", "--json")
    document = json.loads(said.out)
    assert document["how"]["decoder"] == {"temperature": 0.5, "top_k": 3, "top_p": 0.9}
    assert [one["risk"]["name"] for one in document["figures"]] == ["greedy", "in 7 draws", "made up, word for word"]
    assert {document["how"][name] for name in ("samples", "sample_length", "span", "seed")} == {5, 20, 9, 4}
    assert not any({"text", "prompt"} & one.keys() for one in document["recited"])


def test_every_example_of_its_help_runs(ready: Desk) -> None:
    lines = examples(("recite",))
    assert len(lines) == 2
    for line in lines:
        said = ready.run(*shlex.split(line)[1:])
        assert said.status == 0, (line, said.err)
