"""One look at a config before anything in it is resolved: unknown options, names that would be run, wrong kinds."""

import re
import sys
from collections.abc import Mapping, Sequence, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.properties import InferProperties, TrainProperties
from monai.utils import BundlePropertyConfig

from common.io import InputError

from ._arguments import check_arguments
from ._config_files import read_files
from ._references import references, texts
from .knobs import PATHS, check_knob, is_built
from .options import list_options
from .path_option import check_path_options, restore_name
from .renamed import use_new_names
from .workflow import calling, on_command_line

OWN_PATH = re.compile(r"\$@\w+( \+ '[\w/.-]*')?")  # how the configs themselves say where a file is
ENTRIES = {
    *(str(each[BundlePropertyConfig.ID]).split("::")[0] for each in (TrainProperties | InferProperties).values()),
    *("imports", "initialize", "run", "finalize", "displayable_configs", "pre_transforms", "post_transforms"),
    *("tracking_uri", "experiment_name", "run_name", "save_execute_config"),  # MONAI's own, given or not used
}


def check_config() -> None:
    """Check the config that is being resolved, and hand on its knobs as what they mean; see `check_settings`.

    Old names of options are made new ones first, see `use_new_names`.

    On the command line, ``--help`` prints the options instead, see `list_options`, and ends the program.

    An entry of ``initialize`` that refers to nothing: it comes before anything that a user gives is evaluated.

    Raises:
        InputError: in one sentence, if an option is unknown or cannot be used, or nothing is run.
    """
    parser, workflow = calling(ConfigParser), calling(ConfigWorkflow)
    if parser is None or workflow is None:
        return
    if on_command_line():
        check_path_options(sys.argv[1:])
    config: dict[str, Any] = parser.get()
    folder = Path(workflow.config_root_path)
    if on_command_line() and config.pop("help", False):
        print(list_options(config, folder.parent / "docs" / "README.md"))
        raise SystemExit
    if not config.get(workflow.run_id):
        raise InputError(f"--{workflow.run_id} is expected to be what is run, got {config.get(workflow.run_id)}.")
    entries = ENTRIES | {workflow.init_id, workflow.run_id, workflow.final_id}
    files = read_files(folder, config)
    changed = use_new_names(config, files)
    for name, value in check_settings(config, files, entries).items():
        changed |= value is not config[name]
        config[name] = value
    if changed:
        parser.parse()


def check_settings(
    config: Mapping[str, Any], files: Sequence[Mapping[str, Any]], entries: Set[str] = ENTRIES
) -> dict[str, Any]:
    """Check the ids of a config.

    Args:
        config: not resolved, with all overlays and options.
        files: what the bundle's own files say, see `read_files`.
        entries: ids that are used although no other one refers to them.

    Returns:
        The ids and their values; words of a command line as what they mean.

    Raises:
        InputError: if nothing reads an id that was set, something refers to an id that is not there, a name of a file
            would be evaluated, a component has no such argument, or a knob is of another kind or outside its range.
    """
    checked = _check_knobs(config, files)
    for name, value in config.items():
        if absent := sorted(references(value) - set(config)):
            raise InputError(f"--{name} refers to @{absent[0]}, which is nowhere in the config.")
        arguments = check_arguments(checked.get(name, value), name, config)
        if name in checked or arguments is not value:
            checked[name] = arguments
    read = entries | references(config)
    for name in set(config) - read:
        if not name.startswith("_") and all(config[name] != content.get(name, ...) for content in files):
            close = get_close_matches(name, [other for other in config if other in read], n=1)
            hint = f" Did you mean --{close[0]}?" if close else ""
            raise InputError(f"--{name} is not an option here: nothing reads it.{hint}")
    return checked


def _check_knobs(config: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    checked, defaults = {}, _defaults(files)
    for name, value in config.items():
        if name in PATHS:
            checked[name] = _check_path(name, value, defaults.get(name, value))
        elif name in defaults:
            checked[name] = check_knob(name, value, defaults[name])
    if "similarity" in checked.get("metrics", ()) and "similarity" not in config:
        raise InputError("--metrics similarity is that of --similarity, which this config does not have: use ncc.")
    return checked


def _defaults(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What tells the kinds of the ids: the longest file; an expression tells none, rather what an overlay has there."""
    defaults: dict[str, Any] = {}
    for content in files:
        defaults |= {name: value for name, value in content.items() if is_built(defaults.get(name, "$"))}
    return defaults


def _check_path(name: str, value: Any, default: Any) -> Any:
    """A name of a file stays one: never an expression, nor what the parser or the command line made of it."""
    if (value is None and default is None) or (name == "bundle_root" and value == default):
        return value
    if name == "datalist" and value and isinstance(value, list | tuple) and all(isinstance(v, Mapping) for v in value):
        for text in texts(value):
            _check_name(name, text)
        return value
    if isinstance(value, Path):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise InputError(
            f"--{name} is expected to be the name of a file or folder, got {value!r} ({type(value).__name__}): a name "
            "that looks like a number or a list is taken for one, unless a folder stands before it, as in ./1001."
        )
    _check_name(name, value)
    return value


def _check_name(option: str, name: str) -> None:
    if name[:1] in ("$", "@") and not OWN_PATH.fullmatch(name):
        raise InputError(
            f"--{option} {name} begins with {name[0]}, and would be evaluated: put ./ before it, or name it in a file "
            "given as --datalist, where names are data."
        )
    if "::" in restore_name(name):  # MONAI has made it of a #
        name = name.replace("::", "#")
        raise InputError(f"--{option} {name} holds #, which MONAI changes: rename it, or name it in a --datalist file.")
