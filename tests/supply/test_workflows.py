"""Workflows: nothing that others can change is run, and no job may do more than it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from modelrelay.cdk import ROOT
from tests.supply import workflows

PINNED = re.compile(r"uses: ([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
OURS = re.compile(r"uses: \$/(\S+)$")
WRITES = {
    ("deploy.yml", "deploy"): {"id-token"},
    ("release.yml", "publish"): {"attestations", "contents", "id-token"},
}
"""What a job may write, by file and job; no other job may write anything."""

each_workflow = pytest.mark.parametrize("file", workflows.WORKFLOWS, ids=lambda file: file.name)


def uses(file: Path) -> list[str]:
    """Give the lines of a workflow that name an action or another workflow."""
    lines = (line.strip().removeprefix("- ") for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.startswith("uses:")]


@each_workflow
def test_an_action_is_pinned_to_a_commit(file: Path) -> None:
    """A tag can be moved to other code, a commit can't; the comment tells people which version it is."""
    lines = uses(file)
    assert lines
    foreign = [line for line in lines if not OURS.match(line)]
    assert [line for line in foreign if not PINNED.match(line)] == []


def test_a_workflow_of_ours_that_is_used_exists() -> None:
    """What is named by its path in this repository is there."""
    paths = [found.group(1) for file in workflows.WORKFLOWS for found in map(OURS.match, uses(file)) if found]
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_an_action_has_one_version_everywhere() -> None:
    """An action that is renewed in one workflow is renewed in all of them, the example included."""
    found = {
        PINNED.match(line) for file in workflows.WORKFLOWS for line in uses(file) if not OURS.match(line)
    }
    pins = {match.groups() for match in found if match}
    assert len(pins) == len({action for action, _commit, _version in pins})


@each_workflow
def test_nothing_is_permitted_that_no_job_asks_for(file: Path) -> None:
    """The whole may do nothing, and each job names what it may do."""
    assert workflows.read(file)["permissions"] == {}
    assert [name for name, job in workflows.jobs(file).items() if not job.get("permissions")] == []


@each_workflow
def test_only_what_publishes_or_deploys_may_write(file: Path) -> None:
    """Write access is where it is listed here, and nowhere else."""
    for name, job in workflows.jobs(file).items():
        writes = {key for key, level in job["permissions"].items() if level != "read"}
        assert writes == WRITES.get((file.name, name), set()), name


def test_what_may_write_to_the_repository_runs_no_code_of_it() -> None:
    """The job that publishes checks nothing out: another one, which may write nothing, has built it."""
    release = workflows.jobs(ROOT / ".github" / "workflows" / "release.yml")
    assert [name for name, job in release.items() if "contents: write" in yaml.dump(job)] == ["publish"]
    assert "checkout" not in yaml.dump(release["publish"])


@each_workflow
def test_a_checkout_leaves_no_token_behind(file: Path) -> None:
    """The repository's token is not written to where every later step could read it."""
    checkouts = [
        step for step in workflows.steps(file) if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkouts
    assert [step for step in checkouts if step["with"].get("persist-credentials") is not False] == []


@each_workflow
def test_a_run_ends_and_has_its_place(file: Path) -> None:
    """Every job has a time-out, and every workflow says what happens to a second run."""
    assert {"group", "cancel-in-progress"} <= workflows.read(file)["concurrency"].keys()
    own = {name: job for name, job in workflows.jobs(file).items() if "uses" not in job}
    assert [name for name, job in own.items() if not 0 < job.get("timeout-minutes", 0) <= 90] == []


@each_workflow
def test_no_expression_is_written_into_a_script(file: Path) -> None:
    """What comes from outside reaches a script by its environment, where it can't become code."""
    scripts = [step["run"] for step in workflows.steps(file) if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_ci_runs_the_pythons_that_are_supported() -> None:
    """The oldest Python that the project asks for is tested."""
    matrix = workflows.jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest
    assert oldest.group(1) in matrix["python"]
    assert len(matrix["python"]) == 3


def test_a_new_version_waits_before_it_is_proposed() -> None:
    """Dependabot watches actions, Python and npm, each with at least a week between release and proposal."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "uv", "npm"}
    assert [each for each in updates if each["cooldown"]["default-days"] < 7] == []
    folders = [folder for each in updates for folder in each.get("directories", [each.get("directory")])]
    assert [folder for folder in folders if not (ROOT / folder.lstrip("/")).is_dir()] == []
