"""What is in the files of storage nodes, by a reader that shares no code with them."""

import importlib.util
from collections import defaultdict

from cluster import ROOT

VECTORS = ROOT / 'Tests' / 'Vectors' / 'databases'
ROWS = 'config', 'pt', 'pack', 'transactions', 'objects', 'data', 'ttrans', 'tobj'


def _independent_reader():
    specification = importlib.util.spec_from_file_location('describe', VECTORS / 'describe.py')
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.describe


describe = _independent_reader()


def rows(path):
    """All the rows of a database that no process has open: in the file alone, without its log."""
    return describe(str(path))


def check_consistency(databases, may_have_garbage=False):
    """What holds for the databases of any cluster (spec/database.md §3).

    A storage that is killed may leave values of transactions that were not voted, until a repair (spec/storage.md §16.4).
    """
    partitions = len({cell['partition'] for cell in databases[0]['pt']})
    transactions, objects = {}, defaultdict(set)
    for database in databases:
        mine = {cell['partition'] for cell in database['pt'] if cell['mine']}
        assert database['ttrans'] == database['tobj'] == []
        for row in database['transactions']:
            assert row['partition'] == int(row['tid'], 16) % partitions and row['partition'] in mine
            assert row['ttid'] <= row['tid']
            assert transactions.setdefault(row['tid'], row) == row
        for row in database['objects']:
            assert row['partition'] == int(row['oid'], 16) % partitions and row['partition'] in mine
            objects[row['tid']].add(row['oid'])
        used = {row['data_id'] for row in database['objects']} - {None}
        values = {row['id'] for row in database['data']}
        assert used <= values if may_have_garbage else used == values
    for tid, oids in objects.items():
        # Those that were only checked are there as well.
        assert set(transactions[tid]['oids']) >= oids
    return transactions
