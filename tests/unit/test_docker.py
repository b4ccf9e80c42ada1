"""The images, the compose file and the job manifest, without Docker: sources, versions, users, commands.

What a step of the Dockerfile names must exist, and what it runs must be there with these options.
"""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from vsr.studio.guard import HEALTH

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
)
README = (ROOT / "docker" / "README.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
CLAIM, JOB = list(yaml.safe_load_all((ROOT / "docker" / "rayjob.yaml").read_text()))
CLUSTER = JOB["spec"]["rayClusterSpec"]
PODS = [group["template"]["spec"] for group in (CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"])]


@dataclass
class Stage:
    """One ``FROM`` of the Dockerfile with what follows it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        return [text for what, text in self.steps if what == instruction]


def _stages() -> dict[str, Stage]:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    stages: dict[str, Stage] = {}
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = Stage(name, base)
        else:
            stage.steps.append((instruction, " ".join(rest.split())))
    return stages


STAGES = _stages()


def _ancestry(name: str) -> list[Stage]:
    """A stage and what it is built on, the last first."""
    found = []
    while name in STAGES:
        found.append(STAGES[name])
        name = STAGES[name].base
    return found


def _commands(stage: Stage) -> list[list[str]]:
    return [
        shlex.split(part) for text in stage.of("RUN") for part in re.split(r"&&|\|", text.replace("*.whl", "X.whl"))
    ]


def _copied() -> list[str]:
    """Sources in the repository, of all stages."""
    copies = [shlex.split(text) for stage in STAGES.values() for text in stage.of("COPY")]
    return [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]


def test_both_images_are_there() -> None:
    assert {"cpu", "cuda"} <= set(STAGES)
    for target in ("cpu", "cuda"):
        assert f"--target {target} -t vsr:{PROJECT['project']['version']}-{target} ." in README


def test_every_source_exists_and_reaches_the_builder() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    for source in _copied():
        assert (ROOT / source).exists(), source
        assert source in allowed, f"{source} is not let through by .dockerignore"
    assert sorted(allowed) == sorted(set(_copied()))  # and nothing else is sent
    assert any(fnmatch("vsr/__pycache__", rule.replace("**/", "*/")) for rule in rules[1:] if not rule.startswith("!"))


def test_stages_copy_from_stages_that_come_before() -> None:
    seen: list[str] = []
    for stage in STAGES.values():
        for text in stage.of("COPY"):
            if text.startswith("--from="):
                assert text.split()[0].removeprefix("--from=") in seen
        seen.append(stage.name)


def test_python_is_the_same_everywhere() -> None:
    bases = {stage.base for stage in STAGES.values() if stage.base not in STAGES}
    assert len(bases) == 1
    [base] = bases
    minor = PROJECT["tool"]["mypy"]["python_version"]
    assert re.fullmatch(rf"python:{re.escape(minor)}-slim-\w+", base)
    assert PROJECT["project"]["requires-python"] == f">={minor}"
    assert base in README


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_images_run_as_nobody_in_particular(target: str) -> None:
    users = [text for stage in _ancestry(target) for text in stage.of("USER")]
    assert users[0] == "1000:1000"  # in numbers, so that Kubernetes can tell that it is not root
    assert not [text for stage in _ancestry(target) for text in stage.of("ENTRYPOINT")]
    commands = [words for stage in _ancestry(target) for words in _commands(stage)]
    assert not [words for words in commands if words[0] == "pip"]  # a stage that is left behind does that
    [libraries] = [words[2:] for words in commands if words[:2] == ["apt-get", "install"]]
    assert {"libgl1", "libglib2.0-0", "libxcb1"} <= set(libraries)  # without which OpenCV's wheel does not load
    [copy] = STAGES[target].of("COPY")
    assert copy == f"--from=packages-{target} /opt/vsr /opt/vsr"


def test_the_default_command_is_a_studio_whose_health_is_watched() -> None:
    runtime = STAGES["runtime"]
    [command], [exposed], [health] = (runtime.of(what) for what in ("CMD", "EXPOSE", "HEALTHCHECK"))
    words = json.loads(command)
    assert words[:2] == ["vsr", "studio"]
    _check_vsr(words)
    assert words[words.index("--port") + 1] == exposed
    check = json.loads(health[health.index("[") :])
    assert check[:2] == ["python", "-c"]
    assert f"http://127.0.0.1:{exposed}{HEALTH}" in check[2]
    compile(check[2], "HEALTHCHECK", "exec")
    assert COMPOSE["services"]["worker"]["healthcheck"] == {"disable": True}  # no studio runs in it


def test_every_install_is_pinned_and_leaves_no_cache() -> None:
    installs = [words for stage in STAGES.values() for words in _commands(stage) if words[:2] == ["pip", "install"]]
    assert len(installs) == 6
    for words in installs:
        assert "--no-cache-dir" in words
        assert ("--constraint" in words) != ("--no-deps" in words)
        if "--index-url" in words:
            assert words[words.index("--index-url") + 1] == "https://download.pytorch.org/whl/cpu"
            assert words[-2:] == ["--requirement", "torch.txt"]
    checked = [stage.name for stage in STAGES.values() if ["pip", "check"] in _commands(stage)]
    assert checked == ["packages-cpu", "packages-cuda"]


def test_torch_for_processors_is_of_the_pinned_version() -> None:
    [pattern] = [words[2] for words in _commands(STAGES["requirements"]) if words[0] == "grep"]
    found = [f"{name}=={pin}" for name, pin in PINS.items() if re.search(pattern, f"{name}=={pin}")]
    assert found == [f"torch=={PINS['torch']}", f"torchvision=={PINS['torchvision']}"]


def test_the_list_of_requirements() -> None:
    [step] = [words for words in _commands(STAGES["requirements"]) if words[:2] == ["python", "requirements.py"]]
    arguments = step[2 : step.index(">")]
    done = subprocess.run(
        [sys.executable, ROOT / "docker" / "requirements.py", ROOT / arguments[0], *arguments[1:]],
        capture_output=True,
        text=True,
        check=True,
    )
    requested = done.stdout.splitlines()
    assert set(PROJECT["project"]["dependencies"]) < set(requested)
    assert [one for one in requested if one.startswith("ray[default]")]  # jobs need Ray's job server
    names = {re.match(r"[\w.-]+", one).group().lower() for one in requested}  # type: ignore[union-attr]
    assert names <= {name.lower() for name in PINS}


def test_the_build_tool_is_pinned() -> None:
    assert PROJECT["build-system"]["build-backend"] == "hatchling.build"
    assert "hatchling" in PINS
    assert ["python", "-m", "hatchling", "build", "--target", "wheel", "--directory", "/dist"] in _commands(
        STAGES["wheel"]
    )


def test_the_wheel_is_built_from_what_the_stage_copies(tmp_path: Path) -> None:
    """Its steps, run here: the build finds all that it needs."""
    source = tmp_path / "src"
    source.mkdir()
    for text in STAGES["wheel"].of("COPY"):
        *names, target = text.split()
        for name in names:
            place = source / target if (ROOT / name).is_dir() else source / target / name
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, place)
    [words] = [words for words in _commands(STAGES["wheel"]) if words[:3] == ["python", "-m", "hatchling"]]
    here = [str(tmp_path / "dist") if word == "/dist" else word for word in words[1:]]
    subprocess.run([sys.executable, *here], cwd=source, check=True, capture_output=True)
    assert [path.suffix for path in (tmp_path / "dist").iterdir()] == [".whl"]


def test_versions_agree() -> None:
    version = PROJECT["project"]["version"]
    assert CLUSTER["rayVersion"] == PINS["ray"]
    images = {service["image"] for service in COMPOSE["services"].values()}
    images |= {container["image"] for pod in PODS for container in pod["containers"]}
    assert images == {f"vsr:{version}-cpu"}
    assert set(re.findall(r"vsr:([\d.]+)-c", README)) == {version}


def test_the_cluster_of_the_compose_file() -> None:
    head, worker = COMPOSE["services"]["head"], COMPOSE["services"]["worker"]
    assert worker["deploy"]["replicas"] == 2
    assert head["volumes"] == worker["volumes"] == ["data:/data"]
    assert "data" in COMPOSE["volumes"]
    for service in (head, worker):
        assert (ROOT / "docker" / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["build"]["target"] in STAGES
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service  # the image's
    assert all(port.startswith("127.0.0.1:") for port in head["ports"])
    _check_ray(shlex.split(head["command"]))
    _check_ray(shlex.split(worker["command"]))
    _check_ray(head["healthcheck"]["test"][1:])
    [port] = re.findall(r"--port=(\d+)", head["command"])
    assert f"--address=head:{port}" in worker["command"]
    assert head["healthcheck"]["test"][-1] == f"head:{port}"


def test_the_job_of_the_manifest() -> None:
    words = shlex.split(JOB["spec"]["entrypoint"])
    _check_pipeline(words)
    assert CLUSTER["authOptions"] == {"mode": "token"}
    for pod in PODS:
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 1000
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert mounts["data"] == "/data"
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
        assert set(mounts) == set(volumes)
    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in (CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]):
        flags = [f"--{name}={value}" for name, value in group["rayStartParams"].items()]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        _check_ray(["ray", "start", *flags])
    for group in CLUSTER["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def _shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("line", _shell_lines())
def test_every_command_of_the_readme(line: str) -> None:
    words = shlex.split(line)
    for flag in ("-f",):
        if flag in words and words[words.index(flag) + 1].startswith("docker/"):
            assert (ROOT / words[words.index(flag) + 1]).is_file()
    assert words[0] in ("docker", "export", "kubectl")
    if words[0] == "kubectl":
        assert any(JOB["metadata"]["name"] in word or word.endswith("rayjob.yaml") for word in words)
    for program in ("vsr", "ray"):
        if program in words:
            inner = words[words.index(program) :]
            _check_vsr(inner) if program == "vsr" else _check_ray(inner)


def _check_vsr(words: list[str]) -> None:
    """The command is there, and takes these options."""
    assert PROJECT["project"]["scripts"] == {"vsr": "vsr.cli:main"}
    import typer.main

    from vsr.cli import app

    group = typer.main.get_command(app)
    command = group.commands[words[1]]  # type: ignore[attr-defined]
    command.make_context(words[1], words[2:], resilient_parsing=True)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words[2:] if word.startswith("-")} <= known


def _check_ray(words: list[str]) -> None:
    """The command of Ray is there, and takes these options."""
    assert words[0] == "ray"
    assert [point for point in entry_points(group="console_scripts", name="ray") if point.value]
    from ray.scripts.scripts import cli

    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group):
        assert rest[0] in command.commands, f"ray has no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    flags = rest[: rest.index("--")] if "--" in rest else rest
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {flag.partition("=")[0] for flag in flags if flag.startswith("-")} <= known
    if "--" in rest:
        _check_pipeline(rest[rest.index("--") + 1 :])


def _check_pipeline(words: list[str]) -> None:
    """The script is in the image, and takes these arguments."""
    assert words[0] == "python"
    place = Path(words[1])
    [target] = [text.split()[1] for text in STAGES["runtime"].of("COPY") if text.startswith("pipelines ")]
    assert place.parent == Path(target)
    parse = runpy.run_path(str(ROOT / "pipelines" / place.name))["parse"]
    assert parse(words[2:]).output


def test_pipelines_are_short_and_nothing_imports_them() -> None:
    for path in (ROOT / "pipelines").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 150
    for path in (*(ROOT / "vsr").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")):
        assert not re.search(r"^\s*(from|import) pipelines\b", path.read_text(), re.MULTILINE)
