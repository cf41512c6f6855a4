# make demo: plan, certify and run the book transfer in physics.  make test: everything CI runs.  Both create .venv from pinned hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow lint docs pictures golden first-hour wheels robust same-answer riding flight tube cell belt suction-rig headline headline-short basins sets report fuzz descriptions pose-pairs same-bytes schema franka-sim clean

demo: $(VENV)/ready
	$(BIN)/fastmove plan problems/book_to_tote.toml --out book_to_tote.npz
	$(BIN)/fastmove check problems/book_to_tote.toml book_to_tote.npz
	$(BIN)/fastmove run problems/book_to_tote.toml --trajectory book_to_tote.npz --preview book_to_tote.html
	@echo "preview: book_to_tote.html (opens offline)"

test: $(VENV)/ready lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist worksteal

test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow -s

# The same answer over perturbed starts, seeds and imitated processors (resumes; about an hour on two cores).
robust: $(VENV)/ready
	$(BIN)/python tests/support/robust.py --processors --out robust.jsonl

# The same answer over starts perturbed by 1e-9 to 1e-5 rad, goals shifted by 1 mm, imitated processors (resumes; half an hour).
same-answer: $(VENV)/ready
	$(BIN)/python tests/support/robust.py --size 1e-9 1e-5 --shifts 3 --seeds 1 --processors --out same-answer.jsonl

# 200 plans that ride the limit of the hold, in physics (resumes; half an hour on one core).
riding: $(VENV)/ready
	$(BIN)/python tests/support/riding.py --out riding.jsonl

# What happens in flight: stops, speeds, interruptions, faults and the loop itself, in physics, with a page (resumes; an hour).
flight: $(VENV)/ready
	$(BIN)/fastmove bench flight --out flight

# A shift of picks: twenty items from a crowded tote to a sorter wall, planned, certified and run in physics (a minute or two).
cell: $(VENV)/ready
	$(BIN)/python tests/support/cell.py --preview cell.html --out cell.jsonl

# Fifty picks from a belt whose speed drifts and fifty placements onto it, changed in flight, in physics (resumes; a quarter of an hour).
belt: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/support/belt.py --out belt.jsonl

# How far plans are above the best of many runs: the shipped problems with four ends each (resumes; an hour and a half), and 40 hard
# problems where MBM=folder of MotionBenchMaker problems (resumes; ten minutes).
basins: $(VENV)/ready
	$(BIN)/python tests/support/basins.py --out basins-held
	$(if $(MBM),$(BIN)/python tests/support/basins.py $(MBM) --out basins)

# Loads at which a simulated cup loses its item, over what the ring model says (a minute).
suction-rig: $(VENV)/ready
	$(BIN)/python tests/support/suction_rig.py --random 40

# Damage against units an hour, fingers and a cup, six arms: `headline/headline.html` (resumes; an hour and a quarter on two cores),
# and a short version (ten minutes), which says whether it agrees with the figures in docs.
headline: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/fastmove bench headline --jobs 2 --out headline

headline-short: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/fastmove bench headline --limit 24 --rollouts 4 --jobs 2 --out headline-short
	$(BIN)/python tests/support/headline_check.py headline-short

# The problem sets of `fastmove bench`, anew (ten minutes); they are the same files again.
sets: $(VENV)/ready
	$(BIN)/python tests/support/make_sets.py
	$(BIN)/python tests/support/make_headline.py

# The report in OUT (a folder of `fastmove bench`) looked at in headless Chromium: faults, contents of charts, pictures.
OUT ?= bench
report: $(VENV)/ready
	$(BIN)/python tests/support/report_check.py $(OUT)

# 10,000 mutated files of every kind that is read, guided by coverage: no traceback, no crash, at most 5 s each, nothing read elsewhere
# (twenty minutes on two cores).
fuzz: $(VENV)/ready
	$(BIN)/python tests/support/fuzz.py --count 10000

# What becomes of public robot descriptions: the table in docs (two minutes; CHECKOUTS=folder of OWNER+NAME for those that are fetched).
descriptions: $(VENV)/ready
	$(BIN)/python tests/support/descriptions.py $(if $(CHECKOUTS),--checkouts $(CHECKOUTS)) --out docs/descriptions.md

# Whether ends given as poses are ever slower than the best of their configurations given as joints (resumes; ten minutes).
pose-pairs: $(VENV)/ready
	$(BIN)/python tests/support/pose_pairs.py --out pose-pairs.jsonl

# Whether a change of the code changed any plan: BEFORE=file of an earlier `make same-bytes` to compare with.
same-bytes: $(VENV)/ready
	$(BIN)/python tests/support/same_bytes.py $(if $(BEFORE),--against $(BEFORE),--out bytes.json)

# The documentation, strict: docs/_build/html/index.html.
docs: $(VENV)/ready
	$(BIN)/python -m sphinx -W -E -q -b html docs docs/_build/html
	@echo "docs: docs/_build/html/index.html"

# The pictures of README and docs: the film of the book's transfer, and its preview (needs Chromium).
pictures: $(VENV)/ready
	$(BIN)/python tests/support/pictures.py --out docs/pictures

# Commands, options and keys of JSON as they are, for `tests/structure/test_golden.py` to compare with.
golden: $(VENV)/ready
	$(BIN)/python -W ignore tests/support/golden.py

# How long from nothing to the first preview, with a cold package cache: a clone into a temporary folder.
first-hour:
	sh tests/support/first_hour.sh

# The wheel without extras, under every Python from 3.11 to 3.13 that is there (six minutes).
wheels:
	sh tests/support/wheel_smoke.sh

# The JSON Schemas of problem and robot files, from their readers.
schema: $(VENV)/ready
	$(BIN)/python -m fastmove.io.schema

# franka-sim, against which the tests drive the FR3, in an environment of its own (it wants another numpy; 180 MB).  Without it they
# are skipped in sight.
franka-sim: .franka-sim/ready

.franka-sim/ready: tests/support/franka_sim.lock tests/support/franka_model.py
	$(PYTHON) -m venv .franka-sim
	.franka-sim/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/support/franka_sim.lock
	.franka-sim/bin/python tests/support/franka_model.py .franka-sim/fr3.xml
	touch $@

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist book_to_tote.npz book_to_tote.html
