"""Measurements side by side: Knocklet, Debian's knockd and fwknopd, and knocking with nothing but kernel rules, in one lab."""
