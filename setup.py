# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

from glob import glob
from os.path import isfile

from setuptools import find_packages, setup

package_name = 'mcn_ros'


def files(pattern):
    return sorted(filter(isfile, glob(pattern)))


setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(include=['mcn_ros', 'mcn_ros.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/mcn_ros']),
        ('share/mcn_ros', ['package.xml']),
        ('share/mcn_ros/launch', files('launch/*.py')),
        ('share/mcn_ros/config', files('config/*')),
        ('share/mcn_ros/config/experiments', files('config/experiments/*.yaml')),
        ('share/mcn_ros/config/train', files('config/train/*.yaml')),
        ('share/mcn_ros/models', files('models/*')),
        ('share/mcn_ros/examples', files('examples/*')),
    ],
    install_requires=['setuptools'],
    # Backends beside PyTorch; without them, auto takes what there is.
    extras_require={'openvino': ['openvino'], 'onnx': ['onnx', 'onnxruntime', 'onnxscript']},
    zip_safe=False,  # the node reads its weights and parameters from files
    maintainer='mcn_ros maintainers',
    maintainer_email='maintainers@mcn-ros.org',
    description='MultiTask-CenterNet for ROS 2',
    license='Apache-2.0',
    # ./mcn reads its list of commands here.
    entry_points={
        'console_scripts': [
            'benchmark = mcn_ros.commands.benchmark:main',
            'camera_player = mcn_ros.ros.entry:main',
            'communities = mcn_ros.commands.communities:main',
            'convert_weights = mcn_ros.commands.convert_weights:main',
            'demo = mcn_ros.commands.demo:main',
            'draw_scenes = mcn_ros.commands.draw_scenes:main',
            'evaluate = mcn_ros.commands.evaluate:main',
            'evaluate_bag = mcn_ros.commands.evaluate_bag:main',
            'experiments = mcn_ros.commands.experiments:main',
            'export_onnx = mcn_ros.commands.export_onnx:main',
            'fuzz = mcn_ros.commands.fuzz:main',
            'gpu_check = mcn_ros.commands.gpu_check:main',
            'images_to_bag = mcn_ros.commands.images_to_bag:main',
            'import_centernet = mcn_ros.commands.import_centernet:main',
            'import_labels = mcn_ros.commands.import_labels:main',
            'import_weights = mcn_ros.commands.import_weights:main',
            'mcn_node = mcn_ros.ros.entry:main',
            'pretrain = mcn_ros.commands.pretrain:main',
            'prune_weights = mcn_ros.commands.prune_weights:main',
            'pseudo_label = mcn_ros.commands.pseudo_label:main',
            'recorder = mcn_ros.ros.entry:main',
            'soak = mcn_ros.commands.soak:main',
            'synthesize = mcn_ros.commands.synthesize:main',
            'train = mcn_ros.commands.train:main',
        ],
    },
)
