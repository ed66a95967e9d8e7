"""What a new configuration changes: does it only take away? Then it needs no trial, since its author can lose nothing else."""

_TAKEN = ("services", "sequences", "clients", "revoked")
_RIGHTS = ("open", "kinds")  # of a client: fewer of them


def only_takes_away(old, new):
    """old, new: the values of two configurations (dicts of strict_json.loads)."""
    rest = [{key: values[key] for key in values if key not in _TAKEN} for values in (old, new)]
    if rest[0] != rest[1]:
        return False
    for kind, same in (("services", _equal), ("sequences", _equal), ("clients", _has_less)):
        before, after = old.get(kind, {}), new.get(kind, {})
        if not isinstance(before, dict) or not isinstance(after, dict):
            return False
        for name in after:
            if name not in before or not same(before[name], after[name]):
                return False
    return True


def _equal(before, after):
    return before == after


def _has_less(before, after):
    """Is a client what it was, but for rights that it has no more?"""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    rest = [{key: client[key] for key in client if key not in _RIGHTS} for client in (before, after)]
    return rest[0] == rest[1] and all(_is_part(after.get(key), before.get(key)) for key in _RIGHTS)


def _is_part(after, before):
    if after == before:
        return True
    return isinstance(after, list) and isinstance(before, list) and all(one in before for one in after)
