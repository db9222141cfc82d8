# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The report of experiments: what it computes from scores, and what it leaves as it is."""

from dataclasses import replace
import json
import math
import re
import statistics

import cv2
import numpy as np
import pytest

from mcn_ros.trainer.comparison import compare, OVERLAY_WIDTH, read_history, write_comparison
from mcn_ros.trainer.experiments import Claim, Experiments, Network, Study

NETWORKS = {
    'seg': Network('only seg', paper={'segmentation.mIoU': 49.0}),
    'det': Network('only det', paper={'detection.AP': 36.3}),
    'both': Network('seg + det', paper={'detection.AP': 36.7, 'segmentation.mIoU': 48.9}),
    'new': Network('another'),
}


def detection(ap, person=None):
    return {'detection': {'AP': ap, 'per_class': {} if person is None else {'person': person}},
            'images': 5}


RESULTS = {
    'seg': {0: {'segmentation': {'mIoU': 0.5}}, 1: {'segmentation': {'mIoU': 0.54}}},
    'det': {0: detection(0.30), 1: detection(0.32), 2: detection(0.34)},
    'both': {1: detection(0.40), 0: detection(0.38)},
    'new': {0: detection(0.322, 0.1)},
}


def experiments(**changes):
    study = Study('Both', tuple(NETWORKS), {'detection.AP': 'AP', 'segmentation.mIoU': 'mIoU',
                                            'pose.AP': 'pose AP'}, 'Do they *gain*?')
    return Experiments(**{'base': 'base.yaml', 'seeds': (0, 1, 2), 'networks': NETWORKS,
                          'studies': (study,), **changes})


def written(tmp_path, results=RESULTS, folders={}, **changes):
    path = tmp_path / 'report.md'
    write_comparison(path, experiments(**changes), results, folders, 'From `x.yaml`.')
    return path.read_text()


def rows_of(text, heading):
    """Return the cells of the table with a heading: title -> the other cells."""
    lines = text.split('\n')
    start = next(i for i, line in enumerate(lines) if line.startswith(f'| network | {heading} |'))
    rows = {}
    for line in lines[start + 2:]:
        if not line.startswith('|'):
            return rows
        title, *cells = [cell.strip() for cell in line.strip('|').split('|')]
        rows[title] = cells
    return rows


def test_a_network_is_compared_to_the_first_that_has_the_figure():
    det, both, new = compare('detection.AP', tuple(NETWORKS), NETWORKS, RESULTS)
    assert [det.title, both.title, new.title] == ['only det', 'seg + det', 'another']
    assert det.values == pytest.approx((30, 32, 34))
    assert both.values == pytest.approx((38, 40))  # by seed
    assert (det.difference, det.error, det.paper_difference) == (None, None, None)
    assert not det.clear
    assert both.difference == pytest.approx(7)
    # Deviations are pooled: squares of 4 + 4 and 1 + 1 with 2 + 1 + 0 degrees of freedom.
    assert both.error == pytest.approx(math.sqrt(10 / 3 * (1 / 2 + 1 / 3)))
    assert new.error == pytest.approx(math.sqrt(10 / 3 * (1 + 1 / 3)))
    assert both.clear and not new.clear
    assert (both.paper, both.paper_difference) == (36.7, pytest.approx(0.4))
    assert (new.paper, new.paper_difference) == (None, None)


def test_the_deviation_is_that_of_a_sample():
    row, other = compare('detection.AP', ('det', 'again'), {**NETWORKS, 'again': NETWORKS['det']},
                         {**RESULTS, 'again': RESULTS['det']})
    assert other.error == pytest.approx(statistics.stdev(row.values) * math.sqrt(2 / 3))
    assert other.difference == 0 and not other.clear


@pytest.mark.parametrize('sign', [1, -1])
def test_two_standard_errors_are_the_border(sign):
    def clear(difference):
        results = {'det': {0: detection(0.50), 1: detection(0.52)},
                   'both': {0: detection(0.50 + difference), 1: detection(0.52 + difference)}}
        return compare('detection.AP', ('det', 'both'), NETWORKS, results)[1].clear

    error = math.sqrt(2e-4)  # pooled variance 2e-4, times 1/2 + 1/2
    assert clear(sign * 2.02 * error) and not clear(sign * 1.98 * error)


def test_one_seed_says_nothing_about_spread():
    results = {name: {0: seeds[0]} for name, seeds in RESULTS.items()}
    row = compare('detection.AP', tuple(NETWORKS), NETWORKS, results)[1]
    assert row.difference == pytest.approx(8) and row.error is None and not row.clear


@pytest.mark.parametrize('figure, values', [
    ('detection.per_class.person', (10,)), ('pose.AP', None), ('images.AP', None)])
def test_figures_are_paths_into_the_scores(figure, values):
    rows = compare(figure, tuple(NETWORKS), NETWORKS, RESULTS)
    assert [row.values for row in rows] == ([] if values is None else [pytest.approx(values)])


def test_what_was_not_scored_is_absent():
    results = {'det': {0: {'detection': {'AP': None}}, 1: detection(0.0)}}
    row, = compare('detection.AP', tuple(NETWORKS), NETWORKS, results)
    assert row.values == (0.0,)


def test_tables(tmp_path):
    text = written(tmp_path)
    assert rows_of(text, 'AP') == {
        'only det': ['32.00 ± 2.00 (3 seeds)', '', '', '36.3', ''],
        'seg + det': ['39.00 ± 1.41 (2 seeds)', '+7.00 ± 1.67', 'yes', '36.7', '+0.4'],
        'another': ['32.20 (1 seed)', '+0.20 ± 2.11', 'no', '', '']}
    assert rows_of(text, 'mIoU') == {
        'only seg': ['52.00 ± 2.83 (2 seeds)', '', '', '49.0']}
    assert 'pose AP' not in text  # nothing has it
    single = written(tmp_path, {name: {0: seeds[0]} for name, seeds in RESULTS.items()})
    assert rows_of(single, 'AP')['seg + det'] == ['38.00 (1 seed)', '+8.00', 'not known', '36.7',
                                                  '+0.4']


def test_columns_of_the_paper_are_there_where_it_says_something(tmp_path):
    def header(**papers):
        networks = {name: replace(NETWORKS[name], paper=papers.get(name, {}))
                    for name in ('det', 'both', 'new')}
        study = Study('Both', tuple(networks), {'detection.AP': 'AP'})
        text = written(tmp_path, networks=networks, studies=(study,))
        line = next(line for line in text.splitlines() if line.startswith('| network |'))
        rows = rows_of(text, 'AP').values()
        assert {len(row) + 1 for row in rows} == {line.count('|') - 1}
        return line, 'The last columns are what the paper reports' in text

    known = '| network | AP | difference | larger than the spread |'
    assert header() == (known, False)
    assert header(both={'pose.AP': 3.0}) == (known, True)  # of another figure
    assert header(both={'detection.AP': 36.7}) == (f'{known} paper |', True)
    both = {name: {'detection.AP': 36.7} for name in ('det', 'both')}
    assert header(**both) == (f'{known} paper | difference |', True)


def test_a_figure_may_have_a_dot_in_its_name(tmp_path):
    networks = {name: Network(name, paper={'a.normals.below_11.25': 20.0}) for name in 'xy'}
    results = {name: {0: {'a': {'normals': {'below_11.25': share, 'below_22.5': 0.9}}}}
               for name, share in (('x', 0.25), ('y', 0.5))}
    rows = compare('a.normals.below_11.25', ('x', 'y'), networks, results)
    assert [row.values for row in rows] == [(25,), (50,)] and rows[1].paper_difference == 0
    first, _ = compare('a.normals.below_22.5 - a.normals.below_11.25', 'xy', networks, results)
    assert first.values == pytest.approx((65,))
    for unknown in ('a.normals.below_11', 'a.normals', 'a.normals.below_11.25.5', 'a.'):
        assert compare(unknown, 'xy', networks, results) == []


def test_a_figure_may_be_a_difference():
    networks = {'a': Network('A', paper={'x.AP': 30.0, 'y.AP': 50.0}),
                'b': Network('B', paper={'x.AP': 31.0})}
    results = {name: {0: {'x': {'AP': x}, 'y': {'AP': y}}}
               for name, x, y in (('a', 0.5, 0.7), ('b', 0.5, 0.9))}
    first, second = compare('y.AP - x.AP', ('a', 'b'), networks, results)
    assert first.values == pytest.approx((20,)) and second.difference == pytest.approx(20)
    assert (first.paper, second.paper) == (20.0, None)
    assert compare('y.AP - z.AP', ('a', 'b'), networks, results) == []


def test_claims_stand_beside_what_is_found(tmp_path):
    networks = {'det': NETWORKS['det'], 'both': NETWORKS['both'], 'null': NETWORKS['both'],
                'worse': NETWORKS['both'], 'missing': NETWORKS['both'], 'new': NETWORKS['new']}
    networks = {name: Network(name, paper=each.paper) for name, each in networks.items()}
    results = {**RESULTS, 'null': {0: detection(0.33), 1: detection(0.32)},
               'worse': {0: detection(0.1), 1: detection(0.1)}, 'new': {0: detection(0.9)}}

    def verdicts(results):
        study = Study('Both', tuple(networks), {'detection.AP': 'AP'}, claims=tuple(
            Claim(f'{name} gains', name, 'detection.AP') for name in list(networks)[1:]))
        text = written(tmp_path, results, studies=(study,), networks=networks)
        rows = [[cell.strip() for cell in line.strip('|').split('|')]
                for line in text.splitlines() if ' gains |' in line]
        return {row[0].split()[0]: row[2:] for row in rows}
    found = verdicts(results)
    assert found['both'] == ['+0.4', '+7.00 ± 1.32', 'the same sign, larger than the spread']
    assert found['null'][2] == 'a null result, within the spread (the same sign)'
    assert found['worse'][2] == 'the opposite sign, larger than the spread'
    assert found['missing'] == ['+0.4', '-', 'not known yet']
    assert found['new'][0] == '' and found['new'][2] == 'larger than the spread'
    single = verdicts({name: {0: seeds[0]} for name, seeds in results.items()})
    assert single['both'][2] == 'not known: there is no spread'
    with pytest.raises(ValueError, match="'Both' has unknown networks nobody"):
        experiments(studies=(Study('Both', ('det',), {}, claims=(Claim('', 'nobody', 'x'),)),))


def test_what_people_write_stays_as_it_is(tmp_path):
    words = 'Pose *gains*:\n\n| a | b |\n| --- | --- |\n\n- see {}, %s and ![x](y.jpg)'
    text = written(tmp_path, conclusions=words, title='All of it')
    assert text.startswith(f'# All of it\n\n{words}\n\n')
    assert '## Both\n\nDo they *gain*?\n\n| network | AP |' in text
    assert 'From `x.yaml`.' in text


def test_without_results_questions_remain(tmp_path):
    text = written(tmp_path, {})
    assert 'Do they *gain*?' in text and '|' not in text


def test_the_picture_shows_all_tables(tmp_path):
    text = written(tmp_path)
    assert '![Both](report/study_1.png)' in text
    wide = cv2.imread(str(tmp_path / 'report' / 'study_1.png'))
    narrow_text = written(tmp_path, {'det': RESULTS['det']})
    narrow = cv2.imread(str(tmp_path / 'report' / 'study_1.png'))
    assert '| network | mIoU |' not in narrow_text
    assert wide.shape[1] > narrow.shape[1] and wide.shape[0] > narrow.shape[0]
    blue = (wide.astype(int) @ [1, -1, -1]) > 0  # of the means; dots are orange
    orange = (wide.astype(int) @ [-2, 0, 1]) > 150
    assert blue.sum() > 100 and orange.sum() > 20


def test_the_last_overlay_of_each_network_is_shown_smaller(tmp_path):
    folder = tmp_path / 'run'
    (folder / 'overlays').mkdir(parents=True)
    for step, value in ((90, 0), (100, 255)):
        image = np.full((400, 2 * OVERLAY_WIDTH, 3), value, np.uint8)
        cv2.imwrite(str(folder / 'overlays' / f'step_{step:07}.jpg'), image)
    text = written(tmp_path, folders={'both': folder, 'det': tmp_path / 'nothing'})
    assert re.findall(r'!\[(.*)\]\((report/\w+\.jpg)\)', text) == [
        ('seg + det', 'report/both.jpg')]
    shown = cv2.imread(str(tmp_path / 'report' / 'both.jpg'))
    assert shown.shape == (200, OVERLAY_WIDTH, 3) and shown.mean() > 250
    heading = '## What the networks see'
    assert heading in text
    assert heading not in written(tmp_path, folders={'det': tmp_path / 'nothing'})


def test_a_history_may_not_be_there_yet(tmp_path):
    assert read_history(tmp_path) == []
    (tmp_path / 'metrics.json').write_text(json.dumps([{'step': 3}]))
    assert read_history(tmp_path) == [{'step': 3}]


@pytest.mark.parametrize('changes, message', [
    ({'studies': (Study('A', ('det', 'dett'), {}),)},
     "studies: 'A' has unknown networks dett .known: seg, "),
    ({'seeds': ()}, 'seeds: '), ({'seeds': (1, 1)}, 'seeds: .*not all different')])
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        experiments(**changes)


def test_a_figure_that_does_not_exist_is_a_dash(tmp_path):
    results = {**RESULTS, 'det': {0: detection(None), 1: detection(None)},
               'new': {0: detection(None), 1: detection(0.5)}}
    rows = rows_of(written(tmp_path, results), 'AP')
    assert rows['only det'][:3] == ['-', '', '']
    assert rows['seg + det'][0].startswith('39.00') and rows['another'][0] == '50.00 (1 seed)'
    assert 'only seg' not in rows  # does not detect at all
    nothing = {'det': {0: detection(None)}}
    assert rows_of(written(tmp_path, nothing), 'AP')['only det'][0] == '-'
