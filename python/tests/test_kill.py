"""Short runs of the kill -9 program, with fixed seeds."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize('options', [
    ['--rounds', '7', '--seed', '1'],
    ['--rounds', '4', '--seed', '2', '--storages', '3', '--replicas', '1', '--kinds', 'spared some'],
], ids=['no replica', 'replicas'])
@pytest.mark.timeout(280)
def test_kill(options):
    program = Path(__file__).resolve().parent / 'kill' / 'killtest.py'
    result = subprocess.run([sys.executable, str(program), *options], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
