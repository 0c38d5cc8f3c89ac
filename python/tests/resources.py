"""What processes take: memory, descriptors, threads. Linux only."""

import os
import socket
from contextlib import suppress
from pathlib import Path


class Memory:
    """The memory of a process, from now on."""

    def __init__(self, pid):
        self.pid = pid
        # Forgets the peak.
        Path(f'/proc/{pid}/clear_refs').write_text('5')
        self.base = resident(pid)

    def extra(self):
        """Bytes of the peak above what there was in the beginning."""
        return _status(self.pid, 'VmHWM') - self.base


def _status(pid, name):
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith(f'{name}:'):
            return int(line.split()[1]) << 10
    raise ValueError(name)


def resident(pid='self'):
    """Bytes that a process has in memory."""
    return _status(pid, 'VmRSS')


def descriptors(pid='self'):
    return len(os.listdir(f'/proc/{pid}/fd'))


def threads(pid='self'):
    return len(os.listdir(f'/proc/{pid}/task'))


def connections():
    """The sockets of this process that are connected, duplicated: to be closed."""
    for name in os.listdir('/proc/self/fd'):
        with suppress(OSError):
            if os.readlink(f'/proc/self/fd/{name}').startswith('socket:'):
                connection = socket.socket(fileno=os.dup(int(name)))
                try:
                    connection.getpeername()
                except OSError:
                    connection.close()
                else:
                    yield connection


def break_connections():
    """Shuts down all the connections of this process."""
    for connection in connections():
        with connection, suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
