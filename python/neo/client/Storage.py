"""The storage of ZODB whose records are in a NEO cluster."""

import threading

from ZODB import interfaces
from ZODB.ConflictResolution import ConflictResolvingStorage
from ZODB.POSException import POSKeyError, ReadOnlyError, Unsupported
from zope.interface import implementer

from ._pack import tid_of_time
from .app import Application, log
from .exception import NEOStorageDoesNotExistError, NEOStorageNotFoundError


@implementer(
    interfaces.IStorage,
    interfaces.IMultiCommitStorage,
    interfaces.ReadVerifyingStorage,
    interfaces.IExternalGC,
    interfaces.IPrefetchStorage,
)
class Storage(ConflictResolvingStorage):
    """A storage shared by all the threads of a process; their transactions are committed in parallel.

    The constructor connects to nothing: the first call that needs the cluster waits for it (at most `wait_timeout`
    seconds, if it is given).
    """

    def __init__(self, master_nodes, name, compress=None, logfile=None, _app=None, **options):
        if _app is None:
            _app = Application(master_nodes, name, compress, logfile, **options)
        self.app = _app
        self.__name__ = f'NEOStorage({_app.name})'
        # DemoStorage takes the lock of the storage that it writes to.
        self._lock = threading.RLock()
        self._last_oid = 0

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
        return False

    def close(self):
        self.app.close()

    def registerDB(self, db, limit=None):
        super().registerDB(db)
        self.app.register(db)

    @property
    def _cache(self):
        return self.app.cache

    def __len__(self):
        """The last oid that this process was given, as a number: the cluster does not count its objects."""
        return self._last_oid

    def __bool__(self):
        return True

    def getSize(self):
        """An estimation: the cluster does not tell the size of its data."""
        return 300 * self._last_oid

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
            return self.app.load(oid, tid)
        except NEOStorageNotFoundError:
            raise POSKeyError(oid) from None

    def loadBefore(self, oid, tid):
        try:
            return self.app.load(oid, None, tid)
        except NEOStorageDoesNotExistError:
            raise POSKeyError(oid) from None
        except NEOStorageNotFoundError:
            return None

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
        self.app.store(oid, serial, data, version, transaction)

    def deleteObject(self, oid, serial, transaction):
        self.store(oid, serial, None, '', transaction)

    def checkCurrentSerialInTransaction(self, oid, serial, transaction):
        self.app.checkCurrentSerial(oid, serial, transaction)

    def tpc_vote(self, transaction):
        return self.app.tpc_vote(transaction)

    def tpc_finish(self, transaction, f=None):
        return self.app.tpc_finish(transaction, f)

    def tpc_abort(self, transaction):
        self.app.tpc_abort(transaction)

    # What IStorage asks for and this version does not have

    def history(self, oid, size=1, filter=None):
        raise Unsupported('history')

    def undo(self, transaction_id, transaction):
        if self.app.read_only:
            raise ReadOnlyError()
        raise Unsupported('undo')

    # Packing

    def pack(self, t, referencesf=None, gc=None):
        """Orders storages to forget the revisions that were not current any more at `t`, a time in seconds.

        They do it in background: with the option `pack_wait`, it returns once they all did. Unreachable objects are not
        removed: zc.zodbdgc does that.
        """
        if self.app.read_only:
            raise ReadOnlyError()
        if gc:
            raise NotImplementedError(
                'gc=True: storages of NEO do not remove unreachable objects. Pack without gc; see zc.zodbdgc.')
        if referencesf is not None and gc is None:
            log.warning('Garbage Collection is not available in NEO, use an external tool like zc.zodbdgc.')
        self.app.pack(min(tid_of_time(t), self.app.last_tid))


def _check_version(version):
    if version:
        raise Unsupported(f'versions are not supported, got {version!r}')
