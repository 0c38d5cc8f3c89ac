"""ZODB's own suites, on a real cluster.

docs/maintainers/zodb-suites.md says which there are, and why some tests are not run.
"""

import doctest
import io
import os
import re
import unittest
from pathlib import Path

import pytest
import ZODB.tests.util
from ZODB.DB import DB
from ZODB.tests import (
    BasicStorage, ConflictResolution, HistoryStorage, IteratorStorage, MTStorage, PackableStorage, PersistentStorage,
    ReadOnlyStorage, RecoveryStorage, RevisionStorage, StorageTestBase, Synchronization, TransactionalUndoStorage,
    test_prefetch, testblob, testMVCCMappingStorage, testZODB)
from ZODB.tests.hexstorage import HexStorage
from ZODB.tests.util import TestCase

from cluster import Cluster


def collectable(suite):
    """The suite with the names of the tests that pytest knows: before ZODB 6, they begin with `check`."""
    namespace = {
        'test' + name[len('check'):]: getattr(suite, name)
        for name in dir(suite) if name.startswith('check') and name != 'checkResolve'}
    return type(suite.__name__, (suite,), namespace)


class NEOTestCase(StorageTestBase.StorageTestBase):
    """Each test has an empty cluster of its own."""

    #: What `Cluster` is given.
    layout = {}

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster()
        self.open()

    def start_cluster(self):
        cluster = Cluster(**self.layout)
        self.addCleanup(cluster.close)
        return cluster.start()

    def open(self, **options):
        self._storage = self.cluster.storage(**options)

    def _new_storage_client(self):
        return self.cluster.storage()


class Wide:
    """Every partition is on 2 of 3 storages."""

    layout = {'storages': 3, 'partitions': 5, 'replicas': 1}


class Transforming:
    """A wrapper that changes what is stored: what is read of records must be transformed back."""

    def open(self, **options):
        super().open(**options)
        self._storage = HexStorage(self._storage)

    def _new_storage_client(self):
        return HexStorage(self.cluster.storage())


class TestBasic(NEOTestCase, collectable(BasicStorage.BasicStorage)):
    pass


class TestBasicWide(Wide, TestBasic):
    pass


class TestThreads(NEOTestCase, collectable(MTStorage.MTStorage)):
    pass


class TestSynchronization(NEOTestCase, collectable(Synchronization.SynchronizedStorage)):
    pass


class TestPersistent(NEOTestCase, collectable(PersistentStorage.PersistentStorage)):
    pass


class TestReadOnly(NEOTestCase, collectable(ReadOnlyStorage.ReadOnlyStorage)):
    pass


class TestRevisions(NEOTestCase, collectable(RevisionStorage.RevisionStorage)):
    pass


class TestHistory(NEOTestCase, collectable(HistoryStorage.HistoryStorage)):
    pass


class TestIteration(
        NEOTestCase, collectable(IteratorStorage.IteratorStorage),
        collectable(IteratorStorage.ExtendedIteratorStorage)):
    use_extension_bytes = True


class TestIterationWide(Wide, TestIteration):
    pass


class TestConflictResolution(NEOTestCase, collectable(ConflictResolution.ConflictResolvingStorage)):

    def test_resolve(self):
        # ZODB does not collect this one by itself.
        self.checkResolve()


class TestConflictResolutionTransformed(Transforming, TestConflictResolution):
    pass


class TestUndoConflicts(NEOTestCase, collectable(ConflictResolution.ConflictResolvingTransUndoStorage)):
    # It is mixed with this class, whose tests are in `TestUndo`.
    _begin_undos_vote = TransactionalUndoStorage.TransactionalUndoStorage._begin_undos_vote


class TestUndoConflictsTransformed(Transforming, TestUndoConflicts):
    pass


class Packing:
    """`pack` returns once storages have packed."""

    def open(self, **options):
        super().open(pack_wait=True, **options)


class TestPack(
        Packing, NEOTestCase, collectable(PackableStorage.PackableStorageWithOptionalGC),
        collectable(PackableStorage.PackableUndoStorage)):
    # It expects that unreachable objects are removed: an external tool does that.
    testPackAllRevisions = None
    # It expects that the undo log forgets packed transactions: NEO keeps their metadata.
    testPackUndoLog = None


class TestPackWide(Wide, TestPack):
    pass


class TestUndo(Packing, NEOTestCase, collectable(TransactionalUndoStorage.TransactionalUndoStorage)):
    # It counts the entries of the undo log after a pack: NEO keeps the metadata of packed transactions.
    testTransactionalUndoAfterPack = None


class TestUndoWide(Wide, TestUndo):
    pass


class TestUndoTransformed(Transforming, TestUndo):
    # It looks at the records below the wrapper.
    testTransactionalUndoIterator = None


class TestRecovery(Packing, NEOTestCase, collectable(RecoveryStorage.RecoveryStorage)):
    """From one cluster to another one."""

    # It expects that unreachable objects are removed.
    testPackWithGCOnDestinationAfterRestore = None

    def setUp(self):
        super().setUp()
        self._dst = self.start_cluster().storage(pack_wait=True)
        self.addCleanup(self._dst.close)


class TestRecoveryFromFileStorage(TestRecovery):
    # A FileStorage has two records of an object that a transaction undid twice: NEO keeps what it was at the end.
    testRestoreWithMultipleUndoRedo = None

    def setUp(self):
        super().setUp()
        from ZODB.FileStorage import FileStorage
        self._storage.close()
        self._storage = FileStorage('source.fs')


class TestRecoveryToFileStorage(TestRecovery):

    def setUp(self):
        super().setUp()
        from ZODB.FileStorage import FileStorage
        self._dst.close()
        self._dst = FileStorage('target.fs')

    def tearDown(self):
        # Before its directory is left.
        self._dst.close()
        super().tearDown()


# What ZODB itself runs through a wrapper, the rest of it.

class TestBasicTransformed(Transforming, TestBasic):
    # The wrapper cannot hand on what other clients commit: it gives the adapter of ZODB an argument that it does not have.
    test_race_load_vs_external_invalidate = None
    test_race_external_invalidate_vs_disconnect = None


class TestThreadsTransformed(Transforming, TestThreads):
    pass


class TestSynchronizationTransformed(Transforming, TestSynchronization):
    pass


class TestPersistentTransformed(Transforming, TestPersistent):
    pass


class TestReadOnlyTransformed(Transforming, TestReadOnly):
    pass


class TestRevisionsTransformed(Transforming, TestRevisions):
    pass


class TestHistoryTransformed(Transforming, TestHistory):
    pass


class TestIterationTransformed(Transforming, TestIteration):
    pass


class TestPackTransformed(Transforming, TestPack):
    pass


class TestDatabase(NEOTestCase, collectable(testZODB.ZODBTests)):
    """What an application does, through ZODB."""

    def setUp(self):
        NEOTestCase.setUp(self)
        self._db = DB(self._storage)

    def tearDown(self):
        self._db.close()
        TestCase.tearDown(self)


class TestSnapshots(NEOTestCase, collectable(testMVCCMappingStorage.MVCCTests)):
    pass


class TestPrefetch(NEOTestCase):
    """`ZODB.tests.test_prefetch` makes its databases itself: they are given a storage of the cluster."""

    def run_with_storage(self, name):
        class Module:
            DB = staticmethod(lambda storage: DB(self._storage))
            connection = staticmethod(lambda storage: DB(self._storage).open())
        original = test_prefetch.ZODB
        test_prefetch.ZODB = Module
        try:
            getattr(test_prefetch.PrefetchTests(name), name)()
        finally:
            test_prefetch.ZODB = original

    def test_prefetch(self):
        self.run_with_storage('test_prefetch')

    def test_prefetch_optional(self):
        self.run_with_storage('test_prefetch_optional')


class TestInterfaces(unittest.TestCase):

    def test_declared_interfaces(self):
        """What is declared is there, with the right signatures: no cluster is needed to say so."""
        from neo.client.Storage import Storage
        from ZODB import interfaces
        from zope.interface import providedBy
        from zope.interface.verify import verifyObject
        storage = Storage('127.0.0.1:1', 'none')
        try:
            expected = {
                'IStorage', 'IMultiCommitStorage', 'IStorageRestoreable', 'IStorageIteration', 'IStorageUndoable',
                'IStorageCurrentRecordIteration', 'IExternalGC', 'ReadVerifyingStorage', 'IPrefetchStorage',
            }
            provided = {interface.__name__ for interface in providedBy(storage)}
            self.assertLessEqual(expected, provided)
            for name in provided:
                verifyObject(getattr(interfaces, name), storage)
            self.assertFalse(interfaces.IMVCCStorage.providedBy(storage))
        finally:
            storage.close()


class Blobs:
    """Gives the tests of `ZODB.tests.testblob` storages of empty clusters: one for each name that they use."""

    def __init__(self):
        self.clusters = []
        self.names = {}

    def begin(self):
        # Here: the tests of ZODB remove what they find in the directory for temporary files, which they change.
        if not self.clusters:
            self.clusters = [Cluster(), Cluster()]
        self.names = {}

    def create_storage(self, name='data', blob_dir=None):
        if name not in self.names:
            self.names[name] = self.clusters[len(self.names)]
            self.names[name].clear()
        return self.names[name].storage(pack_wait=True, blob_dir=blob_dir or f'{name}.bobs')

    def close(self):
        for cluster in self.clusters:
            cluster.close()

    def document(self, name, change):
        """One of ZODB's documents with tests, changed."""
        def set_up(test):
            ZODB.tests.util.setUp(test)
            test.globs['create_storage'] = self.create_storage
            test.globs['file_type'] = io.BufferedReader
        path = Path(testblob.__file__).with_name(name)
        test = doctest.DocTestParser().get_doctest(change(path.read_text()), {'__file__': str(path)}, name, name, 0)
        return doctest.DocFileCase(
            test, optionflags=doctest.ELLIPSIS, setUp=set_up, tearDown=ZODB.tests.util.tearDown,
            checker=ZODB.tests.util.checker)


_blobs = Blobs()


def without_garbage_collection(text):
    """Pack does not collect garbage: the object has to be deleted."""
    expected = """    >>> del root['blob']
    >>> transaction.commit()
"""
    assert expected in text
    return text.replace(expected, """    >>> blob_storage.tpc_begin(nothing)
    >>> blob_storage.deleteObject(oid, tids[-1], nothing)
    >>> _ = blob_storage.tpc_vote(nothing)
    >>> _ = blob_storage.tpc_finish(nothing)
""").replace("""    >>> os.path.exists(os.path.split(fns[0])[0])
    False
""", '')


def without_counts(text):
    """The cluster does not count its objects."""
    changed = re.sub(r'    >>> len\((?:db\.)?storage\)\n    \d\n', '', text)
    assert changed.count('len(') == 0 and changed != text
    return changed


def without_permissions(text):
    """Nothing is read-only for root."""
    changed = re.sub(r"    >>> try:\n    \.\.\.     open\(blob\.committed\(\), 'w'\).*?    Error raised\.\n", '', text, flags=re.DOTALL)
    assert changed != text
    return changed if os.geteuid() == 0 else text


def _flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flatten(test)
        else:
            yield test


_BLOB_TESTS = [
    *(
        test for test in _flatten(
            testblob.storage_reusable_suite('NEO', _blobs.create_storage, test_blob_storage_recovery=True))
        if not test.id().endswith('blob_transaction_txt')),
    _blobs.document('blob_transaction.txt', without_permissions),
    _blobs.document('blob_packing.txt', without_garbage_collection),
    _blobs.document('IExternalGC.test', without_counts),
]


@pytest.fixture(scope='module')
def blobs():
    yield _blobs
    _blobs.close()


@pytest.mark.parametrize('test', _BLOB_TESTS, ids=[re.sub(r'.*[./]', '', test.id()) for test in _BLOB_TESTS])
def test_blobs(blobs, test):
    blobs.begin()
    result = unittest.TestResult()
    test.run(result)
    assert result.testsRun == 1
    assert not result.failures + result.errors, (result.failures + result.errors)[0][1]
