"""The plan by which reference models are trained, and its carrying out: what is on disk is not trained again."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from torch import Tensor
from tqdm import tqdm

from ml_privacy_meter.targets import key
from ml_privacy_meter.training.data import Data
from ml_privacy_meter.training.engines import Task, train_tasks, workers_of
from ml_privacy_meter.training.split import seed_of
from ml_privacy_meter.training.store import ModelStore
from ml_privacy_meter.training.ways import Progress, Way

_FORM = "1"  # of what is kept: files of another form are not found


@dataclass(frozen=True)
class Job:
    """All that the models follow from, and where they are trained and kept.

    Args:
        inside: of all records that are trained on.
        named: what the progress bar calls it.
    """

    way: Way
    data: Data
    inside: Bool[Tensor, "records models"]
    seed: int
    store: ModelStore
    engine: str
    workers: int | None
    device: str
    named: str = "References"

    @property
    def key(self) -> str:
        """Of what all models have in common, however many there are."""
        return key.digest(_FORM, self.way.key, self.data.key, str(self.seed))

    def keys(self) -> list[str]:
        """Of each model: what trains it, on which records, with which seed."""
        columns = [np.packbits(column).tobytes() for column in self.inside.numpy().T]
        return [key.digest(self.key, column, str(model)) for model, column in enumerate(columns)]

    def found(self) -> dict[int, Path]:
        """The models that are on disk."""
        files = {model: self.store.find(name) for model, name in enumerate(self.keys())}
        return {model: file for model, file in files.items() if file is not None}

    def tasks(self, done: set[int]) -> list[Task]:
        """The models that are to be trained, in groups that are trained together."""
        sizes = self.inside.sum(0).tolist()
        left = [model for model in range(len(sizes)) if model not in done]
        if not left:
            return []
        size = self.way.at_once(self.data.x, self.device)
        size = max(1, min(size, -(-len(left) // workers_of(self.engine, self.workers))))
        if size > 1:  # models with equally many records are best trained together
            left.sort(key=lambda model: sizes[model])
        groups = [left[start : start + size] for start in range(0, len(left), size)]
        return [
            Task(tuple(group), self.inside.numpy()[:, group], tuple(seed_of(self.seed, model) for model in group))
            for group in groups
        ]


@dataclass(frozen=True)
class Plan:
    """What would be trained.

    Args:
        count: models in all.
        done: models that are on disk already.
        tasks: groups in which the others are trained.
        workers: groups that are trained at the same time.
        sizes: the fewest and the most records that a model is trained on.
        says: how they are trained.
    """

    count: int
    done: int
    tasks: int
    workers: int
    sizes: tuple[int, int]
    says: str
    job: Job = field(repr=False)

    def estimate(self) -> float:
        """About how many seconds the whole takes; the first group is trained to tell, and kept."""
        started = time.perf_counter()
        carry_out(self.job, groups=1)
        return (time.perf_counter() - started) * -(-self.tasks // self.workers) if self.tasks else 0.0


def plan_of(job: Job) -> Plan:
    """The plan of a job, with what is on disk at this moment."""
    done = job.found()
    sizes = job.inside.sum(0)
    return Plan(
        count=len(sizes),
        done=len(done),
        tasks=len(job.tasks(set(done))),
        workers=workers_of(job.engine, job.workers),
        sizes=(int(sizes.min()), int(sizes.max())),
        says=job.way.says,
        job=job,
    )


def carry_out(job: Job, *, groups: int | None = None) -> list[Path]:
    """The files of all models, in order; those that are not on disk are trained first.

    Args:
        groups: no more than so many groups are trained.
    """
    with job.store.locked(job.key):
        files, names = job.found(), job.keys()
        tasks = job.tasks(set(files))[:groups]
        with _bar(job, len(files)) as bar:
            for task, made in train_tasks(
                job.way,
                job.data,
                tasks,
                engine=job.engine,
                workers=job.workers,
                device=job.device,
                progress=_watch(bar, files, tasks),
            ):
                for model, one in zip(task.models, made, strict=True):
                    files[model] = job.store.keep(names[model], one)
                whole = -(-len(tasks) // workers_of(job.engine, job.workers)) * bar.format_dict["elapsed"]
                if task is tasks[0]:
                    bar.set_postfix_str(f"about {bar.format_interval(whole)} in all", refresh=False)
                _moved(bar, len(files))
    return [files[model] for model in sorted(files)]


def _bar(job: Job, done: int) -> tqdm:
    count = job.inside.shape[1]
    return tqdm(total=count, initial=done, desc=job.named, unit="model", leave=False, disable=None)


def _watch(bar: tqdm, files: dict[int, Path], tasks: list[Task]) -> Progress:
    """Shows the share of the group at hand."""
    return lambda share: _moved(bar, len(files) + int(share * len(tasks[0].models)))


def _moved(bar: tqdm, models: int) -> None:
    bar.update(min(models, bar.total) - bar.n)
