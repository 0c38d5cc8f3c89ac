"""The client of NEO: a ZODB storage.

``%import neo.client`` gives ZConfig the section ``<NEOStorage>``. Importing this package loads nothing else: the
library of the client comes with the first storage.
"""


def __getattr__(name):
    if name == 'TransactionMetaData':
        from ZODB.Connection import TransactionMetaData
        return TransactionMetaData
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
