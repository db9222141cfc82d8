# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Learning without labels: masked autoencoders, and the graph of how patches are related.

Source: F. Heuer et al., the poster on knowledge transfer by masked autoencoders. It says that the
error of a reconstruction relates patches, and that communities of their graph are a segmentation;
by what formulas, it leaves open. :mod:`model` is the autoencoder, :mod:`relations` measures how
much patches tell of each other, :mod:`communities` and :mod:`growth` make groups of them, and
:mod:`foreground` says which are background. :mod:`segmentation` puts these together,
:mod:`discovery` does so for image files, and :mod:`scores` tells what it is worth beside
:mod:`baselines`.
"""
