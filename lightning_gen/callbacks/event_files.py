"""TensorBoard's files, in a folder that may be removed while they are written."""

import os
from typing import Any

from tensorboard.compat.tensorflow_stub.io import gfile


class EventFiles(gfile.LocalFileSystem):
    """TensorBoard's local files, whose folder is created again if it was removed.

    TensorBoard opens a file for each record. Without its folder its thread would end with an error, and the run with
    it at the next logged value.
    """

    def append(self, filename: Any, file_content: Any, binary_mode: bool = False) -> None:
        """Append to a file; one that was removed is created again."""
        try:
            super().append(filename, file_content, binary_mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(filename), exist_ok=True)
            super().append(filename, file_content, binary_mode)


def keep_folders() -> None:
    """Let TensorBoard use `EventFiles` from now on."""
    gfile.register_filesystem("", EventFiles())
