"""An attack that learns on a model of one's own, A, and judges the records of a model of others, B.
python examples/model_a_to_b.py tutorials --data ../shared/data
"""

import argparse
from pathlib import Path

import torch
from fcn_tafeng import network, train, write
from tables import load, split

import ml_privacy_meter as pm

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where records, results and plots go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for name, usual in (("records", 6_000), ("epochs", 40), ("attack-epochs", 50)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    here = given.folder / "model_a_to_b"
    x, y, customers = load(given.data / "tafeng_basket100.npz")

    # Half of the customers are A's, the others B's; of either half, some are members and some are not.
    models, handlers = [], []
    for seed, (name, world) in enumerate(zip("ab", split(customers, each=len(y)), strict=True)):
        sides = [world[rows] for rows in split(customers[world], given.records)]
        known = 90 if name == "a" else 50  # per cent: of a model of one's own, one knows all
        files = write(here / name, x, y, sides)
        handlers.append(pm.utils.attack_data.attack_data(*files, 64, known, input_shape=x.shape[1:]))
        torch.manual_seed(seed)
        inputs, labels = torch.from_numpy(x[sides[0]]), torch.from_numpy(y[sides[0]])
        models.append(train(network(x.shape[1]), inputs, labels, given.epochs))

    (model_a, model_b), (data_a, data_b) = models, handlers
    settings = {"layers_to_exploit": ["dense5"], "learning_rate": 0.001, "epochs": given.attack_epochs}
    attacks = [
        pm.attack.meminf.initialize(*learns, model_name=name, **exploited, **settings, folder=here / "logs")
        for name, learns, exploited in (
            ("white_from_a", (model_a, model_b, data_a, data_b), {"gradients_to_exploit": ["dense5"]}),
            ("black_from_a", (model_a, model_b, data_a, data_b), {"exploit_loss": False}),
            ("white_from_b", (model_b, model_b, data_b, data_b), {"gradients_to_exploit": ["dense5"]}),
        )
    ]
    for attack in attacks:
        attack.train_attack()
    print("All of white_from_a:", attacks[0].test_attack().folder)
    report, folder = pm.attack.compare_models(*attacks, folder=here / "logs")
    print(report, f"Report: {folder / 'report' / 'index.html'}", sep="\n")
