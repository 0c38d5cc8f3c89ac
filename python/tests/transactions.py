"""Transactions of tests and measurements."""

import threading
import time

from transaction.interfaces import TransientError
from ZODB.Connection import TransactionMetaData


def commit(storage, records=(), user='', description='', extension=None, tid=None, callback=None):
    """Stores (oid, serial, data) in one transaction; data None deletes. Gives the tid."""
    txn = TransactionMetaData(user, description, extension)

    def change():
        for oid, serial, data in records:
            if data is None:
                storage.deleteObject(oid, serial, txn)
            else:
                storage.store(oid, serial, data, '', txn)
    return complete(storage, txn, change, tid, callback)


def undo(storage, *tids):
    """Takes transactions back, in one transaction: its tid, and the oids that it changed."""
    txn = TransactionMetaData(description='undo')
    oids = []
    tid = complete(storage, txn, lambda: oids.extend(oid for tid in tids for oid in storage.undo(tid, txn)[1]))
    return tid, oids


def complete(storage, txn, change, tid=None, callback=None):
    """A whole transaction, in which `change` is called. Gives the tid; after an exception nothing is left."""
    storage.tpc_begin(txn, *([] if tid is None else [tid]))
    try:
        change()
        storage.tpc_vote(txn)
        return storage.tpc_finish(txn, callback)
    except BaseException:
        storage.tpc_abort(txn)
        raise


def until_it_works(function, seconds=30):
    """Tries again as long as the errors say that it may help."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return function()
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def eventually(condition, seconds=20):
    """Waits until something holds, of what nodes do after they answered."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class InThread(threading.Thread):
    """A thread whose exception is raised by `result`."""

    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self.function = function
        self.arguments = arguments
        self.exception = self.value = None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.arguments)
        except BaseException as exception:
            self.exception = exception

    def result(self, timeout=60):
        self.join(timeout)
        assert not self.is_alive(), f'{self.function} hangs'
        if self.exception is not None:
            raise self.exception
        return self.value
