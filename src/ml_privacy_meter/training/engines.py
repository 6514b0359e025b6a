"""Where reference models are trained: in this process, in several on this machine, or on a cluster by Ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import threadpoolctl
import torch
from jaxtyping import Bool

from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._extras import extra
from ml_privacy_meter.training.data import Data
from ml_privacy_meter.training.keep import Made
from ml_privacy_meter.training.ways import Progress, Way

ENGINES = ("here", "joblib", "ray")
_TRIES = 3  # of a task whose process died


@dataclass(frozen=True)
class Task:
    """Models that are trained together: what each is trained on, and its seed."""

    models: tuple[int, ...]
    inside: Bool[np.ndarray, "records models"]
    seeds: tuple[int, ...]


Finished = Iterator[tuple[Task, list[Made]]]


def check_engine(engine: str, workers: int | None) -> None:
    """Raises `InputError` unless there is such an engine, and it can have so many workers."""
    if not engine.startswith("ray://"):
        one_of(engine, ENGINES, "`engine`")
    if engine == "here" and workers not in (None, 1):
        raise InputError(f'One process has no workers, found `workers` = {workers}. Say `engine="joblib"`.')
    in_range(0, float("inf"), workers=1 if workers is None else workers)
    if engine.startswith("ray"):
        extra("ray", "ray", f'`engine="{engine}"`')


def workers_of(engine: str, workers: int | None) -> int:
    """How many processes train at the same time: by default one for each core."""
    return 1 if engine == "here" else workers or joblib.cpu_count()


def train_tasks(
    way: Way,
    data: Data,
    tasks: Sequence[Task],
    *,
    engine: str = "here",
    workers: int | None = None,
    device: str = "auto",
    progress: Progress = lambda share: None,
) -> Finished:
    """The models of each task, as they are finished; which engine trains them makes no difference to them.

    Args:
        engine: "here": one task after another in this process. "joblib": processes on this machine. "ray": a Ray that
            runs already, else one on this machine. "ray://address": a cluster.
        workers: of "joblib" and "ray", processes that train at the same time, each with its share of the cores; by
            default one for each core, as most models are too small for several.
        progress: is told which share of the task at hand is done, by "here" alone.

    Raises:
        InputError: training fails, or the process that trains a task dies three times.
    """
    check_engine(engine, workers)
    if workers_of(engine, workers) == 1 and not engine.startswith("ray"):
        return ((task, _train(way, data.x, data.y, task, device, progress)) for task in tasks)
    if engine == "joblib":
        return _by_joblib(way, data, tasks, workers_of(engine, workers), device)
    return _by_ray(way, data, tasks, engine, workers, device)


def _train(way: Way, x: Any, y: np.ndarray, task: Task, device: str, progress: Progress) -> list[Made]:
    return way.train(x, y, task.inside, task.seeds, device=device, progress=progress)


def _work(way: Way, x: Any, y: np.ndarray, task: Task, device: str, threads: int) -> list[Made]:
    """The models of a task, in a process of its own that takes so many cores."""
    torch.set_num_threads(threads)
    with threadpoolctl.threadpool_limits(threads):
        return _train(way, x, y, task, device, lambda share: None)


def _numbered(number: int, *args: Any) -> tuple[int, list[Made]]:
    return number, _work(*args)


def _by_joblib(way: Way, data: Data, tasks: Sequence[Task], workers: int, device: str) -> Finished:
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    threads = max(1, joblib.cpu_count() // workers)
    left = dict(enumerate(tasks))
    for attempt in range(_TRIES):
        calls = [
            joblib.delayed(_numbered)(number, way, data.x, data.y, task, device, threads)
            for number, task in left.items()
        ]
        try:
            with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=threads):
                for number, made in joblib.Parallel(return_as="generator_unordered")(calls):
                    yield left.pop(number), made
            return
        except BrokenProcessPool as error:
            if not isinstance(error, TerminatedWorkerError):
                raise _not_there(error.__cause__ or error) from error
            if attempt == _TRIES - 1:
                raise _died(error) from error


def _by_ray(way: Way, data: Data, tasks: Sequence[Task], engine: str, workers: int | None, device: str) -> Finished:
    ray = extra("ray", "ray", f'`engine="{engine}"`')
    running: dict[Any, Task] = {}
    begun = not ray.is_initialized()
    if begun:
        _start(ray, engine, workers)
    try:
        machines = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        most = workers or max(1, sum(machines))
        threads = max(1, min(sum(machines) // most, max(machines)))  # a task fits on one machine
        gpus = 1 if device != "cpu" and ray.cluster_resources().get("GPU") else 0
        work = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=_TRIES - 1)(_work)
        held = [ray.put(thing) for thing in (way, data.x, data.y)]
        waiting = list(reversed(tasks))
        while waiting or running:
            while waiting and len(running) < most:
                task = waiting.pop()
                running[work.remote(*held, task, device, threads)] = task
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            yield running.pop(ready), _got(ray, ready)
    finally:
        for left in running:  # after an error, the others need not go on
            ray.cancel(left)
        if begun:
            ray.shutdown()


def _start(ray: Any, engine: str, workers: int | None) -> None:
    local = {"address": "local", "num_cpus": workers or joblib.cpu_count(), "include_dashboard": False}
    try:
        ray.init(**(local if engine == "ray" else {"address": engine}), configure_logging=False, log_to_driver=False)
    except Exception as error:
        raise InputError(f'`engine="{engine}"` must name a Ray that can be reached: {error!s:.300}.') from error


def _got(ray: Any, ready: Any) -> list[Made]:
    try:
        made: list[Made] = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from error
        raise _not_there(error.cause) from error
    except ray.exceptions.RayError as error:
        raise _died(error) from error
    return made


def _not_there(error: BaseException) -> InputError:
    lines = [line for line in str(error).splitlines() if line.strip(' "')]  # a traceback's last line says what failed
    return InputError(
        "A worker must find the packages and modules that the training function hangs on, and failed: "
        f"{lines[-1][:300] if lines else type(error).__name__}. Install them there; give the function of a module of "
        "its own as `package.module:function`."
    )


def _died(error: Exception) -> InputError:
    return InputError(
        f"The process that trained a reference model died {_TRIES} times ({type(error).__name__}), as happens where "
        "memory runs out. Finished models are kept: run it again with fewer `workers`."
    )
