"""Records whose gradient is the one that was seen, found by descent."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstruction.labels import arranged, inferred_labels, label_guesses
from ml_privacy_meter.reconstruction.likeness import total_variation
from ml_privacy_meter.reconstruction.view import View, client

Distance = Callable[[Float[Tensor, "count ..."]], Tensor]
Gradient = dict[str, Tensor]

EXPLAINED = 1e-12  # a squared distance, as a share: what rounding in float32 leaves
AT_ONCE = 50  # iterations, after which it is looked whether to go on


def dlg(view: View, *, starts: int = 8, finalists: int = 2, iterations: int = 1000) -> Tensor:
    """The records whose gradient lies nearest by squared distance, as L-BFGS finds them.

    It asks for a model without kinks (sigmoid, tanh, softplus, GELU): behind a ReLU the curvature that it follows
    says little. Labels are inferred unless the view holds them; half of the starts try the next best guesses. Several
    local steps are gone through as the client does, the same batches time and again; where these hold fewer records
    than there are, each start puts other labels into them, see `arranged`. Which start is taken hangs on the gradient
    alone.

    Sees: the model, its gradient or update, the number of records, public images for the labels' counts.

    Source: Zhu, Liu and Han, Deep Leakage from Gradients, NeurIPS 2019; here in float64, with labels held fixed as in
    Zhao et al., iDLG, 2020, a strong Wolfe line search, and the distance of each parameter's gradient as a share of its
    squared length, so that no layer drowns another.

    Args:
        starts: how often it begins, from noise.
        finalists: how many of them go on after an eighth of the iterations: those that explain the gradient best.
        iterations: of L-BFGS for a finalist.
    """
    whole(1, starts=starts, finalists=finalists, iterations=iterations)
    guesses = label_guesses(view)
    draw = torch.Generator().manual_seed(view.seed)
    picked = [guesses[(start + 1) // 2 % len(guesses) if start % 2 else 0] for start in range(starts)]
    match, tried = _distance(view, squared), []
    with tqdm(total=starts + finalists, desc="Matching gradients", delay=2, leave=False, disable=None) as bar:
        for labels in arranged(view, picked, draw):
            distance = partial(match, labels=labels)
            tried.append((*_lbfgs(distance, _noise(view, draw), max(1, iterations // 8)), distance))
            bar.update()
            if tried[-1][1] < EXPLAINED:
                break
        tried.sort(key=lambda one: one[1])
        best, least = tried[0][:2]
        for x, left, distance in tried[:finalists]:
            if least > 100 * EXPLAINED:
                x, left = _lbfgs(distance, x, iterations)
            if left < least:
                best, least = x, left
            bar.update()
    return best


def cosine(
    view: View, *, restarts: int = 2, iterations: int = 600, step: float = 0.1, variation: float = 1e-3
) -> Tensor:
    """The records whose gradient points where the one that was seen does, and which are smooth.

    Labels, local steps and starts as with `dlg`, but that all starts take the best guess of labels; they go on at once.

    Sees: the model, its gradient or update, the number of records, public images for the labels' counts.

    Source: Geiping et al., Inverting Gradients: How Easy Is It to Break Privacy in Federated Learning?, NeurIPS 2020:
    one minus the cosine plus total variation, Adam on the sign of the gradient, its step cut to a tenth after 3/8, 5/8
    and 7/8 of the iterations, values kept in their span.

    Args:
        restarts: how many starts, from noise.
        iterations: of each.
        step: of Adam, as a share of the span.
        variation: how much total variation counts.
    """
    whole(1, restarts=restarts, iterations=iterations)
    match = _distance(view, angle)
    low, high = view.span
    draw = torch.Generator().manual_seed(view.seed)
    labels = torch.stack(arranged(view, [inferred_labels(view)] * restarts, draw))
    starts = torch.stack([_noise(view, draw) for _ in range(restarts)]).requires_grad_()
    slope = torch.func.vmap(torch.func.grad(lambda x, y: match(x, y) + variation * total_variation(x) / (high - low)))
    optimizer = torch.optim.Adam([starts], lr=step * (high - low))
    plan = torch.optim.lr_scheduler.MultiStepLR(optimizer, [iterations * part // 8 for part in (3, 5, 7)], gamma=0.1)
    for _ in tqdm(range(iterations), desc="Turning gradients", delay=2, leave=False, disable=None):
        starts.grad = slope(starts.detach(), labels).sign()
        optimizer.step()
        plan.step()
        with torch.no_grad():
            starts.clamp_(low, high)
    with torch.no_grad():
        left = torch.stack([match(x, y) for x, y in zip(starts, labels, strict=True)])
    return starts.detach()[int(left.argmin())]


def squared(found: Gradient, seen: Gradient) -> Tensor:
    """The squared distance of two gradients, of each parameter as a share of its own length: 0 or more."""
    parts = [((found[name] - part) ** 2).sum() / (part**2).sum().clamp(min=1e-300) for name, part in seen.items()]
    return torch.stack(parts).mean()


def angle(found: Gradient, seen: Gradient) -> Tensor:
    """One minus the cosine of the angle between two gradients, in [0, 2]."""
    one, other = (torch.cat([of[name].flatten() for name in seen]) for of in (found, seen))
    return 1 - torch.nn.functional.cosine_similarity(one, other, dim=0)


def _distance(view: View, of: Callable[[Gradient, Gradient], Tensor]) -> Callable[..., Tensor]:
    """How far the gradient of candidate records with these labels lies from the one that was seen."""
    module, seen = view.module().requires_grad_(False), view.gradients()
    weights = {name: module.get_parameter(name) for name in view.names}
    steps, size = view.local_steps, view.batch_size

    def distance(x: Tensor, labels: Tensor) -> Tensor:
        labels = labels.to(x.device)
        return of(client(module, weights, x, labels, lr=view.lr or 0.0, steps=steps, batch_size=size), seen)

    return distance


def _noise(view: View, draw: torch.Generator) -> Tensor:
    low, high = view.span
    noise = torch.rand(view.count, *view.shape, generator=draw, dtype=torch.float64)
    return (low + (high - low) * noise).to(next(iter(view.change.values())).device)


def _lbfgs(distance: Distance, x: Tensor, iterations: int) -> tuple[Tensor, float]:
    """Where L-BFGS ends, and how far the gradient there still lies from the one that was seen.

    It ends early where the gradient is explained, or comes no nearer.
    """
    x = x.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=min(AT_ONCE, iterations),
        history_size=100,
        tolerance_grad=1e-14,
        tolerance_change=1e-18,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = distance(x)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    left = float("inf")
    for _ in range(-(-iterations // AT_ONCE)):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            before, left = left, float(distance(x.detach()))
        if not EXPLAINED < left < 0.99 * before:  # nor where it is not a number
            break
    return x.detach(), left if left == left else float("inf")
