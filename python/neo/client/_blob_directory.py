"""The directory of blob files: those being written, and a cache of committed ones, which several processes can share.

::

    .layout                               what the directory is for
    .lock                                 locked by those that use the directory
    tmp/                                  uncommitted files of ZODB, uploads, downloads
    files/7b/<oid>.<tid>.blob             committed; 7b: the last byte of the oid
"""

import fcntl
import logging
import os
import threading
import time
import weakref
from contextlib import contextmanager, suppress

from ZODB.blob import rename_or_copy_blob, set_not_writable
from ZODB.utils import mktemp

log = logging.getLogger('neo.client')

_SUFFIX = '.blob'


class BlobDirectory:
    """The blob files of a cluster on this machine.

    `maximum_bytes` bounds the committed files (None: no bound): whenever `check_percent` of it were added, the files that
    were not used for the longest time are removed until that much room is free.
    """

    def __init__(self, path, cluster, maximum_bytes=None, check_percent=10):
        if maximum_bytes is not None and maximum_bytes < 0:
            raise ValueError(f'blob_cache_size: expected a number of bytes, got {maximum_bytes}')
        if not 0 < check_percent < 100:
            raise ValueError(f'blob_cache_size_check: expected 1 to 99 percent, got {check_percent}')
        self.base_dir = os.path.join(os.path.abspath(path), '')
        self.temp_dir = os.path.join(self.base_dir, 'tmp')
        self._files = os.path.join(self.base_dir, 'files')
        self._maximum_bytes = maximum_bytes
        self._check_percent = check_percent
        self._lock = threading.Lock()
        #: (oid, tid) -> [lock of the thread that downloads it, number of threads that want it]
        self._downloads = {}
        self._added_bytes = 0
        self._cleaner = None
        self._is_closed = False
        os.makedirs(self.base_dir, exist_ok=True)
        self._mark(f'neo 1\n{cluster}\n')
        for directory in self.temp_dir, self._files:
            os.makedirs(directory, exist_ok=True)
        self._descriptor = os.open(os.path.join(self.base_dir, '.lock'), os.O_RDWR | os.O_CREAT, 0o666)
        # Also if nobody closes it: the lock would be held as long as the process lives.
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self._begin()
        if maximum_bytes is not None:
            # Other processes may have left more than that.
            self._added(maximum_bytes)

    def _mark(self, expected):
        """Refuses a directory that is something else: files are removed from it."""
        path = os.path.join(self.base_dir, '.layout')
        others = [name for name in os.listdir(self.base_dir) if name != 'lost+found' and not name.startswith('.lock')]
        if not others:
            part = mktemp(dir=self.base_dir, prefix='.lock')
            with open(part, 'w') as file:
                file.write(expected)
            os.replace(part, path)
        try:
            with open(path) as file:
                found = file.read()
        except FileNotFoundError:
            found = None
        if found != expected:
            raise ValueError(
                f'blob_dir: expected an empty directory or the blob directory of this cluster ({expected!r}), got'
                f' {self.base_dir} with {found!r}')

    def _begin(self):
        """Removes what killed processes left, if nobody else uses the directory."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
        else:
            _remove_contents(self.temp_dir)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self):
        with self._lock:
            self._is_closed = True
            cleaner = self._cleaner
        if cleaner is not None and cleaner.is_alive():
            cleaner.join()
        self._close()

    # Names

    def getBlobFilename(self, oid, tid):
        return os.path.join(self._files, f'{oid[-1]:02x}', f'{oid.hex()}.{tid.hex()}{_SUFFIX}')

    def temporary_name(self, prefix):
        """The name of a new file."""
        return mktemp(dir=self.temp_dir, prefix=prefix)

    # Files

    def take(self, path):
        """Makes the file of a program ours: its new name."""
        taken = self.temporary_name('upload')
        try:
            rename_or_copy_blob(path, taken, chmod=False)
        except BaseException:
            remove(taken)
            raise
        return taken

    def add(self, path, oid, tid):
        """Gives a complete file its final name."""
        final = self.getBlobFilename(oid, tid)
        with open(path, 'rb') as file:
            # A name must not outlive its content when the machine crashes.
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        os.makedirs(os.path.dirname(final), exist_ok=True)
        set_not_writable(path)
        os.replace(path, final)
        self._added(size)
        return final

    def get(self, oid, tid, download):
        """The path of a committed file. `download(file)` writes it, if it is not there."""
        path = self.getBlobFilename(oid, tid)
        if not _touch(path):
            self._download(path, oid, tid, download)
        return path

    def open(self, oid, tid, download):
        """The same, opened: (path, file)."""
        while True:
            path = self.getBlobFilename(oid, tid)
            with suppress(FileNotFoundError):
                file = open(path, 'rb')
                _touch(path)
                return path, file
            # It can be removed at any time, but not before it is opened here.
            file = self._download(path, oid, tid, download, opens=True)
            if file is not None:
                return path, file

    def _download(self, path, oid, tid, download, opens=False):
        """Adds a file, unless another thread just did; gives it opened."""
        with self._only_once((oid, tid)):
            if os.path.exists(path):
                return None
            part = self.temporary_name('download')
            file = None
            try:
                with open(part, 'wb') as target:
                    download(target)
                if opens:
                    file = open(part, 'rb')
                self.add(part, oid, tid)
            except BaseException:
                if file is not None:
                    file.close()
                remove(part)
                raise
            return file

    @contextmanager
    def _only_once(self, key):
        with self._lock:
            entry = self._downloads.setdefault(key, [threading.Lock(), 0])
            entry[1] += 1
        try:
            with entry[0]:
                yield
        finally:
            with self._lock:
                entry[1] -= 1
                if not entry[1]:
                    del self._downloads[key]

    def revisions(self):
        """Yields (oid, tid, path) of the committed files."""
        for path in self._paths():
            with suppress(ValueError):
                oid, tid, _ = os.path.basename(path).split('.')
                yield bytes.fromhex(oid), bytes.fromhex(tid), path

    def _paths(self):
        for directory in sorted(os.listdir(self._files)):
            with suppress(OSError):
                for entry in os.scandir(os.path.join(self._files, directory)):
                    if entry.name.endswith(_SUFFIX):
                        yield entry.path

    # Bound

    def _added(self, size):
        """Counts bytes, and has room made for the next ones."""
        if self._maximum_bytes is None:
            return
        with self._lock:
            self._added_bytes += size
            if self._added_bytes * 100 < self._maximum_bytes * self._check_percent or self._is_closed:
                return
            # After a fork, that of the parent is not alive here.
            if self._cleaner is not None and self._cleaner.is_alive():
                return
            self._added_bytes = 0
            self._cleaner = threading.Thread(target=self._clean, name='neo blob cache', daemon=True)
            self._cleaner.start()

    def _clean(self):
        try:
            self.remove_oldest(self._maximum_bytes * (100 - self._check_percent) // 100)
        except Exception:
            log.exception('the blob cache %s can not be reduced', self.base_dir)

    def remove_oldest(self, maximum_bytes):
        """Removes what was not used for the longest time, until no more bytes than that are there."""
        files = []
        for path in self._paths():
            with suppress(FileNotFoundError):
                status = os.stat(path)
                files.append((status.st_atime_ns, path, status.st_size))
        files.sort(reverse=True)
        total = sum(size for _, _, size in files)
        # The last one is being given to somebody.
        while total > maximum_bytes and len(files) > 1:
            used, path, size = files.pop()
            total -= size
            with suppress(FileNotFoundError):
                # Not if it was used meanwhile.
                if os.stat(path).st_atime_ns == used:
                    os.remove(path)


def remove(path):
    """Removes a file, if it is there."""
    with suppress(FileNotFoundError):
        os.remove(path)


def _touch(path):
    """Whether a file is there; it is used now."""
    try:
        os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))
    except FileNotFoundError:
        return False
    except PermissionError:
        # Another user's: the system keeps its time of access.
        pass
    return True


def _remove_contents(directory):
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in files:
            remove(os.path.join(parent, name))
        for name in directories:
            with suppress(OSError):
                os.rmdir(os.path.join(parent, name))
