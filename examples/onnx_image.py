#!/usr/bin/env python3
# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Use an exported network without mcn_ros: an image in, what is seen in it out.

    ./mcn export_onnx --out mcn.onnx
    pip install numpy onnxruntime opencv-python
    python examples/onnx_image.py mcn.onnx image.jpg
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime

SCORE, JOINT_SCORE = 0.3, 0.2


def load(path):
    """Return a session and what the file says of itself: name -> content."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    entries = session.get_modelmeta().custom_metadata_map
    return session, {name: json.loads(text) for name, text in entries.items()}


def letterbox(image, size, border):
    """
    Scale an image to fit into the input and put it in the middle.

    :param image: (H, W, 3) uint8.
    :param size: (height, width) of the input.
    :param border: gray level of what the image does not fill.
    :return: the input (height, width, 3) uint8, and x, y, width and height of the image in it.
    """
    factor = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(factor * side)) for side in image.shape[:2])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    pixels = np.full((*size, 3), border, np.uint8)
    pixels[top:top + height, left:left + width] = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return pixels, (left, top, width, height)


def see(session, about, image):
    """
    Run the network on an image.

    :param image: (H, W, 3) uint8 RGB.
    :return: name of output -> array, in pixels of the image; nothing is thresholded.
    """
    height, width = image.shape[:2]
    pixels, frame = letterbox(image, about['input']['size'], about['input']['border'])
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {about['input']['name']: pixels[None]})
    found = {name: value[0] for name, value in zip(names, values)}  # of the only image
    corner, scale = np.array(frame[:2]), np.array([width / frame[2], height / frame[3]])
    for name in found:
        if name.endswith('/boxes'):  # x, y of the top left and of the bottom right corner
            points = (found[name].reshape(-1, 2, 2) - corner) * scale
            found[name] = np.clip(points, 0, [width, height]).reshape(-1, 4)
        elif name.endswith('/keypoints'):  # x, y of each joint
            found[name] = (found[name] - corner) * scale
        elif name.endswith('/labels'):  # 0 is background, c + 1 is class c
            stride = about['segmentation']['stride']
            labels = found[name].repeat(stride, axis=0).repeat(stride, axis=1)
            left, top, *size = frame
            found[name] = cv2.resize(labels[top:top + size[1], left:left + size[0]],
                                     (width, height), interpolation=cv2.INTER_NEAREST)
    return found


def report(about, found):
    """Yield lines of text about what was found."""
    if 'detection' in about:
        for box, index, score in zip(found['detection/boxes'], found['detection/classes'],
                                     found['detection/scores']):
            if score >= SCORE:
                yield f'{about["detection"]["classes"][index]} {score:.2f} {box.round().tolist()}'
    if 'pose' in about:
        names = about['pose']['skeleton']['keypoint_names']
        for joints, scores, score in zip(found['pose/keypoints'], found['pose/keypoint_scores'],
                                         found['pose/scores']):
            if score >= SCORE:
                seen = [f'{name} {x:.0f},{y:.0f}' for name, (x, y), joint_score
                        in zip(names, joints, scores) if joint_score >= JOINT_SCORE]
                yield f'pose {score:.2f} {"; ".join(seen)}'
    if 'segmentation' in about:
        names = ['background', *about['segmentation']['classes']]
        labels, counts = np.unique(found['segmentation/labels'], return_counts=True)
        for label, count in zip(labels, counts):
            yield f'{names[label]} {count / counts.sum():.1%} of the image'


def main():
    """Say what is in an image."""
    session, about = load(sys.argv[1])
    image = cv2.cvtColor(cv2.imread(sys.argv[2]), cv2.COLOR_BGR2RGB)
    print('\n'.join(report(about, see(session, about, image))))


if __name__ == '__main__':
    main()
