"""``neo://name@master1,master2?options`` and ``neos://…`` (with TLS) for zodburi."""

import os
from io import StringIO
from urllib.parse import parse_qsl, unquote, urlsplit

import ZODB.config

_OPTIONS = (
    'compress', 'read-only', 'logfile', 'cache-size', 'dynamic_master_list', 'ignore-wrong-checksum',
    'ca', 'cert', 'key', 'wait-timeout', 'cache-file', 'pack-wait', 'blob-dir', 'blob-cache-size', 'blob-cache-size-check',
    'shared-blob-dir',
)
_CREDENTIALS = {'ca': 'NEO_CA', 'cert': 'NEO_CERT', 'key': 'NEO_KEY'}


def resolve_uri(uri):
    """(factory of the storage, keywords for the database)."""
    text, keywords = zconfig_of(uri)

    def open_storage():
        return ZODB.config.storageFromFile(StringIO(text))
    return open_storage, keywords


def zconfig_of(uri):
    """The same as ZConfig text, and the options that are none of the storage's."""
    scheme, location, path, query, fragment = urlsplit(uri)
    if scheme not in ('neo', 'neos'):
        raise ValueError(f'expected neo: or neos: as the scheme of {uri!r}')
    if path:
        raise ValueError(f'expected no path in {uri!r}, got {path!r}')
    if fragment:
        raise ValueError(f'expected no fragment in {uri!r}, got {fragment!r}')
    name, at, masters = location.partition('@')
    if not at:
        raise ValueError(f'expected {scheme}://<name of the cluster>@<masters>, got {uri!r}')
    options, keywords = {}, {}
    for key, value in dict(parse_qsl(query)).items():
        if key in ('master_nodes', 'name'):
            raise ValueError(f'{key!r} can not be an option in {uri!r}: it is what stands around the @')
        option = key if key in _OPTIONS else key.replace('_', '-')
        if option in _OPTIONS:
            options[option] = value
        else:
            keywords[key] = value
    if scheme == 'neos':
        for option, variable in _CREDENTIALS.items():
            if option not in options:
                value = os.environ.get(variable)
                if not value:
                    raise ValueError(f'neos: needs the option {option!r} or the environment variable {variable}')
                options[option] = value
    lines = ['%import neo.client', '<NEOStorage>']
    required = [('master_nodes', ' '.join(masters.split(','))), ('name', unquote(name))]
    lines += (f'  {key}\t{value}' for key, value in required + list(options.items()))
    lines.append('</NEOStorage>\n')
    for line in lines[:-1]:
        if '\n' in line or '\r' in line:
            raise ValueError(f'line breaks are not accepted in {uri!r}')
    return '\n'.join(lines), keywords
