"""Addresses of masters, as users write them."""

import socket


def parse_address(word):
    """``host:port``, ``[ipv6]:port``, ``host``, ``[ipv6]`` or ``ipv6`` to (host, port); port 0 if it is missing."""
    if word.startswith('['):
        host, bracket, rest = word[1:].partition(']')
        if not bracket or rest and not rest.startswith(':'):
            raise ValueError(f'{word!r} is not the address of a master: expected [host]:port')
        port = rest[1:]
    elif word.count(':') == 1:
        host, port = word.split(':')
    else:
        host, port = word, ''
    try:
        number = int(port or 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise ValueError(f'{word!r} is not the address of a master: {port!r} is not a port')
    return host, number


def resolve_masters(master_nodes):
    """The list of (numeric host, port) for addresses separated by white space.

    Raises `socket.gaierror` for a name that is not known.
    """
    addresses = []
    for word in master_nodes.split():
        host, port = parse_address(word)
        numeric = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0][4][0]
        if (numeric, port) not in addresses:
            addresses.append((numeric, port))
    return addresses


def format_address(address):
    host, port = address
    return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'
