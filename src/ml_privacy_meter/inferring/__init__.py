"""The games beside membership, each played on a model and measured."""
