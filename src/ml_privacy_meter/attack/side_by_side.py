"""Several attacks of the original interface side by side."""

from pathlib import Path

import numpy as np

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.attack.meminf import MemInf, trained
from ml_privacy_meter.attack.results import finish, in_new_folder
from ml_privacy_meter.attack.testing import tested
from ml_privacy_meter.report import Report


def compare_models(
    *attacks: MemInf, folder: str | Path = "logs", tensorboard: bool | None = None
) -> tuple[Report, Path]:
    """One report of several trained attacks, on records that none has learned from; and the new folder it lies in.

    Args:
        attacks: of different names, tested on one model with one handler of its data.
        folder: in it, a new folder ``comparison`` holds the report and the plots.
        tensorboard: whether all is written for TensorBoard too; None: where that is installed.

    Raises:
        InputError: the attacks cannot be compared.
    """
    if len({attack.name for attack in attacks}) < max(2, len(attacks)):
        raise InputError(
            f"A comparison needs two attacks or more with names of their own, found "
            f"{', '.join(attack.name for attack in attacks) or 'none'}. Give each its own `model_name`."
        )
    first = attacks[0]
    for attack in attacks[1:]:
        same = attack.judges.data is first.judges.data and attack.judges.opened.key == first.judges.opened.key
        if not same:
            raise InputError(
                f"Attacks that are compared must be tested on one model and one set of records: `{attack.name}` has "
                f"others than `{first.name}`. Give both the same target_attack_model and attack_datahandler."
            )
    from ml_privacy_meter.attack.plots import of_several  # the charts' library takes a second to import

    names = [attack.name for attack in attacks]
    learned = np.concatenate([trained(attack).keys for attack in attacks])
    settings = {key: first.fitting[key] for key in ("seed", "device")}
    sides = first.judges.sides(test=True)
    report = tested(first.judges.opened, sides, [attack.of_view() for attack in attacks], learned, **settings)
    pictures = of_several(report, names)
    return report, in_new_folder(
        Path(folder), "comparison", lambda place: finish(place, report, pictures, tensorboard=tensorboard)
    )
