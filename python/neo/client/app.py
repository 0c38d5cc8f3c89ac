"""The client node: what a storage is made of, without the vocabulary of ZODB's storages."""

import atexit
import logging
import os
import threading
import weakref
from collections import deque

from ZODB.POSException import ConflictError, ReadOnlyError, StorageTransactionError

from ._addresses import format_address, resolve_masters
from ._deliveries import Deliveries, Finishing
from ._errors import check, exception_of, postponed, raise_postponed
from ._history import History
from ._library import conflicts_of, ffi, lib
from ._pack import PackMixin
from .exception import NEOStorageClosed, NEOStorageError, NEOStorageNotFoundError, NEOUndoError

log = logging.getLogger('neo.client')

ZERO_TID = b'\0' * 8
#: The greatest oid and tid that can be stored.
MAXIMUM = b'\x7f' + b'\xff' * 7
NULL = ffi.NULL
_RECORD = ffi.typeof('neo_record *')
_CONFLICTS = ffi.typeof('neo_conflicts *')
_IDENTIFIER = ffi.typeof('uint8_t[8]')
_SERIAL, _NEXT = (
    slice(offset, offset + 8) for offset in (ffi.offsetof('neo_record', name) for name in ('serial', 'next')))

#: All the clients of this process that are open.
_clients = weakref.WeakSet()


class Transaction:
    """A transaction of ZODB that is being committed."""

    __slots__ = 'transaction', 'handle', 'resolved', 'voted', 'resolver', 'blobs', 'deleted', '__weakref__'

    def __init__(self, transaction, resolver):
        # The reference keeps the identity of the object from being reused.
        self.transaction = transaction
        self.resolver = resolver
        self.handle = NULL
        self.resolved = {}
        self.voted = False
        #: {oid: what is stored of the blob}
        self.blobs = {}
        #: {oid of a blob that is deleted: oids of its chunks}
        self.deleted = {}

    def check(self, error):
        """Raises the exception for what a function of the library returned, if it failed."""
        try:
            check(error)
        except ConflictError as conflict:
            raise self.named(conflict) from None

    def named(self, conflict):
        """The conflict of a blob instead of that of one of its chunks, which no program knows."""
        for oid, blob in self.blobs.items():
            if blob.has_chunk(conflict.oid):
                return ConflictError(oid=oid, serials=conflict.serials, data=blob.record)
        for oid, chunks in self.deleted.items():
            if conflict.oid in chunks:
                return ConflictError(oid=oid, serials=conflict.serials)
        return conflict


class Application(History, PackMixin):
    """A client node of a cluster. All methods may be called by any thread."""

    def __init__(
        self, master_nodes, name, compress=None, logfile=None, ca=None, cert=None, key=None, cache_size=None,
        read_only=False, ignore_wrong_checksum=False, dynamic_master_list=None, wait_timeout=None, pack_wait=False,
        cache_file=None,
    ):
        credentials = ca, cert, key
        if any(credentials) and not all(credentials):
            raise ValueError(
                'To enable encryption, 3 files must be provided: the CA certificate, and the certificate'
                ' of this node with its private key.')
        self.name = name
        self.ssl = any(credentials)
        if self.ssl:
            self.ssl_credentials = credentials
        self.read_only = bool(read_only)
        #: Whether `pack` returns once storages have done it.
        self.pack_wait = bool(pack_wait)
        self.nm = Nodes(self, resolve_masters(master_nodes))
        if not (self.nm.masters or dynamic_master_list):
            raise ValueError('At least one master must be defined')
        if logfile is not None:
            log.warning('logfile=%r: this version writes no log file, it only logs to %r', logfile, log.name)
        options = {
            'master_nodes': ' '.join(map(format_address, self.nm.masters)),
            'name': name,
            'compress': _compression(compress),
            'cache_size': cache_size,
            'read_only': int(self.read_only),
            'ignore_wrong_checksum': int(bool(ignore_wrong_checksum)),
            'dynamic_master_list': None if dynamic_master_list is None else os.path.abspath(dynamic_master_list),
            'ca': ca, 'cert': cert, 'key': key,
            'wait_timeout': wait_timeout,
            'cache_file': None if cache_file is None else os.path.abspath(cache_file),
        }
        self._options = {key: os.fsencode(str(value)) for key, value in options.items() if value is not None}
        self._lock = threading.Lock()
        self._open()
        _clients.add(self)

    # Opening, closing, forking

    def _open(self):
        self._deliveries = Deliveries()
        self._transactions = {}
        names = [ffi.new('char[]', key.encode()) for key in self._options]
        values = [ffi.new('char[]', value) for value in self._options.values()]
        client = ffi.new('neo_client **')
        error = lib.neo_client_open(
            ffi.new('char *[]', names), ffi.new('char *[]', values), len(names), self._deliveries.callbacks, client)
        if error:
            is_argument = error.code == lib.NEO_INVALID_ARGUMENT
            exception = exception_of(error)
            raise ValueError(str(exception)) if is_argument else exception
        self._handle = client[0]
        self._is_closed = False
        #: Whether the database must be told, before anything else, that what it keeps may be out of date.
        self._is_stale = False
        self._finalizer = weakref.finalize(self, _dispose, self._handle, self._deliveries, self._transactions)
        self._finalizer.atexit = False

    @property
    def is_calling_back(self):
        """Whether this thread is in a callback of this client."""
        thread = self._deliveries.thread
        return thread is not None and thread == threading.get_ident()

    def _check_caller(self):
        if self.is_calling_back:
            raise NEOStorageError('a callback can not use the storage that calls it: what it asked would wait for its end')

    @property
    def _client(self):
        """The client of the library, for functions that may wait for a node."""
        # Each load comes here.
        if self._deliveries.thread is not None:
            self._check_caller()
        return self._handle

    def close(self):
        """Closes all the connections. Calls of other threads end with an error; no callback follows."""
        with self._lock:
            if self._is_closed:
                return
            if self.is_calling_back:
                raise NEOStorageError('a storage can not be closed by a callback that it called')
            self._is_closed = True
        _clients.discard(self)
        lib.neo_client_close(self._handle)

    @property
    def is_closed(self):
        return self._is_closed

    def _after_fork(self):
        """In the child: a new client with the same options. Nothing is sent on what is the parent's."""
        self._finalizer.detach()
        lib.neo_client_abandon(self._handle)
        database = self._deliveries.database
        # The parent goes on with it.
        self._options.pop('cache_file', None)
        self._lock = threading.Lock()
        self._open()
        self._deliveries.database = database
        self._is_stale = True

    # Reading

    def load(self, oid, tid=None, before_tid=None):
        """(data, serial, next serial or None) of the revision `tid`, or before `before_tid`, or current.

        `NEOStorageNotFoundError` if there is none.
        """
        record = ffi.new(_RECORD)
        check_identifier(oid)
        if before_tid is not None:
            check_identifier(before_tid)
            error = lib.neo_load_before(self._client, oid, before_tid, record)
        elif tid is not None:
            check_identifier(tid)
            error = lib.neo_load_serial(self._client, oid, tid, record)
        else:
            error = lib.neo_load(self._client, oid, record)
        if error:
            raise exception_of(error)
        # Slices of one buffer cost half as much as the bytes of each field.
        fields = ffi.buffer(record)
        result = (
            ffi.buffer(record.data, record.length)[:],
            fields[_SERIAL],
            fields[_NEXT] if record.has_next else None,
        )
        lib.neo_record_release(record)
        if postponed:
            raise_postponed()
        return result

    def prefetch(self, oids, before_tid):
        oids = list(oids)
        for identifier in before_tid, *oids:
            check_identifier(identifier)
        check(lib.neo_prefetch(self._client, b''.join(oids), len(oids), before_tid))

    @property
    def last_tid(self):
        if self._is_closed:
            raise NEOStorageClosed('the storage is closed')
        if self._is_stale:
            self._refresh()
        tid = ffi.new(_IDENTIFIER)
        error = lib.neo_last_transaction(self._handle, tid)
        if error:
            raise exception_of(error)
        return ffi.buffer(tid)[:]

    def _refresh(self):
        with self._lock:
            if self._is_stale:
                if self._deliveries.database is not None:
                    self._deliveries.database.invalidateCache()
                self._is_stale = False

    def sync(self):
        check(lib.neo_sync(self._client))

    def new_oid(self):
        oid = ffi.new(_IDENTIFIER)
        check(lib.neo_new_oid(self._client, oid))
        return bytes(oid)

    def last_oid(self):
        """The greatest oid that the cluster gave or has; zero if there is none."""
        oid = ffi.new(_IDENTIFIER)
        check(lib.neo_last_oid(self._client, oid))
        return bytes(oid)

    def register(self, database):
        """Tells the invalidations to this database from now on."""
        self._deliveries.database = database

    # Writing

    def transaction(self, transaction):
        """What `tpc_begin` began for it."""
        try:
            return self._transactions[id(transaction)]
        except KeyError:
            raise StorageTransactionError(self, f'unknown transaction {transaction!r}') from None

    def begun(self, transaction):
        """The same, if it has begun in the cluster."""
        self._check_caller()
        context = self.transaction(transaction)
        if context.handle == NULL:
            raise StorageTransactionError(self, f'transaction {transaction!r} could not begin')
        return context

    def tpc_begin(self, storage, transaction, tid=None, status=' '):
        if self.read_only:
            raise ReadOnlyError()
        if self._is_closed:
            raise NEOStorageClosed('the storage is closed')
        context = Transaction(transaction, storage)
        if self._transactions.setdefault(id(transaction), context) is not context:
            raise StorageTransactionError(self, f'commit of transaction {transaction!r} already started')
        user, description, extension = _metadata(transaction)
        if tid is not None:
            check_identifier(tid)
            check_storable('tid', tid)
        handle = ffi.new('neo_transaction **')
        try:
            check(lib.neo_transaction_begin(
                self._client, NULL if tid is None else tid,
                user, len(user), description, len(description), extension, len(extension), handle))
        finally:
            # Even if a signal came: it has to be aborted.
            context.handle = handle[0]

    def store(self, oid, serial, data, version, transaction):
        context = self.begun(transaction)
        serial = initial_serial(serial)
        check_identifier(oid)
        check_identifier(serial)
        self.store_record(context, oid, self.known_base(oid, serial), data)

    def known_base(self, oid, serial):
        """The base of a store: not a revision that is newer than all that there is here.

        A DemoStorage gives the revisions of the storage below for objects that do not exist in this one.
        """
        if serial > self.last_tid:
            self.sync()
            if serial > self.last_tid:
                try:
                    self.load(oid)
                except NEOStorageNotFoundError:
                    return ZERO_TID
        return serial

    def restore(self, oid, base, data, prev_txn, transaction):
        """Stores what was committed elsewhere. `base` is a guess at the current revision."""
        context = self.begun(transaction)
        for identifier in oid, base:
            check_identifier(identifier)
        self.restore_record(context, oid, base, data, prev_txn)

    def restore_record(self, context, oid, base, data, prev_txn):
        check_storable('oid', oid)
        data_tid = NULL
        if prev_txn is not None and data is not None:
            check_identifier(prev_txn)
            # It is worth something only if this very data is there.
            earlier, = self.first_revisions([oid], [prev_txn])
            if earlier is not None and earlier[0] == data:
                data_tid = prev_txn
        conflicts = ffi.new(_CONFLICTS)
        length = 0 if data is None else len(data)
        context.check(
            lib.neo_transaction_restore(context.handle, oid, base, _pointer(data), length, data_tid, conflicts))
        self._resolve(context, conflicts)

    def store_record(self, context, oid, serial, data):
        check_storable('oid', oid)
        conflicts = ffi.new(_CONFLICTS)
        length = 0 if data is None else len(data)
        context.check(lib.neo_transaction_store(context.handle, oid, serial, _pointer(data), length, conflicts))
        self._resolve(context, conflicts)

    def store_unkept(self, context, oid, serial, data, is_restored):
        """Stores a part of something big: it is not kept in memory, and nothing can merge it."""
        conflicts = ffi.new(_CONFLICTS)
        context.check(lib.neo_transaction_store_unkept(
            context.handle, oid, serial, data, len(data), is_restored, conflicts))
        self._resolve(context, conflicts)

    def checkCurrentSerial(self, oid, serial, transaction):
        context = self.begun(transaction)
        serial = initial_serial(serial)
        check_identifier(oid)
        check_identifier(serial)
        check_storable('oid', oid)
        conflicts = ffi.new(_CONFLICTS)
        check(lib.neo_transaction_check_current_serial(context.handle, oid, serial, conflicts))
        self._resolve(context, conflicts)

    def _resolve(self, context, conflicts):
        """Resolves conflicts until no more are known. Whether there was any."""
        pending = deque(conflicts_of(conflicts))
        if not pending:
            return False
        while pending:
            oid, serial, base, data = pending.popleft()
            try:
                resolved = self._merge(context, oid, serial, base, data)
            except ConflictError as conflict:
                raise context.named(conflict) from None
            conflicts = ffi.new(_CONFLICTS)
            context.check(lib.neo_transaction_resolve(
                context.handle, oid, serial, _pointer(resolved), len(resolved), conflicts))
            context.resolved[oid] = serial
            pending.extend(conflicts_of(conflicts))
        return True

    @staticmethod
    def _merge(context, oid, serial, base, data, committed=b''):
        """The record that merges a change from `base` with what is at `serial`. `ConflictError` if there is none."""
        if data is None or context.resolver is None:
            raise ConflictError(oid=oid, serials=(serial, base), data=data or None)
        return context.resolver.tryToResolveConflict(oid, serial, base, data, committed)

    def undo(self, tid, transaction):
        """Takes back what transaction `tid` did: the list of the objects that change."""
        context = self.begun(transaction)
        check_identifier(tid)
        self._drain(context)
        undo = ffi.new('neo_undo *')
        check(lib.neo_transaction_undo(context.handle, tid, undo))
        try:
            oids = ffi.buffer(undo.oids, 8 * undo.oid_count)[:]
            self._resolve(context, ffi.addressof(undo, 'conflicts'))
            # One at a time: there can be more of them than fit in memory.
            for index in range(undo.overtaken_count):
                self._merge_overtaken(context, tid, ffi.addressof(undo.overtaken, index))
        finally:
            lib.neo_undo_release(undo)
        self._drain(context)
        return [oids[position:position + 8] for position in range(0, len(oids), 8)]

    def _merge_overtaken(self, context, tid, overtaken):
        """Stores what merges the undo of `tid` with what changed an object later."""
        merge = ffi.new('neo_merge *')
        check(lib.neo_overtaken_load(context.handle, overtaken, merge))
        try:
            committed = ffi.buffer(merge.committed, merge.committed_length)[:]
            undone = ffi.buffer(merge.undone, merge.undone_length)[:]
        finally:
            lib.neo_merge_release(merge)
        oid, current = bytes(overtaken.oid), bytes(overtaken.current)
        try:
            merged = self._merge(context, oid, current, tid, undone, committed)
        except ConflictError:
            raise NEOUndoError('Some data were modified by a later transaction', oid) from None
        self.store_record(context, oid, current, merged)

    def _drain(self, context):
        """Waits until all stores are answered."""
        conflicts = ffi.new(_CONFLICTS)
        context.check(lib.neo_transaction_drain(context.handle, conflicts))
        while self._resolve(context, conflicts):
            context.check(lib.neo_transaction_drain(context.handle, conflicts))

    def tpc_vote(self, transaction):
        """{oid: revision that it was merged with} for the conflicts that were resolved."""
        context = self.begun(transaction)
        self._vote(context)
        return context.resolved

    def _vote(self, context):
        while not context.voted:
            conflicts = ffi.new(_CONFLICTS)
            context.check(lib.neo_transaction_vote(context.handle, conflicts))
            context.voted = not self._resolve(context, conflicts)

    def tpc_finish(self, transaction, f=None):
        """Commits, and gives the tid. `f(tid)` is called before any thread can see it."""
        context = self.begun(transaction)
        self._vote(context)
        handle = context.handle
        finishing = Finishing(f)
        address = int(ffi.cast('uintptr_t', handle))
        tid = ffi.new(_IDENTIFIER)
        self._deliveries.finishing[address] = finishing
        try:
            check(lib.neo_transaction_finish(handle, tid))
        finally:
            del self._deliveries.finishing[address]
            self._forget(transaction)
        if finishing.exception is not None:
            raise finishing.exception
        return bytes(tid)

    def blobs(self, transaction):
        """What a transaction stored of blobs."""
        context = self._transactions.get(id(transaction))
        return {} if context is None else context.blobs

    def all_blobs(self):
        """The same of all the transactions that did not end."""
        return [context.blobs for context in list(self._transactions.values())]

    def tpc_abort(self, transaction):
        context = self._transactions.get(id(transaction))
        if context is not None:
            if context.handle != NULL:
                lib.neo_transaction_abort(context.handle)
            self._forget(transaction)

    def _forget(self, transaction):
        context = self._transactions.pop(id(transaction), None)
        if context is not None and context.handle != NULL:
            handle, context.handle = context.handle, NULL
            lib.neo_transaction_release(handle)

    # Looking inside

    @property
    def cache(self):
        return Cache(self)


class Cache:
    """The record cache of a client."""

    def __init__(self, app):
        self._app = app

    def clear(self):
        check(lib.neo_cache_clear(self._app._client))

    def save(self):
        """Writes the file that keeps the cache, as `close` does, if there is one."""
        lib.neo_cache_save(self._app._handle)

    def statistics(self):
        """{'maximum_bytes', 'bytes', 'record_count', 'hit_count', 'miss_count'}"""
        statistics = ffi.new('neo_cache_statistics *')
        check(lib.neo_cache_get_statistics(self._app._client, statistics))
        return {name: getattr(statistics, name) for name, _ in ffi.typeof('neo_cache_statistics').fields}

    @property
    def max_size(self):
        return self.statistics()['maximum_bytes']


class Node:
    """A node that the client knows."""

    __slots__ = '_address', 'nid', 'state'

    def __init__(self, address, nid=None, state=None):
        self._address = address
        self.nid = nid
        self.state = state

    def getAddress(self):
        return self._address

    def __repr__(self):
        return f'<Node {format_address(self._address)} {self.nid} {self.state}>'


class Nodes:
    """The nodes that a client knows, under the names that tools use."""

    def __init__(self, app, masters):
        self._app = weakref.ref(app)
        self.masters = masters

    def getMasterList(self):
        nodes = self._list(lib.NEO_NODE_MASTER)
        known = {node.getAddress() for node in nodes}
        return nodes + [Node(address) for address in self.masters if address not in known]

    def getStorageList(self):
        return self._list(lib.NEO_NODE_STORAGE)

    def _list(self, node_type):
        text = ffi.new('char **')
        check(lib.neo_nodes(self._app()._client, node_type, text))
        try:
            lines = ffi.string(text[0]).decode().splitlines()
        finally:
            lib.neo_text_release(text[0])
        nodes = []
        for line in lines:
            host, port, nid, state = line.split()
            nodes.append(Node((host, int(port)), None if nid == '-' else nid, None if state == '-' else state))
        return nodes


def _compression(value):
    """The option of the library for what users and ZConfig give."""
    if value is None or value is True:
        return '1'
    if value is False:
        return '0'
    algorithm, level = value
    if algorithm != 0 or not (level is None or 1 <= level <= 9):
        raise ValueError(f'compress: expected None, a boolean or (0, level), got {value!r}')
    return '1' if level is None else f'zlib={level}'


def check_identifier(identifier):
    if type(identifier) is not bytes:
        raise TypeError(f'an oid or tid must be bytes, got {identifier!r}')
    if len(identifier) != 8:
        raise ValueError(f'an oid or tid has 8 bytes, got {identifier!r}')


def check_storable(kind, identifier):
    """Refuses what nodes take for an error of the protocol: they would close the connection, that of all the threads."""
    if identifier > MAXIMUM:
        raise NEOStorageError(f'{kind} {identifier.hex()} can not be stored: the last one is {MAXIMUM.hex()}')


def initial_serial(serial):
    if not serial or isinstance(serial, str) and not serial.strip('\0'):
        return ZERO_TID
    return serial


def _pointer(data):
    if data is None:
        return NULL
    if type(data) is bytes:
        return data
    return ffi.from_buffer('uint8_t[]', data)


def _metadata(transaction):
    """The user, description and extension of a transaction, as bytes."""
    extension = getattr(transaction, 'extension_bytes', None)
    if extension is None:
        items = getattr(transaction, 'extension', None)
        if items is None:
            items = getattr(transaction, '_extension', None)
        if items:
            from ZODB._compat import dumps, _protocol
            extension = dumps(items, _protocol)
        else:
            extension = b''
    return _encoded(transaction.user), _encoded(transaction.description), extension


def _encoded(text):
    return text if isinstance(text, bytes) else text.encode('utf-8')


def _dispose(client, deliveries, transactions):
    """Frees a client that nobody refers to any more."""
    if deliveries.thread == threading.get_ident():
        # Collected while this very client called back: it can not wait for itself.
        threading.Thread(target=_dispose, args=(client, deliveries, transactions)).start()
        return
    lib.neo_client_close(client)
    for context in transactions.values():
        if context.handle != NULL:
            lib.neo_transaction_release(context.handle)
    lib.neo_client_release(client)


@atexit.register
def _close_all():
    for client in list(_clients):
        client.close()


def _reopen_all():
    for client in list(_clients):
        client._after_fork()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_reopen_all)
