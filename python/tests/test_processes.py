"""Threads, signals, forks and failures, in the middle of anything."""

import os
import random
import signal
import threading
import time

import pytest
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import POSError, StorageError, StorageTransactionError
from transaction.interfaces import TransientError

from cluster import Cluster
from neo.client.exception import NEOStorageClosed
from transactions import commit, undo

ZERO = bytes(8)


def interrupted(call, delay=0.3):
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        call()
        # Python notices a signal at the end of the call, if it was short.
        time.sleep(5)
    assert time.monotonic() - begin < delay + 2
    timer.join()


def test_interrupt_while_a_lock_is_awaited(cluster, storage, interruptible):
    oid = storage.new_oid()
    tid = commit(storage, [(oid, ZERO, b'0')])
    holder = TransactionMetaData()
    storage.tpc_begin(holder)
    storage.store(oid, tid, b'1', '', holder)
    storage.tpc_vote(holder)
    other = cluster.storage()
    try:
        for _ in range(3):
            waiting = TransactionMetaData()
            other.tpc_begin(waiting)
            other.store(oid, tid, b'2', '', waiting)
            interrupted(lambda: other.tpc_vote(waiting))
            other.tpc_abort(waiting)
            # No answer is left for what comes next.
            new = other.new_oid()
            serial = commit(other, [(new, ZERO, b'new')])
            assert other.load(new) == (b'new', serial)
        last = storage.tpc_finish(holder)
        other.sync()
        assert other.load(oid) == (b'1', last)
        commit(other, [(oid, last, b'3')])
    finally:
        other.close()


def test_interrupts_anywhere(storage, interruptible):
    """Ctrl-C at random moments of all kinds of calls: each time, the next ones are right."""
    oids = [storage.new_oid() for _ in range(50)]
    serial = commit(storage, [(oid, ZERO, b'0') for oid in oids])
    draw = random.Random(1)
    count = lost = 0
    for number in range(40):
        timer = threading.Timer(draw.uniform(0, 0.03), os.kill, (os.getpid(), signal.SIGINT))
        try:
            try:
                timer.start()
                deadline = time.monotonic() + 5
                while time.monotonic() < deadline:
                    count += 1
                    serial = commit(storage, [(oid, serial, b'%d' % count) for oid in oids])
                    storage._cache.clear()
                    for oid in oids:
                        storage.load(oid)
                    list(storage.iterator(serial))
                    storage.undoLog(0, 3)
                    storage.history(oids[0], 2)
                    serial, _ = undo(storage, serial)
                lost += 1
            except KeyboardInterrupt:
                pass
            timer.join()
        except KeyboardInterrupt:
            pass
        # What began when the signal came is for its program to abort.
        for context in list(storage.app._transactions.values()):
            storage.tpc_abort(context.transaction)
        # What was committed while the signal came is not known: ask.
        storage.sync()
        serials = {storage.load(oid)[1] for oid in oids}
        assert len(serials) == 1
        serial, = serials
        for txn in storage.iterator(serial):
            assert [record.oid for record in txn] == oids
    # Python itself loses what is raised while it collects garbage.
    assert lost <= 1


def test_close_while_all_kinds_of_calls_are_made(cluster):
    storage = cluster.storage(cache_size=0)
    oid = storage.new_oid()
    # Another object, for there is always one.
    serial = commit(storage, [(oid, ZERO, b'0')])
    commit(storage, [(storage.new_oid(), ZERO, b'0')])
    calls = [
        lambda: list(map(list, storage.iterator())), lambda: storage.undoLog(0, 10), lambda: storage.history(oid, 5),
        lambda: storage.record_iternext(), lambda: undo(storage, serial), lambda: storage.sync(),
        lambda: storage.load(oid), lambda: commit(storage, [(storage.new_oid(), ZERO, b'new')]),
    ]
    results = []

    def work(call):
        try:
            while True:
                try:
                    call()
                except POSError as error:
                    if isinstance(error, NEOStorageClosed):
                        raise
        except BaseException as error:
            results.append(error)
    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    storage.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert [type(error) for error in results] == [NEOStorageClosed] * len(calls), results
    for call in calls:
        with pytest.raises(StorageError):
            call()


def test_fork_while_threads_work(cluster, storage):
    """Whatever the locks that other threads have at that moment, the child has a fresh client."""
    oid = storage.new_oid()
    tid = commit(storage, [(oid, ZERO, b'0')])
    begun = TransactionMetaData()
    storage.tpc_begin(begun)
    stop = threading.Event()

    def work():
        while not stop.is_set():
            storage._cache.clear()
            storage.load(oid)
            commit(storage, [(storage.new_oid(), ZERO, b'new')])
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if not child:
                status = 1
                try:
                    signal.alarm(20)
                    assert storage.load(oid) == (b'0', tid)
                    try:
                        storage.store(oid, tid, b'1', '', begun)
                    except StorageTransactionError:
                        commit(storage, [(storage.new_oid(), ZERO, b'child')])
                        assert storage.undoLog(0, 1)
                        status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # The parent was not disturbed: its transaction goes on.
    storage.store(oid, tid, b'1', '', begun)
    storage.tpc_vote(begun)
    storage.tpc_finish(begun)


def test_logs_while_a_replica_is_lost():
    """Undo log, history, iteration and undo are complete as long as each partition has a replica."""
    with Cluster(storages=2, partitions=3, replicas=1) as cluster:
        storage = cluster.storage()
        oid = storage.new_oid()
        tids = [commit(storage, [(oid, ZERO, b'0')])]
        for number in range(30):
            tids.append(commit(storage, [(oid, tids[-1], b'%d' % number)]))
        iterator = storage.iterator()
        first = [next(iterator).tid for _ in range(3)]
        cluster.storage_nodes[0].kill()
        assert [entry['id'] for entry in storage.undoLog(0, 100)] == tids[::-1]
        assert [entry['tid'] for entry in storage.history(oid, 100)] == tids[::-1]
        assert first + [txn.tid for txn in iterator] == tids
        for attempt in range(10):
            try:
                tid, _ = undo(storage, tids[-1])
                break
            except POSError as error:
                # The master may not have noticed yet.
                assert isinstance(error, TransientError), error
                time.sleep(0.2)
        assert storage.load(oid) == (b'28', tid)
        storage.close()


def test_failure_names_the_node(cluster):
    """A partition without storage: the error says where it is."""
    storage = cluster.storage(wait_timeout=1)
    oid = storage.new_oid()
    commit(storage, [(oid, ZERO, b'0')])
    storage._cache.clear()
    for node in cluster.master_nodes + cluster.storage_nodes:
        node.kill()
    with pytest.raises(POSError) as caught:
        for _ in range(3):
            storage.load(oid)
    assert isinstance(caught.value, TransientError)
    assert f'127.0.0.1:{cluster.master_nodes[0].port}' in str(caught.value)
    storage.close()
