"""What every bundle promises: its files, its metadata, its properties, its export."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_runs import run_training
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, load, verify_metadata, verify_net_in_out

REPOSITORY = Path(__file__).parents[2]
BUNDLES = sorted(path for path in (REPOSITORY / "bundles").iterdir() if path.is_dir())
# what is exported: the part with weights, the overlays that have it, its input channels, and its answer to
# 16 x 32 (x 24) voxels
EXPORTED = {
    "abdomen_ct_self_training": ("feature_network", ["variants/paper"], 1, (1, 16, 2, 4, 3)),
    "cardiac_mr_dirnet": ("network_def", [], 2, (1, 2, 16, 32)),
    "hippocampus_mr_symmetric": ("network_def", [], 2, (1, 3, 16, 32, 24)),
    "liver_ct_curriculum": ("network_def", [], 2, (1, 3, 64, 64, 64)),
    "lung_ct_progressive": ("network_def", [], 2, (1, 3, 16, 32, 24)),
}
ONE_SIZE = {"liver_ct_curriculum"}  # that is what its inference.json says; others are traced with another size
SCHEMA = REPOSITORY / "tests" / "data" / "meta_schema.json"

pytestmark = pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)


def config(bundle: Path, name: str = "inference") -> str:
    return str(bundle / "configs" / f"{name}.json")


def untrained(bundle: Path, folder: Path) -> dict[str, str]:
    """Weights for a bundle that has none yet but wants some."""
    content = ConfigParser.load_config_file(config(bundle))
    if "checkpoint" not in content or (bundle / "models" / "model.pt").is_file():
        return {}
    torch.save(ConfigParser(content).get_parsed_content("network_def").state_dict(), folder / "model.pt")
    return {"checkpoint": str(folder / "model.pt")}


def test_bundle_has_its_files(bundle: Path) -> None:
    for name in ("LICENSE", "configs/metadata.json", "configs/inference.json", "configs/logging.conf"):
        assert (bundle / name).is_file()
    assert (bundle / "docs" / "README.md").is_file()


def test_metadata_follows_the_schema(bundle: Path) -> None:
    checksum = hashlib.md5(SCHEMA.read_bytes()).hexdigest()  # without one MONAI warns
    verify_metadata(meta_file=config(bundle, "metadata"), filepath=str(SCHEMA), hash_val=checksum)


def test_version_is_in_the_changelog(bundle: Path) -> None:
    metadata = json.loads(Path(config(bundle, "metadata")).read_text())
    assert metadata["version"] in metadata["changelog"]


def test_check_properties_finds_nothing(bundle: Path, tmp_path: Path) -> None:
    workflow = ConfigWorkflow(
        config_file=config(bundle),
        workflow_type="infer",
        bundle_root=str(bundle),
        output_dir=str(tmp_path),
        **untrained(bundle, tmp_path),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_network_takes_and_gives_what_metadata_says(bundle: Path) -> None:
    files: dict[str, Any] = {"config_file": config(bundle), "meta_file": config(bundle, "metadata")}
    verify_net_in_out(net_id="network_def", **files, n=3, device="cpu")


def test_shipped_weights_are_those_of_every_config(bundle: Path) -> None:
    if not (bundle / "models" / "model.pt").is_file():
        pytest.skip("no weights are shipped with this bundle")
    weights = torch.load(bundle / "models" / "model.pt", weights_only=True)
    network: Any = load(bundle.name, bundle_dir=str(bundle.parent), source="github")
    loaded = network.state_dict()
    for name in ("train", "inference"):
        network = ConfigParser(ConfigParser.load_config_file(config(bundle, name))).get_parsed_content("network_def")
        network = network.plain() if hasattr(network, "plain") else network  # what its training has grown to
        network.load_state_dict(weights)  # strictly
        for key, value in network.state_dict().items():
            assert torch.equal(loaded[key], value), key


# PyTorch's instance normalization compares sizes while it is traced
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("use_trace", [False, True], ids=["script", "trace"])
def test_network_exports(bundle: Path, tmp_path: Path, use_trace: bool) -> None:
    network, overlays, channels, answer = EXPORTED[bundle.name]
    axes = len(answer) - 2
    size, traced = (answer[2:],) * 2 if bundle.name in ONE_SIZE else ((16, 32, 24)[:axes], (32, 16, 24)[:axes])
    files = [config(bundle, name) for name in ("inference", *overlays)]
    parser = ConfigParser(ConfigParser.load_config_files(files))
    torch.save(parser.get_parsed_content(network).state_dict(), tmp_path / "model.pt")
    ckpt_export(
        net_id=network,
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(tmp_path / "model.pt"),
        meta_file=config(bundle, "metadata"),
        config_file=files,
        use_trace=use_trace,
        input_shape=[1, channels, *traced],
    )
    exported = torch.jit.load(str(tmp_path / "model.ts"))
    assert exported(torch.rand(1, channels, *size)).shape == answer


def test_a_wrong_loss_is_told_before_scans_are_read(bundle: Path, tmp_path: Path) -> None:
    """There are none: were they looked for first, that would be told."""
    options: dict[str, Any] = {
        "dataset_dir": str(tmp_path / "absent"),
        "loss": {"_target_": "torch.nn.NoLoss"},
        "device": "cpu",
    }
    with pytest.raises(ValueError, match=r"^--loss cannot be used as it is given: ModuleNotFoundError: .*NoLoss"):
        run_training(bundle, tmp_path / "out", "train", **options)
