"""What the results of a config are made of besides their inputs: its bundle, its weights, and every knob it has."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from common.data import PHASE_KEYS
from common.io import fingerprint

from ._configuration import PASSING
from ._references import references
from .bundle_segmenter import segmenter_weights
from .config_check import ENTRIES
from .knobs import PATHS, is_built
from .workflow import calling

# no settings: files, which are described by their content, the phases of a pair, which name it, and what is not felt
NO_SETTINGS = ENTRIES | PATHS - {"initial_transform"} | {"_meta_", *PHASE_KEYS, *PASSING}


def provenance(
    bundle: str, checkpoint: str | Path | None = None, segmenter: str | Path | None = None
) -> dict[str, Any]:
    """Describe what the config that is being resolved makes its results of.

    Args:
        bundle: its name.
        checkpoint: weights, described by their content.
        segmenter: folder of a segmentation bundle, see `load_segmenter`; its weights are described likewise.

    Returns:
        ``bundle``, ``version``, ``device``, ``weights`` and ``segmenter`` where they are given, and ``settings``: every
        knob of the config by its name, see `knobs_of`.
    """
    parser = calling(ConfigParser) or ConfigParser({})
    config: dict[str, Any] = parser.get()
    described = {} if checkpoint is None else {"weights": fingerprint(checkpoint)}
    described |= {} if segmenter is None else {"segmenter": fingerprint(segmenter_weights(segmenter))}
    return {
        "bundle": bundle,
        "version": config.get("_meta_", {}).get("version"),
        "device": parser.get_parsed_content("device") if "device" in config else None,
        **described,
        "settings": {name: parser.get_parsed_content(name) for name in knobs_of(config)},
    }


def knobs_of(config: Mapping[str, Any]) -> list[str]:
    """Find the knobs of a config: ids that something reads, and whose values are literal or expressions of such alone.

    Args:
        config: not resolved, with all overlays and options.

    Returns:
        Their names, without those of files, of the steps of a run and of what changes no result.
    """
    read = references(config) - NO_SETTINGS
    candidates = {name: value for name, value in config.items() if name in read}
    literal = {name for name, value in candidates.items() if _is_literal(value)}
    return [name for name, value in candidates.items() if name in literal or _is_made_of(value, literal)]


def _is_literal(value: Any) -> bool:
    if isinstance(value, Mapping | list | tuple) and not is_built(value):
        return all(map(_is_literal, value.values() if isinstance(value, Mapping) else value))
    return not is_built(value)


def _is_made_of(value: Any, names: Set[str]) -> bool:
    """Whether a text refers to these ids and to nothing else."""
    read = references(value) if isinstance(value, str) else set()
    return bool(read) and read <= names
