"""The directory of blob files: a cache that processes share. And the memory that a large blob takes."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from contextlib import suppress

import big_blob
from blobs import CHUNK, ZERO, cached_files, commit, content, read, temporary_files
from transactions import eventually


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
    total = 0
    for path in cached_files(storage):
        # It may be removed at any moment.
        with suppress(FileNotFoundError):
            total += os.stat(path).st_size
    return total


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
    eventually(lambda: cached_bytes(reader) <= 4 * CHUNK)
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
    eventually(lambda: cached_bytes(again) <= 4 * CHUNK)


def test_blobs_larger_than_the_cache(opened):
    storage = opened(blob_cache_size=CHUNK)
    oid, other = storage.new_oid(), storage.new_oid()
    tid = commit(storage, (oid, ZERO, content(3 * CHUNK)), (other, ZERO, content(2 * CHUNK, 2)))
    for _ in range(5):
        for blob, expected in (oid, content(3 * CHUNK)), (other, content(2 * CHUNK, 2)):
            # By its path it could be removed before it is open.
            with storage.openCommittedBlobFile(blob, tid) as file:
                assert file.read() == expected


SHARING = """
import hashlib, random, sys
from neo.client.Storage import Storage
masters, name, blob_dir, tid, seed, *expected = sys.argv[1:]
storage = Storage(masters, name, blob_dir=blob_dir, blob_cache_size=3 << 20, blob_cache_size_check=10)
random.seed(int(seed))
for _ in range(40):
    oid, digest = random.choice(expected).split(':')
    file = storage.openCommittedBlobFile(bytes.fromhex(oid), bytes.fromhex(tid))
    found = hashlib.sha256(file.read()).hexdigest()
    file.close()
    assert found == digest, oid
storage.close()
"""


def test_processes_share_a_directory(opened, shared_cluster, tmp_path):
    """That has no room for all the blobs: files come and go."""
    storage = opened()
    oids = [storage.new_oid() for _ in range(8)]
    tid = commit(storage, *((oid, ZERO, content(CHUNK, seed)) for seed, oid in enumerate(oids)))
    expected = [
        f'{oid.hex()}:{hashlib.sha256(content(CHUNK, seed)).hexdigest()}' for seed, oid in enumerate(oids)]
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', SHARING, shared_cluster.masters, shared_cluster.name, str(tmp_path / 'shared'),
             tid.hex(), str(seed), *expected],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        for seed in range(3)]
    for process in processes:
        assert process.wait(timeout=120) == 0
    last = opened('shared', blob_cache_size=3 * CHUNK)
    eventually(lambda: cached_bytes(last) <= 3 * CHUNK)
    assert not temporary_files(last)


def test_memory_of_a_large_blob():
    """Neither the clients nor the storages hold it: scripts/test-big-blob does the same with 1 GiB."""
    for what, _, extra in big_blob.measure(100 << 20):
        for name, size in extra.items():
            assert size < 64 << 20, (what, extra)
