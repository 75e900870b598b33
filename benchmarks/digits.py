"""The MNIST experiment of paper 004, figure 2: held-back digits registered to one of their class.

`python benchmarks/digits.py DATASET_DIR --output_dir digits`

For every class one held-back digit is drawn as the fixed one, and the network of the class registers all others to it.
Writes `digits.png`, the means of the moving and of the warped digits with the fixed digit between them, and
`digits.csv`, and prints the table: normalized cross-correlation before and after, and how much folds.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor

from common.data import find_digits
from common.engines import one_sentence
from common.io import write_table
from common.reports._canvas import MUTED, Canvas
from common.spatial import folding_percent, jacobian_determinant, warp
from common.transforms import NormalizePercentiles

BUNDLE = Path(__file__).parents[1] / "bundles" / "cardiac_mr_dirnet"
ROWS = ("mean of the moving digits", "fixed digit", "mean of the warped digits")
SIZE, GAP, MARGIN, CAPTION = 112, 6, 16, 26  # pixels

Row = dict[str, Any]


def main() -> None:
    """Register all classes, write the picture and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_dir", help="folder of mnist_train.npz")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="by default models/digits/model.pt of the bundle")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--seed", type=int, default=0, help="of the choice of the fixed digits")
    arguments = parser.parse_args()
    with one_sentence():
        checkpoint = arguments.checkpoint or arguments.bundle / "models" / "digits" / "model.pt"
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        random = torch.Generator().manual_seed(arguments.seed)
        rows, pictures = [], []
        for digit in range(10):
            cases = find_digits(arguments.dataset_dir, digit)["validation"]
            images = torch.stack([NormalizePercentiles((1, 99))(case["image"].as_tensor()) for case in cases])
            chosen = int(torch.randint(len(images), (1,), generator=random))
            network = load_network(arguments.bundle, weights, digit)
            row, picture = register_class(network, images, chosen)
            rows.append({"digit": digit, "fixed": cases[chosen]["name"], **row})
            pictures.append(picture)
        arguments.output_dir.mkdir(parents=True, exist_ok=True)
        write_table(arguments.output_dir / "digits.csv", rows)
        draw(arguments.output_dir / "digits.png", torch.stack(pictures))
    print(table(rows))


def load_network(bundle: Path, weights: Mapping[str, Mapping[str, Tensor]], digit: int) -> torch.nn.Module:
    """The network of the digits as the bundle defines it, with the weights of one class."""
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / name for name in ("train.json", "mnist.json")])
    network: torch.nn.Module = parser.get_parsed_content("network_def")
    if f"digit_{digit}" not in weights:
        raise ValueError(f"The checkpoint has no weights for digit_{digit}, but {', '.join(weights)}.")
    network.load_state_dict(weights[f"digit_{digit}"])
    return network.eval()


@torch.inference_mode()
def register_class(network: torch.nn.Module, images: Tensor, chosen: int) -> tuple[Row, Tensor]:
    """Register all digits (N, 1, H, W) of a class to the chosen one: what was measured, and a picture (3, H, W)."""
    moving = torch.cat([images[:chosen], images[chosen + 1 :]])
    fixed = images[chosen].expand_as(moving)
    ddf = network(torch.cat([fixed, moving], dim=1))
    warped = warp(moving, ddf)
    row = {
        "n": len(moving),
        "ncc_before": float(correlation(fixed, moving).mean()),
        "ncc_after": float(correlation(fixed, warped).mean()),
        "folding_percent": float(folding_percent(jacobian_determinant(ddf)).mean()),
    }
    return row, torch.cat([moving.mean(0), images[chosen], warped.mean(0)])


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Normalized cross-correlation of images (N, 1, H, W), one by one, (N,)."""
    a, b = (image.flatten(1) - image.flatten(1).mean(1, keepdim=True) for image in (first, second))
    return torch.cosine_similarity(a, b)


def draw(path: Path, pictures: Tensor) -> None:
    """Draw a column a class from (10, 3, H, W)."""
    width = 2 * MARGIN + len(pictures) * (SIZE + GAP) - GAP
    canvas = Canvas(width, 2 * MARGIN + len(ROWS) * (SIZE + CAPTION) - GAP)
    for number, caption in enumerate(ROWS):
        top = MARGIN + number * (SIZE + CAPTION)
        canvas.text(MARGIN, top, caption, 10, MUTED)
        for column, picture in enumerate(pictures[:, number]):
            axes = canvas.axes(MARGIN + column * (SIZE + GAP), top + CAPTION - GAP, SIZE, SIZE)
            axes.imshow(picture.T, cmap="gray", vmin=0, vmax=1, interpolation="nearest")  # (x, y) to rows of y
    canvas.save(path)


def table(rows: list[Row]) -> str:
    """What was measured by class, and its mean, in Markdown."""
    lines = ["| digit | n | NCC before | NCC after | folding, % |", "|---" * 5 + "|"]
    figures = ("ncc_before", "ncc_after", "folding_percent")
    average = {"digit": "mean", "n": sum(row["n"] for row in rows), **{f: mean(r[f] for r in rows) for f in figures}}
    for row in [*rows, average]:
        cells = (row["digit"], row["n"], *(f"{row[figure]:.3f}" for figure in figures))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
