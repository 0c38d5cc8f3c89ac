"""Logs, undo, iteration and copies, on a real cluster of several storages."""

import os
import subprocess
import sys
import time

import pytest
import transaction
from ZODB.Connection import TransactionMetaData
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage
from ZODB.POSException import ConflictError, POSKeyError, ReadOnlyError, UndoError
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle
from ZODB.utils import p64, u64

from cluster import Cluster
from transactions import commit, undo

ZERO = bytes(8)


@pytest.fixture(scope='module')
def wide_cluster():
    """3 storages, 5 partitions, each on 2 of them."""
    with Cluster(storages=3, partitions=5, replicas=1) as cluster:
        yield cluster


@pytest.fixture
def wide(wide_cluster):
    wide_cluster.clear()
    storage = wide_cluster.storage()
    yield storage
    storage.close()


def everything(storage):
    """All that `iterator` gives."""
    return [
        (txn.tid, txn.user, txn.description, txn.extension_bytes, [
            (record.oid, record.tid, record.data, record.data_txn) for record in txn])
        for txn in storage.iterator()]


# Logs

def test_undo_log(wide):
    oids = [wide.new_oid() for _ in range(4)]
    serials = dict.fromkeys(oids, ZERO)
    tids = []
    for number in range(120):
        oid = oids[number % 4]
        serials[oid] = commit(
            wide, [(oid, serials[oid], b'%d' % number)], user='u', description='d%d' % number,
            extension={'kind': number % 10, 'number': number})
        tids.append(serials[oid])
    commit(wide, [], description='nothing to undo')
    newest = tids[::-1]

    def ids(*arguments):
        return [entry['id'] for entry in wide.undoLog(*arguments)]
    for first, last in (0, 20), (0, 120), (0, 1000), (5, 17), (100, 130), (119, 120), (120, 140), (7, 7), (9, 3):
        assert ids(first, last) == newest[first:last], (first, last)
    assert ids() == newest[:20]
    assert ids(10, -15) == newest[10:25]
    # The filter sees the items of the extension; offsets count what it accepts.
    chosen = newest[1::10]
    assert ids(0, 1000, lambda entry: entry['kind'] == 8) == chosen
    assert ids(3, 7, lambda entry: entry['kind'] == 8) == chosen[3:7]
    assert ids(0, 5, lambda entry: False) == []
    assert [entry['id'] for entry in wide.undoInfo(2, 4, {'kind': 3})] == newest[6::10][2:4]
    entry, = wide.undoLog(0, 1)
    assert entry['user_name'] == b'u' and entry['description'] == b'd119' and entry['number'] == 119
    assert abs(entry['time'] - time.time()) < 60


def test_undo_log_right_after_a_commit(wide):
    """A transaction is in the log, and can be undone, as soon as `tpc_finish` has returned."""
    oid = wide.new_oid()
    serial = ZERO
    for number in range(50):
        serial = commit(wide, [(oid, serial, b'%d' % number)])
        assert wide.undoLog(0, 1)[0]['id'] == serial
        assert wide.history(oid)[0]['tid'] == serial
        serial, oids = undo(wide, serial)
        assert oids == [oid]


def test_history(wide):
    oid = wide.new_oid()
    first = commit(wide, [(oid, ZERO, b'foo')], user='me', extension={'n': 1})
    second = commit(wide, [(oid, first, b'more')], extension={'n': 2})
    third = commit(wide, [(oid, second, None)])
    entries = wide.history(oid, 10)
    assert [(entry['tid'], entry['serial'], entry['size']) for entry in entries] == [
        (third, third, 0), (second, second, 4), (first, first, 3)]
    assert entries[2]['user_name'] == b'me' and entries[2]['n'] == 1
    assert [entry['tid'] for entry in wide.history(oid)] == [third]
    assert [entry['tid'] for entry in wide.history(oid, 1, lambda entry: entry.get('n') == 1)] == [first]
    assert wide.history(oid, 0) == []
    with pytest.raises(POSKeyError):
        wide.history(p64(12345))


# Undo

def test_undo_of_creation_and_of_deletion(wide):
    oid = wide.new_oid()
    created = commit(wide, [(oid, ZERO, b'foo')])
    undone, _ = undo(wide, created)
    with pytest.raises(POSKeyError):
        wide.load(oid)
    assert wide.loadSerial(oid, created) == b'foo'
    redone, _ = undo(wide, undone)
    assert wide.load(oid) == (b'foo', redone)
    assert [entry['size'] for entry in wide.history(oid, 9)] == [3, 0, 3]
    deleted = commit(wide, [(oid, redone, None)])
    with pytest.raises(POSKeyError):
        wide.load(oid)
    restored, _ = undo(wide, deleted)
    assert wide.load(oid) == (b'foo', restored)
    *_, last = wide.iterator()
    record, = last
    # Records that are the same by undo form a chain.
    assert (record.data, record.data_txn) == (b'foo', redone)
    # The last undo is undone: the object is deleted again, by a record that says so itself.
    undo(wide, restored)
    *_, last = wide.iterator()
    record, = last
    assert (record.data, record.data_txn) == (None, None)


def test_undo_of_what_changed_later(wide):
    oid = wide.new_oid()
    created = commit(wide, [(oid, ZERO, zodb_pickle(MinPO(1)))])
    changed = commit(wide, [(oid, created, zodb_pickle(MinPO(2)))])
    commit(wide, [(oid, changed, zodb_pickle(MinPO(3)))])
    before = wide.lastTransaction()
    with pytest.raises(UndoError):
        # Nothing can merge two MinPO.
        undo(wide, changed)
    with pytest.raises(UndoError):
        # Even what can be merged can not be created twice.
        undo(wide, created)
    with pytest.raises(UndoError):
        undo(wide, p64(u64(created) - 1))
    wide.sync()
    assert wide.lastTransaction() == before


def test_undo_of_a_creation_is_never_resolved(wide):
    from ZODB.tests.ConflictResolution import PCounter
    oid = wide.new_oid()
    counter = PCounter()
    created = commit(wide, [(oid, ZERO, zodb_pickle(counter))])
    counter._value = 7
    commit(wide, [(oid, created, zodb_pickle(counter))])
    with pytest.raises(UndoError):
        undo(wide, created)


def test_several_undos_in_one_transaction(wide):
    oids = [wide.new_oid() for _ in range(10)]
    tids = [commit(wide, [(oid, ZERO, b'0') for oid in oids])]
    for number in range(1, 4):
        tids.append(commit(wide, [(oid, tids[-1], b'%d' % number) for oid in oids]))
    tid, changed = undo(wide, tids[3], tids[2])
    assert sorted(changed) == sorted(oids + oids)
    assert {wide.load(oid) for oid in oids} == {(b'1', tid)}
    tid, _ = undo(wide, tid)
    assert {wide.load(oid) for oid in oids} == {(b'3', tid)}


def test_conflict_while_undoing(wide_cluster, wide):
    from ZODB.tests.ConflictResolution import PCounter

    def counter(value):
        counter = PCounter()
        counter._value = value
        return zodb_pickle(counter)
    oid = wide.new_oid()
    first = commit(wide, [(oid, ZERO, counter(0))])
    second = commit(wide, [(oid, first, counter(10))])
    other = wide_cluster.storage()
    try:
        txn = TransactionMetaData()
        wide.tpc_begin(txn)
        # Another client commits between the question and the stores of the undo: its change is kept.
        original = wide.app._drain
        state = []

        def drain(context):
            if not state:
                state.append(commit(other, [(oid, second, counter(15))]))
            original(context)
        wide.app._drain = drain
        wide.undo(second, txn)
        del wide.app._drain
        wide.tpc_vote(txn)
        tid = wide.tpc_finish(txn)
    finally:
        other.close()
    assert wide.load(oid) == (counter(5), tid)


def test_read_only(wide_cluster, wide):
    oid = wide.new_oid()
    tid = commit(wide, [(oid, ZERO, b'x')], description='written')
    reader = wide_cluster.storage(read_only=True)
    try:
        assert reader.isReadOnly() is True
        assert reader.load(oid) == (b'x', tid)
        assert everything(reader) == everything(wide)
        assert reader.undoLog()[0]['description'] == b'written'
        assert reader.record_iternext() == (oid, tid, b'x', None)
        txn = TransactionMetaData()
        for call in (
                lambda: reader.tpc_begin(txn), reader.new_oid, lambda: reader.undo(tid, txn),
                lambda: reader.store(oid, tid, b'', '', txn), lambda: reader.deleteObject(oid, tid, txn),
                lambda: reader.restore(oid, tid, b'', '', None, txn), lambda: reader.copyTransactionsFrom(wide)):
            with pytest.raises(ReadOnlyError):
                call()
        reader.tpc_abort(txn)
        # Invalidations come as usual.
        tid = commit(wide, [(oid, tid, b'y')])
        reader.sync()
        assert reader.load(oid) == (b'y', tid)
    finally:
        reader.close()


# Iteration

def test_iterator(wide_cluster, wide):
    assert list(wide.iterator()) == []
    oids = [wide.new_oid() for _ in range(7)]
    serials = dict.fromkeys(oids, ZERO)
    expected = []
    for number in range(250):
        chosen = [oids[(number * step) % 7] for step in (1, 2, 3)] if number % 7 else oids
        chosen = list(dict.fromkeys(chosen))
        records = [(oid, serials[oid], b'%d' % number) for oid in chosen]
        tid = commit(wide, records, user='u%d' % number, extension={'number': number})
        serials.update(dict.fromkeys(chosen, tid))
        expected.append((tid, b'u%d' % number, chosen, b'%d' % number))

    def seen(*bounds):
        return [
            (txn.tid, txn.user, [record.oid for record in txn], {record.data for record in txn})
            for txn in wide.iterator(*bounds)]
    expected = [(tid, user, oids, {data}) for tid, user, oids, data in expected]
    assert seen() == expected
    tids = [tid for tid, *_ in expected]
    assert seen(tids[10]) == expected[10:]
    assert seen(tids[10], tids[150]) == expected[10:151]
    assert seen(None, tids[3]) == expected[:4]
    assert seen(p64(u64(tids[10]) + 1), p64(u64(tids[13]) - 1)) == expected[11:13]
    assert seen(tids[20], tids[19]) == []
    # What another client has just committed is there; what comes later is not.
    other = wide_cluster.storage()
    try:
        iterator = other.iterator()
        last = commit(wide, [(oids[0], serials[oids[0]], b'last')])
        assert [txn.tid for txn in other.iterator()] == tids + [last]
        kept = list(iterator)
        assert [txn.tid for txn in kept] == tids
        # Out of order, and more than once.
        assert [[record.data for record in txn] for txn in reversed(kept)] == [
            [b'%d' % number] * len(expected[number][2]) for number in reversed(range(250))]
        iterator.close()
    finally:
        other.close()


def test_extension_is_verbatim(wide):
    """What can not be unpickled is copied all the same."""
    bad = b'cno_such_module\nclass_of_it\n.'
    oid = wide.new_oid()
    txn = TransactionMetaData(extension=bad)
    wide.tpc_begin(txn)
    wide.store(oid, ZERO, b'x', '', txn)
    wide.tpc_vote(txn)
    tid = wide.tpc_finish(txn)
    record, = wide.iterator()
    assert record.extension_bytes == bad
    with pytest.raises(ImportError):
        record.extension
    assert wide.undoLog()[0]['id'] == tid
    assert wide.history(oid)[0]['tid'] == tid


def test_record_iternext(wide):
    with pytest.raises(ValueError):
        wide.record_iternext()
    oids = [wide.new_oid() for _ in range(350)]
    tid = commit(wide, [(oid, ZERO, oid[-2:]) for oid in oids])
    deleted = set(oids[5:200:3]) | {oids[0], oids[-1]}
    commit(wide, [(oid, tid, None) for oid in deleted])
    expected = [oid for oid in oids if oid not in deleted]

    def seen(cookie=None):
        while True:
            oid, serial, data, cookie = wide.record_iternext(cookie)
            assert (serial, data) == (tid, oid[-2:])
            yield oid
            if cookie is None:
                return
    assert list(seen()) == expected
    assert list(seen(expected[100])) == expected[100:]
    # Two at the same time.
    assert list(zip(seen(), seen())) == list(zip(expected, expected))
    assert list(wide.app.oids()) == expected
    assert list(wide.app.oids(tid)) == oids
    assert list(wide.app.oids(tid, oids[50], oids[60])) == oids[50:61]


def test_memory_of_iteration(wide_cluster, wide):
    """Twice as much data does not take more memory. In a process of its own, for its peak."""
    data = os.urandom(1 << 20)
    oids = [wide.new_oid() for _ in range(32)]
    serial = ZERO
    for number in range(6):
        serial = commit(wide, [(oid, serial, data + oid + p64(number)) for oid in oids])
    script = f'''
import resource
from neo.client.Storage import Storage
storage = Storage({wide_cluster.masters!r}, {wide_cluster.name!r}, cache_size=1 << 20)
storage.lastTransaction()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = sum(len(record.data) for txn in storage.iterator() for record in txn)
assert size > 190 << 20, size
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
storage.close()
'''
    output = subprocess.run([sys.executable, '-c', script], check=True, capture_output=True, text=True).stdout
    # 192 MiB were read.
    assert int(output) < 64, output


# Deletions

def test_deletion_is_announced(wide_cluster, wide):
    """As zc.zodbdgc deletes: what other clients have in their caches goes."""
    oids = [wide.new_oid() for _ in range(5)]
    tid = commit(wide, [(oid, ZERO, b'x') for oid in oids])
    other = wide_cluster.storage()
    try:
        assert {other.load(oid) for oid in oids} == {(b'x', tid)}
        deleted = commit(wide, [(oid, tid, None) for oid in oids[:3]])
        other.sync()
        for oid in oids[:3]:
            with pytest.raises(POSKeyError):
                other.load(oid)
            assert other.loadBefore(oid, deleted) == (b'x', tid, deleted)
        assert other.load(oids[3]) == (b'x', tid)
        # Not the current revision.
        changed = commit(other, [(oids[3], tid, b'y')])
        with pytest.raises(ConflictError):
            commit(wide, [(oids[3], tid, None)])
        assert wide.load(oids[3]) == (b'y', changed)
    finally:
        other.close()


# Copies

def make_history(storage):
    """Transactions of all kinds, through ZODB: undo, redo, deletion, metadata, several objects at once."""
    db = DB(storage)
    connection = db.open()
    root = connection.root()

    def finish(note, user=None, **extension):
        txn = transaction.get()
        txn.note(note)
        if user:
            txn.setUser(user)
        for key, value in extension.items():
            txn.setExtendedInfo(key, value)
        transaction.commit()

    def undo_last():
        # Storages name the transactions of their logs in different ways.
        db.undo(db.undoLog(0, 1)[0]['id'])
    for number in range(20):
        root[number] = MinPO(number)
    finish('twenty objects', 'someone', n=1)
    for number in range(20):
        root[number].value = b'x' * 5000
    finish('caf\xe9 \u2603')
    undo_last()
    finish('undo')
    undo_last()
    finish('redo', empty=None)
    root['new'] = MinPO('new')
    finish('create')
    undo_last()
    finish('undo of a creation')
    connection.cacheMinimize()
    root[0].value = 'last'
    finish('')
    connection.close()
    return db


def copied(source):
    """All that a copy must keep. A storage may list the records of a transaction in another order."""
    return [
        (txn.tid, txn.user, txn.description, txn.extension_bytes, txn.extension, [
            (record.oid, record.tid, record.data, record.data_txn) for record in txn])
        for txn in source.iterator()]


def test_copies_are_identical(wide, tmp_path):
    """FileStorage to NEO to FileStorage: tid, user, description, extension, data and back-pointers."""
    source = FileStorage(str(tmp_path / 'source.fs'))
    db = make_history(source)
    wide.copyTransactionsFrom(source)
    history = copied(source)
    assert len(history) > 7 and any(record[3] for txn in history for record in txn[5])
    assert copied(wide) == history
    target = FileStorage(str(tmp_path / 'target.fs'))
    target.copyTransactionsFrom(wide)
    assert copied(target) == history
    target.close()
    # The copies go on: OIDs after the greatest one, undo of what was copied.
    greatest = max(record[0] for txn in history for record in txn[5])
    assert wide.new_oid() > greatest
    assert [entry['time'] for entry in wide.undoLog()] == [entry['time'] for entry in source.undoLog()]
    tid, oids = undo(wide, history[-1][0])
    assert [record.data_txn for record in list(wide.iterator(tid))[0]] != [None]
    # A partial copy goes on where it stopped.
    with pytest.raises(Exception, match='expected a TID after the last one'):
        wide.copyTransactionsFrom(source)
    db.close()


def test_resumed_copy(wide, tmp_path):
    source = FileStorage(str(tmp_path / 'source.fs'))
    db = make_history(source)

    class Rest:
        def __init__(self, *bounds):
            self.bounds = bounds

        def iterator(self):
            return source.iterator(*self.bounds)
    tids = [txn.tid for txn in source.iterator()]
    wide.copyTransactionsFrom(Rest(None, tids[3]))
    assert wide.lastTransaction() == tids[3]
    wide.copyTransactionsFrom(Rest(p64(u64(wide.lastTransaction()) + 1)))
    assert copied(wide) == copied(source)
    db.close()


def test_copies_between_clusters(wide, tmp_path):
    db = make_history(wide)
    with Cluster(storages=1, partitions=2) as cluster:
        storage = cluster.storage()
        storage.copyTransactionsFrom(wide)
        assert copied(storage) == copied(wide)
        # One storage restores what is there already as something newer, whatever is current.
        *_, last = wide.iterator()
        storage.close()
    db.close()
