"""The example of Flower trains, is watched and audited; the lines on Flower's page are those of a reader who did so."""

import re
import runpy
from pathlib import Path
from typing import Any

from flower_apps import START, ArrayRecord, honest
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

import ml_privacy_meter as pm

ROOT = Path(__file__).parents[2]


def test_what_clients_send_tells_more_than_the_last_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    module = runpy.run_path(str(ROOT / "examples" / "flower_audit.py"))
    monkeypatch.setattr(pm, "audit", lambda *given, audit=pm.audit, **named: audit(*given, **named, attacks=ATTACKS))
    module["main"]()
    lines = capsys.readouterr().out.splitlines()
    values = dict(re.findall(r"^(\w+): AUC: ([\d.]+) ", "\n".join(lines), re.M))
    assert float(values["update_dot"]) > float(values["threshold"]) + 0.03
    page = (ROOT / "docs" / "flower.md").read_text(encoding="utf-8")
    for value in values.values():
        assert value in page


ATTACKS = [pm.membership.threshold, pm.membership.update_dot]


def test_the_lines_of_the_page_run(tmp_path):
    """Without the audit, which the example has."""
    page = (ROOT / "docs" / "flower.md").read_text(encoding="utf-8").replace("/data", str(tmp_path))
    around, participant, alone = re.findall(r"^```text\n(.*?)^```$", page, re.M | re.S)
    things: dict[str, Any] = {"ClientApp": ClientApp, "strategy": FedAvg(fraction_evaluate=0.0)}
    exec("\n".join(around.splitlines()[:2]), things)
    exec(participant, things)
    things["app"].train()(honest)
    server = ServerApp()

    @server.main()
    def main(grid: Any, context: Any) -> None:
        assert context.run_config == {"lr": 0.1}
        things["strategy"].start(grid, ArrayRecord(START), num_rounds=2)

    things |= {"server_app": server, "client_app": things["app"]}
    exec(alone, things)
    assert len(pm.traces.Trace.open(tmp_path / "flower-trace")) == 2
    assert pm.traces.Trace.open(tmp_path / "seen" / "3").clients == ("3",)
