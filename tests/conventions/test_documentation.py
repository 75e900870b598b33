"""What the pages tell a reader to do works, and leaves nothing that git would add."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("bundles/*/docs/README.md"))]
WRITTEN = re.compile(r"--(?:output|output_dir)[ =]([\w./$]+)|common pack (\S+)")


def identify(path: Path) -> str:
    return path.parts[-3]


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_git_ignores_what_the_commands_write(page: Path) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no repository, such as an unpacked archive")
    names = {"".join(found).replace("$", "") for found in WRITTEN.findall(page.read_text())}
    assert names
    folder = REPOSITORY if page.parent == REPOSITORY else page.parents[1]  # where a training is started
    for name in sorted(names):
        places = {(start / name).resolve() for start in (REPOSITORY, folder)}
        check = [
            "git",
            "check-ignore",
            "--no-index",
            *(str(p / "file") for p in places if p.is_relative_to(REPOSITORY)),
        ]
        done = subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or name.startswith("models/"), name


def test_git_ignores_nothing_of_the_project() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no repository, such as an unpacked archive")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert not subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
