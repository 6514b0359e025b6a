"""The sections of a run file that play games beside membership, and which games are played."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ml_privacy_meter import records
from ml_privacy_meter._checks import InputError, one_of, why
from ml_privacy_meter.cli.kinds import settings_of
from ml_privacy_meter.games import Game, failed
from ml_privacy_meter.inferring.alone import report_games
from ml_privacy_meter.report import Report
from ml_privacy_meter.types import Records

MEMBERSHIP = "membership"
KEYWORD = Parameter.KEYWORD_ONLY
PLAYS = {  # by section: where its game is played
    "attribute": "attributes:infer_attributes",
    "property": "properties:infer_properties",
    "reconstruction": "records:reconstruct_records",
    "inversion": "classes:reconstruct_classes",
    "extraction": "copies:extract_model",
    "memorization": "memories:memorized",
    "encoding": "encoded:find_encoded",
    "synthetic": "synthetic:audit_synthetic",
}
ELSEWHERE = ("references", "confidence", "seed", "device")  # what other sections of a run file say
KINDS = {"games": Sequence[str]}  # of settings outside sections
DATA = ("auxiliary", "pool", "public", "reference")  # settings that are paths of records


def play_of(section: str) -> Callable[..., Any]:
    """What plays the game of a section."""
    module, name = PLAYS[section].split(":")
    found: Callable[..., Any] = getattr(import_module(f"ml_privacy_meter.inferring.{module}"), name)
    return found


def allowed(section: str) -> dict[str, Any]:
    """What may be set in the section of a game, and of what kind each is."""
    found = {name: kind for name, kind in settings_of(play_of(section)).items() if name not in ELSEWHERE}
    found |= dict.fromkeys(found.keys() & {*DATA}, str)
    return found | ({"path": str} if section == "synthetic" else {})


def asked(settings: Mapping[str, Any]) -> list[str]:
    """The games that are played: those that `games` names, or membership and each that has a section."""
    named = settings.get("games")
    return [MEMBERSHIP, *(name for name in PLAYS if name in settings)] if named is None else list(named)


def check_games(settings: Mapping[str, Any]) -> None:
    """Raises `InputError` where games are named that there are not, or that lack what they need."""
    if "games" in settings:
        for name in settings["games"]:
            one_of(name, [MEMBERSHIP, *PLAYS], "game")
        if not settings["games"] or len({*settings["games"]}) < len(settings["games"]):
            raise InputError(f"`games` must name one game or more, each once, found {settings['games']}.")
    for name in asked(settings):
        of_play = settings_of(play_of(name)) if name in PLAYS else {}
        if "references" in of_play and "references" not in settings:
            raise InputError(f"[{name}] needs reference models: say in [references] how they are trained.")
        for missing in sorted(_needed(name) - settings.get(name, {}).keys()) if name in PLAYS else ():
            raise InputError(f"[{name}] must say `{missing}`: see docs/games.md.")
        if name == "synthetic" and "path" not in settings.get(name, {}):
            raise InputError("[synthetic] must say `path`: the file with the synthetic records.")


def _needed(section: str) -> set[str]:
    """The settings of a game that have no default."""
    found = {name: one.default for name, one in signature(play_of(section)).parameters.items() if one.kind is KEYWORD}
    return {name for name, default in found.items() if default is Parameter.empty and name not in ELSEWHERE}


def check_files(settings: Mapping[str, Any], base: Path) -> None:
    """Raises `InputError` where the records of a game do not lie where its section says."""
    for name in asked(settings):
        for key, path in settings.get(name, {}).items():
            if key in (*DATA, "path") and not (base / Path(path).expanduser()).exists():
                raise InputError(f"`{key}` in [{name}] must be a file or folder, `{path}` does not exist.")


def played(settings: Mapping[str, Any], base: Path, case: tuple[Any, Any, Any], **shared: Any) -> tuple[Game, ...]:
    """The games that the settings ask for beside membership; one that cannot be played says why.

    Args:
        case: the model, its members and its non-members.
        shared: references, confidence, seed and device, for the games that take them.
    """
    found: list[Game] = []
    names = [name for name in asked(settings) if name != MEMBERSHIP]
    bar = tqdm(names, desc="Games", leave=False, disable=None if names else True)
    for name in bar:
        bar.set_description_str(f"Game: {name}")
        play, given = play_of(name), dict(settings.get(name, {}))
        given |= {key: value for key, value in shared.items() if key in settings_of(play)}
        try:
            given |= {key: _records(given[key], base, settings, key) for key in (*DATA, "path") if key in given}
            asks = (given.pop("path"), *case[1:]) if name == "synthetic" else case
            games = play(*asks, **given)
        except Exception as problem:  # an audit is not lost for one game
            games = failed(name, why(problem))
        found += games if isinstance(games, tuple) else [games]
    return tuple(found)


def alone(case: tuple[Any, Any, Any], games: Sequence[Game], *, device: str = "", **shared: Any) -> Report:
    """The report of games beside membership alone."""
    return report_games(*case, *games, **shared)


def _records(path: str, base: Path, settings: Mapping[str, Any], name: str) -> Records:
    """The records of a file, whose columns are read as those of the members are."""
    like = {key: value for key, value in settings["members"].items() if key in ("features", "label", "drop", "size")}
    return records.load(base / Path(path).expanduser(), name="synthetic" if name == "path" else name, **like)
