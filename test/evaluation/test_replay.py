# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recordings of a node: what is read from them, and how they are scored."""

from dataclasses import replace
import json

import numpy as np
import pytest

from mcn_ros.data.bags import Bag
from mcn_ros.evaluation.recording import CAUSES, Recording
from mcn_ros.evaluation.replay import evaluate_recording
from mcn_ros.evaluation.stamped import StampedTruth
from mcn_ros.evaluation.topic_truth import TopicTruth
from mcn_ros.structures import Instances, RegionMap

BOX = (10.0, 20.0, 30.0, 40.0)
START = 1_000_000_000_000  # when images are sent
STEP = 100_000_000
FRAMES = 6
ANSWERED = (0, 1, 3, 5)
TOPIC = '/camera/image_raw'


class Robot:
    """What a robot with the heads detection and segmentation said about some images."""

    def __init__(self, messages):
        self.messages, self.entries = messages, []
        self.add('/mcn/heads', 0, messages.heads(
            detection={'classes': ['person', 'car']}, segmentation={'classes': ['car']}))
        self.add('/mcn/detection/label_info', 0, messages.label_info({0: 'person', 1: 'car'}))
        self.add('/mcn/semantic/label_info', 0, messages.label_info({0: 'background', 1: 'car'}))

    def add(self, topic, time_ns, message):
        self.entries.append((topic, START + time_ns, message))

    def note(self, **notes):
        self.add('/recording_notes', 0, self.messages.make(
            'std_msgs/String', data=json.dumps({'topic': TOPIC, **notes})))

    def send(self, index):
        """Tell that an image was sent: its stamp in the bag is its number plus one."""
        header = self.messages.header(START + index * STEP)
        source = self.messages.header(index + 1).stamp
        self.add('/image/source_stamp', index * STEP, self.messages.make(
            'sensor_msgs/TimeReference', header=header, time_ref=source))

    def answer(self, stamp, received, heads=2, labels=None):
        """Answer an image; the second head's result comes 10 ms after the first."""
        found = self.messages.detections(stamp, (BOX, '1', 0.9))
        self.add('/mcn/detections', received - START, found)
        if heads > 1:
            labels = np.ones((48, 64), np.uint8) if labels is None else labels
            self.add('/mcn/semantic/image', received - START + 10_000_000,
                     self.messages.labels(stamp, labels))

    def report(self, received, processed, superseded, node='mcn'):
        values = {'images received': received, 'frames processed': processed,
                  **dict.fromkeys(CAUSES.values(), 0), CAUSES['superseded']: superseded}
        values = [self.messages.make('diagnostic_msgs/KeyValue', key=key, value=str(value))
                  for key, value in values.items()]
        status = self.messages.make('diagnostic_msgs/DiagnosticStatus', name=f'{node}: image',
                                    values=values)
        self.add('/diagnostics', FRAMES * STEP, self.messages.make(
            'diagnostic_msgs/DiagnosticArray', status=[status]))


@pytest.fixture
def robot(messages):
    return Robot(messages)


@pytest.fixture
def drive(robot):
    """Return a robot that has answered four of six images, with 40 ms, 50 ms, ... of latency."""
    robot.note(thresholds={'score': 0.0})
    for index in range(FRAMES):
        robot.send(index)
    for count, index in enumerate(ANSWERED):
        stamp = START + index * STEP
        robot.answer(stamp, stamp + (30 + 10 * count) * 1_000_000)
    robot.report(5, 4, 1)
    robot.report(99, 99, 99, node='other')
    return robot


@pytest.fixture
def run(tmp_path):
    """Return a function: robot, truth, ... -> the results of evaluating its recording."""
    def evaluate(robot, truth=None, **options):
        path = robot.messages.write(tmp_path / 'recording', *robot.entries)
        with Bag(path) as bag:
            recording = Recording(bag)
            truth = truth and StampedTruth(truth, recording.tasks)
            return evaluate_recording(recording, truth, progress=False, **options).results
    return evaluate


def truth_of(stamps, topic=TOPIC):
    """Return annotations of a car in each image, which has 64 x 48 pixels."""
    return {'categories': [{'id': 3, 'name': 'car'}], 'images': [
        {'id': 10 + stamp, 'stamp': stamp, 'topic': topic, 'file_name': '', 'width': 64,
         'height': 48} for stamp in stamps], 'annotations': [
        {'id': stamp, 'image_id': 10 + stamp, 'category_id': 3, 'iscrowd': 0, 'area': 400,
         'bbox': [10, 20, 20, 20]} for stamp in stamps]}


def test_counts_and_times(drive, run):
    summary = run(drive)['replay']
    assert (summary['frames_sent'], summary['frames_processed']) == (6, 4)
    assert summary['incomplete'] == 0
    assert summary['drops'] == {'not received': 1, 'superseded': 1, 'not decodable': 0,
                                'inference failed': 0, 'not recorded': 0}
    # Of the second result, which is the last one.
    assert summary['latency_ms']['p50'] == pytest.approx(55)
    assert summary['latency_ms']['max'] == pytest.approx(70)
    assert summary['sent_rate_hz'] == pytest.approx(10)
    assert summary['rate_hz'] == pytest.approx(3 / 0.53)
    assert summary['agreement'] is None and summary['notes'] == []


def test_what_cannot_be_told_apart_is_told_together(robot, run):
    """The middleware numbers nothing, and the node is one of two of its name."""
    for index in range(FRAMES):
        robot.send(index)
    robot.answer(START, START)
    robot.report('unknown', 1, 'unknown', node='robot/mcn')
    robot.report(99, 99, 99, node='other_mcn')
    assert run(robot)['replay']['drops'] == {
        'not received or superseded': 5, 'not decodable': 0, 'inference failed': 0,
        'not recorded': 0}


def test_dropped_images_are_misses(drive, run):
    results = run(drive, truth_of(range(1, FRAMES + 1)))
    assert results['images'] == FRAMES
    assert results['detection']['AR'] == pytest.approx(len(ANSWERED) / FRAMES)
    assert (results['replay']['scored'], results['replay']['missed']) == (4, 2)


def test_only_what_is_annotated_is_scored(drive, run):
    results = run(drive, truth_of([1, 2]))
    assert results['images'] == 2 and results['detection']['AP'] == pytest.approx(1)


def test_images_that_were_not_played_count_where_all_was_to_be_played(robot, run):
    robot.note(frames=2)
    for index in range(2):
        robot.send(index)
        robot.answer(START + index * STEP, START + index * STEP)
    assert run(robot, truth_of([1, 2, 3]))['replay']['missed'] == 0


def test_images_of_the_lost_part_of_a_bag_do_not_count(robot, run):
    robot.note(problems=['half of it is gone'])
    robot.send(0)
    robot.send(1)
    robot.answer(START, START)
    summary = run(robot, truth_of([1, 2, 3]))['replay']
    assert (summary['scored'], summary['missed'], summary['left_out']) == (1, 1, 1)
    assert 'half of it is gone' in summary['notes']


def test_a_renamed_topic_is_matched_by_stamp(drive, run):
    summary = run(drive, truth_of([1], topic='/front'))['replay']
    assert summary['scored'] == 1
    assert any(TOPIC in note and '/front' in note for note in summary['notes'])


def test_annotations_of_another_bag_are_an_error(drive, run):
    with pytest.raises(ValueError, match='no image that was played has the stamp'):
        run(drive, truth_of([77]))


def test_images_of_another_size_are_an_error(robot, run):
    robot.note()
    robot.send(0)
    robot.answer(START, START, labels=np.zeros((5, 64), np.uint8))
    with pytest.raises(ValueError, match=r'is \(5, 64\), but annotations says \(48, 64\)'):
        run(robot, truth_of([1]))


def test_half_an_answer(robot, run):
    robot.note()
    robot.send(0)
    robot.answer(START, START, heads=1)
    robot.report(1, 1, 0)
    results = run(robot, truth_of([1]))
    assert results['detection']['AP'] == pytest.approx(1)
    summary = results['replay']
    assert (summary['frames_processed'], summary['incomplete']) == (0, 1)
    assert summary['latency_ms'] == {} and summary['drops']['not recorded'] == 0


def test_the_time_of_a_bag_is_converted(robot, run):
    """Without stamps of their own, images were played with those of the bag and /clock."""
    robot.note(speed=0.5)
    for index in range(3):
        robot.answer(START + index * STEP, START + index * STEP + 20_000_000)
    summary = run(robot)['replay']
    assert summary['frames_sent'] is None
    assert summary['latency_ms']['p50'] == pytest.approx(60)
    assert summary['rate_hz'] == pytest.approx(5)
    assert any('not reported' in note for note in summary['notes'])


def test_a_loop_is_scored_once(robot, run):
    robot.note()
    for turn in range(2):
        robot.answer(START, START + turn * STEP)
    results = run(robot, truth_of([START]))
    assert results['images'] == 1 and results['replay']['frames_processed'] == 2


class Twin:
    """Sees in every image what the node has said."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def __call__(self, image):
        boxes = np.array([BOX], np.float32) + np.float32(self.shift)
        return {'detection': Instances(boxes, np.array([1]), np.array([0.9], np.float32))}


@pytest.mark.parametrize('shift, equal', [(0.0, 3), (1.0, 0)])
def test_agreement_with_the_network_by_itself(messages, tmp_path, shift, equal):
    """The images that the node has not answered are skipped."""
    robot = Robot(messages)
    robot.entries = robot.entries[:2]  # of the head detection
    robot.note()
    image = messages.make('sensor_msgs/Image', height=2, width=2, step=6, encoding='rgb8',
                          data=np.zeros(12, np.uint8))
    frames = []
    for index in range(4):
        image.header = messages.header(index + 1)
        frames.append((TOPIC, index, image))
        robot.send(index)
        if index != 1:
            robot.answer(START + index * STEP, START + index * STEP, heads=1)
        if index == 2:  # once more, too late to be compared
            robot.answer(START, START + index * STEP + 1, heads=1)
        image = messages.make('sensor_msgs/Image', **{
            name: getattr(image, name) for name in ('height', 'width', 'step', 'encoding',
                                                    'data')})
    seen = []
    with Bag(messages.write(tmp_path / 'bag', *frames)) as source, \
            Bag(messages.write(tmp_path / 'recording', *robot.entries)) as bag:
        results = evaluate_recording(
            Recording(bag), predictor=Twin(shift), source=source, progress=False,
            watch=lambda frame, found, truth: seen.append(frame.stamp_ns)).results
    agreement = results['replay']['agreement']
    assert (agreement['frames'], agreement['equal']) == (3, equal)
    assert agreement['largest_px'] == pytest.approx(shift)
    assert seen == [1, 3, 4]


@pytest.mark.parametrize('topic, text, error', [
    ('', '', 'expected one node that tells of its heads, on ~/heads, got none'),
    ('/other/heads', '{}', 'got /mcn, /other'),
    ('/mcn/heads', 'x', '/mcn/heads: Expecting value'),
    ('/mcn/heads', '[]', '/mcn/heads: heads: expected a mapping'),
    ('/mcn/heads', '{"pose": {"topics": {}}}', '/mcn/heads: heads.pose.prediction: missing')])
def test_what_is_no_recording_is_an_error(robot, run, topic, text, error):
    if topic:
        robot.answer(START, START)
        robot.add(topic, 0, robot.messages.make('std_msgs/String', data=text))
    else:
        robot.entries = []
        robot.note()
    with pytest.raises(ValueError, match=error):
        run(robot)


def test_heads_of_any_name_and_type_are_read(messages, tmp_path):
    robot = Robot(messages)
    robot.entries = []
    robot.add('/mcn/heads', 0, messages.heads(
        parts={'kind': 'segmentation', 'classes': ['hand']}, detection={'classes': ['face']},
        hands={'kind': 'detection', 'classes': ['left', 'right']}))
    robot.add('/mcn/hands', 7, messages.detections(5, (BOX, '1', 0.9)))
    robot.add('/mcn/parts/image', 8, messages.labels(5, np.eye(3, dtype=np.uint8)))
    with Bag(messages.write(tmp_path / 'recording', *robot.entries)) as bag:
        recording = Recording(bag)
        answer, = recording.answers()
    # That of which there is no topic was not recorded.
    assert list(recording.tasks) == ['hands', 'parts']
    assert recording.tasks['hands'].classes == ('left', 'right')
    assert answer.predictions['hands'].classes.tolist() == [1]
    assert (answer.predictions['parts'].labels == np.eye(3)).all()


def picture(messages, stamp, pixels, encoding):
    """Make an image of any encoding."""
    return replace(messages.labels(stamp, np.zeros(pixels.shape[:2], np.uint8)), encoding=encoding,
                   step=pixels[0].nbytes, data=pixels.reshape(-1).view(np.uint8))


def test_maps_are_scored_by_topics(messages, tmp_path):
    """What a robot says of all that is in each pixel is right, but for a direction."""
    inside = np.zeros((64, 80), np.uint8)
    inside[20:44, 24:56] = 1
    contour = RegionMap(inside.astype(np.uint16), np.zeros(1, int)).contours().values
    truth = np.zeros((64, 80, 3), np.float32) + np.float32([0, 0, -1])
    truth[:8] = np.nan
    said = np.where(inside[..., None], np.float32([0.6, 0, -0.8]), np.float32([0, 0, -1]))
    two = {'classes': ['person', 'car']}
    names = messages.label_info({0: 'background', 1: 'person', 2: 'car'})
    parts = messages.label_info({0: 'background', 1: 'head', 2: 'torso'})
    robot = Robot(messages)
    robot.entries.clear()
    robot.add('/mcn/heads', 0, messages.heads(
        boundaries={}, normals={}, saliency={}, parts={}, semantic_boundaries=two))
    robot.add('/truth/areas/label_info', 0, names)
    robot.add('/truth/parts/label_info', 0, parts)
    topics = {}
    for name, encoding, shown, annotated in (
            ('boundaries', 'mono8', 255 * contour, inside.astype(np.uint16)),
            ('normals', '32FC3', said, truth), ('saliency', 'mono8', 255 * inside, inside),
            ('parts', 'mono8', 2 * inside, 2 * inside),
            ('semantic_boundaries', 'mono8', 2 * contour, 2 * inside)):
        topic = '/truth/areas' if name == 'semantic_boundaries' else f'/truth/{name}'
        topics[name] = f'{name}={topic}'
        kind = 'mono16' if annotated.dtype == np.uint16 else encoding
        for stamp in (10, 20):
            robot.add(topic, stamp, picture(messages, stamp, annotated, kind))
            robot.add(f'/mcn/{name}/image', stamp, picture(messages, stamp, shown, encoding))
    with Bag(messages.write(tmp_path / 'recording', *robot.entries)) as bag:
        recording = Recording(bag)
        scores = evaluate_recording(
            recording, TopicTruth(bag, list(topics.values()), recording.tasks),
            progress=False).results
    assert scores['images'] == scores['replay']['scored'] == 2
    # But for the corners, which are no ridges.
    assert scores['boundaries']['ODS'] > 0.98 and scores['semantic_boundaries']['mMF'] > 0.98
    assert scores['semantic_boundaries']['per_class'].keys() == {'car'}
    assert scores['saliency']['maxF'] == 1 and scores['saliency']['MAE'] == 0
    assert scores['parts']['per_class'].items() >= {'torso': 1.0}.items()
    assert scores['normals']['mean'] == pytest.approx(
        np.degrees(np.arccos(0.8)) * inside.sum() / (56 * 80), abs=0.02)
