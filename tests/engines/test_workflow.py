"""What an entry of a config finds out about the workflow it belongs to, and how mistakes in it are raised."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_runs import QUIET
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, create_workflow, load, run

from common.engines import bundle_root, one_sentence, raise_mistakes, sentence
from common.engines.workflow import calling, check_started
from common.io import InputError, find_mistake

REPOSITORY = Path(__file__).parents[2]
IN_TRAINING = "or in training a smaller batch or spatial size"


def chained(*errors: Exception) -> Exception:
    """The errors as raised one from the other, the first at the bottom."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


def applying() -> Exception:
    """What MONAI puts around every error in a transform."""
    return RuntimeError("applying transform <common.transforms.load_scans.LoadScansd object>")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("a.nii is constant."), "a.nii is constant."),
        (InputError("two\n   lines"), "two lines"),
        (chained(InputError("a.nii is constant."), applying()), "a.nii is constant."),
        (chained(InputError("inner"), applying(), RuntimeError("outer")), "inner"),
        (chained(KeyError("reader"), InputError("a.nii is damaged."), applying()), "a.nii is damaged."),
        (chained(OSError("a.nii cannot be written: full."), applying()), "a.nii cannot be written: full."),
        (RuntimeError("no cause"), "RuntimeError: no cause"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.nii"), "a.nii: No such file or directory."),
        (MemoryError(), f"There is not enough memory: choose a coarser spacing, {IN_TRAINING}."),
        (chained(MemoryError(), RuntimeError("outer")), "There is not enough memory"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB."), "There is not enough memory"),
        (InputError(), "InputError"),
        (chained(KeyError("a"), RuntimeError("Failed to evaluate")), "KeyError: 'a'"),
        (SyntaxError("'(' was never closed"), "SyntaxError: '(' was never closed"),
    ],
)
def test_sentence_is_the_message_at_the_bottom(error: Exception, expected: str) -> None:
    assert sentence(error).startswith(expected)
    assert "\n" not in sentence(error)


@pytest.mark.parametrize("error", [InputError, OSError, FileNotFoundError])
def test_one_sentence_exits(error: type[Exception]) -> None:
    with pytest.raises(SystemExit, match=r"^Error: it is so\.$"), one_sentence():
        raise error("it is so.")


@pytest.mark.parametrize("error", [KeyError, ValueError, TypeError, RuntimeError])
def test_one_sentence_lets_programming_errors_through(error: type[Exception]) -> None:
    with pytest.raises(error, match="a bug"), one_sentence():
        raise error("a bug")


def test_one_sentence_says_nothing_where_all_is_well() -> None:
    with one_sentence():
        value = 1
    assert value == 1


class Owner:
    def call(self, function: Callable[[], Any]) -> Any:
        return function()


def test_calling_finds_the_innermost_object() -> None:
    outer, inner = Owner(), Owner()
    assert outer.call(lambda: inner.call(lambda: calling(Owner))) is inner
    assert calling(Owner) is None


WHERE = "$pathlib.Path(@bundle_root, 'models', 'where.txt').read_text() and None"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose network needs a file of the bundle, so that it is built where that is found only."""
    root = tmp_path / "some" / "tiny"
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "models" / "where.txt").write_text("here")
    config = {
        "imports": ["$import pathlib"],
        "bundle_root": {"_target_": "common.engines.bundle_root"},
        "size": 2,
        "network_def": {"_target_": "torch.nn.Linear", "in_features": "@size", "out_features": 1, "device": WHERE},
        "initialize": [{"_target_": "common.engines.raise_mistakes"}, {"_target_": "common.engines.check_config"}],
        "run": ["$pathlib.Path('done.txt').write_text(@bundle_root)", "$@network_def"],
    }
    (root / "configs" / "train.json").write_text(json.dumps(config))
    (root / "configs" / "metadata.json").write_text("{}")
    torch.save(torch.nn.Linear(2, 1).state_dict(), root / "models" / "model.pt")
    return root


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another working directory, and the command line of another program."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["python"])
    return folder


def by_run(bundle: Path) -> Any:
    return run(config_file=str(bundle / "configs" / "train.json"), logging_file=QUIET)


def by_args_file(bundle: Path) -> Any:
    Path("args.json").write_text(json.dumps({"config_file": "../some/tiny/configs/train.json", "logging_file": False}))
    return run(args_file="args.json")


def by_create_workflow(bundle: Path) -> Any:
    return create_workflow(config_file=["../some/tiny/configs/train.json"], logging_file=QUIET).run()


def by_config_workflow(bundle: Path) -> Any:
    workflow = ConfigWorkflow(config_file=str(bundle / "configs" / "train.json"), logging_file=False)
    workflow.initialize()
    assert workflow.bundle_root == str(bundle)
    return workflow.run()


@pytest.mark.parametrize("way", [by_run, by_args_file, by_create_workflow, by_config_workflow])
def test_bundle_is_found_from_another_folder(way: Callable, bundle: Path, elsewhere: Path) -> None:
    way(bundle)
    assert Path("done.txt").read_text() == str(bundle)


def test_loaded_network_finds_its_bundle(bundle: Path, elsewhere: Path) -> None:
    network: Any = load(bundle.name, bundle_dir=str(bundle.parent), source="github")
    assert torch.equal(network.weight, torch.load(bundle / "models" / "model.pt", weights_only=True)["weight"])


@pytest.mark.parametrize("many", [False, True])
def test_exported_network_finds_its_bundle(many: bool, bundle: Path, elsewhere: Path) -> None:
    config = str(bundle / "configs" / "train.json")
    ckpt_export(
        net_id="network_def",
        filepath="model.ts",
        ckpt_file=str(bundle / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=[config] if many else config,
    )
    assert Path("model.ts").is_file()


def test_root_of_a_parser_alone_is_here() -> None:
    assert bundle_root() == "."
    assert ConfigParser({"root": {"_target_": "common.engines.bundle_root"}}).get_parsed_content("root") == "."


def failing(expression: str | dict[str, Any]) -> ConfigParser:
    parser = ConfigParser({"first": {"_target_": "common.engines.raise_mistakes"}, "second": expression})
    parser.get_parsed_content("first")
    return parser


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("$open('absent.nii')", FileNotFoundError),
        ({"_target_": "common.io.read_text", "path": __file__ + ".absent"}, FileNotFoundError),
        ({"_target_": "common.handlers.exponential", "current_step": 1, "start": -1, "end": 1, "over": 2}, InputError),
    ],
)
def test_mistakes_are_raised_as_what_they_are(
    expression: str | dict[str, Any], kind: type[Exception], elsewhere: Path
) -> None:
    with pytest.raises(kind, match=r"absent|to be positive") as error:
        failing(expression).get_parsed_content("second")
    assert "Config" not in str(error.value)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("${}['absent']", KeyError),
        ("$float('abc')", ValueError),
        ("$torch.zeros(2).matmul(torch.zeros(3))", RuntimeError),
    ],
)
def test_mistakes_of_ours_keep_what_is_around_them(expression: str, kind: type[Exception]) -> None:
    with pytest.raises(RuntimeError, match="Failed to evaluate") as error:
        failing(expression).get_parsed_content("second")
    assert isinstance(error.value.__cause__, kind)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"network_def#out_features": -1}, "--network_def cannot be used as it is given: RuntimeError: "),
        ({"network_def": "$1 / 0"}, "--network_def cannot be used as it is given: ZeroDivisionError: division by zero"),
        ({"size": "$len(3)"}, "--size cannot be used as it is given: TypeError: object of type 'int' has no len"),
    ],
)
def test_parts_that_a_user_changed_are_told(changed: dict[str, Any], told: str, bundle: Path, elsewhere: Path) -> None:
    with pytest.raises(InputError, match=f"^{told}"):
        run(config_file=str(bundle / "configs" / "train.json"), logging_file=QUIET, **changed)


def test_a_component_that_a_user_put_there_and_fails_at_work_is_told(bundle: Path, elsewhere: Path) -> None:
    config, work = str(bundle / "configs" / "train.json"), ["$@network_def('text')"]
    other = {"_target_": "torch.nn.LeakyReLU", "negative_slope": "@size"}
    told = r"^--network_def cannot be used in place of torch\.nn\.Linear: TypeError: leaky_relu\(\)"
    with pytest.raises(InputError, match=told) as error:
        run(config_file=config, logging_file=QUIET, run=work, network_def=other)
    assert error.value.__cause__ is not None  # whoever wrote the component sees where
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        run(config_file=config, logging_file=QUIET, run=work)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"initialize": []}, r"^--initialize is expected to keep the entries of the bundle, .*, got \[\]: "),
        ({"initialize": ["$print()"]}, r"^--initialize is expected to keep .* with \+initialize\.$"),
        ({"run": []}, r"^--run is expected to be what is run, got \[\]\.$"),
    ],
)
def test_entries_of_a_bundle_are_kept(changed: dict[str, Any], told: str, bundle: Path, elsewhere: Path) -> None:
    checked = {"_target_": "common.engines.workflow.check_started"}
    options: dict[str, Any] = {"run": ["$@checked"], "checked": checked, **changed}
    with pytest.raises((InputError, RuntimeError), match=r"--run|Failed to instantiate") as error:
        run(config_file=str(bundle / "configs" / "train.json"), logging_file=QUIET, **options)
    assert re.search(told, str(find_mistake(error.value)))


def test_check_started_alone_does_nothing() -> None:
    check_started()


def test_work_that_fails_is_no_mistake_of_the_user(bundle: Path, elsewhere: Path) -> None:
    with pytest.raises(RuntimeError, match="Failed to evaluate"):
        run(config_file=str(bundle / "configs" / "train.json"), logging_file=QUIET, run=["$@network_def", "$1 / 0"])


def test_raise_mistakes_alone_does_nothing() -> None:
    raise_mistakes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "{bundle}/models/where.txt: No such file or directory."),
        (
            ["--network_def={'_target_':'nowhere.Net'}"],
            "--network_def cannot be used as it is given: ModuleNotFoundError: Cannot locate class or function path",
        ),
        (["--network_def=$("], "--network_def cannot be used as it is given: SyntaxError: '(' was never closed"),
    ],
)
def test_command_line_says_one_sentence(options: list[str], message: str, bundle: Path, elsewhere: Path) -> None:
    (bundle / "models" / "where.txt").unlink()
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", "../some/tiny/configs/train.json"]
    command += options
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Error: {message.format(bundle=bundle)}" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
