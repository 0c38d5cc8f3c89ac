"""What the client tells the database: invalidations, and the ends of its own transactions.

The order matters more than anything else here: see ``neo_client.h`` on ``deliver``. The library calls one delivery at a
time, in the order of transactions, and shows the new last transaction only after the delivery about it returned.
"""

import logging
import threading

from ._errors import interruption
from ._library import ffi, lib

log = logging.getLogger('neo.client')


class Deliveries:
    """The receiver of one client. The library reaches it by a handle: it must not keep the client itself alive."""

    def __init__(self):
        #: What ``registerDB`` was given.
        self.database = None
        #: By address of the transaction: the list of its callback, then of what the callback raised.
        self.finishing = {}
        #: Whether a thread is in a callback, and which.
        self.thread = None
        self.handle = ffi.new_handle(self)
        self.callbacks = ffi.new('neo_callbacks *', {
            'context': self.handle,
            'deliver': _deliver,
            'interrupted': _interrupted,
            'log': _log,
        })

    def deliver(self, delivery):
        self.thread = threading.get_ident()
        try:
            if delivery.kind == lib.NEO_DELIVERY_FINISHED:
                self._finish(int(ffi.cast('uintptr_t', delivery.transaction)), bytes(delivery.tid))
            elif self.database is None:
                pass
            elif delivery.kind == lib.NEO_DELIVERY_INVALIDATE:
                self._invalidate(delivery)
            else:
                self.database.invalidateCache()
        finally:
            self.thread = None

    def _finish(self, transaction, tid):
        finishing = self.finishing.get(transaction)
        if finishing is not None and finishing.callback is not None:
            try:
                finishing.callback(tid)
            except BaseException as error:
                # The transaction is committed whatever happens here: tpc_finish raises it once the client knows.
                finishing.exception = error

    def _invalidate(self, delivery):
        oids = ffi.buffer(delivery.oids, 8 * delivery.oid_count)[:] if delivery.oid_count else b''
        try:
            self.database.invalidate(bytes(delivery.tid), [oids[i:i + 8] for i in range(0, len(oids), 8)])
        except Exception:
            log.exception('an invalidation failed: the caches of all connections are dropped')
            self.database.invalidateCache()


class Finishing:
    """A transaction that is being finished."""

    __slots__ = 'callback', 'exception'

    def __init__(self, callback):
        self.callback = callback
        self.exception = None


def _log_failure(kind, exception, traceback):
    log.error('a delivery failed', exc_info=(kind, exception, traceback))


@ffi.callback('void(void *, const neo_delivery *)', onerror=_log_failure)
def _deliver(context, delivery):
    ffi.from_handle(context).deliver(delivery)


def _remember(kind, exception, traceback):
    interruption.exception = exception


@ffi.callback('int32_t(void *)', error=1, onerror=_remember)
def _interrupted(context):
    # Entering a function is enough for Python to run the handlers of signals if this is the main thread.
    return 0


@ffi.callback('void(void *, int32_t, const char *)')
def _log(context, level, message):
    log.log(level, '%s', ffi.string(message).decode('utf-8', 'replace'))
