"""How dense synthetic records lie where a record lies."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.synthetic.table import Table, embedding
from ml_privacy_meter.synthetic.view import View

Points = Float[np.ndarray, "records dimensions"]
Density = Callable[[Points], Callable[[Points], Float[np.ndarray, " records"]]]  # points -> log-density anywhere

MOST = 20_000  # points that a density is learned from
BLOCK = 2**22  # pairs of points that are looked at together


def kde(points: Points) -> Callable[[Points], Float[np.ndarray, " records"]]:
    """Log-density by a normal kernel around each point, in units where all spread alike; of Scott's width."""
    width = len(points) ** (-1 / (points.shape[1] + 4))
    scaled = points / width
    length, constant = (scaled**2).sum(1), points.shape[1] * np.log(width * np.sqrt(2 * np.pi)) + np.log(len(points))
    step = max(1, BLOCK // len(points))

    def density(asked: Points) -> Float[np.ndarray, " records"]:
        found = np.empty(len(asked))
        for start in range(0, len(asked), step):
            part = asked[start : start + step] / width
            away = np.maximum((part**2).sum(1)[:, None] + length - 2 * part @ scaled.T, 0)
            nearest = away.min(1)
            away -= nearest[:, None]
            found[start : start + step] = np.log(np.exp(away / -2, out=away).sum(1)) - nearest / 2 - constant
        return found

    return density


def gmm(points: Points, *, components: int = 20, seed: int = 0) -> Callable[[Points], Float[np.ndarray, " records"]]:
    """Log-density by a mixture of normal distributions."""
    from sklearn.mixture import GaussianMixture

    whole(1, components=components)
    fitted = GaussianMixture(min(components, max(1, len(points) // 20)), reg_covar=1e-3, random_state=seed).fit(points)
    return lambda asked: np.asarray(fitted.score_samples(asked))


def domias(view: View, *, estimate: Density = kde, dimensions: int = 10, seed: int = 0) -> Float[Tensor, " records"]:
    """Log of how much denser synthetic records lie around the record than real ones of its source do.

    Finds where a generator over-fits: a place that it fills more than the source does.

    Sees: the whole records asked about, the synthetic records, and real ones of the same source that did not train the
    generator.

    Source: van Breugel et al., Membership Inference Attacks against Synthetic Data through Overfitting Detection,
    AISTATS 2023 (DOMIAS). Departure: tables of words are brought to principal components first.

    Args:
        estimate: of a density, from points: `kde`, `gmm`, or one of your own.
        dimensions: principal components that are looked at; a kernel density is of little use beyond 10.
    """
    asked, synthetic, reference = _points(view, (view.synthetic, view.reference), dimensions, seed)
    return torch.from_numpy(estimate(synthetic)(asked) - estimate(reference)(asked))


def density(view: View, *, estimate: Density = kde, dimensions: int = 10, seed: int = 0) -> Float[Tensor, " records"]:
    """Log of how dense synthetic records lie around the record: what is common anywhere scores high, too.

    The weak baseline of `domias`, which asks how common a record is in its source.

    Sees: the whole records asked about, and the synthetic records.

    Source: Hilprecht et al., Monte Carlo and Reconstruction Membership Inference Attacks against Generative Models,
    PETS 2019, with a kernel density for their count of near records. Departure: on principal components, as `domias`.

    Args:
        estimate: of a density, from points: `kde`, `gmm`, or one of your own.
        dimensions: principal components that are looked at; a kernel density is of little use beyond 10.
    """
    asked, synthetic = _points(view, (view.synthetic,), dimensions, seed)
    return torch.from_numpy(estimate(synthetic)(asked))


def _points(view: View, learned: Sequence[Table], dimensions: int, seed: int) -> list[Float[np.ndarray, "_ axes"]]:
    """Records asked about and those of each table by the principal components of the tables, each of unit variance."""
    from sklearn.decomposition import PCA

    whole(1, dimensions=dimensions)
    rng = np.random.default_rng(seed)
    some = [one if len(one) <= MOST else one.take(rng.choice(len(one), MOST, replace=False)) for one in learned]
    embed = embedding(*some)
    asked, *points = (embed(table).astype(np.float64) for table in (view.asked, *some))
    together = np.concatenate(points)
    with np.errstate(invalid="ignore"):  # all records are the same
        axes = PCA(min(dimensions, *together.shape), svd_solver="full").fit(together)
    spread = np.sqrt(axes.explained_variance_)
    kept = spread > 1e-6 * max(float(spread[0]), 1e-6)
    if not kept.any():
        kept[0], spread[0] = True, 1.0
    return [axes.transform(of)[:, kept] / spread[kept] for of in (asked, *points)]
