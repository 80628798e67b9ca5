"""The edit distance of lines of letters."""

import torch
from torch import Tensor

from lightning_gen.alphabet import within_line


def edit_distances(a: Tensor, b: Tensor) -> Tensor:
    """The fewest letters to insert, drop or replace that make one line of the other (Levenshtein, 1966), all at once.

    A row of the table of prefixes follows from the one before: the minimum over insertions is a running minimum of
    ``cost - place``. Letters after the first END are no part of a line. Nothing waits for the device.

    Args:
        a: Indices of letters, int64 ``(n, length)``.
        b: The same for the other lines, ``(n, other length)``.

    Returns:
        int64 ``(n,)``.
    """
    length_of_a, length_of_b = within_line(a).sum(1), within_line(b).sum(1)
    places = torch.arange(b.shape[1] + 1, device=b.device)
    row = places.expand(len(b), -1)
    rows = [row]
    for index in range(a.shape[1]):
        replaced = row[:, :-1] + (a[:, index, None] != b)
        best = torch.cat([row[:, :1] + 1, torch.minimum(row[:, 1:] + 1, replaced)], 1)
        row = (best - places).cummin(1).values + places
        rows.append(row)
    table = torch.stack(rows, 1)
    return table[torch.arange(len(a), device=a.device), length_of_a, length_of_b]


def character_errors(output: Tensor, x: Tensor) -> Tensor:
    """The edit distance of each line to the true one, over the number of its letters, ``(n,)``.

    An empty line counts as one letter. A decoder that says only END has the error 1, and it may exceed 1.

    Args:
        output: Indices of letters, int64 ``(n, length)``.
        x: The true lines.
    """
    return edit_distances(output, x) / within_line(x).sum(1).clamp(min=1)
