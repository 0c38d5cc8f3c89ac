"""A replica made from a copy of the database of another storage."""

import os
import shutil
import signal
import subprocess

from ZODB.utils import z64

from cluster import Cluster, Node, free_ports, program
from transactions import commit, until_it_works


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
        cluster.storage_nodes.append(clone)
        clone.start()
        cluster.wait_running()
        nodes = cluster.control('print', 'node', 'storage').stdout
        assert 'RUNNING' in next(line for line in nodes.splitlines() if 'S3' in line), nodes
        commit(storage, [(storage.new_oid(), z64, b'after')])
        # All of it was there but what was committed since.
        cluster.wait_up_to_date()
        storage.close()


def test_an_empty_database_is_no_copy():
    with Cluster(storages=1) as cluster:
        result = new_nid(cluster, cluster.directory / 'empty.sqlite')
        assert result.returncode == 1 and 'database is empty' in result.stderr, result


def test_two_copies_replace_the_original():
    """Both are prepared in a row, and are complete once they were brought up to date; the original can go."""
    with Cluster(storages=1, partitions=4) as cluster:
        storage = cluster.storage(cache_size=0)
        records = [(storage.new_oid(), z64, os.urandom(100)) for _ in range(50)]
        tid = commit(storage, records)
        [original] = cluster.storage_nodes
        original.stop()
        paths = [cluster.directory / f'copy{number}.sqlite' for number in (1, 2)]
        for path in paths:
            shutil.copy(original.database, path)
        original.start()
        cluster.wait_running()
        for path in paths:
            result = new_nid(cluster, path)
            assert (result.returncode, result.stdout) == (0, ''), result
        table = cluster.control('print', 'pt').stdout
        assert table.endswith('S1 R UUUU\nS2 D OOOO\nS3 D OOOO\n'), table
        later = storage.new_oid()
        last = commit(storage, [(later, z64, b'later')])
        for number, path in enumerate(paths, 1):
            [port] = free_ports(1)
            node = Node(cluster, 'storage', f'copy{number}', port, ['--adapter', 'SQLite', '--database', str(path)])
            cluster.storage_nodes.append(node)
            node.start()
        cluster.wait_cells(lambda cells, states: cells == dict.fromkeys(('S1', 'S2', 'S3'), 'UUUU'))
        assert cluster.control('kill', 'S1').stdout == 'state changed\n'
        assert original.process.wait(15) == 0
        assert cluster.control('drop', 'S1').stdout == 'node permanently removed\n'
        cluster.storage_nodes.remove(original)
        assert cluster.cells() == {'S2': 'UUUU', 'S3': 'UUUU'}
        for oid, _, data in records:
            assert until_it_works(lambda: storage.load(oid)) == (data, tid)
        assert storage.load(later) == (b'later', last)
        storage.close()
