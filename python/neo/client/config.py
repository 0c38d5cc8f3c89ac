"""Datatypes of ``component.xml``."""

from ZConfig.datatypes import asBoolean
from ZODB.config import BaseConfig


class NeoStorage(BaseConfig):
    """The section ``<NEOStorage>``."""

    def open(self):
        from .Storage import Storage
        config = self.config
        return Storage(**{name: getattr(config, name) for name in config.getSectionAttributes()})


def compress(value):
    """A boolean, ``zlib`` or ``zlib=N``: what the constructor of the storage takes."""
    try:
        return asBoolean(value)
    except ValueError:
        algorithm, equal, level = value.partition('=')
        if algorithm == 'zlib':
            if not equal:
                return 0, None
            if level in tuple('123456789'):
                return 0, int(level)
        raise ValueError(f'compress: expected a boolean, zlib or zlib=N with N from 1 to 9, got {value!r}') from None
