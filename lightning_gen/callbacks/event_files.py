"""Files of TensorBoard in a folder that somebody may remove while they are written."""

import os
from typing import Any

from tensorboard.compat.tensorflow_stub.io import gfile


class EventFiles(gfile.LocalFileSystem):
    """TensorBoard's files on this machine, whose folder is made again where it was removed.

    TensorBoard opens a file for each record. Where its folder is gone its thread would end with an error, and the run
    with it at the next figure.
    """

    def append(self, filename: Any, file_content: Any, binary_mode: bool = False) -> None:
        """Append to a file, which begins anew where it was removed."""
        try:
            super().append(filename, file_content, binary_mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(filename), exist_ok=True)
            super().append(filename, file_content, binary_mode)


def keep_folders() -> None:
    """Let TensorBoard write so from now on."""
    gfile.register_filesystem("", EventFiles())
