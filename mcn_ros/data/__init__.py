# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Data sets, augmentation and batches."""
