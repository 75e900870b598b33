"""Old names of options: they work for one version more, with a warning that tells the new one."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from common.io import InputError

from ._references import references

RENAMED = {
    "organs": "organ_count",
    "pairs": "pairing",
    "passes": "samples",
    "pixdim": "spacing",
    "released": "reference",
    "remainder": "residual_weight",
}


def use_new_names(config: dict[str, Any], files: Sequence[Mapping[str, Any]]) -> bool:
    """Call the options of a config by their new names, in place: on the command line, in Python and in overlays.

    A name is old where the config has the new id and the bundle's own files refer to nothing by the old one.

    Args:
        config: not resolved, with all overlays and options.
        files: what the bundle's own files say, see `common.engines.config_check.read_files`.

    Returns:
        Whether anything was changed.

    Raises:
        InputError: if an option is given by both names.
    """
    in_use = references(files)
    renamed = {old: new for old, new in RENAMED.items() if new in config and old not in in_use}
    given = renamed.keys() & config.keys()
    for old in sorted(given):
        new = renamed[old]
        if all(config[new] != content.get(new, ...) for content in files):
            raise InputError(f"--{old} is called --{new} now: give one of them, not both.")
        warnings.warn(f"--{old} is called --{new} now; the old name goes in the next version.", FutureWarning, 2)
        config[new] = config.pop(old)
    referred = (renamed.keys() & references(config)) - config.keys()
    config.update({old: f"@{renamed[old]}" for old in referred})  # in expressions of overlays
    return bool(given | referred)
