"""Transactions and objects, one after the other, whatever their number."""

import threading
from itertools import chain

from ZODB import BaseStorage

from .exception import NEOStorageNotFoundError

#: Objects of several transactions that are read together.
_OBJECTS = 200
#: Series of `record_iternext` that can be under way.
_SERIES = 16


class TransactionIterator:
    """The transactions that were committed when it was made, from `start` to `stop`, oldest first."""

    def __init__(self, app, start=None, stop=None):
        # What other clients have committed by now is to be seen.
        app.sync()
        last = app.last_tid
        self._transactions = _transactions(app, start, last if stop is None else min(stop, last))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._transactions)

    def close(self):
        self._transactions.close()


def _transactions(app, start, stop):
    for chunk in app.transactions(start, stop):
        reader = _Reader(app, chunk)
        for index, information in enumerate(chunk):
            yield TransactionRecord(reader, index, information)


class TransactionRecord(BaseStorage.TransactionRecord):
    """A committed transaction; iterating over it, any number of times, gives its records."""

    def __init__(self, reader, index, information):
        super().__init__(
            information.tid, 'p' if information.packed else ' ', information.user, information.description,
            information.extension_bytes)
        self._reader = reader
        self._index = index

    def __iter__(self):
        for oid, revision in self._reader.records(self._index):
            # Otherwise the object was only checked, or its record was packed.
            if revision is not None:
                data, data_txn = revision
                # A deletion has no back-pointer, even one that an undo repeats.
                yield BaseStorage.DataRecord(oid, self.tid, data, None if data is None else data_txn)


class _Reader:
    """The records of consecutive transactions. Those of small ones are read together, a little ahead."""

    def __init__(self, app, chunk):
        self._app = app
        self._chunk = chunk
        self._ahead = {}

    def records(self, index):
        """Yields (oid, (data, tid of the same data) or None) for what a transaction wrote."""
        revisions = self._ahead.pop(index, None)
        oids = self._chunk[index].oids
        if revisions is None:
            self._ahead = {}
            revisions = self._read_ahead(index) if len(oids) < _OBJECTS else []
        rest = oids[len(revisions):]
        return zip(oids, chain(revisions, self._app.revisions(rest, [self._chunk[index].tid] * len(rest))))

    def _read_ahead(self, index):
        """The first revisions of a transaction; if it is complete, those of the next ones are kept."""
        oids, tids, ends = [], [], []
        for information in self._chunk[index:]:
            if oids and len(oids) + information.count > _OBJECTS:
                break
            oids += information.oids
            tids += [information.tid] * information.count
            ends.append(len(oids))
        loaded = self._app.first_revisions(oids, tids)
        begin = 0
        for offset, end in enumerate(ends):
            if end > len(loaded):
                break
            self._ahead[index + offset] = loaded[begin:end]
            begin = end
        return self._ahead.pop(index, loaded)


class CurrentRecords:
    """The current records, in the order of oids: what `record_iternext` gives, one at a time.

    The cookie is the smallest oid that may come next. So that each call does not have to ask all the storages, the oids
    that follow are kept for whoever comes back with the cookie.
    """

    def __init__(self, app):
        self._app = app
        self._lock = threading.Lock()
        self._series = {}

    def next(self, cookie=None):
        """(oid, tid, data, next cookie or None). `ValueError`: there is no object from `cookie` on."""
        cookie = cookie or b'\0' * 8
        with self._lock:
            oids, following = self._series.pop(cookie, (None, None))
        if oids is None:
            oids, following = self._list(cookie)
        while oids:
            oid = oids.pop()
            if not oids and following is not None:
                oids, following = self._list(following)
            try:
                data, tid, _ = self._app.load(oid)
            except NEOStorageNotFoundError:
                # Deleted since.
                continue
            if not oids:
                return oid, tid, data, None
            with self._lock:
                while len(self._series) >= _SERIES:
                    del self._series[next(iter(self._series))]
                self._series[oids[-1]] = oids, following
            return oid, tid, data, oids[-1]
        raise ValueError(f'there is no object from {cookie!r} on')

    def _list(self, start):
        """Oids, the first one last, and where the following ones begin."""
        tid = self._app.last_tid
        oids, following = self._app.first_oids(tid, start)
        # They are going to be asked one by one.
        self._app.prefetch(oids, (int.from_bytes(tid, 'big') + 1).to_bytes(8, 'big'))
        oids.reverse()
        return oids, following
