"""The configurations that came over MQTT, sealed as they came: a key holder made them, and whoever reads them checks that anew.

    config.trial      tried, and not confirmed: after a restart it is over
    config.sealed     in force since it was confirmed
    config.before     in force before that: for when the other one is damaged
"""

import os

from ..wire import sealed
from . import whole_file

_ENOENT = 2
_TRIAL, _IN_FORCE, _BEFORE = "/config.trial", "/config.sealed", "/config.before"


class ConfigSlots:
    def __init__(self, state_dir):
        self._directory = state_dir

    def confirmed(self):
        """Messages (bytes) that may be in force, the first that is good is; one that cannot be read is empty."""
        paths = [self._directory + name for name in (_IN_FORCE, _BEFORE)]
        return [whole_file.read(path, sealed.LIMIT_BYTES) for path in paths if whole_file.is_there(path)]

    def trial_version(self):
        """Of a trial that nobody has ended, 0 when there is none. It is only told."""
        return sealed.version_of(whole_file.read(self._directory + _TRIAL, sealed.BYTES))

    def prepare_trial(self, message):
        """Before it is in force: then put_trial() or drop_trial(). Raises OSError, and then nothing has changed."""
        whole_file.make_directory(self._directory)
        whole_file.prepare(self._directory + _TRIAL, message)

    def put_trial(self):
        """It is what is tried, instead of what was tried before. Raises OSError."""
        whole_file.put(self._directory + _TRIAL)
        whole_file.flush_directory(self._directory)

    def drop_trial(self):
        """It never came into force: what was tried before still is."""
        whole_file.drop(self._directory + _TRIAL)

    def end_trial(self):
        """It is not to be had any more. Where it cannot be removed, nobody reads it either."""
        whole_file.remove(self._directory + _TRIAL)

    def confirm(self):
        """What was tried is in force from now on. Returns whether it still is after a power cut. Raises OSError: it is not."""
        os.stat(self._directory + _TRIAL)
        try:
            os.rename(self._directory + _IN_FORCE, self._directory + _BEFORE)
        except OSError:
            pass  # the first one
        os.rename(self._directory + _TRIAL, self._directory + _IN_FORCE)
        try:
            whole_file.flush_directory(self._directory)
            return True
        except OSError:
            return False

    def forget(self):
        """None is in force any more: the older ones go first, so that none of them is while the others go. Raises OSError: one
        is after a restart, or perhaps."""
        gone = False
        for name in (_TRIAL, _BEFORE, _IN_FORCE):
            try:
                os.remove(self._directory + name)
                gone = True
            except OSError as error:
                if error.errno != _ENOENT:
                    raise
        if gone:
            whole_file.flush_directory(self._directory)
