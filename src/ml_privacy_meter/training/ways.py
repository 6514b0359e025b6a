"""Ways to train reference models: a user's function, an estimator, a recipe."""

import functools
import importlib
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import Opened, key
from ml_privacy_meter.training.defense import Defense
from ml_privacy_meter.training.fit import AT, fit_models, models_at_once
from ml_privacy_meter.training.keep import VOUCHED, Made, made_of, open_kept
from ml_privacy_meter.training.recipe import Recipe

Train = Callable[[Any, np.ndarray, int], Any]
Progress = Callable[[float], None]


@runtime_checkable
class Way(Protocol):
    """How models are trained, and opened again.

    Args:
        key: of the content of what trains; empty where that cannot be known, and then its models are not found again.
        says: in words, for the report.
    """

    @property
    def key(self) -> str: ...

    @property
    def says(self) -> str: ...

    def at_once(self, x: Any, device: str) -> int:
        """How many models are trained together."""
        ...

    def train(
        self,
        x: np.ndarray | pd.DataFrame,
        y: np.ndarray,
        inside: Bool[np.ndarray, "records models"],
        seeds: Sequence[int],
        *,
        device: str,
        progress: Progress,
    ) -> list[Made]:
        """The models of these columns, finished."""
        ...

    def open(self, file: Path, classes: tuple[str, ...] | None, epoch: int = 0) -> Opened:
        """A model that was kept; ``classes`` are the names of the target's columns in their order.

        Args:
            epoch: of its snapshots, the one after so many; 0: the finished model.
        """
        ...


@dataclass(frozen=True)
class Named:
    """``(x, y, seed) -> model`` by its name, so that it can be sent to a process that has yet to import it."""

    module: str
    name: str
    folder: str

    def __call__(self, x: Any, y: np.ndarray, seed: int, **settings: Any) -> Any:
        sys.path.insert(0, self.folder)
        try:
            found = importlib.import_module(self.module)
            return functools.reduce(getattr, self.name.split("."), found)(x, y, seed, **settings)  # type: ignore[operator]
        finally:
            sys.path.remove(self.folder)


@dataclass(frozen=True)
class OneByOne:
    """Models that a function trains, each by itself.

    Args:
        packages: those whose types its models may be built of.
    """

    function: Train
    key: str
    says: str
    packages: frozenset[str]

    def at_once(self, x: Any, device: str) -> int:
        return 1

    def train(
        self,
        x: np.ndarray | pd.DataFrame,
        y: np.ndarray,
        inside: Bool[np.ndarray, "records models"],
        seeds: Sequence[int],
        *,
        device: str,
        progress: Progress,
    ) -> list[Made]:
        made = []
        for model, seed in enumerate(seeds):
            rows = np.flatnonzero(inside[:, model])
            mine = x.iloc[rows].reset_index(drop=True) if isinstance(x, pd.DataFrame) else x[rows]
            some = mine[:16].copy()  # as it was before the function saw it
            try:
                with _seeded(seed):
                    trained = self.function(mine, y[rows], seed)
            except Exception as error:
                raise InputError(
                    f"{self.says} must train on {len(rows)} records with the seed {seed}, and failed: "
                    f"{type(error).__name__}: {error!s:.300}"
                ) from error
            made.append(made_of(trained, some, self.packages))
            progress((model + 1) / len(seeds))
        return made

    def open(self, file: Path, classes: tuple[str, ...] | None, epoch: int = 0) -> Opened:
        return open_kept(file, self.packages, classes)


@dataclass(frozen=True)
class ByRecipe:
    """Models of one architecture that a recipe trains together.

    Args:
        build: the module with initial weights, by seed.
        like: how the target is asked, in whose place each model is opened.
        dtype: what records are cast to.
        defense: one that trains.
        snapshots: epochs after which weights are kept, too.
    """

    recipe: Recipe
    build: Callable[[int], nn.Module]
    like: Opened
    dtype: torch.dtype
    key: str
    says: str
    defense: Defense | None = None
    snapshots: tuple[int, ...] = ()

    @property
    def _feed(self) -> Callable[[Tensor], Tensor]:
        return functools.partial(Tensor.to, dtype=self.dtype)

    def at_once(self, x: Any, device: str) -> int:
        module = self.build(0)
        if self.defense and self.defense.one_by_one(module):
            return 1
        return models_at_once(self.recipe, module, _tensor(x), device, feed=self._feed)

    def train(
        self,
        x: np.ndarray | pd.DataFrame,
        y: np.ndarray,
        inside: Bool[np.ndarray, "records models"],
        seeds: Sequence[int],
        *,
        device: str,
        progress: Progress,
    ) -> list[Made]:
        fit = (self.defense and self.defense.fit) or functools.partial(fit_models, snapshots=self.snapshots)
        states = fit(
            self.recipe,
            self.build,
            _tensor(x),
            _tensor(y),
            torch.from_numpy(np.array(inside)),
            list(seeds),
            feed=self._feed,
            device=device,
            progress=progress,
        )
        # cloned, since weights that are tied would be refused
        return [Made("safetensors", save({n: w.detach().cpu().clone() for n, w in state.items()})) for state in states]

    def open(self, file: Path, classes: tuple[str, ...] | None, epoch: int = 0) -> Opened:
        module, at = self.build(0), AT.format(epoch) if epoch else ""
        with safe_open(file, "pt") as held:
            module.load_state_dict({name: held.get_tensor(at + name) for name in module.state_dict()})
        content = key.digest(self.key or repr(module), key.of_files(file), *([at] if at else []))
        return replace(self.like, inner=module, key=content)


def kept_at(way: Way, snapshots: Sequence[int]) -> Way:
    """The way, with weights kept after these epochs, too."""
    if not snapshots:
        return way
    if not isinstance(way, ByRecipe) or way.defense:
        raise InputError(
            "`snapshots` are kept of models that a `Recipe` trains without a defense that changes the training. Train "
            "models of your own, and give them to `own_references` with their `snapshots`."
        )
    least, most = min(snapshots), max(snapshots)
    if least < 1 or most >= way.recipe.epochs or len({*snapshots}) < len(snapshots):
        raise InputError(
            f"`snapshots` must be different epochs, at least 1 and below the recipe's {way.recipe.epochs}, found "
            f"{[*snapshots]}."
        )
    said = f"kept after epochs {', '.join(map(str, sorted(snapshots)))}, too"
    content = key.digest(way.key, said) if way.key else ""
    return replace(way, snapshots=tuple(sorted(snapshots)), key=content, says=f"{way.says}, {said}")


def way_of_function(function: Train | str) -> OneByOne:
    """A user's ``(x, y, seed) -> model``, or its name as "package.module:function"."""
    if isinstance(function, str):
        from ml_privacy_meter.targets.open import named

        function = named(function, "train")
    inner, settings = function, {}
    if isinstance(function, functools.partial):
        inner, settings = function.func, dict(function.keywords)
    plain = all(isinstance(value, str | int | float | None) for value in settings.values())
    positional = isinstance(function, functools.partial) and function.args
    content = key.of_function(inner) if plain and not positional else ""
    module, name = getattr(inner, "__module__", None) or "", getattr(inner, "__qualname__", type(inner).__name__)
    if content:
        content = key.digest(content, repr(sorted(settings.items())))
    file = inspect.getsourcefile(inner) if inspect.isfunction(inner) else None
    if content and file and module != "__main__" and "<" not in name:
        folder = Path(file).resolve().parents[module.count(".") + Path(file).stem.count("__init__")]
        by_name = Named(module, name, str(folder))
        function = functools.partial(by_name, **settings) if settings else by_name
    return OneByOne(function, content, f"`{module}:{name}`", VOUCHED | {module.split(".")[0]})


def way_of_estimator(estimator: Any) -> OneByOne:
    """Copies of a scikit-learn estimator, fitted anew."""
    import joblib
    from sklearn.base import clone

    params = estimator.get_params(deep=True).values()
    kinds = {type(part) for part in (estimator, *params) if hasattr(part, "get_params")}
    sources = sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    files = sorted({Path(inspect.getfile(kind)) for kind in kinds})
    try:
        content = key.digest(joblib.hash(clone(estimator)), *sources, key.of_files(*files))
    except Exception:  # a function in it that cannot be written down: its content is not known
        content = ""
    packages = VOUCHED | {kind.__module__.split(".")[0] for kind in kinds}
    says = f"{type(estimator).__name__}, fitted anew"
    return OneByOne(functools.partial(_fitted, estimator), content, says, packages)


def _fitted(estimator: Any, x: Any, y: np.ndarray, seed: int) -> Any:
    from sklearn.base import clone

    mine = clone(estimator)
    places = [name for name in mine.get_params(deep=True) if name.split("__")[-1] == "random_state"]
    return mine.set_params(**dict.fromkeys(places, seed)).fit(x, y)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Within, random numbers that nobody seeded follow from the seed; after, they go on as they would have."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(array if array.flags.writeable else np.array(array))
