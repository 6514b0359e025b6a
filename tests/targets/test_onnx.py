import warnings
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from targets.test_estimator import Frame
from targets.worlds_of_models import both, logits, network, records
from torch import nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import fit, open_model

IRIS, SPECIES = load_iris(return_X_y=True)


def to_file(module: nn.Module, x: torch.Tensor, path: Path, *, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("records")},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(module.eval(), (x,), str(path), dynamo=True, dynamic_shapes=shapes, verbose=False)
    return path


@pytest.mark.parametrize("dynamic", [True, False])
def test_an_onnx_file_answers_as_the_module_did(tmp_path: Path, dynamic: bool) -> None:
    members, others = both()
    module = network()
    path = to_file(module, members.x[0:4], tmp_path / "m.onnx", dynamic=dynamic)
    target, members, _ = fit(open_model(path), members, others)
    for size in (1, 4, 11):
        torch.testing.assert_close(target(members.x[0:size]), logits(module, members.x[0:size]), atol=1e-5, rtol=1e-5)
    assert target.access == "outputs"
    assert "ONNX" in target.says
    torch.testing.assert_close(target(members.x[0:3].double()), target(members.x[0:3]))


def test_the_key_follows_weights_that_lie_beside_the_file(tmp_path: Path) -> None:
    to_file(network(), torch.randn(4, 5), tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    before = open_model(tmp_path / "m.onnx").key
    content = bytearray((tmp_path / "w.bin").read_bytes())
    content[5] ^= 1
    (tmp_path / "w.bin").write_bytes(content)
    assert open_model(tmp_path / "m.onnx").key != before


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_converted_estimator_is_read_by_its_probabilities(tmp_path: Path, zipmap: bool) -> None:
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=500).fit(IRIS, names[SPECIES])
    converted = to_onnx(model, IRIS[:1].astype(np.float32), options={"zipmap": zipmap})
    (tmp_path / "m.onnx").write_bytes(converted.SerializeToString())
    x = torch.from_numpy(IRIS)
    sets = records(x[::2], names[SPECIES][::2]), records(x[1::2], names[SPECIES][1::2])
    opened = open_model(tmp_path / "m.onnx", classes=None if zipmap else "sorted")
    target, members, _ = fit(opened, *sets)
    assert target.classes == tuple(names)
    assert members.labels.tolist() == SPECIES[::2].tolist()
    np.testing.assert_allclose(target(members.x[0:9]).exp(), model.predict_proba(IRIS[:18:2]), atol=1e-5)


def test_an_onnx_model_of_columns_is_fed_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"town": ["Ulm", "Bonn"] * 40, "age": np.arange(80, dtype=np.float32)})
    y = np.arange(80) % 2
    columns = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    converted = to_onnx(model, frame[:1], options={"zipmap": False})
    (tmp_path / "m.onnx").write_bytes(converted.SerializeToString())
    target, members, _ = fit(open_model(tmp_path / "m.onnx"), records(Frame(frame), y), records(Frame(frame), y))
    np.testing.assert_allclose(target(members.x[0:9]).exp(), model.predict_proba(frame[:9]), atol=1e-5)
    lacking = Frame(frame[["town"]])
    with pytest.raises(InputError, match="lack age"):
        fit(open_model(tmp_path / "m.onnx"), records(lacking, y), records(lacking, y))


def test_an_output_is_named_where_several_could_be_read(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(5, 3), nn.Linear(5, 7)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.a(x), self.b(x)

    module = Two()
    path = to_file(module, torch.randn(4, 5), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"several outputs.*output_name"):
        open_model(path)
    with pytest.raises(InputError, match="no output `nothing`"):
        open_model(path, output_name="nothing")
    names = [place.name for place in onnx.load(path).graph.output]
    target, members, _ = fit(open_model(path, output_name=names[0]), *both())
    torch.testing.assert_close(target(members.x[0:4]), module.a(members.x[0:4]), atol=1e-5, rtol=1e-5)


def test_an_onnx_model_that_gives_labels_only_is_refused(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])
    y = helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])
    node = helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)
    graph = helper.make_graph([node], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"found only label \(tensor\(int64\)\)"):
        open_model(tmp_path / "m.onnx")


def test_fractions_are_not_cut_off_for_a_model_of_integers(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    module = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 3))
    x = torch.randint(0, 9, (40, 5), generator=draw)
    path = to_file(module, x[:4], tmp_path / "m.onnx")
    target, members, _ = fit(open_model(path), *(records(x.to(torch.uint8), torch.arange(40) % 3) for _ in "mn"))
    torch.testing.assert_close(target(members.x[0:4]), logits(module, x[:4]), atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="takes int64 and the records are float32"):
        fit(open_model(path), *both())


def test_records_of_another_shape_are_refused_with_both_shapes(tmp_path: Path) -> None:
    path = to_file(network(features=9), torch.randn(4, 9), tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"shape \(32, 5\).*9\] tensor\(float\).*own words"):
        fit(open_model(path), *both())
