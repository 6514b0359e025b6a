"""Workflows of CI systems in the docs: held to the systems' own schemas, and their commands."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml


def commands(text: str) -> list[str]:
    """What the workflow runs, line by line; it must be one that GitHub Actions or GitLab takes."""
    found = yaml.safe_load(text)
    of_github = "jobs" in found
    Path("workflow.yml").write_text(text, encoding="utf-8")
    schema = "vendor.github-workflows" if of_github else "vendor.gitlab-ci"
    checked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "workflow.yml"]
    done = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [step for job in found["jobs"].values() for step in job["steps"]] if of_github else list(found.values())
    lines = [line for step in steps for line in (step.get("run", "").splitlines() or step.get("script", []))]
    assert lines
    return lines


def files(text: str) -> list[str]:
    """The files that the workflow hands on."""
    return [value for key, value in _flat(yaml.safe_load(text)) if key in ("sarif_file", "junit")]


def _flat(content: Any) -> list[tuple[str, str]]:
    if isinstance(content, dict):
        pairs = [(key, value) for key, value in content.items() if isinstance(value, str)]
        return pairs + [pair for value in content.values() for pair in _flat(value)]
    return [pair for value in content for pair in _flat(value)] if isinstance(content, list) else []
