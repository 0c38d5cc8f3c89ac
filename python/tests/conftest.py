import importlib.util
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
def cluster():
    """An empty running cluster: 1 master, 2 storages, 1 admin, 3 partitions."""
    cluster = Cluster()
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.fixture
def storage(cluster):
    storage = cluster.storage()
    yield storage
    storage.close()
