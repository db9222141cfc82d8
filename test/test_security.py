# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""No code comes from files, and nothing goes to or comes from a network, but what is asked for."""

import ast
import json
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / 'mcn_ros').rglob('*.py'), *(ROOT / 'launch').rglob('*.py')])

# What would run what it is given, or unpack it over other files.
FORBIDDEN = {
    'eval', 'exec', 'compile', '__import__', 'os.system', 'os.popen', 'pickle.load',
    'pickle.loads', 'pickle.Unpickler', 'torch.jit.load', 'torch.hub.load', 'torch.package',
    'yaml.unsafe_load', 'yaml.full_load', 'yaml.load_all', 'yaml.unsafe_load_all',
    'shutil.unpack_archive', 'tarfile.open', 'joblib.load'}
# What may be called if it is told so: an argument, and the values that are allowed.
SAFE_ONLY = {'torch.load': ('weights_only', True), 'np.load': ('allow_pickle', False),
             'numpy.load': ('allow_pickle', False)}
NETWORK = {'socket', 'urllib', 'http', 'requests', 'ftplib', 'smtplib', 'aiohttp', 'httpx',
           'socketserver', 'xmlrpc', 'asyncio', 'webbrowser'}


def violations(tree):
    """Yield what a source does that it must not."""
    safe = {'yaml.SafeLoader'} | {
        node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
        and [ast.unparse(base) for base in node.bases] == ['yaml.SafeLoader']}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split('.')[0] in NETWORK)
        elif isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] in NETWORK:
            yield node.module
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            option, value = SAFE_ONLY.get(name, ('', ''))
            if name in FORBIDDEN or name.endswith('.extractall'):
                yield name
            elif option and keywords.get(option) != str(value):
                yield f'{name} without {option}={value}'
            elif name == 'yaml.load' and not safe & {
                    keywords.get('Loader'), *map(ast.unparse, node.args[1:])}:
                yield f'{name} without a SafeLoader'
            elif keywords.get('shell', 'False') != 'False':
                yield f'{name} with a shell'


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_a_file_says_or_opens_a_connection(path):
    assert list(violations(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize('source', [
    'eval(text)', 'import os; os.system(text)', 'torch.load(path)', 'import urllib.request',
    'torch.load(path, weights_only=False)', 'np.load(path, allow_pickle=True)', 'np.load(path)',
    'yaml.load(text)', 'yaml.load(text, yaml.Loader)', 'yaml.load(text, Loader=yaml.FullLoader)',
    'class L(yaml.Loader): pass\nyaml.load(text, L)', 'subprocess.run(text, shell=True)',
    'archive.extractall(folder)', 'from http.client import HTTPConnection'])
def test_the_rules_can_be_broken(source):
    assert len(list(violations(ast.parse(source)))) == 1


@pytest.mark.parametrize('source', [
    'model.eval()', 'torch.load(path, weights_only=True)', 'yaml.safe_load(text)',
    'class L(yaml.SafeLoader): pass\nyaml.load(text, L)', 'subprocess.run(words)'])
def test_what_is_safe_is_allowed(source):
    assert not list(violations(ast.parse(source)))


# Python tells of every connection, address and name that is asked for, whatever library asks.
GUARD = """
import json, sys
told = []
def guard(event, arguments):
    if event.startswith('socket.') and not event.endswith(('__new__', 'gethostname')):
        address = arguments[-1]
        if not isinstance(address, (str, bytes)) or event == 'socket.getaddrinfo':
            told.append(f'{event} {arguments[1:]}')
            raise PermissionError(f'no network: {event}')
sys.addaudithook(guard)
"""


def guarded(body, folder, *arguments):
    """Run Python without a network; return what it asked of one all the same."""
    code = f'{GUARD}\n{body}\nprint(json.dumps(told))'
    done = subprocess.run([sys.executable, '-c', code, *map(str, arguments)], cwd=folder,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_commands_need_no_network_on_any_backend(tiny_weights, tmp_path):
    body = """
from mcn_ros.commands import evaluate, export_onnx, synthesize
weights = sys.argv[1]
synthesize.main(['--out', 'data', '--count', '2'])
for backend in ('torch', 'auto'):
    evaluate.main(['--weights', weights, '--annotations', 'data/annotations.json', '--images',
                   'data/images', '--device', 'cpu', '--backend', backend])
try:
    import onnx, onnxruntime, onnxscript
    export_onnx.main(['--weights', weights, '--out', 'tiny.onnx', '--maps', '--heads', 'pose'])
except ImportError:
    pass
"""
    assert guarded(body, tmp_path, tiny_weights) == []


def test_the_guard_hears_of_connections(tmp_path):
    body = """
import socket
here = '127.0.0.1', 9
for ask in (lambda: socket.create_connection(here), lambda: socket.getaddrinfo('localhost', 80),
            lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', here)):
    try:
        ask()
    except PermissionError:
        pass
"""
    assert len(guarded(body, tmp_path)) == 3
