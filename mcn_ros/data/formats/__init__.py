# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Labels in public formats, made COCO files with maps: a file for each format."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from mcn_ros.data.formats import bsds, index, masks, objects, rgbd, saliency
from mcn_ros.data.formats.content import Content, write_content
from mcn_ros.files import new_folder
from mcn_ros.vocabulary import PERSON


@dataclass(frozen=True)
class Format:
    """
    A format of labels.

    :param summary: what it is.
    :param read: takes the sources, and by name the tasks, ``only`` and the options.
    :param sources: what it consists of, as the command line calls it.
    :param tasks: that its maps are for.
    :param options: name -> default and meaning.
    """

    summary: str
    read: Callable[..., Content]
    sources: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    options: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


FORMATS = {
    'bsds': Format(
        'boundaries by several people (BSDS500): .mat files of the set, or PNG files with a bit '
        'for each of them',
        bsds.read, ('IMAGES', 'LABELS'), ('boundaries',)),
    'saliency': Format(
        'masks of what stands out, 0 and 255 (ECSSD, DUTS)',
        saliency.read, ('IMAGES', 'MASKS'), ('saliency',)),
    'index': Format(
        'the class of every pixel (CamVid, NYUv2, PASCAL VOC) as an index or a colour, and a '
        'table of these, name,index or name,r,g,b',
        index.read, ('IMAGES', 'LABELS', 'CLASSES.csv'), ('segmentation', 'semantic_boundaries'),
        {'fill': (0, 'for boundaries, fill gaps between regions from so many pixels')}),
    'rgbd': Format(
        'distances, registered to the images, and the camera (fx, fy, cx, cy); normals are those '
        'of planes that are fitted',
        rgbd.read, ('IMAGES', 'DEPTH', 'INTRINSICS.yaml'), ('normals',),
        {'radius': (rgbd.RADIUS, 'pixels that a plane is fitted to')}),
    'masks': Format(
        'masks with the number of the object at every pixel (PennFudan), all of one category',
        masks.read, ('IMAGES', 'MASKS'), (),
        {'category': (PERSON, 'of the objects')}),
    'objects': Format(
        'a COCO file in which objects have masks; what stands out follows from their size and '
        'place',
        objects.read, ('IMAGES', 'ANNOTATIONS.json'), ('saliency',)),
}


def import_labels(name: str, sources: Sequence[Path], out: Path, only: str = '*',
                  tasks: Sequence[str] = (), **options: Any) -> int:
    """
    Write annotations.json and maps; images stay where they are.

    :param name: of the format.
    :param sources: what it consists of.
    :param out: folder to make, which is there when it is complete.
    :param only: pattern of the names of files with labels, without their ending.
    :param tasks: that the maps are for, by default those of the format.
    :param options: of the format.
    :return: number of the images.
    :raises ValueError: naming a file that is wrong, or ``out`` if it is there already.
    """
    chosen = FORMATS[name]
    assert len(sources) == len(chosen.sources), sources
    with new_folder(out) as partial:
        content = chosen.read(*sources, tasks=tuple(tasks) or chosen.tasks, only=only, **options)
        return write_content(partial, content)
