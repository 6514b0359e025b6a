"""The gate as JUnit XML, which CI systems list beside the tests."""

import junitparser

from ml_privacy_meter.gate.files import NAME
from ml_privacy_meter.gate.judging import FAILED, PASSED, Gate, Judgement
from ml_privacy_meter.gate.terminal import measured, verdict


def junit(gate: Gate) -> str:
    """JUnit XML with one test case for each limit and attack; what is not decidable is an error, not skipped."""
    suite = junitparser.TestSuite("privacy gate")
    suite.add_property("judged by", gate.by)
    suite.add_property("confidence", f"{gate.confidence:g}")
    suite.add_property("verdict", verdict(gate))
    for number, warning in enumerate(gate.warnings, 1):
        suite.add_property(f"warning {number}", warning)
    for one in gate.judgements:
        suite.add_testcase(_case(one))
    suites = junitparser.JUnitXml(NAME)
    suites.add_testsuite(suite)
    suites.update_statistics()  # type: ignore[no-untyped-call]
    return str(suites.tostring().decode("utf-8"))  # type: ignore[no-untyped-call]


def _case(one: Judgement) -> junitparser.TestCase:
    case = junitparser.TestCase(f"{one.limit}: {one.attack}", classname="privacy gate", time=0.0)
    said = f"measured: {measured(one)}"
    if one.status == PASSED:
        case.system_out = said
    else:
        kind = junitparser.Failure if one.status == FAILED else junitparser.Error
        case.result = [kind(f"{said}; {one.why}", one.status)]
    return case
