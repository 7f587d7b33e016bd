"""Verdicts as JUnit XML, which every CI server reads: a suite a scenario, a case an expectation or invariant."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from fleetd_hil.scenario.play import Verdict


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """One file for all scenarios of a run."""
    root = ET.Element("testsuites")
    for verdict in verdicts:
        failures = sum(not finding.held for finding in verdict.findings)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=verdict.name,
            tests=str(len(verdict.findings)),
            failures=str(failures),
            errors="0",
            time=f"{verdict.wall_s:.1f}",
        )
        for finding in verdict.findings:
            case = ET.SubElement(suite, "testcase", classname=f"scenario.{verdict.name}", name=finding.words)
            if not finding.held:
                ET.SubElement(case, "failure", message=finding.evidence or "it did not hold")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
