"""Names of files and folders on the way from the command line through a config.

Fire takes every value for Python where it can: `1_2` becomes 12, `a,b` two names, and `#` begins a comment. MONAI's
ConfigParser writes `::` for every `#` in a text.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

from fire.decorators import SetParseFn, SetParseFns
from fire.parser import DefaultParseValue

from common.io import InputError

from .knobs import PATHS


def check_path_options(arguments: Sequence[str]) -> None:
    """Make sure that the names given arrive as they were written.

    Args:
        arguments: of the command line of a bundle.

    Raises:
        InputError: if a name is taken for something else; it says how to write it.
    """
    for name, text in _options(arguments):
        if name.endswith("_dir"):
            check_folder_name(name, text)
        value = DefaultParseValue(text)
        quoted = text[:1] in ("'", '"')
        commented = isinstance(value, str) and text.startswith(f"{value}#")
        if value != text and not quoted and (commented or _is_mistaken(name, value)):
            raise InputError(f"--{name} {text} is taken for {value!r}, not for a name: write it as ./{text}")


def as_written(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let Fire hand a command every text as it was written; the other values are Python as ever.

    Args:
        command: whose arguments have types; those of text are `str` or `str | None`.
    """
    others = [name for name, kind in get_type_hints(command).items() if kind not in (str, str | None)]
    parse: Callable[..., Any] = SetParseFns(**dict.fromkeys(others, DefaultParseValue))(SetParseFn(str)(command))
    return parse


def check_folder_name(name: str, folder: str | Path) -> None:
    """Make sure that a folder for results has a name that a config can hold.

    Args:
        name: of the option.
        folder: as given, or as it comes out of a config.

    Raises:
        InputError: if it holds `#`, or `::`, which may have been one.
    """
    if "#" in str(folder) or "::" in str(folder):
        raise InputError(f"--{name} {folder} is expected to be a name without # and ::, which a config mixes up.")


def check_ending(path: str, endings: Sequence[str]) -> None:
    """Make sure that a file to write is called by its format.

    Raises:
        InputError: if its name has none of the endings.
    """
    if not str(path).lower().endswith(tuple(endings)):
        listed = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise InputError(f"--output is expected to end in {listed}, got {path}.")


def check_flags(**flags: Any) -> None:
    """Make sure that options without a value have got none.

    Raises:
        InputError: if one has: Fire takes what stands behind it.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InputError(
                f"--{name} takes no value: write it at the end, not before {value}; or {value} is one too many."
            )


def restore_name(value: Any) -> Any:
    """Give a file whose `#` became `::` its name back, if there is such a file; also in records of a list.

    Example:
        >>> restore_name("nowhere::1.nii.gz")
        'nowhere::1.nii.gz'
    """
    if isinstance(value, list | tuple):
        return [restore_name(each) for each in value]
    if isinstance(value, dict):
        return {key: restore_name(each) for key, each in value.items()}
    if not isinstance(value, str) or Path(value).exists():
        return value
    name = value.replace("::", "#")
    return name if Path(name).exists() else value


def _is_mistaken(name: str, value: object) -> bool:
    """None is no file, and a list of pairs may be written out; a folder cannot be left out."""
    meant = (value is None and not name.endswith("_dir")) or (name == "datalist" and isinstance(value, list))
    return name in PATHS and not meant


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and values as they were written."""
    for argument, following in pairwise([*arguments, "--"]):
        name, equals, text = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and (equals or not following.startswith("--")):
            yield name.replace("-", "_"), text if equals else following
