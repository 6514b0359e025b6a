"""From a run file, or options of the same shape, to an audit."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_privacy_meter import guarantees, records, targets
from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.audit import audit
from ml_privacy_meter.case import of_users
from ml_privacy_meter.cli import defending, games, gating
from ml_privacy_meter.cli.answers import answers_from
from ml_privacy_meter.cli.attacks import attacks_from
from ml_privacy_meter.cli.guarantee import claimed
from ml_privacy_meter.cli.kinds import check_kind, settings_of
from ml_privacy_meter.cli.references import allowed, plan_from, references_from
from ml_privacy_meter.cli.repeat import with_run_file
from ml_privacy_meter.cli.tracking import TRACK, check_trackers, track
from ml_privacy_meter.cli.tuning import IN_MODEL, TUNING, base_from, is_tuned_here, references_tuned, tuned_here
from ml_privacy_meter.cli.variables import expanded
from ml_privacy_meter.cli.watching import SNAPSHOTS, TRACE, models_of, trace_of, try_watched, watched_from
from ml_privacy_meter.report import Report, check_folder, check_pdf, check_shown
from ml_privacy_meter.report.folder import new_beside
from ml_privacy_meter.signals.answers import Answers
from ml_privacy_meter.training import Plan
from ml_privacy_meter.types import Records

STORE = ".privacy-meter"
FIGURES = ("fpr", "confidence", "users")
RUN = ("seed", "device", "batch_size", "store")
OTHERS = ("out", "pdf", "show_records", "attacks", "assessment", "defenses", "games")


def read(file: Path, *, expand: bool = True) -> dict[str, Any]:
    """The settings in a run file, its variables ``${NAME}`` replaced from the environment unless told otherwise."""
    if not file.is_file():
        found = "is a folder" if file.is_dir() else "does not exist"
        raise InputError(
            f"The run file must be a file, `{file}` {found}. Make one with: "
            "privacy-meter init MODEL MEMBERS NON_MEMBERS > audit.toml"
        )
    try:
        settings: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        settings = expanded(settings) if expand else settings
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError(f"The run file must be TOML, `{file}` is not: {problem}.") from problem
    return settings


def from_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run file that the options of a command stand for; those that were not given are left out."""

    def those(names: Any) -> dict[str, Any]:
        some = {name: given[name] for name in names if given.get(name) not in (None, [], ())}
        return {name: str(value) if isinstance(value, Path) else value for name, value in some.items()}

    model = those(settings_of(targets.open_model).keys() - set(RUN))
    if model.get("classes") == ["sorted"]:
        model["classes"] = "sorted"
    columns = those(settings_of(records.load))
    references = {name: given[f"reference_{name}"] for name in ("count", "train") if given.get(f"reference_{name}")}
    if references.keys() == {"count"} and "base" in model:
        references[TUNING] = {}
    return {
        **({"references": references} if references else {}),
        **those(["out", "assessment", "show_records"]),
        **({"pdf": True} if given.get("pdf") else {}),
        "model": models_of(given) | model,
        **trace_of(given),
        **({"attribute": {"columns": secret}} if (secret := given.get("secret_column")) else {}),
        "members": {"path": str(given["members"]), **columns},
        "non_members": {"path": str(given["non_members"]), **columns},
        "attacks": {name: {} for name in given.get("attacks") or ()},
        "figures": those(FIGURES),
        "run": those(RUN),
        **({"guarantee": claim} if (claim := those(settings_of(guarantees.declared))) else {}),
    }


def audit_from(
    settings: Mapping[str, Any], base: Path, *, written: Mapping[str, Any] | None = None
) -> tuple[Report, Path]:
    """The report that the settings ask for, and the folder it was saved in; paths are relative to ``base``.

    Args:
        written: the settings before variables were replaced, as the report shows them.
    """
    out = _ready(settings, base)
    answers_from(settings.get("assessment", {}), base)
    run = dict(settings.get("run", {}))
    store = _path(base, run.pop("store", STORE))
    with importable(base):
        attacks = attacks_from(settings.get("attacks", {}))
        model, members, non_members = open_all(settings, base, store)
        check_shown(show_records := settings.get("show_records", 0), members.x)
        if is_tuned_here(settings):
            model = tuned_here(settings, base, members, store=store, **_of_training(run))
        seen, references = watched_from(settings, base), None
        if "references" in settings:
            try_watched(model, (members, non_members), seen, store=store, **run)
            given, sides = references_tuned(settings, base), (members, non_members)
            references = references_from(given, base, model=model, sides=sides, store=store, **_of_training(run))
        case, of_figures = (model, members, non_members), settings.get("figures", {})
        shared = {name: of_figures[name] for name in ("confidence",) if name in of_figures} | _of_training(run)
        others = games.played(settings, base, case, references=references, **shared)
        if games.MEMBERSHIP not in games.asked(settings):
            return _kept(games.alone(case, others, **shared), out, settings, base, written)
        report = audit(
            model,
            members,
            non_members,
            references=references,
            attacks=attacks or None,
            store=store,
            show_records=show_records,
            guarantee=claimed(settings),
            **base_from(settings, base),
            **seen,
            **run,
            **of_figures,
        )
    return _kept(report.with_games(*others), out, settings, base, written)


def _kept(
    report: Report, out: Path, settings: Mapping[str, Any], base: Path, written: Mapping[str, Any] | None
) -> tuple[Report, Path]:
    """The report with what the run file says of it, and the folder it was saved in."""
    answers = answers_from(settings.get("assessment", {}), base)
    report = report.answered(answers) if answers else report
    report = with_run_file(report, settings if written is None else written, base)
    folder = _saved(report, out, pdf=settings.get("pdf", False))
    track(report, folder, settings.get("track", {}), base)
    return report, folder


def _saved(report: Report, out: Path, *, pdf: bool) -> Path:
    """The folder with the report. If it was free before the audit and is not now, an error names a new one instead."""
    try:
        return report.save(out, pdf=pdf)
    except InputError as problem:
        instead = report.save(new_beside(out), pdf=pdf)
        raise InputError(f"{problem} The audit is not lost, its report lies in {instead}.") from problem


def plan(settings: Mapping[str, Any], base: Path) -> Plan | None:
    """What `audit_from` would train first; None where it trains nothing."""
    _ready(settings, base)
    answers_from(settings.get("assessment", {}), base)
    run = dict(settings.get("run", {}))
    store = _path(base, run.pop("store", STORE))
    with importable(base):
        attacks_from(settings.get("attacks", {}))
        model, members, non_members = open_all(settings, base, store)
        seen = watched_from(settings, base)
        if "references" not in settings:
            return None
        try_watched(model, (members, non_members), seen, store=store, **run)
        given = references_tuned(settings, base)
        return plan_from(given, base, model=model, sides=(members, non_members), store=store, **_of_training(run))


def _ready(settings: Mapping[str, Any], base: Path) -> Path:
    """The folder for the report, once it is seen that the settings can be followed to the end."""
    check_settings(settings)
    games.check_files(settings, base)
    out = _path(base, settings["out"])
    check_folder(out)
    if settings.get("pdf"):
        check_pdf()
    check_shown(settings.get("show_records", 0))
    claimed(settings)
    check_trackers(settings.get("track", {}), base, out)
    return out


def _of_training(run: Mapping[str, Any]) -> dict[str, Any]:
    return {name: run[name] for name in ("seed", "device") if name in run}


def open_all(settings: Mapping[str, Any], base: Path, store: Path) -> tuple[targets.Opened, Records, Records]:
    """The model (or what stands in for saved outputs, or the base of one to be tuned), members and non-members."""
    users = settings.get("figures", {}).get("users")
    members, non_members = (_load(_whose(settings[side], users), base, side) for side in ("members", "non_members"))
    given = dict(settings.get("model", {}))
    path, _, _ = given.pop("path", None), given.pop("snapshots", None), given.pop(TUNING, None)
    given |= base_from(settings, base)
    if is_tuned_here(settings):
        path = str(given.pop("base").absolute())
    if path is None:
        return targets.open_model(None, **given), members, non_members
    if path.startswith(("http://", "https://")):
        given["answers"] = Answers(store / "answers.sqlite")
    elif ":" not in Path(path).name:
        path = _path(base, path)
    if "weights" in given:
        given["weights"] = _path(base, given["weights"])
    return targets.open_model(path, **given), members, non_members


def _whose(section: Mapping[str, Any], users: str | None) -> Mapping[str, Any]:
    """The settings of records of which a column, that no model takes, says whose they are."""
    found = dict(section)
    for name, also in of_users(section.get("path", ""), users).items():
        given = section.get(name, [])
        found[name] = [*([given] if isinstance(given, str) else given), also]
    return found


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises `InputError` for a section or setting that nobody reads, that is missing, or of another kind."""
    path = {"path": str}
    of_records = path | settings_of(records.load)
    of_audit = settings_of(audit)
    sections: dict[str, dict[str, Any]] = {
        "model": path | SNAPSHOTS | IN_MODEL | settings_of(targets.open_model),
        "trace": TRACE,
        "members": of_records,
        "non_members": of_records,
        "references": allowed(),
        "figures": {name: of_audit[name] for name in FIGURES},
        "run": {name: of_audit[name] for name in RUN},
        "gate": gating.allowed(),
        "guarantee": settings_of(guarantees.declared),
        "track": TRACK,
        "defend": defending.allowed(),
        **{name: games.allowed(name) for name in games.PLAYS if name in settings},
    }
    for section, given in settings.items():
        one_of(section, [*OTHERS, *sections, *games.PLAYS], "section or setting")
        kinds: dict[str, Any] = {
            "out": str,
            "pdf": bool,
            "show_records": int,
            "assessment": str | Mapping[str, str],
        } | games.KINDS
        check_kind(given, kinds.get(section, Mapping[str, Any]), f"`{section}`")
        for name, value in given.items() if section in sections else ():
            kind = sections[section][one_of(name, sections[section], f"setting in [{section}]")]
            check_kind(value, kind, f"`{name}` in [{section}]")
    for name in ("out", "members", "non_members"):
        if name not in settings:
            raise InputError(f"The run file must say `{name}`. See what `privacy-meter init` writes.")
    games.check_games(settings)


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Within, modules are found in ``folder`` too, and then where the user stands."""
    before = list(sys.path)
    sys.path[:0] = [str(folder.absolute()), str(Path.cwd())]
    try:
        yield
    finally:
        sys.path[:] = before


def _load(section: Mapping[str, Any], base: Path, name: str) -> Records:
    given = dict(section)
    if "path" not in given:
        raise InputError(f"[{name}] must say `path`: the file or folder with the records.")
    return records.load(_path(base, given.pop("path")), name=name.replace("_", "-"), **given)


def _path(base: Path, given: str) -> Path:
    return base / Path(given).expanduser()
