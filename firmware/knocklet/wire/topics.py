"""MQTT topics of a gateway. Its name is a whole topic level, so that a broker's rules can bind a user to its own."""

BASE = "knocklet/"
STATUS = "status"  # plain online or offline, the last will: the only one without a mac
INFO, STATE, GRANTS, CONFIG = "info", "state", "grants", "config"
RETAINED = (INFO, STATE, GRANTS, CONFIG)  # besides STATUS
EVENT = "event"
SET = "set"  # a sealed config
REQUEST = "request/"
RESPONSE = "response/"
PLAIN_VERBS = ("close", "close_all")  # what a request may ask without a seal
ONLINE, OFFLINE = b"online", b"offline"
DISCOVERY = "/device/%s/config"  # below Home Assistant's prefix
HOME_ASSISTANT = "homeassistant"


def topic(name, below):
    """The whole topic of one below a gateway's."""
    return BASE + name + "/" + below
