"""From the errors of the library to exceptions."""

import threading
from collections import deque

from ZODB.POSException import (
    ConflictError, ReadConflictError, ReadOnlyError, StorageTransactionError, Unsupported)

from ._library import data_of, ffi, lib
from .exception import (
    NEOOutcomeUnknown, NEOPrimaryMasterLost, NEOStorageClosed, NEOStorageDoesNotExistError, NEOStorageError,
    NEOStorageNotFoundError, NEOStorageUnavailable, NEOStorageWrongChecksum, NEOTransactionNotFoundError, NEOUndoError,
    NEOUndoPackError)

#: What a handler of a signal raised while the thread waited in the library.
interruption = threading.local()

#: What handlers of signals raised in callbacks whose work had to be done all the same.
postponed = deque()

_CLASSES = {
    lib.NEO_TRANSACTION_NOT_FOUND: NEOTransactionNotFoundError,
    lib.NEO_UNAVAILABLE: NEOStorageUnavailable,
    lib.NEO_READ_ONLY: ReadOnlyError,
    lib.NEO_TRANSACTION_STATE: StorageTransactionError,
    lib.NEO_NOT_IMPLEMENTED: Unsupported,
    lib.NEO_OUTCOME_UNKNOWN: NEOOutcomeUnknown,
    lib.NEO_CLOSED: NEOStorageClosed,
}


def exception_of(error):
    """The exception for an error of the library, which is freed."""
    try:
        code = error.code
        message = ffi.string(error.message).decode('utf-8', 'replace')
        oid = bytes(error.oid) if error.has_oid else None
        serial = bytes(error.serial) if error.has_serial else None
        base = bytes(error.base) if error.has_base else None
        # ZODB reads the name of the class in it, and can not do so in an empty record.
        data = data_of(error) or None
    finally:
        lib.neo_error_release(error)
    if code == lib.NEO_OBJECT_NOT_FOUND:
        return NEOStorageDoesNotExistError(message)
    if code == lib.NEO_REVISION_NOT_FOUND:
        return NEOStorageNotFoundError(message)
    if code == lib.NEO_CONFLICT:
        return ConflictError(oid=oid, serials=(serial, base), data=data)
    if code == lib.NEO_READ_CONFLICT:
        return ReadConflictError(oid=oid, serials=(serial, base))
    if code == lib.NEO_NOT_UNDOABLE:
        return NEOUndoError(message, oid)
    if code == lib.NEO_UNDO_PACK:
        return NEOUndoPackError(message, oid)
    if code == lib.NEO_PRIMARY_MASTER_LOST:
        return NEOPrimaryMasterLost(message, oid=oid)
    if code == lib.NEO_WRONG_CHECKSUM:
        return NEOStorageWrongChecksum(oid, serial)
    if code == lib.NEO_INTERRUPTED:
        raised = interruption.__dict__.pop('exception', None)
        return NEOStorageUnavailable(message) if raised is None else raised
    return _CLASSES.get(code, NEOStorageError)(message)


def check(error):
    """Raises the exception for what a function of the library returned, if it failed."""
    if error:
        raise exception_of(error)
    if postponed:
        raise_postponed()


def raise_postponed():
    """Raises what handlers of signals raised while the library called back: in the main thread, where they run."""
    if postponed and threading.current_thread() is threading.main_thread():
        raise postponed.popleft()
