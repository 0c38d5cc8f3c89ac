"""A small program that uses a NEO cluster: demo.py (write|verify) MASTERS CLUSTER"""

import sys
import time

import transaction
from BTrees.IOBTree import IOBTree
from BTrees.Length import Length
from ZODB import DB
from persistent.mapping import PersistentMapping

from neo.client.Storage import Storage

OBJECTS = 5000
BATCH = 500


def open_database(masters, cluster):
    return DB(Storage(master_nodes=masters, name=cluster))


def write(masters, cluster):
    db = open_database(masters, cluster)
    connection = db.open()
    root = connection.root()

    print("%d objects in a BTree, %d a transaction:" % (OBJECTS, BATCH))
    root["tree"] = tree = IOBTree()
    root["length"] = Length()
    transaction.commit()
    start = time.monotonic()
    for first in range(0, OBJECTS, BATCH):
        for key in range(first, first + BATCH):
            tree[key] = PersistentMapping(key=key, square=key * key)
        root["length"].change(BATCH)
        transaction.get().note("objects %d to %d" % (first, first + BATCH - 1))
        transaction.commit()
        print("  committed %r" % db.storage.lastTransaction().hex())
    elapsed = time.monotonic() - start
    print("  %.2f s: %d objects/s" % (elapsed, OBJECTS / elapsed))

    print("Two clients change one counter at the same time:")
    other_db = open_database(masters, cluster)
    other_manager = transaction.TransactionManager()
    other = other_db.open(transaction_manager=other_manager)
    counter, other_counter = root["length"], other.root()["length"]
    print("  both see %d; one adds 10, the other 100" % other_counter())
    counter.change(10)
    other_counter.change(100)
    other_manager.commit()
    transaction.commit()
    connection.sync()
    print("  resolved: %d" % counter())
    assert counter() == OBJECTS + 110, counter()

    print("Reading back through the second client:")
    other.sync()
    check(other)
    other_manager.abort()
    other.close()
    other_db.close()
    connection.close()
    db.close()


def verify(masters, cluster):
    db = open_database(masters, cluster)
    connection = db.open()
    check(connection)
    connection.close()
    db.close()


def check(connection):
    root = connection.root()
    start = time.monotonic()
    tree = root["tree"]
    assert len(tree) == OBJECTS, len(tree)
    for key, value in tree.items():
        assert value["key"] == key and value["square"] == key * key, (key, dict(value))
    assert root["length"]() == OBJECTS + 110, root["length"]()
    print(
        "  %d objects are as they were written, the counter is %d (%.2f s)"
        % (len(tree), root["length"](), time.monotonic() - start)
    )


if __name__ == "__main__":
    action, masters, cluster = sys.argv[1:]
    {"write": write, "verify": verify}[action](masters, cluster)
