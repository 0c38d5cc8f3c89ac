"""What was committed: lists of transactions, their metadata, and the revisions of objects."""

import logging
from contextlib import contextmanager

from persistent.TimeStamp import TimeStamp

from ._errors import check
from ._library import data_of, ffi, lib

log = logging.getLogger('neo.client')

ZERO_TID = b'\0' * 8
#: Bytes of metadata, or of records, that are read at a time.
WINDOW = 4 << 20
#: What a series of transactions or objects is cut into.
CHUNK = 100


class Information:
    """The metadata of a transaction, as they are stored."""

    __slots__ = 'tid', 'user', 'description', 'extension_bytes', 'packed', '_oids'

    def __init__(self, item):
        self.tid = bytes(item.tid)
        self.user = ffi.buffer(item.user, item.user_length)[:]
        self.description = ffi.buffer(item.description, item.description_length)[:]
        self.extension_bytes = ffi.buffer(item.extension, item.extension_length)[:]
        self.packed = bool(item.is_packed)
        self._oids = ffi.buffer(item.oids, 8 * item.oid_count)[:]

    @property
    def oids(self):
        """What it stored, deleted, or only checked, in the order of its writes."""
        return _identifiers(self._oids)

    @property
    def count(self):
        """The number of oids."""
        return len(self._oids) // 8

    @property
    def extension(self):
        if not self.extension_bytes:
            return {}
        from ZODB._compat import loads
        return loads(self.extension_bytes)

    def items(self):
        """The extension, empty if it can not be read: what is not needed must not hide the rest."""
        try:
            return self.extension
        except Exception:
            log.warning('the extension of transaction %s can not be read', self.tid.hex(), exc_info=True)
            return {}


class History:
    """What a client can tell of the past. All methods wait for storages."""

    # The lists of the library

    def _identifiers(self, function, *arguments):
        """The identifiers that a function lists, and from where to go on: None at the end."""
        found = ffi.new('neo_identifiers *')
        check(function(self._client, *arguments, found))
        try:
            data = ffi.buffer(found.bytes, 8 * found.count)[:]
            following = bytes(found.next) if found.has_next else None
        finally:
            lib.neo_identifiers_release(found)
        return _identifiers(data), following

    def information(self, tids):
        """Yields the metadata of transactions."""
        position = 0
        while position < len(tids):
            loaded = self._first_information(tids[position:position + CHUNK])
            position += len(loaded)
            yield from loaded

    def _first_information(self, tids):
        found = ffi.new('neo_transactions *')
        check(lib.neo_transactions_load(self._client, b''.join(tids), len(tids), WINDOW, found))
        try:
            return [Information(found.transactions[index]) for index in range(found.count)]
        finally:
            lib.neo_transactions_release(found)

    def revisions(self, oids, tids):
        """Yields what each object is at exactly its tid: (data or None for a deletion, tid of the same data or None).

        None instead: there is no such revision.
        """
        position = 0
        while position < len(oids):
            part = slice(position, position + 10 * CHUNK)
            loaded = self.first_revisions(oids[part], tids[part])
            position += len(loaded)
            # A reader can be slow: what it was given is not kept for it.
            loaded.reverse()
            while loaded:
                yield loaded.pop()

    def first_revisions(self, oids, tids):
        """The same for the first ones, at least one if there is any: what takes about `WINDOW` bytes."""
        found = ffi.new('neo_revisions *')
        check(lib.neo_revisions_load(self._client, b''.join(oids), b''.join(tids), len(oids), WINDOW, found))
        try:
            return [_revision(found.revisions[index]) for index in range(found.count)]
        finally:
            lib.neo_revisions_release(found)

    @contextmanager
    def records(self, oids, tid):
        """Views of the records of objects at exactly `tid`, valid as long as the context: the first ones, at least one.

        None instead: there is no such record.
        """
        found = ffi.new('neo_revisions *')
        check(lib.neo_revisions_load(self._client, b''.join(oids), tid * len(oids), len(oids), WINDOW, found))
        try:
            yield [
                memoryview(ffi.buffer(item.data, item.length)) if item.kind == lib.NEO_REVISION_RECORD else None
                for item in (found.revisions[index] for index in range(found.count))
            ]
        finally:
            lib.neo_revisions_release(found)

    # Everything

    def transactions(self, start, stop):
        """Yields lists of the metadata of the transactions from `start` (None: the first one) to `stop`, oldest first."""
        while start is None or start <= stop:
            tids, start = self._identifiers(
                lib.neo_tids_from, ZERO_TID if start is None else start, stop, CHUNK)
            position = 0
            while position < len(tids):
                loaded = self._first_information(tids[position:])
                position += len(loaded)
                yield loaded
            if start is None:
                return

    def transactionLog(self, start, stop, limit):
        """(last tid, descriptions) of the first transactions from `start` to `stop`, at most `limit`."""
        tids, _ = self._identifiers(lib.neo_tids_from, start, stop, limit)
        descriptions = []
        for information in self.information(tids[:limit]):
            description = _description(information, 'id')
            description.update(oids=information.oids, packed=information.packed, ext=information.items())
            descriptions.append(description)
        return descriptions[-1]['id'] if descriptions else None, descriptions

    def first_oids(self, tid, start, count=CHUNK):
        """Oids from `start` on that exist at `tid`, ascending, and where the following ones begin, None at the end."""
        return self._identifiers(lib.neo_oids_from, tid, start, count)

    def oids(self, tid=None, min_oid=None, max_oid=None):
        """Yields the oids that exist at `tid` (by default, now), between bounds, both included, ascending."""
        if tid is None:
            tid = self.last_tid
        start = min_oid or ZERO_TID
        while start is not None and (max_oid is None or start <= max_oid):
            oids, start = self.first_oids(tid, start, 10 * CHUNK)
            for oid in oids:
                if max_oid is not None and oid > max_oid:
                    return
                yield oid

    # Logs

    def undoLog(self, first=0, last=-20, filter=None):
        """Descriptions of the transactions `first` to `last` (excluded) of those that `filter` accepts, newest first."""
        if last < 0:
            last = first - last
        kept = []
        if first < 0 or last <= first:
            return kept
        for information in self._newest(2 * last):
            # Nothing to undo: a pack, for example.
            if not information.count:
                continue
            description = _description(information, 'id')
            if filter is None or filter(description):
                kept.append(description)
                if len(kept) == last:
                    break
        return kept[first:]

    def _newest(self, count):
        """Yields the metadata of all transactions, newest first."""
        bound = None
        while True:
            tids, following = self._identifiers(lib.neo_tids_newest, count)
            if bound is not None:
                tids = [tid for tid in tids if tid < bound]
            if tids:
                bound = tids[-1]
            yield from self.information(tids)
            if following is None:
                return
            count *= 2

    def history(self, oid, size=1, filter=None):
        """Descriptions of the last revisions of an object, newest first."""
        descriptions = []
        count = size
        known = 0
        while len(descriptions) < size:
            entries = self.sizes(oid, count)
            for information, length in zip(
                    self.information([tid for tid, _ in entries[known:]]), [size for _, size in entries[known:]]):
                description = _description(information, 'tid')
                description['serial'] = information.tid
                description['size'] = length
                if filter is None or filter(description):
                    descriptions.append(description)
            if len(entries) < count:
                break
            known = len(entries)
            count *= 2
        return descriptions[:max(0, size)]

    def sizes(self, oid, count):
        """(tid, size of the record as it is stored, 0 for a deletion) of the last revisions of an object, newest first."""
        history = ffi.new('neo_history *')
        check(lib.neo_history_load(self._client, oid, count, history))
        try:
            entries = (history.entries[index] for index in range(history.count))
            return [(bytes(entry.tid), entry.size) for entry in entries]
        finally:
            lib.neo_history_release(history)


def _identifiers(data):
    return [data[position:position + 8] for position in range(0, len(data), 8)]


def _revision(item):
    if item.kind == lib.NEO_REVISION_MISSING:
        return None
    data = data_of(item) if item.kind == lib.NEO_REVISION_RECORD else None
    return data, bytes(item.data_tid) if item.has_data_tid else None


def _description(information, key):
    """What `undoLog` and `history` say of a transaction. Its own items do not hide the others."""
    description = dict(information.items())
    description.update({
        key: information.tid,
        'time': TimeStamp(information.tid).timeTime(),
        'user_name': information.user,
        'description': information.description,
    })
    return description
