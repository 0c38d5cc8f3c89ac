"""Garbage collection by zc.zodbdgc, as its own programs: what nothing refers to is found and deleted."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import transaction
from ZODB import DB
from ZODB.blob import Blob
from ZODB.POSException import POSKeyError
from ZODB.tests.MinPO import MinPO

from blobs import CHUNK, content, raw_objects

CONFIGURATION = '''
%import neo.client
<zodb main>
  <NEOStorage>
    master_nodes {cluster.masters}
    name {cluster.name}
    blob-dir {blob_dir}
  </NEOStorage>
</zodb>
'''


class Collector:
    """The programs of zc.zodbdgc, on the configuration that an administrator would write."""

    def __init__(self, cluster, directory):
        self.directory = directory
        (directory / 'zodb.conf').write_text(CONFIGURATION.format(cluster=cluster, blob_dir=directory / 'blobs'))

    def run(self, program, *arguments):
        """What it prints, which is nothing if all is well."""
        result = subprocess.run(
            [Path(sys.executable).parent / program, *arguments, 'zodb.conf'], cwd=self.directory,
            capture_output=True, text=True, timeout=60, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        assert result.returncode == 0, result
        return result.stdout + result.stderr


@pytest.fixture
def collector(cluster, tmp_path):
    return Collector(cluster, tmp_path)


@pytest.mark.parametrize('cluster', [{}, {'storages': 3, 'partitions': 5, 'replicas': 1}], indirect=True)
def test_garbage_is_deleted(cluster, collector, tmp_path):
    """Objects and blobs, in chains and in circles; what can be reached stays, and old revisions until the next pack."""
    storage = cluster.storage(blob_dir=str(tmp_path / 'writer'), pack_wait=True)
    other = DB(cluster.storage(blob_dir=str(tmp_path / 'other')))
    with closing(DB(storage)) as db:
        with db.transaction() as connection:
            root = connection.root()
            for number in range(250):
                root[number] = MinPO(number)
            for name in 'kept', 'dropped':
                root[name] = MinPO(Blob(content(2 * CHUNK)))
                root[name + ' circle'] = first = MinPO()
                first.value = MinPO(first)
        with db.transaction() as connection:
            root = connection.root()
            dropped = [root[number] for number in range(0, 250, 2)]
            dropped += [
                root['dropped'], root['dropped'].value, root['dropped circle'], root['dropped circle'].value]
            for each in dropped:
                each._p_activate()
            garbage = {each._p_oid: each._p_serial for each in dropped}
        # Another client has all of it in its caches.
        manager = transaction.TransactionManager()
        connection = other.open(manager)
        blob = connection.root()['dropped'].value
        with blob.open() as file:
            assert file.read() == content(2 * CHUNK)
        seen = [connection.root()[number] for number in range(250)]
        assert [each.value for each in seen] == list(range(250))
        manager.abort()

        with db.transaction() as writing:
            root = writing.root()
            for number in range(0, 250, 2):
                del root[number]
            del root['dropped'], root['dropped circle']
        # What old revisions refer to is no garbage.
        db.pack()
        objects = raw_objects(storage)
        # By default what was changed in the last day is left alone.
        assert collector.run('multi-zodb-gc') == ''
        assert raw_objects(storage) == objects
        # The tool counts in seconds.
        time.sleep(1.1)
        assert collector.run('multi-zodb-gc', '--days', '0') == ''

        # The deleted objects, and the two chunks of the blob.
        assert len(objects) - len(raw_objects(storage)) == len(garbage) + 2
        assert not set(garbage) & set(raw_objects(storage))
        for client in storage, other.storage:
            client.sync()
            for oid, serial in garbage.items():
                with pytest.raises(POSKeyError):
                    client.load(oid)
                assert client.loadSerial(oid, serial)
        manager.begin()
        with pytest.raises(POSKeyError):
            connection.cacheMinimize()
            seen[0].value
        assert [each.value for each in seen[1::2]] == list(range(1, 250, 2))
        with connection.root()['kept'].value.open() as file:
            assert file.read() == content(2 * CHUNK)
        manager.abort()
        # Nothing that is left refers to what is not there.
        assert collector.run('multi-zodb-check-refs') == ''
        db.pack()
        with closing(cluster.storage()) as client:
            for oid, serial in garbage.items():
                with pytest.raises(POSKeyError):
                    client.loadSerial(oid, serial)
    other.close()
