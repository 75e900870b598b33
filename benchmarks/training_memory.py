"""How much memory a training step of paper 001 on abdominal CT takes: the tensors that are alive at once, at most.

`python benchmarks/training_memory.py [--size 144] [--batch_size 1] [--checkpointing]`

Network and loss are those of `train.json` with the overlays `paper` and `abdomen_ct`, the scans are random. Tensors are
counted on the CPU, where they are as large as on a GPU; what a GPU's convolutions take for themselves comes on top.
"""

import argparse
from pathlib import Path
from time import perf_counter

import torch
from monai.bundle import ConfigParser
from torch.distributed._tools.mem_tracker import MemTracker

CONFIGS = Path(__file__).parents[1] / "bundles" / "hippocampus_mr_symmetric" / "configs"
GIB = 2**30


def main() -> None:
    """Take one step and print the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=144, help="voxels along each axis")
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--checkpointing", action="store_true")
    arguments = parser.parse_args()
    config = ConfigParser()
    config.read_config([CONFIGS / f"{name}.json" for name in ("train", "variants/paper", "variants/abdomen_ct")])
    config["checkpointing"] = arguments.checkpointing
    config["device"] = torch.device("cpu")
    network, loss = config.get_parsed_content("network").train(), config.get_parsed_content("loss")
    optimizer = config.get_parsed_content("optimizer")
    shape = (arguments.batch_size, config["scan_channels"], *[arguments.size] * 3)
    tracker = MemTracker()
    tracker.track_external(network, optimizer)
    start = perf_counter()
    with tracker:
        batch = {f"{side}_image": torch.rand(shape) for side in ("fixed", "moving")}
        batch |= {f"{side}_label": torch.ones(shape[0], 1, *shape[2:]) for side in ("fixed", "moving")}
        loss(network(torch.cat([batch["fixed_image"], batch["moving_image"]], dim=1)), batch).backward()
        optimizer.step()
    peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"] / GIB
    said = "with" if arguments.checkpointing else "without"
    shapes = f"{arguments.batch_size} pair(s) of {arguments.size}^3 voxels"
    print(f"{shapes}, {said} checkpointing: {peak:.1f} GiB, {perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
