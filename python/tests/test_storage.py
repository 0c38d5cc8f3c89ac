"""The storage against real processes: values, threads, several clients, failures."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
import transaction
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from transaction import TransactionManager
from transaction.interfaces import TransientError
from ZODB import DB
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import (
    ConflictError, POSKeyError, ReadConflictError, ReadOnlyError, StorageError, StorageTransactionError)
from ZODB.utils import p64, u64, z64

from cluster import Cluster
from neo.client.exception import NEOStorageClosed, NEOStorageError, NEOStorageUnavailable
from neo.client.Storage import Storage
from transactions import InThread, commit, eventually, until_it_works

MAXIMUM = b'\x7f' + b'\xff' * 7


# Records

@pytest.mark.parametrize('compress', [True, False, (0, 9)])
def test_records_come_back_as_they_were(cluster, compress):
    storage, other = cluster.storage(compress=compress), cluster.storage(cache_size=0)
    records = [b'', b'x', b'\0' * 100_000, os.urandom(100_000), os.urandom(1 << 24)]
    oids = [storage.new_oid() for _ in records]
    tid = commit(storage, [(oid, z64, data) for oid, data in zip(oids, records)])
    other.sync()
    for oid, data in zip(oids, records):
        for reader in storage, storage, other:
            assert reader.load(oid) == (data, tid)
            assert reader.loadSerial(oid, tid) == data
            assert reader.loadBefore(oid, MAXIMUM) == (data, tid, None)
    storage.close()
    other.close()


def test_data_may_be_any_buffer(storage):
    for data in bytearray(b'abc'), memoryview(b'abc'):
        oid = storage.new_oid()
        commit(storage, [(oid, z64, data)])
        assert storage.load(oid)[0] == b'abc'


def test_edges_of_revisions(storage, cluster):
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    second = commit(storage, [(oid, first, b'2')])
    other = cluster.storage()
    for reader in storage, other, other:
        assert reader.loadBefore(oid, first) is None
        assert reader.loadBefore(oid, p64(u64(first) + 1)) == (b'1', first, second)
        assert reader.loadBefore(oid, second) == (b'1', first, second)
        assert reader.loadBefore(oid, p64(u64(second) + 1)) == (b'2', second, None)
        assert reader.loadSerial(oid, first) == b'1'
        with pytest.raises(POSKeyError):
            reader.loadSerial(oid, p64(u64(first) + 1))
        assert reader.getTid(oid) == second
    other.close()


def test_unknown_objects_and_wrong_arguments(storage):
    oid = p64(12345)
    for call in (
        lambda: storage.load(oid), lambda: storage.loadBefore(oid, MAXIMUM), lambda: storage.loadSerial(oid, p64(1)),
        lambda: storage.getTid(oid),
    ):
        with pytest.raises(POSKeyError):
            call()
    for wrong in None, 'x' * 8, 1:
        with pytest.raises(TypeError):
            storage.load(wrong)
    with pytest.raises(ValueError):
        storage.load(b'1234567')


def test_deleted_object(storage, cluster):
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    storage.deleteObject(oid, first, txn)
    storage.tpc_vote(txn)
    tid = storage.tpc_finish(txn)
    other = cluster.storage()
    for reader in storage, other:
        with pytest.raises(POSKeyError):
            reader.load(oid)
        with pytest.raises(POSKeyError):
            reader.loadBefore(oid, MAXIMUM)
        assert reader.loadBefore(oid, tid) == (b'1', first, tid)
    other.close()


def test_huge_record_is_refused_locally(storage):
    oid = storage.new_oid()
    with pytest.raises(StorageError):
        commit(storage, [(oid, z64, os.urandom(66 << 20))])
    tid = commit(storage, [(oid, z64, b'small')])
    assert storage.load(oid) == (b'small', tid)


# Transactions

def test_transaction_states(storage):
    txn, other = TransactionMetaData(), TransactionMetaData()
    storage.tpc_begin(txn)
    with pytest.raises(StorageTransactionError):
        storage.tpc_begin(txn)
    for call in storage.tpc_vote, storage.tpc_finish:
        with pytest.raises(StorageTransactionError):
            call(other)
    storage.tpc_abort(other)
    storage.tpc_abort(txn)
    with pytest.raises(StorageTransactionError):
        storage.store(storage.new_oid(), z64, b'', '', txn)


def test_finish_votes_by_itself(storage):
    oid, txn = storage.new_oid(), TransactionMetaData()
    storage.tpc_begin(txn)
    storage.store(oid, None, b'data', '', txn)
    tid = storage.tpc_finish(txn)
    assert type(tid) is bytes
    assert storage.load(oid) == (b'data', tid)
    assert storage.lastTransaction() == tid


def test_check_of_a_read(storage):
    read, written = storage.new_oid(), storage.new_oid()
    first = commit(storage, [(read, z64, b'1'), (written, z64, b'1')])
    second = commit(storage, [(read, first, b'2')])
    for serial, is_current in (first, False), (second, True):
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        storage.store(written, first, b'2', '', txn)
        if is_current:
            storage.checkCurrentSerialInTransaction(read, serial, txn)
            storage.tpc_vote(txn)
            storage.tpc_finish(txn)
        else:
            with pytest.raises(ReadConflictError):
                storage.checkCurrentSerialInTransaction(read, serial, txn)
                storage.tpc_vote(txn)
            storage.tpc_abort(txn)


def test_conflict_that_nothing_resolves(storage):
    oid = storage.new_oid()
    first = commit(storage, [(oid, z64, b'1')])
    second = commit(storage, [(oid, first, b'2')])
    with pytest.raises(ConflictError) as raised:
        commit(storage, [(oid, first, b'3')])
    assert raised.value.oid == oid
    assert raised.value.serials == (second, first)
    assert storage.load(oid) == (b'2', second)
    assert commit(storage, [(oid, second, b'4')]) > second


def test_callback_that_fails(storage):
    class Surprise(Exception):
        pass

    def callback(tid):
        seen.append((tid, storage.app._deliveries.thread))
        raise Surprise

    seen, oid = [], storage.new_oid()
    with pytest.raises(Surprise):
        commit(storage, [(oid, z64, b'1')], callback=callback)
    (tid, _), = seen
    # It is committed all the same, and the client goes on.
    assert storage.lastTransaction() == tid
    assert storage.load(oid) == (b'1', tid)
    assert commit(storage, [(oid, tid, b'2')]) > tid


def test_callback_that_uses_its_storage(shared_cluster):
    """What it asked would be answered after its end only: it gets an error at once. A server of ZEO asks for sizes."""
    with closing(shared_cluster.storage()) as storage:
        oid = storage.new_oid()
        tid = commit(storage, [(oid, z64, b'1')])

    def callback(_):
        other = TransactionMetaData()
        for call in (
                lambda: client.load(oid), lambda: client.loadBefore(oid, tid), client.sync, client.new_oid, client.undoLog,
                lambda: client.history(oid), lambda: list(client.iterator()), lambda: client.tpc_begin(other),
                lambda: client.tpc_vote(other), client.close):
            with pytest.raises(NEOStorageError, match='callback'):
                call()
            client.tpc_abort(other)
        seen.append((client.lastTransaction(), len(client), client.getSize()))

    seen = []
    with closing(shared_cluster.storage()) as client:
        client.load(oid)
        assert InThread(lambda: commit(client, [(oid, tid, b'2')], callback=callback)).result(10) > tid
        assert client.load(oid)[0] == b'2'
        assert len(client) >= u64(oid)
    assert seen == [(tid, 0, 0)]


def test_commit_while_another_thread_is_told_of_its_own(storage):
    """The end of a commit waits for what is told before: it must not be missed by the thread that reads the sockets."""
    for _ in range(5):
        oids = [storage.new_oid() for _ in range(2)]
        is_told = threading.Event()

        def slow(tid):
            is_told.set()
            time.sleep(0.3)

        first = InThread(lambda: commit(storage, [(oids[0], z64, b'1')], callback=slow))
        assert is_told.wait(10)
        second = InThread(lambda: commit(storage, [(oids[1], z64, b'2')]))
        assert second.result(10) > first.result(10)


def test_explicit_tid(storage):
    oid, txn = storage.new_oid(), TransactionMetaData()
    tid = p64(u64(commit(storage, [(oid, z64, b'1')])) + 3)
    storage.tpc_begin(txn, tid)
    storage.store(oid, storage.getTid(oid), b'2', '', txn)
    storage.tpc_vote(txn)
    assert storage.tpc_finish(txn) == tid
    assert storage.lastTransaction() == tid


def test_read_only(cluster, storage):
    oid = storage.new_oid()
    commit(storage, [(oid, z64, b'1')])
    reader = cluster.storage(read_only=True)
    assert reader.isReadOnly() is True
    assert reader.load(oid)[0] == b'1'
    txn = TransactionMetaData()
    for call in (
        lambda: reader.tpc_begin(txn), lambda: reader.new_oid(), lambda: reader.store(None, None, None, None, None),
    ):
        with pytest.raises(ReadOnlyError):
            call()
    with pytest.raises(StorageTransactionError):
        reader.tpc_vote(txn)
    reader.tpc_abort(txn)
    reader.close()


# Several threads and clients

def test_counter_incremented_by_threads_of_two_clients(cluster):
    dbs = [DB(cluster.storage()) for _ in range(2)]
    with dbs[0].transaction() as connection:
        connection.root()['counter'] = Length()
    threads, increments = 4, 20

    def increment(db):
        manager = TransactionManager()
        connection = db.open(manager)
        for _ in range(increments):
            while True:
                manager.begin()
                try:
                    connection.root()['counter'].change(1)
                    manager.commit()
                    break
                except TransientError:
                    manager.abort()
        connection.close()

    for thread in [InThread(increment, db) for db in dbs for _ in range(threads)]:
        thread.result()
    for db in dbs:
        manager = TransactionManager()
        manager.begin()
        assert db.open(manager).root()['counter']() == 2 * threads * increments
        db.close()


def test_pairs_are_never_seen_apart(cluster):
    """Two objects that change together, read by other clients in transactions with cold caches."""
    writer, *readers = dbs = [DB(cluster.storage()) for _ in range(3)]
    with writer.transaction() as connection:
        root = connection.root()
        root['a'], root['b'] = OOBTree({'value': 0}), OOBTree({'value': 0})
    stop = threading.Event()

    def write():
        manager = TransactionManager()
        connection = writer.open(manager)
        count = 0
        while not stop.is_set():
            manager.begin()
            count += 1
            for name in 'ab':
                connection.root()[name]['value'] = count
            manager.commit()
        return count

    def read(db):
        manager = TransactionManager()
        connection = db.open(manager)
        last = seen = 0
        while not stop.is_set():
            manager.begin()
            connection.cacheMinimize()
            a = connection.root()['a']['value']
            b = connection.root()['b']['value']
            assert a == b >= last
            seen += a != last
            last = a
        return seen

    threads = [InThread(write)] + [InThread(read, db) for db in (writer, *readers) for _ in range(2)]
    time.sleep(5)
    stop.set()
    written, *seen = [thread.result() for thread in threads]
    assert written > 10 and min(seen) > 5, (written, seen)
    for db in dbs:
        db.close()


def test_sync_sees_what_another_client_finished(cluster):
    writer, reader = cluster.storage(), cluster.storage()
    oid, serial = writer.new_oid(), z64
    for index in range(50):
        serial = commit(writer, [(oid, serial, str(index).encode())])
        reader.sync()
        assert reader.lastTransaction() >= serial
        assert reader.load(oid)[1] == serial
    writer.close()
    reader.close()


def test_new_oids_are_new(cluster):
    storages = [cluster.storage() for _ in range(2)]
    threads = [
        InThread(lambda storage: [storage.new_oid() for _ in range(250)], storage)
        for storage in storages for _ in range(3)]
    oids = [oid for thread in threads for oid in thread.result()]
    assert len(set(oids)) == len(oids) == 1500
    for storage in storages:
        storage.close()


def test_estimations(cluster, storage):
    """A process that created nothing tells what others did."""
    assert len(storage) == storage.getSize() == 0
    oid = [storage.new_oid() for _ in range(3)][-1]
    commit(storage, [(oid, z64, b'x')])
    assert len(storage) == u64(oid)
    other = cluster.storage(read_only=True)
    assert len(other) >= u64(oid) and other.getSize() == 300 * len(other)
    other.close()


def test_twenty_storages_open_at_once(cluster):
    begin = time.monotonic()
    storages = [cluster.storage() for _ in range(20)]
    for storage in storages:
        assert storage.lastTransaction() == z64
    assert time.monotonic() - begin < 5
    for storage in storages:
        storage.close()


# Failures

def test_master_restarts(cluster):
    db = DB(cluster.storage())
    tree = None
    manager = TransactionManager()
    connection = db.open(manager)
    tree = connection.root()['tree'] = OOBTree({0: 'first'})
    manager.commit()
    for round in range(1, 4):
        cluster.master_nodes[0].kill()
        cluster.master_nodes[0].start()

        def change():
            try:
                manager.begin()
                tree[round] = 'again'
                manager.commit()
            except BaseException:
                manager.abort()
                raise
        until_it_works(change)
    manager.begin()
    assert sorted(tree) == [0, 1, 2, 3]
    with_cold_cache = DB(cluster.storage())
    with with_cold_cache.transaction() as other:
        assert sorted(other.root()['tree']) == [0, 1, 2, 3]
    with_cold_cache.close()
    db.close()


def test_storages_restart(cluster):
    storage = cluster.storage(cache_size=0)
    oids = [storage.new_oid() for _ in range(6)]
    serial = commit(storage, [(oid, z64, oid) for oid in oids])
    for node in cluster.storage_nodes:
        node.kill()
        node.start()
        cluster.wait_running()
        for oid in oids:
            assert until_it_works(lambda: storage.load(oid)) == (oid, serial)
    txn = until_it_works(lambda: commit(storage, [(oid, serial, b'2') for oid in oids]))
    assert storage.getTid(oids[0]) == txn
    storage.close()


def test_everything_is_there_after_a_full_restart(cluster):
    storage = cluster.storage()
    oid = storage.new_oid()
    tid = commit(storage, [(oid, z64, b'kept')])
    storage.close()
    cluster.stop()
    cluster.start()
    storage = cluster.storage()
    assert storage.lastTransaction() == tid
    assert storage.load(oid) == (b'kept', tid)
    assert storage.new_oid() > oid
    storage.close()


def state_of(cluster, node):
    line, = (line for line in cluster.control('print', 'node', 'storage').stdout.splitlines()
             if f'127.0.0.1:{node.port}' in line)
    return line


@pytest.fixture
def replicated():
    cluster = Cluster(storages=2, partitions=3, replicas=1)
    try:
        yield cluster.start()
    finally:
        cluster.close()


def test_one_of_two_replicas_is_enough(replicated):
    """What was committed without it is not read from the one that comes back."""
    storage = replicated.storage(cache_size=0)
    oids = [storage.new_oid() for _ in range(6)]
    serial = commit(storage, [(oid, z64, b'1') for oid in oids])
    for node in replicated.storage_nodes[1], replicated.storage_nodes[1]:
        node.kill()
        eventually(lambda: 'DOWN' in state_of(replicated, node))
        assert replicated.state() == 'RUNNING'
        for oid in oids:
            assert storage.load(oid) == (b'1', serial)
        serial = until_it_works(lambda: commit(storage, [(oid, serial, b'1') for oid in oids]))
        node.start()
        replicated.wait_running()
        other = replicated.storage(cache_size=0)
        for reader in storage, other:
            for oid in oids:
                assert until_it_works(lambda: reader.load(oid)) == (b'1', serial)
        other.close()
    serial = commit(storage, [(oid, serial, b'2') for oid in oids])
    assert storage.load(oids[0]) == (b'2', serial)
    storage.close()


@pytest.mark.parametrize('master_too', [False, True])
def test_a_replica_that_missed_commits_does_not_start_alone(replicated, master_too):
    """The cluster waits for the storage that has them (spec/master.md §18.4)."""
    complete, late = replicated.storage_nodes
    storage = replicated.storage(cache_size=0)
    oid = storage.new_oid()
    serial = commit(storage, [(oid, z64, b'1')])
    late.kill()
    eventually(lambda: 'DOWN' in state_of(replicated, late))
    serial = until_it_works(lambda: commit(storage, [(oid, serial, b'2')]))
    complete.kill()
    if master_too:
        replicated.master_nodes[0].kill()
        replicated.master_nodes[0].start()
    late.start()
    time.sleep(3)
    assert replicated.state() == 'RECOVERING'
    complete.start()
    replicated.wait_running()
    assert until_it_works(lambda: storage.load(oid)) == (b'2', serial)
    assert storage.lastTransaction() == serial
    storage.close()


def test_constructor_does_not_wait_for_the_cluster(cluster):
    cluster.stop()
    storage = cluster.storage()
    waiting = InThread(storage.lastTransaction)
    time.sleep(0.3)
    assert waiting.is_alive()
    cluster.start()
    assert waiting.result() == z64
    storage.close()


def test_wait_timeout():
    storage = Storage('127.0.0.1:1', 'nobody', wait_timeout=0.5)
    begin = time.monotonic()
    with pytest.raises(NEOStorageUnavailable):
        storage.lastTransaction()
    assert 0.4 < time.monotonic() - begin < 5
    storage.close()


def test_wrong_name_of_the_cluster(cluster):
    storage = Storage(cluster.masters, 'another')
    with pytest.raises(NEOStorageError):
        storage.lastTransaction()
    storage.close()


def test_interrupt_while_waiting(interruptible):
    storage = Storage('127.0.0.1:1', 'nobody')
    for _ in range(2):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            storage.lastTransaction()
        assert time.monotonic() - begin < 3
        timer.join()
    storage.close()


def test_close_while_threads_work(cluster):
    storage = cluster.storage(cache_size=0)
    oid = storage.new_oid()
    commit(storage, [(oid, z64, b'1')])
    barrier = threading.Barrier(11)

    def work(index):
        barrier.wait()
        with pytest.raises(StorageError):
            while True:
                if index % 2:
                    storage.load(oid)
                else:
                    new = storage.new_oid()
                    commit(storage, [(new, z64, b'new')])

    threads = [InThread(work, index) for index in range(10)]
    barrier.wait()
    time.sleep(0.5)
    storage.close()
    storage.close()
    for thread in threads:
        thread.result(10)
    for call in storage.lastTransaction, storage.sync, storage.new_oid, lambda: storage.load(oid):
        with pytest.raises(NEOStorageClosed):
            call()
    assert storage.getName() and storage.sortKey() and storage.isReadOnly() is False


def test_close_while_waiting_for_the_cluster():
    storage = Storage('127.0.0.1:1', 'nobody')
    waiting = InThread(storage.lastTransaction)
    time.sleep(0.2)
    storage.close()
    with pytest.raises(NEOStorageClosed):
        waiting.result(10)


def test_fork(cluster):
    db = DB(cluster.storage())
    with db.transaction() as connection:
        connection.root()['tree'] = OOBTree()
    child = os.fork()
    if not child:
        status = 1
        try:
            with db.transaction() as connection:
                connection.root()['tree']['child'] = os.getpid()
            status = 0
        finally:
            os._exit(status)
    with db.transaction() as connection:
        connection.root()['other'] = 1
    assert os.waitpid(child, 0)[1] == 0
    db.storage.sync()
    with db.transaction() as connection:
        assert connection.root()['tree']['child'] == child
    db.close()


@pytest.mark.parametrize('end', ['', 'storage.close()', 'del storage; import gc; gc.collect()'])
def test_exit_of_the_interpreter(cluster, end):
    """Also without a close, with a transaction in progress and other threads that load."""
    script = f'''
import sys, threading
sys.path[:0] = {sys.path!r}
from neo.client.Storage import Storage
from ZODB.Connection import TransactionMetaData
storage = Storage({cluster.masters!r}, {cluster.name!r})
txn = TransactionMetaData()
storage.tpc_begin(txn)
storage.store(storage.new_oid(), None, b'data', '', txn)
def load():
    while True:
        try:
            storage.new_oid()
        except Exception:
            return
if {not end}:
    threading.Thread(target=load, daemon=True).start()
{end}
'''
    result = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr) == (0, '')


def test_the_five_lines_of_every_tutorial(cluster):
    db = DB(cluster.storage())
    connection = db.open()
    connection.root()['key'] = 'value'
    transaction.commit()
    connection.close()
    assert db.open().root()['key'] == 'value'
    db.close()
