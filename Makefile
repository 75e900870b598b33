# make demo   make test   make lint   make format
PYTHON ?= python3
VENV   ?= .venv
OUTPUT ?= demo
BIN    := $(VENV)/bin
BUNDLE := bundles/abdomen_ct_self_training

.PHONY: demo test lint format clean
demo: $(VENV)/installed
	$(BIN)/python -m monai.bundle run --config_file $(BUNDLE)/configs/inference.json --output_dir $(OUTPUT)

test: $(VENV)/installed
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --cov=common --cov-report=term:skip-covered

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) $(OUTPUT) build *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
