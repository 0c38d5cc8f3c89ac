"""The blobs of a storage (docs/maintainers/blobs.md)."""

import logging
import os
import secrets
import shutil
from io import FileIO

from ZODB import interfaces
from ZODB.blob import BlobFile, is_blob_record
from ZODB.POSException import POSKeyError, ReadOnlyError, Unsupported
from zope.interface import alsoProvides

from ._blob_directory import BlobDirectory, remove
from .app import ZERO_TID, check_identifier, initial_serial
from .blob import CHUNK_BYTES, Token, chunk_count, chunk_data, encode_chunk, split
from .exception import NEOStorageError, NEOStorageNotFoundError

log = logging.getLogger('neo.client')

#: Chunks that are downloaded together.
_WINDOW = 4
#: OIDs that are drawn are not smaller than this, and smaller than twice this.
_DRAWN = 1 << 61
#: Cached files that are looked up together.
_LOOKED_UP = 1000


class Upload:
    """What a transaction stored of a blob."""

    __slots__ = 'record', 'token', 'path', 'previous'

    def __init__(self, record, token, path, previous):
        self.record = record
        self.token = token
        #: The file, ours until the end of the transaction.
        self.path = path
        #: The token that the blob had before the transaction, or None.
        self.previous = previous

    def has_chunk(self, oid):
        return any(token is not None and oid in token.oids for token in (self.token, self.previous))


class Blobs:
    """What a `Storage` has of `IBlobStorage`. Whether it provides it depends on the option `blob_dir`."""

    #: The files; None without `blob_dir`.
    fshelper = None

    def _open_blobs(self, blob_dir=None, blob_cache_size=None, blob_cache_size_check=None, shared_blob_dir=False):
        if shared_blob_dir:
            raise ValueError(
                'shared_blob_dir: NEO keeps blobs in the cluster, there is no directory of all the blobs to share.'
                ' Processes of a machine may have the same blob_dir')
        if blob_dir is None:
            if blob_cache_size is not None or blob_cache_size_check is not None:
                raise ValueError('blob_cache_size and blob_cache_size_check need blob_dir')
            return
        percent = 10 if blob_cache_size_check is None else blob_cache_size_check
        self.fshelper = BlobDirectory(blob_dir, self.app.name, blob_cache_size, percent)
        alsoProvides(self, interfaces.IBlobStorageRestoreable)

    def _close_blobs(self, uploads):
        for blobs in uploads:
            self._remove_uploads(blobs)
        if self.fshelper is not None:
            self.fshelper.close()

    @property
    def _directory(self):
        if self.fshelper is None:
            raise Unsupported(f'blobs need the option blob_dir of {self.getName()}')
        return self.fshelper

    def temporaryDirectory(self):
        return self._directory.temp_dir

    def is_blob_record(self, record):
        if not record:
            return False
        try:
            record = self._crs_untransform_record_data(record)
        except Exception:
            # A copy has records that no wrapper transformed.
            log.debug('a record is not one of the wrapper of %s', self.getName(), exc_info=True)
        return is_blob_record(bytes(record))

    # Reading

    def loadBlob(self, oid, serial):
        """The path of a file with the content of a revision. It is the same for ever, but the file may be removed."""
        check_identifier(oid)
        check_identifier(serial)
        return self._directory.get(oid, serial, lambda file: self._download(oid, serial, file))

    def openCommittedBlobFile(self, oid, serial, blob=None):
        check_identifier(oid)
        check_identifier(serial)
        path, file = self._directory.open(oid, serial, lambda file: self._download(oid, serial, file))
        if blob is None:
            return file
        with file:
            # That of the descriptor: the path may be removed by now.
            return _BlobFile(path, file.fileno(), blob)

    def _token(self, oid, serial):
        """The token of a revision; None if it has none, or if there is no such revision."""
        try:
            data = self.app.load(oid, serial)[0]
        except NEOStorageNotFoundError:
            return None
        token = split(data)[1]
        try:
            return None if token is None else Token.decode(token)
        except ValueError as error:
            raise NEOStorageError(f'revision {serial.hex()} of {oid.hex()}: {error}') from None

    def _download(self, oid, serial, file):
        token = self._token(oid, serial)
        if token is None:
            raise POSKeyError(oid, f'no content of revision {serial.hex()}')
        for first in range(0, len(token.oids), _WINDOW):
            index = first
            rest = token.oids[first:first + _WINDOW]
            while rest:
                with self.app.records(rest, serial) as records:
                    for record in records:
                        if record is None:
                            raise POSKeyError(oid, f'chunk {index} of revision {serial.hex()} is missing')
                        try:
                            file.write(chunk_data(record, oid, index, token.length(index)))
                        except ValueError as error:
                            raise NEOStorageError(f'{error}, at {serial.hex()}') from None
                        index += 1
                    rest = rest[len(records):]

    # Writing

    def storeBlob(self, oid, oldserial, data, blobfilename, version, transaction):
        if self.app.read_only:
            raise ReadOnlyError()
        if version:
            raise Unsupported(f'versions are not supported, got {version!r}')
        context = self.app.begun(transaction)
        oldserial = initial_serial(oldserial)
        check_identifier(oid)
        check_identifier(oldserial)
        base = self.app.known_base(oid, oldserial)
        previous = self._previous(context, oid, base)
        self._upload(
            context, oid, base, data, blobfilename, previous, self._kept_oids(previous), is_foreign=base != oldserial)

    def _store_with_content(self, oid, serial, data, transaction):
        """Stores a new record of a blob that has a content, which it keeps. Whether it has.

        Tools that change records do not know that there is a file.
        """
        context = self.app.begun(transaction)
        serial = initial_serial(serial)
        check_identifier(oid)
        check_identifier(serial)
        known = context.blobs.get(oid)
        previous = self._previous(context, oid, serial)
        if previous is None:
            return False
        path = self._directory.temporary_name('copy')
        try:
            with open(known.path, 'rb') if known else self.openCommittedBlobFile(oid, serial) as content:
                with open(path, 'wb') as file:
                    shutil.copyfileobj(content, file, CHUNK_BYTES)
            self._upload(context, oid, serial, data, path, previous, previous.oids)
        finally:
            remove(path)
        return True

    def _restore_without_content(self, oid, base, data, prev_txn, transaction):
        """Stores a record without a content, or a deletion, that was committed elsewhere."""
        self.app.restore(oid, base, data, prev_txn, transaction)
        self._delete_content(oid, base, transaction, restores=True)

    def restoreBlob(self, oid, serial, data, blobfilename, prev_txn, transaction):
        """Stores a blob that was committed elsewhere, like `restore`."""
        if self.app.read_only:
            raise ReadOnlyError()
        context = self.app.begun(transaction)
        check_identifier(oid)
        self._restore_blob(context, oid, self._current(oid), data, blobfilename, prev_txn)

    def _current(self, oid):
        """The current revision of an object; zero if there is none."""
        try:
            return self.app.load(oid)[1]
        except NEOStorageNotFoundError:
            return ZERO_TID

    def _restore_blob(self, context, oid, base, data, blobfilename, prev_txn):
        previous = self._previous(context, oid, base)
        # With the chunks of the revision that it repeats, the record is the same, too.
        repeated = None if prev_txn is None else self._token(oid, prev_txn)
        self._upload(
            context, oid, base, data, blobfilename, previous, self._kept_oids(repeated or previous),
            restores=True, prev_txn=prev_txn)

    def _previous(self, context, oid, base):
        """The token that a transaction replaces."""
        known = context.blobs.get(oid)
        if known is not None:
            return known.token
        return None if base == ZERO_TID else self._token(oid, base)

    @staticmethod
    def _kept_oids(token):
        return [] if token is None else token.oids

    def _upload(self, context, oid, base, record, blobfilename, previous, oids, is_foreign=False, restores=False, prev_txn=None):
        """Stores a revision of a blob: its record, then its chunks. `oids`: chunks that it may have."""
        directory = self._directory
        path = directory.take(blobfilename)
        # From now on, the end of the transaction removes it.
        known = context.blobs.get(oid)
        upload = context.blobs[oid] = Upload(
            record, None, path, known.previous if known is not None else previous)
        if known is not None:
            remove(known.path)
        size = os.stat(path).st_size
        count = chunk_count(size)
        oids = oids[:count]
        oids += self._new_oids(count - len(oids), oid, base, previous, is_foreign or restores)
        upload.token = token = Token(size, oids)
        stored = b''.join((record, token.encode()))
        # The record first: whoever reads the transaction learns of the chunks before they come.
        if restores:
            self.app.restore_record(context, oid, base, stored, prev_txn)
        else:
            self.app.store_record(context, oid, base, stored)
        before = set(self._kept_oids(previous))
        with open(path, 'rb') as file:
            for index, chunk in enumerate(oids):
                length = token.length(index)
                data = file.read(length)
                if len(data) != length:
                    raise NEOStorageError(f'{blobfilename} was truncated while it was stored')
                chunk_base = base if chunk in before else ZERO_TID
                self.app.store_unkept(context, chunk, chunk_base, encode_chunk(oid, index, data), restores)
        # Chunks that the blob has no more: it would be the only one to know them.
        for chunk in sorted(before.difference(oids)):
            self._delete(context, chunk, base, restores)

    def _new_oids(self, count, oid, base, previous, is_foreign):
        """OIDs for chunks: those that the cluster gives, unless other OIDs come from somewhere else.

        A copy brings its own, and a DemoStorage has those of the storage below. The cluster does not know which are taken
        there: then they are drawn in the range where DemoStorage draws its own.
        """
        if not count:
            return []
        if not is_foreign:
            first = self.app.new_oid()
            if previous is not None:
                is_ours = bool(previous.oids) and int.from_bytes(previous.oids[0], 'big') < _DRAWN
            elif base == ZERO_TID:
                is_ours = oid < first
            else:
                is_ours = self._exists(oid, base)
            if is_ours:
                return [first, *(self.app.new_oid() for _ in range(count - 1))]
        start = _DRAWN + secrets.randbelow(_DRAWN - count)
        return [number.to_bytes(8, 'big') for number in range(start, start + count)]

    def _exists(self, oid, tid):
        try:
            self.app.load(oid, tid)
        except NEOStorageNotFoundError:
            return False
        return True

    def _delete(self, context, oid, base, restores=False):
        if restores:
            self.app.restore_record(context, oid, base, None, None)
        else:
            self.app.store_record(context, oid, base, None)

    def _delete_content(self, oid, serial, transaction, restores=False):
        """Deletes the chunks of an object that is deleted, if it is a blob."""
        context = self.app.begun(transaction)
        chunks = self._kept_oids(self._previous(context, oid, serial))
        if chunks:
            context.deleted[oid] = chunks
        for chunk in chunks:
            self._delete(context, chunk, serial, restores)

    def _forget_packed(self):
        """Removes the files of revisions that do not exist any more."""
        if self.fshelper is None:
            return
        files = list(self.fshelper.revisions())
        while files:
            part = files[:_LOOKED_UP]
            revisions = self.app.first_revisions([oid for oid, _, _ in part], [tid for _, tid, _ in part])
            for (_, _, path), revision in zip(part, revisions):
                if revision is None:
                    remove(path)
            del files[:len(revisions)]

    # Copying

    def _copy_record(self, source, record, base, transaction):
        """Stores a record of another storage, with its content if it is a blob.

        `base`: what is current here; None: it has to be asked if it matters.
        """
        oid, data, data_txn = record.oid, record.data, record.data_txn
        is_blob = self.is_blob_record(data)
        if not is_blob and data is not None:
            return self.app.restore(oid, ZERO_TID if base is None else base, data, data_txn, transaction)
        base = self._current(oid) if base is None else base
        path = self._copy_content(source, oid, record.tid) if is_blob else None
        if path is None:
            self._restore_without_content(oid, base, data, data_txn, transaction)
        else:
            self._restore_blob(self.app.begun(transaction), oid, base, data, path, data_txn)

    def _copy_content(self, source, oid, tid):
        """A file that has what is in another storage, None if that has no content."""
        if not (interfaces.IBlobStorage.providedBy(source) or isinstance(source, Blobs)):
            return None
        # Before anything is read: without the option, it would be lost.
        path = self._directory.temporary_name('copy')
        try:
            with source.openCommittedBlobFile(oid, tid) as content, open(path, 'wb') as file:
                shutil.copyfileobj(content, file, CHUNK_BYTES)
        except POSKeyError:
            # Lost there.
            remove(path)
            return None
        except BaseException:
            remove(path)
            raise
        return path

    # The end of a transaction

    def _keep_uploads(self, uploads, tid):
        """Keeps the files of a committed transaction in the cache. What fails can be downloaded."""
        for oid, upload in uploads.items():
            try:
                self.fshelper.add(upload.path, oid, tid)
            except Exception:
                log.warning('the file of blob %s can not be cached', oid.hex(), exc_info=True)
        self._remove_uploads(uploads)

    @staticmethod
    def _remove_uploads(uploads):
        for upload in uploads.values():
            try:
                remove(upload.path)
            except OSError:
                log.warning('the file %s can not be removed', upload.path, exc_info=True)


class _BlobFile(BlobFile):
    """A committed file, from a descriptor that is duplicated."""

    def __init__(self, name, descriptor, blob):
        FileIO.__init__(self, name, 'rb', opener=lambda *_: os.dup(descriptor))
        self.blob = blob
