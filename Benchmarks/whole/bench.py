"""Loads and commits per second through the Python storage, beside ZEO and FileStorage, in one run.

    python Benchmarks/whole/bench.py [--seconds 2] [--rounds 3] [--json FILE]

Limits of the machine come first: a round trip of 64 bytes over loopback TCP between two processes that do nothing else
(blocking sockets, in Python, without Nagle's delay), and a write with fsync of 4 KiB where the databases are.

What is measured, each in one thread, one after the other (medians of the rounds):

  loads    serial loads of records of 300 random bytes that are in no cache of the client
  commits  transactions that change one object of 300 bytes: begin, store, vote, finish. Every server syncs its files.

The peers are measured in turn within each round, so that what else the machine does touches all of them.
"""

import argparse
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'python'), str(ROOT / 'python' / 'tests')]

from cluster import Cluster  # noqa: E402

from ZODB.Connection import TransactionMetaData  # noqa: E402
from ZODB.FileStorage import FileStorage  # noqa: E402
from ZODB.utils import z64  # noqa: E402

OBJECTS = 2000
RECORD = 300
MAXIMUM = b'\x7f' + b'\xff' * 7


def repeated(function, seconds):
    """Calls per second of a function of an index."""
    count = 0
    clock = time.perf_counter
    begin = now = clock()
    end = begin + seconds
    while now < end:
        function(count)
        count += 1
        now = clock()
    return count / (now - begin)


# The machine

def _echo(listener):
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        data = connection.recv(64)
        if not data:
            return
        connection.sendall(data)


class RoundTrip:
    name = 'TCP'

    def __init__(self):
        listener = socket.create_server(('127.0.0.1', 0))
        self.process = get_context('fork').Process(target=_echo, args=(listener,), daemon=True)
        self.process.start()
        self.connection = socket.create_connection(listener.getsockname())
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.close()

    def measure(self, seconds):
        connection, data = self.connection, b'x' * 64

        def exchange(_):
            connection.sendall(data)
            size = 0
            while size < 64:
                size += len(connection.recv(64 - size))
        return repeated(exchange, seconds)

    def close(self):
        self.connection.close()
        self.process.join(5)


def measure_fsync(directory, seconds):
    with open(os.path.join(directory, 'fsync'), 'wb', buffering=0) as file:
        data = os.urandom(4096)

        def write(_):
            file.write(data)
            os.fsync(file.fileno())
        return repeated(write, seconds)


# The peers

class Peer:
    """A storage with `OBJECTS` objects."""

    def fill(self):
        self.random = random.Random(1)
        storage = self.storage
        self.oids = [storage.new_oid() for _ in range(OBJECTS)]
        self.serials = {}
        for begin in range(0, OBJECTS, 100):
            oids = self.oids[begin:begin + 100]
            tid = self.commit((oid, z64) for oid in oids)
            self.serials.update((oid, tid) for oid in oids)

    def commit(self, objects):
        storage, transaction = self.storage, TransactionMetaData()
        storage.tpc_begin(transaction)
        for oid, serial in objects:
            storage.store(oid, serial, self.random.randbytes(RECORD), '', transaction)
        storage.tpc_vote(transaction)
        return storage.tpc_finish(transaction)

    def forget(self):
        """Empties the cache of the client."""

    def measure_loads(self, seconds):
        """Each object is loaded at most once between two times that the cache is emptied; only loads are timed."""
        load = self.storage.loadBefore
        clock = time.perf_counter
        count = spent = 0
        while spent < seconds:
            self.forget()
            oids = self.random.sample(self.oids, OBJECTS)
            begin = clock()
            for oid in oids:
                load(oid, MAXIMUM)
                count += 1
                if not count % 100 and spent + clock() - begin > seconds:
                    break
            spent += clock() - begin
        return count / spent

    def measure_commits(self, seconds):
        def change(_):
            oid = self.random.choice(self.oids)
            self.serials[oid] = self.commit([(oid, self.serials[oid])])
        return repeated(change, seconds)

    def close(self):
        self.storage.close()


class NEO(Peer):
    name = 'NEO'

    def __init__(self, directory):
        self.cluster = Cluster(
            storages=2, partitions=4, replicas=0, name='bench', directory=os.path.join(directory, 'neo')).start()
        self.storage = self.cluster.storage()
        self.fill()

    def forget(self):
        self.storage._cache.clear()

    def close(self):
        super().close()
        self.cluster.close()


class ZEO(Peer):
    name = 'ZEO'

    def __init__(self, directory):
        import ZEO
        os.mkdir(os.path.join(directory, 'zeo'))
        address, self.stop = ZEO.server(
            path=os.path.join(directory, 'zeo', 'Data.fs'), threaded=False)
        self.storage = ZEO.client(address, cache_size=20 << 20)
        self.fill()

    def forget(self):
        self.storage._cache.clear()

    def close(self):
        super().close()
        self.stop()


class File(Peer):
    name = 'FileStorage'

    def __init__(self, directory):
        self.storage = FileStorage(os.path.join(directory, 'Data.fs'))
        self.fill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=2, help='duration of one measurement')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--directory', help='where the databases are written (default: the temporary directory)')
    parser.add_argument('--json', help='also write the numbers to this file')
    options = parser.parse_args()
    results = {}

    def add(name, value):
        results.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory(dir=options.directory, prefix='neo-bench-') as directory:
        # The echo process is forked before anything has threads.
        trip = RoundTrip()
        peers = []
        try:
            peers.append(File(directory))
            peers.append(ZEO(directory))
            peers.append(NEO(directory))
            for _ in range(options.rounds):
                add('TCP', trip.measure(options.seconds / 2))
                add('fsync', measure_fsync(directory, options.seconds / 2))
                for peer in peers:
                    add(f'{peer.name} loads', peer.measure_loads(options.seconds))
                    add(f'{peer.name} commits', peer.measure_commits(options.seconds))
        finally:
            for peer in peers:
                peer.close()
            trip.close()
    report(results, options)


def report(results, options):
    median = {name: statistics.median(values) for name, values in results.items()}
    trip, fsync = median['TCP'], median['fsync']
    print(f'this machine: {os.cpu_count()} CPUs, Python {sys.version.split()[0]}; '
          f'TCP round trip {1e6 / trip:.0f} µs (blocking Python sockets), write + fsync {1e3 / fsync:.2f} ms')
    print(f'{options.rounds} rounds of {options.seconds} s; medians, and the range of the rounds\n')
    neo = {kind: median[f'NEO {kind}'] for kind in ('loads', 'commits')}
    for kind, limit, of in ('loads', trip, 'TCP round trips'), ('commits', fsync, 'fsyncs'):
        print(f'{kind + "/s":12}{"":>10}{"range":>20}{"NEO is":>12}{"of " + of:>24}')
        for name in 'NEO', 'ZEO', 'FileStorage':
            value, values = median[f'{name} {kind}'], results[f'{name} {kind}']
            spread = f'{min(values):.0f}–{max(values):.0f}'
            print(f'  {name:12}{value:>8.0f}{spread:>20}{neo[kind] / value:>10.2f} ×{value / limit:>22.2f} ×')
        print()
    if options.json:
        with open(options.json, 'w') as file:
            json.dump({'median': median, 'rounds': results}, file, indent=1)


if __name__ == '__main__':
    main()
