"""The curves that a run has left, as TensorBoard reads them."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TIMED = "train/images_per_second"
"""What two runs of the same numbers need not share."""


def curves(folder):
    """The points of every curve and picture of a run: count of images and value."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    scalars = {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
        if tag != TIMED
    }
    pictures = {
        tag: [(event.step, event.encoded_image_string) for event in found.Images(tag)] for tag in found.Tags()["images"]
    }
    return scalars | pictures
