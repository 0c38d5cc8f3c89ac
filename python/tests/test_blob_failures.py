"""Blobs while nodes and clients are lost."""

import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from transaction.interfaces import TransientError
from ZODB.POSException import POSKeyError, StorageError

from blobs import (
    CHUNK, ZERO, cached_files, commit, committed_rows, content, database_rows, raw_objects, read, soon, temporary_files)
from cluster import Cluster
from transactions import eventually, until_it_works


@pytest.fixture(scope='module')
def replicated():
    with Cluster(replicas=1) as cluster:
        yield cluster


def chunks_before(storage, monkeypatch, count, event):
    """Calls `event` when so many chunks of the next blobs are stored."""
    original = storage.app.store_unkept
    stored = []

    def store_unkept(*arguments):
        original(*arguments)
        stored.append(1)
        if len(stored) == count:
            event()
    monkeypatch.setattr(storage.app, 'store_unkept', store_unkept)


def test_one_replica_is_enough(replicated, tmp_path):
    """To read blobs, to change them, and for the other one to catch up."""
    node, other_node = replicated.storage_nodes
    with closing(replicated.storage(blob_dir=str(tmp_path / 'writer'))) as storage:
        oid = storage.new_oid()
        first = commit(storage, (oid, ZERO, content(3 * CHUNK, 1)))
        node.kill()
        os.remove(storage.loadBlob(oid, first))
        assert read(storage, oid, first) == content(3 * CHUNK, 1)
        second = until_it_works(lambda: commit(storage, (oid, first, content(5 * CHUNK, 2))))
        node.start()
        replicated.wait_running()
        replicated.wait_up_to_date()
        other_node.kill()
        with closing(replicated.storage(blob_dir=str(tmp_path / 'reader'))) as reader:
            assert until_it_works(lambda: read(reader, oid, first)) == content(3 * CHUNK, 1)
            assert read(reader, oid, second) == content(5 * CHUNK, 2)
    other_node.start()
    replicated.wait_running()
    replicated.wait_up_to_date()


def test_a_replica_is_killed_in_the_middle_of_an_upload(replicated, tmp_path, monkeypatch):
    """The commit goes on with the other one; the one that comes back gets all of it."""
    node, other_node = replicated.storage_nodes
    with closing(replicated.storage(blob_dir=str(tmp_path / 'writer'))) as storage:
        oid = storage.new_oid()
        chunks_before(storage, monkeypatch, 10, node.kill)
        tid = commit(storage, (oid, ZERO, content(20 * CHUNK)))
        assert not temporary_files(storage)
    node.start()
    replicated.wait_running()
    replicated.wait_up_to_date()
    other_node.kill()
    with closing(replicated.storage(blob_dir=str(tmp_path / 'reader'))) as reader:
        assert until_it_works(lambda: read(reader, oid, tid)) == content(20 * CHUNK)
    other_node.start()
    replicated.wait_running()
    replicated.wait_up_to_date()


def test_the_only_replica_is_killed_in_the_middle_of_an_upload(shared_cluster, opened, monkeypatch):
    """The transaction fails, in a way that Zope tries again, and no revision is left anywhere."""
    storage = opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    first = commit(storage, (oid, ZERO, content(CHUNK)))
    rows, objects = committed_rows(shared_cluster), raw_objects(storage, others)
    node = shared_cluster.storage_nodes[0]
    with monkeypatch.context() as patch:
        chunks_before(storage, patch, 10, node.kill)
        with pytest.raises(StorageError) as caught:
            commit(storage, (oid, first, content(20 * CHUNK)))
    assert isinstance(caught.value, TransientError)
    assert not temporary_files(storage)
    assert len(cached_files(storage)) == 1
    node.start()
    shared_cluster.wait_running()
    assert until_it_works(lambda: raw_objects(storage, others)) == objects
    assert database_rows(shared_cluster, rows)[::2] == (0, 0)
    # The values that it had written already are for a repair to find.
    assert shared_cluster.control('prune_orphan', '0', 'all').returncode == 0
    soon(lambda: database_rows(shared_cluster, rows), (0, 0, 0))
    assert read(opened(), oid, first) == content(CHUNK)
    second = until_it_works(lambda: commit(storage, (oid, first, content(20 * CHUNK))))
    assert read(opened(), oid, second) == content(20 * CHUNK)


UPLOAD = """
import os, sys
from ZODB.Connection import TransactionMetaData
from neo.client.Storage import Storage
from blobs import CHUNK, content, store
masters, name, blob_dir, oid, serial, votes = sys.argv[1:]
storage = Storage(masters, name, blob_dir=blob_dir)
original, stored = storage.app.store_unkept, []

def store_unkept(*arguments):
    original(*arguments)
    stored.append(1)
    if len(stored) == 10 and votes == 'no':
        print('half', flush=True)
        sys.stdin.read()
storage.app.store_unkept = store_unkept
txn = TransactionMetaData()
storage.tpc_begin(txn)
store(storage, txn, bytes.fromhex(oid), bytes.fromhex(serial), content(20 * CHUNK))
storage.tpc_vote(txn)
print('voted', flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize('votes', ['no', 'yes'])
def test_a_client_is_killed_in_the_middle_of_an_upload(shared_cluster, opened, tmp_path, votes):
    """Nothing is left in the databases, nor in its directory once somebody else opens it, and nothing is locked."""
    storage = opened()
    others = raw_objects(storage)
    oid = storage.new_oid()
    first = commit(storage, (oid, ZERO, content(CHUNK)))
    rows, objects = committed_rows(shared_cluster), raw_objects(storage, others)
    client = subprocess.Popen(
        [sys.executable, '-c', UPLOAD, shared_cluster.masters, shared_cluster.name, str(tmp_path / 'killed'),
         oid.hex(), first.hex(), votes],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    try:
        assert client.stdout.readline() == ('voted\n' if votes == 'yes' else 'half\n')
        eventually(lambda: database_rows(shared_cluster, rows)[1] >= 5)
    finally:
        client.send_signal(signal.SIGKILL)
        client.wait()
        client.stdin.close()
        client.stdout.close()
    soon(lambda: database_rows(shared_cluster, rows), (0, 0, 0))
    assert raw_objects(storage, others) == objects
    assert os.listdir(tmp_path / 'killed' / 'tmp')
    second = commit(storage, (oid, first, content(2 * CHUNK)))
    again = opened('killed')
    assert temporary_files(again) == [] and cached_files(again) == []
    assert read(again, oid, second) == content(2 * CHUNK)


def test_reads_of_a_partition_that_is_lost(shared_cluster, opened):
    """The error can be tried again, nothing incomplete is left under the name of the blob, and it comes back."""
    storage, other = opened(), opened(wait_timeout=1)
    oid = storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(20 * CHUNK)))
    other.sync()
    node = shared_cluster.storage_nodes[0]
    node.kill()
    with pytest.raises(StorageError) as caught:
        other.loadBlob(oid, tid)
    assert isinstance(caught.value, TransientError) and not isinstance(caught.value, POSKeyError)
    assert not temporary_files(other) and not cached_files(other)
    node.start()
    shared_cluster.wait_running()
    assert until_it_works(lambda: read(other, oid, tid)) == content(20 * CHUNK)


def test_an_upload_goes_on_after_the_master_is_lost(shared_cluster, opened, monkeypatch):
    """Not with that transaction: it ends in an error that is tried again."""
    storage = opened()
    oid = storage.new_oid()
    rows = committed_rows(shared_cluster)
    master = shared_cluster.master_nodes[0]
    with monkeypatch.context() as patch:
        chunks_before(storage, patch, 5, master.kill)
        with pytest.raises(TransientError):
            commit(storage, (oid, ZERO, content(10 * CHUNK)))
    master.start()
    shared_cluster.wait_running()
    assert not temporary_files(storage) and not cached_files(storage)
    soon(lambda: database_rows(shared_cluster, rows), (0, 0, 0))
    tid = until_it_works(lambda: commit(storage, (oid, ZERO, content(10 * CHUNK))))
    assert read(opened(), oid, tid) == content(10 * CHUNK)
