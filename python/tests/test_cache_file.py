"""The record cache that is kept on disk: what is read again, and what never is."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import POSKeyError
from ZODB.utils import p64, u64

from cluster import Cluster
from neo.client.Storage import Storage
from transactions import commit

ZERO = bytes(8)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'cache')


@pytest.fixture(autouse=True)
def messages(caplog):
    caplog.set_level(logging.INFO, 'neo.client')

    def messages():
        return [record.getMessage() for record in caplog.records if 'cache file' in record.getMessage()]
    return messages


def opened(cluster, path, **options):
    return closing(cluster.storage(cache_file=path, **options))


def filled(cluster, path, count=20):
    """Commits objects and leaves a file that has them: {oid: data}, their serial."""
    with opened(cluster, path) as storage:
        objects = {storage.new_oid(): b'%d' % number * 1000 for number in range(count)}
        serial = commit(storage, [(oid, ZERO, data) for oid, data in objects.items()])
    return objects, serial


def misses(storage):
    return storage._cache.statistics()['miss_count']


def wait_until_checked(storage, messages):
    storage.sync()
    deadline = time.monotonic() + 10
    while not messages():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_asked_again(shared_cluster, path, messages):
    objects, serial = filled(shared_cluster, path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
    for _ in range(2):
        with opened(shared_cluster, path) as storage:
            for oid, data in objects.items():
                assert storage.load(oid) == (data, serial)
                assert storage.loadBefore(oid, p64(u64(serial) + 1)) == (data, serial, None)
            assert misses(storage) == 0
    assert messages() == ['cache file: 20 of 20 records are still of use'] * 2


def test_what_changed_meanwhile_is_not_used(shared_cluster, path, messages):
    objects, serial = filled(shared_cluster, path)
    changed, deleted, checked, *others = objects
    with closing(shared_cluster.storage()) as other:
        new = commit(other, [(changed, serial, b'new')])
        commit(other, [(deleted, serial, None)])
        for _ in range(10):
            commit(other, [(other.new_oid(), ZERO, b'unrelated')])
        txn = TransactionMetaData()
        other.tpc_begin(txn)
        other.checkCurrentSerialInTransaction(checked, serial, txn)
        other.tpc_vote(txn)
        other.tpc_finish(txn)
    with opened(shared_cluster, path) as storage:
        wait_until_checked(storage, messages)
        assert messages() == ['cache file: 17 of 20 records are still of use']
        assert storage.load(changed) == (b'new', new)
        with pytest.raises(POSKeyError):
            storage.load(deleted)
        assert misses(storage) == 2
        for oid in others:
            assert storage.load(oid) == (objects[oid], serial)
        assert misses(storage) == 2
        assert storage.load(checked) == (objects[checked], serial)


def test_old_revisions_keep_their_bounds(shared_cluster, path):
    with opened(shared_cluster, path) as storage:
        oid = storage.new_oid()
        first = commit(storage, [(oid, ZERO, b'1')])
        second = commit(storage, [(oid, first, b'2')])
        assert storage.loadBefore(oid, second) == (b'1', first, second)
    with closing(shared_cluster.storage()) as other:
        third = commit(other, [(oid, second, b'3')])
    with opened(shared_cluster, path) as storage:
        storage.sync()
        assert storage.load(oid) == (b'3', third)
        assert storage.loadBefore(oid, third) == (b'2', second, third)
        assert storage.loadBefore(oid, second) == (b'1', first, second)
        assert storage.loadBefore(oid, first) is None


def test_commits_while_it_is_checked(shared_cluster, path):
    """Whatever comes while the transactions of the meantime are asked about, nothing old is current afterwards."""
    objects, serial = filled(shared_cluster, path, 100)
    current = dict.fromkeys(objects, serial)
    with closing(shared_cluster.storage()) as other:
        for _ in range(300):
            commit(other, [(other.new_oid(), ZERO, b'unrelated')])
        stop = threading.Event()

        def change():
            for oid in objects:
                current[oid] = commit(other, [(oid, current[oid], b'new')])
            stop.set()
        thread = threading.Thread(target=change)
        thread.start()
        while not stop.is_set():
            with opened(shared_cluster, path) as storage:
                for oid in objects:
                    # In this order: what is committed behind `sync` may not be known here yet.
                    before = current[oid]
                    storage.sync()
                    data, found = storage.load(oid)
                    assert found >= before
                    assert data == (objects[oid] if found == serial else b'new')
        thread.join()
    with opened(shared_cluster, path) as storage:
        for oid in objects:
            assert storage.load(oid) == (b'new', current[oid])


@pytest.mark.parametrize('damage', ['cut', 'empty', 'flipped', 'garbage', 'longer', 'directory'])
def test_damaged_files_are_not_used(shared_cluster, path, damage, messages):
    objects, serial = filled(shared_cluster, path)
    with open(path, 'r+b') as file:
        size = file.seek(0, os.SEEK_END)
        if damage == 'cut':
            file.truncate(size - 10)
        elif damage == 'empty':
            file.truncate(0)
        elif damage == 'flipped':
            file.seek(size // 2)
            byte = file.read(1)[0]
            file.seek(size // 2)
            file.write(bytes([byte ^ 1]))
        elif damage == 'garbage':
            file.seek(0)
            file.write(os.urandom(size))
        elif damage == 'longer':
            # A block that says to be longer than the file.
            file.seek(0)
            name = shared_cluster.name.encode()
            header = file.read(8 + 4 + 8 + 8 + 4 + len(name) + 20)
            file.write(b'\xff' * 4)
            assert header.startswith(b'NEOcache')
    if damage == 'directory':
        os.remove(path)
        os.mkdir(path)
    for _ in range(2):
        with opened(shared_cluster, path) as storage:
            for oid, data in objects.items():
                assert storage.load(oid) == (data, serial)
    first, *_ = messages()
    assert path in first and 'is not used' in first
    if damage == 'directory':
        assert any('was not written' in text for text in messages())
    else:
        # It was replaced by a good one.
        assert messages()[-1] == 'cache file: 20 of 20 records are still of use'


def test_file_of_another_cluster(shared_cluster, path, messages):
    objects, serial = filled(shared_cluster, path)
    with Cluster(name='other') as cluster, opened(cluster, path) as storage:
        for oid in objects:
            with pytest.raises(POSKeyError):
                storage.load(oid)
    assert 'it is of the cluster test' in messages()[0]


def test_database_that_was_recreated(cluster, path, messages):
    """Under the same name, with objects of the same oids."""
    objects, serial = filled(cluster, path)
    cluster.clear()
    with closing(cluster.storage()) as other:
        new = commit(other, [(oid, ZERO, b'other') for oid in objects])
    with opened(cluster, path) as storage:
        for oid in objects:
            assert storage.load(oid) == (b'other', new)
        wait_until_checked(storage, messages)
    assert f'the database has no transaction {serial.hex()}' in messages()[0].lower()


@pytest.mark.parametrize('goes_on', [False, True])
def test_database_that_was_truncated(cluster, path, goes_on, messages):
    with closing(cluster.storage()) as storage:
        oid = storage.new_oid()
        first = commit(storage, [(oid, ZERO, b'1')])
    with opened(cluster, path) as storage:
        storage.load(oid)
        commit(storage, [(oid, first, b'2')])
    result = cluster.control('truncate', f'tid:{u64(first):#x}')
    assert result.returncode == 0, result
    cluster.wait_running()
    expected = (b'1', first)
    if goes_on:
        with closing(cluster.storage()) as other:
            expected = b'3', commit(other, [(oid, first, b'3')])
    with opened(cluster, path) as storage:
        assert storage.load(oid) == expected
        wait_until_checked(storage, messages)
    assert 'are not used' in messages()[0]


def test_no_connection_leaves_the_file(shared_cluster, path):
    objects, serial = filled(shared_cluster, path)
    with open(path, 'rb') as file:
        before = file.read()
    Storage('127.0.0.1:1', shared_cluster.name, cache_file=path).close()
    with open(path, 'rb') as file:
        assert file.read() == before


def test_it_is_written_on_demand_and_at_exit(shared_cluster, path):
    with opened(shared_cluster, path) as storage:
        oid = storage.new_oid()
        commit(storage, [(oid, ZERO, b'1')])
        assert not os.path.exists(path)
        storage._cache.save()
        size = os.path.getsize(path)
        commit(storage, [(storage.new_oid(), ZERO, b'1')])
    assert os.path.getsize(path) > size
    os.remove(path)
    script = f'''
import sys
sys.path[:0] = {sys.path!r}
from neo.client.Storage import Storage
storage = Storage({shared_cluster.masters!r}, {shared_cluster.name!r}, cache_file={path!r})
storage.load({oid!r})
'''
    subprocess.run([sys.executable, '-c', script], check=True, timeout=30)
    with opened(shared_cluster, path) as storage:
        assert storage.load(oid)[0] == b'1'
        assert misses(storage) == 0


def test_size(shared_cluster, path):
    """The file has what the cache has; a smaller cache takes what was used most."""
    with opened(shared_cluster, path, cache_size=1 << 20) as storage:
        oids = [storage.new_oid() for _ in range(30)]
        for oid in oids:
            commit(storage, [(oid, ZERO, os.urandom(100_000))])
        for _ in range(5):
            storage.load(oids[-1])
            storage.load(oids[-2])
        huge = storage.new_oid()
        commit(storage, [(huge, ZERO, os.urandom(900_000))])
        storage.load(oids[-1])
    assert os.path.getsize(path) < 1.1 * (1 << 20)
    with opened(shared_cluster, path, cache_size=250_000) as storage:
        storage.load(oids[-1])
        assert misses(storage) == 0
        assert storage._cache.statistics()['bytes'] <= 250_000
    with opened(shared_cluster, path, cache_size=0) as storage:
        storage.load(oids[-1])
        assert misses(storage) == 1


def work(masters, name, path, oids, seconds):
    storage = Storage(masters, name, cache_file=path)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for oid in oids:
            data, serial = storage.load(oid)
            assert data == oid * 1000
        storage._cache.save()
        storage._cache.clear()
    storage.close()


def test_several_processes_share_it(shared_cluster, path, messages):
    """Some are killed in the middle of writing; the others, and those that follow, are not disturbed."""
    with closing(shared_cluster.storage()) as storage:
        oids = [storage.new_oid() for _ in range(200)]
        commit(storage, [(oid, ZERO, oid * 1000) for oid in oids])
    context = multiprocessing.get_context('spawn')
    processes = [
        context.Process(target=work, args=(shared_cluster.masters, shared_cluster.name, path, oids, seconds))
        for seconds in (2, 2, 100, 100)]
    for process in processes:
        process.start()
    time.sleep(1.5)
    for process in processes[2:]:
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0, -signal.SIGKILL, -signal.SIGKILL]
    with opened(shared_cluster, path) as storage:
        wait_until_checked(storage, messages)
        assert messages() == ['cache file: 200 of 200 records are still of use']
    assert set(os.listdir(os.path.dirname(path))) <= {'cache', 'cache.new'}


def test_a_child_process_works_without_it(shared_cluster, path):
    objects, serial = filled(shared_cluster, path)
    with opened(shared_cluster, path) as storage:
        storage.load(next(iter(objects)))
        child = os.fork()
        if not child:
            status = 1
            try:
                for oid, data in objects.items():
                    assert storage.load(oid) == (data, serial)
                assert misses(storage) == len(objects)
                os.remove(path)
                storage.close()
                status = 2 if os.path.exists(path) else 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
    assert os.path.exists(path)


def test_it_is_not_for_damaged_records(shared_cluster, path):
    with pytest.raises(ValueError, match='ignore_wrong_checksum'):
        shared_cluster.storage(cache_file=path, ignore_wrong_checksum=True)
