"""Blobs copied from and to other storages, and above them."""

from contextlib import closing

import pytest
from ZODB import DB
from ZODB.blob import Blob, copyTransactionsFromTo
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.POSException import Unsupported
from ZODB.tests.MinPO import MinPO
from ZODB.tests.StorageTestBase import zodb_pickle
from ZODB.utils import u64

from blobs import CHUNK, ZERO, commit, content, delete, raw_objects, records, temporary_files, undo
from cluster import Cluster


@pytest.fixture(autouse=True)
def empty(shared_cluster):
    """Copies are of whole databases."""
    shared_cluster.clear()


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


def test_wrapped_storage(opened):
    """A wrapper that transforms records: the token stands behind what it made."""
    from ZODB.tests.hexstorage import HexStorage
    storage = opened()
    database = DB(HexStorage(storage))
    with database.transaction() as connection:
        blob = connection.root()['blob'] = Blob(b'data')
        connection.add(blob)
        oid = blob._p_oid
    assert storage.is_blob_record(storage.load(oid)[0])
    assert storage.load(oid)[0].startswith(b'.h')
    with database.transaction() as connection, connection.root()['blob'].open() as file:
        assert file.read() == b'data'
    database.close()
