"""A real cluster on the loopback interface, for tests: real processes, real sockets, real SQLite files."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LIBRARY = 'libNEOClientC.dylib' if sys.platform == 'darwin' else 'libNEOClientC.so'


def _build_directories():
    return [ROOT / '.build' / configuration for configuration in ('release', 'debug')]


def program():
    """The executable `neo`: $NEO_BIN, or what was built most recently, or what PATH has."""
    path = os.environ.get('NEO_BIN')
    if path:
        return path
    built = [path for path in (directory / 'neo' for directory in _build_directories()) if path.exists()]
    if built:
        return str(max(built, key=lambda path: path.stat().st_mtime))
    path = shutil.which('neo')
    if not path:
        raise RuntimeError('no executable `neo`: build it (swift build), or set NEO_BIN')
    return path


def use_built_library():
    """Makes `neo.client` load the library beside the executable, unless the environment or the package has one."""
    package = importlib.util.find_spec('neo')
    is_packaged = package is not None and (Path(package.origin).parent / 'client' / _LIBRARY).exists()
    if 'NEO_CLIENT_LIBRARY' not in os.environ and not is_packaged:
        path = Path(program()).resolve().parent / _LIBRARY
        if path.exists():
            os.environ['NEO_CLIENT_LIBRARY'] = str(path)


def free_ports(count):
    """Ports that nobody listens at, kept apart from each other while they are chosen."""
    sockets = []
    try:
        for _ in range(count):
            listener = socket.socket()
            listener.bind(('127.0.0.1', 0))
            sockets.append(listener)
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


class Node:
    """A process of the cluster; it can be killed and started again on the same data and address."""

    def __init__(self, cluster, kind, name, port, options):
        self.cluster = cluster
        self.kind = kind
        self.name = name
        self.port = port
        self.options = options
        self.process = None

    @property
    def log(self):
        return self.cluster.directory / f'{self.name}.log'

    @property
    def database(self):
        return self.cluster.directory / f'{self.name}.sqlite'

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def recorded_ptid(self):
        """The number of the partition table in the database; 0 if the storage has no cell, or none yet."""
        with closing(sqlite3.connect(f'file:{self.database}?mode=ro', uri=True)) as database:
            row = database.execute(
                "SELECT value FROM config WHERE name = 'ptid' AND EXISTS (SELECT 1 FROM pt WHERE nid ="
                " (SELECT CAST(value AS INTEGER) FROM config WHERE name = 'nid'))").fetchone()
        return int(row[0]) if row else 0

    def arguments(self):
        return [
            '--cluster', self.cluster.name, '--masters', self.cluster.masters,
            '--bind', f'127.0.0.1:{self.port}', *self.options,
        ]

    def command(self):
        return [program(), self.kind, *self.arguments()]

    def environment(self):
        return None

    def start(self):
        assert not self.is_running, f'{self.name} is running'
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cluster.directory,
                env=self.environment())

    def kill(self, number=signal.SIGKILL):
        """Sends a signal, and waits until the process ended."""
        if self.is_running:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f'{self.name} did not stop at signal {number}: see {self.log}') from None

    def stop(self):
        self.kill(signal.SIGTERM)


class Cluster:
    """1 master (or more), storages and an admin, in a temporary directory that `close` removes."""

    def __init__(
            self, storages=2, partitions=3, replicas=0, name='test', directory=None, masters=1, autostart=True):
        self.name = name
        self._is_temporary = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix='neo-'))
        self.directory.mkdir(parents=True, exist_ok=True)
        ports = free_ports(masters + 1 + storages)
        master_ports, admin_port, storage_ports = ports[:masters], ports[masters], ports[masters + 1:]
        self.masters = ' '.join(f'127.0.0.1:{port}' for port in master_ports)
        new = ['--partitions', str(partitions), '--replicas', str(replicas)]
        if autostart:
            new += ['--autostart', str(storages)]
        self.master_nodes = [
            Node(self, 'master', f'master{index}', port, new) for index, port in enumerate(master_ports, 1)]
        self.storage_nodes = [
            Node(self, 'storage', f'storage{index}', port, ['--adapter', 'SQLite'])
            for index, port in enumerate(storage_ports, 1)]
        for node in self.storage_nodes:
            node.options += ['--database', str(node.database)]
        self.admin_node = Node(self, 'admin', 'admin', admin_port, [])

    @property
    def nodes(self):
        return [*self.master_nodes, *self.storage_nodes, self.admin_node]

    def start(self, timeout=30):
        for node in self.nodes:
            if not node.is_running:
                node.start()
        self.wait_running(timeout)
        return self

    def control(self, *words, timeout=30):
        """What `neoctl` prints."""
        command = [program(), 'ctl', '--address', f'127.0.0.1:{self.admin_node.port}', *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

    def cells(self):
        """The row of cells of each storage, a letter a partition: {'S1': 'UO.F'}."""
        lines = map(str.split, self.control('print', 'pt').stdout.splitlines())
        return {words[0]: words[2] for words in lines if len(words) == 3 and words[0].startswith('S')}

    def wait_cells(self, condition, timeout=60):
        """Until a condition holds of `cells`, whose states are given in one string too."""
        deadline = time.monotonic() + timeout
        while True:
            cells = self.cells()
            if cells and condition(cells, set(''.join(cells.values()))):
                return cells
            if time.monotonic() > deadline:
                raise AssertionError(f'the cells are still {cells}\n' + '\n'.join(
                    f'--- {node.name}\n{self.tail(node)}' for node in self.nodes))
            time.sleep(0.05)

    def wait_up_to_date(self, timeout=60):
        """Until no cell is out of date, feeding another one, or corrupted, and all storages with cells recorded that.

        The master knows it a moment before. Without a storage that does not know by which cells it is replaced, the cluster
        does not go on: that one could start alone later, with an older table.
        """
        cells = self.wait_cells(lambda cells, states: states <= {'U', '.'}, timeout)
        ptid = re.search(r'last_ptid = (\d+)', self.control('print', 'ids').stdout)
        deadline = time.monotonic() + timeout
        while ptid and any(node.is_running and 0 < node.recorded_ptid() < int(ptid[1]) for node in self.storage_nodes):
            assert time.monotonic() < deadline, f'a storage did not record the partition table {ptid[1]}'
            time.sleep(0.05)
        return cells

    def state(self):
        try:
            result = self.control('print', 'cluster')
        except subprocess.TimeoutExpired:
            return 'neoctl does not answer'
        return result.stdout.strip() if result.returncode == 0 else result.stderr.strip()

    def wait_running(self, timeout=30):
        """Until the cluster is RUNNING and every storage is."""
        deadline = time.monotonic() + timeout
        while True:
            for node in self.nodes:
                if not node.is_running:
                    raise AssertionError(f'{node.name} stopped by itself:\n{self.tail(node)}')
            state = self.state()
            if 'RUNNING' in state:
                nodes = self.control('print', 'node', 'storage').stdout
                if nodes.count('RUNNING') >= len(self.storage_nodes):
                    return
            if time.monotonic() > deadline:
                raise AssertionError(f'the cluster is not RUNNING after {timeout} s: {state}\n' + '\n'.join(
                    f'--- {node.name}\n{self.tail(node)}' for node in self.nodes))
            time.sleep(0.05)

    @staticmethod
    def tail(node, size=3000):
        try:
            return node.log.read_bytes()[-size:].decode(errors='replace')
        except FileNotFoundError:
            return '(no log)'

    def stop(self, timeout=20):
        """Stops all the nodes, keeping their data: none of them is missed by the others."""
        # A master that has not found the primary one yet would not be told.
        found = time.monotonic() + timeout
        while self.control('print', 'node', 'master').stdout.count('RUNNING') < len(self.master_nodes):
            assert time.monotonic() < found, self.control('print', 'node', 'master')
            time.sleep(0.05)
        result = self.control('set', 'cluster', 'STOPPING')
        assert result.returncode == 0, result
        deadline = time.monotonic() + timeout
        for node in [*self.storage_nodes, *self.master_nodes]:
            try:
                status = node.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f'{node.name} did not stop with the cluster:\n{self.tail(node)}') from None
            assert status == 0, f'{node.name} ended with status {status}:\n{self.tail(node)}'
        self.admin_node.stop()

    def close(self):
        try:
            for node in self.nodes:
                node.kill()
        finally:
            if self._is_temporary:
                shutil.rmtree(self.directory, ignore_errors=True)

    def clear(self):
        """Starts again with empty databases."""
        for node in self.nodes:
            node.kill()
        for path in self.directory.glob('storage*.sqlite*'):
            path.unlink()
        self.start()

    def storage(self, **options):
        """A new client."""
        from neo.client.Storage import Storage
        return Storage(self.masters, self.name, **options)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


use_built_library()
