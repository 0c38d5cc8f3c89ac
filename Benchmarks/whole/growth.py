"""Grows a cluster from 1 storage to 4 and shrinks it back, while clients work; says what they felt.

    PYTHONPATH=python NEO_BIN=… NEO_CLIENT_LIBRARY=… python Benchmarks/whole/growth.py [--objects 20000] [--clients 4]

Each client is a process that loads objects which are in no cache, one after the other, and changes every fourth of them in
a transaction of its own. A time is that of one load, or of one commit from `tpc_begin` to the end of `tpc_finish`,
with all that had to be tried again. At the end every object must have the last value whose commit was acknowledged.
"""

import argparse
import random
import sys
import time
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'python'), str(ROOT / 'python' / 'tests')]

from ZODB.POSException import StorageError  # noqa: E402
from ZODB.utils import z64  # noqa: E402
from transaction.interfaces import TransientError  # noqa: E402

from cluster import Cluster, Node, free_ports  # noqa: E402
from transactions import commit  # noqa: E402

RETRIED = StorageError, TransientError
MAXIMUM = b'\x7f' + b'\xff' * 7
RECORD = 1000
PARTITIONS = 12


def work(masters, name, oids, pause, stop, pipe):
    """The process of a client. Gives the list of (end, 'load' or 'commit', seconds, retries), and the values."""
    from neo.client.Storage import Storage
    storage = Storage(masters, name, cache_size=0)
    source = random.Random(oids[0])
    done, values, number = [], {}, 0

    def timed(kind, function):
        begin, retries = time.monotonic(), 0
        while True:
            try:
                result = function()
                break
            except RETRIED:
                retries += 1
                time.sleep(0.01)
        end = time.monotonic()
        done.append((end, kind, end - begin, retries))
        return result

    while not stop.is_set():
        oid = source.choice(oids)
        timed('load', lambda: storage.loadBefore(oid, MAXIMUM))
        number += 1
        if number % 4 == 0:
            data = b'%d ' % number + source.randbytes(RECORD)

            def change():
                storage.sync()
                return commit(storage, [(oid, storage.load(oid)[1], data)])
            timed('commit', change)
            values[oid] = data
        time.sleep(pause)
    storage.close()
    pipe.send((done, values))


class Growth:

    def __init__(self, options):
        self.options = options
        self.cluster = Cluster(storages=1, partitions=PARTITIONS, name='growth')
        #: (name, begin, end)
        self.phases = []
        self.values = {}

    def run(self):
        cluster = self.cluster.start()
        storage = cluster.storage(cache_size=0)
        oids = [storage.new_oid() for _ in range(self.options.objects)]
        for begin in range(0, len(oids), 500):
            records = [(oid, z64, random.randbytes(RECORD)) for oid in oids[begin:begin + 500]]
            commit(storage, records)
            self.values.update((oid, data) for oid, _, data in records)
        storage.close()
        context = get_context('spawn')
        stop = context.Event()
        clients = []
        for index in range(self.options.clients):
            pipe, other = context.Pipe()
            process = context.Process(
                target=work, daemon=True,
                args=(cluster.masters, cluster.name, oids[index::self.options.clients], self.options.pause, stop, other))
            process.start()
            clients.append((process, pipe))
        time.sleep(2)
        self.phase('1 storage', lambda: time.sleep(self.options.seconds))
        self.phase('growing to 4', self.grow)
        self.phase('4 storages', lambda: time.sleep(self.options.seconds))
        self.phase('shrinking to 1', self.shrink)
        self.phase('1 storage again', lambda: time.sleep(self.options.seconds))
        stop.set()
        done = []
        for process, pipe in clients:
            times, values = pipe.recv()
            done += times
            self.values.update(values)
            process.join()
        self.check()
        self.report(done)

    def phase(self, name, function):
        begin = time.monotonic()
        function()
        self.phases.append((name, begin, time.monotonic()))

    def control(self, *words):
        result = self.cluster.control(*words, timeout=60)
        assert result.returncode == 0, result
        return result.stdout

    def grow(self):
        for index, port in enumerate(free_ports(3), 2):
            node = Node(self.cluster, 'storage', f'storage{index}', port, ['--adapter', 'SQLite'])
            node.options += ['--database', str(node.database)]
            self.cluster.storage_nodes.append(node)
            node.start()
        self.wait(lambda: self.control('print', 'node', 'storage').count('PENDING') == 3)
        self.control('add', 'all')
        self.control('tweak')
        assert len(self.cluster.wait_up_to_date(300)) == 4

    def shrink(self):
        first, *others = self.cluster.cells()
        # The nodes that are named keep their cells until they are dropped, and do not count as copies.
        self.control('tweak', *others)
        self.cluster.wait_cells(lambda cells, states: set(cells[first]) == {'U'}, 300)
        for node in self.cluster.storage_nodes[1:]:
            node.stop()
        self.wait(lambda: self.control('print', 'node', 'storage').count('DOWN') == len(others))
        for nid in others:
            self.control('drop', nid)
        del self.cluster.storage_nodes[1:]
        assert list(self.cluster.cells()) == [first]

    def wait(self, condition):
        deadline = time.monotonic() + 300
        while not condition():
            assert time.monotonic() < deadline, self.control('print', 'node')
            time.sleep(0.1)

    def check(self):
        storage = self.cluster.storage(cache_size=0)
        for oid, data in self.values.items():
            assert storage.load(oid)[0] == data, f'{oid.hex()} is not what was acknowledged'
        storage.close()
        print(f'{len(self.values)} objects have their last acknowledged values')

    def report(self, done):
        print(f'{self.options.objects} objects of {RECORD} bytes, {PARTITIONS} partitions, {self.options.clients} clients')
        print(f'{"":18}{"s":>6}{"loads":>8}{"p50":>8}{"p99":>8}{"max":>8}{"commits":>9}{"p50":>8}{"p99":>8}{"max":>8}'
              f'{"retries":>9}   (ms)')
        for name, begin, end in self.phases:
            line, retries = f'{name:18}{end - begin:6.1f}', 0
            for kind, width in ('load', 8), ('commit', 9):
                here = [entry for entry in done if entry[1] == kind and begin < entry[0] <= end]
                times = sorted(1000 * seconds for _, _, seconds, _ in here)
                retries = max([retries, *(entry[3] for entry in here)])
                line += f'{len(times):{width}}' + ''.join(
                    f'{times[int(part * (len(times) - 1))]:8.2f}' for part in (.5, .99, 1))
            print(f'{line}{retries:9}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--objects', type=int, default=20000)
    parser.add_argument('--clients', type=int, default=4)
    parser.add_argument('--seconds', type=float, default=10, help='of each phase in which nothing changes')
    parser.add_argument('--pause', type=float, default=0.005, help='seconds between two operations of a client')
    growth = Growth(parser.parse_args())
    try:
        growth.run()
    finally:
        growth.cluster.close()


if __name__ == '__main__':
    main()
