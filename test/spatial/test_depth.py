# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of depth -> metres: all encodings say the same, and nothing wrong gets through."""

import struct
from types import SimpleNamespace as Message

import cv2
from hypothesis import given, settings, strategies
import numpy as np
import pytest

from mcn_ros.spatial.depth import (
    depth_from_compressed, depth_from_image, DepthRange, points_from_cloud)

NAN, INF = np.nan, np.inf
MILLIMETRES = np.array([[2000, 0, 65535], [199, 200, 10000], [10001, 3456, 1]], np.uint16)
METRES = np.array([[2, NAN, NAN], [NAN, 0.2, 10], [NAN, 3.456, NAN]], np.float32)


def image(values, encoding, order='<', padding=0):
    rows = values.astype(values.dtype.newbyteorder(order))
    rows = np.pad(rows.view(np.uint8).reshape(len(rows), -1), ((0, 0), (0, padding)),
                  constant_values=77)
    return Message(encoding=encoding, height=values.shape[0], width=values.shape[1],
                   step=rows.shape[1], is_bigendian=int(order == '>'), data=rows.tobytes())


def compressed(values, encoding='16UC1', header=(0, 0.0, 0.0), packed='compressedDepth png'):
    png = cv2.imencode('.png', values)[1].tobytes()
    return Message(format=f'{encoding}; {packed}', data=struct.pack('<iff', *header) + png)


def field(name, offset, datatype=7, count=1):
    return Message(name=name, offset=offset, datatype=datatype, count=count)


def cloud(points, order='<', padding=0, offsets=(0, 4, 8), point_step=16):
    """Return the message of points (H, W, 3)."""
    height, width = points.shape[:2]
    data = np.full((height, width * point_step + padding), 77, np.uint8)
    for axis, offset in enumerate(offsets):
        np.ndarray((height, width), np.dtype('f4').newbyteorder(order), data, offset,
                   (data.shape[1], point_step))[:] = points[:, :, axis]
    return Message(height=height, width=width, point_step=point_step, row_step=data.shape[1],
                   is_bigendian=order == '>', is_dense=True, data=data.tobytes(),
                   fields=[field(name, offset) for name, offset in zip('xyz', offsets)])


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('padding', [0, 3])
def test_whole_numbers_are_millimetres(encoding, order, padding):
    depth = depth_from_image(image(MILLIMETRES, encoding, order, padding))
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES, rtol=1e-6)


def test_the_scale_is_a_parameter():
    depth = depth_from_image(image(MILLIMETRES, '16UC1'), DepthRange(0.0002, 0.0, 20.0))
    np.testing.assert_allclose(depth[0, 0], 0.4, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(depth), np.isin(MILLIMETRES, (0, 65535)))


@pytest.mark.parametrize('order', '<>')
def test_real_numbers_are_metres(order):
    values = np.array([[2, NAN, INF], [-INF, 0.2, 10], [-2, 3.456, 0.1]], np.float32)
    np.testing.assert_array_equal(depth_from_image(image(values, '32FC1', order, 5)), METRES)


def test_compressed_depth_is_that_of_the_png():
    np.testing.assert_allclose(depth_from_compressed(compressed(MILLIMETRES)), METRES, rtol=1e-6)


def test_compressed_depth_of_real_numbers_is_inverse():
    # What the camera does with a metric depth, for a quantization of 100 and 10 m at most.
    numerator, offset = 100 * 101.0, 1 - 100 * 101.0 / 10
    with np.errstate(invalid='ignore'):
        values = np.nan_to_num(numerator / METRES + offset).round().astype(np.uint16)
    msg = compressed(values, '32FC1', (0, numerator, offset))
    np.testing.assert_allclose(depth_from_compressed(msg), METRES, rtol=3e-3)
    # By the formula alone, 0 would be a little beyond 10 m.
    far = depth_from_compressed(msg, DepthRange(far=20.0))
    np.testing.assert_array_equal(np.isnan(far), values == 0)


@pytest.mark.parametrize('change, problem', [
    ({'encoding': 'rgb8'}, "'rgb8' is none of depth .known: 16UC1, mono16, 32FC1"),
    ({'encoding': '16SC1'}, 'none of depth'),
    ({'step': 5}, 'needs 6 bytes per row'),
    ({'data': bytes(17)}, 'needs 18 bytes'),
    ({'height': 0}, 'no pixels'),
    ({'height': 10 ** 5, 'width': 10 ** 5}, 'million pixels'),
])
def test_a_bad_image_is_refused(change, problem):
    msg = Message(**{**vars(image(MILLIMETRES, '16UC1')), **change})
    with pytest.raises(ValueError, match=problem):
        depth_from_image(msg)


@pytest.mark.parametrize('msg, problem', [
    (compressed(MILLIMETRES, packed='compressedDepth rvl'), 'RVL is not supported'),
    (compressed(MILLIMETRES, 'rgb8'), 'none of depth'),
    (compressed(MILLIMETRES.astype(np.uint8)), 'not one of 16 bit gray'),
    (Message(format='16UC1; compressedDepth', data=bytes(12)), 'no PNG'),
    (Message(format='16UC1; compressedDepth', data=b''), 'no PNG'),
    (Message(format='16UC1; compressedDepth', data=compressed(MILLIMETRES).data[:-20]), 'cut off'),
])
def test_bad_compressed_depth_is_refused(msg, problem):
    with pytest.raises(ValueError, match=problem):
        depth_from_compressed(msg)


def test_a_large_image_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('decoded'))
    with pytest.raises(ValueError, match='max_pixels = 8'):
        depth_from_compressed(compressed(MILLIMETRES), max_pixels=8)


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('padding, offsets, point_step', [
    (0, (0, 4, 8), 12), (0, (0, 4, 8), 16), (7, (9, 1, 17), 23)])
def test_points_are_read_from_any_layout(order, padding, offsets, point_step):
    points = np.random.default_rng(0).normal(size=(2, 3, 3)).astype(np.float32)
    msg = cloud(points, order, padding, offsets, point_step)
    np.testing.assert_array_equal(points_from_cloud(msg), points)


def test_points_agree_with_sensor_msgs_py():
    sensor_msgs_py = pytest.importorskip('sensor_msgs_py.point_cloud2')
    from sensor_msgs.msg import PointCloud2, PointField
    points = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
    fields = [PointField(name=name, offset=4 * axis, datatype=7, count=1)
              for axis, name in enumerate('xyz')]
    msg = PointCloud2(height=4, width=5, point_step=12, row_step=60, fields=fields,
                      data=points.tobytes())
    theirs = sensor_msgs_py.read_points_numpy(msg, ['x', 'y', 'z']).reshape(4, 5, 3)
    np.testing.assert_array_equal(points_from_cloud(msg), theirs)


def test_a_point_is_known_as_a_whole_or_not_at_all():
    points = np.ones((2, 2, 3), np.float32)
    points[0, 0, 1], points[1, 1, 2] = NAN, INF
    known = points_from_cloud(cloud(points))  # is_dense says that all are
    np.testing.assert_array_equal(np.isnan(known), [[[True] * 3, [False] * 3],
                                                    [[False] * 3, [True] * 3]])


@pytest.mark.parametrize('change, problem', [
    ({'height': 1, 'width': 6, 'row_step': 96}, 'unordered.*ordered_pc'),
    ({'row_step': 47}, 'row_step 47'),
    ({'data': bytes(95)}, '95 bytes'),
    ({'point_step': 11, 'row_step': 48}, 'field z at 8 is beyond the 11 bytes'),
    ({'point_step': 0}, 'beyond the 0 bytes'),
    ({'fields': [field('x', 0), field('y', 4)]}, 'one field z'),
    ({'fields': [field('x', 0), field('y', 4), field('z', 8, 8)]}, 'one field z'),
    ({'fields': [field('x', 0), field('y', 4), field('z', 8, count=2)]}, 'one field z'),
    ({'fields': [field('x', 0), field('x', 0), field('y', 4), field('z', 8)]}, 'one field x'),
    ({'height': 10 ** 5, 'width': 10 ** 5}, 'million pixels'),
])
def test_a_bad_cloud_is_refused(change, problem):
    msg = Message(**{**vars(cloud(np.ones((2, 3, 3), np.float32))), **change})
    with pytest.raises(ValueError, match=problem):
        points_from_cloud(msg)


small = strategies.integers(0, 40)


@settings(max_examples=50)
@given(encoding=strategies.sampled_from(['16UC1', '32FC1', 'mono16', '8UC1', '']), height=small,
       width=small, step=small, bytes_=strategies.binary(max_size=200), big=strategies.booleans())
def test_any_image_is_decoded_or_refused(encoding, height, width, step, bytes_, big):
    msg = Message(encoding=encoding, height=height, width=width, step=step, data=bytes_,
                  is_bigendian=big)
    try:
        depth = depth_from_image(msg)
    except ValueError:
        return
    assert depth.shape == (height, width) and not (depth < 0.2).any() and not (depth > 10).any()


@settings(max_examples=50)
@given(height=small, width=small, point_step=small, row_step=small, big=strategies.booleans(),
       offsets=strategies.lists(small, max_size=4), bytes_=strategies.binary(max_size=400))
def test_any_cloud_is_decoded_or_refused(height, width, point_step, row_step, big, offsets,
                                         bytes_):
    msg = Message(height=height, width=width, point_step=point_step, row_step=row_step,
                  is_bigendian=big, is_dense=True, data=bytes_,
                  fields=[field(name, offset) for name, offset in zip('xyzx', offsets)])
    try:
        points = points_from_cloud(msg)
    except ValueError:
        return
    assert points.shape == (height, width, 3)
    assert (np.isnan(points).any(axis=2) == np.isnan(points).all(axis=2)).all()


@settings(max_examples=50)
@given(format_=strategies.sampled_from(['16UC1; compressedDepth', '32FC1; compressedDepth png']),
       flips=strategies.lists(strategies.tuples(strategies.integers(0, 90), small), max_size=4))
def test_any_compressed_depth_is_decoded_or_refused(format_, flips):
    data = bytearray(compressed(MILLIMETRES, header=(0, 100.0, 1.0)).data)
    for place, value in flips:
        data[place % len(data)] ^= value
    try:
        depth = depth_from_compressed(Message(format=format_, data=bytes(data)))
    except ValueError:
        return
    assert depth.ndim == 2 and not (depth < 0.2).any() and not (depth > 10).any()


@pytest.mark.parametrize('arguments', [
    (0, 0.2, 10), (NAN, 0.2, 10), (0.001, 2, 1), (0.001, -1, 1), (0.001, 0, INF)])
def test_a_range_that_is_none_is_refused(arguments):
    with pytest.raises(ValueError, match='depth'):
        DepthRange(*arguments)
