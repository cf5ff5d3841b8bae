"""A verdict as JUnit XML, as pipelines read it. Pure."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from .schema import Json


def junit(report: Json, run: str) -> str:
    """A test suite with a case for each check, and one for the run's validity."""
    cases = [_case("the run is valid", "; ".join(report["generator"]["problems"]))]
    for check in report["checks"]:
        wrong = "" if check["ok"] else f"{check['value']} is not {check['relation']} {check['limit']}"
        cases.append(_case(check["name"], wrong))
    failures = sum("<failure" in case for case in cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name={quoteattr("load test " + run)} tests="{len(cases)}" failures="{failures}">\n'
        + "".join(cases)
        + "</testsuite>\n"
    )


def _case(name: str, wrong: str) -> str:
    inner = f"<failure message={quoteattr(wrong)}/>" if wrong else ""
    return f'  <testcase classname="loadtest" name={quoteattr(name)}>{inner}</testcase>\n'
