"""Zope on a cluster, used by HTTP as a person would. Run by `scripts/test-zope`, in an environment that has Zope.

Pytest does not collect it by itself: the environment of the other tests has no Zope.
"""

import base64
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from cluster import free_ports
from transactions import undo

HERE = Path(__file__).resolve().parent

CONFIGURATION = '''
%define INSTANCE {instance}
%import neo.client
{imports}
instancehome $INSTANCE
<zodb_db main>
  mount-point /
  {storage}
</zodb_db>
'''

STORAGE = '''
  <NEOStorage>
    master_nodes {masters}
    name {name}
    cache-size 10MB
    wait-timeout 30
    blob-dir {instance}/var/blobs
  </NEOStorage>
'''

SERVER = '''
[app:main]
use = egg:Zope#main
zope_conf = {instance}/etc/zope.conf

[server:main]
use = egg:waitress#main
host = 127.0.0.1
port = {port}
'''


class Zope:
    """A process of Zope in an instance directory, and what a person does with it."""

    def __init__(self, directory, cluster, imports='', wrap='{}'):
        self.directory = Path(directory)
        programs = Path(sys.executable).parent
        subprocess.run(
            [programs / 'mkwsgiinstance', '-d', directory, '-u', 'admin:secret'], check=True, capture_output=True)
        [self.port] = free_ports(1)
        storage = wrap.format(STORAGE.format(masters=cluster.masters, name=cluster.name, instance=directory))
        (self.directory / 'etc' / 'zope.conf').write_text(CONFIGURATION.format(
            instance=directory, imports=imports, storage=storage))
        (self.directory / 'etc' / 'zope.ini').write_text(SERVER.format(instance=directory, port=self.port))
        shutil.copy(HERE / 'zopeblobs.zcml', self.directory / 'etc' / 'site.zcml')
        self.program = programs / 'runwsgi'
        self.process = None

    def start(self):
        log = open(self.directory / 'zope.log', 'ab')
        with log:
            self.process = subprocess.Popen(
                [self.program, self.directory / 'etc' / 'zope.ini'], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=dict(os.environ, PYTHONPATH=os.pathsep.join([os.environ.get('PYTHONPATH', ''), str(HERE)])))
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.get('/')
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.1)

    def stop(self):
        """As a service manager does; Zope closes its databases."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise

    def log(self):
        return (self.directory / 'zope.log').read_text()[-5000:]

    def get(self, path, data=None):
        """The text that a request is answered with."""
        return self.request(path, None if data is None else urllib.parse.urlencode(data).encode()).decode()

    def upload(self, path, content):
        """Sends a file, as a form with one does."""
        head = (
            b'--limit\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            b'Content-Type: application/octet-stream\r\n\r\n')
        return self.request(
            path, head + content + b'\r\n--limit--\r\n', {'Content-Type': 'multipart/form-data; boundary=limit'})

    def request(self, path, body=None, headers={}):
        """The bytes that a request is answered with; an error is shown with the log."""
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}{path}', headers=headers)
        request.add_header('Authorization', 'Basic ' + base64.b64encode(b'admin:secret').decode())
        try:
            with urllib.request.urlopen(request, body, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f'{path}: {error}\n{error.read().decode()[-2000:]}\n{self.log()}') from None

    def add_folder(self, path, name, title=''):
        self.get(f'{path}/manage_addProduct/OFSP/manage_addFolder', {'id': name, 'title': title})

    def add_document(self, path, name, text):
        self.get(f'{path}/manage_addProduct/OFSP/manage_addDTMLMethod', {'id': name, 'title': ''})
        self.edit_document(f'{path}/{name}', text)

    def edit_document(self, path, text):
        self.get(f'{path}/manage_edit', {'data': text, 'title': ''})


@pytest.fixture(params=['NEOStorage', 'zlibstorage'])
def zope(request, cluster, tmp_path):
    options = {}
    if request.param == 'zlibstorage':
        options = {'imports': '%import zc.zlibstorage', 'wrap': '<zlibstorage>{}</zlibstorage>'}
    zope = Zope(tmp_path / 'instance', cluster, **options)
    zope.start()
    yield zope
    zope.stop()


def test_content_outlives_zope_and_the_cluster(zope, cluster):
    zope.add_folder('', 'news', 'Tidings')
    for number in range(10):
        zope.add_document('/news', f'item{number}', f'This is number {number}. ' + 'word ' * 500)
    assert 'This is number 7.' in zope.get('/news/item7')

    zope.stop()
    assert zope.process.returncode in (0, -15), zope.log()
    zope.start()
    for number in range(10):
        assert f'This is number {number}.' in zope.get(f'/news/item{number}')

    zope.stop()
    cluster.stop()
    cluster.start()
    zope.start()
    zope.edit_document('/news/item3', 'Third edition')
    assert zope.get('/news/item3') == 'Third edition'
    assert 'Tidings' in zope.get('/news/title_or_id')


def test_two_instances_see_each_other(zope, cluster, tmp_path):
    zope.add_document('', 'page', 'first')
    other = Zope(tmp_path / 'other', cluster, **(
        {'imports': '%import zc.zlibstorage', 'wrap': '<zlibstorage>{}</zlibstorage>'}
        if 'zlibstorage' in (zope.directory / 'etc' / 'zope.conf').read_text() else {}))
    try:
        other.start()
        assert other.get('/page') == 'first'
        for text in 'second', 'third':
            zope.edit_document('/page', text)
            assert other.get('/page') == text
            other.edit_document('/page', text + ' by the other')
            assert zope.get('/page') == text + ' by the other'
    finally:
        other.stop()


def test_blobs(zope, cluster, tmp_path):
    """Files outlive Zope, its directory of blobs, and the cluster; an older one is what an undo gives back."""
    zope.add_folder('', 'files')
    contents = [os.urandom(3 << 20), b'small', os.urandom(2 << 20)]
    for content in contents:
        zope.upload('/files/file', content)
        assert zope.request('/files/file') == content
    zope.stop()
    shutil.rmtree(zope.directory / 'var' / 'blobs')
    cluster.stop()
    cluster.start()
    zope.start()
    assert zope.request('/files/file') == contents[-1]
    with closing(cluster.storage(blob_dir=str(tmp_path / 'blobs'))) as storage:
        last, before, *_ = [entry['id'] for entry in storage.undoLog(0, 2)]
        for tid, expected in (last, contents[1]), (before, contents[0]):
            undo(storage, tid)
            assert zope.request('/files/file') == expected


def test_the_control_panel(zope):
    """It shows the name and the size of the database."""
    page = zope.get('/Control_Panel/Database/main/manage_main')
    assert 'NEOStorage(test)' in page
