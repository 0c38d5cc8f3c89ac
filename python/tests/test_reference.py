"""Clusters of our nodes and of those of the reference, on real sockets. They run where there is a reference: see
`reference.py`."""

import itertools
import time
from collections import Counter
from contextlib import closing

import pytest
from ZODB.POSException import POSKeyError

import blobs
from cluster import Cluster
from databases import check_consistency, rows
from reference import DIRECTORY, reference_control, run_client, use_ours, use_reference

pytestmark = pytest.mark.skipif(DIRECTORY is None, reason='NEO_REFERENCE does not name a reference')

OURS, REFERENCE = False, True
#: Which nodes are of the reference.
CLUSTERS = {
    'ours': [],
    'reference': ['master1', 'storage1', 'storage2', 'admin'],
    'reference-storage': ['storage1'],
    'reference-master': ['master1'],
    'reference-admin': ['admin'],
    'our-storage': ['master1', 'storage2', 'admin'],
    'our-admin': ['master1', 'storage1', 'storage2'],
}


def make(names, **options):
    cluster = Cluster(**options)
    use_reference(cluster, *names)
    return cluster


@pytest.mark.parametrize('names', CLUSTERS.values(), ids=CLUSTERS)
def test_each_client_reads_what_the_other_wrote(names):
    with make(names) as cluster:
        ours = run_client(cluster, OURS, 'fill', 'a')
        reference = run_client(cluster, REFERENCE, 'fill', 'b')
        assert run_client(cluster, REFERENCE, 'check', 'a') == ours
        assert run_client(cluster, OURS, 'check', 'b') == reference
        assert run_client(cluster, OURS, 'add', 'b', '20') == '60\n'
        assert run_client(cluster, REFERENCE, 'add', 'b', '20') == '120\n'
        assert run_client(cluster, OURS, 'count', 'b') == '120\n'


@pytest.mark.parametrize('names', CLUSTERS.values(), ids=CLUSTERS)
def test_neoctl_prints_the_same(names):
    with make(names) as cluster:
        run_client(cluster, OURS, 'fill', 'a')
        for words in ('cluster',), ('node',), ('node', 'storage'), ('pt',), ('pt', '0'), ('ids',), ('primary',):
            # Nodes that come and go, and the time, are not part of what is compared.
            ours, reference = cluster.control('print', *words), reference_control(cluster, 'print', *words)
            assert (ours.returncode, ours.stdout) == (reference.returncode, reference.stdout), (words, ours, reference)


@pytest.mark.parametrize('order', list(itertools.permutations(['ours', 'reference'])), ids='-then-'.join)
def test_databases_change_hands(order):
    """A cluster is stopped, and started again on the same files with the nodes of the other implementation."""
    everything = ['master1', 'storage1', 'storage2', 'admin']
    cluster = Cluster(replicas=1)
    try:
        expected = {}
        for round, kind in enumerate(order * 2):
            (use_reference if kind == 'reference' else use_ours)(cluster, *everything)
            cluster.start()
            for name, text in expected.items():
                assert run_client(cluster, OURS, 'check', name) == text
                assert run_client(cluster, REFERENCE, 'check', name) == text
            expected[f'r{round}'] = run_client(cluster, kind == 'ours', 'fill', f'r{round}')
            cluster.stop()
    finally:
        cluster.close()


@pytest.mark.parametrize('names', CLUSTERS.values(), ids=CLUSTERS)
@pytest.mark.parametrize('client', [OURS, REFERENCE], ids=['our-client', 'reference-client'])
def test_packs_leave_the_same(names, client):
    """Whoever orders them, whoever executes them; first all the objects, then some of those that changed since."""
    with make(names, replicas=1) as cluster:
        text = run_client(cluster, OURS, 'fill', 'a')
        storage = cluster.storage()
        if client == OURS:
            storage.pack(time.time() + 1)
        else:
            run_client(cluster, REFERENCE, 'pack')
        storage.sync()
        storage.app.waitForPack(storage.lastTransaction())
        assert run_client(cluster, OURS, 'check', 'a') == run_client(cluster, REFERENCE, 'check', 'a') == text
        run_client(cluster, OURS, 'add', 'a', '3')
        storage.sync()
        # The root, and what was made after it: the counter is among them.
        oids = [oid.to_bytes(8, 'big') for oid in range(9)]
        tid = storage.lastTransaction()
        storage.app.waitForPack(storage.app.pack(tid, oids))
        run_client(cluster, REFERENCE, 'add', 'a', '1')
        storage.close()
        cluster.stop()
        # A storage of the reference leaves the last transactions to the next start.
        use_ours(cluster, *(node.name for node in cluster.nodes))
        cluster.start()
        cluster.stop()
        databases = [rows(node.database) for node in cluster.storage_nodes]
    check_consistency(databases)
    one, other = ({(row['oid'], row['tid']) for row in database['objects']} for database in databases)
    assert one == other
    counts = Counter(oid for oid, _ in one)
    # What was committed after the packs was not touched.
    assert sorted(set(counts.values())) == [1, 4] and list(counts.values()).count(4) == 1


@pytest.mark.parametrize('names', CLUSTERS.values(), ids=CLUSTERS)
def test_undo_and_logs(names):
    """Each client undoes what the other did, and both tell the same of the past."""
    with make(names, replicas=1) as cluster:
        filled = run_client(cluster, OURS, 'fill', 'a')
        run_client(cluster, REFERENCE, 'add', 'a', '5')
        run_client(cluster, OURS, 'undo', 'a 4')
        undone = run_client(cluster, REFERENCE, 'check', 'a')
        assert undone != filled
        # Undos have no description.
        run_client(cluster, REFERENCE, 'undo', '')
        assert run_client(cluster, OURS, 'check', 'a') == filled
        run_client(cluster, OURS, 'undo', '')
        assert run_client(cluster, REFERENCE, 'check', 'a') == undone
        run_client(cluster, OURS, 'undo', 'a.add')
        run_client(cluster, REFERENCE, 'add', 'a', '1')
        assert run_client(cluster, OURS, 'count', 'a') == '17\n'
        for words in ('history', 'a'), ('iterate',):
            ours, reference = (run_client(cluster, client, *words) for client in (OURS, REFERENCE))
            assert ours == reference and ours.count('\n') > 9, words


@pytest.mark.parametrize('names', CLUSTERS.values(), ids=CLUSTERS)
def test_blobs(names, tmp_path):
    """Nodes of the reference serve what our clients keep of blobs; its clients load the records, and see the chunks."""
    with make(names) as cluster:
        run_client(cluster, REFERENCE, 'fill', 'a')

        def opened(name):
            return closing(cluster.storage(blob_dir=str(tmp_path / name)))
        with opened('writer') as storage:
            others = blobs.raw_objects(storage)
            oid, deleted = storage.new_oid(), storage.new_oid()
            first = blobs.commit(
                storage, (oid, blobs.ZERO, blobs.content(3 * blobs.CHUNK, 1)),
                (deleted, blobs.ZERO, blobs.content(2 * blobs.CHUNK, 2)))
            second = blobs.commit(storage, (oid, first, b'small'))
            undone = blobs.undo(storage, second)
            assert len(blobs.raw_objects(storage, others)) == 2 + 3 + 2
            blobs.delete(storage, deleted, first)
            assert len(blobs.raw_objects(storage, others)) == 1 + 3
            expected = {
                first: blobs.content(3 * blobs.CHUNK, 1), second: b'small', undone: blobs.content(3 * blobs.CHUNK, 1)}
            with opened('reader') as reader:
                for tid, content in expected.items():
                    assert blobs.read(reader, oid, tid) == content
            # Three revisions of the blob, one of the other one.
            assert 'ZODB.blob.Blob 4\n' in run_client(cluster, REFERENCE, 'classes')
            assert 'neo.client.blob.Chunk' in run_client(cluster, REFERENCE, 'classes')
            assert 'neo.client.blob.Chunk' not in run_client(cluster, OURS, 'classes')
            storage.pack(time.time() + 1)
            storage.sync()
            storage.app.waitForPack(storage.lastTransaction())
        with opened('last') as reader:
            assert blobs.read(reader, oid, undone) == expected[undone]
            with pytest.raises(POSKeyError):
                reader.loadBlob(oid, first)
        assert run_client(cluster, REFERENCE, 'add', 'a', '1') == '3\n'


@pytest.mark.parametrize('names', [CLUSTERS['reference'], CLUSTERS['reference-storage']], ids=['all', 'storage'])
def test_copies(names):
    """From nodes of the reference to others, by our client: with undone transactions and their back-pointers."""
    with make(names) as source, make(names, name='copy', storages=1, partitions=2) as target:
        run_client(source, REFERENCE, 'fill', 'a')
        run_client(source, REFERENCE, 'undo', 'a 4')
        run_client(source, REFERENCE, 'add', 'a', '3')
        original, copy = source.storage(), target.storage()
        try:
            copy.copyTransactionsFrom(original)
        finally:
            copy.close()
            original.close()
        expected = run_client(source, REFERENCE, 'iterate')
        assert run_client(target, REFERENCE, 'iterate') == expected
        assert run_client(target, OURS, 'iterate') == expected
        assert run_client(target, REFERENCE, 'count', 'a') == '9\n'


def check_copies(cluster):
    """The databases of a cluster that was stopped, each with all the partitions, have the same contents."""
    # A storage of the reference leaves the last transactions to the next start.
    use_ours(cluster, *(node.name for node in cluster.nodes))
    cluster.start()
    cluster.wait_up_to_date()
    cluster.stop()
    databases = [rows(node.database) for node in cluster.storage_nodes]
    check_consistency(databases)
    one, other = (
        {table: [{key: value for key, value in row.items() if key != 'data_id'} for row in database[table]]
         for table in ('transactions', 'objects')}
        for database in databases)
    assert one == other and len(one['objects']) > 100


@pytest.mark.parametrize('away', ['ours', 'reference'])
@pytest.mark.parametrize('master', ['our-master', 'reference-master'])
def test_replication(away, master):
    """A storage of either kind was away, and fetches what it missed from one of the other kind: new objects, changes,
    an undo, and what is committed meanwhile."""
    names = ['storage1'] + (['master1'] if master == 'reference-master' else [])
    with make(names, replicas=1) as cluster:
        node = cluster.storage_nodes[0 if away == 'reference' else 1]
        run_client(cluster, OURS, 'fill', 'a')
        node.stop()
        run_client(cluster, REFERENCE, 'fill', 'b')
        run_client(cluster, OURS, 'undo', 'b 4')
        run_client(cluster, REFERENCE, 'add', 'a', '5')
        node.start()
        assert run_client(cluster, OURS, 'add', 'a', '20') == '75\n'
        cluster.wait_up_to_date()
        expected = run_client(cluster, REFERENCE, 'check', 'b')
        # Whoever is asked now: only the one that was away is left.
        cluster.storage_nodes[1 if away == 'reference' else 0].stop()
        for client in OURS, REFERENCE:
            assert run_client(cluster, client, 'check', 'b') == expected
            assert run_client(cluster, client, 'count', 'a') == '75\n'
        cluster.storage_nodes[1 if away == 'reference' else 0].start()
        cluster.wait_up_to_date()
        assert run_client(cluster, REFERENCE, 'iterate') == run_client(cluster, OURS, 'iterate')
        cluster.stop()
        check_copies(cluster)


@pytest.mark.parametrize('first', ['ours', 'reference'])
@pytest.mark.parametrize('master', ['our-master', 'reference-master'])
def test_growth(first, master):
    """A second storage, of the other kind, joins; tweaks give it a copy of everything, then leave it alone with half."""
    names = ['storage1' if first == 'reference' else 'storage2'] + (['master1'] if master == 'reference-master' else [])
    cluster = Cluster(storages=2, partitions=4, autostart=False)
    use_reference(cluster, *names)
    try:
        second = cluster.storage_nodes.pop()
        for node in cluster.nodes:
            node.start()
        deadline = time.monotonic() + 30
        while cluster.control('start').returncode:
            assert time.monotonic() < deadline
            time.sleep(.1)
        cluster.wait_running()
        expected = run_client(cluster, OURS, 'fill', 'a')
        cluster.storage_nodes.append(second)
        second.start()
        while 'PENDING' not in cluster.control('print', 'node', 'storage').stdout:
            assert time.monotonic() < deadline
            time.sleep(.1)
        for words in ('add', 'all'), ('set', 'replicas', '1'):
            assert cluster.control(*words).returncode == 0, words
        simulated = cluster.control('tweak', '-n').stdout
        assert cluster.control('tweak').stdout == simulated and simulated.count('O') == 4
        assert all(row == 'UUUU' for row in cluster.wait_up_to_date().values())
        run_client(cluster, REFERENCE, 'add', 'a', '5')
        for words in ('set', 'replicas', '0'), ('tweak',):
            assert cluster.control(*words).returncode == 0, words
        # Each has half of the partitions now.
        cells = cluster.wait_up_to_date()
        assert all(row.count('U') == 2 for row in cells.values()), cells
        for client in OURS, REFERENCE:
            assert run_client(cluster, client, 'check', 'a') == expected
            assert run_client(cluster, client, 'add', 'a', '2') in ('21\n', '27\n')
        assert cluster.control('tweak').stdout == 'No change done.\n'
        cluster.stop()
    finally:
        cluster.close()
