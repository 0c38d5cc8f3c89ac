"""A replica made from a copy of the database of another storage."""

import os
import shutil
import signal
import subprocess

from ZODB.utils import z64

from cluster import Cluster, Node, free_ports, program
from transactions import commit


def new_nid(cluster, database):
    return subprocess.run(
        [program(), 'storage', '--cluster', cluster.name, '--masters', cluster.masters, '--adapter', 'SQLite',
         '--database', str(database), '--new-nid'],
        capture_output=True, text=True, timeout=20)


def test_a_copy_gets_a_node_id_of_its_own():
    with Cluster(storages=2, partitions=4, replicas=1) as cluster:
        storage = cluster.storage(cache_size=0)
        records = [(storage.new_oid(), z64, os.urandom(100)) for _ in range(100)]
        commit(storage, records)
        source = cluster.storage_nodes[1]
        result = new_nid(cluster, source.database)
        assert result.returncode == 1 and 'database is locked' in result.stderr, result
        source.kill(signal.SIGTERM)
        copy = cluster.directory / 'copy.sqlite'
        shutil.copy(source.database, copy)
        source.start()
        cluster.wait_running()

        result = new_nid(cluster, copy)
        assert result.returncode == 0, result
        nodes = cluster.control('print', 'node', 'storage').stdout
        assert [line.split()[:2] for line in nodes.splitlines() if 'S3' in line], nodes
        assert 'DOWN' in next(line for line in nodes.splitlines() if 'S3' in line)
        table = cluster.control('print', 'pt').stdout
        assert 'S3 D OOOO' in table, table

        # It is a node like any other now.
        clone = Node(cluster, 'storage', 'copy', free_ports(1)[0], ['--adapter', 'SQLite', '--database', str(copy)])
        clone.start()
        try:
            cluster.wait_running()
            nodes = cluster.control('print', 'node', 'storage').stdout
            assert 'RUNNING' in next(line for line in nodes.splitlines() if 'S3' in line), nodes
            commit(storage, [(storage.new_oid(), z64, b'after')])
        finally:
            clone.stop()
        storage.close()


def test_an_empty_database_is_no_copy():
    with Cluster(storages=1) as cluster:
        result = new_nid(cluster, cluster.directory / 'empty.sqlite')
        assert result.returncode == 1 and 'database is empty' in result.stderr, result
