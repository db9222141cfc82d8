# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command experiments: what it trains, what it does not train again, and its report."""

from dataclasses import replace
import json
from pathlib import Path
import time
from types import SimpleNamespace
import typing

import cv2
import numpy as np
import pytest
import torch
import yaml

from mcn_ros.commands import experiments as command, trainings
from mcn_ros.commands.experiments import main, parse, plan, read_experiments
from mcn_ros.config import to_dict
from mcn_ros.evaluation.scorers import PEDESTRIAN_SCORERS
from mcn_ros.model import MultiTaskNet
from mcn_ros.trainer.distributed import Ranks
from mcn_ros.trainer.experiments import EvaluationData
from mcn_ros.trainer.owners import Owners
from mcn_ros.vocabulary import COCO_SKELETON

ROOT = Path(__file__).resolve().parents[2]

# Stands in for a training: does what its switch, the learning rate, asks for.
FAKE = """
import json, os, pathlib, sys, time, yaml
words = sys.argv[1:]
if words[0] == '--resume':
    run, rate = pathlib.Path(words[1]), 0
else:
    values = dict(word.split('=', 1) for word in words[1:])
    run, rate = pathlib.Path(json.loads(values['run'])), json.loads(values['learning_rate'])
top = run.parents[1]
open(run / 'started', 'a').write(json.dumps([words, os.environ['OMP_NUM_THREADS']]) + chr(10))
mark = top / f'running_{run.parent.name}_{run.name}'
mark.touch()
(top / f'begun_{run.parent.name}_{run.name}').touch()
end = time.monotonic() + 60
while rate == 2 and len(list(top.glob('begun_*'))) < 2 and time.monotonic() < end:
    time.sleep(0.02)  # until another one runs
while rate == 3 and time.monotonic() < end:
    time.sleep(0.02)  # until it is stopped
if rate == 4:
    sys.exit('error: bad luck')
open(top / 'at_once', 'a').write(str(len(list(top.glob('running_*')))))
mark.unlink()
scores = {'segmentation': {'mIoU': 0.25 + 0.01 * len(run.parent.name)}}
(run / 'metrics.json').write_text(json.dumps([{'step': 6, 'scores': {}},
                                              {'step': 7, 'scores': scores}]))
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Write a configuration of two networks and two seeds, whose trainings are not real."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainings, 'TRAIN', FAKE)
    base = {'model': {'trunk': {'backbone': 'shufflenet_v2_x0_5', 'channels': 8},
                      'input_size': [64, 64], 'tasks': {}},
            'datasets': [{'annotations': 'a.json', 'images': 'images'}],
            'train_size': [64, 64], 'steps': 7, 'batch_size': 2, 'device': 'cpu'}
    (tmp_path / 'base.yaml').write_text(yaml.safe_dump(base))
    tasks = {'segmentation': {'classes': ['person'], 'head': {'width': 8}}}
    networks = {
        'one': {'title': 'One', 'changes': {'model.tasks': tasks, 'learning_rate': 1e-05}},
        'other': {'title': 'Other', 'changes': {'model.tasks': tasks, 'learning_rate': 1.0,
                                                'loss_weights.segmentation/cross_entropy': 2}}}
    study = {'title': 'Which?', 'networks': list(networks),
             'figures': {'segmentation.mIoU': 'person IoU'}}
    write(tmp_path / 'two.yaml', {'base': 'base.yaml', 'seeds': [5, 6], 'networks': networks,
                                  'studies': [study], 'conclusions': 'None *at all*.'})
    return tmp_path / 'two.yaml'


def write(path, values):
    path.write_text(yaml.safe_dump(values))


def change(path, **rates):
    """Set the learning rates of networks."""
    values = yaml.safe_load(path.read_text())
    for name, rate in rates.items():
        values['networks'][name]['changes']['learning_rate'] = rate
    write(path, values)


def run(path, *options):
    main([path.name, '--jobs', '2', *options])


def started(name, seed, runs='runs/experiments/two'):
    """Return with which words, and how many threads, a training was started, each time."""
    file = Path(runs, name, f'seed_{seed}', 'started')
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def failure(capsys, path, *options):
    """Return what a failing command prints on standard error, without the progress bar."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as info:
        run(path, *options)
    assert info.value.code == 1
    return capsys.readouterr().err.replace('\r', '\n').rstrip('\n').split('\n')[-1]


def trials_of(path, *options):
    args = parse([path.name, *options])
    return plan(read_experiments(args), args.runs, args.overrides)


def test_all_networks_are_trained_with_all_seeds_and_compared(path, capsys):
    run(path)
    for name in ('one', 'other'):
        for seed in (5, 6):
            (words, threads), = started(name, seed)
            assert words[0] == 'base.yaml' and f'seed={seed}' in words and threads == '1'
            assert f'run="runs/experiments/two/{name}/seed_{seed}"' in words
    report = Path('runs/experiments/two/report.md').read_text()
    assert '| One | 28.00 ± 0.00 (2 seeds) |' in report
    assert '| Other | 30.00 ± 0.00 (2 seeds) | +2.00 ± 0.00 | yes |' in report
    assert report.startswith('# Experiments\n\nNone *at all*.\n')
    assert '4 of 4 trainings are finished' in report
    assert '4 of 4 trainings are in runs/experiments/two/report.md' in capsys.readouterr().out


def test_the_configuration_of_a_trial_is_that_of_its_command(path):
    trials = trials_of(path, 'steps=9')
    assert [(t.network, t.seed) for t in trials] == [
        ('one', 5), ('other', 5), ('one', 6), ('other', 6)]
    config = trials[3].config
    assert (config.seed, config.steps, config.learning_rate) == (6, 9, 1.0)
    assert config.run == 'runs/experiments/two/other/seed_6' == str(trials[3].folder)
    assert config.loss_weights == {'segmentation/cross_entropy': 2.0}
    assert trials[0].config.learning_rate == 1e-5 and trials[0].config.loss_weights == {}
    # What the train command makes of the words is the same.
    values = command.read_yaml(Path(trials[3].arguments[0]))
    for word in trials[3].arguments[1:]:
        values = command.apply_override(values, word)
    assert command.from_dict(command.TrainConfig, values) == config


def test_what_is_finished_is_not_trained_again(path):
    run(path)
    metrics = Path('runs/experiments/two/one/seed_5/metrics.json')
    history = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(history[:1]))  # stopped before the last step: starts anew
    run(path)
    assert [len(started(n, s)) for n in ('one', 'other') for s in (5, 6)] == [2, 1, 1, 1]


def test_what_was_interrupted_goes_on(path):
    folder = Path('runs/experiments/two/one/seed_5')
    folder.mkdir(parents=True)
    (folder / 'checkpoint.pt').touch()
    run(path)
    assert started('one', 5) == [[['--resume', str(folder)], '1']]


def test_more_seeds_and_other_places(path):
    run(path, '--seeds', '5', '--runs', 'here', '--report', 'docs/all.md')
    assert started('one', 5, 'here') and not started('one', 6, 'here')
    assert '(1 seed)' in Path('docs/all.md').read_text()
    assert Path('docs/all/study_1.png').exists()
    run(path, '--runs', 'here', '--report', 'docs/all.md')
    assert len(started('one', 5, 'here')) == len(started('one', 6, 'here')) == 1
    assert '(2 seeds)' in Path('docs/all.md').read_text()


def test_trainings_run_side_by_side_but_not_too_many(path):
    change(path, one=2, other=2)
    run(path)
    counts = Path('runs/experiments/two/at_once').read_text()
    assert '2' in counts and set(counts) <= {'1', '2'}


def test_a_training_that_fails_does_not_stop_the_others(path, capsys):
    change(path, one=4)
    error = failure(capsys, path)
    assert error.endswith('2 trainings failed: one 5, one 6; the last one says: error: bad luck')
    assert started('other', 5) and started('other', 6)
    report = Path('runs/experiments/two/report.md').read_text()
    assert '2 of 4 trainings are finished' in report and '| Other | 30.00' in report


def test_an_interrupt_stops_what_runs(path, monkeypatch):
    change(path, one=3, other=3)
    processes, real = [], trainings._start

    def start(trial):
        processes.append(real(trial))
        return processes[-1]

    def interrupt(seconds):
        while len(list(Path('runs/experiments/two').glob('running_*'))) < 2:
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainings, '_start', start)
    # Here alone: in a process that ran other tests, other threads may sleep, too.
    monkeypatch.setattr(trainings, 'time', SimpleNamespace(sleep=interrupt))
    with pytest.raises(SystemExit) as info:
        run(path)
    assert info.value.code == 130
    assert [process.returncode for process in processes] == [-15, -15]


def test_without_jobs_there_is_a_report_only(path):
    run(path, '--seeds', '5')
    main([path.name, '--jobs', '0'])
    assert not started('one', 6)
    assert '2 of 4 trainings are finished' in Path('runs/experiments/two/report.md').read_text()


def test_the_results_of_another_configuration_are_refused(path, capsys):
    trial = trials_of(path)[1]
    trial.folder.mkdir(parents=True)
    moved = replace(trial.config, run='where it was before')
    (trial.folder / 'config.yaml').write_text(yaml.safe_dump(to_dict(moved)))
    assert len(trials_of(path)) == 4
    error = failure(capsys, path, 'steps=9', 'batch_size=3')
    assert error.endswith(f'{trial.folder}: was trained with other steps, batch_size; remove it, '
                          'or choose another folder for the runs')
    assert not started('one', 5)


@pytest.mark.parametrize('changes, message', [
    ({'networks': {'one': {'title': 'One', 'changes': {'stepps': 3}}}, 'studies': []},
     "networks.one: stepps: unknown key; did you mean 'steps'?"),
    ({'networks': {'one': {'titel': 'One'}}}, 'networks.one.titel: unknown key'),
    ({'base': 'nothing.yaml'}, 'nothing.yaml'), ({'seeds': []}, 'seeds: ')])
def test_what_is_wrong_is_told_before_anything_is_trained(path, capsys, changes, message):
    write(path, {**yaml.safe_load(path.read_text()), **changes})
    assert message in failure(capsys, path)
    assert not Path('runs').exists()


def test_usage(path, capsys):
    args = parse(['x/some.yaml', 'steps=3', '--seeds', '1,2', 'batch_size=4'])
    assert (args.runs, args.report) == (Path('runs/experiments/some'),
                                        Path('runs/experiments/some/report.md'))
    assert (args.overrides, args.seeds, args.base) == (
        ['steps=3', 'batch_size=4'], [1, 2], None)
    for wrong in (['two.yaml', '--jobs', '-1'], [], ['two.yaml', '--seeds', 'x']):
        with pytest.raises(SystemExit) as info:
            main(wrong)
        assert info.value.code == 2


def test_a_real_training(path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(path.parent)
    Path('images').mkdir()
    cv2.imwrite('images/1.png', np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    outline = [8, 8, 50, 8, 50, 50, 8, 50]
    Path('a.json').write_text(json.dumps({
        'images': [{'id': 1, 'file_name': '1.png', 'width': 64, 'height': 64}],
        'categories': [{'id': 1, 'name': 'person',
                        'keypoints': list(COCO_SKELETON.keypoint_names)}],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [8, 8, 42, 42],
                         'area': 42 * 42, 'iscrowd': 0, 'segmentation': [outline]}]}))
    options = ['--seeds', '5', 'steps=1', 'workers=0',
               'validation={annotations: a.json, images: images}']
    values = yaml.safe_load(path.read_text())
    del values['networks']['other']
    values['studies'][0]['networks'] = ['one']
    write(path, values)
    run(path, *options)
    report = Path('runs/experiments/two/report.md').read_text()
    assert '1 of 1 trainings are finished' in report and '| One | ' in report
    assert Path('runs/experiments/two/report/one.jpg').exists()
    before = Path('runs/experiments/two/one/seed_5/metrics.json').stat().st_mtime_ns
    run(path, *options)  # is known to be the same configuration, and finished
    assert Path('runs/experiments/two/one/seed_5/metrics.json').stat().st_mtime_ns == before


@pytest.mark.parametrize('base', ['synthetic', 'coco'])
def test_the_shipped_configuration(monkeypatch, base):
    monkeypatch.chdir(ROOT)
    folder = 'config/experiments'
    args = parse([f'{folder}/mcn.yaml', '--base', f'{folder}/{base}.yaml', '--seeds', '0',
                  '--runs', 'nowhere'])
    experiments = read_experiments(args)
    trials = {trial.network: trial.config for trial in plan(experiments, args.runs)}
    assert set(trials['mixed'].model.tasks) == {'detection', 'pose', 'segmentation'}
    # Equal in all but the tasks, their weights and how they are balanced.
    common = []
    for config in trials.values():
        values = to_dict(config)
        for name in ('run', 'loss_weights', 'balance', 'effective_batches'):
            del values[name]
        del values['model']['tasks']
        common.append(values)
    assert all(values == common[0] for values in common)
    used = {name for study in experiments.studies for name in study.networks}
    assert used == set(experiments.networks)


# ---- Networks that start from others ----

# Stands in for evaluations: writes what each was called with.
FAKE_TEST = """
import json, pathlib, sys
for words in json.loads(sys.argv[1]):
    path = pathlib.Path(words[words.index('--json') + 1])
    path.write_text(json.dumps({'segmentation': {'mIoU': 0.75}, 'words': words}))
"""


@pytest.fixture
def chain(path, monkeypatch):
    """Let the first network start from the second, and the third from both."""
    values = yaml.safe_load(path.read_text())
    one, other = values['networks'].values()
    values['networks'] = {
        'one': {**one, 'start': 'other'}, 'other': other,
        'third': {**one, 'start': {'shared': 'one', 'segmentation': 'other'}, 'seeds': [6]}}
    values['studies'][0]['networks'] = list(values['networks'])
    write(path, values)
    return path


def change_network(path, name, **changes):
    values = yaml.safe_load(path.read_text())
    values['networks'][name] |= changes
    write(path, values)


def test_networks_start_from_others_of_the_same_seed(chain):
    run(chain)
    runs = Path('runs/experiments/two')

    def word(name, seed):
        (words, _), = started(name, seed)
        return next((each for each in words if each.startswith('initial_weights=')), None)
    for seed in (5, 6):
        assert word('other', seed) is None
        assert word('one', seed) == (
            f'initial_weights="{runs}/other/seed_{seed}/weights.safetensors"')
    assert json.loads(word('third', 6).partition('=')[2]) == {
        'shared': f'{runs}/one/seed_6/weights.safetensors',
        'segmentation': f'{runs}/other/seed_6/weights.safetensors'}
    assert not started('third', 5)  # is not trained with that seed
    assert [trial.network for trial in trials_of(chain)] == ['one', 'other', 'one', 'other',
                                                             'third']
    begun = [Path(runs, name, 'seed_6', 'started').stat().st_mtime_ns
             for name in ('other', 'one', 'third')]
    assert begun == sorted(begun)
    run(chain)
    assert all(len(started(name, 6)) == 1 for name in ('one', 'other', 'third'))


def test_networks_teach_others_of_the_same_seed(chain):
    change_network(chain, 'third', start='one', teacher='other', changes={
        'model.tasks': {'segmentation': {'classes': ['person']}}, 'learning_rate': 1,
        'teach': {'segmentation': 2.0}})
    run(chain)
    (words, _), = started('third', 6)
    assert 'teacher="runs/experiments/two/other/seed_6/weights.safetensors"' in words
    third = trials_of(chain)[-1]
    assert third.network == 'third' and third.origins == ('one', 'other')
    assert third.config.teach == {'segmentation': 2.0}
    begun = [Path('runs/experiments/two', name, 'seed_6', 'started').stat().st_mtime_ns
             for name in ('other', 'third')]
    assert begun == sorted(begun)


def test_what_starts_from_a_failure_is_not_started(chain, capsys):
    change(chain, other=4)
    error = failure(capsys, chain)
    assert error.endswith('5 trainings failed: other 5, other 6, one 5, one 6, third 6; the last '
                          'one says: error: bad luck')
    assert not started('one', 5) and not started('third', 6)
    change(chain, other=1)
    run(chain)  # goes on from there
    assert len(started('other', 5)) == 2 and len(started('third', 6)) == 1


@pytest.mark.parametrize('name, changes, message', [
    ('other', {'start': 'third'}, 'start: third is not trained with the seeds 5'),
    ('other', {'start': 'one'}, 'networks: one, other, third start from each other'),
    ('other', {'start': {'shared': 'nobody'}}, 'networks.other.start: unknown nobody '),
    ('other', {'teacher': 'nobody'}, 'networks.other.teacher: unknown nobody '),
    ('other', {'teacher': 'third'}, 'teacher: third is not trained with the seeds 5'),
    ('other', {'teacher': 'one'}, 'networks: one, other, third start from each other'),
    ('one', {'start': 'one'}, 'networks: one, third start from each other')])
def test_starts_that_cannot_be(chain, capsys, name, changes, message):
    change_network(chain, name, **changes)
    assert message in failure(capsys, chain)
    assert not Path('runs').exists()


def test_finished_networks_are_tested_on_other_data(path, monkeypatch):
    monkeypatch.setattr(trainings, 'EVALUATE', FAKE_TEST)
    monkeypatch.setattr(trainings, 'TRAIN', FAKE + "(run / 'weights.safetensors').touch()")
    values = yaml.safe_load(path.read_text())
    values['tests'] = {'night': {'annotations': 'n.json', 'images': 'n',
                                 'pedestrian': 'reasonable', 'tasks': ['segmentation', 'pose']},
                       'day': {'annotations': 'd.json', 'images': 'd'},
                       'boxes': {'annotations': 'b.json', 'images': 'b', 'tasks': ['detection']}}
    values['studies'][0]['figures'] = {'night.segmentation.mIoU': 'IoU at night'}
    write(path, values)
    run(path)
    report = Path('runs/experiments/two/report.md').read_text()
    assert '4 of 4 trainings are finished' in report and '| One | 75.00' in report
    folder = Path('runs/experiments/two/one/seed_5')
    words = json.loads((folder / 'test_night.json').read_text())['words']
    assert words == ['--weights', f'{folder}/weights.safetensors', '--annotations', 'n.json',
                     '--images', 'n', '--json', f'{folder}/test_night.json', '--pedestrian',
                     'reasonable', '--heads', 'segmentation']
    other = json.loads((folder / 'test_day.json').read_text())['words']
    assert '--pedestrian' not in other and '--heads' not in other
    assert not (folder / 'test_boxes.json').exists()  # it has no such task
    # What was tested is tested again only if the weights are new since.
    (folder / 'test_day.json').unlink()
    before = (folder / 'test_night.json').stat().st_mtime_ns
    run(path)
    assert (folder / 'test_day.json').exists() and len(started('one', 5)) == 1
    assert (folder / 'test_night.json').stat().st_mtime_ns == before
    (folder / 'weights.safetensors').touch()
    run(path)
    assert (folder / 'test_night.json').stat().st_mtime_ns > before


def test_the_rules_of_tests_are_those_of_evaluate():
    kind = typing.get_type_hints(EvaluationData)['pedestrian']
    assert set(typing.get_args(kind)) == {'', *PEDESTRIAN_SCORERS}


def test_the_shipped_configuration_in_two_steps(monkeypatch):
    monkeypatch.chdir(ROOT)
    args = parse(['config/experiments/cross_connected.yaml', '--runs', 'nowhere'])
    experiments = read_experiments(args)
    configs = {trial.network: trial.config for trial in plan(experiments, args.runs)}
    assert {name for study in experiments.studies for name in study.networks} == set(
        experiments.networks)
    starts = {name: network.origins for name, network in experiments.networks.items()}
    for name in ('share_2', 'stitched', 'connected', 'boxes_connected'):
        assert starts[name] == ('boxes', 'areas')
    # Who starts from others has the streams that are named, and sees as many images as the rest.
    for name, config in configs.items():
        steps = 60 if starts[name] else 120
        if name in ('connected_longer', 'boxes_longest', 'connected_longest'):
            steps *= 2 if name == 'connected_longer' else 4
        assert config.steps * config.batch_size == steps * 8
        with torch.device('meta'):
            model = MultiTaskNet(config.model)
        if isinstance(config.initial_weights, dict):
            assert set(config.initial_weights) <= {*model.trunk.streams(), *model.tasks}
        Owners(model, config, Ranks('cpu'))  # raises for rates of what is not there
        assert bool(config.teacher) == (name == 'taught')


def test_from_few_images_the_same_networks_learn_in_the_same_way(monkeypatch):
    monkeypatch.chdir(ROOT)
    of_data = {'datasets', 'validation', 'switch_every'}

    def configs(name):
        experiments = read_experiments(parse([f'config/experiments/{name}.yaml']))
        assert {network for study in experiments.studies for network in study.networks} == set(
            experiments.networks)
        return {trial.folder: {key: value for key, value in to_dict(trial.config).items()
                               if key not in of_data}
                for trial in plan(experiments, Path('nowhere'))}

    many, few = configs('cross_connected'), configs('cross_connected_few')
    both = many.keys() & few.keys()  # of some networks, fewer seeds of many images
    assert {folder.parent for folder in both} == {folder.parent for folder in few}
    assert {folder: many[folder] for folder in both} == {folder: few[folder] for folder in both}


def test_the_shipped_configuration_of_many_tasks(monkeypatch):
    monkeypatch.chdir(ROOT)
    args = parse(['config/experiments/universal.yaml', '--runs', 'nowhere'])
    experiments = read_experiments(args)
    trials = {trial.network: trial.config for trial in plan(experiments, args.runs)}
    compared = {name for study in experiments.studies for name in study.networks}
    assert compared == {*trials} - {'alone'}  # which joins what there is already
    assert {*trials['alone'].initial_weights} == {*trials['together'].model.tasks}
    together = trials['together'].model
    for name, config in trials.items():
        with torch.device('meta'):
            model = MultiTaskNet(config.model)
        assert {*config.initial_weights} <= {*dict(model.named_modules()), *model.trunk.streams()}
        assert {*config.teach} == ({*model.tasks} if name == 'taught' else set())
        if len(model.tasks) == 1:  # is one of all as it is there
            assert model.config.tasks.items() <= MultiTaskNet(together).config.tasks.items()
        else:
            assert list(model.tasks) == list(MultiTaskNet(together).tasks)
