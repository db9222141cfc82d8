# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages to arrays and back, with messages built by hand: no node and no rclpy.init."""

from array import array

from builtin_interfaces.msg import Time
import cv2
from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
from mcn_ros_msgs.msg import HumanPose2D, HumanPose2DArray, Keypoint2D
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from mcn_ros.colors import class_colors
from mcn_ros.data import messages
from mcn_ros.data.image_formats import EncodedImage, RawImage
from mcn_ros.ros.node import conversions
from mcn_ros.structures import ClassMap, Instances, LineMap, Poses, VectorMap
from mcn_ros.vocabulary import COCO_SKELETON

HEADER = Header(stamp=Time(sec=3, nanosec=7), frame_id='camera')
CLASSES = ('person', 'car', 'traffic light')
NUM_JOINTS = COCO_SKELETON.num_keypoints

rng = np.random.default_rng(0)
RGB = rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)

coordinates = strategies.floats(-1000, 5000, width=32)
shares = strategies.floats(0, 1, width=32)


@strategies.composite
def boxes(draw, num):
    corners = draw(arrays.arrays(np.float32, (num, 2, 2), elements=coordinates))
    return np.sort(corners, axis=1).reshape(num, 4)


@strategies.composite
def instances(draw):
    num = draw(strategies.integers(0, 4))
    classes = strategies.integers(0, len(CLASSES) - 1)
    return Instances(draw(boxes(num)), draw(arrays.arrays(np.int64, num, elements=classes)),
                     draw(arrays.arrays(np.float32, num, elements=shares)))


@strategies.composite
def people(draw):
    num = draw(strategies.integers(0, 3))
    keypoints = draw(arrays.arrays(np.float32, (num, NUM_JOINTS, 2), elements=coordinates))
    scores = draw(arrays.arrays(np.float32, (num, NUM_JOINTS), elements=shares))
    absent = draw(arrays.arrays(np.bool_, (num, NUM_JOINTS)))
    keypoints[absent], scores[absent] = np.nan, 0
    return Poses(draw(boxes(num)), draw(arrays.arrays(np.float32, num, elements=shares)),
                 keypoints, scores)


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


def image_msg(pixels, encoding, padding=0):
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)))
    msg = Image(header=HEADER, height=height, width=width, encoding=encoding, step=rows.shape[1])
    msg.data = array('B', rows.tobytes())
    return msg


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
@pytest.mark.parametrize('padding', [0, 6])
def test_image_to_rgb(encoding, padding):
    pixels = RGB if encoding == 'rgb8' else RGB[:, :, ::-1]
    msg = over_the_wire(image_msg(pixels, encoding, padding))
    np.testing.assert_array_equal(conversions.image_to_rgb(msg), RGB)


@pytest.mark.parametrize('encoding', [
    'rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16', 'bayer_rggb8', 'bayer_bggr8',
    'bayer_gbrg8', 'bayer_grbg8'])
def test_image_to_rgb_agrees_with_cv_bridge(encoding):
    cv_bridge = pytest.importorskip('cv_bridge')
    size = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono16': 2}.get(encoding, 1)
    msg = image_msg(rng.integers(0, 256, (12, 10, size), dtype=np.uint8), encoding)
    try:
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(msg, 'rgb8')
    except (KeyError, TypeError) as error:
        pytest.skip(f'this cv_bridge cannot convert {encoding}: {error!r}')
    difference = np.abs(conversions.image_to_rgb(msg).astype(int) - theirs)
    assert difference.max() <= (1 if encoding == 'mono16' else 0)


def test_a_bad_image_is_a_value_error():
    msg = image_msg(RGB, 'rgb8')
    msg.data = msg.data[:-1]
    with pytest.raises(ValueError, match='rgb8 image of 10x12'):
        conversions.image_to_rgb(msg)


def test_compressed_to_rgb():
    data = cv2.imencode('.png', RGB[:, :, ::-1])[1]
    msg = CompressedImage(header=HEADER, format='png', data=data.tobytes())
    np.testing.assert_array_equal(conversions.compressed_to_rgb(over_the_wire(msg)), RGB)
    msg.data = msg.data[:50]
    with pytest.raises(ValueError, match="'png'"):
        conversions.compressed_to_rgb(msg)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
@pytest.mark.parametrize('image', [RGB, RGB[::2, ::3], RGB[:, ::-1]])
def test_rgb_to_image_and_back(encoding, image):
    msg = over_the_wire(conversions.rgb_to_image(image, HEADER, encoding))
    assert (msg.header, msg.encoding, msg.step) == (HEADER, encoding, 3 * image.shape[1])
    np.testing.assert_array_equal(conversions.image_to_rgb(msg), image)


def test_raw_and_encoded_images_stay_as_they_are():
    raw = RawImage('bayer_rggb8', 4, 6, 8, np.arange(32, dtype=np.uint8), is_bigendian=True)
    msg = over_the_wire(conversions.raw_to_image(raw, HEADER))
    assert (msg.header, msg.height, msg.width, msg.encoding, msg.step, msg.is_bigendian) == (
        HEADER, 4, 6, 'bayer_rggb8', 8, 1)
    assert msg.data.tolist() == list(range(32))
    encoded = EncodedImage('jpeg', b'\x01\x02')
    msg = over_the_wire(conversions.encoded_to_compressed(encoded, HEADER))
    assert (msg.header, msg.format, msg.data.tolist()) == (HEADER, 'jpeg', [1, 2])


@given(objects=instances(), class_id_format=strategies.sampled_from(['id', 'name']))
def test_detections_to_msg_and_back(objects, class_id_format):
    msg = over_the_wire(
        conversions.detections_to_msg(objects, HEADER, CLASSES, class_id_format))
    assert msg.header == HEADER and all(d.header == HEADER for d in msg.detections)
    assert all(d.id == '' and len(d.results) == 1 for d in msg.detections)
    back = messages.detections_from_msg(msg, CLASSES)
    np.testing.assert_allclose(back.boxes, objects.boxes, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(back.classes, objects.classes)
    np.testing.assert_array_equal(back.scores, objects.scores)
    assert (back.boxes.dtype, back.classes.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize('class_id_format, expected', [('id', '2'), ('name', 'traffic light')])
def test_the_fields_of_a_detection(class_id_format, expected):
    objects = Instances(np.array([[10, 20, 30, 60]], np.float32), np.array([2]),
                        np.array([0.75], np.float32))
    detection, = conversions.detections_to_msg(
        objects, HEADER, CLASSES, class_id_format).detections
    box = detection.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (20, 40, 0)
    assert (box.size_x, box.size_y) == (20, 40)
    assert detection.results[0].hypothesis.class_id == expected
    assert detection.results[0].hypothesis.score == 0.75


def test_ids_come_back():
    boxes, scores = np.zeros((2, 4), np.float32), np.ones(2, np.float32)
    joints = np.zeros((2, NUM_JOINTS, 2), np.float32)
    ids = np.array(['front_12', ''])
    detections = over_the_wire(conversions.detections_to_msg(
        Instances(boxes, np.zeros(2, int), scores, ids=ids), HEADER, CLASSES))
    poses = over_the_wire(conversions.poses_to_msg(
        Poses(boxes, scores, joints, joints[..., 0], ids=ids), HEADER, 0.2))
    assert [d.id for d in detections.detections] == [p.id for p in poses.poses] == ids.tolist()
    assert messages.detections_from_msg(detections, CLASSES).ids.tolist() == ids.tolist()
    assert messages.poses_from_msg(poses).ids.tolist() == ids.tolist()
    # Where all are empty, nothing is tracked.
    none = over_the_wire(conversions.poses_to_msg(
        Poses(boxes, scores, joints, joints[..., 0]), HEADER, 0.2))
    assert messages.poses_from_msg(none).ids is None


@pytest.mark.parametrize('class_id', ['3', 'dog', '', '-1'])
def test_unknown_class_ids_are_rejected(class_id):
    objects = Instances(np.zeros((1, 4), np.float32), np.array([0]), np.ones(1, np.float32))
    msg = conversions.detections_to_msg(objects, HEADER, CLASSES)
    msg.detections[0].results[0].hypothesis.class_id = class_id
    with pytest.raises(ValueError, match=f'{class_id!r}.*person, car, traffic light'):
        messages.detections_from_msg(msg, CLASSES)


@given(poses=people(), threshold=shares)
def test_poses_to_msg_and_back(poses, threshold):
    msg = over_the_wire(conversions.poses_to_msg(poses, HEADER, threshold))
    assert msg.header == HEADER
    for person, joints, scores in zip(msg.poses, poses.keypoints, poses.keypoint_scores):
        assert person.id == '' and len(person.keypoints) == NUM_JOINTS
        for keypoint, place, score in zip(person.keypoints, joints, scores):
            expected = (Keypoint2D.NOT_ESTIMATED if np.isnan(place).any() else
                        Keypoint2D.VISIBLE if score >= threshold else Keypoint2D.LOW_CONFIDENCE)
            assert keypoint.state == expected
    back = messages.poses_from_msg(msg)
    np.testing.assert_allclose(back.boxes, poses.boxes, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(back.scores, poses.scores)
    np.testing.assert_array_equal(back.keypoints, poses.keypoints)
    np.testing.assert_array_equal(back.keypoint_scores, poses.keypoint_scores)


def test_a_person_with_another_skeleton_is_rejected():
    msg = HumanPose2DArray(poses=[HumanPose2D(keypoints=[Keypoint2D()])])
    with pytest.raises(ValueError, match='1 keypoints, skeleton coco17 has 17'):
        messages.poses_from_msg(msg)


def test_empty_results_have_the_header_too():
    nothing = Instances(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0, np.float32))
    msg = conversions.detections_to_msg(nothing, HEADER, CLASSES)
    assert (msg.header, msg.detections) == (HEADER, [])
    back = messages.detections_from_msg(Detection2DArray(), CLASSES)
    assert back.boxes.shape == (0, 4)
    back = messages.poses_from_msg(HumanPose2DArray())
    assert back.keypoints.shape == (0, NUM_JOINTS, 2)


def test_class_map_to_msg():
    labels = rng.integers(0, 256, (6, 9), dtype=np.uint8)
    msg = over_the_wire(conversions.class_map_to_msg(ClassMap(labels), HEADER))
    assert (msg.header, msg.encoding, msg.step) == (HEADER, 'mono8', 9)
    np.testing.assert_array_equal(np.array(msg.data).reshape(6, 9), labels)


def test_class_map_to_color_msg():
    labels = np.array([[0, 1, 3], [2, 2, 255]], np.uint8)
    msg = conversions.class_map_to_color_msg(ClassMap(labels), HEADER, len(CLASSES))
    assert (msg.header, msg.encoding) == (HEADER, 'rgb8')
    picture = conversions.image_to_rgb(msg)
    np.testing.assert_array_equal(picture[0, 0], 0)
    np.testing.assert_array_equal(picture[[0, 1, 0], [1, 0, 2]], class_colors(3))


def test_images_as_png_files():
    gray = conversions.class_map_to_msg(ClassMap(RGB[..., 0]), HEADER)
    for image in (gray, conversions.rgb_to_image(RGB, HEADER, 'rgb8'),
                  conversions.rgb_to_image(RGB, HEADER, 'bgr8')):
        msg = over_the_wire(conversions.image_to_png(image))
        assert msg.header == HEADER and bytes(msg.data).startswith(b'\x89PNG')
        # As image_transport names them: what it makes of the file, and how the file is read.
        assert msg.format.startswith(f'{image.encoding}; png compressed')
        assert ('bgr8' in msg.format.partition(';')[2]) == (image.encoding != 'mono8')
        np.testing.assert_array_equal(conversions.compressed_to_rgb(msg),
                                      conversions.image_to_rgb(image))


def test_ridges_of_lines_are_thin_and_as_high_as_the_threshold():
    bell = np.exp(-((np.arange(40) - 20) / 3) ** 2, dtype=np.float32)
    values = np.tile(bell, (30, 1))
    values[15:] *= 0.5
    lines, (top, bottom) = LineMap(values), (slice(6, 14), slice(17, 24))

    def thin(threshold):
        msg = over_the_wire(conversions.line_map_to_thin_msg(lines, HEADER, threshold))
        assert (msg.header, msg.encoding, msg.height, msg.width) == (HEADER, 'mono8', 30, 40)
        return np.array(msg.data).reshape(30, 40)

    line = np.where(np.arange(40) == 20, 255, 0)
    assert (thin(0.3)[top] == line).all() and (thin(0.3)[bottom] == line).all()
    assert (thin(0.7)[top] == line).all() and not thin(0.7)[bottom].any()


@pytest.mark.parametrize('encoding', ['32FC3', 'rgb8'])
def test_vector_map_to_msg_and_back(encoding):
    vectors = rng.normal(size=(6, 9, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors[2, 3] = np.nan
    msg = over_the_wire(conversions.vector_map_to_msg(VectorMap(vectors), HEADER, encoding))
    assert (msg.header, msg.encoding, msg.height, msg.width) == (HEADER, encoding, 6, 9)
    np.testing.assert_allclose(messages.vector_map_from_msg(msg).vectors, vectors,
                               atol=0 if encoding == '32FC3' else 0.01)


def test_label_info_msg():
    msg = over_the_wire(conversions.label_info_msg(CLASSES, HEADER, 0.5, first_id=1))
    assert [(c.class_id, c.class_name) for c in msg.class_map] == [
        (1, 'person'), (2, 'car'), (3, 'traffic light')]
    assert (msg.header, msg.threshold) == (HEADER, 0.5)


def test_skeleton_info_msg():
    msg = over_the_wire(conversions.skeleton_info_msg(COCO_SKELETON, HEADER, 0.25))
    assert (msg.header, msg.name, msg.threshold) == (HEADER, 'coco17', 0.25)
    assert tuple(msg.keypoint_names) == COCO_SKELETON.keypoint_names
    assert tuple(zip(msg.edges[::2], msg.edges[1::2])) == COCO_SKELETON.edges
    assert tuple(msg.flip) == COCO_SKELETON.flip


def test_labels_are_read_without_the_padding_of_rows():
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    padded = np.pad(labels, ((0, 0), (0, 2)), constant_values=99)
    msg = Image(height=3, width=4, step=6, encoding='mono8', data=padded.tobytes())
    np.testing.assert_array_equal(messages.class_map_from_msg(msg).labels, labels)
