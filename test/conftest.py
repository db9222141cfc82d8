# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of the whole suite."""

from importlib.util import find_spec
import multiprocessing
import random

from hypothesis import settings
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
import torch

from mcn_ros.model import ModelConfig, MultiTaskNet
from mcn_ros.network.trunks import TrunkConfig
from mcn_ros.weights_file import save_model

HAVE_ROS = find_spec('rclpy') is not None
collect_ignore = [] if HAVE_ROS else ['ros', 'trials']
WORKERS = 2

# A busy machine is no error, and the same examples in every run let a failure be repeated.
settings.register_profile('mcn_ros', deadline=None, derandomize=True, database=None)
settings.load_profile('mcn_ros')


def pytest_addoption(parser):
    """Let the order be another one: no test may need what another one has left."""
    parser.addoption('--shuffle', type=int, metavar='SEED',
                     help='run the files, and the tests of each, in an order drawn with this seed')


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Share the whole suite out between two processes, file by file, unless -n says otherwise."""
    if config.pluginmanager.hasplugin('xdist') and not hasattr(config, 'workerinput') \
            and config.args_source is config.ArgsSource.TESTPATHS \
            and config.option.numprocesses is None and not config.option.usepdb:
        config.option.numprocesses = WORKERS
        config.option.dist = 'loadfile'
        config.option.loadscopereorder = False  # what takes long has few tests, and is not last


def pytest_report_header(config):
    """Say that tests are left out, where they are, and which order they have."""
    seed = config.getoption('shuffle')
    return ([] if seed is None else [f'in an order of its own: --shuffle {seed}']) + (
        [] if HAVE_ROS else ['test/ros and test/trials are left out: rclpy is not installed'])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Shuffle whole files, as what they share is costly, and the tests within them."""
    if config.getoption('shuffle') is not None:
        rng, files = random.Random(config.getoption('shuffle')), {}
        for item in items:
            files.setdefault(item.path, []).append(item)
        for tests in files.values():
            rng.shuffle(tests)
        items[:] = [
            test for tests in rng.sample(list(files.values()), len(files)) for test in tests]
    # Nobody is to wait for these to learn that another one fails.
    items.sort(key=lambda item: item.get_closest_marker('long') is not None)


def pytest_runtest_setup(item):
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker('gpu') and not torch.cuda.is_available():
        pytest.skip('no GPU that PyTorch can use on this machine')


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Use one thread: on a busy machine two wait for each other six times as long as they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory):
    """Keep compiled networks, also those of child processes, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MCN_ROS_CACHE', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(autouse=True)
def no_process_left():
    """Fail a test that leaves a child behind: the run could wait for it when all is done."""
    yield
    left = multiprocessing.active_children()
    for child in left:
        child.kill()
        child.join()
    assert not left


@pytest.fixture(scope='session')
def tiny():
    """Return the configuration of a network with all heads that costs next to nothing."""
    head = {'width': 8}
    tasks = {'detection': {'classes': ['person'], 'head': head}, 'pose': {'head': head},
             'segmentation': {'classes': ['person'], 'head': head}}
    return ModelConfig(tasks, TrunkConfig('shufflenet_v2_x0_5', 'top_down', 8), (64, 96))


@pytest.fixture(scope='session')
def tiny_weights(tiny, tmp_path_factory):
    """Write random weights of that network."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_model(MultiTaskNet(tiny), path)
    return path


@pytest.fixture(scope='session')
def write_onnx():
    """Return a function that writes an ONNX network whose outputs are fixed, but for a mean."""

    def write(path, outputs, size=(None, None), masks={}):
        """
        Write a network.

        :param outputs: name -> array, without the dimension of the batch.
        :param size: (height, width) of the input, None for any.
        :param masks: name -> what is added to an output, times the mean of the first channel.
        """
        nodes = [helper.make_node('Split', ['image'], ['one', 'two', 'three'], axis=1),
                 helper.make_node('ReduceMean', ['one'], ['mean'], axes=[2, 3], keepdims=0),
                 helper.make_node('Reshape', ['mean', 'single'], ['scalar'])]
        constants = [numpy_helper.from_array(np.array([1], np.int64), 'single')]
        infos = []
        for name, values in outputs.items():
            mask = np.broadcast_to(np.float32(masks.get(name, 0)), values.shape)
            constants += [numpy_helper.from_array(np.float32(values)[None], f'{name}_values'),
                          numpy_helper.from_array(mask[None].copy(), f'{name}_mask')]
            nodes += [helper.make_node('Mul', ['scalar', f'{name}_mask'], [f'{name}_shift']),
                      helper.make_node('Add', [f'{name}_values', f'{name}_shift'], [name])]
            infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT,
                                                       [1, *values.shape]))
        sides = [side or name for side, name in zip(size, ('height', 'width'))]
        inputs = [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, *sides])]
        graph = helper.make_graph(nodes, 'teacher', inputs, infos, constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 11)],
                                    ir_version=8), path)
        return path

    return write
