# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Set-up installs what its lock names, whatever the package index has beside it."""

from base64 import urlsafe_b64encode
from ensurepip import __file__ as ensurepip_file
import hashlib
from importlib.metadata import distributions
import importlib.util
import io
import os
from pathlib import Path
import re
import subprocess
import sysconfig
import tarfile
from types import SimpleNamespace
import venv
from zipfile import ZipFile

import pytest

# On Python 3.11, a process that as much as looks for the module of pip can import no setuptools.
if not list(distributions(name='pip')):
    pytest.skip('pip is not installed', allow_module_level=True)
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'standalone' / 'install.py'
LOCK = ROOT / 'standalone' / 'hashes.txt'
REQUIREMENTS = ['requirements.txt', 'requirements-ros.txt', 'constraints.txt']
NEWEST_PIP = Path(sysconfig.get_path('purelib'))
BUNDLED_PIP = next((Path(ensurepip_file).parent / '_bundled').glob('pip-*.whl'), None)

spec = importlib.util.spec_from_file_location('install', SCRIPT)
install = importlib.util.module_from_spec(spec)
spec.loader.exec_module(install)


def requirement(text):
    return install.Requirement(text)


def metadata(name, version, requires=()):
    return '\n'.join(['Metadata-Version: 2.1', f'Name: {name}', f'Version: {version}',
                      *(f'Requires-Dist: {text}' for text in requires), ''])


def add_wheel(index, name, version, requires=()):
    """Add a wheel with one module to a package index; return its entry of a lock."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{name}-{version}-py3-none-any.whl'
    info = f'{name}-{version}.dist-info'
    contents = {
        f'{name}.py': f'version = {version!r}\n',
        f'{info}/METADATA': metadata(name, version, requires),
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n'
                         'Tag: py3-none-any\n'}
    record = [f'{info}/RECORD,,']
    with ZipFile(file, 'w') as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
            code = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')
            record.append(f'{path},sha256={code},{len(text)}')
        archive.writestr(f'{info}/RECORD', '\n'.join(record))
    return entry(name, version, file)


def add_source(index, name, version):
    """Add a package that has to be built to a package index; return its entry of a lock."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{name}-{version}.tar.gz'
    setup = f'from setuptools import setup\nsetup(name={name!r}, version={version!r})\n'.encode()
    with tarfile.open(file, 'w:gz') as archive:
        member = tarfile.TarInfo(f'{name}-{version}/setup.py')
        member.size = len(setup)
        archive.addfile(member, io.BytesIO(setup))
    return entry(name, version, file)


def entry(name, version, file):
    code = hashlib.sha256(file.read_bytes()).hexdigest()
    return f'{name}=={version} \\\n    --hash=sha256:{code}'


@pytest.fixture(scope='module')
def index(tmp_path_factory):
    """Return a package index on disk, and a lock of what was its newest before later releases."""
    folder = tmp_path_factory.mktemp('index')
    lock = [
        add_wheel(folder, 'upper', '1.0', ['lower[extra]>=1']),
        add_wheel(folder, 'lower', '1.0', ['further; extra == "extra"']),
        add_wheel(folder, 'further', '1.0'),
        add_source(folder, 'source', '1.0')]
    for name in ['upper', 'lower', 'further', 'setuptools', 'wheel']:
        add_wheel(folder, name, '999.0')  # as a build tool, too, it would not work
    add_source(folder, 'source', '999.0')
    for package in list(folder.iterdir()):
        links = (f'<a href="{file.name}">{file.name}</a>' for file in package.iterdir())
        (package / 'index.html').write_text('\n'.join(links))
    (folder / 'lock.txt').write_text('# The lock.\n\n' + '\n'.join(lock) + '\n')
    return folder


@pytest.fixture
def run(index, tmp_path):
    """Return a function that runs install.py in an environment of its own, with any pip."""
    venv.create(tmp_path / 'venv')
    site = next((tmp_path / 'venv').glob('lib/python*/site-packages'))

    def run(*requirements, pip=NEWEST_PIP, lock=index / 'lock.txt', **settings):
        # The later path has setuptools, and the pip where the first one has none.
        (site / 'outer.pth').write_text(f'{pip}\n{NEWEST_PIP}\n')
        foreign = re.compile('pip_|.*_proxy$|pythonpath$', re.IGNORECASE)
        environment = {key: os.environ[key] for key in os.environ if not foreign.match(key)}
        environment |= {'PIP_CONFIG_FILE': os.devnull, 'PIP_INDEX_URL': index.as_uri(),
                        'PIP_NO_CACHE_DIR': '1', 'PIP_RETRIES': '1', **settings}
        result = subprocess.run(
            [tmp_path / 'venv/bin/python', SCRIPT, tmp_path / 'log', lock, *requirements],
            capture_output=True, text=True, timeout=120, env=environment)
        result.installed = {file.stem for file in site.glob('*.dist-info')}
        return result

    run.site = site
    return run


# ---- What is installed ----

@pytest.mark.parametrize('pip', [
    NEWEST_PIP, pytest.param(BUNDLED_PIP, marks=pytest.mark.skipif(
        not BUNDLED_PIP, reason='this Python brings no pip along'))], ids=['newest', 'bundled'])
def test_later_releases_change_nothing(run, pip):
    result = run(pip=pip)
    assert (result.returncode, result.stderr) == (0, '')
    assert result.installed == {'upper-1.0', 'lower-1.0', 'further-1.0', 'source-1.0'}
    assert not list(run.site.parents[2].glob('tmp*'))


def test_on_ros_only_what_is_lacking_is_installed(run, tmp_path):
    (run.site / 'upper-0.5.dist-info').mkdir()  # as of ROS 2
    (run.site / 'upper-0.5.dist-info/METADATA').write_text(metadata('upper', '0.5', ['lower>=1']))
    requirements = tmp_path / 'requirements.txt'
    requirements.write_text('# Some.\nupper==1.0\nlower==1.0; python_version >= "3"\n')
    result = run(requirements)
    assert (result.returncode, result.stderr) == (0, '')
    assert result.installed == {'upper-0.5', 'lower-1.0'}


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Return a function that makes a package seem installed."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(name, version, *requires):
        folder = tmp_path / f'{name}-{version}.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text(metadata(name, version, requires))
        importlib.invalidate_caches()

    return add


def test_unmet_follows_extras_and_markers(packages):
    packages('upper', '1.0', 'middle[extra]', 'never; python_version < "3"')
    packages('middle', '1.0', 'lower>=2; extra == "extra"', 'other; extra == "another"')
    packages('lower', '1.0', 'bottom')
    assert install.unmet([requirement('Upper==7'), requirement('none; python_version < "3"')]) == {
        'lower': 'lower>=2', 'bottom': 'bottom'}


def test_what_ros_is_compiled_for_stays(packages, monkeypatch, tmp_path):
    packages('upper', '1.0', 'numpy>=999')
    monkeypatch.setattr(install, 'install', lambda *arguments: pytest.fail('was installed'))
    with pytest.raises(install.InstallationError, match='wants numpy>=999, and ROS 2 here has'):
        install.install_lacking({'numpy': 'numpy==999'}, [requirement('upper')], tmp_path)


# ---- What goes wrong ----

@pytest.mark.parametrize('settings, cause', [
    ({'PIP_INDEX_URL': 'http://127.0.0.1:9/simple'}, 'the package index cannot be reached'),
    ({'PIP_INDEX_URL': 'https://pypi.org/simple', 'https_proxy': 'http://127.0.0.1:9'}, 'proxy'),
    ({'PIP_INDEX_URL': 'file:///none'}, 'does not serve upper==1.0'),
])
def test_what_is_wrong_with_the_index_is_told_in_a_line(run, settings, cause):
    result = run(**settings)
    assert result.returncode == 1 and result.installed == set()
    assert re.fullmatch(rf'error: .*{cause}.*; the whole output is in .*log\n', result.stderr)


def test_a_broken_mirror_is_told_in_a_line(run, index, tmp_path):
    lock = tmp_path / 'lock.txt'
    lock.write_text(re.sub('[0-9a-f]{64}', '0' * 64, (index / 'lock.txt').read_text()))
    result = run(lock=lock)
    assert result.returncode == 1 and result.installed == set()
    assert re.fullmatch(r'error: the file of \w+==1.0 is another one .*\n', result.stderr)


def test_too_small_a_disk_is_told_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setattr(install.shutil, 'disk_usage', lambda path: SimpleNamespace(free=9.94e9))
    monkeypatch.setattr(install, 'find_spec', lambda name: None)
    with pytest.raises(install.InstallationError, match=r'^10 GB .*, and 9\.9 GB are free'):
        install.main(tmp_path / 'log', LOCK)
    assert not (tmp_path / 'log').exists()


@pytest.mark.parametrize('output, advice', [
    ('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n',
     'the disk is full: free 10 GB in '),
    ("WARNING: Retrying (...) after connection broken by 'ProxyError('Cannot connect to proxy.', "
     "NewConnectionError(...))': /simple/x/\nERROR: No matching distribution found for x==1\n",
     'the proxy does not let pip through'),
    ("WARNING: ... SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...\n",
     'the server has a certificate that is not trusted'),
    ('error: incomplete-download\n\n× Download failed after 6 attempts\n', 'a download broke off'),
    ('ERROR: 403 Client Error: Forbidden for url: https://x/y.whl\n', '(403 Client Error: Forbid'),
    ('Collecting x\nERROR: Something new.\n', 'Something new.'),
    ('', 'pip was killed'),
])
def test_what_pip_says_is_understood(output, advice):
    assert advice in install.explain(output)


# ---- The lock ----

def pins(file):
    lines = (ROOT / 'standalone' / file).read_text().splitlines()
    return [requirement(line) for line in lines if line and not line.startswith('#')]


def test_everything_is_pinned_once():
    known = set()
    for pin in [pin for file in REQUIREMENTS for pin in pins(file)]:
        assert re.fullmatch(r'==[\w.]+', str(pin.specifier)), pin
        key = install.canonicalize_name(pin.name), str(pin.marker)
        assert key not in known
        known.add(key)


def test_every_file_that_is_installed_is_known():
    lock = install.read_lock(LOCK)
    line = r'[\w.-]+==[\w.]+ (; .* )?\\|    --hash=sha256:[0-9a-f]{64}( \\)?'
    assert all(re.fullmatch(line, text) for text in '\n'.join(lock.values()).splitlines())
    asked = {}
    for pin in [pin for file in REQUIREMENTS for pin in pins(file)]:
        asked.setdefault(install.canonicalize_name(pin.name), set()).add(str(pin.specifier))
    # What metapackages of ROS 2 bring along has their versions; nothing else comes in unasked.
    locked = {name: set(re.findall(r'==[\w.]+(?= )', text)) for name, text in lock.items()
              if name in asked or not name.startswith('ros-')}
    assert locked == asked  # otherwise: standalone/lock.sh


def test_the_lock_brings_along_all_that_it_needs():
    lock = install.read_lock(LOCK)
    if not install.is_installed(lock['ros-rclpy']):
        pytest.skip('not in an environment with ROS 2 of the lock')
    pinned = re.findall(r'^[\w.-]+==[^\\]+', '\n'.join(lock.values()), re.MULTILINE)
    due = [one for one in map(requirement, pinned) if install.is_due(one, '')]
    assert [str(one) for one in due if not install.is_installed(str(one))] == []
    assert install.unmet(due) == {}
