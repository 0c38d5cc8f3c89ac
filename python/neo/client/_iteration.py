"""Transactions and objects, one after the other, whatever their number."""

import threading
from itertools import chain

from ZODB import BaseStorage

from .blob import chunks_of, has_token, is_chunk, without_token
from .exception import NEOStorageNotFoundError

#: Objects of several transactions that are read together.
_OBJECTS = 200
#: Records that are prefetched together, where there are chunks and where there are none.
_FEW, _MANY = 4, 100
#: Chunks that are known as such without looking at them.
_CHUNKS = 200_000
#: Revisions that are looked at first for the last one that is not a deletion.
_REVISIONS = 16
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
        chunks = _Chunks(self._reader.app, self.tid)
        for oid, revision in self._reader.records(self._index):
            # Otherwise the object was only checked, or its record was packed.
            if revision is None:
                continue
            data, data_txn = revision
            # Chunks are what `loadBlob` gives.
            if not chunks.has(oid, data):
                # A deletion has no back-pointer, even one that an undo repeats.
                yield BaseStorage.DataRecord(
                    oid, self.tid, without_token(data), None if data is None else data_txn)


class _Chunks:
    """Tells which objects of a transaction are chunks of blobs. The deletion of one does not say so itself."""

    def __init__(self, app, tid):
        self._app = app
        self._tid = tid
        self._blobs = []
        self._deleted = set()

    def has(self, oid, data):
        if data is None:
            return self._has_deleted(oid)
        if is_chunk(data):
            return True
        if has_token(data):
            self._blobs.append(oid)
        return False

    def _has_deleted(self, oid):
        # What a blob had before, and has not any more, was deleted with this change of it.
        while self._blobs:
            self._deleted.update(chunks_of(self._previous(self._blobs.pop())))
        if oid in self._deleted:
            return True
        previous = self._previous(oid)
        self._deleted.update(chunks_of(previous))
        return is_chunk(previous)

    def _previous(self, oid):
        """The last record that the object had before the transaction, None if there is none."""
        try:
            return self._app.load(oid, None, self._tid)[0]
        except NEOStorageNotFoundError:
            pass
        # Deleted, maybe not for the first time.
        count = _REVISIONS
        while True:
            try:
                entries = self._app.sizes(oid, count)
            except NEOStorageNotFoundError:
                return None
            for tid, size in entries:
                if tid < self._tid and size:
                    return self._app.load(oid, tid)[0]
            if len(entries) < count:
                return None
            count *= 4


class _Reader:
    """The records of consecutive transactions. Those of small ones are read together, a little ahead."""

    def __init__(self, app, chunk):
        self.app = app
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
        return zip(oids, chain(revisions, self.app.revisions(rest, [self._chunk[index].tid] * len(rest))))

    def _read_ahead(self, index):
        """The first revisions of a transaction; if it is complete, those of the next ones are kept."""
        oids, tids, ends = [], [], []
        for information in self._chunk[index:]:
            if oids and len(oids) + information.count > _OBJECTS:
                break
            oids += information.oids
            tids += [information.tid] * information.count
            ends.append(len(oids))
        loaded = self.app.first_revisions(oids, tids)
        begin = 0
        for offset, end in enumerate(ends):
            if end > len(loaded):
                break
            self._ahead[index + offset] = loaded[begin:end]
            begin = end
        return self._ahead.pop(index, loaded)


class CurrentRecords:
    """The current records, in the order of oids: what `record_iternext` gives, one at a time.

    The cookie is the next oid. So that each call does not have to ask all the storages, what follows is kept for whoever
    comes back with the cookie.
    """

    def __init__(self, app):
        self._app = app
        self._lock = threading.Lock()
        #: {next oid: what gives the following ones}
        self._series = {}

    def next(self, cookie=None):
        """(oid, tid, data, next cookie or None). `ValueError`: there is no object from `cookie` on."""
        oid = cookie or b'\0' * 8
        with self._lock:
            oids = self._series.pop(oid, None)
        if oids is None:
            oids = self._oids(oid)
            oid = next(oids, None)
        while oid is not None:
            following = next(oids, None)
            try:
                data, tid, _ = self._app.load(oid)
            except NEOStorageNotFoundError:
                # Deleted since.
                oid = following
                continue
            if following is not None:
                with self._lock:
                    while len(self._series) >= _SERIES:
                        del self._series[next(iter(self._series))]
                    self._series[following] = oids
            return oid, tid, without_token(data), following
        raise ValueError(f'there is no object from {cookie!r} on')

    def _oids(self, start):
        """Yields the oids from `start` on, without those of chunks."""
        tid = self._app.last_tid
        before = (int.from_bytes(tid, 'big') + 1).to_bytes(8, 'big')
        chunks = set()
        size = _FEW
        while start is not None:
            oids, start = self._app.first_oids(tid, start)
            while oids:
                part = [oid for oid in oids[:size] if oid not in chunks]
                del oids[:size]
                # They are going to be asked one by one. Not too many: those of a blob are usually followed by its chunks.
                self._app.prefetch(part, before)
                size = min(2 * size, _MANY)
                for oid in part:
                    if oid in chunks:
                        chunks.discard(oid)
                        continue
                    try:
                        data = self._app.load(oid)[0]
                    except NEOStorageNotFoundError:
                        continue
                    if is_chunk(data):
                        size = _FEW
                        continue
                    known = chunks_of(data)
                    if known:
                        size = _FEW
                        if len(chunks) + len(known) > _CHUNKS:
                            chunks.clear()
                        chunks.update(known)
                    yield oid
