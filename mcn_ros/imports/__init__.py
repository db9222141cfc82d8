# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Public networks as networks of this package: a file for each, which names all of its layers."""
