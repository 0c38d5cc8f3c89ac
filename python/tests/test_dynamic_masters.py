"""The file that remembers masters (`--dynamic-master-list`), on real processes."""

import json
import logging
import subprocess
import time
from contextlib import closing

import pytest

from cluster import Cluster, free_ports, program
from neo.client.Storage import Storage
from transactions import eventually, until_it_works


def addresses(path):
    return sorted(f'{host}:{port}' for host, port in json.loads(path.read_text()))


def wait(condition, message):
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, message()
        time.sleep(0.05)


def without_masters(node, *masters):
    """Starts a node that is told of these masters only."""
    node.arguments = lambda: [
        '--cluster', node.cluster.name, '--masters', ' '.join(masters), '--bind', f'127.0.0.1:{node.port}', *node.options]


def test_masters_are_remembered(tmp_path):
    """A storage that knows one of two masters learns of the other one, and needs neither of its options later."""
    cluster = Cluster(storages=1, masters=2, directory=tmp_path)
    known = tmp_path / 'masters.json'
    [storage] = cluster.storage_nodes
    storage.options += ['--dynamic-master-list', str(known)]
    first, second = (f'127.0.0.1:{node.port}' for node in cluster.master_nodes)
    without_masters(storage, first)
    try:
        cluster.start()
        wait(lambda: addresses(known) == sorted([first, second]), known.read_text)
        assert not list(tmp_path.glob('*#neo#*'))
        storage.stop()
        # Nobody listens there.
        [nowhere] = free_ports(1)
        without_masters(storage, f'127.0.0.1:{nowhere}')
        storage.start()
        cluster.wait_running()
        # The primary is lost, and the one that takes over is known from the file.
        primary = cluster.control('print', 'primary').stdout.split()
        assert primary
        cluster.master_nodes[0].kill()
        cluster.master_nodes.pop(0)
        cluster.wait_running()
        assert second in addresses(known)
    finally:
        cluster.close()


def test_masters_and_admins_remember(tmp_path):
    """A master that nobody was told of joins: all write it down, masters their own address too."""
    with closing(Cluster(storages=1, masters=2, directory=tmp_path)) as cluster:
        first, second = cluster.master_nodes
        lists = {}
        for node in first, second, cluster.admin_node:
            lists[node] = tmp_path / f'{node.name}.json'
            node.options = [*node.options, '--dynamic-master-list', str(lists[node])]
            without_masters(node, f'127.0.0.1:{first.port}')
        first.start()
        wait(lambda: lists[first].exists() and addresses(lists[first]) == [f'127.0.0.1:{first.port}'],
             lambda: cluster.tail(first))
        cluster.start()
        for node, known in lists.items():
            wait(lambda: addresses(known) == sorted(cluster.masters.split()), lambda: cluster.tail(node))
        # The one that was told of no master takes over with what it wrote down.
        cluster.stop()
        without_masters(second)
        cluster.start()
        first.kill()
        cluster.master_nodes.remove(first)
        cluster.wait_running()


@pytest.mark.parametrize('content', ['{}', '[["127.0.0.1", "x"]]', '[["127.0.0.1", 99999]]', 'nonsense', '[1]'])
def test_a_damaged_file_is_told(tmp_path, content):
    known = tmp_path / 'masters.json'
    known.write_text(content)
    result = subprocess.run(
        [program(), 'storage', '--cluster', 'c', '--masters', '127.0.0.1:1', '--adapter', 'SQLite', '--database',
         str(tmp_path / 's.sqlite'), '--dynamic-master-list', str(known)],
        capture_output=True, text=True, timeout=20)
    assert result.returncode == 1 and f'{known}: not a list of masters' in result.stderr, result
    # What an operator wrote is not overwritten.
    assert known.read_text() == content


def test_an_empty_list_is_created(tmp_path):
    """And without any master, the node says so."""
    known = tmp_path / 'masters.json'
    result = subprocess.run(
        [program(), 'admin', '--cluster', 'c', '--masters', '', '--bind', '127.0.0.1:0',
         '--dynamic-master-list', str(known)], capture_output=True, text=True, timeout=20)
    assert result.returncode != 0 and 'master' in result.stderr, result
    assert known.read_text() == '[]'


def test_a_list_that_cannot_be_created(tmp_path):
    """Fatal at the start (`spec/master.md §19.1.10`)."""
    known = tmp_path / 'absent' / 'masters.json'
    result = subprocess.run(
        [program(), 'master', '--cluster', 'c', '--masters', '127.0.0.1:1', '--bind', '127.0.0.1:0',
         '--dynamic-master-list', str(known)], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1 and str(known) in result.stderr, result


def test_a_list_that_cannot_be_written_any_more(tmp_path):
    """It is told in the log, and the node goes on."""
    cluster = Cluster(storages=1, masters=2, directory=tmp_path)
    folder = tmp_path / 'folder'
    folder.mkdir()
    known = folder / 'masters.json'
    [storage] = cluster.storage_nodes
    storage.options += ['--dynamic-master-list', str(known)]
    first, second = cluster.master_nodes
    # The storage starts when only the first master is known to anybody: the second one is learnt later.
    without_masters(storage, f'127.0.0.1:{first.port}')
    without_masters(first, f'127.0.0.1:{first.port}')
    try:
        first.start()
        storage.start()
        cluster.admin_node.start()
        wait(lambda: known.exists(), lambda: cluster.tail(storage))
        # At once: the storage may be writing the list.
        folder.rename(tmp_path / 'moved')
        second.start()
        wait(lambda: 'the list of masters cannot be written' in cluster.tail(storage), lambda: cluster.tail(storage))
        cluster.wait_running()
        assert storage.process.poll() is None
    finally:
        cluster.close()


def test_a_client_remembers_masters(tmp_path):
    """It is told of one of two, and needs neither the option nor that master later."""
    known = tmp_path / 'known' / 'masters.json'
    known.parent.mkdir()
    with Cluster(storages=1, masters=2, directory=tmp_path) as cluster:
        first, second = cluster.masters.split()

        def client(masters):
            return closing(Storage(masters, cluster.name, wait_timeout=20, dynamic_master_list=str(known)))
        # Two processes, or two storages of one, can share the file.
        with client(first) as storage, client(first) as other:
            for each in storage, other:
                each.sync()
            eventually(lambda: known.exists() and addresses(known) == sorted([first, second]))
        with client('') as storage:
            storage.sync()
            cluster.master_nodes.pop(0).kill()
            until_it_works(storage.sync)
        with client('') as storage:
            storage.sync()
        assert addresses(known) == sorted([first, second])
        assert [path.name for path in known.parent.iterdir()] == [known.name]


def test_a_client_learns_of_masters_without_a_file():
    """The one that it was told of is lost: another one that it heard of takes over."""
    with Cluster(storages=1, masters=2) as cluster:
        first, _ = cluster.masters.split()
        with closing(Storage(first, cluster.name, wait_timeout=20)) as storage:
            storage.sync()
            cluster.master_nodes.pop(0).kill()
            until_it_works(storage.sync)
            assert storage.new_oid()


@pytest.mark.parametrize('content', ['{}', '[["127.0.0.1", "x"]]', 'nonsense'])
def test_a_client_refuses_a_damaged_file(tmp_path, content):
    known = tmp_path / 'masters.json'
    known.write_text(content)
    with pytest.raises(ValueError, match='not a list of masters'):
        Storage('127.0.0.1:1', 'c', dynamic_master_list=str(known))
    assert known.read_text() == content


def test_a_client_without_any_master(tmp_path):
    known = tmp_path / 'masters.json'
    for content in None, '[]':
        if content is not None:
            known.write_text(content)
        with pytest.raises(ValueError, match='At least one master'):
            Storage('', 'c', dynamic_master_list=str(known))


def test_a_client_whose_list_cannot_be_written(shared_cluster, tmp_path, caplog):
    """It is told in the log, and the client works."""
    with closing(shared_cluster.storage(dynamic_master_list=str(tmp_path / 'absent' / 'masters.json'))) as storage:
        with caplog.at_level(logging.WARNING, 'neo.client'):
            storage.sync()
            assert storage.new_oid()
    assert 'the list of masters cannot be written' in caplog.text
