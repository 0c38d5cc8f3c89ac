"""ZODB's own suites, on a real cluster."""

from ZODB.tests import (
    BasicStorage, ConflictResolution, MTStorage, PackableStorage, PersistentStorage, ReadOnlyStorage, RevisionStorage,
    StorageTestBase, Synchronization)

from cluster import Cluster


def collectable(suite):
    """The suite with the names of the tests that pytest knows: before ZODB 6, they begin with `check`."""
    namespace = {
        'test' + name[len('check'):]: getattr(suite, name)
        for name in dir(suite) if name.startswith('check') and name != 'checkResolve'}
    return type(suite.__name__, (suite,), namespace)


class NEOTestCase(StorageTestBase.StorageTestBase):
    """Each test has an empty cluster of its own."""

    def setUp(self):
        super().setUp()
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        self.cluster.start()
        self.open()

    def open(self, **options):
        self._storage = self.cluster.storage(**options)

    def _new_storage_client(self):
        return self.cluster.storage()


class TestBasic(NEOTestCase, collectable(BasicStorage.BasicStorage)):
    pass


class TestThreads(NEOTestCase, collectable(MTStorage.MTStorage)):
    pass


class TestSynchronization(NEOTestCase, collectable(Synchronization.SynchronizedStorage)):
    pass


class TestPersistent(NEOTestCase, collectable(PersistentStorage.PersistentStorage)):
    pass


class TestRevisions(NEOTestCase, collectable(RevisionStorage.RevisionStorage)):
    # This test is about undo, which is not there yet.
    testLoadBeforeUndo = None


class TestReadOnly(NEOTestCase, collectable(ReadOnlyStorage.ReadOnlyStorage)):
    pass


class TestConflictResolution(NEOTestCase, collectable(ConflictResolution.ConflictResolvingStorage)):

    def test_resolve(self):
        # ZODB does not collect this one by itself.
        self.checkResolve()


class TestTransformingWrapper(NEOTestCase, collectable(ConflictResolution.ConflictResolvingStorage)):
    """A wrapper that changes what is stored: the classes of the objects are to be found all the same."""

    def open(self, **options):
        from ZODB.tests.hexstorage import HexStorage
        super().open(**options)
        self._storage = HexStorage(self._storage)

    def test_resolve(self):
        self.checkResolve()


class TestPack(
        NEOTestCase, collectable(PackableStorage.PackableStorage),
        collectable(PackableStorage.PackableStorageWithOptionalGC)):
    # It expects that unreachable objects are removed: an external tool does that.
    testPackAllRevisions = None

    def open(self, **options):
        super().open(pack_wait=True, **options)
