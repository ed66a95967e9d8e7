"""The lab: a home network made of namespaces. See lab.py for the drawing, generator.py for packets made by hand."""

from .host import Host, LabError
from .lab import Lab

__all__ = ["Host", "Lab", "LabError"]
