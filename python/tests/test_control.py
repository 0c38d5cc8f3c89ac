"""Commands of `neoctl` on a real cluster: what they print, what they refuse, and what becomes of the nodes."""

import sqlite3
import time
from contextlib import closing

import pytest
from ZODB.POSException import POSKeyError
from ZODB.utils import u64, z64

from cluster import Cluster, Node, free_ports
from transactions import commit


class Commands:
    """What `neoctl` says."""

    def __init__(self, cluster):
        self.cluster = cluster

    def done(self, *words):
        result = self.cluster.control(*words)
        assert (result.returncode, result.stderr) == (0, ''), (words, result)
        return result.stdout

    def refused(self, *words):
        result = self.cluster.control(*words)
        assert (result.returncode, result.stdout) == (1, ''), (words, result)
        return result.stderr.rstrip('\n')

    def nid(self, node):
        """The id of a storage, once it is there."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            for line in self.done('print', 'node', 'storage').splitlines():
                if f'127.0.0.1:{node.port} ' in line:
                    return line.split()[0]
            time.sleep(.05)
        raise AssertionError(f'{node.name} did not come:\n{self.cluster.tail(node)}')

    def wait(self, expected, *words):
        """Until it is printed."""
        deadline = time.monotonic() + 15
        while expected not in self.done(*words):
            assert time.monotonic() < deadline, self.done(*words)
            time.sleep(.05)


def another_storage(cluster, name, *options):
    [port] = free_ports(1)
    node = Node(cluster, 'storage', name, port, ['--adapter', 'SQLite', *options])
    node.options += ['--database', str(node.database)]
    node.start()
    return node


def wait_exit(node):
    assert node.process.wait(15) == 0, node.cluster.tail(node)


def test_before_the_start(tmp_path):
    cluster = Cluster(storages=1, directory=tmp_path, autostart=False)
    neoctl = Commands(cluster)
    try:
        cluster.master_nodes[0].start()
        cluster.admin_node.start()
        deadline = time.monotonic() + 15
        while cluster.state() != 'RECOVERING':
            assert time.monotonic() < deadline
            time.sleep(.05)
        assert neoctl.refused('start') == 'Cannot exit recovery without any storage node'
        for words, name in (
                (['add', 'S1'], 'addPendingNodes'), (['tweak'], 'tweakPartitionTable'),
                (['set', 'replicas', '1'], 'setNumReplicas'), (['truncate', '0'], 'truncate')):
            assert neoctl.refused(*words) == f'{name} RPC can not be used in RECOVERING state'
        for state in 'RECOVERING', 'RUNNING', 'BACKINGUP':
            assert neoctl.refused('set', 'cluster', state) == 'Invalid state requested'
        for state in 'STARTING_BACKUP', 'STOPPING_BACKUP':
            assert neoctl.refused('set', 'cluster', state) == 'Can not switch to this state'
        cluster.storage_nodes[0].start()
        neoctl.nid(cluster.storage_nodes[0])
        assert neoctl.done('start') == 'Cluster state changed\n'
        cluster.wait_running()
        assert neoctl.refused('start') == 'Can not switch to this state'
        assert neoctl.done('print', 'pt') == '# ptid: 1, replicas: 0\nS1 R UUU\n'
    finally:
        cluster.close()


def test_kill_and_drop(tmp_path):
    with Cluster(storages=2, replicas=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        one, other = cluster.storage_nodes
        kept, killed = neoctl.nid(one), neoctl.nid(other)
        assert neoctl.refused('kill', 'S9') == neoctl.refused('drop', 'S9') == 'unknown node'
        assert neoctl.refused('kill', 'M1') == 'can not kill primary master node'
        assert neoctl.refused('drop', 'M1') == 'can not switch node to UNKNOWN state'
        assert neoctl.refused('drop', killed) == 'a running node must be stopped before removal'
        assert neoctl.done('kill', killed) == 'state changed\n'
        wait_exit(other)
        assert neoctl.done('kill', killed) == 'node already in DOWN state\n'
        only = 'Refuse to drop nodes that contain the only readable copies of partition 0'
        assert neoctl.refused('kill', kept) == only
        assert cluster.state() == 'RUNNING'
        drawing = sorted([f'{kept} R UUU', f'{killed} D OOO'])
        assert neoctl.done('print', 'pt').splitlines()[1:] == drawing
        for words in ['tweak'], ['tweak', '-n']:
            assert neoctl.refused(*words) == 'tweak: down nodes must be listed explicitly'
        assert neoctl.refused('tweak', kept, killed) == "Can't remove all nodes."
        assert neoctl.done('drop', killed) == 'node permanently removed\n'
        assert neoctl.refused('drop', killed) == 'unknown node'
        assert neoctl.done('print', 'pt').splitlines()[1:] == [f'{kept} R UUU']
        assert neoctl.done('tweak') == 'No change done.\n'


def test_pending_nodes(tmp_path):
    with Cluster(storages=1, partitions=4, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        new = another_storage(cluster, 'storage2')
        unwanted = another_storage(cluster, 'storage3')
        try:
            pending = neoctl.nid(unwanted)
            assert neoctl.done('add', 'S9') == neoctl.done('add', 'S1') == 'No node added\n'
            # A node that is not part of the cluster is told to erase what it has.
            assert neoctl.done('drop', pending) == 'state changed\n'
            wait_exit(unwanted)
            with closing(sqlite3.connect(unwanted.database)) as database:
                assert database.execute('SELECT count(*) FROM sqlite_master').fetchone() == (0,)
        finally:
            new.kill()
            unwanted.kill()


def test_replicas(tmp_path):
    with Cluster(storages=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        assert neoctl.refused('set', 'replicas', '-1') == 'invalid number of replicas'
        assert neoctl.done('set', 'replicas', '1') == '\n'
        assert neoctl.done('print', 'pt').startswith('# ptid: 2, replicas: 1\n')


def test_truncation(tmp_path):
    with Cluster(storages=2, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        storage = cluster.storage()
        oid = storage.new_oid()
        tids = [commit(storage, [(oid, z64, b'x')])]
        for _ in range(3):
            tids.append(commit(storage, [(oid, tids[-1], b'x')]))
        order = storage.app.pack(tids[0])
        storage.app.waitForPack(order)

        def word(tid, offset=0):
            return f'tid:{u64(tid) + offset:#x}'

        assert neoctl.refused('truncate', word(order)) == 'Truncating after last transaction does nothing'
        assert neoctl.refused('truncate', word(tids[0], -1)) == (
            'Truncating before first transaction is probably not what you intended to do')
        assert neoctl.refused('truncate', word(tids[2])) == 'Can not truncate before an approved pack'
        last = commit(storage, [(oid, tids[-1], b'x')])
        storage.close()
        assert neoctl.done('truncate', word(order)) == ''
        neoctl.wait(f'last_tid = {u64(order):#x} ', 'print', 'ids')
        cluster.wait_running()
        assert neoctl.refused('truncate', word(order)) == 'Truncating after last transaction does nothing'
        storage = cluster.storage()
        assert storage.load(oid)[1] == tids[-1]
        # What is packed again after a truncation is packed.
        first = commit(storage, [(oid, tids[-1], b'x')])
        storage.app.waitForPack(storage.app.pack(first), first)
        for tid in tids[-1], last:
            with pytest.raises(POSKeyError):
                storage.loadSerial(oid, tid)
        storage.close()


def test_commands_for_storages(tmp_path):
    with Cluster(storages=2, replicas=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        assert neoctl.refused('prune_orphan', '0', 'S1', 'S9') == 'invalid storage node S9'
        assert neoctl.done('prune_orphan', '1', 'all') == neoctl.done('prune_orphan', '0', 'S1') == '\n'
        for number in 1, 2:
            assert neoctl.done('flush_log') == ''
        assert neoctl.done('check') == neoctl.done('check', ':') == neoctl.done('check', '0:S1', 'tid:0x1') == ''
        for words in (['3:'], [':S9'], ['0:S9'], ['0:C1']):
            neoctl.refused('check', *words)
        assert cluster.state() == 'RUNNING'


@pytest.mark.parametrize('words', [
    ['print'], ['set'], ['pri', 'cluster'], ['PRINT', 'cluster'], ['kill'], ['drop', 'S1', 'S2'], ['kill', 's1'],
    ['truncate'], ['prune_orphan', '2', 'all'], ['set', 'cluster', 'ON'], ['add'], ['check', '0:1']])
def test_wrong_words(words):
    """One line, nothing sent: nobody listens there."""
    result = Cluster(storages=0).control(*words)
    assert result.returncode == 1 and result.stdout == ''
    assert len(result.stderr.splitlines()) == 1 and 'not connected' not in result.stderr
