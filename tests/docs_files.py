"""The files and objects that README and docs speak of as the reader's own, and the service at their address."""

import json
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from llamas import save_model
from PIL import Image
from safetensors.torch import save_file
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from texts import sentences

from ml_privacy_meter import FineTuning, fine_tune
from ml_privacy_meter.membership import bavaria, gap, threshold

ADDRESS = "https://models.example.org"
EXAMPLES = Path(__file__).parents[1] / "examples"
EACH = 60  # records in a set

MODULE = """
import torch

def classifier():
    return torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))

def standardized(batch):
    return (batch - 0.5) / 2

def small():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
"""
LEAST = """
out = "report"
model.path = "model.pt2"
members.path = "train.npz"
non_members.path = "test.npz"
"""  # of a run file
REFERENCES = """
[references]
count = 4
train = "my_training:train"
"""
TRAINING = """
from sklearn.linear_model import LogisticRegression

def train(x, y, seed):
    return LogisticRegression(C=100, max_iter=1_000).fit(x, y)
"""


def play_few_attacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, that is, and not all: what is shown are models and records, and attacks have tests of their own."""
    module = sys.modules["ml_privacy_meter.audit"]  # the package's own `audit` is the function
    monkeypatch.setattr(module, "default_attacks", _few_attacks)


def draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty page in place of a report's pictures, which take most of a small audit's time."""
    monkeypatch.setattr("ml_privacy_meter.report.page.page", lambda *given: "")


def _few_attacks(y: torch.Tensor, *, references: int = 0, **_: Any) -> tuple[Any, ...]:
    alone = (threshold,) if y.is_floating_point() else (threshold, gap)
    return (*alone, bavaria) if references else alone


def lay_out(folder: Path) -> dict[str, Any]:
    """Fills the folder; returns the objects that stand in blocks of Python without being made there."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2 * EACH, 8)).astype(np.float32), np.arange(2 * EACH) % 3
    sides = {"train": slice(0, EACH), "test": slice(EACH, None)}
    site = rng.choice(["north", "south"], 2 * EACH)
    lines = [",".join(map(str, one)) + f";{label}" for one, label in zip(x.tolist(), y, strict=True)]
    (folder / "everyone.txt").write_text("\n".join(lines) + "\n")
    np.save(folder / "members.npy", np.array([line.split(";") for line in lines[:EACH]]))
    for side, rows in sides.items():
        ids = [f"record {i}" for i in range(2 * EACH)[rows]]
        np.savez(folder / f"{side}.npz", x=x[rows], y=y[rows], id=ids, site=site[rows])
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))
    inputs = torch.from_numpy(x)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(inputs[:EACH]), torch.from_numpy(y[:EACH])).backward()
        optimizer.step()
    forest = RandomForestClassifier(20, random_state=0).fit(x[:EACH], y[:EACH])
    _torch_files(folder, network.eval(), inputs[:2])
    _other_models(folder, x[:EACH], y[:EACH])
    _answers(folder, network, inputs, y, sides)
    _photos(folder, rng)
    _query_logs(folder, rng)
    _language_models(folder)
    brought = _references(folder, network, inputs, y)
    shutil.copy(EXAMPLES / "own_attack.py", folder / "my_attacks.py")
    named = {f"x_{side}": inputs[rows] for side, rows in sides.items()}
    named |= {f"y_{side}": torch.from_numpy(y[rows]) for side, rows in sides.items()}
    return {"network": network, "forest": forest, "pipeline": _patients(folder, rng), **named, **brought}


def _torch_files(folder: Path, network: torch.nn.Module, two: torch.Tensor) -> None:
    (folder / "my_models.py").write_text(MODULE)
    save_file(network.state_dict(), folder / "weights.safetensors")
    rows = {0: torch.export.Dim("records", min=1)}
    torch.export.save(torch.export.export(network, (two,), dynamic_shapes=(rows,)), folder / "model.pt2")
    shutil.copy(folder / "model.pt2", folder / "defended.pt2")
    shutil.copy(folder / "model.pt2", folder / "epoch5.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
        torch.jit.save(torch.jit.script(network), folder / "model.ts")


def _other_models(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    import keras  # on its torch backend: test_docs sets it before

    linear = LogisticRegression(C=100, max_iter=1_000).fit(x, y)
    onnx = to_onnx(linear, x[:2], options={"zipmap": False})
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    layers = keras.layers
    keras.Sequential([layers.Input((8,)), layers.Dense(16, "relu"), layers.Dense(3)]).save(folder / "model.keras")


def _answers(folder: Path, network: torch.nn.Module, x: torch.Tensor, y: np.ndarray, sides: dict[str, slice]) -> None:
    with torch.no_grad():
        p = network(x).softmax(1).numpy()
    for side, rows in sides.items():
        np.savez(folder / f"answers-{side}.npz", y=y[rows], probabilities=p[rows])
        table = pd.DataFrame(p[rows], columns=["p_0", "p_1", "p_2"]).assign(y=y[rows])
        table.to_csv(folder / f"answers-{side}.csv", index=False)


def _patients(folder: Path, rng: np.random.Generator) -> Any:
    """Tables with text in them; returns the pipeline that was fitted to one."""
    n = 2 * EACH
    table = pd.DataFrame(
        {
            "patient": [f"{i:04}" for i in range(n)],
            "age": rng.integers(18, 95, n),
            "smoker": rng.choice(["yes", "no"], n),
            "hospital": rng.choice(["St Anne", "County"], n),
            "outcome": rng.integers(0, 2, n),
        }
    )
    train, test = table[:EACH], table[EACH:]
    train.to_csv(folder / "patients-train.csv", index=False)
    test.to_csv(folder / "patients-test.csv", index=False)
    coded = make_column_transformer((OneHotEncoder(), ["smoker", "hospital"]), remainder="passthrough")
    pipeline = make_pipeline(coded, LogisticRegression(max_iter=1_000))
    pipeline.fit(train[["age", "smoker", "hospital"]], train["outcome"])
    skops.io.dump(pipeline, folder / "patients.skops")
    return pipeline


def _references(folder: Path, network: torch.nn.Module, x: torch.Tensor, y: np.ndarray) -> dict[str, Any]:
    """Models of complementary halves and what they and the target say of all records; public records."""
    (folder / "my_training.py").write_text(TRAINING)
    halves = [np.arange(2 * EACH) // size % 2 == 0 for size in (3, 6)]
    inside = np.stack([side for half in halves for side in (half, ~half)])
    fitted = [LogisticRegression(C=100, max_iter=1_000).fit(x[here], y[here]) for here in inside]
    for j in range(2):
        skops.io.dump(fitted[j], folder / f"reference-{j}.skops")
    np.savez(folder / "inside.npz", members=inside.T[:EACH, :2], non_members=inside.T[EACH:, :2])
    rng = np.random.default_rng(1)
    np.savez(folder / "public.npz", x=rng.normal(size=(2 * EACH, 8)).astype(np.float32), y=y)
    with torch.no_grad():
        target = network(x).numpy()
    logits = np.stack([model.decision_function(x) for model in fitted])
    member = np.arange(2 * EACH) < EACH
    return {"logits": logits, "inside": inside, "y": y, "target_logits": target, "member": member}


def _photos(folder: Path, rng: np.random.Generator) -> None:
    for side in ("train", "test"):
        for kind in ("cat", "dog"):
            place = folder / "photos" / side / kind
            place.mkdir(parents=True)
            for i in range(EACH // 2):
                Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(place / f"{i}.png")
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2)).eval()
    rows = {0: torch.export.Dim("records", min=1)}
    program = torch.export.export(model, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=(rows,))
    torch.export.save(program, folder / "photos.pt2")


def _query_logs(folder: Path, rng: np.random.Generator) -> None:
    """Twenty honest clients; and a log with somebody who asks one thing all the time."""
    asked = {"honest": rng.normal(size=(2_000, 8)), "log": np.ones((100, 8))}
    for name, x in asked.items():
        rows = [
            {"client": f"{name} {at // 100}", "x": one, "answer": int(one[0] > 0)} for at, one in enumerate(x.tolist())
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _language_models(folder: Path) -> None:
    """Texts, a small language model that was trained on some of them, and one that was not."""
    own, others, third = (sentences(40, seed, words=5) for seed in range(3))
    for name, some in (("texts", own), ("held-out", others)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in some))
    save_model(folder / "tuned", own, epochs=40)
    save_model(folder / "untuned", third, epochs=2)
    fine_tune(FineTuning(folder / "untuned", epochs=1), own, to=folder / "adapter")


@contextmanager
def service(model: Any) -> Iterator[str]:
    """The address of a service in the shape that the docs describe."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            outputs = [{"probabilities": row} for row in model.predict_proba(np.array(inputs)).tolist()]
            body = json.dumps({"outputs": outputs}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
