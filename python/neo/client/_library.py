"""The library of the client (``neo_client.h``), loaded with cffi.

A call costs about a microsecond, and releases the global lock of Python. It is looked for

1. where the environment variable ``NEO_CLIENT_LIBRARY`` says,
2. beside this file, where a wheel installs it,
3. where the system finds its libraries.
"""

import os
import sys

import cffi

_NAME = 'libNEOClientC.dylib' if sys.platform == 'darwin' else 'libNEOClientC.so'
_DIRECTORY = os.path.dirname(os.path.abspath(__file__))

ffi = cffi.FFI()


def _declarations():
    """The header without what only a C compiler understands."""
    with open(os.path.join(_DIRECTORY, 'neo_client.h')) as header:
        lines = header.read().splitlines()
    begin = lines.index('extern "C" {')
    end = lines.index('}', begin)
    # The closing brace of `extern "C"` is the first line that is nothing but a brace.
    return '\n'.join(line for line in lines[begin + 1:end] if not line.startswith('#'))


def _load():
    path = os.environ.get('NEO_CLIENT_LIBRARY')
    if not path:
        path = os.path.join(_DIRECTORY, _NAME)
        if not os.path.exists(path):
            path = _NAME
    try:
        return ffi.dlopen(path)
    except OSError as error:
        raise ImportError(
            f'the library of the NEO client can not be loaded: {error}. '
            f'Set NEO_CLIENT_LIBRARY to the path of {_NAME}.') from error


ffi.cdef(_declarations())
lib = _load()
# All functions are looked up now: the first time takes the lock of cffi, and a finalizer, which closes a client, can run in a
# thread that has it.
for _name in dir(lib):
    getattr(lib, _name)


def data_of(structure):
    """The bytes that a structure of the library holds, None for a null pointer."""
    if structure.data == ffi.NULL:
        return None
    return ffi.buffer(structure.data, structure.length)[:]


def conflicts_of(conflicts):
    """The conflicts that a call reported, as tuples (oid, serial, base, data), and frees them."""
    if not conflicts.count:
        return []
    try:
        return [
            (bytes(item.oid), bytes(item.serial), bytes(item.base), data_of(item))
            for item in (conflicts.conflicts[index] for index in range(conflicts.count))
        ]
    finally:
        lib.neo_conflicts_release(conflicts)
