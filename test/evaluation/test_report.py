# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The page of a run: complete, self-contained, and comparable with another one."""

from dataclasses import replace
from html.parser import HTMLParser
import json
import re

import cv2
import numpy as np
import pytest

from mcn_ros.evaluation.gallery import Picture, ranking
from mcn_ros.evaluation.report import read_report, Report, write_report
from mcn_ros.structures import VectorMap
from mcn_ros.tasks import build_tasks, SegmentationTask

CURVES = {overlap: np.linspace(1, 0, 101).tolist() for overlap in ('.50', '.75', 'mean')}
JPEG = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
TASKS = build_tasks({'detection': {}, 'pose': {}, 'segmentation': {}})
REPORT = Report(
    title='Run <1> & more', facts={'weights': 'a/<b>.safetensors', 'device': 'cpu'}, tasks=TASKS,
    scores={'detection': {'AP': 0.25, 'AP50': None, 'per_class': {'person': 0.5, 'dog': 0.0}},
            'pose': {'AP': 0.125},
            'segmentation': {'mIoU': 0.75, 'per_class': {'dog': 0.75}}, 'images': 12},
    details={'detection': {'precision': {'all': CURVES, 'person': CURVES},
                           'objects': {'person': 30, 'dog': 4}},
             'pose': {'precision': {'person': CURVES}, 'oks': [3] * 20,
                      'objects': {'person': 60}},
             'segmentation': {'pixels': {'dog': 0.125}}},
    measures={'Frames': {'sent': 40, 'rate (Hz)': 9.5, 'worst': None, 'encoding': '<bgr8>'}},
    distributions={'latency (ms)': [10.0, 20.0, 45.0]}, notes=['The bag is <cut> off.'],
    pictures={'Best images': (Picture('1.jpg', 'a < b', {'prediction': JPEG}),)})
VOID = {'meta', 'img'}


class Page(HTMLParser):
    """Collects the texts, images and rows of a page, and checks that elements are closed."""

    def __init__(self, source):
        super().__init__()
        self.open, self.texts, self.images, self.rows, self.tones = [], [], [], [], {}
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag == 'img':
            self.images.append(attributes)
        if tag == 'tr':
            self.rows.append([])
        if tag in ('td', 'th'):
            self.rows[-1].append('')
            self.tone = attributes.get('class', '')

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style' and data.strip():
            self.texts.append(data.strip())
            if self.open[-1] in ('td', 'th'):
                self.rows[-1][-1] += data
                self.tones[data] = self.tone


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """Return the page of the report, its source and its folder."""
    return write(tmp_path_factory.mktemp('report'))


def write(folder, report=REPORT, against=None):
    path = write_report(folder / 'new' / 'report', report, against)
    source = path.read_text()
    return Page(source), source, path.parent


def row(page, name):
    return next(cells for cells in page.rows if cells[0] == name)


def test_everything_is_on_the_page(written):
    page, _, _ = written
    assert page.texts.count('Run <1> & more') == 2  # title and heading
    assert {'The bag is <cut> off.', 'Frames', 'a < b', '1.jpg'} <= set(page.texts)
    assert row(page, 'weights') == ['weights', 'a/<b>.safetensors']
    assert row(page, 'AP')[:2] == ['AP', '0.250'] and row(page, 'AP50')[1] == '-'
    assert row(page, 'class') == ['class', 'objects', 'detection AP', 'pixels',
                                  'segmentation IoU']
    assert row(page, 'person') == ['person', '30', '0.500', '-', '-']
    assert row(page, 'dog') == ['dog', '4', '0.000', '12.5%', '0.750']
    assert row(page, 'sent') == ['sent', '40'] and row(page, 'worst') == ['worst', '-']
    assert page.texts[page.texts.index('detection AP') - 1] == '0.250'
    assert ' '.join(ranking(TASKS.values()).split()) in ' '.join(' '.join(page.texts).split())


def test_the_page_needs_nothing_else(written):
    page, source, folder = written
    assert all(re.match('data:image/(png|jpeg);base64,', i['src']) for i in page.images)
    assert not re.search(r'<(script|link|iframe)|https?://|url\(', source)
    names = {path.name for path in folder.iterdir()}
    assert names == {'index.html', 'scores.json', 'detection_precision.png', 'pose_precision.png',
                     'pose_similarity.png', 'detection_classes.png', 'segmentation_classes.png',
                     'distribution_1.png'}
    assert len(page.images) == len(names) - 2 + 1
    assert all(image['alt'] for image in page.images)


def test_a_report_can_be_read_again(written):
    _, _, folder = written
    assert json.loads((folder / 'scores.json').read_text())['scores'] == REPORT.scores
    again = read_report(folder)
    assert replace(again, pictures=REPORT.pictures, tasks=TASKS) == REPORT


def test_two_runs_are_side_by_side(tmp_path):
    scores = {**REPORT.scores, 'detection': {'AP': 0.375, 'AP50': 0.5, 'per_class': {
        'person': 0.25}}}
    other = replace(REPORT, facts={'weights': 'other', 'speed': '2'}, scores=scores,
                    measures={'Frames': {'sent': 50, 'rate (Hz)': 9.0}})
    page, _, _ = write(tmp_path, against=other)
    assert row(page, 'weights') == ['weights', 'a/<b>.safetensors', 'other']
    assert row(page, 'speed') == ['speed', '-', '2'] and row(page, 'device')[1:] == ['cpu', '-']
    assert row(page, 'AP')[1:4] == ['0.250', '0.375', '-0.125']
    assert row(page, 'AP50')[1:4] == ['-', '0.500', '']
    assert row(page, 'mIoU')[1:4] == ['0.750', '0.750', '0.000']
    assert row(page, 'person') == ['person', '30', '0.500', '0.250', '+0.250', '-', '-', '-', '']
    assert row(page, 'sent') == ['sent', '40', '50', '-10']
    assert row(page, 'rate (Hz)')[-1] == '+0.500' and row(page, 'encoding')[-2:] == ['-', '']
    assert '+0.250' in page.tones and 'better' in page.tones['+0.250']
    assert 'worse' in page.tones['-0.125'] and page.tones['-10'] == 'number'


class Normals(SegmentationTask):
    """A task that is judged by an error."""

    annotation = VectorMap
    figure = 'mean'


def test_of_errors_less_is_better(tmp_path):
    report = Report('a', tasks={'wall_normals': Normals()},
                    scores={'wall_normals': {'mean': 20.5, 'below_30': 0.75}})
    other = replace(report, scores={'wall_normals': {'mean': 21.75, 'below_30': 0.5}})
    page, source, _ = write(tmp_path, report, other)
    assert row(page, 'mean') == ['mean', '20.5', '21.8', '-1.250', 'angle in degrees']
    assert page.tones['-1.250'] == 'number better' == page.tones['+0.250']
    assert 'bar' not in page.tones['20.5'] and 'bar' in page.tones['0.750']
    assert {'Wall normals', 'wall_normals mean'} <= set(page.texts)
    assert 'class="better">-1.250' in source  # on the card, too


def test_tasks_of_one_type_are_told_apart(tmp_path):
    tasks = {'parts': SegmentationTask(classes=('arm',)), 'parts_left': SegmentationTask()}
    report = Report('a', tasks=tasks, scores={
        'parts': {'mIoU': 0.5, 'per_class': {'arm': 0.5}},
        'parts_left': {'mIoU': 0.25, 'per_class': {'person': 0.25}}})
    page, _, folder = write(tmp_path, report)
    assert row(page, 'class') == ['class', 'pixels', 'parts IoU', 'pixels', 'parts_left IoU']
    assert row(page, 'arm') == ['arm', '-', '0.500', '-', '-']
    assert {path.name for path in folder.glob('*.png')} == {
        'parts_classes.png', 'parts_left_classes.png'}
    assert len(page.images) == 2


@pytest.mark.parametrize('report', [
    Report('empty'), Report('counts', measures={'Frames': {'sent': 0}}),
    Report('blank', tasks=TASKS, scores={'detection': {'AP': None, 'per_class': {}}, 'images': 0},
           details={'detection': {'precision': {}, 'objects': {}}}, distributions={'x': []})],
    ids=lambda report: report.title)
@pytest.mark.parametrize('against', [None, Report('other'), REPORT],
                         ids=['alone', 'empty', 'full'])
def test_little_is_enough(tmp_path, report, against):
    page, _, _ = write(tmp_path, report, against)
    assert page.texts[0] == report.title and page.images == []


def test_there_may_be_little_to_compare_with(tmp_path, written):
    page, _, _ = write(tmp_path, against=Report('empty'))
    assert row(page, 'AP')[:4] == ['AP', '0.250', '-', '']
    assert len(page.images) == len(written[0].images)


def test_what_is_no_report_is_told(tmp_path):
    with pytest.raises(ValueError, match='scores.json.*cannot be read'):
        read_report(tmp_path)
    for content, reason in (('no', 'not a JSON file'), ('{"detection": {}}', 'not the scores'),
                            ('[]', 'not the scores')):
        (tmp_path / 'scores.json').write_text(content)
        with pytest.raises(ValueError, match=f'scores.json.*{reason}'):
            read_report(tmp_path)


def test_numbers_that_are_none_cannot_be_stored(tmp_path):
    with pytest.raises(ValueError):
        write_report(tmp_path, Report('a', scores={'pose': {'AP': float('nan')}}))
    assert not (tmp_path / 'index.html').exists()
