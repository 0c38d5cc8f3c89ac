"""Disks that become full, files that are damaged: what clients see, what the node says, what is left."""

import os
import signal
import time

import pytest
from ZODB.POSException import ReadOnlyError
from ZODB.utils import z64

from cluster import Cluster
from transactions import commit, until_it_works

MIB = 1 << 20


def available(path):
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize // MIB


def test_writes_are_refused_before_the_disk_is_full():
    cluster = Cluster(storages=1)
    # Far from what other processes may write or remove meanwhile.
    reserve = max(1, available(cluster.directory) - 1024)
    cluster.storage_nodes[0].options += ['--disk-reserve', str(reserve)]
    with cluster:
        storage = cluster.storage(cache_size=0)
        oid = storage.new_oid()
        tid = commit(storage, [(oid, z64, b'before')])
        filling = cluster.directory / 'filling'
        with open(filling, 'wb') as file:
            os.posix_fallocate(file.fileno(), 0, 2048 * MIB)

        def refused():
            with pytest.raises(ReadOnlyError, match=f'the disk of S1 is nearly full: expected {reserve} MiB free, got'):
                commit(storage, [(storage.new_oid(), z64, b'while')])
            return True

        # The node looks once a second.
        wait_for(refused)
        assert storage.load(oid) == (b'before', tid)
        filling.unlink()
        wait_for(lambda: commit(storage, [(oid, tid, b'after')]), ReadOnlyError)
        assert storage.load(oid)[0] == b'after'
        log = cluster.storage_nodes[0].log.read_text()
        assert 'writes are refused: the disk of S1 is nearly full' in log
        assert 'there is space on the disk again' in log
        storage.close()


def wait_for(function, *exceptions, seconds=20):
    """Calls it until it does not raise any more."""
    exceptions = exceptions or (pytest.fail.Exception,)
    deadline = time.monotonic() + seconds
    while True:
        try:
            return function()
        except exceptions:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_damaged_file_is_reported_and_the_replica_serves():
    with Cluster(storages=2, partitions=1, replicas=1) as cluster:
        storage = cluster.storage(cache_size=0)
        records = [(storage.new_oid(), z64, os.urandom(3000)) for _ in range(500)]
        tid = commit(storage, records)
        storage.close()
        cluster.stop()
        damaged = cluster.storage_nodes[1]
        # The file is whole without them; they would hide what is done to it.
        for path in cluster.directory.glob('storage2.sqlite-*'):
            path.unlink()
        size = damaged.database.stat().st_size
        with open(damaged.database, 'r+b') as file:
            # What the node reads at its start is in front.
            file.seek(size // 3)
            file.write(b'\xa5' * (size // 2))
        for node in cluster.nodes:
            node.start()
        storage = cluster.storage(cache_size=0)
        for oid, _, data in records:
            assert until_it_works(lambda: storage.load(oid)) == (data, tid)
        assert damaged.process.wait(20) == 1
        log = damaged.log.read_text()
        assert 'the database cannot be used' in log and 'malformed' in log, log
        storage.close()


def test_what_is_no_database_is_refused():
    with Cluster(storages=1) as cluster:
        node = cluster.storage_nodes[0]
        node.kill(signal.SIGTERM)
        content = b'no database' * 1000
        node.database.write_bytes(content)
        for path in cluster.directory.glob('storage1.sqlite-*'):
            path.unlink()
        node.start()
        assert node.process.wait(20) == 1
        log = node.log.read_text()
        assert f'database {node.database}' in log and 'not a database' in log, log
        assert node.database.read_bytes() == content
