# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What ROS 2, pip and a user at the command line see of the package."""

import ast
import importlib.util
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest
import setuptools  # noqa: F401 (it provides distutils where Python has none)
from distutils.core import run_setup  # noqa: I100, I201

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    'mcn_ros': ROOT,
    'mcn_ros_msgs': ROOT / 'mcn_ros_msgs',
    'vision_msgs': ROOT / 'standalone' / 'vision_msgs',
}
# The rosdep keys of what is not a package of ROS 2.
KEYS = {
    'catkin_pkg': 'python3-catkin-pkg',
    'cv2': 'python3-opencv',
    'distutils': 'python3-setuptools',
    'hypothesis': 'python3-hypothesis',
    'matplotlib': 'python3-matplotlib',
    'networkx': 'python3-networkx',
    'numpy': 'python3-numpy',
    'pytest': 'python3-pytest',
    'scipy': 'python3-scipy',
    'setuptools': 'python3-setuptools',
    'tqdm': 'python3-tqdm',
    'yaml': 'python3-yaml',
}
# package.xml says why these are not in it.
WITHOUT_KEY = {'onnx', 'onnxruntime', 'openvino', 'pycocotools', 'rosbags', 'safetensors',
               'tensorboard', 'torch', 'torchvision'}


def manifest(name):
    catkin_package = pytest.importorskip('catkin_pkg.package')
    warnings = []
    package = catkin_package.parse_package(str(PACKAGES[name]), warnings=warnings)
    assert not warnings
    return package


def pins(file):
    lines = (ROOT / 'standalone' / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def installed(name):
    """Return the folder of an installed package's shared files; skip where it is not installed."""
    index = pytest.importorskip('ament_index_python.packages')
    try:
        return Path(index.get_package_share_directory(name))
    except (index.PackageNotFoundError, OSError) as reason:  # OSError: no ROS 2 is sourced
        pytest.skip(str(reason))


@pytest.fixture
def distribution(monkeypatch):
    """Return what setup.py declares."""
    monkeypatch.chdir(ROOT)
    return run_setup('setup.py', stop_after='init')


@pytest.fixture
def commands(distribution):
    """Return the commands of setup.py: name -> module."""
    scripts = (line.split(' = ') for line in distribution.entry_points['console_scripts'])
    return {name: target.removesuffix(':main') for name, target in scripts}


@pytest.fixture
def mcn():
    """Return a function that runs ./mcn, in this very environment."""
    if Path(sys.prefix) != ROOT / '.venv':
        pytest.skip('not in the environment of ./mcn')

    def run(*arguments, **options):
        return subprocess.run(
            [ROOT / 'mcn', *arguments], capture_output=True, text=True, timeout=60, **options)

    return run


# ---- Manifests ----

@pytest.mark.parametrize('name, build_type', [
    ('mcn_ros', 'ament_python'), ('mcn_ros_msgs', 'ament_cmake'), ('vision_msgs', 'ament_cmake')])
def test_manifest_is_valid(name, build_type):
    package = manifest(name)
    assert package.name == name
    assert package.get_build_type() == build_type
    assert package.licenses == ['Apache-2.0']


@pytest.mark.parametrize('name', ['mcn_ros', 'mcn_ros_msgs'])
def test_package_can_be_released_by_itself(name):
    """The build farm takes what is in the folder of a package.xml."""
    changelog = (PACKAGES[name] / 'CHANGELOG.rst').read_text()
    title, *sections = re.findall(r'^(\S.*)\n[-^]+$', changelog, re.MULTILINE)
    assert title == f'Changelog for package {name}'
    # The tools that release it look for these titles, and give the first one its version.
    assert sections[0] == 'Forthcoming' or sections[0].startswith(f'{manifest(name).version} (')
    assert (PACKAGES[name] / 'LICENSE').read_bytes() == (ROOT / 'LICENSE').read_bytes()


def test_versions_agree(distribution):
    assert distribution.get_version() == manifest('mcn_ros').version
    assert distribution.get_version() == manifest('mcn_ros_msgs').version


@pytest.mark.parametrize('folders, kinds', [
    (['mcn_ros', 'launch'], ['exec']), (['test'], ['exec', 'test'])])
def test_every_import_has_a_provider(folders, kinds):
    pinned = {re.split('[=;]', pin)[0].lower() for pin in pins('requirements.txt')}
    assert WITHOUT_KEY <= pinned
    provided = {'mcn_ros', *sys.stdlib_module_names} - {'distutils'} | WITHOUT_KEY
    for kind in kinds:
        provided |= {dependency.name for dependency in manifest('mcn_ros')[f'{kind}_depends']}
    imported = set()
    for file in [file for folder in folders for file in (ROOT / folder).rglob('*.py')]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split('.')[0])
    assert {KEYS.get(name, name) for name in imported} - provided == set()


# ---- setup.py ----

def test_every_command_has_a_main(commands):
    for name, module in commands.items():
        file = ROOT / Path(*module.split('.')).with_suffix('.py')
        functions = {
            node.name for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.FunctionDef)}
        assert 'main' in functions, name
        assert importlib.util.find_spec(module).origin


def test_every_command_file_is_declared(commands):
    files = (ROOT / 'mcn_ros' / 'commands').glob('[!_]*.py')
    programs = {file.stem for file in files if '\ndef main(' in file.read_text()}
    assert programs and programs <= set(commands)


def test_every_module_is_in_a_package(distribution):
    folders = {file.parent for file in (ROOT / 'mcn_ros').rglob('*.py')}
    assert {'.'.join(folder.relative_to(ROOT).parts) for folder in folders} == \
        set(distribution.packages)


def test_every_shared_file_is_installed(distribution):
    installed = {
        (Path(folder).relative_to('share/mcn_ros'), file)
        for folder, files in distribution.data_files if folder.startswith('share/mcn_ros')
        for file in files}
    for top in ['launch', 'config', 'models', 'examples']:
        for file in (ROOT / top).rglob('*'):
            if file.is_file() and '__pycache__' not in file.parts:
                path = file.relative_to(ROOT)
                assert (path.parent, str(path)) in installed


# ---- What is installed ----

def test_package_is_found_by_ros(commands):
    share = installed('mcn_ros')
    for file in ['package.xml', 'launch/mcn.launch.py', 'config/mcn.yaml']:
        assert (share / file).is_file()
    for command in commands:
        assert os.access(share.parents[1] / 'lib' / 'mcn_ros' / command, os.X_OK)


@pytest.mark.parametrize('name, fields', [
    ('Keypoint2D', {
        'position': 'vision_msgs/Point2D', 'score': 'float', 'state': 'uint8'}),
    ('HumanPose2D', {
        'id': 'string', 'score': 'float', 'bbox': 'vision_msgs/BoundingBox2D',
        'keypoints': 'sequence<mcn_ros_msgs/Keypoint2D>'}),
    ('HumanPose2DArray', {
        'header': 'std_msgs/Header', 'poses': 'sequence<mcn_ros_msgs/HumanPose2D>'}),
    ('Keypoint3D', {
        'position': 'geometry_msgs/Point', 'score': 'float', 'sigma': 'float',
        'state': 'uint8'}),
    ('HumanPose3D', {
        'id': 'string', 'score': 'float', 'bbox': 'vision_msgs/BoundingBox3D',
        'keypoints': 'sequence<mcn_ros_msgs/Keypoint3D>'}),
    ('HumanPose3DArray', {
        'header': 'std_msgs/Header', 'poses': 'sequence<mcn_ros_msgs/HumanPose3D>'}),
    ('SkeletonInfo', {
        'header': 'std_msgs/Header', 'name': 'string', 'keypoint_names': 'sequence<string>',
        'edges': 'sequence<uint16>', 'flip': 'sequence<uint16>', 'threshold': 'float'}),
])
def test_message_has_its_fields(name, fields):
    pytest.importorskip('rclpy')
    from mcn_ros_msgs import msg
    assert getattr(msg, name).get_fields_and_field_types() == fields


def test_keypoint_states():
    pytest.importorskip('rclpy')
    from mcn_ros_msgs.msg import Keypoint2D
    assert (Keypoint2D.NOT_ESTIMATED, Keypoint2D.LOW_CONFIDENCE, Keypoint2D.VISIBLE) == (0, 1, 2)


def test_detections_are_those_of_vision_msgs():
    """A hash covers names, fields and types, also of the messages within."""
    share = installed('vision_msgs')
    if '<version>4.1.' not in (share / 'package.xml').read_text():
        pytest.skip('another version than 4.1')
    description = json.loads((share / 'msg' / 'Detection2DArray.json').read_text())
    hashes = {entry['type_name']: entry['hash_string'] for entry in description['type_hashes']}
    assert hashes['vision_msgs/msg/Detection2DArray'] == \
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'


# ---- The environment without ROS 2 ----

def test_vision_msgs_stays_out_of_workspaces():
    assert (PACKAGES['vision_msgs'] / 'COLCON_IGNORE').exists()


@pytest.mark.parametrize('file', ['mcn', 'standalone/setup.sh', 'standalone/lock.sh', '.ci/run'])
def test_shell_script_is_runnable(file):
    assert os.access(ROOT / file, os.X_OK)
    subprocess.run(['bash', '-n', ROOT / file], check=True)


# ---- ./mcn ----

@pytest.mark.parametrize('arguments', [[], ['--help']])
def test_mcn_lists_the_commands(mcn, commands, arguments):
    result = mcn(*arguments)
    assert result.returncode == 0
    for command in [*commands, 'test']:
        assert re.search(rf'^  {command} +\S', result.stdout, re.MULTILINE), command


def test_mcn_names_the_commands_when_it_knows_none_of_that_name(mcn, commands):
    result = mcn('nosuch')
    assert result.returncode == 2
    assert result.stdout == ''
    assert result.stderr.count('\n') == 1
    assert {'nosuch', 'test', *commands} <= set(re.findall(r'\w+', result.stderr))


def test_mcn_keeps_folder_arguments_and_exit_code(mcn, tmp_path):
    program = 'import os, sys; print(os.getcwd(), *sys.argv[1:], sep="|"); sys.exit(3)'
    result = mcn('python', '-c', program, 'a b', '', cwd=tmp_path)
    assert result.stdout == f'{tmp_path}|a b|\n'
    assert result.returncode == 3


@pytest.mark.parametrize('choice, transport', [
    ({}, 'fastdds.xml None'),
    ({'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}, ' UDPv4'),
    ({'FASTRTPS_DEFAULT_PROFILES_FILE': 'x.xml'}, ' None'),
    ({'FASTDDS_DEFAULT_PROFILES_FILE': 'x.xml'}, 'x.xml None'),
])
def test_mcn_leaves_the_transport_to_the_user(mcn, choice, transport):
    names = ['FASTDDS_BUILTIN_TRANSPORTS', 'FASTRTPS_DEFAULT_PROFILES_FILE',
             'FASTDDS_DEFAULT_PROFILES_FILE']
    environment = {name: value for name, value in os.environ.items() if name not in names}
    program = ('import os; print(os.path.basename(os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE",'
               ' "")), os.environ.get("FASTDDS_BUILTIN_TRANSPORTS"))')
    result = mcn('python', '-c', program, env=environment | choice)
    assert result.stdout.rstrip('\n') == transport
