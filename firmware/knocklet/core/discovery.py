"""Home Assistant's device discovery (MQTT): what a gateway is, in one retained message. Nothing in it opens or arms.

Every event type is listed from the first version on: an unknown one makes Home Assistant warn at each message. An unknown key
at the top refuses all of it. Checked against Home Assistant 2026.11; source: its MQTT integration, "device discovery payload".
"""

from ..wire import topics
from ..wire.report import EVENT_TYPES

_MANUFACTURER = "Knocklet"


def topic(prefix, name):
    """Where the payload goes, retained, below Home Assistant's prefix."""
    return prefix + topics.DISCOVERY % name


def payload(name, version):
    """A dict to be sent as JSON. name: the gateway's."""
    base = "knocklet_" + name
    state = topics.topic(name, topics.STATE)
    event = topics.topic(name, topics.EVENT)
    components = {
        "knock": {
            "p": "event",
            "name": "Knock",
            "def_ent_id": "event.%s_knock" % base.replace("-", "_"),
            "ic": "mdi:door-open",
            "evt_typ": list(EVENT_TYPES),
            "stat_t": event,
        },
        "open_grants": {
            "p": "sensor",
            "name": "Open grants",
            "stat_t": state,
            "val_tpl": "{{ value_json.grants_open }}",
            "stat_cla": "measurement",
            "json_attr_t": topics.topic(name, topics.GRANTS),
            "ic": "mdi:shield-key",
        },
        "refused": _counter("Refused knocks", state, "refused_total"),
        "dropped": _counter("Dropped events", state, "dropped_total"),
        "any_open": {
            "p": "binary_sensor",
            "name": "Any door open",
            "dev_cla": "opening",
            "stat_t": state,
            "val_tpl": "{{ 'ON' if value_json.grants_open | int > 0 else 'OFF' }}",
        },
        "firewall_problem": _problem("Firewall problem", state, "value_json.firewall == 'ok'"),
        "clock_problem": _problem("Clock problem", state, "value_json.clock_trusted | default(true)"),
        "store_problem": _problem("Storage problem", state, "value_json.store | default('ok') == 'ok'"),
        "close_all": {
            "p": "button",
            "name": "Close all now",
            "ic": "mdi:door-closed-lock",
            "cmd_t": topics.topic(name, topics.REQUEST + "close_all"),
            "pl_prs": '{"transaction":"ha"}',
        },
    }
    for key in components:
        components[key]["uniq_id"] = "%s_%s" % (base, key)
    components["trigger_opened"] = {
        "p": "device_automation",
        "atype": "trigger",
        "type": "knock",
        "stype": "opened",
        "t": event,
        "pl": "opened",
        "val_tpl": "{{ value_json.event_type }}",
    }
    return {
        "dev": {"ids": [base], "name": "Knocklet " + name, "mf": _MANUFACTURER, "mdl": "knock engine", "sw": version},
        "o": {"name": "knocklet", "sw": version},
        "avty_t": topics.topic(name, topics.STATUS),
        "pl_avail": str(topics.ONLINE, "ascii"),
        "pl_not_avail": str(topics.OFFLINE, "ascii"),
        "qos": 1,
        "cmps": {"%s_%s" % (base, key): components[key] for key in components},
    }


def _counter(name, state, key):
    return {
        "p": "sensor",
        "name": name,
        "stat_t": state,
        "val_tpl": "{{ value_json.%s }}" % key,
        "stat_cla": "total_increasing",
        "ent_cat": "diagnostic",
    }


def _problem(name, state, good):
    return {
        "p": "binary_sensor",
        "name": name,
        "dev_cla": "problem",
        "ent_cat": "diagnostic",
        "stat_t": state,
        "val_tpl": "{{ 'OFF' if %s else 'ON' }}" % good,
    }
