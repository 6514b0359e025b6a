"""A federated training: weights go out, clients train from them, what they changed comes back; all of it is kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.federated.local import Local, State, prepared
from ml_privacy_meter.federated.remedies import Remedy
from ml_privacy_meter.federated.told import told
from ml_privacy_meter.targets import key
from ml_privacy_meter.traces import Round, Trace, TraceWriter, Weights
from ml_privacy_meter.training import Defense, Recipe

Server = Callable[[int, str, State], Weights | None]
Participant = Callable[[int, State], Weights]

FEDAVG = Recipe(optimizer="sgd", lr=0.1, momentum=0.0, batch_size=32, schedule="constant", precision="fp32")
ALL = 1 << 30  # more records than any client holds


def fedsgd(*, lr: float = 0.1) -> Recipe:
    """The recipe of FedSGD: one step of gradient descent on all records of a client, if it trains for one epoch."""
    return replace(FEDAVG, lr=lr, batch_size=ALL)


def federate(
    model: nn.Module,
    clients: Mapping[str, Any],
    *,
    to: str | Path,
    rounds: int,
    recipe: Recipe = FEDAVG,
    local_epochs: int = 1,
    participation: float = 1.0,
    seed: int = 0,
    remedies: Sequence[Any] = (),
    server: Server | None = None,
    participants: Mapping[str, Participant] | None = None,
    device: str = "auto",
) -> Trace:
    """The trace of a federated training, as the aggregator sees it; the same arguments give the same trace.

    In each round the clients that take part train from the global weights, which then change by the average of what
    they changed, buffers too, each weighed by its records. Each round is on disk before the next begins: the same call
    goes on where it was killed, and reads what is finished.

    Source: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data, AISTATS 2017.
    Departure: each client takes part by a coin of its own, as accounting asks for; so a round may be empty.

    Args:
        model: is copied, and never changed; its own weights are the first global ones.
        clients: by name: (x, y), records, a path or a Dataset, as `as_records` takes them.
        to: the folder that the trace is written into.
        recipe: of each client's training in a round, but for its epochs and architecture; optimizers start anew in each
            round, and a schedule of the learning rate runs over the rounds. `fedsgd` gives that of FedSGD.
        local_epochs: how often a client goes over its records in a round.
        participation: the probability that a client takes part in a round.
        remedies: of this room, in their order, and at most one `Defense` with which each honest client trains.
        server: an active server: (number of the round, client, global weights) -> the weights that this client is sent
            in their place, or None. Who goes on with a killed training gives the same one; so for ``participants``.
        participants: by client: (number of the round, the weights it was sent) -> those that it sends back.

    Raises:
        InputError: the folder holds another training, training diverges, or something given cannot be used.
    """
    whole(1, rounds=rounds, local_epochs=local_epochs)
    whole(0, seed=seed)
    if not 0 < participation <= 1:
        raise InputError(f"`participation` must be above 0 and at most 1, found {participation!r}.")
    given, defense = _sorted(remedies)
    local = prepared(model, clients, replace(recipe, epochs=local_epochs), defense, device)
    strange = sorted((participants or {}).keys() - local.counts.keys())
    if strange:
        raise InputError(f"Who is malicious must be one of `clients`, found `{strange[0]}`. Give it records, too.")
    plan = _Plan(local, given, rounds, participation, seed, server, participants or {})
    _precise(local, given)
    known = {"batch_size": recipe.batch_size, "rounds": rounds, "participation": participation}
    says = told(local, given, defense, **known)  # type: ignore[arg-type]
    says |= {"active_server": server is not None, "malicious": sorted(plan.participants)}
    writer = TraceWriter(to, says | {"key": _key(local, defense, says, seed, Path(to))}, goes_on=True)
    held = Trace.open(to, some=False)
    if held.finished:
        if server is not None or participants:  # functions, which no key can tell apart
            raise InputError(f"An active training is run once, found {to} finished. Name another folder.")
        return held
    weights = _following(plan, held.rounds[-1]) if held.rounds else local.state()
    shape = "{l_bar}{bar}| {n:.1f}/{total} rounds [{elapsed}<{remaining}]"
    with tqdm(
        total=rounds, initial=writer.rounds, desc="Federated training", bar_format=shape, leave=False, disable=None
    ) as bar:
        for number in range(writer.rounds, rounds):
            updates, sent = _round(plan, number, weights, lambda share: _moved(bar, writer.rounds + share))
            writer.add(weights, updates, counts=plan.counts(updates), sent=sent)
            weights = _changed(plan, number, weights, updates)
            _moved(bar, writer.rounds)
    return writer.finish(weights)


@dataclass(frozen=True)
class _Plan:
    """What all rounds have in common."""

    local: Local
    remedies: Sequence[Remedy]
    rounds: int
    participation: float
    seed: int
    server: Server | None
    participants: Mapping[str, Participant]

    @property
    def server_remedy(self) -> Remedy | None:
        return next((one for one in self.remedies if one.server), None)

    def counts(self, names: Iterable[str]) -> dict[str, int]:
        """By which updates are averaged; where noise is a guarantee, all count alike: a count would go out unnoised."""
        alike = any(remedy.noisy or remedy.server for remedy in self.remedies)
        return {name: 1 if alike else self.local.counts[name] for name in names}

    def seed_of(self, *what: object) -> int:
        return int(key.digest(str(self.seed), *map(str, what))[:15], 16)

    def generator(self, *what: object) -> Generator:
        return Generator().manual_seed(self.seed_of(*what))

    def taking_part(self, number: int) -> list[str]:
        """Each client by a coin of its own."""
        coins = {name: torch.rand((), generator=self.generator(number, name, "part")) for name in self.local.counts}
        return [name for name, coin in coins.items() if float(coin) < self.participation]


def _round(
    plan: _Plan, number: int, before: State, progress: Callable[[float], None]
) -> tuple[dict[str, State], dict[str, State]]:
    """What each client sends back, and what those were sent who were not sent the global weights."""
    names = plan.taking_part(number)
    apart = {name: _own(plan, number, name, before) for name in names} if plan.server else {}
    sent = {name: weights for name, weights in apart.items() if weights is not None}
    honest = {name: sent.get(name, before) for name in names if name not in plan.participants}
    seeds = [plan.seed_of(number, name, "train") for name in honest]
    after = plan.local.train(honest, seeds, number / plan.rounds, progress)
    updates = {}
    for name in names:
        begun = sent.get(name, before)
        if name in honest:
            updates[name] = _helped(plan, number, name, _less(after[name], begun))
        else:
            back = plan.participants[name](number, _copied(begun))
            updates[name] = _less(_checked(back, before, f"Participant `{name}`"), begun)
    return updates, sent


def _own(plan: _Plan, number: int, name: str, before: State) -> State | None:
    """What an active server sends this client, where it is not the global weights."""
    assert plan.server is not None
    given = plan.server(number, name, _copied(before))
    if given is None:
        return None
    found = _checked(given, before, "The server")
    return None if all(torch.equal(found[n], before[n]) for n in before) else found


def _helped(plan: _Plan, number: int, name: str, update: State) -> State:
    """The update after what honest clients do to it before they send it."""
    trained = {n: value for n, value in update.items() if n in plan.local.trained}
    noisy = next((remedy for remedy in plan.remedies if remedy.noisy), None)
    moved = [n for n, value in update.items() if n not in trained and value.any()]
    if noisy and moved:
        raise InputError(
            f"{noisy} adds no noise to buffers, and `{moved[0]}` follows from the records of client {name}. Use a "
            "model without such buffers, for example with group in place of batch normalisation."
        )
    for place, remedy in enumerate(plan.remedies):
        if remedy.client:
            trained = remedy.client(trained, plan.generator(number, name, "remedy", place))
    return update | {n: value.to(update[n]) for n, value in trained.items()}


def _changed(plan: _Plan, number: int, before: State, updates: Mapping[str, Weights]) -> State:
    """The global weights after a round."""
    counts, change = plan.counts(updates), dict[str, Tensor]()
    total = sum(counts.values())
    for name, update in updates.items():
        for n, value in update.items():
            part = value.double() * (counts[name] / total)
            change[n] = change[n] + part if n in change else part
    remedy, like = plan.server_remedy, {n: before[n] for n in before if n in plan.local.trained}
    if remedy and remedy.server:
        seen = [{n: update[n] for n in like} for update in updates.values()]
        expected = plan.participation * len(plan.local.counts)
        change |= remedy.server(seen, expected, like, plan.generator(number, "server"))
    after = {n: value + change[n] if n in change else value for n, value in before.items()}
    return plan.local.state({n: v if before[n].is_floating_point() else v.round() for n, v in after.items()})


def _following(plan: _Plan, last: Round) -> State:
    """The global weights after a round that is on disk, computed in the order that they would have been."""
    names = plan.local.state()
    before, updates = last.before(), {name: last.update(name) for name in last.clients}
    kept = {name: {n: update[n] for n in names} for name, update in updates.items()}
    return _changed(plan, last.number, {n: before[n] for n in names}, kept)


def _less(after: Weights, before: Weights) -> State:
    return {
        n: after[n] - before[n] if before[n].dtype != torch.bool else after[n].int() - before[n].int() for n in before
    }


def _copied(weights: Weights) -> State:
    return {name: value.clone() for name, value in weights.items()}


def _checked(given: Weights, like: State, who: str) -> State:
    """The weights that somebody's function returned, of the types of the others."""
    shapes = [{name: tuple(value.shape) for name, value in weights.items()} for weights in (given, like)]
    if shapes[0] != shapes[1]:
        wrong = sorted(
            name for name in shapes[0].keys() | shapes[1].keys() if shapes[0].get(name) != shapes[1].get(name)
        )
        raise InputError(
            f"{who} must return weights of the names and shapes that it was given, found others at `{wrong[0]}`."
        )
    if not all(value.isfinite().all() for value in given.values()):
        raise InputError(f"{who} must return finite weights, found some that are not.")
    return {name: given[name].detach().cpu().to(value.dtype).clone() for name, value in like.items()}


def _sorted(remedies: Sequence[Any]) -> tuple[list[Remedy], Defense | None]:
    given = [one for one in remedies if isinstance(one, Remedy)]
    defenses = [one for one in remedies if isinstance(one, Defense)]
    if len(given) + len(defenses) < len(remedies):
        strange = next(one for one in remedies if not isinstance(one, Remedy | Defense))
        raise InputError(
            f"`remedies` are those of `federated` and a `Defense`, found {strange!r:.80}. Call it, if it is a function."
        )
    if len(defenses) > 1 or sum(one.server is not None for one in given) > 1:
        raise InputError(
            f"At most one remedy may be a `Defense`, and one the server's, found {', '.join(map(str, remedies))}."
        )
    if defenses and not defenses[0].trains:
        raise InputError(f"A `Defense` of clients must change how they train, found {defenses[0]}. Leave it out.")
    return given, defenses[0] if defenses else None


def _precise(local: Local, remedies: Sequence[Remedy]) -> None:
    state, noisy = local.state(), next((remedy for remedy in remedies if remedy.noisy), None)
    half = [n for n in sorted(local.trained) if state[n].dtype in (torch.float16, torch.bfloat16)]
    if noisy and half:
        raise InputError(
            f"{noisy} needs weights of float32 or float64, found `{half[0]}` of {state[half[0]].dtype}: rounding would "
            "undo its clip and its noise. Give `model.float()`."
        )


def _key(local: Local, defense: Defense | None, says: Mapping[str, object], seed: int, to: Path) -> str:
    """Of this training; of one that none can be made of, empty, and then the folder must be so too."""
    own = (local.key, *([defense.key] if defense else []))
    if all(own):
        return key.digest(*own, repr(says), str(seed))
    if to.exists() and any(to.iterdir()):
        which = f"a {type(local.module).__name__}" if not local.key else str(defense)
        raise InputError(
            "A training goes on, or is read, only where all that it is made of can be compared, and a setting or the "
            f"code of {which} cannot: {to} may hold another training. Choose an empty folder."
        )
    return ""


def _moved(bar: tqdm, rounds: float) -> None:
    bar.update(rounds - bar.n)
