"""The layers of the package: imports run downwards, siblings never import one another, files stay small."""

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LAYERS = [
    ["spatial"],
    ["features", "optimization", "io"],
    ["losses", "metrics", "networks"],
    ["prealignment", "phantoms"],
    ["transforms", "handlers", "data"],
    ["reports"],
    ["engines"],
    ["__main__"],
]
ROOMS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
SOURCES = sorted((REPOSITORY / "common").rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(REPOSITORY / "common").parts[0].removesuffix(".py")


def imported_modules(path: Path) -> list[str]:
    """Absolute names of everything a file imports."""
    names = []
    package = path.relative_to(REPOSITORY).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names.append(".".join((*base, node.module or "")).rstrip("."))
    return names


def identify(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_imports_run_downwards(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert not [name for name in imported_modules(path) if name.startswith("common.")]
        return
    for name in imported_modules(path):
        if name.startswith("common."):
            other = name.split(".")[1]
            assert other == room or ROOMS[other] < ROOMS[room], f"{room} imports {other}"
        assert not name.startswith("bundles")


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_private_modules_stay_in_their_room(path: Path) -> None:
    for name in imported_modules(path):
        private = [part for part in name.split(".")[2:] if part.startswith("_")]
        assert not name.startswith("common.") or not private or name.split(".")[1] == room_of(path), name


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "spatial"], ids=identify)
def test_spatial_imports_torch_only(path: Path) -> None:
    allowed = {"torch", "common"} | set(sys.stdlib_module_names)
    assert {name.split(".")[0] for name in imported_modules(path)} <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_files_hold_one_concept(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 250


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name != "__init__.py"], ids=identify)
def test_modules_are_not_named_like_what_their_room_offers(path: Path) -> None:
    """`pydoc.locate`, by which a config's `_target_` is found, takes the module of the two from Python 3.12 on."""
    package = path.parent / "__init__.py"
    offered = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(package.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert path.stem not in offered


@pytest.mark.parametrize("path", [p for p in SOURCES if not p.name.startswith("_")], ids=identify)
def test_every_module_has_its_test(path: Path) -> None:
    relative = path.relative_to(REPOSITORY / "common")
    assert (REPOSITORY / "tests" / relative.parent / f"test_{relative.name}").is_file()


def test_bundles_hold_no_python() -> None:
    assert not list((REPOSITORY / "bundles").rglob("*.py"))


def test_common_is_never_a_requirement() -> None:
    """An unrelated package of that name is on PyPI and would be installed in our place."""
    for name in ("setup.cfg", "constraints.txt", "pyproject.toml"):
        lines = [line.strip().split("=")[0] for line in (REPOSITORY / name).read_text().splitlines()]
        assert "common" not in lines
    for path in (REPOSITORY / "bundles").rglob("*.json"):
        assert '"common":' not in path.read_text()
