"""Which attack to believe, found out where it costs nothing: on reference models in the place of the target."""

from collections.abc import Mapping, Sequence

import numpy as np

from ml_privacy_meter.risk.records import Measure
from ml_privacy_meter.types import Scores


def strongest(rehearsed: Mapping[str, Sequence[Scores]], measures: Sequence[Measure]) -> dict[str, str]:
    """For each figure, the attack with its highest mean over the rehearsals that all attacks played: the first ones.

    Figures of the target that are read off the attacks chosen here are not too high for having been the highest of
    many: the target had no part in the choice. Nothing is chosen for the error, or for what no rehearsal can resolve.

    Args:
        rehearsed: by the attacks' names, their scores in rehearsals; an attack without any is no candidate.
    """
    played = {attack: scores for attack, scores in rehearsed.items() if scores}
    shared = min(map(len, played.values()), default=0)
    means: dict[str, dict[str, float]] = {}
    for attack, scores in played.items():
        for measure in measures:
            risks = [measure(one) for one in scores[:shared]]
            values = [risk.value for risk in risks if risk.value is not None]
            if values and risks[0].name != "error":
                means.setdefault(risks[0].name, {})[attack] = float(np.mean(values))
    return {figure: max(of, key=lambda attack: of[attack]) for figure, of in means.items()}
