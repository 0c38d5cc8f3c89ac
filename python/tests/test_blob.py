"""Blobs on a real cluster: commits, reads by other clients, conflicts, what is left after failures."""

import os
import stat
import threading
from contextlib import closing

import pytest
from transaction import TransactionManager
from ZODB import DB
from ZODB.blob import Blob
from ZODB.Connection import TransactionMetaData
from ZODB.interfaces import IBlobStorage, IBlobStorageRestoreable
from ZODB.POSException import ConflictError, POSKeyError, Unsupported
from ZODB.utils import p64, u64
from zope.interface.verify import verifyObject

from blobs import CHUNK, RECORD, ZERO, cached_files, commit, content, raw_objects, read, store, temporary_files

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5]


def test_interfaces(opened, shared_cluster):
    storage = opened()
    for interface in IBlobStorage, IBlobStorageRestoreable:
        verifyObject(interface, storage)
    with closing(shared_cluster.storage()) as without:
        assert not IBlobStorage.providedBy(without)
        for call in (
            without.temporaryDirectory, lambda: without.loadBlob(ZERO, ZERO),
            lambda: without.openCommittedBlobFile(ZERO, ZERO),
        ):
            with pytest.raises(Unsupported, match='blob_dir'):
                call()


def test_contents_of_all_sizes(opened):
    storage, other = opened(), opened()
    oids = [storage.new_oid() for _ in SIZES]
    tid = commit(storage, *((oid, ZERO, content(size, size)) for oid, size in zip(oids, SIZES)))
    other.sync()
    for oid, size in zip(oids, SIZES):
        for reader in storage, other, other:
            assert reader.load(oid) == (RECORD, tid)
            assert reader.loadBefore(oid, p64(u64(tid) + 1)) == (RECORD, tid, None)
            assert reader.loadSerial(oid, tid) == RECORD
            assert read(reader, oid, tid) == content(size, size)
    for reader in storage, other:
        assert not temporary_files(reader)
        assert len(cached_files(reader)) == len(SIZES)


def test_paths_and_permissions(opened):
    storage = opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, b'data'))
    path = storage.loadBlob(oid, tid)
    assert path == storage.fshelper.getBlobFilename(oid, tid) == storage.loadBlob(oid, tid)
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o222 == 0
    os.remove(path)
    assert storage.loadBlob(oid, tid) == path
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o222 == 0
    assert read(storage, oid, tid) == b'data'


def test_unknown_blobs(opened):
    storage = opened()
    oid, other = storage.new_oid(), storage.new_oid()
    tid = commit(storage, (oid, ZERO, b'data'), records=[(other, ZERO, RECORD)])
    for wrong in (oid, p64(u64(tid) - 1)), (p64(12345), tid), (other, tid):
        for call in storage.loadBlob, storage.openCommittedBlobFile:
            with pytest.raises(POSKeyError):
                call(*wrong)
    assert not temporary_files(storage)
    # Its content can be given to it.
    tid = commit(storage, (other, tid, b'found'))
    assert read(storage, other, tid) == b'found'


def test_revisions(opened):
    """Longer and shorter ones: each revision keeps its content, whatever came later."""
    storage, other = opened(), opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    serial = ZERO
    committed = {}
    for number, chunks in enumerate([1, 3, 2, 0, 4, 4, 1]):
        data = content(chunks * CHUNK - min(chunks, 1), number)
        serial = commit(storage, (oid, serial, data))
        committed[serial] = data
    other.sync()
    for reader in other, storage:
        for tid, data in committed.items():
            assert read(reader, oid, tid) == data
    # The chunks that exist now are those of the last revision.
    assert len(raw_objects(storage, others)) == 1 + 1


def test_connections_see_the_content_of_their_snapshot(opened):
    database = DB(opened())
    writer, reader = TransactionManager(), TransactionManager()
    root = database.open(writer).root()
    root['blob'] = Blob(b'first')
    writer.commit()
    other = database.open(reader).root()
    with root['blob'].open('w') as file:
        file.write(b'second')
    writer.commit()
    with other['blob'].open() as file:
        assert file.read() == b'first'
    reader.begin()
    with other['blob'].open() as file:
        assert file.read() == b'second'
    with open(other['blob'].committed(), 'rb') as file:
        assert file.read() == b'second'
    with other['blob'].open('a') as file:
        file.write(b', third')
    with other['blob'].open() as file:
        assert file.read() == b'second, third'
    reader.commit()
    writer.begin()
    with root['blob'].open('c') as file:
        assert file.read() == b'second, third'
    database.close()


def test_abort_leaves_nothing(opened):
    storage, other = opened(), opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, b'before'))
    objects = raw_objects(storage, others)
    for votes in False, True:
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        store(storage, txn, oid, tid, content(2 * CHUNK))
        store(storage, txn, storage.new_oid(), ZERO, content(2 * CHUNK))
        if votes:
            storage.tpc_vote(txn)
        storage.tpc_abort(txn)
        assert not temporary_files(storage)
        assert raw_objects(other, others) == objects
        assert read(other, oid, tid) == read(storage, oid, tid) == b'before'
        assert storage.load(oid) == (RECORD, tid)
    # They are not locked.
    commit(other, (oid, tid, content(2 * CHUNK)))


def test_closing_in_the_middle_leaves_nothing(opened):
    storage = opened()
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    store(storage, txn, storage.new_oid(), ZERO, b'data')
    directory = storage.temporaryDirectory()
    storage.close()
    assert os.listdir(directory) == []


def test_failures_of_a_store_leave_nothing(opened, monkeypatch):
    """The file is the storage's as soon as it took it, and nothing of it stays."""
    storage = opened()
    oid = storage.new_oid()

    def fail(*arguments):
        raise MemoryError('no room')
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    with pytest.raises(FileNotFoundError):
        storage.storeBlob(oid, ZERO, RECORD, 'no such file', '', txn)
    with pytest.raises(Unsupported):
        storage.storeBlob(oid, ZERO, RECORD, 'no such file', 'a version', txn)
    monkeypatch.setattr(storage.app, 'store_unkept', fail)
    with pytest.raises(MemoryError):
        store(storage, txn, oid, ZERO, content(CHUNK))
    storage.tpc_abort(txn)
    assert not temporary_files(storage) and not cached_files(storage)


def test_failing_downloads_leave_nothing(opened, monkeypatch):
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    other.sync()
    original = other.app.records

    def fail(oids, tid):
        raise OSError('no space left on device')
    monkeypatch.setattr(other.app, 'records', fail)
    for call in other.loadBlob, other.openCommittedBlobFile:
        with pytest.raises(OSError, match='no space'):
            call(oid, tid)
    assert not temporary_files(other) and not cached_files(other)
    monkeypatch.setattr(other.app, 'records', original)
    assert read(other, oid, tid) == content(2 * CHUNK)


@pytest.mark.parametrize('size', [0, 1, 3 * CHUNK])
def test_conflicts_are_those_of_the_blob(opened, size):
    """Not those of its chunks, which may come first."""
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    new = commit(storage, (oid, tid, content(size, 2)))
    other.sync()
    with pytest.raises(ConflictError) as caught:
        commit(other, (oid, tid, content(size, 3)))
    assert caught.value.oid == oid
    assert caught.value.serials == (new, tid)
    assert 'ZODB.blob.Blob' in str(caught.value)
    assert not temporary_files(other)
    assert read(other, oid, new) == content(size, 2)
    commit(other, (oid, new, content(size, 3)))


def test_concurrent_commits_conflict(opened):
    """Both transactions stored before one of them committed."""
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    other.sync()
    txns = []
    for client in storage, other:
        txn = TransactionMetaData()
        client.tpc_begin(txn)
        txns.append(txn)
    store(storage, txns[0], oid, tid, content(2 * CHUNK, 2))
    # It waits for the locks, in its own thread.
    outcome = []

    def commit_other():
        try:
            store(other, txns[1], oid, tid, content(2 * CHUNK, 3))
            other.tpc_vote(txns[1])
        except ConflictError as conflict:
            outcome.append(conflict.oid)
        finally:
            other.tpc_abort(txns[1])
    thread = threading.Thread(target=commit_other)
    thread.start()
    storage.tpc_vote(txns[0])
    new = storage.tpc_finish(txns[0])
    thread.join(30)
    assert outcome == [oid]
    assert read(other, oid, new) == content(2 * CHUNK, 2)


def test_readers_see_a_complete_blob_before_its_committer(opened):
    """Whoever knows of the transaction can load the blob: nothing is needed after the vote."""
    storage, other = opened(), opened()
    oid = storage.new_oid()
    seen = []

    def callback(tid):
        other.sync()
        seen.append(read(other, oid, tid))
    commit(storage, (oid, ZERO, content(2 * CHUNK)), callback=callback)
    assert seen == [content(2 * CHUNK)]


def test_storing_twice_in_a_transaction(opened):
    storage, other = opened(), opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    for first, second in (1, 3), (3, 1):
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        store(storage, txn, oid, tid, content(first * CHUNK, 5))
        store(storage, txn, oid, tid, content(second * CHUNK, 6))
        assert len(temporary_files(storage)) == 1
        storage.tpc_vote(txn)
        tid = storage.tpc_finish(txn)
        other.sync()
        for reader in storage, other:
            assert read(reader, oid, tid) == content(second * CHUNK, 6)
        assert len(raw_objects(storage, others)) == 1 + second
    assert not temporary_files(storage)


def test_savepoints(opened):
    database = DB(opened())
    manager = TransactionManager()
    root = database.open(manager).root()
    root['blob'] = Blob(b'first')
    manager.savepoint()
    with root['blob'].open('a') as file:
        file.write(b' second')
    savepoint = manager.savepoint()
    with root['blob'].open('a') as file:
        file.write(b' third')
    savepoint.rollback()
    with root['blob'].open() as file:
        assert file.read() == b'first second'
    manager.commit()
    assert not temporary_files(database.storage)
    with closing(DB(opened())) as other:
        with other.transaction() as connection, connection.root()['blob'].open() as file:
            assert file.read() == b'first second'
    database.close()


def test_tools_that_change_the_record_of_a_blob_keep_its_content(opened, shared_cluster):
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    changed = RECORD + b'changed'
    new = commit(storage, records=[(oid, tid, changed)])
    other.sync()
    assert other.load(oid) == (changed, new)
    assert read(other, oid, new) == content(2 * CHUNK)
    assert not temporary_files(storage)
    with closing(shared_cluster.storage()) as without, pytest.raises(Unsupported, match='blob_dir'):
        without.sync()
        commit(without, records=[(oid, new, RECORD)])


def test_the_record_cache_keeps_records(opened):
    """Contents do not take the place of records, neither when they are written nor when they are read."""
    storage = opened(cache_size=20 << 20)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(8 * CHUNK)))
    os.remove(storage.loadBlob(oid, tid))
    storage.loadBlob(oid, tid)
    assert storage._cache.statistics()['bytes'] < 10_000


def test_fork(opened):
    storage = opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(CHUNK)))
    os.remove(storage.loadBlob(oid, tid))
    child = os.fork()
    if not child:
        status = 1
        try:
            if read(storage, oid, tid) == content(CHUNK):
                new = commit(storage, (oid, tid, b'of the child'))
                status = read(storage, oid, new) != b'of the child'
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    storage.sync()
    assert read(storage, oid, storage.load(oid)[1]) == b'of the child'
