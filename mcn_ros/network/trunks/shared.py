# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One trunk for all tasks."""

from dataclasses import asdict, dataclass, field
from typing import Literal, Mapping, Sequence

from torch import nn, Tensor

from mcn_ros.network.backbones import Backbone, BACKBONES
from mcn_ros.network.colours import Colours
from mcn_ros.network.features import MapShape
from mcn_ros.network.necks import NECKS
from mcn_ros.network.recompute import recomputed

SHARED = 'shared'  # the stream of all tasks that have none of their own
TRUNK = 'trunk'  # owner of the parameters that no single task owns


@dataclass(frozen=True)
class TrunkConfig:
    """
    One backbone and one neck for all tasks (the MCN paper, section 3).

    :param backbone: a key of ``BACKBONES``.
    :param neck: a key of ``NECKS``.
    :param channels: number of channels of the features.
    :param deformable: use deformable convolutions in the neck.
    :raises ValueError: for an unknown backbone or neck, and no channels.
    """

    backbone: str = 'shufflenet_v2_x1_0'
    neck: str = 'top_down'
    channels: int = 64
    deformable: bool = False
    kind: Literal['shared'] = field(default=SHARED, kw_only=True)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f'backbone: {self.backbone!r} is not one of {", ".join(BACKBONES)}')
        if self.neck not in NECKS:
            raise ValueError(f'neck: {self.neck!r} is not one of {", ".join(NECKS)}')
        if self.channels < 1:
            raise ValueError(f'channels: {self.channels} is not positive')

    def build(self, tasks: Sequence[str], colours: Colours) -> 'SharedTrunk':
        """Build the trunk, which is the same for any tasks."""
        return SharedTrunk(self, colours)

    def parts(self) -> tuple[Backbone, nn.Module]:
        """
        Build a backbone, and a neck on all of its stages.

        :raises ValueError: if they do not fit together.
        """
        backbone = BACKBONES[self.backbone]()
        return backbone, NECKS[self.neck](backbone.channels, backbone.strides, self.channels,
                                          self.deformable)

    def of_tasks(self, tasks: Sequence[str]) -> 'TrunkConfig':
        """Return the same: all of it is needed by any task."""
        return self


class SharedTrunk(nn.Module):
    """
    One backbone and one neck; every task gets the same features.

    :param config: what it is made of.
    :param colours: what its weights are for.
    :raises ValueError: if the parts do not fit together.
    """

    def __init__(self, config: TrunkConfig, colours: Colours = Colours()) -> None:
        super().__init__()
        self.config = config
        self.colours = colours
        self.backbone, self.neck = config.parts()
        if colours.channel_order == 'bgr':  # images are RGB; the weights are what is turned round
            self.backbone.reverse_colours()

    def shapes(self, task: str) -> Mapping[str, MapShape]:
        """Return the names and shapes of the features, those of the neck."""
        return self.neck.shapes

    def forward(self, images: Tensor, tasks: Sequence[str], checkpoint: bool = False,
                ) -> dict[str, dict[str, Tensor]]:
        """
        Compute the features; see :class:`mcn_ros.network.trunks.Trunk`.

        :param images: (B, 3, H, W) float, normalised; H and W multiples of the coarsest stride.
        :param checkpoint: keep what leaves the stages and the neck only; backward recomputes all
            that is within.
        :raises ValueError: for images of a size that the stages cannot halve.
        """
        stages = self.backbone(self.prepare(images), checkpoint)
        return dict.fromkeys(tasks, self.join(stages, checkpoint))

    @property
    def multiple(self) -> int:
        """Return what the sides of images are multiples of."""
        return self.backbone.strides[-1]

    def prepare(self, images: Tensor) -> Tensor:
        """Return images as the first stage takes them; ValueError for a size that it cannot."""
        height, width = images.shape[-2:]
        if height % self.multiple or width % self.multiple:
            raise ValueError(f'images of {height}x{width}: not multiples of {self.multiple}')
        return images

    def join(self, stages: Sequence[Tensor], checkpoint: bool = False) -> dict[str, Tensor]:
        """Return the features that the neck makes of the outputs of all stages."""
        return recomputed(self.neck, stages) if checkpoint else self.neck(stages)

    def backbones(self) -> list[Backbone]:
        """Return the one backbone."""
        return [self.backbone]

    def streams(self) -> dict[str, nn.Module]:
        """Return the trunk itself."""
        return {SHARED: self}

    def stream_of(self, task: str) -> str:
        """Return the name of the one stream."""
        return SHARED

    def start_from(self, other: nn.Module, streams: Sequence[str]) -> dict[str, str]:
        """Take over the weights of a trunk of this architecture and for these colours."""
        return start_streams(self.streams(), other.streams(), streams)

    def owner_of(self, parameter: str) -> str:
        """Return that no single task owns it."""
        return TRUNK

    def needs(self, key: str, tasks: Sequence[str]) -> bool:
        """Return that all of it is needed by any task."""
        return True


def start_streams(mine: Mapping[str, SharedTrunk], theirs: Mapping[str, nn.Module],
                  names: Sequence[str]) -> dict[str, str]:
    """
    Fill streams by those that fit: best one of the same name, else the shared one, else any.

    :param names: which of ``mine`` to fill.
    :return: name -> that of the one that it was filled by.
    :raises ValueError: for a stream that none fits; nothing is changed then.
    """
    origins = {name: _origin(name, mine[name], theirs) for name in names}
    for name, origin in origins.items():
        # Of a stream that others only listen to, there is less than of one that has tasks.
        state = theirs[origin].state_dict()
        mine[name].load_state_dict({key: state[key] for key in mine[name].state_dict()})
    return origins


def _origin(name: str, stream: SharedTrunk, theirs: Mapping[str, nn.Module]) -> str:
    candidates = [each for each in dict.fromkeys((name, SHARED, *theirs)) if each in theirs]
    reasons = {each: _obstacle(stream, theirs[each]) for each in candidates}
    for each, reason in reasons.items():
        if not reason:
            return each
    raise ValueError(reasons[candidates[0]])


def _obstacle(mine: SharedTrunk, other: nn.Module) -> str:
    """Return why a trunk cannot take over the weights of another; '' if it can."""
    if not isinstance(other, SharedTrunk) or other.config != mine.config:
        described = other.config if isinstance(other, SharedTrunk) else type(other).__name__
        return f'another architecture: {described}, not {mine.config}'
    if not mine.state_dict().keys() <= other.state_dict().keys():
        return 'no more than the first stages of it'
    try:
        check_colours(mine, other)
    except ValueError as error:
        return str(error)
    return ''


def check_colours(mine: SharedTrunk, other: SharedTrunk) -> None:
    """Refuse weights that are for other colours."""
    found = asdict(other.colours)
    for name, value in asdict(mine.colours).items():
        if found[name] != value:
            raise ValueError(f'another {name}: {found[name]}, not {value}')
