# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Places in an image -> rays: matrices, binning, regions, lenses and the half pixel."""

from types import SimpleNamespace as Message

import numpy as np
import pytest

from mcn_ros.spatial.camera_model import CameraModel, check_aspect, is_rectified

CAMERA = CameraModel((480, 640), 600.0, 600.0, 320.0, 240.0)
LENSES = {
    'plumb_bob': (0.1, -0.2, 0.001, -0.002, 0.05),
    'rational_polynomial': (0.1, -0.05, 0.001, -0.002, 0.01, 0.08, -0.03, 0.01),
    'equidistant': (0.05, -0.01, 0.002, -0.0005),
}


def camera_info(width=1280, height=960, k=(1200, 640, 480), p=None, d=(), model='plumb_bob',
                binning=(0, 0), roi=(0, 0, 0, 0)):
    """Return a CameraInfo of focal length and principal point; roi: x, y, width, height."""
    f, cx, cy = k
    pf, px, py = p or k
    x, y, roi_width, roi_height = roi
    return Message(
        header=Message(frame_id='camera_optical'), width=width, height=height, d=list(d),
        distortion_model=model, k=[f, 0, cx, 0, f, cy, 0, 0, 1],
        p=[pf, 0, px, 7, 0, pf, py, 9, 0, 0, 1, 0], binning_x=binning[0], binning_y=binning[1],
        roi=Message(x_offset=x, y_offset=y, width=roi_width, height=roi_height))


@pytest.mark.parametrize('pixel, metres, point', [
    ((380, 180), 2.0, (0.2, -0.2, 2.0)), ((639, 479), 2.0, (1.06333, 0.79667, 2.0))])
def test_the_centre_of_a_pixel_is_half_a_pixel_from_its_corner(pixel, metres, point):
    place = np.array(pixel) + 0.5
    np.testing.assert_allclose(metres * CAMERA.rays(place), point, atol=5e-6)
    np.testing.assert_allclose(metres * CAMERA.pixel_rays[pixel[1], pixel[0]], point, atol=5e-6)


def test_the_matrices_are_of_the_full_resolution():
    info = camera_info(binning=(2, 2), roi=(100, 40, 1080, 880))
    camera = CameraModel.from_info(info, rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600, 600, 270, 220)
    assert camera.size == (440, 540)


def test_no_binning_and_no_region_are_zeros():
    camera = CameraModel.from_info(camera_info(), rectified=False)
    assert camera == CameraModel((960, 1280), 1200, 1200, 640, 480)


def test_a_rectified_image_has_the_matrix_p_and_no_lens():
    info = camera_info(p=(1100, 630, 470), d=LENSES['plumb_bob'])
    assert CameraModel.from_info(info, rectified=True) == CameraModel(
        (960, 1280), 1100, 1100, 630, 470)
    assert CameraModel.from_info(info, rectified=False).distortion == LENSES['plumb_bob']


@pytest.mark.parametrize('lens', [None, *LENSES])
def test_a_place_comes_back_from_its_point(lens):
    camera = CAMERA if lens is None else CameraModel(
        (480, 640), 600.0, 590.0, 321.5, 238.25, LENSES[lens], lens)
    rng = np.random.default_rng(0)
    places = rng.uniform(0, [640, 480], (200, 2))
    depths = rng.uniform(0.3, 9, (200, 1))
    back = camera.project(depths * camera.rays(places))
    np.testing.assert_allclose(back, places, atol=1e-6)


def test_a_lens_bends_rays_and_leaves_nan():
    camera = CameraModel((480, 640), 600.0, 600.0, 320.0, 240.0, LENSES['plumb_bob'])
    places = np.array([[[10, 20], [np.nan, np.nan]]])
    rays = camera.rays(places)
    assert rays.shape == (1, 2, 3) and np.isnan(rays[0, 1, :2]).all()
    assert np.abs(rays[0, 0] - CAMERA.rays(places)[0, 0]).max() > 1e-3
    assert camera.rays(np.zeros((0, 2))).shape == (0, 3)


def test_another_size_of_the_same_view_has_the_same_rays():
    half = CAMERA.resize((240, 320))
    places = np.random.default_rng(0).uniform(0, [320, 240], (20, 2))
    np.testing.assert_allclose(half.rays(places), CAMERA.rays(2 * places), atol=1e-12)
    assert CAMERA.resize((480, 640)) is CAMERA


def test_another_aspect_is_not_registered():
    check_aspect((480, 640), (240, 321), 'depth')
    for size in [(480, 848), (640, 480), (240, 330)]:
        with pytest.raises(ValueError, match='640x480.*not registered'):
            CAMERA.resize(size)


@pytest.mark.parametrize('info, problem', [
    (camera_info(k=(0, 0, 0)), 'not calibrated'),
    (camera_info(k=(np.nan, 1, 1)), 'not calibrated'),
    (camera_info(k=(-5, 1, 1)), 'not calibrated'),
    (camera_info(d=(0.1,) * 5, model='thin_prism'), "'thin_prism' is not known"),
    (camera_info(d=(0.1,) * 6), 'it has 4 or 5'),
    (camera_info(d=(0.1, np.inf, 0, 0)), 'coefficients'),
    (camera_info(width=1, binning=(2, 2)), 'no pixels'),
])
def test_a_camera_that_cannot_be_used_is_refused(info, problem):
    with pytest.raises(ValueError, match=problem):
        CameraModel.from_info(info, rectified=False)


def test_an_unknown_lens_that_does_nothing_is_none():
    info = camera_info(d=(0, 0, 0), model='thin_prism')
    assert CameraModel.from_info(info, rectified=False).distortion == ()


@pytest.mark.parametrize('topic, d, expected', [
    ('/camera/image_rect_raw', (0.1, 0, 0, 0), True), ('/rect/image_raw', (0.1, 0, 0, 0), False),
    ('/camera/image_raw', (0, 0, 0, 0), True), ('image', (), True)])
def test_what_is_rectified(topic, d, expected):
    assert is_rectified(topic, camera_info(d=d)) is expected


def test_rays_agree_with_image_geometry():
    image_geometry = pytest.importorskip('image_geometry')
    from sensor_msgs.msg import CameraInfo
    info = CameraInfo(width=1280, height=960, distortion_model='plumb_bob',
                      d=list(LENSES['plumb_bob']), binning_x=2, binning_y=2)
    info.k, info.p = (list(map(float, getattr(camera_info(), name))) for name in 'kp')
    info.r = np.eye(3).ravel().tolist()
    theirs = image_geometry.PinholeCameraModel()
    theirs.from_camera_info(info)
    ray = np.array(theirs.project_pixel_to_3d_ray((100.0, 50.0)))
    ours = CameraModel.from_info(info, rectified=True).rays(np.array([100.5, 50.5]))
    np.testing.assert_allclose(ours, ray / ray[2], atol=1e-9)
