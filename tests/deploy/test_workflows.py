# SPDX-License-Identifier: BSD-2-Clause-Patent
"""Claims about .github/workflows, which nothing here runs, and about scripts/compare-builds.sh."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}
JOBS = [(file, name) for file, workflow in WORKFLOWS.items() for name in workflow["jobs"]]
STEPS = [
    (f"{file}:{name}", step) for file, name in JOBS for step in WORKFLOWS[file]["jobs"][name]["steps"]
]
RULE = re.compile(r"^([a-z][\w -]*):(?!=)", re.MULTILINE)
TARGETS = {
    name
    for file in ("Makefile", "tests/tests.mk")
    for names in RULE.findall((ROOT / file).read_text())
    for name in names.split()
}
EXPRESSION = re.compile(r"\$\{\{.*?\}\}")
ASSIGNMENT = re.compile(r"[A-Z_]+=")
SUITES = ("unit", "lint", "fuzz", "image", "deploy", "qemu", "distro")


def job(file: str, name: str) -> dict:
    return WORKFLOWS[file]["jobs"][name]


def commands(program: str) -> list[list[str]]:
    """The arguments of each call of a program in any step."""
    found = []
    for _, step in STEPS:
        for command in re.split(r"&&|;|\n", EXPRESSION.sub("VALUE", step.get("run", ""))):
            words = command.split()
            if words and words[0] == program:
                found.append(words[1:])
    return found


def test_both_workflows_are_there():
    assert set(WORKFLOWS) == {"ci.yml", "release.yml"}


def test_each_make_target_exists():
    targets = [word for words in commands("make") for word in words if not ASSIGNMENT.match(word)]
    assert {"dist", "deb", "package", "lint-version"} <= set(targets)
    for target in targets:
        assert target in TARGETS, target


@pytest.mark.parametrize(("where", "step"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_script_exists_and_can_be_run(where, step):
    assert ("run" in step) != ("uses" in step), where
    for name in re.findall(r"(?<![\w/])(?:scripts|tests)/[\w./-]+", step.get("run", "")):
        assert (ROOT / name).stat().st_mode & 0o111, name


def test_each_suite_of_check_sh_exists():
    for words in commands("scripts/check.sh"):
        for word in words:
            assert word in {*SUITES, "VALUE"}, word
    for suites in job("ci.yml", "host")["strategy"]["matrix"]["suites"]:
        assert set(suites.split()) <= set(SUITES)


@pytest.mark.parametrize(("file", "name"), JOBS)
def test_each_job_has_a_machine_a_time_limit_and_needs_that_exist(file, name):
    assert job(file, name)["runs-on"] == "ubuntu-latest"
    assert 0 < job(file, name)["timeout-minutes"] <= 120
    needs = job(file, name).get("needs", [])
    for other in [needs] if isinstance(needs, str) else needs:
        assert other in WORKFLOWS[file]["jobs"] and other != name


@pytest.mark.parametrize(("file", "name"), JOBS)
def test_each_value_of_the_matrix_that_a_job_uses_exists(file, name):
    used = set(re.findall(r"\$\{\{ matrix\.(\w+) \}\}", yaml.dump(job(file, name), width=10**6)))
    assert used == set(job(file, name).get("strategy", {}).get("matrix", {}))


def test_only_the_job_that_publishes_may_write():
    for file, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, file
    granted = {pair: job(*pair)["permissions"] for pair in JOBS if "permissions" in job(*pair)}
    assert granted == {
        ("release.yml", "publish"): {"contents": "write", "id-token": "write", "attestations": "write"}
    }
    for _, step in STEPS:
        if "github.token" in str(step) or "secrets." in str(step):
            assert step in job("release.yml", "publish")["steps"]


def test_actions_are_the_publisher_s_own_with_a_version():
    for where, step in STEPS:
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/none@v1")), where


def test_release_is_built_twice_for_a_tag_and_compared_before_it_is_attested_and_published():
    workflow = WORKFLOWS["release.yml"]
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as a boolean
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert build["container"] == "debian:13" and publish["needs"] == "build"
    first, second = build["strategy"]["matrix"]["folder"]
    steps = [step.get("run") or step["uses"] for step in publish["steps"]]
    compares = f"scripts/compare-builds.sh builds/{first} builds/{second} release"
    order = [next(i for i, step in enumerate(steps) if step.startswith(begin))
             for begin in (compares, "actions/attest-build-provenance", "gh release create")]
    assert order == sorted(order)


# scripts/compare-builds.sh

FILES = ("dist/x.tar.gz", "deb/x.deb", "deb/x.dsc", "deb/x.tar.xz")


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    """The folders one and two, with the same files and with records that differ."""
    for folder in ("one", "two"):
        for name in FILES:
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text(name)
        (tmp_path / folder / "deb/x.buildinfo").write_text(folder)
    return tmp_path


def compare(builds: Path) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts/compare-builds.sh", "one", "two", "out"]
    return subprocess.run(command, cwd=builds, capture_output=True, text=True)


def test_same_builds_are_collected_with_their_checksums(builds):
    done = compare(builds)
    assert (done.returncode, done.stderr) == (0, "")
    names = {Path(name).name for name in FILES}
    assert {path.name for path in (builds / "out").iterdir()} == {*names, "SHA256SUMS"}
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(check, cwd=builds / "out", capture_output=True, text=True)
    assert checked.stdout.count(": OK\n") == len(FILES)


def refuses(builds: Path, words: str) -> None:
    done = compare(builds)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"compare-builds: {words}"
    assert {path.name for path in builds.iterdir()} == {"one", "two"}


@pytest.mark.parametrize("name", FILES)
def test_file_that_differs_is_named(builds, name):
    (builds / "two" / name).write_text("another")
    refuses(builds, f"{name}: differs between the builds")


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_missing_is_named(builds, name):
    (builds / "two" / name).unlink()
    refuses(builds, f"two/{name}: missing, or not the only one")
    (builds / "one" / name).unlink()
    refuses(builds, f"one/{name.replace('x', '*', 1)}: missing")


def test_second_file_of_a_kind_is_refused(builds):
    (builds / "one/deb/y.deb").write_text("")
    refuses(builds, "one/deb/*.deb: more than one")
