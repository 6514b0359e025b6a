import pickle
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from targets.worlds_of_models import records

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import fit, open_model
from ml_privacy_meter.types import Records

IRIS, SPECIES = load_iris(return_X_y=True)


def halves(x: np.ndarray, y: np.ndarray) -> tuple[Records, Records]:
    rows = torch.from_numpy(x)
    return records(rows[::2], y[::2], "m"), records(rows[1::2], y[1::2], "n")


class Frame:
    def __init__(self, of: pd.DataFrame) -> None:
        self.of = of

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: slice | np.ndarray) -> pd.DataFrame:
        return self.of.iloc[index]


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=500),
        RandomForestClassifier(5, random_state=0),
        xgboost.XGBClassifier(n_estimators=3),
        lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=5, verbose=-1),
    ],
)
def test_an_estimator_with_probabilities_answers_with_their_logarithm(model: object) -> None:
    model.fit(IRIS[::2], SPECIES[::2])
    target, members, others = fit(open_model(model), *halves(IRIS, SPECIES))
    answer = target(members.x[0:9])
    assert answer.isfinite().all()
    np.testing.assert_allclose(answer.exp(), model.predict_proba(members.x[0:9].numpy()), atol=1e-6)
    assert target.classes == ("0", "1", "2")
    assert target.access == "outputs"
    assert target.key
    assert target.key == fit(open_model(pickle.loads(pickle.dumps(model))), members, others)[0].key


@pytest.mark.parametrize("model", [xgboost.XGBClassifier(n_estimators=3), LogisticRegression(max_iter=500)])
def test_an_estimator_fitted_on_named_columns_is_given_them(model: object) -> None:
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    model.fit(frame, SPECIES)
    target, members, _ = fit(open_model(model), *halves(IRIS, SPECIES))
    np.testing.assert_allclose(target(members.x[0:9]).exp(), model.predict_proba(frame.iloc[:18:2]), atol=1e-6)
    mixed = Frame(frame[list("dcba")])
    target, whole, _ = fit(open_model(model), records(mixed, SPECIES), records(mixed, SPECIES))
    np.testing.assert_allclose(target(whole.x[0:9]).exp(), model.predict_proba(frame.iloc[:9]), atol=1e-6)
    lacking = Frame(frame[["a", "b"]])
    with pytest.raises(InputError, match="columns that the records do not have: c, d"):
        fit(open_model(model), records(lacking, SPECIES), records(lacking, SPECIES))


def test_an_estimator_fitted_on_positions_is_given_positions_of_a_frame() -> None:
    model = LogisticRegression(max_iter=500).fit(IRIS, SPECIES)
    frame = Frame(pd.DataFrame(IRIS, columns=list("abcd")))
    target, members, _ = fit(open_model(model), records(frame, SPECIES), records(frame, SPECIES))
    np.testing.assert_allclose(target(members.x[0:9]).exp(), model.predict_proba(IRIS[:9]))


def test_a_pipeline_takes_columns_of_words_and_labels_that_are_words() -> None:
    frame = pd.DataFrame({"town": ["Ulm", "Bonn", "Kiel", "Bonn"] * 20, "age": np.arange(80.0)})
    y = np.where(frame["age"] % 3 == 0, "yes", "no")
    columns = ColumnTransformer([("town", OneHotEncoder(), ["town"])], remainder=StandardScaler())
    model = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    target, members, others = fit(open_model(model), records(Frame(frame), y), records(Frame(frame), y))
    assert target.classes == ("no", "yes")
    assert members.labels.tolist() == [int(word == "yes") for word in y]
    np.testing.assert_allclose(target(others.x[0:9]).exp(), model.predict_proba(frame[:9]))


def test_a_decision_function_gives_logits() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    binary = RidgeClassifier().fit(x, y)
    target, members, _ = fit(open_model(binary), *halves(x, y))
    answer = target(members.x[0:9])
    assert answer.shape == (9, 2)
    np.testing.assert_allclose(answer[:, 1] - answer[:, 0], binary.decision_function(members.x[0:9].numpy()))
    several = RidgeClassifier().fit(IRIS, SPECIES)
    target, members, _ = fit(open_model(several), *halves(IRIS, SPECIES))
    np.testing.assert_allclose(target(members.x[0:9]), several.decision_function(members.x[0:9].numpy()))


@pytest.mark.parametrize("named", [[-1, 1], [1, 2], ["benign", "malign"], [False, True]])
def test_labels_are_mapped_by_the_classes_of_the_estimator(named: list[object]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model = KNeighborsClassifier().fit(x, np.array(named)[y])
    target, members, others = fit(open_model(model), *halves(x, np.array(named)[y]))
    assert members.labels.tolist() == y[::2].tolist()
    assert target(others.x[0:4]).isfinite().all()


def test_a_label_that_the_estimator_never_saw_names_the_record() -> None:
    model = LogisticRegression(max_iter=500).fit(IRIS, SPECIES + 1)
    members, others = halves(IRIS, SPECIES + 1)
    others.y[4] = 0
    with pytest.raises(InputError, match=r"label '0' of the record n4 .*: 1, 2, 3"):
        fit(open_model(model), members, others)


@pytest.mark.parametrize("model", [RandomForestRegressor(5, random_state=0), xgboost.XGBRegressor(n_estimators=3)])
def test_a_regressor_gives_quantities_though_labels_are_whole(model: object) -> None:
    x, y = load_diabetes(return_X_y=True)
    assert (y == y.round()).all()
    model.fit(x, y)
    target, members, _ = fit(open_model(model), *halves(x, y))
    assert members.labels.is_floating_point()
    assert target.classes is None
    np.testing.assert_allclose(target(members.x[0:9]), model.predict(members.x[0:9].numpy()), rtol=1e-6)


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(5, random_state=0), OneVsRestClassifier(LogisticRegression())]
)
def test_several_labels_are_log_odds(model: object) -> None:
    y = np.stack([SPECIES == 0, IRIS[:, 0] > 5.8, IRIS[:, 1] > 3], axis=1).astype(int)
    model.fit(IRIS, y)
    target, members, _ = fit(open_model(model), *halves(IRIS, y))
    answer = model.predict_proba(members.x[0:9].numpy())
    expected = np.stack([part[:, 1] for part in answer], axis=1) if isinstance(answer, list) else answer
    np.testing.assert_allclose(target(members.x[0:9]).sigmoid(), expected, atol=1e-9)
    assert members.labels.dtype == torch.bool
    assert target(members.x[0:50]).isfinite().all()


def test_a_classifier_that_gives_labels_only_is_refused() -> None:
    class LabelsOnly:
        classes_ = np.array([0, 1])

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.zeros(len(x))

    with pytest.raises(InputError, match="gives labels only"):
        open_model(LabelsOnly())


def test_records_of_another_width_are_refused_with_both() -> None:
    model = LogisticRegression(max_iter=500).fit(IRIS, SPECIES)
    with pytest.raises(InputError, match=r"shape \(32, 3\).*takes 4 features.*own words: ValueError"):
        fit(open_model(model), *halves(IRIS[:, :3], SPECIES))


def test_an_estimator_that_was_not_fitted_says_so() -> None:
    with pytest.raises(InputError, match="NotFittedError"):
        fit(open_model(LogisticRegression()), *halves(IRIS, SPECIES))


def test_a_skops_file_is_opened(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(IRIS, SPECIES)
    skops.io.dump(model, tmp_path / "m.skops")
    target, members, _ = fit(open_model(tmp_path / "m.skops"), *halves(IRIS, SPECIES))
    np.testing.assert_allclose(target(members.x[0:9]).exp(), model.predict_proba(IRIS[:18:2]))
    assert target.key


def test_a_skops_file_with_unknown_types_is_opened_only_where_they_are_trusted(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(IRIS, SPECIES)
    model.steps[0] = ("odd", Odd())
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.raises(InputError, match=r"vouched for: .*Odd.*trusted = \[") as refusal:
        open_model(tmp_path / "m.skops")
    name = str(refusal.value).split('trusted = ["')[1].split('"')[0]
    with pytest.raises(InputError, match="trusted"):
        open_model(tmp_path / "m.skops", trusted=["something.else"])
    target, members, _ = fit(open_model(tmp_path / "m.skops", trusted=[name]), *halves(IRIS, SPECIES))
    assert target(members.x[0:2]).shape == (2, 3)


class Odd(FunctionTransformer):
    pass


def test_a_skops_file_that_holds_no_estimator_is_refused(tmp_path: Path) -> None:
    skops.io.dump({"a": np.ones(2)}, tmp_path / "m.skops")
    with pytest.raises(InputError, match="must hold an estimator, found a dict"):
        open_model(tmp_path / "m.skops")


def test_any_callable_is_a_model() -> None:
    model = LogisticRegression(max_iter=500).fit(IRIS, SPECIES)
    weights = torch.from_numpy(model.coef_), torch.from_numpy(model.intercept_)
    for call in (
        lambda batch: model.predict_proba(np.asarray(batch)),
        lambda batch: torch.nn.functional.linear(batch, *weights),
        lambda batch: model.predict_proba(np.asarray(batch)).tolist(),
    ):
        target, members, _ = fit(open_model(call), *halves(IRIS, SPECIES))
        np.testing.assert_allclose(target(members.x[0:9]).softmax(1), model.predict_proba(IRIS[:18:2]), atol=1e-6)
        assert target.key == ""
        assert target(members.x[0:1]).shape == (1, 3)


def test_a_callable_that_gives_labels_only_is_refused() -> None:
    with pytest.raises(InputError, match="labels only"):
        fit(open_model(lambda batch: np.zeros(len(batch), dtype=int)), *halves(IRIS, (SPECIES > 0).astype(int)))
