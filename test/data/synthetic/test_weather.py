# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bad weather: it changes what is seen, by rules, and nothing of what is there."""

from dataclasses import replace
import itertools

import numpy as np
import pytest

from mcn_ros.data.synthetic.background import draw_place
from mcn_ros.data.synthetic.lens import photograph
from mcn_ros.data.synthetic.maps import MAPS
from mcn_ros.data.synthetic.recipes import EVERYDAY, PLACE_WEIGHTS
from mcn_ros.data.synthetic.scenes import arrange, draw_camera, draw_scene
from mcn_ros.data.synthetic.view import paint_view
from mcn_ros.data.synthetic.weather import distances, Fog, LAYERS, Night, Rain, WEATHERS

SIZE = (96, 128)
SEEDS = range(4)
BAD = [name for name in WEATHERS if name != 'clear']
RAIN = Rain(light=.6, haze=Fog(1e6, 180), density=100.0, fall=.2, slant=.1)


@pytest.fixture(scope='module')
def clear():
    """Return image and view of some scenes, as they are by default."""
    return [draw_scene((5, seed), SIZE) for seed in SEEDS]


@pytest.fixture(scope='module')
def views():
    """Return a view of each kind of place that has distances."""
    found, seeds = {}, itertools.count()
    while not {'room', 'street', 'park'} <= set(found):
        view = draw_scene((6, next(seeds)), SIZE)[1]
        found[view.place.kind] = view
    return found


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize('name', BAD)
def test_labels_are_those_of_clear_weather(clear, name):
    for seed, (image, view) in zip(SEEDS, clear):
        other, seen = draw_scene((5, seed), SIZE, weather=name)
        assert seen.annotations() == view.annotations()
        for draw, _ in MAPS.values():
            np.testing.assert_array_equal(draw(seen), draw(view))
        assert (other != image).mean() > .5


def test_by_default_a_scene_is_as_if_there_were_no_weather(clear):
    for seed, (image, _) in zip(SEEDS, clear):
        rng = np.random.default_rng((5, seed))
        kind = str(rng.choice(list(PLACE_WEIGHTS), p=list(PLACE_WEIGHTS.values())))
        camera = draw_camera(rng, SIZE, kind, EVERYDAY)
        place = draw_place(rng, camera, kind)
        view = paint_view(place, arrange(rng, place, camera, EVERYDAY), camera)
        np.testing.assert_array_equal(image, photograph(rng, view.picture))


def test_the_lens_is_the_same_in_any_weather(clear, monkeypatch):
    class Invisible(Fog):

        def see(self, view, rng):
            rng.random()
            return view.picture

    monkeypatch.setitem(WEATHERS, 'invisible', Invisible)
    for seed, (image, _) in zip(SEEDS, clear):
        np.testing.assert_array_equal(
            draw_scene((5, seed), SIZE, weather='invisible')[0], image)


@pytest.mark.parametrize('name', BAD)
def test_the_same_seed_has_the_same_weather(name):
    np.testing.assert_array_equal(*(draw_scene((5, 0), SIZE, weather=name)[0] for _ in range(2)))


@pytest.mark.parametrize('kind', ['room', 'street', 'park'])
def test_contrast_falls_with_distance_in_fog_as_it_should(views, kind, rng):
    view, fog = views[kind], Fog(sight=15.0, gray=200.0)
    air = np.minimum(200 * view.place.light.color, 255)
    away = distances(view)[..., None]
    before, after = view.picture - air, fog.see(view, rng) - air
    expected = before * .05 ** (away / 15)
    np.testing.assert_allclose(after, expected, atol=.51)
    left = [np.abs(after[band]).sum() / np.abs(before[band]).sum() for band in (
        np.broadcast_to((away >= low) & (away < low + 2), before.shape) for low in (2, 4, 6))
        if band.any()]
    assert left == sorted(left, reverse=True) and len(left) > 1


def test_distances_are_along_the_rays(views):
    view = views['room']
    depth, away = view.shape[0], distances(view)
    middle = SIZE[0] // 2, SIZE[1] // 2
    assert away[middle] == pytest.approx(depth[middle], rel=1e-3)
    np.testing.assert_allclose(away[0, 0] / depth[0, 0],
                               np.linalg.norm(view.camera.rays()[0, 0]), rtol=1e-5)


@pytest.mark.parametrize('kind, wet', [('room', False), ('street', True), ('park', True)])
def test_drops_fall_where_there_is_sky_and_are_hidden_by_what_is_near(views, kind, wet, rng):
    view = views[kind]
    dry = replace(RAIN, density=0.0).see(view, rng)
    drops = (RAIN.see(view, rng) != dry).any(axis=2)
    assert (drops.mean() > .02) == drops.any() == wet
    assert not drops[distances(view) < (LAYERS[0] + LAYERS[1]) / 2].any()
    assert dry.mean() < .7 * view.picture.mean()


def test_drops_are_elsewhere_a_moment_later(views, rng):
    first, second = (RAIN.see(views['park'], rng) for _ in range(2))
    assert (first != second).any()


def test_a_night_is_dark_and_has_more_noise_the_less_light_there_is(views, rng):
    view, night = views['park'], Night(white=.1, electrons=1000.0, unread=1.0, sky=.05)
    bright = view.picture.max(axis=2) > 100
    shots = {electrons: np.stack([replace(night, electrons=electrons).see(view, rng).astype(float)
                                  for _ in range(4)]) for electrons in (1000.0, 50.0)}
    assert shots[1000.0].mean() < .5 * view.picture.mean()
    noise = {electrons: shot.std(axis=0)[bright].mean() for electrons, shot in shots.items()}
    assert noise[50.0] > 2.5 * noise[1000.0] > 0
    sky = np.isinf(view.shape[0])
    assert shots[1000.0][:, sky].mean() < .5 * shots[1000.0][:, ~sky].mean()


@pytest.mark.parametrize('name', WEATHERS)
def test_days_differ(name, rng):
    days = {WEATHERS[name].draw(rng) for _ in range(5)}
    assert len(days) == (1 if name == 'clear' else 5)
