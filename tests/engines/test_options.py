"""`--help` on a bundle lists its options and what they mean, as its page says, and runs nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.engines.options import list_options, meanings

BUNDLES = Path(__file__).parents[2] / "bundles"
PAGE = """# A bundle
Formats are those of [another](../../other/docs/README.md#files).

## Register
| option | default | meaning |
|---|---|---|
| `--spacing` | 2 | mm of the grid |
| `--fixed_image`, `--moving_image` | | `NIfTI` |

## Train
| option | default | meaning |
|---|---|---|
| `--spacing --size` | 1 | of all scans |
| after `--spacing` | 1 | no option |
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for name, text in (
        ("a", PAGE),
        ("other", "| `--device --spacing` | cpu | where |\n\n| `--depth` | 3 | its own |\n"),
    ):
        (tmp_path / name / "docs").mkdir(parents=True)
        (tmp_path / name / "docs" / "README.md").write_text(text)
    return tmp_path / "a" / "docs" / "README.md"


def test_meanings_are_those_of_the_page(page: Path) -> None:
    images = {"fixed_image": "NIfTI", "moving_image": "NIfTI"}
    assert meanings(page) == {"spacing": "mm of the grid", "device": "where", **images}
    assert meanings(page, training=True) == {"spacing": "of all scans", "size": "of all scans"}
    assert meanings(page.parent / "absent.md") == {}
    page.write_text("| `--size` | 1 | [measured](#size); see [below](#size) and [there](../a.md) |\n")
    assert meanings(page) == {"size": "measured; see the page and there"}


def test_list_options_names_what_is_read(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "bundle_root": "b",
        "spacing": 2,
        "fixed_image": None,
        "depth": 3,
        "unread": 1,
        "device": "$torch.device(0)",
    }
    config["run"] = ["@bundle_root", "@spacing", "@depth", "@fixed_image", "@device"]
    heading, *listed = list_options(config, page).splitlines()
    assert heading.startswith("Options of a, their defaults")
    monkeypatch.chdir(page.parents[1])
    assert list_options(config, Path("docs") / "README.md").startswith("Options of a, their defaults")
    assert listed == [
        *("--spacing 2", "    mm of the grid", "--fixed_image", "    NIfTI", "--device", "    where"),
        *("--depth 3", "    settings of the network and of the method"),
    ]


@pytest.mark.parametrize("bundle", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_pages_explain_the_files_of_every_bundle(bundle: str) -> None:
    config = json.loads((BUNDLES / bundle / "configs" / "inference.json").read_text())
    known = meanings(BUNDLES / bundle / "docs" / "README.md")
    files = ["image", "label", "mask", "keypoints"]
    wanted = [f"{side}_{kind}" for side in ("fixed", "moving") for kind in files] + ["output_dir", "spacing", "device"]
    assert not [name for name in wanted if name in config and name not in known]


@pytest.mark.bundle
def test_help_lists_options_and_runs_nothing(tmp_path: Path) -> None:
    config = BUNDLES / "cardiac_mr_dirnet" / "configs" / "inference.json"
    command = [
        sys.executable,
        "-m",
        "monai.bundle",
        "run",
        "--config_file",
        str(config),
        "--output_dir",
        "out",
        "--help",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "--slices_at_once 16\n    fewer take less memory\n" in done.stdout
    assert "input summary" not in done.stdout + done.stderr  # MONAI's echo of the command line
    assert not list(tmp_path.iterdir())
