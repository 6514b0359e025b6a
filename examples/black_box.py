"""A model behind HTTP, audited from outside: this script is the service, and then its auditor.

python examples/black_box.py

The auditor knows an address, what to post to it, and where the probabilities stand in the answer. A run file holds the
same settings: see docs/audit-your-own-model.md.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import ml_privacy_meter as pm

ASKED: list[int] = []  # how many records came with each request


def service(model: RandomForestClassifier) -> ThreadingHTTPServer:
    """Takes {"inputs": [record, ...]} and answers {"outputs": [{"probabilities": [...]}, ...]}."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            ASKED.append(len(inputs))
            outputs = [{"probabilities": row.tolist()} for row in model.predict_proba(np.array(inputs))]
            body = json.dumps({"outputs": outputs}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    x, y = load_digits(return_X_y=True)
    x, order = x[:, :32] / 16, np.random.default_rng(0).permutation(len(x))
    train, test = order[:400], order[400:1200]
    model = RandomForestClassifier(100, random_state=0).fit(x[train], y[train])
    server = service(model)
    answers: dict[str, list[float]] = {}  # what was answered; a run file keeps it on disk
    for _ in range(2):  # the second audit finds every answer kept, and asks for nothing
        target = pm.open_model(
            f"http://127.0.0.1:{server.server_port}/classify",
            request={"inputs": "$records"},
            response="outputs[].probabilities",
            batch_size=100,
            budget=1_200,
            answers=answers,
        )
        report = pm.audit(target, members=(x[train], y[train]), non_members=(x[test], y[test]))
        print(f"{len(ASKED)} requests for {sum(ASKED)} records so far")
    server.shutdown()
    server.server_close()
    print(report.risks["threshold"]["AUC"])


if __name__ == "__main__":
    main()
