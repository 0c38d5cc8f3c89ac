"""A short run of the kill -9 program, with a fixed seed."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize('seed', [1])
@pytest.mark.timeout(280)
def test_kill(seed):
    program = Path(__file__).resolve().parent / 'kill' / 'killtest.py'
    result = subprocess.run(
        [sys.executable, str(program), '--rounds', '5', '--seed', str(seed)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
