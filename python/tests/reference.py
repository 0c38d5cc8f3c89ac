"""Nodes of the existing implementation of NEO in Python ("the reference") beside ours, if there is one.

`NEO_REFERENCE` names the directory with its `neomaster`, `neostorage`, `neoadmin` and `neoctl`, and
`NEO_REFERENCE_PYTHON` an interpreter that has what they import (default: `python3`).
"""

import os
import subprocess
import sys
from pathlib import Path

from cluster import ROOT, Node, program

DIRECTORY = os.environ.get('NEO_REFERENCE')
PYTHON = os.environ.get('NEO_REFERENCE_PYTHON', 'python3')
CLIENT_PROGRAM = str(Path(__file__).resolve().parent / 'reference_client.py')


def _environment():
    """That of a process of the reference: its package is called `neo` as ours."""
    environment = {**os.environ, 'PYTHONPATH': DIRECTORY}
    environment.pop('PYTHONHOME', None)
    return environment


class ReferenceNode(Node):
    """A node of the reference, in the place of one of ours: the same name, address, options and database."""

    def command(self):
        return [PYTHON, str(Path(DIRECTORY) / f'neo{self.kind}'), *self.arguments()]

    def environment(self):
        return _environment()


def use_reference(cluster, *names):
    """Makes nodes of a cluster that is not started be of the reference."""
    for nodes in cluster.master_nodes, cluster.storage_nodes, [cluster.admin_node]:
        for node in nodes:
            if node.name in names:
                node.__class__ = ReferenceNode


def use_ours(cluster, *names):
    for node in cluster.nodes:
        if node.name in names:
            node.__class__ = Node


def reference_control(cluster, *words):
    """What the `neoctl` of the reference prints, asking the admin of the cluster."""
    command = [
        PYTHON, str(Path(DIRECTORY) / 'neoctl'), '--address', f'127.0.0.1:{cluster.admin_node.port}', *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=_environment())


def run_client(cluster, is_reference, *words, timeout=120):
    """Runs `reference_client.py` with the client of the reference, or ours, in a process of its own."""
    command = [PYTHON if is_reference else sys.executable, CLIENT_PROGRAM, cluster.masters, cluster.name, *words]
    if is_reference:
        environment = _environment()
    else:
        environment = {**os.environ, 'PYTHONPATH': str(ROOT / 'python')}
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    assert result.returncode == 0, f'{command}\n{result.stdout}\n{result.stderr}\n' + '\n'.join(
        f'--- {node.name}\n{cluster.tail(node)}' for node in cluster.nodes)
    return result.stdout


__all__ = ['DIRECTORY', 'reference_control', 'run_client', 'use_ours', 'use_reference', 'program']
