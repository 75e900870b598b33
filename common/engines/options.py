"""What `--help` on a bundle answers: its options, what they are by default and what they mean, as its page says."""

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill, indent
from typing import Any

from ._references import references
from .knobs import PATHS, is_built

OPTION = re.compile(r"--(\w+)")
LINK = re.compile(r"\]\((\.\./\.\./\w+/docs/README\.md)")
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
TRAINING = "Train"  # section of a page; its options are those of train.json
DEFAULT, WIDTH = 24, 110  # letters


def list_options(config: Mapping[str, Any], page: Path) -> str:
    """List the options of a config.

    Args:
        config: not resolved.
        page: ``docs/README.md`` of the bundle, see `meanings`.

    Returns:
        A paragraph for each meaning: the options and their literal defaults, then what they are.
    """
    known = meanings(page, training="train" in config)
    read = references(config) - {"bundle_root"}
    paragraphs: dict[str, list[str]] = {}
    for name, value in config.items():
        literal = not is_built(value) and not isinstance(value, Mapping)
        if name in read and (name in known or name in PATHS or literal):
            paragraphs.setdefault(known.get(name, ""), []).append(f"--{name}{_default(value)}")
    unknown = paragraphs.pop("", [])
    paragraphs |= {"settings of the network and of the method": unknown} if unknown else {}
    heading = f"Options of {page.resolve().parents[1].name}, their defaults and what they are. More: {page}"
    told = [
        f"{fill(' '.join(names), WIDTH)}\n{indent(fill(text, WIDTH - 4), '    ')}" for text, names in paragraphs.items()
    ]
    return "\n".join([heading, *told])


def meanings(page: Path, training: bool = False) -> dict[str, str]:
    """What a page says about options: rows of three cells, the first of them options and nothing else.

    Args:
        page: of a bundle; one that is not there says nothing. Pages of other bundles that it links to tell of options
            that it does not, by their first table: the others are about their own bundle.
        training: of the section about training, else of all the others.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    linked = [page.parent / link for link in LINK.findall(text)]
    others = [other.read_text(encoding="utf-8") for other in linked if other.is_file()]
    tables = [table for other in reversed(others) for table in _tables(other, training)[:1]] + _tables(text, training)[
        ::-1
    ]
    return {name: told for table in tables for name, told in _rows(table).items()}


def _tables(text: str, training: bool) -> list[str]:
    sections = [each for each in re.split(r"^## ", text, flags=re.MULTILINE) if each.startswith(TRAINING) == training]
    return [table for section in sections for table in TABLE.findall(section)]


def _rows(table: str) -> dict[str, str]:
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in table.splitlines()]
    rows = [row for row in cells if len(row) == 3 and not re.sub(r"--\w+|[`, ]", "", row[0])]
    return {name: _plain(row[2]) for row in reversed(rows) for name in OPTION.findall(row[0])}


def _plain(text: str) -> str:
    """A cell without marks and links, of which only words are left on a command line."""
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("see below", "see the page").replace("`", "")


def _default(value: Any) -> str:
    text = "" if value is None or is_built(value) else f" {value}"
    return text if len(text) < DEFAULT else f"{text[:DEFAULT]}..."
