"""Revisions of blobs: undo, packs, deletions, iteration."""

import time

import pytest
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import ConflictError, POSKeyError, UndoError
from ZODB.serialize import referencesf
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle

from blobs import (
    CHUNK, RECORD, ZERO, cached_files, commit, committed_rows, content, database_rows, delete, raw_objects, read, records,
    soon, store, temporary_files, undo)


def all_packed(storage, cluster):
    """Packs what other tests left: the rows that stay."""
    storage.pack(time.time() + 1, referencesf)
    return committed_rows(cluster)


@pytest.mark.parametrize('first, second', [(3, 1), (1, 3), (2, 2), (0, 2), (2, 0)])
def test_undo_and_redo(opened, first, second):
    storage, other = opened(), opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    contents = {}
    created = commit(storage, (oid, ZERO, content(first * CHUNK, 1)))
    changed = commit(storage, (oid, created, content(second * CHUNK, 2)))
    undone = undo(storage, changed)
    redone = undo(storage, undone)
    contents = {
        created: content(first * CHUNK, 1), changed: content(second * CHUNK, 2),
        undone: content(first * CHUNK, 1), redone: content(second * CHUNK, 2),
    }
    other.sync()
    for reader in storage, other:
        for tid, data in contents.items():
            assert read(reader, oid, tid) == data
    assert len(raw_objects(storage, others)) == 1 + second
    # Only the last change can be undone alone.
    with pytest.raises(UndoError):
        undo(storage, created)
    # All at once, to nothing.
    nothing = undo(storage, redone, undone, changed, created)
    assert raw_objects(storage, others) == []
    for call in storage.loadBlob, other.loadBlob:
        with pytest.raises(POSKeyError):
            call(oid, nothing)
    again = undo(storage, nothing)
    other.sync()
    assert read(other, oid, again) == content(second * CHUNK, 2)
    # The program's object, and what it repeats: no chunk, deleted or not.
    expected = [
        (created, oid, RECORD, None), (changed, oid, RECORD, None), (undone, oid, RECORD, created),
        (redone, oid, RECORD, changed), (nothing, oid, None, None), (again, oid, RECORD, redone)]
    assert records(storage, created) == expected


def test_undo_of_several_objects(opened):
    storage, other = opened(), opened()
    oids = [storage.new_oid() for _ in range(3)]
    first = commit(storage, *((oid, ZERO, content(2 * CHUNK, 1)) for oid in oids))
    second = commit(storage, *((oid, first, content(CHUNK, index)) for index, oid in enumerate(oids)))
    commit(storage, (oids[0], second, b'later'))
    with pytest.raises(UndoError):
        undo(storage, second)
    assert not temporary_files(storage)
    other.sync()
    assert read(other, oids[1], second) == content(CHUNK, 1)


def test_pack(opened, shared_cluster):
    storage = opened(pack_wait=True)
    packed = all_packed(storage, shared_cluster)
    oid, kept = storage.new_oid(), storage.new_oid()
    untouched = commit(storage, (kept, ZERO, content(3 * CHUNK, 9)))
    serial, tids, times = ZERO, [], []
    contents = [content(chunks * CHUNK, number) for number, chunks in enumerate([3, 1, 4, 0, 2])]
    for data in contents:
        serial = commit(storage, (oid, serial, data))
        tids.append(serial)
        time.sleep(0.02)
        times.append(time.time())
        time.sleep(0.02)

    def check(first):
        """The revisions from `first` on, and no other ones, are there for a new client."""
        reader = opened()
        assert read(reader, kept, untouched) == content(3 * CHUNK, 9)
        for number, tid in enumerate(tids):
            if number >= first:
                assert read(reader, oid, tid) == contents[number]
            else:
                with pytest.raises(POSKeyError):
                    reader.loadBlob(oid, tid)
        reader.close()
        # The files of packed revisions are gone, too.
        assert len(cached_files(storage)) == 1 + len(tids) - first
    check(0)
    storage.pack(times[1], referencesf)
    check(1)
    # 1 + 3, 1 + 1, the rest: 2 deleted; 1 + 4, 1 + 0 and 4 deletions, 1 + 2. The deletions at the second revision are gone.
    assert database_rows(shared_cluster, packed)[0] == 4 + 2 + 5 + 5 + 3
    storage.pack(time.time(), referencesf)
    check(4)
    assert database_rows(shared_cluster, packed) == (4 + 3, 3 + 2 + 2, 0)


def test_pack_keeps_what_an_undo_repeats(opened):
    storage = opened(pack_wait=True)
    others = raw_objects(storage)
    oid = storage.new_oid()
    first = commit(storage, (oid, ZERO, content(2 * CHUNK, 1)))
    second = commit(storage, (oid, first, content(3 * CHUNK, 2)))
    undone = undo(storage, second)
    storage.pack(time.time() + 1, referencesf)
    reader = opened()
    assert read(reader, oid, undone) == content(2 * CHUNK, 1)
    with pytest.raises(POSKeyError):
        reader.loadBlob(oid, first)
    assert len(raw_objects(storage, others)) == 3


def test_deleted_blobs_are_packed_completely(opened, shared_cluster):
    """What zc.zodbdgc does with blobs that nothing refers to."""
    storage = opened(pack_wait=True)
    others = raw_objects(storage)
    packed = all_packed(storage, shared_cluster)
    oid, kept = storage.new_oid(), storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)), (kept, ZERO, content(CHUNK, 2)))
    deleted = delete(storage, oid, tid)
    assert records(storage, tid) == [
        (tid, oid, RECORD, None), (tid, kept, RECORD, None), (deleted, oid, None, None)]
    with pytest.raises(ConflictError) as caught:
        delete(storage, oid, tid)
    assert caught.value.oid == oid
    storage.pack(time.time() + 1, referencesf)
    left = raw_objects(storage, others)
    assert kept in left and len(left) == 2
    assert database_rows(shared_cluster, packed) == (2, 2, 0)
    assert read(opened(), kept, tid) == content(CHUNK, 2)
    with pytest.raises(POSKeyError):
        storage.loadBlob(oid, tid)


def test_aborted_chunks_are_removed_from_databases(opened, shared_cluster):
    storage = opened()
    before = committed_rows(shared_cluster)
    for votes in False, True:
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        store(storage, txn, storage.new_oid(), ZERO, content(6 * CHUNK))
        if votes:
            storage.tpc_vote(txn)
            assert database_rows(shared_cluster, before) == (0, 7, 7)
        storage.tpc_abort(txn)
        soon(lambda: database_rows(shared_cluster, before), (0, 0, 0))


def test_chunks_are_hidden(opened):
    """What lists objects shows those of the program, with the records that it stored."""
    storage = opened()
    oid, other = storage.new_oid(), storage.new_oid()
    first = commit(storage, (oid, ZERO, content(3 * CHUNK)), records=[(other, ZERO, zodb_pickle(MinPO('x')))])
    second = commit(storage, (oid, first, content(CHUNK)))
    found = [
        (txn.tid, record.oid, record.data) for txn in storage.iterator(first) for record in txn if record.data is not None]
    assert found == [(first, oid, RECORD), (first, other, zodb_pickle(MinPO('x'))), (second, oid, RECORD)]
    current, cookie = [], oid
    while True:
        current_oid, tid, data, cookie = storage.record_iternext(cookie)
        current.append((current_oid, tid, data))
        if cookie is None:
            break
    assert current == [(oid, second, RECORD), (other, first, zodb_pickle(MinPO('x')))]


def test_deletion_takes_the_chunks_along(opened):
    storage, other = opened(), opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)))
    assert len(raw_objects(storage, others)) == 4
    txn = TransactionMetaData()
    other.sync()
    other.tpc_begin(txn)
    other.deleteObject(oid, tid, txn)
    other.tpc_vote(txn)
    other.tpc_finish(txn)
    assert raw_objects(storage, others) == []
    with pytest.raises(POSKeyError):
        storage.load(oid)
    # Not packed yet.
    assert read(other, oid, tid) == content(3 * CHUNK)


def test_pack_of_chosen_blobs(opened, shared_cluster):
    """It packs the record; the chunks that only old revisions had go with the next whole pack."""
    storage = opened(pack_wait=True)
    packed = all_packed(storage, shared_cluster)
    oid, other = storage.new_oid(), storage.new_oid()
    first = commit(storage, (oid, ZERO, content(3 * CHUNK, 1)), (other, ZERO, content(CHUNK, 2)))
    second = commit(storage, (oid, first, content(2 * CHUNK, 3)), (other, first, content(CHUNK, 4)))
    storage.app.pack(second, [oid])
    reader = opened()
    with pytest.raises(POSKeyError):
        reader.loadBlob(oid, first)
    assert read(reader, other, first) == content(CHUNK, 2)
    # Of the chunks of `oid`: both revisions of two, and of the third the deletion, too.
    assert database_rows(shared_cluster, packed)[0] == 1 + 6 + 2 * 2
    storage.pack(time.time() + 1, referencesf)
    assert database_rows(shared_cluster, packed) == (1 + 2 + 1 + 1, 1 + 2 + 1 + 1, 0)
    reader = opened()
    for blob, expected in (oid, content(2 * CHUNK, 3)), (other, content(CHUNK, 4)):
        assert read(reader, blob, second) == expected
