"""Databases of storage nodes, seen from outside: those that the reference wrote, under our cluster; and those that
ours writes, with a reader that shares no code with it (`Tests/Vectors/databases`)."""

import hashlib
import json
import os
import shutil
import threading
from collections import defaultdict

import pytest
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from transaction import TransactionManager
from transaction.interfaces import TransientError
from ZODB import DB
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import POSKeyError
from ZODB.utils import p64, u64, z64

from cluster import Cluster
from databases import ROWS, VECTORS, check_consistency, rows
from transactions import commit


def sidecar(name):
    return json.loads((VECTORS / f'{name}.json').read_text())


def check_loads(storage, revisions):
    """Everything that a client can load of `revisions`: {oid: [(tid, SHA-1 or None)]} in the order of TIDs."""
    for oid, versions in revisions.items():
        following = [tid for tid, _ in versions[1:]] + [None]
        for (tid, sha1), end in zip(versions, following):
            before = p64(u64(tid) + 1)
            if sha1 is None:
                for call in lambda: storage.loadBefore(oid, before), lambda: storage.loadSerial(oid, tid):
                    with pytest.raises(POSKeyError):
                        call()
                continue
            data, *interval = storage.loadBefore(oid, before)
            assert (hashlib.sha1(data).hexdigest(), interval) == (sha1, [tid, end]), (oid, tid)
            assert storage.loadSerial(oid, tid) == data
        assert storage.loadBefore(oid, versions[0][0]) is None
        tid, sha1 = versions[-1]
        if sha1 is None:
            with pytest.raises(POSKeyError):
                storage.load(oid)
        else:
            data, serial = storage.load(oid)
            assert (hashlib.sha1(data).hexdigest(), serial) == (sha1, tid)


def revisions_of(databases):
    """{oid: [(tid, SHA-1 or None)]} of the rows of databases, as `check_loads` takes them."""
    revisions = defaultdict(dict)
    for database in databases:
        for row in database['objects']:
            revisions[bytes.fromhex(row['oid'])][bytes.fromhex(row['tid'])] = row.get('sha1')
    return {oid: sorted(versions.items()) for oid, versions in sorted(revisions.items())}


# Databases of the reference

#: Name of the group, databases, and names of the sidecars of what they must have become.
RESTARTED = [
    ('a-single', ['a-single'], ''),
    ('b-replicas', ['b-replicas-s1', 'b-replicas-s2'], ''),
    # What is missing in the second one is replicated.
    ('b-outdated', ['b-outdated-s1', 'b-outdated-s2'], '.after-restart'),
    ('c-locked', ['c-locked'], '.after-restart'),
    ('c-voted', ['c-voted'], '.after-restart'),
    ('c-split', ['c-split-s1', 'c-split-s2'], '.after-restart'),
    ('d-packed', ['d-packed'], ''),
    # A full and a partial pack were approved, not executed.
    ('d-pending', ['d-pending'], '.after-restart'),
    ('e-dedup', ['e-dedup'], ''),
    ('g-truncate-pending', ['g-truncate-pending'], '.after-restart'),
]


@pytest.mark.parametrize('names, suffix', [group[1:] for group in RESTARTED], ids=[group[0] for group in RESTARTED])
def test_databases_of_the_reference(names, suffix, tmp_path):
    """A cluster on copies of them becomes RUNNING by itself, a client reads them, and they are as they must be."""
    expected = [sidecar(name + suffix) for name in names]
    # The master learns the partition table from the storages: its own options must not matter.
    cluster = Cluster(storages=len(names), partitions=7, name='golden', directory=tmp_path, autostart=False)
    for node, name in zip(cluster.storage_nodes, names):
        shutil.copyfile(VECTORS / f'{name}.sqlite', node.database)
    try:
        cluster.start()
        storage = cluster.storage()
        try:
            for order in [row['tid'] for database in expected for row in database['pack'] if row['approved']]:
                storage.app.waitForPack(bytes.fromhex(order))
            check_loads(storage, revisions_of(
                database for database in expected
                if all(cell['state'] == 'UP_TO_DATE' for cell in database['pt'] if cell['mine'])))
            last = max(row['tid'] for database in expected for row in database['transactions'])
            assert storage.lastTransaction().hex() == last
            assert storage.new_oid().hex() > max(row['oid'] for database in expected for row in database['objects'])
        finally:
            storage.close()
        cluster.wait_cells(lambda cells, states: 'O' not in states)
        cluster.stop()
        for node, database in zip(cluster.storage_nodes, expected):
            found = rows(node.database)
            # A master that starts without the storage that is out of date, if it comes last, leaves a gap.
            assert int(found['config'].pop('ptid')) >= int(database['config'].pop('ptid')), node.name
            # Ours: the greatest id of a storage that was heard of.
            assert found['config'].pop('last_nid', database['config']['nid']) == str(len(names)), node.name
            for table in ROWS:
                assert found[table] == database[table], (node.name, table)
    finally:
        cluster.close()


@pytest.mark.parametrize('names', [
    ['a-single'], ['c-split-s1', 'c-split-s2'], ['e-dedup'], ['b-replicas-s1', 'b-replicas-s2']])
def test_databases_of_the_reference_are_written_to(names, tmp_path):
    """What was there stays, what is committed is added in the same form."""
    cluster = Cluster(storages=len(names), name='golden', directory=tmp_path, autostart=False)
    for node, name in zip(cluster.storage_nodes, names):
        shutil.copyfile(VECTORS / f'{name}.sqlite', node.database)
    try:
        cluster.start()
        storage = cluster.storage()
        revisions = revisions_of([
            sidecar(name + ('.after-restart' if name.startswith('c-') else '')) for name in names])
        written = {}
        for oid, versions in list(revisions.items())[:20]:
            tid, sha1 = versions[-1]
            if sha1 is not None:
                written[oid] = storage.new_oid(), tid
        tids = []
        for oid, (new, serial) in written.items():
            txn = TransactionMetaData('üser', b'd\xc3\xa9', {'key': 1})
            storage.tpc_begin(txn)
            storage.store(oid, serial, b'changed ' + oid * 20, '', txn)
            storage.store(new, z64, oid, '', txn)
            storage.tpc_vote(txn)
            tids.append(storage.tpc_finish(txn))
        for (oid, (new, _)), tid in zip(written.items(), tids):
            revisions[oid].append((tid, hashlib.sha1(b'changed ' + oid * 20).hexdigest()))
            revisions[new] = [(tid, hashlib.sha1(oid).hexdigest())]
        check_loads(storage, revisions)
        storage.close()
        cluster.stop()
        databases = [rows(node.database) for node in cluster.storage_nodes]
        assert revisions_of(databases) == dict(sorted(revisions.items()))
        transactions = check_consistency(databases)
        for tid in tids:
            row = transactions[tid.hex()]
            assert (row['user'], row['description'], row['packed']) == ('üser', 'dé', False)
    finally:
        cluster.close()


# Databases of ours

@pytest.mark.parametrize('storages, partitions, replicas', [(1, 1, 0), (2, 3, 0), (2, 4, 1), (3, 5, 1)])
def test_our_databases_seen_by_an_independent_reader(storages, partitions, replicas, tmp_path):
    cluster = Cluster(storages=storages, partitions=partitions, replicas=replicas, directory=tmp_path)
    try:
        cluster.start()
        storage = cluster.storage()
        history = defaultdict(list)

        values = [b'', b'x', b'\0' * 100_000, os.urandom(70_000), b'compressible ' * 1000]
        oids = [storage.new_oid() for _ in values]
        first = commit(
            storage, [(oid, z64, data) for oid, data in zip(oids, values)], 'user', 'description', {'key': 'value'})
        for oid, data in zip(oids, values):
            history[oid].append((first, hashlib.sha1(data).hexdigest()))
        serial = first
        for index in range(20):
            data = b'version %d' % index
            serial = commit(storage, [(oids[0], serial, data)])
            history[oids[0]].append((serial, hashlib.sha1(data).hexdigest()))
        gone = commit(storage, [(oids[1], first, None)])
        history[oids[1]].append((gone, None))
        # Transactions that leave nothing.
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        storage.store(oids[2], first, b'aborted', '', txn)
        storage.tpc_vote(txn)
        storage.tpc_abort(txn)
        check_loads(storage, history)
        storage.close()

        # Several clients at once, with conflicts that are resolved.
        dbs = [DB(cluster.storage()) for _ in range(2)]
        with dbs[0].transaction() as connection:
            connection.root()['counter'], connection.root()['tree'] = Length(), OOBTree()

        def work(db, name):
            manager = TransactionManager()
            connection = db.open(manager)
            for index in range(15):
                while True:
                    manager.begin()
                    try:
                        connection.root()['counter'].change(1)
                        connection.root()['tree'][name, index] = name * 20
                        manager.commit()
                        break
                    except TransientError:
                        manager.abort()
            connection.close()

        threads = [
            threading.Thread(target=work, args=(db, f'{side} {thread}'))
            for side, db in enumerate(dbs) for thread in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        dbs[1].storage.sync()
        with dbs[1].transaction() as connection:
            assert connection.root()['counter']() == len(connection.root()['tree']) == 60
        storage = dbs[0].storage
        # It is told of the commits of the other one a little later, unless it asks.
        storage.sync()
        last = storage.lastTransaction()
        assert cluster.control('print', 'ids').returncode == 0
        for db in dbs:
            db.close()
        cluster.stop()

        databases = [rows(node.database) for node in cluster.storage_nodes]
        for index, database in enumerate(databases, 1):
            assert database['tables'] == sidecar('a-single')['tables']
            config = database['config']
            assert (config['version'], config['name'], config['replicas']) == ('4', cluster.name, str(replicas))
            assert {cell['state'] for cell in database['pt']} == {'UP_TO_DATE'}
            assert len(database['pt']) == partitions * (replicas + 1)
        assert len({database['config']['nid'] for database in databases}) == storages
        transactions = check_consistency(databases)
        assert max(transactions) == last.hex()
        assert transactions[first.hex()]['user'] == 'user'
        assert transactions[first.hex()]['description'] == 'description'
        found = revisions_of(databases)
        assert {oid: found[oid] for oid in history} == history
        # Every record is on every cell of its partition.
        copies = defaultdict(int)
        for database in databases:
            for row in database['objects']:
                copies[row['oid'], row['tid']] += 1
        assert set(copies.values()) == {replicas + 1}

        # And they are still the same under a cluster that is started again.
        cluster.start()
        storage = cluster.storage()
        check_loads(storage, found)
        storage.close()
    finally:
        cluster.close()
