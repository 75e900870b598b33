"""Pairs that were registered both ways round: how far their fields are from being one another's inverse."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.io import read_field, save_text
from common.metrics import inverse_consistency
from common.reports import FIELD, RECORD, format_record, read_record

MEASURED = "inverse_consistency"  # in metrics.json


def pairs_both_ways(pairs: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Names of the pairs that are registered the other way round as well, and of those.

    Args:
        pairs: see `common.data.both_directions`; fields of clouds are not compared: they are made up between points.
    """
    return [(pair["reverse_of"], pair["pair"]) for pair in pairs if "reverse_of" in pair and "fixed_image" in pair]


def record_inverse_consistency(folders: Sequence[Path]) -> list[float]:
    """Add to the records of a pair and its reverse how consistent each is with the other, unless they say so already.

    Args:
        folders: of both results, complete.

    Returns:
        The medians of both, mm: what lies around a patient does not weigh on them as on the means.

    Raises:
        InputError: if a field cannot be read, or they do not overlap.
        OSError: if a record cannot be written; it is whole all the same.
    """
    records = [read_record(folder) for folder in folders]
    if not all(isinstance(record.get(MEASURED), dict) for record in records):
        fields = [read_field(folder / FIELD) for folder in folders]
        for folder, record, first, second in zip(folders, records, fields, fields[::-1], strict=True):
            record[MEASURED] = inverse_consistency(first, second)
            save_text(folder / RECORD, format_record(record))
    return [record[MEASURED]["median_mm"] for record in records]
