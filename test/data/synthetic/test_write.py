# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The drawn data set: complete, repeatable, and valid for the COCO tools and for us."""

import contextlib
import io
import json

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pytest

from mcn_ros.data.coco import CocoDataset
from mcn_ros.data.maps import read_depth
from mcn_ros.data.synthetic.maps import MAPS, PARTS
from mcn_ros.data.synthetic.recipes import RECIPES
from mcn_ros.data.synthetic.scenes import draw_scene, scene
from mcn_ros.data.synthetic.write import write_dataset
from mcn_ros.structures import RegionMap, ScalarMap, VectorMap
from mcn_ros.tasks import build_tasks, SegmentationTask
from mcn_ros.vocabulary import COCO_CATEGORIES, COCO_CLASSES

SIZE = (96, 128)
COUNT = 8


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('scenes') / 'set'
    write_dataset(path, COUNT, 3, SIZE)
    return path


@pytest.fixture(scope='module')
def views():
    return [draw_scene((3, index), SIZE)[1] for index in range(COUNT)]


def labelled_by(structure):
    """Return a class of tasks of which nothing but the type of annotations is used here."""
    return type('Labelled', (SegmentationTask,), {'annotation': structure})


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes()
            for file in path.rglob('*') if file.is_file()}


@pytest.mark.parametrize('kind', ['bbox', 'segm', 'keypoints'])
def test_scored_against_itself_it_is_perfect(folder, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / 'annotations.json'))
        found = [{**annotation, 'score': 1.0} for annotation in truth.dataset['annotations']
                 if kind != 'keypoints' or annotation.get('num_keypoints')]
        evaluation = COCOeval(truth, truth.loadRes(found), kind)
        if kind == 'keypoints':
            evaluation.params.catIds = truth.getCatIds(['person'])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1, abs=1e-6)


def test_it_loads_with_all_labels(folder):
    tasks = build_tasks({'detection': {}, 'pose': {}, 'segmentation': {}})
    dataset = CocoDataset(folder / 'annotations.json', folder / 'images', tasks)
    assert dataset.ids == tuple(range(1, COUNT + 1))
    truth = json.loads((folder / 'annotations.json').read_text())
    drawn = [category['name'] for category in truth['categories']]
    for index in range(COUNT):
        sample = dataset[index]
        assert set(sample.annotations) == {'detection', 'pose', 'segmentation'}
        assert sample.image.shape == (*SIZE, 3)
        known = sample.annotations['detection'].labelled_classes
        assert [c for c, labelled in zip(COCO_CLASSES, known) if labelled] == drawn


def test_the_class_map_is_the_union_of_the_masks(folder):
    tasks = build_tasks({'segmentation': {}})
    dataset = CocoDataset(folder / 'annotations.json', folder / 'images', tasks)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / 'annotations.json'))
    for index, number in enumerate(dataset.ids):
        labels = dataset[index].annotations['segmentation'].labels
        expected = np.zeros(SIZE, np.uint8)
        for annotation in truth.loadAnns(truth.getAnnIds(number)):
            name = COCO_CATEGORIES[annotation['category_id']]
            expected[truth.annToMask(annotation) > 0] = 1 + COCO_CLASSES.index(name)
        np.testing.assert_array_equal(labels, expected)


def test_maps_change_nothing_else(folder, tmp_path):
    write_dataset(tmp_path, COUNT, 3, SIZE, maps=())
    plain, all_of_it = contents(tmp_path), contents(folder)
    few, many = (json.loads(c.pop('annotations.json')) for c in (plain, all_of_it))
    assert plain == {k: v for k, v in all_of_it.items() if k.startswith('images/')}
    assert few['annotations'] == many['annotations'] and 'map_classes' not in few
    for image, mapped in zip(few['images'], many['images']):
        assert mapped.keys() - image.keys() == {'maps', 'region_categories'}
        assert image.items() <= mapped.items()


def test_maps_are_read_as_what_tasks_learn(folder, views):
    names = 'normals', 'saliency', 'boundaries', 'semantic_boundaries', 'parts'
    kinds = VectorMap, ScalarMap, RegionMap, RegionMap
    classes = 'person', 'car', 'chair', 'zebra'
    tasks = {name: labelled_by(kind)(classes) for name, kind in zip(names, kinds)}
    tasks['parts'] = SegmentationTask(tuple(PARTS))
    dataset = CocoDataset(folder / 'annotations.json', folder / 'images', tasks)
    someone = 0
    for index in range(COUNT):
        found, view = dataset[index].annotations, views[index]
        angle = (found['normals'].vectors * view.shape[1]).sum(axis=2)
        np.testing.assert_array_equal(np.isnan(angle), np.isinf(view.shape[0]))
        assert np.nanmin(angle, initial=1) > np.cos(np.radians(.5))
        regions = found['semantic_boundaries']
        np.testing.assert_array_equal(regions.labels, view.numbers)
        expected = [classes.index(i.category) if i.category in classes else -1
                    for i in view.items]
        assert regions.classes.tolist() == expected
        assert regions.labelled_classes.tolist() == [True, True, True, False]
        assert found['saliency'].values.max() <= 1
        people = 1 + np.flatnonzero(np.array(expected) == classes.index('person'))
        assert ('parts' in found) == np.isin(view.numbers, people).any()
        someone += 'parts' in found
    assert 0 < someone


def test_depth_and_camera_give_points_on_the_ground(folder, views):
    """Where nothing stands, a pixel below the horizon is on the ground, below the camera."""
    file, tried = json.loads((folder / 'annotations.json').read_text()), 0
    for index, image in enumerate(file['images']):
        depth = read_depth(folder / image['maps']['depth'], SIZE) / 1000
        view, lens = views[index], image['camera']
        camera = view.camera
        rows, columns = np.nonzero((view.seen == 0) & (view.place.axis == 1) & (depth > 0)
                                   & (depth < 8))
        z = depth[rows, columns]
        x, y = ((columns - lens['cx']) / lens['fx'] * z, (rows - lens['cy']) / lens['fy'] * z)
        heights = np.stack([x, -y, -z], axis=1) @ camera.rotation[:, 1] + camera.height
        low = heights < camera.height
        np.testing.assert_allclose(heights[low], 0, atol=.02)
        tried += low.sum()
    assert tried > 10000


def test_every_map_is_written(folder):
    assert {path.parent.name for path in folder.rglob('*.png')} == set(MAPS)


def test_images_are_the_scenes(folder):
    dataset = CocoDataset(folder / 'annotations.json', folder / 'images', {})
    difference = dataset[4].image.astype(int) - scene((3, 4), SIZE).image
    assert np.abs(difference).mean() < 6


def test_the_same_seed_writes_the_same_bytes(folder, tmp_path):
    write_dataset(tmp_path / 'again', COUNT, 3, SIZE)
    assert contents(tmp_path / 'again') == contents(folder)


def test_a_larger_set_starts_with_the_smaller_one(folder, tmp_path):
    write_dataset(tmp_path, COUNT - 5, 3, SIZE)
    small, large = contents(tmp_path), contents(folder)
    few, all_of_them = (json.loads(c.pop('annotations.json')) for c in (small, large))
    assert small.items() < large.items()
    assert few['images'] == all_of_them['images'][:COUNT - 5]
    assert few['annotations'] == all_of_them['annotations'][:len(few['annotations'])]
    assert few['categories'] == all_of_them['categories']


def test_another_seed_is_another_set(folder, tmp_path):
    write_dataset(tmp_path, 2, 4, SIZE)
    assert contents(tmp_path)['images/00000001.jpg'] != contents(folder)['images/00000001.jpg']


def test_a_recipe_decides_what_is_drawn_and_labelled(tmp_path):
    recipe = RECIPES['simple']
    write_dataset(tmp_path, 1, 3, SIZE, recipe)
    truth = json.loads((tmp_path / 'annotations.json').read_text())
    assert {category['name'] for category in truth['categories']} == set(recipe.categories)
    image = CocoDataset(tmp_path / 'annotations.json', tmp_path / 'images', {})[0].image
    assert np.abs(image.astype(int) - scene((3, 0), SIZE, recipe).image).mean() < 6


def test_weathers_take_turns_and_leave_the_labels_alone(folder, tmp_path):
    write_dataset(tmp_path, 3, 3, SIZE, maps=(), weathers=('rain', 'clear'))
    wet, dry = (json.loads((path / 'annotations.json').read_text())
                for path in (tmp_path, folder))
    assert [image.get('weather') for image in wet['images']] == ['rain', None, 'rain']
    assert not any('weather' in image for image in dry['images'])
    assert wet['annotations'] == [annotation for annotation in dry['annotations']
                                  if annotation['image_id'] <= 3]
    pictures = [contents(path) for path in (tmp_path, folder)]
    assert [pictures[0][name] == pictures[1][name] for name in (
        f'images/0000000{number}.jpg' for number in (1, 2, 3))] == [False, True, False]


def test_an_earlier_set_is_replaced_completely(tmp_path):
    write_dataset(tmp_path, 3, 0, (32, 32))
    write_dataset(tmp_path, 1, 1, (32, 48), maps=())
    assert set(contents(tmp_path)) == {'annotations.json', 'images/00000001.jpg'}
    assert {path.name for path in tmp_path.iterdir()} == {'annotations.json', 'images'}


def test_an_interrupted_set_is_taken_up(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / '00000009.jpg').write_bytes(b'half')
    (tmp_path / 'depth').mkdir()
    (tmp_path / 'depth' / '00000009.png').write_bytes(b'half')
    (tmp_path / 'annotations.json.part').touch()
    write_dataset(tmp_path, 1, 0, (32, 32), maps=())
    assert set(contents(tmp_path)) == {'annotations.json', 'images/00000001.jpg'}


FOREIGN = {
    'a file': {'notes.txt': 'mine'},
    'a file beside a set': {'annotations.json': '{"info": {"description": "Scenes drawn by '
                                                'mcn_ros synthesize"}}', 'notes.txt': 'mine'},
    'a real data set': {'annotations.json': '{"info": {"description": "COCO 2017"}}',
                        'images/00000001.jpg': ''},
    'images only': {'images/00000001.jpg': ''},
    'other images': {'annotations.json.part': '', 'images/holiday.jpg': ''},
    'other maps': {'annotations.json.part': '', 'depth/holiday.png': ''},
    'something else': {'annotations.json': '[1]'},
}


@pytest.mark.parametrize('what', FOREIGN)
def test_a_folder_of_someone_else_is_left_alone(tmp_path, what):
    for name, text in FOREIGN[what].items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match='is not empty, and what is in it was not written'):
        write_dataset(tmp_path, 1, 0, (32, 32))
    assert contents(tmp_path) == before


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / 'out').touch()
    with pytest.raises(ValueError, match='is not a folder'):
        write_dataset(tmp_path / 'out', 1, 0, (32, 32))
