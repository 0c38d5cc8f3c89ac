"""Blobs on a real cluster: commits, reads by other clients, failures, the cache of files."""

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from base64 import encodebytes
from contextlib import closing

import pytest
from transaction import TransactionManager
from ZODB import DB
from ZODB.blob import Blob, copyTransactionsFromTo
from ZODB.Connection import TransactionMetaData
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.interfaces import IBlobStorage, IBlobStorageRestoreable
from ZODB.POSException import ConflictError, POSKeyError, UndoError, Unsupported
from ZODB.serialize import referencesf
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle
from ZODB.utils import p64, u64
from zope.interface.verify import verifyObject

import big_blob
from neo.client import blob as format
from neo.client.Storage import Storage

ZERO = bytes(8)
#: What ZODB stores of every blob.
RECORD = b'\x80\x03cZODB.blob\nBlob\nq\x00.\x80\x03N.'
CHUNK = format.CHUNK_BYTES


@pytest.fixture(scope='module')
def module_cluster():
    from cluster import Cluster
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def opened(module_cluster, tmp_path):
    """Opens clients of an empty cluster; by default each has a blob directory of its own."""
    module_cluster.clear()
    storages = []

    def open(blob_dir=None, **options):
        blob_dir = tmp_path / (blob_dir or f'blobs{len(storages)}')
        storages.append(module_cluster.storage(blob_dir=str(blob_dir), **options))
        return storages[-1]
    yield open
    for storage in storages:
        storage.close()


@pytest.fixture
def storage(opened):
    return opened()


def content(size, seed=1):
    numbers = (b'%d %d\n' % (seed, number) for number in range(size // 4 + 1))
    return b''.join(numbers)[:size]


def store(storage, txn, oid, serial, data, record=RECORD):
    path = os.path.join(storage.temporaryDirectory(), 'file' + os.urandom(8).hex())
    with open(path, 'wb') as file:
        file.write(data)
    storage.storeBlob(oid, serial, record, path, '', txn)


def commit(storage, *blobs, callback=None, records=()):
    """Stores blobs (oid, serial, content), and other objects."""
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    try:
        for oid, serial, data in blobs:
            store(storage, txn, oid, serial, data)
        for oid, serial, data in records:
            storage.store(oid, serial, data, '', txn)
        storage.tpc_vote(txn)
        return storage.tpc_finish(txn, callback)
    except BaseException:
        storage.tpc_abort(txn)
        raise


def read(storage, oid, serial):
    path = storage.loadBlob(oid, serial)
    with open(path, 'rb') as file:
        data = file.read()
    with storage.openCommittedBlobFile(oid, serial) as file:
        assert file.read() == data
    return data


def temporary_files(storage):
    return os.listdir(storage.temporaryDirectory())


def cached_files(storage):
    return [path for _, _, path in storage.fshelper.revisions()]


def raw_objects(storage):
    """The oids of all the objects, chunks included."""
    storage.sync()
    return list(storage.app.oids())


# The format

def test_tokens():
    for size, first in (0, 1), (1, 7), (CHUNK, 7), (CHUNK + 1, 7), (1000 * CHUNK, 1 << 62):
        oids = [p64(first + index) for index in range(format.chunk_count(size))]
        token = format.Token(size, oids)
        record, encoded = format.split(RECORD + token.encode())
        assert record == RECORD and len(encoded) < 30
        decoded = format.Token.decode(encoded)
        assert (decoded.size, decoded.oids, decoded.chunk_bytes) == (size, oids, CHUNK)
    scattered = [p64(5), p64(3), p64(4), p64(9)]
    assert format.Token.decode(format.split(format.Token(4 * CHUNK, scattered).encode())[1]).oids == scattered
    # Records without a token, whatever they end with.
    valid = RECORD + format.Token(10, [p64(1)]).encode()
    for record in RECORD, b'', format.MAGIC, RECORD + format.MAGIC, valid + b'x', valid[:-17] + b'x' + valid[-16:]:
        assert format.split(record) == (record, None)
    assert format.split(None) == (None, None)
    # Of a later version, or wrong: the record is found, the token is refused.
    later = bytearray(format.split(valid)[1])
    later[0] = 2
    for token in bytes(later), format.split(valid)[1][:-12]:
        with pytest.raises(ValueError):
            format.Token.decode(token)


def test_chunks_are_objects_that_tools_can_load():
    from ZODB.utils import get_pickle_metadata
    import io
    import pickle
    record = format.encode_chunk(p64(0x1234), 7, b'data')
    assert get_pickle_metadata(record) == ('neo.client.blob', 'Chunk')
    file = io.BytesIO(record)
    assert pickle.load(file) is format.Chunk
    assert pickle.load(file) == (p64(0x1234), 7, b'data')
    assert referencesf(record) == []
    assert format.chunk_data(memoryview(record), p64(0x1234), 7, 4) == b'data'
    for oid, index, length in (p64(0x1235), 7, 4), (p64(0x1234), 8, 4), (p64(0x1234), 7, 3):
        with pytest.raises(ValueError):
            format.chunk_data(memoryview(record), oid, index, length)


# The contract

def test_interfaces(opened, module_cluster):
    storage = opened()
    for interface in IBlobStorage, IBlobStorageRestoreable:
        verifyObject(interface, storage)
    with closing(module_cluster.storage()) as without:
        assert not IBlobStorage.providedBy(without)
        for call in (
            without.temporaryDirectory, lambda: without.loadBlob(ZERO, ZERO),
            lambda: without.openCommittedBlobFile(ZERO, ZERO),
        ):
            with pytest.raises(Unsupported, match='blob_dir'):
                call()


def test_options(tmp_path):
    for options in (
        {'blob_cache_size': 10}, {'blob_dir': str(tmp_path), 'shared_blob_dir': True},
        {'blob_dir': str(tmp_path), 'blob_cache_size': -1}, {'blob_dir': str(tmp_path), 'blob_cache_size_check': 0},
        {'blob_dir': str(tmp_path), 'blob_cache_size_check': 100},
    ):
        with pytest.raises(ValueError):
            Storage('127.0.0.1:1', 'x', **options)


def test_foreign_directories_are_refused(tmp_path):
    """Files are removed from a blob directory: it must not be one that has something else in it."""
    (tmp_path / 'precious').write_text('x')
    with pytest.raises(ValueError, match='blob_dir'):
        Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path))
    assert os.listdir(tmp_path) == ['precious']
    Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path / 'a')).close()
    Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path / 'a')).close()
    with pytest.raises(ValueError, match='blob_dir'):
        Storage('127.0.0.1:1', 'other cluster', blob_dir=str(tmp_path / 'a'))


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5]


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


def test_unknown_blobs(storage):
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
    assert len(raw_objects(storage)) == 1 + 1


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
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, b'before'))
    objects = raw_objects(storage)
    for votes in False, True:
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        store(storage, txn, oid, tid, content(2 * CHUNK))
        store(storage, txn, storage.new_oid(), ZERO, content(2 * CHUNK))
        if votes:
            storage.tpc_vote(txn)
        storage.tpc_abort(txn)
        assert not temporary_files(storage)
        assert raw_objects(other) == objects
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
        assert len(raw_objects(storage)) == 1 + second
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


# The directory

def test_restart_with_a_warm_and_with_a_deleted_directory(opened, tmp_path):
    storage = opened('shared')
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    path = storage.loadBlob(oid, tid)
    modified = os.stat(path).st_mtime_ns
    storage.close()
    again = opened('shared')
    assert again.loadBlob(oid, tid) == path
    assert os.stat(path).st_mtime_ns == modified
    again.close()
    shutil.rmtree(tmp_path / 'shared')
    last = opened('shared')
    assert read(last, oid, tid) == content(2 * CHUNK)


def test_only_the_last_user_clears_what_killed_processes_left(opened):
    storage = opened('shared')
    left = os.path.join(storage.temporaryDirectory(), 'savepoint1')
    os.mkdir(left)
    with open(os.path.join(left, 'file'), 'w'):
        pass
    other = opened('shared')
    assert os.path.exists(left)
    storage.close()
    other.close()
    last = opened('shared')
    assert temporary_files(last) == []


def test_many_threads_download_once(opened, monkeypatch):
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)))
    other.sync()
    downloads = []
    original = other._download
    monkeypatch.setattr(other, '_download', lambda *arguments: (downloads.append(1), original(*arguments)))
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(read(other, oid, tid) == content(3 * CHUNK))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 8 and len(downloads) == 1


def cached_bytes(storage):
    return sum(os.stat(path).st_size for path in cached_files(storage))


def test_the_cache_is_bounded(opened):
    """What was not used for the longest time goes; files that are open stay readable, and what went comes back."""
    storage = opened()
    oids = [storage.new_oid() for _ in range(12)]
    tid = commit(storage, *((oid, ZERO, content(CHUNK, seed)) for seed, oid in enumerate(oids)))
    reader = opened(blob_cache_size=4 * CHUNK, blob_cache_size_check=25)
    reader.sync()
    first = reader.openCommittedBlobFile(oids[0], tid)
    path = reader.loadBlob(oids[0], tid)
    for seed, oid in enumerate(oids):
        assert read(reader, oid, tid) == content(CHUNK, seed)
    soon(lambda: cached_bytes(reader) <= 4 * CHUNK, True)
    assert not os.path.exists(path)
    assert first.read() == content(CHUNK, 0)
    first.close()
    assert reader.loadBlob(oids[0], tid) == path
    # That of the last commit was used last.
    reader.fshelper.remove_oldest(CHUNK)
    assert cached_files(reader) == [path]
    # A directory that has too much is reduced when it is opened.
    reader.close()
    for oid in oids:
        shutil.copy(storage.loadBlob(oid, tid), reader.fshelper.getBlobFilename(oid, tid))
    again = opened(blob_dir='blobs1', blob_cache_size=4 * CHUNK)
    soon(lambda: cached_bytes(again) <= 4 * CHUNK, True)


def test_blobs_larger_than_the_cache(opened):
    storage = opened(blob_cache_size=CHUNK)
    oid, other = storage.new_oid(), storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)), (other, ZERO, content(2 * CHUNK, 2)))
    for _ in range(5):
        assert read(storage, oid, tid) == content(3 * CHUNK)
        assert read(storage, other, tid) == content(2 * CHUNK, 2)


SHARING = """
import hashlib, random, sys, time
from neo.client.Storage import Storage
masters, name, blob_dir, tid, seed, *expected = sys.argv[1:]
storage = Storage(masters, name, blob_dir=blob_dir, blob_cache_size=3 << 20, blob_cache_size_check=10)
random.seed(int(seed))
deadline = time.monotonic() + 3
count = 0
while time.monotonic() < deadline:
    oid, digest = random.choice(expected).split(':')
    file = storage.openCommittedBlobFile(bytes.fromhex(oid), bytes.fromhex(tid))
    found = hashlib.sha256(file.read()).hexdigest()
    file.close()
    assert found == digest, oid
    count += 1
storage.close()
print(count)
"""


def test_processes_share_a_directory(opened, module_cluster, tmp_path):
    """That has no room for all the blobs: files come and go."""
    storage = opened()
    oids = [storage.new_oid() for _ in range(8)]
    tid = commit(storage, *((oid, ZERO, content(CHUNK, seed)) for seed, oid in enumerate(oids)))
    expected = [
        f'{oid.hex()}:{hashlib.sha256(content(CHUNK, seed)).hexdigest()}' for seed, oid in enumerate(oids)]
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', SHARING, module_cluster.masters, module_cluster.name, str(tmp_path / 'shared'),
             tid.hex(), str(seed), *expected],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        for seed in range(3)]
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0 and int(output) > 10
    last = opened('shared', blob_cache_size=3 * CHUNK)
    soon(lambda: cached_bytes(last) <= 3 * CHUNK, True)
    assert not temporary_files(last)


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


def test_memory_of_a_large_blob():
    """Neither the clients nor the storages hold it: scripts/test-big-blob does the same with 1 GiB."""
    for what, _, extra in big_blob.measure(160 << 20):
        for name, size in extra.items():
            assert size < 64 << 20, (what, extra)


# Undo, pack, deletion

def database_rows(cluster):
    """How many revisions and how many values storages have."""
    counts = []
    for node in cluster.storage_nodes:
        with closing(sqlite3.connect(f'file:{node.database}?mode=ro', uri=True)) as database:
            counts.append([
                database.execute(f'SELECT count(*) FROM {table}').fetchone()[0] for table in ('obj', 'data', 'tobj')])
    return tuple(map(sum, zip(*counts)))


def soon(function, expected, seconds=20):
    """What storages do after they answered."""
    deadline = time.monotonic() + seconds
    while function() != expected:
        assert time.monotonic() < deadline, (function(), expected)
        time.sleep(0.05)


def undo(storage, *tids):
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    try:
        for tid in tids:
            # A FileStorage takes what its log gives.
            storage.undo(encodebytes(tid).rstrip() if isinstance(storage, FileStorage) else tid, txn)
        storage.tpc_vote(txn)
        return storage.tpc_finish(txn)
    except BaseException:
        storage.tpc_abort(txn)
        raise


def delete(storage, oid, serial):
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    try:
        storage.deleteObject(oid, serial, txn)
        storage.tpc_vote(txn)
        return storage.tpc_finish(txn)
    except BaseException:
        storage.tpc_abort(txn)
        raise


def records(storage):
    return [
        (txn.tid, record.oid, record.data, record.data_txn) for txn in storage.iterator() for record in txn]


@pytest.mark.parametrize('first, second', [(3, 1), (1, 3), (2, 2), (0, 2), (2, 0)])
def test_undo_and_redo(opened, first, second):
    storage, other = opened(), opened()
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
    assert len(raw_objects(storage)) == 1 + second
    # Only the last change can be undone alone.
    with pytest.raises(UndoError):
        undo(storage, created)
    # All at once, to nothing.
    nothing = undo(storage, redone, undone, changed, created)
    assert raw_objects(storage) == []
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
    assert records(storage) == expected


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


def test_pack(opened, module_cluster):
    storage = opened(pack_wait=True)
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
    assert database_rows(module_cluster)[0] == 4 + 2 + 5 + 5 + 3
    storage.pack(time.time(), referencesf)
    check(4)
    assert database_rows(module_cluster) == (4 + 3, 3 + 2 + 2, 0)


def test_pack_keeps_what_an_undo_repeats(opened):
    storage = opened(pack_wait=True)
    oid = storage.new_oid()
    first = commit(storage, (oid, ZERO, content(2 * CHUNK, 1)))
    second = commit(storage, (oid, first, content(3 * CHUNK, 2)))
    undone = undo(storage, second)
    storage.pack(time.time() + 1, referencesf)
    reader = opened()
    assert read(reader, oid, undone) == content(2 * CHUNK, 1)
    with pytest.raises(POSKeyError):
        reader.loadBlob(oid, first)
    assert len(raw_objects(storage)) == 3


def test_deleted_blobs_are_packed_completely(opened, module_cluster):
    """What zc.zodbdgc does with blobs that nothing refers to."""
    storage = opened(pack_wait=True)
    oid, kept = storage.new_oid(), storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)), (kept, ZERO, content(CHUNK, 2)))
    deleted = delete(storage, oid, tid)
    assert records(storage) == [
        (tid, oid, RECORD, None), (tid, kept, RECORD, None), (deleted, oid, None, None)]
    with pytest.raises(ConflictError) as caught:
        delete(storage, oid, tid)
    assert caught.value.oid == oid
    storage.pack(time.time() + 1, referencesf)
    assert raw_objects(storage) == [kept, raw_objects(storage)[1]]
    assert database_rows(module_cluster) == (2, 2, 0)
    assert read(opened(), kept, tid) == content(CHUNK, 2)
    with pytest.raises(POSKeyError):
        storage.loadBlob(oid, tid)


def test_aborted_chunks_are_removed_from_databases(opened, module_cluster):
    storage = opened()
    for votes in False, True:
        txn = TransactionMetaData()
        storage.tpc_begin(txn)
        store(storage, txn, storage.new_oid(), ZERO, content(6 * CHUNK))
        if votes:
            storage.tpc_vote(txn)
            assert database_rows(module_cluster) == (0, 7, 7)
        storage.tpc_abort(txn)
        soon(lambda: database_rows(module_cluster), (0, 0, 0))


def test_tools_that_change_the_record_of_a_blob_keep_its_content(opened, module_cluster):
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(2 * CHUNK)))
    changed = RECORD + b'changed'
    new = commit(storage, records=[(oid, tid, changed)])
    other.sync()
    assert other.load(oid) == (changed, new)
    assert read(other, oid, new) == content(2 * CHUNK)
    assert not temporary_files(storage)
    with closing(module_cluster.storage()) as without, pytest.raises(Unsupported, match='blob_dir'):
        without.sync()
        commit(without, records=[(oid, new, RECORD)])


# Copies

def with_history(storage):
    """Revisions of blobs, an undo, and a deletion if the storage can delete."""
    oid, other, plain = (storage.new_oid() for _ in range(3))
    tids = [commit(storage, (oid, ZERO, content(CHUNK + 1, 1)), records=[(plain, ZERO, zodb_pickle(MinPO('x')))])]
    tids.append(commit(storage, (oid, tids[-1], content(3 * CHUNK, 2)), (other, ZERO, b'')))
    tids.append(commit(storage, (oid, tids[-1], b'small')))
    tids.append(undo(storage, tids[-1]))
    tids.append(commit(storage, (other, tids[1], content(CHUNK, 3))))
    return tids


def everything(storage):
    """The records and the contents of blobs of all the transactions."""
    found = []
    for tid, oid, data, data_txn in records(storage):
        blob = None
        if data is not None and b'ZODB.blob' in data:
            with storage.openCommittedBlobFile(oid, tid) as file:
                blob = file.read()
        found.append((tid, oid, data, data_txn, blob))
    return found


def file_storage(path):
    return FileStorage(str(path / 'data.fs'), blob_dir=str(path / 'blobs'))


def test_copies_from_and_to_file_storages(opened, tmp_path):
    for name in 'source', 'target':
        (tmp_path / name).mkdir()
    with closing(file_storage(tmp_path / 'source')) as source, closing(file_storage(tmp_path / 'target')) as target:
        with_history(source)
        expected = everything(source)
        assert [blob and len(blob) for *_, blob in expected].count(3 * CHUNK) == 2
        storage = opened()
        storage.copyTransactionsFrom(source)
        assert everything(storage) == expected
        target.copyTransactionsFrom(storage)
        assert everything(target) == expected
        assert everything(opened()) == expected
        assert not temporary_files(storage)
        # 1 + 3 chunks, 1 + 1, and the other object.
        assert len(raw_objects(storage)) == 4 + 2 + 1


def test_chunks_take_no_oid_of_another_storage(opened, tmp_path):
    """A DemoStorage has the objects of the storage below, which the cluster does not know."""
    base = file_storage(tmp_path)
    with closing(DB(base)) as database, database.transaction() as connection:
        root = connection.root()
        root['blob'] = Blob(content(CHUNK))
        for number in range(10):
            root[number] = MinPO(number)
    changes = opened()
    with closing(DB(DemoStorage(base=file_storage(tmp_path), changes=changes))) as database:
        for _ in range(2):
            with database.transaction() as connection:
                root = connection.root()
                with root['blob'].open('a') as file:
                    file.write(content(2 * CHUNK))
                root['new'] = Blob(content(3 * CHUNK))
        database.cacheMinimize()
        with database.transaction() as connection:
            root = connection.root()
            assert [root[number].value for number in range(10)] == list(range(10))
            with root['blob'].open() as file:
                assert len(file.read()) == 5 * CHUNK
            with root['new'].open() as file:
                assert file.read() == content(3 * CHUNK)
        # Its own, and those of the changed objects.
        assert {u64(oid) for oid in raw_objects(changes) if u64(oid) < 1 << 20} <= set(range(13))


def test_copy_between_clusters(opened, tmp_path):
    from cluster import Cluster
    source = opened()
    with_history(source)
    oid = source.new_oid()
    delete(source, oid, commit(source, (oid, ZERO, content(2 * CHUNK))))
    expected = everything(source)
    with Cluster() as cluster:
        with closing(cluster.storage(blob_dir=str(tmp_path / 'target'))) as target:
            target.copyTransactionsFrom(source)
            assert everything(target) == expected
            assert len(raw_objects(target)) == len(raw_objects(source))
        # Without a blob_dir, contents would be lost.
        cluster.clear()
        with closing(cluster.storage()) as without, pytest.raises(Unsupported, match='blob_dir'):
            without.copyTransactionsFrom(source)


def test_zodb_copies_with_restore_blob(opened, tmp_path):
    """`ZODB.blob.copyTransactionsFromTo`, which wrappers use."""
    with closing(file_storage(tmp_path)) as source:
        with_history(source)
        storage = opened()
        copyTransactionsFromTo(source, storage)
        assert everything(storage) == everything(source)
        assert not temporary_files(storage)


# Records, iteration, deletion

def test_chunks_are_hidden(opened):
    """What lists objects shows those of the program, with the records that it stored."""
    storage = opened()
    oid, other = storage.new_oid(), storage.new_oid()
    first = commit(storage, (oid, ZERO, content(3 * CHUNK)), records=[(other, ZERO, zodb_pickle(MinPO('x')))])
    second = commit(storage, (oid, first, content(CHUNK)))
    found = [
        (txn.tid, record.oid, record.data) for txn in storage.iterator() for record in txn if record.data is not None]
    assert found == [(first, oid, RECORD), (first, other, zodb_pickle(MinPO('x'))), (second, oid, RECORD)]
    current, cookie = [], None
    while True:
        current_oid, tid, data, cookie = storage.record_iternext(cookie)
        current.append((current_oid, tid, data))
        if cookie is None:
            break
    assert current == [(oid, second, RECORD), (other, first, zodb_pickle(MinPO('x')))]


def test_deletion_takes_the_chunks_along(opened):
    storage, other = opened(), opened()
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)))
    assert len(raw_objects(storage)) == 4
    txn = TransactionMetaData()
    other.sync()
    other.tpc_begin(txn)
    other.deleteObject(oid, tid, txn)
    other.tpc_vote(txn)
    other.tpc_finish(txn)
    assert raw_objects(storage) == []
    with pytest.raises(POSKeyError):
        storage.load(oid)
    # Not packed yet.
    assert read(other, oid, tid) == content(3 * CHUNK)


def test_the_record_cache_keeps_records(opened):
    """Contents do not take the place of records, neither when they are written nor when they are read."""
    storage = opened(cache_size=20 << 20)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(8 * CHUNK)))
    os.remove(storage.loadBlob(oid, tid))
    storage.loadBlob(oid, tid)
    assert storage._cache.statistics()['bytes'] < 10_000


def test_wrapped_storage(opened):
    """A wrapper that transforms records: the token stands behind what it made."""
    from ZODB.tests.hexstorage import HexStorage
    storage = opened()
    database = DB(HexStorage(storage))
    with database.transaction() as connection:
        connection.root()['blob'] = Blob(b'data')
    oid = p64(1)
    assert storage.is_blob_record(storage.load(oid)[0])
    assert storage.load(oid)[0].startswith(b'.h')
    with database.transaction() as connection, connection.root()['blob'].open() as file:
        assert file.read() == b'data'
    database.close()
