"""What the label maps of a folder were made of, and whether they still are what was written."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.io import fingerprint, read_json, save_text
from common.reports import differences

logger = logging.getLogger("common")
RECORDS = "made_of.json"


class LabelRecords:
    """The records of a folder of label maps, in ``made_of.json``.

    Args:
        folder: of the label maps. A damaged file of records counts as none.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORDS
        self.records: dict[str, Any] = {}
        if self.path.is_file():
            try:
                content = read_json(self.path, dict)
                self.records = {name: record for name, record in content.items() if isinstance(record, dict)}
            except ValueError:
                logger.warning("%s is damaged: label maps that are there are kept as they are.", self.path)

    def state(self, target: Path, expected: Mapping[str, Any]) -> tuple[bool, str]:
        """Say whether a label map can stay, and why or why not.

        One that this program did not write, or that was edited since, stays in any case.
        """
        record = self.records.get(target.name)
        now = fingerprint(target)
        if now is None:
            return False, ""
        if record is None or record.get("sha256") != now["sha256"]:
            return True, " is kept: its label map is not, or no longer, as written here"
        why = differences(record, target.parent, expected)
        return (False, f" is done again: {why}") if why else (True, " is complete: same scan and network")

    def add(self, target: Path, expected: Mapping[str, Any]) -> None:
        """Record a label map that was just written."""
        written = fingerprint(target) or {}
        self.records[target.name] = {**expected, "files": [target.name], "sha256": written.get("sha256")}
        save_text(self.path, json.dumps(self.records, indent=1, default=str) + "\n")
