"""The checks: what each finds, and what evades it. Pages and reports say the same words."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A question asked of each client.

    Args:
        finds: what an alarm may mean.
        value: what is measured, with its unit or range.
        evades: who is not seen by it.
        per: what one alarm is about, ``session`` or ``client``.
    """

    name: str
    finds: str
    value: str
    evades: str
    per: str


PRADA = Check(
    "prada",
    "made-up queries at steps from each other, as attacks that copy a model send",
    "1 - W of Shapiro and Wilk over the distances of queries to the nearest kept one of the same answer; 0: normal",
    "queries whose distances look normal: drawn uniformly at random, or natural records of the model's own field; "
    "made-up queries mixed with many natural ones; the same attack spread over several clients or long times",
    "session",
)
REPEATS = Check(
    "repeats",
    "many queries around one record: walking along a decision boundary, averaging noise out, label-only attacks on "
    "membership",
    "share of queries that equal, or are near duplicates of, an earlier one of the session",
    "queries spread over several clients or over sessions; steps that are longer than the radius; and one query a "
    "record, which is all that most membership attacks take",
    "session",
)
STRANGE = Check(
    "strange",
    "queries from outside ordinary use: uniformly random, synthetic or another field's",
    "median distance of queries to the nearest of the benign queries that were set aside, in the features' unit",
    "queries that look like ordinary ones; up to half of a session that does not",
    "session",
)
KNOWN = Check(
    "known",
    "questions about records that the model was trained on, or that an audit found exposed",
    "share of queries that equal, or are near duplicates of, a known record",
    "records outside the list; changes to a record that are larger than the radius; few questions a session",
    "session",
)
COVERAGE = Check(
    "coverage",
    "going through the known records one by one, over all sessions",
    "share of the known records that the client asked about",
    "the list shared out among several clients; records outside it",
    "client",
)
BUDGET = Check(
    "budget",
    "more queries than a client is meant to have, as copying a model takes",
    "queries of the client in the whole log",
    "one person behind several clients; attacks that take few queries, as most on membership do",
    "client",
)
RATE = Check(
    "rate",
    "a program in place of a person",
    "most queries of the client within 60 seconds",
    "patience; one person behind several clients",
    "client",
)
OF_SESSIONS = (PRADA, REPEATS, STRANGE, KNOWN)
LIMITED = (COVERAGE, BUDGET, RATE)
ALL = OF_SESSIONS + LIMITED

ALWAYS = (
    "No alarm is no proof that nobody attacks: an attack that asks few questions, or questions such as everybody asks, "
    "leaves no trace in a log. Whoever has several clients (accounts, addresses) is several clients here. An alarm is "
    "no proof of an attack either: look at the queries before anybody is shut out."
)
