# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Bags of ROS 2 and ROS 1, read without ROS; also what is left of a damaged one.

A robot that loses power leaves a bag without its end, and of a large bag often only some files are
copied. What can be read is read, and what is missing is told.
"""

import contextlib
from pathlib import Path, PurePath
import re
import tempfile
from typing import Any, Iterator, NamedTuple, Sequence

from rosbags.highlevel import AnyReader
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import yaml

from mcn_ros.data.rescue import RescuedFile, unpack

STORAGE_SUFFIXES = ('.mcap', '.db3')
ROS1_SUFFIX = '.bag'
PACKED_SUFFIX = '.zstd'
METADATA = 'metadata.yaml'


class Message(NamedTuple):
    """
    A message of a bag.

    :param topic: where it was recorded.
    :param recorded_ns: time of the recording, nanoseconds.
    :param content: the message, with the fields that its type has in ROS 2.
    """

    topic: str
    recorded_ns: int
    content: Any


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag: one of its files, or the folder of them."""
    if path.is_dir():
        return (path / METADATA).is_file() or bool(_storage_files(path))
    return path.suffix.lower() in (*STORAGE_SUFFIXES, ROS1_SUFFIX)


class Bag:
    """
    A bag that is open, to be used in a ``with`` statement.

    - ``topics``: topic -> type of its messages, such as 'sensor_msgs/msg/Image'.
    - ``counts``: topic -> number of messages that are there.
    - ``problems``: one line for everything that is missing or cannot be read; it may grow while
      messages are read.

    :param path: the folder of a bag, or one of its files (.mcap, .db3, or .bag of ROS 1).
    :raises ValueError: if nothing of it can be read.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.topics: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.problems: list[str] = []
        self._stack = contextlib.ExitStack()
        try:
            self._parts = self._open()
        except BaseException:
            self._stack.close()
            raise
        for part in self._parts:
            for topic, msgtype, count in part.contents():
                if not isinstance(topic, str) or not isinstance(msgtype, str):
                    self.problems.append(f'{part.path.name}: {count} messages are of no topic')
                    continue
                self.topics[topic] = msgtype
                self.counts[topic] = self.counts.get(topic, 0) + count

    def __enter__(self) -> 'Bag':
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        """Yield the messages of some topics in the order of their recording."""
        for part in self._parts:
            messages = part.messages(topics)
            while True:
                # The libraries that read files and messages share no exception.
                try:
                    message = next(messages, None)
                except Exception as error:
                    self.problems.append(f'{part.path.name}: the rest cannot be read ({error})')
                    break
                if message is None:
                    break
                yield message

    def _open(self) -> list['_SoundPart | _RescuedPart']:
        try:
            return [self._sound(self._paths())]
        except Exception as error:  # see messages()
            reason = str(error)
        if self.path.suffix == ROS1_SUFFIX or not self.path.exists():
            raise ValueError(f'bag {self.path}: {reason}')
        parts = self._open_files()
        if not parts:
            raise ValueError(f'bag {self.path}: nothing of it can be read: '
                             f'{"; ".join(self.problems) or reason}')
        return parts

    def _paths(self) -> list[Path]:
        """Return what makes the bag: its folder or file; of ROS 1, all files of the folder."""
        ros1 = sorted(self.path.glob(f'*{ROS1_SUFFIX}')) if self.path.is_dir() else []
        return ros1 if ros1 and not (self.path / METADATA).exists() else [self.path]

    def _sound(self, paths: Sequence[Path]) -> '_SoundPart':
        # Bags of older ROS 2 versions do not describe their messages.
        store = get_typestore(Stores.LATEST)
        reader = AnyReader(paths, default_typestore=store)
        return _SoundPart(paths[0], self._stack.enter_context(reader))

    def _open_files(self) -> list['_SoundPart | _RescuedPart']:
        """Open the files of a damaged bag one by one, in order."""
        packing, expected, files = '', None, [self.path]
        if self.path.is_dir():
            packing, expected, files = self._metadata()
        parts = []
        for file in files:
            try:
                parts.append(self._open_file(file, packing == 'message'))
            except (ValueError, OSError) as error:
                self.problems.append(f'{file.name}: cannot be read ({error})')
        found = sum(count for part in parts for _, _, count in part.contents())
        if expected and found < expected:
            self.problems.append(f'{expected - found} of {expected} messages are missing')
        return parts

    def _open_file(self, file: Path, packed: bool) -> '_SoundPart | _RescuedPart':
        """
        Open one file of a damaged bag.

        :param packed: each message is compressed, which such a file by itself does not tell.
        """
        if not file.exists():
            raise ValueError('it is missing')
        if file.suffix == PACKED_SUFFIX:
            file = self._unpacked(file)
        reason = ''
        if not packed:
            try:
                return self._sound([file])
            except Exception as error:  # see messages()
                reason = str(error).replace(str(file), file.name)
        found = RescuedFile(file, packed)
        if reason:
            self.problems.append(
                f'{file.name}: is cut off or damaged ({reason}); {sum(found.counts.values())} '
                f'messages are left, the last of {found.last_ns / 1e9:.3f} s')
        return _RescuedPart(found)

    def _unpacked(self, file: Path) -> Path:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix='mcn_bag_'))
        target = Path(folder, file.stem)
        target.write_bytes(unpack(file.read_bytes()))
        return target

    def _metadata(self) -> tuple[str, int | None, list[Path]]:
        """Return how a bag is compressed, how many messages it should have, and its files."""
        path = self.path / METADATA
        try:
            content = yaml.safe_load(path.read_bytes())['rosbag2_bagfile_information']
            files = [self.path / PurePath(name).name for name in content['relative_file_paths']]
            mode = (content.get('compression_mode') or '').lower()
            return mode.replace('none', ''), int(content['message_count']), files
        except OSError:
            self.problems.append(f'{METADATA}: is missing')
        except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError,
                RecursionError):
            self.problems.append(f'{METADATA}: cannot be read')
        return '', None, _storage_files(self.path)


def _storage_files(folder: Path) -> list[Path]:
    """Return the files of a bag in the order of their numbers: _2 comes before _10."""
    suffixes = (*STORAGE_SUFFIXES, *(suffix + PACKED_SUFFIX for suffix in STORAGE_SUFFIXES),
                ROS1_SUFFIX)
    files = [file for file in folder.iterdir() if file.name.endswith(suffixes)]
    return sorted(files, key=lambda file: [
        int(word) if word.isdecimal() else word for word in re.split(r'(\d+)', file.name)])


class _SoundPart:
    """What the library reads."""

    def __init__(self, path: Path, reader: AnyReader):
        self.path, self._reader = path, reader

    def contents(self) -> Iterator[tuple[str, str, int]]:
        """Yield topic, type and number of messages; a topic has one entry per publisher."""
        for connection in self._reader.connections:
            yield connection.topic, connection.msgtype, connection.msgcount

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        chosen = [c for c in self._reader.connections if c.topic in topics]
        if not chosen:  # which would mean all to the library
            return
        for connection, recorded_ns, data in self._reader.messages(chosen):
            content = self._reader.deserialize(data, connection.msgtype)
            yield Message(connection.topic, recorded_ns, content)


class _RescuedPart:
    """What is left of a file that the library does not read."""

    def __init__(self, file: RescuedFile):
        self.path, self._file = file.path, file

    def contents(self) -> Iterator[tuple[str, str, int]]:
        for topic, (msgtype, _) in self._file.topics.items():
            yield topic, msgtype, self._file.counts.get(topic, 0)

    def messages(self, topics: Sequence[str]) -> Iterator[Message]:
        store = get_typestore(Stores.LATEST)
        for topic in topics:
            msgtype, definition = self._file.topics.get(topic, ('', ''))
            if definition and msgtype not in store.types:
                store.register(get_types_from_msg(definition, msgtype))
        for topic, recorded_ns, data in self._file.messages(topics):
            content = store.deserialize_cdr(data, self._file.topics[topic][0])
            yield Message(topic, recorded_ns, content)
