"""A real browser on a host of the lab: Chromium without a window, told what to do over two pipes.

    with Browser(lab.client, tmp_path) as browser:
        browser.open(page)                      # a file
        browser.click("#unlock button")
        browser.wait_for("document.title == 'Camera 1: admin'")

The pipes are descriptors 3 and 4 of its process (--remote-debugging-pipe) and lead out of its namespace. What goes through
them is the DevTools protocol: JSON, a zero byte after each message.
"""

import fcntl
import json
import os
import subprocess
import time
from base64 import b64decode

from .host import LabError

_READ, _WRITE = 3, 4  # as Chromium wants them
_CHROMIUM = (
    "chromium", "--headless", "--remote-debugging-pipe", "--no-first-run",
    "--no-sandbox",  # refuses to run as root otherwise
    "--disable-gpu", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",  # sends nothing of its own
)  # fmt: skip
_TIMEOUT_S = 30.0


class Browser:
    """One Chromium with one page open at a time. Raises LabError for what fails in the page, or never comes."""

    def __init__(self, host, directory, names=()):
        """directory: an empty one, for its profile and its log. names: host name -> address."""
        self._host = host
        self._directory = directory
        rules = [f"MAP {name} {address}" for name, address in dict(names).items()]
        rules.append("MAP *.com ~NOTFOUND")  # what it asks for of its own; *.* would be addresses, too
        self._names = "--host-resolver-rules=" + ",".join(rules)
        self._process = self._in = self._out = self._session = self._context = None
        self._number = 0
        self._rest = b""

    def __enter__(self):
        to_it, self._out = os.pipe()
        self._in, from_it = os.pipe()

        def place_pipes():
            ends = [fcntl.fcntl(pipe, fcntl.F_DUPFD, _WRITE + 1) for pipe in (to_it, from_it)]  # neither lies on 3 or 4
            os.dup2(ends[0], _READ)
            os.dup2(ends[1], _WRITE)

        command = [*_CHROMIUM, self._names, f"--user-data-dir={self._directory}/profile", "about:blank"]
        with open(self._directory / "chromium.log", "wb") as log:
            self._process = self._host.popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=place_pipes, close_fds=False
            )
        os.close(to_it)
        os.close(from_it)
        self._host.started.remove(self._process)  # a lab that is reset leaves it alone
        return self

    def __exit__(self, *_):
        os.close(self._out)  # at which it ends
        try:
            self._process.wait(_TIMEOUT_S)
        finally:
            self._process.kill()
            os.close(self._in)

    def open(self, path, before=""):
        """Open a file, as in a browser that was never used before. before: a script to run there first.

        Returns when it is loaded. What the page before had is gone, its connections too.
        """
        if self._context:
            self._call("Target.disposeBrowserContext", None, browserContextId=self._context)
        self._context = self._call("Target.createBrowserContext", None)["browserContextId"]
        created = self._call("Target.createTarget", None, url="about:blank", browserContextId=self._context)
        target = created["targetId"]
        self._session = self._call("Target.attachToTarget", None, targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        if before:
            self._call("Page.addScriptToEvaluateOnNewDocument", source=before)
        self._call("Page.navigate", url=f"file://{path}")
        self.wait_for("location.protocol == 'file:' && document.readyState == 'complete'")
        # Before it has drawn something it takes no clicks.
        self.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def value(self, expression):
        """What a JavaScript expression is, as data; a promise is waited for."""
        options = {"returnByValue": True, "awaitPromise": True}
        found = self._call("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in found:
            raise LabError(f"{expression}: {found['exceptionDetails']['exception'].get('description')}")
        return found["result"].get("value")

    def wait_for(self, expression, timeout_s=_TIMEOUT_S):
        """Until it is true, also across pages."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if self.value(expression):
                    return
            except LabError:  # one page has gone and the next is not there yet
                pass
            if time.monotonic() > deadline:
                shown = self.value("document.body.innerText")
                raise LabError(f"waited {timeout_s:g} s in vain: {expression}; the page says {shown!r}")
            time.sleep(0.02)

    def click(self, selector):
        """As a mouse or a finger does, in the middle of the first element of this kind."""
        place = f"const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
        x, y = self.value(f"(() => {{ {place} return [box.x + box.width / 2, box.y + box.height / 2]; }})()")
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text):
        """Into what has the focus."""
        self._call("Input.insertText", text=text)

    def picture(self, path, width=390, height=700, dark=False):
        """A PNG of the page, on a screen of this size."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        path.write_bytes(b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method, session=True, **parameters):
        """session: None to speak to the browser instead of to the page."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:  # what happens meanwhile concerns nobody
            pass
        if "error" in answer:
            raise LabError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _read(self):
        while b"\0" not in self._rest:
            data = os.read(self._in, 1 << 16)
            if not data:
                raise LabError(f"Chromium has ended, see {self._directory}/chromium.log")
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)
