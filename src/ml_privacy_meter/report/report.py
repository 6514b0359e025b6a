"""The report of an audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.by_user import ByUser
from ml_privacy_meter.findings import Added, ByRound, Calibration, Check, Claim, Finding, GradientNorms, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.report import folder as folders
from ml_privacy_meter.report.blanks import check_answers
from ml_privacy_meter.report.document import Document, document, dump
from ml_privacy_meter.report.pdf import check_pdf
from ml_privacy_meter.report.pdf import pdf as printed
from ml_privacy_meter.report.shown import Shown, Tokens, check_shown, shown
from ml_privacy_meter.report.terminal import table
from ml_privacy_meter.report.verdicts import verdict
from ml_privacy_meter.report.words import count, failing
from ml_privacy_meter.types import Rows

COLUMNS = ("id", "member", "membership_probability", "attack", "score")
ABOUT = ("version", "seed", "confidence", "members", "non_members")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """What an audit found, to read in Python or to save as a folder.

    Args:
        records: one row a record: ``id``, ``member``, ``class`` (absent for regression), the group columns,
            ``membership_probability``, ``attack`` and ``score`` (the attack that gave it, and what that
            said), and ``score: <attack>`` for each attack; with reference models also ``memorization``,
            ``memorization_se`` and ``vulnerability``, NaN where they are not known.
        about: how it was measured, in what JSON can hold. ``times`` and ``paths`` hold all that
            differs between two runs of one audit. With reference models, ``reference_models`` is how many they are,
            ``references`` how they were trained, and ``strongest`` the attack for each figure that was chosen on them.
        calibration: how near the membership probabilities come to the shares of members.
        shown: content of training records, which goes to ``index.html`` and nowhere else.
        added: for each figure, what it adds to see the model's weights; empty unless attacks of both kinds were played.
        gradient_norms: of members and of non-members, where an attack has read them.
        guarantee: what is claimed for the training, where something is.
        by_round: how the risk went while the model was trained, where somebody watched.
        by_user: who contributed to the training, user by user, where a column says whose a record is.
        games: the games beside membership, each a section.

    Raises:
        InputError: a column of the records is missing, or an attack's scores are not those of the records.
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    records: pd.DataFrame
    about: Mapping[str, Any]
    calibration: Calibration | None = None
    shown: Shown | None = None
    added: tuple[Added, ...] = ()
    gradient_norms: GradientNorms | None = None
    guarantee: Claim | None = None
    by_round: ByRound | None = None
    by_user: ByUser | None = None
    games: tuple[Game, ...] = ()

    def __post_init__(self) -> None:
        for what, held, needed in (("records", self.records, COLUMNS), ("about", self.about, ABOUT)):
            missing = [name for name in needed if name not in held]
            if missing:
                raise InputError(f"A report's `{what}` needs {', '.join(needed)}: {missing} is missing.")
        for finding in self.findings:
            if finding.scores is not None and len(finding.scores.truth) != len(self.records):
                raise InputError(
                    f"An attack scores every record of its report once: `{finding.attack}` has "
                    f"{len(finding.scores.truth)} scores of {len(self.records)} records."
                )

    @property
    def risks(self) -> dict[str, dict[str, Risk]]:
        """Each attack's figures by their names: ``risks["threshold"]["TPR@1%FPR"]``."""
        return {finding.attack: {risk.name: risk for risk in finding.risks} for finding in self.findings}

    @property
    def failed(self) -> tuple[Finding | Tried, ...]:
        """The attacks that did not run to their end, of all games."""
        played: list[Finding | Tried] = [*self.findings, *(one for game in self.games for one in game.tried)]
        return tuple(one for one in played if one.failed)

    def answered(self, answers: Mapping[str, str]) -> "Report":
        """The report with the controller's answers in its impact assessment, by the names of its blanks.

        Raises:
            InputError: there is no such blank, or an answer is no text.
        """
        return replace(self, about={**self.about, "assessment": check_answers(answers)})

    def with_games(self, *games: Game) -> "Report":
        """The report with these games beside membership, each a section after those that it has."""
        return replace(self, games=(*self.games, *games))

    def showing(self, x: Rows, most: int, *, columns: Sequence[str] = (), tokens: Tokens | None = None) -> "Report":
        """The report, whose page shows so many of the most exposed training records as they are: personal data.

        Args:
            x: the content of its records, in the order of ``records``.
            columns: names of the features, where ``x`` does not say them.
            tokens: of the text in a row: its tokens, each with how many nats likelier the model finds it than the
                model that it was tuned from.

        Raises:
            InputError: ``most`` is no number from 0 to 100, or the records are images and Pillow is not installed.
        """
        check_shown(most)
        given: dict[str, Any] = {"most": most, "columns": columns, "tokens": tokens}
        return replace(self, shown=shown(self._document, self.records, x, **given) if most else None)

    def save(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """The folder, now with ``report.json``, ``report.md``, ``dpia.md``, ``index.html`` and ``records.parquet``.

        ``pdf`` adds ``report.pdf``, which needs the package's extra of that name. The folder appears whole or not
        at all.

        Raises:
            InputError: the folder holds something else than an earlier report, or one whose ``dpia.md`` was changed
                since, or no PDF can be made; nothing is written then.
        """
        # The page's libraries take a second to import; who reads the figures in Python need not wait.
        from ml_privacy_meter.report.dpia import dpia
        from ml_privacy_meter.report.markdown import markdown
        from ml_privacy_meter.report.page import page
        from ml_privacy_meter.report.records import packed

        folders.check_folder(folder)
        if pdf:
            check_pdf()
        found = self._document
        beside = ["index.html", *(["report.pdf"] if pdf else []), "dpia.md", "report.json", "records.parquet"]
        files = {
            "report.json": dump(found).encode(),
            "report.md": markdown(found, files=beside).encode(),
            "dpia.md": dpia(found).encode(),
            "index.html": page(found, packed(self.records), self.shown).encode(),
            "records.parquet": self.records.reset_index(drop=True).to_parquet(None, index=False),
        }
        if pdf:
            files["report.pdf"] = printed(found)
        return folders.write(folder, files)

    def table(self) -> Table:
        """The figures of each attack, for a terminal; what speaks against the audit stands first."""
        return table(self._document)

    @cached_property
    def _document(self) -> Document:
        return document(
            self.findings,
            self.checks,
            self.records,
            self.about,
            self.calibration,
            self.added,
            self.gradient_norms,
            self.guarantee,
            self.by_round,
            self.by_user,
            self.games,
        )

    def __repr__(self) -> str:
        return f"<Report: {count(len(self.findings), 'attack')}, {count(len(self.records), 'record')}>"

    def __str__(self) -> str:
        found = self._document
        return "\n".join([*(f"! {check['name']} {check['says']}" for check in failing(found)), verdict(found)])
