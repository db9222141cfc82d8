# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What RViz shows of a node: for each of its cameras the images, and what is made of them."""

import copy
from typing import Any, Collection, Mapping

NODE = 'mcn'  # as the configuration that others are made from calls it
IMAGE = 'image'  # and the topic of the images
HEADS = {'semantic': 'segmentation'}  # topics of heads that are not called after these


def show_cameras(config: Mapping[str, Any], node: str, images: Mapping[str, str],
                 transport: str, frame: str = '') -> dict[str, Any]:
    """
    Return a configuration of RViz for a node, made from that for a node mcn with one camera.

    :param config: what config/mcn.rviz holds; all its topics are relative.
    :param node: name of the node, without the namespace, which is to be that of RViz.
    :param images: name of the camera -> topic of its images; the name is '' where there is one.
    :param transport: raw or compressed.
    :param frame: that all is shown in; '' for the one of ``config``.
    """
    result = copy.deepcopy(dict(config))
    manager, geometry = result['Visualization Manager'], result['Window Geometry']
    displays = manager['Displays']
    manager['Displays'] = [
        *(_for_camera(display, node, camera, image, transport)
          for camera, image in images.items() for display in displays if 'Topic' in display),
        *(display for display in displays if 'Topic' not in display)]
    # Each display of images has a dock, which goes by its name.
    docks = {display['Name']: geometry.pop(display['Name']) for display in displays
             if display['Name'] in geometry}
    geometry.update({_name(camera, name): dict(dock) for camera in images
                     for name, dock in docks.items()})
    if frame:
        manager['Global Options']['Fixed Frame'] = frame
    return result


def _name(camera: str, display: str) -> str:
    return f'{camera.strip("/")} {display}'.lstrip()


def _for_camera(display: Mapping[str, Any], node: str, camera: str, image: str,
                transport: str) -> dict[str, Any]:
    result = copy.deepcopy(dict(display))
    bare = camera.strip('/')
    topic = result['Topic']['Value']
    if topic == IMAGE:
        topic = image
        # The end of the name is all that tells RViz the transport.
        if transport == 'compressed' and not image.endswith('/compressed'):
            topic += '/compressed'
    else:
        topic = '/'.join(filter(None, (node, bare, topic.removeprefix(f'{NODE}/'))))
    result['Topic']['Value'] = topic
    result['Name'] = _name(camera, display['Name'])
    return result


def show_heads(config: Mapping[str, Any], heads: Collection[str]) -> dict[str, Any]:
    """
    Return a configuration in which pictures of heads are enabled if these run, and no others are.

    What is not enabled is listed, but not subscribed to.

    :param config: what config/mcn.rviz holds.
    :param heads: that run; empty where that is up to the weights: then as it is.
    """
    result = copy.deepcopy(dict(config))
    for display in result['Visualization Manager']['Displays'] if heads else ():
        owner, *ends = display.get('Topic', {}).get('Value', '').split('/')
        if owner == NODE and len(ends) > 1 and display['Class'].endswith('/Image'):
            display['Enabled'] = display['Value'] = HEADS.get(ends[0], ends[0]) in heads
    return result
