"""Home Assistant's discovery: the keys that it knows, every event type, and nothing that opens or arms."""

import json
import unittest

from knocklet.core import discovery
from knocklet.wire import topics
from knocklet.wire.report import EVENT_TYPES

NAME = "attic-2"
PAYLOAD = discovery.payload(NAME, "1.2.3")
COMPONENTS = PAYLOAD["cmps"]
# What Home Assistant 2026.11 takes; an unknown key at the top refuses the whole payload.
TOP = {"dev", "o", "avty_t", "pl_avail", "pl_not_avail", "qos", "cmps"}
BY_PLATFORM = {
    "event": {"evt_typ", "stat_t", "def_ent_id", "ic"},
    "sensor": {"stat_t", "val_tpl", "stat_cla", "json_attr_t", "ent_cat", "ic"},
    "binary_sensor": {"stat_t", "val_tpl", "dev_cla", "ent_cat"},
    "button": {"cmd_t", "pl_prs", "ic"},
    "device_automation": {"atype", "type", "stype", "t", "pl", "val_tpl"},
}


class TestDiscovery(unittest.TestCase):
    def test_topic(self):
        self.assertEqual(discovery.topic("homeassistant", NAME), "homeassistant/device/attic-2/config")

    def test_keys(self):
        self.assertEqual(set(PAYLOAD), TOP)
        self.assertEqual(set(PAYLOAD["dev"]), {"ids", "name", "mf", "mdl", "sw"})
        self.assertEqual(PAYLOAD["dev"]["ids"], ["knocklet_attic-2"])
        for key in COMPONENTS:
            component = COMPONENTS[key]
            platform = component["p"]
            rest = set(component) - BY_PLATFORM[platform] - {"p"}
            with self.subTest(key):
                self.assertEqual(rest, set() if platform == "device_automation" else {"name", "uniq_id"})
                self.assertEqual(component.get("uniq_id", key), key)

    def test_event_types(self):
        self.assertEqual(COMPONENTS["knocklet_attic-2_knock"]["evt_typ"], list(EVENT_TYPES))

    def test_topics(self):
        """What it reads is what the gateway publishes; what it can send is close_all and nothing else."""
        read = {topics.topic(NAME, below) for below in (topics.STATE, topics.GRANTS, topics.EVENT)}
        for component in COMPONENTS.values():
            for key in ("stat_t", "json_attr_t", "t"):
                self.assertTrue(component.get(key) in read | {None}, component)
        commands = [component["cmd_t"] for component in COMPONENTS.values() if "cmd_t" in component]
        self.assertEqual(commands, ["knocklet/attic-2/request/close_all"])
        self.assertEqual(COMPONENTS["knocklet_attic-2_close_all"]["pl_prs"], '{"transaction":"ha"}')
        self.assertEqual((PAYLOAD["avty_t"], PAYLOAD["pl_avail"]), ("knocklet/attic-2/status", "online"))

    def test_state_keys(self):
        used = [component["val_tpl"] for component in COMPONENTS.values() if component.get("stat_t", "").endswith("/state")]
        for key in ("grants_open", "refused_total", "dropped_total", "firewall", "clock_trusted", "store"):
            self.assertTrue(any("value_json." + key in text for text in used), key)

    def test_size(self):
        """It fits one message of any broker, and is strict JSON."""
        text = json.dumps(PAYLOAD)
        self.assertLessEqual(len(text), 4096)
        self.assertEqual(json.loads(text), PAYLOAD)


if __name__ == "__main__":
    unittest.main()
