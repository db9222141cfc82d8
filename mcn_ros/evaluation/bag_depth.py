# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a depth camera saw in the images of a bag."""

from mcn_ros.data.bags import Bag
from mcn_ros.data.messages import stamp_ns
from mcn_ros.data.results import IMAGE_TYPE
from mcn_ros.evaluation.in_step import InStep
from mcn_ros.spatial.camera_model import CameraModel, is_rectified
from mcn_ros.spatial.depth import depth_from_image
from mcn_ros.spatial.surface import Surface

INFO_TYPE = 'sensor_msgs/msg/CameraInfo'


def depth_topic(topic: str) -> str:
    """Return the topic of the depth that is registered to images, as images_to_bag names it."""
    folder = topic.removesuffix('/compressed').rpartition('/')[0]
    return f'{folder}/depth/image_raw'


class BagDepth:
    """
    The depth of the images of one topic, which has their stamps; its camera_info is beside it.

    :param bag: the bag, open.
    :param topic: of the depth.
    """

    def __init__(self, bag: Bag, topic: str):
        self._topic = topic
        info = f'{topic.rpartition("/")[0]}/camera_info'
        self._images, self._infos = (
            InStep((message.content for message in bag.messages([name], [kind])), stamp_ns)
            for name, kind in ((topic, IMAGE_TYPE), (info, INFO_TYPE)))

    def find(self, stamp: int) -> Surface | None:
        """
        Return what was seen at a stamp, None without depth or camera_info; stamps ascend.

        :raises ValueError: for a message that is not as it should be.
        """
        image, info = self._images.find(stamp), self._infos.find(stamp)
        if image is None or info is None:
            return None
        try:
            depth = depth_from_image(image)
            camera = CameraModel.from_info(info, is_rectified(self._topic, info))
            return Surface(depth, camera.resize(depth.shape))
        except ValueError as error:
            raise ValueError(f'{self._topic}: {error} (stamp {stamp})') from error
