"""What a NEO storage raises.

All are errors that ZODB knows. Those that derive from ``TransientError`` tell that nothing was committed and that the same
transaction may succeed if it is tried again: Zope does so by itself.
"""

from transaction.interfaces import TransientError
from ZODB.POSException import ReadConflictError, StorageError, UndoError


class NEOStorageError(StorageError):
    """A node refused a request, or the client can not do it."""


class NEOStorageUnavailable(NEOStorageError, TransientError):
    """The cluster, or the part of it that was needed, was not available: nothing was committed."""


class NEOStorageClosed(NEOStorageError):
    """The storage was closed."""


class NEOOutcomeUnknown(NEOStorageError):
    """The cluster was lost while it committed: the transaction is committed, or it is not."""


class NEOStorageNotFoundError(NEOStorageError):
    """An object, revision or transaction does not exist."""


class NEOTransactionNotFoundError(NEOStorageNotFoundError, UndoError):
    """A transaction does not exist."""

    def __init__(self, reason, oid=None):
        UndoError.__init__(self, reason, oid)


class NEOUndoError(NEOStorageError, UndoError):
    """A transaction can not be undone."""

    def __init__(self, reason, oid=None):
        UndoError.__init__(self, reason, oid)


class NEOStorageDoesNotExistError(NEOStorageNotFoundError):
    """An object does not exist at all."""


class NEOStorageCreationUndoneError(NEOStorageDoesNotExistError):
    """The revision that was asked says that the object does not exist any more."""


class NEOStorageReadRetry(NEOStorageError):
    """The partition table changed while reading."""


class NEOStorageWrongChecksum(NEOStorageError):
    """All replicas of a record are damaged. Arguments: oid, tid."""


class NEOUndoPackError(NEOStorageNotFoundError, UndoError):
    """A record that an undo needed was packed meanwhile."""

    def __init__(self, reason, oid=None):
        UndoError.__init__(self, reason, oid)


class NEOPrimaryMasterLost(ReadConflictError):
    """The connection to the primary master was lost while reading."""
