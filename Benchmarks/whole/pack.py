"""What clients feel of a pack, and what a pack leaves: `bench.py --only pack [--revisions 200000]`.

A history of so many revisions, 20 of each object, is written to a cluster of one storage and to a FileStorage, with the same
TIDs. Then

1. a copy of the cluster packs it alone; its storage is killed in the middle, and started again;
2. the cluster packs it while 4 client processes load and commit the same objects. What each operation takes is compared with
   what it takes before and after the pack;
3. the FileStorage packs it, without collecting what is unreachable. What is left in the three must be the same.
"""

import os
import shutil
import sqlite3
import time
from multiprocessing import get_context

from ZODB.FileStorage import FileStorage
from ZODB.utils import p64, u64, z64

from cluster import Cluster
from peers import MAXIMUM, NEO, RECORD
from transactions import commit

REVISIONS_OF_OBJECT = 20
OBJECTS_OF_TRANSACTION = 100
CLIENTS = 4
LOADS_A_COMMIT = 10
#: The goal: a percentile of what an operation takes during the pack, as a multiple of what it takes otherwise.
GOAL = 1.5


def fill(storage, peer, revisions):
    """The OIDs, and the TID up to which to pack. The last revision of each object stays."""
    count = max(OBJECTS_OF_TRANSACTION, revisions // REVISIONS_OF_OBJECT)
    oids = [storage.new_oid() for _ in range(count)]
    serials = dict.fromkeys(oids, z64)
    for _ in range(REVISIONS_OF_OBJECT):
        for begin in range(0, count, OBJECTS_OF_TRANSACTION):
            batch = oids[begin:begin + OBJECTS_OF_TRANSACTION]
            records = [(oid, serials[oid], os.urandom(RECORD)) for oid in batch]
            tid = commit(storage, records)
            commit(peer, records, tid=tid)
            serials.update(dict.fromkeys(batch, tid))
    return oids, tid


def serve(pipe, address, oids):
    """A client: loads and commits until it is told to stop, then gives [(kind, begin, duration)]."""
    storage = NEO.open_storage(address)
    clock = time.monotonic
    serials = {oid: storage.loadBefore(oid, MAXIMUM)[1] for oid in oids}
    done = []
    pipe.send('ready')
    index = 0
    while not pipe.poll():
        storage._cache.clear()
        for _ in range(LOADS_A_COMMIT):
            index += 1
            begin = clock()
            storage.loadBefore(oids[index * 7919 % len(oids)], MAXIMUM)
            done.append(('load', begin, clock() - begin))
        oid = oids[index * 104729 % len(oids)]
        begin = clock()
        serials[oid] = commit(storage, [(oid, serials[oid], os.urandom(RECORD))])
        done.append(('commit', begin, clock() - begin))
    pipe.send(done)
    storage.close()


class Clients:
    def __init__(self, address, oids):
        context = get_context('spawn')
        self.workers = []
        for index in range(CLIENTS):
            pipe, other = context.Pipe()
            process = context.Process(target=serve, args=(other, address, oids[index::CLIENTS]), daemon=True)
            process.start()
            self.workers.append((process, pipe))
        for _, pipe in self.workers:
            pipe.recv()

    def stop(self):
        for _, pipe in self.workers:
            pipe.send('stop')
        done = [operation for _, pipe in self.workers for operation in pipe.recv()]
        for process, _ in self.workers:
            process.join(20)
        return done


def percentiles(durations):
    """p50, p99 and the greatest, in milliseconds."""
    durations = sorted(durations)
    return [1000 * durations[min(len(durations) - 1, int(len(durations) * part))] for part in (.5, .99, 1)]


def revisions_in(database, tid):
    """{(oid, tid)} of the revisions that are not after `tid`."""
    connection = sqlite3.connect(f'file:{database}?mode=ro', uri=True)
    try:
        return {(p64(oid), p64(serial)) for oid, serial in connection.execute(
            'SELECT oid, tid FROM obj WHERE tid <= ?', (u64(tid),))}
    finally:
        connection.close()


def count_in(database, tid):
    connection = sqlite3.connect(f'file:{database}?mode=ro', uri=True)
    try:
        return connection.execute('SELECT count(*) FROM obj WHERE tid <= ?', (u64(tid),)).fetchone()[0]
    finally:
        connection.close()


def check(condition, text):
    print(f'{"as it must be" if condition else "WRONG":14} {text}')
    return condition


def kill_in_the_middle(directory, source, tid, total, left):
    """Packs a copy of a database and kills the storage when a part is done. Whether the result is right, and the revisions."""
    os.makedirs(directory)
    shutil.copy(source, os.path.join(directory, 'storage1.sqlite'))
    cluster = Cluster(storages=1, partitions=4, name='bench', directory=directory).start()
    try:
        [node] = cluster.storage_nodes
        storage = NEO.open_storage(cluster.masters)
        order = storage.app.pack(tid)
        deadline = time.monotonic() + 60
        while count_in(node.database, tid) > (total + left) // 2:
            assert time.monotonic() < deadline, 'the pack does not begin'
        node.kill()
        there = count_in(node.database, tid)
        good = check(
            left < there < total, f'killed in the middle: {there} revisions, of {total} before and {left} after the pack')
        cluster.start()
        begin = time.monotonic()
        storage.app.waitForPack(order, tid)
        print(f'the pack was resumed and completed {time.monotonic() - begin:.1f} s after the storage was back')
        storage.close()
        cluster.stop()
        return good, revisions_in(node.database, tid)
    finally:
        cluster.close()


def pack_filestorage(storage, tid):
    """FileStorage takes a time: its packer is told `tid` instead."""
    packer = FileStorage.packer
    storage.packer = lambda storage, referencesf, stop, gc: packer(storage, referencesf, tid, gc)
    begin = time.monotonic()
    storage.pack(time.time(), lambda *_: (), gc=False)
    return time.monotonic() - begin


def run(revisions, seconds, directory):
    """Prints everything. Whether the goal was reached and all was right."""
    peer = FileStorage(os.path.join(directory, 'Data.fs'), pack_gc=False, pack_keep_old=False)
    cluster = Cluster(storages=1, partitions=4, name='bench', directory=os.path.join(directory, 'pack')).start()
    try:
        [node] = cluster.storage_nodes
        storage = NEO.open_storage(cluster.masters)
        begin = time.monotonic()
        oids, tid = fill(storage, peer, revisions)
        total, left = len(oids) * REVISIONS_OF_OBJECT, len(oids)
        print(f'{total} revisions of {left} objects, written in {time.monotonic() - begin:.1f} s')
        storage.close()
        cluster.stop()
        good, resumed = kill_in_the_middle(os.path.join(directory, 'killed'), node.database, tid, total, left)
        cluster.start()
        storage = NEO.open_storage(cluster.masters)
        clients = Clients(cluster.masters, oids)
        # What is new to the caches of the database and of the system is not measured.
        time.sleep(1)
        times = [time.monotonic()]
        time.sleep(seconds)
        times.append(time.monotonic())
        order = storage.app.pack(tid)
        storage.app.waitForPack(order, tid)
        times.append(time.monotonic())
        time.sleep(1)
        times.append(time.monotonic())
        time.sleep(seconds)
        times.append(time.monotonic())
        done = clients.stop()
        storage.close()
        cluster.stop()
        packed = revisions_in(node.database, tid)
        print(f'the pack took {times[2] - times[1]:.1f} s with {CLIENTS} clients', end='')
        print(f', that of FileStorage {pack_filestorage(peer, tid):.1f} s, without clients\n')
        expected = {
            (record.oid, record.tid) for transaction in peer.iterator() for record in transaction}
        print(f'{"ms":28}{"p50":>9}{"p99":>9}{"longest":>9}{"a second":>11}')
        figures = {}
        for kind in 'load', 'commit':
            for name, spans in (
                    ('idle', (times[0:2], times[3:5])), ('during the pack', (times[1:3],))):
                durations = [
                    duration for kind_, begin, duration in done
                    if kind_ == kind and any(first <= begin < last for first, last in spans)]
                figures[kind, name] = percentiles(durations)
                rate = len(durations) / sum(last - first for first, last in spans)
                print(f'{kind + ", " + name:28}' + ''.join(f'{x:>9.2f}' for x in figures[kind, name]) + f'{rate:>11.0f}')
        print()
        good &= check(packed == expected, f'what FileStorage has after its pack: {len(expected)} revisions, {len(packed)} here')
        good &= check(resumed == expected, 'the same after kill -9 in the middle')
        for kind in 'load', 'commit':
            ratio = figures[kind, 'during the pack'][1] / figures[kind, 'idle'][1]
            good &= ratio <= GOAL
            print(f'{"reached" if ratio <= GOAL else "MISSED":8} p99 of a {kind} during a pack ≤ {GOAL} × idle: {ratio:.2f} ×')
        return good
    finally:
        cluster.close()
        peer.close()
