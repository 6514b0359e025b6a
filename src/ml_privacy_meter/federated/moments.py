"""The global models of a federated training, as modules."""

import copy

from torch import nn

from ml_privacy_meter.traces import Trace


def global_models(trace: Trace, model: nn.Module) -> tuple[nn.Module, ...]:
    """The global model at the start of each round that the trace shows, in order; last, the final one.

    Args:
        model: of this architecture; it is copied, and never changed.

    Raises:
        InputError: the training has not ended.
    """
    models = []
    for weights in (*(one.before for one in trace.rounds), trace.final):
        models.append(copy.deepcopy(model))
        models[-1].load_state_dict(weights())
    return tuple(models)
