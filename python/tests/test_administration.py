"""The life of a cluster in the hands of an operator: what `neoctl` prints, refuses, and what comes of it.

Each test uses one cluster for many commands, in the order in which an operator would give them.
"""

import os
import pty
import re
import select
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest
from transaction.interfaces import TransientError
from ZODB.Connection import TransactionMetaData
from ZODB.utils import u64, z64

from cluster import Cluster, free_ports, program
from test_control import Commands, another_storage, wait_exit
from transactions import InThread, commit, until_it_works
from wire import HANDSHAKE, connection, identification, receive


def wait_log(node, text, seconds=20):
    deadline = time.monotonic() + seconds
    while text not in node.log.read_text():
        assert time.monotonic() < deadline, f'no `{text}` in the log of {node.name}:\n{node.cluster.tail(node)}'
        time.sleep(.05)


def wait_state(cluster, state):
    deadline = time.monotonic() + 20
    while cluster.state() != state:
        assert time.monotonic() < deadline, cluster.state()
        time.sleep(.05)


def test_growing_and_shrinking(tmp_path):
    """1 → 3 storages, 1 replica, then one less; then what `check` and `prune_orphan` find in a damaged database."""
    with Cluster(storages=1, partitions=12, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        storage = cluster.storage(cache_size=0)
        oids = [storage.new_oid() for _ in range(24)]
        tids = {oid: commit(storage, [(oid, z64, b'data of %d' % u64(oid))]) for oid in oids}
        drawing = '             10v\nS1 R UUUUUUUUUUUU\n'
        assert neoctl.done('print', 'pt') == '# ptid: 1, replicas: 0\n' + drawing

        # Pending storages have no line, and a tweak does without them.
        new = another_storage(cluster, 'storage2', '--logfile', str(tmp_path / 'storage2.log'))
        assert neoctl.nid(new) == 'S2'
        third = another_storage(cluster, 'storage3')
        assert neoctl.nid(third) == 'S3'
        cluster.storage_nodes += [new, third]
        assert neoctl.done('print', 'pt') == '# ptid: 1, replicas: 0\n' + drawing
        assert neoctl.done('tweak', '-n') == neoctl.done('tweak') == 'No change done.\n'

        # Whatever is not pending is ignored.
        assert neoctl.done('add', 'S3', 'S1', 'S9', 'S2') == 'Nodes added: S2, S3\n'
        assert neoctl.done('add', 'all') == 'No node added\n'
        empty = 'S2 R ............\nS3 R ............\n'
        assert neoctl.done('print', 'pt') == '# ptid: 1, replicas: 0\n' + drawing + empty

        assert neoctl.done('set', 'replicas', '1') == '\n'
        assert neoctl.done('print', 'pt') == '# ptid: 2, replicas: 1\n' + drawing + empty
        simulated = neoctl.done('tweak', '-n')
        assert simulated == (
            '             10v\n'
            'S1 R UUFUUFUUFUUF\n'
            'S2 R O.OO.OO.OO.O\n'
            'S3 R .OO.OO.OO.OO\n')
        assert neoctl.done('print', 'pt') == '# ptid: 2, replicas: 1\n' + drawing + empty
        assert neoctl.done('tweak') == simulated
        cluster.wait_up_to_date()
        assert neoctl.done('tweak') == neoctl.done('tweak', '-n') == 'No change done.\n'
        table = (
            '             10v\n'
            'S1 R UU.UU.UU.UU.\n'
            'S2 R U.UU.UU.UU.U\n'
            'S3 R .UU.UU.UU.UU\n')
        assert neoctl.done('print', 'pt').split('\n', 1)[1] == table
        for oid, tid in tids.items():
            assert storage.load(oid) == (b'data of %d' % u64(oid), tid)

        # Rows instead of the drawing; the end may be left out; a node may be named.
        rows = neoctl.done('print', 'pt', '10', '12').splitlines()
        assert rows[1:] == ['010 | S1 - UP_TO_DATE | S3 - UP_TO_DATE |', '011 | S2 - UP_TO_DATE | S3 - UP_TO_DATE |']
        assert neoctl.done('print', 'pt', '10').splitlines() == rows
        assert neoctl.done('print', 'pt', '10', '0', 'S1').splitlines() == rows[:2]
        assert neoctl.done('print', 'pt', '12').splitlines() == rows[:1] + ['']
        for words in ['0', '13'], ['13'], ['5', '4']:
            assert neoctl.refused('print', 'pt', *words) == 'ERROR: invalid partition table offset'
        assert neoctl.refused('print', 'pt', '-1') == 'print pt: min must not be negative, got `-1`'

        # What is said of the cluster.
        line = neoctl.done('print', 'summary')
        last = max(tids.values())
        assert re.fullmatch(
            r'# \{\}\nRUNNING; UP_TO_DATE=24; ltid=%s \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\)\n' % last.hex(), line)
        assert re.fullmatch(
            r'last_oid = 0x64\nlast_tid = %#x \(.*\)\nlast_ptid = \d+\n' % u64(last),
            neoctl.done('print', 'ids'))
        assert neoctl.done('print', 'primary') == 'M1\n'
        assert neoctl.done('print', 'cluster') == 'RUNNING\n'
        masters = neoctl.done('print', 'node', 'MASTER')
        assert masters == f'M1 | MASTER | 127.0.0.1:{cluster.master_nodes[0].port} | RUNNING | None\n'
        assert neoctl.done('print', 'node', 'storage').splitlines()[0].startswith('S1 | STORAGE | 127.0.0.1:')
        assert [row.split()[0] for row in neoctl.done('print', 'node').splitlines()] == ['A1', 'C1', 'M1', 'S1', 'S2', 'S3']

        assert cluster.control('--severity', 'print', 'summary').returncode == 0

        # One that is to leave keeps its cells until it is dropped.
        leaving = neoctl.done('tweak', '-n', 'S3')
        assert leaving.splitlines()[-1] == 'S3 R .UU.UU.UU.UU'
        assert neoctl.done('tweak', 'S3') == leaving
        cluster.wait_up_to_date()
        assert cluster.cells() == {'S1': 'U' * 12, 'S2': 'U' * 12, 'S3': '.UU.UU.UU.UU'}
        assert neoctl.done('kill', 'S3') == 'state changed\n'
        wait_exit(third)
        assert neoctl.done('print', 'pt').splitlines()[-1] == 'S3 D .OO.OO.OO.OO'
        summary = neoctl.done('print', 'summary').splitlines()
        assert summary[0] == '# {"problem": [null]}'
        assert cluster.control('--severity', 'print', 'summary').returncode == 2
        assert summary[1].startswith('RUNNING; OUT_OF_DATE=8, UP_TO_DATE=24; DOWN=1; ltid=')
        assert neoctl.refused('tweak') == 'tweak: down nodes must be listed explicitly'
        assert neoctl.done('tweak', 'S3') == 'No change done.\n'
        assert neoctl.done('drop', 'S3') == 'node permanently removed\n'
        cluster.storage_nodes.remove(third)
        assert cluster.cells() == {'S1': 'U' * 12, 'S2': 'U' * 12}

        # A database that lacks a record, and has a value that nothing refers to.
        new.kill(signal.SIGTERM)
        lost = oids[5]
        with closing(sqlite3.connect(new.database)) as database, database:
            assert database.execute(
                'DELETE FROM obj WHERE partition = ? AND oid = ?', (u64(lost) % 12, u64(lost))).rowcount == 1
            [data_id] = database.execute(
                'SELECT max(id) FROM data WHERE id NOT IN (SELECT data_id FROM obj WHERE data_id IS NOT NULL)'
            ).fetchone()
            assert data_id is not None
        new.start()
        cluster.wait_running()
        cluster.wait_up_to_date()
        assert neoctl.done('prune_orphan', '1', 'all') == '\n'
        wait_log(new, 'repair: 1 data rows without reference')
        assert neoctl.done('prune_orphan', '0', 'S1', 'S2') == '\n'
        wait_log(new, 'repair: 1 data rows without reference were deleted')
        assert 'repair: 1' not in cluster.storage_nodes[0].log.read_text()
        assert neoctl.done('check', f'{u64(lost) % 12}:', 'tid:0', f'tid:{u64(tids[lost]) - 1:#x}') == ''
        time.sleep(.5)
        master = cluster.master_nodes[0]
        assert 'corrupted' not in master.log.read_text()
        assert neoctl.done('check', ':S1') == ''
        wait_log(master, f'finds that partition {u64(lost) % 12} is corrupted at S2')
        assert master.log.read_text().count('is corrupted at') == 1
        assert cluster.state() == 'RUNNING'
        storage.close()


def test_refusals_of_a_cluster_without_replica(tmp_path):
    with Cluster(storages=2, partitions=2, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        node = next(node for node in cluster.storage_nodes if neoctl.nid(node) == 'S2')
        only = 'Refuse to drop nodes that contain the only readable copies of partition 1'
        assert neoctl.refused('kill', 'S2') == only
        assert neoctl.refused('drop', 'S2') == 'a running node must be stopped before removal'
        client = cluster.storage()
        client.sync()
        connected = 'Can not switch to STARTING_BACKUP state with pending transactions or connected clients'
        assert neoctl.refused('set', 'cluster', 'STARTING_BACKUP') == connected
        assert neoctl.refused('kill', 'C1') == 'can not switch node to DOWN state'
        assert neoctl.refused('drop', 'C1') == 'can not switch node to UNKNOWN state'
        assert neoctl.refused('kill', 'A1') == 'can not switch node to DOWN state'
        client.close()
        neoctl.wait('Empty list!', 'print', 'node', 'client')
        assert neoctl.refused('set', 'cluster', 'starting_backup') == (
            'No upstream cluster to backup defined in configuration')
        assert neoctl.refused('set', 'cluster', 'stopping_backup') == 'Can not switch to this state'
        assert neoctl.refused('set', 'cluster', 'running') == 'Invalid state requested'

        # Without the second one nothing can be read, nor dropped.
        node.kill()
        wait_state(cluster, 'RECOVERING')
        neoctl.wait('S2 D .U', 'print', 'pt')
        summary = neoctl.done('print', 'summary').splitlines()
        # The other one is PENDING: none of those that have cells runs.
        assert summary == ['# {"problem": [null]}', 'RECOVERING; UP_TO_DATE=2; DOWN=2']
        assert neoctl.refused('drop', 'S2') == only
        assert neoctl.refused('kill', 'S2') == only
        for words, name in (
                (['add', 'all'], 'addPendingNodes'), (['tweak', '-n'], 'tweakPartitionTable'),
                (['set', 'replicas', '0'], 'setNumReplicas'), (['truncate', 'tid:1'], 'truncate')):
            assert neoctl.refused(*words) == f'{name} RPC can not be used in RECOVERING state'
        # An operator's start is kept until all can be read.
        assert neoctl.done('start') == 'Cluster state changed\n'
        assert neoctl.done('print', 'cluster') == 'RECOVERING\n'
        assert neoctl.done('flush_log') == ''
        node.start()
        cluster.wait_running()


def test_start_while_a_storage_is_entering(tmp_path):
    """A storage that is asked for its table and does not answer."""
    cluster = Cluster(storages=0, autostart=False, directory=tmp_path)
    neoctl = Commands(cluster)
    try:
        cluster.master_nodes[0].start()
        cluster.admin_node.start()
        wait_state(cluster, 'RECOVERING')
        assert neoctl.done('print', 'pt') == '# ptid: None, replicas: 0\n\n'
        assert neoctl.done('print', 'ids') == (
            'last_oid = 0x0\nlast_tid = 0x0 (1900-01-01 00:00:00)\nlast_ptid = None\n')
        with connection(cluster.master_nodes[0].port) as peer:
            peer.sendall(identification('STORAGE', cluster.name, address=[b'127.0.0.1', 9]))
            assert receive(peer, .3)[0].startswith(HANDSHAKE)
            assert re.fullmatch(
                r'Cannot exit recovery now: node storage S1 at 127\.0\.0\.1:9 is entering cluster', neoctl.refused('start'))
            assert neoctl.refused('drop', 'S1') == 'the partition table is not loaded yet'
        neoctl.wait('DOWN', 'print', 'node', 'storage')
    finally:
        cluster.close()


def test_masters_and_the_end(tmp_path):
    """A spare master is killed, the primary follows in the list, and the end of all is an order."""
    with Cluster(storages=1, masters=2, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        # The spare one may be seen before it has found the primary.
        deadline = time.monotonic() + 20
        while neoctl.done('print', 'node', 'master').count('RUNNING') < 2:
            assert time.monotonic() < deadline
            time.sleep(.05)
        primary = neoctl.done('print', 'primary').strip()
        assert primary == 'M1'
        rows = {line.split()[0]: line.split(' | ') for line in neoctl.done('print', 'node', 'master').splitlines()}
        # The primary is the running one without time of identification.
        assert rows['M1'][4] == 'None' and rows['M2'][4] != 'None'
        spare = next(node for node in cluster.master_nodes if f':{node.port}' in rows['M2'][2])
        assert neoctl.refused('drop', 'M2') == 'can not switch node to UNKNOWN state'
        assert neoctl.refused('kill', 'M1') == 'can not kill primary master node'
        assert neoctl.done('kill', 'M2') == 'state changed\n'
        wait_exit(spare)
        assert neoctl.done('kill', 'M2') == 'node already in DOWN state\n'
        assert cluster.state() == 'RUNNING'
        assert neoctl.done('set', 'cluster', 'stopping') == 'Cluster state changed\n'
        for node in cluster.nodes:
            if node is not spare:
                wait_exit(node)
        assert neoctl.refused('print', 'cluster') == 'ERROR: not connected'


def test_stop_during_a_commit(tmp_path):
    """What was voted is finished, what begins afterwards waits, and all is there again (`spec/master.md §19.5.1`)."""
    with Cluster(storages=2, replicas=1, directory=tmp_path) as cluster:
        neoctl = Commands(cluster)
        storage, late = cluster.storage(), cluster.storage()
        late.sync()
        oid = storage.new_oid()
        table = neoctl.done('print', 'pt')
        transaction = TransactionMetaData()
        storage.tpc_begin(transaction)
        storage.store(oid, z64, b'kept', '', transaction)
        storage.tpc_vote(transaction)
        assert neoctl.done('set', 'cluster', 'stopping') == 'Cluster state changed\n'
        waiting = InThread(late.tpc_begin, TransactionMetaData())
        time.sleep(.5)
        assert waiting.is_alive() and all(node.is_running for node in cluster.nodes)
        tid = storage.tpc_finish(transaction)
        for node in cluster.nodes:
            wait_exit(node)
        # Not before the cluster has left.
        with pytest.raises(TransientError):
            waiting.result()
        cluster.start()
        assert neoctl.done('print', 'pt') == table and set(''.join(cluster.cells().values())) == {'U'}
        assert until_it_works(lambda: storage.load(oid)) == (b'kept', tid)
        storage.close()
        late.close()


@pytest.mark.parametrize('words, question', [
    (['drop', 'S1'], 'The data of S1 is given up. Go on? [y/N] '),
    (['truncate', 'tid:5'], 'All that was committed after 0000000000000005 is deleted. Go on? [y/N] '),
    (['set', 'cluster', 'stopping'], 'All the nodes of the cluster end. Go on? [y/N] '),
])
def test_questions_on_a_terminal(words, question):
    """Only whoever sits at a terminal is asked before what cannot be undone."""
    [nowhere] = free_ports(1)

    def answered(text, *options):
        terminal, inside = pty.openpty()
        try:
            process = subprocess.Popen(
                [program(), 'ctl', '-a', f'127.0.0.1:{nowhere}', *options, *words], stdin=inside, stdout=subprocess.PIPE,
                stderr=inside)
            if text:
                os.write(terminal, text.encode())
            assert process.wait(10) == 1 and process.stdout.read() == b''
            process.stdout.close()
            received = b''
            while select.select([terminal], [], [], .2)[0]:
                received += os.read(terminal, 4096)
            return received.decode().replace('\r\n', '\n')
        finally:
            os.close(terminal)
            os.close(inside)

    assert question in answered('n\n') and answered('\n').endswith('nothing was done\n')
    assert answered('y\n').endswith('ERROR: not connected\n')
    assert answered('', '--yes') == 'ERROR: not connected\n'


def test_statuses(tmp_path):
    """0: done; 1: refused or failed, with one line; 2: wrong options; 3: the severity is not known."""
    cluster = Cluster(storages=0, directory=tmp_path)
    neoctl = Commands(cluster)
    assert neoctl.refused('print', 'ids') == 'ERROR: not connected'
    unknown = cluster.control('--severity', 'print', 'summary')
    assert (unknown.returncode, unknown.stdout, unknown.stderr) == (3, '', 'ERROR: not connected\n')
    wrong = cluster.control('--bogus')
    assert wrong.returncode == 2 and wrong.stdout == '' and 'unrecognized arguments: --bogus' in wrong.stderr
    assert neoctl.done().startswith('Available commands:\n')
    try:
        cluster.admin_node.start()
        deadline = time.monotonic() + 10
        while neoctl.cluster.control('print', 'cluster').stderr == 'ERROR: not connected\n':
            assert time.monotonic() < deadline
            time.sleep(.05)
        # Also for a notification: nobody would flush anything.
        for words in (['print', 'cluster'], ['print', 'summary'], ['start'], ['flush_log'], ['check', ':']):
            assert neoctl.refused(*words) == 'ERROR: Not connected to a primary master.'
        # The first admin that can be reached is asked; a configuration file tells where one is.
        [nowhere] = free_ports(1)
        addresses = f'127.0.0.1:{nowhere} 127.0.0.1:{cluster.admin_node.port}'
        assert neoctl.refused('-a', addresses, 'print', 'ids') == 'ERROR: Not connected to a primary master.'
        conf = tmp_path / 'neo.conf'
        conf.write_text(f'[DEFAULT]\nport = {cluster.admin_node.port}\n[admin]\nbind = 127.0.0.1:%(port)s\n[other]\n')

        def configured(*words):
            result = subprocess.run([program(), 'ctl', *words], capture_output=True, text=True, timeout=10)
            assert (result.returncode, result.stdout) == (1, '')
            return result.stderr

        assert configured('-f', str(conf), 'print', 'ids') == 'ERROR: Not connected to a primary master.\n'
        assert configured('-f', str(conf), '-s', 'none', 'start') == f"ERROR: {conf}: No section: 'none'\n"
        assert configured('-f', str(conf), '-a', f'127.0.0.1:{nowhere}', 'start') == 'ERROR: not connected\n'
        # One that says nothing.
        with socket.create_server(('127.0.0.1', 0)) as silent:
            address = f'127.0.0.1:{silent.getsockname()[1]}'
            assert neoctl.refused('-a', address, '--timeout', '1', 'print', 'ids') == 'ERROR: no answer within 1 s'
        cluster.admin_node.process.send_signal(signal.SIGTERM)
        wait_exit(cluster.admin_node)
    finally:
        cluster.close()
