# make demo   make test   make lint   make format
PYTHON ?= python3
VENV   ?= .venv
OUTPUT ?= demo
BIN    := $(VENV)/bin
BUNDLE := bundles/abdomen_ct_self_training

# As in common/__init__.py: where others compute, threads sleep while they wait.
ifeq ($(shell $(PYTHON) -c "import os; print(os.getloadavg()[0] > os.cpu_count() / 2)"),True)
export OMP_WAIT_POLICY ?= PASSIVE
endif

.PHONY: demo test lint format clean
demo: $(VENV)/installed
	@echo "Registers a torso with known motion, a pair made on the spot: half a minute to a minute on two cores."
	@$(BIN)/python -W ignore -m monai.bundle run --config_file $(BUNDLE)/configs/inference.json --output_dir $(OUTPUT)
	@echo "Picture: $(OUTPUT)/report.png. Your own scans: . $(BIN)/activate, then as the README says."

test: $(VENV)/installed
	@echo "Takes ten to sixteen minutes on two cores. Skipped is what needs data or recordings that are not part of the project."
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -rs --cov=common --cov-report=term:skip-covered

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=...")'
	@echo "Makes an environment in $(VENV), once: torch and others, several GB (with CUDA's libraries), some minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) $(OUTPUT) build *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache
