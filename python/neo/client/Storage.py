"""The storage of ZODB whose records are in a NEO cluster."""

import threading

from persistent.TimeStamp import TimeStamp
from ZODB import interfaces
from ZODB.ConflictResolution import ConflictResolvingStorage
from ZODB.POSException import POSKeyError, ReadOnlyError, Unsupported
from ZODB.UndoLogCompatible import UndoLogCompatible
from zope.interface import implementer

from ._blobs import Blobs
from ._iteration import CurrentRecords, TransactionIterator
from ._pack import tid_of_time
from .app import ZERO_TID, Application, log
from .blob import without_token
from .exception import NEOStorageDoesNotExistError, NEOStorageNotFoundError


#: Objects whose last revision is remembered by a copy.
_COPIED = 200_000


@implementer(
    interfaces.IStorage,
    interfaces.IMultiCommitStorage,
    interfaces.IStorageUndoable,
    interfaces.IStorageIteration,
    interfaces.IStorageCurrentRecordIteration,
    interfaces.IStorageRestoreable,
    interfaces.ReadVerifyingStorage,
    interfaces.IExternalGC,
    interfaces.IPrefetchStorage,
)
class Storage(Blobs, UndoLogCompatible, ConflictResolvingStorage):
    """A storage shared by all the threads of a process; their transactions are committed in parallel.

    The constructor connects to nothing: the first call that needs the cluster waits for it (at most `wait_timeout`
    seconds, if it is given).
    """

    def __init__(
        self, master_nodes, name, compress=None, logfile=None, _app=None, blob_dir=None, blob_cache_size=None,
        blob_cache_size_check=None, shared_blob_dir=False, **options,
    ):
        if _app is None:
            _app = Application(master_nodes, name, compress, logfile, **options)
        self.app = _app
        self.__name__ = f'NEOStorage({_app.name})'
        # DemoStorage takes the lock of the storage that it writes to.
        self._lock = threading.RLock()
        self._last_oid = 0
        self._current_records = CurrentRecords(_app)
        try:
            self._open_blobs(blob_dir, blob_cache_size, blob_cache_size_check, shared_blob_dir)
        except BaseException:
            _app.close()
            raise

    def __repr__(self):
        return f'<{type(self).__module__}.{type(self).__name__} {self.__name__!r}>'

    # The storage itself

    def getName(self):
        return self.__name__

    def sortKey(self):
        return self.__name__

    def isReadOnly(self):
        return self.app.read_only

    def supportsUndo(self):
        return True

    def close(self):
        uploads = self.app.all_blobs()
        self.app.close()
        self._close_blobs(uploads)

    def registerDB(self, db, limit=None):
        super().registerDB(db)
        self.app.register(db)

    @property
    def _cache(self):
        return self.app.cache

    def __len__(self):
        """An estimation, the cluster does not count its objects: the last oid that this process was given, as a number.

        If it was given none, the last one of the cluster; 0 in a callback, which can not ask.
        """
        if self._last_oid or self.app.is_calling_back:
            return self._last_oid
        return int.from_bytes(self.app.last_oid(), 'big')

    def __bool__(self):
        return True

    def getSize(self):
        """An estimation: the cluster does not tell the size of its data."""
        return 300 * len(self)

    # Reading

    def load(self, oid, version=''):
        _check_version(version)
        return self._load(oid)[:2]

    def loadEx(self, oid, version=''):
        return self.load(oid, version) + ('',)

    def loadSerial(self, oid, serial):
        return self._load(oid, tid=serial)[0]

    def getTid(self, oid):
        return self._load(oid)[1]

    def _load(self, oid, tid=None):
        try:
            data, serial, following = self.app.load(oid, tid)
        except NEOStorageNotFoundError:
            raise POSKeyError(oid) from None
        return without_token(data), serial, following

    def loadBefore(self, oid, tid):
        try:
            data, serial, following = self.app.load(oid, None, tid)
        except NEOStorageDoesNotExistError:
            raise POSKeyError(oid) from None
        except NEOStorageNotFoundError:
            return None
        return without_token(data), serial, following

    def prefetch(self, oids, tid):
        """Begins to fetch what was current before `tid`."""
        self.app.prefetch(oids, tid)

    def lastTransaction(self):
        return self.app.last_tid

    def sync(self, force=True):
        self.app.sync()

    def new_oid(self):
        if self.app.read_only:
            raise ReadOnlyError()
        oid = self.app.new_oid()
        self._last_oid = int.from_bytes(oid, 'big')
        return oid

    # Committing

    def tpc_begin(self, transaction, tid=None, status=' '):
        self.app.tpc_begin(self, transaction, tid, status)

    def tpc_transaction(self):
        """Many transactions are committed at the same time: there is no current one."""
        return None

    def store(self, oid, serial, data, version, transaction):
        if self.app.read_only:
            raise ReadOnlyError()
        _check_version(version)
        if self.is_blob_record(data) and self._store_with_content(oid, serial, data, transaction):
            return
        self.app.store(oid, serial, data, version, transaction)

    def deleteObject(self, oid, serial, transaction):
        self.store(oid, serial, None, '', transaction)
        self._delete_content(oid, serial, transaction)

    def checkCurrentSerialInTransaction(self, oid, serial, transaction):
        self.app.checkCurrentSerial(oid, serial, transaction)

    def tpc_vote(self, transaction):
        return self.app.tpc_vote(transaction)

    def tpc_finish(self, transaction, f=None):
        uploads = self.app.blobs(transaction)
        try:
            tid = self.app.tpc_finish(transaction, f)
        except BaseException:
            self._remove_uploads(uploads)
            raise
        self._keep_uploads(uploads, tid)
        return tid

    def tpc_abort(self, transaction):
        uploads = self.app.blobs(transaction)
        self.app.tpc_abort(transaction)
        self._remove_uploads(uploads)

    def undo(self, transaction_id, transaction):
        """(None, the oids that change). Several transactions can be undone by one, in any order."""
        if self.app.read_only:
            raise ReadOnlyError()
        return None, self.app.undo(transaction_id, transaction)

    # What was committed

    def history(self, oid, size=1, filter=None):
        try:
            return self.app.history(oid, size, filter)
        except NEOStorageNotFoundError:
            raise POSKeyError(oid) from None

    def undoLog(self, first=0, last=-20, filter=None):
        return self.app.undoLog(first, last, filter)

    def iterator(self, start=None, stop=None):
        """The transactions committed so far, by any client, from `start` to `stop`, both included."""
        return TransactionIterator(self.app, start, stop)

    def record_iternext(self, next=None):
        return self._current_records.next(next)

    # Copying

    def restore(self, oid, serial, data, version, prev_txn, transaction):
        """Stores what another storage committed, in a transaction begun with its tid. Nothing conflicts with it."""
        if self.app.read_only:
            raise ReadOnlyError()
        _check_version(version)
        if data is None or self.is_blob_record(data):
            self._restore_without_content(oid, self._current(oid), data, prev_txn, transaction)
        else:
            self.app.restore(oid, ZERO_TID, data, prev_txn, transaction)

    def copyTransactionsFrom(self, source, verbose=0):
        """Commits again, with their tids, the transactions of `source`, which must all be newer than the last one here.

        An interrupted copy goes on with what `source.iterator` gives after `lastTransaction()`.
        """
        transactions = source.iterator()
        # What was copied last of each object saves asking what is current.
        last = {}
        try:
            for transaction in transactions:
                try:
                    self.tpc_begin(transaction, transaction.tid, transaction.status)
                    copied = []
                    for record in transaction:
                        self._copy_record(source, record, last.get(record.oid), transaction)
                        copied.append(record.oid)
                    self.tpc_vote(transaction)
                    self.tpc_finish(transaction)
                except BaseException:
                    self.tpc_abort(transaction)
                    raise
                # Not before: a FileStorage has two records of an object that a transaction undid twice.
                if len(last) >= _COPIED:
                    last.clear()
                last.update(dict.fromkeys(copied, transaction.tid))
                if verbose:
                    print(TimeStamp(transaction.tid))
        finally:
            if hasattr(transactions, 'close'):
                transactions.close()

    # Packing

    def pack(self, t, referencesf=None, gc=None):
        """Orders storages to forget the revisions that were not current any more at `t`, a time in seconds.

        They do it in background: with the option `pack_wait`, it returns once they all did. Unreachable objects are not
        removed: zc.zodbdgc does that.
        """
        if self.app.read_only:
            raise ReadOnlyError()
        # Wrappers ask for gc without being asked.
        if gc or referencesf is not None and gc is None:
            log.warning('Garbage Collection is not available in NEO, use an external tool like zc.zodbdgc.')
        self.app.pack(min(tid_of_time(t), self.app.last_tid))
        if self.app.pack_wait:
            self._forget_packed()


def _check_version(version):
    if version:
        raise Unsupported(f'versions are not supported, got {version!r}')
