"""Whether anything grows in a client, or in the nodes that serve it: `endurance.py [SECONDS]`, two minutes by default.

Rounds of commits, loads that the cache does not have, logs, aborts and lost connections; the first third only fills caches. A
test does it for some seconds.
"""

import gc
import itertools
import sys
import time
from contextlib import closing

from resources import break_connections, descriptors, resident, threads
from transactions import commit, until_it_works

OBJECTS = 500
ROUNDS = 9


class Usage:
    """What a process takes."""

    def __init__(self, pid='self'):
        self.bytes, self.descriptors, self.threads = resident(pid), descriptors(pid), threads(pid)

    def __repr__(self):
        return f'{self.bytes / (1 << 20):.1f} MiB, {self.descriptors} descriptors, {self.threads} threads'


def abort(storage, oid, serial):
    from ZODB.Connection import TransactionMetaData
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    storage.store(oid, serial, b'aborted', '', txn)
    storage.tpc_vote(txn)
    storage.tpc_abort(txn)


def work(storage, serials, seconds, counts):
    """All kinds of operations until the time is over, and one lost connection for a hundred of each."""
    draw = itertools.cycle(serials)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for _ in range(100):
            oid = next(draw)
            serials[oid] = commit(storage, [(oid, serials[oid], oid * 100)])
        storage._cache.clear()
        for oid, serial in serials.items():
            assert storage.load(oid) == (oid * 100, serial)
        oid = next(draw)
        for _ in range(20):
            abort(storage, oid, serials[oid])
        storage.undoLog(0, 20)
        storage.history(oid, 10)
        list(storage.iterator(max(serials.values())))
        break_connections()
        until_it_works(storage.sync)
        until_it_works(lambda: storage.load(oid))
        counts['commits'] += 100
        counts['loads'] += len(serials)
        counts['aborts'] += 20
        counts['reconnections'] += 1


def measure(seconds):
    """({'commits': ..., ...}, {process: (usage before, usage after)})"""
    from cluster import Cluster
    counts = dict.fromkeys(('commits', 'loads', 'aborts', 'reconnections'), 0)
    with Cluster(storages=2, replicas=1) as cluster, closing(cluster.storage(cache_size=1 << 20)) as storage:
        oids = [storage.new_oid() for _ in range(OBJECTS)]
        serials = dict.fromkeys(oids, commit(storage, [(oid, bytes(8), oid * 100) for oid in oids]))
        processes = {'client': 'self', **{node.name: node.process.pid for node in cluster.nodes}}

        def usages():
            gc.collect()
            # Nodes may still be closing connections.
            time.sleep(0.5)
            return {name: Usage(pid) for name, pid in processes.items()}
        for number in range(ROUNDS):
            if number == ROUNDS // 3:
                before = usages()
            work(storage, serials, seconds / ROUNDS, counts)
        after = usages()
    return counts, {name: (before[name], after[name]) for name in processes}


def main(seconds=120):
    counts, usages = measure(float(seconds))
    print(', '.join(f'{count} {what}' for what, count in counts.items()))
    for name, (before, after) in usages.items():
        print(f'{name:9} {before}  ->  {after}')


if __name__ == '__main__':
    main(*sys.argv[1:])
