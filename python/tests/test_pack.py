"""Packs, from the client to the databases of the storages and back."""

import logging
import os
import random
import signal
import time

import pytest
from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError, ReadOnlyError
from ZODB.utils import p64, u64, z64

from cluster import Cluster
from databases import check_consistency, rows
from transactions import InThread, commit

from neo.client.app import Application


@pytest.fixture
def cluster(request, tmp_path):
    options = {'storages': 2, 'partitions': 3, **getattr(request, 'param', {})}
    with Cluster(directory=tmp_path, **options) as cluster:
        yield cluster


def kept(databases):
    """{(oid, tid)} of the revisions that are in databases."""
    return {
        (row['oid'], row['tid']) for database in databases for row in database['objects'] if not row.get('deleted')}


def stop_and_read(cluster):
    cluster.stop()
    databases = [rows(node.database) for node in cluster.storage_nodes]
    check_consistency(databases)
    return databases


def pack_ids(databases):
    return {'%016x' % cell['pack'] for database in databases for cell in database['pt'] if cell['mine']}


@pytest.mark.parametrize('seed', range(2))
def test_same_as_filestorage(seed, tmp_path):
    """Random histories, packed at several times: the revisions left are those of FileStorage without its collection."""
    randomness = random.Random(seed)
    with Cluster(storages=2, partitions=3, replicas=seed % 2, directory=tmp_path / 'neo') as cluster:
        storage = cluster.storage(pack_wait=True)
        peer = FileStorage(str(tmp_path / 'Data.fs'), pack_gc=False, pack_keep_old=False)
        serials, alive, tids = {}, [], []
        for round_ in range(3):
            for _ in range(40):
                records = []
                for oid in randomness.sample(alive, min(len(alive), randomness.randrange(4))):
                    if randomness.random() < .15:
                        records.append((oid, serials[oid], None))
                        alive.remove(oid)
                    else:
                        records.append((oid, serials[oid], b'%d' % randomness.randrange(1 << 30)))
                for _ in range(randomness.randrange(3)):
                    oid = storage.new_oid()
                    records.append((oid, z64, b'new'))
                    alive.append(oid)
                tid = commit(storage, records)
                assert commit(peer, records, tid=tid) == tid
                serials.update((record[0], tid) for record in records)
                tids.append(tid)
            pack_tid = randomness.choice(tids[-40:])
            order = storage.app.pack(pack_tid)
            assert order > tids[-1]
            pack_filestorage(peer, pack_tid)
        expected = {
            (record.oid.hex(), record.tid.hex())
            for transaction in peer.iterator() for record in transaction if record.data is not None}
        peer.close()
        storage.close()
        databases = stop_and_read(cluster)
        assert pack_ids(databases) == {order.hex()}
        assert kept(databases) == expected
        if seed % 2:
            assert kept(databases[:1]) == kept(databases[1:])


def pack_filestorage(storage, tid):
    """FileStorage takes a time: its packer is told `tid` instead."""
    packer = FileStorage.packer
    storage.packer = lambda storage, referencesf, stop, gc: packer(storage, referencesf, tid, gc)
    storage.pack(time.time(), lambda *_: (), gc=False)


def test_whole_partial_and_deleted(cluster):
    storage = cluster.storage(pack_wait=True)
    oids = [storage.new_oid() for _ in range(7)]
    first = commit(storage, [(oid, z64, b'1') for oid in oids])
    second = commit(storage, [(oid, first, b'2') for oid in oids[1:]])
    third = commit(storage, [(oid, second, b'3') for oid in oids[2:]])
    gone = commit(storage, [(oids[6], third, None)])
    # A partial pack, of oids that are not sorted and one that does not exist.
    storage.app.pack(second, [oids[3], storage.new_oid(), oids[1]])
    for oid in oids[1], oids[3]:
        with pytest.raises(POSKeyError):
            storage.loadSerial(oid, first)
    assert storage.loadSerial(oids[3], second) == b'2'
    assert storage.loadSerial(oids[2], first) == storage.loadSerial(oids[4], first) == b'1'
    # A pack of nothing is nothing: the same order on the wire would be a pack of all.
    assert storage.app.pack(second, []) is None
    # All, up to the deletion.
    storage.app.pack(gone)
    for oid in oids[1:]:
        for tid in (first, second)[:1 if oid == oids[1] else 2]:
            with pytest.raises(POSKeyError):
                storage.loadSerial(oid, tid)
    assert storage.load(oids[0]) == (b'1', first)
    assert storage.load(oids[1]) == (b'2', second)
    assert storage.load(oids[5]) == (b'3', third)
    with pytest.raises(POSKeyError):
        storage.load(oids[6])
    storage.close()
    databases = stop_and_read(cluster)
    assert not [row for database in databases for row in database['objects'] if row['oid'] == oids[6].hex()]
    # Transactions stay.
    assert {first.hex(), second.hex(), third.hex(), gone.hex()} <= {
        row['tid'] for database in databases for row in database['transactions']}


def test_edges(cluster):
    storage = cluster.storage(pack_wait=True)
    # An empty database.
    storage.pack(time.time(), None)
    assert storage.lastTransaction() == z64
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    last = commit(storage, [(oid, first, b'2')])
    for tid in z64, None:
        if tid is not None:
            assert storage.app.pack(tid) is None
    for tid in p64(u64(last) + 1), b'\x7f' + b'\xff' * 7, b'\xff' * 8:
        with pytest.raises(Exception, match='expected to pack up to a TID'):
            storage.app.pack(tid)
    # The connection to the master survived, and nothing is left behind that would block the next packs.
    assert storage.loadSerial(oid, first) == b'1'
    storage.pack(time.time() - 86400 * 365 * 200, None)
    assert storage.loadSerial(oid, first) == b'1'
    storage.pack(time.time() + 86400, None, gc=False)
    with pytest.raises(POSKeyError):
        storage.loadSerial(oid, first)
    assert storage.load(oid) == (b'2', last)
    # As wrappers do.
    storage.pack(time.time(), None, gc=True)
    # An order that nobody knows is not waited for.
    storage.app.waitForPack(p64(12345))
    reader = cluster.storage(read_only=True)
    with pytest.raises(ReadOnlyError):
        reader.pack(time.time(), None)
    reader.close()
    storage.close()


def test_collection_is_announced_as_missing(cluster, caplog):
    storage = cluster.storage()
    with caplog.at_level(logging.WARNING):
        storage.pack(time.time(), lambda *_: ())
    assert 'Garbage Collection is not available in NEO' in caplog.text
    storage.close()


def test_order_carried_by_any_transaction(cluster):
    storage = cluster.storage()
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    second = commit(storage, [(oid, first, b'2')])
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    storage.store(oid, second, b'3', '', txn)
    storage.app.setPackOrder(txn, second)
    storage.tpc_vote(txn)
    with pytest.raises(Exception, match='between the begin and the vote'):
        storage.app.setPackOrder(txn, second)
    third = storage.tpc_finish(txn)
    storage.app.waitForPack(third, second)
    with pytest.raises(POSKeyError):
        storage.loadSerial(oid, first)
    assert storage.loadSerial(oid, second) == b'2'
    assert storage.load(oid) == (b'3', third)
    storage.close()


def test_aborted_orders_block_nothing(cluster):
    """Voted then aborted, or its client killed after the vote, restarts included: the next packs are executed (P5)."""
    storage = cluster.storage(pack_wait=True)
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    second = commit(storage, [(oid, first, b'2')])

    def vote(storage):
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        storage.app.setPackOrder(txn, second)
        storage.tpc_vote(txn)
        return txn

    storage.tpc_abort(vote(storage))
    other = cluster.storage()
    vote(other)
    # Nobody says that it is over: the storages still have the vote when they are killed.
    for node in cluster.storage_nodes:
        node.kill()
    other.close()
    cluster.start()
    third = commit(storage, [(oid, second, b'3')])
    order = storage.app.pack(third)
    with pytest.raises(POSKeyError):
        storage.loadSerial(oid, second)
    storage.close()
    databases = stop_and_read(cluster)
    assert [row['tid'] for database in databases for row in database['pack']] == [order.hex()]


@pytest.mark.parametrize('cluster', [{'storages': 1, 'partitions': 2}], indirect=True)
def test_killed_in_the_middle(cluster):
    """Resumed after kill -9, with the same result; who waits is told in the end, through the loss of the master too."""
    storage = cluster.storage()
    oids = [storage.new_oid() for _ in range(200)]
    serial, tids = z64, []
    for index in range(25):
        serial = commit(storage, [(oid, serial, b'%d' % index * 50) for oid in oids])
        tids.append(serial)
    order = storage.app.pack(serial)
    [node] = cluster.storage_nodes
    node.kill()
    cluster.master_nodes[0].kill()
    cluster.start()
    storage.app.waitForPack(order, serial)
    assert storage.load(oids[0]) == (b'24' * 50, serial)
    storage.close()
    databases = stop_and_read(cluster)
    assert kept(databases) == {(oid.hex(), serial.hex()) for oid in oids}
    assert pack_ids(databases) == {order.hex()}


@pytest.mark.parametrize('cluster', [{'storages': 1, 'partitions': 2}], indirect=True)
def test_wait_across_a_reconnection(cluster):
    """Who waits goes on waiting when the master is lost, and is told by the next one."""
    storage = cluster.storage(cache_size=0)
    oids = [storage.new_oid() for _ in range(200)]
    serials = [z64]
    for index in range(25):
        serials.append(commit(storage, [(oid, serials[-1], b'%d' % index * 50) for oid in oids]))
    [node] = cluster.storage_nodes
    order = storage.app.pack(serials[-1])
    # It has no time to be done.
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        waiting = InThread(storage.app.waitForPack, order, serials[-1])
        waiting.join(0.3)
        assert waiting.is_alive()
        cluster.master_nodes[0].kill()
        waiting.join(0.3)
        assert waiting.is_alive()
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    cluster.start()
    waiting.result()
    for oid in oids[0], oids[-1]:
        with pytest.raises(POSKeyError):
            storage.loadSerial(oid, serials[-2])
        assert storage.loadSerial(oid, serials[-1]) == b'24' * 50
    storage.close()
    assert pack_ids(stop_and_read(cluster)) == {order.hex()}


@pytest.mark.parametrize('cluster', [{'storages': 2, 'partitions': 4, 'replicas': 0}], indirect=True)
def test_disabled_on_one_node(cluster):
    """The others do not wait for it; without the option, it executes what it missed (P4)."""
    storage = cluster.storage(pack_wait=True)
    oids = [storage.new_oid() for _ in range(8)]
    first = commit(storage, [(oid, z64, b'1') for oid in oids])
    second = commit(storage, [(oid, first, b'2') for oid in oids])
    cluster.stop()
    node = cluster.storage_nodes[0]
    node.options.append('--disable-pack')
    cluster.start()
    order = storage.app.pack(second)
    storage.app.waitForPack(order)
    cluster.stop()
    databases = [rows(node.database) for node in cluster.storage_nodes]
    assert pack_ids(databases[:1]) == {'0' * 16}
    assert pack_ids(databases[1:]) == {order.hex()}
    node.options.remove('--disable-pack')
    cluster.start()
    storage.app.waitForPack(order)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            for oid in oids:
                with pytest.raises(POSKeyError):
                    storage.loadSerial(oid, first)
            break
        except pytest.fail.Exception:
            storage._cache.clear()
            time.sleep(.1)
    storage.close()
    assert pack_ids(stop_and_read(cluster)) == {order.hex()}


def test_times():
    from neo.client._pack import tid_of_time
    from persistent.TimeStamp import TimeStamp
    for t in 0, 1e9 + .25, 1.7e9 + 59.999:
        assert abs(TimeStamp(tid_of_time(t)).timeTime() - t) < 1e-5
    assert tid_of_time(-1e11) == z64


def test_unreachable_masters_do_not_matter_for_arguments():
    app = Application('127.0.0.1:1', 'test')
    assert app.pack(z64) is None
    app.close()
