"""Scenarios of clients that no other file is about (docs/maintainers/client-scenarios.md)."""

import gc
import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing

import big_blob
import endurance
import pytest
import transaction
from ZODB import DB
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError, POSKeyError, ReadOnlyError, StorageError
from ZODB.tests.ConflictResolution import PCounter
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle, zodb_unpickle
from ZODB.utils import p64, u64, z64

from cluster import Cluster, free_ports
from neo.client.exception import NEOStorageWrongChecksum
from neo.client.Storage import Storage
from resources import break_connections, connections, descriptors, threads
from transactions import InThread, commit, eventually, undo, until_it_works

#: No node takes such an oid or tid.
INVALID = b'\xff' * 8


@pytest.fixture
def client(shared_cluster):
    with closing(shared_cluster.storage()) as storage:
        yield storage


@pytest.fixture
def other(shared_cluster):
    with closing(shared_cluster.storage()) as storage:
        yield storage


# Configuration


def test_the_level_of_compression_counts(shared_cluster):
    data = b''.join(b'%d squared is %d. ' % (number, number * number) for number in range(3000))
    sizes = {}
    for compress in False, (0, 1), (0, 9):
        with closing(shared_cluster.storage(compress=compress)) as storage:
            oid = storage.new_oid()
            commit(storage, [(oid, z64, data)])
            sizes[compress] = storage.history(oid)[0]['size']
    assert sizes[False] == len(data) > sizes[0, 1] > sizes[0, 9]


def test_masters_that_are_not_there(shared_cluster):
    """And a host name, among which the right address is."""
    wrong = ' '.join(f'127.0.0.1:{port}' for port in free_ports(3))
    name = shared_cluster.masters.replace('127.0.0.1', 'localhost')
    for masters in f'{wrong} {shared_cluster.masters}', f'{name} {wrong}':
        with closing(Storage(masters, shared_cluster.name, wait_timeout=20)) as storage:
            storage.sync()


def test_each_master_leads_to_the_primary_one():
    with Cluster(storages=1, masters=3) as cluster:
        for word in cluster.masters.split():
            with closing(Storage(word, cluster.name, wait_timeout=20)) as storage:
                storage.sync()
                assert len(storage.app.nm.getMasterList()) == 3


def forward(source, target):
    """Copies what comes from one socket to the other, until one is closed."""
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for each in source, target:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def test_a_master_with_an_ipv6_address(shared_cluster):
    """In front of one that has none."""
    port = shared_cluster.master_nodes[0].port
    with socket.create_server(('::1', 0), family=socket.AF_INET6) as server:
        def serve():
            connection, _ = server.accept()
            behind = socket.create_connection(('127.0.0.1', port))
            for pair in (connection, behind), (behind, connection):
                threading.Thread(target=forward, args=pair, daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        with closing(Storage(f'[::1]:{server.getsockname()[1]}', shared_cluster.name, wait_timeout=20)) as storage:
            storage.sync()
            assert ('::1', server.getsockname()[1]) in [node.getAddress() for node in storage.app.nm.getMasterList()]


def test_an_empty_database(cluster):
    with closing(cluster.storage(read_only=True)) as reader:
        assert reader.lastTransaction() == z64
        with pytest.raises(ReadOnlyError):
            DB(reader)
    storage = cluster.storage()
    assert storage.lastTransaction() == z64
    with closing(DB(storage)):
        created, = storage.iterator()
        assert created.description == b'initial database creation'
        assert [record.oid for record in created] == [z64]


def test_two_clusters_in_one_transaction(shared_cluster):
    with Cluster(storages=1, name='second') as second:
        dbs = [DB(each.storage(), database_name=each.name) for each in (shared_cluster, second)]
        assert len({db.storage.sortKey() for db in dbs}) == 2
        manager = transaction.TransactionManager()
        roots = [db.open(manager).root() for db in dbs]
        for value in 1, 2:
            for root in roots:
                root['both'] = MinPO(value)
            manager.commit()
        # If one of them cannot vote, nothing is committed by the other.
        with closing(second.storage()) as other:
            commit(other, [(z64, other.load(z64)[1], other.load(z64)[0])])
            for root in roots:
                root['both'] = MinPO(3)
            with pytest.raises(ConflictError):
                manager.commit()
        manager.abort()
        assert [root['both'].value for root in roots] == [2, 2]
        for db in dbs:
            db.close()


def test_nothing_is_left_of_closed_clients(shared_cluster, tmp_path):
    """Neither descriptors nor threads, whether they are closed, or only forgotten."""
    def use(number, closes):
        storage = shared_cluster.storage(
            blob_dir=str(tmp_path / 'blobs'), cache_file=str(tmp_path / 'cache') if number % 2 else None)
        commit(storage, [(storage.new_oid(), z64, b'x')])
        if closes:
            storage.close()
    use(0, True)
    # What earlier tests left may go at any time.
    gc.collect()
    before = descriptors(), threads()
    for number in range(20):
        use(number, closes=number % 4 > 1)
    gc.collect()
    eventually(lambda: descriptors() <= before[0] and threads() <= before[1])


def test_nothing_is_left_of_lost_connections(client):
    """A client that reconnects again and again."""
    oid = client.new_oid()
    tid = commit(client, [(oid, z64, b'x')])
    before = None
    for _ in range(30):
        break_connections()
        client._cache.clear()
        assert until_it_works(lambda: client.load(oid)) == (b'x', tid)
        until_it_works(client.sync)
        gc.collect()
        before = before or (descriptors(), threads())
    eventually(lambda: (descriptors(), threads()) <= before)


def test_nothing_grows():
    """Neither in the client nor in the nodes. For longer: `endurance.py`."""
    counts, usages = endurance.measure(15)
    assert counts['reconnections'] >= 5 and counts['commits'] >= 500, counts
    for before, after in usages.values():
        assert after.bytes < before.bytes + (16 << 20), usages
        assert after.descriptors <= before.descriptors + 1, usages
        assert after.threads <= before.threads + 1, usages


def test_memory_of_a_large_transaction():
    """20,000 objects, with a cache of 1 MiB: `scripts/test-big-blob --kind objects` does the same with more."""
    for what, _, extra in big_blob.measure(100 << 20, kind='objects'):
        for name, size in extra.items():
            assert size < 64 << 20, (what, extra)


def test_dead_peers_are_noticed(client):
    """After 60 s of silence and 3 probes, 10 s apart, or 90 s without an acknowledgement (`black_hole.py` measures it)."""
    commit(client, [(client.new_oid(), z64, b'x')])
    ports = {client.app.nm.getMasterList()[0].getAddress()[1]}
    ports |= {node.getAddress()[1] for node in client.app.nm.getStorageList()}
    found = set()
    for connection in connections():
        with connection:
            if connection.getpeername()[1] in ports:
                found.add(connection.getpeername()[1])
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert [connection.getsockopt(socket.IPPROTO_TCP, option) for option in (
                    socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT,
                )] == [60, 10, 3, 90_000]
    assert len(found) > 1


# Records

def test_the_longest_record(shared_cluster):
    data = os.urandom((64 << 20) - (64 << 10))
    with closing(shared_cluster.storage(compress=False, cache_size=1 << 20)) as storage:
        oid = storage.new_oid()
        tid = commit(storage, [(oid, z64, data)])
        assert storage.load(oid) == (data, tid)
        with pytest.raises(StorageError):
            commit(storage, [(oid, tid, data + b'x')])
        assert storage.history(oid)[0]['tid'] == tid


def databases(cluster):
    for node in cluster.storage_nodes:
        with closing(sqlite3.connect(node.database, timeout=10)) as database:
            yield database
            database.commit()


def test_an_object_that_disappears_from_a_database(shared_cluster, client):
    """It is not found any more; another one with the same value is."""
    oid, same = client.new_oid(), client.new_oid()
    tid = commit(client, [(each, z64, b'the same') for each in (oid, same)])
    client.load(oid)
    eventually(lambda: sum(
        database.execute('SELECT count(*) FROM obj WHERE oid = ?', (u64(oid),)).fetchone()[0]
        for database in databases(shared_cluster)) == 1)
    for database in databases(shared_cluster):
        database.execute('DELETE FROM obj WHERE oid = ?', (u64(oid),))
    # What is in the cache is allowed to stay.
    client._cache.clear()
    with pytest.raises(POSKeyError):
        client.load(oid)
    assert client.load(same) == (b'the same', tid)


@pytest.mark.parametrize('compress', [False, True])
def test_a_damaged_record_without_replica(shared_cluster, compress):
    data = b'compressible ' * 100
    with closing(shared_cluster.storage(compress=compress)) as storage:
        oid = storage.new_oid()
        tid = commit(storage, [(oid, z64, data)])
    eventually(lambda: sum(
        database.execute('SELECT count(*) FROM obj WHERE oid = ?', (u64(oid),)).fetchone()[0]
        for database in databases(shared_cluster)) == 1)
    for database in databases(shared_cluster):
        for identifier, value in database.execute(
                'SELECT data.id, value FROM data JOIN obj ON data_id = data.id WHERE oid = ?', (u64(oid),)).fetchall():
            damaged = bytes(value[:5]) + bytes([value[5] ^ 0xff]) + bytes(value[6:])
            database.execute('UPDATE data SET value = ? WHERE id = ?', (damaged, identifier))
    with closing(shared_cluster.storage()) as storage:
        with pytest.raises(NEOStorageWrongChecksum) as caught:
            storage.load(oid)
        assert caught.value.args == (oid, tid)
    with closing(shared_cluster.storage(ignore_wrong_checksum=True)) as storage:
        found, serial = storage.load(oid)
        assert serial == tid
        # What cannot be decompressed is empty.
        assert found == (b'' if compress else damaged)


def test_a_storage_that_is_killed_and_dropped():
    with Cluster(storages=2, replicas=1) as cluster, closing(cluster.storage(cache_size=0)) as storage:
        oids = [storage.new_oid() for _ in range(9)]
        tid = commit(storage, [(oid, z64, oid) for oid in oids])
        assert len(storage.app.nm.getStorageList()) == 2
        cluster.storage_nodes[1].kill()
        eventually(lambda: cluster.control('print', 'node', 'storage').stdout.count('DOWN') == 1)
        # Ids are given in the order in which storages come.
        lines = cluster.control('print', 'node', 'storage').stdout.splitlines()
        killed, = [nid for nid in ('S1', 'S2') if any(nid in line and 'DOWN' in line for line in lines)]
        assert cluster.control('drop', killed).returncode == 0
        until_it_works(storage.sync)
        left, = {'S1', 'S2'} - {killed}
        assert [node.nid for node in storage.app.nm.getStorageList()] == [left]
        for oid in oids:
            assert storage.load(oid) == (oid, tid)
        commit(storage, [(oid, tid, b'new') for oid in oids])


def test_a_storage_that_does_not_answer():
    """Reads go on with its replica, but for those that were asked to it."""
    with Cluster(storages=2, replicas=1) as cluster, closing(cluster.storage(cache_size=0)) as storage:
        oids = [storage.new_oid() for _ in range(9)]
        tid = commit(storage, [(oid, z64, oid) for oid in oids])
        counts = [0] * 4

        def read(index):
            while not done.is_set():
                for oid in oids:
                    assert storage.load(oid) == (oid, tid)
                    counts[index] += 1
        done = threading.Event()
        readers = [InThread(read, index) for index in range(len(counts))]
        frozen = cluster.storage_nodes[0].process
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            time.sleep(1.5)
            before = list(counts)
            eventually(lambda: sum(counts) > sum(before) + 500)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
            done.set()
        for reader in readers:
            reader.result()


# Invalidations

class Database:
    """What `registerDB` takes, that fails when it is told to."""

    def __init__(self):
        self.calls = []
        self.fails = ()

    def invalidate(self, tid, oids):
        self.calls.append((tid, list(oids)))
        if 'invalidate' in self.fails:
            raise RuntimeError('no')

    def invalidateCache(self):
        self.calls.append('all')
        if 'invalidateCache' in self.fails:
            raise RuntimeError('no')

    def transform_record_data(self, data):
        return data

    untransform_record_data = transform_record_data


@pytest.mark.parametrize('fails', [(), ('invalidate',), ('invalidate', 'invalidateCache')])
def test_exceptions_of_callbacks(client, other, fails):
    """The client goes on, and what could not be told is told in another way: everything may have changed."""
    oid = client.new_oid()
    first = commit(client, [(oid, z64, b'1')])
    database = Database()
    client.registerDB(database)
    database.fails = fails
    other.sync()
    second = commit(other, [(oid, first, b'2')])
    client.sync()
    assert client.lastTransaction() == second
    assert client.load(oid) == (b'2', second)
    assert database.calls[0] == (second, [oid])
    assert ('all' in database.calls) == bool(fails)
    # It is told the next ones.
    database.fails = ()
    third = commit(other, [(oid, second, b'3')])
    client.sync()
    assert database.calls[-1] == (third, [oid])
    assert commit(client, [(oid, third, b'4')]) == client.lastTransaction()


def test_a_transaction_that_begins_while_the_client_reconnects(client, other):
    """It has asked for the last transaction, and takes the invalidations after a reconnection that missed some."""
    oid = client.new_oid()
    first = commit(client, [(oid, z64, zodb_pickle(MinPO(1)))])
    with closing(DB(client)) as db:
        manager = transaction.TransactionManager()
        connection = db.open(manager)
        assert connection.get(oid).value == 1
        other.sync()
        before = client.lastTransaction()
        break_connections()
        second = until_it_works(lambda: commit(other, [(oid, first, zodb_pickle(MinPO(2)))]))
        ask = client.lastTransaction

        def ask_early():
            last = ask()
            assert last == before
            del client.lastTransaction
            InThread(client.sync).result()
            assert client.lastTransaction() == second
            return last
        client.lastTransaction = ask_early
        # As `DB.open` does, and `begin` once it has synchronised the storage.
        connection.newTransaction(None, False)
        assert connection.get(oid).value in (1, 2)
        connection.newTransaction(None, False)
        assert connection.get(oid).value == 2


# Conflicts

def counter(value):
    result = PCounter()
    result._value = value
    return zodb_pickle(result)


def test_a_cascade_of_conflicts(client, other):
    """Three transactions that begin with the same revision, of a counter that merges."""
    oid = client.new_oid()
    base = commit(client, [(oid, z64, counter(0))])
    other.sync()
    txns = [(client, 3), (other, 5), (client, 7)]
    begun = []
    for storage, value in txns:
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        begun.append(txn)
    serials = []
    for (storage, value), txn in zip(txns, begun):
        storage.store(oid, base, counter(value), '', txn)
        resolved = storage.tpc_vote(txn)
        assert list(resolved or ()) == ([oid] if serials else [])
        serials.append(storage.tpc_finish(txn))
    client.sync()
    assert zodb_unpickle(client.load(oid)[0])._value == 15
    assert [entry['tid'] for entry in client.history(oid, 10)] == [*serials[::-1], base]


class SlowCounter(PCounter):
    """It merges much more slowly than others commit."""

    def _p_resolveConflict(self, old, saved, new):
        time.sleep(0.2)
        return super()._p_resolveConflict(old, saved, new)


def test_a_slow_resolver_and_a_fast_writer(client, other):
    """The one that is always overtaken commits nevertheless, and nothing of the other one is lost."""
    def record(value):
        result = SlowCounter()
        result._value = value
        return zodb_pickle(result)
    oid = client.new_oid()
    base = commit(client, [(oid, z64, record(0))])
    other.sync()
    done = threading.Event()
    count = 0

    def write():
        nonlocal count
        while not done.is_set():
            data, serial = other.load(oid)
            commit(other, [(oid, serial, record(zodb_unpickle(data)._value + 1))])
            count += 1
    writer = InThread(write)
    try:
        deadline = time.monotonic() + 60
        while count < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        resolver = InThread(commit, client, [(oid, base, record(1_000_000))])
        resolver.result()
    finally:
        done.set()
        writer.join()
    writer.result()
    client.sync()
    assert zodb_unpickle(client.load(oid)[0])._value == 1_000_000 + count
    assert count > 10


def test_conflicts_that_cannot_be_resolved(client, other):
    oid = client.new_oid()
    base = commit(client, [(oid, z64, counter(0))])
    other.sync()
    new = commit(client, [(oid, base, counter(1))])
    # A deletion, a record that no resolver can read, a creation of what exists.
    for serial, data in (base, None), (base, b'no pickle'), (z64, counter(5)):
        with pytest.raises(ConflictError) as caught:
            commit(other, [(oid, serial, data)])
        assert caught.value.oid == oid
        assert caught.value.serials == (new, serial)
        # Nothing is left that would disturb the next transaction.
        assert other.load(oid) == (counter(1), new)
    assert commit(other, [(oid, new, counter(2))]) > new


def test_stored_twice(client, other):
    """In one transaction, before anything was answered: the second record counts."""
    oid = client.new_oid()
    serial = z64
    for _ in range(3):
        txn = TransactionMetaData()
        client.tpc_begin(txn)
        for data in b'1' * 100_000, b'2':
            client.store(oid, serial, data, '', txn)
        client.tpc_vote(txn)
        serial = client.tpc_finish(txn)
        other.sync()
        for storage in client, other:
            assert storage.load(oid) == (b'2', serial)


def test_abort_after_the_vote(client, other):
    oid = client.new_oid()
    tid = commit(client, [(oid, z64, b'1')])
    for _ in range(3):
        txn = TransactionMetaData()
        client.tpc_begin(txn)
        client.store(oid, tid, b'2', '', txn)
        client.tpc_vote(txn)
        client.tpc_abort(txn)
        assert client.load(oid) == (b'1', tid)
        other.sync()
        tid = commit(other, [(oid, tid, b'1')])
        client.sync()


def test_bases_from_the_future(client):
    """They are never sent: such a store stops nodes of the reference."""
    oid = client.new_oid()
    tid = commit(client, [(oid, z64, b'1')])
    with pytest.raises(StorageError):
        commit(client, [(oid, p64(u64(tid) + (1 << 40)), b'2')])
    assert client.load(oid) == (b'1', tid)
    commit(client, [(oid, tid, b'2')])


def test_what_is_too_great_is_refused_before_it_is_sent(client, caplog):
    """A node would close the connection: other threads of the program would lose their transactions."""
    begun, oid = TransactionMetaData(), client.new_oid()
    client.tpc_begin(begun)
    client.store(oid, z64, b'begun before', '', begun)
    for write in (
            lambda transaction: client.store(INVALID, z64, b'', '', transaction),
            lambda transaction: client.deleteObject(INVALID, z64, transaction),
            lambda transaction: client.checkCurrentSerialInTransaction(INVALID, z64, transaction),
            lambda transaction: client.restore(INVALID, z64, b'', '', None, transaction)):
        transaction = TransactionMetaData()
        client.tpc_begin(transaction)
        with pytest.raises(StorageError, match='ffffffffffffffff can not be stored'):
            write(transaction)
        client.tpc_abort(transaction)
    transaction = TransactionMetaData()
    with pytest.raises(StorageError, match='ffffffffffffffff can not be stored'):
        client.tpc_begin(transaction, INVALID)
    client.tpc_abort(transaction)
    client.tpc_vote(begun)
    client.tpc_finish(begun)
    assert client.load(oid)[0] == b'begun before'
    assert 'clos' not in caplog.text


# Logs

def test_metadata_of_transactions(client, other):
    oid, tid = client.new_oid(), z64
    for user, description, extension in (
            ('', '', None), ('caf\xe9', '\u2603', {'key': ['value']}), ('u' * 10_000, 'd' * 60_000, {'n': 1})):
        tid = commit(client, [(oid, tid, b'x')], user, description, extension)
        other.sync()
        txn, = other.iterator(tid)
        assert (txn.user, txn.description) == (user.encode(), description.encode())
        assert txn.extension == (extension or {})
        entry, = other.undoLog(0, 1)
        assert (entry['user_name'], entry['description']) == (user.encode(), description.encode())
    empty = commit(client, [])
    other.sync()
    txn, = other.iterator(empty)
    assert list(txn) == []


def test_undos_then_a_pack_then_an_undo(shared_cluster):
    """There is nothing left to undo."""
    with closing(shared_cluster.storage(pack_wait=True)) as storage:
        oid = storage.new_oid()
        first = commit(storage, [(oid, z64, b'1')])
        second = commit(storage, [(oid, first, b'2')])
        undone, _ = undo(storage, second)
        redone, _ = undo(storage, undone)
        assert storage.load(oid) == (b'2', redone)
        storage.app.pack(redone)
        assert undo(storage, second)[1] == []
        assert storage.load(oid) == (b'2', redone)
