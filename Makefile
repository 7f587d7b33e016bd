# Each target sets up what it needs in .venv on a fresh machine (python3 with venv is enough); a second run is quick.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all fuzz hil explore bench bench-robots bench-relay bench-downlink bench-pointing bench-hil check man format lock clean

help:  ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Installed from the lock with hashes, so that every machine runs the same bytes; the project itself stays editable.
$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@
	@echo "ready"

setup: $(READY)  ## make .venv with everything in it

demo: $(READY)  ## one site on simulated hardware: three passes, 23 robots, a broker; ends by itself within two minutes
	@$(BIN)/fleethil demo $(ARGS)

test: $(READY)  ## the test suite (under five minutes on two cores)
	@echo "running the tests on all cores; a test whose peer program is missing is skipped and says so"
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q -rs $(ARGS)

test-all: $(READY)  ## the long tests, too
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q -rs -m "slow or not slow" $(ARGS)

# What only the benchmark of passes needs: other people's searches.
$(VENV)/.peers: $(READY) bench/requirements.lock
	@echo "installing the other contestants (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@touch $@

bench: $(VENV)/.peers  ## finding passes, against Skyfield, sgp4-predict, orbit-predictor and ephem (six minutes)
	@$(BIN)/python -m bench.passes $(ARGS)

bench-robots: $(READY)  ## what polling robots costs, against pymodbus (eight minutes); docs/reference/benchmarks.md
	@$(BIN)/python -m bench.robots $(ARGS)

bench-relay: $(READY)  ## what a durable record costs, against aiomqtt and mosquitto_pub (ten minutes)
	@$(BIN)/python -m bench.relay $(ARGS)

$(VENV)/.fuzz: $(READY) tests/fuzz/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/fuzz/requirements.lock
	@touch $@

TARGET ?= elements
fuzz: $(VENV)/.fuzz  ## one decoder under atheris: TARGET=elements ARGS=-max_total_time=60
	@cd tests && ../$(BIN)/python -m fuzz $(TARGET) $(ARGS)

bench-pointing: $(READY)  ## seconds off the beam over 2,000 random passes, against two rules of the field (ten minutes)
	@$(BIN)/python -m bench.pointing $(ARGS)

bench-hil: $(READY)  ## what a day of a hundred robots costs in virtual time, and that it repeats (five minutes)
	@$(BIN)/python -m bench.hil $(ARGS)

bench-downlink: $(READY)  ## what a frame off the air costs, and what damage gets through (two minutes)
	@$(BIN)/python -m bench.downlink $(ARGS)

check: $(READY)  ## formatting, lint, types, who imports whom, schema drift
	@$(BIN)/ruff format --check --quiet . && echo "format: ok"
	@$(BIN)/ruff check --quiet . && echo "lint: ok"
	@$(BIN)/mypy
	@$(BIN)/python -m compileall -q fleetd drivers hil && echo "compiles: ok"
	@mkdir -p build && $(BIN)/lint-imports --no-cache >build/imports.txt || { cat build/imports.txt; exit 1; }
	@echo "imports: ok"
	@$(BIN)/fleetctl config schema >build/site.schema.json && cmp build/site.schema.json configs/site.schema.json
	@echo "schema: ok"
	@$(BIN)/python docs/man/build.py --check && echo "man pages: ok"
	@$(BIN)/python docs/supported.py --check && echo "supported devices: ok"
	@$(BIN)/python docs/messages.py --check && echo "messages: ok"
	@$(BIN)/python docs/register_maps.py --check && echo "register maps: ok"
	@$(BIN)/python docs/index.py --check && echo "index of the pages: ok"

ifdef DEVICE
URL ?= $(error say where the device is, as in URL=serial:///dev/ttyUSB0?baud=9600)
UNIT ?= $(error say what it is, as in UNIT="Yaesu G-5500, GS-232B, firmware 2.1"; it goes into the record)
CAPTURES ?= hil/captures
hil: $(READY)
	@$(BIN)/python -m pytest tests/devices/test_rotators.py tests/devices/test_rigs.py -n 0 -q -rA --timeout 600 \
	  --device "$(DEVICE)=$(URL)" --unit "$(UNIT)" --record "$(CAPTURES)" $(ARGS); \
	  status=$$?; $(BIN)/python docs/supported.py; exit $$status
else
hil: $(READY)  ## every scenario in virtual time (three minutes); with DEVICE= URL= UNIT= real hardware: docs/how-to/hardware-days.md
	@$(BIN)/fleethil run hil/scenarios/*.yaml $(ARGS)
endif

MINUTES ?= 60
SEED ?= 0
explore: $(READY)  ## sites and faults that nobody thought of: MINUTES=60 SEED=7; failures are left in explored/
	@$(BIN)/fleethil explore --minutes $(MINUTES) --seed $(SEED) $(ARGS)

man: $(READY)  ## man pages and the command reference, from the programs' own help; the index of the pages
	@$(BIN)/python docs/man/build.py
	@$(BIN)/python docs/index.py

format: $(READY)  ## put the formatting right
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

lock: $(READY)  ## renew requirements.lock from pyproject.toml (needs uv)
	@uv pip compile pyproject.toml --group dev --all-extras --generate-hashes --no-header --no-emit-index-url \
	  --python-version 3.11 --universal --quiet --output-file requirements.lock
	@uv pip compile --group peers --constraints requirements.lock --generate-hashes --no-header \
	  --no-emit-index-url --python-version 3.11 --universal --quiet --output-file bench/requirements.lock
	@uv pip compile --group fuzz --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --universal --quiet \
	  --output-file tests/fuzz/requirements.lock

clean:  ## remove .venv and what tools leave behind
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
