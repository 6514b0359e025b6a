"""What each word and figure of a report means, in a sentence that needs no statistics."""

from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.words import chosen, fpr_of, learned

FIGURES = {
    "AUC": (
        "How often the attack puts a training record above another record, over all such pairs. 0.5 is a "
        "coin; 1 is an attack that is never wrong. It is an average: a low AUC can hide a few records that "
        "are fully exposed."
    ),
    "balanced accuracy": (
        "The share of right answers when half of the records asked about are training records. 50% is a coin."
    ),
    "advantage": (
        "The share of training records that are called so, less the share of other records that are called "
        "so. 0% is an attack that learns nothing, 100% one that is never wrong."
    ),
    "power": (
        "The share of training records that the attack calls training records, where each half of the "
        "records sets the threshold for the other half. The baseline is what the same number of random "
        "accusations would reach."
    ),
    "error": (
        "The share of other records that the attack wrongly calls training records, at the thresholds of "
        "the power. A good attack has an error below the baseline."
    ),
    "epsilon": (
        "A lower bound on the ε of differential privacy: training that guarantees a smaller ε could not "
        "have leaked as much as was seen."
    ),
}

WORDS = {
    "Member, non-member": (
        "A record that the model was trained on; one that it was not. The audit knows which; an attack guesses."
    ),
    "Score": "An attack’s answer for one record. Higher says “training record”.",
    "Baseline (without the model)": (
        "What somebody reaches who has not seen the model at all. Only what lies above it is a leak of the model."
    ),
    "Interval": (
        "In brackets. Were the audit repeated on other records of the same kind, intervals made like this "
        "would hold the true figure {confidence} of the time. Each interval speaks for one figure: of many "
        "figures, a few lie outside of theirs by chance. The verdict, and figures in bold, count only what "
        "stays above the baseline when the confidence is shared out over all attacks and figures{except}."
    ),
    "Not resolvable": ("There are too few records to measure so small a rate. It does not mean that the rate is low."),
    "Membership probability": (
        "How probable an attack’s score makes it that the record was a training record, if training "
        "records and others were equally many: 50% says nothing. The scale is learned {where}."
    ),
    "Ceiling": (
        "The most that a claimed guarantee allows. A figure surely above it refutes the claim, or the audit is wrong."
    ),
}

REFERENCE_WORDS = {
    "Reference model": (
        "A model that the auditor trained like the audited one, on records of the auditor’s choice, so that it is "
        "known which records it was trained on. It shows how such models treat a record that they have seen, and one "
        "that they have not."
    ),
    "Rehearsal": (
        "The attacks are played against a reference model as if it were the audited one. There the truth is known: it "
        "is seen which attack is the strongest (★), where its threshold should lie, and what its scores mean, without "
        "touching what is known of the audited model."
    ),
    "Memorization": (
        "How much more often reference models that were trained on a record get it right than those that were not. "
        "100%: such a model knows this record only if it has seen it. 0%: it makes no difference. The number after ± "
        "is one standard error: few models leave much open."
    ),
    "Vulnerability": (
        "How often a strong attack is right about a record, over all reference models that were attacked: half of it "
        "counts those trained on the record, half the others. 50% is a coin. A record with a high one would be exposed "
        "by most models of this kind, not by this one alone."
    ),
}

WEIGHT_WORDS = {
    "White-box, black-box": (
        "An attack that reads the weights of the model, by which gradients are taken; one that is given nothing but "
        "its outputs. Whoever holds the file of the model can run both."
    ),
    "Gradient norm": (
        "How far a single training step on one record would pull the weights. A model is pulled less by records that "
        "it has been fitted to; how much less differs from record to record."
    ),
}

RELIABILITY = (
    "Whether probabilities mean what they say: of the records with 80%, do 80 of 100 turn out to be training records? "
    "The expected calibration error is the average distance from that."
)


def glossary(document: Document) -> list[tuple[str, str]]:
    """Each word and what it means; of the figures, those that the report holds."""
    names = dict.fromkeys(risk["name"] for finding in document["findings"] for risk in finding["risks"])
    figures = [(name, meaning(name)) for name in names]
    held = WORDS | (REFERENCE_WORDS if document["about"].get("reference_models") else {})
    held |= WEIGHT_WORDS if document["added"] or document["gradient_norms"] else {}
    held |= {"Reliability": RELIABILITY} if document["calibration"] else {}
    marked = "; of a figure marked ★, for the number of such figures alone" if chosen(document["findings"]) else ""
    confidence = f"{100 * document['about']['confidence']:.4g}%"
    said = {"{except}": marked, "{confidence}": confidence, "{where}": learned(document)}
    words = [(word, _filled(says, said)) for word, says in held.items()]
    return [(name, says) for name, says in figures if says] + words


def _filled(text: str, said: dict[str, str]) -> str:
    for place, words in said.items():
        text = text.replace(place, words)
    return text


def meaning(name: str) -> str:
    """What a figure says; empty for one that is not known here."""
    fpr = fpr_of(name)
    if fpr is not None:
        return (
            "The share of training records that the attack recognises when it may wrongly accuse "
            f"{100 * fpr:.4g}% (1 in {round(1 / fpr):,}) of the other records."
        )
    known = [key for key in FIGURES if key in name]
    return FIGURES[max(known, key=len)] if known else ""
