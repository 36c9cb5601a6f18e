import subprocess
import sys

import pytest

import fleet
from fleet.core.config import Config
from fleet.core.config.load import load_config


def test_public_names_are_loaded_on_use():
    assert fleet.Config is Config
    assert fleet.load_config is load_config
    assert set(fleet.__all__) <= set(dir(fleet))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        fleet.nonsense  # noqa: B018


@pytest.mark.parametrize("module", ["fleet", "fleet.core.config.load", "fleet.core.rundir", "fleet.commands.main"])
def test_importing_it_brings_in_neither_torch_nor_numba(module):
    code = f"import sys, {module}; print([name for name in ('torch', 'numba') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
