# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What scenes are made of, and the configuration that learns the simple ones."""

from pathlib import Path

import numpy as np
import pytest

from mcn_ros.commands.train import read_yaml
from mcn_ros.config import from_dict
from mcn_ros.data.synthetic.background import PLACES
from mcn_ros.data.synthetic.groups import draw_group
from mcn_ros.data.synthetic.recipes import PLACE_WEIGHTS, RECIPES
from mcn_ros.tasks import build_tasks
from mcn_ros.trainer.config import TrainConfig

CONFIG = Path(__file__).resolve().parents[3] / 'config' / 'train' / 'synthetic.yaml'


@pytest.mark.parametrize('name', RECIPES)
def test_a_recipe_draws_its_categories_in_every_place(name):
    recipe, rng = RECIPES[name], np.random.default_rng(0)
    assert set(recipe.groups) == set(PLACES) == set(PLACE_WEIGHTS)
    drawn = {item.category for choices in recipe.groups.values() for _ in range(100)
             for cluster in draw_group(rng, choices).clusters for item in cluster.items}
    assert drawn - {None} == set(recipe.categories)


def test_the_configuration_learns_all_that_simple_scenes_have():
    tasks = build_tasks(from_dict(TrainConfig, read_yaml(CONFIG)).model.tasks)
    recipe = RECIPES['simple']
    for name in ('detection', 'segmentation'):
        assert set(tasks[name].classes) == set(recipe.categories)
    assert min(tasks['detection'].max_objects, tasks['pose'].max_people) >= recipe.count[1]
