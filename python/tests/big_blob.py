"""The memory that a large blob, or a transaction of many objects, takes in its writer, in its reader, and in each node.

``scripts/test-big-blob`` runs it with programs that are optimised; tests do with less.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from resources import Memory

HERE = Path(__file__).resolve().parent
BLOCK = 1 << 20
#: What ZODB stores of every blob.
RECORD = b'\x80\x03cZODB.blob\nBlob\nq\x00.\x80\x03N.'
#: Bytes of an object, and of the record cache of the clients, if they write many objects instead of a blob.
OBJECT = 5000
CACHE = 1 << 20
#: Written and read before the measurement: what a process needs once is not counted.
WARM = 1 << 16


class Client:
    """A process that writes or reads a blob when it is told to."""

    def __init__(self, cluster, blob_dir, *arguments):
        command = [
            sys.executable, __file__, 'client', cluster.masters, cluster.name, str(blob_dir), *map(str, arguments)]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def line(self):
        line = self.process.stdout.readline()
        assert line, f'the client ended with status {self.process.wait()}'
        return line.strip()

    def run(self):
        """What it says when it is done."""
        self.process.stdin.write('\n')
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Blob:
    """A transaction with one file, which cannot be compressed."""

    @staticmethod
    def commit(storage, size, digest):
        path = os.path.join(storage.temporaryDirectory(), 'big')
        with open(path, 'wb') as file:
            for position in range(0, size, BLOCK):
                block = os.urandom(min(BLOCK, size - position))
                digest.update(block)
                file.write(block)
        oid = storage.new_oid()
        return oid, complete(storage, lambda txn: storage.storeBlob(oid, bytes(8), RECORD, path, '', txn))

    @staticmethod
    def read(storage, oid, tid, digest):
        with storage.openCommittedBlobFile(oid, tid) as file:
            while block := file.read(BLOCK):
                digest.update(block)

    @staticmethod
    def forget(storage, oid, tid):
        os.remove(storage.loadBlob(oid, tid))


class Objects:
    """A transaction with many objects."""

    @staticmethod
    def commit(storage, size, digest):
        first = None

        def store(txn):
            nonlocal first
            for position in range(0, size, OBJECT):
                oid = storage.new_oid()
                first = first or oid
                data = os.urandom(min(OBJECT, size - position))
                digest.update(data)
                storage.store(oid, bytes(8), data, '', txn)
        tid = complete(storage, store)
        return first, tid

    @staticmethod
    def read(storage, oid, tid, digest):
        txn, = storage.iterator(tid, tid)
        for record in txn:
            digest.update(record.data)

    @staticmethod
    def forget(storage, oid, tid):
        pass


KINDS = {'blob': Blob, 'objects': Objects}


def complete(storage, change):
    from ZODB.Connection import TransactionMetaData
    txn = TransactionMetaData()
    storage.tpc_begin(txn)
    change(txn)
    storage.tpc_vote(txn)
    return storage.tpc_finish(txn)


def client(masters, name, blob_dir, kind, size, oid, tid):
    from neo.client.Storage import Storage
    kind = KINDS[kind]
    options = {'cache_size': CACHE} if kind is Objects else {}
    with closing(Storage(masters, name, blob_dir=blob_dir, **options)) as storage:
        warm = kind.commit(storage, WARM, hashlib.sha256())
        kind.forget(storage, *warm)
        kind.read(storage, *warm, hashlib.sha256())
        print('ready', flush=True)
        sys.stdin.readline()
        digest = hashlib.sha256()
        if tid is None:
            oid, tid = kind.commit(storage, size, digest)
            print(oid.hex(), tid.hex(), digest.hexdigest(), flush=True)
        else:
            kind.read(storage, oid, tid, digest)
            print(digest.hexdigest(), flush=True)
        sys.stdin.readline()


def measure(size, storages=2, replicas=0, kind='blob'):
    """[(what, seconds, {process: extra bytes})] of a commit and of a read by another client."""
    from cluster import Cluster
    results = []
    with Cluster(storages=storages, replicas=replicas) as cluster:
        def step(what, *arguments):
            process = Client(cluster, cluster.directory / what, kind, *arguments)
            try:
                assert process.line() == 'ready'
                # What was written before is on the disk by now, and not in a journal.
                time.sleep(1.5)
                memories = {what: Memory(process.process.pid)}
                for node in [*cluster.master_nodes, *cluster.storage_nodes]:
                    memories[node.name] = Memory(node.process.pid)
                begin = time.monotonic()
                answer = process.run()
                seconds = time.monotonic() - begin
                results.append((what, seconds, {name: memory.extra() for name, memory in memories.items()}))
                return answer
            finally:
                process.close()
        oid, tid, written = step('writer', size).split()
        assert step('reader', size, oid, tid) == written
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    arguments = commands.add_parser('client')
    for name in 'masters', 'name', 'blob_dir', 'kind':
        arguments.add_argument(name)
    arguments.add_argument('size', type=int)
    arguments.add_argument('oid', type=bytes.fromhex, nargs='?')
    arguments.add_argument('tid', type=bytes.fromhex, nargs='?')
    arguments = commands.add_parser('measure')
    arguments.add_argument('--kind', choices=KINDS, default='blob', help=f'objects: each of {OBJECT} bytes')
    arguments.add_argument('--mebibytes', type=int, default=1024)
    arguments.add_argument('--limit', type=int, default=64, help='extra mebibytes that each process may take')
    arguments.add_argument('--storages', type=int, default=2)
    arguments.add_argument('--replicas', type=int, default=0)
    options = vars(parser.parse_args())
    if options.pop('command') == 'client':
        return client(**options)
    limit = options['limit']
    status = 0
    for what, seconds, extra in measure(
            options['mebibytes'] << 20, options['storages'], options['replicas'], options['kind']):
        print(f'{what}: {options["mebibytes"]} MiB in {seconds:.1f} s ({options["mebibytes"] / seconds:.0f} MiB/s)')
        for name, size in extra.items():
            is_over = size >= limit << 20
            print(f'  {name:10} {size / (1 << 20):6.1f} MiB' + (f'  over the limit of {limit}' if is_over else ''))
            status |= is_over
    return status


if __name__ == '__main__':
    sys.exit(main())
