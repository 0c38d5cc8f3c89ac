import importlib.util
import signal
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
if importlib.util.find_spec('neo') is None:
    # Not installed (scripts/test-wheel has it installed): the sources beside the tests.
    sys.path.insert(0, str(HERE.parent))

from cluster import Cluster  # noqa: E402


@pytest.fixture
def cluster(request):
    """An empty running cluster: 1 master, 2 storages, 1 admin, 3 partitions, unless the test says otherwise."""
    cluster = Cluster(**getattr(request, 'param', {}))
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.fixture
def storage(cluster):
    storage = cluster.storage()
    yield storage
    storage.close()


@pytest.fixture(scope='module')
def shared_cluster():
    """The same, shared by the tests of a module: each has objects of its own."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def opened(shared_cluster, tmp_path):
    """Opens clients of the shared cluster; by default each has a blob directory of its own."""
    storages = []

    def open(blob_dir=None, **options):
        blob_dir = tmp_path / (blob_dir or f'blobs{len(storages)}')
        storages.append(shared_cluster.storage(blob_dir=str(blob_dir), **options))
        return storages[-1]
    yield open
    for storage in storages:
        storage.close()


@pytest.fixture
def interruptible():
    """Python ignores SIGINT when it was started in the background by a shell without job control."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)
