"""What is measured: the same objects in a storage of each kind."""

import logging
import os
import random
import sys
import threading
import time
from multiprocessing import active_children
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'python'), str(ROOT / 'python' / 'tests')]

from ZODB.Connection import TransactionMetaData  # noqa: E402
from ZODB.FileStorage import FileStorage  # noqa: E402
from ZODB.utils import z64  # noqa: E402

from limits import repeated  # noqa: E402

OBJECTS = 2000
RECORD = 300
LARGE_OBJECTS = 8
LARGE_RECORD = 1 << 20
THREADS = 4
MAXIMUM = b'\x7f' + b'\xff' * 7


class Load:
    """What a client does to a storage."""

    def __init__(self, storage, oids, serials, large=()):
        self.storage = storage
        self.oids = oids
        self.serials = serials
        self.large = large
        self.random = random.Random(os.getpid())

    def forget(self):
        """Empties the cache of the client."""
        if hasattr(self.storage, '_cache'):
            self.storage._cache.clear()

    def commit(self, objects, size=RECORD):
        storage, transaction = self.storage, TransactionMetaData()
        storage.tpc_begin(transaction)
        for oid, serial in objects:
            storage.store(oid, serial, self.random.randbytes(size), '', transaction)
        storage.tpc_vote(transaction)
        return storage.tpc_finish(transaction)

    def change(self, oids, size=RECORD):
        tid = self.commit([(oid, self.serials[oid]) for oid in oids], size)
        for oid in oids:
            self.serials[oid] = tid

    # Measurements: a number a second

    def passes(self, seconds, oids, load_all):
        """Loads objects that are in no cache; only this is timed, not the emptying of the cache."""
        clock = time.perf_counter
        count = spent = 0
        while spent < seconds:
            self.forget()
            begin = clock()
            end = begin + seconds - spent
            count += load_all(self.random.sample(oids, len(oids)), end)
            spent += clock() - begin
        return count / spent

    def loads(self, seconds):
        return self.passes(seconds, self.oids, self.load_until)

    def large_loads(self, seconds):
        return self.passes(seconds, self.large, self.load_until)

    def load_until(self, oids, end):
        load, clock = self.storage.loadBefore, time.perf_counter
        for count, oid in enumerate(oids, 1):
            load(oid, MAXIMUM)
            if not count % 16 and clock() > end:
                break
        return count

    def prefetched_loads(self, seconds):
        return self.passes(seconds, self.oids, self.prefetch_until)

    def prefetch_until(self, oids, end):
        storage = self.storage
        for begin in range(0, len(oids), 100):
            batch = oids[begin:begin + 100]
            storage.prefetch(batch, MAXIMUM)
            for oid in batch:
                storage.loadBefore(oid, MAXIMUM)
            if time.perf_counter() > end:
                break
        return begin + len(batch)

    def loads_by_threads(self, seconds):
        def load_all(oids, end):
            return by_threads(lambda index: self.load_until(oids[index::THREADS], end))
        return self.passes(seconds, self.oids, load_all)

    def commits(self, seconds):
        return repeated(lambda _: self.change([self.random.choice(self.oids)]), seconds)

    def commits_of_100(self, seconds):
        return repeated(lambda _: self.change(self.random.sample(self.oids, 100)), seconds)

    def large_commits(self, seconds):
        return repeated(lambda _: self.change([self.random.choice(self.large)], LARGE_RECORD), seconds)

    def commits_by_threads(self, seconds):
        def change_share(index):
            share = self.oids[index::THREADS]
            return repeated(lambda _: self.change([self.random.choice(share)]), seconds)
        return by_threads(change_share)


def by_threads(function):
    """The sum of what `function` gives to each of several threads that begin together."""
    results, barrier = [], threading.Barrier(THREADS)

    def run(index):
        barrier.wait()
        results.append(function(index))
    threads = [threading.Thread(target=run, args=(index,)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == THREADS, 'a thread failed'
    return sum(results)


class Peer:
    """A kind of storage, with its servers."""

    #: For ``open_storage``, in any process; None: only one process can have it.
    address = None
    #: The process that keeps the data.
    server = None

    def fill(self):
        storage = self.storage
        oids = [storage.new_oid() for _ in range(OBJECTS)]
        large = [storage.new_oid() for _ in range(LARGE_OBJECTS)]
        self.load = Load(storage, oids, dict.fromkeys(oids + large, z64), large)
        for begin in range(0, OBJECTS, 100):
            self.load.change(oids[begin:begin + 100])
        for oid in large:
            self.load.change([oid], LARGE_RECORD)

    def peak_memory(self):
        """Of the server, in MiB; None if it cannot be told."""
        if self.server is None:
            return None
        try:
            with open(f'/proc/{self.server}/status') as status:
                return next(int(line.split()[1]) / 1024 for line in status if line.startswith('VmHWM'))
        except OSError:
            return None

    def close(self):
        self.storage.close()


class NEO(Peer):
    """One database file, as the peers."""

    name = 'NEO'
    storages = 1

    def __init__(self, directory):
        from cluster import Cluster
        self.cluster = Cluster(
            storages=self.storages, partitions=4, replicas=0, name='bench',
            directory=os.path.join(directory, self.name)).start()
        self.address = self.cluster.masters
        self.server = self.cluster.storage_nodes[0].process.pid
        self.storage = self.open_storage(self.address)
        self.fill()

    @staticmethod
    def open_storage(address):
        from neo.client.Storage import Storage
        return Storage(address, 'bench')

    def close(self):
        super().close()
        self.cluster.close()


class NEO2(NEO):
    """Most transactions concern two storages, which sync their files on the same disk."""

    name = 'NEO2'
    storages = 2


class ZEO(Peer):
    name = 'ZEO'

    def __init__(self, directory):
        import ZEO
        # Its server tells of each commit that waits for another one.
        logging.getLogger('ZEO').setLevel(logging.ERROR)
        os.mkdir(os.path.join(directory, 'zeo'))
        others = {child.pid for child in active_children()}
        self.address, self.stop = ZEO.server(path=os.path.join(directory, 'zeo', 'Data.fs'), threaded=False)
        self.server, = {child.pid for child in active_children()} - others
        self.storage = self.open_storage(self.address)
        self.fill()

    @staticmethod
    def open_storage(address):
        import ZEO
        return ZEO.client(address, cache_size=20 << 20)

    def close(self):
        super().close()
        self.stop()


class File(Peer):
    name = 'FileStorage'

    def __init__(self, directory):
        self.storage = FileStorage(os.path.join(directory, 'Data.fs'))
        self.fill()


PEERS = {peer.name: peer for peer in (NEO, NEO2, ZEO, File)}
