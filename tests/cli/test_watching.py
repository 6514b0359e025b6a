"""A training that was watched, named on the command line and in a run file: models of epochs, and traces."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.desk import AUDIT, RUN_FILE, Desk, figure
from safetensors.torch import save_file
from traces import fakes

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.cli.watching import seen_by

FACTORY = """
from torch.nn import Linear, ReLU, Sequential
def net():
    return Sequential(Linear(60, 16), ReLU(), Linear(16, 3))
"""
ATTACKS = ("--attack", "threshold", "--attack", "snapshots", "--attack", "update_dot")


@pytest.fixture
def trained(desk: Desk) -> Desk:
    """A trace, the final model in two kinds of files, and the records of its clients and of nobody."""
    sides, model = fakes.clients(2), fakes.mlp()
    trace = fakes.fedavg(model, sides, Path("trace"), rounds=4, steps=20)
    save_file(model.state_dict(), "final.safetensors")
    save_file(trace.rounds[2].before(), "earlier.safetensors")
    desk.write("my_net.py", FACTORY)
    shape = {"x": {0: torch.export.Dim("records", min=2)}}

    class Named(torch.nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    exported = Named(*copy.deepcopy(model))
    torch.export.save(torch.export.export(exported, (sides["nobody"][0],), dynamic_shapes=shape), "final.pt2")
    names = ("client-0", "client-1")
    x, y = (torch.cat([sides[name][k] for name in names]).numpy() for k in (0, 1))
    others = fakes.clients(2, seed=1)
    np.savez("train.npz", x=x, y=y, client=np.repeat(names, 40))
    outside = {key: torch.cat([others[name][k] for name in names]).numpy() for k, key in ((0, "x"), (1, "y"))}
    np.savez("test.npz", **outside)
    sys.modules.pop("my_net", None)
    return desk


FILES = ("audit", "--members", "train.npz", "--non-members", "test.npz", "--out", "report", *ATTACKS)


@pytest.mark.parametrize("model", [("final.pt2",), ("my_net:net", "--weights", "final.safetensors")], ids=len)
@pytest.mark.parametrize("view", ["aggregator", "server-averages", "participant:client-1", "outsider"])
def test_a_trace_is_audited_as_its_viewer_saw_it(trained: Desk, model: tuple[str, ...], view: str) -> None:
    report = trained.reports(*FILES, "--model", *model, "--trace", "trace", "--view", view)
    assert len(report["by_round"]["moments"]) == 5
    assert view.split(":")[0].split("-")[0] in report["by_round"]["viewer"] or view == "server-averages"
    assert figure(report, "update_dot", "AUC")["low"] > 0.5
    assert "[trace]" in report["paths"]["run_file"]


def test_a_model_that_is_not_the_traces_last_is_refused(trained: Desk) -> None:
    model = ("--model", "my_net:net", "--weights", "earlier.safetensors")
    trained.refuses(*FILES, *model, "--trace", "trace", says=("must be the one that the trace ends with",))
    trained.refuses(*FILES, *model, "--trace", "elsewhere", says=("trace.json", "elsewhere"))
    trained.refuses(*FILES, *model, "--view", "outsider", says=("--trace",))
    trained.refuses(*FILES, *model, "--trace", "trace", "--view", "everyone", says=("participant:NAME", "'everyone'"))


def test_of_several_models_the_last_is_audited_and_the_others_are_snapshots(trained: Desk) -> None:
    final = ("--model", "my_net:net", "--weights", "final.safetensors")
    report = trained.reports(*FILES, "--model", "earlier.safetensors", *final)
    assert report["by_round"]["unit"] == "snapshot"
    assert [one["number"] for one in report["by_round"]["moments"]] == [0, 1]
    assert set(report["about"]["sha256"]) == {"members", "non_members", "snapshot 0", "weights"}
    alone = trained.reports(*FILES[:-4], *final, "--out", "alone", folder="alone")
    assert alone["by_round"] is None
    assert figure(alone, "threshold", "AUC")["value"] == figure(report, "threshold", "AUC")["value"]


def test_a_run_file_names_snapshots(desk: Desk) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz")
    desk.bring("model.pt2", to="earlier")
    desk.write("audit.toml", RUN_FILE.replace('"model.pt2"', '"model.pt2"\nsnapshots = ["earlier/model.pt2"]'))
    report = desk.reports("run", "audit.toml")
    first, last = report["by_round"]["moments"]
    assert first["loss"] == last["loss"]
    both = desk.reports(*AUDIT, "--model", "earlier/model.pt2", "--model", "model.pt2", "--out", "both", folder="both")
    assert both["by_round"] == report["by_round"]
    desk.write("audit.toml", RUN_FILE.replace('"model.pt2"', '"model.pt2"\nsnapshots = "earlier/model.pt2"'))
    desk.refuses("run", "audit.toml", says=("`snapshots` in [model] must be a list of texts",))


def test_members_say_in_a_run_file_which_client_they_lie_with(trained: Desk) -> None:
    said = RUN_FILE.replace('"train.npz"', '"train.npz"\nfeatures = "x"\ngroups = ["client"]')
    said = said.replace('"test.npz"', '"test.npz"\nfeatures = "x"').replace('"model.pt2"', '"final.pt2"')
    trained.write("audit.toml", said + 'update_dot = {}\n[trace]\npath = "trace"\n')
    report = trained.reports("run", "audit.toml")
    groups = {group["value"] for group in report["findings"][1]["groups"] if group["column"] == "client"}
    assert groups == {"client-0", "client-1"}
    assert any(check["name"].startswith("Does a record's client tell") for check in report["checks"])


def test_a_trace_of_a_run_file_says_where_it_lies(desk: Desk) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz")
    desk.write("audit.toml", RUN_FILE + '\n[trace]\nview = "outsider"\n')
    desk.refuses("run", "audit.toml", says=("[trace] must say `path`", "--trace"))


TRAINING = """
from pathlib import Path
def train(x, y, seed):
    Path("begun").touch()
    raise RuntimeError
"""


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("more", "watched", "says"),
    [
        ("", '[trace]\npath = "nowhere"', "trace.json"),
        ("", '[trace]\npath = "other"', "of this architecture"),
        ('snapshots = ["lost.pt2"]', "", "lost.pt2"),
        ('snapshots = ["broken.safetensors"]', "", "finite"),
    ],
)
def test_what_was_watched_is_looked_at_before_anything_is_trained(
    trained: Desk, more: str, watched: str, says: str, dry: tuple[str, ...]
) -> None:
    fakes.fedavg(torch.nn.Linear(60, 3), fakes.clients(1), Path("other"), rounds=1)
    save_file({key: value / 0 for key, value in fakes.mlp().state_dict().items()}, "broken.safetensors")
    trained.write("own_training.py", TRAINING)
    said = RUN_FILE.replace('"model.pt2"', f'"my_net:net"\nweights = "final.safetensors"\n{more}')
    said = said.replace('.npz"', '.npz"\nfeatures = "x"') + watched
    trained.write("audit.toml", said + '\n[references]\ncount = 2\ntrain = "own_training:train"\n')
    trained.refuses("run", "audit.toml", *dry, says=(says,))


def test_a_client_that_took_no_part_is_no_viewer(tmp_path: Path) -> None:
    trace = fakes.fedavg(fakes.mlp(), fakes.clients(1), tmp_path / "t", rounds=1)
    with pytest.raises(InputError, match="found `client-7` in none"):
        seen_by(trace, "participant:client-7")
