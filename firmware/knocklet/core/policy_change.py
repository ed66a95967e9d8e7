"""What a new configuration changes: does it only take rights away? Then it needs no trial: that may be urgent. Services are no
rights: where one is taken out, its port is no longer closed by us.
"""

_TAKEN = ("sequences", "clients", "revoked")
_RIGHTS = ("open", "close", "kinds")  # of a client or sequence: fewer of them
_SECRETS = ("key", "fwknop")  # go with the kinds that need them


def only_takes_away(old, new):
    """old, new: the values of two configurations (dicts of strict_json.loads)."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    rest = [{key: values[key] for key in values if key not in _TAKEN} for values in (old, new)]
    if rest[0] != rest[1]:
        return False
    for kind in ("sequences", "clients"):
        before, after = old.get(kind, {}), new.get(kind, {})
        if not isinstance(before, dict) or not isinstance(after, dict):
            return False
        for name in after:
            if name not in before or not _has_less(before[name], after[name]):
                return False
    return True


def _has_less(before, after):
    """Is it what it was, but for rights that it has no more?"""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    rest = [{key: one[key] for key in one if key not in _RIGHTS} for one in (before, after)]
    left = {key: rest[0][key] for key in rest[0] if key in rest[1] or key not in _SECRETS}
    return left == rest[1] and all(_is_part(after.get(key), before.get(key)) for key in _RIGHTS)


def _is_part(after, before):
    if after == before:
        return True
    return isinstance(after, list) and isinstance(before, list) and all(one in before for one in after)
