"""Is this audit valid? Each check answers one question about it; none asks the model."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import chi2_contingency
from threadpoolctl import threadpool_limits
from torch import Tensor

from ml_privacy_meter.findings import Calibration, Check, Risk
from ml_privacy_meter.risk.intervals import difference, wilson
from ml_privacy_meter.risk.roc import FEWEST, auc
from ml_privacy_meter.types import Scores

SHIFT = "Do members and non-members differ without the model?"


def blind(
    features: Float[Tensor, "records features"],
    member: Bool[Tensor, " records"],
    *,
    asked: np.ndarray | None = None,
    seed: int = 0,
) -> Scores:
    """What a classifier that never asks the model makes of one half of the records, having learned from the other.

    Gradient boosting on the features, of many the 32 that differ most and 32 principal components. One split, and no
    cross-validation: there, the AUC of sets that do not differ spreads by a quarter more than its interval says.

    Source: Das et al., Blind Baselines Beat Membership Inference Attacks for Foundation Models, 2024.

    Args:
        asked: of each record, the client whose training set is asked about: it is known to the classifier, too.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_selection import SelectKBest
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    width, seed = features.shape[1], seed % 2**32
    seen = FunctionTransformer()
    if width > 64:
        seen = make_union(SelectKBest(_differences, k=32), PCA(min(32, len(member) // 2), random_state=seed))
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=seed)
    reduced = make_pipeline(StandardScaler(), seen)
    x, y = features.numpy(), member.numpy()
    learn, judge = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed)
    # One thread grows trees this small faster than two, which wait for each other.
    with np.errstate(divide="ignore", invalid="ignore"), threadpool_limits(limits=1, user_api="openmp"):
        x = reduced.fit(x[learn], y[learn]).transform(x)
        if asked is not None:
            x = np.column_stack([x, asked[:, None] == np.unique(asked)])
        score = trees.fit(x[learn], y[learn]).predict_proba(x[judge])[:, 1]
    return Scores(torch.from_numpy(score.astype(np.float64)), member[judge])


def _differences(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from sklearn.feature_selection import f_classif

    varying = x.std(0) > 0
    strength = np.zeros(x.shape[1])
    strength[varying] = np.nan_to_num(f_classif(x[:, varying], y)[0], posinf=np.finfo(np.float64).max)
    return strength


def shift(blind_scores: Scores | None, *, confidence: float = 0.95, most: float | None = None) -> Check:
    """Fails where the records alone tell members from non-members: then every figure measures that, too.

    It takes 99% confidence to say so, since it voids the whole audit; or an AUC above ``most``, where that is given.
    """
    if blind_scores is None:
        return Check(SHIFT, False, "Not checked: the records' own features were not given.")
    risk = auc(blind_scores, confidence=confidence)
    if risk.value is None:
        return Check(SHIFT, False, "Not checked: that takes 40 members and 40 non-members.")
    said = f"A classifier on the records alone, which never asks the model, reaches an AUC of {risk.value:.3f}"
    said += f" [{risk.low:.3f}, {risk.high:.3f}]; chance is 0.5."
    if auc(blind_scores, confidence=max(confidence, 0.99)).low <= 0.5:
        if most is None or risk.value <= most:
            return Check(SHIFT, True, said + " The two sets look alike.", risk=risk)
        said += (
            f" With so few records that may be luck; but above {most:g} it is not shown that the two sets are alike."
            " Decide nothing by these figures, in either direction. Bring more records, drawn from one source."
        )
        return Check(SHIFT, False, said, voids=True, risk=risk)
    said += (
        " Members and non-members come from different sources: an attack may tell them apart by that and not by the"
        " model, or miss what the model does reveal. Decide nothing by these figures, in either direction. Draw both"
        " sets at random from one source, and audit again."
    )
    return Check(SHIFT, False, said, voids=True, risk=risk)


def duplicates(pairs: list[tuple[str, str]], non_members: int) -> Check:
    """Fails where a record stands in both sets, by content; ``pairs`` are the ids."""
    name = "Is any record both member and non-member?"
    if not pairs:
        return Check(name, True, "No record stands in both sets.")
    also = len({other for _, other in pairs})
    said = (
        f"{also} of {non_members} non-members have the same content as a member. They hide a leak, since the model was"
        " trained on them too. Remove them from the non-members."
    )
    return Check(name, False, said, voids=also > 0.5 * non_members, ids=tuple(f"{a} = {b}" for a, b in pairs[:20]))


def public_apart(pairs: list[tuple[str, str]], audited: int) -> Check:
    """Fails where a public record is a member or non-member, by content; ``pairs`` are the ids."""
    name = "Is any public record a member or non-member?"
    if not pairs:
        return Check(name, True, "None is.")
    also = len({record for record, _ in pairs})
    said = (
        f"{also} of {audited} members and non-members have the same content as a public record. Reference models were"
        " trained on them, and count as if they were not. Remove them from the public records."
    )
    return Check(name, False, said, voids=also > 0.05 * audited, ids=tuple(f"{a} = {b}" for a, b in pairs[:20]))


def memberships(inside: Bool[Tensor, "records models"], member: Bool[Tensor, " records"]) -> Check:
    """Fails where the reference models' memberships tell the target's: then an attack could read the truth there.

    Asked of the number of reference models that a record is inside of, and of the one model whose memberships go most
    with the target's or against them. It takes 99.99% confidence in each to say so, since it voids the whole audit: at
    99.9%, one in 700 audits was voided whose memberships had been drawn as they should.
    """
    name = "Do the reference models' training records tell the target's?"
    if min(int(member.sum()), int((~member).sum())) < FEWEST:
        return Check(name, False, f"Not checked: that takes {FEWEST} members and {FEWEST} non-members.")
    alike = (inside[member].double().mean(0) - inside[~member].double().mean(0)).abs()
    most, models = int(alike.argmax()), inside.shape[1]
    count, one = (Scores(values.double(), member) for values in (inside.sum(1), inside[:, most]))
    of_count, of_one = auc(count, confidence=1 - 1e-4), auc(one, confidence=1 - 1e-4 / models)
    if _beyond_chance(of_count):
        told, risk = "How many reference models a record is inside of", of_count
    elif _beyond_chance(of_one):
        told, risk = f"Whether a record is inside of reference model {most} (the first is 0)", of_one
    else:
        return Check(name, True, "No: they are drawn without regard to the target's, as far as can be seen.")
    said = (
        f"{told} tells with an AUC of {risk.value:.3f} whether it is a member; chance is 0.5. An attack that is shown"
        " this need not ask the model. Leave out what was drawn together with the target's training records: the"
        " target itself, and the complement of it. Draw the others independently."
    )
    return Check(name, False, said, voids=True, risk=risk)


def _beyond_chance(risk: Risk) -> bool:
    return risk.low > 0.5 or risk.high < 0.5


def class_mix(members: np.ndarray, others: np.ndarray) -> Check:
    """Fails where the classes are mixed very differently in the two sets; arguments are the classes of the records."""
    name = "Are the classes mixed alike in both sets?"
    names, which = np.unique(np.concatenate([members, others]), return_inverse=True)
    table = np.stack([np.bincount(part, minlength=len(names)) for part in np.split(which, [len(members)])])
    if len(names) < 2:
        return Check(name, True, "There is only one class.")
    apart = np.abs(table[0] / len(members) - table[1] / len(others)) / 2
    chance = chi2_contingency(table).pvalue
    said = f"The shares of the {len(names)} classes differ by {100 * apart.sum():.1f}% in all (total variation)."
    if apart.sum() < 0.1 or chance > 0.001:
        return Check(name, True, said)
    worst = names[apart.argmax()]
    said += f" Most in class {worst!s}. An attack may score classes and not records. Draw both sets with the same mix."
    return Check(name, False, said)


def better_on_members(right: Float[Tensor, " records"], member: Bool[Tensor, " records"]) -> Check:
    """Fails where the model is surely no better on the members; ``right`` says for each record how right, in [0, 1]."""
    name = "Is the model at least as good on the members?"
    counts = [(round(float(side.sum())), len(side)) for side in (right[member], right[~member])]
    shares = (counts[0][0] / counts[0][1], counts[1][0] / counts[1][1])
    _, high = difference(wilson(*counts[0], 0.999), wilson(*counts[1], 0.999), shares)  # it voids the whole audit
    said = f"It is right on {100 * shares[0]:.1f}% of the members and {100 * shares[1]:.1f}% of the non-members."
    if high >= 0 and shares[0] > 0:
        return Check(name, True, said)
    said += (
        " That is not how a model treats its training records. Are the sets swapped, or the labels in another order?"
    )
    return Check(name, False, said, voids=True)


def calibrated(found: Calibration) -> Check:
    """Fails where membership probabilities of rehearsals lie farther beside the truth than luck puts them."""
    name = "Do the membership probabilities hold for this target?"
    said = f"They lie {found.error:.3f} beside the shares of members; exactly right ones would by {found.luck:.3f}."
    if found.error <= 3 * found.luck + 0.02:
        return Check(name, True, said)
    why = (
        " The target does not behave like the reference models when they take its place: it was trained on another "
        "number of records, in another way, or not on these members. Do not read probabilities, thresholds carried "
        "over and the choice of the strongest attack as they stand."
    )
    return Check(name, False, said + why)


def varied_scores(attack: str, scores: Scores) -> Check:
    """Fails where an attack gives nearly every record the same score, though it is not one of two values by nature."""
    name = f"Are the scores of {attack} varied?"
    values, counts = scores.score.unique(return_counts=True)  # type: ignore[no-untyped-call]
    most = int(counts.max())
    if len(values) == 1:
        return Check(name, False, f"It gives all {most} records the score {float(values[0]):g}. It cannot find a leak.")
    said = (
        f"It gives {len(values)} different scores; the commonest to {100 * most / len(scores.truth):.1f}% of records."
    )
    if most <= 0.5 * len(scores.truth) or len(values) == 2:
        return Check(name, True, said)
    return Check(name, False, said + " Are the model's outputs rounded? Give them with all their digits, or as logits.")


def repeatable(same: bool | None) -> Check:
    """Fails where the model answered twice to the same records, and differently, or (None) was not asked twice."""
    name = "Does the model answer the same twice?"
    if same is None:
        return Check(name, False, "Not checked: it is asked about each record only once.")
    if same:
        return Check(name, True, "Yes.")
    return Check(name, False, "No. Was it exported in training mode, with dropout? Its figures change from run to run.")


def layers_reached(cut_off: Sequence[str], of: int) -> Check:
    """Fails where gradients "of all layers" are 0 by some, of which there are so many ``of`` which: those cut off."""
    shown = ", ".join(f"`{name}`" for name in cut_off[:8]) + ", …" * (len(cut_off) > 8)
    says = (
        f"No gradient reaches {len(cut_off):,} of {of:,} layers with trained parameters ({shown}): the model cuts off "
        "what they give (`detach`, `no_grad`), or its answers do not hang on them. Where this report says “all layers” "
        "of gradients, it means the others; whoever has the weights can lift the cut and read the rest."
    )
    return Check("Do gradients reach all layers?", False, says)


def weights_played(why: str) -> Check:
    """Fails where a model that lies here with its weights could not be attacked through them, and says ``why``."""
    says = (
        f"No attack could read them ({why:.300}). Whoever has the model can do more with it than what was played here: "
        "a copy of it that answers in a way that can be differentiated would show how much."
    )
    return Check("Were the model's weights attacked?", False, says)
