# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Compiled networks, kept from one start to the next.

One file per artefact, named by a hash of all that goes into it, so that nothing stale is ever
found: change the weights, the code, a version or the machine, and the name is another one.
"""

from contextlib import contextmanager, suppress
import fcntl
import hashlib
import json
import logging
import os
from pathlib import Path
import platform
import tempfile
import time
from typing import Callable, Iterator, TypeVar

import torch

import mcn_ros
from mcn_ros.config import to_dict
from mcn_ros.runtime.inference_graph import InferenceGraph

# Artefacts that are kept: those that were used last.
MAX_ARTEFACTS = 16
# What a process that was killed has left behind is removed after so long.
ABANDONED_S = 24 * 3600.0
SUFFIX, PARTIAL, LOCK = '.artefact', '.partial', '.lock'
DIGEST_BYTES = hashlib.sha256().digest_size

LOG = logging.getLogger('mcn_ros')

T = TypeVar('T')


def cache_folder() -> Path:
    """Return where artefacts are: $MCN_ROS_CACHE, else mcn_ros in the user's caches."""
    if os.environ.get('MCN_ROS_CACHE'):
        return Path(os.environ['MCN_ROS_CACHE']).expanduser()
    caches = os.environ.get('XDG_CACHE_HOME')
    return Path(caches) / 'mcn_ros' if caches else Path.home() / '.cache' / 'mcn_ros'


def fingerprint(graph: InferenceGraph, **facts: str) -> str:
    """
    Hash a network, this package and whatever else makes a difference to an artefact.

    :param graph: its configuration, its tensors and what surrounds them all count.
    :param facts: such as backend, device, precision and versions of libraries.
    :return: 64 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps({
        'model': to_dict(graph.config), 'graph': [type(graph.model).__name__, graph.maps],
        'package': _package(), 'torch': torch.__version__, 'machine': platform.machine(),
        'facts': facts}, sort_keys=True).encode())
    tensors = {**dict(graph.named_parameters()), **dict(graph.named_buffers())}
    for name, tensor in sorted(tensors.items()):
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_or_build(key: str, build: Callable[[], bytes], load: Callable[[bytes], T]) -> T:
    """
    Get an artefact from the cache, or make it and leave it there.

    A damaged one is made again; of several processes that lack it, one makes it and the others
    wait. A cache that cannot be written to is a note in the log.

    :param key: from :func:`fingerprint`.
    :param build: makes the artefact.
    :param load: makes of it what is used.
    :return: what ``load`` returns.
    """
    path = cache_folder() / f'{key}{SUFFIX}'
    found = _load(path, load)
    if found:
        return found[0]
    with _alone(path) as waited:
        found = _load(path, load) if waited else ()
        return found[0] if found else _build(path, build, load)


def _load(path: Path, load: Callable[[bytes], T]) -> tuple[T] | tuple[()]:
    """Return what is in the cache; nothing if it is not there or cannot be used."""
    payload = _read(path)
    if payload is None:
        return ()
    try:
        return load(payload),
    # Whatever the library that is to read it may raise: it can be built anew.
    except Exception as error:
        LOG.warning('%s cannot be used (%s: %s) and is made again', path, type(error).__name__,
                    error)
        return ()


def _build(path: Path, build: Callable[[], bytes], load: Callable[[bytes], T]) -> T:
    started = time.perf_counter()
    payload = build()
    LOG.info('compiled in %.1f s: %s', time.perf_counter() - started, path)
    try:
        _write(path, payload)
    except OSError as error:
        LOG.warning('compiled networks cannot be kept, so every start compiles anew: %s', error)
    return load(payload)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Keep other processes from making the same; yield whether one has been waited for."""
    lock, file = path.with_suffix(LOCK), None
    with suppress(OSError):  # who cannot write there cannot wait there
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open('w')
    if file is None:
        yield False
        return
    with file:
        waited = False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            LOG.info('another process is compiling the same network: waiting for it')
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with its holder, however that ends
            waited = True
        except OSError:
            pass  # not every file system has locks
        try:
            yield waited
        finally:
            lock.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    """Return the content of an artefact, None where there is none or a damaged one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != content[:DIGEST_BYTES]:
        LOG.warning('%s is damaged and is made again', path)
        return None
    with suppress(OSError):  # a folder may be readable only
        os.utime(path)
    return payload


def _write(path: Path, payload: bytes) -> None:
    """Write an artefact so that no reader, in this process or another, ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=PARTIAL, delete=False) as file:
        try:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    _prune(path.parent)


def _prune(folder: Path) -> None:
    """Remove all but the artefacts used last; another process may be doing the same."""
    times = {}
    for path in folder.iterdir():
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    complete = sorted((path for path in times if path.suffix == SUFFIX), key=times.get)
    abandoned = [path for path, modified in times.items()
                 if path.suffix in (PARTIAL, LOCK) and time.time() - modified > ABANDONED_S]
    for path in [*complete[:-MAX_ARTEFACTS], *abandoned]:
        with suppress(OSError):
            path.unlink()


def _package() -> str:
    """Hash the sources: any of them may change what a graph computes, and no version tells."""
    digest = hashlib.sha256()
    for path in sorted(Path(mcn_ros.__file__).parent.rglob('*.py')):
        digest.update(path.read_bytes())
    return digest.hexdigest()
