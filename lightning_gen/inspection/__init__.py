"""What is in a folder of images, what that means for training, and the command to type, for the command ``doctor``."""
