"""Blobs of tests."""

import hashlib
import os
import sqlite3
import time
from base64 import encodebytes
from contextlib import closing

from ZODB.Connection import TransactionMetaData
from ZODB.FileStorage import FileStorage

from neo.client import blob as format
from transactions import complete

ZERO = bytes(8)
#: What ZODB stores of every blob.
RECORD = b'\x80\x03cZODB.blob\nBlob\nq\x00.\x80\x03N.'
CHUNK = format.CHUNK_BYTES


def content(size, seed=1):
    """Bytes that differ from one seed to another, and from one place to another; they do not compress."""
    return hashlib.shake_128(b'%d' % seed).digest(size)


def store(storage, txn, oid, serial, data, record=RECORD):
    """Stores one blob, from a file in the temporary directory of the storage."""
    path = os.path.join(storage.temporaryDirectory(), 'file' + os.urandom(8).hex())
    with open(path, 'wb') as file:
        file.write(data)
    storage.storeBlob(oid, serial, record, path, '', txn)


def commit(storage, *blobs, callback=None, records=()):
    """Stores blobs (oid, serial, content), and other objects, in one transaction. Gives the tid."""
    txn = TransactionMetaData()

    def change():
        for oid, serial, data in blobs:
            store(storage, txn, oid, serial, data)
        for oid, serial, data in records:
            storage.store(oid, serial, data, '', txn)
    return complete(storage, txn, change, callback=callback)


def read(storage, oid, serial):
    """The content of a revision, by its path and by an open file."""
    path = storage.loadBlob(oid, serial)
    with open(path, 'rb') as file:
        data = file.read()
    with storage.openCommittedBlobFile(oid, serial) as file:
        assert file.read() == data
    return data


def temporary_files(storage):
    """The names of the files that are being written."""
    return os.listdir(storage.temporaryDirectory())


def cached_files(storage):
    """The paths of committed files, the ones that were not used for the longest time first."""
    return [path for _, _, path in storage.fshelper.revisions()]


def raw_objects(storage, but=()):
    """The oids of all the objects, chunks included, without some of them."""
    storage.sync()
    return [oid for oid in storage.app.oids() if oid not in but]


def database_rows(cluster, since=(0, 0, 0)):
    """How many revisions, values, and revisions of open transactions storages have, more than before."""
    counts = []
    for node in cluster.storage_nodes:
        with closing(sqlite3.connect(f'file:{node.database}?mode=ro', uri=True)) as database:
            counts.append([
                database.execute(f'SELECT count(*) FROM {table}').fetchone()[0] for table in ('obj', 'data', 'tobj')])
    return tuple(sum(count) - before for before, *count in zip(since, *counts))


def committed_rows(cluster):
    """The same once nothing is being written."""
    soon(lambda: database_rows(cluster)[2], 0)
    return database_rows(cluster)


def soon(function, expected, seconds=20):
    """What storages do after they answered."""
    deadline = time.monotonic() + seconds
    while function() != expected:
        assert time.monotonic() < deadline, (function(), expected)
        time.sleep(0.05)


def undo(storage, *tids):
    """Takes transactions back, in one transaction. Gives the tid."""
    txn = TransactionMetaData()

    def change():
        for tid in tids:
            # A FileStorage takes what its log gives.
            storage.undo(encodebytes(tid).rstrip() if isinstance(storage, FileStorage) else tid, txn)
    return complete(storage, txn, change)


def delete(storage, oid, serial):
    """Deletes an object. Gives the tid."""
    txn = TransactionMetaData()
    return complete(storage, txn, lambda: storage.deleteObject(oid, serial, txn))


def records(storage, start=None):
    """(tid, oid, data, data_txn) of all that `iterator` gives."""
    return [
        (txn.tid, record.oid, record.data, record.data_txn) for txn in storage.iterator(start) for record in txn]
