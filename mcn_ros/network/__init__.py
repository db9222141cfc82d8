# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Network parts: backbones, necks, trunks and heads; plain modules that know no task."""
