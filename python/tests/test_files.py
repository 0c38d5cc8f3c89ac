"""The file of a storage: what is refused at the start, what is found later, and the options that empty, keep or bound it."""

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from ZODB.utils import u64, z64

from cluster import Cluster, program
from databases import VECTORS
from test_control import Commands
from transactions import commit, eventually, until_it_works

#: A master that nobody finds: a storage that gets as far as looking for one has accepted its file.
NOWHERE = '127.0.0.1:1'


def run_storage(path, *options, cluster='golden'):
    return subprocess.run(
        [program(), 'storage', '--cluster', cluster, '--masters', NOWHERE, '--adapter', 'SQLite', '--database', str(path),
         *options], capture_output=True, text=True, timeout=20)


def count(path, table, where='1'):
    with closing(sqlite3.connect(f'file:{path}?mode=ro', uri=True)) as database:
        return database.execute(f'SELECT count(*) FROM {table} WHERE {where}').fetchone()[0]


def foreign(path):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE people (name TEXT)')
        database.execute("INSERT INTO people VALUES ('Ada')")


def foreign_config(path):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE config (a, b, c)')
        database.execute('INSERT INTO config VALUES (1, 2, 3)')


def golden(name, size=None):
    def make(path):
        shutil.copyfile(VECTORS / f'{name}.sqlite', path)
        if size is not None:
            os.truncate(path, size if size > 0 else path.stat().st_size + size)
    return make


@pytest.mark.parametrize('make, message', [
    pytest.param(foreign, 'expected the database of a storage, got one with a table people', id='of another program'),
    pytest.param(foreign_config, 'SQLite error', id='of another program, with a table of that name'),
    pytest.param(golden('a-single', 5000), 'malformed', id='cut behind its first page'),
    pytest.param(golden('a-single', -4096), 'malformed', id='cut before its last page'),
    pytest.param(lambda path: path.write_bytes(b'\x5a' * 10000), 'not a database', id='no database'),
    pytest.param(
        golden('future-v5'), 'can not be downgraded. It has format 5, this program knows 4', id='of a later version'),
    pytest.param(
        golden('old-v0-unfinished'), 'can not be upgraded because you have unfinished transactions',
        id='of an old version, with unfinished transactions'),
])
def test_files_that_are_refused(make, message, tmp_path):
    path = tmp_path / 'storage.sqlite'
    make(path)
    content = path.read_bytes()
    result = run_storage(path)
    assert result.returncode == 1 and result.stdout == ''
    assert message in result.stderr and f'database {path}' in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert path.read_bytes() == content


def test_locks_of_others(tmp_path):
    """Whoever has the socket of that name has the database, whichever the program; so has who locked the file beside it."""
    path = tmp_path / 'storage.sqlite'
    golden('a-single')(path)
    with open(f'{path}.lock', 'w') as file:
        # As another container, or another machine, does.
        fcntl.flock(file, fcntl.LOCK_EX)
        result = run_storage(path)
        assert result.returncode == 1 and 'database is locked' in result.stderr
    status = path.stat()
    name = f'\0neostorage:{status.st_dev}:{status.st_ino}'
    with closing(socket.socket(socket.AF_UNIX)) as lock:
        lock.bind(name)
        result = run_storage(path)
        assert result.returncode == 1 and 'database is locked' in result.stderr
    with subprocess.Popen(
            [program(), 'storage', '--cluster', 'golden', '--masters', NOWHERE, '--adapter', 'SQLite',
             '--database', str(path)], stderr=subprocess.DEVNULL) as process:
        def is_locked():
            with closing(socket.socket(socket.AF_UNIX)) as lock:
                try:
                    lock.bind(name)
                except OSError:
                    return True
        try:
            eventually(is_locked)
        finally:
            process.terminate()
    with closing(socket.socket(socket.AF_UNIX)) as lock:
        lock.bind(name)


def test_database_of_another_cluster(tmp_path):
    path = tmp_path / 'storage.sqlite'
    golden('a-single')(path)
    content = path.read_bytes()
    result = run_storage(path, cluster='other')
    assert result.returncode == 1 and 'cluster other' in result.stderr and 'golden' in result.stderr
    assert path.read_bytes() == content


def test_reset(tmp_path):
    """Empties the database, even that of another cluster, and asks nobody; not one that is in use."""
    with Cluster(storages=1, directory=tmp_path) as cluster:
        [node] = cluster.storage_nodes
        storage = cluster.storage()
        commit(storage, [(storage.new_oid(), z64, b'data')])
        storage.close()
        result = run_storage(node.database, '--reset', cluster=cluster.name)
        assert result.returncode == 1 and 'database is locked' in result.stderr
        cluster.stop()
        assert count(node.database, 'obj') == 1
        result = run_storage(node.database, '--reset', cluster='other')
        assert (result.returncode, result.stdout, result.stderr) == (0, '', '')
        assert count(node.database, 'obj') == count(node.database, 'pt') == count(node.database, 'data') == 0
        assert count(node.database, 'config', "name IN ('nid', 'ptid')") == 0
        assert run_storage(node.database, '--reset', cluster=cluster.name).returncode == 0
        # It is a new storage now, of a new cluster.
        cluster.start()
        storage = cluster.storage()
        assert storage.lastTransaction() == z64
        storage.close()


def test_discarded_partitions_are_kept_or_dropped(tmp_path):
    """`--disable-drop-partitions` keeps the data of partitions that moved; without it, they are dropped at the next start."""
    with Cluster(storages=2, partitions=2, replicas=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        storage = cluster.storage()
        oids = [storage.new_oid() for _ in range(200)]
        tid = commit(storage, [(oid, z64, b'data' * 100) for oid in oids])
        first, second = sorted(cluster.storage_nodes, key=neoctl.nid)
        second.stop()
        second.options += ['--disable-drop-partitions', '--logfile', str(second.log)]
        second.start()
        cluster.wait_running()
        cluster.wait_up_to_date()
        # One copy is enough now: each storage gives up a partition.
        assert neoctl.done('set', 'replicas', '0') == '\n'
        assert neoctl.done('tweak') == 'S1 R U.\nS2 R .U\n'
        given_up = 0
        deadline = time.monotonic() + 20
        while count(first.database, 'obj', 'partition = 1'):
            assert time.monotonic() < deadline
            time.sleep(.05)
        kept = 'the data of partitions 0, not assigned to this node, are kept: dropping is disabled'
        while kept not in second.log.read_text():
            assert time.monotonic() < deadline, second.log.read_text()
            time.sleep(.05)
        time.sleep(.5)
        assert count(second.database, 'obj', f'partition = {given_up}') == 100
        second.stop()
        second.options.remove('--disable-drop-partitions')
        second.start()
        cluster.wait_running()
        deadline = time.monotonic() + 20
        while count(second.database, 'obj', f'partition = {given_up}') or count(second.database, 'data') != 100:
            assert time.monotonic() < deadline, count(second.database, 'data')
            time.sleep(.05)
        for oid in oids:
            assert until_it_works(lambda: storage.load(oid)) == (b'data' * 100, tid)
        storage.close()


def test_disk_that_fails(tmp_path):
    """What a commit needs cannot be written: the node ends and says why, the replica serves, nothing that was acknowledged
    is lost. (`FullDiskTests` does the same with a database that is full.)"""
    with Cluster(storages=2, partitions=1, replicas=1, directory=tmp_path) as cluster:
        limited = cluster.storage_nodes[0]
        limited.stop()
        command = limited.command
        # A file of 3 MB at most, in blocks of 512 bytes.
        limited.command = lambda: ['sh', '-c', 'ulimit -f 6000 && exec "$0" "$@"', *command()]
        limited.start()
        cluster.wait_running()
        cluster.wait_up_to_date()
        storage = cluster.storage(cache_size=0)
        stored = {}
        while limited.is_running:
            assert len(stored) < 1000
            oid = storage.new_oid()
            data = os.urandom(10_000)
            tid = until_it_works(lambda: commit(storage, [(oid, z64, data)]))
            stored[oid] = tid, data
        assert limited.process.returncode == 1
        log = limited.log.read_text()
        assert 'the database failed, the node exits' in log and 'disk I/O error' in log, log
        for oid, (tid, data) in stored.items():
            assert until_it_works(lambda: storage.load(oid)) == (data, tid)
        del limited.command
        limited.start()
        cluster.wait_running()
        cluster.wait_up_to_date()
        cluster.stop()
        storage.close()
        rows = []
        for node in cluster.storage_nodes:
            with closing(sqlite3.connect(node.database)) as database:
                rows.append(sorted(database.execute('SELECT oid, tid FROM obj')))
        assert rows[0] == rows[1] and {oid for oid, _ in rows[0]} >= {u64(oid) for oid in stored}


def test_damage_that_only_a_check_finds(tmp_path):
    """Pages of the table of objects that nobody reads in service: `neoctl check` comes upon them."""
    with Cluster(storages=2, partitions=1, replicas=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        storage = cluster.storage(cache_size=0)
        records = [(storage.new_oid(), z64, b'%d' % number) for number in range(3000)]
        tid = commit(storage, records)
        # What comes later is in other pages.
        last = commit(storage, [(storage.new_oid(), z64, b'last')])
        storage.close()
        cluster.stop()
        damaged = cluster.storage_nodes[1]
        for path in tmp_path.glob('storage2.sqlite-*'):
            path.unlink()
        with closing(sqlite3.connect(damaged.database)) as database:
            size, = database.execute('PRAGMA page_size').fetchone()
            roots = database.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'obj'").fetchall()
        content = bytearray(damaged.database.read_bytes())
        for root, in roots:
            page = content[(root - 1) * size:root * size]
            assert page[0] in (2, 5), 'the root of the tree is no interior page'
            # The child of the cell in the middle: neither the oldest nor the newest rows.
            middle = 12 + int.from_bytes(page[3:5], 'big') // 2 * 2
            cell = int.from_bytes(page[middle:middle + 2], 'big')
            child = int.from_bytes(page[cell:cell + 4], 'big')
            content[(child - 1) * size:child * size] = b'\xa5' * size
        damaged.database.write_bytes(content)
        for node in cluster.nodes:
            node.start()
        cluster.wait_running()
        neoctl.wait('UP_TO_DATE=2', 'print', 'summary')
        assert damaged.is_running
        assert neoctl.done('check', ':') == ''
        assert damaged.process.wait(20) == 1
        log = damaged.log.read_text()
        assert 'the database cannot be used' in log and 'malformed' in log, log
        storage = cluster.storage(cache_size=0)
        for oid, _, data in records[::100]:
            assert until_it_works(lambda: storage.load(oid)) == (data, tid)
        assert until_it_works(lambda: storage.lastTransaction()) == last
        storage.close()
        # A new storage takes its place, as the documentation says.
        neoctl.wait('DOWN=1', 'print', 'summary')
        gone = 'S2' if 'S2 D' in neoctl.done('print', 'pt') else 'S1'
        assert run_storage(damaged.database, '--reset', cluster=cluster.name).returncode == 0
        damaged.start()
        neoctl.wait('PENDING', 'print', 'node', 'storage')
        new = neoctl.nid(damaged)
        assert new != gone
        assert neoctl.done('add', new) == f'Nodes added: {new}\n'
        assert neoctl.done('drop', gone) == 'node permanently removed\n'
        assert new in neoctl.done('tweak')
        cluster.wait_up_to_date()
        damaged.kill(signal.SIGTERM)
        assert count(damaged.database, 'obj') == 3001
