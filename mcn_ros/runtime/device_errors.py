# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which errors of CUDA a process does not survive."""

# From what CUDA says of errors after which its context is unusable for as long as the process
# lives: whatever is asked of the device gives the same error, freeing memory included.
STICKY = (
    'device-side assert', 'illegal memory access', 'illegal address', 'misaligned address',
    'illegal instruction', 'invalid program counter', 'operation not supported on global/shared',
    'hardware stack error', 'unspecified launch failure', 'launch timed out', 'uncorrectable ECC',
    'uncorrectable NVLink', 'context is destroyed', 'exception from an external device')


def is_sticky(error: BaseException) -> bool:
    """Return whether an error has left the context of its GPU unusable."""
    text = str(error).lower()
    return 'cuda' in text and any(words.lower() in text for words in STICKY)
