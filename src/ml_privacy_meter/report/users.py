"""Whose records the model was trained on: words, tables and a chart."""

from ml_privacy_meter.report import charts, words
from ml_privacy_meter.report.document import Document

TITLE = "Whose records the model was trained on"
SHARES = ["Attack", "Share of the training records", "Users", "AUC against all users outside"]
EXPOSED = ["User", "Training records", "Share of all", "Score", "Above users outside"]
MOST = 5  # attacks in the chart


def said(document: Document) -> list[str]:
    """What was asked about users, and how well they are told; empty where no column says whose a record is."""
    found = document["by_user"]
    if found is None:
        return []
    users = f"{words.count(found['inside'], 'user')} (by the column {found['column']})"
    told = (
        "The records asked about were not trained on themselves: it is other records of the same user that were."
        if found["held_out"]
        else "Of users inside, the records asked about were trained on themselves. An adversary who has other records "
        "of them does less well; give records of theirs that were left out of the training to see how well."
    )
    asked = f"{users} have records among the members, and {found['outside']:,} have none. {told}"
    if found["left_out"]:
        asked += f" {words.count(found['left_out'], 'user')} inside had no record that could be asked about."
    how = (
        "An attack's score of a user is the mean of those of that user's records; every user of a row is asked "
        "about by as many. Intervals speak of other users. The last column takes the same users in each row: there, "
        "what rises is due to the records known."
    )
    return [asked, *_reached(found), how, *([found["note"]] if found["note"] else [])]


def _reached(found: Document) -> list[str]:
    """How well the attack with the highest AUC tells users."""
    attack, known = found["exposed_by"]["attack"], found["exposed_by"]["known"]
    rows = [one["rows"] for one in found["findings"] if one["attack"] == attack and one["rows"]]
    if not rows:
        return ["No figure could be resolved: that takes 20 users of either kind."]
    last = rows[0][-1]["risks"][0]
    sure = words.leaks(last)
    blind = words.stated(last["name"], last["baseline"])
    claim = (
        "That is above what is reached without the model, also if it is the highest of all these figures."
        if sure
        else "As the highest of so many figures, that may be luck: no leak by user was shown, and none is ruled out."
    )
    return [
        f"With {words.count(known, 'record')} of each user, {attack} reaches an AUC of {words.figure(last)}; without "
        f"the model it is {blind}. {claim}"
    ]


def head(document: Document) -> list[str]:
    """Of the table by the number of records known."""
    rows = _rows(document)
    names = [risk["name"] for risk in rows[0][1]["risks"]] if rows else ["AUC"]
    return ["Attack", "Records of each", "Users inside, outside", *names, "AUC, the same users"]


def rows(document: Document) -> list[list[str]]:
    """A row for each attack and number of records known; what is reached without the model comes last."""
    found, wide = document["by_user"], len(head(document)) - 5
    table = [
        [
            attack,
            f"{row['known']}",
            f"{row['inside']:,}, {row['outside']:,}",
            *map(words.figure, row["risks"]),
            words.figure(row["same"]),
        ]
        for attack, row in _rows(document)
    ]
    table += [
        [one["attack"], "failed", one["failed"], *[""] * (wide + 2)] for one in found["findings"] if one["failed"]
    ]
    return table + [
        ["without the model", f"{one['known']}", f"{one['auc']['trials']:,} in all", words.figure(one["auc"])]
        + ["–"] * (wide + 1)
        for one in found["blind"]
    ]


def shares(document: Document) -> list[list[str]]:
    """A row for each attack and part of the users inside, by their share of the training records."""
    return [
        [
            one["attack"],
            f"{_share(part['lowest'])} to {_share(part['highest'])}",
            f"{part['users']:,}",
            words.figure(part["auc"]),
        ]
        for one in document["by_user"]["findings"]
        for part in one["shares"]
    ]


def exposed(document: Document) -> list[list[str]]:
    """A row for each of the most exposed users."""
    return [
        [one["user"], f"{one['trained']:,}", _share(one["share"]), f"{one['score']:.4g}", f"{one['above']:.1%}"]
        for one in document["by_user"]["exposed"]
    ]


def exposed_title(document: Document) -> str:
    """What stands above that list."""
    by = document["by_user"]["exposed_by"]
    return f"Most exposed users, by {by['attack']} with {words.count(by['known'], 'record')} of each"


def pictures(document: Document) -> list[tuple[str, charts.Spec, str]]:
    """A key, a chart and its caption: the AUC by the number of records known, where there are several."""
    values = [
        {"at": row["known"], "of": attack, "said": words.figure(row["same"])}
        | {end: row["same"][end] for end in ("low", "value", "high")}
        for attack, row in _best(document)
        if row["same"]["value"] is not None
    ]
    if len({value["at"] for value in values}) < 2:
        return []
    caption = (
        "AUC by the number of records known of each user, with intervals, for the same users throughout"
        + (f" (the {MOST} highest attacks)" if len(document["by_user"]["findings"]) > MOST else "")
        + ". Dashed: chance."
    )
    return [("by-user", charts.lines(values, "records of each user", "AUC", logarithmic=True, chance=0.5), caption)]


def _rows(document: Document) -> list[tuple[str, Document]]:
    found = document["by_user"]
    return [(one["attack"], row) for one in (found or {"findings": []})["findings"] for row in one["rows"]]


def _best(document: Document) -> list[tuple[str, Document]]:
    """Rows of the attacks that end highest."""
    found = (document["by_user"] or {"findings": []})["findings"]
    ran = [one for one in found if one["rows"] and one["rows"][-1]["same"]["value"] is not None]
    ran = sorted(ran, key=lambda one: -one["rows"][-1]["same"]["value"])[:MOST]
    return [(one["attack"], row) for one in ran for row in one["rows"]]


def _share(share: float) -> str:
    return f"{share:.2%}"
