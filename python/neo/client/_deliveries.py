"""What the client tells the database: invalidations, and the ends of its own transactions.

The order matters more than anything else here: see ``neo_client.h`` on ``deliver``. The library calls one delivery at a
time, in the order of transactions, and shows the new last transaction only after the delivery about it returned.
"""

import logging
import threading

from ._errors import interruption, postponed
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

    def deliver(self, delivery, is_repeated=False):
        self.thread = threading.get_ident()
        try:
            if delivery.kind == lib.NEO_DELIVERY_FINISHED:
                self._finish(int(ffi.cast('uintptr_t', delivery.transaction)), bytes(delivery.tid))
            elif self.database is None:
                pass
            elif delivery.kind == lib.NEO_DELIVERY_INVALIDATE and not is_repeated:
                self._invalidate(delivery)
            else:
                self._invalidate_all(bytes(delivery.tid))
        finally:
            self.thread = None

    def _finish(self, transaction, tid):
        finishing = self.finishing.get(transaction)
        if finishing is not None and finishing.callback is not None and not finishing.is_told:
            finishing.is_told = True
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
            self._invalidate_all(bytes(delivery.tid))

    def _invalidate_all(self, tid):
        """Nothing that connections have is known to be current at `tid`.

        One of them may be beginning a transaction: it asked for the last transaction, which was an older one, and is about
        to take what it is told here. If that was all, it would load what was current before, and keep it. So it is told
        `tid` too, at which it begins then; and once more, in case it took what came before that. Nobody else begins
        meanwhile: who asks for the last transaction waits.
        """
        self.database.invalidateCache()
        try:
            self.database.invalidate(tid, ())
        except Exception:
            log.exception('an invalidation failed')
        finally:
            self.database.invalidateCache()


class Finishing:
    """A transaction that is being finished."""

    __slots__ = 'callback', 'is_told', 'exception'

    def __init__(self, callback):
        self.callback = callback
        self.is_told = False
        self.exception = None


def _postpone(kind, exception, traceback):
    """Keeps what the handler of a signal raised in a callback until the library has returned."""
    postponed.append(exception)


def _repeat(kind, exception, traceback):
    """A delivery was cut off, or not even begun. The caches would keep what is out of date: it has to be made."""
    if issubclass(kind, Exception):
        log.error('a delivery failed', exc_info=(kind, exception, traceback))
    arguments = traceback.tb_frame.f_locals
    ffi.from_handle(arguments['context']).deliver(arguments['delivery'], is_repeated=True)
    if not issubclass(kind, Exception):
        _postpone(kind, exception, traceback)


@ffi.callback('void(void *, const neo_delivery *)', onerror=_repeat)
def _deliver(context, delivery):
    ffi.from_handle(context).deliver(delivery)


def _remember(kind, exception, traceback):
    interruption.exception = exception


@ffi.callback('int32_t(void *)', error=1, onerror=_remember)
def _interrupted(context):
    # Entering a function is enough for Python to run the handlers of signals if this is the main thread.
    return 0


@ffi.callback('void(void *, int32_t, const char *)', onerror=_postpone)
def _log(context, level, message):
    log.log(level, '%s', ffi.string(message).decode('utf-8', 'replace'))
