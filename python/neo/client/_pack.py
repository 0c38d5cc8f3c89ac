"""Packs: orders that clients give and that storages execute (`app.pack` and what goes with it)."""

import logging
import time

from persistent.TimeStamp import TimeStamp
from ZODB.Connection import TransactionMetaData

from ._errors import check
from ._library import ffi, lib

log = logging.getLogger('neo.client')

ZERO_TID = b'\0' * 8
DESCRIPTION = 'IStorage.pack'


def tid_of_time(t):
    """The greatest tid that a transaction of this time (seconds since the epoch) can have."""
    if t <= -2208988800:
        return ZERO_TID
    *minutes, _ = time.gmtime(t)[:6]
    return TimeStamp(*minutes, t % 60).raw()


class PackMixin:
    """The packs of an `Application`."""

    def pack(self, tid, oids=None):
        """Orders a pack up to `tid` (at most the last one), of all the objects or of `oids`.

        Gives the tid of the transaction that carries the order, None if there is nothing to pack. Storages execute it
        later. An empty collection of oids is a pack of nothing.
        """
        if tid == ZERO_TID or oids is not None and not oids:
            return None
        transaction = TransactionMetaData(description=DESCRIPTION)
        self.tpc_begin(None, transaction)
        try:
            self.setPackOrder(transaction, tid, oids)
            self.tpc_vote(transaction)
            order = self.tpc_finish(transaction)
        except BaseException:
            self.tpc_abort(transaction)
            raise
        if self.pack_wait:
            self.waitForPack(order, tid)
        return order

    def setPackOrder(self, transaction, tid, oids=None):
        """Has a transaction that has not voted carry a pack order."""
        context = self.begun(transaction)
        _check(tid)
        data, count = ffi.NULL, 0
        if oids is not None:
            oids = sorted(oids)
            for oid in oids:
                _check(oid)
            data, count = ffi.from_buffer('uint8_t[]', b''.join(oids)), len(oids)
        check(lib.neo_transaction_set_pack_order(context.handle, tid, data, count))

    def waitForPack(self, order, tid=None):
        """Waits until all the storages have executed the order of this transaction, whatever happens to the master.

        `tid` is up to where it packs: what it removed is forgotten by the cache.
        """
        _check(order)
        check(lib.neo_wait_for_pack(self._client, order, ffi.NULL if tid is None else tid))


def _check(identifier):
    if type(identifier) is not bytes or len(identifier) != 8:
        raise ValueError(f'an oid or tid is made of 8 bytes, got {identifier!r}')
