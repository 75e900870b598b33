"""A config is looked at as a whole before anything in it is evaluated."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from bundle_runs import QUIET
from monai.bundle import ConfigParser, ConfigWorkflow, run

from common.engines.config_check import ENTRIES, check_config, check_settings, read_files
from common.io import MISTAKES, InputError

BUNDLES = Path(__file__).parents[2] / "bundles"


def first_of(overlay: Path) -> str:
    """The config that an overlay changes: that of the training, if it has all whose parts are changed."""
    for kind, base in {"_segmentation": "segmentation", "_keypoints": "train_keypoints"}.items():
        if overlay.stem.endswith(kind):
            return base
    train = next(iter(overlay.parents[overlay.parent.name == "variants"].glob("train.json")), None)
    parts = {name.split("#")[0].lstrip("+") for name in json.loads(overlay.read_text()) if "#" in name}
    return "train" if train and parts <= json.loads(train.read_text()).keys() else "inference"


BASES = ("inference", "train", "segmentation", "inference_keypoints", "train_keypoints")
CONFIGS = [
    (bundle.name, tuple(str(path.relative_to(bundle / "configs").with_suffix("")) for path in files))
    for bundle in sorted(BUNDLES.iterdir())
    for base in BASES
    if (first := bundle / "configs" / f"{base}.json").is_file()
    for files in [
        [first],
        *([first, overlay] for overlay in sorted((bundle / "configs").rglob("*.json")) if base == first_of(overlay)),
    ]
    if files[-1].stem not in ("metadata", "monai_label", *BASES) or len(files) == 1
]
BAD: list[Any] = [
    *("abc", "", "nan", True, False, -1, 0, -0.0, math.nan, math.inf, 1e300, 10**30, None),
    *([], [1, 2], [[1, 2], [3]], {}, {"a": 1}),
]
WRONG = {"_target_": "torch.nn.MSELoss"}  # where another component is needed
INFERENCE = [name for name, files in CONFIGS if files == ("inference",)]


MAY_BE_NEGATIVE = {"fill"}  # an intensity


def read(bundle: str, *names: str) -> tuple[dict[str, Any], Path]:
    folder = BUNDLES / bundle / "configs"
    parser = ConfigParser()
    parser.read_config([str(folder / f"{name}.json") for name in names])
    return parser.get(), folder


def is_knob(value: Any) -> bool:
    """A number, a list of numbers or a flag."""
    return isinstance(value, int | float) or (isinstance(value, list) and not isinstance(value[0], str | dict))


def test_arguments_that_a_component_does_not_have_are_refused() -> None:
    config, folder = read("liver_ct_curriculum", "train", "variants/dropout")
    files = read_files(folder, config)
    for part, name, told in (
        (
            config["dropout_rate"],
            "ovr",
            r"--dropout_rate#ovr is not an option here: common.handlers.linear takes over\.",
        ),
        (config["train"]["handlers"][-1], "x", r"--train#handlers#1#x is not .*Curriculum takes of, schedule\."),
    ):
        part[name] = 5
        with pytest.raises(InputError, match=told):
            check_settings(config, files)
        del part[name]
    check_settings(config, files)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("loss#paddig", "x", r"^--loss#paddig is not .*RegistrationLoss takes padding\.$"),
        ("loss#padding", 3, r"^--loss#padding is expected to be a word, got 3\.$"),
        ("loss#terms", "x", r"^--loss#terms is expected to be a dictionary, got x\.$"),
        ("loss#terms#overlap#1#labels", [1, "a"], r"#labels is expected to be a list of whole numbers, got \[1, 'a'\]"),
        ("loss#terms#overlap#1#loss", 3, r"#loss is expected to be a component of the kind Callable, got 3\.$"),
        ("overlap#jaccard", "perhaps", r"^--overlap#jaccard is expected to be true or false, got perhaps\.$"),
        ("overlap#jacard", True, r"^--overlap#jacard is not an option here: DiceLoss takes jaccard\.$"),
        ("optimizer#lrr", 1, r"^--optimizer#lrr is not an option here: torch\.optim\.Adam takes lr\.$"),
        ("optimizer#betas", 1, r"^--optimizer#betas is expected to be a list, got 1\.$"),
        ("case_grid#stretch", "x", r"^--case_grid#stretch is expected to be true or false, got x\.$"),
        ("case_grid#fill", "x", r"^--case_grid#fill is expected to be a number or null, got x\.$"),
        ("train#handlers#0#val_interval", 1.5, r"^--train#handlers#0#val_interval is .* a whole number, got 1\.5\.$"),
        ("train#handlers", "x", r"^--train#handlers is expected to be a list, got x\.$"),
        ("train#inferer", None, r"^--train#inferer is expected to be a component of the kind Inferer, got None\.$"),
        ("validate#handlers#0#output_dir", 5, r"^--.*output_dir is expected to be a word or a name, got 5\.$"),
        ("optimizer", WRONG, r"^--optimizer is .* of the kind Optimizer as --train#trainer#optimizer, got \{"),
        ("case_grid", WRONG, r"^--case_grid is .* of the kind CaseGrid as --.*#grid, got \{.*MSELoss'\}\.$"),
        ("train#inferer", WRONG, r"^--train#inferer is .* of the kind Inferer, got \{"),
        ("train#dataloader", WRONG, r"^--train#dataloader is .* of the kind Iterable, got \{"),
        ("train#handlers", WRONG, r"^--train#handlers is expected to be a list, got \{"),
        ("validate#key_metric", WRONG, r"^--validate#key_metric is expected to be a dictionary, got \{"),
        ("validate#evaluator", WRONG, r"^--validate#evaluator is .* of the kind Evaluator, got \{"),
        ("seed", WRONG, r"^--seed is expected to be a whole number as --\S+, got \{"),
    ],
)
def test_kinds_of_arguments_are_those_that_components_say(place: str, value: Any, told: str) -> None:
    config, folder = read("hippocampus_mr_symmetric", "train")
    files = read_files(folder, config)
    parser = ConfigParser(config)
    parser[place.replace("#", "::")] = value
    with pytest.raises(InputError, match=told):
        check_settings(parser.get(), files)


def test_words_inside_components_are_what_they_mean() -> None:
    config, folder = read("hippocampus_mr_symmetric", "train")
    parser = ConfigParser(config)
    parser["overlap::jaccard"] = "True"
    parser["train::dataset::preload"] = "false"
    parser["case_grid::fill"] = "null"
    parser["train::dataloader::shuffle"] = "false"
    parser["loss::terms::similarity::1::mask"] = "none"
    checked = check_settings(parser.get(), read_files(folder, config))
    assert checked["overlap"]["jaccard"] is True
    assert checked["train"]["dataset"]["preload"] is False
    assert checked["case_grid"]["fill"] is None
    assert checked["train"]["dataloader"]["shuffle"] is False
    assert checked["loss"]["terms"]["similarity"][1]["mask"] is None


def test_similarity_is_measured_where_there_is_one() -> None:
    config, folder = read("lung_ct_progressive", "train")
    with pytest.raises(InputError, match=r"^--metrics similarity is that of --similarity, which this config"):
        check_settings({**config, "metrics": ["similarity"]}, read_files(folder, config))


@pytest.mark.parametrize(("bundle", "names"), CONFIGS, ids=str)
def test_shipped_configs_pass(bundle: str, names: tuple[str, ...]) -> None:
    config, folder = read(bundle, *names)
    checked = check_settings(config, read_files(folder, config))
    assert all(value is config[name] for name, value in checked.items())


@pytest.mark.parametrize(("bundle", "names"), CONFIGS, ids=str)
def test_bad_values_are_refused_in_a_sentence(bundle: str, names: tuple[str, ...]) -> None:
    config, folder = read(bundle, *names)
    files = read_files(folder, config)
    passed, told = [], []
    for name, before in config.items():
        for value in BAD:
            try:
                check_settings({**config, name: value}, files)
                passed.append((name, before, value))
            except ValueError as error:
                told.append((name, str(error)))
    for name, text in told:
        assert f"--{name} " in text or "nothing reads it" in text
        assert "\n" not in text
    for name, before, value in passed:  # what passes may be meant
        if is_knob(before) and name not in MAY_BE_NEGATIVE:
            assert value in (True, False, None) or value == [1, 2] or abs(value) == 0, (name, value)


@pytest.mark.parametrize("bundle", INFERENCE)
def test_what_passes_builds_a_pipeline_or_is_refused_there(bundle: str, tmp_path: Path) -> None:
    config, folder = read(bundle, "inference")
    files = read_files(folder, config)
    told = []
    for name in sorted(set(config) - ENTRIES - {"output_dir", "_meta_"}):
        for value in BAD:
            try:
                check_settings({**config, name: value}, files)
            except ValueError:
                continue
            options: dict[str, Any] = {"output_dir": str(tmp_path), name: value}
            workflow = ConfigWorkflow(str(folder / "inference.json"), logging_file=False, **options)
            try:
                workflow.initialize()
                workflow.parser.get_parsed_content("evaluator")
            except MISTAKES as error:
                told.append((name, value, str(error)))
    assert not [each for each in told if "Failed to" in each[2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacng": 2}, r"^--spacng is not an option here: nothing reads it\. Did you mean --spacing\?$"),
        ({"spacing": "$2 * @qwertz"}, r"^--spacing refers to @qwertz, which is nowhere in the config\.$"),
        ({"qwertz": 2}, r"^--qwertz is not an option here: nothing reads it\.$"),
        ({"spacing": "abc"}, r"^--spacing is expected to be one or two or three numbers"),
        (
            {"fixed_image": "$open('evil', 'w')"},
            r"^--fixed_image .* begins with \$, and would be evaluated",
        ),
        ({"fixed_image": "@spacing"}, r"^--fixed_image @spacing begins with @"),
        ({"output_dir": "$open('evil', 'w')"}, r"^--output_dir \$open.* begins with \$"),
        ({"output_dir": "$@bundle_root + str(open('evil', 'w'))"}, r"^--output_dir .* begins with \$"),
        (
            {"checkpoint": {"_target_": "open", "file": "evil", "mode": "w"}},
            r"^--checkpoint is expected to be the",
        ),
        ({"datalist": [{"fixed_image": "$open('evil', 'w')"}]}, r"^--datalist \$open.* begins with \$"),
        ({"datalist": []}, r"^--datalist is expected to be the name of a file or folder, got \[\] \(list\)"),
        ({"output_dir": 1001}, r"^--output_dir .*, got 1001 \(int\): .* as in \./1001\.$"),
        ({"output_dir": "run#2"}, r"^--output_dir run#2 holds #, which MONAI changes"),
        ({"moving_image": ""}, r"^--moving_image is expected to be the name of a file or folder, got ''"),
        ({"device": "banana"}, r"^--device banana is not available on this machine"),
    ],
    ids=str,
)
@pytest.mark.parametrize("bundle", INFERENCE)
def test_mistakes_are_told_in_python_before_anything_is_evaluated(
    bundle: str, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = str(BUNDLES / bundle / "configs" / "inference.json")
    with pytest.raises(ValueError, match=message):
        run(config_file=config, logging_file=QUIET, **{"output_dir": "out", **options})
    assert not list(tmp_path.iterdir())


def test_names_in_a_list_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pairs.json").write_text(json.dumps([{"fixed_image": "$open('evil', 'w')", "moving_image": "b.nii"}]))
    config = str(BUNDLES / "hippocampus_mr_symmetric" / "configs" / "inference.json")
    with pytest.raises(InputError, match="1 of 1 pairs failed"):
        run(config_file=config, logging_file=QUIET, output_dir="out", datalist="pairs.json")
    assert not Path("evil").exists()


def test_words_reach_the_pipeline_as_what_they_mean(tmp_path: Path) -> None:
    config = BUNDLES / "cardiac_mr_dirnet" / "configs" / "inference.json"
    options: dict[str, Any] = {"extra_convolutions": "TRUE", "spacing": "null", "output_dir": tmp_path}
    workflow = ConfigWorkflow(str(config), logging_file=False, **options)
    workflow.initialize()
    assert workflow.parser.get_parsed_content("extra_convolutions") is True
    assert workflow.parser.get_parsed_content("spacing") is None
    assert workflow.parser.get_parsed_content("output_dir") == str(tmp_path)


def test_pipeline_is_built_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = BUNDLES / "cardiac_mr_dirnet" / "configs" / "inference.json"
    workflow = ConfigWorkflow(str(config), logging_file=False, output_dir="out", workflow_type="infer")
    workflow.initialize()
    assert workflow.check_properties() == []
    assert len(workflow.dataset) == 1
    assert not list(tmp_path.rglob("*.nii.gz"))


def test_options_of_a_new_run_id_are_read() -> None:
    assert check_settings({"mine": 3}, [], {"mine"}) == {}
    assert check_settings({"_desc_": "text", "run": "$@mine", "mine": 3}, [], {"run"}) == {}


def test_what_a_file_says_may_be_left_unread_and_an_option_may_not() -> None:
    files = [{"epochs": 3, "more": 1}, {"epochs": 5}]
    assert check_settings({"epochs": 5, "more": 1}, files) == {"epochs": 5, "more": 1}
    with pytest.raises(ValueError, match=r"^--epochs is not an option here: nothing reads it\.$"):
        check_settings({"epochs": 4, "more": 1}, files)


def test_kind_is_that_of_a_literal_in_any_file() -> None:
    files: list[dict[str, Any]] = [{"key": "$str(@epochs)", "epochs": 3, "run": "@key"}, {"key": "model"}]
    assert check_settings({**files[0], "key": "other"}, files)["key"] == "other"
    with pytest.raises(ValueError, match=r"^--key is expected to be a word, got 3\.$"):
        check_settings({**files[0], "key": 3}, files)


def test_files_are_those_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "variants").mkdir()
    (tmp_path / "damaged.json").write_text("{")
    (tmp_path / "pairs.json").write_text("[{}]")
    first, second = {"epochs": 3, "run": "$@epochs"}, {"run#0": 1}
    for name, content in {"a": second, "variants/b": first, "c": {"other": 1}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert read_files(tmp_path, {"epochs": 5, "run": ""}) == [first, second]


def test_check_config_alone_does_nothing() -> None:
    check_config()
